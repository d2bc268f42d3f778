/* SPDX-License-Identifier: Apache-2.0 */

/* Route tables of chance, and for every address beside a boundary of theirs the route that a
 * scan of all routes picks.
 */
#include "compile/image.h"

#include <stdio.h>

#include "lookup.h"

#define TABLES 5
#define LISTS  3

static const char vpc_cidrs[] = "\"10.0.0.0/16\",\"2001:db8::/48\"";

/* ---- the slow way ---- */

static bool is_unrouted(const struct addr *a)
{
	static const struct cidr dead[] = { { { 4, { 169, 254, 168 } }, 22 },
					    { { 6, { 0xfd, 0, 0x0e, 0xc2 } }, 32 } };

	return cidr_contains(&dead[0], a) || cidr_contains(&dead[1], a);
}

struct best {
	int len, rank;
	uint32_t number;
};

static void best_offer(struct best *b, const struct cidr *c, int rank, uint32_t number,
		       const struct addr *a)
{
	if (!cidr_contains(c, a) || c->len < b->len ||
	    (c->len == b->len && rank >= b->rank))
		return;
	*b = (struct best){ c->len, rank, number };
}

/* hg_rule.number of the route that table 't' has for 'a'; false: none. 'is_onward': without those
 * to gateway load balancers. */
static bool scan_route(const struct model *m, const struct route_table *t, bool is_onward,
		       const struct addr *a, uint32_t *ret_number)
{
	struct best b = { -1, 3, 0 };
	const struct vpc *v = &m->vpcs[t->vpc];

	if (is_unrouted(a))
		return false;
	for (uint32_t i = 0; i < v->n_cidrs; i++)
		best_offer(&b, &v->cidrs[i], 1, HG_RULE_LOCAL + i, a);
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct route *route = &t->routes[i];
		const struct prefix_list *list;

		if (is_onward && route->kind == ROUTE_GATEWAY_LOAD_BALANCER)
			continue;
		if (route->prefix_list < 0) {
			best_offer(&b, &route->to, 0, i, a);
			continue;
		}
		list = &m->prefix_lists[route->prefix_list];
		for (size_t k = 0; k < list->n_entries; k++)
			best_offer(&b, &list->entries[k], 2, i, a);
	}
	*ret_number = b.number;
	return b.len >= 0;
}

/* ---- the image ---- */

static const struct hg_route *lookup_route(const struct image *image, uint32_t subnet,
					   bool is_onward, const struct addr *a)
{
	const struct hg_header *h = image_header(image);
	const struct hg_subnet *s = image_record(image, h->subnets, subnet, sizeof(*s));
	const struct hg_class *c = lookup_class(image, s->vpc, a);
	uint32_t id;

	if (c->row >= lookup_vpc(image, s->vpc)->n_rows)
		bail("a class has row %u", c->row);
	id = lookup_word(image, is_onward && s->onward ? s->onward : s->routes, c->row);
	return id ? image_record(image, h->routes, id, sizeof(struct hg_route)) : NULL;
}

static bool route_agrees(const struct model *m, const struct image *image, size_t subnet,
			 bool is_onward, const struct addr *a)
{
	const struct route_table *t = &m->route_tables[m->subnets[subnet].route_table];
	const struct hg_route *got =
		lookup_route(image, (uint32_t)subnet + 1, is_onward, a);
	const struct hg_rule *rule = got ? image_rule(image, got->rule) : NULL;
	char text[ADDR_TEXT];
	uint32_t want = 0;

	if (!scan_route(m, t, is_onward, a, &want)
		    ? !got
		    : rule && rule->number == want &&
			      strcmp(image_object_name(image, rule->object), t->name) ==
				      0)
		return true;
	note("%s in %s%s: number %x, want %x", addr_print(a, text), t->name,
	     is_onward ? ", onward" : "", rule ? rule->number : 0, want);
	return false;
}

static size_t cidr_disagrees(const struct model *m, const struct image *image,
			     const struct cidr *c)
{
	struct addr a[4] = { c->addr, cidr_last(c) };
	size_t wrong = 0;

	a[2] = addr_step(a[0], -1);
	a[3] = addr_step(a[1], 1);
	for (size_t s = 0; s < m->n_subnets; s++)
		for (int i = 0; i < 8; i++)
			wrong += !route_agrees(m, image, s, i & 1, &a[i / 2]);
	return wrong;
}

/* ---- chance ---- */

/* Few bits vary, so that prefixes nest, touch and repeat. */
static struct cidr cidr_random(bool v6)
{
	struct cidr c = { .addr = { .family = v6 ? 6 : 4 } };
	uint8_t *a = c.addr.bytes;

