/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* json: the only door to cJSON; strict reading with places, and writing.
 *
 * Shape    A tree of struct json. Objects keep the order of their keys.
 * Units    Numbers are doubles; json_integer() refuses fractions and what a double
 *          cannot hold exactly (beyond 2^53). A number is printed with 15 digits: write
 *          counters with json_set_u64(), which keeps all, beyond 2^53 as a string.
 * Owner    The root owns the tree: json_free(root). json_set() and json_add() move the
 *          child into the tree; on failure it is freed. 'name' of json_read() is borrowed
 *          by the tree and by every struct where that comes from it.
 * Errors   json_read() complains into 'diag' with line, column and pointer: syntax of
 *          RFC 8259 (no NaN, no 01, no trailing comma, no comment), invalid UTF-8,
 *          \\u0000, repeated keys, nesting beyond HG_MAX_DEPTH, text after the document,
 *          documents over HG_MAX_FILE_BYTES. It reports the first syntax error and all
 *          repeated keys; nothing is handed out then. Builders return NULL or do nothing
 *          when memory is short.
 * Source   RFC 8259, RFC 6901.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "config/model.h"

struct json;

/* ---- reading ---- */
int json_read(const char *name, const char *text, size_t size, struct diag *diag,
	      struct json **ret);
/* As json_read(), but repeated keys, complained of, do not stop a reader who goes on to
 * find what else is wrong: 0, and both members are in the tree. */
int json_read_lenient(const char *name, const char *text, size_t size, struct diag *diag,
		      struct json **ret);
void json_free(struct json *j); /* NULL is fine */
static inline void json_freep(struct json **j)
{
	json_free(*j);
}

/* Where a value of a tree made by json_read() stands; pointer from 'arena'. */
struct where json_where(const struct json *root, const struct json *j,
			struct arena *arena);
/* The same for the key of a member. */
struct where json_where_key(const struct json *root, const struct json *j,
			    struct arena *arena);

bool json_is_object(const struct json *j); /* all of these accept NULL: false */
bool json_is_array(const struct json *j);
bool json_is_string(const struct json *j);
bool json_is_number(const struct json *j);
bool json_is_bool(const struct json *j);
bool json_is_null(const struct json *j);

const struct json *json_get(const struct json *object,
			    const char *key);        /* NULL: absent */
size_t json_size(const struct json *j);              /* members of an object or array */
const struct json *json_first(const struct json *j); /* walk members in order */
const struct json *json_next(const struct json *j);
const char *json_key(const struct json *j);    /* of an object's member */
const char *json_string(const struct json *j); /* NULL: not a string */
double json_number(const struct json *j);      /* 0: not a number */
bool json_bool(const struct json *j);
int json_integer(const struct json *j, int64_t *ret); /* -EINVAL, -ERANGE */
/* Numbers by value, strings by bytes, members in any order, elements in theirs. NULL equals
 * NULL. */
bool json_equal(const struct json *a, const struct json *b);

/* ---- writing ---- */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *s); /* NULL: null */
struct json *json_new_number(double n);
struct json *json_copy(const struct json *j);
/* Appends: a key is set once. Returns the child. */
struct json *json_set(struct json *object, const char *key, struct json *child);
struct json *json_add(struct json *array, struct json *child); /* child */
void json_set_string(struct json *object, const char *key,
		     const char *s); /* NULL: null */
void json_set_number(struct json *object, const char *key, double n);
void json_set_u64(struct json *object, const char *key, uint64_t n);
void json_set_bool(struct json *object, const char *key, bool b);
void json_set_null(struct json *object, const char *key);
char *json_print(const struct json *j, bool pretty); /* heap */
