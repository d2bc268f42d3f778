/* SPDX-License-Identifier: Apache-2.0 */
#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* One port, its subnet's ACL and an open group: only the ACL decides. */
#define ACL(ingress, egress)                                                            \
	"{ 'headgate': 1,"                                                              \
	"  'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] } },"            \
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64']," \
	"                      'network_acl': 'n' } },"                                 \
	"  'network_acls': { 'n': { 'vpc': 'v', 'ingress': [" ingress                   \
	"], 'egress': [" egress "] } },"                                                \
	"  'security_groups': { 'open': { 'vpc': 'v',"                                  \
	"    'ingress': [ { 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] } ],"     \
	"    'egress': [ { 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] } ] } },"  \
	"  'interfaces': {"                                                             \
	"    'i': { 'subnet': 's', 'addresses': ['10.200.0.10', 'fd00:10::10'], "       \
	"'device': 'p0',"                                                               \
	"           'security_groups': ['open'] },"                                     \
	"    'j': { 'subnet': 's', 'addresses': ['10.200.0.11'], 'device': 'p1',"       \
	"           'security_groups': ['open'] } } }"

#define ALL_OUT \
	"{ 'rule': 100, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' }"

struct row {
	const char *says;
	uint8_t protocol;
	const char *from;
	uint16_t dport; /* or ICMP type */
	uint32_t reason;
	long rule;
};

static struct frame frame_of(const struct row *r)
{
	const char *to = address(r->from).family == 4 ? "10.200.0.10" : "fd00:10::10";

	switch (r->protocol) {
	case 6:
		return frame_tcp(r->from, 40000, to, r->dport, TCP_SYN);
	case 17:
		return frame_udp(r->from, 40000, to, r->dport);
	case 1:
		return frame_icmp(r->from, to, r->dport, 0);
	case 58:
		if (address(r->from).family == 6)
			return frame_icmp(r->from, to, r->dport, 0);
		return frame_other(r->from, to, 58);
	default:
		return frame_other(r->from, to, r->protocol);
	}
}

static void check(struct stand *s, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct frame f = frame_of(&rows[i]);

		stand_reset(s);
		is(stand_rule(s, "p0", HG_DOOR_OUT, &f, HG_STAGE_nacl_ingress),
		   rows[i].rule, "%s: rule %ld decides", rows[i].says, rows[i].rule);
		is_reason(stand_out(s, "p0", f), rows[i].reason, "%s", rows[i].says);
	}
}

#define N1(a, b, c)                                                               \
	ACL("{ 'rule': " a                                                        \
	    ", 'action': 'allow', 'protocol': 'tcp', 'ports': 80, 'cidr': "       \
	    "'10.0.0.0/8' }, { 'rule': " b                                        \
	    ", 'action': 'deny', 'protocol': 'tcp', 'ports': '0-65535', 'cidr': " \
	    "'10.1.0.0/16' }, "                                                   \
	    "{ 'rule': " c                                                        \
	    ", 'action': 'allow', 'protocol': 'all', 'cidr': '10.0.0.0/8' }",     \
	    ALL_OUT)

static void first_match(struct stand *s)
{
	static const struct row rows[] = {
		{ "N1: the lowest number that matches decides", 6, "10.1.2.3", 80, 0,
		  100 },
		{ "N1: a later deny takes what an earlier allow leaves", 6, "10.1.2.3",
		  81, HG_DROP_NACL_INGRESS, 110 },
		{ "N1: a rule of another protocol is passed over", 17, "10.1.2.3", 53, 0,
		  120 },
		{ "N1: no match is a deny", 6, "192.0.2.1", 80, HG_DROP_NACL_INGRESS, 0 },
		{ "N1: an IPv4 CIDR never matches IPv6", 6, "2001:db8::1", 80,
		  HG_DROP_NACL_INGRESS, 0 },
	};
	static const struct row swapped[] = {
		{ "N1: with the numbers swapped the deny comes first", 6, "10.1.2.3", 80,
		  HG_DROP_NACL_INGRESS, 100 },
		{ "N1: and the rest is as it was", 17, "10.1.2.3", 53, 0, 120 },
	};

	stand_rules(s, N1("100", "110", "120"));
	check(s, rows, ARRAY_SIZE(rows));
	stand_rules(s, N1("110", "100", "120"));
	check(s, swapped, ARRAY_SIZE(swapped));
	/* The same numbers, written in another order. */
	stand_rules(
		s,
		ACL("{ 'rule': 120, 'action': 'allow', 'protocol': 'all', 'cidr': "
		    "'10.0.0.0/8' }, { 'rule': 110, 'action': 'deny', 'protocol': 6, "
		    "'ports': '0-65535', 'cidr': '10.1.0.0/16' }, { 'rule': 100, "
		    "'action': "
		    "'allow', 'protocol': '6', 'ports': '80-80', 'cidr': '10.0.0.0/8' }",
		    ALL_OUT));
	check(s, rows, ARRAY_SIZE(rows));
}

