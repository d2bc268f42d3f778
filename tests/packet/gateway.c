/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of one packet at the doors of a gateway: the device that it leaves by, the
 * packet that it leaves as, or the reason why it does not; told by the loaded program. Each
 * packet is a row; some need others before them, which are rows as well.
 */
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/hop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"
#include "tests/oracle/parse.h"

#define MTU 1400

static const char rules[] =
	"{ 'headgate': 1,"
	"'vpcs': {'a': {'cidrs': ['10.0.0.0/16', 'fd00:10::/56']},"
	"         'b': {'cidrs': ['10.1.0.0/16']}, 'c': {'cidrs': ['10.0.0.0/16']}},"
	"'subnets': {"
	" 'pub': {'vpc': 'a', 'cidrs': ['10.0.0.0/24', 'fd00:10::/64'], 'device': 'pub',"
	"         'route_table': 'pub'},"
	" 'priv': {'vpc': 'a', 'cidrs': ['10.0.1.0/24', 'fd00:10:0:1::/64'],"
	"          'device': 'priv', 'route_table': 'priv'},"
	" 'odd': {'vpc': 'a', 'cidrs': ['10.0.2.0/24'], 'route_table': 'odd'},"
	" 'far': {'vpc': 'b', 'cidrs': ['10.1.0.0/24'], 'device': 'far',"
	"         'route_table': 'far'},"
	" 'twin': {'vpc': 'c', 'cidrs': ['10.0.1.0/24'], 'device': 'twin',"
	"          'route_table': 'twin'}},"
	"'security_groups': {"
	" 'open': {'vpc': 'a', 'ingress': [{'protocol': 'all', 'peers': ['0.0.0.0/0',"
	"   '::/0']}], 'egress': [{'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0']}]},"
	" 'mates': {'vpc': 'b', 'ingress': [{'protocol': 'all',"
	"   'peers': ['security_group/open']}], 'egress': []}},"
	"'interfaces': {"
	" 'web': {'subnet': 'pub', 'addresses': ['10.0.0.10', 'fd00:10::10'],"
	"         'security_groups': ['open']},"
	" 'app': {'subnet': 'priv', 'addresses': ['10.0.1.10', 'fd00:10:0:1::10'],"
	"         'security_groups': ['open']},"
	" 'box': {'subnet': 'pub', 'addresses': ['10.0.0.9'], 'device': 'box',"
	"         'source_dest_check': false, 'security_groups': ['open']},"
	" 'end': {'subnet': 'odd', 'addresses': ['10.0.2.20'], 'device': 'end',"
	"         'security_groups': ['open']},"
	" 'mate': {'subnet': 'far', 'addresses': ['10.1.0.10'],"
	"          'security_groups': ['mates']}},"
	"'internet_gateways': {'igw': {'vpc': 'a', 'device': 'up', 'next_hop': "
	"   ['203.0.113.1', '2001:db8::1']}, 'igw-c': {'vpc': 'c', 'device': 'up'}},"
	"'egress_only_gateways': {'eigw': {'vpc': 'a', 'device': 'up'}},"
	"'elastic_ips': {'web': {'address': '203.0.113.10', 'interface': 'web'},"
	" 'nat': {'address': '203.0.113.20'}, 'twin': {'address': '203.0.113.30'},"
	" 'free': {'address': '203.0.113.40'}},"
	"'nat_gateways': {'nat': {'subnet': 'pub', 'private_address': '10.0.0.5',"
	"   'elastic_ips': ['nat']}, 'twin': {'subnet': 'twin',"
	"   'private_address': '10.0.1.5', 'elastic_ips': ['twin']}},"
	"'peerings': {'ab': {'vpcs': ['a', 'b']}},"
	"'route_tables': {"
	" 'pub': {'vpc': 'a', 'routes': [{'to': '0.0.0.0/0', 'via': "
	"   'internet_gateway/igw'}, {'to': '::/0', 'via': 'internet_gateway/igw'}]},"
	" 'priv': {'vpc': 'a', 'routes': [{'to': '0.0.0.0/0', 'via': 'nat_gateway/nat'},"
	"   {'to': '::/0', 'via': 'egress_only_gateway/eigw'},"
	"   {'to': '64:ff9b::/96', 'via': 'nat_gateway/nat'},"
	"   {'to': '192.0.2.0/24', 'via': 'blackhole'},"
	"   {'to': '198.18.0.0/15', 'via': 'interface/box'},"
	"   {'to': '10.1.0.0/16', 'via': 'peering/ab'},"
	"   {'to': '10.2.0.0/16', 'via': 'peering/ab'}]},"
	" 'odd': {'vpc': 'a', 'routes': [{'to': '10.0.1.0/24', 'via': 'interface/box'},"
	"   {'to': '0.0.0.0/0', 'via': 'nat_gateway/nat'}]},"
	" 'far': {'vpc': 'b', 'routes': [{'to': '10.0.0.0/16', 'via': 'peering/ab'}]},"
	" 'twin': {'vpc': 'c', 'routes': [{'to': '0.0.0.0/0', 'via': "
	"   'nat_gateway/twin'}]}}}";

