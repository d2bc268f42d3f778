/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/path.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>

#include "tests/oracle/balance.h"
#include "tests/oracle/nat.h"
#include "tests/oracle/route.h"

/* ---- stages ---- */

struct stage *path_stage(struct path *w, enum stage_kind kind, int object)
{
	struct stage *s;

	assert(w->n < STAGES);
	s = &w->stages[w->n++];
	*s = (struct stage){ .kind = kind, .object = object, .p = w->p };
	return s;
}

void path_drop(struct path *w, uint32_t reason)
{
	path_stage(w, STAGE_DROP, -1)->reason = reason;
	w->is_over = true;
}

void path_nacl(struct path *w, int subnet, int direction)
{
	struct stage *s;

	if (subnet < 0 || w->w->m->subnets[subnet].nacl < 0)
		return;
	s = path_stage(w, STAGE_NACL, w->w->m->subnets[subnet].nacl);
	s->direction = direction;
	s->reason = direction == 1 ? HG_DROP_NACL_EGRESS : HG_DROP_NACL_INGRESS;
}

void path_groups(struct path *w, int interface, int direction)
{
	struct stage *s;

	w->end[direction == 1 ? 0 : 1] = interface;
	if (interface < 0)
		return;
	s = path_stage(w, STAGE_GROUPS, interface);
	s->direction = direction;
	s->position = direction == 1 ? 0 : 1;
	s->reason = direction == 1 ? HG_DROP_SG_EGRESS : HG_DROP_SG_INGRESS;
}

/* The packet goes on to what is not its subnet. */
void path_leave(struct path *w)
{
	path_nacl(w, w->subnet, 1);
	w->leaves = true;
}

/* ---- section 8, step 4: towards an interface or a host inside ---- */

static void set_zone(struct path *w, const char *kind, const char *name)
{
	snprintf(w->zone, sizeof(w->zone), "%s/%s", kind, name);
}

/* The device and next hop towards 'to'; false when there is no way. 'owner' may be -1. */
bool path_find_out(struct path *w, int owner, int subnet, const struct addr *to)
{
	const struct model *m = w->w->m;
	const struct interface *i = owner >= 0 ? &m->interfaces[owner] : NULL;

	set_zone(w, "vpc", m->vpcs[w->vpc].name);
	if (i && i->is_local) {
		w->out = OUT_KERNEL;
		snprintf(w->zone, sizeof(w->zone), "%s", w->h->zone);
		return true;
	}
	if (i && i->device) {
		w->out = OUT_PORT;
		w->device = i->device;
		if (interface_has_zone(w->w, owner))
			set_zone(w, "interface", i->name);
		return true;
	}
	if (subnet < 0 || !m->subnets[subnet].device)
		return false;
	w->out = OUT_DEVICE;
	w->device = m->subnets[subnet].device;
	w->via = *to;
	return true;
}

/* To whom the address belongs; where the packet is says from which subnet it comes. */
void path_arrive(struct path *w)
{
	int nat = nat_find(w->w, w->vpc, &w->p.dst);
	int owner = address_owner(w->w, w->vpc, &w->p.dst);
	int subnet = address_subnet(w->w, w->vpc, &w->p.dst);
	bool crosses = subnet != w->subnet;

	if (vip_find(w->w, w->vpc, &w->p.dst, NULL)) {
		balance_forward(w);
		return;
	}
	if (crosses)
		path_leave(w);
	if (nat >= 0) {
		nat_back(w, nat);
		return;
	}
	if (!path_find_out(w, owner, subnet, &w->p.dst)) {
		path_drop(w, HG_DROP_NO_ROUTE);
		return;
	}
	if (crosses)
		path_nacl(w, subnet, 0);
	path_groups(w, owner, 0);
}

