/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "applied.h"
#include "args.h"
#include "base/cleanup.h"
#include "config/json.h"
#include "http.h"
#include "rules.h"

#define CONFIRM_MAX 86400

static size_t count(const struct json *changes, const char *op)
{
	size_t n = 0;

	for (const struct json *c = json_first(changes); c; c = json_next(c)) {
		const char *text = json_string(json_get(c, "op"));

		n += text && strcmp(text, op) == 0;
	}
	return n;
}

static void print_waiting(const struct json *waiting)
{
	for (const struct json *w = json_first(waiting); w; w = json_next(w))
		if (json_string(w))
			printf("waiting for device %s: it is attached when it appears\n",
			       json_string(w));
}

/* What the agent alone knows. Complaints about the text, which have a place, were printed
 * when it was read here. */
static void print_warnings(const struct json *complaints)
{
	for (const struct json *c = json_first(complaints); c; c = json_next(c))
		if (json_number(json_get(c, "line")) == 0)
			fprintf(stderr, "warning: %s: %s\n",
				json_string(json_get(c, "pointer")),
				json_string(json_get(c, "text")));
}

void applied_print(const struct json *answer)
{
	const struct json *changes = json_get(answer, "changes");
	const struct json *previous = json_get(answer, "previous");
	const struct json *within = json_get(answer, "confirm_within");
	const struct json *of = json_get(answer, "of");

	printf("version %.0f is in force", json_number(json_get(answer, "version")));
	if (json_is_number(of))
		printf(", the rules of version %.0f", json_number(of));
	if (json_is_number(previous))
		printf(" (was %.0f)", json_number(previous));
	if (json_size(changes) == 0)
		printf(": no changes\n");
	else
		printf(": %zu added, %zu changed, %zu removed\n", count(changes, "+"),
		       count(changes, "~"), count(changes, "-"));
	print_waiting(json_get(answer, "waiting"));
	print_warnings(json_get(answer, "complaints"));
	if (json_is_number(within))
		printf("unless \"headgate confirm\" is typed within %.0f seconds, the "
		       "previous "
		       "rules come back\n",
		       json_number(within));
}

enum exit_code applied_show(const struct cli *cli, const struct json *answer)
{
	_cleanup_free_ char *text = NULL;

	if (cli->json) {
		text = json_print(answer, true);
		puts(text ? text : "");
	} else {
		applied_print(answer);
	}
	return EXIT_YES;
}

enum exit_code cmd_apply(const struct cli *cli)
{
	_cleanup_(json_freep) struct json *answer = NULL;
	const char *within = cli_option(cli, "confirm-within");
	char path[1024] = "/v1/rules", seconds_text[16];
	struct rules rules = {};
	unsigned seconds;
	enum exit_code r;

	if (within && seconds_parse(within, CONFIRM_MAX, &seconds) < 0) {
		fprintf(stderr,
			"headgate apply: --confirm-within %s: not a time such as 60s, 5m "
			"or 2h, "
			"at most 24h\n",
			within);
		return EXIT_USAGE;
	}
	r = rules_get(cli->args[0], RULES_DOCUMENT, &rules);
	if (r != EXIT_YES)
		return r;
	path_add(path, sizeof(path), "name", rules.name);
	if (within) {
		snprintf(seconds_text, sizeof(seconds_text), "%u", seconds);
		path_add(path, sizeof(path), "confirm_within", seconds_text);
	}
	r = api_call(cli,
		     &(struct call){ .method = "PUT",
				     .path = path,
				     .body = rules.text,
				     .size = rules.size },
		     &answer);
	rules_done(&rules);
	return r == EXIT_YES ? applied_show(cli, answer) : r;
}
