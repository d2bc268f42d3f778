/* SPDX-License-Identifier: Apache-2.0 */

/* A NAT instance: groups, forwarded ports, and a FIN where a gateway resets. */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define RULES(egress, acl)                                                              \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16'] } },"               \
	"  'subnets': {"                                                                \
	"    'app': { 'vpc': 'v', 'device': 'br1', 'cidrs': ['10.0.1.0/24'],"           \
	"      'route_table': 'app' },"                                                 \
	"    'box': { 'vpc': 'v', 'device': 'br2', 'cidrs': ['10.0.2.0/24'],"           \
	"      'route_table': 'box', 'network_acl': 'box' } },"                         \
	"  'network_acls': { 'box': { 'vpc': 'v',"                                      \
	"    'ingress': [ { 'rule': 9, 'action': 'allow', 'protocol': 'all',"           \
	"      'cidr': '0.0.0.0/0' } ],"                                                \
	"    'egress': [" acl " { 'rule': 9, 'action': 'allow', 'protocol': 'all',"     \
	"      'cidr': '0.0.0.0/0' } ] } },"                                            \
	"  'security_groups': {"                                                        \
	"    'box': { 'vpc': 'v', 'egress': [" egress "], 'ingress': ["                 \
	"      { 'protocol': 'tcp', 'ports': 443, 'peers': ['10.0.1.0/24'] },"          \
	"      { 'protocol': 'udp', 'ports': 53, 'peers': ['0.0.0.0/0'] },"             \
	"      { 'protocol': 'tcp', 'ports': [8080, 8081], 'peers': ['198.51.0.0/16'] " \
	"} "                                                                            \
	"] },"                                                                          \
	"    'app': { 'vpc': 'v', 'egress': [ { 'protocol': 'all', 'peers': "           \
	"['0.0.0.0/0'] } ],"                                                            \
	"      'ingress': [ { 'protocol': 'tcp', 'ports': 80, 'peers': "                \
	"['198.51.0.0/16'] "                                                            \
	"},"                                                                            \
	"        { 'protocol': 'udp', 'ports': 53, 'peers': ['198.51.0.0/16'] } ] } }," \
	"  'interfaces': { 'app': { 'subnet': 'app', 'addresses': ['10.0.1.10'],"       \
	"    'security_groups': ['app'] } },"                                           \
	"  'internet_gateways': { 'v': { 'vpc': 'v', 'device': 'out0',"                 \
	"    'next_hop': ['203.0.113.1'] } },"                                          \
	"  'elastic_ips': { 'box': { 'address': '203.0.113.20' } },"                    \
	"  'nat_gateways': { 'box': { 'subnet': 'box', 'private_address': '10.0.2.5',"  \
	"    'elastic_ips': ['box'], 'mode': 'instance', 'security_groups': ['box'],"   \
	"    'forwards': [ { 'protocol': 'tcp', 'port': 8080, 'to': '10.0.1.10:80' },"  \
	"      { 'protocol': 'udp', 'port': 53, 'to': '10.0.1.10' } ] } },"             \
	"  'route_tables': {"                                                           \
	"    'box': { 'vpc': 'v', 'routes': ["                                          \
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/v' } ] },"                 \
	"    'app': { 'vpc': 'v', 'routes': ["                                          \
	"      { 'to': '0.0.0.0/0', 'via': 'nat_gateway/box' } ] } } }"

#define ALL    "{ 'protocol': 'all', 'peers': ['0.0.0.0/0'] }"
#define HTTPS  "{ 'protocol': 'tcp', 'ports': 443, 'peers': ['0.0.0.0/0'] }"
#define SERVER "198.51.100.1"
#define CLIENT "10.0.1.10"
#define HOME   "br1 10.0.1.10"
#define BOX    "203.0.113.20"
#define ROUTER "out0 203.0.113.1"

