/* SPDX-License-Identifier: Apache-2.0 */

/* The judge of the gateway, judged: cases worked out by hand, of which some are those that
 * AWS documents. What the witness holds against the data plane has to be right here first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/event.h>

#include "base/cleanup.h"
#include "tests/lib/frame.h"
#include "tests/lib/rules.h"
#include "tests/lib/tap.h"
#include "tests/oracle/oracle.h"

static struct model *model;
static struct oracle *oracle;
static uint32_t now = 1000;

/* Connections of before are forgotten. */
static void rules(const char *members)
{
	struct model *m = rules_model(members);

	oracle_free(oracle);
	model_free(model);
	model = m;
	oracle = oracle_new(m, NULL);
}

static const char *reason_text(uint32_t reason)
{
#define CASE(number, name, stage) \
	case number:              \
		return #name;
	switch (reason) {
		HG_DROP_REASONS(CASE)
	}
#undef CASE
	return "?";
}

static int print_end(char *buf, size_t size, const struct addr *a, unsigned port)
{
	char text[ADDR_TEXT];

	return snprintf(buf, size, a->family == 6 ? "[%s]:%u" : "%s:%u",
			addr_print(a, text), port);
}

static void print_l4(char *buf, size_t size, const struct l4 *p)
{
	bool has_ports = p->protocol == 6 || p->protocol == 17;
	int at = print_end(buf, size, &p->src, has_ports ? p->sport : p->id);

	at += snprintf(buf + at, size - at, " > ");
	print_end(buf + at, size - at, &p->dst, has_ports ? p->dport : p->id);
}

/* "DEVICE via HOP: SOURCE > DESTINATION", "kernel", "answer" or the reason of the drop. */
static const char *say(const struct decision *d)
{
	static const char *const told[] = { "", ", told expired", ", told too big",
					    ", told reset", ", told fin" };
	static char buf[512];
	char to[128] = "", quote[160] = "", via[ADDR_TEXT] = "port";

	if (!d->allow) {
		snprintf(buf, sizeof(buf), "%s%s", reason_text(d->reason), told[d->told]);
		return buf;
	}
	if (!d->device)
		return d->is_answer ? "answer" : "kernel";
	print_l4(to, sizeof(to), &d->to);
	if (d->has_quote) {
		snprintf(quote, sizeof(quote), ", quotes ");
		print_l4(quote + 9, sizeof(quote) - 9, &d->quote);
	}
	if (d->via.family)
		addr_print(&d->via, via);
	snprintf(buf, sizeof(buf), "%s via %s: %s%s%s", d->device, via, to,
		 d->is_hop_less ? "" : ", same subnet", quote);
	return buf;
}

static const char *see(const char *device, struct frame f)
{
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(&f, frame, sizeof(frame), NULL);
	struct decision d = oracle_packet(oracle, device, HG_DOOR_IN, frame, size, now);

	return say(&d);
}

#define SYN(from, sport, to, dport)  frame_tcp(from, sport, to, dport, TCP_SYN)
#define ACK(from, sport, to, dport)  frame_tcp(from, sport, to, dport, TCP_ACK)
#define BOTH(from, sport, to, dport) frame_tcp(from, sport, to, dport, TCP_SYN | TCP_ACK)

