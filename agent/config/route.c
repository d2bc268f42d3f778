/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/names.h"
#include "config/schema.h"

/* What a route may lead to by name. */
static const struct {
	enum noun noun;
	enum route_kind kind;
} targets[] = {
	{ NOUN_INTERNET_GATEWAY, ROUTE_INTERNET_GATEWAY },
	{ NOUN_NAT_GATEWAY, ROUTE_NAT_GATEWAY },
	{ NOUN_EGRESS_ONLY_GATEWAY, ROUTE_EGRESS_ONLY_GATEWAY },
	{ NOUN_PEERING, ROUTE_PEERING },
	{ NOUN_INTERFACE, ROUTE_INTERFACE },
};

/* ---- the fields ---- */

static void destination_read(struct reader *r, const struct field *f, struct at at,
			     void *object)
{
	const char *s = json_string(at.json);
	struct route *route = object;
	struct cidr c;

	(void)f;
	if (!s)
		complain_type(r, at, "a CIDR or prefix list");
	else if (strncmp(s, "prefix_list/", 12) == 0)
		link_add(r, NOUN_PREFIX_LIST, s, &route->prefix_list, at);
	else if (cidr_parse(s, &c) < 0 && !(s[0] >= '0' && s[0] <= '9'))
		complain_peer(r, at, s, false);
	else
		cidr_read(r, at, s, &route->to);
}

static void destination_preset(const struct field *f, void *object)
{
	(void)f;
	((struct route *)object)->prefix_list = LINK_ABSENT;
}

/* A bare name is no target, because several kinds can stand here. */
static void complain_via(struct reader *r, struct at at, const char *s)
{
	char buf[VALUE_TEXT];

	text_quote(s, buf);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (name_find(r, targets[i].noun, s) >= 0) {
			complain(r, at, "the %s is written \"%s/%s\"",
				 nouns[targets[i].noun].title,
				 nouns[targets[i].noun].kind, s);
			return;
		}
	complain(r, at,
		 "%s is no target: local, blackhole, or internet_gateway/NAME, "
		 "nat_gateway/NAME, egress_only_gateway/NAME, peering/NAME, "
		 "interface/NAME",
		 buf);
}

static void via_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	const char *s = json_string(at.json);
	struct route *route = object;

	(void)f;
	if (!s) {
		complain_type(r, at, "a target");
		return;
	}
	if (strcmp(s, "local") == 0 || strcmp(s, "blackhole") == 0) {
		route->kind = s[0] == 'l' ? ROUTE_LOCAL : ROUTE_BLACKHOLE;
		route->target = LINK_ABSENT;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		const char *kind = nouns[targets[i].noun].kind;
		size_t n = strlen(kind);

		if (strncmp(s, kind, n) != 0 || s[n] != '/')
			continue;
		route->kind = targets[i].kind;
		link_add(r, targets[i].noun, s, &route->target, at);
		return;
	}
	if (strncmp(s, "gateway_load_balancer/", 22) == 0)
		complain(r, at, "\"gateway_load_balancer\" is not available yet");
	else
		complain_via(r, at, s);
}

/* A route whose target could not be read is not judged. */
static void via_preset(const struct field *f, void *object)
{
	(void)f;
	((struct route *)object)->target = LINK_BROKEN;
}

static const struct kind kind_destination = { "CIDR or `prefix_list/NAME`",
					      destination_read, schema_destination,
					      destination_preset };
static const struct kind kind_via = {
	"`local`, `blackhole`, or `internet_gateway/NAME`, `nat_gateway/NAME`, "
	"`egress_only_gateway/NAME`, `peering/NAME`, `interface/NAME`",
	via_read, schema_via, via_preset
};

static const struct field route_fields[] = {
	{ "to", &kind_destination, .flags = FIELD_REQUIRED,
	  .help = "The destination. One that a table has as a CIDR comes before the same "
		  "one in a prefix list." },
	{ "via", &kind_via, .flags = FIELD_REQUIRED,
	  .help = "Where it goes; `blackhole` drops it. A CIDR of the VPC may go to a "
		  "NAT gateway or interface instead of `local`, and so may the whole "
		  "CIDR "
		  "of a subnet; nothing else inside the VPC may be routed." },
	{},
};

static void route_after(struct reader *r, struct at at, void *element)
{
	((struct route *)element)->where = where_of(r, at);
}

const struct field route_table_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct route_table, vpc), .noun = NOUN_VPC,
	  .help = "May be left out where there is one VPC or none." },
	{ "main", &kind_bool, offsetof(struct route_table, is_main),
	  .flags = FIELD_PRESET,
	  .help = "For subnets that name none; one a VPC. Without it: one without "
		  "routes." },
	{ "routes", &kind_objects, offsetof(struct route_table, routes),
	  offsetof(struct route_table, n_routes), .max = HG_MAX_ROUTES,
	  .fields = route_fields, .size = sizeof(struct route), .after = route_after,
	  .help = "Beside the local ones." },
	{},
};
