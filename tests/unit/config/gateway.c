/* SPDX-License-Identifier: Apache-2.0 */

/* What the gateway's part of a rule set comes to mean: routes, gateways, NAT, peerings. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/model.h"
#include "tests/lib/rules.h"
#include "tests/lib/tap.h"

static const char *text_of(const struct addr *a)
{
	static char buf[ADDR_TEXT];

	return a->family ? addr_print(a, buf) : "none";
}

/* Two VPCs; all that is named comes before what names it, and after it. */
#define WORLD                                                                            \
	"'vpcs': {'prod': {'cidrs': ['10.0.0.0/16', 'fd00:10::/56']},"                   \
	"         'dev': {'cidrs': ['10.99.0.0/16']}},"                                  \
	"'prefix_lists': {'far': {'entries': ['192.0.2.0/24']}},"                        \
	"'subnets': {'public': {'vpc': 'prod', 'cidrs': ['10.0.0.0/24'],"                \
	"              'device': 'br-pub', 'hook': 'tc', 'route_table': 'public'},"      \
	"            'web': {'vpc': 'prod', 'cidrs': ['10.0.1.0/24', 'fd00:10::/64']},"  \
	"            'dev': {'vpc': 'dev', 'cidrs': ['10.99.1.0/24']}},"                 \
	"'security_groups': {'nat': {'vpc': 'prod'}},"                                   \
	"'interfaces': {'web-1': {'subnet': 'web', 'addresses': ['fd00:10::10', "        \
	"                '10.0.1.10', '10.0.1.11'], 'source_dest_check': false}},"       \
	"'internet_gateways': {'igw': {'vpc': 'prod', 'device': 'eth0', 'hook': 'xdp', " \
	"                       'next_hop': ['2001:db8::1', '203.0.113.1']}},"           \
	"'egress_only_gateways': {'eigw': {'vpc': 'prod', 'device': 'eth0', "            \
	"                       'hook': 'xdp'}},"                                        \
	"'elastic_ips': {'web': {'address': '203.0.113.10', 'interface': 'web-1'},"      \
	"                'web-b': {'address': '203.0.113.11', 'interface': 'web-1', "    \
	"                          'private_address': '10.0.1.11'},"                     \
	"                'nat-a': {'address': '203.0.113.20'},"                          \
	"                'nat-b': {'address': '203.0.113.21'}},"                         \
	"'nat_gateways': {'nat': {'subnet': 'public', 'private_address': '10.0.0.5',"    \
	"                  'elastic_ips': ['nat-b', 'elastic_ip/nat-a']},"               \
	"      'box': {'subnet': 'public', 'private_address': '10.0.0.6', "              \
	"        'mode': 'instance', 'idle_timeout': 86400, 'security_groups': ['nat']," \
	"        'forwards': [{'protocol': 'tcp', 'port': 80, 'to': '10.0.1.10:8080'},"  \
	"                     {'protocol': 'udp', 'port': 53, 'to': '10.0.1.10'}]},"     \
	"      'bare': {'subnet': 'dev', 'private_address': '10.99.1.9', "               \
	"        'mode': 'instance'}},"                                                  \
	"'route_tables': {'public': {'vpc': 'prod', 'routes': ["                         \
	"       {'to': '0.0.0.0/0', 'via': 'internet_gateway/igw'}]},"                   \
	"    'private': {'vpc': 'prod', 'main': true, 'routes': ["                       \
	"       {'to': '0.0.0.0/0', 'via': 'nat_gateway/nat'},"                          \
	"       {'to': '::/0', 'via': 'egress_only_gateway/eigw'},"                      \
	"       {'to': '10.99.0.0/16', 'via': 'peering/prod-dev'},"                      \
	"       {'to': 'prefix_list/far', 'via': 'blackhole', 'description': 'no'},"     \
	"       {'to': '10.0.0.0/16', 'via': 'local'},"                                  \
	"       {'to': '10.0.1.0/24', 'via': 'interface/web-1'}]}},"                     \
	"'peerings': {'prod-dev': {'vpcs': ['prod', 'vpc/dev']}}"

