/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/interface.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PORTS_MIN 16 /* sets */

/* ---- zones ---- */

struct zone {
	char name[sizeof("interface/") + HG_MAX_NAME];
	uint32_t *number; /* where it goes */
};

static int zone_compare(const void *va, const void *vb)
{
	const struct zone *a = va, *b = vb;

	return strcmp(a->name, b->name);
}

static const struct hg_zone *zone_of_previous(const struct image *previous,
					      const char *name)
{
	struct hg_table table = image_header(previous)->zones;
	struct hg_table text = image_header(previous)->text;

	for (uint32_t i = 0; i < table.n; i++) {
		const struct hg_zone *z = image_record(previous, table, i, sizeof(*z));

		if (z && z->zone && z->text < text.n &&
		    strcmp((const char *)(previous->lines + text.line) + z->text, name) ==
			    0)
			return z;
	}
	return NULL;
}

/* Whose flows are kept apart from those of the VPC: host devices, and in a routed VPC ports
 * whose instance may send on what it was sent. */
static bool has_own_zone(const struct model *m, const struct interface *f)
{
	if (!f->device)
		return false;
	return f->is_local ||
	       (!f->source_dest_check && f->subnet >= 0 && m->vpcs[f->vpc].is_routed);
}

static void zone_add(struct zone *zones, size_t *n, const char *kind, const char *name,
		     uint32_t *number)
{
	snprintf(zones[*n].name, sizeof(zones[*n].name), "%s/%s", kind, name);
	zones[(*n)++].number = number;
}

/* All zones of the model, by name. */
static struct zone *zones_list(struct build *b, size_t *ret_n)
{
	const struct model *m = b->m;
	struct zone *zones = calloc(
		m->n_vpcs + m->n_interfaces + b->devices.n_uplinks + 1, sizeof(*zones));
	size_t n = 0;

	if (!zones)
		return NULL;
	for (size_t i = 0; i < m->n_vpcs; i++)
		zone_add(zones, &n, "vpc", m->vpcs[i].name, &b->vpc_zones[i]);
	for (size_t i = 0; i < m->n_interfaces; i++)
		if (has_own_zone(m, &m->interfaces[i]))
			zone_add(zones, &n, "interface", m->interfaces[i].name,
				 &b->interface_zones[i]);
	for (size_t i = 0; i < b->devices.n; i++)
		if (b->devices.list[i].role == HG_ROLE_UPLINK)
			zone_add(zones, &n, "uplink", b->devices.list[i].name,
				 &b->uplink_zones[b->devices.list[i].index]);
	qsort(zones, n, sizeof(*zones), zone_compare);
	*ret_n = n;
	return zones;
}

int zones_choose(struct build *b)
{
	const struct image *previous = b->facts ? b->facts->previous : NULL;
	_cleanup_free_ bool *is_used = calloc(HG_MAX_ZONES + 1, sizeof(*is_used));
	size_t n = 0;
	_cleanup_free_ struct zone *zones = zones_list(b, &n);
	uint32_t next = 1;

	if (!is_used || !zones)
		return -ENOMEM;
	if (n > HG_MAX_ZONES) {
		build_refuse(b, NULL,
			     "%zu VPCs, host devices, uplinks and ports without "
			     "source_dest_check; at most %d are possible",
			     n, HG_MAX_ZONES);
		return 0;
	}
	for (uint32_t i = 0; previous && i < image_header(previous)->zones.n; i++) {
		const struct hg_zone *z = image_record(
			previous, image_header(previous)->zones, i, sizeof(*z));

		/* A number that is given up rests for one image, as its flows may. */
		if (z && z->zone <= HG_MAX_ZONES)
			is_used[z->zone] = true;
	}
	for (size_t i = 0; previous && i < n; i++) {
		const struct hg_zone *z = zone_of_previous(previous, zones[i].name);

		if (z && z->zone <= HG_MAX_ZONES)
			*zones[i].number = z->zone;
	}
	for (size_t i = 0; i < n; i++) {
		if (*zones[i].number)
			continue;
		while (next <= HG_MAX_ZONES && is_used[next])
			next++;
		if (next > HG_MAX_ZONES) {
			build_refuse(b, NULL, "no zone is left for %s", zones[i].name);
			return 0;
		}
		*zones[i].number = next++;
	}
	return 0;
}

/* ---- devices and interfaces ---- */

static int table_reserve(struct build *b, size_t n, struct hg_table *ret)
{
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, n, &line);
	if (r == 0)
		*ret = (struct hg_table){ line, (uint32_t)n };
	return r;
}

