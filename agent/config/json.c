/* SPDX-License-Identifier: Apache-2.0 */

/* cJSON's tree, read strictly and with places.
 *
 * cJSON has no room for a place in its nodes. A table beside the tree, searched by node,
 * would cost a look-up a value; but a parsed node has a field that nobody needs: 'valueint',
 * the number clamped to an int, which is wrong above 2^31 and which we never read. It holds
 * the number of the node's place. The table itself hangs behind the root node, in the same
 * allocation, so that cJSON_Delete() frees both and a tree is still one pointer.
 *
 * Invariant: places[node->valueint].node == node for every node that json_read() made; a
 * node of any other origin fails this test and has no place. Held by tests/unit/config/json.c.
 */
#include "config/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "config/scan.h"

#define INTEGER_MAX 9007199254740992.0 /* 2^53 */
#define PRINTED_MAX 1000000000000000U  /* 10^15 */

/* Beside cJSON's own type bits, of which it looks at the low ten: this is a struct root. */
#define IS_ROOT (1 << 16)

struct spot {
	struct place place;
	const cJSON *node;
};

struct root {
	cJSON node;
	const char *name;
	size_t n;
	struct spot spots[];
};

static const cJSON *node_of(const struct json *j)
{
	return (const cJSON *)j;
}

static struct json *json_of(const cJSON *node)
{
	return (struct json *)(uintptr_t)node;
}

/* ---- places ---- */

static const struct spot *spot_find(const struct root *root, const struct json *j)
{
	const cJSON *node = node_of(j);

	if (!root || !node || !(root->node.type & IS_ROOT) || node->valueint < 0 ||
	    (size_t)node->valueint >= root->n || root->spots[node->valueint].node != node)
		return NULL;
	return &root->spots[node->valueint];
}

static size_t step_size(const struct spot *spot)
{
	size_t n = 1;

	if (!spot->node->string)
		return n + (size_t)snprintf(NULL, 0, "%u", spot->place.index);
	for (const char *p = spot->node->string; *p; p++)
		n += *p == '~' || *p == '/' ? 2 : 1;
	return n;
}

/* Writes one step of a pointer so that it ends before 'end'; returns where it begins. */
static char *step_put(const struct spot *spot, char *end)
{
	char number[16], *start = end - step_size(spot), *q = start;
	const char *p = spot->node->string;

	*q++ = '/';
	if (!p) {
		snprintf(number, sizeof(number), "%u", spot->place.index);
		p = number;
	}
	for (; *p; p++) {
		if (*p == '~' || *p == '/') {
			*q++ = '~';
			*q++ = *p == '~' ? '0' : '1';
		} else {
			*q++ = *p;
		}
	}
	return start;
}

static const char *pointer_of(const struct root *root, const struct spot *spot,
			      struct arena *arena)
{
	const struct spot *first = root->spots, *s;
	size_t size = 0;
	char *text, *end;

	for (s = spot; s != first; s = &root->spots[s->place.parent])
		size += step_size(s);
	text = arena_alloc(arena, size + 1, 1);
	if (!text)
		return "";
	end = text + size;
	for (s = spot; s != first; s = &root->spots[s->place.parent])
		end = step_put(s, end);
	return text;
}

struct where json_where(const struct json *root, const struct json *j,
			struct arena *arena)
{
	const struct root *r = (const struct root *)(const void *)root;
	const struct spot *spot = spot_find(r, j);

	if (!spot)
		return (struct where){ .file = "", .pointer = "" };
	return (struct where){ .file = r->name,
			       .line = spot->place.line,
			       .column = spot->place.column,
			       .pointer = pointer_of(r, spot, arena) };
}

struct where json_where_key(const struct json *root, const struct json *j,
			    struct arena *arena)
{
	const struct root *r = (const struct root *)(const void *)root;
	const struct spot *spot = spot_find(r, j);
	struct where w = json_where(root, j, arena);

	if (spot && spot->place.key_line > 0) {
		w.line = spot->place.key_line;
		w.column = spot->place.key_column;
	}
	return w;
}

/* ---- reading ---- */

/* Gives 'node' and all below it their places; recursion is bounded by HG_MAX_DEPTH. */
static void place_nodes(struct root *root, cJSON *node, size_t *n)
{
	assert(*n < root->n);
	root->spots[*n].node = node;
	node->valueint = (int)(*n)++;
	for (cJSON *child = node->child; child; child = child->next)
		place_nodes(root, child, n);
}

