/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* pps: the frame that is sent: the smallest that Ethernet takes.
 *
 * Shape    Checksums are those of both ports being 0; the sender adds them.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

struct small {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__u8 payload[18];
} __attribute__((packed));
