/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* entry: one direction of a connection in the mapped tables, of either family.
 *
 * Shape    Entry 'index' of a family is way index % HG_WAYS of set index / HG_WAYS.
 * Units    'now' is ticks as packets see them, of which only the low 31 bits count.
 * Owner    Packets write all of it at any time. 'word', the last 8 bytes of the key, is
 *          stored last when an entry is made and zeroed when it is freed: what was read
 *          between two looks at the same word is that entry's.
 * Errors   None.
 */
#include "flow/table.h"
#include "flow/target.h"

#define TICK_BITS 0x7fffffffU

/* What both families have, wherever it lies. */
struct entry {
	unsigned family;
	const void *key;
	uint64_t *word; /* the last 8 bytes of the key */
	struct hg_state *state;
	const uint32_t *created;
};

static inline struct entry entry_at(const struct flow_tables *t, unsigned family,
				    uint32_t index)
{
	uint32_t set = index / HG_WAYS, way = index % HG_WAYS;

	if (family == HG_FAMILY_4) {
		struct hg_flow4 *f = &t->sets4[set].way[way];

		return (struct entry){ family, &f->key, (uint64_t *)&f->key + 1,
				       &f->state, &f->created };
	} else {
		struct hg_flow6 *f = &t->sets6[set].way[way];

		return (struct entry){ family, &f->key, (uint64_t *)&f->key + 4,
				       &f->state, &f->created };
	}
}

static inline uint64_t entry_word(const struct entry *e)
{
	return __atomic_load_n(e->word, __ATOMIC_ACQUIRE);
}

/* A packet may have renewed the entry after 'now' was read: that is age 0, not 2^31. */
static inline uint32_t ticks_since(uint32_t now, uint32_t then)
{
	uint32_t age = (now - then) & TICK_BITS;

	return age > TICK_BITS / 2 ? 0 : age;
}

static inline uint32_t state_idle(const struct hg_state *s, uint32_t now)
{
	return ticks_since(now, __atomic_load_n(&s->seen, __ATOMIC_RELAXED));
}

/* Of a connection through a load balancer of either kind. */
static inline bool state_is_balanced(const struct hg_state *s)
{
	return HG_BYTES_METER(s->bytes) >= HG_METER_BALANCER;
}

/* Of one that goes to an appliance: where that is kept, 0: it needs another. Those of load
 * balancers are translated. */
static inline uint32_t *entry_appliance(const struct entry *e)
{
	return HG_LIFE_FLAGS(e->state->life) & HG_FLOW_NAT ? NULL
							   : (uint32_t *)(e->state + 1);
}

/* The other direction, when it still is. */
static inline bool pair_find(const struct flow_tables *t, unsigned family, uint32_t index,
			     const struct hg_state *s, struct entry *ret)
{
	uint32_t other = s->pair & HG_PAIR_OTHER, at = s->pair & ~HG_PAIR_OTHER;

	if (at == 0 || (at - 1) / HG_WAYS >= t->n_sets)
		return false;
	*ret = entry_at(t, other ? HG_FAMILY_4 + HG_FAMILY_6 - family : family, at - 1);
	return entry_word(ret) != 0 && ret->state->pair == ((index + 1) | other);
}

/* Of an entry that is not the opener's: where its packets come from, a balancer's target. An
 * appliance has no port and no protocol, and is IPv4 whatever it inspects. */
static inline struct flow_target entry_target(const struct entry *e)
{
	const struct hg_key4 *k4 = e->key;
	const struct hg_key6 *k6 = e->key;
	struct flow_target target = { .meter = HG_BYTES_METER(e->state->bytes),
				      .family = (uint8_t)e->family };
	const uint32_t *appliance = entry_appliance(e);

	if (appliance) {
		target.family = HG_FAMILY_4;
		target.address.w[0] = __atomic_load_n(appliance, __ATOMIC_RELAXED);
	} else if (e->family == HG_FAMILY_4) {
		target.address.w[0] = k4->saddr;
		target.port = k4->sport;
		target.protocol = k4->protocol;
	} else {
		target.address = k6->saddr;
		target.port = k6->sport;
		target.protocol = k6->protocol;
	}
	return target;
}
