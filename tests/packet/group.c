/* SPDX-License-Identifier: Apache-2.0 */
#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* One port with the groups of the row; clients are outside the VPC, at its out door. */
#define GROUPS(groups, names)                                                           \
	"{ 'headgate': 1,"                                                              \
	"  'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] } },"            \
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'] " \
	"},"                                                                            \
	"               't': { 'vpc': 'v', 'cidrs': ['10.200.1.0/24'] } },"             \
	"  'security_groups': { " groups " },"                                          \
	"  'interfaces': { 'web': { 'subnet': 's', 'device': 'p0',"                     \
	"    'addresses': ['10.200.0.10', 'fd00:10::10'], 'security_groups': [" names   \
	"] }"
#define END " } }"
/* A group by name, and its two directions. */
#define GROUP(name, ingress, egress) \
	"'" name "': { 'vpc': 'v', 'ingress': [" ingress "], 'egress': [" egress "] }"
#define RULE(protocol, ports, peer) \
	"{ 'protocol': '" protocol "', 'ports': '" ports "', 'peers': ['" peer "'] }"
#define ANY(peer)            "{ 'protocol': 'all', 'peers': ['" peer "'] }"
#define ALL4                 ANY("0.0.0.0/0")
#define ONE(ingress, egress) GROUPS(GROUP("g", ingress, egress), "'g'") END

#define CLIENT  "198.51.100.7"
#define INSIDE  "10.1.1.1" /* of 10.0.0.0/8, and of no VPC */
#define WEB     "10.200.0.10"
#define CLIENT6 "2001:db8::7"
#define WEB6    "fd00:10::10"

/* The next segment of a connection that stand_connect() made. */
static struct frame data_in(const char *from, uint16_t sport, uint16_t dport)
{
	struct frame f = frame_tcp(from, sport, address(from).family == 4 ? WEB : WEB6,
				   dport, TCP_ACK | TCP_PSH);

	f.seq = 1001;
	f.ack = 5001;
	f.payload = 10;
	return f;
}

static void union_of_groups(struct stand *s)
{
	struct frame syn = frame_tcp(INSIDE, 40000, WEB, 22, TCP_SYN);

	stand_reset(s);
	stand_rules(s, GROUPS(GROUP("a", RULE("tcp", "22", "10.0.0.0/8"),
				    "") "," GROUP("b", "", ""),
			      "'a', 'b'") END);
	is_reason(stand_out(s, "p0", syn), 0,
		  "SG1: what one of two groups allows passes");
	syn = frame_reply(&syn);
	syn.tcp_flags = TCP_SYN | TCP_ACK;
	is_reason(
		stand_in(s, "p0", syn), 0,
		"SG1: the reply passes without an egress rule, for the flow is tracked");
	is_reason(stand_in(s, "p0", frame_tcp(WEB, 40000, INSIDE, 80, TCP_SYN)),
		  HG_DROP_SG_EGRESS, "SG1: a connection of its own does not get out");
	is_reason(stand_out(s, "p0", frame_tcp(INSIDE, 40000, WEB, 23, TCP_SYN)),
		  HG_DROP_SG_INGRESS, "SG1: another port does not get in");
}

static void rule_removed(struct stand *s)
{
	stand_reset(s);
	stand_rules(s, ONE(RULE("tcp", "80", "0.0.0.0/0"), ALL4));
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, CLIENT, 40000, WEB, 80), 0,
		  "SG2: a connection from anywhere to port 80 is made");
	stand_rules(s, ONE("", ALL4));
	is_reason(stand_out(s, "p0", data_in(CLIENT, 40000, 80)), HG_DROP_SG_INGRESS,
		  "SG2: untracked, its next packet falls with the rule");

	stand_reset(s);
	stand_rules(s, ONE(RULE("tcp", "80", "10.0.0.0/8"), ALL4));
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, INSIDE, 40000, WEB, 80), 0,
		  "SG2: a connection from 10.0.0.0/8 is made");
	stand_rules(s, ONE("", ALL4));
	is_reason(stand_out(s, "p0", data_in(INSIDE, 40000, 80)), 0,
		  "SG2: tracked, it survives the rule");
	is_reason(stand_out(s, "p0", frame_tcp(INSIDE, 40001, WEB, 80, TCP_SYN)),
		  HG_DROP_SG_INGRESS, "SG2: and a new SYN is dropped");
}

