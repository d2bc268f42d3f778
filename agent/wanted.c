/* SPDX-License-Identifier: Apache-2.0 */
#include "wanted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/image.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/vec.h"
#include "compile/device.h"

struct neighbours_of {
	VEC(struct neighbour_want) list;
	bool is_short; /* of memory */
};

static void neighbour_add(struct neighbours_of *w, const char *device,
			  const struct addr *addr)
{
	struct neighbour_want want = { .addr = *addr };

	snprintf(want.device, sizeof(want.device), "%s", device);
	if (!vec_push(&w->list, want))
		w->is_short = true;
}

static void interfaces_add(struct neighbours_of *w, const struct model *m)
{
	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *f = &m->interfaces[i];
		const char *device = f->subnet < 0 ? NULL : m->subnets[f->subnet].device;

		if (!device || f->device || f->is_local)
			continue;
		for (size_t k = 0; k < f->n_addresses; k++)
			neighbour_add(w, device, &f->addresses[k]);
	}
}

/* The subnet of a VPC that holds the address; subnets do not overlap. */
static const struct subnet *subnet_find(const struct model *m, int vpc,
					const struct addr *a)
{
	for (size_t i = 0; i < m->n_subnets; i++)
		for (size_t k = 0; k < m->subnets[i].n_cidrs; k++)
			if (m->subnets[i].vpc == vpc &&
			    cidr_contains(&m->subnets[i].cidrs[k], a))
				return &m->subnets[i];
	return NULL;
}

static bool has_own_device(const struct model *m, int vpc, const struct addr *a)
{
	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *f = &m->interfaces[i];

		if (f->vpc != vpc || (!f->device && !f->is_local))
			continue;
		for (size_t k = 0; k < f->n_addresses; k++)
			if (addr_compare(&f->addresses[k], a) == 0)
				return true;
	}
	return false;
}

static void forwards_add(struct neighbours_of *w, const struct model *m)
{
	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		const struct nat_gateway *n = &m->nat_gateways[i];

		for (size_t k = 0; k < n->n_forwards; k++) {
			const struct addr *to = &n->forwards[k].to;
			const struct subnet *s = subnet_find(m, n->vpc, to);

			if (s && s->device && !has_own_device(m, n->vpc, to))
				neighbour_add(w, s->device, to);
		}
	}
}

static struct addr next_hop_of(const struct gateway *g, int family,
			       const struct netlink *netlink)
{
	const struct link *link;

	if (g->next_hop[family == 6].family)
		return g->next_hop[family == 6];
	link = netlink_link(netlink, g->device);
	return link ? netlink_next_hop(netlink, link->ifindex, (uint8_t)family)
		    : (struct addr){};
}

static void gateways_add(struct neighbours_of *w, const struct gateway *gateways,
			 size_t n, const struct netlink *netlink)
{
	for (size_t i = 0; i < n; i++)
		for (int family = 4; family <= 6; family += 2) {
			struct addr a = next_hop_of(&gateways[i], family, netlink);

			if (a.family)
				neighbour_add(w, gateways[i].device, &a);
		}
}

/* ---- targets of balancers ---- */

/* Its address of the family; family 0: it has none. */
static struct addr target_address(const struct model *m, const struct target *t,
				  int family)
{
	const struct interface *f =
		t->interface < 0 ? NULL : &m->interfaces[t->interface];

	for (size_t i = 0; f && i < f->n_addresses; i++)
		if (f->addresses[i].family == family)
			return f->addresses[i];
	return !f && t->address.family == family ? t->address : (struct addr){};
}

/* Declared interfaces are wanted without that. */
static void targets_add(struct neighbours_of *w, const struct model *m)
{
	for (size_t i = 0; i < m->n_target_groups; i++) {
		const struct target_group *g = &m->target_groups[i];

		for (size_t k = 0; k < g->n_targets; k++) {
			const struct addr *a = &g->targets[k].address;
			const struct subnet *s = g->targets[k].interface < 0
							 ? subnet_find(m, g->vpc, a)
							 : NULL;

			if (s && s->device && !has_own_device(m, g->vpc, a))
				neighbour_add(w, s->device, a);
		}
	}
}

static bool has_balancer(const struct model *m, int vpc)
{
	for (size_t i = 0; i < m->n_load_balancers; i++)
		if (m->load_balancers[i].vpc == vpc)
			return true;
	return false;
}

/* The link of a host's device by which a balancer sends on; NULL: it is none. */
static const struct link *host_link(const struct model *m, const struct interface *f,
				    const struct netlink *netlink)
{
	return f->is_local && f->device && has_balancer(m, f->vpc)
		       ? netlink_link(netlink, f->device)
		       : NULL;
}

