/* SPDX-License-Identifier: Apache-2.0 */

/* Which way a subnet's table sends a packet: RT1, appliances, peers, and what does not fit. */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define ALL "{ 'protocol': 'all', 'peers': ['0.0.0.0/0'] }"

/* VPC 'v' with an appliance; 'w' is its peer and that of 'x'. */
static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16'] },"
	"    'w': { 'cidrs': ['10.1.0.0/16'] }, 'x': { 'cidrs': ['10.2.0.0/16'] } },"
	"  'subnets': {"
	"    'a': { 'vpc': 'v', 'device': 'br0', 'cidrs': ['10.0.0.0/24'],"
	"      'route_table': 'a' },"
	"    'b': { 'vpc': 'v', 'device': 'br1', 'cidrs': ['10.0.1.0/24'],"
	"      'route_table': 'b' },"
	"    'c': { 'vpc': 'v', 'device': 'br2', 'cidrs': ['10.0.2.0/24'] },"
	"    'w': { 'vpc': 'w', 'device': 'brw', 'cidrs': ['10.1.0.0/24'],"
	"      'route_table': 'w' },"
	"    'x': { 'vpc': 'x', 'device': 'brx', 'cidrs': ['10.2.0.0/24'],"
	"      'route_table': 'x' } },"
	"  'prefix_lists': { 'wide': { 'max_entries': 2, 'entries': ['192.0.2.0/24', "
	"'198.18.0.0/15'] } },"
	"  'security_groups': {"
	"    'open': { 'vpc': 'v', 'egress': [" ALL "], 'ingress': [" ALL "] },"
	"    'guest': { 'vpc': 'v', 'egress': [" ALL "], 'ingress': [] },"
	"    'w': { 'vpc': 'w', 'egress': [], 'ingress': ["
	"      { 'protocol': 'tcp', 'ports': 80, 'peers': ['security_group/open'] },"
	"      { 'protocol': 'udp', 'ports': 53, 'peers': ['10.0.0.0/16'] } ] } },"
	"  'interfaces': {"
	"    'a': { 'subnet': 'a', 'addresses': ['10.0.0.10'], 'security_groups': "
	"['open'] },"
	"    'guest': { 'subnet': 'a', 'addresses': ['10.0.0.11'], 'security_groups': "
	"['guest'] },"
	"    'b': { 'subnet': 'b', 'addresses': ['10.0.1.10'], 'security_groups': "
	"['open'] },"
	"    'box': { 'subnet': 'c', 'device': 'p0', 'addresses': ['10.0.2.10'],"
	"      'source_dest_check': false, 'security_groups': ['open'] },"
	"    'box2': { 'subnet': 'c', 'addresses': ['10.0.2.11'],"
	"      'source_dest_check': false, 'security_groups': ['open'] },"
	"    'strict': { 'subnet': 'c', 'addresses': ['10.0.2.12'], 'security_groups': "
	"['open'] },"
	"    'w': { 'subnet': 'w', 'addresses': ['10.1.0.10'], 'security_groups': ['w'] "
	"} },"
	"  'internet_gateways': { 'v': { 'vpc': 'v', 'device': 'out0',"
	"    'next_hop': ['203.0.113.1'] }, 'w': { 'vpc': 'w', 'device': 'out0' } },"
	"  'elastic_ips': { 'a': { 'address': '203.0.113.10', 'interface': 'a' } },"
	"  'peerings': { 'vw': { 'vpcs': ['v', 'w'] }, 'wx': { 'vpcs': ['w', 'x'] } },"
	"  'route_tables': {"
	"    'a': { 'vpc': 'v', 'routes': ["
	"      { 'to': '10.0.1.0/24', 'via': 'interface/box' },"
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/v' },"
	"      { 'to': 'prefix_list/wide', 'via': 'interface/box2' },"
	"      { 'to': '192.0.2.0/24', 'via': 'blackhole' },"
	"      { 'to': '198.18.7.0/24', 'via': 'interface/strict' },"
	"      { 'to': '10.1.0.0/16', 'via': 'peering/vw' },"
	"      { 'to': '10.2.0.0/16', 'via': 'peering/vw' } ] },"
	"    'b': { 'vpc': 'v', 'routes': ["
	"      { 'to': '10.0.0.0/24', 'via': 'interface/box' },"
	"      { 'to': '0.0.0.0/0', 'via': 'blackhole' } ] },"
	"    'w': { 'vpc': 'w', 'routes': ["
	"      { 'to': '10.0.0.0/16', 'via': 'peering/vw' },"
	"      { 'to': '10.2.0.0/16', 'via': 'peering/wx' },"
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/w' } ] },"
	"    'x': { 'vpc': 'x', 'routes': ["
	"      { 'to': '10.1.0.0/16', 'via': 'peering/wx' },"
	"      { 'to': '10.0.0.0/16', 'via': 'peering/wx' },"
	"      { 'to': '0.0.0.0/0', 'via': 'peering/wx' } ] } } }";

