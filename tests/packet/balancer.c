/* SPDX-License-Identifier: Apache-2.0 */

/* Through a load balancer and back. */
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/image.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

/* 'group': keys of the group "web" after its protocol; 'more': further sections. */
#define RULES(group, more)                                                               \
	"{ 'headgate': 1,"                                                               \
	"'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } },"                 \
	"'subnets': {"                                                                   \
	"  'pub': { 'vpc': 'v', 'device': 'pub0', 'cidrs': ['10.0.0.0/24', "             \
	"           'fd00:10::/64'] },"                                                  \
	"  'web': { 'vpc': 'v', 'device': 'web0', 'cidrs': ['10.0.1.0/24', "             \
	"           'fd00:10:0:1::/64'] } },"                                            \
	"'security_groups': { 'open': { 'vpc': 'v', 'ingress': [ { 'protocol': 'all',"   \
	"    'peers': ['10.0.0.0/8', '198.51.100.0/24', '2001:db8::/32', 'fd00::/8'] }"  \
	"    ], 'egress': [ { 'protocol': 'all', 'peers': ['10.0.0.0/8', "               \
	"    '2001:db8::/32', 'fd00::/8'] } ] } },"                                      \
	"'interfaces': { 'app': { 'subnet': 'web', 'device': 'app0', 'addresses': "      \
	"    ['10.0.1.10', 'fd00:10:0:1::10'], 'security_groups': ['open'] } },"         \
	"'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0', 'next_hop': "     \
	"    ['203.0.113.1', '2001:db8:ff::1'] } },"                                     \
	"'route_tables': { 'main': { 'vpc': 'v', 'main': true, 'routes': [ ] } },"       \
	"'target_groups': { 'web': { 'vpc': 'v', 'port': 8443, " group " } },"           \
	"'load_balancers': { 'edge': { 'vpc': 'v', 'addresses': ['203.0.113.30', "       \
	"    '2001:db8:30::1'], 'listeners': [ { 'protocol': 'tcp', 'port': 443, "       \
	"    'idle_timeout': 350, 'forward': [ { 'target_group': 'web' } ] }, "          \
	"    { 'protocol': 'udp', 'port': 53, 'forward': [ { 'target_group': 'web' } ] " \
	"    } ] } }" more "}"

#define ONE       "'targets': [ { 'address': '10.0.1.20' }, { 'address': 'fd00:10:0:1::20' } ]"
#define PRESERVES "'protocol': 'tcp_udp', 'preserve_client_ip': true, "
#define HIDES     "'protocol': 'tcp_udp', 'preserve_client_ip': false, "

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define VIP     "203.0.113.30"
#define VIP6    "2001:db8:30::1"
#define TARGET  "10.0.1.20"
#define TARGET6 "fd00:10:0:1::20"

/* A client at 'device' and a balancer, in one family. */
struct story {
	const char *device, *back; /* where the client is, and what answers go to there */
	const char *client, *vip, *target, *place;
	bool hides;
};

static const struct story stories[] = {
	{ "out0", "out0 203.0.113.1", CLIENT, VIP, TARGET, "web0 10.0.1.20", false },
	{ "out0", "out0 2001:db8:ff::1", CLIENT6, VIP6, TARGET6, "web0 fd00:10:0:1::20",
	  false },
	{ "pub0", "pub0 10.0.0.9", "10.0.0.9", VIP, TARGET, "web0 10.0.1.20", false },
	{ "pub0", "pub0 fd00:10::9", "fd00:10::9", VIP6, TARGET6, "web0 fd00:10:0:1::20",
	  false },
	{ "out0", "out0 203.0.113.1", CLIENT, VIP, TARGET, "web0 10.0.1.20", true },
	{ "out0", "out0 2001:db8:ff::1", CLIENT6, VIP6, TARGET6, "web0 fd00:10:0:1::20",
	  true },
	{ "pub0", "pub0 10.0.0.9", "10.0.0.9", VIP, TARGET, "web0 10.0.1.20", true },
	{ "web0", "web0 10.0.1.20", TARGET, VIP, TARGET, "web0 10.0.1.20", true },
};

static struct frame segment(const struct story *t, uint16_t sport, uint8_t flags)
{
	struct frame f = frame_tcp(t->client, sport, t->vip, 443, flags);

	f.seq = 1000;
	return f;
}

/* As the target sees it. */
static struct frame inside(const struct story *t, struct frame f)
{
	return frame_to(frame_from(f, t->hides ? t->vip : NULL, 0), t->target, 8443);
}

/* The client's packet arrives at the target; the answer at the client. */
static bool goes(struct stand *s, const struct story *t, struct frame f, const char *says)
{
	return travels(s, t->device, f, t->place, inside(t, f), "%s", says);
}

static bool answers(struct stand *s, const struct story *t, struct frame back,
		    const char *says)
{
	struct frame in = frame_from(back, t->target, 8443);

	if (t->hides)
		in = frame_to(in, t->vip, 0);
	return travels(s, "web0", in, t->back, back, "%s", says);
}

static struct frame reply(const struct frame *f, uint8_t flags)
{
	struct frame back = frame_reply(f);

	memset(back.smac, 0, sizeof(back.smac));
	memset(back.dmac, 0, sizeof(back.dmac));
	back.tcp_flags = flags;
	back.ttl = 0;
	return back;
}

