/* SPDX-License-Identifier: Apache-2.0 */

/* A balancer with nodes: their borders, elastic IPs, groups, and who may not be them. */
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

/* 'edge': rules of the node's NACL that come first, each direction, with a comma behind; 'groups': of the balancer;
 * 'peers': who may speak to the target. */
#define RULES(ingress, egress, groups, peers)                                            \
	"{ 'headgate': 1,"                                                               \
	"'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] }, 'w': { 'cidrs': "  \
	"['10.9.0.0/16'] "                                                               \
	"} },"                                                                           \
	"'subnets': {"                                                                   \
	"  'pub': { 'vpc': 'v', 'device': 'pub0', 'cidrs': ['10.0.0.0/24', "             \
	"           'fd00:10::/64'], "                                                   \
	"           'network_acl': 'edge', 'route_table': 'pub' },"                      \
	"  'web': { 'vpc': 'v', 'device': 'web0', 'cidrs': ['10.0.1.0/24', "             \
	"           'fd00:10:0:1::/64'] },"                                              \
	"  'far': { 'vpc': 'w', 'device': 'far0', 'cidrs': ['10.9.0.0/24'], "            \
	"           'route_table': 'far' } },"                                           \
	"'network_acls': { 'edge': { 'vpc': 'v', 'ingress': [" ingress                   \
	"   { 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' }," \
	"   { 'rule': 901, 'action': 'allow', 'protocol': 'all', 'cidr': '::/0' }"       \
	"   ], 'egress': [" egress                                                       \
	"   { 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' }," \
	"   { 'rule': 901, 'action': 'allow', 'protocol': 'all', 'cidr': '::/0' }"       \
	"   ] } },"                                                                      \
	"'security_groups': {"                                                           \
	"  'lb': { 'vpc': 'v', 'ingress': [ { 'protocol': 'tcp', 'ports': '443', "       \
	"     'peers': ['198.51.100.0/24', '10.0.0.0/8', '203.0.113.0/24'] } ], "        \
	"     'egress': [ { 'protocol': 'tcp', 'ports': '8443', 'peers': "               \
	"     ['10.0.1.10/32'] } ] },"                                                   \
	"  'narrow': { 'vpc': 'v', 'ingress': [ { 'protocol': 'tcp', 'ports': '443', "   \
	"     'peers': ['192.0.2.0/24'] } ], 'egress': [] },"                            \
	"  'shut': { 'vpc': 'v', 'ingress': [ { 'protocol': 'tcp', 'ports': '443', "     \
	"     'peers': ['0.0.0.0/0'] } ], 'egress': [] },"                               \
	"  'app': { 'vpc': 'v', 'ingress': [ { 'protocol': 'tcp', 'ports': '8443', "     \
	"     'peers': [" peers "] } ], 'egress': [ { 'protocol': 'all', 'peers': "      \
	"     ['10.0.0.0/8'] } ] } },"                                                   \
	"'interfaces': { 'app': { 'subnet': 'web', 'device': 'app0', 'addresses': "      \
	"    ['10.0.1.10', 'fd00:10:0:1::10'], 'security_groups': ['app'], 'timeouts': " \
	"    { 'tcp_established': 60 } }, 'cli': { 'subnet': 'pub', 'addresses': "       \
	"    ['10.0.0.8'] } },"                                                          \
	"'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0', 'next_hop': "     \
	"    ['203.0.113.1', '2001:db8:ff::1'] } },"                                     \
	"'egress_only_gateways': { 'out': { 'vpc': 'v', 'device': 'out1' } },"           \
	"'elastic_ips': { 'e': { 'address': '203.0.113.30' }, "                          \
	"    'n': { 'address': '203.0.113.31' }, "                                       \
	"    'c': { 'address': '203.0.113.32', 'interface': 'cli' } },"                  \
	"'nat_gateways': { 'nat': { 'subnet': 'pub', 'private_address': '10.0.0.5', "    \
	"    'elastic_ips': ['n'] } },"                                                  \
	"'peerings': { 'vw': { 'vpcs': ['v', 'w'] } },"                                  \
	"'route_tables': { 'main': { 'vpc': 'v', 'main': true, 'routes': [ "             \
	"    { 'to': '203.0.113.0/24', 'via': 'nat_gateway/nat' } ] },"                  \
	"    'pub': { 'vpc': 'v', 'routes': [ { 'to': '0.0.0.0/0', 'via': "              \
	"    'internet_gateway/igw' }, { 'to': '::/0', 'via': 'internet_gateway/igw' } " \
	"    ] },"                                                                       \
	"    'far': { 'vpc': 'w', 'routes': [ { 'to': '10.0.0.0/16', 'via': "            \
	"    'peering/vw' } ] } },"                                                      \
	"'target_groups': { 'web': { 'vpc': 'v', 'port': 8443, 'protocol': 'tcp', "      \
	"    'targets': [ { 'interface': 'app' } ] } },"                                 \
	"'load_balancers': { 'edge': { 'vpc': 'v', 'security_groups': [" groups "], "    \
	"    'nodes': [ { 'subnet': 'pub', 'address': '10.0.0.30', 'elastic_ip': 'e' "   \
	"    }, { 'subnet': 'pub', 'address': 'fd00:10::30' } ], 'listeners': [ { "      \
	"'protocol': 'tcp', 'port': 443, 'forward': [ "                                  \
	"    { 'target_group': 'web' } ] } ] } } }"