/* A public subnet with the NAT gateway, two private ones, a port that forwards for others. */
#define WORLD                                                                            \
	"'vpcs': {'a': {'cidrs': ['10.0.0.0/16', 'fd00:10::/56']},"                      \
	"         'b': {'cidrs': ['10.1.0.0/16', 'fd00:11::/56']},"                      \
	"         'c': {'cidrs': ['10.0.0.0/16']}},"                                     \
	"'subnets': {"                                                                   \
	" 'pub': {'vpc': 'a', 'cidrs': ['10.0.0.0/24', 'fd00:10::/64'],"                 \
	"         'device': 'br-pub', 'route_table': 'pub'},"                            \
	" 'priv': {'vpc': 'a', 'cidrs': ['10.0.1.0/24', 'fd00:10:0:1::/64'],"            \
	"          'device': 'br-priv', 'route_table': 'priv'},"                         \
	" 'odd': {'vpc': 'a', 'cidrs': ['10.0.2.0/24'], 'route_table': 'odd'},"          \
	" 'far': {'vpc': 'b', 'cidrs': ['10.1.0.0/24', 'fd00:11::/64'],"                 \
	"         'device': 'br-far', 'route_table': 'far'},"                            \
	" 'twin': {'vpc': 'c', 'cidrs': ['10.0.1.0/24'], 'device': 'br-twin',"           \
	"          'route_table': 'twin'}},"                                             \
	"'interfaces': {"                                                                \
	" 'web': {'subnet': 'pub', 'addresses': ['10.0.0.10', 'fd00:10::10'],"           \
	"         'security_groups': ['open']},"                                         \
	" 'app': {'subnet': 'priv', 'addresses': ['10.0.1.10', 'fd00:10:0:1::10'],"      \
	"         'security_groups': ['open']},"                                         \
	" 'box': {'subnet': 'pub', 'addresses': ['10.0.0.9'], 'device': 'box0',"         \
	"         'source_dest_check': false, 'security_groups': ['open']},"             \
	" 'end': {'subnet': 'odd', 'addresses': ['10.0.2.20'], 'device': 'end0',"        \
	"         'security_groups': ['open']},"                                         \
	" 'mate': {'subnet': 'far', 'addresses': ['10.1.0.10', 'fd00:11::10'],"          \
	"          'security_groups': ['mates']},"                                       \
	" 'twin': {'subnet': 'twin', 'addresses': ['10.0.1.10'],"                        \
	"          'security_groups': ['twin']}},"                                       \
	"'security_groups': {"                                                           \
	" 'open': {'vpc': 'a', 'ingress': [{'protocol': 'all', 'peers': ['0.0.0.0/0', "  \
	"   '::/0']}], 'egress': [{'protocol': 'all', 'peers': ['0.0.0.0/0', "           \
	"'::/0']}]},"                                                                    \
	" 'mates': {'vpc': 'b', 'ingress': [{'protocol': 'all',"                         \
	"   'peers': ['security_group/open']}], 'egress': []},"                          \
	" 'twin': {'vpc': 'c', 'ingress': [], 'egress': [{'protocol': 'all',"            \
	"   'peers': ['0.0.0.0/0']}]}},"                                                 \
	"'internet_gateways': {"                                                         \
	" 'igw': {'vpc': 'a', 'device': 'up0', 'next_hop': ['203.0.113.1', "             \
	"         '2001:db8::1']},"                                                      \
	" 'igw-c': {'vpc': 'c', 'device': 'up0'}},"                                      \
	"'egress_only_gateways': {'eigw': {'vpc': 'a', 'device': 'up0'}},"               \
	"'elastic_ips': {"                                                               \
	" 'web': {'address': '203.0.113.10', 'interface': 'web'},"                       \
	" 'nat': {'address': '203.0.113.20'},"                                           \
	" 'twin': {'address': '203.0.113.30', 'interface': 'twin'},"                     \
	" 'free': {'address': '203.0.113.40'}},"                                         \
	"'nat_gateways': {'nat': {'subnet': 'pub', 'private_address': '10.0.0.5',"       \
	"   'elastic_ips': ['nat']}},"                                                   \
	"'peerings': {'ab': {'vpcs': ['a', 'b']}},"                                      \
	"'route_tables': {"                                                              \
	" 'pub': {'vpc': 'a', 'routes': [{'to': '0.0.0.0/0', 'via': "                    \
	"   'internet_gateway/igw'}, {'to': '::/0', 'via': 'internet_gateway/igw'}]},"   \
	" 'priv': {'vpc': 'a', 'routes': [{'to': '0.0.0.0/0', 'via': "                   \
	"'nat_gateway/nat'},"                                                            \
	"   {'to': '::/0', 'via': 'egress_only_gateway/eigw'},"                          \
	"   {'to': '64:ff9b::/96', 'via': 'nat_gateway/nat'},"                           \
	"   {'to': '192.0.2.0/24', 'via': 'blackhole'},"                                 \
	"   {'to': '198.18.0.0/15', 'via': 'interface/box'},"                            \
	"   {'to': '10.1.0.0/16', 'via': 'peering/ab'},"                                 \
	"   {'to': '10.2.0.0/16', 'via': 'peering/ab'}]},"                               \
	" 'odd': {'vpc': 'a', 'routes': [{'to': '10.0.1.0/24', 'via': 'interface/box'}," \
	"   {'to': '0.0.0.0/0', 'via': 'nat_gateway/nat'}]},"                            \
	" 'far': {'vpc': 'b', 'routes': [{'to': '10.0.0.0/16', 'via': 'peering/ab'}]},"  \
	" 'twin': {'vpc': 'c', 'routes': [{'to': '0.0.0.0/0', 'via': "                   \
	"   'internet_gateway/igw-c'}]}}"

