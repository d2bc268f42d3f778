/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* flow: the flow table: find, expire, forget. way.h inserts.
 *
 * In       pkt->tuple, epoch, now.
 * Out      struct flow: what the entries of both families have in common.
 * Cost     Hit: one line for IPv4, two for IPv6, as an entry lives in its home way unless
 *          that was taken. A SYN that has no flow: two words of tags, in one line.
 *
 * A set of four is full now and then long before the table is. What finds no place there lives
 * in the set's buddy, its neighbour in memory: eight ways are full a hundred times as
 * rarely. Who misses asks the buddy's tags first, so that this costs nothing to speak of.
 *
 * Who races. Entries are found without a lock and inserted under that of both buddies. An entry
 * becomes visible by one atomic exchange of its last key word ('tail': ports, protocol,
 * live, zone) after all else was written, and leaves by one to 0. A reader that has
 * matched a key may find the entry reused under it: it reads what it needs first and
 * compares the key again after (flow_is_still); only then does it act. Later writes of
 * 'seen' and counters into an entry that was reused at that very moment cost the new
 * flow one packet's count. Two CPUs that open the same flow at once meet in that
 * lock; the second finds the first's entry. Half-open pairs leave together: the evicted
 * entry's pair is removed by a compare-and-swap of its tail.
 */
#include "clock.h"
#include "image.h"
#include "portset.h"
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

/* For each set, 16 bits of the hash of what was last put into each of its ways. So small
 * that it stays in the cache: a SYN, which hardly ever has a flow, need not wait for the
 * memory of its set to hear so. Never cleared, and read without a lock: a tag that says
 * 'perhaps' too often costs a look, one that says 'no' wrongly makes a repeated SYN be
 * judged again, whereupon the insertion finds the flow under the lock. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} hg_tags4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} hg_tags6 SEC(".maps");

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

/* Field by field: a literal would be made on the stack. */
static __always_inline void flow_key6(const struct hg_tuple *t, union flow_key6 *k)
{
	k->key.saddr = t->saddr;
	k->key.daddr = t->daddr;
	k->key.sport = t->sport;
	k->key.dport = t->dport;
	k->key.protocol = t->protocol;
	k->key.live = 1;
	k->key.zone = t->zone;
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

	h = ((h ^ h >> 32) + (k->w[1] ^ hg_seed[2])) * 0x94d049bb133111ebULL;
	g = ((g ^ g >> 32) + (k->w[3] ^ hg_seed[3])) * 0x9e3779b97f4a7c15ULL;
	/* Both ends count their hosts in the last byte, which is the highest of a word, where a
	 * product leaves it: before the two meet, each must have left its place. */
	h = ((h ^ h >> 32) + (g ^ g >> 29)) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h = (h + k->w[4]) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h *= 0x94d049bb133111ebULL;
	return h ^ h >> 32;
}

#define FLOW_SET(hash)  ((__u32)(hash)&hg_flow_mask)
#define FLOW_BUDDY(set) (((set) ^ 1) & hg_flow_mask) /* takes what a full set cannot */
#define FLOW_HOME(hash) ((__u32)((hash) >> 62))
#define FLOW_TAG(hash)  ((__u64)(__u16)((hash) >> 40) | 1)

