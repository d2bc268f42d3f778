/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* vec: an array that grows at its end.
 *
 * Shape    struct { type *items; size_t n, room; }; zeroed memory is an empty one.
 * Owner    Whoever declared it; vec_done() frees the items. Pointers into 'items' are
 *          good until the next vec_push().
 * Errors   vec_push() is false when memory is short, and nothing was added.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define VEC(type)               \
	struct {                \
		type *items;    \
		size_t n, room; \
	}

/* Room for one more of 'size' bytes. */
static inline bool vec_grow(void **items, size_t n, size_t *room, size_t size)
{
	size_t want = n < 8 ? 16 : n * 2;
	void *p;

	if (n < *room)
		return true;
	if (want > SIZE_MAX / size)
		return false;
	p = realloc(*items, want * size);
	if (!p)
		return false;
	*items = p;
	*room = want;
	return true;
}

#define vec_push(v, ...)                                                               \
	({                                                                             \
		__typeof__(v) vec_ = (v);                                              \
		void *items_ = vec_->items;                                            \
		bool pushed_ =                                                         \
			vec_grow(&items_, vec_->n, &vec_->room, sizeof(*vec_->items)); \
		vec_->items = items_;                                                  \
		if (pushed_)                                                           \
			vec_->items[vec_->n++] = (__VA_ARGS__);                        \
		pushed_;                                                               \
	})

#define vec_done(v)                     \
	do {                            \
		free((v)->items);       \
		(v)->items = NULL;      \
		(v)->n = (v)->room = 0; \
	} while (0)
