/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/pool.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"

static int grow_slots(struct pool *p)
{
	size_t n = p->n_slots ? p->n_slots * 2 : 64;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < p->items.n; i++) {
		size_t at = p->items.items[i].hash & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(p->slots);
	p->slots = slots;
	p->n_slots = n;
	return 0;
}

static int grow_words(struct pool *p, size_t n)
{
	size_t room = p->room_words ? p->room_words : 256;
	uint32_t *words;

	if (p->n_words + n <= p->room_words)
		return 0;
	while (room < p->n_words + n)
		room *= 2;
	words = realloc(p->words, room * sizeof(*words));
	if (!words)
		return -ENOMEM;
	p->words = words;
	p->room_words = room;
	return 0;
}

int pool_put(struct pool *p, const uint32_t *words, size_t n, uint32_t *ret_id)
{
	uint64_t hash = hash64(0, words, n * sizeof(*words));
	size_t at;
	int r;

	if (p->items.n * 2 >= p->n_slots) {
		r = grow_slots(p);
		if (r < 0)
			return r;
	}
	for (at = hash & (p->n_slots - 1); p->slots[at];
	     at = (at + 1) & (p->n_slots - 1)) {
		const struct pool_item *item = &p->items.items[p->slots[at] - 1];

		if (item->hash == hash && item->n == n &&
		    (n == 0 ||
		     memcmp(p->words + item->off, words, n * sizeof(*words)) == 0)) {
			*ret_id = p->slots[at] - 1;
			return 0;
		}
	}
	r = grow_words(p, n);
	if (r < 0)
		return r;
	if (!vec_push(&p->items, (struct pool_item){ hash, p->n_words, n }))
		return -ENOMEM;
	if (n)
		memcpy(p->words + p->n_words, words, n * sizeof(*words));
	p->n_words += n;
	p->slots[at] = (uint32_t)p->items.n;
	*ret_id = (uint32_t)p->items.n - 1;
	return 0;
}

void pool_clear(struct pool *p)
{
	p->items.n = 0;
	p->n_words = 0;
	if (p->slots)
		memset(p->slots, 0, p->n_slots * sizeof(*p->slots));
}

void pool_done(struct pool *p)
{
	vec_done(&p->items);
	free(p->words);
	free(p->slots);
	*p = (struct pool){ 0 };
}
