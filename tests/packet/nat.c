/* SPDX-License-Identifier: Apache-2.0 */

/* Through a NAT gateway and back. */
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define ALLOW_ALL(n) \
	"{ 'rule': " n ", 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' }"

/* 'ingress', 'egress': rules of the NAT gateway's subnet that come first, each with a comma behind it; 'nats':
 * the NAT gateway's further keys. */
#define RULES(ingress, egress, nats)                                                    \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } " \
	"},"                                                                            \
	"  'subnets': { 'private': { 'vpc': 'v', 'device': 'in0',"                      \
	"      'cidrs': ['10.0.16.0/20', 'fd00:10:0:1::/64'] },"                        \
	"    'public': { 'vpc': 'v', 'device': 'pub0', 'cidrs': ['10.0.0.0/24'],"       \
	"      'network_acl': 'edge', 'route_table': 'public' } },"                     \
	"  'network_acls': { 'edge': { 'vpc': 'v',"                                     \
	"    'ingress': [" ingress ALLOW_ALL(                                           \
		"900") "],"                                                             \
		       "    'egress': [" egress ALLOW_ALL(                              \
			       "900") "] } },"                                          \
				      "  'internet_gateways': { 'igw': { 'vpc': 'v', "  \
				      "'device': 'out0',"                               \
				      "      'next_hop': ['203.0.113.1', "              \
				      "'2001:db8:ff::1'] } },"                          \
				      "  'elastic_ips': { 'one': { 'address': "         \
				      "'203.0.113.20' },"                               \
				      "    'two': { 'address': '203.0.113.21' } },"     \
				      "  'nat_gateways': { 'nat': { 'subnet': "         \
				      "'public', 'private_address': "                   \
				      "'10.0.0.5'," nats " } },"                        \
				      "  'route_tables': {"                             \
				      "    'public': { 'vpc': 'v', 'routes': ["         \
				      "      { 'to': '0.0.0.0/0', 'via': "              \
				      "'internet_gateway/igw' } ] },"                   \
				      "    'private': { 'vpc': 'v', 'main': true, "     \
				      "'routes': ["                                     \
				      "      { 'to': '0.0.0.0/0', 'via': "              \
				      "'nat_gateway/nat' } ] } } }"

#define USUAL  RULES("", "", "'elastic_ips': ['one']")
#define CLIENT "10.0.16.10"
#define SERVER "198.51.100.1"
#define NAT    "203.0.113.20"
#define ROUTER "out0 203.0.113.1"
#define BACK   "in0 10.0.16.10"

static struct frame syn(uint16_t sport, uint16_t dport)
{
	struct frame f = frame_tcp(CLIENT, sport, SERVER, dport, TCP_SYN);

	f.seq = 1000;
	return f;
}

static struct frame seen(struct frame f)
{
	return frame_from(f, NAT, 0);
}

/* What the server answers to 'f', as it comes in and as the client gets it. */
static bool answered(struct stand *s, const struct frame *f, uint8_t flags,
		     const char *says)
{
	struct frame outside = frame_reply(f), inside;

	outside.tcp_flags = flags;
	outside.smac[0] = outside.dmac[0] = 0;
	inside = outside;
	outside.daddr = address(NAT);
	return travels(s, "out0", outside, BACK, inside, "%s", says);
}

/* A handshake, and data both ways; returns the client's next segment. */
static struct frame converse(struct stand *s, uint16_t sport, uint16_t dport)
{
	struct frame f = syn(sport, dport), back;

	travels(s, "in0", f, ROUTER, seen(f), "a SYN leaves from the elastic IP");
	back = frame_reply(&f);
	back.tcp_flags = TCP_SYN | TCP_ACK;
	back.seq = 5000;
	travels(s, "out0", frame_to(back, NAT, 0), BACK, back,
		"the SYN-ACK comes back to the client");
	f = frame_reply(&back);
	f.tcp_flags = TCP_ACK;
	travels(s, "in0", f, ROUTER, seen(f), "and its ACK leaves");
	f.tcp_flags = TCP_ACK | TCP_PSH;
	f.payload = 33;
	for (int i = 0; i < 2; i++) {
		travels(s, "in0", f, ROUTER, seen(f), "data leaves");
		answered(s, &f, TCP_ACK | TCP_PSH, "data comes back");
	}
	return f;
}