#define SERVER  "198.51.100.1"
#define SERVER6 "2001:db8:1::1"

struct row {
	const char *device;
	struct frame frame;
	uint32_t reason;
	const char *want; /* "SOURCE:PORT > DESTINATION:PORT hops N", of what passes */
	const char *name;
};

static const char *print_packet(const struct result *r)
{
	static char buf[256];
	char src[ADDR_TEXT], dst[ADDR_TEXT];
	struct parsed p;
	bool has_ports;

	frame_parse(r->frame, r->size, &p);
	if (p.reason)
		return "no good packet";
	has_ports = p.l4.protocol == 6 || p.l4.protocol == 17;
	snprintf(buf, sizeof(buf), "%s:%u > %s:%u hops %u", addr_print(&p.l4.src, src),
		 has_ports ? p.l4.sport : p.l4.id, addr_print(&p.l4.dst, dst),
		 has_ports ? p.l4.dport : p.l4.id, p.hops);
	return buf;
}

/* What is added to what a checksum covers must make it all ones. */
static bool has_good_sums(const struct result *r)
{
	const uint8_t *ip = r->frame + 14, *l4;
	uint32_t sum = 0;
	size_t size;

	if (ip[0] >> 4 == 4) {
		if (frame_checksum(ip, (ip[0] & 15) * 4, 0))
			return false;
		l4 = ip + (ip[0] & 15) * 4;
		size = (ip[2] << 8 | ip[3]) - (l4 - ip);
		if ((ip[6] & 0x1f) || ip[7])
			return true;
		if (ip[6] & 0x20)
			return true;
		if (ip[9] != 1) {
			sum = ip[9] + size;
			for (int i = 12; i < 20; i += 2)
				sum += ip[i] << 8 | ip[i + 1];
		}
	} else {
		l4 = ip + 40;
		size = ip[4] << 8 | ip[5];
		sum = ip[6] + size;
		for (int i = 8; i < 40; i += 2)
			sum += ip[i] << 8 | ip[i + 1];
	}
	return frame_checksum(l4, size, sum) == 0;
}

static void row_run(struct stand *s, const struct row *row)
{
	struct result r = stand_run(s, row->device, HG_DOOR_IN, &row->frame);

	if (row->reason) {
		is_reason(r.reason, row->reason, "%s", row->name);
		return;
	}
	if (r.reason)
		note("dropped: %s", reason_name(r.reason));
	if (is_str(r.allow ? print_packet(&r) : "dropped", row->want, "%s", row->name) &&
	    !has_good_sums(&r))
		ok(false, "its checksums are right");
}

static struct frame with_payload(struct frame f, uint16_t payload)
{
	f.payload = payload;
	return f;
}

#define SYN(from, sport, to, dport)  frame_tcp(from, sport, to, dport, TCP_SYN)
#define ACK(from, sport, to, dport)  frame_tcp(from, sport, to, dport, TCP_ACK)
#define BOTH(from, sport, to, dport) frame_tcp(from, sport, to, dport, TCP_SYN | TCP_ACK)

static void run_all(struct stand *s, const struct row *rows, size_t n)
{
	stand_reset(s);
	for (size_t i = 0; i < n; i++)
		row_run(s, &rows[i]);
}

