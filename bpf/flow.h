/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* flow: the flow table: find, open, forget.
 *
 * In       pkt->tuple, epoch, now.
 * Out      struct flow: what the entries of both families have in common.
 * Cost     Hit: one line for IPv4, two for IPv6, as an entry lives in its home way unless
 *          that was taken. Open: two sets, two locks, 57 ns at 1M flows.
 *
 * Who races. Entries are found without a lock and inserted under their set's. An entry
 * becomes visible by one atomic exchange of its last key word ('tail': ports, protocol,
 * live, zone) after all else was written, and leaves by one to 0. A reader that has
 * matched a key may find the entry reused under it: it reads what it needs first and
 * compares the key again after (flow_is_still); only then does it act. Later writes of
 * 'seen' and counters into an entry that was reused at that very moment cost the new
 * flow one packet's count. Two CPUs that open the same flow at once meet in the set's
 * lock; the second finds the first's entry. Half-open pairs leave together: the evicted
 * entry's pair is removed by a compare-and-swap of its tail.
 */
#include "clock.h"
#include "image.h"
#include "verifier.h"

HG_RODATA __u32 hg_flow_mask = 1023; /* sets - 1, of both families */
HG_RODATA __u64 hg_seed[4] = { 1, 2, 3,
			       4 }; /* of the agent: nobody outside can aim at a set */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct hg_set4);
} hg_flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct hg_set6);
} hg_flows6 SEC(".maps");

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

union flow_key4 {
	struct hg_key4 key;
	__u64 w[2];
};

union flow_key6 {
	struct hg_key6 key;
	__u64 w[5];
};

static __always_inline void flow_key4(const struct hg_tuple *t, union flow_key4 *k)
{
	k->key = (struct hg_key4){ .saddr = t->saddr.w[0],
				   .daddr = t->daddr.w[0],
				   .sport = t->sport,
				   .dport = t->dport,
				   .protocol = t->protocol,
				   .live = 1,
				   .zone = t->zone };
}

static __always_inline void flow_key6(const struct hg_tuple *t, union flow_key6 *k)
{
	k->key = (struct hg_key6){ .saddr = t->saddr,
				   .daddr = t->daddr,
				   .sport = t->sport,
				   .dport = t->dport,
				   .protocol = t->protocol,
				   .live = 1,
				   .zone = t->zone };
}

static __always_inline __u64 flow_hash4(const union flow_key4 *k)
{
	__u64 h = (k->w[0] ^ hg_seed[0]) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + (k->w[1] ^ hg_seed[1])) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h *= 0x94d049bb133111ebULL;
	return h ^ h >> 32;
}

static __always_inline __u64 flow_hash6(const union flow_key6 *k)
{
	__u64 h = (k->w[0] ^ hg_seed[0]) * 0x9e3779b97f4a7c15ULL;
	__u64 g = (k->w[2] ^ hg_seed[1]) * 0xbf58476d1ce4e5b9ULL;

	h = (h ^ h >> 32) + (k->w[1] ^ hg_seed[2]);
	g = (g ^ g >> 32) + (k->w[3] ^ hg_seed[3]);
	h = (h * 0x94d049bb133111ebULL) ^ (g * 0x9e3779b97f4a7c15ULL);
	h ^= h >> 29;
	h = (h + k->w[4]) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h *= 0x94d049bb133111ebULL;
	return h ^ h >> 32;
}

#define FLOW_SET(hash)  ((__u32)(hash)&hg_flow_mask)
#define FLOW_HOME(hash) ((__u32)((hash) >> 62))

/* What both families' entries have in common, from the key's last word on. */
struct flow {
	__u64 tail; /* ports, protocol, live, zone; 0: not in use */
	struct hg_state state;
	__u32 room[3]; /* of the rewrite */
	__u32 created; /* half-open TCP: the ACK number that completes the handshake */
};
HG_SIZE(struct flow, 56);

#define FLOW4_TAIL (__builtin_offsetof(struct hg_flow4, state) - 8)
#define FLOW6_TAIL (__builtin_offsetof(struct hg_flow6, state) - 8)
#define FLOW4(e)   ((struct flow *)((void *)(e) + FLOW4_TAIL))
#define FLOW6(e)   ((struct flow *)((void *)(e) + FLOW6_TAIL))
_Static_assert(FLOW4_TAIL + __builtin_offsetof(struct flow, created) ==
		       __builtin_offsetof(struct hg_flow4, created),
	       "struct flow does not fit hg_flow4");
