/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/hop.h"

#include <linux/neighbour.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"

static struct hg_hop lines[HG_HOPS] __attribute__((aligned(64)));
static struct hops *hops;
static const struct hop_device wire = { .ifindex = 7,
					.mtu = 1500,
					.mac = { 2, 0, 0, 0, 0, 7 } };
static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 0xa }, mac_b[6] = { 2, 0, 0, 0, 0, 0xb },
		     mac_c[6] = { 2, 0, 0, 0, 0, 0xc };
static struct addr host;

static void fresh(void)
{
	hops_free(hops);
	memset(lines, 0, sizeof(lines));
	if (hops_new(lines, 5, &hops) < 0)
		bail("no memory");
}

/* What is to be done, as letters: Keep, Probe, Tell, Delete. */
static const char *orders(struct hop_order *ret_first)
{
	static char text[64];
	struct hop_order o;
	size_t n = 0;

	while (n < sizeof(text) - 1 && hops_next_order(hops, &o)) {
		if (n == 0 && ret_first)
			*ret_first = o;
		text[n++] = "KPTD"[o.order];
	}
	text[n] = '\0';
	return text;
}

static uint32_t want(const struct addr *a, uint32_t epoch)
{
	uint32_t id;

	hops_want_begin(hops);
	id = hop_want(hops, &wire, a, epoch);
	hops_want_end(hops, epoch);
	return id;
}

static void hear(const struct addr *a, uint16_t state, const uint8_t *mac)
{
	struct neighbour said = { .ifindex = wire.ifindex,
				  .addr = *a,
				  .state = state,
				  .has_mac = mac != NULL };

	if (mac)
		memcpy(said.mac, mac, 6);
	hop_hear(hops, &wire, &said, 5);
}

static void hear_gone(const struct addr *a)
{
	struct neighbour said = { .ifindex = wire.ifindex, .addr = *a, .is_gone = true };

	hop_hear(hops, &wire, &said, 5);
}

/* As a packet does. */
static void learn(uint32_t id, const uint8_t mac[6])
{
	memcpy(lines[id].mac.byte, mac, 6);
	lines[id].mac.byte[6] = HG_HOP_RESOLVED;
}

static bool is_at(uint32_t id, const uint8_t mac[6])
{
	return lines[id].ifindex == wire.ifindex &&
	       memcmp(lines[id].mac.byte, mac, 6) == 0 &&
	       lines[id].mac.byte[6] == HG_HOP_RESOLVED;
}

static unsigned state(uint32_t id)
{
	return lines[id].mac.byte[6];
}

static void test_wanted(void)
{
	struct hop_device moved = wire;
	struct hop_order o = {};
	uint32_t id;

	fresh();
	id = want(&host, 5);
	ok(id && lines[id].ifindex == 7 && lines[id].addr.w[0] == 0x0a00000a &&
		   lines[id].mtu == 1500 && memcmp(lines[id].smac, wire.mac, 6) == 0,
	   "what is wanted has a line that is complete but for the MAC");
	is(state(id), HG_HOP_UNKNOWN, "which nobody knows yet");
	is_str(orders(NULL), "", "the kernel is not asked before its table was read");
	hops_tick(hops);
	is_str(orders(&o), "K", "then it is");
	ok(o.ifindex == 7 && addr_compare(&o.addr, &host) == 0, "about that neighbour");
	hops_tick(hops);
	is_str(orders(NULL), "", "once");
	hop_refused(hops, &o);
	hops_tick(hops);
	is_str(orders(NULL), "K", "and again when it could not be done");
	hear(&host, NUD_REACHABLE, mac_a);
	ok(is_at(id, mac_a), "the kernel's answer is what packets use");
	hear(&host, NUD_STALE, mac_a);
	is_str(orders(NULL), "K", "when it becomes unsure, it is asked to look again");
	hear(&host, NUD_STALE, mac_a);
	is_str(orders(NULL), "", "once");
	hear(&host, NUD_FAILED, NULL);
	is(state(id), HG_HOP_FAILED, "a neighbour that does not answer has failed");
	for (int i = 0; i < 10; i++)
		hops_tick(hops);
	is(state(id), HG_HOP_FAILED, "and stays so until the kernel says else");
	is_str(orders(NULL), "KK", "which is asked every five seconds");
	hops_ask_again(hops, 7);
	hops_tick(hops);
	ok(state(id) == HG_HOP_UNKNOWN && strcmp(orders(NULL), "K") == 0,
	   "a link that comes up is asked at once, and packets wait for the answer");
	hear(&host, NUD_REACHABLE, mac_b);
	hear_gone(&host);
	is(state(id), HG_HOP_UNKNOWN, "what the kernel has forgotten is not known");
	hops_tick(hops);
	is_str(orders(NULL), "K", "and wanted all the same");
	moved.mtu = 9000;
	moved.mac[5] = 8;
	hops_follow(hops, &moved, 1, 5);
	ok(lines[id].mtu == 9000 && lines[id].smac[5] == 8,
	   "a device's MTU and MAC are followed");
	hops_want_begin(hops);
	hops_want_end(hops, 5);
	ok(lines[id].ifindex == 0 && strcmp(orders(&o), "D") == 0 &&
		   addr_compare(&o.addr, &host) == 0,
	   "what is not wanted any more has no line, and the kernel forgets it");
}

