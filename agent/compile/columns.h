/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* columns: kinds of protocol and key that the shapes of one classifier tell apart.
 *
 * Shape    Segments cut the axis of shape.h where any shape begins or ends; each has a
 *          column, and segments inside the same shapes share one. A shape is a list
 *          of runs of columns.
 * Units    Columns count from 0. Positions as in shape.h.
 * Owner    columns_build() fills, columns_done() frees. 'shapes' is borrowed for the call.
 * Errors   -ENOMEM, -E2BIG.
 */
#include <stdint.h>

#include "compile/lines.h"
#include "compile/pool.h"

struct segment {
	uint32_t first; /* position; ends where the next begins */
	uint32_t column;
};

struct run {
	uint32_t first, last; /* columns */
};

struct columns {
	uint32_t n;
	VEC(struct segment) segments;
	VEC(struct run) runs;
	uint32_t *of_shape;     /* shape id to its number here + 1 */
	VEC(uint32_t) runs_end; /* by that number + 1; [0] is 0 */
};

/* 'ids' may repeat. */
int columns_build(const struct pool *shapes, const uint32_t *ids, size_t n,
		  struct columns *ret);
void columns_done(struct columns *c);
const struct run *columns_runs(const struct columns *c, uint32_t shape, size_t *ret_n);
/* Writes the key trie; 'map' renames columns. */
int columns_write(const struct columns *c, const uint32_t *map, struct lines *l,
		  uint32_t *ret_line, uint16_t orphan[static 4]);
