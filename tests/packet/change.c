/* SPDX-License-Identifier: Apache-2.0 */

/* Connections through a gateway whose rules change under them. */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define ALL_OUT \
	"{ 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' }"

/* 'owner': the interface that has the elastic IP; 'nat': keys of the NAT gateway; 'way': of the clients; 'egress':
 * their groups' rules; 'in', 'out': rules of the NAT gateway's subnet, each with a comma behind it. */
#define RULES(owner, nat, way, egress, in, out, change)                                 \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16'] } },"               \
	"  'subnets': {"                                                                \
	"    'web': { 'vpc': 'v', 'device': 'br0', 'cidrs': ['10.0.0.0/24'],"           \
	"      'route_table': 'web' },"                                                 \
	"    'app': { 'vpc': 'v', 'device': 'br1', 'cidrs': ['10.0.1.0/24'],"           \
	"      'route_table': 'app' },"                                                 \
	"    'nat': { 'vpc': 'v', 'device': 'br2', 'cidrs': ['10.0.2.0/24'],"           \
	"      'route_table': 'web', 'network_acl': 'nat' } },"                         \
	"  'network_acls': { 'nat': { 'vpc': 'v', 'ingress': [" in ALL_OUT "],"         \
	"    'egress': [" out ALL_OUT "] } },"                                          \
	"  'security_groups': { 'web': { 'vpc': 'v', 'egress': [], 'ingress': ["        \
	"      { 'protocol': 'tcp', 'ports': 80, 'peers': ['198.51.0.0/16'] } ] },"     \
	"    'app': { 'vpc': 'v', 'ingress': [], 'egress': [" egress "] } },"           \
	"  'interfaces': {"                                                             \
	"    'one': { 'subnet': 'web', 'addresses': ['10.0.0.10'], 'security_groups': " \
	"['web'] },"                                                                    \
	"    'two': { 'subnet': 'web', 'addresses': ['10.0.0.11'], 'security_groups': " \
	"['web'] },"                                                                    \
	"    'app': { 'subnet': 'app', 'addresses': ['10.0.1.10'], 'security_groups': " \
	"['app'] } },"                                                                  \
	"  'internet_gateways': { 'v': { 'vpc': 'v', 'device': 'out0',"                 \
	"    'next_hop': ['203.0.113.1'] } },"                                          \
	"  'elastic_ips': { 'web': { 'address': '203.0.113.10', 'interface': '" owner   \
	"' },"                                                                          \
	"    'nat': { 'address': '203.0.113.20' }, 'spare': { 'address': "              \
	"'203.0.113.21' } },"                                                           \
	"  'nat_gateways': { 'nat': { 'subnet': 'nat', 'private_address': "             \
	"'10.0.2.5' " nat " } },"                                                       \
	"  'route_tables': {"                                                           \
	"    'web': { 'vpc': 'v', 'routes': ["                                          \
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/v' } ] },"                 \
	"    'app': { 'vpc': 'v', 'routes': [ { 'to': '0.0.0.0/0', 'via': '" way        \
	"' } ] } },"                                                                    \
	"  'settings': { 'rule_change': '" change "' } }"

#define HTTPS  "{ 'protocol': 'tcp', 'ports': 443, 'peers': ['198.51.0.0/16'] }"
#define EIP    ", 'elastic_ips': ['nat']"
#define NAT    "nat_gateway/nat"
#define USUAL  RULES("one", EIP, NAT, HTTPS, "", "", "aws")
#define STRICT RULES("one", EIP, NAT, HTTPS, "", "", "strict")

#define SERVER "198.51.100.1"
#define CLIENT "10.0.1.10"
#define ROUTER "out0 203.0.113.1"

/* A connection of two ends: inside as they know themselves; outside the inner one is 'as'. */
struct talk {
	const char *device, *home, *as;
	struct frame out, in; /* the next segment each way, as seen inside */
};

static bool talk_out(struct stand *s, struct talk *t, const char *says)
{
	return travels(s, t->device, t->out, ROUTER, frame_from(t->out, t->as, 0), "%s",
		       says);
}

static bool talk_in(struct stand *s, struct talk *t, const char *says)
{
	return travels(s, "out0", frame_to(t->in, t->as, 0), t->home, t->in, "%s", says);
}

