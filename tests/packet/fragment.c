/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define RULES(nacl, group)                                                              \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] " \
	"} },"                                                                          \
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64']," \
	"                      'network_acl': 'n' } },"                                 \
	"  'network_acls': { 'n': { 'vpc': 'v', 'ingress': [" nacl                      \
	"], 'egress': [] } },"                                                          \
	"  'security_groups': { 'g': { 'vpc': 'v', 'egress': [], 'ingress': [" group    \
	"] } },"                                                                        \
	"  'interfaces': { 'a': { 'subnet': 's', 'device': 'p0', 'security_groups': "   \
	"['g'],"                                                                        \
	"           'addresses': ['10.200.0.10', 'fd00:10::10'] } } }"
#define ALL                                                                           \
	"{ 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' }," \
	"{ 'rule': 901, 'action': 'allow', 'protocol': 'all', 'cidr': '::/0' }"
#define PORT(protocol, ports)                           \
	"{ 'protocol': '" protocol "', 'ports': " ports \
	", 'peers': ['0.0.0.0/0', '::/0'] }"
#define NO_PORT(protocol) "{ 'protocol': '" protocol "', 'peers': ['0.0.0.0/0', '::/0'] }"

static const struct {
	const char *name, *from, *to;
} families[] = { { "IPv4", "198.51.100.7", "10.200.0.10" },
		 { "IPv6", "2001:db8::7", "fd00:10::10" } };

static struct frame fragment(int family, uint8_t protocol, uint32_t id, uint16_t offset,
			     bool more)
{
	struct frame f = frame_udp(families[family].from, 1000, families[family].to, 53);

	f.protocol = protocol;
	f.id = id;
	f.fragment = offset;
	f.more = more;
	f.payload = 32;
	if (protocol == 1 && family == 1)
		f.protocol = 58;
	if (protocol == 1)
		f.icmp_type = family ? 128 : 8;
	return f;
}

static void known(struct stand *s, int family)
{
	const char *name = families[family].name;

	stand_reset(s);
	stand_rules(s, RULES(ALL, PORT("udp", "53")));
	is_reason(stand_out(s, "p0", fragment(family, 17, 7, 40, true)),
		  HG_DROP_SG_INGRESS,
		  "%s: a later fragment that comes first has no ports", name);
	is_reason(stand_out(s, "p0", fragment(family, 17, 7, 0, true)), 0,
		  "%s: a first fragment is judged by its ports", name);
	is_reason(stand_out(s, "p0", fragment(family, 17, 7, 40, true)), 0,
		  "%s: later ones are judged as the same flow", name);
	is_reason(stand_out(s, "p0", fragment(family, 17, 7, 80, false)), 0,
		  "%s: up to the last", name);
	is_reason(stand_out(s, "p0", fragment(family, 17, 8, 40, false)),
		  HG_DROP_SG_INGRESS, "%s: not those of another datagram", name);
	is_reason(stand_out(s, "p0", fragment(family, 47, 7, 40, false)),
		  HG_DROP_SG_INGRESS, "%s: nor of another protocol", name);
	stand_wait(s, 29);
	is_reason(stand_out(s, "p0", fragment(family, 17, 7, 120, false)), 0,
		  "%s: they have 30 seconds", name);
	stand_wait(s, 2);
	is_reason(stand_out(s, "p0", fragment(family, 17, 7, 120, false)),
		  HG_DROP_SG_INGRESS, "%s: and no more", name);
	stand_rules(s, RULES(ALL, PORT("udp", "54")));
	stand_reset(s);
	is_reason(stand_out(s, "p0", fragment(family, 17, 9, 0, true)),
		  HG_DROP_SG_INGRESS, "%s: a first fragment can be refused", name);
	is_reason(stand_out(s, "p0", fragment(family, 17, 9, 40, false)),
		  HG_DROP_SG_INGRESS, "%s: and then leaves nothing for the later ones",
		  name);
}

static const struct {
	const char *says, *nacl, *group;
	uint8_t protocol;
	uint32_t reason;
} orphans[] = {
	{ "a rule for all protocols admits an orphan", ALL, NO_PORT("all"), 17, 0 },
	{ "a rule for all UDP does", ALL, NO_PORT("udp"), 17, 0 },
	{ "a rule for ports 0-65535 does", ALL, PORT("udp", "'0-65535'"), 17, 0 },
	{ "a rule for ports 1-65535 does not", ALL, PORT("udp", "'1-65535'"), 17,
	  HG_DROP_SG_INGRESS },
	{ "a rule for one port does not", ALL, PORT("udp", "53"), 17,
	  HG_DROP_SG_INGRESS },
	{ "a rule for another protocol does not", ALL, NO_PORT("tcp"), 17,
	  HG_DROP_SG_INGRESS },
	{ "an allow that needs a port is passed over by an ACL",
	  "{ 'rule': 1, 'action': 'allow', 'protocol': 'udp', 'ports': 53, 'cidr': "
	  "'0.0.0.0/0' },"
	  "{ 'rule': 2, 'action': 'allow', 'protocol': 'udp', 'ports': 53, 'cidr': "
	  "'::/0' }",
	  NO_PORT("all"), 17, HG_DROP_NACL_INGRESS },
	{ "a deny that needs a port is taken as a match",
	  "{ 'rule': 1, 'action': 'deny', 'protocol': 'udp', 'ports': 9999, 'cidr': "
	  "'0.0.0.0/0' },"
	  "{ 'rule': 2, 'action': 'deny', 'protocol': 'udp', 'ports': 9999, 'cidr': "
	  "'::/0' }," ALL,
	  NO_PORT("all"), 17, HG_DROP_NACL_INGRESS },
	{ "a deny that needs a source port is, too",
	  "{ 'rule': 1, 'action': 'deny', 'protocol': 'udp', 'source_ports': 1, 'cidr': "
	  "'0.0.0.0/0' },"
	  "{ 'rule': 2, 'action': 'deny', 'protocol': 'udp', 'source_ports': 1, 'cidr': "
	  "'::/0' }," ALL,
	  NO_PORT("all"), 17, HG_DROP_NACL_INGRESS },
	{ "a deny of another protocol is not",
	  "{ 'rule': 1, 'action': 'deny', 'protocol': 'tcp', 'ports': 9999, 'cidr': "
	  "'0.0.0.0/0' },"
	  "{ 'rule': 2, 'action': 'deny', 'protocol': 'tcp', 'ports': 9999, 'cidr': "
	  "'::/0' }," ALL,
	  NO_PORT("all"), 17, 0 },
	{ "any rule of a protocol without ports admits", ALL, NO_PORT("47"), 47, 0 },
};