static int compare_keys(const void *pa, const void *pb)
{
	const cJSON *a = *(const cJSON *const *)pa, *b = *(const cJSON *const *)pb;
	int r = strcmp(a->string, b->string);

	return r != 0 ? r : (a->valueint > b->valueint) - (a->valueint < b->valueint);
}

/* Complains of every key of 'object' that stands there before. Sorting bounds the cost
 * whatever the keys are; hashing would not. */
static int repeats_find(const struct root *root, const cJSON *object, struct arena *arena,
			struct diag *diag, size_t *ret_n)
{
	const cJSON *child;
	_cleanup_free_ const cJSON **members = NULL;
	size_t n = (size_t)cJSON_GetArraySize(object), k = 0;

	members = calloc(n + 1, sizeof(*members));
	if (!members)
		return -ENOMEM;
	for (child = object->child; child; child = child->next)
		members[k++] = child;
	qsort(members, n, sizeof(*members), compare_keys);
	for (size_t i = 1, first = 0; i < n; i++) {
		struct where w;

		if (strcmp(members[i]->string, members[first]->string) != 0) {
			first = i;
			continue;
		}
		w = json_where_key(json_of(&root->node), json_of(members[i]), arena);
		diag_add(diag, DIAG_ERROR, w.file, w.line, w.column, w.pointer,
			 "the key is repeated; it stands on line %u, too",
			 root->spots[members[first]->valueint].place.key_line);
		(*ret_n)++;
	}
	return 0;
}

/* What the grammar allows and we do not: repeated keys, numbers beyond a double. Repeats
 * are counted, other faults are -EINVAL. */
static int document_check(const struct root *root, struct diag *diag, size_t *ret_repeats)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	int r = 0, status = 0;

	if (!arena)
		return -ENOMEM;
	for (size_t i = 0; i < root->n; i++) {
		const cJSON *node = root->spots[i].node;

		if (cJSON_IsNumber(node) && isinf(node->valuedouble)) {
			struct where w =
				json_where(json_of(&root->node), json_of(node), arena);

			diag_add(diag, DIAG_ERROR, w.file, w.line, w.column, w.pointer,
				 "the number is larger than any that can be held");
			status = -EINVAL;
		}
		if (cJSON_IsObject(node) && node->child && node->child->next)
			r = repeats_find(root, node, arena, diag, ret_repeats);
		if (r < 0)
			return r;
	}
	return status;
}

/* Moves cJSON's root node into one that has the places behind it. */
static struct root *root_new(const char *name, cJSON *node, const struct scan *scan)
{
	struct root *root;
	size_t n = 0;

	root = calloc(1, sizeof(*root) + scan->n * sizeof(root->spots[0]));
	if (!root)
		return NULL;
	root->node = *node;
	root->node.type |= IS_ROOT;
	root->name = name;
	root->n = scan->n;
	for (size_t i = 0; i < scan->n; i++)
		root->spots[i].place = scan->places[i];
	place_nodes(root, &root->node, &n);
	assert(n == root->n);
	return root;
}

int json_read_lenient(const char *name, const char *text, size_t size, struct diag *diag,
		      struct json **ret)
{
	_cleanup_(scan_done) struct scan scan = {};
	struct root *root;
	cJSON *node;
	size_t n_repeats = 0;
	int r;

	if (size > HG_MAX_FILE_BYTES) {
		diag_add(diag, DIAG_ERROR, name, 1, 1, "",
			 "the document has %zu bytes; the most is %u", size,
			 HG_MAX_FILE_BYTES);
		return -EINVAL;
	}
	r = scan_read(name, text, size, diag, &scan);
	if (r < 0)
		return r;
	/* The scanner has seen the whole text: cJSON cannot fail but for memory. */
	node = cJSON_ParseWithLengthOpts(text, scan.size, NULL, 0);
	if (!node)
		return -ENOMEM;
	root = root_new(name, node, &scan);
	if (!root) {
		cJSON_Delete(node);
		return -ENOMEM;
	}
	free(node);
	r = document_check(root, diag, &n_repeats);
	if (r < 0) {
		json_free(json_of(&root->node));
		return r;
	}
	*ret = json_of(&root->node);
	return 0;
}

int json_read(const char *name, const char *text, size_t size, struct diag *diag,
	      struct json **ret)
{
	size_t before = diag_errors(diag);
	struct json *j;
	int r;

	r = json_read_lenient(name, text, size, diag, &j);
	if (r < 0)
		return r;
	if (diag_errors(diag) > before) {
		json_free(j);
		return -EINVAL;
	}
	*ret = j;
	return 0;
}

