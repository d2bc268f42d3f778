/* SPDX-License-Identifier: Apache-2.0 */
#include "config/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"

/* In the order of the kinds, so that changes come out sorted. */
static const struct section {
	const char *key, *kind;
} sections[] = {
	{ "egress_only_gateways", "egress_only_gateway" },
	{ "elastic_ips", "elastic_ip" },
	{ "gateway_load_balancers", "gateway_load_balancer" },
	{ "interfaces", "interface" },
	{ "internet_gateways", "internet_gateway" },
	{ "load_balancers", "load_balancer" },
	{ "nat_gateways", "nat_gateway" },
	{ "network_acls", "network_acl" },
	{ "peerings", "peering" },
	{ "prefix_lists", "prefix_list" },
	{ "rate_limits", "rate_limit" },
	{ "route_tables", "route_table" },
	{ "security_groups", "security_group" },
	{ "settings", NULL }, /* one object, not a set of them */
	{ "subnets", "subnet" },
	{ "target_groups", "target_group" },
	{ "vpcs", "vpc" },
};

/* The functions below return whether memory was enough. */

static bool change_add(struct json *changes, const char *op, const char *kind,
		       const char *name)
{
	_cleanup_free_ char *object = NULL;
	struct json *change;

	if (asprintf(&object, "%s%s%s", kind ? kind : "", kind ? "/" : "", name) < 0) {
		object = NULL;
		return false;
	}
	change = json_add(changes, json_new_object());
	json_set_string(change, "op", op);
	json_set_string(change, "object", object);
	return change != NULL;
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

static bool section_diff(struct json *changes, const char *kind, const struct json *old,
			 const struct json *new)
{
	size_t n_old, n_new, i = 0, k = 0;
	_cleanup_free_ const struct json **a = members_sorted(old, &n_old);
	_cleanup_free_ const struct json **b = members_sorted(new, &n_new);
	bool is_enough = a && b;

	while (is_enough && (i < n_old || k < n_new)) {
		int order = i == n_old ? 1 : k == n_new ? -1 : by_key(&a[i], &b[k]);

		if (order < 0)
			is_enough = change_add(changes, "-", kind, json_key(a[i]));
		else if (order > 0)
			is_enough = change_add(changes, "+", kind, json_key(b[k]));
		else if (!json_equal(a[i], b[k]))
			is_enough = change_add(changes, "~", kind, json_key(a[i]));
		i += order <= 0;
		k += order >= 0;
	}
	return is_enough;
}

static bool object_diff(struct json *changes, const char *name, const struct json *old,
			const struct json *new)
{
	const char *op = !old ? "+" : !new ? "-" : "~";

	return json_equal(old, new) || change_add(changes, op, NULL, name);
}

struct json *diff_documents(const struct json *old, const struct json *new)
{
	struct json *changes = json_new_array();
	bool is_enough = changes != NULL;

	for (size_t i = 0; is_enough && i < ARRAY_SIZE(sections); i++) {
		const struct section *s = &sections[i];
		const struct json *a = json_get(old, s->key), *b = json_get(new, s->key);

		is_enough = s->kind ? section_diff(changes, s->kind, a, b)
				    : object_diff(changes, s->key, a, b);
	}
	if (!is_enough) {
		json_free(changes);
		changes = NULL;
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
