/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "base/cleanup.h"
#include "config/json.h"
#include "explain.h"
#include "http.h"
#include "judge.h"
#include "view.h"

static enum exit_code wrong(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "headgate explain: --%s %s: not %s\n", option, value, wanted);
	return EXIT_USAGE;
}

int end_parse(const char *text, struct addr *ret, uint16_t *ret_port, bool *ret_has_port)
{
	char copy[ADDR_TEXT + 16], *port = NULL, *close;
	struct addr a;
	unsigned n = 0;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	if (copy[0] == '[') {
		close = strchr(copy, ']');
		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		port = close[1] ? close + 2 : NULL;
		*close = '\0';
		memmove(copy, copy + 1, strlen(copy));
	} else if (strchr(copy, ':') && strchr(copy, ':') == strrchr(copy, ':')) {
		port = strchr(copy, ':');
		*port++ = '\0';
	}
	if (addr_parse(copy, &a) < 0 || (text[0] == '[' && a.family != 6))
		return -EINVAL;
	if (port && count_parse(port, 65535, &n) < 0)
		return -EINVAL;
	*ret = a;
	*ret_port = n;
	*ret_has_port = port;
	return 0;
}

static enum exit_code parse_end(const struct cli *cli, const char *name, struct addr *ret,
				uint16_t *ret_port, bool *ret_has_port)
{
	const char *value = cli_option(cli, name);

	if (!value) {
		fprintf(stderr,
			"headgate explain: --%s is missing: headgate explain --from "
			"ADDR[:PORT] --to "
			"ADDR[:PORT] --protocol P\n",
			name);
		return EXIT_USAGE;
	}
	if (end_parse(value, ret, ret_port, ret_has_port) < 0)
		return wrong(name, value, "ADDR, ADDR:PORT or [ADDR]:PORT");
	return EXIT_YES;
}

static enum exit_code parse_icmp(const struct cli *cli, struct question *q)
{
	const char *type = cli_option(cli, "icmp-type"),
		   *code = cli_option(cli, "icmp-code");
	bool is_icmp = q->protocol == IPPROTO_ICMP || q->protocol == IPPROTO_ICMPV6;
	unsigned n;

	if ((type || code) && !is_icmp)
		return wrong(type ? "icmp-type" : "icmp-code", type ? type : code,
			     "for this protocol; --protocol icmp is");
	if (type) {
		if (count_parse(type, 255, &n) < 0)
			return wrong("icmp-type", type, "a number from 0 to 255");
		q->icmp_type = n;
	}
	if (code) {
		if (count_parse(code, 255, &n) < 0)
			return wrong("icmp-code", code, "a number from 0 to 255");
		q->icmp_code = n;
	}
	return EXIT_YES;
}

static enum exit_code parse_question(const struct cli *cli, struct question *ret)
{
	struct question q = { .icmp_type = -1, .icmp_code = -1, .tcp_flags = 2 };
	const char *protocol = cli_option(cli, "protocol"),
		   *flags = cli_option(cli, "tcp-flags");
	bool has_from_port = false, has_to_port = false, has_ports;
	enum exit_code r;

	r = parse_end(cli, "from", &q.from, &q.from_port, &has_from_port);
	if (r == EXIT_YES)
		r = parse_end(cli, "to", &q.to, &q.to_port, &has_to_port);
	if (r != EXIT_YES)
		return r;
	if (q.from.family != q.to.family)
		return wrong("to", cli_option(cli, "to"), "of the family of --from");
	if (question_protocol(protocol ? protocol : "tcp", q.to.family, &q.protocol) < 0)
		return wrong("protocol", protocol,
			     "tcp, udp, icmp, icmpv6 or a number to 255");
	has_ports = q.protocol == IPPROTO_TCP || q.protocol == IPPROTO_UDP;
	if (!has_ports && (has_from_port || has_to_port)) {
		fprintf(stderr, "headgate explain: protocol %s has no ports\n", protocol);
		return EXIT_USAGE;
	}
	if (has_ports && !has_to_port)
		fprintf(stderr, "headgate explain: --to names no port; judging port 0\n");
	if (flags &&
	    (q.protocol != IPPROTO_TCP || question_tcp_flags(flags, &q.tcp_flags) < 0))
		return wrong("tcp-flags", flags,
			     "letters of FSRPAUEC for TCP, such as SA");
	r = parse_icmp(cli, &q);
	if (r != EXIT_YES)
		return r;
	q.in = cli_option(cli, "in");
	*ret = q;
	return EXIT_YES;
}

struct json *question_json(const struct question *q)
{
	static const char letters[] = "FSRPAUEC";
	struct json *j = json_new_object();
	char text[ADDR_TEXT], flags[9] = "";

	json_set_string(j, "from", addr_print(&q->from, text));
	json_set_number(j, "from_port", q->from_port);
	json_set_string(j, "to", addr_print(&q->to, text));
	json_set_number(j, "to_port", q->to_port);
	json_set_number(j, "protocol", q->protocol);
	if (q->icmp_type >= 0)
		json_set_number(j, "icmp_type", q->icmp_type);
	if (q->icmp_code >= 0)
		json_set_number(j, "icmp_code", q->icmp_code);
	if (q->in)
		json_set_string(j, "in", q->in);
	for (int i = 0, n = 0; i < 8; i++)
		if (q->tcp_flags & 1 << i)
			flags[n++] = letters[i];
	json_set_string(j, "tcp_flags", flags);
	return j;
}

