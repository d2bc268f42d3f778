/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/balancer.h"
#include "compile/build.h"
#include "compile/class.h"
#include "compile/exempt.h"
#include "compile/gateway.h"
#include "compile/group.h"
#include "compile/inspect.h"
#include "compile/interface.h"
#include "compile/limit.h"
#include "compile/nacl.h"
#include "compile/names.h"
#include "compile/route.h"
#include "compile/uplink.h"

void build_refuse(struct build *b, const struct where *where, const char *format, ...)
{
	static const struct where nowhere = { "", 0, 0, "" };
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!where || !where->file)
		where = &nowhere;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	diag_add(b->diag, DIAG_ERROR, where->file, where->line, where->column,
		 where->pointer ? where->pointer : "", "%s", text ? text : format);
	b->n_refused++;
}

const struct addr *build_addresses(const struct build *b, size_t i, size_t *ret_n)
{
	const struct interface *f = &b->m->interfaces[i];

	*ret_n = f->n_addresses;
	if (f->n_addresses || !f->is_local || !f->device || !b->facts)
		return f->addresses;
	for (size_t k = 0; k < b->facts->n_devices; k++) {
		const struct device_addresses *d = &b->facts->devices[k];

		if (strcmp(d->device, f->device) == 0) {
			*ret_n = d->n;
			return d->addresses;
		}
	}
	return NULL;
}

uint32_t build_uplink(const struct build *b, const char *name)
{
	size_t first = b->devices.n - b->devices.n_uplinks;

	for (size_t i = first; i < b->devices.n; i++)
		if (strcmp(b->devices.list[i].name, name) == 0)
			return (uint32_t)i + 1;
	return 0;
}

/* ---- one VPC ---- */

/* 'lines' receives the group classifiers of the VPC's interfaces, then NAT gateways, then load
 * balancers. */
static int groups_compile(struct build *b, size_t vpc, struct classes *classes,
			  struct group_sets *sets, uint32_t (*lines)[2])
{
	const struct model *m = b->m;
	int r = 0;

	for (size_t i = 0; i < m->n_interfaces && r == 0; i++) {
		const struct interface *f = &m->interfaces[i];
		const struct carrier c = { f->name, &f->where, f->groups, f->n_groups };

		if ((size_t)f->vpc == vpc)
			r = group_compile(b, classes, sets, &c, lines[i]);
	}
	for (size_t i = 0; i < m->n_nat_gateways && r == 0; i++) {
		const struct nat_gateway *g = &m->nat_gateways[i];
		const struct carrier c = { g->name, &g->where, g->groups, g->n_groups };

		if ((size_t)g->vpc == vpc && g->is_instance)
			r = group_compile(b, classes, sets, &c,
					  lines[m->n_interfaces + i]);
	}
	for (size_t i = 0; i < m->n_load_balancers && r == 0; i++) {
		const struct load_balancer *l = &m->load_balancers[i];
		const struct carrier c = { l->name, &l->where, l->groups, l->n_groups };

		if ((size_t)l->vpc == vpc && l->n_groups)
			r = group_compile(b, classes, sets, &c,
					  lines[m->n_interfaces + m->n_nat_gateways + i]);
	}
	return r;
}

static int filters_compile(struct build *b, size_t vpc, struct classes *classes,
			   struct group_sets *sets, uint32_t (*lines)[2])
{
	const struct model *m = b->m;
	int r;

	for (size_t i = 0; i < m->n_subnets; i++) {
		int nacl = m->subnets[i].nacl;

		if ((size_t)m->subnets[i].vpc != vpc || nacl < 0 ||
		    b->nacl_lines[nacl * 2])
			continue;
		for (int d = 0; d < 2; d++) {
			r = nacl_compile(b, classes, (size_t)nacl, d,
					 &b->nacl_lines[nacl * 2 + d]);
			if (r < 0)
				return r;
		}
	}
	return groups_compile(b, vpc, classes, sets, lines);
}

static int vpc_compile(struct build *b, size_t vpc, uint32_t (*lines)[2],
		       struct hg_vpc *ret)
{
	struct classes classes = { 0 };
	struct group_sets sets = { 0 };
	int r;