static void test_moved(void)
{
	struct hop_order o = {};
	uint32_t id;

	fresh();
	id = want(&host, 5);
	hops_tick(hops);
	orders(NULL);
	hear(&host, NUD_REACHABLE, mac_a);
	hear(&host, NUD_REACHABLE, mac_b);
	ok(is_at(id, mac_b), "a MAC that the kernel sees moving is followed");
	learn(id, mac_c);
	hear(&host, NUD_STALE, mac_b);
	ok(is_at(id, mac_c), "one that packets have seen moving is not taken back");
	is_str(orders(&o), "TK", "but the kernel is told, and looks after it again");
	ok(memcmp(o.mac, mac_c, 6) == 0, "that it is there now");
	learn(id, mac_a);
	hear(&host, NUD_FAILED, NULL);
	ok(is_at(id, mac_a) && strcmp(orders(NULL), "TK") == 0,
	   "a kernel that asked at the old place has not asked in vain");
	hear(&host, NUD_FAILED, NULL);
	is(state(id), HG_HOP_FAILED, "at the new place it has");
	learn(id, mac_a);
	hops_tick(hops);
	is_str(orders(NULL), "", "a neighbour that speaks again needs no introduction");
	ok(is_at(id, mac_a), "and is back at once");
	learn(id, mac_b);
	hops_tick(hops);
	is_str(orders(NULL), "TK", "one that speaks from elsewhere does");
	hear(&host, NUD_PERMANENT, mac_c);
	ok(is_at(id, mac_c), "what an operator wrote into the kernel goes before");
	learn(id, mac_a);
	hops_tick(hops);
	ok(is_at(id, mac_c) && strcmp(orders(NULL), "") == 0, "whatever packets say");
}

static void test_undeclared(void)
{
	uint32_t id;

	fresh();
	hear(&host, NUD_INCOMPLETE, NULL);
	hear(&host, NUD_FAILED, NULL);
	is(hop_find(hops, 7, &host), 0, "somebody who does not answer gets no line");
	hear(&host, NUD_REACHABLE, mac_a);
	id = hop_find(hops, 7, &host);
	ok(id && is_at(id, mac_a), "whoever the kernel knows has one");
	hear(&host, NUD_STALE, mac_a);
	is_str(orders(NULL), "P", "he is looked after when the kernel becomes unsure");
	hear(&host, NUD_STALE, mac_a);
	is_str(orders(NULL), "", "once");
	hear(&host, NUD_REACHABLE, mac_a);
	hear(&host, NUD_STALE, mac_a);
	is_str(orders(NULL), "P", "each time");
	hear(&host, NUD_FAILED, NULL);
	is(state(id), HG_HOP_FAILED, "if he does not answer, packets are refused");
	for (int i = 0; i < 3; i++)
		hops_tick(hops);
	is(state(id), HG_HOP_UNKNOWN, "for as long as it takes to ask once more");
	hear_gone(&host);
	is(lines[id].ifindex, 0, "whom the kernel forgets has no line");

	struct addr link = { .family = 6, .bytes = { 0xfe, 0x80, [15] = 1 } };

	hear(&link, NUD_REACHABLE, mac_a);
	is(hop_find(hops, 7, &link), 0, "an address of the link alone gets none");
	id = want(&link, 5);
	hear(&link, NUD_REACHABLE, mac_a);
	ok(id && is_at(id, mac_a) && lines[id].flags == HG_HOP_6,
	   "unless it is a next hop");
}

