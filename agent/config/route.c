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
	{ NOUN_GATEWAY_LOAD_BALANCER, ROUTE_GATEWAY_LOAD_BALANCER },
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
		 "interface/NAME, gateway_load_balancer/NAME",
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
	"`egress_only_gateway/NAME`, `peering/NAME`, `interface/NAME`, "
	"`gateway_load_balancer/NAME`",
	via_read, schema_via, via_preset
};

static const struct field route_fields[] = {
	{ "to", &kind_destination, .flags = FIELD_REQUIRED,
	  .help = "The destination. One that a table has as a CIDR comes before the same "
		  "one in a prefix list." },
	{ "via", &kind_via, .flags = FIELD_REQUIRED,
	  .help = "Where it goes; `blackhole` drops it. A CIDR of the VPC may go to a "
		  "NAT gateway, interface or gateway load balancer instead of `local`, "
		  "and so may the whole "
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

/* ---- the check ---- */

/* A CIDR of a subnet. */
struct piece {
	const struct cidr *cidr;
	int vpc, subnet;
};

/* A route in hand, and all subnets by VPC and CIDR. */
struct trip {
	struct reader *r;
	const struct route_table *table;
	const struct route *route;
	struct at at;
	const struct piece *pieces;
	size_t n_pieces;
};

static bool cidr_is_inside(const struct cidr *c, const struct cidr *outer)
{
	return outer->len <= c->len && cidr_contains(outer, &c->addr);
}

/* Destinations are sorted, a single one or a prefix list's million: those inside 'outer'
 * stand together, behind where it would stand. */
static size_t range_find(const struct cidr *to, size_t n, const struct cidr *outer,
			 size_t *ret_n)
{
	size_t low = 0, high = n, first;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (cidr_compare(&to[mid], outer) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	first = low;
	high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (cidr_is_inside(&to[mid], outer))
			low = mid + 1;
		else
			high = mid;
	}
	*ret_n = low - first;
	return first;
}

static int compare_pieces(const void *pa, const void *pb)
{
	const struct piece *a = pa, *b = pb;
	int r = (a->vpc > b->vpc) - (a->vpc < b->vpc);

	return r != 0 ? r : cidr_compare(a->cidr, b->cidr);
}

static bool is_middle(const struct route *route)
{
	return route->kind == ROUTE_NAT_GATEWAY || route->kind == ROUTE_INTERFACE ||
	       route->kind == ROUTE_GATEWAY_LOAD_BALANCER;
}

/* What is more specific than local: AWS's exception is a whole subnet. */
static bool subnet_check(const struct trip *t, const struct cidr *c,
			 const struct cidr *own)
{
	const struct piece key = { c, t->table->vpc, 0 }, *piece;
	char a[CIDR_TEXT], b[CIDR_TEXT];

	piece = bsearch(&key, t->pieces, t->n_pieces, sizeof(key), compare_pieces);
	if (piece && is_middle(t->route))
		return true;
	if (!piece)
		complain(t->r, at_get(t->at, "to"),
			 "%s is inside %s of the VPC, and not the whole CIDR of a subnet",
			 cidr_print(c, a), cidr_print(own, b));
	else
		complain(t->r, at_get(t->at, "via"),
			 "%s is that of subnet \"%s\": only a NAT gateway, an interface "
			 "or a gateway load balancer may stand before it",
			 cidr_print(c, a),
			 t->r->slots[NOUN_SUBNET].items[piece->subnet].name);
	return false;
}

/* A destination that lies in the VPC's 'own'. */
static bool inside_check(const struct trip *t, const struct cidr *c,
			 const struct cidr *own)
{
	char buf[CIDR_TEXT];

	if (c->len > own->len)
		return subnet_check(t, c, own);
	/* An entry of a prefix list gives way to the local route of the same CIDR. */
	if (is_middle(t->route) || t->route->kind == ROUTE_LOCAL ||
	    t->route->prefix_list != LINK_ABSENT)
		return true;
	complain(t->r, at_get(t->at, "via"),
		 "%s is a CIDR of the VPC: only local, a NAT gateway, an interface or a "
		 "gateway load balancer may stand for it",
		 cidr_print(c, buf));
	return false;
}

static bool vpc_check(const struct trip *t, const struct cidr *to, size_t n)
{
	const struct vpc *vpc = &t->r->model->vpcs[t->table->vpc];
	size_t n_local = 0, n_inside;
	char buf[CIDR_TEXT];

	for (size_t i = 0; i < vpc->n_cidrs; i++) {
		const struct cidr *own = &vpc->cidrs[i];
		size_t first = range_find(to, n, own, &n_inside);

		for (size_t k = first; k < first + n_inside; k++)
			if (own->addr.family != 0 && !inside_check(t, &to[k], own))
				return false;
		n_local += n_inside;
	}
	/* A VPC without CIDRs has no local routes but those that are written. */
	if (t->route->kind != ROUTE_LOCAL || vpc->n_cidrs == 0 || n_local >= n)
		return true;
	complain(t->r, at_get(t->at, "via"),
		 "%s is no CIDR of the VPC, so it is not local",
		 n == 1 ? cidr_print(to, buf) : "some of the prefix list");
	return false;
}

/* AWS keeps some for the services of its hosts. */
static bool reserved_check(const struct trip *t, const struct cidr *to, size_t n)
{
	static const struct cidr reserved[] = {
		{ { 4, { 169, 254, 168 } }, 22 },
		{ { 6, { 0xfd, 0, 0x0e, 0xc2 } }, 32 },
	};
	char a[CIDR_TEXT], b[CIDR_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		size_t n_inside, first = range_find(to, n, &reserved[i], &n_inside);

		if (n_inside == 0)
			continue;
		complain(t->r, at_get(t->at, "to"),
			 "%s is inside %s, where no route may lead",
			 cidr_print(&to[first], a), cidr_print(&reserved[i], b));
		return false;
	}
	return true;
}

/* IPv4 comes before IPv6. */
static bool family_check(const struct trip *t, const struct cidr *to, size_t n)
{
	static const struct cidr nat64 = { { 6, { 0, 0x64, 0xff, 0x9b } }, 96 },
				 all6 = { { .family = 6 }, 0 };
	size_t n_nat64, n_six, first;
	char buf[CIDR_TEXT];

	if (t->route->kind == ROUTE_EGRESS_ONLY_GATEWAY && n > 0 &&
	    to[0].addr.family == 4) {
		complain(t->r, at_get(t->at, "via"),
			 "%s is IPv4; an egress-only gateway carries IPv6",
			 cidr_print(&to[0], buf));
		return false;
	}
	range_find(to, n, &nat64, &n_nat64);
	first = range_find(to, n, &all6, &n_six);
	if (t->route->kind == ROUTE_NAT_GATEWAY && n_six > n_nat64) {
		if (cidr_is_inside(&to[first], &nat64))
			first = n - 1;
		complain(t->r, at_get(t->at, "via"),
			 "%s is IPv6; of that a NAT gateway carries 64:ff9b::/96",
			 cidr_print(&to[first], buf));
		return false;
	}
	return true;
}

/* Beyond the other VPC a peering leads nowhere. */
static void peering_check(const struct trip *t, const struct cidr *to, size_t n)
{
	const struct model *m = t->r->model;
	const struct peering *p = &m->peerings[t->route->target];
	size_t n_inside, n_there = 0;
	const struct vpc *far;
	char buf[CIDR_TEXT];

	if (p->vpcs[0] < 0 || p->vpcs[1] < 0)
		return;
	if (p->vpcs[0] != t->table->vpc && p->vpcs[1] != t->table->vpc) {
		complain(t->r, at_get(t->at, "via"),
			 "peering \"%s\" does not connect VPC \"%s\"", p->name,
			 m->vpcs[t->table->vpc].name);
		return;
	}
	far = &m->vpcs[p->vpcs[p->vpcs[0] == t->table->vpc]];
	for (size_t i = 0; i < far->n_cidrs; i++) {
		range_find(to, n, &far->cidrs[i], &n_inside);
		n_there += n_inside;
	}
	if (n_there < n)
		warn(t->r, at_get(t->at, "to"),
		     "%s is not inside the CIDRs of VPC \"%s\"; what is not is dropped",
		     n == 1 ? cidr_print(to, buf) : "some of the prefix list", far->name);
}

static bool has_family(const struct interface *x, unsigned family)
{
	for (size_t k = 0; k < x->n_addresses; k++)
		if (x->addresses[k].family == family)
			return true;
	return false;
}

/* By a subnet's device an instance is sent to by its address. */
static void next_hop_check(const struct trip *t, const struct cidr *to, size_t n)
{
	const struct interface *x = &t->r->model->interfaces[t->route->target];

	if (x->device || n == 0)
		return;
	for (unsigned family = 4; family <= 6; family += 2)
		if ((to[0].addr.family == family || to[n - 1].addr.family == family) &&
		    !has_family(x, family)) {
			warn(t->r, at_get(t->at, "via"),
			     "interface \"%s\" has neither a device nor an IPv%u address "
			     "to send this to",
			     x->name, family);
			return;
		}
}

/* An interface takes what is for others only when it says so. */
static void interface_check(const struct trip *t, const struct cidr *to, size_t n)
{
	const struct interface *x = &t->r->model->interfaces[t->route->target];

	for (size_t k = 0; n == 1 && k < x->n_addresses; k++)
		if (to->len == (to->addr.family == 4 ? 32 : 128) &&
		    addr_compare(&to->addr, &x->addresses[k]) == 0)
			return;
	if (x->source_dest_check)
		warn(t->r, at_get(t->at, "via"),
		     "interface \"%s\" has source_dest_check: what is not for its own "
		     "addresses is dropped there",
		     x->name);
}

static void route_check(const struct trip *t)
{
	const struct route *route = t->route;
	const struct cidr *to = &route->to;
	size_t n = 1;

	if (route->target == LINK_BROKEN || route->prefix_list == LINK_BROKEN ||
	    (route->prefix_list == LINK_ABSENT && to->addr.family == 0))
		return;
	if (route->prefix_list >= 0) {
		to = t->r->model->prefix_lists[route->prefix_list].entries;
		n = t->r->model->prefix_lists[route->prefix_list].n_entries;
	}
	if (!reserved_check(t, to, n) || !vpc_check(t, to, n) || !family_check(t, to, n))
		return;
	if (route->kind == ROUTE_PEERING)
		peering_check(t, to, n);
	if (route->kind == ROUTE_INTERFACE) {
		interface_check(t, to, n);
		next_hop_check(t, to, n);
	}
}

static int compare_routes(const struct route *a, const struct route *b)
{
	int r = (a->prefix_list > b->prefix_list) - (a->prefix_list < b->prefix_list);

	return r != 0 ? r : cidr_compare(&a->to, &b->to);
}

static int compare_places(const void *pa, const void *pb)
{
	const struct route *a = *(const struct route *const *)pa,
			   *b = *(const struct route *const *)pb;
	int r = compare_routes(a, b);

	return r != 0 ? r : (a > b) - (a < b);
}

/* A destination stands once in a table, and so does a prefix list. */
static void repeats_check(struct reader *r, const struct route_table *table,
			  struct at routes)
{
	_cleanup_free_ const struct route **sorted =
		reader_room(r, table->n_routes, sizeof(*sorted));
	char buf[VALUE_TEXT];

	if (!sorted)
		return;
	for (size_t i = 0; i < table->n_routes; i++)
		sorted[i] = &table->routes[i];
	qsort(sorted, table->n_routes, sizeof(*sorted), compare_places);
	for (size_t i = 1; i < table->n_routes && !reader_is_full(r); i++) {
		const struct route *route = sorted[i];
		struct at to;

		if (compare_routes(route, sorted[i - 1]) != 0 ||
		    route->prefix_list == LINK_BROKEN ||
		    (route->prefix_list < 0 && route->to.addr.family == 0))
			continue;
		to = at_get(at_nth(routes, (size_t)(route - table->routes)), "to");
		complain(r, to, "%s stands at %s, too", value_print(to.json, buf),
			 sorted[i - 1]->where.pointer);
	}
}

static void table_check(struct trip *t, struct at at)
{
	const struct model *m = t->r->model;
	struct at routes = at_get(at, "routes");
	const struct json *j = json_first(routes.json);

	repeats_check(t->r, t->table, routes);
	if (t->table->vpc < 0)
		return;
	if (t->table->is_main &&
	    &m->route_tables[m->vpcs[t->table->vpc].main_table] != t->table)
		complain(t->r, at_get(at, "main"),
			 "the main route table of the VPC is \"%s\" already",
			 m->route_tables[m->vpcs[t->table->vpc].main_table].name);
	for (size_t k = 0; k < t->table->n_routes && !reader_is_full(t->r); k++) {
		t->route = &t->table->routes[k];
		t->at = (struct at){ routes.doc, j };
		j = json_next(j);
		route_check(t);
	}
}

void route_tables_check(struct reader *r)
{
	const struct model *m = r->model;
	_cleanup_free_ struct piece *pieces = NULL;
	struct trip t = { .r = r };
	size_t n = 0;

	for (size_t i = 0; i < m->n_subnets; i++)
		n += m->subnets[i].n_cidrs;
	pieces = reader_room(r, n, sizeof(*pieces));
	if (!pieces)
		return;
	n = 0;
	for (size_t i = 0; i < m->n_subnets; i++)
		for (size_t k = 0; k < m->subnets[i].n_cidrs; k++)
			pieces[n++] = (struct piece){ &m->subnets[i].cidrs[k],
						      m->subnets[i].vpc, (int)i };
	qsort(pieces, n, sizeof(*pieces), compare_pieces);
	t.pieces = pieces;
	t.n_pieces = n;
	for (size_t i = 0; i < m->n_route_tables; i++) {
		t.table = &m->route_tables[i];
		table_check(&t, r->slots[NOUN_ROUTE_TABLE].items[i].at);
	}
}
