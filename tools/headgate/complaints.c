/* SPDX-License-Identifier: Apache-2.0 */
#include "complaints.h"

#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"

static void print_one(FILE *f, const struct complaint *c)
{
	_cleanup_free_ char *text = complaint_print(c);

	if (text)
		fprintf(f, "%s\n", text);
}

void complaints_print(FILE *f, struct diag *diag, bool with_warnings)
{
	const struct complaint *list;
	size_t n, all;

	list = diag_list(diag, &n);
	for (size_t i = 0; i < n; i++)
		if (with_warnings || list[i].level == DIAG_ERROR)
			print_one(f, &list[i]);
	all = diag_errors(diag) + diag_warnings(diag);
	if (all > n)
		fprintf(f, "... and %zu more\n", all - n);
}

struct json *complaints_json(struct diag *diag)
{
	struct json *array = json_new_array();
	const struct complaint *list;
	size_t n;

	list = diag_list(diag, &n);
	for (size_t i = 0; i < n; i++) {
		struct json *c = json_new_object();

		json_set_string(c, "level",
				list[i].level == DIAG_ERROR ? "error" : "warning");
		json_set_string(c, "file", list[i].file);
		json_set_number(c, "line", list[i].line);
		json_set_number(c, "column", list[i].column);
		json_set_string(c, "pointer", list[i].pointer);
		json_set_string(c, "text", list[i].text);
		json_add(array, c);
	}
	return array;
}

static const char *text_of(const struct json *j, const char *key)
{
	const char *text = json_string(json_get(j, key));

	return text ? text : "";
}

void complaints_print_json(FILE *f, const struct json *complaints)
{
	for (const struct json *c = json_first(complaints); c; c = json_next(c)) {
		bool is_warning = strcmp(text_of(c, "level"), "warning") == 0;

		print_one(f, &(struct complaint){
				     .level = is_warning ? DIAG_WARNING : DIAG_ERROR,
				     .file = text_of(c, "file"),
				     .line = json_number(json_get(c, "line")),
				     .column = json_number(json_get(c, "column")),
				     .pointer = text_of(c, "pointer"),
				     .text = text_of(c, "text"),
			     });
	}
}

const char *complaints_count(size_t errors, size_t warnings, char buf[static 64])
{
	int n = 0;

	buf[0] = '\0';
	if (errors || !warnings)
		n = snprintf(buf, 64, "%zu error%s", errors, errors == 1 ? "" : "s");
	if (warnings)
		snprintf(buf + n, 64 - n, "%s%zu warning%s", n ? ", " : "", warnings,
			 warnings == 1 ? "" : "s");
	return buf;
}
