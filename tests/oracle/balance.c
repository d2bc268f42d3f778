/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/balance.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>

#include "tests/oracle/nat.h"
#include "tests/oracle/route.h"

#define TCP_RST 4

/* ---- whose packet is it ---- */

/* The connection that it belongs to, or that it is about. */
static const struct connection *serving(const struct path *w)
{
	const struct connection *c = w->c ? w->c : w->h->related;

	return c && c->is_balanced ? c : NULL;
}

static bool is_host(const struct path *w)
{
	return w->h->role == ROLE_HOST;
}

bool balance_is_back(const struct path *w)
{
	if (w->c)
		return w->c->is_balanced && w->h->sender == 1;
	return serving(w) && w->h->related_receiver == 0;
}

static int vpc_of(const struct path *w, const struct connection *c)
{
	for (size_t v = 0; v < w->w->m->n_vpcs; v++)
		if (strcmp(w->w->m->vpcs[v].name, c->vpc) == 0)
			return v;
	return -1;
}

static const struct vip *vip_of(const struct path *w, const struct connection *c,
				const struct load_balancer **ret)
{
	int vpc = vpc_of(w, c);

	return vpc < 0 ? NULL : vip_find(w->w, vpc, &c->asked.dst, ret);
}

bool balance_is_gone(const struct path *w)
{
	const struct load_balancer *b;

	return w->c && w->c->is_balanced && !vip_of(w, w->c, &b);
}

struct addr balance_through(const struct path *w)
{
	struct addr none = {};

	return serving(w) ? serving(w)->asked.dst : none;
}

static enum told reset_for(const struct path *w)
{
	const struct parsed *p = &w->h->p;

	return p->l4.protocol == 6 && !(p->tcp_flags & TCP_RST) ? TOLD_RESET
								: TOLD_NOTHING;
}

/* What belongs to nothing, or to a connection that is forgotten for it. */
static void drop_with_reset(struct path *w, enum stage_kind kind, uint32_t reason)
{
	struct stage *s = path_stage(w, kind, -1);

	s->reason = reason;
	s->told = reset_for(w);
	w->is_over = true;
}

void balance_drop_gone(struct path *w)
{
	drop_with_reset(w, w->c ? STAGE_FORGET : STAGE_DROP, HG_DROP_NO_LISTENER);
}

/* ---- who may have it ---- */

static bool is_usable(const struct oracle *o, const struct target_group *g,
		      unsigned target)
{
	if (g->targets[target].weight == 0)
		return false;
	for (size_t i = 0; i < o->n_deaf; i++)
		if (strcmp(o->deaf[i].group, g->name) == 0 && o->deaf[i].target == target)
			return false;
	return true;
}

/* As a target of that family; family 0 when it has none. */
static struct addr target_address(const struct path *w, const struct target *t,
				  int family)
{
	const struct interface *i;
	struct addr none = {};

	if (t->interface < 0)
		return t->address.family == family ? t->address : none;
	i = &w->w->m->interfaces[t->interface];
	for (size_t k = 0; k < i->n_addresses; k++)
		if (i->addresses[k].family == family)
			return i->addresses[k];
	return none;
}

static bool is_member(const struct path *w, const struct load_balancer *b,
		      const struct vip *v, const struct target_group *g, unsigned target)
{
	const struct target *t = &g->targets[target];
	bool crosses = g->cross_zone >= 0 ? g->cross_zone : b->cross_zone;

	if (target_address(w, t, v->address.family).family == 0)
		return false;
	return crosses || !v->zone || !t->zone || strcmp(v->zone, t->zone) == 0;
}

/* Without the sequence number where later segments could not have it. */
static uint32_t sequence(const struct path *w)
{
	const struct hearing *h = w->h;

	return h->p.l4.protocol == 6 && !h->o->world.m->settings.tcp_loose ? h->p.seq : 0;
}

/* Then clients stay with their group, and in one that is itself with their target. */
static bool is_sticky(const struct path *w, const struct listener *l)
{
	for (size_t i = 0; i < l->n_forwards; i++)
		if (w->w->m->target_groups[l->forwards[i].target_group].stickiness ==
		    STICKY_SOURCE_IP)
			return true;
	return false;
}