	if (v6) {
		memcpy(a, dice(8) ? "\x20\x01\x0d\xb8" : "\xfd\x00\x0e\xc2", 4);
		for (int i = 4; i < 8; i++)
			a[i] = (uint8_t)(dice(3) ? 0 : dice(4) * 64);
		c.len = (uint8_t)(dice(6) ? 30 + dice(35) : dice(30));
	} else {
		if (dice(8))
			a[0] = 10;
		else
			memcpy(a, "\xa9\xfe\xa8", 3);
		for (int i = 1; i < 4; i++)
			a[i] = a[i] ? a[i] : (uint8_t)(dice(2) ? 0 : dice(8) * 32);
		c.len = (uint8_t)(dice(6) ? 8 + dice(25) : dice(9));
	}
	cidr_mask(&c);
	return c;
}

/* What a rule set may not say: inside the VPC, or where no route leads. A list may name the
 * VPC's own CIDR; it gives way to local. */
static bool is_forbidden(const struct cidr *c, bool of_list)
{
	struct cidr inside[2];

	cidr_parse("10.0.0.0/16", &inside[0]);
	cidr_parse("2001:db8::/48", &inside[1]);
	for (int i = 0; i < 2; i++)
		if (cidr_contains(&inside[i], &c->addr) &&
		    c->len >= inside[i].len + of_list)
			return true;
	return is_unrouted(&c->addr) && c->len >= (c->addr.family == 6 ? 32 : 22);
}

/* 'n' distinct CIDRs. */
static struct cidr *cidrs_random(uint32_t n, bool of_list)
{
	struct cidr *list = calloc(n + 1, sizeof(*list));

	for (uint32_t i = 0; i < n;) {
		bool is_new = true;

		list[i] = cidr_random(of_list ? n % 2 : i % 2);
		if (of_list && n % 2 == 0 && i == 0)
			cidr_parse("10.0.0.0/16", &list[i]);
		for (uint32_t k = 0; k < i; k++)
			is_new &= cidr_compare(&list[i], &list[k]) != 0;
		i += is_new && !is_forbidden(&list[i], of_list);
	}
	return list;
}

/* Of every other table some lead to a gateway load balancer. */
static const char *via_random(uint32_t t)
{
	if (t % 2 && dice(3) == 0)
		return "gateway_load_balancer/g";
	return dice(2) ? "blackhole" : "interface/i";
}

static void table_write(FILE *f, uint32_t t, uint32_t n)
{
	struct cidr *list = cidrs_random(n, false);
	char text[CIDR_TEXT];

	fprintf(f, "%s\"t%u\":{\"vpc\":\"v\"%s,\"routes\":[", t ? "," : "", t,
		t ? "" : ",\"main\":true");
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "{\"to\":\"%s\",\"via\":\"%s\"},", cidr_print(&list[i], text),
			via_random(t));
	if (dice(2))
		fprintf(f, "{\"to\":\"10.0.0.0/16\",\"via\":\"interface/i\"},");
	if (dice(2))
		fprintf(f, "{\"to\":\"10.0.1.0/24\",\"via\":\"interface/i\"},");
	for (uint32_t i = 0, first = dice(LISTS); i < LISTS - 1; i++)
		fprintf(f, "%s{\"to\":\"prefix_list/l%u\",\"via\":\"%s\"}", i ? "," : "",
			(first + i) % LISTS, via_random(t));
	fprintf(f, "]}");
	free(list);
}

static struct model *model_random(uint32_t n)
{
	char *text, print[CIDR_TEXT];
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct model *m;

	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[%s]}},\"prefix_lists\":{",
		vpc_cidrs);
	for (uint32_t i = 0; i < LISTS; i++) {
		struct cidr *list = cidrs_random(n + i, true);

		fprintf(f, "%s\"l%u\":{\"max_entries\":%u,\"entries\":[", i ? "," : "", i,
			n + i + 1);
		for (uint32_t k = 0; k < n + i; k++)
			fprintf(f, "%s\"%s\"", k ? "," : "", cidr_print(&list[k], print));
		fprintf(f, "]}");
		free(list);
	}
	fprintf(f, "},\"subnets\":{");
	for (uint32_t i = 0; i < TABLES; i++)
		fprintf(f,
			"%s\"s%u\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.%u.0/24\"],"
			"\"route_table\":\"t%u\"}",
			i ? "," : "", i, i, i);
	fprintf(f, "},\"interfaces\":{\"i\":{\"subnet\":\"s0\",\"addresses\":"
		   "[\"10.0.0.9\"],\"source_dest_check\":false}},"
		   "\"target_groups\":{\"tg\":{\"vpc\":\"v\",\"protocol\":\"geneve\","
		   "\"port\":6081,\"targets\":[{\"address\":\"10.0.0.7\"}]}},"
		   "\"gateway_load_balancers\":{\"g\":{\"vpc\":\"v\",\"target_group\":"
		   "\"tg\"}},"
		   "\"route_tables\":{");
	for (uint32_t i = 0; i < TABLES; i++)
		table_write(f, i, n);
	fprintf(f, ",\"unused\":{\"vpc\":\"v\",\"routes\":["
		   "{\"to\":\"198.51.100.0/24\",\"via\":\"blackhole\"}]}}}");
	fclose(f);
	m = model_of(text);
	free(text);
	return m;
}

