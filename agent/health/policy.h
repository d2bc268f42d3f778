/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* policy: which members of a pool take new connections.
 *
 *   states, weights -> enough of them healthy? -> healthy ones, or all
 *
 * Shape    Bit i of 'ret_usable' is member i. A member of weight 0 takes nothing, and does
 *          not count: it is no help to a pool that is short of targets.
 * Units    'minimum_percentage' of the members with a weight; 0 is off, of both minimums.
 * Owner    Pure; the caller's memory. 'ret_usable' has (n + 63) / 64 words, all written.
 * Errors   None.
 * Source   docs/semantics.md section 16.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health/state.h"

struct policy_rules {
	uint32_t minimum_count, minimum_percentage;
};

struct policy_member {
	enum health_state state;
	uint32_t weight;
};

struct policy_answer {
	uint32_t n_usable;
	uint32_t n_healthy; /* of those with a weight */
	bool fails_open;
};

void policy_decide(const struct policy_rules *rules, const struct policy_member *members,
		   size_t n, uint64_t *ret_usable, struct policy_answer *ret_answer);
