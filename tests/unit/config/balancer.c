/* SPDX-License-Identifier: Apache-2.0 */

/* What load balancers and rate limits come to mean: defaults, and what is where. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/model.h"
#include "config/read.h"
#include "tests/lib/rules.h"
#include "tests/lib/tap.h"

static const char *text_of(const struct addr *a)
{
	static char buf[ADDR_TEXT];

	return a->family ? addr_print(a, buf) : "none";
}

#define WORLD                                                                           \
	"'vpcs': {'prod': {'cidrs': ['10.0.0.0/16', 'fd00:10::/56']}},"                 \
	"'subnets': {'a': {'cidrs': ['10.0.0.0/24', '10.0.4.0/24'], 'zone': 'a'},"      \
	"            'b': {'cidrs': ['10.0.1.0/24', 'fd00:10:0:1::/64'], 'zone': 'b'}," \
	"            'c': {'cidrs': ['10.0.2.0/24']}},"                                 \
	"'security_groups': {'lb': {}},"                                                \
	"'interfaces': {'web': {'subnet': 'b', 'addresses': ['fd00:10:0:1::10', "       \
	"               '10.0.1.10', '10.0.1.11']},"                                    \
	"               'six': {'subnet': 'b', 'addresses': ['fd00:10:0:1::11']}},"     \
	"'elastic_ips': {'e': {'address': '203.0.113.9'}},"                             \
	"'internet_gateways': {'igw': {'device': 'eth0'}},"                             \
	"'route_tables': {'t': {'main': true, 'routes': [{'to': '0.0.0.0/0', "          \
	"                 'via': 'gateway_load_balancer/inspect'}]}},"                  \
	"'target_groups': {'web': {'protocol': 'tcp', 'port': 443, 'targets': ["        \
	"   {'interface': 'web'}, {'interface': 'six', 'port': 80, 'weight': 0},"       \
	"   {'address': '10.0.4.9', 'zone': 'z', 'weight': 999}, {'address': "          \
	"'10.0.0.9'},"                                                                  \
	"   {'address': 'fd00:10:0:1::9'}, {'address': '10.0.2.9'},"                    \
	"   {'address': '192.0.2.9'}, {'address': '10.0.4.255'}]},"                     \
	"   'both': {'protocol': 'tcp_udp', 'port': 53},"                               \
	"   'ids': {'protocol': 'geneve', 'port': 6081}},"                              \
	"'load_balancers': {'bare': {'addresses': ['192.0.2.1', '2001:db8::1'], "       \
	"     'zone': 'x', 'listeners': ["                                              \
	"      {'protocol': 'tcp_udp', 'port': 53, 'forward': [{'target_group': "       \
	"'both'}]},"                                                                    \
	"      {'protocol': 'tcp', 'port': 443, 'idle_timeout': 60, "                   \
	"       'syn_protection': 'always', 'forward': [{'target_group': 'both', "      \
	"       'weight': 0}, {'target_group': 'web', 'weight': 999}]}]},"              \
	"   'nodes': {'cross_zone': true, 'security_groups': ['lb'], 'nodes': ["        \
	"      {'subnet': 'b', 'address': 'fd00:10:0:1::30'},"                          \
	"      {'subnet': 'a', 'address': '10.0.0.30', 'elastic_ip': 'e'}]}},"          \
	"'gateway_load_balancers': {'inspect': {'target_group': 'ids', 'subnet': 'c', " \
	"      'stickiness': 'source_ip_dest_ip'}, 'plain': {'target_group': 'ids'}},"  \
	"'rate_limits': {'z': {'resource': 'load_balancer/nodes', 'unit': 'bytes', "    \
	"      'limit': 1099511627776, 'window': 600, 'action': 'count'},"              \
	"   'a': {'resource': 'subnet/b', 'unit': 'new_connections', 'limit': 1, "      \
	"      'window': 1},"                                                           \
	"   'b': {'resource': 'load_balancer/bare', 'port': 53, 'unit': 'packets', "    \
	"      'limit': 7, 'window': 2}}"

/* ---- targets ---- */

