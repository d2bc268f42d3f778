/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* diff: what one document changes against another, object by object.
 *
 *   [ { "op": "+", "object": "network_acl/edge" }, ... ]      as POST /v1/plan answers
 *
 * Shape    Sorted by object. Objects are equal when their JSON is, whatever the order of
 *          keys; arrays keep theirs; "description" and "tags" count. 'old' NULL is the
 *          empty document.
 * Owner    The caller frees the array.
 * Errors   NULL when memory is short.
 */
struct json;

struct json *diff_documents(const struct json *old, const struct json *new);
/* "network_acl/edge" or "settings" of a document; NULL: it has none. */
const struct json *diff_find(const struct json *document, const char *object);
