/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

#define IDLE_TIMEOUT 350 /* seconds; AWS's */

static const struct choice modes[] = { { "gateway", false }, { "instance", true }, {} };
static const struct choice protocols[] = { { "tcp", PROTOCOL_TCP },
					   { "udp", PROTOCOL_UDP },
					   {} };

/* ---- the fields ---- */

/* A port without leading zeroes; 0 where there is none. */
static uint16_t port_parse(const char *s)
{
	size_t n = strspn(s, "0123456789");
	unsigned long port =
		n > 0 && n <= 5 && s[0] != '0' && !s[n] ? strtoul(s, NULL, 10) : 0;

	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void forward_to_read(struct reader *r, const struct field *f, struct at at,
			    void *object)
{
	const char *s = json_string(at.json), *colon = s ? strchr(s, ':') : NULL;
	struct nat_forward *forward = object;
	char text[ADDR_TEXT] = "", buf[VALUE_TEXT];
	size_t n = colon ? (size_t)(colon - s) : s ? strlen(s) : 0;
	uint16_t port = colon ? port_parse(colon + 1) : 0;
	struct addr a;

	(void)f;
	if (!s) {
		complain_type(r, at, "an address");
		return;
	}
	if (n < sizeof(text))
		memcpy(text, s, n);
	if (addr_parse(text, &a) < 0 || a.family != 4 || (colon && port == 0)) {
		complain(r, at, "%s is neither ADDRESS nor ADDRESS:PORT in IPv4",
			 text_quote(s, buf));
		return;
	}
	forward->to = a;
	forward->to_port = port;
}

static const struct kind kind_forward_to = { "`\"ADDRESS\"` or `\"ADDRESS:PORT\"`",
					     forward_to_read, schema_forward, NULL };

static const struct field forward_fields[] = {
	{ "protocol", &kind_choice, offsetof(struct nat_forward, protocol),
	  .flags = FIELD_REQUIRED, .choices = protocols, .size = sizeof(int),
	  .help = "A protocol with ports." },
	{ "port", &kind_number, offsetof(struct nat_forward, port),
	  .flags = FIELD_REQUIRED, .min = 1, .max = UINT16_MAX, .size = sizeof(uint16_t),
	  .help = "Of its own addresses. A port of a protocol is forwarded once." },
	{ "to", &kind_forward_to, .flags = FIELD_REQUIRED,
	  .help = "IPv4, inside the VPC. Without a port: the same one." },
	{},
};

static void forward_after(struct reader *r, struct at at, void *element)
{
	struct nat_forward *forward = element;

	(void)r;
	(void)at;
	if (forward->to_port == 0)
		forward->to_port = forward->port;
}

const struct field nat_gateway_fields[] = {
	{ "subnet", &kind_reference, offsetof(struct nat_gateway, subnet),
	  .flags = FIELD_REQUIRED, .noun = NOUN_SUBNET,
	  .help = "Where it stands, and so its VPC: this subnet's network ACL and routes "
		  "are met between it and the outside." },
	{ "private_address", &kind_address, offsetof(struct nat_gateway, private_address),
	  .flags = FIELD_REQUIRED,
	  .help = "IPv4, inside the subnet, and nobody else's." },
	{ "elastic_ips", &kind_references, offsetof(struct nat_gateway, elastic_ips),
	  offsetof(struct nat_gateway, n_elastic_ips), .noun = NOUN_ELASTIC_IP,
	  .max = HG_MAX_NAT_ADDRESSES,
	  .help = "Its public addresses. Without any it is private: peerings and the "
		  "VPC, not the internet." },
	{ "idle_timeout", &kind_number, offsetof(struct nat_gateway, idle_timeout),
	  .flags = FIELD_PRESET, .min = 1, .max = HG_MAX_IDLE_TIMEOUT,
	  .preset = IDLE_TIMEOUT, .size = sizeof(uint32_t),
	  .help = "Seconds after which a silent connection is forgotten." },
	{ "mode", &kind_choice, offsetof(struct nat_gateway, is_instance),
	  .flags = FIELD_PRESET, .choices = modes, .size = sizeof(bool),
	  .help = "`instance`: it has security groups and forwards ports." },
	{ "security_groups", &kind_references, offsetof(struct nat_gateway, groups),
	  offsetof(struct nat_gateway, n_groups), .noun = NOUN_GROUP,
	  .max = HG_MAX_INTERFACE_GROUPS,
	  .help = "Of an instance. Without any: the VPC's default." },
	{ "forwards", &kind_objects, offsetof(struct nat_gateway, forwards),
	  offsetof(struct nat_gateway, n_forwards), .max = HG_MAX_NAT_FORWARDS,
	  .fields = forward_fields, .size = sizeof(struct nat_forward),
	  .after = forward_after,
	  .help = "Of an instance: ports that are let in, and to where." },
	{},
};

/* ---- the check ---- */

static struct at nat_at(const struct reader *r, const struct nat_gateway *n)
{
	return r->slots[NOUN_NAT_GATEWAY].items[n - r->model->nat_gateways].at;
}

static void private_check(struct reader *r, const struct nat_gateway *n)
{
	const struct subnet *s = n->subnet >= 0 ? &r->model->subnets[n->subnet] : NULL;
	struct at at = at_get(nat_at(r, n), "private_address");
	const struct addr *a = &n->private_address;
	char addr[ADDR_TEXT], cidr[CIDR_TEXT];
	const struct cidr *c = NULL;

	if (a->family == 0)
		return;
	addr_print(a, addr);
	if (a->family != 4) {
		complain(r, at, "%s is no IPv4 address", addr);
		return;
	}
	for (size_t k = 0; s && k < s->n_cidrs; k++)
		if (cidr_contains(&s->cidrs[k], a))
			c = &s->cidrs[k];
	if (s && !c)
		complain(r, at, "%s is not inside a CIDR of subnet \"%s\"", addr,
			 s->name);
	else if (c && addr_role(c, a))
		complain(r, at, "%s is reserved in %s: %s", addr, cidr_print(c, cidr),
			 addr_role(c, a));
}

/* A list has 64 at most, so each is compared with each. */
static void forwards_check(struct reader *r, const struct nat_gateway *n)
{
	const struct vpc *vpc = n->vpc >= 0 ? &r->model->vpcs[n->vpc] : NULL;
	struct at list = at_get(nat_at(r, n), "forwards");
	char buf[ADDR_TEXT];

	for (size_t i = 0; i < n->n_forwards; i++) {
		const struct nat_forward *f = &n->forwards[i];
		bool is_inside = !vpc || vpc->n_cidrs == 0 || f->to.family == 0;

		for (size_t k = 0; k < i; k++)
			if (f->port > 0 && f->protocol == n->forwards[k].protocol &&
			    f->port == n->forwards[k].port)
				complain(r, at_nth(list, i),
					 "port %u of %s is forwarded by element %zu "
					 "already",
					 f->port,
					 f->protocol == PROTOCOL_TCP ? "TCP" : "UDP", k);
		for (size_t k = 0; !is_inside && k < vpc->n_cidrs; k++)
			is_inside = cidr_contains(&vpc->cidrs[k], &f->to);
		if (!is_inside)
			complain(r, at_get(at_nth(list, i), "to"),
				 "%s is not inside a CIDR of VPC \"%s\"",
				 addr_print(&f->to, buf), vpc->name);
	}
}

static void mode_check(struct reader *r, const struct nat_gateway *n)
{
	static const char *const keys[] = { "security_groups", "forwards" };
	struct at at = nat_at(r, n), mode = at_get(at, "mode");

	/* A mode that could not be read may have been meant to be that one. */
	if (n->is_instance ||
	    (mode.json && (!json_is_string(mode.json) ||
			   strcmp(json_string(mode.json), "gateway") != 0)))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_get(at.json, keys[i]))
			complain(r, at_get(at, keys[i]),
				 "\"%s\" wants \"mode\": \"instance\" beside it",
				 keys[i]);
}

