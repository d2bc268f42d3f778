/* SPDX-License-Identifier: Apache-2.0 */

/* ICMP errors about packets that were translated on their way: who hears of them, and as what. */
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define ALL "{ 'protocol': 'all', 'peers': ['0.0.0.0/0'] }"
#define ACL(rule, more)                                                             \
	"[" rule                                                                    \
	"{ 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' " \
	"}" more "]"

/* 'ingress', 'egress': rules of the NAT gateway's subnet, each with a comma behind it; 'groups': what
 * comes in to the instances. */
#define RULES(ingress, egress, groups)                                                   \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16'] } },"                \
	"  'subnets': {"                                                                 \
	"    'web': { 'vpc': 'v', 'device': 'br0', 'cidrs': ['10.0.0.0/24'],"            \
	"      'route_table': 'web' },"                                                  \
	"    'nat': { 'vpc': 'v', 'device': 'br2', 'cidrs': ['10.0.2.0/24'],"            \
	"      'route_table': 'web', 'network_acl': 'nat' },"                            \
	"    'app': { 'vpc': 'v', 'device': 'br1', 'cidrs': ['10.0.1.0/24'],"            \
	"      'route_table': 'app' } },"                                                \
	"  'network_acls': { 'nat': { 'vpc': 'v',"                                       \
	"    'ingress': " ACL(ingress, "") ", 'egress': " ACL(                           \
		egress,                                                                  \
		"") " } },"                                                              \
		    "  'security_groups': { 'web': { 'vpc': 'v', 'egress': [" ALL        \
		    "], 'ingress': [" groups " { 'protocol': 'tcp', 'ports': 80, "       \
		    "'peers': ['198.51.0.0/16'] } ] } },"                                \
		    "  'interfaces': {"                                                  \
		    "    'one': { 'subnet': 'web', 'addresses': ['10.0.0.10'], "         \
		    "'security_groups': "                                                \
		    "['web'] },"                                                         \
		    "    'two': { 'subnet': 'web', 'addresses': ['10.0.0.11'], "         \
		    "'security_groups': "                                                \
		    "['web'] },"                                                         \
		    "    'three': { 'subnet': 'app', 'addresses': ['10.0.1.11'] } },"    \
		    "  'internet_gateways': { 'v': { 'vpc': 'v', 'device': 'out0',"      \
		    "    'next_hop': ['203.0.113.1'] } },"                               \
		    "  'elastic_ips': { 'nat': { 'address': '203.0.113.20' }, 'three': " \
		    "{ 'address': '203.0.113.12', 'interface': 'three' },"               \
		    "    'one': { 'address': '203.0.113.10', 'interface': 'one' },"      \
		    "    'two': { 'address': '203.0.113.11', 'interface': 'two' } },"    \
		    "  'nat_gateways': { 'nat': { 'subnet': 'nat', 'private_address': "  \
		    "'10.0.2.5',"                                                        \
		    "    'elastic_ips': ['nat'] } },"                                    \
		    "  'route_tables': {"                                                \
		    "    'web': { 'vpc': 'v', 'routes': ["                               \
		    "      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/v' } ] },"      \
		    "    'app': { 'vpc': 'v', 'routes': ["                               \
		    "      { 'to': '0.0.0.0/0', 'via': 'nat_gateway/nat' } ] } } }"

#define ANYTHING "{ 'protocol': 'all', 'peers': ['0.0.0.0/0'] },"
#define SERVER   "198.51.100.1"
#define HOP      "192.0.2.77" /* a router out there */
#define CLIENT   "10.0.1.10"
#define ROUTER   "out0 203.0.113.1"

/* The kinds of packets that errors are about, of an instance at 'from'. */
static const struct {
	const char *name;
	size_t quote_size; /* 0: the least there must be */
	uint8_t type, code;
	uint16_t mtu;
} kinds[] = {
	{ "UDP", 0, 3, 3, 0 },     { "UDP, all of it", 500, 3, 1, 0 },
	{ "TCP", 0, 3, 4, 1400 },  { "TCP, all of it", 500, 11, 0, 0 },
	{ "a ping", 0, 11, 0, 0 }, { "a ping, all of it", 500, 12, 0, 0 },
};

static struct frame first_of(size_t kind, const char *from, const char *to)
{
	/* A NAT gateway keeps the higher ones, and must change the others. */
	uint16_t port = (kind & 1 ? 40000 : 1000) + (uint16_t)kind;
	struct frame f;

	if (kind < 2)
		f = frame_udp(from, port, to, 53);
	else if (kind < 4)
		f = frame_tcp(from, port, to, 80, TCP_SYN);
	else
		f = frame_echo(from, to, port);
	f.seq = 77;
	f.payload = kind & 1 ? 33 : 8;
	return f;
}

/* What 'from' says of 'about', as kind 'kind' has it. 'about' is borrowed. */
static struct frame error_of(size_t kind, const char *from, const struct frame *about)
{
	struct frame e = frame_error(from, about);

