/* SPDX-License-Identifier: Apache-2.0 */

/* Out to the internet and in from it: elastic IPs, IPv6, and the same addresses twice. */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define ALL "{ 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] }"

static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] },"
	"    'w': { 'cidrs': ['10.0.0.0/16'] } },"
	"  'subnets': {"
	"    'web': { 'vpc': 'v', 'device': 'br0', 'cidrs': ['10.0.0.0/24', "
	"'fd00:10::/64'],"
	"      'route_table': 'web' },"
	"    'app': { 'vpc': 'v', 'device': 'br1', 'cidrs': ['10.0.1.0/24', "
	"'fd00:10:0:1::/64'],"
	"      'route_table': 'app' },"
	"    'web-w': { 'vpc': 'w', 'device': 'br2', 'cidrs': ['10.0.0.0/24'],"
	"      'route_table': 'web-w' },"
	"    'app-w': { 'vpc': 'w', 'device': 'br3', 'cidrs': ['10.0.1.0/24'],"
	"      'route_table': 'app-w' } },"
	"  'security_groups': {"
	"    'web': { 'vpc': 'v', 'egress': [" ALL "], 'ingress': ["
	"      { 'protocol': 'tcp', 'ports': 80, 'peers': ['0.0.0.0/0', '::/0'] },"
	"      { 'protocol': 'tcp', 'ports': 22, 'peers': ['security_group/web'] },"
	"      { 'protocol': 'udp', 'ports': 53, 'peers': ['198.51.0.0/16'] },"
	"      { 'protocol': 47, 'peers': ['198.51.0.0/16'] },"
	"      { 'protocol': 'icmp', 'icmp': 8, 'peers': ['0.0.0.0/0'] } ] },"
	"    'any': { 'vpc': 'w', 'egress': [" ALL "], 'ingress': [" ALL "] } },"
	"  'interfaces': {"
	"    'one': { 'subnet': 'web', 'addresses': ['10.0.0.10', 'fd00:10::10'],"
	"      'security_groups': ['web'] },"
	"    'two': { 'subnet': 'web', 'addresses': ['10.0.0.11', 'fd00:10::11'],"
	"      'security_groups': ['web'] },"
	"    'app': { 'subnet': 'app', 'addresses': ['10.0.1.10', 'fd00:10:0:1::10'],"
	"      'security_groups': ['web'] },"
	"    'one-w': { 'subnet': 'web-w', 'addresses': ['10.0.0.10'],"
	"      'security_groups': ['any'] } },"
	"  'internet_gateways': {"
	"    'v': { 'vpc': 'v', 'device': 'out0',"
	"      'next_hop': ['203.0.113.1', '2001:db8:ff::1'] },"
	"    'w': { 'vpc': 'w', 'device': 'out0', 'next_hop': ['203.0.113.2'] } },"
	"  'egress_only_gateways': { 'e': { 'vpc': 'v', 'device': 'out0' } },"
	"  'elastic_ips': {"
	"    'one': { 'address': '203.0.113.10', 'interface': 'one' },"
	"    'two': { 'address': '203.0.113.11', 'interface': 'two' },"
	"    'nat': { 'address': '203.0.113.20' }, 'nat-w': { 'address': '203.0.113.21' "
	"},"
	"    'free': { 'address': '203.0.113.30' },"
	"    'one-w': { 'address': '203.0.113.50', 'interface': 'one-w' } },"
	"  'nat_gateways': {"
	"    'nat': { 'subnet': 'web', 'private_address': '10.0.0.5', 'elastic_ips': "
	"['nat'] },"
	"    'nat-w': { 'subnet': 'web-w', 'private_address': '10.0.0.5',"
	"      'elastic_ips': ['nat-w'] } },"
	"  'route_tables': {"
	"    'web': { 'vpc': 'v', 'routes': ["
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/v' },"
	"      { 'to': '::/0', 'via': 'internet_gateway/v' } ] },"
	"    'app': { 'vpc': 'v', 'routes': ["
	"      { 'to': '0.0.0.0/0', 'via': 'nat_gateway/nat' },"
	"      { 'to': '::/0', 'via': 'egress_only_gateway/e' } ] },"
	"    'web-w': { 'vpc': 'w', 'routes': ["
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/w' } ] },"
	"    'app-w': { 'vpc': 'w', 'routes': ["
	"      { 'to': '0.0.0.0/0', 'via': 'nat_gateway/nat-w' } ] } } }";

#define SERVER   "198.51.100.1"
#define SERVER6  "2001:db8:1::1"
#define ROUTER   "out0 203.0.113.1"
#define ROUTER_W "out0 203.0.113.2"
#define ROUTER6  "out0 2001:db8:ff::1"

