/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* room: where in hg_image the next image goes.
 *
 * Shape    One image is in force at 'base'; all other lines are free.
 * Units    Lines.
 * Errors   false: no free run is long enough; the map must grow to room_needed().
 */
#include <stdbool.h>
#include <stdint.h>

static inline bool room_find(uint32_t capacity, uint32_t base, uint32_t n_old, uint32_t n,
			     uint32_t *ret_base)
{
	if (n <= base || n_old == 0) {
		*ret_base = 0;
		return n <= capacity;
	}
	if ((uint64_t)base + n_old + n > capacity)
		return false;
	*ret_base = base + n_old;
	return true;
}

/* The image in force stays where it is; twice 'n' leaves room for the one after. */
static inline uint64_t room_needed(uint32_t base, uint32_t n_old, uint32_t n)
{
	uint64_t beside = (uint64_t)base + n_old + n;

	return beside > 2ULL * n ? beside : 2ULL * n;
}