static void test_routes(struct stand *s)
{
	const struct row rows[] = {
		{ "priv", SYN("10.0.1.10", 1, "10.0.2.20", 80), 0,
		  "10.0.1.10:1 > 10.0.2.20:80 hops 63",
		  "an address of the VPC is local" },
		{ "end", SYN("10.0.2.20", 1, "10.0.1.10", 80), 0,
		  "10.0.2.20:1 > 10.0.1.10:80 hops 63",
		  "a route more specific than local is obeyed" },
		{ "priv", SYN("10.0.1.10", 1, "192.0.2.9", 80), HG_DROP_BLACKHOLE, NULL,
		  "a blackhole does not fall through to a shorter prefix" },
		{ "priv", SYN("10.0.1.10", 1, "169.254.168.1", 80), HG_DROP_NO_ROUTE,
		  NULL, "some addresses are not forwarded" },
		{ "far", SYN("10.1.0.99", 1, SERVER, 80), HG_DROP_NO_ROUTE, NULL,
		  "without a route there is no way" },
		{ "priv", frame_hops(SYN("10.0.1.10", 2, "10.0.2.20", 80), 1),
		  HG_DROP_TTL_EXPIRED, NULL, "the last hop is the last" },
		{ "priv", frame_hops(SYN("10.0.1.10", 3, "10.0.2.20", 80), 2), 0,
		  "10.0.1.10:3 > 10.0.2.20:80 hops 1", "the one before it is not" },
		{ "priv", with_payload(SYN("10.0.1.10", 4, "10.0.2.20", 80), MTU - 39),
		  HG_DROP_TOO_BIG, NULL, "a packet of one byte more does not fit" },
		{ "priv", with_payload(SYN("10.0.1.10", 5, "10.0.2.20", 80), MTU - 40), 0,
		  "10.0.1.10:5 > 10.0.2.20:80 hops 63", "without that it does" },
		{ "priv", SYN("10.0.1.10", 1, "10.1.0.10", 80), 0,
		  "10.0.1.10:1 > 10.1.0.10:80 hops 63",
		  "a peer is reached, and knows this VPC's groups" },
		{ "priv", SYN("10.0.1.77", 1, "10.1.0.10", 80), HG_DROP_SG_INGRESS, NULL,
		  "who is in none of them is not let in" },
		{ "priv", SYN("10.0.1.10", 1, "10.2.0.10", 80), HG_DROP_PEERING, NULL,
		  "a peering leads no further than the other VPC" },
	};

	run_all(s, rows, ARRAY_SIZE(rows));
}

static void test_elastic(struct stand *s)
{
	const struct row rows[] = {
		{ "pub", SYN("10.0.0.10", 1, SERVER, 80), 0,
		  "203.0.113.10:1 > 198.51.100.1:80 hops 63",
		  "an instance goes out as its elastic IP" },
		{ "up", BOTH(SERVER, 80, "203.0.113.10", 1), 0,
		  "198.51.100.1:80 > 10.0.0.10:1 hops 63", "and is answered there" },
		{ "up", frame_udp(SERVER, 5, "203.0.113.10", 53), 0,
		  "198.51.100.1:5 > 10.0.0.10:53 hops 63", "from outside it is reached" },
		{ "up", frame_echo(SERVER, "203.0.113.10", 9), 0,
		  "198.51.100.1:9 > 10.0.0.10:9 hops 63", "and pinged" },
		{ "pub", SYN("10.0.0.77", 1, SERVER, 80), HG_DROP_NO_PUBLIC_ADDRESS, NULL,
		  "without an elastic IP nobody goes out" },
		{ "pub", SYN("10.0.0.10", 1, "192.168.1.1", 80),
		  HG_DROP_PRIVATE_DESTINATION, NULL,
		  "private destinations are not on the internet" },
		{ "up", SYN(SERVER, 5, "203.0.113.40", 80), HG_DROP_NO_PUBLIC_ADDRESS,
		  NULL, "an elastic IP that nobody has is a dead end" },
		{ "up", SYN("10.9.9.9", 5, "203.0.113.10", 80), HG_DROP_SOURCE_CHECK,
		  NULL, "private sources do not come from the internet" },
		{ "up", SYN(SERVER, 5, "10.0.0.10", 80), HG_DROP_NO_ROUTE, NULL,
		  "and private addresses are not reached from there" },
		{ "pub", SYN("10.0.0.5", 1, SERVER, 80), HG_DROP_SOURCE_CHECK, NULL,
		  "nobody speaks for a NAT gateway" },
		{ "end", SYN("10.0.2.20", 40000, "203.0.113.10", 80), 0,
		  "203.0.113.20:40000 > 10.0.0.10:80 hops 63",
		  "through NAT to an elastic IP next door, one hop away" },
		{ "pub", BOTH("10.0.0.10", 80, "203.0.113.20", 40000), 0,
		  "203.0.113.10:80 > 10.0.2.20:40000 hops 63", "and back" },
	};

	run_all(s, rows, ARRAY_SIZE(rows));
}