	e.icmp_type = kinds[kind].type;
	e.icmp_code = kinds[kind].code;
	e.icmp_seq = kinds[kind].mtu;
	e.quote_size = kinds[kind].quote_size;
	return e;
}

/* One router on the way of a packet: at it the packet has two hops less. */
static struct frame on_the_way(struct frame f)
{
	f.ttl = 62;
	return f;
}

/* The first packet leaves; as what? */
static struct frame leave(struct stand *s, const char *device, const struct frame *sent,
			  const char *as, const char *says)
{
	struct result r;
	struct frame seen;
	size_t at = 14 + (sent->protocol == 1 ? 24 : 20);

	stand_reset(s);
	travel_meet(s, ROUTER);
	r = travel_run(s, device, *sent);
	seen = frame_from(*sent, as, (uint16_t)(r.frame[at] << 8 | r.frame[at + 1]));
	travels(s, device, *sent, ROUTER, seen, "%s: %s leaves", says,
		sent->protocol == 1 ? "a ping" : "a packet");
	return seen;
}

/* Errors from outside about what 'client' sent through 'as'. */
static void inwards(struct stand *s, const char *device, const char *client,
		    const char *as, const char *how)
{
	char home[64];

	snprintf(home, sizeof(home), "%s %s", device, client);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct frame sent = first_of(k, client, SERVER);
		struct frame seen = on_the_way(leave(s, device, &sent, as, how));
		struct frame mine = on_the_way(sent);
		const char *const from[] = { HOP, SERVER };

		for (int i = 0; i < 2; i++)
			travels(s, "out0", error_of(k, from[i], &seen), home,
				error_of(k, from[i], &mine),
				"%s, %s: an error of %s comes home, as about what was "
				"sent",
				how, kinds[k].name, i ? "the server" : "a router");
	}
}

/* And about what came in to it. */
static void outwards(struct stand *s, const char *device, const char *client,
		     const char *as, const char *how)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct frame sent = first_of(k, client, SERVER), got = frame_reply(&sent);
		struct frame told = leave(s, device, &sent, as, how);

		told = frame_reply(&told);
		travels(s, device, error_of(k, client, &got), ROUTER,
			error_of(k, as, &told),
			"%s, %s: an error about the answer leaves, as about what was "
			"sent",
			how, kinds[k].name);
	}
}

/* A router inside that has no elastic IP speaks of somebody's connection. */
static void from_within(struct stand *s)
{
	struct frame sent = first_of(1, CLIENT, SERVER), got = frame_reply(&sent);
	struct frame told = frame_to(got, "203.0.113.20", 0);

	stand_reset(s);
	travels(s, "br1", sent, ROUTER, frame_from(sent, "203.0.113.20", 0),
		"a client's datagram leaves");
	travels(s, "br1", error_of(0, "10.0.1.99", &got), ROUTER,
		error_of(0, "203.0.113.20", &told),
		"a router of the subnet speaks as the NAT gateway's elastic IP");
	travels(s, "br1", error_of(0, "10.0.1.11", &got), ROUTER,
		error_of(0, "203.0.113.12", &told),
		"one that has an elastic IP of its own as that");
	sent = first_of(0, "10.0.0.10", SERVER);
	got = frame_reply(&sent);
	told = frame_to(got, "203.0.113.10", 0);
	travels(s, "br0", sent, ROUTER, frame_from(sent, "203.0.113.10", 0),
		"an instance's datagram leaves");
	travels(s, "br0", error_of(0, "10.0.0.99", &got), ROUTER,
		error_of(0, "203.0.113.10", &told),
		"a router beside it speaks as its elastic IP");
	travels(s, "br0", error_of(0, "10.0.0.11", &got), ROUTER,
		error_of(0, "203.0.113.11", &told), "one that has its own as that");
	stand_reset(s);
	is_lost(s, "br0", error_of(0, "10.0.0.99", &got), HG_DROP_NO_PUBLIC_ADDRESS,
		"of no connection it cannot speak");
}

/* 1:1 keeps no state, so neither must its errors need any. */
static void stateless(struct stand *s)
{
	stand_rules(s, RULES("", "", ANYTHING));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct frame mine = first_of(k, "10.0.0.10", SERVER);
		struct frame seen = frame_from(mine, "203.0.113.10", 0);
		struct frame came = frame_reply(&mine);
		struct frame sent = frame_to(came, "203.0.113.10", 0);

		stand_reset(s);
		travels(s, "out0", error_of(k, HOP, &seen), "br0 10.0.0.10",
			error_of(k, HOP, &mine),
			"%s: without a connection an error comes in translated",
			kinds[k].name);
		travels(s, "br0", error_of(k, "10.0.0.10", &came), ROUTER,
			error_of(k, "203.0.113.10", &sent), "%s: and leaves so",
			kinds[k].name);
	}
	stand_rules(s, RULES("", "", ""));
}

