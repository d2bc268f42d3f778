/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/json.h"
#include "http.h"
#include "table.h"
#include "view.h"
#include "watch.h"

/* The round before, for rates. */
struct before {
	struct json *stats; /* NULL in the first */
	uint64_t ns;
	double seconds; /* since then */
};

static uint64_t dropped_sum(const struct json *counters)
{
	uint64_t sum = 0;

	for (const struct json *d = json_first(json_get(counters, "dropped")); d;
	     d = json_next(d))
		sum += view_number(d);
	return sum;
}

/* ", 12/s" since the round before; "" in the first. */
static const char *rate(const struct before *b, uint64_t now, uint64_t then,
			char buf[static HUMAN_TEXT])
{
	buf[0] = '\0';
	if (b->stats && b->seconds > 0 && now >= then)
		snprintf(buf, HUMAN_TEXT, "%.0f/s", (now - then) / b->seconds);
	return buf;
}

static void print_totals(const struct cli *cli, const struct json *s,
			 const struct before *b)
{
	static const char *const heads[] = { "TOTAL", ">PACKETS", ">BYTES", ">RATE",
					     NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);
	const struct json *then = b->stats;
	uint64_t passed_bytes = view_count(s, "passed_bytes");
	uint64_t dropped_bytes = view_count(s, "dropped_bytes");
	char human[HUMAN_TEXT];
	const struct {
		const char *name;
		uint64_t packets, bytes, before;
	} rows[] = {
		{ "received", view_count(s, "received"), passed_bytes + dropped_bytes,
		  view_count(then, "received") },
		{ "passed", view_count(s, "passed"), passed_bytes,
		  view_count(then, "passed") },
		{ "dropped", dropped_sum(s), dropped_bytes, dropped_sum(then) },
	};

	if (!t)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		table_text(t, rows[i].name, PAINT_NONE);
		table_cell(t, "%" PRIu64, rows[i].packets);
		table_text(t, bytes_print(rows[i].bytes, human), PAINT_NONE);
		table_text(t, rate(b, rows[i].packets, rows[i].before, human),
			   PAINT_NONE);
	}
	table_print(t, stdout);
	printf("of passed: %" PRIu64 " exempt, %" PRIu64
	       " answered (ARP, neighbour discovery)\n",
	       view_count(s, "exempt"), view_count(s, "answered"));
	if (view_count(s, "told") > 0)
		printf("of dropped: %" PRIu64
		       " whose sender was told (ICMP error, reset)\n",
		       view_count(s, "told"));
	if (view_count(s, "events_lost") > 0)
		printf("%" PRIu64 " events were lost by readers too slow\n",
		       view_count(s, "events_lost"));
}

static void print_drops(const struct cli *cli, const struct json *s,
			const struct before *b)
{
	static const char *const heads[] = { "DROPPED", ">PACKETS", ">RATE", NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);
	const struct json *dropped = json_get(s, "dropped");
	char human[HUMAN_TEXT];

	if (!t || json_size(dropped) == 0)
		return;
	for (const struct json *d = json_first(dropped); d; d = json_next(d)) {
		uint64_t n = view_number(d);
		uint64_t then = view_count(json_get(b->stats, "dropped"), json_key(d));

		table_text(t, json_key(d), PAINT_BAD);
		table_cell(t, "%" PRIu64, n);
		table_text(t, rate(b, n, then, human), PAINT_NONE);
	}
	putchar('\n');
	table_print(t, stdout);
}

static const struct json *device_before(const struct before *b, const char *name)
{
	const struct json *d = json_first(json_get(b->stats, "devices"));

	while (d && (!name || !view_text(d, "name") ||
		     strcmp(view_text(d, "name"), name) != 0))
		d = json_next(d);
	return d;
}

static void print_devices(const struct cli *cli, const struct json *s,
			  const struct before *b)
{
	static const char *const heads[] = { "DEVICE",   ">RECEIVED", ">PASSED", ">BYTES",
					     ">DROPPED", ">BYTES",    ">RATE",   NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);
	const struct json *devices = json_get(s, "devices");
	char human[HUMAN_TEXT];

	if (!t || json_size(devices) == 0)
		return;
	for (const struct json *d = json_first(devices); d; d = json_next(d)) {
		const struct json *then = device_before(b, view_text(d, "name"));
		uint64_t received = view_count(d, "received"), dropped = dropped_sum(d);

		table_text(t, view_text(d, "name"), PAINT_NONE);
		table_cell(t, "%" PRIu64, received);
		table_cell(t, "%" PRIu64, view_count(d, "passed"));
		table_text(t, bytes_print(view_count(d, "passed_bytes"), human),
			   PAINT_NONE);
		if (dropped)
			table_cell(t, "%" PRIu64, dropped);
		else
			table_text(t, "0", PAINT_NONE);
		table_text(t, bytes_print(view_count(d, "dropped_bytes"), human),
			   PAINT_NONE);
		table_text(t, rate(b, received, view_count(then, "received"), human),
			   PAINT_NONE);
	}
	putchar('\n');
	table_print(t, stdout);
}

