/* SPDX-License-Identifier: Apache-2.0 */

/* Two keys behave alike when exactly the same shapes contain them. Comparing sets of
 * shapes for every segment costs segments times shapes; instead each shape has a random
 * 128-bit name, the sweep keeps the sum (exclusive or) of the names of the shapes it is
 * inside of, and equal sums are equal sets but for a chance of 2^-128 a pair. Names come
 * from the shape's number, so that they are the same in every run.
 */
#include "compile/columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hg/classifier.h>

#include "compile/shape.h"

struct event {
	uint32_t at;    /* position where the shape begins or has ended */
	uint32_t shape; /* number in this classifier */
};

static int event_compare(const void *va, const void *vb)
{
	const struct event *a = va, *b = vb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->shape < b->shape ? -1 : a->shape > b->shape;
}

/* splitmix64: neighbours in, strangers out. */
static uint64_t scatter(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

struct sweep {
	const struct pool *shapes;
	struct columns *c;
	VEC(uint32_t) distinct; /* shape ids by number */
	VEC(struct event) events;
	struct pool sums;
};

static int shapes_number(struct sweep *s, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t number = (uint32_t)s->distinct.n;
		const uint32_t *words;
		size_t n_words;

		if (s->c->of_shape[ids[i]])
			continue;
		if (!vec_push(&s->distinct, ids[i]))
			return -ENOMEM;
		s->c->of_shape[ids[i]] = number + 1;
		words = pool_get(s->shapes, ids[i], &n_words);
		for (size_t k = 0; k < n_words; k += 2)
			if (!vec_push(&s->events, (struct event){ words[k], number }) ||
			    !vec_push(&s->events,
				      (struct event){ words[k + 1] + 1, number }))
				return -ENOMEM;
	}
	return 0;
}

static int segments_make(struct sweep *s)
{
	uint64_t sum[2] = { 0 };
	uint32_t words[4];
	size_t i = 0;
	int r;

	if (s->events.n)
		qsort(s->events.items, s->events.n, sizeof(struct event), event_compare);
	for (uint32_t at = 0; at < SHAPE_END;) {
		struct segment segment = { .first = at };

		for (; i < s->events.n && s->events.items[i].at == at; i++) {
			sum[0] ^= scatter(2 * (uint64_t)s->events.items[i].shape);
			sum[1] ^= scatter(2 * (uint64_t)s->events.items[i].shape + 1);
		}
		memcpy(words, sum, sizeof(words));
		r = pool_put(&s->sums, words, 4, &segment.column);
		if (r < 0)
			return r;
		if (!vec_push(&s->c->segments, segment))
			return -ENOMEM;
		at = i < s->events.n ? s->events.items[i].at : SHAPE_END;
	}
	s->c->n = (uint32_t)pool_size(&s->sums);
	return 0;
}

/* The segment that contains 'at'. */
static size_t segment_find(const struct columns *c, uint32_t at)
{
	size_t lo = 0, hi = c->segments.n;

	while (hi - lo > 1) {
		size_t m = (lo + hi) / 2;

		if (c->segments.items[m].first <= at)
			lo = m;
		else
			hi = m;
	}
	return lo;
}

/* 'seen' holds for each column the last shape (number + 1) that has it in a run. */
static int runs_make(struct sweep *s, uint32_t number, uint32_t *seen)
{
	struct columns *c = s->c;
	size_t n, from = c->runs.n;
	const uint32_t *words = pool_get(s->shapes, s->distinct.items[number], &n);

	for (size_t k = 0; k < n; k += 2) {
		for (size_t i = segment_find(c, words[k]);
		     i < c->segments.n && c->segments.items[i].first <= words[k + 1];
		     i++) {
			uint32_t column = c->segments.items[i].column;

			if (seen[column] == number + 1)
				continue;
			seen[column] = number + 1;
			if (c->runs.n > from &&
			    c->runs.items[c->runs.n - 1].last + 1 == column)
				c->runs.items[c->runs.n - 1].last = column;
			else if (!vec_push(&c->runs, (struct run){ column, column }))
				return -ENOMEM;
		}
	}
	return vec_push(&c->runs_end, (uint32_t)c->runs.n) ? 0 : -ENOMEM;
}

static int sweep_run(struct sweep *s, const uint32_t *ids, size_t n)
{
	uint32_t *seen;
	int r;

	s->c->of_shape = calloc(pool_size(s->shapes) + 1, sizeof(*s->c->of_shape));
	if (!s->c->of_shape || !vec_push(&s->c->runs_end, 0))
		return -ENOMEM;
	r = shapes_number(s, ids, n);
	if (r == 0)
		r = segments_make(s);
	if (r < 0)
		return r;
	seen = calloc(s->c->n, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->distinct.n && r == 0; i++)
		r = runs_make(s, i, seen);
	free(seen);
	return r;
}

