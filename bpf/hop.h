/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* hop: the neighbour that a frame is for.
 *
 * In       The device's index and an address on its link; or an index that a flow keeps.
 * Out      One line: MACs, device, MTU.
 * Cost     Known index: one line. To find it: a set of four lines, on the slow path.
 */
#include <hg/hop.h>

#include "pkt.h"
#include "target.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_HOPS);
	__type(key, __u32);
	__type(value, struct hg_hop);
} hg_hops SEC(".maps");

static __always_inline struct hg_hop *hop_get(__u32 id)
{
	return bpf_map_lookup_elem(&hg_hops, &id);
}

static __always_inline int hop_state(__u64 mac)
{
	union {
		__u64 word;
		__u8 byte[8];
	} m = { .word = mac };

	return m.byte[6];
}

/* Frames can be sent by it: an instance of a port in another namespace may be reached
 * without a MAC, but not by XDP. */
static __always_inline int hop_is_ready(const struct hg_hop *hop, int is_xdp)
{
	return hop_state(READ_ONCE(hop->mac.word)) == HG_HOP_RESOLVED ||
	       (!is_xdp && hop->flags & HG_HOP_PORT);
}

/* The index of the neighbour 'addr' at a device, 0 when nobody knows it. */
HG_GLOBAL __u32 hop_find(__u32 ifindex, const struct hg_addr *addr)
{
	__u32 first;

	if (!addr)
		return 0;
	first = (hg_hop_hash(ifindex, addr->w) & (HG_HOP_SETS - 1)) * HG_HOP_WAYS;
	for (__u32 i = 0; i < HG_HOP_WAYS; i++) {
		const struct hg_hop *hop = hop_get(first + i);

		if (hop && first + i && READ_ONCE(hop->ifindex) == ifindex &&
		    !(hop->flags & HG_HOP_PORT) && addr_equal(&hop->addr, addr))
			return first + i;
	}
	return 0;
}

/* Its owner speaks from 'mac'. Racing writers write the same bytes, or the owner moves. */
static __always_inline void hop_learn(struct hg_hop *hop, const __u8 *mac)
{
	union {
		__u64 word;
		__u8 byte[8];
	} m = { .word = 0 };

	__builtin_memcpy(m.byte, mac, 6);
	m.byte[6] = HG_HOP_RESOLVED;
	if (READ_ONCE(hop->mac.word) != m.word)
		WRITE_ONCE(hop->mac.word, m.word);
}