/* An interface as the target of a route, whatever the destination. */
static void arrive_at(struct path *w, int interface, int sender)
{
	const struct interface *i = &w->w->m->interfaces[interface];
	const struct addr *to = NULL;
	bool crosses = i->subnet != w->subnet;

	for (size_t k = 0; k < i->n_addresses && !to; k++)
		if (i->addresses[k].family == w->p.dst.family)
			to = &i->addresses[k];
	if (crosses)
		path_leave(w);
	if (interface == sender || (!to && !i->device)) {
		path_drop(w, HG_DROP_BLACKHOLE);
		return;
	}
	if (!path_find_out(w, interface, i->subnet, to)) {
		path_drop(w, HG_DROP_NO_ROUTE);
		return;
	}
	if (crosses)
		path_nacl(w, i->subnet, 0);
	path_groups(w, interface, 0);
	if (i->source_dest_check && !interface_owns(w->w, interface, &w->p.dst))
		path_drop(w, HG_DROP_DEST_CHECK);
}

/* ---- section 11: the internet gateway ---- */

static void go_out(struct path *w, const struct gateway *g)
{
	const struct addr *hop = &g->next_hop[w->p.dst.family == 6];

	w->out = OUT_DEVICE;
	w->device = g->device;
	w->via = hop->family ? *hop : w->p.dst;
	set_zone(w, "uplink", g->device);
}

/* An elastic IP met from outside, or by a packet that turns round. */
static void enter_elastic(struct path *w, const struct place *place)
{
	if (place->kind == PLACE_UNATTACHED) {
		path_drop(w, HG_DROP_NO_PUBLIC_ADDRESS);
		return;
	}
	w->subnet = SUBNET_OUTSIDE;
	w->vpc = place->vpc;
	if (w->has_quote && same_addr(&w->quote.src, &w->p.dst))
		w->quote.src = place->private_address;
	w->p.dst = place->private_address;
	path_arrive(w);
}

/* The source of an error about a packet to an elastic IP, from one who has none. */
static bool borrow_public(struct path *w, struct addr *ret)
{
	return w->has_quote && in_vpc(w->w, w->vpc, &w->p.src) &&
	       public_find(w->w, w->vpc, &w->quote.dst, ret);
}

/* What a balancer says is said by a virtual address, and that may be known outside as it is. */
static bool is_bare_source(const struct path *w)
{
	const struct vip *v = vip_find(w->w, w->vpc, &w->p.src, NULL);

	return w->is_balanced && v && v->subnet < 0;
}

/* Out by 'gateway'; 'nat' is the NAT gateway that sends, or -1. */
void path_leave_internet(struct path *w, const struct gateway *g, int nat)
{
	const struct model *m = w->w->m;
	struct addr public = w->p.src, quoted;
	struct place place;

	path_leave(w);
	if (w->p.dst.family == 6) {
		go_out(w, g);
		return;
	}
	if (is_private(&w->p.dst) && !is_bare_source(w)) {
		path_drop(w, HG_DROP_PRIVATE_DESTINATION);
		return;
	}
	if (nat >= 0            ? !nat_public(w, nat, &public)
	    : is_bare_source(w) ? false
				: !public_find(w->w, w->vpc, &w->p.src, &public) &&
					  !borrow_public(w, &public)) {
		path_drop(w, HG_DROP_NO_PUBLIC_ADDRESS);
		return;
	}
	if (w->has_quote && nat >= 0)
		w->quote.dst = public;
	else if (w->has_quote && public_find(w->w, w->vpc, &w->quote.dst, &quoted))
		w->quote.dst = quoted;
	/* An error through a NAT gateway may come from one who has an address of his own. */
	if (nat < 0 || same_addr(&w->p.src, &m->nat_gateways[nat].private_address) ||
	    public_find(w->w, w->vpc, &w->p.src, &public))
		w->p.src = public;
	place = place_find(w->w, &w->p.dst);
	if (place.kind != PLACE_NONE)
		enter_elastic(w, &place);
	else
		go_out(w, g);
}