#define RULE(n, action, port)                                          \
	"{ 'rule': " n ", 'action': '" action "', 'protocol': 'tcp', " \
	"'ports': '" port "', 'cidr': '0.0.0.0/0' },"

#define DENY(cidr) \
	"{ 'rule': 1, 'action': 'deny', 'protocol': 'all', 'cidr': '" cidr "' },"

#define WORLD  "'0.0.0.0/0', '::/0'"
#define CLIENT "198.51.100.1"
#define PUBLIC "203.0.113.30"
#define NODE   "10.0.0.30"
#define TARGET "10.0.1.10"

#define CLIENT6 "2001:db8:1::1"
#define NODE6   "fd00:10::30"
#define TARGET6 "fd00:10:0:1::10"

static struct frame syn(const char *from, const char *to)
{
	struct frame f = frame_tcp(from, 40000, to, 443, TCP_SYN);

	f.seq = 7;
	return f;
}

static struct frame answer(const struct frame *f)
{
	struct frame back = frame_reply(f);

	memset(back.smac, 0, sizeof(back.smac));
	memset(back.dmac, 0, sizeof(back.dmac));
	back.tcp_flags = TCP_SYN | TCP_ACK;
	back.ttl = 0;
	return back;
}

/* To the target and back. */
static void goes(struct stand *s, const char *device, const char *place, struct frame f,
		 const char *name)
{
	const char *target = f.saddr.family == 4 ? TARGET : TARGET6;
	struct frame back = answer(&f);

	travels(s, device, f, "app0", frame_to(f, target, 8443), "%s", name);
	travels(s, "app0", frame_from(back, target, 8443), place, back,
		"%s, and the answer comes back", name);
}

static void ways(struct stand *s)
{
	stand_rules(s, RULES("", "", "", WORLD));
	stand_reset(s);
	goes(s, "out0", "out0 203.0.113.1", syn(CLIENT, PUBLIC),
	     "from outside to the elastic IP");
	goes(s, "web0", "web0 10.0.1.9", syn("10.0.1.9", NODE),
	     "from inside to the node's address");
	goes(s, "pub0", "pub0 10.0.0.9", syn("10.0.0.9", NODE), "from the node's subnet");
	goes(s, "far0", "far0 10.9.0.9", syn("10.9.0.9", NODE), "over a peering");
	goes(s, "out0", "out0 2001:db8:ff::1", syn(CLIENT6, NODE6),
	     "from outside to a node's IPv6 address");
	goes(s, "web0", "web0 fd00:10:0:1::9", syn("fd00:10:0:1::9", NODE6),
	     "and to that from inside");
	is_lost(s, "out1", syn(CLIENT6, NODE6), HG_DROP_NO_ROUTE,
		"where its subnet does not go out nobody comes in");
	is_lost(s, "web0", syn("10.0.1.9", PUBLIC), HG_DROP_NO_ROUTE,
		"not through a NAT gateway");
	is_lost(s, "out0", syn(CLIENT, NODE), HG_DROP_NO_ROUTE,
		"from outside a node's own address is not reached");
	is_lost(s, "app0", syn(TARGET, NODE), HG_DROP_NO_TARGET,
		"a target is not its own client");
	is_lost(s, "out0", syn("10.3.0.1", PUBLIC), HG_DROP_SOURCE_CHECK,
		"private sources do not speak to elastic IPs");
	is_lost(s, "out0", syn(PUBLIC, "203.0.113.31"), HG_DROP_SOURCE_CHECK,
		"outside nobody speaks from one");
	is_lost(s, "pub0", syn(NODE, TARGET), HG_DROP_SOURCE_CHECK,
		"nor inside from the node's address");
}