static void test_nat(struct stand *s)
{
	const struct row rows[] = {
		{ "priv", SYN("10.0.1.10", 40000, SERVER, 80), 0,
		  "203.0.113.20:40000 > 198.51.100.1:80 hops 63",
		  "a client goes out as the NAT gateway" },
		{ "up", BOTH(SERVER, 80, "203.0.113.20", 40000), 0,
		  "198.51.100.1:80 > 10.0.1.10:40000 hops 63",
		  "and its answers find it" },
		{ "twin", SYN("10.0.1.10", 40000, SERVER, 80), HG_DROP_NO_ROUTE, NULL,
		  "one in the NAT gateway's own subnet is not served" },
		{ "up", BOTH(SERVER, 81, "203.0.113.20", 40000), HG_DROP_NAT_UNSOLICITED,
		  NULL, "answers of others do not" },
		{ "up", SYN(SERVER, 80, "203.0.113.20", 22), HG_DROP_NAT_UNSOLICITED,
		  NULL, "nothing comes in unasked" },
		{ "pub", SYN("10.0.0.10", 1, "10.0.0.5", 80), HG_DROP_NAT_UNSOLICITED,
		  NULL, "nor from inside" },
		{ "priv", ACK("10.0.1.10", 9, SERVER, 80), HG_DROP_NO_FLOW, NULL,
		  "a segment of no connection goes nowhere" },
		{ "priv", frame_other("10.0.1.10", SERVER, 47), HG_DROP_NAT_PROTOCOL,
		  NULL, "what has no ports is not translated" },
		{ "priv", frame_piece(SYN("10.0.1.10", 9, SERVER, 80), 0, true),
		  HG_DROP_FRAGMENT, NULL, "fragments of TCP do not pass" },
		{ "priv", frame_piece(frame_echo("10.0.1.10", SERVER, 9), 0, true),
		  HG_DROP_FRAGMENT, NULL, "nor do those of ICMP" },
		{ "priv", frame_piece(frame_udp("10.0.1.10", 40000, SERVER, 53), 0, true),
		  0, "203.0.113.20:40000 > 198.51.100.1:53 hops 63", "those of UDP do" },
		{ "priv",
		  frame_piece(frame_udp("10.0.1.11", 40000, SERVER, 53), 64, false),
		  HG_DROP_FRAGMENT, NULL, "but a later one not without the first" },
		{ "priv", frame_echo("10.0.1.10", SERVER, 20000), 0,
		  "203.0.113.20:20000 > 198.51.100.1:20000 hops 63",
		  "a ping is translated by its id" },
		{ "priv", SYN("fd00:10:0:1::10", 1, SERVER6, 80), 0,
		  "fd00:10:0:1::10:1 > 2001:db8:1::1:80 hops 63",
		  "IPv6 leaves by the egress-only gateway as it is" },
		{ "up", BOTH(SERVER6, 80, "fd00:10:0:1::10", 1), 0,
		  "2001:db8:1::1:80 > fd00:10:0:1::10:1 hops 63", "its answers come in" },
		{ "up", SYN(SERVER6, 80, "fd00:10:0:1::10", 2), HG_DROP_EGRESS_ONLY, NULL,
		  "nothing else does" },
		{ "up", SYN(SERVER6, 80, "fd00:10::10", 2), 0,
		  "2001:db8:1::1:80 > fd00:10::10:2 hops 63",
		  "an internet gateway lets IPv6 in" },
	};

	run_all(s, rows, ARRAY_SIZE(rows));
}

