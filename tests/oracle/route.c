/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/route.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Ranges that routes do not forward, whatever covers them. */
static const struct cidr unroutable[] = {
	{ { 4, { 169, 254, 168 } }, 22 },
	{ { 6, { 0xfd, 0x00, 0x0e, 0xc2 } }, 32 },
};

/* Of routes of one length the lowest wins. */
enum rank { RANK_WRITTEN_OVER_LOCAL, RANK_LOCAL, RANK_CIDR, RANK_LIST, RANKS };

struct best {
	struct choice choice;
	int len;
	enum rank rank;
};

static void consider(struct best *b, const struct cidr *to, const struct addr *a,
		     enum rank rank, enum route_kind kind, int target)
{
	if (!in_cidr(to, a) || to->len < b->len)
		return;
	if (to->len == b->len && rank >= b->rank)
		return;
	*b = (struct best){ { true, kind, target }, to->len, rank };
}

static bool is_vpc_cidr(const struct vpc *v, const struct cidr *c)
{
	for (size_t k = 0; k < v->n_cidrs; k++)
		if (v->cidrs[k].len == c->len && same_addr(&v->cidrs[k].addr, &c->addr))
			return true;
	return false;
}

struct choice route_find(const struct world *w, int vpc, int subnet,
			 const struct addr *to)
{
	const struct model *m = w->m;
	const struct vpc *v = &m->vpcs[vpc];
	int table = subnet >= 0 ? m->subnets[subnet].route_table : v->main_table;
	struct best b = { .len = -1, .rank = RANKS };

	for (size_t i = 0; i < 2; i++)
		if (in_cidr(&unroutable[i], to))
			return b.choice;
	for (size_t k = 0; k < v->n_cidrs; k++)
		consider(&b, &v->cidrs[k], to, RANK_LOCAL, ROUTE_LOCAL, -1);
	for (size_t i = 0; table >= 0 && i < m->route_tables[table].n_routes; i++) {
		const struct route *r = &m->route_tables[table].routes[i];
		const struct prefix_list *list;

		if (r->prefix_list < 0) {
			consider(&b, &r->to, to,
				 is_vpc_cidr(v, &r->to) ? RANK_WRITTEN_OVER_LOCAL
							: RANK_CIDR,
				 r->kind, r->target);
			continue;
		}
		list = &m->prefix_lists[r->prefix_list];
		for (size_t k = 0; k < list->n_entries; k++)
			consider(&b, &list->entries[k], to, RANK_LIST, r->kind,
				 r->target);
	}
	return b.choice;
}

int internet_gateway_of(const struct world *w, int vpc)
{
	for (size_t i = 0; i < w->m->n_internet_gateways; i++)
		if (w->m->internet_gateways[i].vpc == vpc)
			return i;
	return -1;
}

const struct vip *vip_find(const struct world *w, int vpc, const struct addr *a,
			   const struct load_balancer **ret_balancer)
{
	for (size_t i = 0; i < w->m->n_load_balancers; i++) {
		const struct load_balancer *b = &w->m->load_balancers[i];

		for (size_t k = 0; b->vpc == vpc && k < b->n_vips; k++)
			if (same_addr(&b->vips[k].address, a)) {
				if (ret_balancer)
					*ret_balancer = b;
				return &b->vips[k];
			}
	}
	return NULL;
}

const struct listener *listener_find(const struct world *w, const char *vpc,
				     const struct l4 *p)
{
	const struct load_balancer *b = NULL;

	for (size_t v = 0; v < w->m->n_vpcs; v++)
		if (strcmp(w->m->vpcs[v].name, vpc) == 0)
			vip_find(w, v, &p->dst, &b);
	for (size_t i = 0; b && i < b->n_listeners; i++) {
		const struct listener *l = &b->listeners[i];
		bool is_tcp = l->protocol != TARGET_UDP,
		     is_udp = l->protocol != TARGET_TCP;

		if (l->port == p->dport &&
		    ((p->protocol == 6 && is_tcp) || (p->protocol == 17 && is_udp)))
			return l;
	}
	return NULL;
}

