/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* frag: what a first fragment tells the later ones.
 *
 * In       pkt->frag, frag_id, tuple.
 * Out      An orphan that finds its first fragment becomes FRAG_LATER with the ports,
 *          key and has_key of it.
 * Cost     Nothing for whole packets. One set of two, overwritten oldest first: a lost
 *          entry makes an orphan, which only the rules without ports admit.
 *
 * Entries are written without a lock. Two writers of one way can mix their words; a
 * reader then sees an address hash that matches nothing, or ports of another datagram of
 * the same pair of hosts and id within 30 seconds, which no receiver could reassemble.
 */
#include "clock.h"
#include "pkt.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_FRAG_SETS);
	__type(key, __u32);
	__type(value, struct hg_frag_set);
} hg_frags SEC(".maps");

static __always_inline __u64 frag_hash(const struct pkt *pkt)
{
	const struct hg_tuple *t = &pkt->tuple;
	__u64 h = ((__u64)t->saddr.w[0] << 32 | t->saddr.w[1]) ^ pkt->frag_id;

	h = h * 0x9e3779b97f4a7c15ULL + ((__u64)t->saddr.w[2] << 32 | t->saddr.w[3]);
	h ^= h >> 32;
	h = h * 0xbf58476d1ce4e5b9ULL + ((__u64)t->daddr.w[0] << 32 | t->daddr.w[1]);
	h ^= h >> 29;
	h = h * 0x94d049bb133111ebULL + ((__u64)t->daddr.w[2] << 32 | t->daddr.w[3]);
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15ULL + ((__u64)t->zone << 8 | t->protocol);
}

static __always_inline struct hg_frag_set *frag_set(__u64 hash)
{
	__u32 i = (__u32)(hash >> 40) & (HG_FRAG_SETS - 1);

	return bpf_map_lookup_elem(&hg_frags, &i);
}

static __always_inline int frag_matches(const struct pkt *pkt, const struct hg_frag *e,
					__u64 hash)
{
	return e->seen && e->addresses == hash && e->id == pkt->frag_id &&
	       pkt->now - e->seen <= clock_from_seconds(HG_FRAG_SECONDS);
}

static __always_inline void frag_find(struct pkt *pkt)
{
	__u64 hash = frag_hash(pkt);
	const struct hg_frag_set *set = frag_set(hash);
	const struct hg_frag *e;

	if (!set)
		return;
	e = frag_matches(pkt, &set->way[0], hash) ? &set->way[0] : &set->way[1];
	if (!frag_matches(pkt, e, hash))
		return;
	pkt->frag = FRAG_LATER;
	pkt->tuple.sport = e->sport;
	pkt->tuple.dport = e->dport;
	pkt->key = e->key & 0xffff;
	pkt->has_key = e->key >> 16 & 1;
}

/* Called for a first fragment that passed. */
static __always_inline void frag_learn(const struct pkt *pkt)
{
	__u64 hash = frag_hash(pkt);
	struct hg_frag_set *set = frag_set(hash);
	struct hg_frag *e;

	if (!set)
		return;
	e = &set->way[0];
	if (!frag_matches(pkt, e, hash) &&
	    (frag_matches(pkt, &set->way[1], hash) ||
	     pkt->now - set->way[1].seen > pkt->now - e->seen))
		e = &set->way[1];
	e->addresses = 0;
	e->id = pkt->frag_id;
	e->sport = pkt->tuple.sport;
	e->dport = pkt->tuple.dport;
	e->key = pkt->key | (__u32)pkt->has_key << 16;
	e->seen = pkt->now ? pkt->now : 1;
	WRITE_ONCE(e->addresses, hash);
}