/* ---- section 10: routes ---- */

static void cross_peering(struct path *w, const struct peering *g)
{
	int other = g->vpcs[0] == w->vpc ? g->vpcs[1] : g->vpcs[0];

	path_leave(w);
	if (!in_vpc(w->w, other, &w->p.dst) || !in_vpc(w->w, w->vpc, &w->p.src)) {
		path_drop(w, HG_DROP_PEERING);
		return;
	}
	w->vpc = other;
	w->subnet = SUBNET_OUTSIDE;
	path_arrive(w);
}

/* On by the table of the subnet that the packet is in; 'nat' is the NAT gateway that sends it
 * on, or -1. */
void path_depart(struct path *w, int nat)
{
	const struct model *m = w->w->m;
	struct choice route;

	if (is_multicast(&w->p.dst)) {
		path_leave(w);
		path_drop(w, HG_DROP_NO_ROUTE);
		return;
	}
	if ((w->subnet >= 0 && address_subnet(w->w, w->vpc, &w->p.dst) == w->subnet) ||
	    vip_find(w->w, w->vpc, &w->p.dst, NULL)) {
		path_arrive(w);
		return;
	}
	route = route_find(w->w, w->vpc, w->subnet, &w->p.dst);
	if (!route.is_found || route.kind == ROUTE_BLACKHOLE ||
	    (route.kind == ROUTE_NAT_GATEWAY && nat >= 0)) {
		if (route.kind != ROUTE_NAT_GATEWAY || !route.is_found ||
		    m->nat_gateways[route.target].subnet != w->subnet)
			path_leave(w);
		path_drop(w, route.kind == ROUTE_BLACKHOLE ? HG_DROP_BLACKHOLE
							   : HG_DROP_NO_ROUTE);
		return;
	}
	switch (route.kind) {
	case ROUTE_INTERNET_GATEWAY:
		path_leave_internet(w, &m->internet_gateways[route.target], nat);
		break;
	case ROUTE_EGRESS_ONLY_GATEWAY:
		path_leave(w);
		w->is_egress_only = true;
		go_out(w, &m->egress_only_gateways[route.target]);
		break;
	case ROUTE_NAT_GATEWAY:
		nat_forward(w, route.target);
		break;
	case ROUTE_PEERING:
		cross_peering(w, &m->peerings[route.target]);
		break;
	case ROUTE_INTERFACE:
		arrive_at(w, route.target, w->end[0]);
		break;
	default:
		path_arrive(w);
	}
}

/* ---- the two beginnings ---- */

static int sender_of(const struct path *w)
{
	const struct hearing *h = w->h;

	return h->role == ROLE_PORT ? h->interface : address_owner(w->w, h->vpc, &w->p.src);
}

static void walk_inside(struct path *w)
{
	w->vpc = w->h->vpc;
	w->subnet = w->h->at_subnet;
	path_groups(w, sender_of(w), 1);
	if (balance_is_back(w)) {
		if (w->n > 0)
			w->stages[0].through = balance_through(w);
		balance_back(w);
	} else if (balance_is_gone(w)) {
		if (address_subnet(w->w, w->vpc, &w->p.dst) != w->subnet)
			path_leave(w);
		balance_drop_gone(w);
	} else {
		path_depart(w, -1);
	}
}

/* To the balancer of a host: nobody else's filters come before its own. */
static void walk_host(struct path *w)
{
	w->vpc = w->h->vpc;
	w->subnet = address_subnet(w->w, w->vpc, &w->p.src);
	if (balance_is_back(w))
		balance_back(w);
	else if (balance_is_gone(w))
		balance_drop_gone(w);
	else
		balance_forward(w);
}

static bool is_here(const struct gateway *g, int vpc, const char *device)
{
	return g->vpc == vpc && strcmp(g->device, device) == 0;
}