#define SERVER  "198.51.100.1"
#define SERVER6 "2001:db8:1::1"

static void test_routes(void)
{
	rules(WORLD);
	is_str(see("br-priv", SYN("10.0.1.10", 1, "10.0.2.20", 80)),
	       "end0 via port: 10.0.1.10:1 > 10.0.2.20:80",
	       "RT1: an address of the VPC is local");
	is_str(see("end0", SYN("10.0.2.20", 1, "10.0.1.10", 80)),
	       "box0 via port: 10.0.2.20:1 > 10.0.1.10:80",
	       "RT1: a route more specific than local is obeyed");
	is_str(see("br-priv", SYN("10.0.1.10", 1, "192.0.2.9", 80)), "BLACKHOLE",
	       "RT1: a blackhole does not fall through to a shorter prefix");
	is_str(see("br-priv", SYN("10.0.1.10", 1, "198.18.0.1", 80)),
	       "box0 via port: 10.0.1.10:1 > 198.18.0.1:80",
	       "an interface that checks no destinations gets what a route sends it");
	is_str(see("br-far", SYN("10.1.0.10", 1, SERVER, 80)), "SG_EGRESS",
	       "the sender's groups come before its routes");
	is_str(see("br-far", SYN("10.1.0.99", 1, SERVER, 80)), "NO_ROUTE",
	       "without a route there is no way");
	is_str(see("br-priv", SYN("10.0.1.10", 1, "10.0.1.77", 80)),
	       "br-priv via 10.0.1.77: 10.0.1.10:1 > 10.0.1.77:80, same subnet",
	       "the sender's own subnet meets no table");
	is_str(see("br-priv", SYN("10.0.1.10", 1, "169.254.168.1", 80)), "NO_ROUTE",
	       "some link-local addresses are not forwarded");
	is_str(see("br-priv", SYN("10.0.1.10", 1, "224.0.0.9", 80)), "NO_ROUTE",
	       "multicast is not forwarded");
	is_str(see("br-priv", frame_echo("10.0.1.10", "10.0.0.1", 1)), "answer",
	       "the router of another subnet answers a ping");
	is_str(see("br-priv", frame_hops(SYN("10.0.1.10", 1, "10.0.2.20", 80), 1)),
	       "TTL_EXPIRED, told expired", "the last hop is told of");
	is_str(see("br-priv", frame_hops(SYN("10.0.1.10", 1, "10.0.1.77", 80), 1)),
	       "br-priv via 10.0.1.77: 10.0.1.10:1 > 10.0.1.77:80, same subnet",
	       "inside a subnet there are no hops");
}