static const struct {
	const char *says, *address, *zone;
	uint16_t port;
	uint32_t weight;
} targets[] = {
	{ "an interface is checked at its first IPv4 address", "10.0.1.10", "b", 443, 1 },
	{ "without one at its first", "fd00:10:0:1::11", "b", 80, 0 },
	{ "a target keeps the zone that it says", "10.0.4.9", "z", 443, 999 },
	{ "else it has that of the subnet that contains it", "10.0.0.9", "a", 443, 1 },
	{ "in both families", "fd00:10:0:1::9", "b", 443, 1 },
	{ "a subnet need not have one", "10.0.2.9", NULL, 443, 1 },
	{ "nor need there be a subnet", "192.0.2.9", NULL, 443, 1 },
	{ "the last address of the last CIDR is inside", "10.0.4.255", "a", 443, 1 },
};

static void test_targets(const struct model *m)
{
	const struct target_group *g = &m->target_groups[2];

	is_str(g->name, "web", "target groups are sorted by name");
	is((long long)g->n_targets, ARRAY_SIZE(targets), "all targets are read");
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		const struct target *t = &g->targets[i];

		is_str(text_of(&t->address), targets[i].address, "%s", targets[i].says);
		is_str(t->zone, targets[i].zone, "target %zu has its zone", i);
		ok(t->port == targets[i].port && t->weight == targets[i].weight,
		   "target %zu has its port or the group's, and its weight", i);
		is(t->interface,
		   i == 0   ? 1
		   : i == 1 ? 0
			    : -1,
		   "target %zu has its interface, or none", i);
	}
	is_str(g->targets[3].where.pointer, "/target_groups/web/targets/3",
	       "a target knows its place");
}

/* Single groups, and what is not said of them. */
static const struct {
	const char *says;
	const char *group;
	bool preserves, terminates, unhealthy;
} defaults[] = {
	{ "TCP to addresses hides the client, and resets what is unhealthy",
	  "'protocol': 'tcp', 'targets': [{'address': '192.0.2.1'}]", false, false,
	  true },
	{ "TCP to interfaces preserves it",
	  "'protocol': 'tcp', 'targets': [{'interface': 'i'}]", true, false, true },
	{ "unless one target is an address",
	  "'protocol': 'tcp', 'targets': [{'interface': 'i'}, {'address': '192.0.2.1'}]",
	  false, false, true },
	{ "UDP preserves it, cuts what has drained, and resets nothing",
	  "'protocol': 'udp', 'targets': [{'address': '192.0.2.1'}]", true, true, false },
	{ "and so does a group of both",
	  "'protocol': 'tcp_udp', 'targets': [{'address': '192.0.2.1'}]", true, true,
	  false },
	{ "appliances have none of all that", "'protocol': 'geneve'", false, false,
	  false },
	{ "what is said counts",
	  "'protocol': 'udp', 'preserve_client_ip': false, 'connection_termination': "
	  "false",
	  false, false, false },
	{ "for TCP, too",
	  "'protocol': 'tcp', 'preserve_client_ip': true, 'connection_termination': "
	  "true, "
	  "'unhealthy': {'connection_termination': false, 'draining_interval': 9}, "
	  "'targets': [{'address': '192.0.2.1'}]",
	  true, true, false },
};

static struct model *group_read(const char *group)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(
		    &text,
		    "'subnets': {'s': {'cidrs': ['10.0.0.0/24']}}, 'interfaces': {'i': "
		    "{'subnet': 's', 'addresses': ['10.0.0.9']}}, 'target_groups': {'g': "
		    "{'port': 6081, %s}}",
		    group) < 0)
		bail("no memory");
	return rules_model(text);
}

