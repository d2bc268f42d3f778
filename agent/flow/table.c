/* SPDX-License-Identifier: Apache-2.0 */

/* The simplest thing would be to ask the kernel for entry after entry; 315 ns each. The
 * tables are plain arrays that the agent has mapped, so a sweep is a walk over memory, at
 * 1.6 ns an entry.
 *
 * Packets write while we read. The last 8 bytes of a key hold 'live' and are the entry's
 * one point of truth: stored last when it is made, zeroed when it is freed. A copy is
 * good when that word was the same before and after. To free an entry we take the set's
 * lock, as an insert does, and look once more: what was renewed or replaced in between
 * stays. tests/unit/flow/table.c plays these in steps.
 */
#include "flow/table.h"

#include <netinet/in.h>

#include "base/cleanup.h"
#include "flow/entry.h"
#include "flow/port.h"

/* The other side of a connection through a balancer that is over still hears so when it speaks
 * within these seconds. */
#define LINGER_IDLE 60
#define LINGER_CUT  FLOW_CUT_SECONDS

/* Some packet of the connection came within 'limit' ticks. */
static bool entry_was_seen(const struct flow_tables *t, unsigned family, uint32_t index,
			   const struct entry *e, uint32_t now, uint64_t limit)
{
	struct entry pair;

	if (state_idle(e->state, now) <= limit)
		return true;
	return pair_find(t, family, index, e->state, &pair) &&
	       state_idle(pair.state, now) <= limit;
}

/* One that was cut has a life of 0 and is over whenever it was seen. */
static bool entry_is_live(const struct flow_tables *t, unsigned family, uint32_t index,
			  const struct entry *e, uint32_t now)
{
	uint32_t timeout = HG_LIFE_TIMEOUT(e->state->life);

	return timeout &&
	       entry_was_seen(t, family, index, e, now, (uint64_t)timeout * t->hz);
}

/* Of what is over: is there somebody yet to be told? */
static bool entry_lingers(const struct flow_tables *t, unsigned family, uint32_t index,
			  const struct entry *e, uint32_t now)
{
	uint32_t timeout = HG_LIFE_TIMEOUT(e->state->life), linger = LINGER_CUT;
	uint8_t protocol = family == HG_FAMILY_4
				   ? ((const struct hg_key4 *)e->key)->protocol
				   : ((const struct hg_key6 *)e->key)->protocol;

	if (!state_is_balanced(e->state))
		return false;
	if (timeout)
		linger = protocol == IPPROTO_TCP ? LINGER_IDLE : 0;
	return linger && entry_was_seen(t, family, index, e, now,
					((uint64_t)timeout + linger) * t->hz);
}

/* Without the set's lock: an agent that is killed while it holds one would leave the set
 * closed to new flows for good. The exchange fails when the entry was given to another flow
 * meanwhile; only one of the same ports, protocol and zone could lose its entry by it. */
static void entry_free(const struct flow_tables *t, const struct entry *e, uint64_t word,
		       struct flow_census *census)
{
	uint32_t life = e->state->life, meter = HG_BYTES_METER(e->state->bytes);
	struct hg_key4 answer = {};

	if (t->ports && HG_LIFE_FLAGS(life) & HG_FLOW_NAT &&
	    !(HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL))
		answer = e->family == HG_FAMILY_4 ? *(const struct hg_key4 *)e->key
						  : port_key6(e->key);

