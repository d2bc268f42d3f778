/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

#define DEREGISTRATION_DELAY 300 /* seconds; AWS's */
#define DELAY_MAX            3600
#define DRAINING_MAX         360000
#define GENEVE_PORT          6081 /* RFC 8926 */

static const struct choice protocols[] = { { "tcp", TARGET_TCP },
					   { "udp", TARGET_UDP },
					   { "tcp_udp", TARGET_TCP_UDP },
					   { "geneve", TARGET_GENEVE },
					   {} };
static const struct choice stickinesses[] = { { "none", STICKY_NONE },
					      { "source_ip", STICKY_SOURCE_IP },
					      {} };
static const struct choice failovers[] = { { "no_rebalance", false },
					   { "rebalance", true },
					   {} };
static const struct choice percentages[] = { { "off", 0 }, {} };

const char *target_protocol_name(enum target_protocol protocol)
{
	return protocols[protocol].name;
}

/* ---- the fields ---- */

static void own_cross_read(struct reader *r, const struct field *f, struct at at,
			   void *object)
{
	struct target_group *g = object;

	(void)f;
	if (json_is_bool(at.json))
		g->cross_zone = json_bool(at.json);
	else
		complain_type(r, at, "true or false");
}

static void own_cross_preset(const struct field *f, void *object)
{
	(void)f;
	((struct target_group *)object)->cross_zone = -1;
}

static void never_read(struct reader *r, const struct field *f, struct at at,
		       void *object)
{
	(void)object;
	if (!json_is_bool(at.json))
		complain_type(r, at, "false");
	else if (json_bool(at.json))
		complain(
			r, at,
			"\"%s\" is not built: what it puts into a connection would shift "
			"each later sequence number; \"preserve_client_ip\" shows a "
			"target its client",
			f->key);
}

static const struct kind kind_own_cross = { "`true` or `false`", own_cross_read,
					    schema_bool, own_cross_preset };
static const struct kind kind_never = { "`false`", never_read, schema_never, NULL };

static const struct field target_fields[] = {
	{ "interface", &kind_reference, offsetof(struct target, interface),
	  .noun = NOUN_INTERFACE,
	  .help = "Its first address of each family; not this host's. Each target has "
		  "this or "
		  "`address`." },
	{ "address", &kind_address, offsetof(struct target, address),
	  .help = "Unicast, and neither a balancer's nor this host's." },
	{ "port", &kind_number, offsetof(struct target, port), .min = 1,
	  .max = UINT16_MAX, .size = sizeof(uint16_t),
	  .help = "Without it: the group's." },
	{ "weight", &kind_number, offsetof(struct target, weight), .flags = FIELD_PRESET,
	  .min = 0, .max = HG_MAX_TARGET_WEIGHT, .preset = 1, .size = sizeof(uint32_t),
	  .help = "Its share of new connections; 0: none." },
	{ "zone", &kind_text, offsetof(struct target, zone), .min = 1, .max = HG_MAX_NAME,
	  .help = "Without it: that of the subnet that contains it, or none." },
	{},
};

static const struct field unhealthy_fields[] = {
	{ "connection_termination", &kind_bool,
	  offsetof(struct target_group, unhealthy_termination),
	  .help = "Existing connections of a target that becomes unhealthy are reset. "
		  "Without it: of `tcp` groups; others have no such thing." },
	{ "draining_interval", &kind_number,
	  offsetof(struct target_group, unhealthy_draining), .min = 0,
	  .max = DRAINING_MAX, .size = sizeof(uint32_t),
	  .help = "Seconds for which it is `unhealthy.draining` where they are not." },
	{},
};

static const struct field minimum_fields[] = {
	{ "count", &kind_number, offsetof(struct target_group, minimum_count),
	  .flags = FIELD_PRESET, .min = 1, .max = HG_MAX_TARGETS, .preset = 1,
	  .size = sizeof(uint32_t), .help = "With fewer healthy ones all are used." },
	{ "percentage", &kind_number_or,
	  offsetof(struct target_group, minimum_percentage), .flags = FIELD_PRESET,
	  .min = 1, .max = 100, .choices = percentages, .size = sizeof(uint32_t),
	  .help = "The same, of all registered ones." },
	{},
};

static void target_after(struct reader *r, struct at at, void *element)
{
	((struct target *)element)->where = where_of(r, at);
}

