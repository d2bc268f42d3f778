/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/frame.h"
#include "config/json.h"
#include "explain.h"
#include "table.h"
#include "view.h"

bool explain_is_allowed(const struct json *answer)
{
	const char *verdict = view_text(answer, "verdict");

	return verdict && strcmp(verdict, "allow") == 0;
}

struct json *explain_pair(struct json *forward, struct json *back)
{
	struct json *pair = json_new_object();

	json_set(pair, "forward", forward);
	json_set(pair, "return", back ? back : json_new_string(NULL));
	return pair;
}

static void print_end(const struct addr *a, bool has_port, uint16_t port)
{
	char text[ADDR_TEXT];

	printf(has_port && a->family == 6 ? "[%s]" : "%s", addr_print(a, text));
	if (has_port)
		printf(":%u", port);
}

static void print_packet(const struct question *q)
{
	bool has_ports = q->protocol == IPPROTO_TCP || q->protocol == IPPROTO_UDP;
	struct json *typed = question_json(q);
	int type = q->icmp_type;

	switch (q->protocol) {
	case IPPROTO_TCP:
		printf("tcp [%s] ", view_text(typed, "tcp_flags"));
		break;
	case IPPROTO_UDP:
		printf("udp ");
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (type < 0)
			type = q->protocol == IPPROTO_ICMP ? 8 : 128;
		printf("%s type %d/%d ", q->protocol == IPPROTO_ICMP ? "icmp" : "icmpv6",
		       type, q->icmp_code < 0 ? 0 : q->icmp_code);
		break;
	default:
		printf("protocol %d ", q->protocol);
	}
	print_end(&q->from, has_ports, q->from_port ? q->from_port : FRAME_FROM_PORT);
	printf(" > ");
	print_end(&q->to, has_ports, q->to_port);
	putchar('\n');
	json_free(typed);
}

static void add_step(struct table *t, const struct json *step, bool with_at)
{
	const struct json *rule = json_get(step, "rule"),
			  *objects = json_get(step, "objects");
	const char *result = view_text(step, "result"), *state = view_text(step, "state"),
		   *object = view_text(step, "object"), *via = view_text(step, "via");
	bool is_allow = result && strcmp(result, "allow") == 0;
	char buf[VIEW_TEXT];

	if (via && object && strcmp(via, object) == 0)
		via = NULL;
	table_text(t, view_text(step, "stage"), PAINT_NONE);
	if (json_size(objects) > 0)
		table_cell(t, "no rule of %s", view_list(objects, 5, buf));
	else
		table_cell(t, "%s%s%s",
			   object  ? object
			   : state ? state
				   : "",
			   via ? " > " : "", via ? via : "");
	if (json_is_number(rule))
		table_cell(t, "%.0f", json_number(rule));
	else
		table_text(t, json_string(rule), PAINT_NONE);
	table_text(t, result, is_allow ? PAINT_GOOD : PAINT_BAD);
	if (with_at)
		table_text(t, view_text(step, "at"), PAINT_NONE);
}

/* Whether some step was at the border of a NAT gateway's subnet. */
static bool has_at(const struct json *steps)
{
	for (const struct json *s = json_first(steps); s; s = json_next(s))
		if (view_text(s, "at"))
			return true;
	return false;
}

/* What goes out in place of what came in: the ends that were rewritten. */
static void print_rewrite(const struct json *answer)
{
	const struct json *rewrite = json_get(answer, "rewrite");
	const char *source = view_text(rewrite, "source"),
		   *destination = view_text(rewrite, "destination");

	if (source)
		printf("source becomes %s%s", source, destination ? ", " : "\n");
	if (destination)
		printf("destination becomes %s\n", destination);
}

/* Whom a balancer chose, and out of what. */
static void print_target(const struct json *answer)
{
	const struct json *slot = json_get(answer, "ring_slot");
	const char *target = view_text(answer, "target"),
		   *group = view_text(answer, "target_group");

	if (!target || !group)
		return;
	printf("target %s of %s", target, group);
	if (slot)
		printf(", slot %.0f of its ring", json_number(slot));
	putchar('\n');
}

static void print_allowed(const struct json *answer)
{
	const struct json *hop = json_get(answer, "next_hop");
	const char *device = view_text(hop, "device"),
		   *address = view_text(hop, "address");

	if (device && address)
		printf(", handed to %s for %s", device, address);
	else if (device)
		printf(", handed to %s", device);
	else
		printf(", left to the kernel");
	if (json_bool(json_get(answer, "exempt")))
		printf(", exempt from all filters");
	else
		printf(json_bool(json_get(answer, "tracked")) ? ", tracked"
							      : ", not tracked");
}

static void print_answer(const struct cli *cli, const struct json *answer)
{
	const struct json *steps = json_get(answer, "steps");
	bool with_at = has_at(steps);
	const char *const heads[] = {
		"STAGE", "OBJECT", ">RULE", "RESULT", with_at ? "AT" : NULL, NULL
	};
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);
	const char *aws = view_text(answer, "aws_reason");
	bool is_allowed = explain_is_allowed(answer);
	enum paint paint = is_allowed ? PAINT_GOOD : PAINT_BAD;

	for (const struct json *s = json_first(steps); t && s; s = json_next(s))
		add_step(t, s, with_at);
	if (t && table_rows(t) > 0)
		table_print(t, stdout);
	if (is_allowed)
		print_rewrite(answer);
	print_target(answer);
	printf("%s%s%s", paint_on(cli->colour, paint), is_allowed ? "allowed" : "dropped",
	       paint_off(cli->colour, paint));
	if (is_allowed) {
		print_allowed(answer);
	} else {
		printf(": %s", view_text(answer, "reason"));
		if (aws)
			printf(" (%s)", aws);
	}
	putchar('\n');
}

void explain_print(const struct cli *cli, const struct question *q,
		   const struct json *forward, bool with_return,
		   const struct question *reverse, const struct json *back)
{
	print_packet(q);
	print_answer(cli, forward);
	if (!with_return)
		return;
	putchar('\n');
	if (!back) {
		puts("no answer: the packet does not arrive");
		return;
	}
	print_packet(reverse);
	print_answer(cli, back);
}