/* NAT1 */
static void idle(struct stand *s)
{
	struct frame f, reset;
	uint64_t idle;

	stand_reset(s);
	f = converse(s, 40000, 443);
	idle = travel_meter(s, "nat").idle_timeouts;
	stand_wait(s, 349);
	travels(s, "in0", f, ROUTER, seen(f), "NAT1: after 349 s data is forwarded");
	stand_wait(s, 349);
	answered(s, &f, TCP_ACK, "NAT1: and 349 s later its answer is");
	is((long long)(travel_meter(s, "nat").idle_timeouts - idle), 0,
	   "NAT1: no idle timeout so far");
	stand_wait(s, 351);
	reset = frame_reply(&f);
	reset.tcp_flags = TCP_RST;
	reset.payload = 0;
	reset.ack = 0;
	is_told(s, "in0", f, HG_DROP_NO_FLOW, reset,
		"NAT1: after 351 s data is answered with a reset");
	is((long long)(travel_meter(s, "nat").idle_timeouts - idle), 1,
	   "NAT1: IdleTimeoutCount is 1");
	is_told(s, "in0", f, HG_DROP_NO_FLOW, reset, "NAT1: the next one, too");
	is((long long)(travel_meter(s, "nat").idle_timeouts - idle), 1,
	   "NAT1: which counts no more");
	f.tcp_flags = TCP_RST;
	is_lost(s, "in0", f, HG_DROP_NO_FLOW, "NAT1: a reset is not answered");
	converse(s, 40000, 443);
}

/* The server's segment finds that it was idle for too long. */
static void idle_outside(struct stand *s)
{
	struct frame f, back;
	uint64_t idle;

	stand_reset(s);
	f = converse(s, 40001, 443);
	idle = travel_meter(s, "nat").idle_timeouts;
	stand_wait(s, 351);
	back = frame_reply(&f);
	back.tcp_flags = TCP_ACK;
	is_lost(s, "out0", frame_to(back, NAT, 0), HG_DROP_NAT_UNSOLICITED,
		"data of the server after 351 s is dropped without a word");
	is((long long)(travel_meter(s, "nat").idle_timeouts - idle), 1,
	   "and counts as an idle timeout, too");
}

static void idle_datagrams(struct stand *s)
{
	struct frame f = frame_udp(CLIENT, 40000, SERVER, 53);
	struct frame echo = frame_echo(CLIENT, SERVER, 40000);

	stand_reset(s);
	travels(s, "in0", f, ROUTER, seen(f), "a datagram leaves");
	travels(s, "in0", echo, ROUTER, seen(echo), "a ping leaves");
	stand_wait(s, 349);
	answered(s, &f, 0, "a datagram's answer comes back after 349 s");
	echo = frame_reply(&echo);
	travels(s, "out0", frame_to(echo, NAT, 0), BACK, echo,
		"so does the ping's, with its identifier");
	stand_wait(s, 351);
	is_lost(s, "out0", frame_to(frame_reply(&f), NAT, 0), HG_DROP_NAT_UNSOLICITED,
		"after 351 s more it does not");
	travels(s, "in0", f, ROUTER, seen(f), "the client may ask again");
}

