/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* way: a place in a set for a new flow.
 *
 * In       The tuple; struct flow_work: what the entry starts with.
 * Out      The entry, published; its tag.
 * Result   Where it is, FLOW_FULL or FLOW_LOCKED.
 * Cost     One set and its lock; a full one: its buddy, too. Nobody who lives is evicted: docs/semantics.md section 5.
 */
#include "flow.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_LOCKS);
	__type(key, __u32);
	__type(value, struct hg_lock);
} hg_locks SEC(".maps");

#define LOCK_TRIES 256

/* States that give way to a new flow when a set is full: one-way, half-open, closing. */
#define FLOW_YIELDS                                                                \
	(1U << HG_STATE_NONE | 1U << HG_STATE_SYN_SENT | 1U << HG_STATE_SYN_RECV | \
	 1U << HG_STATE_CLOSING | 1U << HG_STATE_UDP | 1U << HG_STATE_ICMP |       \
	 1U << HG_STATE_OTHER)

/* A call, so that its many ways out are one to the verifier. */
HG_GLOBAL int flow_lock_wait(__u32 set)
{
	__u32 i = set >> 1 & (HG_LOCKS - 1);
	struct hg_lock *l = bpf_map_lookup_elem(&hg_locks, &i);

	if (!l)
		return 0;
	for (int n = 0; n < LOCK_TRIES; n++)
		if (__sync_val_compare_and_swap(&l->taken, 0, 1) == 0)
			return 1;
	return 0;
}

static __always_inline int flow_lock(__u32 set)
{
	__u32 i = set >> 1 & (HG_LOCKS - 1);
	struct hg_lock *l = bpf_map_lookup_elem(&hg_locks, &i);

	return l &&
	       (__sync_val_compare_and_swap(&l->taken, 0, 1) == 0 || flow_lock_wait(set));
}

static __always_inline void flow_unlock(__u32 set)
{
	__u32 i = set >> 1 & (HG_LOCKS - 1);
	struct hg_lock *l = bpf_map_lookup_elem(&hg_locks, &i);

	/* What was published before was published by an atomic exchange, a full barrier. */
	if (l)
		WRITE_ONCE(l->taken, 0);
}

/* What a new entry starts with. */
struct flow_seed {
	__u32 epoch, life, path, packets, created;
	__u32 room[3];
	__u32 pair; /* where the other direction is already, 0: nowhere yet */
	__u32 zero;
	__u64 bytes;
	struct hg_addr saddr, daddr; /* IPv6: as it goes out */
};

/* All but the key, of an entry that nobody can find. */
static __always_inline void flow_fill(struct flow *fl, const struct flow_seed *seed,
				      __u32 now)
{
	fl->state.epoch = seed->epoch;
	fl->state.seen = now;
	fl->state.life = seed->life;
	fl->state.path = seed->path;
	fl->state.packets = seed->packets;
	fl->state.pair = seed->pair;
	fl->state.bytes = seed->bytes;
	fl->room[0] = seed->room[0];
	fl->room[1] = seed->room[1];
	fl->room[2] = seed->room[2];
	fl->created = seed->created;
}

static __always_inline void flow_fill6(struct hg_flow6 *e, const struct flow_seed *seed,
				       __u32 now)
{
	flow_fill(FLOW6(e), seed, now);
	e->nat_saddr = seed->saddr;
	e->nat_daddr = seed->daddr;
}

/* How gladly a way is given to a new flow; the highest rank wins, among equals the one
 * that is idle for longest. Computed without a branch: each would double what the verifier
 * walks in a set of four. */
#define RANK_OWN    (1ULL << 63) /* the flow is here already */
#define RANK_FREE   (1ULL << 62)
#define RANK_OVER   (1ULL << 61) /* not seen in time; its pair may have been */
#define RANK_YIELDS (1ULL << 60)

static __always_inline __u64 flow_rank(const struct flow *fl, __u64 differs, __u32 now)
{
	__u64 tail = READ_ONCE(fl->tail);
	__u32 life = READ_ONCE(fl->state.life);
	__s64 idle = (__s32)(now - READ_ONCE(fl->state.seen));
	__s64 left = (__s64)clock_from_seconds(HG_LIFE_TIMEOUT(life)) - idle;
	__u64 is_own = ~(differs | -differs) >> 63, is_free = ~(tail | -tail) >> 63;
	__u64 is_over = (__u64)left >> 63,
	      yields = FLOW_YIELDS >> HG_LIFE_STATE(life) & 1;

	return is_own << 63 | is_free << 62 | is_over << 61 | yields << 60 |
	       (idle & ~(idle >> 63) & 0xffffffff);
}

/* The best way of a set so far: of all, and of those that need no look at their pair. */
struct flow_choice {
	__u64 rank, sure;
	__u32 way, sure_way;
};

/* What an insertion works on. In memory that the verifier knows nothing of: on the stack it
 * would follow every order in which four ways can be the best. */
