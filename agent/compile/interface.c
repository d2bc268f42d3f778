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

static bool is_host(const struct interface *f)
{
	return f->is_local && f->device;
}

/* All zones of the model, by name. */
static struct zone *zones_list(struct build *b, size_t *ret_n)
{
	const struct model *m = b->m;
	struct zone *zones = calloc(m->n_vpcs + m->n_interfaces + 1, sizeof(*zones));
	size_t n = 0;

	if (!zones)
		return NULL;
	for (size_t i = 0; i < m->n_vpcs; i++) {
		snprintf(zones[n].name, sizeof(zones[n].name), "vpc/%s", m->vpcs[i].name);
		zones[n++].number = &b->vpc_zones[i];
	}
	for (size_t i = 0; i < m->n_interfaces; i++) {
		if (!is_host(&m->interfaces[i]))
			continue;
		snprintf(zones[n].name, sizeof(zones[n].name), "interface/%s",
			 m->interfaces[i].name);
		zones[n++].number = &b->interface_zones[i];
	}
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
			     "%zu VPCs and host devices; at most %d are possible", n,
			     HG_MAX_ZONES);
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

static void interface_fill(const struct build *b, size_t i, uint32_t device,
			   const uint32_t lines[2], struct hg_interface *ret)
{
	const struct interface *f = &b->m->interfaces[i];
	const struct timeouts *all = &b->m->settings.timeouts;

	*ret = (struct hg_interface){
		.flags = (f->source_dest_check ? HG_INTERFACE_CHECK : 0) |
			 (f->is_local ? HG_INTERFACE_LOCAL : 0),
		.vpc = (uint32_t)f->vpc + 1,
		.subnet = (uint32_t)(f->subnet + 1),
		.device = device,
		.groups = { lines[0], lines[1] },
		.tcp_established = f->timeouts.tcp_established
					   ? f->timeouts.tcp_established
					   : all->tcp_established,
		.udp = f->timeouts.udp ? f->timeouts.udp : all->udp,
		.udp_stream =
			f->timeouts.udp_stream ? f->timeouts.udp_stream : all->udp_stream,
		.object = object_of_interface(b->m, i),
	};
}

static void device_fill(const struct build *b, size_t i, struct hg_device *ret)
{
	const struct interface *f = &b->m->interfaces[i];

	*ret = (struct hg_device){
		.role = f->is_local ? HG_ROLE_HOST : HG_ROLE_PORT,
		.vpc = (uint32_t)f->vpc + 1,
		.subnet = (uint32_t)(f->subnet + 1),
		.interface = (uint32_t)i + 1,
		.zone = f->is_local ? b->interface_zones[i] : b->vpc_zones[f->vpc],
		.object = object_of_interface(b->m, i),
	};
}

int interfaces_write(struct build *b, const uint32_t (*lines)[2], struct hg_header *head)
{
	const struct model *m = b->m;
	struct hg_interface *interfaces;
	struct hg_device *devices;
	size_t n_devices = 0, n_sets = PORTS_MIN;
	uint32_t device = 0;
	int r;

	for (size_t i = 0; i < m->n_interfaces; i++)
		n_devices += m->interfaces[i].device != NULL;
	if (n_devices > HG_MAX_DEVICES)
		build_refuse(b, NULL, "%zu interfaces name a device; at most %d can",
			     n_devices, HG_MAX_DEVICES);
	while (n_sets < n_devices / 2)
		n_sets *= 2;
	r = table_reserve(b, n_sets, &head->ports);
	if (r == 0)
		r = table_reserve(b, n_devices + 1, &head->devices);
	if (r == 0)
		r = table_reserve(b, m->n_interfaces + 1, &head->interfaces);
	if (r < 0)
		return r;
	interfaces = lines_at(&b->lines, head->interfaces.line);
	devices = lines_at(&b->lines, head->devices.line);
	for (size_t i = 0; i < m->n_interfaces; i++) {
		bool has_device = m->interfaces[i].device != NULL;

		if (has_device)
			device_fill(b, i, &devices[++device]);
		interface_fill(b, i, has_device ? device : 0, lines[i],
			       &interfaces[i + 1]);
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
	return 0;
}
