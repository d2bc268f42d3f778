/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sums: checksums of any frame, and what is made of a frame that left.
 *
 * Shape    Up to two tags, IPv4 with options, IPv6 without extension headers. Of a frame that
 *          is something else nothing is known, and nothing is made.
 * Errors   sums_hold() ends the program.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRAP_SIZE 68 /* what is around a packet to an appliance */

/* Each checksum of 'came' that was right is right in 'left', too, and what had none has none. */
void sums_hold(const uint8_t *came, size_t came_size, const uint8_t *left,
	       size_t left_size);
/* What is in a packet to or from an appliance, as a frame of its own without tags; its size, 0: it is
 * no such packet. 'ret' has room for 'size'. */
size_t frame_unwrap(const uint8_t *frame, size_t size, uint8_t *ret);
/* What an appliance does that lets it through. False: it is no packet to one. */
bool frame_give_back(uint8_t *frame, size_t size);
bool frame_is_ipv6(const uint8_t *frame, size_t size);
/* Makes the checksums right. */
void frame_mend(uint8_t *frame, size_t size);
/* Ends exchanged: the answer to it. False: it has none. */
bool frame_turn(uint8_t *frame, size_t size);
/* Other TCP flags, and right checksums. False for fragments. */
bool frame_reflag(uint8_t *frame, size_t size, uint8_t flags);
/* The size of an ICMP error about 'about', 0: there is none. 'flags' say which and how much is
 * quoted; with bit 7 it comes from 'routers', of IPv4 and of IPv6, else from who was asked. */
size_t frame_error_about(uint8_t *frame, size_t room, const uint8_t *about, size_t size,
			 uint8_t flags, const char *const routers[2]);
