/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* gate: while a balancer is flooded, only who answers may open a connection.
 *
 *   SYN -> SYN-ACK of a number that was never sent, the cookie
 *   RST with the cookie -> the source is known -> its next SYN passes
 *
 * In       The packet as it came to the virtual address; its listener's syn_protection.
 * Out      hg_gates, hg_known; pkt->reply and cookie: how the SYN is answered.
 * Result   0 or -HG_DROP_RATE_LIMIT.
 * Cost     Off: a line of memory for each new connection, and one for each handshake. On: a line and a
 *          SipHash of five or eight words for each SYN of a source that is not known.
 * Source   RFC 9293 section 3.10.7.3: a SYN-ACK of a number that was not sent is answered with a
 *          reset of that number. Aumasson and Bernstein, "SipHash", 2012.
 *
 * To speak for the target until the handshake is complete, as SYN cookies do, would be faster for the
 * client; but then its sequence numbers, window scale, SACK and timestamps are not those that the
 * target will choose, and every packet of the connection would have to be translated
 * for life. This costs the client a round trip, and the connection is the target's own.
 */
#include <hg/gate.h>
#include <hg/limit.h>

#include "scratch.h"
#include "trace.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_METERS);
	__type(key, __u32);
	__type(value, struct hg_gate);
} hg_gates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_KNOWN_SETS);
	__type(key, __u32);
	__type(value, struct hg_known_set);
} hg_known SEC(".maps");

static __always_inline struct hg_gate *gate_get(__u32 meter)
{
	return meter >= HG_METER_BALANCER ? bpf_map_lookup_elem(&hg_gates, &meter) : NULL;
}

/* ---- sources ---- */

static __always_inline __u64 gate_hash(const struct pkt *pkt, const struct hg_addr *a)
{
	__u64 h = hg_counted_source(a, pkt->tuple.family) ^ hg_seed[0];

	h *= 0x9e3779b97f4a7c15ULL;
	h = ((h ^ h >> 32) + hg_seed[1]) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ h >> 29) * 0x94d049bb133111ebULL;
	return h ^ h >> 32;
}

/* Of those of a set who has completed a handshake stays before who only returned a cookie: the hosts
 * whose addresses a flood borrows return cookies, too, thousands in a second. */
#define GATE_COOKIE    2
#define GATE_HANDSHAKE 3
#define GATE_MANNER    3

static __always_inline __u32 gate_tag(__u64 hash)
{
	return (__u32)(hash >> 32) & ~GATE_MANNER;
}

/* The source was heard of in time. */
static __always_inline int gate_knows(const struct pkt *pkt, const struct hg_addr *a)
{
	__u64 hash = gate_hash(pkt, a);
	__u32 i = hash & (HG_KNOWN_SETS - 1), tag;
	const struct hg_known_set *set = bpf_map_lookup_elem(&hg_known, &i);

	if (!set)
		return 0;
	VERIFIER_KEEP(set);
#pragma unroll
	for (int n = 0; n < HG_KNOWN_WAYS; n++) {
		tag = READ_ONCE(set->way[n].tag);
		if (tag && (tag & ~GATE_MANNER) == gate_tag(hash))
			return clock_age(pkt->now, READ_ONCE(set->way[n].seen)) <
			       clock_from_seconds(HG_KNOWN_SECONDS);
	}
	return 0;
}

/* What of a set gives way: the more, the sooner. */
static __always_inline __u32 gate_rank(__u32 now, const struct hg_known *k)
{
	__u32 tag = READ_ONCE(k->tag), age = clock_age(now, READ_ONCE(k->seen));

	if (!tag || age >= clock_from_seconds(HG_KNOWN_SECONDS))
		return ~0U;
	return (tag & GATE_MANNER) == GATE_HANDSHAKE
		       ? age
		       : age + clock_from_seconds(HG_KNOWN_SECONDS);
}