/* Five neighbours of one set. */
static void test_reuse(void)
{
	struct addr a[5], next = host;
	uint32_t first = 0, id[5], n = 0;

	fresh();
	for (uint32_t i = 0; n < 5; i++) {
		struct hg_addr w = {};
		uint32_t set;

		memcpy(next.bytes, &i, 4);
		memcpy(w.w, next.bytes, 16);
		set = hg_hop_hash(7, w.w) & (HG_HOP_SETS - 1);
		if (n == 0)
			first = set;
		if (set == first && set)
			a[n++] = next;
	}
	for (int i = 0; i < 4; i++) {
		hear(&a[i], NUD_REACHABLE, mac_a);
		id[i] = hop_find(hops, 7, &a[i]);
	}
	ok(id[0] && id[1] && id[2] && id[3], "four neighbours share a set");
	hear(&a[4], NUD_REACHABLE, mac_b);
	is(hop_find(hops, 7, &a[4]), 0, "a fifth has no room");
	hear_gone(&a[2]);
	hear(&a[4], NUD_REACHABLE, mac_b);
	is(hop_find(hops, 7, &a[4]), 0,
	   "nor when one has left: flows of this epoch may still name his line");
	hear(&a[2], NUD_REACHABLE, mac_c);
	ok(hop_find(hops, 7, &a[2]) == id[2] && is_at(id[2], mac_c),
	   "he himself gets it back");
	hear_gone(&a[2]);
	hops_free(hops);
	if (hops_new(lines, 5, &hops) < 0)
		bail("no memory");
	id[4] = want(&a[4], 5);
	is(id[4], 0, "a new agent does not know since when a line is free");
	id[4] = want(&a[4], 6);
	is(id[4], id[2], "in the next epoch anybody may have it");
}

static void test_restart(void)
{
	struct neighbour ours = { .ifindex = 7,
				  .addr = host,
				  .state = NUD_REACHABLE,
				  .has_mac = true,
				  .protocol = NETLINK_PROTOCOL };
	struct hop_order o = {};
	uint32_t id, other_id;
	struct addr other = host;

	fresh();
	other.bytes[3] = 77;
	memcpy(ours.mac, mac_a, 6);
	id = want(&host, 5);
	hear(&other, NUD_REACHABLE, mac_b);
	other_id = hop_find(hops, 7, &other);
	learn(id, mac_c);
	hops_free(hops);
	if (hops_new(lines, 5, &hops) < 0)
		bail("no memory");
	ok(hop_find(hops, 7, &host) == id && is_at(id, mac_c),
	   "a new agent finds the lines as they are");
	want(&host, 5);
	hops_dump_begin(hops);
	hear(&host, NUD_STALE, mac_a);
	hops_dump_end(hops, 5);
	ok(is_at(id, mac_c) && strcmp(orders(NULL), "TK") == 0,
	   "what packets have learnt meanwhile is told to a kernel that is unsure");
	is(lines[other_id].ifindex, 0, "whom the kernel has forgotten meanwhile is gone");
	hops_want_begin(hops);
	hops_want_end(hops, 5);
	orders(NULL);
	hop_hear(hops, &wire, &ours, 5);
	ok(strcmp(orders(&o), "D") == 0 && addr_compare(&o.addr, &host) == 0 &&
		   !hop_find(hops, 7, &host),
	   "what an earlier agent has asked for and nobody wants is taken back");

	fresh();
	id = want(&host, 5);
	learn(id, mac_c);
	hops_free(hops);
	if (hops_new(lines, 5, &hops) < 0)
		bail("no memory");
	hear(&host, NUD_REACHABLE, mac_a);
	ok(is_at(id, mac_a),
	   "a kernel that has just heard from a neighbour knows better");
}

static void test_port(void)
{
	static const uint8_t none[6];
	struct hop_device port = wire, subnet = wire;
	uint32_t id;

	fresh();
	port.is_port = true;
	id = hop_port(hops, &port, none, true, 5);
	ok(id && lines[id].flags == (HG_HOP_PORT | HG_HOP_PEER) &&
		   state(id) == HG_HOP_UNKNOWN,
	   "a port's instance has a line of its own");
	is(hop_port(hops, &port, mac_a, true, 5), id, "one");
	ok(is_at(id, mac_a), "with its MAC as soon as that is known");
	hop_port(hops, &port, mac_b, true, 5);
	ok(is_at(id, mac_a), "which packets know better from then on");
	hops_tick(hops);
	is_str(orders(NULL), "", "the kernel has no part in it");
	hops_dump_begin(hops);
	hops_dump_end(hops, 5);
	hops_want_begin(hops);
	hops_want_end(hops, 5);
	hops_follow(hops, &port, 1, 5);
	ok(is_at(id, mac_a), "nor has its table");
	hops_follow(hops, &subnet, 1, 5);
	is(lines[id].ifindex, 0, "a device that is a port no more has no instance");
	id = hop_port(hops, &port, mac_a, false, 5);
	hops_follow(hops, NULL, 0, 5);
	is(lines[id].ifindex, 0, "nor has one that has gone");
	is(hops_sum(lines).entries, 0, "no line is left");
}

int main(void)
{
	addr_parse("10.0.0.10", &host);
	test_wanted();
	test_moved();
	test_undeclared();
	test_reuse();
	test_restart();
	test_port();
	hops_free(hops);
	return done();
}
