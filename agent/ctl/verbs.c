/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <hg/abi.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/explain.h"
#include "config/diff.h"
#include "config/json.h"
#include "config/read.h"
#include "ctl/proto.h"
#include "ctl/request.h"

static const char *document_name(const struct request *q)
{
	const char *name = request_query(q, "name");

	return name ? name : "";
}

static void reply_complaints(struct reply *reply, struct diag *diag, const char *what)
{
	size_t n = diag_errors(diag);

	reply_problem(reply, 400, diag, "%s has %zu error%s", what, n, n == 1 ? "" : "s");
}

/* ---- rule sets ---- */

void verb_rules_get(const struct request *q, struct reply *reply)
{
	struct agent *a = q->agent;
	uint32_t version;
	int r;

	if (!request_number(q, "version", UINT32_MAX, a->version, &version)) {
		reply_problem(reply, 400, NULL, "\"version\" is not a number");
		return;
	}
	if (version == 0) {
		reply_problem(reply, 409, NULL, "no rule set is in force yet");
		return;
	}
	r = history_text(a->history, version, &reply->text, &reply->size);
	if (r < 0) {
		reply_problem(reply, 404, NULL, "version %u is not in the history",
			      version);
		return;
	}
	reply->status = 200;
	reply->version = version;
}

static void reply_applied(struct reply *reply, int r, const struct refusal *refusal,
			  struct diag *diag, struct json *answer)
{
	if (r < 0) {
		reply_problem(reply, refusal->status, diag, "%s", refusal->title);
		return;
	}
	json_set(answer, "complaints", complaints_json(diag));
	reply_json(reply, 200, answer);
}

void verb_rules_put(const struct request *q, struct reply *reply)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	struct refusal refusal = {};
	struct json *answer = NULL;
	struct apply apply = {
		.text = q->body,
		.size = q->size,
		.name = document_name(q),
		.action = "apply",
		.of = -1,
		.author = q->author,
	};
	int r;

	if (!diag)
		return;
	if (!request_number(q, "confirm_within", PROTO_MAX_CONFIRM, 0,
			    &apply.confirm_within) ||
	    (request_query(q, "confirm_within") && !apply.confirm_within)) {
		reply_problem(reply, 400, NULL,
			      "\"confirm_within\" must be 1 to %d seconds",
			      PROTO_MAX_CONFIRM);
		return;
	}
	r = agent_apply(q->agent, &apply, diag, &refusal, &answer);
	reply_applied(reply, r, &refusal, diag, answer);
}

void verb_rollback(const struct request *q, struct reply *reply)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *body = NULL;
	struct refusal refusal = {};
	struct json *answer = NULL;
	int64_t version = 0;
	int r;

	if (!diag)
		return;
	if (q->size) {
		if (json_read("", q->body, q->size, diag, &body) < 0) {
			reply_complaints(reply, diag, "the body");
			return;
		}
		if (!json_is_object(body) ||
		    (json_get(body, "version") &&
		     (json_integer(json_get(body, "version"), &version) < 0 ||
		      version < 1 || version > UINT32_MAX))) {
			reply_problem(reply, 400, NULL, "\"version\" is not a version");
			return;
		}
	}
	r = agent_rollback(q->agent, (uint32_t)version, &q->author, diag, &refusal,
			   &answer);
	reply_applied(reply, r, &refusal, diag, answer);
}

void verb_confirm(const struct request *q, struct reply *reply)
{
	struct json *answer;
	int r;

	r = agent_confirm(q->agent);
	if (r == -ENOENT) {
		reply_problem(reply, 409, NULL, "no version waits for a confirmation");
		return;
	}
	if (r < 0) {
		reply_problem(reply, 500, NULL, "cannot write to the state directory: %s",
			      strerror(-r));
		return;
	}
	answer = json_new_object();
	json_set_number(answer, "version", q->agent->version);
	reply_json(reply, 200, answer);
}

void verb_check(const struct request *q, struct reply *reply)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(model_freep) struct model *model = NULL;
	_cleanup_(image_freep) struct image *image = NULL;
	struct facts facts = {};
	struct json *answer;
	int r;

	if (!diag)
		return;
	r = config_read_text(document_name(q), q->body, q->size, NULL, diag, &model);
	if (r == 0) {
		config_warn(model, diag);
		r = image_compile(model, &facts, diag, &image);
	}
	if (r == -ENOMEM)
		return;
	answer = json_new_object();
	json_set_bool(answer, "valid", r == 0);
	json_set(answer, "complaints", complaints_json(diag));
	reply_json(reply, 200, answer);
}

