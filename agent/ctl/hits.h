/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hits: how often each rule decided, found by the names that the user knows.
 *
 * Shape    Sorted by kind, object, direction, number; ids of one rule are summed.
 * Owner    hits_init()/hits_done(). Names are borrowed from the image.
 * Errors   hits_init(): negative errno; the object is empty then.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent.h"

struct hit {
	uint32_t kind; /* HG_OBJECT_* */
	uint32_t direction;
	uint32_t number;
	const char *name;
	uint64_t hits;
};

struct hits {
	struct hit *items;
	size_t n;
};

int hits_init(struct hits *h, struct agent *a);
void hits_done(struct hits *h);
/* Sets "hits" of 'j': null when the rule was not compiled. */
void hits_json(const struct hits *h, uint32_t kind, const char *name, uint32_t direction,
	       uint32_t number, struct json *j);