static void what_is_untracked(struct stand *s)
{
	stand_reset(s);
	stand_rules(s,
		    ONE(RULE("tcp", "80", "0.0.0.0/0"), RULE("tcp", "443", "0.0.0.0/0")));
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, CLIENT, 40000, WEB, 80), 0,
		  "SG3: with egress to port 443 only, port 80 still answers");
	stand_rules(s, ONE("", RULE("tcp", "443", "0.0.0.0/0")));
	is_reason(stand_out(s, "p0", data_in(CLIENT, 40000, 80)), 0,
		  "SG3: for the flow is tracked, and survives its rule");

	stand_reset(s);
	stand_rules(s, ONE(RULE("tcp", "80", "0.0.0.0/0"), ANY("::/0")));
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, CLIENT, 40000, WEB, 80), 0,
		  "SG4: with egress for IPv6 only, IPv4 still answers");
	stand_rules(s, ONE("", ANY("::/0")));
	is_reason(stand_out(s, "p0", data_in(CLIENT, 40000, 80)), 0,
		  "SG4: for IPv4 is tracked");

	stand_reset(s);
	stand_rules(s, ONE(RULE("tcp", "80", "::/0"), ANY("::/0")));
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, CLIENT6, 40000, WEB6, 80), 0,
		  "SG4: and IPv6 by ::/0 both ways is made");
	stand_rules(s, ONE("", ANY("::/0")));
	is_reason(stand_out(s, "p0", data_in(CLIENT6, 40000, 80)), HG_DROP_SG_INGRESS,
		  "SG4: but falls with its rule: it is untracked");
}

#define MEMBERS(addresses)                                                              \
	GROUPS(GROUP("g",                                                               \
		     "{ 'protocol': 'udp', 'ports': 53, 'peers': ['security_group/m'] " \
		     "}",                                                               \
		     "") "," GROUP("m", "", ALL4),                                      \
	       "'g'")                                                                   \
	", 'member': { 'subnet': 't', 'addresses': [" addresses                         \
	"], 'security_groups': ['m'] }" END

static void references(struct stand *s)
{
	stand_reset(s);
	stand_rules(s, MEMBERS("'10.200.1.20'"));
	is_reason(stand_out(s, "p0", frame_udp("10.200.1.20", 1000, WEB, 53)), 0,
		  "SG5: a reference matches a member's address");
	is_reason(stand_out(s, "p0", frame_udp("10.200.1.21", 1000, WEB, 53)),
		  HG_DROP_SG_INGRESS, "SG5: and not its neighbour's");
	stand_rules(s, MEMBERS("'10.200.1.20', '10.200.1.21'"));
	is_reason(stand_out(s, "p0", frame_udp("10.200.1.21", 1000, WEB, 53)), 0,
		  "SG5: an address that the member adds matches at once");
	is_reason(stand_out(s, "p0", frame_udp("203.0.113.10", 1000, WEB, 53)),
		  HG_DROP_SG_INGRESS, "SG5: its public address does not");
}

#define SELF                                                                             \
	GROUPS(GROUP("g", "{ 'protocol': 'all', 'peers': ['security_group/g'] }", ALL4), \
	       "'g'")                                                                    \
	", 'other': { 'subnet': 's', 'device': 'p1', 'addresses': ['10.200.0.11'],"      \
	"             'security_groups': ['g'] }" END

static void self_reference(struct stand *s)
{
	stand_reset(s);
	stand_rules(s, SELF);
	is_reason(stand_in(s, "p1", frame_udp("10.200.0.11", 1000, WEB, 53)), 0,
		  "a group that names itself lets its other members in");
	is_reason(stand_out(s, "p0", frame_udp("10.200.0.12", 1000, WEB, 53)),
		  HG_DROP_SG_INGRESS, "and nobody else");
}

/* Exchanges 'n' requests and answers, waits, and sends one more answer. */
static uint32_t answer_after(struct stand *s, unsigned n, uint32_t seconds)
{
	struct frame request = frame_udp(WEB, 5353, CLIENT, 53);
	uint32_t reason;

	stand_reset(s);
	for (unsigned i = 0; i < n; i++) {
		reason = stand_in(s, "p0", request);
		if (reason == 0 && i + 1 < n)
			reason = stand_out(s, "p0", frame_reply(&request));
		if (reason)
			return reason;
	}
	stand_wait(s, seconds);
	return stand_out(s, "p0", frame_reply(&request));
}

