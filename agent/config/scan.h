/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* scan: is this text JSON, to the letter, and where does each value stand?
 *
 *   { "a": [ 1, 2 ] }   ->   0 {   1 [   2 1   3 2      in the order of the text
 *
 * Shape    One struct place a value, in document order, so place i belongs to the i-th
 *          value that a walk of the parsed tree meets. No text is copied or converted.
 * Units    Lines and columns count from 1, columns in characters. 'parent' is a place
 *          number; the root is its own parent. 'index' counts within the parent.
 * Owner    scan_done() frees the places. 'text' is borrowed for the call.
 * Errors   -EINVAL with one complaint: the first thing that RFC 8259 does not allow, or
 *          invalid UTF-8, \u0000, a number of more than 63 characters (cJSON cuts there),
 *          nesting beyond HG_MAX_DEPTH, more than SCAN_VALUES_MAX values. -ENOMEM.
 * Source   RFC 8259, RFC 3629 section 4, RFC 6901.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

/* A list of HG_MAX_ENTRIES objects with two members each, and room besides. A value costs
 * some 130 bytes while a document is read. */
#define SCAN_VALUES_MAX 4000000

struct place {
	uint32_t line, column;
	uint32_t key_line, key_column; /* of a member's key; 0 otherwise */
	uint32_t parent, index;
};

struct scan {
	struct place *places;
	size_t n;
	size_t size; /* of the document without what trails it */
};

int scan_read(const char *name, const char *text, size_t size, struct diag *diag,
	      struct scan *ret);
void scan_done(struct scan *s);
