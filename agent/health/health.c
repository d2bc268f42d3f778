/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "health/registry.h"

#define REFUSALS    3
#define REFUSALS_NS 10000000000ULL /* within which they count */

int health_new(const struct health_events *events, struct health **ret)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->events = *events;
	h->next_ns = UINT64_MAX;
	*ret = h;
	return 0;
}

static void groups_free(struct health *h)
{
	for (size_t i = 0; i < h->n_groups; i++) {
		free(h->groups[i].members);
		vec_done(&h->groups[i].lots);
	}
	free(h->groups);
	h->groups = NULL;
	h->n_groups = 0;
}

void health_free(struct health *h)
{
	if (!h)
		return;
	child_free(h->child);
	groups_free(h);
	for (size_t i = 0; i < h->slots.n; i++)
		if (h->slots.items[i])
			registry_drop(h, h->slots.items[i]);
	vec_done(&h->slots);
	vec_done(&h->holes);
	vec_done(&h->queue);
	free(h->by_address);
	free(h);
}

struct state_rules health_rules(const struct target_group *g)
{
	return (struct state_rules){
		.healthy_threshold = g->health_check.healthy_threshold,
		.unhealthy_threshold = g->health_check.unhealthy_threshold,
		.unhealthy_draining =
			g->unhealthy_termination ? 0 : g->unhealthy_draining,
	};
}

/* ---- a rule set ---- */

/* The first address of each family. */
static void addresses_take(struct member *m, const struct model *model,
			   const struct target *t)
{
	const struct addr *list = &t->address;
	size_t n = 1;

	if (t->interface >= 0) {
		list = model->interfaces[t->interface].addresses;
		n = model->interfaces[t->interface].n_addresses;
	}
	memset(m->addresses, 0, sizeof(m->addresses));
	for (size_t i = n; i-- > 0;)
		m->addresses[list[i].family == 6] = list[i];
}

static int member_update(struct health *h, struct member *m, size_t group, size_t index,
			 uint64_t now_ns)
{
	const struct target_group *g = &h->model->target_groups[group];
	const struct target *t = &g->targets[index];
	enum health_state from = m->state.state;
	char *zone = t->zone ? strdup(t->zone) : NULL;

	if (t->zone && !zone)
		return -ENOMEM;
	free(m->zone);
	m->zone = zone;
	m->port = t->port;
	m->weight = t->weight;
	m->group_index = group;
	m->protocol = g->protocol;
	m->deregistration_delay = g->deregistration_delay;
	/* What an appliance has is another's then, and not over. */
	m->connection_termination = g->protocol == TARGET_GENEVE
					    ? g->is_rebalancing
					    : g->connection_termination;
	m->is_seen = true;
	addresses_take(m, h->model, t);
	h->groups[group].members[index] = m;
	if (!h->groups[group].is_used) {
		order_remove(h, m);
		if (state_unuse(&m->state, now_ns))
			registry_tell(h, m, from);
		return 0;
	}
	if (state_register(&m->state, now_ns)) {
		if (h->recall)
			state_recall(&m->state, h->recall(h->recall_arg, group, index),
				     now_ns);
		else
			registry_tell(h, m, from);
	}
	return order_check(h, m);
}

