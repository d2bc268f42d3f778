/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "base/addr.h"
#include "base/cleanup.h"
#include "config/json.h"
#include "http.h"
#include "table.h"
#include "view.h"
#include "watch.h"

#define ROWS_AT_ONCE \
	1000 /* so that a million connections need no million rows of memory */

static void add_seconds(struct table *t, const struct json *flow, const char *key)
{
	const struct json *n = json_get(flow, key);
	char buf[HUMAN_TEXT];

	table_text(t, json_is_number(n) ? seconds_print(json_number(n), buf) : NULL,
		   PAINT_NONE);
}

/* What the ends become on the way: "203.0.113.20:40000", "to 10.0.1.20:80", or both. */
static void add_nat(struct table *t, const struct json *nat)
{
	const char *source = view_text(nat, "source"),
		   *destination = view_text(nat, "destination");

	if (destination)
		table_cell(t, "%s%sto %s", source ? source : "", source ? " " : "",
			   destination);
	else
		table_text(t, source, PAINT_NONE);
}

static int add_flow(void *arg, const struct json *f)
{
	struct table *t = arg;
	uint64_t packets = view_count(f, "packets") + view_count(f, "reply_packets");
	uint64_t bytes = view_count(f, "bytes") + view_count(f, "reply_bytes");
	const struct json *id = json_get(f, "icmp_id");
	char buf[VIEW_TEXT], human[HUMAN_TEXT];

	table_text(t, view_text(f, "protocol"), PAINT_NONE);
	table_text(t, view_text(f, "state"), PAINT_NONE);
	table_text(t, view_end(f, "source", buf), PAINT_NONE);
	view_end(f, "destination", buf);
	if (json_is_number(id))
		table_cell(t, "%s id %.0f", buf, json_number(id));
	else
		table_text(t, buf, PAINT_NONE);
	add_nat(t, json_get(f, "nat"));
	table_text(t, view_text(f, "balancer"), PAINT_NONE);
	add_seconds(t, f, "age");
	add_seconds(t, f, "idle");
	table_cell(t, "%" PRIu64, packets);
	table_text(t, bytes_print(bytes, human), PAINT_NONE);
	table_text(t, view_list(json_get(f, "tracked_by"), 2, buf), PAINT_NONE);
	if (table_rows(t) == ROWS_AT_ONCE)
		table_print(t, stdout);
	return 0;
}

static enum exit_code list(const struct cli *cli, const char *path)
{
	static const char *const heads[] = { "PROTOCOL",    "STATE",   "SOURCE",
					     "DESTINATION", "NAT",     "BALANCER",
					     ">AGE",        ">IDLE",   ">PACKETS",
					     ">BYTES",      "TRACKED", NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);
	struct splitter s = { .on_item = add_flow, .arg = t };
	enum exit_code r;

	if (!t)
		return EXIT_REFUSED;
	r = http_call(cli,
		      &(struct call){ .path = path, .on_data = splitter_feed, .arg = &s },
		      NULL);
	splitter_done(&s);
	if (r == EXIT_YES)
		table_print(t, stdout);
	return r;
}

static enum exit_code once(const struct cli *cli, void *path)
{
	return cli->json ? api_print(cli, path) : list(cli, path);
}

static enum exit_code wrong(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "headgate flows: --%s %s: not %s\n", option, value, wanted);
	return EXIT_USAGE;
}

/* The filters that can be wrong are looked at here, where a message can name the option. */
static enum exit_code add_filters(const struct cli *cli, char *path, size_t size)
{
	static const struct {
		const char *option, *key;
	} filters[] = {
		{ "from", "src" },          { "to", "dst" },
		{ "nat", "nat" },           { "port", "port" },
		{ "protocol", "protocol" }, { "state", "state" },
		{ "limit", "limit" },
	};

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		const char *name = filters[i].option, *value = cli_option(cli, name);
		struct cidr cidr;
		unsigned n;

		if (!value)
			continue;
		if (i < 3 && cidr_parse(value, &cidr) < 0)
			return wrong(name, value, "an address or CIDR");
		if (strcmp(name, "port") == 0 && count_parse(value, 65535, &n) < 0)
			return wrong(name, value, "a port from 0 to 65535");
		if (strcmp(name, "limit") == 0 && count_parse(value, UINT32_MAX, &n) < 0)
			return wrong(name, value, "a number");
		path_add(path, size, filters[i].key, value);
	}
	return EXIT_YES;
}

enum exit_code cmd_flows(const struct cli *cli)
{
	char path[1024] = "/v1/flows";
	enum exit_code r;

	r = add_filters(cli, path, sizeof(path));
	return r == EXIT_YES ? watch(cli, once, path) : r;
}