/* It receives what is sent to it, as 'manner' (GATE_COOKIE, GATE_HANDSHAKE) shows. */
HG_GLOBAL int gate_learn(const struct pkt *pkt, const struct hg_addr *a, __u32 manner)
{
	struct hg_known *at = NULL;
	struct hg_known_set *set;
	__u32 i, tag, rank, most = 0;
	__u64 hash;

	if (!pkt || !a)
		return 0;
	hash = gate_hash(pkt, a);
	i = hash & (HG_KNOWN_SETS - 1);
	set = bpf_map_lookup_elem(&hg_known, &i);
	if (!set)
		return 0;
	VERIFIER_KEEP(set);
	at = &set->way[0];
#pragma unroll
	for (int n = 0; n < HG_KNOWN_WAYS; n++) {
		struct hg_known *k = &set->way[n];

		tag = READ_ONCE(k->tag);
		if (tag && (tag & ~GATE_MANNER) == gate_tag(hash)) {
			manner |= tag & GATE_MANNER;
			at = k;
			break;
		}
		rank = gate_rank(pkt->now, k);
		if (rank > most) {
			most = rank;
			at = k;
		}
	}
	WRITE_ONCE(at->seen, pkt->now);
	WRITE_ONCE(at->tag, gate_tag(hash) | manner);
	return 0;
}

/* ---- the cookie ---- */

#define GATE_ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

struct gate_sip {
	__u64 a, b, c, d;
};

static __always_inline void gate_round(struct gate_sip *v)
{
	v->a += v->b;
	v->b = GATE_ROTATE(v->b, 13) ^ v->a;
	v->a = GATE_ROTATE(v->a, 32);
	v->c += v->d;
	v->d = GATE_ROTATE(v->d, 16) ^ v->c;
	v->a += v->d;
	v->d = GATE_ROTATE(v->d, 21) ^ v->a;
	v->c += v->b;
	v->b = GATE_ROTATE(v->b, 17) ^ v->c;
	v->c = GATE_ROTATE(v->c, 32);
}

static __always_inline void gate_word(struct gate_sip *v, __u64 word)
{
	v->d ^= word;
	gate_round(v);
	gate_round(v);
	v->a ^= word;
}

/* SipHash-2-4 of the connection and the minute. */
HG_GLOBAL __u32 gate_cookie(const struct hg_tuple *t, __u32 minute)
{
	__u64 k0 = hg_seed[2], k1 = hg_seed[3], h;
	struct gate_sip v = { k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL,
			      k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL };

	if (!t)
		return 0;
	gate_word(&v, (__u64)t->saddr.w[0] << 32 | t->daddr.w[0]);
	if (t->family == HG_FAMILY_6) {
		gate_word(&v, (__u64)t->saddr.w[1] << 32 | t->daddr.w[1]);
		gate_word(&v, (__u64)t->saddr.w[2] << 32 | t->daddr.w[2]);
		gate_word(&v, (__u64)t->saddr.w[3] << 32 | t->daddr.w[3]);
	}
	gate_word(&v, (__u64)t->sport << 48 | (__u64)t->dport << 32 | minute);
	gate_word(&v, (__u64)t->family << 56 | t->zone);
	v.c ^= 0xff;
	gate_round(&v);
	gate_round(&v);
	gate_round(&v);
	gate_round(&v);
	h = v.a ^ v.b ^ v.c ^ v.d;
	return (__u32)(h ^ h >> 32);
}

static __always_inline __u32 gate_minute(const struct pkt *pkt)
{
	return pkt->now / clock_from_seconds(60);
}

/* ---- the state of a balancer ---- */

/* One more SYN, or ('is_done') one that has led to something. */
static __always_inline void gate_count(const struct pkt *pkt, struct hg_gate *g,
				       __u32 is_done)
{
	__u32 start = READ_ONCE(g->start), until;

	if (clock_age(pkt->now, start) >= clock_from_seconds(1) &&
	    __sync_val_compare_and_swap(&g->start, start, pkt->now) == start) {
		WRITE_ONCE(g->opened, 0);
		WRITE_ONCE(g->completed, 0);
	}
	if (is_done) {
		__sync_fetch_and_add(&g->completed, 1);
		return;
	}
	__sync_fetch_and_add(&g->opened, 1);
	if ((__s32)(READ_ONCE(g->opened) - READ_ONCE(g->completed)) <= HG_GATE_SYNS)
		return;
	until = pkt->now + clock_from_seconds(HG_GATE_SECONDS);
	if (READ_ONCE(g->until) != until)
		WRITE_ONCE(g->until, until ? until : 1);
}