/* NAT1: 350 seconds, and what is said afterwards. */
static void test_idle(struct stand *s)
{
	struct frame syn = SYN("10.0.1.10", 40000, SERVER, 80), both, ack;
	struct hg_counters before, after;

	both = BOTH(SERVER, 80, "203.0.113.20", 40000);
	ack = ACK("10.0.1.10", 40000, SERVER, 80);
	both.seq = 5000;
	ack.ack = 5001;
	stand_reset(s);
	stand_run(s, "priv", HG_DOOR_IN, &syn);
	stand_run(s, "up", HG_DOOR_IN, &both);
	stand_run(s, "priv", HG_DOOR_IN, &ack);
	stand_wait(s, 349);
	is_reason(stand_run(s, "priv", HG_DOOR_IN, &ack).reason, 0,
		  "after 349 seconds a connection is there");
	stand_wait(s, 352);
	is_reason(stand_run(s, "up", HG_DOOR_IN, &both).reason, HG_DROP_NAT_UNSOLICITED,
		  "after 351 the server finds nobody");
	dataplane_counters(stand_plane(s), 1, &before);
	is_reason(stand_run(s, "priv", HG_DOOR_IN, &ack).reason, HG_DROP_NO_FLOW,
		  "and the client neither");
	dataplane_counters(stand_plane(s), 1, &after);
	is(after.told - before.told, 1, "but is told so");
	ack.tcp_flags = TCP_RST;
	stand_run(s, "priv", HG_DOOR_IN, &ack);
	dataplane_counters(stand_plane(s), 1, &before);
	is(before.told - after.told, 0, "unless it was going to say so itself");
}

/* Every device of the live image gets this MTU, and so do the neighbours. */
static void set_mtu(struct stand *s)
{
	struct image live = dataplane_image(stand_plane(s));
	struct hg_table devices = image_header(&live)->devices;
	struct hg_hop *hops = dataplane_hops(stand_plane(s));

	for (uint32_t id = 1; id < devices.n; id++) {
		((struct hg_device *)&live.lines[devices.line + id])->mtu = MTU;
		hops[id].mtu = MTU;
	}
}

/* What a device of the gateway would have found out: flows do not settle before. */
static void neighbour_add(struct stand *s, const char *text)
{
	struct addr a = address(text);
	struct hg_hop hop = { .ifindex = 1,
			      .flags = a.family == 6 ? HG_HOP_6 : 0,
			      .mac.byte = { 2, 0xcc, 0, 0, 0, 1, HG_HOP_RESOLVED },
			      .mtu = MTU };

	memcpy(hop.addr.w, a.bytes, sizeof(hop.addr.w));
	dataplane_hops(stand_plane(
		s))[(hg_hop_hash(1, hop.addr.w) & (HG_HOP_SETS - 1)) * HG_HOP_WAYS + 1] =
		hop;
}

static void rules_settle(struct stand *s, const char *text)
{
	stand_rules(s, text);
	set_mtu(s);
	neighbour_add(s, "203.0.113.1");
	neighbour_add(s, "10.0.1.10");
	neighbour_add(s, "fd00:10:0:1::10");
}

static struct frame in_vlan(struct frame f)
{
	f.n_vlans = 1;
	f.vlan[0] = 100;
	return f;
}

static struct frame numbered(struct frame f, uint32_t seq, uint32_t ack)
{
	f.seq = seq;
	f.ack = ack;
	return f;
}