static void forwards(struct stand *s)
{
	struct frame f = frame_tcp(SERVER, 5000, BOX, 8080, TCP_SYN), in, back;

	stand_reset(s);
	f.seq = 1000;
	in = frame_to(f, CLIENT, 80);
	travels(s, "out0", f, HOME, in, "a forwarded port leads to the server inside");
	back = frame_tcp(CLIENT, 80, SERVER, 5000, TCP_SYN | TCP_ACK);
	back.seq = 7000;
	back.ack = 1001;
	travels(s, "br1", back, ROUTER, frame_from(back, BOX, 8080),
		"whose answer comes from the forwarded port");
	f.tcp_flags = back.tcp_flags = TCP_ACK;
	f.seq = 1001;
	f.ack = back.seq = 7001;
	f.payload = back.payload = 20;
	for (int i = 0; i < 3; i++) {
		travels(s, "out0", f, HOME, frame_to(f, CLIENT, 80), "data comes in");
		travels(s, "br1", back, ROUTER, frame_from(back, BOX, 8080),
			"and data leaves");
	}
	f = frame_udp(SERVER, 5000, BOX, 53);
	travels(s, "out0", f, HOME, frame_to(f, CLIENT, 0),
		"a datagram keeps its port where no other is named");
	back = frame_udp(CLIENT, 53, SERVER, 5000);
	travels(s, "br1", back, ROUTER, frame_from(back, BOX, 0), "and is answered");
	is_lost(s, "out0", frame_tcp(SERVER, 5000, BOX, 8081, TCP_SYN),
		HG_DROP_NAT_UNSOLICITED, "other ports lead nowhere");
	is_lost(s, "out0", frame_tcp(SERVER, 5001, BOX, 8080, TCP_ACK),
		HG_DROP_NAT_UNSOLICITED, "nor does a segment without a connection");
	is_lost(s, "out0", frame_udp(SERVER, 5000, BOX, 8080), HG_DROP_NAT_UNSOLICITED,
		"a port is forwarded for its protocol");
}

static void groups(struct stand *s)
{
	struct frame in = frame_tcp(SERVER, 5000, BOX, 8080, TCP_SYN);
	struct frame out = frame_tcp(CLIENT, 40000, SERVER, 443, TCP_SYN);

	stand_reset(s);
	is_lost(s, "out0", frame_from(in, "192.0.2.1", 0), HG_DROP_SG_INGRESS,
		"the instance's group judges who uses a forwarded port");
	is_lost(s, "out0", frame_udp("192.0.2.1", 1, BOX, 53), HG_DROP_SG_INGRESS,
		"the server's group sees the client's address");
	travels(s, "br1", out, ROUTER, frame_from(out, BOX, 0),
		"a client goes out where the instance's group lets it in");
	is_lost(s, "br1", frame_to(out, NULL, 80), HG_DROP_SG_INGRESS,
		"and nowhere else");
	stand_rules(s, RULES(HTTPS, ""));
	out.sport++;
	travels(s, "br1", out, ROUTER, frame_from(out, BOX, 0),
		"and where it lets it out");
	is_lost(s, "br1", frame_udp(CLIENT, 40000, SERVER, 53), HG_DROP_SG_EGRESS,
		"and nowhere else");
	is_lost(s, "out0", in, HG_DROP_SG_EGRESS, "what is forwarded must get out, too");
	stand_rules(s, RULES(ALL, "{ 'rule': 1, 'action': 'deny', 'protocol': 'tcp',"
				  "  'ports': 80, 'cidr': '10.0.1.0/24' },"));
	is_lost(s, "out0", in, HG_DROP_NACL_EGRESS,
		"and its subnet's ACL sees where it is forwarded to");
	stand_rules(s, RULES(ALL, ""));
	travels(s, "out0", in, HOME, frame_to(in, CLIENT, 80), "else it gets there");
}

/* What a connection hears that was idle for too long. */
static void over(struct stand *s)
{
	struct frame f = frame_tcp(CLIENT, 40000, SERVER, 443, TCP_SYN), back, word;
	uint64_t idle;

	stand_reset(s);
	f.seq = 1000;
	travels(s, "br1", f, ROUTER, frame_from(f, BOX, 0), "a SYN leaves");
	back = frame_tcp(SERVER, 443, CLIENT, 40000, TCP_SYN | TCP_ACK);
	back.seq = 5000;
	back.ack = 1001;
	travels(s, "out0", frame_to(back, BOX, 0), HOME, back, "its answer comes in");
	f.tcp_flags = TCP_ACK;
	f.seq = 1001;
	f.ack = 5001;
	travels(s, "br1", f, ROUTER, frame_from(f, BOX, 0), "the connection is made");
	f.payload = 10;
	idle = travel_meter(s, "box").idle_timeouts;
	stand_wait(s, 351);
	word = frame_reply(&f);
	word.tcp_flags = TCP_FIN | TCP_ACK;
	word.payload = 0;
	is_told(s, "br1", f, HG_DROP_NO_FLOW, word,
		"after 351 s the client's data is answered with a FIN");
	is((long long)(travel_meter(s, "box").idle_timeouts - idle), 1,
	   "IdleTimeoutCount is 1");
	word.tcp_flags = TCP_RST;
	word.ack = 0;
	is_told(s, "br1", f, HG_DROP_NO_FLOW, word, "what follows is reset");
	f.tcp_flags = TCP_ACK | TCP_FIN;
	is_told(s, "br1", f, HG_DROP_NO_FLOW, word, "its own FIN, too");
	is((long long)(travel_meter(s, "box").idle_timeouts - idle), 1,
	   "and counts no more");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, RULES(ALL, ""));
		forwards(s);
		groups(s);
		over(s);
	}
	stand_free(s);
	return done();
}
