/* SPDX-License-Identifier: Apache-2.0 */

/* Which target a connection gets, and how long it stays there: weights, sources that stick, rules
 * that change, cuts, ports; and a host with one arm.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/port.h>

#include "base/cleanup.h"
#include "flow/cut.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

/* 'settings' with a comma behind; listeners; groups of targets. */
#define RULES(settings, listeners, groups)                                              \
	"{ 'headgate': 1, " settings                                                    \
	"'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } },"                \
	"'subnets': { 'web': { 'vpc': 'v', 'device': 'web0', 'cidrs': ['10.0.1.0/24', " \
	"           'fd00:10:0:1::/64'] } },"                                           \
	"'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0', 'next_hop': "    \
	"    ['203.0.113.1', '2001:db8:ff::1'] } },"                                    \
	"'target_groups': {" groups " },"                                               \
	"'load_balancers': { 'edge': { 'vpc': 'v', 'addresses': ['203.0.113.30', "      \
	"    '203.0.113.31', '2001:db8:30::1', '2001:db8:30::2'], 'listeners': "        \
	"[" listeners " ] } } }"

#define LISTENER(forward)                                                        \
	"{ 'protocol': 'tcp', 'port': 443, 'syn_protection': 'off', 'forward': " \
	"[" forward "] }"
#define TO(group, weight) "{ 'target_group': '" group "', 'weight': " weight " }"
#define GROUP(name, keys, targets)                                         \
	"'" name "': { 'vpc': 'v', 'port': 8443, 'protocol': 'tcp', " keys \
	"'targets': [" targets "] }"
#define KEEP                "'preserve_client_ip': true, "
#define HIDE                "'preserve_client_ip': false, "
#define AT(address, weight) "{ 'address': '" address "', 'weight': " weight " }"

#define ONE  AT("10.0.1.21", "1")
#define TWO  AT("10.0.1.22", "1")
#define BOTH ONE "," TWO

#define VIP "203.0.113.30"

static struct frame syn(unsigned client, uint16_t sport)
{
	char from[32];
	struct frame f;

	snprintf(from, sizeof(from), "198.51.%u.%u", 100 + client / 200,
		 1 + client % 200);
	f = frame_tcp(from, sport, VIP, 443, TCP_SYN);
	f.seq = client * 7919U + sport;
	return f;
}

/* The last byte of the target's address; 0: dropped. */
static unsigned target_of(struct stand *s, struct frame f)
{
	struct result r = travel_run(s, "out0", f);

	return r.allow ? r.frame[14 + 19] : 0;
}

/* How many of 'n' new clients go to target 21. */
static unsigned share(struct stand *s, unsigned n)
{
	unsigned first = 0;

	stand_reset(s);
	for (unsigned i = 0; i < n; i++)
		first += target_of(s, syn(i, 40000)) == 21;
	return first;
}

static void weights(struct stand *s)
{
	unsigned n;

	stand_rules(s, RULES("", LISTENER(TO("a", "1")), GROUP("a", KEEP, BOTH)));
	travel_meet(s, "web0 10.0.1.21");
	travel_meet(s, "web0 10.0.1.22");
	n = share(s, 1000);
	ok(n > 420 && n < 580, "two equal targets get about one half each (%u)", n);
	stand_rules(s, RULES("", LISTENER(TO("a", "1")),
			     GROUP("a", KEEP, AT("10.0.1.21", "3") "," TWO)));
	n = share(s, 1000);
	ok(n > 690 && n < 810, "one of weight 3 gets three quarters (%u)", n);
	stand_rules(s, RULES("", LISTENER(TO("a", "1")),
			     GROUP("a", KEEP, AT("10.0.1.21", "0") "," TWO)));
	is(share(s, 200), 0, "one of weight 0 nothing");
	stand_rules(s, RULES("", LISTENER(TO("a", "1") "," TO("b", "3")),
			     GROUP("a", KEEP, ONE) "," GROUP("b", KEEP, TWO)));
	n = share(s, 1000);
	ok(n > 190 && n < 310, "a group of weight 1 beside 3 a quarter (%u)", n);
	stand_rules(s, RULES("", LISTENER(TO("a", "0") "," TO("b", "1")),
			     GROUP("a", KEEP, ONE) "," GROUP("b", KEEP, TWO)));
	is(share(s, 200), 0, "a group of weight 0 nothing");
	stand_rules(s, RULES("", LISTENER(TO("a", "3") "," TO("b", "1")),
			     GROUP("a", KEEP, ONE) "," GROUP("b", KEEP, "")));
	is(share(s, 200), 200, "an empty group is passed over");
}