/* The node of a balancer that has this elastic IP. */
static const struct vip *node_with(const struct world *w, int elastic_ip)
{
	int owner = w->m->elastic_ips[elastic_ip].load_balancer;
	const struct load_balancer *b = &w->m->load_balancers[owner];

	for (size_t k = 0; k < b->n_vips; k++)
		if (b->vips[k].elastic_ip == elastic_ip)
			return &b->vips[k];
	abort();
}

/* A virtual address outside of its VPC is known at uplinks as it is. */
static void find_bare(const struct world *w, const struct addr *a, struct place *ret)
{
	for (size_t v = 0; v < w->m->n_vpcs; v++) {
		const struct vip *vip = vip_find(w, v, a, NULL);

		if (!vip || vip->subnet >= 0 || in_vpc(w, v, a))
			continue;
		ret->kind = internet_gateway_of(w, v) >= 0 ? PLACE_BALANCER
							   : PLACE_UNATTACHED;
		ret->vpc = v;
		ret->private_address = *a;
	}
}

struct place place_find(const struct world *w, const struct addr *a)
{
	const struct model *m = w->m;
	struct place p = { .vpc = -1, .nat = -1 };

	for (size_t i = 0; i < m->n_elastic_ips; i++) {
		const struct elastic_ip *e = &m->elastic_ips[i];

		if (!same_addr(&e->address, a))
			continue;
		p.kind = PLACE_UNATTACHED;
		if (e->interface >= 0) {
			p.vpc = m->interfaces[e->interface].vpc;
			p.private_address = e->private_address;
		} else if (e->nat_gateway >= 0) {
			p.vpc = m->nat_gateways[e->nat_gateway].vpc;
			p.nat = e->nat_gateway;
			p.private_address = m->nat_gateways[p.nat].private_address;
		} else if (e->load_balancer >= 0) {
			p.vpc = m->load_balancers[e->load_balancer].vpc;
			p.private_address = node_with(w, i)->address;
		}
		if (p.vpc >= 0 && internet_gateway_of(w, p.vpc) >= 0)
			p.kind = e->interface >= 0 ? PLACE_INTERFACE
				 : p.nat >= 0      ? PLACE_NAT
						   : PLACE_BALANCER;
	}
	if (p.kind == PLACE_NONE)
		find_bare(w, a, &p);
	return p;
}

bool public_find(const struct world *w, int vpc, const struct addr *private_address,
		 struct addr *ret)
{
	const struct model *m = w->m;

	for (size_t i = 0; i < m->n_elastic_ips; i++) {
		const struct elastic_ip *e = &m->elastic_ips[i];

		if (e->load_balancer >= 0) {
			if (m->load_balancers[e->load_balancer].vpc != vpc ||
			    !same_addr(&node_with(w, i)->address, private_address))
				continue;
		} else if (e->interface < 0 || m->interfaces[e->interface].vpc != vpc ||
			   !same_addr(&e->private_address, private_address)) {
			continue;
		}
		*ret = e->address;
		return internet_gateway_of(w, vpc) >= 0;
	}
	return false;
}

size_t nat_addresses(const struct world *w, int nat, struct addr ret[8])
{
	const struct nat_gateway *g = &w->m->nat_gateways[nat];

	if (internet_gateway_of(w, g->vpc) < 0)
		return 0;
	assert(g->n_elastic_ips <= 8);
	for (size_t i = 0; i < g->n_elastic_ips; i++)
		ret[i] = w->m->elastic_ips[g->elastic_ips[i]].address;
	return g->n_elastic_ips;
}

int nat_find(const struct world *w, int vpc, const struct addr *private_address)
{
	for (size_t i = 0; i < w->m->n_nat_gateways; i++)
		if (w->m->nat_gateways[i].vpc == vpc &&
		    same_addr(&w->m->nat_gateways[i].private_address, private_address))
			return i;
	return -1;
}
