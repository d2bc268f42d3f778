/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* balancer: which target a new connection gets.
 *
 *   tuple, seq -> hash -> forward (by weight) -> slot of its pool's ring -> member
 *
 * Shape    One hash answers both questions: its lower half picks among a listener's forwards,
 *          its upper half the slot.
 * Units    Slots count from 0; HG_RING of them.
 * Order    The tuple as it came to the virtual address, as on the wire.
 * Owner    Keyed by nothing but struct hg_listener.seed, so that every gateway of a rule set
 *          chooses alike. Who knows the seed can aim at a target, and gains nothing by it
 *          that he could not have by opening many connections.
 * Source   Eisenbud et al., "Maglev", NSDI 2016, section 3.
 */
#include <hg/event.h>
#include <hg/image.h>

/* 'seq' is 0 where it is not to count. IPv4 addresses have zero words behind the first. */
HG_IMAGE_INLINE __u64 hg_balancer_hash(const struct hg_tuple *t, __u32 seq, __u32 seed)
{
	__u64 h = ((__u64)t->saddr.w[0] << 32 | t->daddr.w[0]) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + ((__u64)t->saddr.w[1] << 32 | t->daddr.w[1])) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h = (h + ((__u64)t->saddr.w[2] << 32 | t->daddr.w[2])) * 0x94d049bb133111ebULL;
	h ^= h >> 32;
	h = (h + ((__u64)t->saddr.w[3] << 32 | t->daddr.w[3])) * 0x9e3779b97f4a7c15ULL;
	h ^= h >> 29;
	h = (h + ((__u64)t->protocol << 32 | (__u32)t->sport << 16 | t->dport)) *
	    0xbf58476d1ce4e5b9ULL;
	h ^= h >> 32;
	h = (h + ((__u64)seed << 32 | seq)) * 0x94d049bb133111ebULL;
	return h ^ h >> 32;
}

/* A client, whatever it does: stickiness source_ip. */
HG_IMAGE_INLINE __u64 hg_balancer_hash_source(const struct hg_tuple *t, __u32 seed)
{
	__u64 h = ((__u64)t->saddr.w[0] << 32 | t->saddr.w[1]) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + ((__u64)t->saddr.w[2] << 32 | t->saddr.w[3])) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h = (h + seed) * 0x94d049bb133111ebULL;
	return h ^ h >> 32;
}

/* What a gateway load balancer chooses by: of both directions of a connection, and of all that
 * it calls the same, one number. 'n' is 5, 3 or 2: with ports, without, or addresses alone. */
HG_IMAGE_INLINE __u64 hg_balancer_hash_both(const struct hg_tuple *t, __u32 n, __u32 seed)
{
	struct hg_tuple end = { .saddr = t->saddr, .sport = n == 5 ? t->sport : 0 };
	__u64 h = hg_balancer_hash(&end, 0, seed);

	end.saddr = t->daddr;
	end.sport = n == 5 ? t->dport : 0;
	h += hg_balancer_hash(&end, 0, seed);
	h = (h + (n == 2 ? 0 : t->protocol)) * 0xbf58476d1ce4e5b9ULL;
	return h ^ h >> 32;
}

/* The slot of a ring. */
HG_IMAGE_INLINE __u32 hg_balancer_slot(__u64 hash)
{
	return (__u32)((hash >> 32) * HG_RING >> 32);
}

/* A number below 'weight': the first forward whose 'until' is above it is the one. */
HG_IMAGE_INLINE __u32 hg_balancer_share(__u64 hash, __u32 weight)
{
	return (__u32)((__u64)(__u32)hash * weight >> 32);
}
