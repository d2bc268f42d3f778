/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <hg/drop.h>
#include <hg/event.h>

#include "tests/oracle/hearing.h"
#include "tests/oracle/route.h"

bool is_router_of(const struct subnet *s, const struct addr *a)
{
	for (size_t k = 0; k < s->n_cidrs; k++) {
		struct addr router = cidr_nth(&s->cidrs[k], 1);

		if (same_addr(&router, a))
			return true;
	}
	return false;
}

/* Nobody's, asked about or spoken for all the same. */
static bool is_nobodys(const struct addr *a)
{
	static const struct addr none4 = { .family = 4 }, none6 = { .family = 6 };

	return same_addr(a, &none4) || same_addr(a, &none6) || is_link_local(a);
}

static bool is_of_subnet(const struct hearing *h, const struct addr *a)
{
	return h->at_subnet >= 0 &&
	       address_subnet(&h->o->world, h->vpc, a) == h->at_subnet;
}

static bool may_speak_for(const struct hearing *h, const struct addr *a)
{
	const struct world *w = &h->o->world;
	int owner;

	if (is_nobodys(a))
		return true;
	if (h->role == ROLE_PORT)
		return !h->at->source_dest_check || interface_owns(w, h->interface, a);
	owner = address_owner(w, h->vpc, a);
	return is_of_subnet(h, a) && !is_router_of(&w->m->subnets[h->at_subnet], a) &&
	       (owner < 0 || !w->m->interfaces[owner].device) &&
	       nat_find(w, h->vpc, a) < 0 && !vip_find(w, h->vpc, a, NULL);
}

/* A gateway of the VPC has this uplink. */
static bool is_uplink_of(const struct hearing *h, int vpc)
{
	const struct model *m = h->o->world.m;

	for (size_t i = 0; i < m->n_internet_gateways; i++)
		if (m->internet_gateways[i].vpc == vpc &&
		    strcmp(m->internet_gateways[i].device, h->device) == 0)
			return true;
	for (size_t i = 0; i < m->n_egress_only_gateways; i++)
		if (m->egress_only_gateways[i].vpc == vpc &&
		    strcmp(m->egress_only_gateways[i].device, h->device) == 0)
			return true;
	return false;
}

/* At an uplink: elastic IPs that somebody has whose internet gateway is here, and the virtual
 * addresses of those who have any gateway here. */
static bool is_public(const struct hearing *h, const struct addr *a)
{
	const struct world *w = &h->o->world;
	struct place place = place_find(w, a);
	int gateway;

	if (place.kind == PLACE_NONE || place.kind == PLACE_UNATTACHED)
		return false;
	if (place.kind == PLACE_BALANCER && same_addr(&place.private_address, a))
		return is_uplink_of(h, place.vpc);
	gateway = internet_gateway_of(w, place.vpc);
	return strcmp(w->m->internet_gateways[gateway].device, h->device) == 0;
}

static bool is_answered(const struct hearing *h, const struct addr *a)
{
	const struct world *w = &h->o->world;
	const struct subnet *s;
	int owner;

	if (h->role == ROLE_UPLINK)
		return is_public(h, a);
	if (h->at_subnet < 0)
		return false;
	s = &w->m->subnets[h->at_subnet];
	if (is_router_of(s, a))
		return true;
	if (!is_of_subnet(h, a))
		return false;
	owner = address_owner(w, h->vpc, a);
	if (nat_find(w, h->vpc, a) >= 0 || vip_find(w, h->vpc, a, NULL))
		return true;
	if (h->role == ROLE_SUBNET)
		return owner >= 0 && w->m->interfaces[owner].device;
	/* At a port: everybody else whom the gateway can reach. */
	return s->device ? owner != h->interface : owner >= 0 && owner != h->interface;
}

struct decision judge_neighbour(const struct hearing *h)
{
	const struct parsed *p = &h->p;
	struct decision d = passed();
	bool asks;

	if (h->role == ROLE_HOST || h->door == HG_DOOR_OUT)
		return d;
	if (h->role != ROLE_UPLINK && !may_speak_for(h, &p->l4.src))
		return dropped(HG_DROP_SOURCE_CHECK);
	if (p->kind == PARSED_ND && (p->nd_type == 134 || p->nd_type == 137) &&
	    (h->role == ROLE_SUBNET ||
	     (h->role == ROLE_PORT && h->at->source_dest_check)))
		return dropped(HG_DROP_SOURCE_CHECK);
	if (p->is_short)
		return dropped(HG_DROP_MALFORMED);
	if (h->role != ROLE_UPLINK && p->kind == PARSED_ND && p->nd_type == 136 &&
	    !may_speak_for(h, &p->target))
		return dropped(HG_DROP_SOURCE_CHECK);
	asks = p->kind == PARSED_ARP ? p->arp_op == 1
				     : p->is_solicitation && !p->is_unspecified;
	d.is_answer =
		asks && is_answered(h, p->kind == PARSED_ARP ? &p->l4.dst : &p->target);
	return d;
}
