/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <string.h>

#include "base/cleanup.h"
#include "config/fields.h"
#include "config/names.h"

/* A VPC that stands twice is one VPC and one complaint. */
static size_t vpcs_count(const struct reader *r)
{
	size_t n = 1;

	for (size_t i = 1; i < r->slots[NOUN_VPC].n; i++)
		n += strcmp(r->slots[NOUN_VPC].items[i].name,
			    r->slots[NOUN_VPC].items[i - 1].name) != 0;
	return n;
}

/* Whose VPC nobody named has the only one there is. */
static void vpc_default(struct reader *r, enum noun noun, size_t i, int *vpc)
{
	const struct slot *slot = &r->slots[noun].items[i];

	if (!slot->at.json)
		*vpc = slot->vpc;
	if (*vpc != LINK_ABSENT)
		return;
	*vpc = LINK_BROKEN;
	if (vpcs_count(r) == 1)
		*vpc = 0;
	else if (json_is_object(slot->at.json))
		complain(r, slot->at, "\"vpc\" is missing: there are %zu VPCs",
			 vpcs_count(r));
}

static void vpcs_default(struct reader *r)
{
	static const enum noun own[] = { NOUN_SUBNET,
					 NOUN_NACL,
					 NOUN_GROUP,
					 NOUN_ROUTE_TABLE,
					 NOUN_INTERNET_GATEWAY,
					 NOUN_EGRESS_ONLY_GATEWAY,
					 NOUN_TARGET_GROUP,
					 NOUN_LOAD_BALANCER,
					 NOUN_GATEWAY_LOAD_BALANCER };

	for (size_t k = 0; k < ARRAY_SIZE(own); k++)
		for (size_t i = 0; i < r->slots[own[k]].n; i++)
			vpc_default(r, own[k], i, vpc_at(r, own[k], i));
}

/* An interface is in its subnet's VPC, whether it says so or not. */
static void interface_vpcs_default(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_interfaces; i++) {
		struct interface *x = &m->interfaces[i];

		if (x->vpc == LINK_ABSENT && x->subnet >= 0)
			x->vpc = m->subnets[x->subnet].vpc;
		else if (x->vpc == LINK_ABSENT && x->subnet == LINK_BROKEN)
			x->vpc = LINK_BROKEN;
		else
			vpc_default(r, NOUN_INTERFACE, i, &x->vpc);
	}
}

/* A NAT gateway is in its subnet's VPC. */
static void nat_vpcs_default(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		struct nat_gateway *n = &m->nat_gateways[i];

		n->vpc = n->subnet >= 0 ? m->subnets[n->subnet].vpc : LINK_BROKEN;
	}
}

/* Every packet, to or from anywhere of one family. */
static struct cidr anywhere(unsigned char family)
{
	return (struct cidr){ .addr = { .family = family } };
}

static void implicit_nacl(struct reader *r, struct nacl *n)
{
	struct nacl_rule rule = {
		.allow = true,
		.match = { .protocol = -1, .icmp_type = -1, .icmp_code = -1 },
		.where = n->where,
	};

	n->is_implicit = true;
	for (int d = 0; d < 2; d++) {
		n->rules[d] = reader_alloc(r, 2, sizeof(rule));
		if (!n->rules[d])
			return;
		n->n_rules[d] = 2;
		for (unsigned i = 0; i < 2; i++) {
			rule.number = 100 + i;
			rule.cidr.cidr = anywhere(i == 0 ? 4 : 6);
			n->rules[d][i] = rule;
		}
	}
}