	*ret = (struct hg_vpc){ .object = object_of_vpc(vpc), .zone = b->vpc_zones[vpc] };
	r = classes_build(b, vpc, &classes);
	if (r < 0)
		return r;
	r = classes_write(b, &classes, ret);
	if (r == 0)
		r = filters_compile(b, vpc, &classes, &sets, lines);
	group_sets_done(&sets);
	classes_done(&classes);
	return r;
}

static int vpcs_write(struct build *b, uint32_t (*lines)[2], struct hg_header *head)
{
	size_t n = b->m->n_vpcs + 1;
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, n, &line);
	if (r < 0)
		return r;
	head->vpcs = (struct hg_table){ line, (uint32_t)n };
	for (size_t i = 0; i < b->m->n_vpcs; i++) {
		struct hg_vpc vpc;

		r = vpc_compile(b, i, lines, &vpc);
		if (r < 0)
			return r;
		memcpy(lines_at(&b->lines, line + (uint32_t)i + 1), &vpc, sizeof(vpc));
	}
	return 0;
}

/* ---- the whole ---- */

static void settings_fill(const struct settings *s, struct hg_header *head)
{
	const struct timeouts *t = &s->timeouts;

	head->settings = (s->is_strict ? HG_SETTING_STRICT : 0) |
			 (s->tcp_loose ? HG_SETTING_TCP_LOOSE : 0);
	head->timeouts[HG_STATE_SYN_SENT] = t->tcp_syn;
	head->timeouts[HG_STATE_SYN_RECV] = t->tcp_syn;
	head->timeouts[HG_STATE_ESTABLISHED] = t->tcp_established;
	head->timeouts[HG_STATE_CLOSING] = t->tcp_closing;
	head->timeouts[HG_STATE_UDP] = t->udp;
	head->timeouts[HG_STATE_UDP_REPLIED] = t->udp;
	head->timeouts[HG_STATE_UDP_AGAIN] = t->udp;
	head->timeouts[HG_STATE_UDP_STREAM] = t->udp_stream;
	head->timeouts[HG_STATE_ICMP] = t->icmp;
	head->timeouts[HG_STATE_ICMP_REPLIED] = t->icmp;
	head->timeouts[HG_STATE_OTHER] = t->other;
	head->timeouts[HG_STATE_OTHER_REPLIED] = t->other;
}

static int balancing_write(struct build *b, struct hg_header *head)
{
	struct targets targets = { 0 };
	int r = targets_room(b);

	if (r == 0)
		r = balancers_write(b, &targets, head);
	if (r == 0)
		r = inspects_write(b, &targets, head);
	if (r == 0)
		r = targets_write(b, &targets, head);
	targets_done(&targets);
	return r;
}

static int build_run(struct build *b)
{
	struct hg_header head = { .magic = HG_IMAGE_MAGIC, .abi = HG_ABI };
	_cleanup_free_ uint32_t(*lines)[2] = calloc(
		b->m->n_interfaces + b->m->n_nat_gateways + b->m->n_load_balancers + 1,
		sizeof(*lines));
	uint32_t line;
	int r;

	if (!lines)
		return -ENOMEM;
	settings_fill(&b->m->settings, &head);
	r = lines_reserve(&b->lines, sizeof(head) / HG_LINE, &line);
	if (r == 0)
		r = rules_write(b, &head);
	if (r == 0)
		r = zones_choose(b);
	if (r == 0)
		r = nats_choose(b);
	if (r == 0)
		r = balancers_choose(b);
	if (r == 0)
		r = routes_write(b, &head);
	/* Without numbers for all there is nothing to compile. */
	if (r < 0 || b->n_refused)
		return r;
	r = vpcs_write(b, lines, &head);
	if (r == 0)
		r = subnets_write(b, &head);
	if (r == 0)
		r = interfaces_write(b, (const uint32_t(*)[2])lines, &head);
	if (r == 0)
		r = gateways_write(b, &head);
	if (r == 0)
		r = uplinks_write(b, &head);
	if (r == 0)
		r = balancing_write(b, &head);
	if (r == 0)
		r = exempt_write_header(b, &head.exempt);
	if (r == 0)
		r = limits_write(b, &head);
	if (r == 0)
		r = names_write(b, &head);
	if (r < 0)
		return r;
	head.n_classifiers = b->n_classifiers;
	head.n_lines = (uint32_t)b->lines.n;
	memcpy(lines_at(&b->lines, line), &head, sizeof(head));
	return 0;
}

