/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* open: both entries of a new connection.
 *
 * In       scratch->came, the opener's packet as it came in; pkt->to, as it goes out, in the
 *          zone where answers come in; the first life, path and HG_FLOW_* of its direction.
 * Out      Two entries that know each other. The opener's packet is counted in its own;
 *          the other direction has not been judged yet, so its entry carries epoch 0.
 * Result   0, -HG_DROP_FLOW_TABLE_FULL, -HG_DROP_NAT_NO_PORT, or -HG_DROP_INTERNAL when a
 *          set's lock was not to be had in LOCK_TRIES tries; nothing stays behind then.
 * Cost     Two sets, two locks.
 *
 * Behind a NAT gateway, or a balancer that speaks for its clients, the answers' entry must not exist yet: its insertion is what
 * takes the port. So it comes first; a port that another CPU took meanwhile is given up for
 * another. When the opener's own entry turns out to exist, that CPU opened the same
 * connection, and this packet goes the way that was chosen there.
 */
#include "port.h"

#define OPEN_TRIES 4

static __always_inline int open_failed(__u32 at)
{
	return at == FLOW_FULL ? -HG_DROP_FLOW_TABLE_FULL : -HG_DROP_INTERNAL;
}

/* HG_FLOW_* of the other direction: the ends change places. */
static __always_inline __u32 open_flags_back(__u32 flags)
{
	return (flags & (HG_FLOW_EXEMPT | HG_FLOW_NAT | HG_FLOW_ROUTED)) |
	       (flags & HG_FLOW_TRACK_SRC ? HG_FLOW_TRACK_DST : 0) |
	       (flags & HG_FLOW_TRACK_DST ? HG_FLOW_TRACK_SRC : 0);
}

static __always_inline __u32 open_ports(const struct hg_tuple *t)
{
	return (__u32)t->sport | (__u32)t->dport << 16;
}

/* Both entries of a connection that goes to an appliance keep it. */
static __always_inline __be32 open_appliance(const struct scratch *s)
{
	return s->pkt.act & ACT_WRAP ? s->wrap.daddr : 0;
}

/* How the packets of an entry leave: as 'to'. An IPv4 entry that leaves as IPv6 has no
 * address to keep: its pair's key has them. */
static __always_inline void open_room(struct flow_seed *seed, __u32 flags, __u32 family,
				      const struct hg_tuple *to, __be32 appliance)
{
	if (!(flags & HG_FLOW_NAT)) {
		/* 0 but on the way to an appliance. */
		seed->room[0] = appliance;
		return;
	}
	if (to->family == HG_FAMILY_4) {
		seed->room[0] = to->saddr.w[0];
		seed->room[1] = to->daddr.w[0];
	} else if (family == HG_FAMILY_6) {
		seed->saddr = to->saddr;
		seed->daddr = to->daddr;
	}
	seed->room[2] = open_ports(to);
}

/* Field by field: a literal would be made on the stack. */
static __always_inline void open_seed(struct scratch *s, __u32 life, __u32 path)
{
	struct flow_seed *seed = &s->work.seed;

	seed->epoch = 0;
	seed->life = life;
	seed->path = path;
	seed->packets = 0;
	seed->pair = 0;
	seed->created = s->pkt.now;
	seed->room[0] = seed->room[1] = seed->room[2] = 0;
	seed->saddr = seed->daddr = (struct hg_addr){};
	seed->bytes = HG_BYTES_OF(s->pkt.meter);
}

/* What the entry of the answers starts with. */
static __always_inline void open_there(struct scratch *s, __u32 life, __u32 flags)
{
	const struct pkt *pkt = &s->pkt;

	tuple_reverse(&pkt->to, &s->back);
	if (flags & HG_FLOW_NAT)
		tuple_reverse(&s->came, &s->answer);
	open_seed(s, life | open_flags_back(flags) << 24, 0);
	open_room(&s->work.seed, flags, s->back.family, &s->answer, open_appliance(s));
}

/* The entry of the answers that a NAT gateway waits for: of a port that nobody has. Where it
 * would live half-open connections may have to give way to it, as to any other; but of the
 * same destination they would free a port as bad as this one, and so on for ever. So
 * that is the last thing to be tried. */
HG_GLOBAL __u32 open_port(struct scratch *s, __u32 life, __u32 flags)
{
	__u32 at = FLOW_LOCKED;

	if (!s)
		return FLOW_LOCKED;
	for (int i = 0; i < OPEN_TRIES; i++) {
		__u32 port;

		open_there(s, life, flags);
		s->work.spares = i < OPEN_TRIES - 1;
		at = flow_insert(&s->back, &s->work, s->pkt.now);
		if (at == FLOW_LOCKED || (at != FLOW_FULL && !s->work.had))
			return at;
		/* Taken, or no room where this one would live: another lives elsewhere. */
		s->answer = s->back;
		port = port_choose(s, 0);
		if (!port)
			return at == FLOW_FULL ? FLOW_FULL : FLOW_LOCKED;
		s->pkt.to.sport = bpf_htons(port);
	}
	return FLOW_LOCKED;
}

/* Not what another CPU, which shares it, has made half of a pair meanwhile. */
static __always_inline void open_undo(struct scratch *s, struct flow *there)
{
	union portset_key k;

	if (READ_ONCE(there->state.pair))
		return;
	if (s->needs_port) {
		s->answer = s->back;
		port_key(s, &k);
		k.key.dport = s->back.dport;
		port_freed(k.w[0], k.w[1]);
	}
	__sync_lock_test_and_set(&there->tail, 0);
}