#define SERVER "198.51.100.1"
#define ROUTER "out0 203.0.113.1"

static struct frame syn(const char *from, const char *to, uint16_t dport)
{
	struct frame f = frame_tcp(from, 1000, to, dport, TCP_SYN);

	f.seq = 1;
	return f;
}

/* The answer to a SYN. */
static struct frame accept_of(const struct frame *f)
{
	struct frame r = frame_reply(f);

	r.tcp_flags = TCP_SYN | TCP_ACK;
	return r;
}

/* RT1 */
static void longest(struct stand *s)
{
	struct frame f = syn("10.0.0.10", "10.0.1.9", 80);

	stand_reset(s);
	travels(s, "br0", f, "p0", f, "RT1: a route within local leads to its interface");
	f = frame_to(f, "10.0.2.9", 0);
	travels(s, "br0", f, "br2 10.0.2.9", f, "RT1: the rest of the VPC is local");
	is_lost(s, "br1", syn("10.0.1.10", "8.8.8.8", 80), HG_DROP_BLACKHOLE,
		"RT1: a route to nowhere drops");
	is_lost(s, "br0", frame_to(f, "192.0.2.1", 0), HG_DROP_BLACKHOLE,
		"a route by CIDR comes before one by a prefix list, even to nowhere");
	f = frame_to(f, "198.18.0.1", 0);
	travels(s, "br0", f, "br2 10.0.2.11", f,
		"a prefix list's route is longer than 0/0");
	is_lost(s, "br0", frame_to(f, "198.18.7.1", 0), HG_DROP_DEST_CHECK,
		"an interface that checks gets what is its own only");
	f = frame_to(f, SERVER, 0);
	travels(s, "br0", f, ROUTER, frame_from(f, "203.0.113.10", 0),
		"all the rest goes by 0.0.0.0/0");
	is_lost(s, "br0", frame_to(f, "169.254.168.9", 0), HG_DROP_NO_ROUTE,
		"169.254.168.0/22 is not forwarded by it");
	is_lost(s, "br2", syn("10.0.2.9", SERVER, 80), HG_DROP_NO_ROUTE,
		"the main table has the VPC and nothing else");
	is_lost(s, "br0", frame_udp("10.0.0.10", 1, "224.0.0.9", 1), HG_DROP_NO_ROUTE,
		"multicast is not routed");
	is_lost(s, "br0", syn("10.0.1.10", "10.0.2.9", 80), HG_DROP_SOURCE_CHECK,
		"nobody speaks for another subnet");
}

/* Through the appliance between two subnets and back, a flow on either side of it. */
static void appliance(struct stand *s)
{
	struct frame f = syn("10.0.0.10", "10.0.1.10", 80), back = accept_of(&f);
	struct frame second = f, there = back;

	stand_reset(s);
	second.ttl = 63;
	there.ttl = 63;
	for (int i = 0; i < 2; i++) {
		travels(s, "br0", f, "p0", f, "on its way to the appliance");
		travels(s, "p0", second, "br1 10.0.1.10", f, "from there to the server");
		travels(s, "br1", back, "p0", back, "the answer to the appliance");
		travels(s, "p0", there, "br0 10.0.0.10", back, "and from there home");
		f.tcp_flags = second.tcp_flags = TCP_ACK;
		f.seq = second.seq = 2;
		f.ack = second.ack = 1;
		back.tcp_flags = there.tcp_flags = TCP_ACK;
		back.seq = there.seq = 1;
	}
	f = syn("10.0.0.10", "198.18.0.1", 443);
	travels(s, "br0", f, "br2 10.0.2.11", f, "one without a device is a neighbour");
	f = second = syn("10.0.0.99", "10.0.2.12", 443);
	second.ttl = 64;
	travels(s, "p0", f, "br2 10.0.2.12", second,
		"an appliance may speak for others, in its own subnet no hop away");
}

