/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* limit: sources that send more than a rate limit allows.
 *
 * In       The packet as it came in, before anything was decided; its device; whether it
 *          would open a connection.
 * Out      hg_limited, hg_limits, hg_limit_counts; pkt->is_rated: all packets of the
 *          connection are to come this way.
 * Result   0 or -HG_DROP_RATE_LIMIT.
 * Cost     One word where no rule set has a limit. Else a class look-up, and for each limit
 *          that looks at the packet two lines of memory and two atomic additions.
 * Source   docs/semantics.md section 18.
 */
#include <hg/limit.h>

#include "uplink.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_COUNTED_SETS);
	__type(key, __u32);
	__type(value, struct hg_counted_set);
} hg_limited SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_LIMIT_IDS);
	__type(key, __u32);
	__type(value, struct hg_limit_room);
} hg_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HG_LIMIT_IDS);
	__type(key, __u32);
	__type(value, struct hg_limit_counts);
} hg_limit_counts SEC(".maps");

static __always_inline const struct hg_limit *limit_get(const struct pkt *pkt, __u32 id)
{
	return id ? table_record(pkt, HEADER_TABLE(pkt, limits), id) : NULL;
}

/* ---- the sources ---- */

static __always_inline __u64 limit_hash(__u64 source, __u32 mark)
{
	__u64 h = (source ^ hg_seed[0]) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + (mark ^ hg_seed[1])) * 0xbf58476d1ce4e5b9ULL;
	h ^= h >> 29;
	h *= 0x94d049bb133111ebULL;
	return h ^ h >> 32;
}

/* Ticks since the window in hand began. */
static __always_inline __u32 limit_age(const struct hg_counted *e, __u32 now)
{
	return clock_age(now, READ_ONCE(e->start));
}

/* What it has sent lately; nothing of it changes. */
static __always_inline __u64 limit_estimate(const struct hg_counted *e, __u32 now,
					    __u32 window)
{
	__u32 age = limit_age(e, now);
	__u64 present = READ_ONCE(e->present), previous = READ_ONCE(e->previous);

	if (age >= window) {
		age -= window;
		previous = present;
		present = 0;
	}
	return age >= window ? 0 : hg_counted_estimate(previous, present, age, window);
}

static __always_inline struct hg_limit_room *limit_room(__u32 mark)
{
	__u32 id = HG_MARK_ID(mark);

	return bpf_map_lookup_elem(&hg_limits, &id);
}

/* A source that was limited no longer is. */
static __always_inline void limit_release(__u32 mark)
{
	struct hg_limit_room *room = limit_room(mark);

	if (room && READ_ONCE(room->mark) == HG_MARK_LIMIT(mark) && READ_ONCE(room->n))
		__sync_fetch_and_add(&room->n, -1);
}

/* One more source is above the limit. Is there room for it? */
static __always_inline int limit_admit(struct hg_counted *e, __u32 mark)
{
	struct hg_limit_room *room = limit_room(mark);
	__u32 was;

	if (!room)
		return 0;
	was = READ_ONCE(room->mark);
	if (was != mark && __sync_val_compare_and_swap(&room->mark, was, mark) == was)
		WRITE_ONCE(room->n, 0);
	if (READ_ONCE(room->n) >= HG_MAX_LIMITED)
		return 0;
	if (__sync_val_compare_and_swap(&e->mark, mark, mark | HG_MARK_LIMITED) == mark)
		__sync_fetch_and_add(&room->n, 1);
	return 1;
}

/* A way for a new source: of a set that is full, what was counted least. Windows differ, so that what
 * two were counted in is compared, not how long ago. NULL: another CPU took it. */
static __always_inline struct hg_counted *limit_take(struct hg_counted_set *set,
						     __u64 source, __u32 mark, __u32 now)
{
	struct hg_counted *e = &set->way[0];
	__u64 count, least = ~0ULL;
	__u32 old;

#pragma unroll
	for (int i = 0; i < HG_COUNTED_WAYS; i++) {
		struct hg_counted *at = &set->way[i];

		count = READ_ONCE(at->mark)
				? READ_ONCE(at->present) + READ_ONCE(at->previous) + 1
				: 0;
		if (limit_age(at, now) > clock_from_seconds(2 * HG_MAX_WINDOW))
			count = 0;
		if (count < least) {
			least = count;
			e = at;
		}
	}
	old = READ_ONCE(e->mark);
	if (old == HG_MARK_BUSY ||
	    __sync_val_compare_and_swap(&e->mark, old, HG_MARK_BUSY) != old)
		return NULL;
	if (old & HG_MARK_LIMITED)
		limit_release(old);
	WRITE_ONCE(e->source, source);
	WRITE_ONCE(e->start, now);
	WRITE_ONCE(e->present, 0);
	WRITE_ONCE(e->previous, 0);
	__sync_val_compare_and_swap(&e->mark, HG_MARK_BUSY, mark);
	return e;
}

