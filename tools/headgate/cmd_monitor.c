/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "http.h"
#include "table.h"
#include "view.h"

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

/* "04:30:00.123456" of an RFC 3339 time. */
static void print_time(const struct json *e)
{
	const char *time = view_text(e, "time");
	const char *clock = time ? strchr(time, 'T') : NULL;

	if (clock)
		printf("%.*s ", (int)strcspn(clock + 1, "Z+"), clock + 1);
}

static void print_packet(const struct json *e)
{
	const struct json *type = json_get(e, "icmp_type");
	const char *flags = view_text(e, "tcp_flags"), *door = view_text(e, "door");
	char buf[VIEW_TEXT];

	printf(" %s%s%s %s", or_dash(view_text(e, "device")), door ? " " : "",
	       door ? door : "", or_dash(view_text(e, "protocol")));
	if (view_text(e, "source")) {
		printf(" %s", view_end(e, "source", buf));
		printf(" > %s", view_end(e, "destination", buf));
	}
	if (json_is_number(type))
		printf(" type %.0f/%.0f", json_number(type),
		       json_number(json_get(e, "icmp_code")));
	if (flags && *flags)
		printf(" [%s]", flags);
	printf(" %" PRIu64 " B", view_count(e, "bytes"));
}

/* ", network_acl/edge rule 100"; a group that admits nothing has no rule to name. */
static void print_rule(const struct json *e)
{
	const char *object = view_text(e, "object"), *name = view_text(e, "rule");
	const struct json *rule = json_get(e, "rule");

	if (object)
		printf(", %s", object);
	if (json_is_number(rule))
		printf(" rule %.0f", json_number(rule));
	else if (name)
		printf(" rule %s", name);
}

/* " web 10.0.1.20:443 healthy > unhealthy, Target.Timeout" */
static void print_health(const struct json *e)
{
	printf(" %s %s %s > %s", or_dash(view_text(e, "target_group")),
	       or_dash(view_text(e, "target")), or_dash(view_text(e, "from")),
	       or_dash(view_text(e, "to")));
	if (view_text(e, "reason"))
		printf(", %s", view_text(e, "reason"));
}

static int print_event(void *arg, const struct json *e)
{
	const struct cli *cli = arg;
	const char *event = view_text(e, "event");

	if (cli->json) {
		view_print(e, false);
	} else if (!event) {
		printf("%" PRIu64 " events were lost: this reader is too slow\n",
		       view_count(e, "lost"));
	} else {
		print_time(e);
		if (strcmp(event, "drop") == 0)
			printf("%sdrop %s%s", paint_on(cli->colour, PAINT_BAD),
			       or_dash(view_text(e, "reason")),
			       paint_off(cli->colour, PAINT_BAD));
		else
			fputs(event, stdout);
		if (strcmp(event, "drop") == 0 || strcmp(event, "flow") == 0) {
			print_packet(e);
			print_rule(e);
		} else if (strcmp(event, "rules") == 0) {
			printf(" version %" PRIu64 " is in force (%s)",
			       view_count(e, "version"), or_dash(view_text(e, "action")));
		} else if (strcmp(event, "device") == 0) {
			printf(" %s %s", or_dash(view_text(e, "device")),
			       or_dash(view_text(e, "state")));
		} else if (strcmp(event, "health") == 0) {
			print_health(e);
		}
		putchar('\n');
	}
	/* A line that waits in a buffer is no event; a reader who left ends us. */
	return fflush(stdout) != 0;
}

enum exit_code cmd_monitor(const struct cli *cli)
{
	struct splitter s = { .on_item = print_event, .arg = (void *)cli };
	enum exit_code r;

	r = http_call(cli,
		      &(struct call){ .path = cli_flag(cli, "drops")
						      ? "/v1/events?drops=1"
						      : "/v1/events",
				      .on_data = splitter_feed,
				      .arg = &s },
		      NULL);
	splitter_done(&s);
	return r;
}