_Static_assert(FLOW6_TAIL + __builtin_offsetof(struct flow, created) ==
		       __builtin_offsetof(struct hg_flow6, created),
	       "struct flow does not fit hg_flow6");

/* 0: this is the entry of 'k'. */
static __always_inline __u64 flow_differs4(const struct hg_flow4 *e,
					   const union flow_key4 *k)
{
	const __u64 *w = (const __u64 *)&e->key;

	return (READ_ONCE(w[0]) ^ k->w[0]) | (READ_ONCE(w[1]) ^ k->w[1]);
}

static __always_inline __u64 flow_differs6(const struct hg_flow6 *e,
					   const union flow_key6 *k)
{
	const __u64 *w = (const __u64 *)&e->key;

	return (READ_ONCE(w[4]) ^ k->w[4]) | (READ_ONCE(w[0]) ^ k->w[0]) |
	       (READ_ONCE(w[1]) ^ k->w[1]) | (READ_ONCE(w[2]) ^ k->w[2]) |
	       (READ_ONCE(w[3]) ^ k->w[3]);
}

static __always_inline struct flow *flow_find4(const struct hg_tuple *t)
{
	union flow_key4 k;
	struct hg_set4 *set;
	__u64 hash;
	__u32 i;

	flow_key4(t, &k);
	hash = flow_hash4(&k);
	i = FLOW_SET(hash);
	set = bpf_map_lookup_elem(&hg_flows4, &i);
	if (!set)
		return NULL;
#pragma unroll
	for (int n = 0; n < HG_WAYS; n++) {
		struct hg_flow4 *e = &set->way[(FLOW_HOME(hash) + n) & 3];

		if (!flow_differs4(e, &k))
			return FLOW4(e);
	}
	return NULL;
}

static __always_inline struct flow *flow_find6(const struct hg_tuple *t)
{
	union flow_key6 k;
	struct hg_set6 *set;
	__u64 hash;
	__u32 i;

	flow_key6(t, &k);
	hash = flow_hash6(&k);
	i = FLOW_SET(hash);
	set = bpf_map_lookup_elem(&hg_flows6, &i);
	if (!set)
		return NULL;
#pragma unroll
	for (int n = 0; n < HG_WAYS; n++) {
		struct hg_flow6 *e = &set->way[(FLOW_HOME(hash) + n) & 3];

		if (!flow_differs6(e, &k))
			return FLOW6(e);
	}
	return NULL;
}

static __always_inline struct flow *flow_find(const struct hg_tuple *t)
{
	return t->family == HG_FAMILY_6 ? flow_find6(t) : flow_find4(t);
}

/* After what was needed of it has been read: is it still the flow of 't'? Only the tail is
 * compared; an address that changed under the same ports, protocol and zone would need an
 * eviction and an insertion by one CPU while this one executes a dozen instructions. */
static __always_inline int flow_is_still(const struct flow *fl, const struct hg_tuple *t)
{
	union flow_key4 k;

	flow_key4(t, &k);
	return READ_ONCE(fl->tail) == k.w[1];
}

/* The entry at 'at': set * 4 + way + 1; NULL for 0. */
static __always_inline struct flow *flow_at(__u32 at, __u32 family)
{
	__u32 i = (at - 1) >> 2;

	if (!at)
		return NULL;
	if (family == HG_FAMILY_6) {
		struct hg_set6 *set = bpf_map_lookup_elem(&hg_flows6, &i);

		if (!set)
			return NULL;
		VERIFIER_KEEP(set);
		return FLOW6(&set->way[(at - 1) & 3]);
	} else {
		struct hg_set4 *set = bpf_map_lookup_elem(&hg_flows4, &i);

		if (!set)
			return NULL;
		VERIFIER_KEEP(set);
		return FLOW4(&set->way[(at - 1) & 3]);
	}
}

/* A tail with its ports exchanged: what the pair's must be. */
static __always_inline __u64 flow_tail_reversed(__u64 tail)
{
	union flow_key4 k = { .w = { 0, tail } };
	__be16 port = k.key.sport;

	k.key.sport = k.key.dport;
	k.key.dport = port;
	return k.w[1];
}

