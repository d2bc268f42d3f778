/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* tally: how many connections each target has, counted by the sweep.
 *
 * Shape    A hash by target, which grows. Zeroed memory is an empty one.
 * Units    Connections that are neither over nor closing.
 * Owner    Whoever declared it; tally_done() frees. One thread.
 * Errors   What cannot be counted for want of memory is not.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/target.h"

struct tally_slot {
	struct flow_target key; /* family 0: free */
	uint32_t n;
};

struct tally {
	struct tally_slot *slots;
	size_t n, room; /* a power of two, or 0 */
};

void tally_add(struct tally *t, const struct flow_target *key);
uint32_t tally_get(const struct tally *t, const struct flow_target *key);
/* Of all targets of a meter; 'protocol' 0: any. */
uint64_t tally_sum(const struct tally *t, uint32_t meter, uint8_t protocol);
void tally_clear(struct tally *t); /* keeps the room */
void tally_done(struct tally *t);