/* Whether it has chosen otherwise before, when it was asked the same. */
static bool is_denied_by(const struct path *w, const struct listener *l,
			 const struct target_group *g, const struct target *t,
			 const struct pick *pick)
{
	const struct addr a = target_address(w, t, w->p.dst.family);
	bool is_same_group = strcmp(pick->group, g->name) == 0;
	bool is_it =
		is_same_group && same_addr(&pick->target, &a) && pick->port == t->port;
	bool is_client = same_addr(&pick->asked.src, &w->p.src);

	if (is_it || pick->generation != w->h->o->generation ||
	    strcmp(pick->vpc, w->w->m->vpcs[w->vpc].name) != 0 ||
	    !same_addr(&pick->asked.dst, &w->p.dst) || pick->asked.dport != w->p.dport ||
	    pick->asked.protocol != w->p.protocol)
		return false;
	if (is_client && pick->asked.sport == w->p.sport && pick->seq == sequence(w))
		return true;
	if (is_client && is_sticky(w, l) && !is_same_group)
		return true;
	return is_client && is_same_group && g->stickiness == STICKY_SOURCE_IP;
}

static bool is_denied(const struct path *w, const struct listener *l,
		      const struct target_group *g, const struct target *t)
{
	const struct memory *m = &w->h->o->memory;

	for (size_t i = 0; i < m->n_picks; i++)
		if (is_denied_by(w, l, g, t, &m->picks[i]))
			return true;
	return false;
}

static void add_option(struct option list[OPTIONS], size_t *n, int group, int target)
{
	assert(*n < OPTIONS);
	list[(*n)++] = (struct option){ group, target };
}

static size_t list_options(const struct path *w, const struct load_balancer *b,
			   const struct vip *v, const struct listener *l,
			   struct option list[OPTIONS])
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_forwards; i++) {
		int group = l->forwards[i].target_group;
		const struct target_group *g = &w->w->m->target_groups[group];

		for (size_t t = 0; l->forwards[i].weight > 0 && t < g->n_targets; t++)
			if (is_member(w, b, v, g, t) && is_usable(w->h->o, g, t) &&
			    !is_denied(w, l, g, &g->targets[t]))
				add_option(list, &n, group, t);
	}
	if (n == 0)
		add_option(list, &n, -1, -1);
	return n;
}

/* ---- stages ---- */

static void balancer_groups(struct path *w, const struct load_balancer *b, int direction)
{
	struct stage *s;

	if (serving(w) || b->n_groups == 0)
		return;
	s = path_stage(w, STAGE_BALANCER, (int)(b - w->w->m->load_balancers));
	s->direction = direction;
	s->reason = direction == 1 ? HG_DROP_SG_EGRESS : HG_DROP_SG_INGRESS;
}

static void leave(struct path *w)
{
	if (!is_host(w))
		path_leave(w);
	w->leaves = true;
}

/* Into the balancer: out of the sender's subnet, into the node's; a bare address is in none. */
static void enter(struct path *w, const struct vip *v)
{
	bool crosses = v->subnet < 0 || v->subnet != w->subnet;

	if (crosses)
		leave(w);
	w->leaves = true;
	if (crosses && v->subnet >= 0)
		path_nacl(w, v->subnet, 0);
}

/* Out of it: from the node's subnet into that of the destination. */
static void depart(struct path *w, const struct vip *v, int subnet)
{
	if (v->subnet < 0)
		return;
	if (v->subnet != subnet)
		path_nacl(w, v->subnet, 1);
	w->subnet = v->subnet;
}

