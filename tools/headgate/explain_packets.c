/* SPDX-License-Identifier: Apache-2.0 */

/* A million questions are read, judged and answered a line at a time, or with an agent in
 * batches of one call each; memory does not grow with the file. A line that cannot be read
 * is answered by { "error": sentence } in its place, so that answers and lines can be laid
 * side by side.
 */
#include <errno.h>
#include <hg/limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "config/json.h"
#include "explain.h"
#include "http.h"
#include "judge.h"
#include "view.h"

#define BATCH 1000 /* questions a call; the agent takes 10000 */

struct packets {
	const struct cli *cli;
	const char *name;
	FILE *f;
	struct judge *judge;
	bool asks_agent, with_return;
	size_t line, n_bad;
	enum exit_code code; /* of the machine: stops the run */
	/* A batch: one entry a line, NULL where the line could not be read. */
	VEC(struct json *) questions;
	VEC(char *) errors;
};

static void print_error(const char *text)
{
	_cleanup_(json_freep) struct json *j = json_new_object();

	json_set_string(j, "error", text);
	view_print(j, false);
}

/* The complaints of one line on standard error, and the first as its answer. Heap. */
static char *say_bad(struct packets *p, struct diag *diag)
{
	size_t n;
	const struct complaint *list = diag_list(diag, &n);

	p->n_bad++;
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%s:%zu:%u: %s%s%s\n", p->name, p->line,
			list[i].column ? list[i].column : 1, list[i].pointer,
			*list[i].pointer ? ": " : "", list[i].text);
	return strdup(n ? list[0].text : "out of memory");
}

/* Judges here, and prints. -EINVAL with a complaint. */
static int answer_here(struct packets *p, const struct json *typed, struct diag *diag)
{
	_cleanup_(json_freep) struct json *forward = NULL, *back = NULL, *pair = NULL;
	struct question q;
	int r;

	r = question_read(typed, diag, &q);
	if (r == 0)
		r = judge_ask(p->judge, &q, diag, &forward);
	if (r == 0 && p->with_return && explain_is_allowed(forward))
		r = judge_ask_return(p->judge, &q, diag, NULL, &back);
	if (r < 0)
		return r;
	if (p->with_return)
		pair = explain_pair(TAKE(forward), TAKE(back));
	view_print(pair ? pair : forward, false);
	return 0;
}

/* The agent's answers to what the batch holds, in its order. */
static void batch_send(struct packets *p, struct json **ret_answers)
{
	_cleanup_(json_freep) struct json *body = json_new_object();
	_cleanup_free_ char *text = NULL;
	struct json *list = json_set(body, "packets", json_new_array());

	for (size_t i = 0; i < p->questions.n; i++)
		if (p->questions.items[i])
			json_add(list, json_copy(p->questions.items[i]));
	if (json_size(list) == 0)
		return;
	text = json_print(body, false);
	p->code = api_call(p->cli,
			   &(struct call){ .method = "POST",
					   .path = "/v1/explain",
					   .body = text,
					   .size = text ? strlen(text) : 0 },
			   ret_answers);
}

/* One answer of the agent, with the way back by our own judge. */
static void print_agent_answer(struct packets *p, const struct json *typed,
			       const struct json *answer)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *back = NULL, *pair = NULL;
	const char *error = view_text(answer, "error");
	struct question q;

	if (!answer || error) {
		p->n_bad++;
		print_error(error ? error : "the agent has no answer");
		return;
	}
	if (!p->with_return) {
		view_print(answer, false);
		return;
	}
	if (explain_is_allowed(answer) && diag && question_read(typed, diag, &q) == 0)
		(void)judge_ask_return(p->judge, &q, diag, NULL, &back);
	pair = explain_pair(json_copy(answer), TAKE(back));
	view_print(pair, false);
}

static void batch_flush(struct packets *p)
{
	_cleanup_(json_freep) struct json *answers = NULL;
	const struct json *answer;

	batch_send(p, &answers);
	answer = json_first(json_get(answers, "answers"));
	for (size_t i = 0; i < p->questions.n; i++) {
		if (p->code == EXIT_YES && !p->questions.items[i]) {
			print_error(p->errors.items[i]);
		} else if (p->code == EXIT_YES) {
			print_agent_answer(p, p->questions.items[i], answer);
			answer = answer ? json_next(answer) : NULL;
		}
		json_free(p->questions.items[i]);
		free(p->errors.items[i]);
	}
	p->questions.n = p->errors.n = 0;
}

static void batch_add(struct packets *p, struct json *typed, char *error)
{
	if (!vec_push(&p->questions, typed)) {
		json_free(typed);
		free(error);
		p->code = EXIT_REFUSED;
		return;
	}
	if (!vec_push(&p->errors, error)) {
		free(error);
		p->code = EXIT_REFUSED;
		json_free(p->questions.items[--p->questions.n]);
		return;
	}
	if (p->questions.n == BATCH)
		batch_flush(p);
}

static void read_one(struct packets *p, const char *text, size_t size)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *typed = NULL;
	_cleanup_free_ char *error = NULL;
	struct question q;
	int r;

	if (!diag) {
		p->code = EXIT_REFUSED;
		return;
	}
	r = json_read(p->name, text, size, diag, &typed);
	if (r == 0)
		r = p->asks_agent ? question_read(typed, diag, &q)
				  : answer_here(p, typed, diag);
	if (r == -ENOMEM) {
		fprintf(stderr, "headgate explain: out of memory\n");
		p->code = EXIT_REFUSED;
		return;
	}
	if (r < 0)
		error = say_bad(p, diag);
	if (p->asks_agent) {
		if (r < 0) {
			json_free(typed);
			typed = NULL;
		}
		batch_add(p, TAKE(typed), TAKE(error));
	} else if (r < 0) {
		print_error(error);
	}
}

static enum exit_code open_judge(struct packets *p)
{
	const char *config = cli_option(p->cli, "config");

	p->with_return = cli_flag(p->cli, "return");
	p->asks_agent = !config;
	if (config)
		return judge_new(config, &p->judge);
	return p->with_return ? judge_new_agent(p->cli, &p->judge) : EXIT_YES;
}

enum exit_code explain_packets(const struct cli *cli, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct packets p = { .cli = cli, .name = is_stdin ? "stdin" : path };
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t n;

	p.f = is_stdin ? stdin : fopen(path, "re");
	if (!p.f) {
		fprintf(stderr, "headgate explain: %s: %s\n", path, strerror(errno));
		return EXIT_USAGE;
	}
	p.code = open_judge(&p);
	if (p.code == EXIT_NO)
		p.code = EXIT_USAGE;
	while (p.code == EXIT_YES && (n = getline(&line, &room, p.f)) >= 0) {
		p.line++;
		if (line[strspn(line, " \t\r\n")])
			read_one(&p, line, n);
	}
	batch_flush(&p);
	vec_done(&p.questions);
	vec_done(&p.errors);
	judge_free(p.judge);
	if (!is_stdin)
		fclose(p.f);
	if (p.code == EXIT_YES && p.n_bad > 0) {
		fprintf(stderr,
			"headgate explain: %zu of %zu lines could not be judged\n",
			p.n_bad, p.line);
		return EXIT_USAGE;
	}
	return p.code;
}
