/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/table.h"

#include <string.h>

#include "tests/lib/tap.h"

#define HZ     100
#define N_SETS 4

static struct hg_set4 sets4[N_SETS] __attribute__((aligned(64)));
static struct hg_set6 sets6[N_SETS] __attribute__((aligned(64)));
static const struct flow_tables tables = { sets4, sets6, N_SETS, HZ };

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

int main(void)
{
	test_sweep();
	test_time();
	test_read();
	return done();
}
