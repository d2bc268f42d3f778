/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/cut.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/tap.h"

#define HZ       100
#define N_SETS   8
#define BALANCER (HG_METER_BALANCER + 7)
#define TCP      6
#define UDP      17

static struct hg_set4 sets4[N_SETS] __attribute__((aligned(64)));
static struct hg_set6 sets6[N_SETS] __attribute__((aligned(64)));
static const struct flow_tables tables = {
	.sets4 = sets4, .sets6 = sets6, .n_sets = N_SETS, .hz = HZ
};

static struct hg_flow4 *entry(uint32_t index)
{
	return &sets4[index / HG_WAYS].way[index % HG_WAYS];
}

static struct hg_flow6 *entry6(uint32_t index)
{
	return &sets6[index / HG_WAYS].way[index % HG_WAYS];
}

static struct hg_state state(uint32_t pair, uint32_t meter, uint32_t flags)
{
	return (struct hg_state){ .epoch = 5,
				  .seen = 1000,
				  .life = HG_LIFE(350, HG_STATE_ESTABLISHED,
						  HG_FLOW_NAT | flags),
				  .pair = pair,
				  .bytes = 77 | HG_BYTES_OF(meter) };
}

/* Client 1 to virtual address 2:80, which is target 'target':'port'. */
static void connect4(uint32_t a, uint32_t b, uint32_t target, uint16_t port,
		     uint8_t protocol, uint32_t meter)
{
	*entry(a) = (struct hg_flow4){
		.key = { 1, 2, htons((uint16_t)(a + 1)), htons(80), protocol, 1, 1 },
		.state = state(b + 1, meter, HG_FLOW_ORIGINAL),
		.nat_saddr = 1,
		.nat_daddr = target,
		.nat_sport = htons((uint16_t)(a + 1)),
		.nat_dport = htons(port),
	};
	*entry(b) = (struct hg_flow4){
		.key = { target, 1, htons(port), htons((uint16_t)(a + 1)), protocol, 1,
			 1 },
		.state = state(a + 1, meter, 0),
	};
}

static void connect6(uint32_t a, uint32_t b, uint32_t target, uint16_t port)
{
	*entry6(a) = (struct hg_flow6){
		.key = { { { 1 } }, { { 2 } }, htons(9), htons(80), TCP, 1, 1 },
		.state = state(b + 1, BALANCER, HG_FLOW_ORIGINAL),
	};
	*entry6(b) = (struct hg_flow6){
		.key = { { { target } }, { { 1 } }, htons(port), htons(9), TCP, 1, 1 },
		.state = state(a + 1, BALANCER, 0),
	};
}

static struct flow_target target4(uint32_t address, uint16_t port)
{
	return (struct flow_target){
		{ { address } }, BALANCER, htons(port), TCP, HG_FAMILY_4
	};
}

static unsigned cut(struct flow_target target, uint32_t now)
{
	return flow_cut(&tables, &target, 1, now, 0, N_SETS);
}

static bool is_cut(const struct hg_state *s)
{
	return HG_LIFE_TIMEOUT(s->life) == 0 &&
	       HG_LIFE_STATE(s->life) == HG_STATE_CLOSING && s->epoch == 0;
}

static bool is_untouched(const struct hg_state *s)
{
	return HG_LIFE_TIMEOUT(s->life) == 350 &&
	       HG_LIFE_STATE(s->life) == HG_STATE_ESTABLISHED && s->epoch == 5 &&
	       s->seen == 1000;
}

static void fresh(void)
{
	memset(sets4, 0, sizeof(sets4));
	memset(sets6, 0, sizeof(sets6));
}