/* The first of each family. */
static void addresses_fill(const struct build *b, size_t i, struct hg_interface *ret)
{
	bool has[2] = { false, false };
	size_t n;
	const struct addr *a = build_addresses(b, i, &n);

	for (size_t k = 0; k < n; k++) {
		bool v6 = a[k].family == 6;

		if (has[v6])
			continue;
		has[v6] = true;
		if (v6)
			memcpy(&ret->address6, a[k].bytes, sizeof(ret->address6));
		else
			memcpy(&ret->address4, a[k].bytes, sizeof(ret->address4));
	}
}

static void interface_fill(const struct build *b, size_t i, const uint32_t lines[2],
			   struct hg_interface *ret)
{
	const struct interface *f = &b->m->interfaces[i];
	const struct timeouts *all = &b->m->settings.timeouts;

	*ret = (struct hg_interface){
		.flags = (f->source_dest_check ? HG_INTERFACE_CHECK : 0) |
			 (f->is_local ? HG_INTERFACE_LOCAL : 0),
		.vpc = (uint32_t)f->vpc + 1,
		.subnet = (uint32_t)(f->subnet + 1),
		.groups = { lines[0], lines[1] },
		.tcp_established = f->timeouts.tcp_established
					   ? f->timeouts.tcp_established
					   : all->tcp_established,
		.udp = f->timeouts.udp ? f->timeouts.udp : all->udp,
		.udp_stream =
			f->timeouts.udp_stream ? f->timeouts.udp_stream : all->udp_stream,
		.object = object_of_interface(b->m, i),
	};
	addresses_fill(b, i, ret);
}

/* A NAT instance: it has groups as an interface does, and no address of its own. */
static void instance_fill(const struct build *b, size_t i, const uint32_t lines[2],
			  struct hg_interface *ret)
{
	const struct nat_gateway *g = &b->m->nat_gateways[i];

	*ret = (struct hg_interface){
		.vpc = (uint32_t)g->vpc + 1,
		.subnet = (uint32_t)g->subnet + 1,
		.groups = { lines[0], lines[1] },
		.tcp_established = g->idle_timeout,
		.udp = g->idle_timeout,
		.udp_stream = g->idle_timeout,
		.object = object_of_nat_gateway(b->m, i),
	};
	memcpy(&ret->address4, g->private_address.bytes, sizeof(ret->address4));
}

/* A balancer with groups likewise; its connections live by their listener's clock. */
static void guarded_fill(const struct build *b, size_t i, const uint32_t lines[2],
			 struct hg_interface *ret)
{
	const struct load_balancer *l = &b->m->load_balancers[i];
	const struct timeouts *all = &b->m->settings.timeouts;

	*ret = (struct hg_interface){
		.vpc = (uint32_t)l->vpc + 1,
		.groups = { lines[0], lines[1] },
		.tcp_established = all->tcp_established,
		.udp = all->udp,
		.udp_stream = all->udp_stream,
		.object = object_of_load_balancer(b->m, i),
	};
}

/* All who carry groups; 'lines' as groups_compile() leaves them. */
static void carriers_fill(const struct build *b, const uint32_t (*lines)[2],
			  struct hg_interface *interfaces)
{
	const struct model *m = b->m;

	for (size_t i = 0; i < m->n_interfaces; i++)
		interface_fill(b, i, lines[i], &interfaces[i + 1]);
	lines += m->n_interfaces;
	for (size_t i = 0; i < m->n_nat_gateways; i++)
		if (m->nat_gateways[i].is_instance)
			instance_fill(b, i, lines[i], &interfaces[id_of_instance(m, i)]);
	lines += m->n_nat_gateways;
	for (size_t i = 0; i < m->n_load_balancers; i++)
		if (m->load_balancers[i].n_groups)
			guarded_fill(b, i, lines[i], &interfaces[id_of_guarded(m, i)]);
}

static void interface_device_fill(const struct build *b, size_t i, struct hg_device *ret)
{
	const struct interface *f = &b->m->interfaces[i];
	uint32_t zone = b->interface_zones[i];

	ret->vpc = (uint32_t)f->vpc + 1;
	ret->subnet = (uint32_t)(f->subnet + 1);
	ret->interface = (uint32_t)i + 1;
	ret->zone = zone ? zone : b->vpc_zones[f->vpc];
	ret->object = object_of_interface(b->m, i);
}