const struct field target_group_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct target_group, vpc), .noun = NOUN_VPC,
	  .help = "May be left out where there is one VPC or none." },
	{ "protocol", &kind_choice, offsetof(struct target_group, protocol),
	  .flags = FIELD_REQUIRED | FIELD_PRESET, .preset = CHOICE_BROKEN,
	  .choices = protocols, .size = sizeof(int),
	  .help = "A `tcp` listener forwards to `tcp` and `tcp_udp` groups, `udp` to "
		  "`udp` and `tcp_udp`, `tcp_udp` to `tcp_udp`. `geneve`: appliances of "
		  "a "
		  "gateway load balancer." },
	{ "port", &kind_number, offsetof(struct target_group, port),
	  .flags = FIELD_REQUIRED, .min = 1, .max = UINT16_MAX, .size = sizeof(uint16_t),
	  .help = "Where targets listen that say no other; 6081 with `geneve`." },
	{ "targets", &kind_objects, offsetof(struct target_group, targets),
	  offsetof(struct target_group, n_targets), .max = HG_MAX_TARGETS,
	  .fields = target_fields, .size = sizeof(struct target), .after = target_after,
	  .help = "An address and port stand once. One that leaves is drained." },
	{ "health_check", &kind_object, offsetof(struct target_group, health_check),
	  .fields = health_check_fields, .help = "From this gateway." },
	{ "preserve_client_ip", &kind_bool,
	  offsetof(struct target_group, preserve_client_ip),
	  .help = "Targets see the client's address, not the balancer's. Without it: "
		  "true with `udp` and `tcp_udp`, and where every target is an "
		  "interface." },
	{ "stickiness", &kind_choice, offsetof(struct target_group, stickiness),
	  .flags = FIELD_PRESET, .preset = STICKY_NONE, .choices = stickinesses,
	  .size = sizeof(int),
	  .help = "`source_ip`: the connections of a client go to one target." },
	{ "cross_zone", &kind_own_cross,
	  .help = "Without it: as the balancer says. See there." },
	{ "deregistration_delay", &kind_number,
	  offsetof(struct target_group, deregistration_delay), .flags = FIELD_PRESET,
	  .min = 0, .max = DELAY_MAX, .preset = DEREGISTRATION_DELAY,
	  .size = sizeof(uint32_t),
	  .help = "Seconds for which a target that has left is `draining`. Connections "
		  "may outlive it." },
	{ "connection_termination", &kind_bool,
	  offsetof(struct target_group, connection_termination),
	  .help = "They may not. Without it: false with `tcp` and `geneve`." },
	{ "unhealthy", &kind_object, .fields = unhealthy_fields,
	  .help = "What becomes of the connections of an unhealthy target." },
	{ "minimum_healthy_targets", &kind_object, .fields = minimum_fields,
	  .help = "When unhealthy targets are used, too." },
	{ "target_failover", &kind_choice, offsetof(struct target_group, is_rebalancing),
	  .flags = FIELD_PRESET, .preset = false, .choices = failovers,
	  .size = sizeof(bool),
	  .help = "Of `geneve`: whether connections leave an appliance that is unhealthy "
		  "or gone." },
	{ "proxy_protocol", &kind_never, .help = "There is none." },
	{},
};

/* ---- what it leaves out ---- */

static bool takes_udp(const struct target_group *g)
{
	return g->protocol == TARGET_UDP || g->protocol == TARGET_TCP_UDP;
}

static bool has_interfaces_only(const struct target_group *g)
{
	for (size_t i = 0; i < g->n_targets; i++)
		if (g->targets[i].interface == LINK_ABSENT)
			return false;
	return true;
}

