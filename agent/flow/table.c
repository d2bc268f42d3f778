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

#include "base/cleanup.h"

#define TICK_BITS 0x7fffffffU

/* What both families have, wherever it lies. */
struct entry {
	const void *key;
	uint64_t *word; /* the last 8 bytes of the key */
	struct hg_state *state;
	const uint32_t *created;
};

static struct entry entry_at(const struct flow_tables *t, unsigned family, uint32_t index)
{
	uint32_t set = index / HG_WAYS, way = index % HG_WAYS;

	if (family == HG_FAMILY_4) {
		struct hg_flow4 *f = &t->sets4[set].way[way];

		return (struct entry){ &f->key, (uint64_t *)&f->key + 1, &f->state,
				       &f->created };
	} else {
		struct hg_flow6 *f = &t->sets6[set].way[way];

		return (struct entry){ &f->key, (uint64_t *)&f->key + 4, &f->state,
				       &f->created };
	}
}

static uint64_t entry_word(const struct entry *e)
{
	return __atomic_load_n(e->word, __ATOMIC_ACQUIRE);
}

/* A packet may have renewed the entry after 'now' was read: that is age 0, not 2^31. */
static uint32_t ticks_since(uint32_t now, uint32_t then)
{
	uint32_t age = (now - then) & TICK_BITS;

	return age > TICK_BITS / 2 ? 0 : age;
}

static uint32_t state_idle(const struct hg_state *s, uint32_t now)
{
	return ticks_since(now, __atomic_load_n(&s->seen, __ATOMIC_RELAXED));
}

/* The other direction, when it still is. */
static bool pair_find(const struct flow_tables *t, unsigned family, uint32_t index,
		      const struct hg_state *s, struct entry *ret)
{
	if (s->pair == 0 || (s->pair - 1) / HG_WAYS >= t->n_sets)
		return false;
	*ret = entry_at(t, family, s->pair - 1);
	return entry_word(ret) != 0 && ret->state->pair == index + 1;
}

static bool entry_is_live(const struct flow_tables *t, unsigned family, uint32_t index,
			  const struct entry *e, uint32_t now)
{
	uint64_t limit = (uint64_t)HG_LIFE_TIMEOUT(e->state->life) * t->hz;
	struct entry pair;

	if (state_idle(e->state, now) <= limit)
		return true;
	return pair_find(t, family, index, e->state, &pair) &&
	       state_idle(pair.state, now) <= limit;
}

/* Without the set's lock: an agent that is killed while it holds one would leave the set
 * closed to new flows for good. The exchange fails when the entry was given to another flow
 * meanwhile; only one of the same ports, protocol and zone could lose its entry by it. */
static void entry_free(const struct entry *e, uint64_t word, struct flow_census *census)
{
	if (__atomic_compare_exchange_n(e->word, &word, 0, false, __ATOMIC_ACQ_REL,
					__ATOMIC_RELAXED))
		census->freed++;
}

static void entry_sweep(const struct flow_tables *t, unsigned family, uint32_t index,
			uint32_t now, struct flow_census *census)
{
	struct entry e = entry_at(t, family, index), pair;
	uint64_t word = entry_word(&e);
	uint32_t life = e.state->life;

	if (!word)
		return;
	if (!entry_is_live(t, family, index, &e, now)) {
		entry_free(&e, word, census);
		return;
	}
	census->entries++;
	if (!(HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL) &&
	    pair_find(t, family, index, e.state, &pair))
		return;
	census->connections++;
	census->established += HG_LIFE_STATE(life) == HG_STATE_ESTABLISHED;
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

static void key_read(unsigned family, const void *key, struct flow *ret)
{
	if (family == HG_FAMILY_4) {
		const struct hg_key4 *k = key;

		ret->saddr.w[0] = k->saddr;
		ret->daddr.w[0] = k->daddr;
		ret->sport = k->sport;
		ret->dport = k->dport;
		ret->protocol = k->protocol;
		ret->zone = k->zone;
	} else {
		const struct hg_key6 *k = key;

		ret->saddr = k->saddr;
		ret->daddr = k->daddr;
		ret->sport = k->sport;
		ret->dport = k->dport;
		ret->protocol = k->protocol;
		ret->zone = k->zone;
	}
	ret->family = (uint8_t)family;
}

static bool flow_read(const struct flow_tables *t, unsigned family, uint32_t index,
		      uint32_t now, struct flow *ret)
{
	struct entry e = entry_at(t, family, index), pair;
	uint64_t word = entry_word(&e);
	struct hg_state s;
	struct flow flow = {};
	uint32_t idle;

	if (!word || !entry_is_live(t, family, index, &e, now))
		return false;
	s = *e.state;
	key_read(family, e.key, &flow);
	flow.flags = (uint8_t)HG_LIFE_FLAGS(s.life);
	flow.state = HG_LIFE_STATE(s.life);
	flow.timeout = HG_LIFE_TIMEOUT(s.life);
	flow.sent = (struct flow_counters){ s.packets, s.bytes };
	flow.age = flow.state == HG_STATE_SYN_SENT || flow.state == HG_STATE_SYN_RECV
			   ? -1
			   : (int64_t)(ticks_since(now, *e.created) / t->hz);
	idle = ticks_since(now, s.seen);
	if (pair_find(t, family, index, &s, &pair)) {
		uint32_t pair_idle = ticks_since(now, pair.state->seen);

		/* Told of from the opener's side. */
		if (!(flow.flags & HG_FLOW_ORIGINAL))
			return false;
		if (pair_idle < idle)
			idle = pair_idle;
		flow.replied =
			(struct flow_counters){ pair.state->packets, pair.state->bytes };
	}
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