static void host_add(struct neighbours_of *w, const struct model *m,
		     const struct interface *host, const struct link *link,
		     const struct netlink *netlink)
{
	for (int family = 4; family <= 6; family += 2) {
		struct addr hop =
			netlink_next_hop(netlink, link->ifindex, (uint8_t)family);

		if (hop.family)
			neighbour_add(w, host->device, &hop);
		for (size_t i = 0; i < m->n_target_groups; i++) {
			const struct target_group *g = &m->target_groups[i];

			for (size_t k = 0; g->vpc == host->vpc && k < g->n_targets; k++) {
				struct addr a = target_address(m, &g->targets[k], family);

				if (a.family &&
				    netlink_is_on_link(netlink, link->ifindex, &a))
					neighbour_add(w, host->device, &a);
			}
		}
	}
}

static void hosts_add(struct neighbours_of *w, const struct model *m,
		      const struct netlink *netlink)
{
	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct link *link = host_link(m, &m->interfaces[i], netlink);

		if (link)
			host_add(w, m, &m->interfaces[i], link, netlink);
	}
}

/* ---- all of it ---- */

/* A port without a subnet has no table, and is what it is elsewhere. A host sends on what
 * comes for a balancer. */
static bool device_is_routed(const struct model *m, const struct device *d)
{
	const struct interface *i;

	if (d->role != HG_ROLE_HOST && d->role != HG_ROLE_PORT)
		return false;
	i = &m->interfaces[d->index];
	if (d->role == HG_ROLE_HOST)
		return has_balancer(m, i->vpc);
	return i->subnet >= 0 && m->vpcs[i->vpc].is_routed;
}

static int devices_make(const struct model *m, struct wanted *ret)
{
	struct devices devices;
	int r;

	r = devices_list(m, &devices);
	if (r < 0)
		return r;
	ret->devices = calloc(devices.n + 1, sizeof(*ret->devices));
	for (size_t i = 0; ret->devices && i < devices.n; i++)
		ret->devices[i] = (struct attach_want){
			.device = devices.list[i].name,
			.id = (uint32_t)i + 1,
			.hook = devices.list[i].hook,
			.role = devices.list[i].role,
			.is_routed = device_is_routed(m, &devices.list[i]),
		};
	ret->n_devices = devices.n;
	devices_done(&devices);
	return ret->devices ? 0 : -ENOMEM;
}

int wanted_make(const struct model *m, const struct netlink *netlink, struct wanted *ret)
{
	struct neighbours_of w = {};
	int r;

	interfaces_add(&w, m);
	forwards_add(&w, m);
	gateways_add(&w, m->internet_gateways, m->n_internet_gateways, netlink);
	gateways_add(&w, m->egress_only_gateways, m->n_egress_only_gateways, netlink);
	targets_add(&w, m);
	hosts_add(&w, m, netlink);
	r = w.is_short ? -ENOMEM : devices_make(m, ret);
	if (r < 0) {
		vec_done(&w.list);
		return r;
	}
	ret->neighbours = w.list.items;
	ret->n_neighbours = w.list.n;
	return 0;
}

void wanted_done(struct wanted *w)
{
	free(w->devices);
	free(w->neighbours);
	*w = (struct wanted){};
}

static uint64_t gateways_hash(const struct gateway *gateways, size_t n,
			      const struct netlink *netlink, uint64_t hash)
{
	for (size_t i = 0; i < n; i++)
		for (int family = 4; family <= 6; family += 2) {
			struct addr a = next_hop_of(&gateways[i], family, netlink);

			hash = hash64(hash, &a, sizeof(a));
		}
	return hash;
}

static uint64_t host_hash(const struct model *m, const struct interface *host,
			  const struct netlink *netlink, uint64_t hash)
{
	const struct link *link = host_link(m, host, netlink);
	struct neighbours_of w = {};

	if (!link)
		return hash;
	host_add(&w, m, host, link, netlink);
	for (size_t i = 0; i < w.list.n; i++)
		hash = hash64(hash, &w.list.items[i].addr, sizeof(struct addr));
	vec_done(&w.list);
	return hash;
}

uint64_t wanted_hash(const struct model *m, const struct netlink *netlink, uint64_t hash)
{
	hash = gateways_hash(m->internet_gateways, m->n_internet_gateways, netlink, hash);
	hash = gateways_hash(m->egress_only_gateways, m->n_egress_only_gateways, netlink,
			     hash);
	for (size_t i = 0; i < m->n_interfaces; i++)
		hash = host_hash(m, &m->interfaces[i], netlink, hash);
	return hash;
}