struct flow_work {
	struct flow_seed seed;
	struct flow_choice choice;
	union flow_key6 key;
	__u32 had;    /* 1: the flow was here already */
	__u32 spares; /* in: 1: nobody gives way to this one */
	__u32 home;   /* way of the key at hand */
	__u32 zero;
};

static __always_inline void flow_weigh(struct flow_choice *c, __u64 rank, __u32 way)
{
	if (rank > READ_ONCE(c->rank)) {
		WRITE_ONCE(c->rank, rank);
		WRITE_ONCE(c->way, way);
	}
	if (!(rank & RANK_OVER) && rank > READ_ONCE(c->sure)) {
		WRITE_ONCE(c->sure, rank);
		WRITE_ONCE(c->sure_way, way);
	}
}

/* Settles the choice: FLOW_TAKE a way, FLOW_HAVE it already, or FLOW_FULL. */
#define FLOW_FULL 0
#define FLOW_HAVE 1
#define FLOW_TAKE 2

static __always_inline int flow_choose(struct flow_choice *c, const struct flow *best,
				       __u32 family, __u32 spares, __u32 now)
{
	__u64 yields = spares ? 0 : RANK_YIELDS;

	if (c->rank & RANK_FREE)
		return FLOW_TAKE;
	if (c->rank & RANK_OVER && flow_has_expired(best, family, now))
		return FLOW_TAKE;
	if (c->rank & RANK_OWN)
		return FLOW_HAVE;
	if (c->rank & RANK_OVER) {
		c->rank = c->sure;
		c->way = c->sure_way;
	}
	return c->rank & (RANK_FREE | yields) ? FLOW_TAKE : FLOW_FULL;
}

#define FLOW_LOCKED (~0U)

/* Where a place is looked for: is the flow in the buddy already? A free or dead one in its own
 * set, then in the buddy; one that gives way in its own, then in the buddy. */
#define WAY_STEPS  5
#define WAY_EVICTS 3

static __always_inline int flow_is_absent4(const struct hg_set4 *set,
					   const union flow_key4 *k)
{
	return flow_differs4(&set->way[0], k) && flow_differs4(&set->way[1], k) &&
	       flow_differs4(&set->way[2], k) && flow_differs4(&set->way[3], k);
}

/* The best way in set 'i' for the key at hand, into work->choice. */
HG_GLOBAL int flow_weigh4(struct flow_work *work, __u32 i, __u32 now)
{
	const union flow_key4 *k;
	struct hg_set4 *set;

	if (!work)
		return 0;
	work->choice = (struct flow_choice){};
	k = (const union flow_key4 *)&work->key;
	set = bpf_map_lookup_elem(&hg_flows4, &i);
	if (!set)
		return 0;
	for (__u32 n = 0; n < HG_WAYS; n++) {
		__u32 way = (work->home + n) & 3;
		const struct hg_flow4 *e = &set->way[way];

		flow_weigh(&work->choice, flow_rank(FLOW4(e), flow_differs4(e, k), now),
			   way);
	}
	return 0;
}

/* Inserts 't', or finds it. Returns where: set * 4 + way + 1; FLOW_FULL when the set holds
 * protected flows only, FLOW_LOCKED when its lock was not to be had. */
HG_GLOBAL __u32 flow_insert4(const struct hg_tuple *t, struct flow_work *work, __u32 now)
{
	struct flow_choice *c;
	union flow_key4 *k;
	struct hg_set4 *set;
	__u64 hash, *tags;
	__u32 i;
	int verdict = FLOW_FULL, strays;

	if (!t || !work)
		return FLOW_LOCKED;
	c = &work->choice;
	*c = (struct flow_choice){};
	k = (union flow_key4 *)&work->key;
	flow_key4(t, k);
	hash = flow_hash4(k);
	i = FLOW_SET(hash);
	set = bpf_map_lookup_elem(&hg_flows4, &i);
	if (!set)
		return FLOW_LOCKED;
	if (!flow_lock(i))
		return FLOW_LOCKED;
	work->home = FLOW_HOME(hash);
	strays = flow_may_have4(FLOW_BUDDY(i), hash);
	if (!strays && flow_is_absent4(set, k) &&
	    !READ_ONCE(FLOW4(&set->way[FLOW_HOME(hash)])->tail)) {
		c->way = FLOW_HOME(hash);
		c->rank = RANK_FREE;
		verdict = FLOW_TAKE;
	}
	for (__u32 step = !strays; step < WAY_STEPS && !verdict; step++) {
		if (step >= WAY_EVICTS && work->spares)
			break;
		i = step & 1 ? FLOW_SET(hash) : FLOW_BUDDY(FLOW_SET(hash));
		flow_weigh4(work, i, now);
		if (!step && !(READ_ONCE(c->rank) & RANK_OWN))
			continue;
		set = bpf_map_lookup_elem(&hg_flows4, &i);
		if (!set)
			break;
		verdict = flow_choose(c, FLOW4(&set->way[c->way & 3]), HG_FAMILY_4,
				      step < WAY_EVICTS, now);
	}
	if (verdict == FLOW_TAKE && set) {
		struct hg_flow4 *e = &set->way[c->way & 3];
		__u64 *w = (__u64 *)&e->key;

		if (!(c->rank & RANK_FREE))
			flow_forget(FLOW4(e), HG_FAMILY_4);
		flow_fill(FLOW4(e), &work->seed, now);
		tags = bpf_map_lookup_elem(&hg_tags4, &i);
		if (tags)
			flow_tags_put(tags, hash, c->way);
		WRITE_ONCE(w[0], k->w[0]);
		__sync_lock_test_and_set(&w[1], k->w[1]);
	}
	flow_unlock(i);
	work->had = verdict == FLOW_HAVE;
	return verdict ? i * HG_WAYS + (c->way & 3) + 1 : FLOW_FULL;
}

