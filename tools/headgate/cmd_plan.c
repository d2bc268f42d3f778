/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "changes.h"
#include "config/diff.h"
#include "config/json.h"
#include "http.h"
#include "rules.h"

/* The document in force, for the details of a plan; NULL where there is none. */
static struct json *document_in_force(const struct cli *cli)
{
	_cleanup_(reply_done) struct reply reply = {};
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	struct json *document = NULL;

	if (!diag ||
	    http_call(cli, &(struct call){ .path = "/v1/rules", .is_quiet = true },
		      &reply) != EXIT_YES)
		return NULL;
	return json_read("", reply.body, reply.size, diag, &document) < 0 ? NULL
									  : document;
}

/* The agent's plan, and what it compared with. */
static enum exit_code ask_agent(const struct cli *cli, const struct rules *rules,
				struct json **ret_plan, struct json **ret_old)
{
	char path[1024] = "/v1/plan";
	enum exit_code r;

	path_add(path, sizeof(path), "name", rules->name);
	r = api_call(cli,
		     &(struct call){ .method = "POST",
				     .path = path,
				     .body = rules->text,
				     .size = rules->size },
		     ret_plan);
	if (r == EXIT_YES && !cli->json)
		*ret_old = document_in_force(cli);
	return r;
}

static enum exit_code compare(const struct cli *cli, const char *against,
			      const struct rules *rules, struct json **ret_plan,
			      struct json **ret_old)
{
	struct rules old = {};
	struct json *changes;
	enum exit_code r;

	if (!against)
		return ask_agent(cli, rules, ret_plan, ret_old);
	r = rules_get(against, RULES_DOCUMENT, &old);
	if (r != EXIT_YES)
		return r;
	changes = diff_documents(old.document, rules->document);
	if (changes) {
		*ret_plan = json_new_object();
		json_set(*ret_plan, "changes", changes);
		*ret_old = TAKE(old.document);
	} else {
		fprintf(stderr, "headgate: %s\n", strerror(ENOMEM));
		r = EXIT_REFUSED;
	}
	rules_done(&old);
	return r;
}

enum exit_code cmd_plan(const struct cli *cli)
{
	_cleanup_(json_freep) struct json *plan = NULL, *old = NULL;
	_cleanup_free_ char *text = NULL;
	struct rules rules = {};
	const struct json *changes;
	enum exit_code r;

	r = rules_get(cli->args[0], RULES_DOCUMENT, &rules);
	if (r != EXIT_YES)
		return r;
	r = compare(cli, cli_option(cli, "against"), &rules, &plan, &old);
	if (r == EXIT_YES) {
		changes = json_get(plan, "changes");
		if (cli->json) {
			text = json_print(plan, true);
			puts(text ? text : "");
		} else {
			changes_print(stdout, changes, old, rules.document, cli->colour);
		}
		r = json_size(changes) > 0 ? EXIT_NO : EXIT_YES;
	}
	rules_done(&rules);
	return r;
}