/* Of the keys some are not for every protocol. */
static void protocol_check(struct reader *r, struct at at, const struct target_group *g)
{
	static const char *const keys[] = { "preserve_client_ip", "stickiness",
					    "connection_termination", "unhealthy" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (g->protocol == TARGET_GENEVE && json_get(at.json, keys[i]))
			complain(r, at_get(at, keys[i]), "\"%s\" is not for appliances",
				 keys[i]);
	if (g->protocol != TARGET_GENEVE && json_get(at.json, "target_failover"))
		complain(r, at_get(at, "target_failover"),
			 "\"target_failover\" is for appliances only");
	if (g->protocol == TARGET_GENEVE && g->port != GENEVE_PORT && g->port != 0)
		complain(r, at_get(at, "port"), "the port of GENEVE is %d, not %u",
			 GENEVE_PORT, g->port);
}

static void unhealthy_default(struct reader *r, struct at at, struct target_group *g)
{
	struct at own = at_get(at, "unhealthy"),
		  given = at_get(own, "connection_termination");

	if (!given.json)
		g->unhealthy_termination = g->protocol == TARGET_TCP;
	if (g->unhealthy_termination && takes_udp(g))
		complain(r, given,
			 "connections are reset in \"tcp\" groups only, not in \"%s\"",
			 target_protocol_name(g->protocol));
	if (g->unhealthy_termination && g->unhealthy_draining > 0)
		complain(r, at_get(own, "draining_interval"),
			 "\"draining_interval\" wants \"connection_termination\": false "
			 "beside it");
}

void target_group_after(struct reader *r, struct at at, void *object)
{
	struct target_group *g = object;

	if ((int)g->protocol == CHOICE_BROKEN)
		return;
	if (!json_get(at.json, "preserve_client_ip"))
		g->preserve_client_ip = takes_udp(g) || (g->protocol == TARGET_TCP &&
							 has_interfaces_only(g));
	if (!json_get(at.json, "connection_termination"))
		g->connection_termination = takes_udp(g);
	for (size_t i = 0; i < g->n_targets; i++)
		if (g->targets[i].port == 0)
			g->targets[i].port = g->port;
	protocol_check(r, at, g);
	unhealthy_default(r, at, g);
	health_check_default(r, at, g);
}

/* ---- the check ---- */

/* What no target is: the virtual addresses, and those of this host, by VPC and address. */
struct taken {
	const struct addr *addr;
	int vpc, balancer; /* -1: this host */
};

/* A group in hand. */
struct muster {
	struct reader *r;
	struct target_group *group;
	struct at list;
	struct extents extents;
	struct taken *taken;
	size_t n_taken;
};

static void muster_done(struct muster *m)
{
	extents_done(&m->extents);
	free(m->taken);
}

static int compare_taken(const void *pa, const void *pb)
{
	const struct taken *a = pa, *b = pb;
	int r = (a->vpc > b->vpc) - (a->vpc < b->vpc);

	return r != 0 ? r : addr_compare(a->addr, b->addr);
}

static bool muster_init(struct reader *r, struct muster *ret)
{
	const struct model *m = r->model;
	size_t n = 0;

	for (size_t i = 0; i < m->n_load_balancers; i++)
		n += m->load_balancers[i].n_vips;
	for (size_t i = 0; i < m->n_interfaces; i++)
		n += m->interfaces[i].is_local ? m->interfaces[i].n_addresses : 0;
	ret->r = r;
	ret->taken = reader_room(r, n, sizeof(*ret->taken));
	if (!ret->taken)
		return false;
	for (size_t i = 0; i < m->n_load_balancers; i++)
		for (size_t k = 0; k < m->load_balancers[i].n_vips; k++)
			ret->taken[ret->n_taken++] =
				(struct taken){ &m->load_balancers[i].vips[k].address,
						m->load_balancers[i].vpc, (int)i };
	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0;
		     m->interfaces[i].is_local && k < m->interfaces[i].n_addresses; k++)
			ret->taken[ret->n_taken++] =
				(struct taken){ &m->interfaces[i].addresses[k],
						m->interfaces[i].vpc, -1 };
	qsort(ret->taken, ret->n_taken, sizeof(*ret->taken), compare_taken);
	return extents_init(r, &ret->extents);
}

static const struct addr *family_find(const struct interface *x, unsigned family)
{
	for (size_t k = 0; k < x->n_addresses; k++)
		if (x->addresses[k].family == family)
			return &x->addresses[k];
	return NULL;
}

/* A balancer hands nothing to a balancer, and nothing to the kernel, whose answers leave by a
 * door that knows of no balancer. */
static void address_check(const struct muster *m, const struct target *t, struct at at)
{
	const struct taken key = { &t->address, m->group->vpc, 0 }, *taken;
	char buf[ADDR_TEXT];

	addr_print(&t->address, buf);
	if (addr_is_special(&t->address) || addr_is_mapped(&t->address)) {
		complain(m->r, at_get(at, "address"), "%s cannot be a target's address",
			 buf);
		return;
	}
	taken = bsearch(&key, m->taken, m->n_taken, sizeof(key), compare_taken);
	if (taken && taken->balancer < 0)
		complain(m->r, at_get(at, "address"),
			 "%s is this host's: its answers would not come back through the "
			 "balancer",
			 buf);
	else if (taken)
		complain(m->r, at_get(at, "address"),
			 "%s is a virtual address of load balancer \"%s\"", buf,
			 m->r->model->load_balancers[taken->balancer].name);
}