/* Words of pools, as the agent changes them. */
static void set_usable(struct stand *s, uint64_t usable)
{
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table pools = image_header(&image)->pools;

	for (uint32_t id = 1; id < pools.n; id++) {
		struct hg_pool *p =
			(struct hg_pool *)&image.lines[pools.line + id * HG_POOL_LINES];

		if (p->n < 2)
			continue;
		p->usable[0] = usable;
		p->n_usable = (unsigned)__builtin_popcountll(usable);
	}
}

static void health(struct stand *s)
{
	unsigned n;

	stand_rules(s, RULES("", LISTENER(TO("a", "1")), GROUP("a", KEEP, BOTH)));
	set_usable(s, 1);
	is(share(s, 200), 200, "who takes no new connections is passed over");
	set_usable(s, 2);
	is(share(s, 200), 0, "whichever it is");
	set_usable(s, 0);
	is_lost(s, "out0", syn(1, 50000), HG_DROP_NO_TARGET, "none does: none is chosen");
	set_usable(s, 3);
	n = share(s, 400);
	ok(n > 140 && n < 260, "and back, both (%u)", n);
}

static void sticks(struct stand *s)
{
	unsigned moved = 0, first = 0;

	stand_rules(s, RULES("", LISTENER(TO("a", "1") "," TO("b", "1")),
			     GROUP("a", KEEP "'stickiness': 'source_ip',",
				   BOTH) "," GROUP("b", KEEP, "")));
	stand_reset(s);
	for (unsigned i = 0; i < 40; i++) {
		unsigned target = target_of(s, syn(i, 40000));

		first += target == 21;
		for (uint16_t port = 40001; port < 40010; port++)
			moved += target_of(s, syn(i, port)) != target;
	}
	is(moved, 0, "a source that sticks has one target");
	ok(first > 8 && first < 32, "not all the same (%u)", first);
}

/* What a target's answer and its client's next segment meet. */
static void pinned(struct stand *s)
{
	struct frame f = syn(3, 40000);
	unsigned target, moved = 0;

	stand_rules(s, RULES("", LISTENER(TO("a", "1")), GROUP("a", KEEP, BOTH)));
	stand_reset(s);
	target = target_of(s, f);
	f.tcp_flags = TCP_ACK;
	set_usable(s, target == 21 ? 2 : 1);
	for (int i = 0; i < 3; i++)
		moved += target_of(s, f) != target;
	is(moved, 0, "an unhealthy target keeps its connections");
	stand_rules(s, RULES("", LISTENER(TO("a", "1")),
			     GROUP("a", KEEP, AT("10.0.1.23", "1"))));
	moved += target_of(s, f) != target;
	is(moved, 0, "so does one that left");
}

/* From whoever is there. */
static struct frame bare(struct frame f)
{
	memset(f.smac, 0, sizeof(f.smac));
	memset(f.dmac, 0, sizeof(f.dmac));
	return f;
}

static struct frame reset_of(const struct frame *f)
{
	struct frame reset = frame_reply(f);

	reset.tcp_flags = TCP_RST;
	reset.seq = f->ack;
	reset.ack = 0;
	return reset;
}