/* What is at 'at' leaves otherwise than the entry that was to be put there. */
static __always_inline int open_is_other(const struct scratch *s, __u32 at, __u32 family)
{
	const struct flow_seed *seed = &s->work.seed;
	const struct flow *fl = flow_at(at, family);
	const struct hg_flow6 *e;

	if (!fl)
		return 0;
	if (fl->room[0] != seed->room[0] || fl->room[1] != seed->room[1] ||
	    fl->room[2] != seed->room[2])
		return 1;
	e = family == HG_FAMILY_6 ? flow6_at(at) : NULL;
	return e && (!addr_equal(&e->nat_saddr, &seed->saddr) ||
		     !addr_equal(&e->nat_daddr, &seed->daddr));
}

/* Another CPU has opened the connection: as it is known at 'at', this packet goes out. It may
 * be answered before that CPU has told the answers' entry whose it is. */
static __always_inline void open_follow(struct scratch *s, __u32 at)
{
	struct flow *here = flow_at(at, s->came.family), *there;
	struct hg_tuple *to = &s->pkt.to;
	const struct hg_flow6 *e;

	if (!here)
		return;
	there = flow_pair(here, s->came.family);
	if (there)
		WRITE_ONCE(there->state.pair,
			   at | (READ_ONCE(here->state.pair) & HG_PAIR_OTHER));
	to->sport = (__be16)READ_ONCE(here->room[2]);
	to->dport = READ_ONCE(here->room[2]) >> 16;
	if (s->came.family == HG_FAMILY_6 && to->family == HG_FAMILY_6) {
		e = flow6_at(at);
		if (e) {
			to->saddr = e->nat_saddr;
			to->daddr = e->nat_daddr;
		}
		return;
	}
	to->saddr.w[0] = READ_ONCE(here->room[0]);
	to->daddr.w[0] = READ_ONCE(here->room[1]);
}

#define OPEN_TAKEN (~1U)

/* At 'at' answers of another connection are waited for, which goes on. One that is closing, cut
 * or over gives way. */
static __always_inline int open_is_held(const struct scratch *s, __u32 at)
{
	struct flow *fl = flow_at(at, s->back.family);

	if (!fl)
		return 1;
	if (HG_LIFE_STATE(READ_ONCE(fl->state.life)) != HG_STATE_CLOSING &&
	    !flow_has_expired(fl, s->back.family, s->pkt.now))
		return 1;
	if (flow_is_still(fl, &s->back))
		flow_forget(fl, s->back.family);
	return 0;
}

/* The entry of the answers to a port that was not chosen: the connection's own, or one that
 * it shares; OPEN_TAKEN. */
HG_GLOBAL __u32 open_own(struct scratch *s)
{
	__u32 at;

	if (!s)
		return FLOW_LOCKED;
	at = flow_insert(&s->back, &s->work, s->pkt.now);
	if (!s->work.had || !open_is_other(s, at, s->back.family))
		return at;
	if (open_is_held(s, at))
		return OPEN_TAKEN;
	at = flow_insert(&s->back, &s->work, s->pkt.now);
	return s->work.had && open_is_other(s, at, s->back.family) ? OPEN_TAKEN : at;
}

HG_GLOBAL int flow_open(struct scratch *s, __u32 life, __u32 path, __u32 flags)
{
	struct flow *here, *there;
	__u32 here_at, there_at, other, is_shared = 0;
	struct pkt *pkt;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	if (s->needs_port) {
		there_at = open_port(s, life, flags);
	} else {
		open_there(s, life, flags);
		there_at = open_own(s);
		if (there_at == OPEN_TAKEN)
			return -HG_DROP_NAT_NO_PORT;
		is_shared = s->work.had;
	}
	s->work.spares = 0;
	if (there_at == FLOW_FULL || there_at == FLOW_LOCKED)
		return open_failed(there_at);
	there = flow_at(there_at, s->back.family);
	if (!there)
		return -HG_DROP_INTERNAL;
	if (s->needs_port) {
		s->answer = s->back;
		port_took(s);
	}
	open_seed(s, life | flags << 24, path);
	s->work.seed.epoch = pkt_epoch(pkt);
	s->work.seed.packets = pkt->segs;
	s->work.seed.bytes += pkt->len;
	other = s->came.family != s->back.family ? HG_PAIR_OTHER : 0;
	s->work.seed.pair = there_at | other;
	open_room(&s->work.seed, flags, s->came.family, &pkt->to, open_appliance(s));
	here_at = flow_insert(&s->came, &s->work, pkt->now);
	if (here_at == FLOW_FULL || here_at == FLOW_LOCKED) {
		/* Only what was just published is taken back. */
		if (!is_shared)
			open_undo(s, there);
		return open_failed(here_at);
	}
	here = flow_at(here_at, s->came.family);
	if (!here)
		return -HG_DROP_INTERNAL;
	/* With the same translation the other CPU shares our answers' entry. */
	if ((s->needs_port || s->vip) && s->work.had &&
	    open_is_other(s, here_at, s->came.family)) {
		if (!is_shared)
			open_undo(s, there);
		open_follow(s, here_at);
		return 0;
	}
	WRITE_ONCE(here->state.pair, there_at | other);
	WRITE_ONCE(there->state.pair, here_at | other);
	if (!flow_is_still(there, &s->back)) {
		/* Both live in one set, and the first had to give way to the second. */
		__sync_lock_test_and_set(&here->tail, 0);
		return -HG_DROP_FLOW_TABLE_FULL;
	}
	return 0;
}