static void test_defaults(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		_cleanup_(model_freep) struct model *m = group_read(defaults[i].group);
		const struct target_group *g = &m->target_groups[0];

		ok(g->preserve_client_ip == defaults[i].preserves &&
			   g->connection_termination == defaults[i].terminates &&
			   g->unhealthy_termination == defaults[i].unhealthy,
		   "%s", defaults[i].says);
	}
}

static void test_group(void)
{
	_cleanup_(model_freep) struct model *m = group_read("'protocol': 'tcp'");
	_cleanup_(model_freep) struct model *said = group_read(
		"'protocol': 'tcp', 'cross_zone': false, 'stickiness': 'source_ip', "
		"'deregistration_delay': 0, 'minimum_healthy_targets': {'count': 1000, "
		"'percentage': 100}, 'unhealthy': {'connection_termination': false, "
		"'draining_interval': 360000}");
	_cleanup_(model_freep) struct model *half = group_read(
		"'protocol': 'geneve', 'cross_zone': true, 'minimum_healthy_targets': "
		"{'percentage': 'off'}, 'target_failover': 'rebalance'");
	const struct target_group *g = m->target_groups, *s = said->target_groups,
				  *h = half->target_groups;

	ok(g->cross_zone == -1 && s->cross_zone == 0 && h->cross_zone == 1,
	   "a group is or is not cross_zone, or leaves that to the balancer");
	ok(g->stickiness == STICKY_NONE && s->stickiness == STICKY_SOURCE_IP,
	   "it has its stickiness");
	ok(g->deregistration_delay == 300 && s->deregistration_delay == 0,
	   "it waits five minutes, or as long as it says");
	ok(g->minimum_count == 1 && g->minimum_percentage == 0,
	   "one healthy target is enough, and no share of them is asked for");
	ok(s->minimum_count == 1000 && s->minimum_percentage == 100,
	   "unless they are said");
	ok(h->minimum_count == 1 && h->minimum_percentage == 0,
	   "and they may be said to be off");
	ok(g->unhealthy_draining == 0 && s->unhealthy_draining == 360000,
	   "an unhealthy target drains for no time, or as long as it says");
	ok(!g->is_rebalancing && h->is_rebalancing, "appliances may be failed over");
}

static const struct {
	const char *says;
	const char *group;
	enum check_protocol protocol;
	uint16_t port;
	const char *path;
	uint32_t interval, timeout, healthy, unhealthy;
	const char *matcher;
} checks[] = {
	{ "a check that is not written is TCP to the target's port", "'protocol': 'tcp'",
	  CHECK_TCP, 0, "/", 30, 10, 5, 2, "200-399 " },
	{ "an empty one is the same", "'protocol': 'udp', 'health_check': {}", CHECK_TCP,
	  0, "/", 30, 10, 5, 2, "200-399 " },
	{ "HTTP has less time",
	  "'protocol': 'tcp', 'health_check': {'protocol': 'http', 'path': '/x'}",
	  CHECK_HTTP, 0, "/x", 30, 6, 5, 2, "200-399 " },
	{ "HTTPS has not",
	  "'protocol': 'tcp', 'health_check': {'protocol': 'https', 'port': 1}",
	  CHECK_HTTPS, 1, "/", 30, 10, 5, 2, "200-399 " },
	{ "of appliances it is TCP 80, more often", "'protocol': 'geneve'", CHECK_TCP, 80,
	  "/", 10, 5, 5, 2, "200-399 " },
	{ "unless they say otherwise",
	  "'protocol': 'geneve', 'health_check': {'port': 'traffic-port', 'interval': "
	  "30, "
	  "'timeout': 30}",
	  CHECK_TCP, 0, "/", 30, 30, 5, 2, "200-399 " },
	{ "no check takes longer than the interval",
	  "'protocol': 'tcp', 'health_check': {'interval': 3}", CHECK_TCP, 0, "/", 3, 3,
	  5, 2, "200-399 " },
	{ "a matcher is sorted and joined",
	  "'protocol': 'tcp', 'health_check': {'protocol': 'http', 'matcher': "
	  "'599,204,200-202,203', 'healthy_threshold': 10, 'unhealthy_threshold': 3, "
	  "'timeout': 1}",
	  CHECK_HTTP, 0, "/", 30, 1, 10, 3, "200-204 599-599 " },
};