/* A handshake, and data both ways; returns the client's next segment. */
static struct frame converse(struct stand *s, const struct story *t, uint16_t sport)
{
	struct frame f = segment(t, sport, TCP_SYN), back;

	goes(s, t, f, "a SYN arrives at the target");
	back = reply(&f, TCP_SYN | TCP_ACK);
	back.seq = 5000;
	back.ack = 1001;
	answers(s, t, back, "the SYN-ACK comes back from the virtual address");
	f = segment(t, sport, TCP_ACK);
	f.seq = 1001;
	f.ack = 5001;
	goes(s, t, f, "and its ACK arrives");
	f.tcp_flags |= TCP_PSH;
	f.payload = 33;
	for (int i = 0; i < 2; i++) {
		goes(s, t, f, "data arrives");
		answers(s, t, reply(&f, TCP_ACK), "data comes back");
	}
	return f;
}

static struct frame reset_of(const struct frame *f)
{
	struct frame reset = frame_reply(f);

	reset.tcp_flags = TCP_RST;
	reset.seq = f->ack;
	reset.payload = reset.ack = 0;
	return reset;
}

static void story_run(struct stand *s, const struct story *t)
{
	struct hg_meter before, after;
	struct frame f, reset, back;

	note("%s to %s, %s", t->client, t->vip, t->hides ? "hidden" : "preserved");
	stand_rules(s, t->hides ? RULES(HIDES ONE, "") : RULES(PRESERVES ONE, ""));
	stand_reset(s);
	f = converse(s, t, 40000);
	stand_wait(s, 349);
	goes(s, t, f, "after 349 s data is forwarded");
	stand_wait(s, 351);
	reset = reset_of(&f);
	is_told(s, t->device, f, HG_DROP_NO_FLOW, reset,
		"after 351 s data is answered with a reset");
	is_told(s, t->device, f, HG_DROP_NO_FLOW, reset, "the next one, too");
	f = converse(s, t, 40000);
	before = travel_balancer(s, "edge");
	stand_wait(s, 351);
	back = frame_from(reply(&f, TCP_ACK), t->target, 8443);
	back.ack = 77;
	if (t->hides)
		back = frame_to(back, t->vip, 0);
	for (int i = 0; i < 2; i++)
		is_told(s, "web0", back, HG_DROP_NO_FLOW, reset_of(&back),
			"the target's after that are answered so, too");
	is_told(s, t->device, f, HG_DROP_NO_FLOW, reset, "and then the client's");
	after = travel_balancer(s, "edge");
	is((long long)(after.idle_timeouts - before.idle_timeouts), 1,
	   "which counts as one that was idle");
}

static void datagrams(struct stand *s, const struct story *t)
{
	struct frame f = frame_udp(t->client, 14000, t->vip, 53), piece, last;

	stand_rules(s, t->hides ? RULES(HIDES ONE, "") : RULES(PRESERVES ONE, ""));
	stand_reset(s);
	goes(s, t, f, "a datagram arrives");
	answers(s, t, reply(&f, 0), "its answer comes back");
	stand_wait(s, 119);
	goes(s, t, f, "and after 119 s another");
	stand_wait(s, 121);
	goes(s, t, f, "after 121 s it is a new connection");
	piece = last = f;
	piece.id = last.id = 77;
	piece.more = true;
	last.fragment = 24;
	last.payload = 40;
	piece.payload = 16;
	is_lost(s, t->device, last, HG_DROP_FRAGMENT,
		"a later fragment before its first is dropped");
	goes(s, t, piece, "a first fragment arrives");
	goes(s, t, last, "and so does a later one");
}

static void refusals(struct stand *s, const struct story *t)
{
	struct frame f = segment(t, 41000, TCP_ACK), error;

	stand_rules(s, RULES(PRESERVES ONE, ""));
	stand_reset(s);
	f.ack = 99;
	is_told(s, t->device, f, HG_DROP_NO_FLOW, reset_of(&f),
		"a segment of no connection is reset");
	f.tcp_flags = TCP_RST;
	is_lost(s, t->device, f, HG_DROP_NO_FLOW, "a reset is not");
	f = segment(t, 41000, TCP_SYN);
	is_lost(s, t->device, frame_to(f, NULL, 444), HG_DROP_NO_LISTENER,
		"where nobody listens nothing is said");
	is_lost(s, t->device, frame_udp(t->client, 1, t->vip, 443), HG_DROP_NO_LISTENER,
		"nor for another protocol");
	is_lost(s, t->device, frame_other(t->client, t->vip, 47), HG_DROP_NO_LISTENER,
		"GRE is for nobody");
	is_lost(s, t->device, frame_echo(t->client, t->vip, 7), HG_DROP_NO_LISTENER,
		"pings are not answered");
	error = frame_error(t->client, &f);
	error = frame_to(error, t->vip, 0);
	is_lost(s, t->device, error, HG_DROP_NO_LISTENER,
		"an error about no connection is for nobody");
	stand_rules(s, RULES(PRESERVES "'targets': []", ""));
	is_lost(s, t->device, f, HG_DROP_NO_TARGET, "a group may be empty");
}

int main(void)
{
	struct stand *s = stand_new(1 << 14);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
			story_run(s, &stories[i]);
			datagrams(s, &stories[i]);
		}
		refusals(s, &stories[0]);
		refusals(s, &stories[1]);
		refusals(s, &stories[2]);
	}
	stand_free(s);
	return done();
}