/* An instance with an elastic IP writes to the node's: turned round at the gateway. */
static void turns_round(struct stand *s)
{
	struct frame f = syn("10.0.0.8", PUBLIC), back = answer(&f);

	stand_rules(s, RULES("", "", "'lb'", WORLD));
	stand_reset(s);
	travels(s, "pub0", f, "app0",
		frame_from(frame_to(f, TARGET, 8443), "203.0.113.32", 0),
		"the target sees the elastic IP of a client inside");
	travels(s, "app0", frame_to(frame_from(back, TARGET, 8443), "203.0.113.32", 0),
		"pub0 10.0.0.8", back, "whom the answer reaches");
	stand_rules(s, RULES("", DENY("10.0.0.8/32"), "", WORLD));
	travels(s, "app0", frame_to(frame_from(back, TARGET, 8443), "203.0.113.32", 0),
		"pub0 10.0.0.8", back,
		"its private address is not known to the node's NACL");
	stand_rules(s, RULES("", DENY("203.0.113.32/32"), "", WORLD));
	is_lost(s, "app0", frame_to(frame_from(back, TARGET, 8443), "203.0.113.32", 0),
		HG_DROP_NACL_EGRESS, "but its elastic IP");
}

/* The balancer's clock alone: the target's interface would give up after a minute. */
static void outlives(struct stand *s)
{
	struct frame f = syn(CLIENT, PUBLIC), back = answer(&f);

	stand_rules(s, RULES("", "", "", WORLD));
	stand_reset(s);
	goes(s, "out0", "out0 203.0.113.1", f, "a handshake");
	back.seq = 100;
	travels(s, "app0", frame_from(back, TARGET, 8443), "out0 203.0.113.1", back,
		"its second step");
	f.tcp_flags = TCP_ACK;
	f.ack = 101;
	travels(s, "out0", f, "app0", frame_to(f, TARGET, 8443), "and its third");
	stand_wait(s, 349);
	travels(s, "out0", f, "app0", frame_to(f, TARGET, 8443),
		"an interface's own timeouts do not count");
}

/* Its border, both ways. */
static void borders(struct stand *s)
{
	struct frame f = syn(CLIENT, PUBLIC), back = frame_from(answer(&f), TARGET, 8443);
	static const struct {
		const char *rules, *name;
		uint32_t there, back;
	} rows[] = {
		{ RULES(RULE("1", "deny", "443"), "", "", WORLD), "in there",
		  HG_DROP_NACL_INGRESS, 0 },
		{ RULES("", RULE("1", "deny", "8443"), "", WORLD), "out there",
		  HG_DROP_NACL_EGRESS, 0 },
		{ RULES(RULE("1", "deny", "40000"), "", "", WORLD), "in on the way back",
		  0, HG_DROP_NACL_INGRESS },
		{ RULES("", RULE("1", "deny", "40000"), "", WORLD), "out on the way back",
		  0, HG_DROP_NACL_EGRESS },
	};

	travel_meet(s, "out0 203.0.113.1");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		stand_rules(s, rows[i].rules);
		stand_reset(s);
		is_reason(travel_run(s, "out0", f).reason, rows[i].there,
			  "the node's NACL %s: to the target", rows[i].name);
		if (!rows[i].there)
			is_reason(travel_run(s, "app0", back).reason, rows[i].back,
				  "the node's NACL %s: back", rows[i].name);
	}
	stand_rules(s, RULES(RULE("1", "deny", "443"), "", "", WORLD));
	is_reason(travel_run(s, "pub0", syn("10.0.0.9", NODE)).reason, 0,
		  "within its subnet there is no border");
}

