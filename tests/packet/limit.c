/* SPDX-License-Identifier: Apache-2.0 */

/* What the loaded program lets a source send, and for how long it must fall silent after that. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "kernel/limit.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define RULES(limits)                                                                    \
	"{ 'headgate': 1,"                                                               \
	"'vpcs': {'a': {'cidrs': ['10.0.0.0/16', 'fd00:10::/56']},"                      \
	"         'b': {'cidrs': ['10.1.0.0/16']}},"                                     \
	"'subnets': {"                                                                   \
	" 'web': {'vpc': 'a', 'cidrs': ['10.0.0.0/24', 'fd00:10::/64'], 'device': "      \
	"'web0'},"                                                                       \
	" 'in': {'vpc': 'a', 'cidrs': ['10.0.1.0/24', 'fd00:10:0:1::/64'],"              \
	"        'device': 'in0'},"                                                      \
	" 'far': {'vpc': 'b', 'cidrs': ['10.1.0.0/24'], 'device': 'far0',"               \
	"         'route_table': 'far'}},"                                               \
	"'security_groups': {'g': {'vpc': 'a',"                                          \
	"   'ingress': [{'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0']}],"           \
	"   'egress': [{'protocol': 'tcp', 'ports': [9], 'peers': ['0.0.0.0/0']}]}},"    \
	"'interfaces': {"                                                                \
	" 'web': {'subnet': 'web', 'addresses': ['10.0.0.10', 'fd00:10::10'],"           \
	"         'device': 'port0', 'security_groups': ['g']},"                         \
	" 'host': {'subnet': 'web', 'addresses': ['10.0.0.20', 'fd00:10::20'],"          \
	"          'device': 'eth0', 'attach': 'local', 'security_groups': ['g']}},"     \
	"'internet_gateways': {'igw': {'vpc': 'a', 'device': 'up', 'next_hop':"          \
	"   ['203.0.113.1', '2001:db8::1']}},"                                           \
	"'elastic_ips': {'web': {'address': '203.0.113.10', 'interface': 'web'}},"       \
	"'peerings': {'ab': {'vpcs': ['a', 'b']}},"                                      \
	"'route_tables': {"                                                              \
	" 'main': {'vpc': 'a', 'main': true, 'routes': ["                                \
	"   {'to': '0.0.0.0/0', 'via': 'internet_gateway/igw'},"                         \
	"   {'to': '::/0', 'via': 'internet_gateway/igw'},"                              \
	"   {'to': '10.1.0.0/16', 'via': 'peering/ab'}]},"                               \
	" 'far': {'vpc': 'b', 'routes': [{'to': '10.0.0.0/16', 'via': 'peering/ab'}]}}," \
	"'rate_limits': {" limits "} }"

#define LIMIT(name, unit, n, action)                                                   \
	"'" name "': {'resource': 'subnet/web', 'unit': '" unit "', 'limit': " #n ", " \
	"'window': 10, 'action': '" action "'}"

#define WEB    "203.0.113.10" /* from outside */
#define WEB6   "fd00:10::10"
#define CLIENT "198.51.100.7"

/* New connections of one source, one after another: how many passed before the first that did not. */
static int open_many(struct stand *s, const char *device, const char *from,
		     const char *to, uint16_t sport, int n)
{
	for (int i = 0; i < n; i++) {
		struct frame f = frame_tcp(from, (uint16_t)(sport + i), to, 443, TCP_SYN);
		struct result r = stand_run(s, device, HG_DOOR_IN, &f);

		if (r.reason && r.reason != HG_DROP_RATE_LIMIT)
			note("%s > %s: %s", from, to, reason_name(r.reason));
		if (r.counted != 1)
			note("counted %u times", r.counted);
		if (r.reason)
			return i;
	}
	return n;
}

/* Every test has sources of its own; the windows before are over. */
static void start(struct stand *s, const char *rules)
{
	stand_rules(s, rules);
	stand_reset(s);
	stand_wait(s, 30);
}

static uint32_t mark_of(struct stand *s, const char *name)
{
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table limits = image_header(&image)->limits;

	for (uint32_t id = 1; id < limits.n; id++) {
		const struct hg_limit *l = image_record(&image, limits, id, sizeof(*l));

		if (strcmp(image_object_name(&image, l->object), name) == 0)
			return l->mark;
	}
	return 0;
}

static struct hg_limit_counts counts_of(struct stand *s, const char *name)
{
	struct hg_limit_counts c = {};

	if (limit_read(stand_plane(s), mark_of(s, name), &c) < 0)
		bail("%s has no counts", name);
	return c;
}