/* A connection that turned round at the gateway is translated at both ends. */
static void round_trip(struct stand *s)
{
	stand_rules(s, RULES("", "", ANYTHING));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct frame sent =
			frame_from(first_of(k, CLIENT, "203.0.113.11"), NULL, 40000);
		struct frame seen =
			frame_to(frame_from(sent, "203.0.113.20", 0), "10.0.0.11", 0);

		stand_reset(s);
		travels(s, "br1", sent, "br0 10.0.0.11", seen,
			"%s: through NAT to an elastic IP", kinds[k].name);
		travels(s, "br0", error_of(k, "10.0.0.11", &seen), "br1 10.0.1.10",
			error_of(k, "203.0.113.11", &sent),
			"%s: an error finds the client, from the address it asked",
			kinds[k].name);
		sent = first_of(k, "10.0.0.10", "203.0.113.11");
		seen = frame_to(frame_from(sent, "203.0.113.10", 0), "10.0.0.11", 0);
		travels(s, "br0", sent, "br0 10.0.0.11", seen,
			"%s: from one elastic IP to another", kinds[k].name);
		travels(s, "br0", error_of(k, "10.0.0.11", &seen), "br0 10.0.0.10",
			error_of(k, "203.0.113.11", &sent),
			"%s: an error finds that one, too", kinds[k].name);
	}
	stand_rules(s, RULES("", "", ""));
}

static void strangers(struct stand *s)
{
	struct frame sent = first_of(1, CLIENT, SERVER);
	struct frame seen = frame_from(sent, "203.0.113.20", 0), other = seen, e;

	stand_reset(s);
	is_lost(s, "out0", error_of(0, HOP, &seen), HG_DROP_NAT_UNSOLICITED,
		"an error about what a NAT gateway never sent is dropped");
	travels(s, "br1", sent, ROUTER, seen, "a datagram leaves");
	other.sport++;
	is_lost(s, "out0", error_of(0, HOP, &other), HG_DROP_NAT_UNSOLICITED,
		"one about another port, too");
	other = frame_to(seen, "198.51.100.2", 0);
	is_lost(s, "out0", error_of(0, HOP, &other), HG_DROP_NAT_UNSOLICITED,
		"one about another server, too");
	e = error_of(0, HOP, &seen);
	e.quote_size = 24;
	is_lost(s, "out0", e, HG_DROP_NAT_UNSOLICITED, "one that quotes too little, too");
	e = error_of(0, HOP, &seen);
	e.icmp_type = 8;
	is_lost(s, "out0", e, HG_DROP_NAT_UNSOLICITED,
		"and what is no error but looks like one");
	other = frame_reply(&sent);
	other.sport = 54;
	is_lost(s, "br1", error_of(0, CLIENT, &other), HG_DROP_NAT_UNSOLICITED,
		"a client's error about what it never got is dropped");
	stand_wait(s, 300);
	e = error_of(0, HOP, &seen);
	travels(s, "out0", e, "br1 10.0.1.10", error_of(0, HOP, &sent),
		"an error comes home as long as the connection lives");
	stand_wait(s, 60);
	is_lost(s, "out0", e, HG_DROP_NAT_UNSOLICITED, "which it does not prolong");
}

/* An error is an ICMP packet to the ACLs of the NAT gateway's subnet. */
static void acls(struct stand *s)
{
#define DENY                                                                     \
	"{ 'rule': 1, 'action': 'deny', 'protocol': 'icmp', 'icmp': 3, 'cidr': " \
	"'0.0.0.0/0' },"
	struct frame sent = first_of(1, CLIENT, SERVER);
	struct frame seen = frame_from(sent, "203.0.113.20", 0);
	struct frame got = frame_reply(&sent);

	stand_reset(s);
	travels(s, "br1", sent, ROUTER, seen, "a datagram leaves");
	stand_rules(s, RULES(DENY, "", ""));
	is_lost(s, "out0", error_of(0, HOP, &seen), HG_DROP_NACL_INGRESS,
		"an ACL stops errors on their way in to a NAT gateway");
	is_lost(s, "br1", error_of(0, CLIENT, &got), HG_DROP_NACL_INGRESS,
		"from the client as well");
	stand_rules(s, RULES("", DENY, ""));
	is_lost(s, "out0", error_of(0, HOP, &seen), HG_DROP_NACL_EGRESS,
		"and on their way out of its subnet");
	is_lost(s, "br1", error_of(0, CLIENT, &got), HG_DROP_NACL_EGRESS,
		"from the client as well");
	travels(s, "br1", sent, ROUTER, seen, "while datagrams leave as ever");
	stand_rules(s, RULES("", "", ""));
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, RULES("", "", ""));
		inwards(s, "br1", CLIENT, "203.0.113.20", "NAT");
		inwards(s, "br0", "10.0.0.10", "203.0.113.10", "elastic IP");
		outwards(s, "br1", CLIENT, "203.0.113.20", "NAT");
		outwards(s, "br0", "10.0.0.10", "203.0.113.10", "elastic IP");
		from_within(s);
		stateless(s);
		round_trip(s);
		strangers(s);
		acls(s);
	}
	stand_free(s);
	return done();
}