static void implicit_group(struct reader *r, struct group *g, int index)
{
	struct group_rule *in, *out;
	struct peer *members, *all;

	g->is_implicit = true;
	in = reader_alloc(r, 1, sizeof(*in));
	out = reader_alloc(r, 1, sizeof(*out));
	members = reader_alloc(r, 1, sizeof(*members));
	all = reader_alloc(r, 2, sizeof(*all));
	if (!in || !out || !members || !all)
		return;
	*members = (struct peer){ .kind = PEER_GROUP, .index = index };
	all[0].cidr = anywhere(4);
	all[1].cidr = anywhere(6);
	*in = *out = (struct group_rule){
		.match = { .protocol = -1, .icmp_type = -1, .icmp_code = -1 },
		.where = g->where,
	};
	in->peers = members;
	in->n_peers = 1;
	out->peers = all;
	out->n_peers = 2;
	g->rules[0] = in;
	g->rules[1] = out;
	g->n_rules[0] = g->n_rules[1] = 1;
}

/* The first of a VPC's main tables is it; route_tables_check() complains of others. */
static void main_tables_make(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_route_tables; i++) {
		struct route_table *t = &m->route_tables[i];

		if (!r->slots[NOUN_ROUTE_TABLE].items[i].at.json) {
			t->is_implicit = t->is_main = true;
			t->where = m->vpcs[t->vpc].where;
		}
		if (t->is_main && t->vpc >= 0 && m->vpcs[t->vpc].main_table < 0)
			m->vpcs[t->vpc].main_table = (int)i;
	}
}

/* Makes what names_collect() announced, and the defaults of each VPC. */
static void implicit_make(struct reader *r)
{
	struct model *m = r->model;

	main_tables_make(r);

	for (size_t i = 0; i < m->n_nacls; i++)
		if (!r->slots[NOUN_NACL].items[i].at.json) {
			m->nacls[i].where = m->vpcs[m->nacls[i].vpc].where;
			implicit_nacl(r, &m->nacls[i]);
			m->vpcs[m->nacls[i].vpc].default_nacl = (int)i;
		}
	for (size_t i = 0; i < m->n_groups; i++)
		if (!r->slots[NOUN_GROUP].items[i].at.json) {
			m->groups[i].where = m->vpcs[m->groups[i].vpc].where;
			implicit_group(r, &m->groups[i], (int)i);
			m->vpcs[m->groups[i].vpc].default_group = (int)i;
		}
}

/* Who names no group has the VPC's default. */
static void groups_default(struct reader *r, int vpc, int **groups, size_t *n_groups)
{
	int *one;

	if (*n_groups > 0 || vpc < 0)
		return;
	one = reader_alloc(r, 1, sizeof(*one));
	if (!one)
		return;
	*one = r->model->vpcs[vpc].default_group;
	*groups = one;
	*n_groups = 1;
}

static void timeout_default(uint32_t *own, uint32_t usual)
{
	if (*own == 0)
		*own = usual;
}

static void interface_default(struct reader *r, struct interface *x)
{
	const struct timeouts *t = &r->model->settings.timeouts;

	timeout_default(&x->timeouts.tcp_established, t->tcp_established);
	timeout_default(&x->timeouts.tcp_syn, t->tcp_syn);
	timeout_default(&x->timeouts.tcp_closing, t->tcp_closing);
	timeout_default(&x->timeouts.udp, t->udp);
	timeout_default(&x->timeouts.udp_stream, t->udp_stream);
	timeout_default(&x->timeouts.icmp, t->icmp);
	timeout_default(&x->timeouts.other, t->other);
	groups_default(r, x->vpc, &x->groups, &x->n_groups);
}

static void references_default(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].nacl == LINK_ABSENT && m->subnets[i].vpc >= 0)
			m->subnets[i].nacl = m->vpcs[m->subnets[i].vpc].default_nacl;
	for (size_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].route_table == LINK_ABSENT && m->subnets[i].vpc >= 0)
			m->subnets[i].route_table = m->vpcs[m->subnets[i].vpc].main_table;
	for (size_t i = 0; i < m->n_nat_gateways; i++)
		if (m->nat_gateways[i].is_instance)
			groups_default(r, m->nat_gateways[i].vpc,
				       &m->nat_gateways[i].groups,
				       &m->nat_gateways[i].n_groups);
	for (size_t i = 0; i < m->n_interfaces; i++)
		interface_default(r, &m->interfaces[i]);
}

