/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cable: a veth pair in a network namespace of this process, and what a program at its far end makes of frames
 * whose checksum or segmentation is left to the device.
 *
 *   cable_send() -> near end ~~~ far end -> the program -> far end ~~~ near end -> cable_receive()
 *
 * Shape    Frames go out and come in by a packet socket with virtio headers, which say what is unfinished.
 *          The far end finishes what leaves by it (no checksum or segmentation offload), so what comes back must be right.
 * Owner    The kernel removes all of it when the process ends. One cable a process.
 * Errors   What cannot be set up ends the program with a sentence.
 */
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CABLE_FRAME 65536

struct cable_frame {
	struct virtio_net_hdr header;
	uint16_t vlan; /* 0: none beside the frame */
	size_t size;   /* 0: nothing came in time */
	uint8_t bytes[CABLE_FRAME];
};

void cable_open(void);
/* 'fd' is a TC program; the one before it leaves. */
void cable_attach(int fd);
void cable_send(const struct virtio_net_hdr *header, const uint8_t *frame, size_t size);
/* Waits 'ms' at most. */
void cable_receive(struct cable_frame *ret, int ms);

/* A tunnel that ends at the far end, with the TC program 'fd': the kernel has summed what comes out of it. False
 * where the kernel has no VXLAN. What is attached to the far end leaves. */
bool cable_tunnel(int fd);
void cable_send_tunneled(const uint8_t *frame, size_t size);

/* Makes the right checksum of TCP, UDP or ICMPv6 in a frame that the sum of the pseudo header which a local stack
 * leaves there, and fills in '*ret'. No fragments, no extension headers. */
void cable_unfinish(uint8_t *frame, size_t size, struct virtio_net_hdr *ret);
/* All checksums of the frame are right: IPv4 header, and TCP, UDP, ICMP or ICMPv6. */
bool cable_is_right(const uint8_t *frame, size_t size);
