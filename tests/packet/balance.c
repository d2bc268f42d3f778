/* SPDX-License-Identifier: Apache-2.0 */

/* What a choice depends on, and how long it lasts. Gateways of one rule set choose alike, though
 * nothing is said between them and each has a seed of its own for all else: two are loaded here
 * and asked the same. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define TARGETS 100 /* 10.0.1.100 to .199 */
#define FLOWS   10000
#define OPENED  4000
#define TEXT    16384

#define VIP  "203.0.113.30"
#define VIP6 "2001:db8:30::1"

/* 'n' targets from .FIRST on but for 'without'; 'idle' has weight 0; 0 is nobody. */
static void rules(struct stand *s, unsigned first, unsigned n, unsigned without,
		  unsigned idle, const char *settings)
{
	static char text[TEXT];
	FILE *out = fmemopen(text, sizeof(text), "w");
	const char *comma = "";

	assert(out);
	fputs("{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', "
	      "'fd00:10::/56'] } }, 'subnets': { 'web': { 'vpc': 'v', 'device': 'web0', "
	      "'cidrs': ['10.0.1.0/24', 'fd00:10:0:1::/64'] } }, 'internet_gateways': { "
	      "'igw': { 'vpc': 'v', 'device': 'out0', 'next_hop': ['203.0.113.1', "
	      "'2001:db8:ff::1'] } }, 'load_balancers': { 'edge': { 'vpc': 'v', "
	      "'addresses': ['" VIP "', '" VIP6 "'], 'listeners': [ { 'protocol': "
	      "'tcp_udp', 'port': 443, 'syn_protection': 'off', 'forward': [ { "
	      "'target_group': 'web' } ] } ] } }, "
	      "'target_groups': { 'web': { 'vpc': 'v', 'protocol': 'tcp_udp', 'port': "
	      "8443, 'targets': [",
	      out);
	for (unsigned i = first; i < first + n; i++) {
		unsigned weight = i != idle;

		if (i == without)
			continue;
		fprintf(out,
			"%s{ 'address': '10.0.1.%u', 'weight': %u }, { 'address': "
			"'fd00:10:0:1::%x', 'weight': %u }",
			comma, i, weight, i, weight);
		comma = ", ";
	}
	fprintf(out, "] } }, 'settings': { %s } }", settings);
	fclose(out);
	stand_rules(s, text);
}

/* Flow number 'i', in one of both families. */
static struct frame flow(unsigned i, uint8_t flags)
{
	char client[ADDR_TEXT];
	struct frame f;

	snprintf(client, sizeof(client), i & 1 ? "2001:db8:1::%x" : "198.51.100.%u",
		 1 + i / 2 % 250);
	f = frame_tcp(client, 1024 + i / 500, i & 1 ? VIP6 : VIP, 443, flags);
	f.seq = 1000 + i * 7;
	f.ack = flags & TCP_ACK ? 5001 : 0;
	return f;
}

/* The last byte of the address to which it went, 0: it was dropped. */
static unsigned target_of(struct stand *s, const char *device, struct frame f)
{
	struct result r = travel_run(s, device, f);

	if (!r.allow || !r.is_switched)
		return 0;
	return r.frame[f.saddr.family == 4 ? 14 + 19 : 14 + 39];
}

static struct frame reset_of(const struct frame *f)
{
	struct frame reset = frame_reply(f);

	reset.tcp_flags = TCP_RST;
	reset.seq = f->ack;
	reset.payload = reset.ack = 0;
	return reset;
}

/* ---- alike ---- */

static void alike(struct stand *s, struct stand *twin)
{
	unsigned differ = 0, lost = 0, used[256] = {}, n_used = 0;

	rules(s, 100, TARGETS, 0, 0, "");
	rules(twin, 100, TARGETS, 0, 0, "");
	stand_reset(s);
	stand_reset(twin);
	for (unsigned i = 0; i < FLOWS; i++) {
		unsigned here = target_of(s, "out0", flow(i, TCP_SYN)),
			 there = target_of(twin, "out0", flow(i, TCP_SYN));

		lost += !here || !there;
		differ += here != there;
		used[here]++;
	}
	for (unsigned i = 100; i < 100 + TARGETS; i++)
		n_used += used[i] > FLOWS / TARGETS / 2 && used[i] < FLOWS / TARGETS * 2;
	is(lost, 0, "every one of %d SYNs arrives somewhere", FLOWS);
	is(differ, 0, "two gateways of one rule set choose the same target for each");
	is(n_used, TARGETS, "each target gets between half and twice its share");
}