static __always_inline struct hg_counted *limit_find(struct hg_counted_set *set,
						     __u64 source, __u32 mark)
{
#pragma unroll
	for (int i = 0; i < HG_COUNTED_WAYS; i++) {
		struct hg_counted *e = &set->way[i];

		if (HG_MARK_LIMIT(READ_ONCE(e->mark)) == mark &&
		    READ_ONCE(e->source) == source)
			return e;
	}
	return NULL;
}

/* The window is over: one of the CPUs that find it so begins the next. */
static __always_inline void limit_roll(struct hg_counted *e, __u32 now, __u32 window)
{
	__u32 start = READ_ONCE(e->start), age = limit_age(e, now), next;
	__u64 present;

	if (age < window)
		return;
	next = age < 2 * window ? start + window : now;
	if (__sync_val_compare_and_swap(&e->start, start, next) != start)
		return;
	present = READ_ONCE(e->present);
	__sync_fetch_and_add(&e->present, -present);
	WRITE_ONCE(e->previous, age < 2 * window ? present : 0);
}

/* Counts 'amount' more, unless this is explain, which asks what would be. Is the source above the limit
 * by it? */
static __always_inline int limit_exceeds(const struct pkt *pkt, const struct hg_limit *l,
					 __u64 source, __u64 amount)
{
	__u32 window = clock_from_seconds(l->window), mark = l->mark;
	__u32 i = limit_hash(source, mark) & (HG_COUNTED_SETS - 1);
	struct hg_counted_set *set = bpf_map_lookup_elem(&hg_limited, &i);
	struct hg_counted *e;
	int is_above;

	if (!set || !window)
		return 0;
	VERIFIER_KEEP(set);
	e = limit_find(set, source, mark);
	if (!pkt->commit)
		return (e ? limit_estimate(e, pkt->now, window) : 0) + amount > l->limit;
	if (!e)
		e = limit_take(set, source, mark, pkt->now);
	if (!e)
		return 0;
	limit_roll(e, pkt->now, window);
	__sync_fetch_and_add(&e->present, amount);
	is_above = limit_estimate(e, pkt->now, window) > l->limit;
	if (l->action != HG_LIMIT_BLOCK)
		return is_above;
	if (READ_ONCE(e->mark) & HG_MARK_LIMITED) {
		if (!is_above &&
		    __sync_val_compare_and_swap(&e->mark, mark | HG_MARK_LIMITED, mark) ==
			    (mark | HG_MARK_LIMITED))
			limit_release(mark);
		return is_above;
	}
	return is_above && limit_admit(e, mark);
}

/* What XDP leaves to the TC door will be counted there. */
static __always_inline void limit_forgive(const struct hg_limit *l, __u64 source,
					  __u64 amount)
{
	__u32 i = limit_hash(source, l->mark) & (HG_COUNTED_SETS - 1);
	struct hg_counted_set *set = bpf_map_lookup_elem(&hg_limited, &i);
	struct hg_counted *e;

	if (!set)
		return;
	VERIFIER_KEEP(set);
	e = limit_find(set, source, l->mark);
	if (e && READ_ONCE(e->present) >= amount)
		__sync_fetch_and_add(&e->present, -amount);
}

/* ---- the limits ---- */

#define LIMIT_COUNT   0
#define LIMIT_FORGIVE 1

static __always_inline void limit_account(const struct pkt *pkt, const struct hg_limit *l,
					  int is_above, __u32 how)
{
	__u32 id = HG_MARK_ID(l->mark);
	__u64 sign = how == LIMIT_FORGIVE ? -1ULL : 1;
	struct hg_limit_counts *c;

	if (!pkt->commit)
		return;
	c = bpf_map_lookup_elem(&hg_limit_counts, &id);
	if (!c)
		return;
	if (c->mark != l->mark)
		*c = (struct hg_limit_counts){ .mark = l->mark };
	c->packets += sign * pkt->segs;
	c->bytes += sign * pkt->len;
	if (!is_above)
		return;
	c->over += pkt->segs;
	c->over_bytes += pkt->len;
	if (l->action != HG_LIMIT_BLOCK)
		return;
	c->dropped += pkt->segs;
	c->dropped_bytes += pkt->len;
}

static __always_inline int limit_concerns(const struct scratch *s,
					  const struct hg_limit *l)
{
	const struct hg_tuple *t = &s->pkt.tuple;

	if (l->unit == HG_LIMIT_NEW_CONNECTIONS && !s->limit_opens)
		return 0;
	return !l->port || (l->port == t->dport &&
			    (t->protocol == IPPROTO_TCP || t->protocol == IPPROTO_UDP));
}