void json_free(struct json *j)
{
	cJSON_Delete((cJSON *)j);
}

bool json_is_object(const struct json *j)
{
	return cJSON_IsObject(node_of(j));
}

bool json_is_array(const struct json *j)
{
	return cJSON_IsArray(node_of(j));
}

bool json_is_string(const struct json *j)
{
	return cJSON_IsString(node_of(j));
}

bool json_is_number(const struct json *j)
{
	return cJSON_IsNumber(node_of(j)) || cJSON_IsRaw(node_of(j));
}

bool json_is_bool(const struct json *j)
{
	return cJSON_IsBool(node_of(j));
}

bool json_is_null(const struct json *j)
{
	return cJSON_IsNull(node_of(j));
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (!json_is_object(object))
		return NULL;
	return json_of(cJSON_GetObjectItemCaseSensitive(node_of(object), key));
}

size_t json_size(const struct json *j)
{
	return json_is_object(j) || json_is_array(j)
		       ? (size_t)cJSON_GetArraySize(node_of(j))
		       : 0;
}

const struct json *json_first(const struct json *j)
{
	return json_is_object(j) || json_is_array(j) ? json_of(node_of(j)->child) : NULL;
}

const struct json *json_next(const struct json *j)
{
	return j ? json_of(node_of(j)->next) : NULL;
}

const char *json_key(const struct json *j)
{
	return j ? node_of(j)->string : NULL;
}

const char *json_string(const struct json *j)
{
	return json_is_string(j) ? node_of(j)->valuestring : NULL;
}

double json_number(const struct json *j)
{
	return json_is_number(j) ? node_of(j)->valuedouble : 0;
}

bool json_bool(const struct json *j)
{
	return cJSON_IsTrue(node_of(j));
}

int json_integer(const struct json *j, int64_t *ret)
{
	double d = json_number(j);

	if (!json_is_number(j) || d != trunc(d))
		return -EINVAL;
	if (fabs(d) >= INTEGER_MAX)
		return -ERANGE;
	*ret = (int64_t)d;
	return 0;
}

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

/* ---- writing ---- */

struct json *json_new_object(void)
{
	return json_of(cJSON_CreateObject());
}

struct json *json_new_array(void)
{
	return json_of(cJSON_CreateArray());
}

struct json *json_new_string(const char *s)
{
	return json_of(s ? cJSON_CreateString(s) : cJSON_CreateNull());
}

struct json *json_new_number(double n)
{
	return json_of(cJSON_CreateNumber(n));
}

struct json *json_copy(const struct json *j)
{
	cJSON *copy = j ? cJSON_Duplicate(node_of(j), 1) : NULL;

	if (copy)
		copy->type &= ~IS_ROOT;
	return json_of(copy);
}

struct json *json_set(struct json *object, const char *key, struct json *child)
{
	if (!child)
		return NULL;
	if (!json_is_object(object) ||
	    !cJSON_AddItemToObject((cJSON *)object, key, (cJSON *)child)) {
		json_free(child);
		return NULL;
	}
	return child;
}

struct json *json_add(struct json *array, struct json *child)
{
	if (!child)
		return NULL;
	if (!json_is_array(array) ||
	    !cJSON_AddItemToArray((cJSON *)array, (cJSON *)child)) {
		json_free(child);
		return NULL;
	}
	return child;
}

void json_set_string(struct json *object, const char *key, const char *s)
{
	json_set(object, key, json_new_string(s));
}

void json_set_number(struct json *object, const char *key, double n)
{
	json_set(object, key, json_new_number(n));
}

void json_set_u64(struct json *object, const char *key, uint64_t n)
{
	char text[24];
	cJSON *raw;

	if (n < PRINTED_MAX) {
		json_set_number(object, key, (double)n);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, n);
	if (n >= (uint64_t)INTEGER_MAX) {
		json_set_string(object, key, text);
		return;
	}
	/* cJSON takes 15 digits for enough when they are within one part in 2^52. */
	raw = cJSON_CreateRaw(text);
	if (raw)
		raw->valuedouble = (double)n;
	json_set(object, key, json_of(raw));
}

void json_set_bool(struct json *object, const char *key, bool b)
{
	json_set(object, key, json_of(cJSON_CreateBool(b)));
}

void json_set_null(struct json *object, const char *key)
{
	json_set(object, key, json_of(cJSON_CreateNull()));
}

char *json_print(const struct json *j, bool pretty)
{
	if (!j)
		return NULL;
	return pretty ? cJSON_Print(node_of(j)) : cJSON_PrintUnformatted(node_of(j));
}