static const struct {
	const char *device, *from, *to, *says;
} ways[] = {
	{ "up", "198.51.100.1", WEB, "from outside, by an elastic IP" },
	{ "up", "2001:db8:1::1", WEB6, "from outside, IPv6" },
	{ "in0", "10.0.1.7", "10.0.0.10", "from another subnet" },
	{ "in0", "fd00:10:0:1::7", WEB6, "from another subnet, IPv6" },
	{ "web0", "10.0.0.7", "10.0.0.10", "from the same subnet" },
	{ "far0", "10.1.0.7", "10.0.0.10", "over a peering" },
	{ "in0", "10.0.1.8", "10.0.0.77", "to an address that nobody has declared" },
	{ "eth0", "198.51.100.2", "10.0.0.20", "at a host's own device" },
	{ "eth0", "2001:db8:2::1", "fd00:10::20", "at a host's own device, IPv6" },
};

static void test_ways(struct stand *s)
{
	start(s, RULES(LIMIT("new", "new_connections", 3, "block")));
	travel_meet(s, "web0 10.0.0.77");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		is(open_many(s, ways[i].device, ways[i].from, ways[i].to, 1000, 5), 3,
		   "three new connections, and no more: %s", ways[i].says);
}

static void test_sources(struct stand *s)
{
	start(s, RULES(LIMIT("new", "new_connections", 3, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1000, 5), 3, "one source is limited");
	is(open_many(s, "up", "198.51.100.8", WEB, 1000, 3), 3, "another is not");
	is(open_many(s, "up", "2001:db8:5::1", WEB6, 1000, 2), 2,
	   "IPv6 hosts of one /64");
	is(open_many(s, "up", "2001:db8:5::ffff:2", WEB6, 1000, 3), 1,
	   "are counted together");
	is(open_many(s, "up", "2001:db8:5:1::1", WEB6, 1000, 3), 3,
	   "those of the next /64 are not");
}

static void test_window(struct stand *s)
{
	start(s, RULES(LIMIT("new", "new_connections", 10, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1000, 15), 10, "ten in ten seconds");
	stand_wait(s, 11);
	is(open_many(s, "up", CLIENT, WEB, 1100, 15), 1,
	   "a second later nine tenths of that, with one that was dropped, still count");
	stand_wait(s, 4);
	is(open_many(s, "up", CLIENT, WEB, 1200, 15), 3,
	   "in the middle of the next window half of it, and what was sent since");
	stand_wait(s, 21);
	is(open_many(s, "up", CLIENT, WEB, 1300, 15), 10,
	   "who was silent for two windows begins anew");
	for (int i = 0; i < 4; i++) {
		stand_wait(s, 5);
		open_many(s, "up", CLIENT, WEB, (uint16_t)(1400 + i * 100), 1);
		for (int k = 0; k < 12; k++)
			open_many(s, "up", CLIENT, WEB, (uint16_t)(1410 + i * 100 + k),
				  1);
	}
	is(open_many(s, "up", CLIENT, WEB, 2000, 1), 0,
	   "who goes on in spite of that stays out: what is dropped counts, too");
}

/* A handshake, and data both ways. 'n': how many packets of the client came through. */
static int converse(struct stand *s, const char *device, struct frame syn,
		    const char *back, struct frame answer, int n_data)
{
	int n = 0;
	struct result r;

	r = stand_run(s, device, HG_DOOR_IN, &syn);
	n += r.allow;
	answer.tcp_flags = TCP_SYN | TCP_ACK;
	answer.seq = 100;
	r = stand_run(s, back, HG_DOOR_IN, &answer);
	if (!r.allow)
		note("the answer: %s", reason_name(r.reason));
	syn.tcp_flags = TCP_ACK;
	syn.seq = 1;
	syn.ack = 101;
	for (int i = 0; i < n_data; i++) {
		r = stand_run(s, device, HG_DOOR_IN, &syn);
		n += r.allow;
		if (r.reason && r.reason != HG_DROP_RATE_LIMIT)
			note("data: %s", reason_name(r.reason));
	}
	return n;
}

static void test_packets(struct stand *s)
{
	struct frame f, back;
	int n;

	start(s, RULES(LIMIT("p", "packets", 8, "block")));
	travel_meet(s, "up 203.0.113.1");
	f = frame_tcp(CLIENT, 1000, WEB, 443, TCP_SYN);
	back = frame_tcp("10.0.0.10", 443, CLIENT, 1000, 0);
	is(converse(s, "up", f, "port0", back, 20), 8,
	   "each packet of a connection that is known counts");
	back.tcp_flags = TCP_ACK;
	for (n = 0; n < 20 && stand_run(s, "port0", HG_DOOR_IN, &back).allow; n++)
		;
	is(n, 20, "its answers do not");
	is(converse(s, "up", frame_tcp("2001:db8:9::1", 1000, WEB6, 443, TCP_SYN),
		    "port0", frame_tcp(WEB6, 443, "2001:db8:9::1", 1000, 0), 20),
	   8, "IPv6");
	stand_rules(s, RULES(""));
	f.tcp_flags = TCP_ACK;
	for (n = 0; n < 20 && stand_run(s, "up", HG_DOOR_IN, &f).allow; n++)
		;
	is(n, 20, "without the limit the connection goes on");
	stand_rules(s, RULES(LIMIT("p", "packets", 12, "block")));
	for (n = 0; n < 20 && stand_run(s, "up", HG_DOOR_IN, &f).allow; n++)
		;
	is(n, 12, "a limit that comes later limits it, too");
}

static void test_bytes(struct stand *s)
{
	struct frame f = frame_udp("198.51.100.30", 1000, WEB, 53);
	int n;

	start(s, RULES(LIMIT("b", "bytes", 1000, "block")));
	f.payload = 72; /* 100 in all */
	for (n = 0; n < 20 && stand_run(s, "up", HG_DOOR_IN, &f).allow; n++)
		;
	is(n, 10, "bytes are those of the IP packet");
	is((long long)counts_of(s, "b").bytes, 1100,
	   "those that were dropped count, too");
	is((long long)counts_of(s, "b").dropped_bytes, 100, "and are told apart");
}

static void test_established(struct stand *s)
{
	start(s, RULES(LIMIT("new", "new_connections", 3, "block")));
	is(converse(s, "up", frame_tcp(CLIENT, 999, WEB, 443, TCP_SYN), "port0",
		    frame_tcp("10.0.0.10", 443, CLIENT, 999, 0), 5),
	   6, "a connection");
	is(open_many(s, "up", CLIENT, WEB, 1000, 5), 2,
	   "whose source has exceeded its limit of new ones");
	struct frame f = frame_tcp(CLIENT, 999, WEB, 443, TCP_ACK);
	is(stand_run(s, "up", HG_DOOR_IN, &f).reason, 0, "goes on");
	f.tcp_flags = TCP_SYN;
	f.sport = 1000;
	is(stand_run(s, "up", HG_DOOR_IN, &f).reason, 0,
	   "a SYN that is repeated is not new");
}

static void test_actions(struct stand *s)
{
	struct hg_limit_counts c;

	start(s, RULES(LIMIT("count", "new_connections", 3, "count")));
	is(open_many(s, "up", CLIENT, WEB, 1000, 5), 5, "count lets all pass");
	c = counts_of(s, "count");
	is((long long)c.packets, 5, "and counts");
	is((long long)c.over, 2, "and knows what was too much");
	is((long long)c.dropped, 0, "which it does not drop");
	start(s, RULES(LIMIT("a", "new_connections", 3,
			     "allow") "," LIMIT("b", "new_connections", 3, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1100, 5), 5,
	   "allow exempts from what comes after");
	start(s, RULES(LIMIT("b", "new_connections", 3,
			     "allow") "," LIMIT("a", "new_connections", 3, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1200, 5), 3,
	   "not from what comes before by its name, however it is written");
	start(s, RULES(LIMIT("a", "packets", 5, "block") "," LIMIT("b", "new_connections",
								   3, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1300, 9), 3,
	   "the first that is exceeded decides");
	is((long long)counts_of(s, "b").dropped, 1, "and it is the one that drops");
}

static void test_change(struct stand *s)
{
	start(s, RULES(LIMIT("m", "new_connections", 3, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1000, 5), 3, "a limit");
	stand_rules(s, RULES(LIMIT("a", "bytes", 100000, "block") "," LIMIT(
			       "m", "new_connections", 3, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1100, 5), 0,
	   "remembers what it has counted when another comes before it");
	is((long long)counts_of(s, "m").dropped, 2, "and what it has dropped");
	stand_rules(s, RULES(LIMIT("m", "new_connections", 4, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1200, 5), 4,
	   "and forgets it when it is changed");
	is((long long)counts_of(s, "m").packets, 5, "altogether");
}

/* What explain says of the stage: 1 passed, 0 dropped, -1 not met. */
static int explain(struct stand *s, const char *device, const struct frame *f)
{
	struct image image = dataplane_image(stand_plane(s));
	uint32_t id = image_device_find(&image, stand_model(s), device);
	uint8_t buf[FRAME_MAX];
	size_t size = frame_build(f, buf, sizeof(buf), NULL);
	struct hg_trace t;

	if (dataplane_explain(stand_plane(s), id, HG_DOOR_IN, buf, size, &t) < 0)
		bail("explain: %s", dataplane_error());
	for (uint32_t i = 0; i < t.n; i++)
		if (t.step[i].stage == HG_STAGE_rate_limit)
			return !strcmp(image_object_name(&image, t.step[i].object), "new")
				       ? t.step[i].allow
				       : -2;
	return -1;
}

static void test_explain(struct stand *s)
{
	struct frame f = frame_tcp(CLIENT, 1000, WEB, 443, TCP_SYN);
	struct frame back = frame_tcp("10.0.0.10", 443, CLIENT, 1000, TCP_SYN);
	struct hg_limit_counts c;

	start(s, RULES(LIMIT("new", "new_connections", 1, "block")));
	is(explain(s, "up", &f), 1, "explain has a step for the limit");
	is(explain(s, "port0", &back), -1, "where one looks at the packet");
	c = counts_of(s, "new");
	is((long long)c.packets, 0, "and counts nothing");
	is(open_many(s, "up", CLIENT, WEB, 1000, 5), 1, "so that the first still passes");
	f.sport = 2000;
	is(explain(s, "up", &f), 0, "and says when a source is above it");
}

/* More sources than the table holds, each with one packet. */
static void test_full(struct stand *s)
{
	unsigned dropped = 0;

	start(s, RULES(LIMIT("new", "new_connections", 20, "block")));
	is(open_many(s, "up", CLIENT, WEB, 1000, 30), 20, "a source that is limited");
	for (unsigned i = 0; i < 3 * HG_COUNTED_SETS * HG_COUNTED_WAYS; i++) {
		struct frame f = frame_tcp(CLIENT, 1000, WEB, 443, TCP_SYN);

		f.saddr.bytes[0] = 20;
		f.saddr.bytes[1] = (uint8_t)(i >> 16);
		f.saddr.bytes[2] = (uint8_t)(i >> 8);
		f.saddr.bytes[3] = (uint8_t)i;
		dropped +=
			stand_run(s, "up", HG_DOOR_IN, &f).reason == HG_DROP_RATE_LIMIT;
	}
	is(dropped, 0, "three times as many others as the table holds pass");
	is(open_many(s, "up", CLIENT, WEB, 1100, 1), 0,
	   "and it has not been forgotten for them");
}

static void test_most(struct stand *s)
{
	struct limit_tally tally[HG_LIMIT_IDS];
	unsigned dropped = 0;
	uint32_t id;

	start(s, RULES(LIMIT("new", "new_connections", 1, "block")));
	for (unsigned i = 0; i < 2 * (HG_MAX_LIMITED + 500); i++) {
		struct frame f =
			frame_tcp(CLIENT, (uint16_t)(1000 + (i & 1)), WEB, 443, TCP_SYN);

		f.saddr.bytes[0] = 21;
		f.saddr.bytes[1] = (uint8_t)(i >> 17);
		f.saddr.bytes[2] = (uint8_t)(i >> 9);
		f.saddr.bytes[3] = (uint8_t)(i >> 1);
		dropped +=
			stand_run(s, "up", HG_DOOR_IN, &f).reason == HG_DROP_RATE_LIMIT;
	}
	ok(dropped >= HG_MAX_LIMITED && dropped < HG_MAX_LIMITED + 50,
	   "at most 10,000 sources are limited, but for those that gave way");
	note("%u", dropped);
	id = HG_MARK_ID(mark_of(s, "new"));
	limits_sweep(stand_plane(s), tally);
	ok(tally[id].limited <= HG_MAX_LIMITED && tally[id].limited > HG_MAX_LIMITED - 50,
	   "the agent counts as many");
	is(open_many(s, "up", CLIENT, WEB, 3000, 4), 4, "one more is not limited");
	stand_wait(s, 21);
	limits_sweep(stand_plane(s), tally);
	is(tally[id].limited, 0, "two windows later none of them is");
	is(open_many(s, "up", CLIENT, WEB, 3100, 4), 1, "and there is room for others");
}

/* XDP leaves what it cannot do to the TC door, which must not count it again. */
static void test_punted(struct stand *s)
{
	struct frame f = frame_udp("10.0.1.50", 1000, "10.0.0.99", 53);

	start(s, RULES(LIMIT("p", "packets", 100, "block")));
	is(stand_run(s, "in0", HG_DOOR_IN, &f).reason, 0,
	   "a packet whose next hop is not known");
	is((long long)counts_of(s, "p").packets, 1, "is counted once");
}

/* Counts are each CPU's, and one that has not seen what came between two limits of one mark
 * still has the first one's. */
static void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET((size_t)sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here) < 0)
		bail("it cannot stay on one CPU");
}

int main(void)
{
	struct stand *s;

	stay_here();
	s = stand_new(65536);

	for (int is_xdp = 0; is_xdp < 2; is_xdp++) {
		note("in doors by %s", is_xdp ? "XDP" : "TC");
		stand_use_xdp(s, is_xdp);
		test_ways(s);
		test_sources(s);
		test_window(s);
		test_packets(s);
		test_bytes(s);
		test_established(s);
		test_actions(s);
		test_change(s);
		test_explain(s);
		test_punted(s);
	}
	test_full(s);
	test_most(s);
	stand_free(s);
	return done();
}
