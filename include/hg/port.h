/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* port: which source ports of a NAT address are taken towards one busy destination.
 *
 *   few connections    a port is free when no answer to it would find a flow: try, insert
 *   many               a set of one bit a port, so that the last free one is found at once
 *
 * Shape    hg_ports is an mmap-able ARRAY of struct hg_port_set. A set is in one of
 *          HG_PORT_PROBES lines from hg_port_hash() on. A word of 'full' has a bit for each
 *          word of 'taken' that has no zero.
 * Units    Bit i is port HG_PORT_FIRST + i; there are HG_PORTS of them, as many as a NAT
 *          gateway gives one address towards one destination. 'seen' and 'looked' are ticks.
 * Order    The key as on the wire: that of the answer's flow entry, with dport 0. IPv6 addresses
 *          are hashed to the 64 bits of both IPv4 ones. Two pairs of them that share a
 *          set, one time in 2^64, would see each other's hints, which is all that bits are.
 * Owner    bpf/port.h makes sets and fills them; the agent clears a set's bit with every entry
 *          that it frees, and alone takes sets away. A line without a set is all zero.
 *          Bits are hints, changed by atomic operations. One that is clear and should be set
 *          costs a look into the flow table. One that is set and should be clear hides a
 *          port until the set is full; then packets look for such. No port is ever given
 *          twice: the insertion of the answer's entry decides.
 * Errors   No line for a set: ports are found by trying alone, as long as luck lasts.
 */
#include <hg/flow.h>

#define HG_PORTS      55000
#define HG_PORT_FIRST (65536 - HG_PORTS)
#define HG_PORT_WORDS 860 /* of 64 bits; what is beyond HG_PORTS is set in every set */
#define HG_PORT_FULL  16  /* of these 14 mean something, the others are set */

#define HG_PORT_SETS   256
#define HG_PORT_PROBES 4

/* key.live; 0: no set. The others are nobody's to use. */
#define HG_PORT_LIVE     1
#define HG_PORT_MADE     2 /* by a packet, this moment */
#define HG_PORT_CLEARING 3 /* by the agent */

struct hg_port_set {
	struct hg_key4 key;
	__u32 seen;   /* last allocation */
	__u32 looked; /* when it was full, for ports that are free all the same */
	__u32 next; /* ports compared with the flow table so far; one round is HG_PORTS */
	__u32 zero[9];
	__u64 full[HG_PORT_FULL];
	__u64 taken[864]; /* the first HG_PORT_WORDS count */
};
HG_SIZE(struct hg_port_set, 111 * 64);

#define HG_PORT_INLINE static inline __attribute__((always_inline))

/* What stands for the addresses of an answer's IPv6 key. */
HG_PORT_INLINE __u64 hg_port_addresses(const struct hg_addr *saddr,
				       const struct hg_addr *daddr)
{
	__u64 h = ((__u64)saddr->w[0] << 32 | saddr->w[1]) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + ((__u64)saddr->w[2] << 32 | saddr->w[3])) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h = (h + ((__u64)daddr->w[0] << 32 | daddr->w[1])) * 0x94d049bb133111ebULL;
	h ^= h >> 32;
	h = (h + ((__u64)daddr->w[2] << 32 | daddr->w[3])) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

/* The first line to look at. Not keyed: a set takes tens of thousands of connections. */
HG_PORT_INLINE __u32 hg_port_hash(const __u64 key[2])
{
	__u64 h = key[0] * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + key[1]) * 0xbf58476d1ce4e5b9ULL;
	return (__u32)(h >> 32) & (HG_PORT_SETS - 1);
}

/* 'i' is below HG_PORTS. Returns whether it was free. */
HG_PORT_INLINE int hg_port_take(struct hg_port_set *set, __u32 i)
{
	__u64 bit = 1ULL << (i & 63), word = 1ULL << (i >> 6 & 63);
	__u64 before = __sync_fetch_and_or(&set->taken[i >> 6], bit);

	if ((before | bit) == ~0ULL) {
		__sync_fetch_and_or(&set->full[i >> 12], word);
		/* Who gave one back in between has cleared 'full' too early. */
		if (*(volatile __u64 *)&set->taken[i >> 6] != ~0ULL)
			__sync_fetch_and_and(&set->full[i >> 12], ~word);
	}
	return !(before & bit);
}

HG_PORT_INLINE void hg_port_give(struct hg_port_set *set, __u32 i)
{
	__sync_fetch_and_and(&set->taken[i >> 6], ~(1ULL << (i & 63)));
	__sync_fetch_and_and(&set->full[i >> 12], ~(1ULL << (i >> 6 & 63)));
}