void verb_plan(const struct request *q, struct reply *reply)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(model_freep) struct model *model = NULL;
	_cleanup_(json_freep) struct json *old = NULL, *new = NULL;
	const char *name = document_name(q);
	struct agent *a = q->agent;
	struct json *answer, *changes;

	if (!diag)
		return;
	if (config_read_text(name, q->body, q->size, NULL, diag, &model) < 0 ||
	    json_read(name, q->body, q->size, diag, &new) < 0) {
		reply_complaints(reply, diag, "the rule set");
		return;
	}
	if (a->text)
		json_read("", a->text, a->text_size, diag, &old);
	changes = diff_documents(old, new);
	if (!changes)
		return;
	answer = json_new_object();
	json_set(answer, "changes", changes);
	reply_json(reply, 200, answer);
}

void verb_history(const struct request *q, struct reply *reply)
{
	struct pending pending = history_pending(q->agent->history);
	struct json *list = history_list(q->agent->history);
	struct json *whole = json_new_array();

	for (const struct json *v = json_first(list); v; v = json_next(v)) {
		struct json *entry = json_add(whole, json_new_object());
		double version = json_number(json_get(v, "version"));
		const char *by = json_string(json_get(v, "confirm_by"));

		for (const struct json *m = json_first(v); m; m = json_next(m))
			if (strcmp(json_key(m), "confirm_by") != 0)
				json_set(entry, json_key(m), json_copy(m));
		json_set_bool(entry, "current", version == q->agent->version);
		/* Others wait no longer, or never did. */
		json_set_string(entry, "confirm_by",
				version == pending.version ? by : NULL);
	}
	json_free(list);
	reply_json(reply, 200, whole);
}

void verb_version(const struct request *q, struct reply *reply)
{
	struct json *answer = json_new_object();

	(void)q;
	json_set_string(answer, "agent", HG_VERSION);
	json_set_number(answer, "abi", HG_ABI);
	json_set_number(answer, "pid", getpid());
	reply_json(reply, 200, answer);
}

/* ---- explain ---- */

/* NULL, with the reason in 'diag' or in '*ret_error'. */
static struct json *question_answer(struct agent *a, const struct image *image,
				    const struct json *question, struct diag *diag)
{
	uint8_t frame[EXPLAIN_FRAME];
	uint32_t device, door;
	struct hg_trace trace;
	struct question q = {};
	size_t size;
	int r;

	r = question_read(question, diag, &q);
	if (r == 0)
		r = explain_frame(&q, image, a->model, diag, frame, &size, &device,
				  &door);
	if (r < 0)
		return NULL;
	r = dataplane_explain(a->dp, device, door, frame, size, &trace);
	if (r < 0) {
		diag_add(diag, DIAG_ERROR, "", 0, 0, "",
			 "the kernel did not run the program: %s", strerror(-r));
		return NULL;
	}
	return explain_answer(&q, &trace, image, a->model);
}

static void explain_many(struct agent *a, const struct image *image,
			 const struct json *questions, struct reply *reply)
{
	struct json *answer, *answers;

	if (!json_is_array(questions) || json_size(questions) > PROTO_MAX_QUESTIONS) {
		reply_problem(reply, 400, NULL,
			      "\"packets\" must be an array of at most %d questions",
			      PROTO_MAX_QUESTIONS);
		return;
	}
	answer = json_new_object();
	answers = json_set(answer, "answers", json_new_array());
	for (const struct json *v = json_first(questions); v; v = json_next(v)) {
		_cleanup_(diag_freep) struct diag *diag = diag_new();
		struct json *one = diag ? question_answer(a, image, v, diag) : NULL;
		size_t n = 0;

		if (!one) {
			const struct complaint *c = diag ? diag_list(diag, &n) : NULL;

			one = json_new_object();
			json_set_string(one, "error",
					n ? c[0].text : "not enough memory");
		}
		json_add(answers, one);
	}
	reply_json(reply, 200, answer);
}

void verb_explain(const struct request *q, struct reply *reply)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *body = NULL;
	struct agent *a = q->agent;
	struct image image = dataplane_image(a->dp);
	struct json *answer;
	size_t n;

	if (!diag)
		return;
	if (!image.lines || !a->model) {
		reply_problem(reply, 409, NULL, "no rule set is in force yet");
		return;
	}
	if (json_read("", q->body, q->size, diag, &body) < 0) {
		reply_complaints(reply, diag, "the question");
		return;
	}
	if (json_get(body, "packets")) {
		explain_many(a, &image, json_get(body, "packets"), reply);
		return;
	}
	answer = question_answer(a, &image, body, diag);
	if (!answer) {
		const struct complaint *c = diag_list(diag, &n);

		reply_problem(reply, n ? 400 : 500, diag, "%s",
			      n ? c[0].text : "not enough memory");
		return;
	}
	reply_json(reply, 200, answer);
}