static const struct {
	enum route_kind kind;
	int target, prefix_list;
	const char *to;
} routes[] = {
	{ ROUTE_NAT_GATEWAY, 2, -1, "0.0.0.0/0" },
	{ ROUTE_EGRESS_ONLY_GATEWAY, 0, -1, "::/0" },
	{ ROUTE_PEERING, 0, -1, "10.99.0.0/16" },
	{ ROUTE_BLACKHOLE, -1, 0, NULL },
	{ ROUTE_LOCAL, -1, -1, "10.0.0.0/16" },
	{ ROUTE_INTERFACE, 0, -1, "10.0.1.0/24" },
};

static void test_routes(const struct model *m)
{
	const struct route_table *t = &m->route_tables[1];
	char buf[CIDR_TEXT];

	is((long long)m->n_route_tables, 3, "the VPC without a main table gets one");
	ok(m->route_tables[0].is_implicit && m->route_tables[0].is_main &&
		   m->route_tables[0].vpc == 0 && m->route_tables[0].n_routes == 0,
	   "which has no routes and is marked as nobody's");
	is_str(m->route_tables[0].name, "main", "and is called main");
	ok(strcmp(t->name, "private") == 0 && t->is_main && !t->is_implicit &&
		   t->vpc == 1,
	   "a main table is one that says so");
	ok(m->vpcs[0].main_table == 0 && m->vpcs[1].main_table == 1,
	   "a VPC knows its main table");
	is((long long)t->n_routes, ARRAY_SIZE(routes), "all routes are read");
	for (size_t i = 0; i < ARRAY_SIZE(routes) && i < t->n_routes; i++) {
		const struct route *r = &t->routes[i];

		ok(r->kind == routes[i].kind && r->target == routes[i].target,
		   "route %zu leads where it says", i);
		is(r->prefix_list, routes[i].prefix_list,
		   "route %zu has its prefix list, or none", i);
		if (routes[i].to)
			is_str(cidr_print(&r->to, buf), routes[i].to,
			       "route %zu has its destination", i);
	}
	is_str(t->routes[3].where.pointer, "/route_tables/private/routes/3",
	       "a route knows its place");
	ok(m->subnets[1].route_table == 2 && m->subnets[2].route_table == 1 &&
		   m->subnets[0].route_table == 0,
	   "a subnet has the table that it names, or its VPC's main one");
	ok(strcmp(m->subnets[1].device, "br-pub") == 0 && m->subnets[1].hook == HOOK_TC &&
		   !m->subnets[2].device && m->subnets[2].hook == HOOK_AUTO,
	   "a subnet may have a device, and how it is met");
}

static void test_gateways(const struct model *m)
{
	const struct gateway *igw = &m->internet_gateways[0],
			     *eigw = &m->egress_only_gateways[0];

	ok(m->n_internet_gateways == 1 && m->n_egress_only_gateways == 1,
	   "gateways of both kinds are read");
	ok(igw->vpc == 1 && strcmp(igw->device, "eth0") == 0 && igw->hook == HOOK_XDP,
	   "an internet gateway has a VPC and an uplink");
	is_str(text_of(&igw->next_hop[0]), "203.0.113.1", "its next hops are by family");
	is_str(text_of(&igw->next_hop[1]), "2001:db8::1", "whatever their order");
	ok(eigw->vpc == 1 && strcmp(eigw->device, "eth0") == 0,
	   "an egress-only gateway may share the uplink");
	ok(eigw->next_hop[0].family == 0 && eigw->next_hop[1].family == 0,
	   "a next hop that is not written is none");
}

