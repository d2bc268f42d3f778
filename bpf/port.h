/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* port: the source port that a NAT address speaks from.
 *
 * In       scratch->came, the client's packet; scratch->answer: the key of the answers' flow.
 *          Its dport is of no account but to chance: who asks again leaves the one there
 *          that would not do, and is given another.
 * Out      The port, in answer.dport.
 * Result   The port in host order, or 0: all of them are taken.
 * Cost     The client's own port, free: a word of tags. Some other of few: a word each for
 *          one to PORT_TRIES tries. From a set: its lines, a word of 'full', one of 'taken'
 *          and a look into the flow table, whether 10 ports are left or one. Refused: the 16
 *          words of 'full', and once a tick a look for PORT_LOOKS ports that may have
 *          become free without a word.
 * Source   RFC 6056, 3.3.3; RFC 4787, 4.2.1; RFC 5382, 7.1.
 *
 * A port is free when no flow waits for answers to it. Two CPUs may choose the same one; the
 * insertion of the answer's entry, which must not exist, decides, and the loser asks again.
 *
 * A free one is found whenever there is one, without trying all: a set knows. It is made well
 * before it is needed, when about half of the ports are taken: one allocation in 16 tries
 * PORT_SAMPLES ports, and finds all of them taken. Each allocation from then on compares
 * PORT_ENROLS further ports with the flow table, so that all are known after 6,875, when
 * 20,000 are still free.
 */
#include "portset.h"
#include "scratch.h"

#define PORT_TRIES   8
#define PORT_SAMPLES 4
#define PORT_ENROLS  8
#define PORT_LOOKS   64
#define PORT_PICKS   4

static __always_inline void port_key(const struct scratch *s, union portset_key *k)
{
	union flow_key4 answer;

	flow_key4(&s->answer, &answer);
	k->key = answer.key;
	k->key.dport = 0;
	if (s->answer.family == HG_FAMILY_6)
		k->w[0] = hg_port_addresses(&s->answer.saddr, &s->answer.daddr);
}

static __always_inline __u64 port_mix(__u64 x)
{
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 29;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 32;
}

/* Another number for every client, destination, tick and port that would not do, which nobody
 * outside can tell. */
static __always_inline __u64 port_random(const struct scratch *s, __be16 last)
{
	const struct hg_tuple *t = &s->came;
	__u64 h = port_mix(((__u64)t->saddr.w[0] << 32 | s->answer.saddr.w[0]) ^
			   hg_seed[2]);

	h += (__u64)t->saddr.w[2] << 32 | t->saddr.w[3];
	h = port_mix(h + ((__u64)(s->answer.daddr.w[0] ^ s->answer.saddr.w[3]) << 32 |
			  (__u32)t->sport << 16 | s->answer.sport));
	return port_mix((h + ((__u64)last << 32 | s->pkt.now)) ^ hg_seed[3]);
}

/* The number of a port out of all, from the upper half of 'h'. */
static __always_inline __u32 port_pick(__u64 h)
{
	return (__u32)((h >> 32) * HG_PORTS >> 32);
}

/* As flow_find6(), without a stack of its own. */
static __always_inline const struct flow *port_find6(struct scratch *s)
{
	__u64 hash;
	__u32 i, at = 0;

	flow_key6(&s->answer, &s->work.key);
	hash = flow_hash6(&s->work.key);
	i = FLOW_SET(hash);
	if (flow_may_have6(i, hash))
		at = flow_search6(&s->answer, i);
	i = FLOW_BUDDY(i);
	if (!at && flow_may_have6(i, hash))
		at = flow_search6(&s->answer, i);
	return flow_at(at, HG_FAMILY_6);
}

/* Nobody waits for an answer to 'port', which becomes that of scratch->answer. */
HG_GLOBAL int port_is_free(struct scratch *s, __u32 port)
{
	const struct flow *fl;

	if (!s)
		return 0;
	s->answer.dport = bpf_htons((__u16)port);
	fl = s->answer.family == HG_FAMILY_6 ? port_find6(s) : flow_find4(&s->answer, 1);
	return !fl || flow_has_expired(fl, s->answer.family, s->pkt.now);
}

/* The first of 'n' ports at random, 64 at most, that is free; 0: none is. */
HG_GLOBAL __u32 port_try(struct scratch *s, __u64 h, __u32 n)
{
	for (__u32 i = 0; i < 64 && i < n; i++) {
		__u32 port = HG_PORT_FIRST + port_pick(h);

		if (port_is_free(s, port))
			return port;
		h = port_mix(h + 1);
	}
	return 0;
}

/* The lowest bit of 'w', which has one. clang 14 has no instruction for it and dies. */
HG_GLOBAL __u32 port_lowest(__u64 w)
{
	__u32 n = 0;

	for (__u32 width = 32; width; width >>= 1)
		if (!(w & ((1ULL << width) - 1))) {
			w >>= width;
			n += width;
		}
	return n;
}

/* The next bit from 'from' on, and round, that is not set, or at worst one of a word that was
 * taken to its end this moment; HG_PORTS: all are set. */