static int group_apply(struct health *h, size_t group, uint64_t now_ns)
{
	const struct target_group *g = &h->model->target_groups[group];
	int r;

	for (size_t i = 0; i < g->n_targets; i++) {
		const struct target *t = &g->targets[i];
		_cleanup_free_ char *name = registry_name(h->model, t);
		struct member *m;

		if (!name)
			return -ENOMEM;
		m = registry_find(h, g->name, name, &t->address);
		r = m ? 0 : registry_put(h, g->name, name, &t->address, &m);
		if (r == 0)
			r = member_update(h, m, group, i, now_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

static int groups_make(struct health *h, const struct model *model)
{
	struct pack *groups = calloc(model->n_target_groups + 1, sizeof(*groups));

	groups_free(h);
	if (!groups)
		return -ENOMEM;
	h->groups = groups;
	h->n_groups = model->n_target_groups;
	for (size_t i = 0; i < h->n_groups; i++) {
		size_t n = model->target_groups[i].n_targets;

		groups[i].is_dirty = true;
		groups[i].members = calloc(n + 1, sizeof(struct member *));
		if (!groups[i].members)
			return -ENOMEM;
		groups[i].n = n;
	}
	return 0;
}

/* Those that the rule set does not have any more. */
static void members_leave(struct health *h, uint64_t now_ns)
{
	for (size_t i = 0; i < h->slots.n; i++) {
		struct member *m = h->slots.items[i];
		enum health_state from;

		if (!m || m->is_seen)
			continue;
		from = m->state.state;
		order_remove(h, m);
		m->group_index = SIZE_MAX;
		if (state_leave(&m->state, m->deregistration_delay, now_ns))
			registry_tell(h, m, from);
		else if (from == HEALTH_UNUSED)
			h->next_ns = 0; /* the next look takes it away */
	}
}

int health_apply(struct health *h, const struct model *model, uint64_t now_ns)
{
	int r;

	for (size_t i = 0; i < h->slots.n; i++)
		if (h->slots.items[i]) {
			h->slots.items[i]->is_seen = false;
			h->slots.items[i]->group_index = SIZE_MAX;
		}
	h->model = model;
	r = groups_make(h, model);
	if (r == 0)
		r = quorum_prepare(h);
	for (size_t i = 0; i < h->n_groups && r == 0; i++)
		r = group_apply(h, i, now_ns);
	members_leave(h, now_ns);
	h->recall = NULL;
	h->n_by_address = 0; /* some of it may have left */
	if (r == 0)
		r = registry_index(h);
	/* Minimums, weights and zones may be others without any change of state. */
	h->is_changed = true;
	health_run(h, now_ns);
	return r;
}

void health_recall(struct health *h,
		   enum health_state (*of)(void *arg, size_t group, size_t target),
		   void *arg)
{
	h->recall = of;
	h->recall_arg = arg;
}

int health_start(struct health *h, struct sd_event *event, const char *path)
{
	return order_start(h, event, path);
}

/* ---- time ---- */

static void member_pass(struct health *h, struct member *m, uint64_t now_ns)
{
	enum health_state from = m->state.state;

	if (state_pass(&m->state, now_ns)) {
		registry_tell(h, m, from);
		if (from == HEALTH_DRAINING && m->connection_termination)
			quorum_cut(h, m,
				   m->protocol == TARGET_GENEVE
					   ? HEALTH_CUT_GENEVE
					   : HEALTH_CUT_TCP | HEALTH_CUT_UDP);
	}
	/* The probe is told to stop before anybody else can have the id. */
	if (m->group_index == SIZE_MAX && m->state.state == HEALTH_UNUSED) {
		if (order_is_waiting(h, m))
			h->next_ns = 0;
		else
			registry_drop(h, m);
	} else if (m->state.until_ns && m->state.until_ns < h->next_ns)
		h->next_ns = m->state.until_ns;
}

void health_run(struct health *h, uint64_t now_ns)
{
	if (now_ns >= h->next_ns) {
		h->next_ns = UINT64_MAX;
		for (size_t i = 0; i < h->slots.n; i++)
			if (h->slots.items[i])
				member_pass(h, h->slots.items[i], now_ns);
	}
	quorum_decide(h);
	order_watch(h, now_ns);
}

void health_refused(struct health *h, const struct addr *address, uint16_t port,
		    uint64_t now_ns)
{
	size_t low = registry_first(h, address, port);

	for (; low < h->n_by_address; low++) {
		struct member *m = h->by_address[low];

		if (addr_compare(&m->address, address) != 0 || m->port != port)
			return;
		if (h->model->target_groups[m->group_index].stickiness != STICKY_NONE)
			continue;
		if (m->n_refused == 0 || now_ns - m->refused_ns > REFUSALS_NS) {
			m->n_refused = 0;
			m->refused_ns = now_ns;
		}
		if (++m->n_refused < REFUSALS)
			continue;
		m->n_refused = 0;
		order_now(h, m);
	}
}

/* ---- what is known ---- */

enum health_state health_state(const struct health *h, const struct model *model,
			       size_t group, size_t target)
{
	const struct target_group *g = &model->target_groups[group];
	_cleanup_free_ char *name = registry_name(model, &g->targets[target]);
	const struct member *m =
		name ? registry_find(h, g->name, name, &g->targets[target].address)
		     : NULL;

	if (!m || m->state.state == HEALTH_DRAINING || m->state.state == HEALTH_UNUSED)
		return HEALTH_INITIAL;
	return m->state.state;
}

size_t health_size(const struct health *h)
{
	return h->slots.n;
}

bool health_get(const struct health *h, size_t id, struct health_info *ret)
{
	const struct member *m = id < h->slots.n ? h->slots.items[id] : NULL;

	if (!m)
		return false;
	*ret = (struct health_info){
		.group = m->group,
		.target = m->name,
		.zone = m->zone,
		.address = m->address,
		.addresses = { m->addresses[0], m->addresses[1] },
		.port = m->port,
		.weight = m->weight,
		.state = m->state,
		.is_registered = m->group_index != SIZE_MAX,
		.group_index = m->group_index,
		.n_ok = m->n_ok,
		.n_failed = m->n_failed,
		.last_us = m->last_us,
	};
	return true;
}

size_t health_find(const struct health *h, size_t group, size_t target)
{
	const struct member *m = group < h->n_groups && target < h->groups[group].n
					 ? h->groups[group].members[target]
					 : NULL;

	return m ? m->id : SIZE_MAX;
}

struct health_count health_count(const struct health *h, size_t group)
{
	struct health_count count = {};

	for (size_t i = 0; group < h->n_groups && i < h->groups[group].n; i++) {
		const struct member *m = h->groups[group].members[i];
		enum health_state state = m ? m->state.state : HEALTH_UNUSED;

		count.healthy += state == HEALTH_HEALTHY;
		count.unhealthy +=
			state == HEALTH_UNHEALTHY || state == HEALTH_UNHEALTHY_DRAINING;
	}
	return count;
}

struct health_probe health_probe(const struct health *h)
{
	int pid = h->child ? child_pid(h->child) : 0;

	return (struct health_probe){
		.is_running = pid != 0,
		.pid = pid,
		.restarts = h->child ? child_restarts(h->child) : 0,
		.n_results = h->n_results,
		.n_refused = h->n_refused,
	};
}
