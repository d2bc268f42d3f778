/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* diff: two documents, object by object.
 *
 *   [ { "op": "+", "object": "network_acl/edge" }, ... ]      as POST /v1/plan answers
 *
 * Shape    Sorted by object. Objects are equal when their JSON is, whatever the order of
 *          keys; "description" and "tags" count.
 * Owner    The caller frees what is handed out.
 */
#include <stdbool.h>
#include <stdio.h>

struct json;

struct json *diff_documents(const struct json *old, const struct json *new);
/* "network_acl/edge" or "settings" of a document; NULL: it has none. */
const struct json *diff_find(const struct json *document, const char *object);
/* What differs inside one object, a line each, at most a screenful. */
void diff_print(FILE *f, const struct json *old, const struct json *new, bool colour);
/* The changes as lines "+ object", with what differs where both documents are given
 * (NULL is fine), and a last line that counts. */
void changes_print(FILE *f, const struct json *changes, const struct json *old,
		   const struct json *new, bool colour);
