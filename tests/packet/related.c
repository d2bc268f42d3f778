/* SPDX-License-Identifier: Apache-2.0 */
#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* The instance may ask the world; nothing may come in by rule. */
#define RULES(nacl)                                                                      \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] "  \
	"} },"                                                                           \
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'],"  \
	"                      'network_acl': 'n' } },"                                  \
	"  'network_acls': { 'n': { 'vpc': 'v', 'ingress': [" nacl                       \
	"    { 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' "  \
	"},"                                                                             \
	"    { 'rule': 901, 'action': 'allow', 'protocol': 'all', 'cidr': '::/0' } ],"   \
	"    'egress': ["                                                                \
	"    { 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' "  \
	"},"                                                                             \
	"    { 'rule': 901, 'action': 'allow', 'protocol': 'all', 'cidr': '::/0' } ] } " \
	"},"                                                                             \
	"  'security_groups': { 'g': { 'vpc': 'v', 'ingress': [], 'egress': ["           \
	"    { 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] } ] } },"               \
	"  'interfaces': { 'a': { 'subnet': 's', 'device': 'p0', 'security_groups': "    \
	"['g'],"                                                                         \
	"           'addresses': ['10.200.0.10', 'fd00:10::10'] } } }"

static const struct {
	const char *name, *router, *there, *here;
} families[] = {
	{ "IPv4", "203.0.113.1", "198.51.100.7", "10.200.0.10" },
	{ "IPv6", "2001:db8:ffff::1", "2001:db8::7", "fd00:10::10" },
};

static void errors(struct stand *s, int family)
{
	static const uint8_t types[2][5] = { { 3, 4, 5, 11, 12 }, { 1, 2, 3, 4, 4 } };
	const char *name = families[family].name;
	struct frame asked =
		frame_udp(families[family].here, 5000, families[family].there, 33434);
	struct frame error, other;

	stand_reset(s);
	error = frame_error(families[family].router, &asked);
	is_reason(stand_out(s, "p0", error), HG_DROP_SG_INGRESS,
		  "%s: an error about nothing known is refused", name);
	stand_in(s, "p0", asked);
	for (int i = 0; i < 5; i++) {
		error.icmp_type = types[family][i];
		is_reason(stand_out(s, "p0", error), 0,
			  "%s: an error of type %u about a tracked flow is related", name,
			  error.icmp_type);
	}
	error = frame_error(families[family].there, &asked);
	is_reason(stand_out(s, "p0", error), 0, "%s: so is one from the far end itself",
		  name);
	error.icmp_type = family ? 128 : 8;
	is_reason(stand_out(s, "p0", error), HG_DROP_SG_INGRESS,
		  "%s: what is no error is not related, whatever it quotes", name);

	other = asked;
	other.sport++;
	error = frame_error(families[family].router, &other);
	is_reason(stand_out(s, "p0", error), HG_DROP_SG_INGRESS,
		  "%s: an error about another port is refused", name);
	other = frame_reply(&asked);
	error = frame_error(families[family].router, &other);
	error.daddr = asked.saddr;
	is_reason(stand_out(s, "p0", error), HG_DROP_SG_INGRESS,
		  "%s: an error that quotes the other direction is refused", name);
	error = frame_error(families[family].router, &asked);
	error.quote_size = family ? 44 : 24;
	is_reason(stand_out(s, "p0", error), HG_DROP_SG_INGRESS,
		  "%s: an error that quotes too little is refused", name);
}

static void of_each_protocol(struct stand *s, int family)
{
	const char *name = families[family].name;
	struct frame syn = frame_tcp(families[family].here, 5001, families[family].there,
				     80, TCP_SYN);
	struct frame echo = frame_echo(families[family].here, families[family].there, 9);
	struct frame gre = frame_other(families[family].here, families[family].there, 47);

	stand_reset(s);
	stand_in(s, "p0", syn);
	stand_in(s, "p0", echo);
	stand_in(s, "p0", gre);
	is_reason(stand_out(s, "p0", frame_error(families[family].router, &syn)), 0,
		  "%s: an error about TCP is related", name);
	is_reason(stand_out(s, "p0", frame_error(families[family].router, &echo)), 0,
		  "%s: about a ping too", name);
	is_reason(stand_out(s, "p0", frame_error(families[family].router, &gre)), 0,
		  "%s: about GRE too", name);
	stand_wait(s, 31);
	is_reason(stand_out(s, "p0", frame_error(families[family].router, &echo)),
		  HG_DROP_SG_INGRESS, "%s: not about what has been forgotten", name);
}

static void opens_nothing(struct stand *s, int family)
{
	struct frame asked =
		frame_udp(families[family].here, 5000, families[family].there, 33434);

	stand_reset(s);
	stand_in(s, "p0", asked);
	stand_wait(s, 20);
	stand_out(s, "p0", frame_error(families[family].router, &asked));
	stand_wait(s, 11);
	is(stand_state(s, "p0", HG_DOOR_IN, &asked), HG_STATE_NONE,
	   "%s: an error renews nothing and opens nothing", families[family].name);
}

static void acls_judge_errors(struct stand *s)
{
	struct frame asked = frame_udp(families[0].here, 5000, families[0].there, 33434);

	stand_reset(s);
	stand_rules(s, RULES("{ 'rule': 1, 'action': 'deny', 'protocol': 'icmp', 'icmp': "
			     "'3', 'cidr': "
			     "'0.0.0.0/0' },"));
	stand_in(s, "p0", asked);
	is_reason(stand_out(s, "p0", frame_error(families[0].router, &asked)),
		  HG_DROP_NACL_INGRESS,
		  "an ACL judges a related error as the ICMP packet it is");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	stand_rules(s, RULES(""));
	for (int family = 0; family < 2; family++) {
		errors(s, family);
		of_each_protocol(s, family);
		opens_nothing(s, family);
	}
	acls_judge_errors(s);
	stand_free(s);
	return done();
}