/* Section 8, step 4. */
static void arrive(struct path *w, struct addr through)
{
	int owner = address_owner(w->w, w->vpc, &w->p.dst);
	int subnet = address_subnet(w->w, w->vpc, &w->p.dst);
	size_t before;

	if (is_host(w)) {
		w->out = OUT_DEVICE;
		w->device = w->h->device;
		w->is_via_open = true;
		snprintf(w->zone, sizeof(w->zone), "%s", w->h->zone);
	} else if (!path_find_out(w, owner, subnet, &w->p.dst)) {
		path_drop(w, HG_DROP_NO_ROUTE);
		return;
	}
	if (subnet != w->subnet)
		path_nacl(w, subnet, 0);
	before = w->n;
	path_groups(w, owner, 0);
	if (w->n > before)
		w->stages[before].through = through;
}

/* ---- forward ---- */

/* Why it becomes no new connection, but for the choice. */
static bool refuse_new(struct path *w, const struct listener *l)
{
	const struct l4 *p = &w->p;

	if ((p->protocol == 6 || p->protocol == 17) && w->h->p.is_later_fragment) {
		path_drop(w, HG_DROP_FRAGMENT);
		return true;
	}
	if (!l) {
		path_drop(w, HG_DROP_NO_LISTENER);
		return true;
	}
	if (p->protocol == 6 && !may_open(w->h)) {
		drop_with_reset(w, STAGE_DROP, HG_DROP_NO_FLOW);
		return true;
	}
	return false;
}

static bool choose(struct path *w, const struct load_balancer *b, const struct vip *v,
		   const struct listener *l)
{
	struct option list[OPTIONS];
	size_t n = list_options(w, b, v, l, list);
	const struct target_group *g;
	struct option it;
	struct addr to;

	assert(w->h->o->nth_choice < n);
	w->h->o->n_choices = n;
	it = list[w->h->o->nth_choice];
	if (it.group < 0) {
		path_drop(w, HG_DROP_NO_TARGET);
		return false;
	}
	g = &w->w->m->target_groups[it.group];
	to = target_address(w, &g->targets[it.target], v->address.family);
	if (g->preserve_client_ip && same_addr(&to, &w->p.src)) {
		path_drop(w, HG_DROP_NO_TARGET);
		return false;
	}
	w->group = it.group;
	w->target = it.target;
	w->asked = w->p;
	w->is_preserved = g->preserve_client_ip;
	w->p.dst = to;
	w->p.dport = g->targets[it.target].port;
	if (!w->is_preserved)
		w->p.src = v->address;
	return true;
}

static void translate_known(struct path *w, const struct connection *c)
{
	if (w->c) {
		w->p = c->went;
		return;
	}
	/* An error on the way to the target: of the client, or of somebody before him. */
	if (same_addr(&w->p.src, &c->asked.src))
		w->p.src = c->went.src;
	w->p.dst = c->went.dst;
	w->quote = l4_answer(&c->went);
}

/* It met another virtual address when it was opened. */
static bool is_elsewhere(const struct path *w, const struct connection *c)
{
	return strcmp(c->vpc, w->w->m->vpcs[w->vpc].name) != 0 ||
	       !same_addr(&c->asked.dst, &w->p.dst);
}

static void drop_elsewhere(struct path *w)
{
	enum stage_kind kind =
		!w->c || w->c->is_balanced || w->c->nat[0] ? STAGE_FORGET : STAGE_ANEW;

	path_stage(w, w->c ? kind : STAGE_DROP, -1)->reason =
		w->c ? HG_DROP_NO_FLOW : HG_DROP_NO_LISTENER;
	w->is_over = true;
}

void balance_forward(struct path *w)
{
	const struct connection *c = serving(w);
	const struct load_balancer *b;
	const struct vip *v = vip_find(w->w, w->vpc, &w->p.dst, &b);
	const struct listener *l;

	if (w->nat >= 0) {
		path_leave(w);
		path_drop(w, HG_DROP_NO_ROUTE);
		return;
	}
	enter(w, v);
	if ((w->c && !w->c->is_balanced) || (c && is_elsewhere(w, c))) {
		drop_elsewhere(w);
		return;
	}
	w->is_balanced = true;
	balancer_groups(w, b, 0);
	l = listener_find(w->w, w->w->m->vpcs[w->vpc].name, c ? &c->asked : &w->p);
	if (w->c && !l) {
		balance_drop_gone(w);
		return;
	}
	if (c)
		translate_known(w, c);
	else if (refuse_new(w, l) || !choose(w, b, v, l))
		return;
	balancer_groups(w, b, 1);
	depart(w, v, address_subnet(w->w, w->vpc, &w->p.dst));
	arrive(w, v->address);
}