static void test_sources(void)
{
	static const struct {
		const char *device, *from, *to, *want, *name;
	} cases[] = {
		{ "br-priv", "10.0.0.77", "10.0.2.20", "SOURCE_CHECK",
		  "a host speaks for its own subnet only" },
		{ "br-priv", "10.0.1.77", "10.0.2.20",
		  "end0 via port: 10.0.1.77:1 > 10.0.2.20:80",
		  "a host need not be declared" },
		{ "br-pub", "10.0.0.5", "10.0.2.20", "SOURCE_CHECK",
		  "nobody speaks for a NAT gateway" },
		{ "up0", "10.9.9.9", "203.0.113.10", "SOURCE_CHECK",
		  "private sources do not come from the internet" },
		{ "up0", "10.0.1.1", "192.0.2.1", "SOURCE_CHECK",
		  "nor do those of a VPC, whomever they call" },
		{ "up0", "10.9.9.9", "192.0.2.1", "kernel",
		  "what is for nobody of the rule set is the kernel's" },
		{ "up0", SERVER, "10.0.1.10", "NO_ROUTE",
		  "private addresses are not reached from outside" },
	};

	rules(WORLD);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_str(see(cases[i].device, SYN(cases[i].from, 1, cases[i].to, 80)),
		       cases[i].want, "%s", cases[i].name);
}

static void test_elastic(void)
{
	struct frame heard = SYN(SERVER, 5, "203.0.113.10", 80);
	struct frame inside = SYN(SERVER, 5, "10.0.0.10", 80);
	struct frame error = frame_error("10.0.0.77", &inside);

	rules(WORLD);
	is_str(see("br-pub", SYN("10.0.0.10", 1, SERVER, 80)),
	       "up0 via 203.0.113.1: 203.0.113.10:1 > 198.51.100.1:80",
	       "an instance goes out as its elastic IP");
	is_str(see("up0", BOTH(SERVER, 80, "203.0.113.10", 1)),
	       "br-pub via 10.0.0.10: 198.51.100.1:80 > 10.0.0.10:1",
	       "and is answered there");
	is_str(see("br-pub", SYN("10.0.0.77", 1, SERVER, 80)), "NO_PUBLIC_ADDRESS",
	       "without an elastic IP nobody goes out");
	is_str(see("br-pub", SYN("10.0.0.10", 1, "192.168.1.1", 80)),
	       "PRIVATE_DESTINATION", "private destinations are not on the internet");
	is_str(see("up0", heard), "br-pub via 10.0.0.10: 198.51.100.1:5 > 10.0.0.10:80",
	       "the internet reaches an elastic IP");
	is_str(see("up0", SYN(SERVER, 5, "203.0.113.40", 80)), "NO_PUBLIC_ADDRESS",
	       "one that nobody has is a dead end");
	is_str(see("br-pub", SYN("10.0.0.10", 1, "203.0.113.30", 80)), "SG_INGRESS",
	       "a packet to another elastic IP turns round, and meets its groups");
	is_str(see("br-twin", SYN("10.0.1.10", 1, "203.0.113.10", 80)),
	       "br-pub via 10.0.0.10: 203.0.113.30:1 > 10.0.0.10:80",
	       "VPCs with the same addresses meet under their public ones");
	is_str(see("br-pub", error),
	       "up0 via 203.0.113.1: 203.0.113.10:0 > 198.51.100.1:0, quotes "
	       "198.51.100.1:5 > 203.0.113.10:80",
	       "an error from within is sent as, and quotes, what the outside knows");
	is_str(see("up0", frame_arp(1, "203.0.113.1", "203.0.113.20")), "answer",
	       "a NAT gateway's elastic IP is asked for and found");
	is_str(see("up0", frame_arp(1, "203.0.113.1", "203.0.113.40")), "kernel",
	       "one that nobody has is not");
}