/* The answer to 'f', sent by whoever is there. */
static struct frame answer(const struct frame *f)
{
	struct frame r = frame_reply(f);

	memset(r.smac, 0, 6);
	memset(r.dmac, 0, 6);
	if (r.protocol == 6) {
		r.tcp_flags = TCP_SYN | TCP_ACK;
		r.seq = 5000;
	}
	return r;
}

/* Instance one speaks first: out as its elastic IP, and the answer in. */
static void leave(struct stand *s, struct frame f, const char *what)
{
	struct frame back = answer(&f);

	travels(s, "br0", f, ROUTER, frame_from(f, "203.0.113.10", 0),
		"%s leaves as the elastic IP", what);
	travels(s, "out0", frame_to(back, "203.0.113.10", 0), "br0 10.0.0.10", back,
		"%s: the answer comes in", what);
}

/* The outside speaks first. */
static void enter(struct stand *s, struct frame f, const char *what)
{
	struct frame in = frame_to(f, "10.0.0.10", 0), back = answer(&in);

	travels(s, "out0", f, "br0 10.0.0.10", in, "%s comes in by the elastic IP", what);
	travels(s, "br0", back, ROUTER, frame_from(back, "203.0.113.10", 0),
		"%s: the answer leaves as that", what);
}

static void elastic(struct stand *s)
{
	struct frame tcp = frame_tcp("10.0.0.10", 1000, SERVER, 443, TCP_SYN);
	struct frame udp = frame_udp("10.0.0.10", 1000, SERVER, 53);
	struct frame bare = udp;

	stand_reset(s);
	bare.sport++;
	bare.payload = 0;
	leave(s, tcp, "TCP");
	leave(s, udp, "UDP");
	leave(s, bare, "an empty datagram");
	leave(s, frame_echo("10.0.0.10", SERVER, 7), "a ping");
	leave(s, frame_other("10.0.0.10", SERVER, 50), "ESP");
	leave(s, frame_icmp("10.0.0.10", SERVER, 13, 0), "a timestamp request");
	stand_reset(s);
	enter(s, frame_tcp(SERVER, 5000, "203.0.113.10", 80, TCP_SYN), "TCP");
	enter(s, frame_udp(SERVER, 5000, "203.0.113.10", 53), "UDP");
	enter(s, frame_echo(SERVER, "203.0.113.10", 8), "a ping");
	enter(s, frame_other(SERVER, "203.0.113.10", 47), "GRE");
	is_lost(s, "out0", frame_tcp(SERVER, 1, "203.0.113.10", 81, TCP_SYN),
		HG_DROP_SG_INGRESS, "groups see what comes in by an elastic IP");
	is_lost(s, "out0", frame_tcp(SERVER, 1, "203.0.113.10", 22, TCP_SYN),
		HG_DROP_SG_INGRESS, "and the outside is in none of them");
}

/* A whole connection: its later segments go by the flow. */
static void settled(struct stand *s)
{
	struct frame f = frame_tcp(SERVER, 5000, "203.0.113.10", 80, TCP_SYN), back;
	struct frame in = frame_to(f, "10.0.0.10", 0);

	stand_reset(s);
	f.seq = in.seq = 1000;
	back = answer(&in);
	travels(s, "out0", f, "br0 10.0.0.10", in, "a SYN comes in");
	travels(s, "br0", back, ROUTER, frame_from(back, "203.0.113.10", 0),
		"its SYN-ACK leaves");
	in = answer(&back);
	in.tcp_flags = TCP_ACK;
	in.seq = 1001;
	back = answer(&in);
	back.tcp_flags = TCP_ACK;
	back.seq = 5001;
	back.payload = 100;
	in.payload = 200;
	for (int i = 0; i < 3; i++) {
		travels(s, "out0", frame_to(in, "203.0.113.10", 0), "br0 10.0.0.10", in,
			"data comes in");
		travels(s, "br0", back, ROUTER, frame_from(back, "203.0.113.10", 0),
			"data leaves");
	}
}

static void pieces(struct stand *s)
{
	struct frame f = frame_udp("10.0.0.10", 1000, SERVER, 53), last = f, in;

	stand_reset(s);
	f.id = last.id = 5;
	f.more = true;
	last.fragment = 24;
	travels(s, "br0", last, ROUTER, frame_from(last, "203.0.113.10", 0),
		"a later fragment leaves, whether or not its first was seen");
	travels(s, "br0", f, ROUTER, frame_from(f, "203.0.113.10", 0),
		"a first fragment leaves");
	travels(s, "br0", last, ROUTER, frame_from(last, "203.0.113.10", 0),
		"and a later one behind it");
	in = frame_other(SERVER, "203.0.113.10", 47);
	in.more = true;
	travels(s, "out0", in, "br0 10.0.0.10", frame_to(in, "10.0.0.10", 0),
		"a fragment comes in");
}

