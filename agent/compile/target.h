/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* target: the targets that a virtual address may send to, as pools with rings.
 *
 * Shape    A pool for each target group, family and zone (or none) that is asked for; its
 *          members are the group's targets as written. Pools whose members are equal
 *          share a ring.
 * Owner    struct targets is the caller's, zeroed; targets_done() frees. targets_write()
 *          appends to the image of 'b', whose pool_zones it fills.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"

struct targets {
	struct pool keys; /* by pool id - 1 */
	VEC(struct hg_pool) pools;
	VEC(struct hg_target) targets;
	VEC(const char *) zones;
	struct pool rings; /* members */
	VEC(uint32_t) ring_lines;
};

/* The pool of 'target_group' for an address of 'family' (4, 6); 'zone' NULL: of every zone. */
int targets_pool(struct build *b, struct targets *t, size_t target_group, uint8_t family,
		 const char *zone, uint32_t *ret_pool);
/* Room in the image for as many rings as the rule set is likely to need. */
int targets_room(struct build *b);
int targets_write(struct build *b, struct targets *t, struct hg_header *head);
void targets_done(struct targets *t);
