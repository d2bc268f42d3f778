/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* http: one call to the agent, over its unix socket; docs/api.md has the paths.
 *
 * Shape    A call is answered whole, or in pieces to a callback as they come.
 * Owner    api_call() and api_get() hand out a tree that the caller frees.
 * Errors   Everything but success has been said on standard error, with what to do next,
 *          and is the exit code: no agent at the socket EXIT_NO_AGENT; no permission, 403
 *          and 5xx EXIT_REFUSED; 404, 405 and a wrong query EXIT_USAGE; other
 *          problems EXIT_NO.
 */
#include <stddef.h>
#include <stdlib.h>

#include "command.h"

struct json;

struct call {
	const char *method; /* NULL: GET */
	const char *path;   /* "/v1/rules", query included */
	const char *body;   /* NULL: none */
	size_t size;
	/* Pieces of a good answer. Not 0: hang up, and the call was good. NULL: the answer
	 * goes to 'ret'. */
	int (*on_data)(void *arg, const char *data, size_t size);
	void *arg;
	bool is_quiet; /* says nothing when there is no agent */
	/* Leaves problems of the documents to the caller: 400 is an answer like 200. */
	bool wants_problem;
};

struct reply {
	long status;
	char *body; /* NUL terminated; heap */
	size_t size;
};

static inline void reply_done(struct reply *r)
{
	free(r->body);
}

enum exit_code http_call(const struct cli *cli, const struct call *call,
			 struct reply *ret);
/* GET 'path': the tree. */
enum exit_code api_get(const struct cli *cli, const char *path, struct json **ret);
/* GET 'path' and print what comes, as it is: for --json. */
enum exit_code api_print(const struct cli *cli, const char *path);
enum exit_code api_call(const struct cli *cli, const struct call *call,
			struct json **ret);
/* Appends "?key=value" or "&key=value", escaped, to the path in 'buf'. */
void path_add(char *buf, size_t size, const char *key, const char *value);
/* Calls 'on_item' for every object of a stream of lines or of an array, as soon as it is
 * whole; zeroed memory is an empty splitter. */
struct splitter {
	char *text;
	size_t n, room;
	unsigned depth;
	bool in_string, is_escaped;
	int (*on_item)(void *arg, const struct json *item);
	void *arg;
};

int splitter_feed(void *splitter, const char *data, size_t size); /* an on_data */
void splitter_done(struct splitter *s);