/* The segments of connections that another gateway had. */
static void survive(struct stand *s, struct stand *twin)
{
	unsigned moved = 0, lost = 0;

	rules(s, 100, TARGETS, 0, 0, "'tcp_loose': true");
	rules(twin, 100, TARGETS, 0, 0, "'tcp_loose': true");
	stand_reset(s);
	stand_reset(twin);
	for (unsigned i = 0; i < OPENED; i++) {
		unsigned before = target_of(s, "out0", flow(i, TCP_SYN)),
			 after = target_of(twin, "out0", flow(i, TCP_ACK));

		lost += !after;
		moved += before != after;
	}
	is(lost, 0, "with tcp_loose the survivor takes connections over");
	is(moved, 0, "and every one stays with its target");
	rules(twin, 100, TARGETS, 0, 0, "");
	stand_reset(twin);
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = flow(i, TCP_ACK);

		is_told(twin, "out0", f, HG_DROP_NO_FLOW, reset_of(&f),
			"NLB6: without it a segment of no connection is reset");
	}
}

/* ---- one of a hundred leaves ---- */

#define LEAVER 137

static void leave(struct stand *s)
{
	static unsigned before[OPENED];
	unsigned moved = 0, own = 0, others = 0, still = 0;

	rules(s, 100, TARGETS, 0, 0, "");
	stand_reset(s);
	for (unsigned i = 0; i < OPENED; i++) {
		before[i] = target_of(s, "out0", flow(i, TCP_SYN));
		own += before[i] == LEAVER;
	}
	ok(own > OPENED / TARGETS / 2 && own < OPENED / TARGETS * 2,
	   "a target of a hundred has its share (%u of %d)", own, OPENED);
	rules(s, 100, TARGETS, LEAVER, 0, "");
	for (unsigned i = 0; i < OPENED; i++)
		moved += target_of(s, "out0", flow(i, TCP_ACK)) != before[i];
	is(moved, 0, "when it leaves, no existing connection moves, nor do its own");
	stand_reset(s);
	for (unsigned i = 0; i < OPENED; i++) {
		unsigned now = target_of(s, "out0", flow(i, TCP_SYN));

		still += now == LEAVER || now == 0;
		others += before[i] != LEAVER && now != before[i];
	}
	is(still, 0, "none of the new ones finds it");
	ok(others * 50 < OPENED, "and fewer than 2 %% of the others' move (%u of %d)",
	   others, OPENED);
}

/* ---- how long ---- */

/* NLB5: where it went is seen when that takes no new connections any more. */
static void datagrams(struct stand *s, const char *client, const char *vip)
{
	struct frame f = frame_udp(client, 4000, vip, 443);
	unsigned first, other;

	rules(s, 100, 2, 0, 0, "");
	stand_reset(s);
	first = target_of(s, "out0", f);
	other = 201 - first;
	rules(s, 100, 2, 0, first, "");
	stand_wait(s, 119);
	is(target_of(s, "out0", f), first,
	   "NLB5: after 119 s a datagram goes to the same target");
	stand_wait(s, 119);
	is(target_of(s, "out0", f), first, "NLB5: and after 119 s more");
	stand_wait(s, 121);
	is(target_of(s, "out0", f), other,
	   "NLB5: after 121 s it is a new connection, and may go to another");
}

/* NLB8 */
static void itself(struct stand *s, const char *format, const char *vip)
{
	char client[ADDR_TEXT];
	unsigned itself = 0, other = 0, refused = 0;

	rules(s, 100, 2, 0, 0, "");
	stand_reset(s);
	snprintf(client, sizeof(client), format, 100);
	for (unsigned i = 0; i < 100; i++) {
		struct frame f = frame_tcp(client, 2000 + i, vip, 443, TCP_SYN);
		unsigned to = target_of(s, "web0", f);

		itself += to == 100;
		other += to == 101;
		refused += to == 0;
	}
	is(itself, 0, "NLB8: a target never meets itself by the virtual address");
	ok(other > 20 && refused > 20, "NLB8: it meets the other, or nobody (%u, %u)",
	   other, refused);
	rules(s, 100, 1, 0, 0, "");
	is_lost(s, "web0", frame_tcp(client, 3000, vip, 443, TCP_SYN), HG_DROP_NO_TARGET,
		"NLB8: alone it waits in vain, and is told nothing");
}

int main(void)
{
	/* No more than these connections need: a hash that clusters loses some. */
	struct stand *s = stand_new(1 << 14), *twin = stand_new(1 << 14);

	alike(s, twin);
	survive(s, twin);
	leave(s);
	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		datagrams(s, "198.51.100.1", VIP);
		datagrams(s, "2001:db8:1::1", VIP6);
		itself(s, "10.0.1.%u", VIP);
		itself(s, "fd00:10:0:1::%x", VIP6);
	}
	stand_free(twin);
	stand_free(s);
	return done();
}
