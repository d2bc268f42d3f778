/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/limit.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limit.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/vec.h"

struct chains {
	const struct rate_limit **order; /* by name */
	uint32_t *marks;                 /* by index in the model */
	VEC(struct hg_limit) list;
};

static void chains_done(struct chains *c)
{
	free(c->order);
	free(c->marks);
	vec_done(&c->list);
}

/* ---- marks ---- */

/* Of all that a limit is. */
static uint32_t hash_of(const struct model *m, const struct rate_limit *l)
{
	const char *at = l->subnet >= 0 ? m->subnets[l->subnet].name
					: m->load_balancers[l->load_balancer].name;
	const uint64_t words[] = { (uint64_t)l->unit, (uint64_t)l->action,
				   l->limit,          l->window,
				   l->port,           l->subnet >= 0 };
	uint64_t h = hash64(1, l->name, strlen(l->name));

	h = hash64(h, at, strlen(at));
	return (uint32_t)hash64(h, words, sizeof(words)) >> 9;
}

/* The number that a limit of this hash has in the previous image, 0 none. */
static uint32_t previous_id(const struct image *previous, uint32_t hash)
{
	struct hg_table limits = image_header(previous)->limits;

	for (uint32_t id = 1; id < limits.n; id++) {
		const struct hg_limit *l = image_record(previous, limits, id, sizeof(*l));

		if (l && l->mark >> 9 == hash)
			return HG_MARK_ID(l->mark);
	}
	return 0;
}

static void marks_choose(const struct build *b, struct chains *c)
{
	const struct image *previous = b->facts ? b->facts->previous : NULL;
	const struct model *m = b->m;
	bool is_used[HG_LIMIT_IDS] = { true };
	uint32_t id = 0;

	for (size_t i = 0; i < m->n_rate_limits; i++) {
		uint32_t hash = hash_of(m, &m->rate_limits[i]);
		uint32_t kept = previous ? previous_id(previous, hash) : 0;

		c->marks[i] = HG_MARK(hash, is_used[kept] ? 0 : kept);
		is_used[kept] = true;
	}
	for (size_t i = 0; i < m->n_rate_limits; i++) {
		if (HG_MARK_ID(c->marks[i]))
			continue;
		while (is_used[id])
			id++;
		is_used[id] = true;
		c->marks[i] |= HG_MARK(0, id);
	}
}

/* ---- chains ---- */

static int compare_names(const void *a, const void *b)
{
	const struct rate_limit *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static struct hg_limit record_of(const struct build *b, const struct chains *c,
				 const struct rate_limit *l, uint32_t next)
{
	static const uint16_t units[] = {
		[LIMIT_PACKETS] = HG_LIMIT_PACKETS,
		[LIMIT_BYTES] = HG_LIMIT_BYTES,
		[LIMIT_NEW_CONNECTIONS] = HG_LIMIT_NEW_CONNECTIONS,
	};
	static const uint16_t actions[] = {
		[LIMIT_BLOCK] = HG_LIMIT_BLOCK,
		[LIMIT_COUNT] = HG_LIMIT_COUNT,
		[LIMIT_ALLOW] = HG_LIMIT_ALLOW,
	};
	size_t i = (size_t)(l - b->m->rate_limits);

	return (struct hg_limit){ .mark = c->marks[i],
				  .next = next,
				  .object = object_of_rate_limit(b->m, i),
				  .unit = units[l->unit],
				  .action = actions[l->action],
				  .limit = l->limit,
				  .window = l->window,
				  .port = htobe16(l->port) };
}

/* The limits of a subnet, a balancer, or both; -1: of none. */
static int chain_add(const struct build *b, struct chains *c, int subnet, int balancer,
		     uint32_t *ret_first)
{
	uint32_t next = 0;

	for (size_t i = b->m->n_rate_limits; i-- > 0;) {
		const struct rate_limit *l = c->order[i];
		struct hg_limit record;

		if (!(subnet >= 0 && l->subnet == subnet) &&
		    !(balancer >= 0 && l->load_balancer == balancer))
			continue;
		record = record_of(b, c, l, next);
		next = (uint32_t)c->list.n;
		if (!vec_push(&c->list, record))
			return -ENOMEM;
	}
	*ret_first = next;
	return 0;
}

static int chains_make(struct build *b, struct chains *c, const struct hg_header *head)
{
	struct hg_subnet *subnets = lines_at(&b->lines, head->subnets.line);
	struct hg_vip *vips = lines_at(&b->lines, head->vips.line);
	uint32_t first = object_of_load_balancer(b->m, 0);
	int r = 0;

	for (uint32_t i = 1; i < head->subnets.n && r == 0; i++)
		r = chain_add(b, c, (int)i - 1, -1, &subnets[i].limit);
	for (uint32_t i = 1; i < head->vips.n && r == 0; i++)
		r = chain_add(b, c, (int)vips[i].subnet - 1,
			      (int)(vips[i].object - first), &vips[i].limit);
	return r;
}

static int chains_fill(struct build *b, struct chains *c, const struct hg_header *head)
{
	const struct model *m = b->m;
	struct hg_limit none = {};

	c->order = calloc(m->n_rate_limits + 1, sizeof(*c->order));
	c->marks = calloc(m->n_rate_limits + 1, sizeof(*c->marks));
	if (!c->order || !c->marks || !vec_push(&c->list, none))
		return -ENOMEM;
	for (size_t i = 0; i < m->n_rate_limits; i++)
		c->order[i] = &m->rate_limits[i];
	qsort(c->order, m->n_rate_limits, sizeof(*c->order), compare_names);
	marks_choose(b, c);
	return chains_make(b, c, head);
}

int limits_write(struct build *b, struct hg_header *head)
{
	_cleanup_(chains_done) struct chains c = {};
	uint32_t line;
	int r;

	r = chains_fill(b, &c, head);
	if (r == 0)
		r = lines_reserve(&b->lines, c.list.n, &line);
	if (r < 0)
		return r;
	memcpy(lines_at(&b->lines, line), c.list.items,
	       c.list.n * sizeof(c.list.items[0]));
	head->limits = (struct hg_table){ line, (uint32_t)c.list.n };
	return 0;
}