static void refusals(struct stand *s)
{
	struct frame f = frame_tcp("10.0.0.10", 1000, SERVER, 443, TCP_SYN);
	struct frame in = frame_tcp(SERVER, 1000, "203.0.113.10", 80, TCP_SYN);

	stand_reset(s);
	is_lost(s, "br0", frame_from(f, "10.0.0.77", 0), HG_DROP_NO_PUBLIC_ADDRESS,
		"who has no elastic IP does not get out");
	is_lost(s, "br0", frame_to(f, "10.99.0.1", 0), HG_DROP_PRIVATE_DESTINATION,
		"10.0.0.0/8 is not out there");
	is_lost(s, "br0", frame_to(f, "172.31.0.1", 0), HG_DROP_PRIVATE_DESTINATION,
		"nor is 172.16.0.0/12");
	is_lost(s, "br0", frame_to(f, "192.168.255.1", 0), HG_DROP_PRIVATE_DESTINATION,
		"nor 192.168.0.0/16");
	is_lost(s, "br0", frame_to(f, "100.127.0.1", 0), HG_DROP_PRIVATE_DESTINATION,
		"nor 100.64.0.0/10");
	travels(s, "br0", frame_to(f, "100.128.0.1", 0), ROUTER,
		frame_to(frame_from(f, "203.0.113.10", 0), "100.128.0.1", 0),
		"its neighbour is");
	travels(s, "br0", frame_to(f, "172.32.0.1", 0), ROUTER,
		frame_to(frame_from(f, "203.0.113.10", 0), "172.32.0.1", 0),
		"so is 172.32.0.1");
	is_lost(s, "br0", frame_to(f, "203.0.113.30", 0), HG_DROP_NO_PUBLIC_ADDRESS,
		"an elastic IP that nobody has is not reached from inside");
	is_lost(s, "out0", frame_to(in, "203.0.113.30", 0), HG_DROP_NO_PUBLIC_ADDRESS,
		"nor from outside");
	is_lost(s, "out0", frame_to(in, "10.0.0.10", 0), HG_DROP_NO_ROUTE,
		"private addresses are not reached from outside");
	is_lost(s, "out0", frame_from(in, "10.0.0.11", 0), HG_DROP_SOURCE_CHECK,
		"a source inside the VPC does not come from outside");
	is_lost(s, "out0", frame_from(in, "192.168.0.1", 0), HG_DROP_SOURCE_CHECK,
		"nor does a private one");
	is_lost(s, "out0", frame_from(in, "100.64.0.1", 0), HG_DROP_SOURCE_CHECK,
		"nor a carrier's");
	in = frame_to(in, "203.0.113.99", 0);
	travels(s, "out0", in, NULL, in, "what is nobody's here is the kernel's");
}

/* From one elastic IP to another, round at the gateway. */
static void hairpin(struct stand *s)
{
	struct frame f = frame_tcp("10.0.0.10", 1000, "203.0.113.11", 80, TCP_SYN);
	struct frame there = frame_to(frame_from(f, "203.0.113.10", 0), "10.0.0.11", 0);
	struct frame back = answer(&there);

	stand_reset(s);
	travels(s, "br0", f, "br0 10.0.0.11", there,
		"an elastic IP of ours is reached by the gateway, from one");
	travels(s, "br0", back, "br0 10.0.0.10", answer(&f),
		"the answer comes from the address that was asked");
	is_lost(s, "br0", frame_to(f, NULL, 22), HG_DROP_SG_INGRESS,
		"that way nobody is in a group");
	f = frame_to(f, "10.0.0.11", 22);
	there = f;
	there.ttl = 64;
	travels(s, "br0", f, "br0 10.0.0.11", there,
		"by the private address he is, and it is no hop away");
	f = frame_tcp("10.0.1.10", 40000, "203.0.113.11", 80, TCP_SYN);
	there = frame_to(frame_from(f, "203.0.113.20", 0), "10.0.0.11", 0);
	back = answer(&there);
	travels(s, "br1", f, "br0 10.0.0.11", there,
		"through a NAT gateway an elastic IP of ours is reached as well");
	travels(s, "br0", back, "br1 10.0.1.10", answer(&f), "and answers");
	back.sport = 81;
	is_lost(s, "br0", back, HG_DROP_NAT_UNSOLICITED,
		"nothing else reaches the client through it");
	f = frame_tcp("10.0.0.10", 1000, "203.0.113.20", 80, TCP_SYN);
	is_lost(s, "br0", f, HG_DROP_NAT_UNSOLICITED,
		"nor the NAT gateway's elastic IP by itself");
	f = frame_tcp("10.0.0.10", 1000, "203.0.113.50", 80, TCP_SYN);
	travels(s, "br0", f, "br2 10.0.0.10",
		frame_to(frame_from(f, "203.0.113.10", 0), "10.0.0.10", 0),
		"another VPC's elastic IP is reached, though it has the same addresses");
}

