/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* pool: the target of a new connection.
 *
 * In       The packet at scratch->vip; its listener.
 * Out      scratch->choice; pkt->tuple becomes one to the target.
 * Result   0 or -HG_DROP_NO_TARGET.
 * Cost     A line each for listener, forward's pool and target; a slot and a word of 'usable' for
 *          each try. All but slot and target stay in the cache.
 * Source   include/hg/balancer.h.
 *
 * Nothing here is written. Whether a member takes new connections is the agent's word, in
 * 'usable', which it changes under our eyes: a word is read once.
 */
#include <hg/balancer.h>

#include "port.h"

#define POOL_TRIES 32 /* slots, before members are asked in their order */

static __always_inline __u32 pool_line(const struct pkt *pkt, __u32 id)
{
	struct hg_table pools = HEADER_TABLE(pkt, pools);

	return id && id < pools.n ? pools.line + id * HG_POOL_LINES : 0;
}

#define POOL_USABLE (__builtin_offsetof(struct hg_pool, usable) / HG_LINE)
_Static_assert(POOL_USABLE *HG_LINE == __builtin_offsetof(struct hg_pool, usable),
	       "the words of struct hg_pool begin within a line");

static __always_inline __u64 pool_quad(const struct pkt *pkt, __u32 line, __u32 i)
{
	return image_quad(pkt, line + POOL_USABLE, i & (HG_POOL_ROOM / 64 - 1));
}

/* A call, as is pool_try(): inlined, each of their ways out is one more for the verifier in every
 * turn of the loops below. Neither calls another: eight may be under way. */
HG_GLOBAL __u64 pool_word(const struct pkt *pkt, __u32 line, __u32 i)
{
	return pkt ? pool_quad(pkt, line, i) : 0;
}

/* The member in a slot, and POOL_TAKES if it takes new connections. */
#define POOL_TAKES 0x10000U

HG_GLOBAL __u32 pool_try(const struct pkt *pkt, __u32 line, __u32 ring, __u32 slot)
{
	__u32 member;

	if (!pkt)
		return 0;
	member = image_half(pkt, ring, slot) & (HG_POOL_ROOM - 1);
	return pool_quad(pkt, line, member >> 6) >> (member & 63) & 1
		       ? member | POOL_TAKES
		       : member;
}

/* The first member that takes new connections from 'slot' on; HG_POOL_ROOM: none. '*slot' is
 * where it was. */
static __always_inline __u32 pool_find(const struct pkt *pkt, __u32 line, __u32 ring,
				       __u32 *slot)
{
	__u32 member = 0, at = *slot;

	for (__u32 n = 0; n < POOL_TRIES; n++) {
		member = pool_try(pkt, line, ring, at);
		if (member & POOL_TAKES) {
			*slot = at;
			return member & (HG_POOL_ROOM - 1);
		}
		at = at + 1 < HG_RING ? at + 1 : 0;
	}
	for (__u32 n = 0; n <= HG_POOL_ROOM / 64; n++) {
		__u32 i = (member >> 6) + n;
		__u64 w = pool_word(pkt, line, i);

		if (!n)
			w &= ~0ULL << (member & 63);
		if (w)
			return (i & (HG_POOL_ROOM / 64 - 1)) << 6 | port_lowest(w);
	}
	return HG_POOL_ROOM;
}

/* Out of pool 'id', by either hash. 1: scratch->choice has it; 0: nobody there takes it. */
HG_GLOBAL int pool_choose(struct scratch *s, __u32 id, __u64 hash, __u64 hash_source)
{
	const struct hg_pool *p;
	struct pkt *pkt;
	__u32 line, member, slot;

	if (!s)
		return 0;
	pkt = &s->pkt;
	line = pool_line(pkt, id);
	p = line ? image_line(pkt, line) : NULL;
	if (!p || !p->n || !p->n_usable)
		return 0;
	slot = hg_balancer_slot(p->flags & HG_POOL_STICKY ? hash_source : hash);
	member = pool_find(pkt, line, p->ring, &slot);
	if (member >= p->n)
		return 0;
	s->choice.target = p->first + member;
	s->choice.slot = slot + 1;
	s->choice.flags = p->flags;
	pkt->is_desperate = !!p->fails_open;
	return 1;
}

