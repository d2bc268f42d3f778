/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/table.h"

#include <arpa/inet.h>
#include <string.h>

#include "flow/port.h"
#include "tests/lib/tap.h"

#define HZ     100
#define N_SETS 4

static struct hg_set4 sets4[N_SETS] __attribute__((aligned(64)));
static struct hg_set6 sets6[N_SETS] __attribute__((aligned(64)));
static struct hg_port_set ports[HG_PORT_SETS];
static const struct flow_tables tables = {
	.sets4 = sets4, .sets6 = sets6, .ports = ports, .n_sets = N_SETS, .hz = HZ
};

static void fresh(void)
{
	memset(sets4, 0, sizeof(sets4));
	memset(sets6, 0, sizeof(sets6));
}

static struct hg_flow4 *entry(uint32_t index)
{
	return &sets4[index / HG_WAYS].way[index % HG_WAYS];
}

static void put(uint32_t index, uint32_t pair, uint32_t seen, uint32_t timeout,
		uint32_t flags)
{
	*entry(index) = (struct hg_flow4){
		.key = { .saddr = index + 1, .protocol = 6, .live = 1, .zone = 1 },
		.state = { .seen = seen,
			   .life = HG_LIFE(timeout, HG_STATE_ESTABLISHED, flags),
			   .pair = pair,
			   .packets = 10 + index,
			   .bytes = 100 + index },
		.created = seen - HZ,
	};
}

/* A connection of entries 'a' (its opener's) and 'b'. */
static void connect_entries(uint32_t a, uint32_t seen_a, uint32_t b, uint32_t seen_b,
			    uint32_t timeout)
{
	put(a, b + 1, seen_a, timeout, HG_FLOW_ORIGINAL | HG_FLOW_TRACK_DST);
	put(b, a + 1, seen_b, timeout, 0);
}

static struct flow_census sweep(uint32_t now)
{
	struct flow_census census = {};

	flow_sweep(&tables, now, 0, N_SETS, &census);
	return census;
}

static struct flow last;
static unsigned n_told;

static bool tell(void *arg, const struct flow *f)
{
	(void)arg;
	last = *f;
	n_told++;
	return true;
}

static void test_sweep(void)
{
	struct flow_census c;

	fresh();
	connect_entries(0, 1000, 5, 1000, 30);
	c = sweep(1000 + 30 * HZ);
	ok(c.freed == 0 && c.entries == 2 && c.connections == 1 && c.established == 1,
	   "at equality a connection is still alive, and counted once");
	c = sweep(1000 + 30 * HZ + 1);
	ok(c.freed == 2 && !entry(0)->key.live && !entry(5)->key.live,
	   "a tick later both of its entries are freed");
	is(entry(0)->key.saddr, 1, "only the last word of the key is written");

	connect_entries(0, 1000, 5, 2000, 30);
	c = sweep(1000 + 30 * HZ + 1);
	ok(c.freed == 0 && c.entries == 2, "a packet of either direction keeps both");

	fresh();
	put(3, 8, 1000, 30, HG_FLOW_ORIGINAL);
	put(7, 2, 9000, 30, 0);
	c = sweep(1000 + 30 * HZ + 1);
	ok(c.freed == 1 && entry(7)->key.live,
	   "an entry whose pair names another stands alone");
}

static void test_time(void)
{
	struct flow_census c;

	fresh();
	put(0, 0, 5, 30, HG_FLOW_ORIGINAL);
	c = sweep(4);
	ok(c.freed == 0 && c.entries == 1,
	   "a packet later than the clock's reading keeps its flow");
	put(0, 0, 0x7fffffffU - 10, 30, HG_FLOW_ORIGINAL);
	c = sweep(20);
	is((long long)c.freed, 0, "ticks may wrap around");
	c = sweep(30 * HZ);
	is((long long)c.freed, 1, "and time still passes");
	put(0, 0, 0xfffffff0U, 432000, HG_FLOW_ORIGINAL);
	c = sweep(0x7ffffff8U);
	is((long long)c.freed, 0,
	   "the top bit of a tick, which the agent does not know, is ignored");
}