/* ---- and back ---- */

static void translate_back(struct path *w, const struct connection *c)
{
	struct addr public;

	if (w->c) {
		w->p = l4_answer(&c->asked);
		return;
	}
	if (same_addr(&w->p.src, &c->went.dst) ||
	    (in_vpc(w->w, w->vpc, &w->p.src) &&
	     !public_find(w->w, w->vpc, &w->p.src, &public)))
		w->p.src = c->asked.dst;
	w->p.dst = c->asked.src;
	w->quote = c->asked;
}

/* A VPC that has the address, on the other side of a peering. */
static int peer_with(const struct path *w, const struct addr *a)
{
	for (size_t i = 0; i < w->w->m->n_peerings; i++) {
		const int *vpcs = w->w->m->peerings[i].vpcs;

		for (int k = 0; k < 2; k++)
			if (vpcs[k] == w->vpc && in_vpc(w->w, vpcs[!k], a))
				return vpcs[!k];
	}
	return -1;
}

static void go_to_client(struct path *w)
{
	int peer, gateway;

	if (is_host(w)) {
		w->out = OUT_DEVICE;
		w->device = w->h->device;
		w->is_via_open = true;
		return;
	}
	if (in_vpc(w->w, w->vpc, &w->p.dst)) {
		arrive(w, (struct addr){});
		return;
	}
	peer = peer_with(w, &w->p.dst);
	gateway = internet_gateway_of(w->w, w->vpc);
	w->subnet = SUBNET_OUTSIDE;
	if (peer >= 0) {
		w->vpc = peer;
		path_arrive(w);
	} else if (gateway >= 0) {
		path_leave_internet(w, &w->w->m->internet_gateways[gateway], -1);
	} else {
		path_drop(w, HG_DROP_NO_ROUTE);
	}
}

void balance_back(struct path *w)
{
	const struct connection *c = serving(w);
	const struct addr *client = &c->asked.src;
	const struct load_balancer *b;
	const struct vip *v = vip_of(w, c, &b);
	int subnet = SUBNET_OUTSIDE, next;

	if (!v) {
		balance_drop_gone(w);
		return;
	}
	if (is_host(w) || in_vpc(w->w, w->vpc, client))
		subnet = address_subnet(w->w, w->vpc, client);
	next = v->subnet >= 0 ? v->subnet : subnet;
	if (next != w->subnet)
		leave(w);
	if (next != w->subnet && v->subnet >= 0)
		path_nacl(w, v->subnet, 0);
	w->leaves = true;
	w->is_balanced = true;
	if (w->c && !listener_find(w->w, c->vpc, &c->asked)) {
		balance_drop_gone(w);
		return;
	}
	translate_back(w, c);
	depart(w, v, subnet);
	go_to_client(w);
}

/* ---- what is remembered ---- */

void balance_remember(struct hearing *h, const struct path *w, struct connection *c)
{
	const struct model *m = w->w->m;
	const struct target_group *g = &m->target_groups[w->group];
	struct memory *memory = &h->o->memory;
	struct pick *pick;

	c->is_balanced = true;
	c->is_preserved = w->is_preserved;
	c->asked = w->asked;
	snprintf(c->vpc, sizeof(c->vpc), "%s", m->vpcs[w->vpc].name);
	assert(memory->n_picks < PICKS);
	pick = &memory->picks[memory->n_picks++];
	*pick = (struct pick){ .generation = h->o->generation,
			       .asked = w->asked,
			       .seq = sequence(w),
			       .target = w->p.dst,
			       .port = w->p.dport };
	snprintf(pick->vpc, sizeof(pick->vpc), "%s", c->vpc);
	snprintf(pick->group, sizeof(pick->group), "%s", g->name);
}