int columns_build(const struct pool *shapes, const uint32_t *ids, size_t n,
		  struct columns *ret)
{
	struct columns c = { 0 };
	struct sweep s = { .shapes = shapes, .c = &c };
	int r;

	r = sweep_run(&s, ids, n);
	vec_done(&s.distinct);
	vec_done(&s.events);
	pool_done(&s.sums);
	if (r < 0)
		columns_done(&c);
	else
		*ret = c;
	return r;
}

void columns_done(struct columns *c)
{
	vec_done(&c->segments);
	vec_done(&c->runs);
	vec_done(&c->runs_end);
	free(c->of_shape);
	c->of_shape = NULL;
}

const struct run *columns_runs(const struct columns *c, uint32_t shape, size_t *ret_n)
{
	uint32_t number = c->of_shape[shape] - 1;

	*ret_n = c->runs_end.items[number + 1] - c->runs_end.items[number];
	return c->runs.items + c->runs_end.items[number];
}

struct keys {
	const struct columns *c;
	const uint32_t *map;
	struct pool blocks; /* of 256 slots, two a word */
};

/* The slot for 'n' positions from 'at': their column when it is one, else a block of 256
 * slots for a 256th each. 'n' is 65536 or 256. */
static int slot_make(struct keys *k, uint32_t at, uint32_t n, uint32_t *ret_slot)
{
	size_t i = segment_find(k->c, at);
	uint32_t column = k->map[k->c->segments.items[i].column];
	uint16_t block[256];
	uint32_t words[128], id, slot;
	int r;

	while (i + 1 < k->c->segments.n && k->c->segments.items[i + 1].first < at + n &&
	       k->map[k->c->segments.items[i + 1].column] == column)
		i++;
	if (i + 1 == k->c->segments.n || k->c->segments.items[i + 1].first >= at + n) {
		*ret_slot = column;
		return 0;
	}
	i = segment_find(k->c, at);
	for (uint32_t j = 0; j < 256; j++) {
		if (n == 65536) {
			r = slot_make(k, at + j * 256, 256, &slot);
			if (r < 0)
				return r;
		} else {
			while (i + 1 < k->c->segments.n &&
			       k->c->segments.items[i + 1].first <= at + j)
				i++;
			slot = k->map[k->c->segments.items[i].column];
		}
		block[j] = (uint16_t)slot;
	}
	memcpy(words, block, sizeof(words));
	r = pool_put(&k->blocks, words, 128, &id);
	if (r < 0)
		return r;
	/* Block 0 is the root, by protocol. */
	*ret_slot = (id + 1) | HG_KEY_BLOCK;
	return 0;
}

static int root_make(struct keys *k, uint16_t root[static 256])
{
	uint32_t slot;

	for (int protocol = 0; protocol < 256; protocol++) {
		int keyed = shape_keyed(protocol);
		uint32_t other = SHAPE_OTHER + (uint32_t)protocol;

		if (keyed >= 0) {
			int r = slot_make(k, (uint32_t)keyed * SHAPE_KEYS, 65536, &slot);

			if (r < 0)
				return r;
		} else {
			slot = k->map[k->c->segments.items[segment_find(k->c, other)]
					      .column];
		}
		root[protocol] = (uint16_t)slot;
	}
	return 0;
}

int columns_write(const struct columns *c, const uint32_t *map, struct lines *l,
		  uint32_t *ret_line, uint16_t orphan[static 4])
{
	struct keys k = { .c = c, .map = map };
	uint16_t root[256], *bytes = NULL;
	size_t n;
	int r;

	r = root_make(&k, root);
	n = pool_size(&k.blocks);
	if (r == 0) {
		bytes = malloc((n + 1) * sizeof(root));
		r = bytes ? 0 : -ENOMEM;
	}
	if (r == 0) {
		memcpy(bytes, root, sizeof(root));
		if (n)
			memcpy(bytes + 256, k.blocks.words, n * sizeof(root));
		r = lines_share(l, bytes, (n + 1) * sizeof(root), ret_line);
	}
	for (uint32_t i = 0; i < 4 && r == 0; i++) {
		uint32_t at = i * SHAPE_KEYS + SHAPE_ORPHAN;

		orphan[i] = (uint16_t)map[c->segments.items[segment_find(c, at)].column];
	}
	free(bytes);
	pool_done(&k.blocks);
	return r;
}
