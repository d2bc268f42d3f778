/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/flows.h"

#include <assert.h>
#include <string.h>

static bool entry_get4(const struct hg_flow4 *e, struct entry *ret)
{
	bool is_nat = HG_LIFE_FLAGS(e->state.life) & HG_FLOW_NAT;

	*ret = (struct entry){ .state = &e->state,
			       .saddr.w[0] = e->key.saddr,
			       .daddr.w[0] = e->key.daddr,
			       .sport = e->key.sport,
			       .dport = e->key.dport,
			       .protocol = e->key.protocol,
			       .family = 4,
			       .to_saddr.w[0] = is_nat ? e->nat_saddr : e->key.saddr,
			       .to_daddr.w[0] = is_nat ? e->nat_daddr : e->key.daddr,
			       .to_sport = is_nat ? e->nat_sport : e->key.sport,
			       .to_dport = is_nat ? e->nat_dport : e->key.dport };
	return e->key.live;
}

static bool entry_get6(const struct hg_flow6 *e, struct entry *ret)
{
	bool is_nat = HG_LIFE_FLAGS(e->state.life) & HG_FLOW_NAT;

	*ret = (struct entry){ .state = &e->state,
			       .saddr = e->key.saddr,
			       .daddr = e->key.daddr,
			       .sport = e->key.sport,
			       .dport = e->key.dport,
			       .protocol = e->key.protocol,
			       .family = 6,
			       .to_saddr = e->key.saddr,
			       .to_daddr = e->key.daddr,
			       .to_sport = is_nat ? e->nat_sport : e->key.sport,
			       .to_dport = is_nat ? e->nat_dport : e->key.dport };
	if (is_nat && e->state.pair & HG_PAIR_OTHER) {
		ret->to_saddr = (struct hg_addr){ .w = { e->nat_saddr4 } };
		ret->to_daddr = (struct hg_addr){ .w = { e->nat_daddr4 } };
	} else if (is_nat) {
		ret->to_saddr = e->nat_saddr;
		ret->to_daddr = e->nat_daddr;
	}
	return e->key.live;
}

bool entry_get(const struct eval_tables *t, uint32_t at, int family, struct entry *ret)
{
	uint32_t set = (at - 1) / HG_WAYS, way = (at - 1) % HG_WAYS;

	assert(at && set < t->n_flow_sets);
	return family == 4 ? entry_get4(&t->flows4[set].way[way], ret)
			   : entry_get6(&t->flows6[set].way[way], ret);
}

static bool is_silent(const struct eval_tables *t, const struct entry *e)
{
	uint32_t idle = t->ticks - e->state->seen;

	return (int32_t)idle > 0 && idle > HG_LIFE_TIMEOUT(e->state->life) * t->hz;
}

bool addr_is_same(const struct hg_addr *a, const struct hg_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static uint32_t flags_of(const struct entry *e)
{
	return HG_LIFE_FLAGS(e->state->life);
}

/* Has a NAT gateway chosen the port? */
static bool is_chosen(const struct entry *e)
{
	return flags_of(e) & HG_FLOW_ORIGINAL && HG_BYTES_METER(e->state->bytes) &&
	       !addr_is_same(&e->saddr, &e->to_saddr);
}

/* Two connections whose answers look the same share an entry, and who came last has it: one
 * client that reaches a server by two addresses, or a server that has called the client. */
static bool may_share(const struct eval_tables *t, const struct entry *e,
		      const struct entry *pair)
{
	struct entry last;

	if (flags_of(e) & flags_of(pair) & HG_FLOW_ORIGINAL)
		return true;
	if ((flags_of(e) | flags_of(pair)) & HG_FLOW_NAT && !is_chosen(e) &&
	    !is_chosen(pair))
		return true;
	return flags_of(pair) & HG_FLOW_ORIGINAL &&
	       entry_get(t, pair->state->pair & ~HG_PAIR_OTHER, pair->family, &last) &&
	       flags_of(&last) & HG_FLOW_ORIGINAL;
}

static void pair_holds(const struct eval_tables *t, const struct entry *e, uint32_t at)
{
	uint32_t other = e->state->pair & HG_PAIR_OTHER;
	struct entry pair;

	if (!entry_get(t, e->state->pair & ~HG_PAIR_OTHER,
		       other ? 10 - e->family : e->family, &pair)) {
		/* Nobody asks for it any more. */
		assert(is_silent(t, e) || flags_of(e) & HG_FLOW_NAT);
		return;
	}
	if (may_share(t, e, &pair))
		return;
	if (is_silent(t, e) && pair.state->pair != (at | other))
		return;
	assert(pair.state->pair == (at | other));
	assert(pair.sport == e->to_dport && pair.dport == e->to_sport);
	if (other && e->family == 4)
		return;
	assert(addr_is_same(&pair.saddr, &e->to_daddr) &&
	       addr_is_same(&pair.daddr, &e->to_saddr));
}

void flows_hold(const struct eval_tables *t)
{
	struct entry e;

	for (uint32_t at = 1; at <= t->n_flow_sets * HG_WAYS; at++) {
		if (entry_get(t, at, 4, &e))
			pair_holds(t, &e, at);
		if (entry_get(t, at, 6, &e))
			pair_holds(t, &e, at);
	}
}

bool entry_is_translated(const struct eval_tables *t, uint32_t at, int family,
			 struct entry *ret)
{
	return entry_get(t, at, family, ret) && HG_BYTES_METER(ret->state->bytes) &&
	       (HG_LIFE_FLAGS(ret->state->life) & (HG_FLOW_ORIGINAL | HG_FLOW_NAT)) ==
		       (HG_FLOW_ORIGINAL | HG_FLOW_NAT) &&
	       !is_silent(t, ret);
}

void ports_hold(const struct eval_tables *t)
{
	static struct entry seen[2 * FLOWS_SETS * HG_WAYS];
	size_t n = 0;

	assert(t->n_flow_sets <= FLOWS_SETS);
	for (uint32_t at = 1; at <= t->n_flow_sets * HG_WAYS; at++)
		for (int family = 4; family <= 6; family += 2)
			n += entry_is_translated(t, at, family, &seen[n]);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert(!addr_is_same(&seen[i].to_saddr, &seen[k].to_saddr) ||
			       !addr_is_same(&seen[i].to_daddr, &seen[k].to_daddr) ||
			       seen[i].to_sport != seen[k].to_sport ||
			       seen[i].to_dport != seen[k].to_dport ||
			       (seen[i].protocol != seen[k].protocol &&
				seen[i].family == seen[k].family));
}

static uint64_t mix(uint64_t h, const void *p, size_t size)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < size / sizeof(*w); i++)
		h = (h ^ w[i]) * 0x9e3779b97f4a7c15ULL;
	return h;
}

uint64_t flows_hash(const struct eval_tables *t)
{
	uint64_t h = mix(0, t->flows4, t->n_flow_sets * sizeof(*t->flows4));

	h = mix(h, t->flows6, t->n_flow_sets * sizeof(*t->flows6));
	for (size_t i = 0; i < HG_PORT_SETS; i++)
		if (t->ports[i].key.live)
			h = mix(h, &t->ports[i], sizeof(t->ports[i]));
	return h;
}
