/* SPDX-License-Identifier: Apache-2.0 */

/* Who may open a connection through a balancer that is flooded: who answers. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/gate.h>

#include "base/cleanup.h"
#include "tests/lib/anvil.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define RULES(protection)                                                               \
	"{ 'headgate': 1,"                                                              \
	"'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } },"                \
	"'subnets': { 'web': { 'vpc': 'v', 'device': 'web0', 'cidrs': ['10.0.1.0/24', " \
	"           'fd00:10:0:1::/64'] } },"                                           \
	"'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0', 'next_hop': "    \
	"    ['203.0.113.1', '2001:db8:ff::1'] } },"                                    \
	"'target_groups': { 't': { 'vpc': 'v', 'port': 80, 'protocol': 'tcp',"          \
	"    'preserve_client_ip': true, 'targets': ["                                  \
	"    { 'address': '10.0.1.21' }, { 'address': 'fd00:10:0:1::21' }] } },"        \
	"'load_balancers': { 'edge': { 'vpc': 'v', 'addresses': ['203.0.113.30', "      \
	"    '2001:db8:30::1'], 'listeners': [ { 'protocol': 'tcp', 'port': 443,"       \
	"    'syn_protection': '" protection "', 'forward': [{ 'target_group': 't' "    \
	"    }] } ] } } }"

static const char nat_rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16'] } },"
	"'subnets': { 'private': { 'vpc': 'v', 'device': 'in0', 'cidrs': "
	"    ['10.0.16.0/20'] }, 'public': { 'vpc': 'v', 'cidrs': ['10.0.0.0/24'],"
	"    'route_table': 'public' } },"
	"'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0' } },"
	"'elastic_ips': { 'one': { 'address': '203.0.113.20' } },"
	"'nat_gateways': { 'nat': { 'subnet': 'public', 'private_address': "
	"    '10.0.0.5', 'elastic_ips': ['one'] } },"
	"'route_tables': { 'public': { 'vpc': 'v', 'routes': [ { 'to': '0.0.0.0/0', "
	"    'via': 'internet_gateway/igw' } ] }, 'private': { 'vpc': 'v', "
	"    'main': true, 'routes': [ { 'to': '0.0.0.0/0', 'via': "
	"    'nat_gateway/nat' } ] } } }";

static const struct family {
	const char *name, *client, *stranger, *vip, *target, *place, *out;
} families[] = {
	{ "IPv4", "198.51.100.7", "198.51.100.8", "203.0.113.30", "10.0.1.21",
	  "web0 10.0.1.21", "out0 203.0.113.1" },
	{ "IPv6", "2001:db8:1::7", "2001:db8:2::7", "2001:db8:30::1", "fd00:10:0:1::21",
	  "web0 fd00:10:0:1::21", "out0 2001:db8:ff::1" },
};

static void start(struct stand *s, const char *rules)
{
	static const struct hg_gate no_gate;
	int fd = dataplane_map_fd(stand_plane(s), "hg_gates");

	stand_rules(s, rules);
	stand_reset(s);
	/* Nobody is known any more, and no balancer is flooded. */
	stand_wait(s, 400);
	for (uint32_t i = 0; i < HG_METERS; i++)
		if (bpf_map_update_elem(fd, &i, &no_gate, BPF_ANY) < 0)
			bail("cannot clear hg_gates");
	for (size_t i = 0; i < ARRAY_SIZE(families) && rules != nat_rules; i++) {
		travel_meet(s, families[i].place);
		travel_meet(s, families[i].out);
	}
}

static struct frame syn_of(const struct family *f, const char *from, uint16_t sport)
{
	struct frame syn = frame_tcp(from, sport, f->vip, 443, TCP_SYN);

