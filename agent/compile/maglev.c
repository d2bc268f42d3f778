/* SPDX-License-Identifier: Apache-2.0 */

/* A ring is filled by turns, in each of which a member walks its list to a slot that is free. The
 * plain way costs M ln M looks for M slots: 730,000, and half of them for the last 256 slots, where
 * nearly all that a member looks at is taken. There the question is turned round: of the few
 * slots that are free, which stands first in this member's list? The place of slot s in a list is
 * (s - offset) / skip modulo M, one multiplication by the skip's inverse. Before that, a walk looks
 * at six slots at once: whether a look is the last is a branch that is often guessed wrong.
 *
 * Invariant: what stands in a list before the place that its member has reached is taken. So the
 * free slot with the smallest place is the one that walking would find, and both halves give
 * one ring. Cost: below a millisecond for 100 members, see the timing that
 * tests/unit/compile/maglev.c prints. That compares with the plain way, too, and with the
 * promises of the paper.
 */
#include "compile/maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define WIDTH 6 /* slots that a walk looks at together */
#define FREE  0xffff
#define TAIL  256 /* free slots: from here on the question is turned round */

struct taker {
	const struct maglev_identity *identity;
	uint32_t member;
	uint32_t weight;
	uint32_t n_equal;         /* of the first with a weight: how many have it */
	uint32_t credit;          /* likewise: theirs, as all of them have the same */
	uint32_t offset, inverse; /* of the skip */
	uint32_t next;            /* where the list goes on */
	uint32_t skips[WIDTH];    /* 1 to WIDTH times the skip */
};

struct ring {
	uint32_t n_free;
	uint32_t tail[TAIL]; /* those that are free, when they are few */
	uint16_t *slots;
};

static int taker_compare(const void *va, const void *vb)
{
	const struct taker *a = va, *b = vb;

	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	return memcmp(a->identity, b->identity, sizeof(*a->identity));
}

/* 1 / 'x' modulo HG_RING, a prime: 'x' to the power of HG_RING - 2 = 2^16 - 1. */
static uint32_t inverse_find(uint32_t x)
{
	uint64_t power = x, product = x;

	for (int i = 1; i < 16; i++) {
		power = power * power % HG_RING;
		product = product * power % HG_RING;
	}
	return (uint32_t)product;
}

static struct taker taker_make(const struct maglev_member *m, size_t i)
{
	const struct maglev_identity *identity = &m[i].identity;
	uint64_t offset = hash64(1, identity, sizeof(*identity));
	uint64_t skip = hash64(2, identity, sizeof(*identity));
	struct taker t = { .identity = identity,
			   .member = (uint32_t)i,
			   .weight = m[i].weight,
			   .offset = (uint32_t)(offset % HG_RING) };

	skip = skip % (HG_RING - 1) + 1;
	for (uint64_t k = 0; k < WIDTH; k++)
		t.skips[k] = (uint32_t)((k + 1) * skip % HG_RING);
	t.next = t.offset;
	t.inverse = inverse_find((uint32_t)skip);
	return t;
}

/* Those with a weight, in the order of their turns. Returns how many there are. */
static size_t takers_list(const struct maglev_member *members, size_t n,
			  struct taker *ret)
{
	size_t n_takers = 0;

	for (size_t i = 0; i < n; i++)
		if (members[i].weight)
			ret[n_takers++] = taker_make(members, i);
	qsort(ret, n_takers, sizeof(*ret), taker_compare);
	for (size_t i = 0, first = 0; i < n_takers; i++) {
		if (ret[i].weight != ret[first].weight)
			first = i;
		ret[first].n_equal++;
		ret[i].credit = ret[0].weight / 2;
	}
	return n_takers;
}

static void ring_take(struct ring *r, const struct taker *t, uint32_t slot)
{
	r->slots[slot] = (uint16_t)t->member;
	r->n_free--;
}

static bool slot_is_taken(const struct ring *r, uint32_t slot)
{
	return r->slots[slot] != FREE;
}

static uint32_t slot_after(uint32_t slot, uint32_t skip)
{
	uint32_t sum = slot + skip, wrapped = sum - HG_RING;

	return wrapped < sum ? wrapped : sum;
}

/* The list is walked. Numbers of members are below HG_POOL_ROOM, so the highest bit of a slot
 * says whether it is free. */
static void turn_walk(struct ring *r, struct taker *t)
{
	uint32_t slot[WIDTH + 1] = { t->next }, i;
	unsigned is_free;

	for (;;) {
#pragma GCC unroll 8
		for (i = 0; i < WIDTH; i++)
			slot[i + 1] = slot_after(slot[0], t->skips[i]);
		is_free = 0;
#pragma GCC unroll 8
		for (i = 0; i < WIDTH; i++)
			is_free |= (unsigned)r->slots[slot[i]] >> 15 << i;
		if (is_free)
			break;
		slot[0] = slot[WIDTH];
	}
	t->next = slot[__builtin_ctz(is_free)];
	ring_take(r, t, t->next);
}

static void tail_list(struct ring *r)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < HG_RING; slot++)
		if (!slot_is_taken(r, slot))
			r->tail[n++] = slot;
}

/* All that are free are asked where they stand in the list. */
static void turn_ask(struct ring *r, const struct taker *t)
{
	uint32_t best = 0, first = UINT32_MAX;

	for (uint32_t i = 0; i < r->n_free; i++) {
		uint64_t ahead = r->tail[i] + HG_RING - t->offset;
		uint32_t place = (uint32_t)(ahead * t->inverse % HG_RING);

		if (place < first) {
			first = place;
			best = i;
		}
	}
	ring_take(r, t, r->tail[best]);
	r->tail[best] = r->tail[r->n_free];
}

static void turn_take(struct ring *r, struct taker *t)
{
	if (r->n_free > TAIL)
		turn_walk(r, t);
	else
		turn_ask(r, t);
	if (r->n_free == TAIL)
		tail_list(r);
}

static void ring_fill(struct ring *r, struct taker *takers, size_t n)
{
	uint32_t highest = takers[0].weight;

	while (r->n_free) {
		for (size_t i = 0; i < n; i += takers[i].n_equal) {
			struct taker *equal = &takers[i];

			equal->credit += equal->weight;
			if (equal->credit < highest)
				continue;
			equal->credit -= highest;
			for (size_t k = 0; k < equal->n_equal && r->n_free; k++)
				turn_take(r, &equal[k]);
		}
	}
}

int maglev_fill(const struct maglev_member *members, size_t n,
		uint16_t ret_slots[static HG_RING])
{
	_cleanup_free_ struct taker *takers = calloc(n + 1, sizeof(*takers));
	struct ring ring = { .n_free = HG_RING, .slots = ret_slots };
	size_t n_takers;

	if (!takers)
		return -ENOMEM;
	n_takers = takers_list(members, n, takers);
	if (n_takers == 0)
		return -EINVAL;
	memset(ret_slots, FREE & 0xff, HG_RING * sizeof(*ret_slots));
	ring_fill(&ring, takers, n_takers);
	return 0;
}