/* NAT2, without filling 55,000: port.c does that. */
static void full(struct stand *s)
{
	struct hg_port_set *sets = dataplane_ports(stand_plane(s));
	struct frame f = syn(40000, 443), other = syn(40000, 444);
	uint64_t errors = travel_meter(s, "nat").port_errors;
	unsigned n = 0;

	stand_reset(s);
	/* Busy enough for a set of its own. */
	for (unsigned i = 0; i < 4000 && !n; i++) {
		char client[32];
		struct frame k;

		snprintf(client, sizeof(client), "10.0.17.%u", 1 + i / 100);
		k = frame_tcp(client, 2000 + i % 100, SERVER, 443, TCP_SYN);
		stand_run(s, "in0", HG_DOOR_IN, &k);
		for (unsigned set = 0; set < HG_PORT_SETS; set++)
			n += sets[set].key.live == HG_PORT_LIVE;
	}
	if (!n) {
		skip("no set of ports was made", "NAT2: the refusal");
		return;
	}
	for (unsigned set = 0; set < HG_PORT_SETS; set++)
		if (sets[set].key.live == HG_PORT_LIVE) {
			memset(sets[set].taken, 0xff, sizeof(sets[set].taken));
			memset(sets[set].full, 0xff, sizeof(sets[set].full));
			sets[set].looked = dataplane_now(stand_plane(s));
			sets[set].seen = sets[set].looked;
		}
	is_lost(s, "in0", f, HG_DROP_NAT_NO_PORT,
		"NAT2: a connection for which no port is left is refused");
	is((long long)(travel_meter(s, "nat").port_errors - errors), 1,
	   "NAT2: ErrorPortAllocation is 1");
	travels(s, "in0", other, ROUTER, seen(other), "NAT2: to another port it is made");
}

/* NAT3 */
static void fragments(struct stand *s)
{
	struct frame f = frame_udp(CLIENT, 40000, SERVER, 53), last = f, tcp, echo;

	stand_reset(s);
	f.id = last.id = 77;
	f.more = true;
	last.fragment = 24;
	last.payload = 40;
	is_lost(s, "in0", last, HG_DROP_FRAGMENT,
		"NAT3: a later fragment before its first is dropped");
	travels(s, "in0", f, ROUTER, seen(f), "NAT3: UDP's first fragment passes");
	travels(s, "in0", last, ROUTER, seen(last), "NAT3: and so does a later one");
	f = frame_reply(&f);
	last = frame_reply(&last);
	memset(f.smac, 0, 6);
	memset(last.smac, 0, 6);
	f.id = last.id = 78;
	is_lost(s, "out0", frame_to(last, NAT, 0), HG_DROP_FRAGMENT,
		"NAT3: an answer's later fragment needs its first, too");
	travels(s, "out0", frame_to(f, NAT, 0), BACK, f,
		"NAT3: an answer's first fragment passes");
	travels(s, "out0", frame_to(last, NAT, 0), BACK, last,
		"NAT3: and a later one behind it");
	tcp = syn(40001, 443);
	tcp.more = true;
	is_lost(s, "in0", tcp, HG_DROP_FRAGMENT, "NAT3: a fragment of TCP is dropped");
	tcp.fragment = 32;
	tcp.payload = 16;
	is_lost(s, "in0", tcp, HG_DROP_FRAGMENT, "NAT3: a later one of TCP, too");
	echo = frame_echo(CLIENT, SERVER, 9);
	echo.more = true;
	is_lost(s, "in0", echo, HG_DROP_FRAGMENT, "NAT3: a fragment of a ping is");
	echo = frame_from(frame_to(echo, NAT, 0), SERVER, 0);
	is_lost(s, "out0", echo, HG_DROP_FRAGMENT, "NAT3: from outside as well");
}

/* NAT4 */
static void unsolicited(struct stand *s)
{
	struct frame f = frame_tcp(SERVER, 443, NAT, 40000, TCP_SYN);

	stand_reset(s);
	is_lost(s, "out0", f, HG_DROP_NAT_UNSOLICITED,
		"NAT4: a SYN to the gateway's address is dropped silently");
	converse(s, 40000, 443);
	is_lost(s, "out0", frame_from(f, "198.51.100.2", 0), HG_DROP_NAT_UNSOLICITED,
		"NAT4: from another host, to a port in use, too");
	is_lost(s, "out0", frame_from(f, NULL, 444), HG_DROP_NAT_UNSOLICITED,
		"NAT4: from another port of the server, too");
	f.tcp_flags = TCP_ACK;
	is_lost(s, "out0", frame_to(f, NULL, 40001), HG_DROP_NAT_UNSOLICITED,
		"NAT4: a segment to a port that nobody has, too");
	is_lost(s, "out0", frame_udp(SERVER, 443, NAT, 40000), HG_DROP_NAT_UNSOLICITED,
		"NAT4: a datagram, too");
	is_lost(s, "out0", frame_echo(SERVER, NAT, 40000), HG_DROP_NAT_UNSOLICITED,
		"NAT4: the gateway answers no ping");
	is_lost(s, "out0", frame_other(SERVER, NAT, 47), HG_DROP_NAT_UNSOLICITED,
		"NAT4: GRE is dropped");
	f = syn(40000, 443);
	f.saddr = address(SERVER);
	f.daddr = address("10.0.0.5");
	is_lost(s, "out0", f, HG_DROP_NO_ROUTE,
		"NAT4: the private address is not reached from outside");
	is_lost(s, "pub0", frame_from(f, "10.0.0.9", 0), HG_DROP_NAT_UNSOLICITED,
		"NAT4: and from inside it answers nobody");
}

