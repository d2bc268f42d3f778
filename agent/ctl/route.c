/* SPDX-License-Identifier: Apache-2.0 */

/* Route tables as one reads them: the VPC's own CIDRs first, then what is written. A CIDR of the
 * VPC that a written route replaces has no line of its own. A route is a black hole where it says
 * so, and where what it names cannot take a packet now. */
#include "base/cleanup.h"
#include "compile/build.h"
#include "compile/explain.h"
#include "config/json.h"
#include "ctl/device.h"
#include "ctl/hits.h"
#include "ctl/request.h"

static bool has_family(const struct interface *f, uint8_t family)
{
	for (size_t i = 0; i < f->n_addresses; i++)
		if (f->addresses[i].family == family)
			return true;
	return false;
}

/* Why packets to an interface get nowhere, as the packet path has it. 'family' 0: either. */
static const char *interface_trouble(const struct agent *a, const struct interface *f,
				     uint8_t family, char buf[static DEVICE_TROUBLE])
{
	const struct subnet *s = f->subnet < 0 ? NULL : &a->model->subnets[f->subnet];

	if (f->device)
		return device_trouble(a, f->device, buf);
	if (family ? !has_family(f, family) : f->n_addresses == 0)
		return "it has no address of this family";
	if (!s || !s->device)
		return "neither it nor its subnet has a device";
	return device_trouble(a, s->device, buf);
}

static const char *route_trouble(const struct agent *a, const struct route *route,
				 char buf[static DEVICE_TROUBLE])
{
	const struct model *m = a->model;

	switch (route->kind) {
	case ROUTE_INTERNET_GATEWAY:
		return device_trouble(a, m->internet_gateways[route->target].device, buf);
	case ROUTE_EGRESS_ONLY_GATEWAY:
		return device_trouble(a, m->egress_only_gateways[route->target].device,
				      buf);
	case ROUTE_INTERFACE:
		return interface_trouble(
			a, &m->interfaces[route->target],
			route->prefix_list < 0 ? route->to.addr.family : 0, buf);
	default:
		return NULL;
	}
}

static bool is_replaced(const struct route_table *table, const struct cidr *cidr)
{
	for (size_t i = 0; i < table->n_routes; i++)
		if (table->routes[i].prefix_list < 0 &&
		    cidr_compare(&table->routes[i].to, cidr) == 0)
			return true;
	return false;
}

/* What all lines of an answer share. */
struct listing {
	const struct agent *agent;
	struct image image;
	struct hits hits;
};

static struct json *route_json(const struct listing *l, const struct hg_rule *rule)
{
	const struct model *m = l->agent->model;
	char to[DESTINATION_TEXT], via[TARGET_TEXT];
	struct json *j = json_new_object();

	json_set_string(j, "to", route_destination(&l->image, m, rule, to));
	json_set_string(j, "via", route_target(&l->image, m, rule, via));
	hits_json(&l->hits, rule->object, 0, rule->number, j);
	return j;
}

static void state_json(struct json *j, const char *origin, bool is_active,
		       const char *why)
{
	json_set_string(j, "origin", origin);
	json_set_string(j, "state", is_active ? "active" : "blackhole");
	json_set_string(j, "why", why);
}

static struct json *routes_json(const struct listing *l, const struct route_table *table)
{
	const struct model *m = l->agent->model;
	const struct vpc *vpc = &m->vpcs[table->vpc];
	struct hg_rule rule = {
		.object = object_of_route_table(m, (size_t)(table - m->route_tables)),
	};
	struct json *list = json_new_array();
	char why[DEVICE_TROUBLE];

	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		if (is_replaced(table, &vpc->cidrs[i]))
			continue;
		rule.number = HG_RULE_LOCAL + i;
		state_json(json_add(list, route_json(l, &rule)), "local", true, NULL);
	}
	for (uint32_t i = 0; i < table->n_routes; i++) {
		const struct route *route = &table->routes[i];
		const char *trouble = route_trouble(l->agent, route, why);

		rule.number = i;
		state_json(json_add(list, route_json(l, &rule)),
			   route->prefix_list < 0 ? "static" : "prefix_list",
			   !trouble && route->kind != ROUTE_BLACKHOLE, trouble);
	}
	return list;
}

void verb_routes(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct listing l = { .agent = q->agent };
	struct json *list;

	if (!m || hits_init(&l.hits, q->agent) < 0)
		return;
	l.image = dataplane_image(q->agent->dp);
	list = json_new_array();
	for (size_t i = 0; i < m->n_route_tables; i++) {
		const struct route_table *table = &m->route_tables[i];
		struct json *j = json_add(list, json_new_object()), *subnets;

		json_set_string(j, "name", table->name);
		json_set_string(j, "vpc", m->vpcs[table->vpc].name);
		json_set_bool(j, "implicit", table->is_implicit);
		json_set_bool(j, "main", table->is_main);
		subnets = json_set(j, "subnets", json_new_array());
		for (size_t k = 0; k < m->n_subnets; k++)
			if (m->subnets[k].route_table == (int)i)
				json_add(subnets, json_new_string(m->subnets[k].name));
		json_set(j, "routes", routes_json(&l, table));
	}
	hits_done(&l.hits);
	reply_json(reply, 200, list);
}
