/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* portset: the taken ports of a NAT address towards a busy destination.
 *
 * In       The two words of an answer's flow key.
 * Out      Its set, or NULL: not busy.
 * Cost     Four lines of keys, which stay in the cache: 256 sets at most.
 */
#include <hg/port.h>

#include "target.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_PORT_SETS);
	__type(key, __u32);
	__type(value, struct hg_port_set);
} hg_ports SEC(".maps");

union portset_key {
	struct hg_key4 key;
	__u64 w[2];
};

static __always_inline struct hg_port_set *portset_find(const union portset_key *k)
{
	__u32 first = hg_port_hash(k->w);

#pragma unroll
	for (__u32 n = 0; n < HG_PORT_PROBES; n++) {
		__u32 i = (first + n) & (HG_PORT_SETS - 1);
		struct hg_port_set *set = bpf_map_lookup_elem(&hg_ports, &i);
		const __u64 *w = (const __u64 *)set;

		if (set && READ_ONCE(w[1]) == k->w[1] && READ_ONCE(w[0]) == k->w[0])
			return set;
	}
	return NULL;
}

/* A set for 'k', which has none; NULL when its lines are others'. Two CPUs may make one each;
 * the later of the lines is then found by nobody and goes when it is swept. */
static __always_inline struct hg_port_set *portset_make(const union portset_key *k)
{
	union portset_key made = *k;
	__u32 first = hg_port_hash(k->w);

	made.key.live = HG_PORT_MADE;
#pragma unroll
	for (__u32 n = 0; n < HG_PORT_PROBES; n++) {
		__u32 i = (first + n) & (HG_PORT_SETS - 1);
		struct hg_port_set *set = bpf_map_lookup_elem(&hg_ports, &i);
		__u64 *w = (__u64 *)set;

		if (!set || __sync_val_compare_and_swap(&w[1], 0, made.w[1]))
			continue;
		WRITE_ONCE(w[0], k->w[0]);
		set->next = 0;
		/* Ports and words that do not exist. */
		set->taken[HG_PORT_WORDS - 1] = ~0ULL << (HG_PORTS & 63);
		set->full[HG_PORT_FULL - 3] = ~0ULL << (HG_PORT_WORDS & 63);
		set->full[HG_PORT_FULL - 2] = set->full[HG_PORT_FULL - 1] = ~0ULL;
		__sync_lock_test_and_set(&w[1], k->w[1]);
		return set;
	}
	return NULL;
}

/* The flow whose answers had this key has left: both its words. */
HG_GLOBAL int port_freed(__u64 addresses, __u64 tail)
{
	union portset_key k = { .w = { addresses, tail } };
	__u32 i = bpf_ntohs(k.key.dport) - HG_PORT_FIRST;
	struct hg_port_set *set;

	k.key.dport = 0;
	set = portset_find(&k);
	if (set && i < HG_PORTS)
		hg_port_give(set, i);
	return 0;
}
