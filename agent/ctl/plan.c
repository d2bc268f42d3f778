/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "config/json.h"

/* Keys whose members are named objects, and what one such object is called. */
static const struct {
	const char *key;
	const char *kind;
} kinds[] = {
	{ "vpcs", "vpc" },
	{ "prefix_lists", "prefix_list" },
	{ "subnets", "subnet" },
	{ "network_acls", "network_acl" },
	{ "security_groups", "security_group" },
	{ "interfaces", "interface" },
};

struct change {
	char op;
	char object[96];
};

struct changes {
	VEC(struct change) list;
	bool is_short; /* of memory */
};

static bool members_equal(const struct json *a, const struct json *b)
{
	for (const struct json *v = json_first(a); v; v = json_next(v))
		if (!json_equal(v, json_get(b, json_key(v))))
			return false;
	return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
	if (!a || !b)
		return a == b;
	if (json_is_string(a))
		return json_is_string(b) && strcmp(json_string(a), json_string(b)) == 0;
	if (json_is_number(a))
		return json_is_number(b) && json_number(a) == json_number(b);
	if (json_is_bool(a))
		return json_is_bool(b) && json_bool(a) == json_bool(b);
	if (json_is_null(a))
		return json_is_null(b);
	if (json_size(a) != json_size(b))
		return false;
	if (json_is_object(a))
		return json_is_object(b) && members_equal(a, b);
	if (!json_is_array(b))
		return false;
	for (a = json_first(a), b = json_first(b); a && b;
	     a = json_next(a), b = json_next(b))
		if (!json_equal(a, b))
			return false;
	return true;
}

static void change_add(struct changes *c, char op, const char *kind, const char *name)
{
	struct change change = { .op = op };

	snprintf(change.object, sizeof(change.object), "%s%s%s", kind, name ? "/" : "",
		 name ? name : "");
	if (!vec_push(&c->list, change))
		c->is_short = true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(json_key(*(const struct json *const *)a),
		      json_key(*(const struct json *const *)b));
}

/* Members by key: a section of 16384 is walked once, not searched 16384 times. Heap. */
static const struct json **members_sorted(const struct json *section, size_t *ret_n)
{
	const struct json **members = calloc(json_size(section) + 1, sizeof(*members));
	size_t n = 0;

	for (const struct json *v = json_first(section); members && v; v = json_next(v))
		members[n++] = v;
	if (n)
		qsort(members, n, sizeof(*members), by_key);
	*ret_n = n;
	return members;
}

static void section_diff(struct changes *c, const char *kind, const struct json *old,
			 const struct json *new)
{
	size_t n_old, n_new, i = 0, k = 0;
	_cleanup_free_ const struct json **a = members_sorted(old, &n_old);
	_cleanup_free_ const struct json **b = members_sorted(new, &n_new);

	if (!a || !b)
		c->is_short = true;
	while (i < n_old || k < n_new) {
		int order = i == n_old ? 1 : k == n_new ? -1 : by_key(&a[i], &b[k]);

		if (order < 0)
			change_add(c, '-', kind, json_key(a[i++]));
		else if (order > 0)
			change_add(c, '+', kind, json_key(b[k++]));
		else if (!json_equal(a[i++], b[k++]))
			change_add(c, '~', kind, json_key(a[i - 1]));
	}
}

static int change_compare(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return strcmp(x->object, y->object);
}

struct json *plan_make(const struct json *old, const struct json *new)
{
	const struct json *before = json_get(old, "settings"),
			  *after = json_get(new, "settings");
	struct changes c = {};
	struct json *list = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		section_diff(&c, kinds[i].kind, json_get(old, kinds[i].key),
			     json_get(new, kinds[i].key));
	if (!json_equal(before, after))
		change_add(&c, !before ? '+' : !after ? '-' : '~', "settings", NULL);
	if (c.list.n)
		qsort(c.list.items, c.list.n, sizeof(struct change), change_compare);
	for (size_t i = 0; list && i < c.list.n; i++) {
		struct json *change = json_add(list, json_new_object());
		char op[] = { c.list.items[i].op, '\0' };

		json_set_string(change, "op", op);
		json_set_string(change, "object", c.list.items[i].object);
	}
	if (c.is_short) {
		json_free(list);
		list = NULL;
	}
	vec_done(&c.list);
	return list;
}
