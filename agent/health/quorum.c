/* SPDX-License-Identifier: Apache-2.0 */

/* A target's connections are cut when it is unhealthy and every pool that it is in has healthy
 * targets enough. Pools are of virtual addresses: the same target can be one of three in the
 * pool of its zone, and one of nine where a balancer crosses zones. So a group has lots, which
 * are its pools without repetitions, and a lot that fails open spares all its members.
 *
 * Spared is not forgiven: connections that a target has when its last pool stops to fail open,
 * and that nobody should have there, are cut then ('owes_cut').
 */
#include <hg/limits.h>

#include <errno.h>
#include <string.h>

#include "health/registry.h"

static bool zone_is(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static int lot_add(struct pack *p, uint8_t family, const char *zone)
{
	struct lot lot = { .family = family, .zone = zone };

	for (size_t i = 0; i < p->lots.n; i++)
		if (p->lots.items[i].family == family &&
		    zone_is(p->lots.items[i].zone, zone))
			return 0;
	return vec_push(&p->lots, lot) ? 0 : -ENOMEM;
}

static int listener_prepare(struct health *h, const struct load_balancer *b,
			    const struct listener *l)
{
	int r = 0;

	for (size_t f = 0; f < l->n_forwards; f++) {
		size_t group = (size_t)l->forwards[f].target_group;
		const struct target_group *g = &h->model->target_groups[group];
		bool crosses = g->cross_zone < 0 ? b->cross_zone : g->cross_zone != 0;

		h->groups[group].is_used = true;
		for (size_t v = 0; v < b->n_vips && r == 0; v++)
			r = lot_add(&h->groups[group], b->vips[v].address.family,
				    crosses ? NULL : b->vips[v].zone);
	}
	return r;
}

int quorum_prepare(struct health *h)
{
	const struct model *m = h->model;
	int r = 0;

	for (size_t i = 0; i < m->n_load_balancers; i++)
		for (size_t l = 0; l < m->load_balancers[i].n_listeners && r == 0; l++)
			r = listener_prepare(h, &m->load_balancers[i],
					     &m->load_balancers[i].listeners[l]);
	/* Appliances are reached by IPv4, from every zone. */
	for (size_t i = 0; i < m->n_gateway_load_balancers && r == 0; i++) {
		struct pack *p = &h->groups[m->gateway_load_balancers[i].target_group];

		p->is_used = true;
		r = lot_add(p, 4, NULL);
	}
	return r;
}

static bool lot_has(const struct lot *lot, const struct member *m)
{
	return m->addresses[lot->family == 6].family &&
	       (!lot->zone || !m->zone || strcmp(lot->zone, m->zone) == 0);
}

/* Marks the members of a lot that fails open. */
static void lot_decide(const struct pack *p, const struct lot *lot,
		       const struct policy_rules *rules)
{
	struct policy_member states[HG_MAX_TARGETS];
	uint64_t usable[(HG_MAX_TARGETS + 63) / 64];
	struct policy_answer answer;
	size_t n = 0;

	for (size_t i = 0; i < p->n && n < HG_MAX_TARGETS; i++)
		if (p->members[i] && lot_has(lot, p->members[i]))
			states[n++] = (struct policy_member){
				.state = p->members[i]->state.state,
				.weight = p->members[i]->weight,
			};
	policy_decide(rules, states, n, usable, &answer);
	for (size_t i = 0; i < p->n && answer.fails_open; i++)
		if (p->members[i] && lot_has(lot, p->members[i]))
			p->members[i]->is_open = true;
}

static void pack_decide(struct health *h, size_t group)
{
	const struct target_group *g = &h->model->target_groups[group];
	struct policy_rules rules = { .minimum_count = g->minimum_count,
				      .minimum_percentage = g->minimum_percentage };
	bool terminates = g->protocol == TARGET_GENEVE ? g->is_rebalancing
						       : g->unhealthy_termination;
	struct pack *p = &h->groups[group];

	for (size_t i = 0; i < p->n; i++)
		if (p->members[i])
			p->members[i]->is_open = false;
	for (size_t i = 0; i < p->lots.n; i++)
		lot_decide(p, &p->lots.items[i], &rules);
	for (size_t i = 0; i < p->n; i++) {
		struct member *m = p->members[i];

		if (!m || m->state.state != HEALTH_UNHEALTHY || !terminates)
			continue;
		if (!m->is_open && m->owes_cut)
			quorum_cut(h, m,
				   g->protocol == TARGET_GENEVE ? HEALTH_CUT_GENEVE
								: HEALTH_CUT_TCP);
		m->owes_cut = m->is_open;
	}
}

void quorum_cut(struct health *h, const struct member *m, unsigned protocols)
{
	struct health_cut cut = {
		.group = m->group,
		.addresses = { m->addresses[0], m->addresses[1] },
		.port = m->port,
		.protocols = protocols,
	};

	h->events.cut(h->events.arg, &cut);
}

void quorum_decide(struct health *h)
{
	if (!h->is_changed)
		return;
	h->is_changed = false;
	/* First nobody new comes, then those leave who are there. */
	h->events.changed(h->events.arg);
	for (size_t i = 0; i < h->n_groups; i++) {
		if (!h->groups[i].is_dirty)
			continue;
		h->groups[i].is_dirty = false;
		pack_decide(h, i);
	}
}