static void left(struct stand *s)
{
	struct frame f = syn(3, 40000), back;
	char target[32];

	for (int is_back = 0; is_back < 2; is_back++) {
		stand_rules(s, RULES("", LISTENER(TO("a", "1")), GROUP("a", KEEP, BOTH)));
		stand_reset(s);
		f = syn(3, 40000);
		snprintf(target, sizeof(target), "10.0.1.%u", target_of(s, f));
		back = frame_from(frame_reply(&f), target, 8443);
		memset(back.smac, 0, 6);
		memset(back.dmac, 0, 6);
		f.tcp_flags = back.tcp_flags = TCP_ACK;
		f.ack = back.ack = 17;
		stand_rules(s, RULES("",
				     "{ 'protocol': 'tcp', 'port': 1, 'forward': [" TO(
					     "a", "1") "] }",
				     GROUP("a", KEEP, BOTH)));
		if (is_back)
			is_told(s, "web0", back, HG_DROP_NO_LISTENER, reset_of(&back),
				"its target hears that the listener left");
		else
			is_told(s, "out0", f, HG_DROP_NO_LISTENER, reset_of(&f),
				"a client hears that the listener left");
		is_told(s, "out0", f, HG_DROP_NO_FLOW, reset_of(&f),
			"the client hears from then on that it is over");
		is_told(s, "web0", back, HG_DROP_NO_FLOW, reset_of(&back),
			"and so does the target");
	}
}

/* A target and its port, as the agent cuts it. */
static void cut_target(struct stand *s, const char *target, unsigned n, const char *says)
{
	struct flow_tables t = { .hz = dataplane_hz(stand_plane(s)) };
	struct flow_target it = { .port = htons(8443), .protocol = 6 };
	struct image image = dataplane_image(stand_plane(s));
	bool is_6 = strchr(target, ':');

	it.family = is_6 ? HG_FAMILY_6 : HG_FAMILY_4;
	inet_pton(is_6 ? AF_INET6 : AF_INET, target, &it.address);
	it.meter = ((struct hg_vip *)&image.lines[image_header(&image)->vips.line + 1])
			   ->meter;
	t.sets4 = dataplane_flows4(stand_plane(s), &t.n_sets);
	t.sets6 = dataplane_flows6(stand_plane(s), &t.n_sets);
	/* As if in a tick that has not ended when the next packet comes. */
	is(flow_cut(&t, &it, 1, dataplane_now(stand_plane(s)) + 100, 0, t.n_sets), n,
	   "%s", says);
}

static void cut(struct stand *s)
{
	struct frame f = syn(3, 40000), back;
	char target[32];

	stand_rules(s, RULES("", LISTENER(TO("a", "1")), GROUP("a", KEEP, BOTH)));
	stand_reset(s);
	snprintf(target, sizeof(target), "10.0.1.%u", target_of(s, f));
	cut_target(s, target, 1, "the agent cuts a connection");
	back = bare(frame_from(frame_reply(&f), target, 8443));
	back.tcp_flags = TCP_ACK;
	back.ack = 17;
	for (int i = 0; i < 2; i++)
		is_told(s, "web0", back, HG_DROP_NO_FLOW, reset_of(&back),
			"its target's next segments are reset");
	f.tcp_flags = TCP_ACK;
	f.ack = 18;
	for (int i = 0; i < 2; i++)
		is_told(s, "out0", f, HG_DROP_NO_FLOW, reset_of(&f), "and the client's");
	ok(target_of(s, syn(3, 40000)), "a SYN opens anew");
}

/* One source port to two virtual addresses, and one target: its answers would look the same. */
struct twins {
	const char *client, *vip, *other, *target, *place, *gateway;
};

static void twins_end(struct stand *s, const struct twins *t, struct frame f, int how)
{
	if (how == 0) {
		f.tcp_flags = TCP_RST;
		travels(s, "out0", f, t->place, frame_to(f, t->target, 8443),
			"a connection that its client resets");
	} else if (how == 1) {
		cut_target(s, t->target, 1, "one that is cut");
	} else {
		stand_wait(s, 351);
	}
}

