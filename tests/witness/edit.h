/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* edit: a frame with other addresses, ports and hop limit, byte by byte.
 *
 * Shape    What a gateway does to a frame, done the slow way: change the fields, then move
 *          each checksum by the difference of all that it covers. A checksum that was wrong
 *          stays wrong by as much.
 * Units    As struct parsed.
 * Owner    The caller's buffer is changed in place; sizes stay as they are.
 * Errors   What is no IP packet of the same family as 'to' is left alone.
 */
#include "tests/oracle/parse.h"

/* 'quote' is what the packet inside an ICMP error becomes, or NULL. */
void frame_edit(uint8_t *frame, size_t size, const struct l4 *to, const struct l4 *quote,
		unsigned hops_less);
/* Offset of the IP header; 0 when there is none. */
size_t frame_ip(const uint8_t *frame, size_t size);
