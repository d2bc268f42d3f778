/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* group: the rules of an ordered set of security groups, as two classifiers.
 *
 * Shape    Items in the order of the carrier's groups, then of the rules; what none admits
 *          has cell 0. Carriers (interfaces, NAT instances) with the same ordered set share
 *          both.
 * Owner    struct group_sets remembers the sets of one VPC; group_sets_done() frees.
 * Errors   As classifier_compile().
 */
#include "compile/build.h"
#include "compile/class.h"

struct group_lines {
	uint32_t line[2]; /* by direction */
};

struct group_sets {
	struct pool sets; /* of group indexes, in order */
	VEC(struct group_lines) lines;
};

/* Who carries groups; borrowed from the model. */
struct carrier {
	const char *name;
	const struct where *where;
	const int *groups;
	size_t n_groups;
};

/* The classifiers of 'c', whose VPC has 'classes'. */
int group_compile(struct build *b, struct classes *classes, struct group_sets *sets,
		  const struct carrier *c, uint32_t ret_lines[static 2]);
void group_sets_done(struct group_sets *sets);
