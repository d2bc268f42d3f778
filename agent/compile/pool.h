/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* pool: distinct vectors of words, numbered in the order they first came.
 *
 * Shape    Items lie one after another in 'words'; 'slots' is an open hash of id + 1.
 *          Zeroed memory is an empty pool.
 * Units    Ids count from 0. Sizes are in words.
 * Owner    pool_done() frees; pool_clear() empties and keeps the room. What pool_get()
 *          returns is good until the next pool_put().
 * Errors   pool_put(): -ENOMEM, and the pool is as it was.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct pool_item {
	uint64_t hash;
	size_t off; /* into 'words' */
	size_t n;
};

struct pool {
	VEC(struct pool_item) items;
	uint32_t *words;
	size_t n_words, room_words;
	uint32_t *slots;
	size_t n_slots; /* 0 or a power of two */
};

int pool_put(struct pool *p, const uint32_t *words, size_t n, uint32_t *ret_id);
void pool_clear(struct pool *p);
void pool_done(struct pool *p);

static inline const uint32_t *pool_get(const struct pool *p, uint32_t id, size_t *ret_n)
{
	*ret_n = p->items.items[id].n;
	/* A pool of nothing but empty items has no words. */
	return p->words ? p->words + p->items.items[id].off : NULL;
}

static inline size_t pool_size(const struct pool *p)
{
	return p->items.n;
}