/* The other direction; NULL when it left. */
static __always_inline struct flow *flow_pair(const struct flow *fl, __u32 family)
{
	struct flow *pair = flow_at(READ_ONCE(fl->state.pair), family);

	if (!pair || READ_ONCE(pair->tail) != flow_tail_reversed(READ_ONCE(fl->tail)))
		return NULL;
	return pair;
}

static __always_inline int flow_is_over(__u32 life, __u32 seen, __u32 now)
{
	__u32 idle = now - seen;

	/* Another CPU may have read the clock later than this one. */
	return (__s32)idle > 0 && idle > clock_from_seconds(HG_LIFE_TIMEOUT(life));
}

/* Neither direction was seen in time. */
HG_GLOBAL int flow_has_expired(const struct flow *fl, __u32 family, __u32 now)
{
	const struct flow *pair;
	__u32 life;

	if (!fl)
		return 1;
	life = READ_ONCE(fl->state.life);
	if (!flow_is_over(life, READ_ONCE(fl->state.seen), now))
		return 0;
	pair = flow_pair(fl, family);
	return !pair || flow_is_over(life, READ_ONCE(pair->state.seen), now);
}

/* Both directions leave. */
HG_GLOBAL int flow_forget(struct flow *fl, __u32 family)
{
	struct flow *pair;
	__u64 tail;

	if (!fl)
		return 0;
	tail = READ_ONCE(fl->tail);
	pair = flow_pair(fl, family);
	if (pair)
		__sync_val_compare_and_swap(&pair->tail, flow_tail_reversed(tail), 0);
	__sync_val_compare_and_swap(&fl->tail, tail, 0);
	return 0;
}

/* A call, so that its many ways out are one to the verifier. */
HG_GLOBAL int flow_lock_wait(__u32 set)
{
	__u32 i = set & (HG_LOCKS - 1);
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
	__u32 i = set & (HG_LOCKS - 1);
	struct hg_lock *l = bpf_map_lookup_elem(&hg_locks, &i);

	return l &&
	       (__sync_val_compare_and_swap(&l->taken, 0, 1) == 0 || flow_lock_wait(set));
}

static __always_inline void flow_unlock(__u32 set)
{
	__u32 i = set & (HG_LOCKS - 1);
	struct hg_lock *l = bpf_map_lookup_elem(&hg_locks, &i);

	/* What was published before was published by an atomic exchange, a full barrier. */
	if (l)
		WRITE_ONCE(l->taken, 0);
}

/* What a new entry starts with. */
struct flow_seed {
	__u32 epoch, life, path, packets, created;
	__u32 zero;
	__u64 bytes;
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
	fl->state.pair = 0;
	fl->state.bytes = seed->bytes;
	fl->room[0] = fl->room[1] = fl->room[2] = 0;
	fl->created = seed->created;
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
				       __u32 family, __u32 now)
{
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
	return c->rank & (RANK_FREE | RANK_YIELDS) ? FLOW_TAKE : FLOW_FULL;
}

#define FLOW_LOCKED (~0U)

static __always_inline int flow_is_absent4(const struct hg_set4 *set,
					   const union flow_key4 *k)
{
	return flow_differs4(&set->way[0], k) && flow_differs4(&set->way[1], k) &&
	       flow_differs4(&set->way[2], k) && flow_differs4(&set->way[3], k);
}

/* Inserts 't', or finds it. Returns where: set * 4 + way + 1; FLOW_FULL when the set holds
 * protected flows only, FLOW_LOCKED when its lock was not to be had. */
