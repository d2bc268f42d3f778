/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* scratch: what is known of a packet does not fit a stack of 512 bytes.
 *
 * In       Nothing.
 * Out      One struct for each CPU and for each of packets and explain. Packets of one CPU
 *          do not interrupt each other: both doors run with bottom halves off.
 * Cost     A per-CPU look-up; its lines stay in the first level cache.
 */
#include "way.h"

struct scratch {
	struct pkt pkt;
	struct ends ends;
	__u32 tracks; /* HG_FLOW_TRACK_* of the ends that would keep state */
	struct flow_work work;
	struct hg_tuple back;   /* the tuple of the other direction */
	struct pkt quoted;      /* what an ICMP error is about */
	struct hg_tuple answer; /* of a packet behind NAT, but for its dport */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct scratch);
} hg_scratch SEC(".maps");

static __always_inline struct scratch *scratch_get(__u32 commit)
{
	__u32 i = commit ? 0 : 1;

	return bpf_map_lookup_elem(&hg_scratch, &i);
}