static void test_nat(void)
{
	struct frame out = SYN("203.0.113.20", 40000, SERVER, 80);
	struct frame error = frame_error("198.51.100.254", &out);

	rules(WORLD);
	is_str(see("br-priv", SYN("10.0.1.10", 40000, SERVER, 80)),
	       "up0 via 203.0.113.1: 203.0.113.20:40000 > 198.51.100.1:80",
	       "a client's own port is kept when it can be");
	is_str(see("br-priv", SYN("10.0.1.77", 40000, SERVER, 80)),
	       "up0 via 203.0.113.1: 203.0.113.20:10536 > 198.51.100.1:80",
	       "a second client with that port gets another one");
	is_str(see("br-priv", SYN("10.0.1.77", 40001, SERVER, 80)),
	       "up0 via 203.0.113.1: 203.0.113.20:40001 > 198.51.100.1:80",
	       "and keeps its next one");
	is_str(see("up0", error),
	       "br-priv via 10.0.1.10: 198.51.100.254:0 > 10.0.1.10:0, quotes "
	       "10.0.1.10:40000 > 198.51.100.1:80",
	       "an error about a connection finds the client, and quotes what it knows");
	is_str(see("up0", BOTH(SERVER, 80, "203.0.113.20", 10536)),
	       "br-priv via 10.0.1.77: 198.51.100.1:80 > 10.0.1.77:40000",
	       "answers find their client");
	is_str(see("up0", BOTH(SERVER, 81, "203.0.113.20", 40000)), "NAT_UNSOLICITED",
	       "those of another server do not");
	is_str(see("up0", SYN(SERVER, 80, "203.0.113.20", 22)), "NAT_UNSOLICITED",
	       "NAT4: nothing comes in unasked, and nothing is said");
	is_str(see("br-pub", SYN("10.0.0.10", 1, "10.0.0.5", 80)), "NAT_UNSOLICITED",
	       "nor from inside to its private address");
	is_str(see("br-priv", ACK("10.0.1.10", 9, SERVER, 80)), "NO_FLOW, told reset",
	       "a segment of no connection is reset");
	is_str(see("br-priv", frame_tcp("10.0.1.10", 9, SERVER, 80, TCP_RST)), "NO_FLOW",
	       "unless it is a reset");
	is_str(see("br-priv", frame_other("10.0.1.10", SERVER, 47)), "NAT_PROTOCOL",
	       "what has no ports is not translated");
	is_str(see("br-priv", frame_piece(SYN("10.0.1.10", 9, SERVER, 80), 0, true)),
	       "FRAGMENT", "NAT3: fragments of TCP do not pass");
	is_str(see("br-priv",
		   frame_piece(frame_udp("10.0.1.10", 40000, SERVER, 53), 0, true)),
	       "up0 via 203.0.113.1: 203.0.113.20:40000 > 198.51.100.1:53",
	       "NAT3: those of UDP do");
	is_str(see("br-priv",
		   frame_piece(frame_udp("10.0.1.10", 40000, SERVER, 53), 64, false)),
	       "up0 via 203.0.113.1: 203.0.113.20:40000 > 198.51.100.1:53",
	       "NAT3: the later ones, too");
	is_str(see("br-priv",
		   frame_piece(frame_udp("10.0.1.11", 40000, SERVER, 53), 64, false)),
	       "FRAGMENT", "NAT3: but not without the first");
	is_str(see("br-priv", frame_echo("10.0.1.10", SERVER, 20000)),
	       "up0 via 203.0.113.1: 203.0.113.20:20000 > 198.51.100.1:20000",
	       "a ping is translated by its id");
	is_str(see("end0", SYN("10.0.2.20", 40000, "203.0.113.10", 80)),
	       "br-pub via 10.0.0.10: 203.0.113.20:40000 > 10.0.0.10:80",
	       "through NAT to an elastic IP next door");
	is_str(see("br-priv", SYN("10.0.1.10", 40000, "10.0.0.10", 80)),
	       "br-pub via 10.0.0.10: 10.0.1.10:40000 > 10.0.0.10:80",
	       "inside the VPC nothing is translated");
}

static void test_nat_time(void)
{
	struct frame both = BOTH(SERVER, 80, "203.0.113.20", 40000);
	struct frame ack = ACK("10.0.1.10", 40000, SERVER, 80);

	both.seq = 5000;
	ack.ack = 5001;
	rules(WORLD);
	see("br-priv", SYN("10.0.1.10", 40000, SERVER, 80));
	see("up0", both);
	see("br-priv", ack);
	now += 349;
	is_str(see("br-priv", ACK("10.0.1.10", 40000, SERVER, 80)),
	       "up0 via 203.0.113.1: 203.0.113.20:40000 > 198.51.100.1:80",
	       "NAT1: after 349 seconds a connection is there");
	now += 351;
	is_str(see("br-priv", ACK("10.0.1.10", 40000, SERVER, 80)), "NO_FLOW, told reset",
	       "NAT1: after 351 it is not, and the client is told");
	is_str(see("up0", ACK(SERVER, 80, "203.0.113.20", 40000)), "NAT_UNSOLICITED",
	       "the server is not");
}