static void test_which(void)
{
	fresh();
	connect4(0, 17, 20, 8080, TCP, BALANCER);
	connect4(1, 18, 21, 8080, TCP, BALANCER);
	connect4(2, 19, 20, 8081, TCP, BALANCER);
	connect4(3, 20, 20, 8080, UDP, BALANCER);
	connect4(4, 21, 20, 8080, TCP, BALANCER + 1);
	connect4(5, 22, 20, 8080, TCP, 7);
	connect6(0, 17, 20, 8080);
	is(cut(target4(20, 8080), 1500), 1, "a target's one connection is cut");
	ok(is_cut(&entry(0)->state) && is_cut(&entry(17)->state),
	   "both of its entries are over and meet no rule set's epoch");
	ok(entry(0)->key.live && entry(17)->key.live, "and they stay");
	ok(HG_LIFE_FLAGS(entry(0)->state.life) == (HG_FLOW_NAT | HG_FLOW_ORIGINAL),
	   "with their flags, so that an answer is still known for one");
	is(HG_BYTES_METER(entry(17)->state.bytes), BALANCER, "and their meter");
	ok(is_untouched(&entry(1)->state) && is_untouched(&entry(18)->state),
	   "another target's connection goes on");
	ok(is_untouched(&entry(2)->state) && is_untouched(&entry(19)->state),
	   "so does another port's");
	ok(is_untouched(&entry(3)->state) && is_untouched(&entry(20)->state),
	   "another protocol's");
	ok(is_untouched(&entry(4)->state) && is_untouched(&entry(21)->state),
	   "another balancer's");
	ok(is_untouched(&entry(5)->state) && is_untouched(&entry(22)->state),
	   "and one that is translated by a NAT gateway");
	ok(is_untouched(&entry6(0)->state) && is_untouched(&entry6(17)->state),
	   "IPv6 addresses are none of IPv4");
	is(cut(target4(20, 8080), 1500), 0, "what was cut is not counted again");
}

static void test_6(void)
{
	struct flow_target t = target4(20, 8080);

	fresh();
	connect6(0, 17, 20, 8080);
	connect6(1, 18, 21, 8080);
	t.family = HG_FAMILY_6;
	is(cut(t, 1500), 1, "IPv6 connections are cut");
	ok(is_cut(&entry6(0)->state) && is_cut(&entry6(17)->state) &&
		   is_untouched(&entry6(1)->state),
	   "both entries, and those of no other target");
}

/* Appliance 'to' inspects a connection of either family. */
static void inspect(uint32_t a, uint32_t b, uint32_t to, uint32_t meter)
{
	connect4(a, b, 30, 80, TCP, meter);
	connect6(a, b, 30, 80);
	for (uint32_t i = a; i <= b; i += b - a) {
		entry(i)->state.life &= ~((uint32_t)HG_FLOW_NAT << 24);
		entry6(i)->state.life &= ~((uint32_t)HG_FLOW_NAT << 24);
		entry(i)->nat_saddr = entry6(i)->nat_saddr4 = to;
	}
}

static void test_appliances(void)
{
	const struct flow_target t = { .address.w = { 20 },
				       .meter = BALANCER,
				       .family = HG_FAMILY_4 };

	fresh();
	inspect(0, 17, 20, BALANCER);
	inspect(1, 18, 21, BALANCER);
	is(cut(t, 1500), 2, "connections of both families leave an appliance");
	ok(!entry(0)->nat_saddr && !entry(17)->nat_saddr && !entry6(0)->nat_saddr4 &&
		   !entry6(17)->nat_saddr4,
	   "both of their entries know of none");
	ok(HG_LIFE_TIMEOUT(entry(0)->state.life) == 350 &&
		   HG_LIFE_TIMEOUT(entry6(17)->state.life) == 350,
	   "and they go on");
	ok(entry(1)->nat_saddr == 21 && entry(18)->nat_saddr == 21 &&
		   entry6(1)->nat_saddr4 == 21 && entry6(18)->nat_saddr4 == 21,
	   "those of another stay with it");
	is(cut(target4(30, 80), 1500), 0,
	   "and the servers behind it are no targets of a load balancer");
}

