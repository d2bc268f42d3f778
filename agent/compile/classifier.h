/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* classifier: rules in an order, made into a matrix of answers.
 *
 * Shape    A plan is a list of items, the first that matches answers. An item matches
 *          when the peer has one of its labels, the packet is in its shape (one for
 *          each family) and, if it has any, one of its clauses holds. What no item matches
 *          gets 'fallback'. 'untracked' marks packets of a family whose answer is
 *          HG_CELL_UNTRACKED besides.
 * Units    'labels' and 'clauses' of an item are (first, count) in the plan's vectors;
 *          shapes are ids in build.shapes.
 * Owner    plan_done() frees; plan_clear() empties and keeps the room. The result
 *          is a line of the build's image.
 * Errors   -ENOMEM, -E2BIG. Passing HG_MAX_COLUMNS, HG_MAX_CELLS or HG_MAX_CLAUSES is a
 *          complaint at 'where'; *ret_line is 0 then.
 * Source   hg/classifier.h.
 */
#include <hg/classifier.h>

#include "compile/build.h"
#include "compile/class.h"

struct item {
	uint32_t cell;     /* verdict word */
	uint32_t shape[2]; /* over IPv4, over IPv6 */
	uint32_t labels, n_labels;
	uint32_t clauses, n_clauses;
	const struct where *where;
};

struct untracked {
	uint32_t family; /* 0: IPv4, 1: IPv6 */
	uint32_t shape;
};

struct plan {
	struct classes *classes;
	VEC(struct item) items;
	VEC(uint32_t) labels;
	VEC(struct hg_clause) clauses;
	VEC(struct untracked) untracked;
	uint32_t fallback;
	uint32_t n_rules;
	const struct where *where;
	const char *name; /* of NACL or interface, for complaints */
	int direction;
};

void plan_clear(struct plan *p);
void plan_done(struct plan *p);
/* Appends the labels of 'peers' to item 'item', which must be the last. */
int plan_add_labels(struct plan *p, struct item *item, const struct peer *peers,
		    size_t n);
int classifier_compile(struct build *b, struct plan *p, uint32_t *ret_line);