/* Connections that no rule is asked about any more are not above the law. */
static void test_settled(struct stand *s)
{
	const struct frame opener = ACK("10.0.1.10", 40000, SERVER, 80),
			   server = ACK(SERVER, 80, "203.0.113.20", 40000),
			   ping = frame_echo("10.0.1.10", SERVER, 20000),
			   ask6 = frame_udp("fd00:10:0:1::10", 41000,
					    "64:ff9b::c633:6401", 53),
			   say6 = frame_udp(SERVER, 53, "203.0.113.20", 41000),
			   box = frame_udp("10.0.0.9", 40000, "10.0.1.10", 53);
	const char *out = "203.0.113.20:40000 > 198.51.100.1:80 hops 63",
		   *in = "198.51.100.1:80 > 10.0.1.10:40000 hops 63",
		   *pinged = "203.0.113.20:20000 > 198.51.100.1:20000 hops 63",
		   *out6 = "203.0.113.20:41000 > 198.51.100.1:53 hops 63",
		   *in6 = "64:ff9b::c633:6401:53 > fd00:10:0:1::10:41000 hops 63",
		   *boxed = "10.0.0.9:40000 > 10.0.1.10:53 hops 63";
	const struct row rows[] = {
		{ "priv", numbered(SYN("10.0.1.10", 40000, SERVER, 80), 1000, 0), 0, out,
		  "a client opens a connection" },
		{ "up", numbered(BOTH(SERVER, 80, "203.0.113.20", 40000), 5000, 1001), 0,
		  in, "is answered" },
		{ "priv", numbered(opener, 1001, 5001), 0, out, "acknowledges it" },
		{ "priv", numbered(opener, 1001, 5001), 0, out, "and goes on" },
		{ "up", server, 0, in, "so does the server" },
		{ "up", server, 0, in, "by and by" },
		{ "priv", frame_piece(opener, 0, true), HG_DROP_FRAGMENT, NULL,
		  "their fragments do not pass now, either" },
		{ "priv", frame_piece(opener, 64, false), HG_DROP_FRAGMENT, NULL,
		  "nor do later ones" },
		{ "up", frame_piece(server, 0, true), HG_DROP_FRAGMENT, NULL,
		  "nor those of the server" },
		{ "priv", ping, 0, pinged, "a client pings" },
		{ "priv", ping, 0, pinged, "again" },
		{ "priv", frame_piece(ping, 0, true), HG_DROP_FRAGMENT, NULL,
		  "and not in pieces" },
		{ "priv", ask6, 0, out6, "an IPv6 client asks" },
		{ "up", say6, 0, in6, "and is answered" },
		{ "priv", ask6, 0, out6, "asks again" },
		{ "up", say6, 0, in6, "and is answered" },
		{ "up", with_payload(say6, MTU - 48), 0, in6,
		  "with as much as fits behind an IPv6 header" },
		{ "up", with_payload(say6, MTU - 47), HG_DROP_TOO_BIG, NULL,
		  "and not a byte more" },
		{ "box", box, 0, boxed, "an instance sends" },
		{ "box", box, 0, boxed, "and sends" },
		{ "box", in_vlan(box), HG_DROP_UNSUPPORTED, NULL,
		  "it does not choose a VLAN for the next device" },
		{ "box", in_vlan(frame_udp("10.0.0.9", 40001, "10.0.1.10", 53)),
		  HG_DROP_UNSUPPORTED, NULL, "not to begin with, either" },
	};

	run_all(s, rows, ARRAY_SIZE(rows));
}

/* Another NAT gateway has the address of the one that served a connection. */
static void test_renamed(struct stand *s)
{
	const struct row rows[] = {
		{ "priv", ACK("10.0.1.10", 40000, SERVER, 80), HG_DROP_NO_FLOW, NULL,
		  "a connection of another NAT gateway is over, as its answers would "
		  "be" },
		{ "priv", ACK("10.0.1.10", 40000, SERVER, 80), HG_DROP_NO_FLOW, NULL,
		  "and its client hears so" },
		{ "priv", SYN("10.0.1.10", 40000, SERVER, 80), 0,
		  "203.0.113.20:40000 > 198.51.100.1:80 hops 63", "it opens a new one" },
		{ "up", BOTH(SERVER, 80, "203.0.113.20", 40000), 0,
		  "198.51.100.1:80 > 10.0.1.10:40000 hops 63", "and is answered" },
	};
	_cleanup_free_ char *renamed = strdup(rules);
	char *p;

	while ((p = strstr(renamed, "nat_gateway/nat")))
		memcpy(p, "nat_gateway/tan", 15);
	p = strstr(renamed, "'nat_gateways': {'nat'");
	memcpy(p, "'nat_gateways': {'tan'", 22);
	rules_settle(s, renamed);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		row_run(s, &rows[i]);
}

int main(void)
{
	struct stand *s = stand_new(4096);

	stand_rules(s, rules);
	set_mtu(s);
	test_routes(s);
	test_elastic(s);
	test_nat(s);
	test_idle(s);
	rules_settle(s, rules);
	test_settled(s);
	test_renamed(s);
	stand_free(s);
	return done();
}
