/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* trace: what explain hears of each stage.
 *
 * In       pkt->commit is 0 in hg_explain alone.
 * Out      hg_trace.step.
 * Cost     A branch on the slow path of the programs that are attached.
 */
#include "pkt.h"
#include "target.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_trace);
} hg_trace SEC(".maps");

/* A balancer has chosen. 'slot' counts from 1. */
static __always_inline void trace_target(const struct pkt *pkt, __u32 target, __u32 slot)
{
	struct hg_trace *t;
	__u32 zero = 0;

	if (pkt->commit)
		return;
	t = bpf_map_lookup_elem(&hg_trace, &zero);
	if (!t)
		return;
	t->target = target;
	t->slot = slot;
}

static __always_inline void trace_step(const struct pkt *pkt, __u16 stage, __u32 object,
				       __u32 rule, int allow, __u32 state)
{
	struct hg_trace *t;
	__u32 n, zero = 0;

	if (pkt->commit)
		return;
	t = bpf_map_lookup_elem(&hg_trace, &zero);
	if (!t)
		return;
	n = t->n;
	if (n >= HG_TRACE_STEPS)
		return;
	t->step[n].stage = stage;
	t->step[n].allow = allow;
	t->step[n].object = object;
	t->step[n].rule = rule;
	t->step[n].state = state;
	t->step[n].at = pkt->at;
	t->n = n + 1;
}