HG_GLOBAL __u32 port_next(const struct hg_port_set *set, __u32 from)
{
	__u32 word = from >> 6;
	__u64 left, mask = ~1ULL << (word & 63);

	if (!set || from >= HG_PORTS)
		return HG_PORTS;
	left = ~READ_ONCE(set->taken[word]) & ~0ULL << (from & 63);
	if (left)
		return word << 6 | (port_lowest(left) & 63);
	/* All words of 'full', and the part of the first that came before. */
	for (__u32 n = 0; n <= HG_PORT_FULL; n++) {
		__u64 at, k = ((from >> 12) + n) & (HG_PORT_FULL - 1);
		__u64 open = ~READ_ONCE(set->full[k]) & mask;

		if (open) {
			at = k << 6 | ((__u64)port_lowest(open) & 63);
			/* Of an OR of halves Linux 6.1 forgets what is above. */
			VERIFIER_KEEP(at);
			if (at >= HG_PORT_WORDS)
				return HG_PORTS;
			left = ~READ_ONCE(set->taken[at]);
			return (__u32)at << 6 | (left ? port_lowest(left) & 63 : 0);
		}
		mask = ~0ULL;
	}
	return HG_PORTS;
}

/* A free port out of the set, at random; 0: none. Where most are free, a bit is; else the
 * next one, which is oftener behind a long row of taken ones than elsewhere. */
HG_GLOBAL __u32 port_search(struct scratch *s, struct hg_port_set *set, __u64 h)
{
	__u32 from = port_pick(h);

	if (!s || !set)
		return 0;
	for (int n = 0; n < PORT_PICKS; n++) {
		VERIFIER_KEEP(from);
		if (from >= HG_PORTS ||
		    !(READ_ONCE(set->taken[from >> 6]) >> (from & 63) & 1))
			break;
		h = port_mix(h + 1);
		from = port_pick(h);
	}
	for (int n = 0; n < PORT_LOOKS; n++) {
		__u32 i = port_next(set, from);

		if (i >= HG_PORTS)
			return 0;
		/* Taken before the look: whoever else is searching goes on. */
		if ((!s->pkt.commit || hg_port_take(set, i)) &&
		    port_is_free(s, HG_PORT_FIRST + i))
			return HG_PORT_FIRST + i;
		from = i + 1 < HG_PORTS ? i + 1 : 0;
	}
	return 0;
}

/* Compares the next 'n' ports, 64 at most, with the flow table. */
HG_GLOBAL int port_compare(struct scratch *s, struct hg_port_set *set, __u32 n)
{
	__u32 first;

	if (!s || !set)
		return 0;
	first = __sync_fetch_and_add(&set->next, n);
	for (__u32 k = 0; k < 64 && k < n; k++) {
		__u32 i = (first + k) % HG_PORTS;

		VERIFIER_KEEP(i);
		if (i >= HG_PORTS)
			break;
		if (port_is_free(s, HG_PORT_FIRST + i))
			hg_port_give(set, i);
		else
			hg_port_take(set, i);
	}
	return 0;
}

/* The set has no free port. Has the flow table, by now? A set of which not all is known
 * comes nearer to it with every packet; another is looked at once a tick. */
static __always_inline __u32 port_look(struct scratch *s, struct hg_port_set *set,
				       __u64 h)
{
	__u32 looked = READ_ONCE(set->looked), now = s->pkt.now;

	if (READ_ONCE(set->next) >= HG_PORTS &&
	    (looked == now ||
	     __sync_val_compare_and_swap(&set->looked, looked, now) != looked))
		return 0;
	port_compare(s, set, PORT_LOOKS);
	return port_search(s, set, h);
}

/* 'wanted': the client's own, 0: another. Explain (pkt.commit 0) looks and changes nothing. */
HG_GLOBAL __u32 port_choose(struct scratch *s, __u32 wanted)
{
	struct hg_port_set *set;
	union portset_key k;
	__be16 last;
	__u32 port;
	__u64 h;

	if (!s)
		return 0;
	last = s->answer.dport;
	if (wanted && wanted <= 0xffff && port_is_free(s, wanted))
		return wanted;
	port_key(s, &k);
	h = port_random(s, last);
	set = portset_find(&k);
	if (!set) {
		port = port_try(s, h, s->pkt.commit ? PORT_TRIES : 64);
		if (port || !s->pkt.commit)
			return port;
		set = portset_make(&k);
		if (!set)
			return 0;
	}
	port = port_search(s, set, h);
	if (!s->pkt.commit)
		return port;
	WRITE_ONCE(set->seen, s->pkt.now);
	return port ? port : port_look(s, set, h);
}

/* The answer's entry was inserted. If it was not: port_freed(). */
HG_GLOBAL int port_took(struct scratch *s)
{
	struct hg_port_set *set;
	union portset_key k;
	__be16 port;
	__u64 h;
	__u32 i;

	if (!s)
		return 0;
	port_key(s, &k);
	port = s->answer.dport;
	set = portset_find(&k);
	if (!set) {
		h = port_random(s, port);
		if (h & 15 || port_try(s, h, PORT_SAMPLES)) {
			s->answer.dport = port;
			return 0;
		}
		set = portset_make(&k);
	}
	i = bpf_ntohs(port) - HG_PORT_FIRST;
	if (set && i < HG_PORTS) {
		hg_port_take(set, i);
		WRITE_ONCE(set->seen, s->pkt.now);
		if (READ_ONCE(set->next) < HG_PORTS)
			port_compare(s, set, PORT_ENROLS);
	}
	s->answer.dport = port;
	return 0;
}
