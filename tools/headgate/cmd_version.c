/* SPDX-License-Identifier: Apache-2.0 */
#include <hg/abi.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "config/json.h"
#include "config/read.h"
#include "http.h"

/* NULL: no agent answers, which is nobody's fault. */
static struct json *agent_version(const struct cli *cli)
{
	_cleanup_(reply_done) struct reply reply = {};
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	struct json *version = NULL;

	if (!diag ||
	    http_call(cli, &(struct call){ .path = "/v1/version", .is_quiet = true },
		      &reply) != EXIT_YES)
		return NULL;
	return json_read("", reply.body, reply.size, diag, &version) < 0 ? NULL : version;
}

enum exit_code cmd_version(const struct cli *cli)
{
	_cleanup_(json_freep) struct json *agent = agent_version(cli);
	_cleanup_(json_freep) struct json *document = NULL;
	_cleanup_free_ char *text = NULL;
	const char *name = json_string(json_get(agent, "agent"));

	if (cli->json) {
		document = json_new_object();
		json_set_string(document, "version", HG_VERSION);
		json_set_number(document, "abi", HG_ABI);
		json_set(document, "agent", agent ? TAKE(agent) : json_new_string(NULL));
		text = json_print(document, true);
		puts(text ? text : "");
		return EXIT_YES;
	}
	printf("headgate %s (abi %d)\n", HG_VERSION, HG_ABI);
	if (name)
		printf("headgated %s (abi %.0f, pid %.0f)\n", name,
		       json_number(json_get(agent, "abi")),
		       json_number(json_get(agent, "pid")));
	else
		printf("no agent at %s\n", cli->socket);
	return EXIT_YES;
}

enum exit_code cmd_schema(const struct cli *cli)
{
	_cleanup_free_ char *schema = config_schema();

	(void)cli;
	if (!schema) {
		fprintf(stderr, "headgate schema: out of memory\n");
		return EXIT_REFUSED;
	}
	puts(schema);
	return EXIT_YES;
}
