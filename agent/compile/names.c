/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 4 /* a line */

static size_t rules_count(const struct model *m)
{
	size_t n = 1;

	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < m->n_nacls; i++)
			n += m->nacls[i].n_rules[d] + 1;
		for (size_t i = 0; i < m->n_groups; i++)
			n += m->groups[i].n_rules[d];
	}
	for (size_t i = 0; i < m->n_route_tables; i++)
		n += m->route_tables[i].n_routes +
		     m->vpcs[m->route_tables[i].vpc].n_cidrs;
	return n;
}

static void nacl_rules_fill(struct build *b, size_t i, struct hg_rule *rules,
			    uint32_t *next)
{
	const struct nacl *nacl = &b->m->nacls[i];

	for (uint32_t d = 0; d < 2; d++) {
		struct hg_rule rule = { .object = object_of_nacl(b->m, i),
					.direction = d };

		b->nacl_rules[i * 2 + d] = *next;
		for (size_t k = 0; k < nacl->n_rules[d]; k++) {
			rule.number = nacl->rules[d][k].number;
			rule.flags = nacl->rules[d][k].allow;
			rules[(*next)++] = rule;
		}
		rule.number = HG_RULE_DEFAULT;
		rule.flags = 0;
		rules[(*next)++] = rule;
	}
}

static void group_rules_fill(struct build *b, size_t i, struct hg_rule *rules,
			     uint32_t *next)
{
	const struct group *group = &b->m->groups[i];

	for (uint32_t d = 0; d < 2; d++) {
		b->group_rules[i * 2 + d] = *next;
		for (uint32_t k = 0; k < group->n_rules[d]; k++)
			rules[(*next)++] = (struct hg_rule){
				.object = object_of_group(b->m, i),
				.number = k,
				.direction = d,
				.flags = 1,
			};
	}
}

/* A rule each route. */
static void route_rules_fill(struct build *b, size_t i, struct hg_rule *rules,
			     uint32_t *next)
{
	const struct route_table *table = &b->m->route_tables[i];
	struct hg_rule rule = { .object = object_of_route_table(b->m, i) };

	b->table_routes[i] = *next - b->route_rules;
	for (uint32_t k = 0; k < table->n_routes; k++) {
		rule.number = k;
		rule.flags = table->routes[k].kind != ROUTE_BLACKHOLE;
		rules[(*next)++] = rule;
	}
	for (uint32_t k = 0; k < b->m->vpcs[table->vpc].n_cidrs; k++) {
		rule.number = HG_RULE_LOCAL + k;
		rule.flags = 1;
		rules[(*next)++] = rule;
	}
	b->n_routes = *next - b->route_rules - 1;
}

int rules_write(struct build *b, struct hg_header *head)
{
	const struct model *m = b->m;
	size_t n = rules_count(m);
	uint32_t line, next = 1;
	int r;

	if (n > HG_MAX_RULES) {
		build_refuse(b, NULL, "%zu rules; at most %u are possible", n - 1,
			     HG_MAX_RULES - 1);
		n = 1;
	}
	r = lines_reserve(&b->lines, (n + RECORDS - 1) / RECORDS, &line);
	if (r < 0)
		return r;
	head->rules = (struct hg_table){ line, (uint32_t)n };
	head->n_rules = (uint32_t)n;
	if (n == 1)
		return 0;
	for (size_t i = 0; i < m->n_nacls; i++)
		nacl_rules_fill(b, i, lines_at(&b->lines, line), &next);
	for (size_t i = 0; i < m->n_groups; i++)
		group_rules_fill(b, i, lines_at(&b->lines, line), &next);
	b->route_rules = next - 1;
	for (size_t i = 0; i < m->n_route_tables; i++)
		route_rules_fill(b, i, lines_at(&b->lines, line), &next);
	return 0;
}

struct names {
	VEC(char) text;
	VEC(struct hg_object) objects;
	VEC(struct hg_zone) zones;
};

static bool text_add(struct names *n, const char *s, bool with_end)
{
	for (; *s; s++)
		if (!vec_push(&n->text, *s))
			return false;
	return !with_end || vec_push(&n->text, '\0');
}

static bool object_add(struct names *n, uint32_t kind, const char *name, bool is_implicit)
{
	struct hg_object o = { kind, (uint32_t)n->text.n, is_implicit, 0 };

	return text_add(n, name, true) && vec_push(&n->objects, o);
}

/* Of a kind of which VPCs have implicit ones. */
static bool object_add_of(struct names *n, uint32_t kind, const char *name,
			  bool is_implicit, uint32_t vpc)
{
	struct hg_object o = { kind, (uint32_t)n->text.n, is_implicit,
			       is_implicit ? vpc : 0 };

	return text_add(n, name, true) && vec_push(&n->objects, o);
}

static bool zone_add(struct names *n, const char *kind, const char *name, uint32_t zone)
{
	struct hg_zone z = { .zone = zone, .text = (uint32_t)n->text.n };

	return text_add(n, kind, false) && text_add(n, name, true) &&
	       vec_push(&n->zones, z);
}

static bool balancers_collect(const struct model *m, struct names *n)
{
	bool ok = true;

	for (size_t i = 0; i < m->n_target_groups && ok; i++)
		ok = object_add(n, HG_OBJECT_TARGET_GROUP, m->target_groups[i].name,
				false);
	for (size_t i = 0; i < m->n_load_balancers && ok; i++)
		ok = object_add(n, HG_OBJECT_LOAD_BALANCER, m->load_balancers[i].name,
				false);
	for (size_t i = 0; i < m->n_gateway_load_balancers && ok; i++)
		ok = object_add(n, HG_OBJECT_GATEWAY_LOAD_BALANCER,
				m->gateway_load_balancers[i].name, false);
	for (size_t i = 0; i < m->n_rate_limits && ok; i++)
		ok = object_add(n, HG_OBJECT_RATE_LIMIT, m->rate_limits[i].name, false);
	return ok;
}