static void test_many(void)
{
	struct flow_target cuts[] = { target4(22, 80), target4(20, 80), target4(22, 80) };
	size_t n = flow_cuts_sort(cuts, 3);

	fresh();
	is((long long)n, 2, "what is cut twice is asked for once");
	for (uint32_t i = 0; i < 4; i++)
		connect4(i, 16 + i, 20 + i, 80, TCP, BALANCER);
	is(flow_cut(&tables, cuts, n, 1500, 0, N_SETS), 2, "many are cut in one walk");
	ok(is_cut(&entry(0)->state) && is_untouched(&entry(1)->state) &&
		   is_cut(&entry(2)->state) && is_untouched(&entry(3)->state),
	   "each of them and no other");
	fresh();
	connect4(0, 17, 20, 80, TCP, BALANCER);
	is(flow_cut(&tables, cuts, n, 1500, 0, 4), 0,
	   "a walk over other sets finds nothing");
	is(flow_cut(&tables, cuts, n, 1500, 4, 100), 1,
	   "and one that would go past the end stops there");
}

/* Packets are under way: what they store between our look and our store. */
static void test_races(void)
{
	fresh();
	connect4(0, 17, 20, 80, TCP, BALANCER);
	cut(target4(20, 80), 1500);
	entry(0)->state.epoch = 5;
	entry(0)->state.life =
		HG_LIFE(350, HG_STATE_ESTABLISHED, HG_FLOW_NAT | HG_FLOW_ORIGINAL);
	cut(target4(20, 80), 1510);
	ok(is_cut(&entry(0)->state), "what a packet has written over a cut is cut again");

	fresh();
	connect4(0, 17, 20, 80, TCP, BALANCER);
	entry(0)->state.pair = 0;
	cut(target4(20, 80), 1500);
	ok(is_cut(&entry(17)->state) && is_untouched(&entry(0)->state),
	   "an entry that names no pair is not taken for one");
	entry(17)->state = state(1, BALANCER, 0);
	memset(&entry(0)->key, 0, sizeof(entry(0)->key));
	cut(target4(20, 80), 1500);
	ok(is_cut(&entry(17)->state) && is_untouched(&entry(0)->state),
	   "nor one that was freed");
}

static struct flow_census sweep(uint32_t now, struct tally *tally)
{
	struct flow_census census = { .tally = tally };

	flow_sweep(&tables, now, 0, N_SETS, &census);
	return census;
}

static bool flow_none(void *arg, const struct flow *f)
{
	(void)f;
	(*(unsigned *)arg)++;
	return true;
}

static void test_sweep(void)
{
	struct flow_census c;
	unsigned n = 0;

	fresh();
	connect4(0, 17, 20, 80, TCP, BALANCER);
	cut(target4(20, 80), 0x80000000U + 20000);
	c = sweep(20000, NULL);
	ok(c.entries == 0 && c.active[BALANCER] == 0,
	   "a connection that is cut counts no more");
	flow_each(&tables, 20000, flow_none, &n);
	is(n, 0, "nor is it told of");
	ok(c.freed == 0 && entry(0)->key.live, "but it is still known");
	c = sweep(20000 + FLOW_CUT_SECONDS * HZ, NULL);
	is((long long)c.freed, 0,
	   "for ten seconds since it was cut, whenever it was seen");
	c = sweep(20001 + FLOW_CUT_SECONDS * HZ, NULL);
	ok(c.freed == 2 && !entry(0)->key.live && c.idle_timeouts[BALANCER] == 0,
	   "then both entries are freed, and that is no timeout");
	is((long long)(entry(0)->state.seen - 1000), 19000,
	   "the moment of the cut is told in the packets' own ticks");

	connect4(0, 17, 20, 80, TCP, BALANCER);
	c = sweep(1001 + 350 * HZ, NULL);
	ok(c.freed == 0 && c.entries == 0,
	   "a balanced TCP connection that was silent too long is over and still known");
	c = sweep(1000 + 410 * HZ, NULL);
	is((long long)c.freed, 0, "for a minute");
	c = sweep(1001 + 410 * HZ, NULL);
	ok(c.freed == 2 && c.idle_timeouts[BALANCER] == 1,
	   "then it is freed, and its timeout counted once");
	connect4(0, 17, 20, 80, UDP, BALANCER);
	c = sweep(1001 + 350 * HZ, NULL);
	is((long long)c.freed, 2, "UDP needs no telling and is freed at once");
	connect4(0, 17, 20, 80, TCP, 7);
	c = sweep(1001 + 350 * HZ, NULL);
	is((long long)c.freed, 2, "what a NAT gateway forgets is freed at once, as ever");
}