/* What limit 'id' says; scratch->limit_next. 1: and it is above that. */
HG_GLOBAL int limit_ask(struct scratch *s, __u32 id, __u32 how)
{
	const struct hg_limit *l;
	__u64 source, amount;
	struct pkt *pkt;
	int is_above = 0;

	if (!s)
		return 0;
	pkt = &s->pkt;
	l = limit_get(pkt, id);
	s->limit_next = l ? l->next : 0;
	if (!l || !limit_concerns(s, l))
		return 0;
	if (l->unit != HG_LIMIT_NEW_CONNECTIONS)
		pkt->is_rated = 1;
	source = hg_counted_source(&pkt->tuple.saddr, pkt->tuple.family);
	amount = l->unit == HG_LIMIT_BYTES ? pkt->len : pkt->segs;
	if (l->action == HG_LIMIT_ALLOW)
		s->limit_next = 0;
	if (how == LIMIT_FORGIVE)
		limit_forgive(l, source, amount);
	else
		is_above = limit_exceeds(pkt, l, source, amount);
	limit_account(pkt, l, is_above, how);
	s->limit_object = l->object;
	return is_above && l->action == HG_LIMIT_BLOCK;
}

HG_GLOBAL int limit_ask_all(struct scratch *s, __u32 how)
{
	__u32 id;

	if (!s)
		return 0;
	id = s->limit;
	for (int i = 0; i < HG_MAX_RATE_LIMITS && id; i++) {
		if (limit_ask(s, id, how))
			return 1;
		id = s->limit_next;
	}
	return 0;
}

/* ---- whose ---- */

/* The limits of the address that scratch->limited is. */
static __always_inline __u32 limit_of(const struct scratch *s)
{
	const struct hg_vip *v = image_vip(&s->pkt, s->limited.vip);
	const struct hg_subnet *to = image_subnet(&s->pkt, s->limited.subnet);

	if (v)
		return v->limit;
	return to ? to->limit : 0;
}

/* By what the destination is to those outside. */
static __always_inline __u32 limit_outside(struct scratch *s, __u32 uplink)
{
	const struct hg_place *p = uplink_place(&s->pkt, uplink, &s->pkt.tuple.daddr);
	struct hg_addr to = s->pkt.tuple.daddr;

	if (!p)
		return 0;
	if (p->kind == HG_PLACE_BALANCER) {
		const struct hg_vip *v = image_vip(&s->pkt, p->vip);

		return v ? v->limit : 0;
	}
	if (p->kind == HG_PLACE_ELASTIC)
		to = (struct hg_addr){ .w = { p->private_address } };
	else if (p->kind != HG_PLACE_VPC)
		return 0;
	class_find(&s->pkt, p->vpc, &to, &s->limited);
	return limit_of(s);
}

/* By the way that it will go: to the other VPC of a peering, or round at the gateway. */
static __always_inline __u32 limit_beyond(struct scratch *s, const struct hg_device *d)
{
	const struct hg_subnet *from = image_subnet(&s->pkt, d->subnet);
	struct hg_table routes = HEADER_TABLE(&s->pkt, routes);
	const struct hg_gateway *g;
	const struct hg_device *out;
	const struct hg_route *r;
	__u32 id;

	if (!from || !from->routes)
		return 0;
	id = image_word(&s->pkt, from->routes, s->limited.row);
	r = id < routes.n ? image_line(&s->pkt, routes.line + (id >> 2)) : NULL;
	if (!r)
		return 0;
	r += id & 3;
	if (r->kind == HG_ROUTE_PEERING) {
		class_find(&s->pkt, r->target, &s->pkt.tuple.daddr, &s->limited);
		return limit_of(s);
	}
	if (r->kind != HG_ROUTE_INTERNET || s->pkt.tuple.family != HG_FAMILY_4)
		return 0;
	g = image_gateway(&s->pkt, r->target);
	out = g ? image_device(&s->pkt, g->device) : NULL;
	return out ? limit_outside(s, out->uplink) : 0;
}

HG_GLOBAL int limit_resource(struct scratch *s, __u32 device)
{
	const struct hg_device *d;

	if (!s)
		return 0;
	s->limit = 0;
	d = image_device(&s->pkt, device);
	if (!d)
		return 0;
	if (d->role == HG_ROLE_UPLINK) {
		s->limit = limit_outside(s, d->uplink);
		return 0;
	}
	class_find(&s->pkt, d->vpc, &s->pkt.tuple.daddr, &s->limited);
	s->limit =
		s->limited.is_inside || s->limited.vip ? limit_of(s) : limit_beyond(s, d);
	return 0;
}

/* ---- the stage ---- */

static __always_inline int limit_judge(struct scratch *s, __u32 opens)
{
	struct pkt *pkt = &s->pkt;
	int is_above;

	s->limit = 0;
	if (pkt->door != HG_DOOR_IN || HEADER_WORD(pkt, limits.n) <= 1)
		return 0;
	limit_resource(s, pkt->device);
	if (!s->limit)
		return 0;
	s->limit_object = 0;
	s->limit_opens = opens;
	is_above = limit_ask_all(s, LIMIT_COUNT);
	if (s->limit_object)
		trace_step(pkt, HG_STAGE_rate_limit, s->limit_object, 0, !is_above, 0);
	return is_above ? -HG_DROP_RATE_LIMIT : 0;
}

/* XDP leaves the packet to the TC door. */
static __always_inline void limit_undo(struct scratch *s)
{
	if (s->pkt.is_punted && s->limit)
		limit_ask_all(s, LIMIT_FORGIVE);
}