/* Public addresses are the internet gateway's to translate. */
static void public_check(struct reader *r, const struct nat_gateway *n)
{
	const struct model *m = r->model;
	struct at list = at_get(nat_at(r, n), "elastic_ips");
	int table = n->subnet >= 0 ? m->subnets[n->subnet].route_table : LINK_ABSENT;
	bool has_route = false;

	if (n->n_elastic_ips == 0 || n->vpc < 0)
		return;
	if (internet_gateway_find(m, n->vpc) < 0) {
		complain(r, list, "VPC \"%s\" has no internet gateway",
			 m->vpcs[n->vpc].name);
		return;
	}
	for (size_t k = 0; table >= 0 && k < m->route_tables[table].n_routes; k++)
		has_route |=
			m->route_tables[table].routes[k].kind == ROUTE_INTERNET_GATEWAY;
	if (table >= 0 && !has_route)
		warn(r, list,
		     "route table \"%s\" of subnet \"%s\" has no route to an internet "
		     "gateway",
		     m->route_tables[table].name, m->subnets[n->subnet].name);
}

/* The subnet that it stands in is not served. */
static void loop_warn(struct reader *r, const struct nat_gateway *n)
{
	const struct model *m = r->model;
	int table = n->subnet >= 0 ? m->subnets[n->subnet].route_table : LINK_ABSENT;

	for (size_t k = 0; table >= 0 && k < m->route_tables[table].n_routes; k++) {
		const struct route *route = &m->route_tables[table].routes[k];

		if (route->kind != ROUTE_NAT_GATEWAY ||
		    route->target != (int)(n - m->nat_gateways))
			continue;
		warn(r, at_get(nat_at(r, n), "subnet"),
		     "route table \"%s\" of its own subnet leads to it, which serves "
		     "other "
		     "subnets only",
		     m->route_tables[table].name);
		return;
	}
}

void nat_gateways_check(struct reader *r)
{
	const struct model *m = r->model;

	for (size_t i = 0; i < m->n_nat_gateways && !reader_is_full(r); i++) {
		const struct nat_gateway *n = &m->nat_gateways[i];

		private_check(r, n);
		mode_check(r, n);
		forwards_check(r, n);
		groups_check_once(r, n->groups, n->n_groups, nat_at(r, n));
		public_check(r, n);
		loop_warn(r, n);
	}
}
