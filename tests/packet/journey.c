/* SPDX-License-Identifier: Apache-2.0 */

/* A NAT gateway's books, and IPv6 clients of IPv4 servers. */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } },"
	"  'subnets': {"
	"    'app': { 'vpc': 'v', 'device': 'br1', 'cidrs': ['10.0.1.0/24', "
	"'fd00:10:0:1::/64'],"
	"      'route_table': 'app' },"
	"    'nat': { 'vpc': 'v', 'cidrs': ['10.0.2.0/24'], 'route_table': 'nat' } },"
	"  'internet_gateways': { 'v': { 'vpc': 'v', 'device': 'out0',"
	"    'next_hop': ['203.0.113.1'] } },"
	"  'elastic_ips': { 'nat': { 'address': '203.0.113.20' } },"
	"  'nat_gateways': { 'nat': { 'subnet': 'nat', 'private_address': '10.0.2.5',"
	"    'elastic_ips': ['nat'] } },"
	"  'route_tables': {"
	"    'nat': { 'vpc': 'v', 'routes': ["
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/v' } ] },"
	"    'app': { 'vpc': 'v', 'routes': ["
	"      { 'to': '64:ff9b::/96', 'via': 'nat_gateway/nat' },"
	"      { 'to': '0.0.0.0/0', 'via': 'nat_gateway/nat' } ] } } }";

#define SERVER  "198.51.100.1"
#define SERVER6 "64:ff9b::c633:6401"
#define CLIENT  "10.0.1.10"
#define CLIENT6 "fd00:10:0:1::10"
#define NAT     "203.0.113.20"
#define ROUTER  "out0 203.0.113.1"

static void books(struct stand *s)
{
	struct hg_meter was = travel_meter(s, "nat"), is_now;
	struct frame f = frame_tcp(CLIENT, 40000, SERVER, 443, TCP_SYN), back;

	stand_reset(s);
	f.seq = 1;
	travels(s, "br1", f, ROUTER, frame_from(f, NAT, 0), "a SYN leaves");
	back = frame_tcp(SERVER, 443, CLIENT, 40000, TCP_SYN | TCP_ACK);
	back.seq = 5;
	back.ack = 2;
	travels(s, "out0", frame_to(back, NAT, 0), "br1 10.0.1.10", back,
		"its answer in");
	f.tcp_flags = back.tcp_flags = TCP_ACK;
	f.seq = 2;
	f.ack = back.seq = 6;
	travels(s, "br1", f, ROUTER, frame_from(f, NAT, 0), "an ACK leaves");
	f.payload = 100;
	back.payload = 1000;
	for (int i = 0; i < 3; i++) {
		travels(s, "br1", f, ROUTER, frame_from(f, NAT, 0), "data leaves");
		travels(s, "out0", frame_to(back, NAT, 0), "br1 10.0.1.10", back,
			"data comes in");
	}
	is_lost(s, "br1", frame_other(CLIENT, SERVER, 47), HG_DROP_NAT_PROTOCOL,
		"GRE does not leave");
	is_lost(s, "out0", frame_from(frame_to(back, NAT, 0), NULL, 444),
		HG_DROP_NAT_UNSOLICITED, "a stranger does not come in");
	is_now = travel_meter(s, "nat");
	is((long long)(is_now.packets[0] - was.packets[0]), 5, "5 packets out");
	is((long long)(is_now.bytes[0] - was.bytes[0]), 5 * 40 + 300, "their bytes");
	is((long long)(is_now.packets[1] - was.packets[1]), 4, "4 packets in");
	is((long long)(is_now.bytes[1] - was.bytes[1]), 4 * 40 + 3000, "their bytes");
	is((long long)(is_now.attempts - was.attempts), 1, "one connection was tried");
	is((long long)(is_now.established - was.established), 1, "and made");
	is((long long)(is_now.dropped[0] - was.dropped[0]), 1, "one dropped going out");
	is((long long)(is_now.dropped_bytes[0] - was.dropped_bytes[0]), 36, "its bytes");
	is((long long)(is_now.dropped[1] - was.dropped[1]), 1, "one dropped coming in");
}

/* What 'f' is in IPv4, out there, and its answer on both sides. */
static void across(struct stand *s, struct frame f, struct frame out, const char *what)
{
	struct frame back = frame_reply(&f), in = frame_reply(&out);

	out.ttl = in.ttl = 0;
	memset(in.smac, 0, 6);
	memset(in.dmac, 0, 6);
	travels(s, "br1", f, ROUTER, out, "%s leaves as IPv4", what);
	travels(s, "out0", in, "br1 fd00:10:0:1::10", back, "%s is answered in IPv6",
		what);
}

static void families(struct stand *s)
{
	struct frame f;

	stand_reset(s);
	across(s, frame_udp(CLIENT6, 40000, SERVER6, 53),
	       frame_udp(NAT, 40000, SERVER, 53), "a datagram");
	across(s, frame_tcp(CLIENT6, 40000, SERVER6, 80, TCP_SYN),
	       frame_tcp(NAT, 40000, SERVER, 80, TCP_SYN), "a SYN");
	across(s, frame_echo(CLIENT6, SERVER6, 40000), frame_echo(NAT, SERVER, 40000),
	       "a ping");
	f = frame_udp(CLIENT6, 40001, SERVER6, 53);
	f.more = true;
	is_lost(s, "br1", f, HG_DROP_FRAGMENT, "a fragment is not translated");
	f.more = false;
	f.n_extensions = 1;
	f.extensions[0] = 60;
	is_lost(s, "br1", f, HG_DROP_UNSUPPORTED, "nor are extension headers");
	f = frame_tcp(CLIENT6, 40002, "64:ff9b::c0a8:1", 80, TCP_SYN);
	is_lost(s, "br1", f, HG_DROP_PRIVATE_DESTINATION,
		"private addresses are not reached that way");
	is_lost(s, "out0", frame_tcp(SERVER, 80, NAT, 40009, TCP_SYN),
		HG_DROP_NAT_UNSOLICITED, "nothing comes in unasked");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		books(s);
		/* XDP leaves it to the TC door. */
		if (!xdp)
			families(s);
	}
	stand_free(s);
	return done();
}