static void twins(struct stand *s, const struct twins *t)
{
	struct frame f = frame_tcp(t->client, 40000, t->vip, 443, TCP_SYN), g, back;

	stand_rules(s, RULES("", LISTENER(TO("a", "1")),
			     GROUP("a", KEEP,
				   AT("10.0.1.21", "1") "," AT("fd00:10:0:1::21", "1"))));
	for (int how = 0; how < 3; how++) {
		stand_reset(s);
		travels(s, "out0", f, t->place, frame_to(f, t->target, 8443),
			"a connection to one address");
		g = frame_to(f, t->other, 0);
		is_lost(s, "out0", g, HG_DROP_NAT_NO_PORT,
			"from its port there is none to another with its target");
		travels(s, "out0", f, t->place, frame_to(f, t->target, 8443),
			"which has cost the first nothing");
		twins_end(s, t, f, how);
		travels(s, "out0", g, t->place, frame_to(g, t->target, 8443),
			"gives way to one to another address");
		back = bare(frame_reply(&g));
		back.tcp_flags = TCP_SYN | TCP_ACK;
		travels(s, "web0", frame_from(back, t->target, 8443), t->gateway, back,
			"from where the answers come");
		g.tcp_flags = TCP_ACK;
		travels(s, "out0", g, t->place, frame_to(g, t->target, 8443),
			"and which goes on");
	}
}

/* Of a balancer that speaks for its clients. */
static void ports(struct stand *s, const char *vip, const char *client, const char *other,
		  const char *target, const char *place)
{
	size_t at = address(vip).family == 4 ? 14 + 20 : 14 + 40;
	struct frame f = frame_tcp(client, 15000, vip, 443, TCP_SYN), back;
	struct result r;
	unsigned port;

	stand_rules(s, RULES("", LISTENER(TO("a", "1")),
			     GROUP("a", HIDE,
				   AT("10.0.1.20", "1") "," AT("fd00:10:0:1::20", "1"))));
	stand_reset(s);
	travel_meet(s, place);
	r = travel_run(s, "out0", f);
	is(r.frame[at] << 8 | r.frame[at + 1], 15000, "a client's port is kept if free");
	f = frame_from(f, other, 0);
	r = travel_run(s, "out0", f);
	port = r.frame[at] << 8 | r.frame[at + 1];
	ok(r.allow && port >= HG_PORT_FIRST, "else it is another (%u)", port);
	back = frame_tcp(target, 8443, vip, (uint16_t)port, TCP_SYN | TCP_ACK);
	f = frame_reply(&f);
	memset(f.smac, 0, 6);
	memset(f.dmac, 0, 6);
	f.tcp_flags = TCP_SYN | TCP_ACK;
	back.ack = f.ack;
	travels(s, "web0", back,
		address(vip).family == 4 ? "out0 203.0.113.1" : "out0 2001:db8:ff::1", f,
		"whose answers are the other client's");
}

static void loose(struct stand *s)
{
	struct frame f = syn(9, 40000);
	unsigned target;

	stand_rules(s, RULES("'settings': { 'tcp_loose': true }, ",
			     LISTENER(TO("a", "1")), GROUP("a", KEEP, BOTH)));
	stand_reset(s);
	target = target_of(s, f);
	stand_reset(s);
	f.tcp_flags = TCP_ACK;
	f.seq += 100;
	ok(target && target_of(s, f) == target,
	   "tcp_loose: a segment of another gateway's goes where its SYN went");
	f.tcp_flags = TCP_ACK | TCP_FIN;
	f = frame_from(f, NULL, 40001);
	f.ack = 3;
	is_told(s, "out0", f, HG_DROP_NO_FLOW, reset_of(&f), "not a FIN");
}

static void counts(struct stand *s)
{
	struct hg_meter a, b;
	struct frame f = syn(3, 40000);

	stand_rules(s, RULES("", LISTENER(TO("a", "1")), GROUP("a", KEEP, ONE)));
	stand_reset(s);
	a = travel_balancer(s, "edge");
	target_of(s, f);
	f.tcp_flags = TCP_RST;
	target_of(s, f);
	b = travel_balancer(s, "edge");
	is((long long)(b.flows[0] - a.flows[0]), 1, "NewFlowCount");
	is((long long)(b.protocol_bytes[0] - a.protocol_bytes[0]), 80, "ProcessedBytes");
	is((long long)(b.packets[0] - a.packets[0]), 2, "ProcessedPackets");
	is((long long)(b.resets[0] - a.resets[0]), 1, "TCP_Client_Reset_Count");
	stand_rules(s, RULES("", LISTENER(TO("a", "1")), GROUP("a", KEEP, "")));
	target_of(s, syn(4, 40000));
	f = syn(5, 40000);
	f.tcp_flags = TCP_ACK;
	target_of(s, f);
	a = travel_balancer(s, "edge");
	is((long long)(a.rejected - b.rejected), 1, "RejectedFlowCount");
	is((long long)(a.resets[2] - b.resets[2]), 1, "TCP_ELB_Reset_Count");
}