static void test_checks(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		_cleanup_(model_freep) struct model *m = group_read(checks[i].group);
		const struct health_check *h = &m->target_groups[0].health_check;
		char matcher[64] = "";

		for (size_t k = 0; k < h->n_matcher; k++)
			sprintf(matcher + strlen(matcher), "%u-%u ", h->matcher[k].first,
				h->matcher[k].last);
		ok(h->protocol == checks[i].protocol && h->port == checks[i].port, "%s",
		   checks[i].says);
		is_str(h->path, checks[i].path, "check %zu has its path", i);
		ok(h->interval == checks[i].interval && h->timeout == checks[i].timeout,
		   "check %zu has its times", i);
		ok(h->healthy_threshold == checks[i].healthy &&
			   h->unhealthy_threshold == checks[i].unhealthy,
		   "check %zu has its thresholds", i);
		is_str(matcher, checks[i].matcher, "check %zu has its matcher", i);
	}
}

/* ---- balancers ---- */

static void test_balancers(const struct model *m)
{
	const struct load_balancer *bare = &m->load_balancers[0], *nodes = bare + 1;

	ok(m->n_load_balancers == 2 && bare->n_vips == 2 && nodes->n_vips == 2,
	   "load balancers are read");
	is_str(text_of(&bare->vips[0].address), "192.0.2.1", "with bare addresses");
	is_str(text_of(&bare->vips[1].address), "2001:db8::1", "of both families");
	ok(bare->vips[1].subnet == -1 && bare->vips[1].elastic_ip == -1,
	   "that are in no subnet");
	is_str(bare->vips[1].zone, "x", "and have the balancer's zone");
	is_str(bare->vips[1].where.pointer, "/load_balancers/bare/addresses/1",
	       "and know their place");
	is_str(text_of(&nodes->vips[0].address), "fd00:10:0:1::30",
	       "nodes keep their order");
	ok(nodes->vips[0].subnet == 1 && nodes->vips[1].subnet == 0,
	   "each is in its subnet");
	is_str(nodes->vips[0].zone, "b", "and in its zone");
	ok(nodes->vips[0].elastic_ip == -1 && nodes->vips[1].elastic_ip == 0 &&
		   m->elastic_ips[0].load_balancer == 1 &&
		   m->elastic_ips[0].interface == -1 &&
		   m->elastic_ips[0].nat_gateway == -1,
	   "a node and its elastic IP know each other");
	is_str(nodes->vips[1].where.pointer, "/load_balancers/nodes/nodes/1",
	       "a node knows its place");
	ok(!bare->cross_zone && nodes->cross_zone && bare->n_groups == 0 &&
		   nodes->n_groups == 1,
	   "groups are asked only where they are named");
}

static void test_listeners(const struct model *m)
{
	const struct listener *l = m->load_balancers[0].listeners;

	ok(m->load_balancers[0].n_listeners == 2 && m->load_balancers[1].n_listeners == 0,
	   "listeners are read");
	ok(l[0].protocol == TARGET_TCP_UDP && l[0].port == 53 &&
		   l[0].idle_timeout == 350 && l[0].syn_protection == SYN_AUTO,
	   "with AWS's timeout");
	ok(l[1].protocol == TARGET_TCP && l[1].port == 443 && l[1].idle_timeout == 60 &&
		   l[1].syn_protection == SYN_ALWAYS,
	   "or their own");
	ok(l[0].n_forwards == 1 && l[0].forwards[0].target_group == 0 &&
		   l[0].forwards[0].weight == 1,
	   "a forward weighs 1");
	ok(l[1].n_forwards == 2 && l[1].forwards[0].weight == 0 &&
		   l[1].forwards[1].target_group == 2 && l[1].forwards[1].weight == 999,
	   "or what it says");
	is_str(l[1].where.pointer, "/load_balancers/bare/listeners/1",
	       "a listener knows its place");
}