static int build_init(struct build *b, const struct model *m, const struct facts *facts,
		      struct diag *diag)
{
	int r;

	*b = (struct build){ .m = m, .facts = facts, .diag = diag };
	r = devices_list(m, &b->devices);
	if (r < 0)
		return r;
	b->nacl_rules = calloc(m->n_nacls * 2 + 1, sizeof(uint32_t));
	b->nacl_lines = calloc(m->n_nacls * 2 + 1, sizeof(uint32_t));
	b->group_rules = calloc(m->n_groups * 2 + 1, sizeof(uint32_t));
	b->vpc_zones = calloc(m->n_vpcs + 1, sizeof(uint32_t));
	b->interface_zones = calloc(m->n_interfaces + 1, sizeof(uint32_t));
	b->uplink_zones = calloc(b->devices.n_uplinks + 1, sizeof(uint32_t));
	b->table_routes = calloc(m->n_route_tables + 1, sizeof(uint32_t));
	b->table_lines = calloc(m->n_route_tables + 1, sizeof(uint32_t));
	b->onward_lines = calloc(m->n_route_tables + 1, sizeof(uint32_t));
	b->vpc_gateways = calloc(m->n_vpcs + 1, sizeof(uint32_t));
	b->nat_ids = calloc(m->n_nat_gateways + 1, sizeof(uint32_t));
	b->meters = calloc(m->n_load_balancers + m->n_gateway_load_balancers + 1,
			   sizeof(uint32_t));
	b->vip_peers = calloc(id_of_vip(m, m->n_load_balancers), sizeof(uint32_t));
	b->device_gateways = calloc(b->devices.n + 1, sizeof(uint32_t));
	if (!b->nacl_rules || !b->nacl_lines || !b->group_rules || !b->vpc_zones ||
	    !b->interface_zones || !b->uplink_zones || !b->table_routes ||
	    !b->table_lines || !b->onward_lines || !b->vpc_gateways || !b->nat_ids ||
	    !b->meters || !b->vip_peers || !b->device_gateways)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_internet_gateways; i++)
		b->vpc_gateways[m->internet_gateways[i].vpc] = id_of_internet_gateway(i);
	gateways_choose(b);
	return 0;
}

static void build_done(struct build *b)
{
	lines_done(&b->lines);
	pool_done(&b->shapes);
	pool_done(&b->exempts);
	free(b->nacl_rules);
	free(b->nacl_lines);
	free(b->group_rules);
	free(b->vpc_zones);
	free(b->interface_zones);
	free(b->uplink_zones);
	free(b->table_routes);
	free(b->table_lines);
	free(b->onward_lines);
	free(b->vpc_gateways);
	free(b->nat_ids);
	free(b->meters);
	free(b->vip_peers);
	free(b->device_gateways);
	vec_done(&b->pool_zones);
	devices_done(&b->devices);
}

int image_compile(const struct model *m, const struct facts *facts, struct diag *diag,
		  struct image **ret_image)
{
	struct build b;
	struct image *image = NULL;
	int r;

	r = build_init(&b, m, facts, diag);
	if (r == 0)
		r = build_run(&b);
	if (r == -E2BIG)
		build_refuse(&b, NULL,
			     "the compiled rule set would be larger than %u MiB",
			     HG_MAX_IMAGE_LINES / (1U << 20) * HG_LINE);
	if (b.n_refused)
		r = -EINVAL;
	if (r == 0) {
		image = malloc(sizeof(*image));
		r = image ? 0 : -ENOMEM;
	}
	if (r == 0) {
		*image = (struct image){ b.lines.line, b.lines.n };
		b.lines.line = NULL;
		*ret_image = image;
	}
	build_done(&b);
	return r;
}

void image_free(struct image *image)
{
	if (!image)
		return;
	free(image->lines);
	free(image);
}
