/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "applied.h"
#include "args.h"
#include "base/cleanup.h"
#include "config/json.h"
#include "http.h"
#include "table.h"

static const char *text_of(const struct json *j, const char *key)
{
	return json_string(json_get(j, key));
}

static void add_changes(struct table *t, const struct json *version)
{
	const struct json *changes = json_get(version, "changes");
	size_t n = 0, rest = json_size(changes);
	char text[128] = "";

	for (const struct json *c = json_first(changes); c && n < 3; c = json_next(c)) {
		size_t at = strlen(text);

		if (!text_of(c, "op") || !text_of(c, "object"))
			continue;
		snprintf(text + at, sizeof(text) - at, "%s%s%s", n ? ", " : "",
			 text_of(c, "op"), text_of(c, "object"));
		n++;
	}
	if (rest > n)
		table_cell(t, "%s, %zu more%s", text, rest - n,
			   json_bool(json_get(version, "changes_truncated")) ? " at least"
									     : "");
	else
		table_text(t, text, PAINT_NONE);
}

static void add_who(struct table *t, const struct json *version)
{
	const struct json *uid = json_get(version, "uid");
	const struct passwd *user =
		json_is_number(uid) ? getpwuid((uid_t)json_number(uid)) : NULL;

	if (user)
		table_text(t, user->pw_name, PAINT_NONE);
	else if (json_is_number(uid))
		table_cell(t, "%.0f", json_number(uid));
	else
		table_text(t, NULL, PAINT_NONE);
}

static void add_version(struct table *t, const struct json *v)
{
	bool is_current = json_bool(json_get(v, "current"));
	const struct json *of = json_get(v, "of");
	const char *confirm_by = text_of(v, "confirm_by");

	table_cell(t, "%s%.0f", is_current ? "*" : "",
		   json_number(json_get(v, "version")));
	table_text(t, text_of(v, "time"), PAINT_NONE);
	add_who(t, v);
	if (json_is_number(of))
		table_cell(t, "%s to %.0f", text_of(v, "action"), json_number(of));
	else
		table_text(t, text_of(v, "action"), PAINT_NONE);
	table_text(t, text_of(v, "name"), PAINT_NONE);
	if (confirm_by)
		table_text(t, confirm_by, PAINT_WARN);
	else
		table_text(t, NULL, PAINT_NONE);
	add_changes(t, v);
}

enum exit_code cmd_history(const struct cli *cli)
{
	static const char *const heads[] = { ">VERSION", "TIME", "BY",
					     "ACTION",   "NAME", "CONFIRM BY",
					     "CHANGES",  NULL };
	_cleanup_(table_freep) struct table *t = NULL;
	_cleanup_(json_freep) struct json *history = NULL;
	enum exit_code r;

	if (cli->json)
		return api_print(cli, "/v1/history");
	r = api_get(cli, "/v1/history", &history);
	if (r != EXIT_YES)
		return r;
	t = table_new(heads, cli->colour);
	for (const struct json *v = json_first(history); t && v; v = json_next(v))
		add_version(t, v);
	if (t)
		table_print(t, stdout);
	return EXIT_YES;
}

enum exit_code cmd_confirm(const struct cli *cli)
{
	_cleanup_(json_freep) struct json *answer = NULL;
	enum exit_code r;

	r = api_call(cli, &(struct call){ .method = "POST", .path = "/v1/confirm" },
		     &answer);
	if (r != EXIT_YES)
		return r;
	if (cli->json)
		return applied_show(cli, answer);
	printf("version %.0f stays in force\n", json_number(json_get(answer, "version")));
	return EXIT_YES;
}

enum exit_code cmd_rollback(const struct cli *cli)
{
	_cleanup_(json_freep) struct json *answer = NULL;
	char body[32] = "";
	unsigned version;
	enum exit_code r;

	if (cli->n_args > 0) {
		if (count_parse(cli->args[0], UINT32_MAX, &version) < 0 || version == 0) {
			fprintf(stderr,
				"headgate rollback: \"%s\" is no version; headgate "
				"history lists "
				"them\n",
				cli->args[0]);
			return EXIT_USAGE;
		}
		snprintf(body, sizeof(body), "{\"version\":%u}", version);
	}
	r = api_call(cli,
		     &(struct call){ .method = "POST",
				     .path = "/v1/rollback",
				     .body = body,
				     .size = strlen(body) },
		     &answer);
	return r == EXIT_YES ? applied_show(cli, answer) : r;
}