/* Has this VPC a gateway at the uplink? */
static bool is_uplink_of(const struct path *w, int vpc)
{
	const struct model *m = w->w->m;

	for (size_t i = 0; i < m->n_internet_gateways; i++)
		if (is_here(&m->internet_gateways[i], vpc, w->h->device))
			return true;
	for (size_t i = 0; i < m->n_egress_only_gateways; i++)
		if (is_here(&m->egress_only_gateways[i], vpc, w->h->device))
			return true;
	return false;
}

/* IPv6 from outside: what the destination's subnet would do with the answer decides. */
static void walk_in6(struct path *w)
{
	const struct model *m = w->w->m;
	struct choice back = {};
	int vpc = -1, subnet;

	for (size_t v = 0; v < m->n_vpcs; v++)
		if (in_vpc(w->w, v, &w->p.dst) && is_uplink_of(w, v))
			vpc = v;
	subnet = vpc < 0 ? -1 : address_subnet(w->w, vpc, &w->p.dst);
	if (subnet >= 0)
		back = route_find(w->w, vpc, subnet, &w->p.src);
	w->vpc = vpc;
	if (back.is_found && back.kind == ROUTE_INTERNET_GATEWAY &&
	    is_here(&m->internet_gateways[back.target], vpc, w->h->device)) {
		path_arrive(w);
	} else if (back.is_found && back.kind == ROUTE_EGRESS_ONLY_GATEWAY &&
		   is_here(&m->egress_only_gateways[back.target], vpc, w->h->device)) {
		w->is_egress_only = true;
		if (w->c || w->h->related)
			path_arrive(w);
		else
			path_drop(w, HG_DROP_EGRESS_ONLY);
	} else {
		path_drop(w, HG_DROP_NO_ROUTE);
	}
}

static void walk_outside(struct path *w)
{
	struct place place = place_find(w->w, &w->p.dst);

	w->subnet = SUBNET_OUTSIDE;
	w->leaves = true;
	if (balance_is_gone(w))
		balance_drop_gone(w);
	else if (place.kind != PLACE_NONE)
		enter_elastic(w, &place);
	else if (w->p.dst.family == 6)
		walk_in6(w);
	else
		path_drop(w, HG_DROP_NO_ROUTE);
}

static void path_begin(struct path *ret, const struct hearing *h)
{
	*ret = (struct path){
		.h = h,
		.w = &h->o->world,
		.p = h->p.l4,
		.quote = h->p.quote,
		.has_quote = h->p.has_quote && same_addr(&h->p.quote.src, &h->p.l4.dst),
		.end = { -1, -1 },
		.vpc = -1,
		.subnet = -1,
		.nat = -1,
		.group = -1,
		.target = -1,
	};
}

void path_exempt(struct path *ret, const struct hearing *h)
{
	path_begin(ret, h);
	ret->vpc = h->vpc;
	ret->subnet = h->at_subnet;
	ret->end[0] = sender_of(ret);
	path_arrive(ret);
}

void path_walk(struct path *ret, const struct hearing *h, const struct connection *c,
	       unsigned nth_address, uint16_t port)
{
	path_begin(ret, h);
	ret->c = c;
	ret->nth_address = nth_address;
	ret->port = port;
	if (h->role == ROLE_UPLINK)
		walk_outside(ret);
	else if (h->role == ROLE_HOST)
		walk_host(ret);
	else
		walk_inside(ret);
	/* Its way has led elsewhere. */
	if (c && c->is_balanced && !ret->is_balanced && !ret->is_over) {
		path_stage(ret, STAGE_FORGET, -1)->reason = HG_DROP_NO_FLOW;
		ret->is_over = true;
	}
	if (ret->astray && !ret->is_over) {
		path_stage(ret, ret->astray, -1)->reason =
			ret->astray == STAGE_DROP ? HG_DROP_NAT_UNSOLICITED
						  : HG_DROP_NO_FLOW;
		ret->is_over = true;
	}
}
