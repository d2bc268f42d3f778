/* SPDX-License-Identifier: Apache-2.0 */
#include "diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "config/json.h"
#include "table.h"

#define LINES_MAX 20 /* of one object */
#define TEXT_MAX  70 /* of one value */

static const struct section {
	const char *key, *kind;
} sections[] = {
	{ "interfaces", "interface" },
	{ "network_acls", "network_acl" },
	{ "prefix_lists", "prefix_list" },
	{ "security_groups", "security_group" },
	{ "settings", NULL }, /* one object, not a set of them */
	{ "subnets", "subnet" },
	{ "vpcs", "vpc" },
};

static bool equal(const struct json *a, const struct json *b);

static bool equal_objects(const struct json *a, const struct json *b)
{
	for (const struct json *v = json_first(a); v; v = json_next(v))
		if (!equal(v, json_get(b, json_key(v))))
			return false;
	return true;
}

static bool equal_arrays(const struct json *a, const struct json *b)
{
	const struct json *w = json_first(b);

	for (const struct json *v = json_first(a); v; v = json_next(v), w = json_next(w))
		if (!equal(v, w))
			return false;
	return true;
}

static bool equal(const struct json *a, const struct json *b)
{
	if (!a || !b)
		return a == b;
	if (json_is_object(a) || json_is_array(a)) {
		if (json_is_object(a) != json_is_object(b) ||
		    json_is_array(a) != json_is_array(b) || json_size(a) != json_size(b))
			return false;
		return json_is_object(a) ? equal_objects(a, b) : equal_arrays(a, b);
	}
	if (json_is_string(a))
		return json_is_string(b) && strcmp(json_string(a), json_string(b)) == 0;
	if (json_is_number(a))
		return json_is_number(b) && json_number(a) == json_number(b);
	if (json_is_bool(a))
		return json_is_bool(b) && json_bool(a) == json_bool(b);
	return json_is_null(b);
}

/* ---- which objects ---- */

static int by_key(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return strcmp(json_key(*x), json_key(*y));
}

/* The members of 'section', sorted by name: a long list is walked once, not searched. */
static const struct json **sorted_members(const struct json *section, size_t *ret_n)
{
	size_t n = json_size(section), i = 0;
	const struct json **members = calloc(n + 1, sizeof(*members));

	*ret_n = 0;
	if (!members)
		return NULL;
	for (const struct json *v = json_first(section); v && i < n; v = json_next(v))
		members[i++] = v;
	qsort(members, i, sizeof(*members), by_key);
	*ret_n = i;
	return members;
}

static void add_change(struct json *changes, const char *op, const char *kind,
		       const char *name)
{
	_cleanup_free_ char *object = NULL;
	struct json *change = json_new_object();

	if (asprintf(&object, "%s%s%s", kind ? kind : "", kind ? "/" : "", name) < 0)
		object = NULL;
	json_set_string(change, "op", op);
	json_set_string(change, "object", object);
	json_add(changes, change);
}

static void diff_section(struct json *changes, const char *kind, const struct json *old,
			 const struct json *new)
{
	size_t n_old, n_new, i = 0, k = 0;
	_cleanup_free_ const struct json **a = sorted_members(old, &n_old);
	_cleanup_free_ const struct json **b = sorted_members(new, &n_new);

	while (i < n_old || k < n_new) {
		int order = i == n_old ? 1 : k == n_new ? -1 : by_key(&a[i], &b[k]);

		if (order < 0)
			add_change(changes, "-", kind, json_key(a[i]));
		else if (order > 0)
			add_change(changes, "+", kind, json_key(b[k]));
		else if (!equal(a[i], b[k]))
			add_change(changes, "~", kind, json_key(a[i]));
		i += order <= 0;
		k += order >= 0;
	}
}

struct json *diff_documents(const struct json *old, const struct json *new)
{
	struct json *changes = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		const struct json *a = json_get(old, sections[i].key);
		const struct json *b = json_get(new, sections[i].key);

		if (sections[i].kind)
			diff_section(changes, sections[i].kind, a, b);
		else if (!equal(a, b))
			add_change(changes,
				   a && b ? "~"
				   : a    ? "-"
					  : "+",
				   NULL, sections[i].key);
	}
	return changes;
}

const struct json *diff_find(const struct json *document, const char *object)
{
	const char *slash = strchr(object, '/');
	size_t n = slash ? (size_t)(slash - object) : 0;

	if (!slash)
		return json_get(document, object);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (sections[i].kind && strlen(sections[i].kind) == n &&
		    memcmp(sections[i].kind, object, n) == 0)
			return json_get(json_get(document, sections[i].key), slash + 1);
	return NULL;
}

/* ---- what is different in one ---- */

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

static void diff_values(struct lines *l, const char *pointer, const struct json *old,
			const struct json *new);

static void diff_members(struct lines *l, const char *pointer, const struct json *old,
			 const struct json *new)
{
	for (const struct json *v = json_first(old); v; v = json_next(v)) {
		_cleanup_free_ char *below = NULL;

		if (asprintf(&below, "%s/%s", pointer, json_key(v)) > 0)
			diff_values(l, below, v, json_get(new, json_key(v)));
	}
	for (const struct json *v = json_first(new); v; v = json_next(v)) {
		_cleanup_free_ char *below = NULL;

		if (!json_get(old, json_key(v)) &&
		    asprintf(&below, "%s/%s", pointer, json_key(v)) > 0)
			diff_values(l, below, NULL, v);
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
static void diff_elements(struct lines *l, const char *pointer, const struct json *old,
			  const struct json *new)
{
	_cleanup_free_ const struct json **a = elements(old), **b = elements(new);
	size_t n = json_size(old), m = json_size(new), i = 0;

	if (!a || !b)
		return;
	while (i < n && i < m && equal(a[i], b[i]))
		i++;
	while (n > i && m > i && equal(a[n - 1], b[m - 1])) {
		n--;
		m--;
	}
	if (n == m && n - i <= LINES_MAX) { /* changed in place, as far as one can tell */
		for (size_t k = i; k < n; k++) {
			_cleanup_free_ char *below = NULL;

			if (asprintf(&below, "%s/%zu", pointer, k) > 0)
				diff_values(l, below, a[k], b[k]);
		}
		return;
	}
	for (size_t k = i; k < n; k++)
		print_line(l, '-', pointer, a[k]);
	for (size_t k = i; k < m; k++)
		print_line(l, '+', pointer, b[k]);
}

static void diff_values(struct lines *l, const char *pointer, const struct json *old,
			const struct json *new)
{
	if (equal(old, new))
		return;
	if (json_is_object(old) && json_is_object(new)) {
		diff_members(l, pointer, old, new);
	} else if (json_is_array(old) && json_is_array(new)) {
		diff_elements(l, pointer, old, new);
	} else {
		if (old)
			print_line(l, '-', pointer, old);
		if (new)
			print_line(l, '+', pointer, new);
	}
}

void diff_print(FILE *f, const struct json *old, const struct json *new, bool colour)
{
	struct lines l = { .f = f, .colour = colour };

	diff_values(&l, "", old, new);
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
			diff_print(f, diff_find(old, object), diff_find(new, object),
				   colour);
	}
	if (n[0] + n[1] + n[2] == 0)
		fputs("no changes\n", f);
	else
		fprintf(f, "%zu to add, %zu to change, %zu to remove\n", n[0], n[1],
			n[2]);
}