/* A handshake that the client begins. */
static struct talk begin(struct stand *s)
{
	struct talk t = { .device = "br1",
			  .home = "br1 10.0.1.10",
			  .as = "203.0.113.20" };

	stand_reset(s);
	t.out = frame_tcp(CLIENT, 40000, SERVER, 443, TCP_SYN);
	t.out.seq = 1000;
	talk_out(s, &t, "a client's SYN leaves");
	t.in = frame_tcp(SERVER, 443, CLIENT, 40000, TCP_SYN | TCP_ACK);
	t.in.seq = 5000;
	t.in.ack = t.out.seq = 1001;
	talk_in(s, &t, "its answer comes in");
	t.out.tcp_flags = t.in.tcp_flags = TCP_ACK;
	t.out.ack = t.in.seq = 5001;
	talk_out(s, &t, "and the connection is made");
	t.out.payload = t.in.payload = 10;
	return t;
}

/* One that the outside begins, to the elastic IP. */
static struct talk begin_outside(struct stand *s)
{
	struct talk t = { .device = "br0",
			  .home = "br0 10.0.0.10",
			  .as = "203.0.113.10" };

	stand_reset(s);
	t.in = frame_tcp(SERVER, 9999, "10.0.0.10", 80, TCP_SYN);
	t.in.seq = 1000;
	talk_in(s, &t, "a SYN comes in");
	t.out = frame_tcp("10.0.0.10", 80, SERVER, 9999, TCP_SYN | TCP_ACK);
	t.out.seq = 5000;
	t.out.ack = t.in.seq = 1001;
	talk_out(s, &t, "its answer leaves");
	t.out.tcp_flags = t.in.tcp_flags = TCP_ACK;
	t.in.ack = t.out.seq = 5001;
	talk_in(s, &t, "and the connection is made");
	t.out.payload = t.in.payload = 10;
	return t;
}

static struct frame reset_of(const struct frame *f)
{
	struct frame r = frame_reply(f);

	r.tcp_flags = TCP_RST;
	r.ack = r.payload = 0;
	return r;
}

/* The same rules again, many times over. */
static void again(struct stand *s)
{
	struct talk t = begin(s), u;
	struct frame f = frame_udp(SERVER, 53, "203.0.113.20", 40000);

	for (int i = 0; i < 3; i++) {
		stand_rules(s, USUAL);
		talk_out(s, &t, "the same rules again: a client goes on");
		stand_rules(s, USUAL);
		talk_in(s, &t, "the same rules again: and so does its server");
	}
	u = begin_outside(s);
	for (int i = 0; i < 3; i++) {
		stand_rules(s, USUAL);
		talk_in(s, &u, "the same rules again: a client from outside goes on");
		stand_rules(s, USUAL);
		talk_out(s, &u, "the same rules again: with its server inside");
	}
	is_lost(s, "out0", f, HG_DROP_NAT_UNSOLICITED, "strangers stay out");
}

static void elastic_moves(struct stand *s)
{
	struct talk t = begin_outside(s);
	struct frame f = frame_to(t.in, t.as, 0);

	stand_rules(s, RULES("two", EIP, NAT, HTTPS, "", "", "aws"));
	is_lost(s, "br0", t.out, HG_DROP_NO_PUBLIC_ADDRESS,
		"who has lost its elastic IP does not get out");
	travels(s, "out0", f, "br0 10.0.0.11", frame_to(f, "10.0.0.11", 0),
		"what comes to a moved elastic IP goes to its new owner");
	stand_rules(s, USUAL);
	t = begin_outside(s);
	talk_in(s, &t, "moved back, it is the old one's again");
}

static void nat_address_moves(struct stand *s)
{
	struct talk t = begin(s);

	stand_rules(
		s, RULES("one", ", 'elastic_ips': ['spare']", NAT, HTTPS, "", "", "aws"));
	is_lost(s, "out0", frame_to(t.in, t.as, 0), HG_DROP_NO_PUBLIC_ADDRESS,
		"an address that a NAT gateway has lost is nobody's");
	is_lost(s, "br1", t.out, HG_DROP_NO_FLOW,
		"a connection that had it is forgotten on its first packet");
	is_told(s, "br1", t.out, HG_DROP_NO_FLOW, reset_of(&t.out),
		"and on its next one reset");
	stand_rules(s, USUAL);
	is_lost(s, "out0", frame_to(t.in, t.as, 0), HG_DROP_NAT_UNSOLICITED,
		"the address is back, the connection is not");
}

