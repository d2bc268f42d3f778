/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* view: members of the agent's answers, as people read them.
 *
 * Units    Counters come as numbers, or beyond 2^53 as strings of digits.
 * Owner    Texts are borrowed from the tree, or written into the caller's buffer.
 * Errors   What is absent or of another type is NULL, 0 or "".
 */
#include <stdint.h>
#include <stdio.h>

struct json;

const char *view_text(const struct json *object, const char *key); /* NULL: none */
uint64_t view_count(const struct json *object, const char *key);
uint64_t view_number(const struct json *value);

#define VIEW_TEXT 512

/* "a,b,c" of an array of strings; "+N" for what does not fit into 'max' of them. */
const char *view_list(const struct json *array, size_t max, char buf[static VIEW_TEXT]);
/* "10.0.1.10:443", "[fd00::1]:443", or the address alone where the port is null. 'end' is
 * "source" or "destination". */
const char *view_end(const struct json *object, const char *end,
		     char buf[static VIEW_TEXT]);
/* The document on standard output: indented, or in one line. */
void view_print(const struct json *j, int is_pretty);