HG_GLOBAL __u32 flow_insert4(const struct hg_tuple *t, struct flow_work *work, __u32 now)
{
	struct flow_choice *c;
	union flow_key4 k;
	struct hg_set4 *set;
	__u64 hash;
	__u32 i;
	int verdict;

	if (!t || !work)
		return FLOW_LOCKED;
	c = &work->choice;
	*c = (struct flow_choice){};
	flow_key4(t, &k);
	hash = flow_hash4(&k);
	i = FLOW_SET(hash);
	set = bpf_map_lookup_elem(&hg_flows4, &i);
	if (!set)
		return FLOW_LOCKED;
	if (!flow_lock(i))
		return FLOW_LOCKED;
	if (flow_is_absent4(set, &k) &&
	    !READ_ONCE(FLOW4(&set->way[FLOW_HOME(hash)])->tail)) {
		c->way = FLOW_HOME(hash);
		c->rank = RANK_FREE;
		verdict = FLOW_TAKE;
	} else {
		for (__u32 n = 0; n < HG_WAYS; n++) {
			__u32 way = (FLOW_HOME(hash) + n) & 3;
			const struct hg_flow4 *e = &set->way[way];

			flow_weigh(c, flow_rank(FLOW4(e), flow_differs4(e, &k), now),
				   way);
		}
		verdict = flow_choose(c, FLOW4(&set->way[c->way & 3]), HG_FAMILY_4, now);
	}
	if (verdict == FLOW_TAKE) {
		struct hg_flow4 *e = &set->way[c->way & 3];
		__u64 *w = (__u64 *)&e->key;

		if (!(c->rank & RANK_FREE))
			flow_forget(FLOW4(e), HG_FAMILY_4);
		flow_fill(FLOW4(e), &work->seed, now);
		WRITE_ONCE(w[0], k.w[0]);
		__sync_lock_test_and_set(&w[1], k.w[1]);
	}
	flow_unlock(i);
	return verdict ? i * HG_WAYS + (c->way & 3) + 1 : FLOW_FULL;
}

static __always_inline int flow_is_absent6(const struct hg_set6 *set,
					   const union flow_key6 *k)
{
	return flow_differs6(&set->way[0], k) && flow_differs6(&set->way[1], k) &&
	       flow_differs6(&set->way[2], k) && flow_differs6(&set->way[3], k);
}

HG_GLOBAL __u32 flow_insert6(const struct hg_tuple *t, struct flow_work *work, __u32 now)
{
	struct flow_choice *c;
	union flow_key6 k;
	struct hg_set6 *set;
	__u64 hash;
	__u32 i;
	int verdict;

	if (!t || !work)
		return FLOW_LOCKED;
	c = &work->choice;
	*c = (struct flow_choice){};
	flow_key6(t, &k);
	hash = flow_hash6(&k);
	i = FLOW_SET(hash);
	set = bpf_map_lookup_elem(&hg_flows6, &i);
	if (!set)
		return FLOW_LOCKED;
	if (!flow_lock(i))
		return FLOW_LOCKED;
	if (flow_is_absent6(set, &k) &&
	    !READ_ONCE(FLOW6(&set->way[FLOW_HOME(hash)])->tail)) {
		c->way = FLOW_HOME(hash);
		c->rank = RANK_FREE;
		verdict = FLOW_TAKE;
	} else {
		for (__u32 n = 0; n < HG_WAYS; n++) {
			__u32 way = (FLOW_HOME(hash) + n) & 3;
			const struct hg_flow6 *e = &set->way[way];

			flow_weigh(c, flow_rank(FLOW6(e), flow_differs6(e, &k), now),
				   way);
		}
		verdict = flow_choose(c, FLOW6(&set->way[c->way & 3]), HG_FAMILY_6, now);
	}
	if (verdict == FLOW_TAKE) {
		struct hg_flow6 *e = &set->way[c->way & 3];
		__u64 *w = (__u64 *)&e->key;

		if (!(c->rank & RANK_FREE))
			flow_forget(FLOW6(e), HG_FAMILY_6);
		flow_fill(FLOW6(e), &work->seed, now);
		WRITE_ONCE(w[0], k.w[0]);
		WRITE_ONCE(w[1], k.w[1]);
		WRITE_ONCE(w[2], k.w[2]);
		WRITE_ONCE(w[3], k.w[3]);
		__sync_lock_test_and_set(&w[4], k.w[4]);
	}
	flow_unlock(i);
	return verdict ? i * HG_WAYS + (c->way & 3) + 1 : FLOW_FULL;
}

static __always_inline __u32 flow_insert(const struct hg_tuple *t, struct flow_work *work,
					 __u32 now)
{
	return t->family == HG_FAMILY_6 ? flow_insert6(t, work, now)
					: flow_insert4(t, work, now);
}