static void test_read(void)
{
	fresh();
	connect_entries(0, 1000, 5, 1500, 30);
	n_told = 0;
	flow_each(&tables, 1700, tell, NULL);
	is(n_told, 1, "a connection is told of once");
	ok(last.saddr.w[0] == 1 && last.flags & HG_FLOW_TRACK_DST,
	   "from its opener's side");
	ok(last.sent.packets == 10 && last.replied.packets == 15 &&
		   last.replied.bytes == 105,
	   "with the counters of both directions");
	is(last.idle, 2, "idle since the last packet of either");
	is(last.age, 8, "and as old as its first packet");
	entry(0)->state.life = HG_LIFE(30, HG_STATE_SYN_SENT, HG_FLOW_ORIGINAL);
	flow_each(&tables, 1700, tell, NULL);
	is(last.age, -1, "the age of a half-open connection is not known");
	n_told = 0;
	flow_each(&tables, 1500 + 30 * HZ + 1, tell, NULL);
	is(n_told, 0, "what has expired is not told of, swept or not");
	sets6[2].way[1] = (struct hg_flow6){
		.key = { .protocol = 17, .live = 1, .zone = 2 },
		.state = { .seen = 1000,
			   .life = HG_LIFE(30, HG_STATE_UDP, HG_FLOW_ORIGINAL) },
	};
	n_told = 0;
	flow_each(&tables, 1000, tell, NULL);
	ok(n_told == 2 && last.family == HG_FAMILY_6 && last.zone == 2,
	   "IPv6 is told of too");
	is_str(flow_state_name(last.state), "udp", "states have names");
	is_str(flow_state_name(99), "", "unknown ones have none");
}

/* 10.0.0.1:1000 -> 192.0.2.1:80, which goes out from 198.51.100.7:2000 in zone 2. */
static void connect_nat(uint32_t state, uint32_t meter)
{
	fresh();
	connect_entries(0, 1000, 5, 1000, 350);
	entry(0)->key.saddr = 1;
	entry(0)->key.daddr = 2;
	entry(0)->key.sport = 1000;
	entry(0)->key.dport = 80;
	entry(0)->state.life = HG_LIFE(350, state, HG_FLOW_ORIGINAL | HG_FLOW_NAT);
	entry(0)->state.bytes = 4096 | HG_BYTES_OF(meter);
	entry(0)->nat_saddr = 7;
	entry(0)->nat_daddr = 2;
	entry(0)->nat_sport = 2000;
	entry(0)->nat_dport = 80;
	entry(5)->key = (struct hg_key4){ .saddr = 2,
					  .daddr = 7,
					  .sport = 80,
					  .dport = 2000,
					  .protocol = 6,
					  .live = 1,
					  .zone = 2 };
	entry(5)->state.life = HG_LIFE(350, state, HG_FLOW_NAT);
	entry(5)->state.bytes = 512 | HG_BYTES_OF(meter);
}

static void test_nat(void)
{
	connect_nat(HG_STATE_ESTABLISHED, 3);
	n_told = 0;
	flow_each(&tables, 1000, tell, NULL);
	ok(n_told == 1 && last.saddr.w[0] == 1 && last.sport == 1000,
	   "a translated connection is told of once, as its opener sent it");
	ok(last.to.family == HG_FAMILY_4 && last.to.saddr.w[0] == 7 &&
		   last.to.daddr.w[0] == 2 && last.to.sport == 2000 &&
		   last.to.dport == 80 && last.to.zone == 2,
	   "and as it goes out, in the zone of its answers");
	ok(last.sent.bytes == 4096 && last.replied.bytes == 512 && last.meter == 3,
	   "the meter is no part of the bytes");
	memset(&entry(5)->key, 0, sizeof(entry(5)->key));
	flow_each(&tables, 1000, tell, NULL);
	ok(last.to.saddr.w[0] == 7 && last.to.sport == 2000,
	   "an entry alone still knows what it does to packets");
	entry(0)->state.life = HG_LIFE(350, HG_STATE_ESTABLISHED, HG_FLOW_ORIGINAL);
	flow_each(&tables, 1000, tell, NULL);
	is(last.to.family, HG_FAMILY_NONE,
	   "without translation there is nothing to tell");
}