/* One group of a client that sticks keeps it to that group. */
HG_GLOBAL int balancer_is_sticky(const struct pkt *pkt, const struct hg_listener *l)
{
	int is_sticky = 0;

	if (!pkt || !l)
		return 0;
	for (__u32 i = 0; i < HG_MAX_FORWARDS && i < l->n_forwards; i++) {
		__u32 line = pool_line(pkt, l->forward[i].pool);
		const struct hg_pool *p = line ? image_line(pkt, line) : NULL;

		is_sticky |= p && p->flags & HG_POOL_STICKY;
	}
	return is_sticky;
}

/* The forward that the share falls into, and behind it, round, the first whose pool has
 * somebody. 1: scratch->choice has it. */
static __always_inline int balancer_forward(struct scratch *s,
					    const struct hg_listener *l, __u64 hash,
					    __u64 hash_source)
{
	__u32 share, before = 0, has_begun = 0;

	share = hg_balancer_share(balancer_is_sticky(&s->pkt, l) ? hash_source : hash,
				  l->weight);
	for (__u32 n = 0; n < 2 * HG_MAX_FORWARDS; n++) {
		__u32 i = n < HG_MAX_FORWARDS ? n : n - HG_MAX_FORWARDS;
		__u32 until;

		if (i == 0)
			before = 0;
		if (i >= HG_MAX_FORWARDS || i >= l->n_forwards)
			continue;
		until = l->forward[i].until;
		has_begun |= share < until;
		if (has_begun && until > before &&
		    pool_choose(s, l->forward[i].pool, hash, hash_source))
			return 1;
		before = until;
	}
	return 0;
}

static __always_inline int balancer_is_loose(const struct pkt *pkt)
{
	const struct header *h = header_find(pkt);

	return h && h->settings & HG_SETTING_TCP_LOOSE;
}

/* A target for a new connection; the packet becomes one to it. */
HG_GLOBAL int balancer_choose(struct scratch *s, __u32 listener)
{
	const struct hg_listener *l;
	const struct hg_target *t;
	const struct hg_vip *v;
	struct hg_table targets;
	struct pkt *pkt;
	__u64 hash, hash_source;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	l = image_listener(pkt, listener);
	v = image_vip(pkt, s->vip);
	if (!l || !v)
		return -HG_DROP_INTERNAL;
	hash = hg_balancer_hash(
		&pkt->tuple,
		pkt->tuple.protocol == IPPROTO_TCP && !balancer_is_loose(pkt) ? pkt->seq
									      : 0,
		l->seed);
	hash_source = hg_balancer_hash_source(&pkt->tuple, l->seed);
	if (!l->weight || !balancer_forward(s, l, hash, hash_source))
		return -HG_DROP_NO_TARGET;
	targets = HEADER_TABLE(pkt, targets);
	if (s->choice.target >= targets.n)
		return -HG_DROP_INTERNAL;
	t = image_line(pkt, targets.line + (s->choice.target >> 1));
	if (!t)
		return -HG_DROP_INTERNAL;
	t += s->choice.target & 1;
	trace_target(pkt, s->choice.target, s->choice.slot);
	if (s->choice.flags & HG_POOL_PRESERVE) {
		if (addr_equal(&t->address, &pkt->tuple.saddr))
			return -HG_DROP_NO_TARGET;
	} else {
		pkt->tuple.saddr = v->address;
		s->needs_port = 1;
		s->nat = 0;
	}
	pkt->tuple.daddr = t->address;
	pkt->tuple.dport = t->port;
	pkt->key = bpf_ntohs(t->port);
	return 0;
}
