/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* changes: what a plan would change, for people.
 *
 *   ~ network_acl/edge
 *       - ingress/0/ports: "22"
 *       + ingress/0/ports: "2222"
 *   0 to add, 1 to change, 0 to remove
 *
 * Shape    'changes' is as config/diff.h makes them. What differs inside an object takes a
 *          line each, at most a screenful, where both documents are given (NULL is fine).
 */
#include <stdbool.h>
#include <stdio.h>

struct json;

void changes_print(FILE *f, const struct json *changes, const struct json *old,
		   const struct json *new, bool colour);