static void check_orphans(struct stand *s)
{
	char rules[4096];

	for (size_t i = 0; i < ARRAY_SIZE(orphans); i++) {
		snprintf(rules, sizeof(rules), RULES("%s", "%s"), orphans[i].nacl,
			 orphans[i].group);
		stand_rules(s, rules);
		for (int family = 0; family < 2; family++) {
			stand_reset(s);
			is_reason(stand_out(s, "p0",
					    fragment(family, orphans[i].protocol, 7, 64,
						     false)),
				  orphans[i].reason, "%s: %s", families[family].name,
				  orphans[i].says);
		}
	}
}

static void icmp_orphans(struct stand *s)
{
	stand_reset(s);
	stand_rules(s,
		    RULES(ALL,
			  "{ 'protocol': 'icmp', 'icmp': '8', 'peers': ['0.0.0.0/0'] },"
			  "{ 'protocol': 'icmpv6', 'peers': ['::/0'] }"));
	is_reason(stand_out(s, "p0", fragment(0, 1, 7, 64, false)), HG_DROP_SG_INGRESS,
		  "an ICMP rule with a type does not admit an orphan");
	is_reason(stand_out(s, "p0", fragment(1, 1, 7, 64, false)), 0,
		  "one without a type does");
	is_reason(stand_out(s, "p0", fragment(0, 1, 7, 0, true)), 0,
		  "a first fragment shows its type");
	is_reason(stand_out(s, "p0", fragment(0, 1, 7, 64, false)), 0,
		  "and the later one inherits it");
}

/* Headers that do not fit the first fragment, and fragments that would overlap them. */
static void overlaps(struct stand *s, int family)
{
	const char *name = families[family].name;
	struct frame f = fragment(family, 6, 7, 0, true);
	uint8_t frame[FRAME_MAX];
	struct frame_at at;
	struct result r;
	unsigned wrong = 0;

	stand_reset(s);
	stand_rules(s, RULES(ALL, NO_PORT("all")));
	f.tcp_flags = TCP_SYN;
	f.payload = 0;
	frame_build(&f, frame, sizeof(frame), &at);
	for (size_t cut = 0; cut < 20; cut += 4) {
		size_t size = at.l4 + cut, length = size - at.l3 - (family ? 40 : 0);

		frame[at.l3 + (family ? 4 : 2)] = length >> 8;
		frame[at.l3 + (family ? 5 : 3)] = length & 0xff;
		r = stand_bytes(s, "p0", HG_DOOR_OUT, frame, size);
		wrong += r.reason != HG_DROP_FRAGMENT;
	}
	is(wrong, 0,
	   "%s: a first fragment too short for its TCP header is dropped as such", name);
	is_reason(stand_out(s, "p0", fragment(family, 6, 7, 8, true)), HG_DROP_FRAGMENT,
		  "%s: a TCP fragment at offset 8 would overlap the header", name);
	is_reason(stand_out(s, "p0", fragment(family, 6, 7, 16, true)), 0,
		  "%s: at 16 it is one more", name);
	is_reason(stand_out(s, "p0", fragment(family, 17, 7, 8, true)), 0,
		  "%s: a UDP fragment at offset 8 is, too", name);
}

static void chain_in_fragment(struct stand *s)
{
	struct frame f = fragment(1, 17, 7, 0, true);
	uint8_t frame[FRAME_MAX];
	struct frame_at at;
	struct result r;

	frame_build(&f, frame, sizeof(frame), &at);
	frame[at.l3 + 40] =
		60; /* the fragment header is followed by destination options */
	frame[at.l4] = 17;
	frame[at.l4 + 1] = 200; /* that do not end inside it */
	r = stand_bytes(s, "p0", HG_DOOR_OUT, frame, at.end);
	is_reason(r.reason, HG_DROP_FRAGMENT,
		  "a first fragment whose chain of headers does not end inside it is "
		  "dropped");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int family = 0; family < 2; family++) {
		stand_use_xdp(s, family);
		known(s, family);
		overlaps(s, family);
	}
	check_orphans(s);
	icmp_orphans(s);
	chain_in_fragment(s);
	stand_free(s);
	return done();
}