/* What a gateway has besides flows; nothing where the agent is none. */
static void print_gateway(const struct json *s)
{
	const struct json *hops = json_get(s, "neighbours"), *nat = json_get(s, "nat");
	uint64_t n = view_count(hops, "entries"), sets = view_count(nat, "port_sets");

	if (n)
		printf("hops    %" PRIu64 " of %" PRIu64 " neighbours, %" PRIu64
		       " resolved, %" PRIu64 " failed\n",
		       n, view_count(hops, "max"), view_count(hops, "resolved"),
		       view_count(hops, "failed"));
	if (sets)
		printf("nat     %" PRIu64 " of %" PRIu64 " busy destinations, %" PRIu64
		       " ports taken towards them\n",
		       sets, view_count(nat, "max_port_sets"),
		       view_count(nat, "ports_taken"));
}

/* Nothing where no rule set has targets. */
static void print_targets(const struct json *s)
{
	const struct json *pools = json_get(s, "pools"), *probe = json_get(s, "probe");
	char human[HUMAN_TEXT] = "";

	if (view_count(pools, "members") == 0)
		return;
	if (!json_bool(json_get(probe, "running")))
		snprintf(human, sizeof(human), "; nobody checks them");
	printf("targets %" PRIu64 " of %" PRIu64 " members of %" PRIu64
	       " pools take connections, %" PRIu64 " pools fail open%s\n",
	       view_count(pools, "usable"), view_count(pools, "members"),
	       view_count(pools, "pools"), view_count(pools, "failing_open"), human);
}

static void print_tables(const struct json *s)
{
	const struct json *flows = json_get(s, "flows"), *image = json_get(s, "image");
	uint64_t n = view_count(flows, "connections"), max = view_count(flows, "max");
	const char *confirm_by = view_text(s, "confirm_by");
	char human[HUMAN_TEXT];

	printf("\nflows   %" PRIu64 " of %" PRIu64 " connections (%.1f %%), %" PRIu64
	       " established, %" PRIu64 " refused for want of room\n",
	       n, max, max ? 100.0 * n / max : 0.0, view_count(flows, "established"),
	       view_count(flows, "refused"));
	print_gateway(s);
	print_targets(s);
	printf("image   %" PRIu64 " rules in %" PRIu64 " classifiers, %s\n",
	       view_count(image, "rules"), view_count(image, "classifiers"),
	       bytes_print(view_count(image, "bytes"), human));
	printf("rules   version %" PRIu64 ", epoch %" PRIu64, view_count(s, "version"),
	       view_count(s, "epoch"));
	if (confirm_by)
		printf(", put back unless confirmed by %s", confirm_by);
	printf("\nagent   %s, up %s\n",
	       view_text(s, "agent") ? view_text(s, "agent") : "-",
	       seconds_print(view_count(s, "uptime"), human));
}

static enum exit_code once(const struct cli *cli, void *arg)
{
	_cleanup_(json_freep) struct json *stats = NULL;
	struct before *b = arg;
	uint64_t now;
	enum exit_code r;

	r = api_get(cli, "/v1/stats", &stats);
	if (r != EXIT_YES)
		return r;
	if (cli->json) {
		view_print(stats, !cli_flag(cli, "watch"));
		return EXIT_YES;
	}
	now = clock_monotonic_ns();
	b->seconds = (now - b->ns) / 1e9;
	print_totals(cli, stats, b);
	print_drops(cli, stats, b);
	print_devices(cli, stats, b);
	print_tables(stats);
	json_free(b->stats);
	b->stats = TAKE(stats);
	b->ns = now;
	return EXIT_YES;
}

enum exit_code cmd_stats(const struct cli *cli)
{
	struct before before = {};
	enum exit_code r;

	r = watch(cli, once, &before);
	json_free(before.stats);
	return r;
}