static void subnet_device_fill(const struct build *b, size_t i, struct hg_device *ret)
{
	ret->vpc = (uint32_t)b->m->subnets[i].vpc + 1;
	ret->subnet = (uint32_t)i + 1;
	ret->zone = b->vpc_zones[b->m->subnets[i].vpc];
	ret->object = object_of_subnet(b->m, i);
}

/* The object of the gateway that names 'device' first. */
static uint32_t uplink_object(const struct model *m, const char *device)
{
	for (size_t i = 0; i < m->n_internet_gateways; i++)
		if (strcmp(m->internet_gateways[i].device, device) == 0)
			return object_of_internet_gateway(m, i);
	for (size_t i = 0; i < m->n_egress_only_gateways; i++)
		if (strcmp(m->egress_only_gateways[i].device, device) == 0)
			return object_of_egress_only_gateway(m, i);
	return 0;
}

static void device_fill(const struct build *b, const struct device *d,
			struct hg_device *ret)
{
	ret->role = d->role;
	if (d->role == HG_ROLE_SUBNET) {
		subnet_device_fill(b, d->index, ret);
	} else if (d->role == HG_ROLE_UPLINK) {
		ret->zone = b->uplink_zones[d->index];
		ret->object = uplink_object(b->m, d->name);
		ret->uplink = (uint32_t)d->index + 1;
	} else {
		interface_device_fill(b, d->index, ret);
	}
}

int interfaces_write(struct build *b, const uint32_t (*lines)[2], struct hg_header *head)
{
	const struct model *m = b->m;
	struct hg_interface *interfaces;
	struct hg_device *devices;
	uint32_t n_sets = PORTS_MIN;
	size_t n = b->devices.n;
	int r;

	if (n > HG_MAX_DEVICES)
		build_refuse(b, NULL,
			     "%zu devices for interfaces, subnets and gateways; at most "
			     "%d are possible",
			     n, HG_MAX_DEVICES);
	while (n_sets < n / 2)
		n_sets *= 2;
	r = table_reserve(b, n_sets, &head->ports);
	if (r == 0)
		r = table_reserve(b, n + 1, &head->devices);
	if (r == 0)
		r = table_reserve(b, id_of_guarded(m, m->n_load_balancers),
				  &head->interfaces);
	if (r < 0)
		return r;
	interfaces = lines_at(&b->lines, head->interfaces.line);
	devices = lines_at(&b->lines, head->devices.line);
	carriers_fill(b, lines, interfaces);
	for (uint32_t i = 0; i < n; i++) {
		const struct device *d = &b->devices.list[i];

		device_fill(b, d, &devices[i + 1]);
		devices[i + 1].gateway = b->device_gateways[i + 1];
		if (d->role == HG_ROLE_HOST || d->role == HG_ROLE_PORT)
			interfaces[d->index + 1].device = i + 1;
	}
	return 0;
}

/* ---- subnets ---- */

int subnets_write(struct build *b, struct hg_header *head)
{
	const struct model *m = b->m;
	struct hg_subnet *subnets;
	int r;

	r = table_reserve(b, m->n_subnets + 1, &head->subnets);
	if (r < 0)
		return r;
	subnets = lines_at(&b->lines, head->subnets.line);
	for (size_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];
		struct hg_subnet *out = &subnets[i + 1];
		bool has[2] = { false, false };

		out->vpc = (uint32_t)s->vpc + 1;
		out->object = object_of_subnet(m, i);
		if (m->vpcs[s->vpc].is_routed && s->route_table >= 0) {
			out->routes = b->table_lines[s->route_table];
			out->onward = b->onward_lines[s->route_table];
			out->table_object =
				object_of_route_table(m, (size_t)s->route_table);
		}
		if (s->nacl >= 0) {
			out->nacl[0] = b->nacl_lines[s->nacl * 2];
			out->nacl[1] = b->nacl_lines[s->nacl * 2 + 1];
			out->nacl_object = object_of_nacl(m, (size_t)s->nacl);
		}
		for (size_t k = 0; k < s->n_cidrs; k++) {
			bool v6 = s->cidrs[k].addr.family == 6;
			struct addr router = cidr_nth(&s->cidrs[k], 1);

			if (has[v6])
				continue;
			has[v6] = true;
			if (v6)
				memcpy(&out->router6, router.bytes, sizeof(out->router6));
			else
				memcpy(&out->router4, router.bytes, sizeof(out->router4));
		}
	}
	for (uint32_t i = 0; i < b->devices.n; i++)
		if (b->devices.list[i].role == HG_ROLE_SUBNET)
			subnets[b->devices.list[i].index + 1].device = i + 1;
	return 0;
}