#define HTTPS                                                                         \
	"{ 'rule': 100, 'action': 'allow', 'protocol': 'tcp', 'ports': 443, 'cidr': " \
	"'0.0.0.0/0' }"
#define EPHEMERAL                                                                      \
	"{ 'rule': 100, 'action': 'allow', 'protocol': 'tcp', 'ports': '1024-65535', " \
	"'cidr': "                                                                     \
	"'0.0.0.0/0' }"

static void no_state(struct stand *s)
{
	struct frame syn = frame_tcp("198.51.100.7", 40000, "10.200.0.10", 443, TCP_SYN),
		     answer;

	stand_reset(s);
	stand_rules(s, ACL(HTTPS, ""));
	answer = frame_reply(&syn);
	answer.tcp_flags = TCP_SYN | TCP_ACK;
	is_reason(stand_out(s, "p0", syn), 0, "N2: a SYN passes the ingress rule");
	is_reason(stand_in(s, "p0", answer), HG_DROP_NACL_EGRESS,
		  "N2: its SYN-ACK has no egress rule and is dropped");
	stand_rules(s, ACL(HTTPS, EPHEMERAL));
	is_reason(stand_in(s, "p0", answer), 0,
		  "N2: a rule for the ephemeral ports lets it out");
	syn.sport = 1023;
	answer = frame_reply(&syn);
	answer.tcp_flags = TCP_SYN | TCP_ACK;
	is_reason(stand_out(s, "p0", syn), 0, "N2: a client on port 1023 gets in");
	is_reason(stand_in(s, "p0", answer), HG_DROP_NACL_EGRESS,
		  "N2: the answer to port 1023 does not get out");
}

static void protocols(struct stand *s)
{
	static const struct row rows[] = {
		{ "N3: a rule for ICMP type 8 passes an echo request", 1, "198.51.100.7",
		  8, 0, 10 },
		{ "N3: and no echo reply", 1, "198.51.100.7", 0, HG_DROP_NACL_INGRESS,
		  0 },
		{ "N3: a rule for protocol 47 passes GRE", 47, "198.51.100.7", 0, 0, 20 },
		{ "N3: ICMPv6 with an IPv4 CIDR never matches IPv6", 58, "2001:db8::1",
		  128, HG_DROP_NACL_INGRESS, 0 },
		{ "N3: and matches protocol 58 over IPv4 by its number", 58,
		  "198.51.100.7", 0, 0, 30 },
	};

	stand_rules(
		s,
		ACL("{ 'rule': 10, 'action': 'allow', 'protocol': 'icmp', 'icmp': '8', "
		    "'cidr': '0.0.0.0/0' }, { 'rule': 20, 'action': 'allow', 'protocol': "
		    "47, 'cidr': '0.0.0.0/0' }, { 'rule': 30, 'action': 'allow', "
		    "'protocol': 58, 'cidr': '0.0.0.0/0' }",
		    ALL_OUT));
	check(s, rows, ARRAY_SIZE(rows));
}

static void inside_a_subnet(struct stand *s)
{
	stand_reset(s);
	stand_rules(s, ACL("", ""));
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 1000, "10.200.0.11", 53)), 0,
		  "N4: an ACL that denies everything is not asked inside its subnet");
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 1000, "10.200.1.11", 53)),
		  HG_DROP_NACL_EGRESS, "N4: it is asked when a packet leaves the subnet");
	is_reason(stand_out(s, "p0", frame_udp("10.200.1.11", 1000, "10.200.0.10", 53)),
		  HG_DROP_NACL_INGRESS, "N4: and when a packet enters it");
}

static void five_tuples(struct stand *s)
{
	struct frame f = frame_udp("198.51.100.7", 5000, "10.200.0.10", 53);

	stand_reset(s);
	stand_rules(s,
		    ACL("{ 'rule': 5, 'action': 'deny', 'protocol': 'udp', 'ports': 53, "
			"'source_ports': '5000-5001', 'cidr': '0.0.0.0/0', 'peer_cidr': "
			"'10.200.0.10/32' }, { 'rule': 6, 'action': 'allow', 'protocol': "
			"'udp', "
			"'cidr': '0.0.0.0/0' }",
			ALL_OUT));
	is_reason(stand_out(s, "p0", f), HG_DROP_NACL_INGRESS,
		  "a rule with source ports and the other end matches all five");
	f.sport = 5002;
	is_reason(stand_out(s, "p0", f), 0, "not with another source port");
	f.sport = 5000;
	f.dport = 54;
	is_reason(stand_out(s, "p0", f), 0, "not with another destination port");
	f = frame_udp("198.51.100.7", 5000, "10.200.0.11", 53);
	is_reason(stand_out(s, "p1", f), 0, "not with another destination");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		first_match(s);
		no_state(s);
		protocols(s);
		inside_a_subnet(s);
		five_tuples(s);
	}
	stand_free(s);
	return done();
}