static __always_inline int flow_is_absent6(const struct hg_set6 *set,
					   const union flow_key6 *k)
{
	return flow_differs6(&set->way[0], k) && flow_differs6(&set->way[1], k) &&
	       flow_differs6(&set->way[2], k) && flow_differs6(&set->way[3], k);
}

/* The best way in set 'i' for the key at hand, into work->choice. */
HG_GLOBAL int flow_weigh6(struct flow_work *work, __u32 i, __u32 now)
{
	const union flow_key6 *k;
	struct hg_set6 *set;

	if (!work)
		return 0;
	work->choice = (struct flow_choice){};
	k = (const union flow_key6 *)&work->key;
	set = bpf_map_lookup_elem(&hg_flows6, &i);
	if (!set)
		return 0;
	for (__u32 n = 0; n < HG_WAYS; n++) {
		__u32 way = (work->home + n) & 3;
		const struct hg_flow6 *e = &set->way[way];

		flow_weigh(&work->choice, flow_rank(FLOW6(e), flow_differs6(e, k), now),
			   way);
	}
	return 0;
}

HG_GLOBAL __u32 flow_insert6(const struct hg_tuple *t, struct flow_work *work, __u32 now)
{
	struct flow_choice *c;
	union flow_key6 *k;
	struct hg_set6 *set;
	__u64 hash, *tags;
	__u32 i;
	int verdict = FLOW_FULL, strays;

	if (!t || !work)
		return FLOW_LOCKED;
	c = &work->choice;
	*c = (struct flow_choice){};
	k = &work->key;
	flow_key6(t, k);
	hash = flow_hash6(k);
	i = FLOW_SET(hash);
	set = bpf_map_lookup_elem(&hg_flows6, &i);
	if (!set)
		return FLOW_LOCKED;
	if (!flow_lock(i))
		return FLOW_LOCKED;
	work->home = FLOW_HOME(hash);
	strays = flow_may_have6(FLOW_BUDDY(i), hash);
	if (!strays && flow_is_absent6(set, k) &&
	    !READ_ONCE(FLOW6(&set->way[FLOW_HOME(hash)])->tail)) {
		c->way = FLOW_HOME(hash);
		c->rank = RANK_FREE;
		verdict = FLOW_TAKE;
	}
	for (__u32 step = !strays; step < WAY_STEPS && !verdict; step++) {
		if (step >= WAY_EVICTS && work->spares)
			break;
		i = step & 1 ? FLOW_SET(hash) : FLOW_BUDDY(FLOW_SET(hash));
		flow_weigh6(work, i, now);
		if (!step && !(READ_ONCE(c->rank) & RANK_OWN))
			continue;
		set = bpf_map_lookup_elem(&hg_flows6, &i);
		if (!set)
			break;
		verdict = flow_choose(c, FLOW6(&set->way[c->way & 3]), HG_FAMILY_6,
				      step < WAY_EVICTS, now);
	}
	if (verdict == FLOW_TAKE && set) {
		struct hg_flow6 *e = &set->way[c->way & 3];
		__u64 *w = (__u64 *)&e->key;

		if (!(c->rank & RANK_FREE))
			flow_forget(FLOW6(e), HG_FAMILY_6);
		flow_fill6(e, &work->seed, now);
		tags = bpf_map_lookup_elem(&hg_tags6, &i);
		if (tags)
			flow_tags_put(tags, hash, c->way);
		WRITE_ONCE(w[0], k->w[0]);
		WRITE_ONCE(w[1], k->w[1]);
		WRITE_ONCE(w[2], k->w[2]);
		WRITE_ONCE(w[3], k->w[3]);
		__sync_lock_test_and_set(&w[4], k->w[4]);
	}
	flow_unlock(i);
	work->had = verdict == FLOW_HAVE;
	return verdict ? i * HG_WAYS + (c->way & 3) + 1 : FLOW_FULL;
}

static __always_inline __u32 flow_insert(const struct hg_tuple *t, struct flow_work *work,
					 __u32 now)
{
	return t->family == HG_FAMILY_6 ? flow_insert6(t, work, now)
					: flow_insert4(t, work, now);
}
