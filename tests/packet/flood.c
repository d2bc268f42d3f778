/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <hg/drop.h>
#include <hg/flow.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* A table of 64k entries and a million of SYNs, each a flow of its own. HG_FLOOD changes the
 * million, for machines that are emulated. */
#define SETS        16384 /* of 4 entries */
#define ESTABLISHED 2000
#define SYNS        1000000

static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] } "
	"},"
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'] } "
	"},"
	"  'security_groups': { 'g': { 'vpc': 'v', 'egress': [], 'ingress': ["
	"    { 'protocol': 'all', 'peers': ['10.0.0.0/8', '2001:db8::/32'] } ] } },"
	"  'interfaces': { 'a': { 'subnet': 's', 'device': 'p0', 'security_groups': "
	"['g'],"
	"           'addresses': ['10.200.0.10', 'fd00:10::10'] } } }";

static const struct {
	const char *name, *client, *server;
	unsigned host; /* offset of the client's last 4 bytes in the frame */
} families[] = {
	{ "IPv4", "10.1.1.1", "10.200.0.10", 14 + 12 },
	{ "IPv6", "2001:db8::7", "fd00:10::10", 14 + 8 + 12 },
};

/* How many were made. The table's hash is drawn anew each time: in one run of ten a fifth
 * entry meets a set of four, and its connection is refused. */
static unsigned establish(struct stand *s, int family)
{
	unsigned made = 0;

	for (unsigned i = 0; i < ESTABLISHED; i++)
		made += stand_connect(s, "p0", OPENED_OUTSIDE, families[family].client,
				      10000 + i, families[family].server, 22) == 0;
	ok(made > ESTABLISHED - 10, "%s: %u of %u connections are established",
	   families[family].name, made, ESTABLISHED);
	return made;
}

/* Answers of the instance, which has no egress rule: only the table knows them. */
static unsigned count_survivors(struct stand *s, int family)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < ESTABLISHED; i++) {
		struct frame f = frame_tcp(families[family].server, 22,
					   families[family].client, 10000 + i, TCP_ACK);

		alive += stand_in(s, "p0", f) == 0;
	}
	return alive;
}

static void flood(struct stand *s, int family, unsigned n)
{
	struct frame syn = frame_tcp(families[family].client, 40000,
				     families[family].server, 80, TCP_SYN);
	struct hg_counters before, after;
	uint8_t frame[FRAME_MAX];
	struct frame_at at;
	size_t size = frame_build(&syn, frame, sizeof(frame), &at);
	int code;

	if (stand_out(s, "p0", syn))
		bail("the flood does not pass its rule");
	dataplane_counters(stand_plane(s), 1, &before);
	for (unsigned i = 0; i < n; i++) {
		/* 256 ports of so many clients inside 10.0.0.0/8 or 2001:db8::/32. */
		frame[at.l4 + 1] = i & 0xff;
		frame[families[family].host + 1] = i >> 24;
		frame[families[family].host + 2] = i >> 16;
		frame[families[family].host + 3] = i >> 8;
		if (dataplane_run(stand_plane(s), PROGRAM_OUT, 1, frame, size, NULL, NULL,
				  &code) < 0)
			bail("the program does not run");
	}
	dataplane_counters(stand_plane(s), 1, &after);
	is(after.passed - before.passed + after.dropped[HG_DROP_FLOW_TABLE_FULL] -
		   before.dropped[HG_DROP_FLOW_TABLE_FULL],
	   n, "%s: each of %u SYNs passed or found the table full", families[family].name,
	   n);
	note("%llu passed, %llu found it full",
	     (unsigned long long)(after.passed - before.passed),
	     (unsigned long long)(after.dropped[HG_DROP_FLOW_TABLE_FULL] -
				  before.dropped[HG_DROP_FLOW_TABLE_FULL]));
	ok(after.passed - before.passed > n / 2,
	   "%s: a half-open flow gives way to a newer one", families[family].name);
}

static void check_flood(struct stand *s, int family, unsigned n)
{
	unsigned made;

	stand_rules(s, rules);
	stand_reset(s);
	made = establish(s, family);
	flood(s, family, n);
	is(count_survivors(s, family), made,
	   "%s: a flood of SYNs evicts no established connection", families[family].name);
}

/* More established connections than there is room for. */
static void check_full(void)
{
	struct stand *s = stand_new(64);
	unsigned made = 0, full = 0, other = 0, alive = 0;
	bool is_made[500] = {};

	stand_rules(s, rules);
	for (unsigned i = 0; i < 500; i++) {
		uint32_t reason =
			stand_connect(s, "p0", OPENED_OUTSIDE, families[0].client,
				      10000 + i, families[0].server, 22);

		is_made[i] = reason == 0;
		made += reason == 0;
		full += reason == HG_DROP_FLOW_TABLE_FULL;
		other += reason && reason != HG_DROP_FLOW_TABLE_FULL;
	}
	note("%u made, %u refused in a table of 256 entries", made, full);
	ok(made > 60 && full > 200, "a full table refuses new connections");
	is(other, 0, "and says so: FLOW_TABLE_FULL, counted");
	for (unsigned i = 0; i < 500; i++)
		alive += is_made[i] &&
			 !stand_in(s, "p0",
				   frame_tcp(families[0].server, 22, families[0].client,
					     10000 + i, TCP_ACK));
	is(alive, made, "no connection was lost for another");
	stand_wait(s, 432001);
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, families[0].client, 30000,
				families[0].server, 22),
		  0, "what has expired gives way");
	stand_free(s);
}

int main(void)
{
	const char *env = getenv("HG_FLOOD");
	unsigned n = env ? strtoul(env, NULL, 0) : SYNS;
	struct stand *s = stand_new(SETS);

	check_flood(s, 0, n);
	check_flood(s, 1, n / 4);
	stand_free(s);
	check_full();
	return done();
}
