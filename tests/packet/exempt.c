/* SPDX-License-Identifier: Apache-2.0 */
#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* Everything is refused; what passes, passes because nobody is asked. */
#define RULES(settings)                                                                  \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] "  \
	"} },"                                                                           \
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'],"  \
	"                      'network_acl': 'n' } },"                                  \
	"  'network_acls': { 'n': { 'vpc': 'v', 'ingress': [], 'egress': [] } },"        \
	"  'security_groups': { 'g': { 'vpc': 'v', 'ingress': [], 'egress': [] } },"     \
	"  'interfaces': { 'a': { 'subnet': 's', 'device': 'p0', 'security_groups': "    \
	"['g'],"                                                                         \
	"           'addresses': ['10.200.0.10', 'fd00:10::10'] },"                      \
	"    'host': { 'attach': 'local', 'device': 'eth0', 'subnet': 's',"              \
	"           'security_groups': ['g'], 'addresses': ['10.200.0.20'] } }" settings \
	" }"

static void dhcp(struct stand *s)
{
	struct frame discover = frame_udp("0.0.0.0", 68, "255.255.255.255", 67);

	is_reason(stand_in(s, "p0", discover), 0,
		  "DHCP leaves an instance that has no address yet");
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 68, "10.200.0.1", 67)), 0,
		  "and one that renews it");
	is_reason(stand_out(s, "p0", frame_udp("10.200.0.1", 67, "10.200.0.10", 68)), 0,
		  "DHCP answers reach it");
	is_reason(stand_out(s, "eth0", discover), 0, "the host may ask, too");
	is_reason(stand_in(s, "eth0", frame_udp("192.0.2.1", 67, "10.200.0.20", 68)), 0,
		  "and be answered");
	discover.dport = 53;
	is_reason(stand_in(s, "p0", discover), HG_DROP_MALFORMED,
		  "0.0.0.0 may say nothing else");
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 68, "198.51.100.7", 53)),
		  HG_DROP_SG_EGRESS, "one port of DHCP is not enough");
	is_reason(stand_in(s, "p0",
			   frame_tcp("10.200.0.10", 68, "198.51.100.7", 67, TCP_SYN)),
		  HG_DROP_SG_EGRESS, "nor is TCP");
}

static void services(struct stand *s)
{
	static const char *const to[] = { "10.200.0.1",      "10.200.0.2",
					  "169.254.169.253", "169.254.169.254",
					  "169.254.170.2",   "169.254.169.123",
					  "fd00:10::1",      "fd00:ec2::254",
					  "fd00:10::2" };

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		const char *from =
			address(to[i]).family == 4 ? "10.200.0.10" : "fd00:10::10";
		struct frame f = frame_tcp(from, 1000, to[i], 80, TCP_SYN);

		stand_reset(s);
		is_reason(stand_in(s, "p0", f), 0, "a packet to %s is not filtered",
			  to[i]);
		f = frame_reply(&f);
		f.tcp_flags = TCP_SYN | TCP_ACK;
		is_reason(stand_out(s, "p0", f), 0, "its answer neither");
		f = frame_echo(from, to[i], 3);
		is_reason(stand_in(s, "p0", f), 0, "a ping to %s neither", to[i]);
	}
	is_reason(
		stand_in(s, "p0", frame_udp("10.200.0.10", 1000, "169.254.169.252", 80)),
		HG_DROP_SG_EGRESS, "the address beside is filtered as any other");
}

/* To an exempt address from the host, over the wire: the answer needs the flow. */
static void claims(struct stand *s)
{
	struct frame f = frame_udp("10.200.0.20", 1000, "169.254.169.254", 80);

	stand_reset(s);
	is_reason(stand_in(s, "eth0", frame_reply(&f)), HG_DROP_NACL_INGRESS,
		  "the wire may not speak for an exempt address");
	is_reason(stand_out(s, "eth0", f), 0, "the host asks it");
	is_reason(stand_in(s, "eth0", frame_reply(&f)), 0, "and is answered");
	is_reason(
		stand_in(s, "p0", frame_udp("169.254.169.254", 80, "10.200.0.20", 1000)),
		HG_DROP_SOURCE_CHECK, "an instance may not speak for it either");
	is_reason(
		stand_in(s, "p0", frame_udp("10.200.0.99", 1000, "169.254.169.254", 80)),
		HG_DROP_SOURCE_CHECK, "nor ask it in another's name");
}

static void own_list(struct stand *s)
{
	stand_reset(s);
	stand_rules(s,
		    RULES(", 'settings': { 'exempt': [ { 'protocol': 'udp', 'address': "
			  "'203.0.113.9', 'ports': '50-53' } ] }"));
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 1000, "203.0.113.9", 53)), 0,
		  "an entry of one's own exempts its ports");
	is_reason(stand_in(s, "p0", frame_udp("10.200.0.10", 1000, "203.0.113.9", 54)),
		  HG_DROP_SG_EGRESS, "and no others");
	is_reason(stand_in(s, "p0",
			   frame_tcp("10.200.0.10", 1000, "203.0.113.9", 53, TCP_SYN)),
		  HG_DROP_SG_EGRESS, "of its protocol");
	is_reason(
		stand_in(s, "p0", frame_udp("10.200.0.10", 1000, "169.254.169.254", 53)),
		HG_DROP_SG_EGRESS, "an explicit list replaces the default one");
	is_reason(stand_in(s, "p0", frame_udp("0.0.0.0", 68, "255.255.255.255", 67)),
		  HG_DROP_MALFORMED, "DHCP with it");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_reset(s);
		stand_rules(s, RULES(""));
		dhcp(s);
		services(s);
		claims(s);
		own_list(s);
	}
	stand_free(s);
	return done();
}
