/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* eval: the packet path, compiled for the host, over an image in memory.
 *
 *   The very headers of bpf/ with array maps made of plain memory: headgate explain
 *   without an agent, the image's witness in tests, and the parser under sanitizers.
 *
 * Shape    One struct eval holds an image and its own flow table.
 * Units    'now' is in seconds and may only grow. Doors as in hg/event.h.
 * Owner    eval_new() borrows 'image' until eval_free(). One eval at a time per
 *          process is live: the maps of bpf/ are globals; eval_use() picks it.
 * Errors   eval_new(): NULL when memory is short.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hg/event.h>
#include <hg/flow.h>
#include <hg/port.h>

#include "compile/image.h"

struct eval;

struct verdict {
	bool allow;
	uint32_t reason; /* HG_DROP_* */
	uint32_t out;    /* device id by which the packet leaves, 0: kernel */
	bool is_answer;  /* the packet was turned into an ARP or ND answer */
	uint32_t told;   /* REPLY_* of bpf/pkt.h: what its sender is told; 0 nothing */
	struct hg_addr
		via; /* the next hop; zero: the instance of a port, or not judged anew */
	struct hg_tuple to;   /* the packet as it left */
	const uint8_t *frame; /* the one that was given, or where it moved to grow, until
				 the next one is judged */
	size_t size;
};

/* What is remembered of connections. */
struct eval_tables {
	struct hg_set4 *flows4;
	struct hg_set6 *flows6;
	struct hg_port_set *ports;
	uint32_t n_flow_sets;
	uint32_t ticks, hz; /* the clock of 'seen' */
};

struct eval *eval_new(const struct image *image, uint32_t n_flow_sets);
void eval_free(struct eval *e);
/* Forgets all packets. eval_switch() must follow. */
void eval_reset(struct eval *e);
/* Another image over the same flows, as after an apply. */
void eval_switch(struct eval *e, const struct image *image);
/* The copy in force, whose live words may be written; until the next switch. */
struct image eval_image(struct eval *e);
/* Judge and commit. 'frame' is rewritten as the packet leaves, but for its MACs. 'device' is the
 * image's device id. A neighbour that a packet left for is known from then on. */
struct verdict eval_packet(struct eval *e, uint32_t device, uint32_t door, uint8_t *frame,
			   size_t size, uint32_t now);
struct eval_tables eval_tables(struct eval *e, uint32_t now);
/* Judge without a trace left behind; fills 'ret' but its question fields. */
void eval_explain(struct eval *e, uint32_t device, uint32_t door, const uint8_t *frame,
		  size_t size, uint32_t now, struct hg_trace *ret);
