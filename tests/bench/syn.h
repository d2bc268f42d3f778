/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* syn: the segment that a flood sends, and what comes of it: Ethernet, IPv4, TCP, no options.
 *
 * Shape    Checksums are those of source, ports and sequence number being 0, but for the
 *          listener's port; the sender adds them. Sources are SYN_SOURCES addresses
 *          from SYN_FIRST on.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#define SYN_FIRST   0x10000000U
#define SYN_SOURCES 0x08000000U

struct syn {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	__u8 padding[6];
} __attribute__((packed));
