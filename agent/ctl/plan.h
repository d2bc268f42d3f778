/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* plan: what one document changes against another, object by object.
 *
 *   [ { "op": "+", "object": "network_acl/edge" }, ... ]
 *
 * Shape    Sorted by object. Objects are equal when their JSON is, whatever the order of
 *          keys; arrays keep theirs. 'old' NULL is the empty document.
 * Owner    The caller frees the array.
 * Errors   NULL when memory is short.
 */
#include <stdbool.h>

struct json;

struct json *plan_make(const struct json *old, const struct json *new);
/* Numbers by value, strings by bytes. NULL equals NULL. */
bool json_equal(const struct json *a, const struct json *b);
