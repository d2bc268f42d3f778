/* SPDX-License-Identifier: Apache-2.0 */
#include "balancer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "table.h"
#include "view.h"

const char *const balancer_heads[] = { "NAME",     "TYPE",      "ADDRESSES",
				       "ZONES",    "LISTENERS", "TARGET GROUPS",
				       ">HEALTHY", ">ACTIVE",   ">NEW",
				       ">BYTES",   ">RESETS",   ">REJECTED",
				       NULL };

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

/* The distinct texts of one member of each object, in their order. */
static void add_members(struct table *t, const struct json *objects, const char *key)
{
	struct json *texts = json_new_array();
	char buf[VIEW_TEXT];

	for (const struct json *o = json_first(objects); o; o = json_next(o)) {
		const char *text = view_text(o, key);
		const struct json *known = json_first(texts);

		while (known && text && strcmp(json_string(known), text) != 0)
			known = json_next(known);
		if (text && !known)
			json_add(texts, json_new_string(text));
	}
	table_text(t, view_list(texts, 8, buf), PAINT_NONE);
	json_free(texts);
}

static void add_listeners(struct table *t, const struct json *listeners)
{
	struct json *texts = json_new_array();
	char buf[VIEW_TEXT], text[32];

	for (const struct json *l = json_first(listeners); l; l = json_next(l)) {
		snprintf(text, sizeof(text), "%.8s:%" PRIu64,
			 or_dash(view_text(l, "protocol")), view_count(l, "port"));
		json_add(texts, json_new_string(text));
	}
	table_text(t, view_list(texts, 8, buf), PAINT_NONE);
	json_free(texts);
}

/* "2/3", red when nobody is left and yellow when somebody is missing. */
static void add_hosts(struct table *t, const struct json *metrics)
{
	uint64_t healthy = view_count(metrics, "HealthyHostCount"),
		 all = healthy + view_count(metrics, "UnHealthyHostCount");
	enum paint paint = healthy == all ? PAINT_GOOD : PAINT_WARN;
	char text[48];

	snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64, healthy, all);
	table_text(t, text, healthy ? paint : PAINT_BAD);
}

void balancer_add(struct table *t, const struct json *b)
{
	const struct json *metrics = json_get(b, "metrics");
	char human[HUMAN_TEXT];

	table_text(t, view_text(b, "name"), PAINT_NONE);
	table_text(t, view_text(b, "type"), PAINT_NONE);
	add_members(t, json_get(b, "addresses"), "address");
	add_members(t, json_get(b, "addresses"), "zone");
	add_listeners(t, json_get(b, "listeners"));
	add_members(t, json_get(b, "target_groups"), "name");
	add_hosts(t, metrics);
	table_cell(t, "%" PRIu64, view_count(metrics, "ActiveFlowCount"));
	table_cell(t, "%" PRIu64, view_count(metrics, "NewFlowCount"));
	table_text(t, bytes_print(view_count(metrics, "ProcessedBytes"), human),
		   PAINT_NONE);
	table_cell(t, "%" PRIu64,
		   view_count(metrics, "TCP_Client_Reset_Count") +
			   view_count(metrics, "TCP_Target_Reset_Count") +
			   view_count(metrics, "TCP_ELB_Reset_Count"));
	table_cell(t, "%" PRIu64, view_count(metrics, "RejectedFlowCount"));
}

static void print_listeners(const struct json *b)
{
	char human[HUMAN_TEXT];

	for (const struct json *l = json_first(json_get(b, "listeners")); l;
	     l = json_next(l)) {
		printf("%s port %" PRIu64 ", idle after %s:",
		       or_dash(view_text(l, "protocol")), view_count(l, "port"),
		       seconds_print(view_count(l, "idle_timeout"), human));
		for (const struct json *f = json_first(json_get(l, "forward")); f;
		     f = json_next(f))
			printf(" %s (%" PRIu64 ")", or_dash(view_text(f, "target_group")),
			       view_count(f, "weight"));
		putchar('\n');
	}
}

static void print_groups(const struct json *b)
{
	for (const struct json *g = json_first(json_get(b, "target_groups")); g;
	     g = json_next(g))
		printf("target group %s: %" PRIu64 " targets, %" PRIu64
		       " healthy, %" PRIu64 " unhealthy%s\n",
		       or_dash(view_text(g, "name")), view_count(g, "targets"),
		       view_count(g, "HealthyHostCount"),
		       view_count(g, "UnHealthyHostCount"),
		       json_bool(json_get(g, "fails_open"))
			       ? "; too few are healthy, so all take connections"
			       : "");
}

void balancer_print(const struct cli *cli, const struct json *b)
{
	static const char *const heads[] = { "METRIC", ">VALUE", NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);
	const struct json *groups = json_get(b, "security_groups");
	char buf[VIEW_TEXT];

	if (json_size(groups) > 0)
		printf("security groups %s\n", view_list(groups, 16, buf));
	print_listeners(b);
	print_groups(b);
	if (!t)
		return;
	for (const struct json *m = json_first(json_get(b, "metrics")); m;
	     m = json_next(m)) {
		table_text(t, json_key(m), PAINT_NONE);
		table_cell(t, "%" PRIu64, view_number(m));
	}
	putchar('\n');
	table_print(t, stdout);
}

/* ---- targets ---- */

const char *const target_heads[] = {
	"TARGET GROUP", "TARGET", "ZONE",    ">WEIGHT",  "STATE",       "REASON", "NEW",
	">ACTIVE",      ">OK",    ">FAILED", ">LAST MS", "DESCRIPTION", NULL
};

static enum paint state_paint(const char *state)
{
	if (state && strcmp(state, "healthy") == 0)
		return PAINT_GOOD;
	return state && strncmp(state, "unhealthy", strlen("unhealthy")) == 0
		       ? PAINT_BAD
		       : PAINT_WARN;
}

void target_add(struct table *t, const struct json *o)
{
	const struct json *checks = json_get(o, "checks"),
			  *last = json_get(checks, "last_ms");
	const char *state = view_text(o, "state");

	table_text(t, view_text(o, "target_group"), PAINT_NONE);
	table_text(t, view_text(o, "target"), PAINT_NONE);
	table_text(t, view_text(o, "zone"), PAINT_NONE);
	table_cell(t, "%" PRIu64, view_count(o, "weight"));
	table_text(t, state, state_paint(state));
	table_text(t, view_text(o, "reason"), PAINT_NONE);
	table_text(t, json_bool(json_get(o, "takes_new")) ? "yes" : "no", PAINT_NONE);
	table_cell(t, "%" PRIu64, view_count(o, "active_flows"));
	table_cell(t, "%" PRIu64, view_count(checks, "ok"));
	table_cell(t, "%" PRIu64, view_count(checks, "failed"));
	if (json_is_number(last))
		table_cell(t, "%.1f", json_number(last));
	else
		table_text(t, NULL, PAINT_NONE);
	table_text(t, view_text(o, "description"), PAINT_NONE);
}
