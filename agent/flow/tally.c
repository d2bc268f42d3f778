/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define ROOM_FIRST 64

static struct tally_slot *slot_find(const struct tally *t, const struct flow_target *key)
{
	size_t i = hash64(0, key, sizeof(*key)) & (t->room - 1);

	while (t->slots[i].key.family && memcmp(&t->slots[i].key, key, sizeof(*key)) != 0)
		i = (i + 1) & (t->room - 1);
	return &t->slots[i];
}

static bool tally_grow(struct tally *t)
{
	struct tally next = { .room = t->room ? 2 * t->room : ROOM_FIRST };

	next.slots = calloc(next.room, sizeof(*next.slots));
	if (!next.slots)
		return false;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].key.family) {
			*slot_find(&next, &t->slots[i].key) = t->slots[i];
			next.n++;
		}
	free(t->slots);
	*t = next;
	return true;
}

void tally_add(struct tally *t, const struct flow_target *key)
{
	struct tally_slot *slot;

	if (2 * t->n >= t->room && !tally_grow(t) && t->n + 1 >= t->room)
		return;
	slot = slot_find(t, key);
	if (!slot->key.family) {
		slot->key = *key;
		t->n++;
	}
	slot->n++;
}

uint32_t tally_get(const struct tally *t, const struct flow_target *key)
{
	return t->room ? slot_find(t, key)->n : 0;
}

uint64_t tally_sum(const struct tally *t, uint32_t meter, uint8_t protocol)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].key.family && t->slots[i].key.meter == meter &&
		    (!protocol || t->slots[i].key.protocol == protocol))
			sum += t->slots[i].n;
	return sum;
}

void tally_clear(struct tally *t)
{
	if (t->room)
		memset(t->slots, 0, t->room * sizeof(*t->slots));
	t->n = 0;
}

void tally_done(struct tally *t)
{
	free(t->slots);
	*t = (struct tally){};
}
