/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cuts: connections that are to end, and the walks over the flow table that end
 * them.
 *
 *   cuts_add() of each target -> one walk for all of them -> and once more, for
 * what raced
 *
 * Units    Nanoseconds of the monotonic clock.
 * Owner    Whoever declared it; zeroed memory is an empty one. cuts_done()
 * frees. Errors   A target that cannot be remembered for want of memory is
 * logged; its connections go on.
 */
#include <stdint.h>

#include "base/vec.h"
#include "compile/image.h"
#include "flow/cut.h"
#include "health/health.h"

struct cuts {
	VEC(struct flow_target) fresh, again;
	uint64_t walked_ns; /* when the last walk ended */
	uint64_t n_cut;     /* connections, so far */
};

/* All connections of the target, through balancers that forward to its group in
 * 'image', or through any when none does. */
void cuts_add(struct cuts *c, const struct image *image, const struct health_cut *cut);
/* Ten times a second, and whenever something was added: at most one walk in
 * CUTS_PAUSE_NS. */
void cuts_run(struct cuts *c, const struct flow_tables *t, uint32_t now, uint64_t now_ns);
void cuts_done(struct cuts *c);

#define CUTS_PAUSE_NS 90000000ULL