static void routed_set(struct model *m, int vpc)
{
	if (vpc >= 0)
		m->vpcs[vpc].is_routed = true;
}

/* Whose routes count; see struct vpc. */
static void routed_mark(struct reader *r)
{
	static const enum noun nouns_of[] = { NOUN_INTERNET_GATEWAY,
					      NOUN_EGRESS_ONLY_GATEWAY,
					      NOUN_NAT_GATEWAY };
	struct model *m = r->model;

	for (size_t k = 0; k < ARRAY_SIZE(nouns_of); k++)
		for (size_t i = 0; i < r->slots[nouns_of[k]].n; i++)
			routed_set(m, *vpc_at(r, nouns_of[k], i));
	for (size_t i = 0; i < m->n_route_tables; i++)
		if (!m->route_tables[i].is_implicit)
			routed_set(m, m->route_tables[i].vpc);
	for (size_t i = 0; i < m->n_peerings; i++)
		for (int k = 0; k < 2; k++)
			routed_set(m, m->peerings[i].vpcs[k]);
	for (size_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].device)
			routed_set(m, m->subnets[i].vpc);
}

static int cidr_order(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

/* A rule set that names no VPC says nothing of its extent; where routes are obeyed it is that of
 * its subnets. Else nothing would be local, and nothing inside as seen from an uplink. */
static void extent_default(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_vpcs; i++) {
		struct vpc *v = &m->vpcs[i];
		size_t n = 0;

		if (*v->name || !v->is_routed)
			continue;
		for (size_t k = 0; k < m->n_subnets; k++)
			n += (size_t)m->subnets[k].vpc == i ? m->subnets[k].n_cidrs : 0;
		v->cidrs = reader_alloc(r, n + 1, sizeof(*v->cidrs));
		if (!v->cidrs)
			return;
		for (size_t k = 0; k < m->n_subnets; k++)
			for (size_t j = 0; j < m->subnets[k].n_cidrs; j++)
				if ((size_t)m->subnets[k].vpc == i &&
				    m->subnets[k].cidrs[j].addr.family != 0)
					v->cidrs[v->n_cidrs++] = m->subnets[k].cidrs[j];
		qsort(v->cidrs, v->n_cidrs, sizeof(*v->cidrs), cidr_order);
	}
}

/* What no field presets, because no key sets it. */
static void derived_preset(struct model *m)
{
	for (size_t i = 0; i < m->n_vpcs; i++)
		m->vpcs[i].main_table = LINK_ABSENT;
	for (size_t i = 0; i < m->n_nat_gateways; i++)
		m->nat_gateways[i].vpc = LINK_ABSENT;
	for (size_t i = 0; i < m->n_elastic_ips; i++)
		m->elastic_ips[i].nat_gateway = m->elastic_ips[i].load_balancer =
			LINK_ABSENT;
}

/* In the order in which the VPCs of objects become known. */
static void references_check(struct reader *r)
{
	links_check(r, NOUN_VPC);
	vpcs_default(r);
	links_check(r, NOUN_SUBNET);
	interface_vpcs_default(r);
	nat_vpcs_default(r);
	for (unsigned noun = 0; noun < NOUNS; noun++)
		if (noun != NOUN_VPC && noun != NOUN_SUBNET)
			links_check(r, noun);
}

void rules_check(struct reader *r)
{
	derived_preset(r->model);
	references_check(r);
	implicit_make(r);
	if (r->is_short)
		return;
	routed_mark(r);
	vpcs_check(r);
	subnets_check(r);
	extent_default(r);
	nacls_check(r);
	groups_check(r);
	interfaces_check(r);
	devices_check(r);
	references_default(r);
	route_tables_check(r);
	gateways_check(r);
	elastic_ips_check(r);
	nat_gateways_check(r);
	peerings_check(r);
	target_groups_check(r);
	load_balancers_check(r);
	gateway_load_balancers_check(r);
	rate_limits_check(r);
	addresses_check(r);
	settings_default(r);
}
