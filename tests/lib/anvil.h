/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* anvil: one step of the packet path, done to one frame, without rules.
 *
 * Shape    Programs of anvil.bpf.c: rewrite_tc, rewrite_xdp, quote_tc, quote_xdp, reply_tc, nat64_tc. Each parses the frame as the
 *          product does, acts as 'ask' says, and sends what becomes of it back by the device that it came from.
 * Owner    anvil_close(). One a process.
 * Errors   What cannot be set up ends the program with a sentence.
 */
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/anvil_ask.h"
#include "tests/lib/frame.h"

/* Of bpf/pkt.h, which is not for the host's headers. */
enum { ACT_TTL = 1, ACT_NAT = 2, ACT_QUOTE = 4, ACT_FAMILY = 8 };
enum { REPLY_TIME_EXCEEDED = 1, REPLY_TOO_BIG, REPLY_RESET, REPLY_FIN, REPLY_ECHO };

struct anvil_answer {
	struct anvil_ask ask;
	size_t size;
	uint8_t frame[FRAME_MAX];
};

void anvil_open(void);
void anvil_close(void);
/* The step's result is in .ask.result; 1 with .ask.parsed for a frame that makes no sense. */
struct anvil_answer anvil_strike(const char *program, const struct anvil_ask *ask,
				 const uint8_t *frame, size_t size);
/* For frames that come by a device: what to attach, and what it asks and has answered. */
int anvil_fd(const char *program);
void anvil_write(const struct anvil_ask *ask);
struct anvil_ask anvil_read(void);

struct hg_addr anvil_addr(const struct addr *a);
/* As bpf/parse.h makes it. */
struct hg_tuple anvil_tuple(const struct frame *f);

/* ---- what is told, as the product writes it ---- */

/* An IPv4 header of ours: may not be fragmented, and says how urgent it is. IPv6 stays. */
void anvil_finish(uint8_t *ip, uint8_t tos);
/* From the MAC that was written to, to the one that wrote. */
void anvil_turn(struct frame *f);