static void test_elastic(const struct model *m)
{
	const struct elastic_ip *e = m->elastic_ips;

	is((long long)m->n_elastic_ips, 4, "elastic IPs are read");
	is_str(text_of(&e[0].address), "203.0.113.20", "in the order of their names");
	ok(e[0].interface == -1 && e[0].nat_gateway == 2 && e[1].nat_gateway == 2,
	   "one that a NAT gateway lists knows it");
	ok(e[0].private_address.family == 0, "and has no private address");
	ok(e[2].interface == 0 && e[2].nat_gateway == -1,
	   "one of an interface knows that");
	is_str(text_of(&e[2].private_address), "10.0.1.10",
	       "and stands for its first IPv4 address");
	is_str(text_of(&e[3].private_address), "10.0.1.11",
	       "or for the one that it says");
}

static void test_nat(const struct model *m)
{
	const struct nat_gateway *bare = &m->nat_gateways[0], *box = bare + 1,
				 *nat = bare + 2;

	is((long long)m->n_nat_gateways, 3, "NAT gateways are read");
	ok(nat->vpc == 1 && nat->subnet == 1 && bare->vpc == 0,
	   "a NAT gateway is in its subnet's VPC");
	is_str(text_of(&nat->private_address), "10.0.0.5", "it has its private address");
	ok(nat->n_elastic_ips == 2 && nat->elastic_ips[0] == 1 &&
		   nat->elastic_ips[1] == 0,
	   "its elastic IPs keep the order in which it lists them");
	ok(nat->idle_timeout == 350 && !nat->is_instance && nat->n_groups == 0 &&
		   nat->n_forwards == 0,
	   "it has AWS's defaults, and no groups");
	ok(box->is_instance && box->idle_timeout == 86400 && box->n_elastic_ips == 0,
	   "an instance is one that says so");
	ok(box->n_groups == 1 && strcmp(m->groups[box->groups[0]].name, "nat") == 0,
	   "an instance has the groups it names");
	ok(bare->n_groups == 1 && bare->groups[0] == m->vpcs[0].default_group,
	   "an instance without groups has its VPC's default");
	ok(box->n_forwards == 2 && box->forwards[0].protocol == 6 &&
		   box->forwards[0].port == 80 && box->forwards[0].to_port == 8080,
	   "a forward has a protocol and two ports");
	is_str(text_of(&box->forwards[0].to), "10.0.1.10", "and leads to an address");
	ok(box->forwards[1].protocol == 17 && box->forwards[1].port == 53 &&
		   box->forwards[1].to_port == 53,
	   "to the same port where it says none");
}

/* Rule sets of a VPC, and whether its routes are obeyed. */
static const struct {
	const char *says;
	const char *members;
	bool is_routed;
} routed[] = {
	{ "subnets and interfaces leave the routes to the kernel",
	  "'subnets': {'s': {'cidrs': ['10.0.0.0/24']}}, 'interfaces': {'i': {'subnet': "
	  "'s', 'addresses': ['10.0.0.9'], 'device': 'veth0'}}",
	  false },
	{ "a route table, even an empty one, makes a VPC routed",
	  "'route_tables': {'t': {}}", true },
	{ "an internet gateway makes a VPC routed",
	  "'internet_gateways': {'g': {'device': 'eth0'}}", true },
	{ "an egress-only gateway makes a VPC routed",
	  "'egress_only_gateways': {'g': {'device': 'eth0'}}", true },
	{ "a NAT gateway makes a VPC routed",
	  "'subnets': {'s': {'cidrs': ['10.0.0.0/24']}}, 'nat_gateways': {'n': "
	  "{'subnet': 's', 'private_address': '10.0.0.9'}}",
	  true },
	{ "a subnet with a device makes a VPC routed",
	  "'subnets': {'s': {'cidrs': ['10.0.0.0/24'], 'device': 'br0'}}", true },
};

static void test_routed(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(routed); i++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_(model_freep) struct model *named = NULL, *unnamed = NULL;

		if (asprintf(&text, "'vpcs': {'v': {'cidrs': ['10.0.0.0/16']}}, %s",
			     routed[i].members) < 0)
			bail("no memory");
		named = rules_model(text);
		unnamed = rules_model(routed[i].members);
		is(named->vpcs[0].is_routed, routed[i].is_routed, "%s", routed[i].says);
		is(unnamed->vpcs[0].is_routed, routed[i].is_routed,
		   "%s, a nameless one, too", routed[i].says);
	}
}