static void route_moves(struct stand *s)
{
	struct talk t = begin(s);

	stand_rules(s, RULES("one", EIP, "blackhole", HTTPS, "", "", "aws"));
	is_lost(s, "br1", t.out, HG_DROP_BLACKHOLE, "a route to nowhere leads there");
	stand_rules(s, USUAL);
	talk_out(s, &t, "what was dropped on its way has changed nothing");
	talk_in(s, &t, "in neither direction");
	stand_rules(s, RULES("one", EIP, "internet_gateway/v", HTTPS, "", "", "aws"));
	is_lost(s, "br1", t.out, HG_DROP_NO_PUBLIC_ADDRESS,
		"by another gateway it would leave as another, if it could");
	stand_rules(s, RULES("app", EIP, "internet_gateway/v", HTTPS, "", "", "aws"));
	is_lost(s, "br1", t.out, HG_DROP_NO_FLOW,
		"and when it can the NAT gateway's connection is over");
}

static void rule_goes(struct stand *s)
{
	struct talk t = begin(s);

	stand_rules(s, RULES("one", EIP, NAT, "", "", "", "aws"));
	talk_out(s, &t, "a tracked connection outlives its group's rule");
	talk_in(s, &t, "both ways");
	stand_rules(s, STRICT);
	talk_in(s, &t, "strict: the rule is there");
	stand_rules(s, RULES("one", EIP, NAT, "", "", "", "strict"));
	is_lost(s, "br1", t.out, HG_DROP_SG_EGRESS, "strict: the rule is gone");
	is_lost(s, "out0", frame_to(t.in, t.as, 0), HG_DROP_NAT_UNSOLICITED,
		"strict: and the connection with it");
	stand_rules(s, STRICT);
	is_told(s, "br1", t.out, HG_DROP_NO_FLOW, reset_of(&t.out),
		"strict: even when the rule comes back");
}

#define DENY(what) "{ 'rule': 1, 'action': 'deny', 'protocol': 'tcp', " what " },"
#define CLIENTS    DENY("'cidr': '10.0.1.0/24'")
#define SERVERS    DENY("'cidr': '198.51.100.0/24'")
#define CHOSEN     DENY("'cidr': '0.0.0.0/0', 'source_ports': '40000'")

/* Each border of the NAT gateway's subnet, each way; an ACL keeps no state. */
static void acls(struct stand *s)
{
	static const struct {
		const char *rules, *says;
		uint32_t out, in;
	} cuts[] = {
		{ RULES("one", EIP, NAT, HTTPS, CLIENTS, "", "aws"), "from the client",
		  HG_DROP_NACL_INGRESS, 0 },
		{ RULES("one", EIP, NAT, HTTPS, "", SERVERS, "aws"), "to the server",
		  HG_DROP_NACL_EGRESS, 0 },
		{ RULES("one", EIP, NAT, HTTPS, SERVERS, "", "aws"), "from the server", 0,
		  HG_DROP_NACL_INGRESS },
		{ RULES("one", EIP, NAT, HTTPS, "", CLIENTS, "aws"), "to the client", 0,
		  HG_DROP_NACL_EGRESS },
		{ RULES("one", EIP, NAT, HTTPS, "", CHOSEN, "aws"),
		  "from the chosen port", HG_DROP_NACL_EGRESS, 0 },
	};
	struct talk t = begin(s);

	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		stand_rules(s, cuts[i].rules);
		if (cuts[i].out)
			is_lost(s, "br1", t.out, cuts[i].out, "an ACL cuts what goes %s",
				cuts[i].says);
		else
			talk_out(s, &t, "and lets the other way pass");
		if (cuts[i].in)
			is_lost(s, "out0", frame_to(t.in, t.as, 0), cuts[i].in,
				"an ACL cuts what goes %s", cuts[i].says);
		else
			talk_in(s, &t, "and lets the other way pass");
	}
	stand_rules(s, USUAL);
	talk_out(s, &t, "without the rule the connection goes on");
	talk_in(s, &t, "both ways");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, USUAL);
		again(s);
		elastic_moves(s);
		nat_address_moves(s);
		route_moves(s);
		stand_rules(s, USUAL);
		rule_goes(s);
		stand_rules(s, USUAL);
		acls(s);
	}
	stand_free(s);
	return done();
}