/* 'more' seconds after it went off, too. What is further off than it can be is of a flood so long ago
 * that the clock has come round. */
static __always_inline int gate_is_on(const struct pkt *pkt, const struct hg_gate *g,
				      __u32 protection, __u32 more)
{
	__u32 until = READ_ONCE(g->until);

	if (protection != HG_SYN_AUTO)
		return protection == HG_SYN_ALWAYS;
	return until && until + clock_from_seconds(more) - pkt->now - 1 <
				clock_from_seconds(HG_GATE_SECONDS + more + 1);
}

/* ---- the steps ---- */

/* A SYN for a listener of the balancer pkt->meter. */
HG_GLOBAL int gate_judge(struct scratch *s, __u32 protection, __u32 object)
{
	struct hg_gate *g;
	struct pkt *pkt;

	if (!s)
		return 0;
	pkt = &s->pkt;
	g = gate_get(pkt->meter);
	if (!g || !gate_is_on(pkt, g, protection, 0) || gate_knows(pkt, &s->came.saddr))
		return 0;
	trace_step(pkt, HG_STAGE_rate_limit, object, 0, 0, 0);
	if (!pkt->commit)
		return -HG_DROP_RATE_LIMIT;
	gate_count(pkt, g, 0);
	__sync_fetch_and_add(&g->challenged, 1);
	if (pkt->is_group || pkt->frag != FRAG_NONE)
		return -HG_DROP_RATE_LIMIT;
	pkt->cookie = gate_cookie(&s->came, gate_minute(pkt));
	/* What the client would take for an answer is none to be refused. */
	if (pkt->cookie - pkt->seq <= 0xffff)
		pkt->cookie ^= 0x80000000;
	pkt->reply = REPLY_CHALLENGE;
	return -HG_DROP_RATE_LIMIT;
}

/* A segment of no connection: is it the answer to a challenge? */
HG_GLOBAL int gate_hears(struct scratch *s, __u32 protection)
{
	__u32 minute, wrong;
	struct hg_gate *g;
	struct pkt *pkt;

	if (!s)
		return 0;
	pkt = &s->pkt;
	g = gate_get(pkt->meter);
	if (!g || !(pkt->tcp_flags & TCP_RST) || !gate_is_on(pkt, g, protection, 60))
		return 0;
	minute = gate_minute(pkt);
	wrong = (gate_cookie(&s->came, minute) ^ pkt->seq) & 0x7fffffff;
	if (wrong)
		wrong = (gate_cookie(&s->came, minute - 1) ^ pkt->seq) & 0x7fffffff;
	if (wrong)
		return 0;
	if (!pkt->commit)
		return 1;
	gate_learn(pkt, &s->came.saddr, GATE_COOKIE);
	gate_count(pkt, g, 1);
	__sync_fetch_and_add(&g->returned, 1);
	return 1;
}

/* A connection was opened. */
static __always_inline void gate_opened(const struct pkt *pkt)
{
	struct hg_gate *g = gate_get(pkt->meter);

	if (g && pkt->commit && pkt->tcp_flags & TCP_SYN)
		gate_count(pkt, g, 0);
}

/* Its opener has completed the handshake, and so is there. */
static __always_inline void gate_established(const struct pkt *pkt)
{
	struct hg_gate *g = gate_get(pkt->meter);

	if (!g || !pkt->commit)
		return;
	gate_count(pkt, g, 1);
	gate_learn(pkt, &pkt->tuple.saddr, GATE_HANDSHAKE);
}