/* An IPv6 client's connection, answered in IPv4. */
static void test_nat64(void)
{
	struct flow_census c;
	struct hg_flow6 *client = &sets6[1].way[2]; /* index 6 */

	fresh();
	*client = (struct hg_flow6){
		.key = { .saddr = { { 1, 2, 3, 4 } },
			 .daddr = { { 5, 6, 7, 8 } },
			 .sport = 1000,
			 .dport = 80,
			 .protocol = 6,
			 .live = 1,
			 .zone = 1 },
		.state = { .seen = 1000,
			   .life = HG_LIFE(350, HG_STATE_ESTABLISHED,
					   HG_FLOW_ORIGINAL | HG_FLOW_NAT),
			   .pair = 6 | HG_PAIR_OTHER,
			   .bytes = HG_BYTES_OF(9) },
	};
	put(5, 7 | HG_PAIR_OTHER, 2000, 350, HG_FLOW_NAT);
	entry(5)->key = (struct hg_key4){ .saddr = 8,
					  .daddr = 7,
					  .sport = 80,
					  .dport = 2000,
					  .protocol = 6,
					  .live = 1,
					  .zone = 2 };
	n_told = 0;
	flow_each(&tables, 2000, tell, NULL);
	ok(n_told == 1 && last.family == HG_FAMILY_6 && last.replied.packets == 15,
	   "a connection between the families is told of once, from its opener's side");
	ok(last.to.family == HG_FAMILY_4 && last.to.saddr.w[0] == 7 &&
		   last.to.daddr.w[0] == 8 && last.to.sport == 2000,
	   "with the IPv4 packet that goes out");
	c = sweep(1000 + 350 * HZ + 1);
	ok(c.freed == 0 && c.entries == 2 && c.connections == 1,
	   "a packet of either family keeps both entries, and they count as one");
	c = sweep(2000 + 350 * HZ + 1);
	ok(c.freed == 2 && !client->key.live && !entry(5)->key.live,
	   "and they leave together");

	fresh();
	connect_entries(6, 1000, 5, 1000, 30);
	entry(6)->state.pair = 6 | HG_PAIR_OTHER;
	c = sweep(1000);
	is((long long)c.connections, 2,
	   "an entry of the same index in the wrong family is no pair");
}

static void test_meters(void)
{
	struct flow_census c;

	connect_nat(HG_STATE_ESTABLISHED, 3);
	c = sweep(1000);
	is(c.active[3], 1, "a connection is active at its meter once");
	is(c.idle_timeouts[3], 0, "and has not timed out");
	c = sweep(1000 + 350 * HZ + 1);
	ok(c.freed == 2 && c.idle_timeouts[3] == 1 && c.active[3] == 0,
	   "one that was forgotten for silence is counted once");
	connect_nat(HG_STATE_CLOSING, 3);
	c = sweep(1000 + 350 * HZ + 1);
	ok(c.freed == 2 && c.idle_timeouts[3] == 0, "one that was closed is not");
	connect_nat(HG_STATE_ESTABLISHED, 0);
	c = sweep(1000 + 350 * HZ + 1);
	ok(c.freed == 2 && c.idle_timeouts[0] == 0, "nor one that nobody meters");
	connect_nat(HG_STATE_ESTABLISHED, 4095);
	c = sweep(1000);
	is((long long)c.connections, 1, "a meter that does not exist is left alone");
}

/* The set of ports of address 7 towards 192.0.2.1:80, and the bit of port 'port'. */
static bool is_taken(const struct hg_port_set *set, uint16_t port)
{
	uint32_t i = port - HG_PORT_FIRST;

	return set->taken[i >> 6] >> (i & 63) & 1;
}

static void test_ports(void)
{
	union {
		struct hg_key4 key;
		__u64 w[2];
	} k;
	struct hg_port_set *set;

	connect_nat(HG_STATE_ESTABLISHED, 3);
	entry(0)->nat_sport = entry(5)->key.dport = htons(20000);
	k.key = entry(5)->key;
	k.key.dport = 0;
	set = &ports[hg_port_hash(k.w)];
	set->key = k.key;
	hg_port_take(set, 20000 - HG_PORT_FIRST);
	hg_port_take(set, 20001 - HG_PORT_FIRST);
	sweep(1000);
	ok(is_taken(set, 20000), "a live connection keeps its port");
	sweep(1000 + 350 * HZ + 1);
	ok(!is_taken(set, 20000) && is_taken(set, 20001),
	   "one that the sweep forgets gives it back, and no other");
	is(port_count(ports).sets, 1, "the set is counted");
	is((long long)port_count(ports).taken, 1, "and the ports that are taken in it");
	hg_port_take(set, 20000 - HG_PORT_FIRST);
	connect_nat(HG_STATE_ESTABLISHED, 3);
	entry(0)->key.dport = htons(20000);
	entry(5)->key.zone = 3;
	sweep(1000 + 350 * HZ + 1);
	ok(is_taken(set, 20000), "connections of other zones have nothing to give");
}

int main(void)
{
	test_sweep();
	test_time();
	test_read();
	test_nat();
	test_nat64();
	test_meters();
	test_ports();
	return done();
}
