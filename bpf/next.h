/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* next: the programs that a door's program goes on to, when no settled flow answers.
 *
 *   hg_in  -> hg_in_decide  -> hg_in_leave        hg_out     -> hg_out_decide
 *   hg_xdp -> hg_xdp_decide -> hg_xdp_leave       hg_explain -> hg_explain_decide
 *
 *   hg_..._decide -> hg_..._given -> hg_..._decide: of the packet that an appliance gave back
 *
 * The verifier allows a program a million instructions and 512 bytes of stack. A tail call begins both
 * anew, and unlike a function's its caller has left: all that it was told is in struct
 * scratch. Only programs make one; a function that did would halve the stack of its callers.
 *
 * In       The frame; struct scratch of this CPU.
 * Result   Does not return. Where it does, there is no such program: -HG_DROP_INTERNAL.
 * Cost     A jump; docs/performance.md.
 * Source   Linux clears an array of programs when the last descriptor and pin of it go,
 *          though programs use it: agent/kernel/object.h.
 */
#include "scratch.h"

/* Of a kind each: the kernel keeps TC and XDP apart. */
enum {
	NEXT_IN, /* again, from its start */
	NEXT_IN_DECIDE,
	NEXT_IN_LEAVE,
	NEXT_OUT,
	NEXT_OUT_DECIDE,
	NEXT_EXPLAIN_DECIDE,
	NEXT_IN_GIVEN,
	NEXT_EXPLAIN_GIVEN,
	NEXT_TC
};

enum { NEXT_XDP_DECIDE, NEXT_XDP_LEAVE, NEXT_XDP_GIVEN, NEXT_XDP };

int hg_in(struct __sk_buff *skb);
int hg_in_decide(struct __sk_buff *skb);
int hg_in_leave(struct __sk_buff *skb);
int hg_out(struct __sk_buff *skb);
int hg_out_decide(struct __sk_buff *skb);
int hg_explain_decide(struct __sk_buff *skb);
int hg_in_given(struct __sk_buff *skb);
int hg_explain_given(struct __sk_buff *skb);
int hg_xdp_given(struct xdp_md *xdp);
int hg_xdp_decide(struct xdp_md *xdp);
int hg_xdp_leave(struct xdp_md *xdp);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NEXT_TC);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} hg_next_tc SEC(".maps") = {
	.values = {
		[NEXT_IN] = (void *)&hg_in,
		[NEXT_IN_DECIDE] = (void *)&hg_in_decide,
		[NEXT_IN_LEAVE] = (void *)&hg_in_leave,
		[NEXT_OUT] = (void *)&hg_out,
		[NEXT_OUT_DECIDE] = (void *)&hg_out_decide,
		[NEXT_EXPLAIN_DECIDE] = (void *)&hg_explain_decide,
		[NEXT_IN_GIVEN] = (void *)&hg_in_given,
		[NEXT_EXPLAIN_GIVEN] = (void *)&hg_explain_given,
	},
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NEXT_XDP);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *));
} hg_next_xdp SEC(".maps") = {
	.values = {
		[NEXT_XDP_DECIDE] = (void *)&hg_xdp_decide,
		[NEXT_XDP_LEAVE] = (void *)&hg_xdp_leave,
		[NEXT_XDP_GIVEN] = (void *)&hg_xdp_given,
	},
};