static void test_inspect(const struct model *m)
{
	const struct gateway_load_balancer *g = m->gateway_load_balancers;

	ok(m->n_gateway_load_balancers == 2 && g[0].target_group == 1 && g[0].vpc == 0 &&
		   g[0].subnet == 2 && g[0].stickiness == INSPECT_2_TUPLE &&
		   g[0].idle_timeout == 350,
	   "a gateway load balancer is read, with AWS's words");
	ok(g[1].subnet == -1 && g[1].stickiness == INSPECT_5_TUPLE,
	   "or with nothing said");
	ok(m->route_tables[0].routes[0].kind == ROUTE_GATEWAY_LOAD_BALANCER &&
		   m->route_tables[0].routes[0].target == 0,
	   "a route leads there");
}

static void test_limits(const struct model *m)
{
	const struct rate_limit *l = m->rate_limits;

	is((long long)m->n_rate_limits, 3, "rate limits are read, by name");
	ok(l[0].load_balancer == -1 && l[0].subnet == 1 && l[0].port == 0 &&
		   l[0].unit == LIMIT_NEW_CONNECTIONS && l[0].limit == 1 &&
		   l[0].window == 1 && l[0].action == LIMIT_BLOCK,
	   "one of a subnet, that blocks");
	ok(l[1].load_balancer == 0 && l[1].subnet == -1 && l[1].port == 53 &&
		   l[1].unit == LIMIT_PACKETS,
	   "one of a listener");
	ok(l[2].load_balancer == 1 && l[2].unit == LIMIT_BYTES &&
		   l[2].limit == 1099511627776ULL && l[2].window == 600 &&
		   l[2].action == LIMIT_COUNT,
	   "one beyond 32 bits");
}

/* ---- too many ---- */

/* What is said of 'n_lb' load balancers and 'n_inspect' for gateways. */
static char *said_of(unsigned n_lb, unsigned n_inspect)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_(model_freep) struct model *m = NULL;
	_cleanup_free_ char *text = NULL;
	const struct complaint *list;
	size_t size, n;
	FILE *out = open_memstream(&text, &size);

	fputs("{\"headgate\":1,\"load_balancers\":{", out);
	for (unsigned i = 0; i < n_lb; i++)
		fprintf(out, "%s\"l%u\":{\"addresses\":[\"192.0.%u.%u\"]}", i ? "," : "",
			i, i >> 8, i & 255);
	fputs("},\"target_groups\":{\"g\":{\"protocol\":\"geneve\",\"port\":6081}},"
	      "\"gateway_load_balancers\":{",
	      out);
	for (unsigned i = 0; i < n_inspect; i++)
		fprintf(out, "%s\"i%u\":{\"target_group\":\"g\"}", i ? "," : "", i);
	fputs("}}", out);
	fclose(out);
	config_read_text("j", text, size, NULL, d, &m);
	list = diag_list(d, &n);
	for (size_t i = 0; i < n; i++)
		if (list[i].level == DIAG_ERROR)
			return strdup(list[i].text);
	return NULL;
}

static void test_many(void)
{
	_cleanup_free_ char *just = said_of(3000, 71), *over = said_of(3000, 72),
			    *plain = said_of(3072, 0);

	is_str(just, NULL, "3071 load balancers of both kinds are allowed");
	is_str(over, "3072 load balancers of both kinds; the most is 3071",
	       "3072 are not");
	is_str(plain, "3072 objects of this kind; the most is 3071", "nor of one kind");
}

int main(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(WORLD);

	test_targets(m);
	test_defaults();
	test_group();
	test_checks();
	test_balancers(m);
	test_listeners(m);
	test_inspect(m);
	test_limits(m);
	test_many();
	return done();
}