/* What a question is refused for, without the pointer: it came from options. */
static enum exit_code say_refusal(const struct question *q, struct diag *diag, int error)
{
	size_t n;
	const struct complaint *list = diag_list(diag, &n);

	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "headgate explain: %s\n", list[i].text);
	if (n == 0)
		fprintf(stderr, "headgate explain: %s\n", strerror(-error));
	else if (!*list[0].pointer && !q->in)
		fprintf(stderr, "--in DEVICE names it.\n");
	return error == -ENOMEM ? EXIT_REFUSED : EXIT_USAGE;
}

static void say_assumed(const struct judge *judge)
{
	char text[ADDR_TEXT];
	struct addr a;
	const char *device = judge_assumed(judge, &a);

	if (device)
		fprintf(stderr,
			"headgate explain: %s is nobody's; it is taken for an address of "
			"%s\n",
			addr_print(&a, text), device);
}

/* One question to the agent. A question that it cannot read is wrong usage. */
static enum exit_code ask_agent(const struct cli *cli, const struct question *q,
				struct json **ret)
{
	_cleanup_(json_freep) struct json *question = question_json(q), *answer = NULL;
	_cleanup_free_ char *body = json_print(question, false);
	enum exit_code r;

	if (!body)
		return EXIT_REFUSED;
	r = api_call(cli,
		     &(struct call){ .method = "POST",
				     .path = "/v1/explain",
				     .body = body,
				     .size = strlen(body),
				     .wants_problem = true },
		     &answer);
	if (r != EXIT_YES)
		return r;
	if (!view_text(answer, "verdict")) {
		const struct json *first = json_first(json_get(answer, "complaints"));
		const char *text = view_text(first, "text"),
			   *at = view_text(first, "pointer");

		if (!text)
			text = view_text(answer, "title");
		fprintf(stderr, "headgate explain: %s\n",
			text ? text : "the agent has no answer");
		if (at && !*at && !q->in)
			fprintf(stderr, "--in DEVICE names it.\n");
		return EXIT_USAGE;
	}
	*ret = TAKE(answer);
	return EXIT_YES;
}

static enum exit_code ask(const struct cli *cli, const struct question *q,
			  struct json **forward, struct question *reverse,
			  struct json **back)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(judge_freep) struct judge *judge = NULL;
	const char *config = cli_option(cli, "config");
	enum exit_code r = EXIT_YES;
	int e = 0;

	if (!diag)
		return EXIT_REFUSED;
	if (config) {
		r = judge_new(config, &judge);
		if (r == EXIT_YES)
			e = judge_ask(judge, q, diag, forward);
	} else {
		r = ask_agent(cli, q, forward);
	}
	if (r != EXIT_YES)
		return r == EXIT_NO ? EXIT_USAGE : r; /* 1 would read as "dropped" */
	if (e < 0)
		return say_refusal(q, diag, e);
	if (judge)
		say_assumed(judge);
	if (!cli_flag(cli, "return") || !explain_is_allowed(*forward))
		return EXIT_YES;
	if (!judge)
		r = judge_new_agent(cli, &judge);
	if (r != EXIT_YES)
		return r == EXIT_NO ? EXIT_USAGE : r;
	e = judge_ask_return(judge, q, diag, reverse, back);
	return e < 0 ? say_refusal(q, diag, e) : EXIT_YES;
}

static enum exit_code explain_one(const struct cli *cli)
{
	_cleanup_(json_freep) struct json *forward = NULL, *back = NULL, *document = NULL;
	bool with_return = cli_flag(cli, "return"), is_allowed;
	struct question q, reverse;
	enum exit_code r;

	r = parse_question(cli, &q);
	if (r == EXIT_YES)
		r = ask(cli, &q, &forward, &reverse, &back);
	if (r != EXIT_YES)
		return r;
	is_allowed =
		explain_is_allowed(forward) && (!with_return || explain_is_allowed(back));
	if (cli->json) {
		document = with_return ? explain_pair(TAKE(forward), TAKE(back))
				       : TAKE(forward);
		view_print(document, true);
	} else {
		explain_print(cli, &q, forward, with_return, &reverse, back);
	}
	return is_allowed ? EXIT_YES : EXIT_NO;
}

enum exit_code cmd_explain(const struct cli *cli)
{
	static const char *const single[] = { "from",      "to",        "protocol", "in",
					      "icmp-type", "icmp-code", "tcp-flags" };
	const char *packets = cli_option(cli, "packets");

	if (!packets)
		return explain_one(cli);
	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		if (cli_option(cli, single[i])) {
			fprintf(stderr,
				"headgate explain: --%s goes without --packets: every "
				"line of the file "
				"says its own\n",
				single[i]);
			return EXIT_USAGE;
		}
	return explain_packets(cli, packets);
}