static void test_nameless(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		"'subnets': {'s': {'cidrs': ['10.0.0.0/24']}}, 'route_tables': "
		"{'t': {}}");
	_cleanup_(model_freep) struct model *n = rules_model(
		"'subnets': {'s': {'cidrs': ['10.0.0.0/24']}},"
		"'route_tables': {'t': {'main': true}, 'u': {'main': false}}");

	_cleanup_(model_freep) struct model *plain =
		rules_model("'subnets': {'s': {'cidrs': ['10.0.0.0/24']}}");

	ok(m->n_route_tables == 2 && m->vpcs[0].main_table == 0 &&
		   m->route_tables[0].is_implicit && m->subnets[0].route_table == 0,
	   "the nameless VPC gets a main table where routes are obeyed");
	ok(n->vpcs[0].main_table == 0 && n->subnets[0].route_table == 0 &&
		   n->n_route_tables == 2,
	   "unless it has one");
	ok(plain->n_route_tables == 0 && plain->vpcs[0].main_table == -1 &&
		   plain->subnets[0].route_table == -1,
	   "where they are not it gets none");
	ok(m->vpcs[0].n_cidrs == 1 && m->vpcs[0].cidrs[0].len == 24 &&
		   plain->vpcs[0].n_cidrs == 0,
	   "and it is as large as its subnets are");
	ok(m->settings.n_exempt == plain->settings.n_exempt,
	   "which does not give it a DNS address");
}

/* A table called main is not the implicit one, which is the main table all the same. */
static void test_own_main(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		"'vpcs': {'a': {'cidrs': ['10.0.0.0/16']}},"
		"'subnets': {'s': {'cidrs': ['10.0.0.0/24'], 'route_table': 'main'},"
		"            't': {'cidrs': ['10.0.1.0/24']}},"
		"'route_tables': {'main': {}}");

	ok(m->n_route_tables == 2 && !m->route_tables[0].is_implicit &&
		   m->route_tables[1].is_implicit,
	   "a table called main is its author's, beside the implicit one");
	ok(m->subnets[0].route_table == 0 && m->subnets[1].route_table == 1,
	   "and it is the one that its name means, not the one that others have");
}

#define STRANGERS                                                               \
	"'vpcs': {'a': {'cidrs': ['10.0.0.0/16']}, 'b': {'cidrs': "             \
	"['10.1.0.0/16']}},"                                                    \
	"'security_groups': {'x': {'vpc': 'a', 'ingress': [{'protocol': 'all'," \
	" 'peers': ['security_group/y']}]}, 'y': {'vpc': 'b'}}"

static const struct peer *peer_of(const struct model *m)
{
	/* Before it come the implicit groups, both called default. */
	return &m->groups[2].rules[0][0].peers[0];
}

static void test_peers(void)
{
	_cleanup_(model_freep) struct model *stale = rules_model(STRANGERS);
	_cleanup_(model_freep) struct model *good =
		rules_model(STRANGERS ", 'peerings': {'p': {'vpcs': ['b', 'a']}}");

	ok(peer_of(stale)->kind == PEER_GROUP && peer_of(stale)->index == -1,
	   "a group of another VPC is a stale reference");
	is_str(peer_of(stale)->stale, "y", "which keeps its name");
	ok(peer_of(good)->kind == PEER_GROUP && peer_of(good)->index == 3 &&
		   !peer_of(good)->stale,
	   "unless a peering connects the two");
}

int main(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(WORLD);

	test_routes(m);
	test_gateways(m);
	test_elastic(m);
	test_nat(m);
	ok(m->n_peerings == 1 && m->peerings[0].vpcs[0] == 1 &&
		   m->peerings[0].vpcs[1] == 0,
	   "a peering has two VPCs");
	ok(m->vpcs[0].is_routed && m->vpcs[1].is_routed, "and makes both routed");
	test_routed();
	test_nameless();
	test_own_main();
	test_peers();
	return done();
}