#define ARM(group)                                                                     \
	"{ 'headgate': 1, 'subnets': { 's': { 'cidrs': ['192.0.2.0/24'] } },"          \
	"'interfaces': { 'me': { 'subnet': 's', 'attach': 'local', 'device': 'eth0', " \
	"  'addresses': ['192.0.2.10'] } },"                                           \
	"'target_groups': { 'a': { 'port': 8443, 'protocol': 'tcp', " group            \
	"  'targets': [ { 'address': '192.0.2.20' } ] } },"                            \
	"'load_balancers': { 'arm': { 'addresses': ['192.0.2.30'], 'listeners': [ "    \
	"  { 'protocol': 'tcp', 'port': 443, 'forward': [ { 'target_group': 'a' } ] "  \
	"  } ] } } }"

/* Clients and targets are behind the host's only device. */
static void one_arm(struct stand *s)
{
	struct frame f = frame_tcp("198.51.100.1", 40000, "192.0.2.30", 443, TCP_SYN);
	struct frame in, back;

	stand_rules(s, ARM(KEEP));
	stand_reset(s);
	in = frame_to(f, "192.0.2.20", 8443);
	travels(s, "eth0", f, "eth0 192.0.2.20", in, "one arm: to the target");
	back = frame_reply(&f);
	memset(back.smac, 0, 6);
	memset(back.dmac, 0, 6);
	back.tcp_flags = TCP_SYN | TCP_ACK;
	travels(s, "eth0", frame_from(back, "192.0.2.20", 8443), "eth0 198.51.100.1",
		back, "one arm: and back");
	stand_wait(s, 351);
	back = frame_from(back, "192.0.2.20", 8443);
	back.tcp_flags = TCP_SYN;
	is_lost(s, "eth0", back, HG_DROP_SG_INGRESS,
		"one arm: what a target opens after that is not the balancer's");
	stand_rules(s, ARM(HIDE));
	stand_reset(s);
	travels(s, "eth0", f, "eth0 192.0.2.20", frame_from(in, "192.0.2.30", 0),
		"one arm: for the client");
	travels(s, "eth0", frame_tcp("192.0.2.20", 8443, "192.0.2.30", 40000, TCP_ACK),
		"eth0 198.51.100.1",
		frame_tcp("192.0.2.30", 443, "198.51.100.1", 40000, TCP_ACK),
		"one arm: and back to it");
	f.tcp_flags = TCP_ACK;
	f = frame_from(f, NULL, 40001);
	f.ack = 5;
	is_told(s, "eth0", f, HG_DROP_NO_FLOW, reset_of(&f), "one arm: unknown segments");
}

static const struct twins families[] = {
	{ "198.51.100.1", VIP, "203.0.113.31", "10.0.1.21", "web0 10.0.1.21",
	  "out0 203.0.113.1" },
	{ "2001:db8:1::1", "2001:db8:30::1", "2001:db8:30::2", "fd00:10:0:1::21",
	  "web0 fd00:10:0:1::21", "out0 2001:db8:ff::1" },
};

int main(void)
{
	struct stand *s = stand_new(1 << 14);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		weights(s);
		health(s);
		sticks(s);
		pinned(s);
		left(s);
		cut(s);
		for (size_t i = 0; i < ARRAY_SIZE(families); i++)
			twins(s, &families[i]);
		ports(s, VIP, "198.51.100.1", "198.51.100.2", "10.0.1.20",
		      "web0 10.0.1.20");
		ports(s, "2001:db8:30::1", "2001:db8:1::1", "2001:db8:1::2",
		      "fd00:10:0:1::20", "web0 fd00:10:0:1::20");
		loose(s);
		counts(s);
		one_arm(s);
	}
	stand_free(s);
	return done();
}