static void test_tally(void)
{
	struct flow_target a = target4(20, 80), b = target4(21, 80), u = target4(20, 80);
	struct tally tally = {};

	fresh();
	u.protocol = UDP;
	for (uint32_t i = 0; i < 3; i++)
		connect4(i, 16 + i, i < 2 ? 20 : 21, 80, TCP, BALANCER);
	connect4(3, 19, 20, 80, UDP, BALANCER);
	connect4(4, 20, 20, 80, TCP, 7);
	connect6(0, 17, 20, 80);
	entry(2)->state.life = entry(18)->state.life =
		HG_LIFE(60, HG_STATE_CLOSING, HG_FLOW_NAT);
	sweep(1000, &tally);
	ok(tally_get(&tally, &a) == 2 && tally_get(&tally, &u) == 1,
	   "the connections of a target are counted, by protocol");
	is(tally_get(&tally, &b), 0, "those that close are not");
	is((long long)tally_sum(&tally, BALANCER, 0), 4,
	   "a balancer has those of all targets");
	is((long long)tally_sum(&tally, BALANCER, UDP), 1, "or of one protocol");
	is((long long)tally_sum(&tally, 7, 0), 0, "and a NAT gateway has no targets");
	tally_clear(&tally);
	is((long long)tally_sum(&tally, BALANCER, 0), 0, "one can begin anew");
	for (uint32_t i = 0; i < 5000; i++) {
		a.address.w[0] = i % 2500;
		tally_add(&tally, &a);
	}
	is((long long)tally.n, 2500, "thousands of targets have room");
	a.address.w[0] = 2499;
	is(tally_get(&tally, &a), 2, "and keep their counts");
	tally_done(&tally);
	is(tally_get(&tally, &a), 0, "an empty tally has none");
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Told, not judged: machines differ. */
static void test_speed(void)
{
	enum { SETS = 1 << 17, FLOWS = SETS * 6 / 10 };
	struct flow_tables big = { .n_sets = SETS, .hz = HZ };
	struct flow_target t = target4(20, 80);
	double start;
	unsigned n;

	big.sets4 = aligned_alloc(64, SETS * sizeof(struct hg_set4));
	if (!big.sets4)
		bail("no memory");
	memset(big.sets4, 0, SETS * sizeof(struct hg_set4));
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t a = i * 3 + 1, b = i * 3 + 2;

		big.sets4[b / HG_WAYS].way[b % HG_WAYS] = (struct hg_flow4){
			.key = { 20 + i % 100, 1, htons(80), 1, TCP, 1, 1 },
			.state = state(a + 1, BALANCER, 0),
		};
		big.sets4[a / HG_WAYS].way[a % HG_WAYS] = (struct hg_flow4){
			.key = { 1, 2, htons(1), htons(80), TCP, 1, 1 },
			.state = state(b + 1, BALANCER, HG_FLOW_ORIGINAL),
		};
	}
	start = seconds();
	n = flow_cut(&big, &t, 1, 1500, 0, SETS);
	printf("# %.1f ns an entry: %u of %u connections in %.1f ms\n",
	       (seconds() - start) * 1e9 / (SETS * HG_WAYS), n, (unsigned)FLOWS,
	       (seconds() - start) * 1e3);
	is(n, (FLOWS + 99) / 100,
	   "all connections of one target among a hundred are found");
	free(big.sets4);
}

int main(void)
{
	test_which();
	test_6();
	test_appliances();
	test_many();
	test_races();
	test_sweep();
	test_tally();
	test_speed();
	return done();
}