/* A VPC's groups are known to its peers, its way on is not. */
static void peers(struct stand *s)
{
	struct frame f = syn("10.0.0.10", "10.1.0.10", 80), back = accept_of(&f), u;

	stand_reset(s);
	travels(s, "br0", f, "brw 10.1.0.10", f,
		"a peer is reached by who is in the group");
	travels(s, "brw", back, "br0 10.0.0.10", back, "and answers");
	is_lost(s, "br0", frame_from(f, "10.0.0.11", 0), HG_DROP_SG_INGRESS,
		"who is in another is not let in");
	u = frame_udp("10.0.0.11", 9, "10.1.0.10", 53);
	travels(s, "br0", u, "brw 10.1.0.10", u, "but where his address is");
	is_lost(s, "brw", syn("10.1.0.10", "10.0.0.10", 80), HG_DROP_SG_EGRESS,
		"the peer's own groups judge what leaves it");
	is_lost(s, "br0", frame_to(f, "10.2.0.10", 0), HG_DROP_PEERING,
		"a peer's peer is not reached");
	is_lost(s, "brx", syn("10.2.0.10", "10.0.0.10", 80), HG_DROP_PEERING,
		"nor from the other side");
	is_lost(s, "brx", syn("10.2.0.10", SERVER, 80), HG_DROP_PEERING,
		"nor the internet by a peer's gateway");
	f = syn("10.1.0.99", "10.0.0.10", 80);
	travels(s, "brw", f, "br0 10.0.0.10", f,
		"a host of no interface is let in by CIDR");
}

/* Every device gets this MTU, and every neighbour. */
static void mtu_set(struct stand *s, uint32_t mtu)
{
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table devices = image_header(&image)->devices;
	struct hg_hop *hops = dataplane_hops(stand_plane(s));

	for (uint32_t id = 1; id < devices.n; id++)
		((struct hg_device *)&image.lines[devices.line + id])->mtu = mtu;
	for (uint32_t id = 1; id < HG_HOPS; id++)
		if (hops[id].ifindex)
			hops[id].mtu = mtu;
}

static void sizes(struct stand *s)
{
	struct frame f = frame_udp("10.0.0.11", 1, "10.0.2.9", 53);
	struct frame in = frame_udp(SERVER, 53, "203.0.113.10", 1), told;

	stand_reset(s);
	travels(s, "br0", f, "br2 10.0.2.9", f, "a small packet passes");
	travels(s, "out0", in, "br0 10.0.0.10", frame_to(in, "10.0.0.10", 0),
		"one from outside does");
	mtu_set(s, 600);
	f.payload = 572;
	travels(s, "br0", f, "br2 10.0.2.9", f, "one as long as the MTU passes");
	f.payload = 573;
	told = frame_icmp("10.0.0.1", "10.0.0.11", 3, 4);
	told.icmp_seq = 600;
	told.quote = &f;
	told.quote_size = 548;
	is_told(s, "br0", f, HG_DROP_TOO_BIG, told,
		"one byte more does not, though the way is known; the sender hears it");
	in.payload = 573;
	told = frame_icmp("203.0.113.10", SERVER, 3, 4);
	told.icmp_seq = 600;
	told.quote = &in;
	told.quote_size = 548;
	is_told(s, "out0", in, HG_DROP_TOO_BIG, told,
		"outside it is told by the address that was written to");
	in.payload = 8;
	in.ttl = 1;
	told = frame_icmp("203.0.113.10", SERVER, 11, 0);
	is_told(s, "out0", in, HG_DROP_TTL_EXPIRED, told, "of the last hop as well");
	mtu_set(s, 65535);
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		longest(s);
		appliance(s);
		peers(s);
		sizes(s);
	}
	stand_free(s);
	return done();
}