static bool gateways_collect(const struct build *b, struct names *n)
{
	const struct model *m = b->m;
	bool ok = true;

	for (size_t i = 0; i < m->n_route_tables && ok; i++)
		ok = object_add_of(n, HG_OBJECT_ROUTE_TABLE, m->route_tables[i].name,
				   m->route_tables[i].is_implicit,
				   object_of_vpc((size_t)m->route_tables[i].vpc));
	for (size_t i = 0; i < m->n_internet_gateways && ok; i++)
		ok = object_add(n, HG_OBJECT_INTERNET_GATEWAY,
				m->internet_gateways[i].name, false);
	for (size_t i = 0; i < m->n_egress_only_gateways && ok; i++)
		ok = object_add(n, HG_OBJECT_EGRESS_ONLY_GATEWAY,
				m->egress_only_gateways[i].name, false);
	for (size_t i = 0; i < m->n_elastic_ips && ok; i++)
		ok = object_add(n, HG_OBJECT_ELASTIC_IP, m->elastic_ips[i].name, false);
	for (size_t i = 0; i < m->n_nat_gateways && ok; i++)
		ok = object_add(n, HG_OBJECT_NAT_GATEWAY, m->nat_gateways[i].name, false);
	for (size_t i = 0; i < m->n_peerings && ok; i++)
		ok = object_add(n, HG_OBJECT_PEERING, m->peerings[i].name, false);
	ok = ok && balancers_collect(m, n);
	for (size_t i = 0; i < b->devices.n && ok; i++)
		if (b->devices.list[i].role == HG_ROLE_UPLINK)
			ok = zone_add(n, "uplink/", b->devices.list[i].name,
				      b->uplink_zones[b->devices.list[i].index]);
	return ok;
}

/* In the order of object_of_*(). */
static bool names_collect(const struct build *b, struct names *n)
{
	const struct model *m = b->m;
	bool ok = object_add(n, HG_OBJECT_NONE, "", false) &&
		  vec_push(&n->zones, (struct hg_zone){ 0 });

	for (size_t i = 0; i < m->n_vpcs && ok; i++)
		ok = object_add(n, HG_OBJECT_VPC, m->vpcs[i].name, !*m->vpcs[i].name) &&
		     zone_add(n, "vpc/", m->vpcs[i].name, b->vpc_zones[i]);
	for (size_t i = 0; i < m->n_subnets && ok; i++)
		ok = object_add(n, HG_OBJECT_SUBNET, m->subnets[i].name, false);
	for (size_t i = 0; i < m->n_nacls && ok; i++)
		ok = object_add_of(n, HG_OBJECT_NACL, m->nacls[i].name,
				   m->nacls[i].is_implicit,
				   object_of_vpc((size_t)m->nacls[i].vpc));
	for (size_t i = 0; i < m->n_groups && ok; i++)
		ok = object_add_of(n, HG_OBJECT_GROUP, m->groups[i].name,
				   m->groups[i].is_implicit,
				   object_of_vpc((size_t)m->groups[i].vpc));
	for (size_t i = 0; i < m->n_interfaces && ok; i++) {
		const struct interface *f = &m->interfaces[i];

		ok = object_add(n, HG_OBJECT_INTERFACE, f->name, false) &&
		     (!b->interface_zones[i] ||
		      zone_add(n, "interface/", f->name, b->interface_zones[i]));
	}
	return ok && gateways_collect(b, n);
}

/* The names of the pools' zones, where the pools point to them. */
static bool pool_zones_collect(struct build *b, struct hg_table pools, struct names *n)
{
	struct hg_pool *pool = lines_at(&b->lines, pools.line);
	const char *last = NULL;
	uint32_t text = 0;

	for (size_t i = 0; i < b->pool_zones.n; i++) {
		const char *zone = b->pool_zones.items[i];

		if (!zone)
			continue;
		if (!last || strcmp(last, zone) != 0) {
			text = (uint32_t)n->text.n;
			if (!text_add(n, zone, true))
				return false;
		}
		last = zone;
		pool[i].zone = text;
	}
	return true;
}

static int bytes_write(struct build *b, const void *bytes, size_t size, size_t n,
		       struct hg_table *ret)
{
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, (size + HG_LINE - 1) / HG_LINE, &line);
	if (r < 0)
		return r;
	memcpy(lines_at(&b->lines, line), bytes, size);
	*ret = (struct hg_table){ line, (uint32_t)n };
	return 0;
}

int names_write(struct build *b, struct hg_header *head)
{
	struct names n = { 0 };
	int r = names_collect(b, &n) && pool_zones_collect(b, head->pools, &n) ? 0
									       : -ENOMEM;

	if (r == 0)
		r = bytes_write(b, n.objects.items,
				n.objects.n * sizeof(struct hg_object), n.objects.n,
				&head->objects);
	if (r == 0)
		r = bytes_write(b, n.zones.items, n.zones.n * sizeof(struct hg_zone),
				n.zones.n, &head->zones);
	if (r == 0)
		r = bytes_write(b, n.text.items, n.text.n, n.text.n, &head->text);
	vec_done(&n.text);
	vec_done(&n.objects);
	vec_done(&n.zones);
	return r;
}
