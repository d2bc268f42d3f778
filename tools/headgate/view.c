/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"

const char *view_text(const struct json *object, const char *key)
{
	return json_string(json_get(object, key));
}

uint64_t view_number(const struct json *value)
{
	const char *digits = json_string(value);
	double n = json_number(value);

	if (digits)
		return strtoull(digits, NULL, 10);
	return n > 0 ? (uint64_t)n : 0;
}

uint64_t view_count(const struct json *object, const char *key)
{
	return view_number(json_get(object, key));
}

const char *view_list(const struct json *array, size_t max, char buf[static VIEW_TEXT])
{
	size_t n = 0, at = 0;

	buf[0] = '\0';
	for (const struct json *v = json_first(array); v; v = json_next(v)) {
		const char *text = json_string(v);

		if (!text)
			continue;
		if (n == max || at + strlen(text) + 16 > VIEW_TEXT) {
			snprintf(buf + at, VIEW_TEXT - at, "+%zu", json_size(array) - n);
			break;
		}
		at += snprintf(buf + at, VIEW_TEXT - at, "%s%s", n++ ? "," : "", text);
	}
	return buf;
}

const char *view_end(const struct json *object, const char *end,
		     char buf[static VIEW_TEXT])
{
	const char *address = view_text(object, end);
	const struct json *port;
	char key[32];

	snprintf(key, sizeof(key), "%s_port", end);
	port = json_get(object, key);
	if (!address)
		buf[0] = '\0';
	else if (!json_is_number(port))
		snprintf(buf, VIEW_TEXT, "%s", address);
	else
		snprintf(buf, VIEW_TEXT, strchr(address, ':') ? "[%s]:%.0f" : "%s:%.0f",
			 address, json_number(port));
	return buf;
}

void view_print(const struct json *j, int is_pretty)
{
	_cleanup_free_ char *text = json_print(j, is_pretty);

	puts(text ? text : "null");
}
