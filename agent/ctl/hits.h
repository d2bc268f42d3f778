/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hits: how often each rule decided.
 *
 * Shape    Sorted by object, direction, number; ids of one rule are summed. Objects go by
 *          number, for what is implicit has the same name in every VPC.
 * Owner    hits_init()/hits_done().
 * Errors   hits_init(): negative errno; the object is empty then.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent.h"

struct hit {
	uint32_t object; /* id in the image in force */
	uint32_t direction;
	uint32_t number;
	uint64_t hits;
};

struct hits {
	struct hit *items;
	size_t n;
};

int hits_init(struct hits *h, struct agent *a);
void hits_done(struct hits *h);
/* Sets "hits" of 'j': null when the rule was not compiled. */
void hits_json(const struct hits *h, uint32_t object, uint32_t direction, uint32_t number,
	       struct json *j);