static void v6(struct stand *s)
{
	struct frame f = frame_tcp("fd00:10::10", 1000, SERVER6, 443, TCP_SYN);
	struct frame in = frame_tcp(SERVER6, 1000, "fd00:10::10", 80, TCP_SYN);
	struct frame app = frame_udp("fd00:10:0:1::10", 1000, SERVER6, 53);
	struct frame back = answer(&app), error;

	stand_reset(s);
	travels(s, "br0", f, ROUTER6, f, "IPv6 leaves an internet gateway as it is");
	travels(s, "out0", answer(&f), "br0 fd00:10::10", answer(&f),
		"and its answer comes in");
	travels(s, "out0", in, "br0 fd00:10::10", in, "IPv6 comes in, too");
	is_lost(s, "out0", frame_to(in, NULL, 81), HG_DROP_SG_INGRESS,
		"where a group lets it");
	is_lost(s, "out0", back, HG_DROP_EGRESS_ONLY,
		"by an egress-only gateway nothing comes in unasked");
	error = frame_error("2001:db8:9::9", &app);
	is_lost(s, "out0", error, HG_DROP_EGRESS_ONLY,
		"nor an error about what was not sent");
	travels(s, "br1", app, "out0 2001:db8:1::1", app,
		"what goes out by it goes out as it is");
	travels(s, "out0", back, "br1 fd00:10:0:1::10", back, "and is answered");
	travels(s, "out0", error, "br1 fd00:10:0:1::10", error,
		"and an error about it comes in");
	back.sport = 54;
	is_lost(s, "out0", back, HG_DROP_EGRESS_ONLY, "other answers are not");
	stand_wait(s, 181);
	back.sport = 53;
	is_lost(s, "out0", back, HG_DROP_EGRESS_ONLY, "nor those that come too late");
	is_lost(s, "out0", frame_from(in, "fd00:10::99", 0), HG_DROP_SOURCE_CHECK,
		"a source inside the VPC does not come from outside");
	is_lost(s, "out0", frame_to(in, "fd00:10:0:2::1", 0), HG_DROP_NO_ROUTE,
		"an address in no subnet is not reached");
	f.ttl = 1;
	is_told(s, "br0", f, HG_DROP_TTL_EXPIRED,
		frame_icmp("fd00:10::1", "fd00:10::10", 3, 0),
		"IPv6 at its last hop goes no further, and the sender hears of it");
}

/* The same client, server and ports in two VPCs at one uplink. */
static void twins(struct stand *s)
{
	struct frame f = frame_udp("10.0.0.10", 1000, SERVER, 53), back = answer(&f);
	struct frame n = frame_udp("10.0.1.10", 40000, SERVER, 53), to_n = answer(&n);

	stand_reset(s);
	for (int i = 0; i < 4; i++) {
		travels(s, "br0", f, ROUTER, frame_from(f, "203.0.113.10", 0),
			"one VPC's instance leaves by its elastic IP");
		travels(s, "br2", f, ROUTER_W, frame_from(f, "203.0.113.50", 0),
			"the other's with the same address by another, and its router");
		travels(s, "br1", n, ROUTER, frame_from(n, "203.0.113.20", 0),
			"one VPC's client leaves by its NAT gateway");
		travels(s, "br3", n, ROUTER_W, frame_from(n, "203.0.113.21", 0),
			"the other's by another");
		travels(s, "out0", frame_to(back, "203.0.113.10", 0), "br0 10.0.0.10",
			back, "an answer goes to the one");
		travels(s, "out0", frame_to(back, "203.0.113.50", 0), "br2 10.0.0.10",
			back, "and the other's to the other");
		travels(s, "out0", frame_to(to_n, "203.0.113.20", 0), "br1 10.0.1.10",
			to_n, "behind the NAT gateway, too");
		travels(s, "out0", frame_to(to_n, "203.0.113.21", 0), "br3 10.0.1.10",
			to_n, "behind the other, too");
	}
	is_lost(s, "br0", frame_to(f, "10.0.1.10", 53), HG_DROP_SG_INGRESS,
		"what is local stays in the VPC, with its groups");
	f = frame_to(f, "10.0.1.10", 53);
	travels(s, "br2", f, "br3 10.0.1.10", f, "and in the other with the other's");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		elastic(s);
		settled(s);
		pieces(s);
		refusals(s);
		hairpin(s);
		v6(s);
		twins(s);
	}
	stand_free(s);
	return done();
}