static uint32_t idle_stream(struct stand *s, uint32_t seconds)
{
	struct frame request = frame_udp(WEB, 5353, CLIENT, 53);

	stand_reset(s);
	for (int i = 0; i < 2; i++)
		if (stand_in(s, "p0", request) ||
		    stand_out(s, "p0", frame_reply(&request)))
			return HG_DROP_INTERNAL;
	stand_wait(s, seconds);
	return stand_out(s, "p0", frame_reply(&request));
}

static void udp_timeouts(struct stand *s)
{
	stand_rules(s, ONE("", ALL4));
	is_reason(answer_after(s, 1, 29), 0, "SG6: an answer after 29 seconds passes");
	is_reason(answer_after(s, 1, 31), HG_DROP_SG_INGRESS,
		  "SG6: an answer after 31 seconds is dropped");
	is_reason(idle_stream(s, 179), 0,
		  "SG6: after two exchanges an answer passes for 179 seconds");
	is_reason(idle_stream(s, 181), HG_DROP_SG_INGRESS, "SG6: and not for 181");
}

static void protocol_numbers(struct stand *s)
{
	stand_reset(s);
	stand_rules(s, ONE("{ 'protocol': 47, 'peers': ['0.0.0.0/0'] }", ALL4));
	is_reason(stand_out(s, "p0", frame_other(CLIENT, WEB, 47)), 0,
		  "SG7: a rule for protocol 47 passes all GRE");
	is_reason(stand_out(s, "p0", frame_other(CLIENT, WEB, 50)), HG_DROP_SG_INGRESS,
		  "SG7: and no other protocol");
	is_reason(stand_in(s, "p0", frame_other(WEB, CLIENT, 47)), 0,
		  "SG7: GRE is answered");
}

static void echo_session(struct stand *s)
{
	struct frame echo = frame_echo(CLIENT, WEB, 77);

	stand_reset(s);
	stand_rules(s, ONE("{ 'protocol': 'icmp', 'icmp': '8', 'peers': ['0.0.0.0/0'] }",
			   ALL4));
	is_reason(stand_out(s, "p0", echo), 0, "SG8: an echo request passes its rule");
	is_reason(stand_in(s, "p0", frame_reply(&echo)), 0, "SG8: and is answered");
	stand_rules(s, ONE("", ""));
	is_reason(stand_out(s, "p0", echo), 0,
		  "SG8: ICMP is always tracked: it goes on without");
	is_reason(stand_in(s, "p0", frame_reply(&echo)), 0, "SG8: both ways");
	echo.icmp_id = 78;
	is_reason(stand_out(s, "p0", echo), HG_DROP_SG_INGRESS,
		  "SG8: another ping is dropped");
	echo.icmp_id = 77;
	stand_wait(s, 31);
	is_reason(stand_out(s, "p0", echo), HG_DROP_SG_INGRESS,
		  "SG8: until it has been idle");
}

static void defaults(struct stand *s)
{
	static const char rules[] =
		"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16'] } },"
		"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24'] } },"
		"  'interfaces': {"
		"    'a': { 'subnet': 's', 'device': 'p0', 'addresses': ['10.200.0.10'] "
		"},"
		"    'b': { 'subnet': 's', 'device': 'p1', 'addresses': ['10.200.0.11'] "
		"} } }";

	stand_reset(s);
	stand_rules(s, rules);
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 1, "10.200.0.11", 2)), 0,
		  "without groups the VPC's default lets its members talk");
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 1, CLIENT, 2)), 0,
		  "and lets everything out");
	is_reason(stand_out(s, "p0", frame_udp(CLIENT, 9, "10.200.0.10", 2)),
		  HG_DROP_SG_INGRESS, "and nobody else in");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		union_of_groups(s);
		rule_removed(s);
		what_is_untracked(s);
		references(s);
		self_reference(s);
		udp_timeouts(s);
		protocol_numbers(s);
		echo_session(s);
		defaults(s);
	}
	stand_free(s);
	return done();
}