static void test_ip6(void)
{
	rules(WORLD);
	is_str(see("br-priv", SYN("fd00:10:0:1::10", 1, SERVER6, 80)),
	       "up0 via 2001:db8:1::1: [fd00:10:0:1::10]:1 > [2001:db8:1::1]:80",
	       "IPv6 leaves by the egress-only gateway as it is");
	is_str(see("up0", BOTH(SERVER6, 80, "fd00:10:0:1::10", 1)),
	       "br-priv via fd00:10:0:1::10: [2001:db8:1::1]:80 > [fd00:10:0:1::10]:1",
	       "its answers come in");
	is_str(see("up0", SYN(SERVER6, 80, "fd00:10:0:1::10", 2)), "EGRESS_ONLY",
	       "nothing else does");
	is_str(see("up0", SYN(SERVER6, 80, "fd00:10::10", 1)),
	       "br-pub via fd00:10::10: [2001:db8:1::1]:80 > [fd00:10::10]:1",
	       "an internet gateway lets IPv6 in");
	is_str(see("up0", SYN(SERVER6, 80, "fd00:11::10", 1)), "NO_ROUTE",
	       "to a VPC that has one");
	is_str(see("br-priv", SYN("fd00:10:0:1::10", 40000, "64:ff9b::c633:6401", 80)),
	       "up0 via 203.0.113.1: 203.0.113.20:40000 > 198.51.100.1:80",
	       "NAT64 makes IPv4 of IPv6");
	is_str(see("up0", BOTH(SERVER, 80, "203.0.113.20", 40000)),
	       "br-priv via fd00:10:0:1::10: [64:ff9b::c633:6401]:80 > "
	       "[fd00:10:0:1::10]:40000",
	       "and back");
}

static void test_peering(void)
{
	rules(WORLD);
	is_str(see("br-priv", SYN("10.0.1.10", 1, "10.1.0.10", 80)),
	       "br-far via 10.1.0.10: 10.0.1.10:1 > 10.1.0.10:80",
	       "a peer's group names a group of this VPC");
	is_str(see("br-far", BOTH("10.1.0.10", 80, "10.0.1.10", 1)),
	       "br-priv via 10.0.1.10: 10.1.0.10:80 > 10.0.1.10:1", "and answers");
	is_str(see("br-priv", SYN("10.0.1.77", 1, "10.1.0.10", 80)), "SG_INGRESS",
	       "who is in no group is not let in");
	is_str(see("br-priv", SYN("10.0.1.10", 1, "10.2.0.10", 80)), "PEERING",
	       "a peering leads no further than the other VPC");
}

/* Sent on with the addresses that it was sent: another flow, in the appliance's own zone. */
static void test_appliance(void)
{
	rules(WORLD);
	see("end0", SYN("10.0.2.20", 1, "10.0.1.10", 80));
	is_str(see("box0", SYN("10.0.2.20", 1, "10.0.1.10", 80)),
	       "br-priv via 10.0.1.10: 10.0.2.20:1 > 10.0.1.10:80",
	       "an appliance sends on what it was sent");
	is_str(see("br-priv", BOTH("10.0.1.10", 80, "10.0.2.20", 1)),
	       "end0 via port: 10.0.1.10:80 > 10.0.2.20:1",
	       "the answer may go another way");
}

int main(void)
{
	test_routes();
	test_sources();
	test_elastic();
	test_nat();
	test_nat_time();
	test_ip6();
	test_peering();
	test_appliance();
	oracle_free(oracle);
	model_free(model);
	return done();
}