static void refusals(struct stand *s)
{
	struct frame f = syn(40000, 443), reset;

	stand_reset(s);
	is_lost(s, "in0", frame_other(CLIENT, SERVER, 47), HG_DROP_NAT_PROTOCOL,
		"GRE is not translated");
	is_lost(s, "in0", frame_other(CLIENT, SERVER, 50), HG_DROP_NAT_PROTOCOL,
		"neither is ESP");
	is_lost(s, "in0", frame_icmp(CLIENT, SERVER, 13, 0), HG_DROP_NAT_PROTOCOL,
		"nor ICMP but echo");
	is_lost(s, "in0", frame_icmp(CLIENT, SERVER, 0, 0), HG_DROP_NO_FLOW,
		"an echo reply without a request finds no connection");
	is_lost(s, "in0", frame_to(f, "172.16.0.1", 0), HG_DROP_PRIVATE_DESTINATION,
		"private addresses are not reached through it");
	is_lost(s, "in0", frame_to(f, "100.64.0.1", 0), HG_DROP_PRIVATE_DESTINATION,
		"nor those of carriers");
	f.tcp_flags = TCP_SYN | TCP_ACK;
	f.ack = 77;
	reset = frame_reply(&f);
	reset.tcp_flags = TCP_RST;
	reset.seq = 77;
	reset.ack = 0;
	is_told(s, "in0", f, HG_DROP_NO_FLOW, reset,
		"a SYN-ACK without a connection is reset");
	f.tcp_flags = 0;
	f.seq = 9;
	reset = frame_reply(&f);
	reset.tcp_flags = TCP_RST | TCP_ACK;
	reset.seq = 0;
	reset.ack = 9;
	is_told(s, "in0", f, HG_DROP_NO_FLOW, reset,
		"a segment without ACK is reset with one");
	f = syn(40000, 443);
	f.ttl = 1;
	is_told(s, "in0", f, HG_DROP_TTL_EXPIRED, frame_icmp("10.0.16.1", CLIENT, 11, 0),
		"a packet at its last hop goes no further, and traceroute hears of it");
	f.ttl = 2;
	{
		struct frame want = seen(f);

		want.ttl = 1;
		travels(s, "in0", f, ROUTER, want, "one of two hops does");
	}
}

/* The gateway's subnet is not served; nor is one without an elastic IP let out. */
static void places(struct stand *s)
{
	struct frame f = syn(40000, 443);

	stand_reset(s);
	is_lost(s, "pub0", frame_from(f, "10.0.0.9", 0), HG_DROP_NO_PUBLIC_ADDRESS,
		"its own subnet has a way of its own");
	f = frame_to(f, "10.0.0.9", 0);
	travels(s, "in0", f, "pub0 10.0.0.9", f, "what is local does not go through it");
	stand_rules(s, RULES("", "", "'idle_timeout': 350"));
	is_lost(s, "in0", syn(40000, 443), HG_DROP_NO_PUBLIC_ADDRESS,
		"without an elastic IP nothing goes out");
	stand_rules(s, USUAL);
}

int main(void)
{
	struct stand *s = stand_new(1 << 14);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, USUAL);
		idle(s);
		idle_outside(s);
		idle_datagrams(s);
		full(s);
		fragments(s);
		unsolicited(s);
		refusals(s);
		places(s);
	}
	stand_free(s);
	return done();
}