	syn.seq = 1000000U + sport;
	return syn;
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* The number that the answer to 'syn' acknowledges; the answer must be byte for byte what it should
 * be. 0: there is none. */
static uint32_t challenge_of(struct stand *s, const struct family *f, struct frame syn,
			     const char *says)
{
	struct result r = stand_run(s, "out0", HG_DOOR_IN, &syn);
	struct frame want =
		frame_tcp(f->vip, 443, "198.51.100.9", syn.sport, TCP_SYN | TCP_ACK);
	size_t l4 = 14 + (syn.saddr.family == 6 ? 40 : 20), size;
	uint8_t buf[FRAME_MAX];

	if (!r.is_told || r.reason != HG_DROP_RATE_LIMIT || r.counted != 1) {
		ok(false, "%s", says);
		note("%s, told %d", reason_name(r.reason), r.is_told);
		return 0;
	}
	want.daddr = syn.saddr;
	memcpy(want.smac, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, 6);
	memcpy(want.dmac, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	want.seq = load32(r.frame + l4 + 4);
	want.ack = load32(r.frame + l4 + 8);
	size = frame_build(&want, buf, sizeof(buf), NULL);
	anvil_finish(buf + 14, 0);
	is_frame(r.frame, r.size, buf, size, "%s", says);
	return want.ack;
}

static struct frame reset_of(struct frame syn, uint32_t cookie)
{
	syn.tcp_flags = TCP_RST;
	syn.seq = cookie;
	syn.ack = 0;
	syn.payload = 0;
	return syn;
}

static void test_client(struct stand *s, const struct family *f)
{
	struct frame syn = syn_of(f, f->client, 1000), reset, other;
	uint32_t cookie, again;
	struct result r;

	start(s, RULES("always"));
	cookie = challenge_of(s, f, syn,
			      "a SYN is answered with a SYN-ACK that ends in itself");
	ok(cookie != syn.seq + 1, "which acknowledges a number that was not sent");
	again = challenge_of(s, f, syn, "a SYN that is repeated, too");
	is(again, cookie, "with the same number");
	ok(challenge_of(s, f, syn_of(f, f->client, 1001), "another port") != cookie,
	   "has another number");
	reset = reset_of(syn, cookie + 1);
	r = stand_run(s, "out0", HG_DOOR_IN, &reset);
	is_reason(r.reason, HG_DROP_NO_FLOW, "a reset with another number says nothing");
	r = stand_run(s, "out0", HG_DOOR_IN, &syn);
	is_reason(r.reason, HG_DROP_RATE_LIMIT, "about its source");
	other = reset_of(syn_of(f, f->stranger, 1000), cookie);
	r = stand_run(s, "out0", HG_DOOR_IN, &other);
	is_reason(r.reason, HG_DROP_NO_FLOW, "nor does that number from elsewhere");
	stand_wait(s, 59);
	reset = reset_of(syn, cookie);
	r = stand_run(s, "out0", HG_DOOR_IN, &reset);
	is_reason(r.reason, HG_DROP_RATE_LIMIT,
		  "the number itself, a minute later, is heard");
	ok(!r.is_told, "and not answered");
	r = stand_run(s, "out0", HG_DOOR_IN, &syn);
	is_reason(r.reason, 0, "now the SYN passes");
	other = syn_of(f, f->client, 2000);
	is(stand_run(s, "out0", HG_DOOR_IN, &other).reason, 0, "and those after it");
	other = syn_of(f, f->stranger, 2000);
	is_reason(stand_run(s, "out0", HG_DOOR_IN, &other).reason, HG_DROP_RATE_LIMIT,
		  "but no stranger's");
	stand_wait(s, 301);
	syn.sport = 3000;
	is_reason(stand_run(s, "out0", HG_DOOR_IN, &syn).reason, HG_DROP_RATE_LIMIT,
		  "five minutes later it has to answer again");
	stand_wait(s, 121);
	reset = reset_of(syn_of(f, f->client, 1000), cookie);
	is_reason(stand_run(s, "out0", HG_DOOR_IN, &reset).reason, HG_DROP_NO_FLOW,
		  "and not with an old number");
}

/* With data, options of both headers, or extensions: an answer never has them. */
static void test_shapes(struct stand *s, const struct family *f, bool is_xdp)
{
	struct frame syn = syn_of(f, f->client, 1000);

	start(s, RULES("always"));
	syn.payload = 200;
	challenge_of(s, f, syn, "a SYN with data");
	syn.payload = 0;
	if (syn.saddr.family == 4 && is_xdp) {
		syn.options = 8;
		challenge_of(s, f, syn, "one with IPv4 options");
	}
	syn.options = 0;
	syn.more = true;
	syn.id = 7;
	ok(!stand_run(s, "out0", HG_DOOR_IN, &syn).is_told, "fragments are not answered");
}

/* 'n' SYNs of as many sources that nobody hears; how many opened a connection. */
static unsigned flood(struct stand *s, const struct family *f, unsigned n, unsigned first)
{
	unsigned opened = 0;

	for (unsigned i = first; i < first + n; i++) {
		struct frame syn = syn_of(f, f->stranger, 5000);
		uint8_t *last = &syn.saddr.bytes[syn.saddr.family == 6 ? 4 : 0];

		last[0] = 20;
		last[1] = (uint8_t)(i >> 16);
		last[2] = (uint8_t)(i >> 8);
		last[3] = (uint8_t)i;
		if (syn.saddr.family == 6)
			memcpy(syn.saddr.bytes, (uint8_t[]){ 0x20, 1 }, 2);
		opened += stand_run(s, "out0", HG_DOOR_IN, &syn).allow;
	}
	return opened;
}

/* A client completes a handshake. */
static void shake(struct stand *s, const struct family *f, uint16_t sport)
{
	struct frame syn = syn_of(f, f->client, sport), back, ack;

	is(stand_run(s, "out0", HG_DOOR_IN, &syn).reason, 0, "without a flood SYNs pass");
	back = frame_tcp(f->target, 80, f->client, sport, TCP_SYN | TCP_ACK);
	back.seq = 77;
	back.ack = syn.seq + 1;
	is(stand_run(s, "web0", HG_DOOR_IN, &back).reason, 0, "the target answers");
	ack = frame_tcp(f->client, sport, f->vip, 443, TCP_ACK);
	ack.seq = syn.seq + 1;
	ack.ack = 78;
	is(stand_run(s, "out0", HG_DOOR_IN, &ack).reason, 0, "a handshake");
}

static void test_auto(struct stand *s, const struct family *f)
{
	struct frame syn = syn_of(f, f->client, 1000);
	unsigned n;

	start(s, RULES("auto"));
	shake(s, f, 1000);
	n = flood(s, f, 3000, 0);
	ok(n >= HG_GATE_SYNS && n < HG_GATE_SYNS + 100,
	   "a flood is let in up to 1,000 SYNs in a second");
	note("%u", n);
	syn.sport = 1001;
	is(stand_run(s, "out0", HG_DOOR_IN, &syn).reason, 0,
	   "who has completed a handshake before is known, and passes");
	stand_wait(s, 5);
	is(flood(s, f, 10, 5000), 0, "five seconds later nobody else does");
	stand_wait(s, 6);
	is(flood(s, f, 10, 6000), 10, "eleven seconds later everybody does again");
	flood(s, f, 2000, 7000);
	stand_wait(s, 0x80000000U / (uint32_t)dataplane_hz(stand_plane(s)) + 60);
	is(flood(s, f, 10, 9000), 10, "and when the clock has gone half round");
	start(s, RULES("off"));
	is(flood(s, f, 3000, 10000), 3000, "off, a flood is let in");
}

/* ---- who is known ---- */

static void known_get(struct stand *s, uint32_t i, struct hg_known_set *ret)
{
	if (bpf_map_lookup_elem(dataplane_map_fd(stand_plane(s), "hg_known"), &i, ret) <
	    0)
		bail("cannot read hg_known");
}

static void known_put(struct stand *s, uint32_t i, const struct hg_known_set *set)
{
	if (bpf_map_update_elem(dataplane_map_fd(stand_plane(s), "hg_known"), &i, set,
				BPF_ANY) < 0)
		bail("cannot write hg_known");
}

/* The set that has somebody in it and is not 'but'. */
static uint32_t known_find(struct stand *s, uint32_t but)
{
	struct hg_known_set set;

	for (uint32_t i = 0; i < HG_KNOWN_SETS; i++) {
		known_get(s, i, &set);
		if (i != but && set.way[0].tag)
			return i;
	}
	bail("nobody is known");
}

/* The host whose address was lent to a flood resets what it has not asked for. */
static void disown(struct stand *s, const struct family *f, unsigned i)
{
	struct frame syn = syn_of(f, f->stranger, 6000), reset;
	struct result r;

	memcpy(&syn.saddr.bytes[syn.saddr.family == 6 ? 4 : 0],
	       (uint8_t[]){ 20, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i }, 4);
	r = stand_run(s, "out0", HG_DOOR_IN, &syn);
	if (!r.is_told)
		return; /* known already */
	reset = reset_of(syn,
			 load32(r.frame + 14 + (syn.saddr.family == 6 ? 40 : 20) + 8));
	stand_run(s, "out0", HG_DOOR_IN, &reset);
}

/* A client's set is full, and everybody else in it was heard of later, by a cookie: another cookie that
 * falls into the set must not push the client out. */
static void test_lent(struct stand *s, const struct family *f)
{
	static const struct hg_known_set nobody;
	struct frame syn = syn_of(f, f->client, 2000);
	struct hg_known_set set, other, now;
	uint32_t i, n;

	start(s, RULES("auto"));
	for (i = 0; i < HG_KNOWN_SETS; i++)
		known_put(s, i, &nobody);
	shake(s, f, 1000);
	flood(s, f, 1100, 20000);
	i = known_find(s, HG_KNOWN_SETS);
	stand_wait(s, 1);
	disown(s, f, 0);
	known_get(s, known_find(s, i), &other);
	known_get(s, i, &set);
	for (n = 1; n < HG_KNOWN_WAYS; n++)
		set.way[n] = (struct hg_known){ .tag = other.way[0].tag ^ n << 8,
						.seen = other.way[0].seen };
	known_put(s, i, &set);
	for (n = 1; n < 1 << 20; n++) {
		disown(s, f, n);
		known_get(s, i, &now);
		if (memcmp(&now, &set, sizeof(now)) != 0)
			break;
	}
	ok(n < 1 << 20, "a host that did not ask is known for its reset");
	note("%u resets", n);
	is(stand_run(s, "out0", HG_DOOR_IN, &syn).reason, 0,
	   "but pushes nobody out who has completed a handshake");
}

/* The client is behind a NAT gateway of ours, and somebody else tries it. */
static void test_nat(struct stand *s)
{
	struct frame syn = frame_tcp("10.0.16.10", 20000, "198.51.100.1", 443, TCP_SYN),
		     f;
	struct result r;
	uint16_t port;

	start(s, nat_rules);
	syn.seq = 5000;
	is(stand_run(s, "in0", HG_DOOR_IN, &syn).reason, 0,
	   "a SYN through a NAT gateway");
	f = frame_tcp("198.51.100.1", 443, "203.0.113.20", 20000, TCP_SYN | TCP_ACK);
	f.seq = 9;
	f.ack = 123456;
	is(stand_run(s, "out0", HG_DOOR_IN, &f).reason, 0,
	   "the challenge comes back to the client");
	f = reset_of(syn, 123456);
	is(stand_run(s, "in0", HG_DOOR_IN, &f).reason, 0, "its reset goes out");
	r = stand_run(s, "in0", HG_DOOR_IN, &syn);
	is(r.reason, 0, "and so does its SYN");
	/* By a port that may be another: the source is what is known. */
	port = (uint16_t)(r.frame[14 + 20] << 8 | r.frame[14 + 21]);
	f = frame_tcp("198.51.100.1", 443, "203.0.113.20", port, TCP_SYN | TCP_ACK);
	f.seq = 9;
	f.ack = 5001;
	is(stand_run(s, "out0", HG_DOOR_IN, &f).reason, 0,
	   "which is answered in earnest");
	f = frame_tcp("10.0.16.10", 20000, "198.51.100.1", 443, TCP_ACK);
	f.seq = 5001;
	f.ack = 10;
	is(stand_run(s, "in0", HG_DOOR_IN, &f).reason, 0, "and completes the handshake");
	is(stand_state(s, "in0", HG_DOOR_IN, &f), HG_STATE_ESTABLISHED,
	   "as the NAT sees it");
}

int main(void)
{
	struct stand *s = stand_new(65536);

	for (int is_xdp = 0; is_xdp < 2; is_xdp++) {
		stand_use_xdp(s, is_xdp);
		for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
			note("%s, %s", families[i].name, is_xdp ? "XDP" : "TC");
			test_client(s, &families[i]);
			test_shapes(s, &families[i], is_xdp);
			test_auto(s, &families[i]);
			test_lent(s, &families[i]);
		}
		test_nat(s);
	}
	stand_free(s);
	return done();
}