	if (!__atomic_compare_exchange_n(e->word, &word, 0, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	census->freed++;
	if (answer.live)
		port_give(t->ports, &answer);
	/* Once a connection; a packet that found it expired has removed both entries. */
	if (meter && meter < HG_METERS && HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL &&
	    HG_LIFE_STATE(life) == HG_STATE_ESTABLISHED)
		census->idle_timeouts[meter]++;
}

/* Answers come from the target. */
static void entry_tally(const struct entry *e, uint32_t life, struct tally *tally)
{
	struct flow_target target;

	if (HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL ||
	    HG_LIFE_STATE(life) == HG_STATE_CLOSING)
		return;
	target = entry_target(e);
	tally_add(tally, &target);
}

static void entry_sweep(const struct flow_tables *t, unsigned family, uint32_t index,
			uint32_t now, struct flow_census *census)
{
	struct entry e = entry_at(t, family, index), pair;
	uint64_t word = entry_word(&e);
	uint32_t life = e.state->life, meter = HG_BYTES_METER(e.state->bytes);

	if (!word)
		return;
	if (!entry_is_live(t, family, index, &e, now)) {
		if (!entry_lingers(t, family, index, &e, now))
			entry_free(t, &e, word, census);
		return;
	}
	census->entries++;
	if (meter >= HG_METER_BALANCER && census->tally)
		entry_tally(&e, life, census->tally);
	if (!(HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL) &&
	    pair_find(t, family, index, e.state, &pair))
		return;
	census->connections++;
	census->established += HG_LIFE_STATE(life) == HG_STATE_ESTABLISHED;
	if (meter && meter < HG_METERS)
		census->active[meter]++;
}

void flow_sweep(const struct flow_tables *t, uint32_t now, uint32_t first, uint32_t n,
		struct flow_census *census)
{
	for (uint32_t set = first; set < first + n && set < t->n_sets; set++)
		for (uint32_t way = 0; way < HG_WAYS; way++) {
			entry_sweep(t, HG_FAMILY_4, set * HG_WAYS + way, now, census);
			entry_sweep(t, HG_FAMILY_6, set * HG_WAYS + way, now, census);
		}
}

/* ---- reading ---- */

static struct hg_tuple key_read(unsigned family, const void *key)
{
	const struct hg_key4 *k4 = key;
	const struct hg_key6 *k6 = key;

	if (family == HG_FAMILY_4)
		return (struct hg_tuple){
			.saddr.w = { k4->saddr },
			.daddr.w = { k4->daddr },
			.sport = k4->sport,
			.dport = k4->dport,
			.protocol = k4->protocol,
			.family = HG_FAMILY_4,
			.zone = k4->zone,
		};
	return (struct hg_tuple){
		.saddr = k6->saddr,
		.daddr = k6->daddr,
		.sport = k6->sport,
		.dport = k6->dport,
		.protocol = k6->protocol,
		.family = HG_FAMILY_6,
		.zone = k6->zone,
	};
}

/* As packets of 'e' go out. The pair says it in full, and its key is what finds it; without
 * one the entry's own rewrite is all there is, and of another family there is none. */
static struct hg_tuple rewrite_read(const struct entry *e, const struct entry *pair)
{
	struct hg_tuple t = key_read(e->family, e->key);
	const struct hg_flow4 *f4 = e->key;
	const struct hg_flow6 *f6 = e->key;

	if (pair) {
		struct hg_tuple back = key_read(pair->family, pair->key);

		t = back;
		t.saddr = back.daddr;
		t.daddr = back.saddr;
		t.sport = back.dport;
		t.dport = back.sport;
	} else if (e->state->pair & HG_PAIR_OTHER) {
		t = (struct hg_tuple){};
	} else if (e->family == HG_FAMILY_4) {
		t.saddr.w[0] = f4->nat_saddr;
		t.daddr.w[0] = f4->nat_daddr;
		t.sport = f4->nat_sport;
		t.dport = f4->nat_dport;
	} else {
		t.saddr = f6->nat_saddr;
		t.daddr = f6->nat_daddr;
		t.sport = f6->nat_sport;
		t.dport = f6->nat_dport;
	}
	return t;
}

static void tuple_take(const struct hg_tuple *t, struct flow *ret)
{
	ret->family = t->family;
	ret->protocol = t->protocol;
	ret->zone = t->zone;
	ret->saddr = t->saddr;
	ret->daddr = t->daddr;
	ret->sport = t->sport;
	ret->dport = t->dport;
}

static bool flow_read(const struct flow_tables *t, unsigned family, uint32_t index,
		      uint32_t now, struct flow *ret)
{
	struct entry e = entry_at(t, family, index), pair;
	uint64_t word = entry_word(&e);
	struct hg_state s;
	struct hg_tuple key;
	struct flow flow = {};
	bool has_pair;
	uint32_t idle;

	if (!word || !entry_is_live(t, family, index, &e, now))
		return false;
	s = *e.state;
	key = key_read(family, e.key);
	tuple_take(&key, &flow);
	flow.flags = (uint8_t)HG_LIFE_FLAGS(s.life);
	flow.state = HG_LIFE_STATE(s.life);
	flow.timeout = HG_LIFE_TIMEOUT(s.life);
	flow.meter = HG_BYTES_METER(s.bytes);
	flow.sent = (struct flow_counters){ s.packets, HG_BYTES(s.bytes) };
	flow.age = flow.state == HG_STATE_SYN_SENT || flow.state == HG_STATE_SYN_RECV
			   ? -1
			   : (int64_t)(ticks_since(now, *e.created) / t->hz);
	idle = ticks_since(now, s.seen);
	has_pair = pair_find(t, family, index, &s, &pair);
	if (has_pair) {
		uint32_t pair_idle = ticks_since(now, pair.state->seen);

		/* Told of from the opener's side. */
		if (!(flow.flags & HG_FLOW_ORIGINAL))
			return false;
		if (pair_idle < idle)
			idle = pair_idle;
		flow.replied = (struct flow_counters){ pair.state->packets,
						       HG_BYTES(pair.state->bytes) };
	}
	if (flow.flags & HG_FLOW_NAT)
		flow.to = rewrite_read(&e, has_pair ? &pair : NULL);
	flow.idle = idle / t->hz;
	if (entry_word(&e) != word)
		return false;
	*ret = flow;
	return true;
}

void flow_each(const struct flow_tables *t, uint32_t now, flow_fn *fn, void *arg)
{
	static const unsigned families[] = { HG_FAMILY_4, HG_FAMILY_6 };
	struct flow flow;

	for (size_t f = 0; f < 2; f++)
		for (uint32_t i = 0; i < t->n_sets * HG_WAYS; i++)
			if (flow_read(t, families[f], i, now, &flow) && !fn(arg, &flow))
				return;
}

const char *flow_state_name(unsigned state)
{
#define NAME(number, name, text) [number] = (text),
	static const char *const names[] = { HG_CONNECTION_STATES(NAME) };
#undef NAME

	return state < ARRAY_SIZE(names) && names[state] ? names[state] : "";
}