static size_t rows_twice(const struct image *image)
{
	const struct hg_header *h = image_header(image);
	uint32_t n = lookup_vpc(image, 1)->n_rows;
	size_t twice = 0;

	for (uint32_t a = 0; a < n; a++) {
		for (uint32_t b = 0; b < a; b++) {
			bool same = true;

			for (uint32_t s = 1; s <= TABLES; s++) {
				const struct hg_subnet *subnet = image_record(
					image, h->subnets, s, sizeof(*subnet));

				same &= lookup_word(image, subnet->routes, a) ==
					lookup_word(image, subnet->routes, b);
				same &= !subnet->onward ||
					lookup_word(image, subnet->onward, a) ==
						lookup_word(image, subnet->onward, b);
			}
			twice += same;
		}
	}
	return twice;
}

static void test_random(uint32_t n)
{
	struct model *m = model_random(n);
	struct image *image = image_of(m);
	size_t wrong = 0;

	for (size_t t = 0; t < m->n_route_tables; t++)
		for (size_t i = 0; i < m->route_tables[t].n_routes; i++)
			if (m->route_tables[t].routes[i].prefix_list < 0)
				wrong += cidr_disagrees(m, image,
							&m->route_tables[t].routes[i].to);
	for (size_t i = 0; i < m->n_prefix_lists; i++)
		for (size_t k = 0; k < m->prefix_lists[i].n_entries; k++)
			wrong += cidr_disagrees(m, image, &m->prefix_lists[i].entries[k]);
	for (size_t i = 0; i < m->vpcs[0].n_cidrs; i++)
		wrong += cidr_disagrees(m, image, &m->vpcs[0].cidrs[i]);
	is((long long)wrong, 0,
	   "%u routes a table: every boundary address has the route that a scan picks",
	   n);
	is((long long)rows_twice(image), 0,
	   "%u routes a table: equal vectors are one row", n);
	is(image_check(image), 0, "%u routes a table: the image checks", n);
	image_free(image);
	model_free(m);
}

/* ---- what routes lead to ---- */

static const char targets[] =
	"{\"headgate\":1,\"vpcs\":{\"a\":{\"cidrs\":[\"10.0.0.0/16\",\"fd00:a::/48\"]},"
	"\"b\":{\"cidrs\":[\"10.1.0.0/16\"]},\"c\":{\"cidrs\":[\"10.2.0.0/16\"]}},"
	"\"subnets\":{\"c\":{\"vpc\":\"c\",\"cidrs\":[\"10.2.0.0/24\"]},"
	"\"pub\":{\"vpc\":\"a\",\"cidrs\":[\"10.0.0.0/24\"]}},"
	"\"interfaces\":{\"i\":{\"subnet\":\"pub\",\"addresses\":[\"10.0.0.9\"],"
	"\"source_dest_check\":false}},"
	"\"internet_gateways\":{\"igw\":{\"vpc\":\"a\",\"device\":\"eth0\"}},"
	"\"egress_only_gateways\":{\"eigw\":{\"vpc\":\"a\",\"device\":\"eth0\"}},"
	"\"nat_gateways\":{\"n1\":{\"subnet\":\"pub\",\"private_address\":\"10.0.0.8\"},"
	"\"n2\":{\"subnet\":\"pub\",\"private_address\":\"10.0.0.7\"}},"
	"\"peerings\":{\"p\":{\"vpcs\":[\"b\",\"a\"]}},"
	"\"route_tables\":{\"main\":{\"vpc\":\"a\",\"main\":true,\"routes\":["
	"{\"to\":\"0.0.0.0/0\",\"via\":\"internet_gateway/igw\"},"
	"{\"to\":\"::/0\",\"via\":\"egress_only_gateway/eigw\"},"
	"{\"to\":\"198.51.100.0/24\",\"via\":\"nat_gateway/n2\"},"
	"{\"to\":\"10.1.0.0/16\",\"via\":\"peering/p\"},"
	"{\"to\":\"192.0.2.0/24\",\"via\":\"blackhole\"},"
	"{\"to\":\"203.0.113.0/24\",\"via\":\"interface/i\"}]}}}";

