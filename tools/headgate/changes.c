/* SPDX-License-Identifier: Apache-2.0 */
#include "changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/diff.h"
#include "config/json.h"
#include "table.h"

#define LINES_MAX 20 /* of one object */
#define TEXT_MAX  70 /* of one value */

struct lines {
	FILE *f;
	bool colour;
	unsigned n;
};

static void print_line(struct lines *l, char op, const char *pointer,
		       const struct json *value)
{
	_cleanup_free_ char *text = json_print(value, false);
	enum paint paint = op == '+' ? PAINT_GOOD : PAINT_BAD;

	if (l->n++ >= LINES_MAX || !text)
		return;
	if (strlen(text) > TEXT_MAX)
		strcpy(text + TEXT_MAX - 3, "...");
	fprintf(l->f, "    %s%c%s%s%s %s%s\n", paint_on(l->colour, paint), op,
		pointer[0] ? " " : "", pointer[0] ? pointer + 1 : "",
		pointer[0] ? ":" : "", text, paint_off(l->colour, paint));
}

static void values_print(struct lines *l, const char *pointer, const struct json *old,
			 const struct json *new);

static void members_print(struct lines *l, const char *pointer, const struct json *old,
			  const struct json *new)
{
	for (const struct json *v = json_first(old); v; v = json_next(v)) {
		_cleanup_free_ char *below = NULL;

		if (asprintf(&below, "%s/%s", pointer, json_key(v)) > 0)
			values_print(l, below, v, json_get(new, json_key(v)));
	}
	for (const struct json *v = json_first(new); v; v = json_next(v)) {
		_cleanup_free_ char *below = NULL;

		if (!json_get(old, json_key(v)) &&
		    asprintf(&below, "%s/%s", pointer, json_key(v)) > 0)
			values_print(l, below, NULL, v);
	}
}

static const struct json **elements(const struct json *array)
{
	const struct json **list = calloc(json_size(array) + 1, sizeof(*list));
	size_t i = 0;

	for (const struct json *v = json_first(array); list && v; v = json_next(v))
		list[i++] = v;
	return list;
}

/* What the arrays have in common at both ends is left out: an entry that was put in or
 * taken away shows as one line, and so does one that was changed. */
static void elements_print(struct lines *l, const char *pointer, const struct json *old,
			   const struct json *new)
{
	_cleanup_free_ const struct json **a = elements(old), **b = elements(new);
	size_t n = json_size(old), m = json_size(new), i = 0;

	if (!a || !b)
		return;
	while (i < n && i < m && json_equal(a[i], b[i]))
		i++;
	while (n > i && m > i && json_equal(a[n - 1], b[m - 1])) {
		n--;
		m--;
	}
	if (n == m && n - i <= LINES_MAX) { /* changed in place, as far as one can tell */
		for (size_t k = i; k < n; k++) {
			_cleanup_free_ char *below = NULL;

			if (asprintf(&below, "%s/%zu", pointer, k) > 0)
				values_print(l, below, a[k], b[k]);
		}
		return;
	}
	for (size_t k = i; k < n; k++)
		print_line(l, '-', pointer, a[k]);
	for (size_t k = i; k < m; k++)
		print_line(l, '+', pointer, b[k]);
}

static void values_print(struct lines *l, const char *pointer, const struct json *old,
			 const struct json *new)
{
	if (json_equal(old, new))
		return;
	if (json_is_object(old) && json_is_object(new)) {
		members_print(l, pointer, old, new);
	} else if (json_is_array(old) && json_is_array(new)) {
		elements_print(l, pointer, old, new);
	} else {
		if (old)
			print_line(l, '-', pointer, old);
		if (new)
			print_line(l, '+', pointer, new);
	}
}

/* What differs inside one object, a line each, at most a screenful. */
static void object_print(FILE *f, const struct json *old, const struct json *new,
			 bool colour)
{
	struct lines l = { .f = f, .colour = colour };

	values_print(&l, "", old, new);
	if (l.n > LINES_MAX)
		fprintf(f, "    ... and %u more\n", l.n - LINES_MAX);
}

void changes_print(FILE *f, const struct json *changes, const struct json *old,
		   const struct json *new, bool colour)
{
	static const enum paint paints[] = { PAINT_GOOD, PAINT_WARN, PAINT_BAD };
	static const char ops[] = "+~-";
	size_t n[3] = {};

	for (const struct json *c = json_first(changes); c; c = json_next(c)) {
		const char *op = json_string(json_get(c, "op"));
		const char *object = json_string(json_get(c, "object"));
		const char *at = op && *op ? strchr(ops, *op) : NULL;

		if (!at || !object)
			continue;
		n[at - ops]++;
		fprintf(f, "%s%c %s%s\n", paint_on(colour, paints[at - ops]), *at, object,
			paint_off(colour, paints[at - ops]));
		if (*at == '~' && old && new)
			object_print(f, diff_find(old, object), diff_find(new, object),
				     colour);
	}
	if (n[0] + n[1] + n[2] == 0)
		fputs("no changes\n", f);
	else
		fprintf(f, "%zu to add, %zu to change, %zu to remove\n", n[0], n[1],
			n[2]);
}