/* What is checked, and where it is. */
static void interface_take(const struct muster *m, struct target *t, struct at at)
{
	const struct interface *x = &m->r->model->interfaces[t->interface];
	const struct addr *a = family_find(x, 4);

	if (!a)
		a = family_find(x, 6);
	if (a)
		t->address = *a;
	if (x->is_local)
		complain(m->r, at_get(at, "interface"),
			 "interface \"%s\" is this host's: its answers would not come "
			 "back "
			 "through the balancer",
			 x->name);
	else if (!a)
		complain(m->r, at_get(at, "interface"),
			 "interface \"%s\" has no address in the rule set", x->name);
	if (!t->zone && x->subnet >= 0)
		t->zone = m->r->model->subnets[x->subnet].zone;
}

/* An outer packet comes from the router of the appliance's subnet, in IPv4. */
static void appliance_check(const struct muster *m, const struct target *t, struct at at)
{
	char buf[ADDR_TEXT];
	int subnet;

	if (t->address.family == 6)
		complain(m->r, at, "an appliance is reached by IPv4, and %s is not",
			 addr_print(&t->address, buf));
	else if (!extent_find(&m->extents, m->group->vpc, &t->address, &subnet))
		complain(m->r, at, "%s is in no subnet of VPC \"%s\"",
			 addr_print(&t->address, buf),
			 m->r->slots[NOUN_VPC].items[m->group->vpc].name);
	if (t->port != GENEVE_PORT && json_get(at.json, "port"))
		complain(m->r, at_get(at, "port"), "the port of GENEVE is %d, not %u",
			 GENEVE_PORT, t->port);
}

static void target_check(const struct muster *m, struct target *t, struct at at)
{
	int vpc = m->group->vpc, subnet;

	if (!json_is_object(at.json))
		return;
	if (!json_get(at.json, "address") == !json_get(at.json, "interface")) {
		complain(m->r, at,
			 "a target has either an \"interface\" or an \"address\"");
		t->interface = LINK_BROKEN;
		t->address.family = 0;
		return;
	}
	if (t->interface >= 0)
		interface_take(m, t, at);
	else if (t->address.family != 0)
		address_check(m, t, at);
	if (t->address.family == 0 || vpc < 0)
		return;
	if (!t->zone && extent_find(&m->extents, vpc, &t->address, &subnet))
		t->zone = m->r->model->subnets[subnet].zone;
	if (m->group->protocol == TARGET_GENEVE)
		appliance_check(m, t, at);
}

/* An address that a target has, of an interface one of each family. */
struct member {
	const struct addr *addr;
	uint16_t port;
	size_t target;
};

static int compare_same(const struct member *a, const struct member *b)
{
	int r = addr_compare(a->addr, b->addr);

	return r != 0 ? r : (a->port > b->port) - (a->port < b->port);
}

static int compare_members(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;
	int r = compare_same(a, b);

	return r != 0 ? r : (a->target > b->target) - (a->target < b->target);
}

static size_t members_put(const struct model *m, const struct target_group *g,
			  struct member *members)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_targets; i++) {
		const struct target *t = &g->targets[i];

		for (unsigned family = 4; family <= 6; family += 2) {
			const struct addr *a = &t->address;

			if (t->interface >= 0)
				a = family_find(&m->interfaces[t->interface], family);
			if (a && a->family == family)
				members[n++] = (struct member){ a, t->port, i };
		}
	}
	return n;
}

static void repeats_check(const struct muster *m)
{
	const struct target_group *g = m->group;
	_cleanup_free_ struct member *members =
		reader_room(m->r, 2 * g->n_targets, sizeof(*members));
	char buf[ADDR_TEXT];
	size_t n;

	if (!members)
		return;
	n = members_put(m->r->model, g, members);
	qsort(members, n, sizeof(*members), compare_members);
	for (size_t i = 1; i < n && !reader_is_full(m->r); i++)
		if (compare_same(&members[i - 1], &members[i]) == 0)
			complain(m->r, at_nth(m->list, members[i].target),
				 "port %u of %s is that of target %zu already",
				 members[i].port, addr_print(members[i].addr, buf),
				 members[i - 1].target);
}

void target_groups_check(struct reader *r)
{
	_cleanup_(muster_done) struct muster m = {};

	if (!muster_init(r, &m))
		return;
	for (size_t i = 0; i < r->model->n_target_groups && !reader_is_full(r); i++) {
		struct at at = r->slots[NOUN_TARGET_GROUP].items[i].at;

		m.group = &r->model->target_groups[i];
		m.list = at_get(at, "targets");
		at = at_nth(m.list, 0);
		for (size_t k = 0; k < m.group->n_targets; k++) {
			target_check(&m, &m.group->targets[k], at);
			at.json = json_next(at.json);
		}
		repeats_check(&m);
	}
}