static const struct {
	const char *says, *to;
	uint32_t kind, target;
	const char *object;
} wanted[] = {
	{ "what nothing else covers goes to the internet gateway", "8.8.8.8",
	  HG_ROUTE_INTERNET, 1, "igw" },
	{ "IPv6 has a route of its own", "2001:db8::1", HG_ROUTE_EGRESS_ONLY, 2, "eigw" },
	{ "a NAT gateway is the target by its id", "198.51.100.1", HG_ROUTE_NAT, 2,
	  "n2" },
	{ "a peering's target is the other VPC", "10.1.2.3", HG_ROUTE_PEERING, 2, "p" },
	{ "a blackhole has no target", "192.0.2.1", HG_ROUTE_BLACKHOLE, 0, "" },
	{ "an interface is the target by its id", "203.0.113.1", HG_ROUTE_INTERFACE, 1,
	  "i" },
	{ "the VPC's own CIDR is local", "10.0.200.1", HG_ROUTE_LOCAL, 0, "" },
	{ "the VPC's own IPv6 CIDR is local", "fd00:a::1", HG_ROUTE_LOCAL, 0, "" },
	{ "a default route does not lead to link-local services", "169.254.170.2",
	  HG_ROUTE_NONE, 0, "" },
	{ "nor an IPv6 one", "fd00:ec2::254", HG_ROUTE_NONE, 0, "" },
	{ "beside them it does", "169.254.172.1", HG_ROUTE_INTERNET, 1, "igw" },
};

static void test_targets(void)
{
	struct model *m = model_of(targets);
	struct image *image = image_of(m);
	const struct hg_header *h = image_header(image);
	const struct hg_subnet *s = image_record(image, h->subnets, 1, sizeof(*s));

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct hg_route *route, none = { 0 };
		struct addr a;

		addr_parse(wanted[i].to, &a);
		route = lookup_route(image, 2, false, &a);
		route = route ? route : &none;
		is(route->kind, wanted[i].kind, "%s", wanted[i].says);
		is(route->target, wanted[i].target, "%s: the target", wanted[i].says);
		is_str(image_object_name(image, route->object), wanted[i].object,
		       "%s: the object", wanted[i].says);
	}
	ok(s->routes == 0 && s->table_object == 0,
	   "the subnet of a VPC that is not routed has no routes");
	s = image_record(image, h->subnets, 2, sizeof(*s));
	is_str(image_object_name(image, s->table_object), "main",
	       "a subnet knows its table");
	image_free(image);
	model_free(m);
}

/* 'n' tables of as many subnets. */
static struct model *model_tables(unsigned n)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct model *m;

	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"172.16.0.0/12\"]}},"
		   "\"route_tables\":{");
	for (unsigned t = 0; t < n; t++)
		fprintf(f, "%s\"t%u\":{\"vpc\":\"v\",\"routes\":[]}", t ? "," : "", t);
	fprintf(f, "},\"subnets\":{");
	for (unsigned t = 0; t < n; t++)
		fprintf(f,
			"%s\"s%u\":{\"vpc\":\"v\",\"cidrs\":[\"172.16.%u.%u/28\"],"
			"\"route_table\":\"t%u\"}",
			t ? "," : "", t, t / 16, t % 16 * 16, t);
	fprintf(f, "}}");
	fclose(f);
	m = model_of(text);
	free(text);
	return m;
}

/* Where the vectors would take a gigabyte the rule set is refused before they do. */
static void test_limit(unsigned n_tables, bool fits)
{
	enum { N = 1000 };
	const struct facts facts = { 0 };
	struct model *m = model_tables(n_tables);
	struct route *routes = calloc((size_t)n_tables * N, sizeof(*routes));
	struct image *image;
	char *text;

	/* As text these would be larger than a rule set may be. */
	for (unsigned i = 0; i < n_tables * N; i++)
		routes[i] = (struct route){
			.to = { { 4, { 64 + (i >> 16), i >> 8 & 255, i & 255 } }, 24 },
			.prefix_list = -1,
			.kind = ROUTE_BLACKHOLE,
			.target = -1
		};
	for (unsigned t = 0; t < n_tables; t++) {
		m->route_tables[t].routes = routes + (size_t)t * N;
		m->route_tables[t].n_routes = N;
		m->vpcs[0].is_routed = true;
	}
	image = image_try(m, &facts, &text);
	if (fits)
		ok(image != NULL, "%u tables of %d routes of their own fit", n_tables, N);
	else
		ok(!image && strstr(text, "kinds of destination"),
		   "%u tables of %d routes of their own are refused: %s", n_tables, N,
		   text ? text : "");
	image_free(image);
	free(text);
	free(routes);
	model_free(m);
}

int main(void)
{
	for (uint32_t i = 0; i < 12; i++)
		test_random(i < 10 ? 1 + i * 4 : 300);
	test_targets();
	test_limit(200, true);
	test_limit(400, false);
	return done();
}
