/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "ctl/request.h"

void reply_json(struct reply *reply, int status, struct json *j)
{
	char *text = j ? json_print(j, false) : NULL;

	json_free(j);
	*reply = (struct reply){};
	if (!text)
		return;
	reply->status = status;
	reply->text = text;
	reply->size = strlen(text);
}

struct json *complaints_json(struct diag *diag)
{
	struct json *list = json_new_array();
	size_t n = 0;
	const struct complaint *c = diag ? diag_list(diag, &n) : NULL;

	for (size_t i = 0; i < n; i++) {
		struct json *j = json_add(list, json_new_object());

		json_set_string(j, "level",
				c[i].level == DIAG_ERROR ? "error" : "warning");
		json_set_string(j, "file", c[i].file);
		json_set_number(j, "line", c[i].line);
		json_set_number(j, "column", c[i].column);
		json_set_string(j, "pointer", c[i].pointer);
		json_set_string(j, "text", c[i].text);
	}
	return list;
}

void reply_problem_with(struct reply *reply, int status, struct diag *diag,
			struct json *extra, const char *title)
{
	struct json *j = json_new_object();

	json_set_string(j, "type", "about:blank");
	json_set_string(j, "title", title);
	json_set_number(j, "status", status);
	json_set_null(j, "detail");
	json_set(j, "complaints", complaints_json(diag));
	for (const struct json *v = json_first(extra); v; v = json_next(v))
		json_set(j, json_key(v), json_copy(v));
	json_free(extra);
	reply_json(reply, status, j);
	reply->type = "application/problem+json";
}

void reply_problem(struct reply *reply, int status, struct diag *diag, const char *format,
		   ...)
{
	char title[700];
	va_list args;

	va_start(args, format);
	vsnprintf(title, sizeof(title), format, args);
	va_end(args);
	reply_problem_with(reply, status, diag, NULL, title);
}

const struct model *request_model(const struct request *q, struct reply *reply)
{
	if (!q->agent->model)
		reply_problem(reply, 409, NULL, "no rule set is in force yet");
	return q->agent->model;
}