static void groups(struct stand *s)
{
	struct hg_meter before, after;

	stand_rules(s, RULES("", "", "'lb'", "'security_group/lb'"));
	stand_reset(s);
	goes(s, "out0", "out0 203.0.113.1", syn(CLIENT, PUBLIC),
	     "a target that admits the balancer's group admits its clients");
	is_lost(s, "web0", frame_tcp("10.0.1.9", 1, TARGET, 8443, TCP_SYN),
		HG_DROP_SG_INGRESS, "but nobody past it");
	stand_rules(s, RULES("", "", "", "'192.0.2.0/24'"));
	is_lost(s, "out0", frame_from(syn(CLIENT, PUBLIC), NULL, 5), HG_DROP_SG_INGRESS,
		"one that admits neither refuses");
	before = travel_balancer(s, "edge");
	stand_rules(s, RULES("", "", "'narrow'", WORLD));
	is_lost(s, "out0", frame_from(syn(CLIENT, PUBLIC), NULL, 6), HG_DROP_SG_INGRESS,
		"the balancer's own groups refuse a client");
	stand_rules(s, RULES("", "", "'shut'", WORLD));
	is_lost(s, "out0", frame_from(syn(CLIENT, PUBLIC), NULL, 7), HG_DROP_SG_EGRESS,
		"and a target");
	after = travel_balancer(s, "edge");
	is((long long)(after.blocked[0] - before.blocked[0]), 1, "inbound is counted");
	is((long long)(after.blocked[1] - before.blocked[1]), 1, "and outbound");
	goes(s, "out0", "out0 203.0.113.1", syn(CLIENT, PUBLIC),
	     "a known connection is not asked again");
}

static void errors(struct stand *s)
{
	struct frame f = syn(CLIENT, PUBLIC), in = frame_to(f, TARGET, 8443),
		     back = answer(&f), error, want;

	stand_rules(s, RULES("", "", "", WORLD));
	stand_reset(s);
	goes(s, "out0", "out0 203.0.113.1", f, "a connection");
	f.ttl = in.ttl = 60;
	error = frame_error(TARGET, &in);
	want = frame_error(PUBLIC, &f);
	travels(s, "app0", error, "out0 203.0.113.1", want,
		"an error of the target comes from the virtual address, about its "
		"packet");
	error = frame_error("10.0.1.77", &in);
	travels(s, "web0", error, "out0 203.0.113.1", want,
		"so does one of a router inside");
	back.ttl = 60;
	in = frame_from(back, TARGET, 8443);
	error = frame_error("192.0.2.9", &back);
	want = frame_error("192.0.2.9", &in);
	travels(s, "out0", error, "app0", want,
		"one of a router outside arrives at the target");
	error = frame_error(CLIENT, &back);
	want = frame_error(CLIENT, &in);
	travels(s, "out0", error, "app0", want, "and the client's");
}

static void neighbours(struct stand *s)
{
	struct frame f = frame_arp(1, "203.0.113.1", PUBLIC);

	stand_rules(s, RULES("", "", "", WORLD));
	ok(travel_run(s, "out0", f).is_answer,
	   "at the uplink the elastic IP is asked for and answered");
	f = frame_arp(1, "203.0.113.1", PUBLIC);
	ok(!travel_run(s, "out1", f).is_answer,
	   "at another uplink of its VPC it is somebody else's");
	f = frame_arp(1, "203.0.113.1", NODE);
	ok(!travel_run(s, "out0", f).is_answer, "the node's own address is not");
	f = frame_arp(1, "10.0.0.9", NODE);
	ok(travel_run(s, "pub0", f).is_answer, "in its subnet it is");
	f = frame_arp(1, "10.0.1.9", NODE);
	ok(!travel_run(s, "web0", f).is_answer, "in another one it is not");
	is_lost(s, "pub0", frame_arp(2, NODE, "10.0.0.9"), HG_DROP_SOURCE_CHECK,
		"and nobody there may say that it is his");
}

int main(void)
{
	struct stand *s = stand_new(1 << 14);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		ways(s);
		turns_round(s);
		outlives(s);
		borders(s);
		groups(s);
		errors(s);
		neighbours(s);
	}
	stand_free(s);
	return done();
}