/* What both families' entries have in common, from the key's last word on. */
struct flow {
	__u64 tail; /* ports, protocol, live, zone; 0: not in use */
	struct hg_state state;
	__u32 room[3]; /* hg_flow4.nat_*: source, destination, ports */
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

#define TAG_LANES 0x0001000100010001ULL

/* Some lane of the set's tags is the hash's: a lane of the difference is zero. */
static __always_inline int flow_tags_match(const __u64 *tags, __u64 hash)
{
	__u64 x = READ_ONCE(*tags) ^ FLOW_TAG(hash) * TAG_LANES;

	return !!((x - TAG_LANES) & ~x & TAG_LANES << 15);
}

/* Under the set's lock. */
static __always_inline void flow_tags_put(__u64 *tags, __u64 hash, __u32 way)
{
	__u32 shift = (way & 3) * 16;

	WRITE_ONCE(*tags, (READ_ONCE(*tags) & ~(0xffffULL << shift)) | FLOW_TAG(hash)
									       << shift);
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

/* Where 't' is in set 'i': set * 4 + way + 1; 0: nowhere. */
HG_GLOBAL __u32 flow_search4(const struct hg_tuple *t, __u32 i)
{
	union flow_key4 k;
	struct hg_set4 *set;

	if (!t)
		return 0;
	flow_key4(t, &k);
	set = bpf_map_lookup_elem(&hg_flows4, &i);
	if (!set)
		return 0;
#pragma unroll
	for (int n = 0; n < HG_WAYS; n++)
		if (!flow_differs4(&set->way[n], &k))
			return i * HG_WAYS + n + 1;
	return 0;
}

static __always_inline int flow_may_have4(__u32 set, __u64 hash)
{
	const __u64 *tags = bpf_map_lookup_elem(&hg_tags4, &set);

	return tags && flow_tags_match(tags, hash);
}

static __always_inline struct flow *flow_find4(const struct hg_tuple *t, int is_doubtful)
{
	union flow_key4 k;
	struct hg_set4 *set;
	__u64 hash;
	__u32 i;

	flow_key4(t, &k);
	hash = flow_hash4(&k);
	i = FLOW_SET(hash);
	if (!is_doubtful || flow_may_have4(i, hash)) {
		set = bpf_map_lookup_elem(&hg_flows4, &i);
		if (!set)
			return NULL;
#pragma unroll
		for (int n = 0; n < HG_WAYS; n++) {
			struct hg_flow4 *e = &set->way[(FLOW_HOME(hash) + n) & 3];

			if (!flow_differs4(e, &k))
				return FLOW4(e);
		}
	}
	i = FLOW_BUDDY(i);
	return flow_may_have4(i, hash) ? flow_at(flow_search4(t, i), HG_FAMILY_4) : NULL;
}

/* Where 't' is in set 'i': set * 4 + way + 1; 0: nowhere. */
HG_GLOBAL __u32 flow_search6(const struct hg_tuple *t, __u32 i)
{
	union flow_key6 k;
	struct hg_set6 *set;

	if (!t)
		return 0;
	flow_key6(t, &k);
	set = bpf_map_lookup_elem(&hg_flows6, &i);
	if (!set)
		return 0;
#pragma unroll
	for (int n = 0; n < HG_WAYS; n++)
		if (!flow_differs6(&set->way[n], &k))
			return i * HG_WAYS + n + 1;
	return 0;
}

static __always_inline int flow_may_have6(__u32 set, __u64 hash)
{
	const __u64 *tags = bpf_map_lookup_elem(&hg_tags6, &set);

	return tags && flow_tags_match(tags, hash);
}

static __always_inline struct flow *flow_find6(const struct hg_tuple *t, int is_doubtful)
{
	union flow_key6 k;
	struct hg_set6 *set;
	__u64 hash;
	__u32 i;

	flow_key6(t, &k);
	hash = flow_hash6(&k);
	i = FLOW_SET(hash);
	if (!is_doubtful || flow_may_have6(i, hash)) {
		set = bpf_map_lookup_elem(&hg_flows6, &i);
		if (!set)
			return NULL;
#pragma unroll
		for (int n = 0; n < HG_WAYS; n++) {
			struct hg_flow6 *e = &set->way[(FLOW_HOME(hash) + n) & 3];

			if (!flow_differs6(e, &k))
				return FLOW6(e);
		}
	}
	i = FLOW_BUDDY(i);
	return flow_may_have6(i, hash) ? flow_at(flow_search6(t, i), HG_FAMILY_6) : NULL;
}

/* 'is_doubtful': there is hardly a flow, so that the tags are worth a look. */
static __always_inline struct flow *flow_find(const struct hg_tuple *t, int is_doubtful)
{
	return t->family == HG_FAMILY_6 ? flow_find6(t, is_doubtful)
					: flow_find4(t, is_doubtful);
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

/* What of a tail must be the same in both directions once the ports are exchanged: in one
 * family all but the zone, between two the ports and that it lives. */
#define TAIL_SAME  0x0000ffffffffffffULL
#define TAIL_OTHER 0x0000ff00ffffffffULL

/* The tail that the pair must have, by TAIL_SAME. */
static __always_inline __u64 flow_tail_reversed(const struct flow *fl)
{
	union flow_key4 k = { .w = { 0, READ_ONCE(fl->tail) } };
	__u32 ports = (__u32)k.w[1];

	if (HG_LIFE_FLAGS(READ_ONCE(fl->state.life)) & HG_FLOW_NAT)
		ports = READ_ONCE(fl->room[2]);
	return (k.w[1] & ~0xffffffffULL) | ports >> 16 | ports << 16;
}

/* The family of the other direction. */
static __always_inline __u32 flow_pair_family(const struct flow *fl, __u32 family)
{
	return READ_ONCE(fl->state.pair) & HG_PAIR_OTHER
		       ? HG_FAMILY_4 ^ HG_FAMILY_6 ^ family
		       : family;
}

/* The other direction; NULL when it left. */
static __always_inline struct flow *flow_pair(const struct flow *fl, __u32 family)
{
	__u32 at = READ_ONCE(fl->state.pair);
	__u64 same = at & HG_PAIR_OTHER ? TAIL_OTHER : TAIL_SAME;
	struct flow *pair = flow_at(at & ~HG_PAIR_OTHER, flow_pair_family(fl, family));

	if (!pair || (READ_ONCE(pair->tail) ^ flow_tail_reversed(fl)) & same)
		return NULL;
	return pair;
}

static __always_inline int flow_is_over(__u32 life, __u32 seen, __u32 now)
{
	__u32 idle = now - seen;

	/* Another CPU may have read the clock later than this one. What the agent has cut
	 * has no time left, whenever it was seen. */
	return !HG_LIFE_TIMEOUT(life) ||
	       ((__s32)idle > 0 && idle > clock_from_seconds(HG_LIFE_TIMEOUT(life)));
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

/* Does it wait for answers at a port that was chosen for it, or may have been? */
static __always_inline int flow_has_port(const struct flow *fl)
{
	__u32 flags = HG_LIFE_FLAGS(READ_ONCE(fl->state.life));

	return (flags & (HG_FLOW_NAT | HG_FLOW_ORIGINAL)) == HG_FLOW_NAT &&
	       HG_BYTES_METER(READ_ONCE(fl->state.bytes));
}

/* An answer's way through a NAT gateway is gone: its port is free. */
static __always_inline void flow_free_port(const struct flow *fl)
{
	const __u64 *w = (const void *)fl - FLOW4_TAIL;

	if (flow_has_port(fl))
		port_freed(w[0], w[1]);
}

/* The entry at 'at' of the IPv6 table; NULL for 0. */
static __always_inline struct hg_flow6 *flow6_at(__u32 at)
{
	__u32 i = (at - 1) >> 2;
	struct hg_set6 *set;

	if (!at)
		return NULL;
	set = bpf_map_lookup_elem(&hg_flows6, &i);
	if (!set)
		return NULL;
	VERIFIER_KEEP(set);
	return &set->way[(at - 1) & 3];
}

/* The same of IPv6, where the port is a balancer's. */
HG_GLOBAL int flow_free_port6(__u32 at)
{
	const struct hg_flow6 *e = flow6_at(at & ~HG_PAIR_OTHER);
	const __u64 *w = (const __u64 *)e;

	if (e && flow_has_port(FLOW6(e)))
		port_freed(hg_port_addresses(&e->key.saddr, &e->key.daddr), w[4]);
	return 0;
}

/* One direction of a connection that is over ends for all to see. Returns its HG_FLOW_* if it
 * did by this call. */
static __always_inline __u32 flow_end_one(struct flow *fl)
{
	__u32 life = READ_ONCE(fl->state.life);
	__u32 ended =
		HG_LIFE(HG_LIFE_TIMEOUT(life), HG_STATE_CLOSING, HG_LIFE_FLAGS(life));

	if (HG_LIFE_STATE(life) != HG_STATE_ESTABLISHED ||
	    __sync_val_compare_and_swap(&fl->state.life, life, ended) != life)
		return 0;
	return HG_LIFE_FLAGS(life);
}

/* Both do, and stay where they are. 1: by this call. */
HG_GLOBAL int flow_end(struct flow *fl, __u32 family)
{
	struct flow *pair;
	__u32 flags;

	if (!fl)
		return 0;
	pair = flow_pair(fl, family);
	flags = flow_end_one(fl);
	if (pair)
		flags |= flow_end_one(pair);
	return !!(flags & HG_FLOW_ORIGINAL);
}

static __always_inline void flow_cut_one(struct flow *fl, __u32 now)
{
	__u32 life = READ_ONCE(fl->state.life);

	WRITE_ONCE(fl->state.seen, now);
	WRITE_ONCE(fl->state.epoch, 0);
	__sync_val_compare_and_swap(&fl->state.life, life,
				    HG_LIFE(0, HG_STATE_CLOSING, HG_LIFE_FLAGS(life)));
}

/* Both directions are over from now on, as when the agent cuts them: either side is told. */
HG_GLOBAL int flow_cut(struct flow *fl, __u32 family, __u32 now)
{
	struct flow *pair;

	if (!fl)
		return 0;
	pair = flow_pair(fl, family);
	flow_cut_one(fl, now);
	if (pair)
		flow_cut_one(pair, now);
	return 0;
}

/* Both directions leave. 1: by this call. */
HG_GLOBAL int flow_forget(struct flow *fl, __u32 family)
{
	struct flow *pair, *self;
	__u64 tail, pair_tail;
	__u32 pair_family;

	if (!fl)
		return 0;
	tail = READ_ONCE(fl->tail);
	pair = flow_pair(fl, family);
	if (pair) {
		pair_family = flow_pair_family(fl, family);
		/* By the pair's word: a pointer into the map, not the caller's. */
		self = flow_pair(pair, pair_family);
		if (self && family == HG_FAMILY_4)
			flow_free_port(self);
		if (pair_family == HG_FAMILY_4)
			flow_free_port(pair);
		if (family == HG_FAMILY_6 && pair_family == HG_FAMILY_6) {
			flow_free_port6(READ_ONCE(fl->state.pair));
			flow_free_port6(READ_ONCE(pair->state.pair));
		}
		pair_tail = READ_ONCE(pair->tail);
		__sync_val_compare_and_swap(&pair->tail, pair_tail, 0);
	}
	return __sync_val_compare_and_swap(&fl->tail, tail, 0) == tail;
}
