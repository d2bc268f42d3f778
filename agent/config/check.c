/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <string.h>

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
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_subnets; i++)
		vpc_default(r, NOUN_SUBNET, i, &m->subnets[i].vpc);
	for (size_t i = 0; i < m->n_nacls; i++)
		vpc_default(r, NOUN_NACL, i, &m->nacls[i].vpc);
	for (size_t i = 0; i < m->n_groups; i++)
		vpc_default(r, NOUN_GROUP, i, &m->groups[i].vpc);
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

/* Makes what names_collect() announced, and the defaults of each VPC. */
static void implicit_make(struct reader *r)
{
	struct model *m = r->model;

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
	if (x->n_groups > 0 || x->vpc < 0)
		return;
	x->groups = reader_alloc(r, 1, sizeof(*x->groups));
	if (!x->groups)
		return;
	x->groups[0] = r->model->vpcs[x->vpc].default_group;
	x->n_groups = 1;
}

static void references_default(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].nacl == LINK_ABSENT && m->subnets[i].vpc >= 0)
			m->subnets[i].nacl = m->vpcs[m->subnets[i].vpc].default_nacl;
	for (size_t i = 0; i < m->n_interfaces; i++)
		interface_default(r, &m->interfaces[i]);
}

void rules_check(struct reader *r)
{
	links_check(r, NOUN_VPC);
	vpcs_default(r);
	links_check(r, NOUN_SUBNET);
	interface_vpcs_default(r);
	links_check(r, NOUN_PREFIX_LIST);
	links_check(r, NOUN_NACL);
	links_check(r, NOUN_GROUP);
	implicit_make(r);
	if (r->is_short)
		return;
	vpcs_check(r);
	subnets_check(r);
	nacls_check(r);
	groups_check(r);
	interfaces_check(r);
	references_default(r);
	settings_default(r);
}
