/* SPDX-License-Identifier: Apache-2.0 */

/* The agent's streams, cut into pieces as a socket may cut them. */
#include "tools/headgate/http.h"

#include <stdio.h>
#include <string.h>

#include "config/json.h"
#include "tests/lib/tap.h"

static char seen[256];
static int limit;

static int on_item(void *arg, const struct json *item)
{
	char *text = json_print(item, false);

	(void)arg;
	strncat(seen, text, sizeof(seen) - strlen(seen) - 2);
	strcat(seen, ";");
	free(text);
	return limit && --limit == 0;
}

static const struct {
	const char *says, *text, *want;
} streams[] = {
	{ "lines", "{\"a\":1}\n{\"b\":2}\n", "{\"a\":1};{\"b\":2};" },
	{ "an array", "[ {\"a\":1},{\"b\":[{}]} ]\n", "{\"a\":1};{\"b\":[{}]};" },
	{ "an empty array", "[]\n", "" },
	{ "braces and quotes inside strings", "{\"a\":\"}\\\"{[\"}\n",
	  "{\"a\":\"}\\\"{[\"};" },
	{ "a backslash before the last quote", "{\"a\":\"\\\\\"}{\"b\":1}",
	  "{\"a\":\"\\\\\"};{\"b\":1};" },
	{ "a piece that is no JSON is left out", "{oops}\n{\"a\":1}\n", "{\"a\":1};" },
	{ "an object that does not end", "{\"a\":1}{\"b\":", "{\"a\":1};" },
};

static void test_splitter(void)
{
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		size_t n = strlen(streams[i].text);

		for (size_t piece = 1; piece <= n; piece += piece < 3 ? 1 : n) {
			struct splitter s = { .on_item = on_item };

			seen[0] = '\0';
			for (size_t at = 0; at < n; at += piece)
				splitter_feed(&s, streams[i].text + at,
					      n - at < piece ? n - at : piece);
			splitter_done(&s);
			is_str(seen, streams[i].want, "%s, %zu bytes at once",
			       streams[i].says, piece);
		}
	}
}

static void test_enough(void)
{
	struct splitter s = { .on_item = on_item };

	seen[0] = '\0';
	limit = 1;
	is(splitter_feed(&s, "{}{}", 4), 1, "a reader who has enough hangs up");
	is_str(seen, "{};", "and hears no more");
	splitter_done(&s);
}

static void test_path(void)
{
	char path[64] = "/v1/flows";

	path_add(path, sizeof(path), "src", "10.0.0.0/8");
	path_add(path, sizeof(path), "name", "a&b=c d%");
	is_str(path, "/v1/flows?src=10.0.0.0/8&name=a%26b%3Dc%20d%25",
	       "values are escaped where a query would break");
}

int main(void)
{
	test_splitter();
	test_enough();
	test_path();
	return done();
}
