/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/limit.h"

#include <endian.h>
#include <string.h>

#include "compile/number.h"

/* The record of the first limit of a resource from 'from' on; 0 none. */
static uint32_t limit_find(const struct model *m, int load_balancer, int subnet,
			   size_t from)
{
	for (size_t i = from; i < m->n_rate_limits; i++)
		if (m->rate_limits[i].load_balancer == load_balancer &&
		    m->rate_limits[i].subnet == subnet)
			return (uint32_t)i + 1;
	return 0;
}

uint32_t limit_first(const struct model *m, int load_balancer, int subnet)
{
	return limit_find(m, load_balancer, subnet, 0);
}

static void limit_fill(const struct model *m, size_t i, struct hg_limit *ret)
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
	const struct rate_limit *l = &m->rate_limits[i];

	*ret = (struct hg_limit){
		.next = limit_find(m, l->load_balancer, l->subnet, i + 1),
		.object = object_of_rate_limit(m, i),
		.resource = l->load_balancer >= 0
				    ? object_of_load_balancer(m, (size_t)l->load_balancer)
				    : object_of_subnet(m, (size_t)l->subnet),
		.unit = units[l->unit],
		.action = actions[l->action],
		.limit = l->limit,
		.window = l->window,
		.port = htobe16(l->port),
	};
}

static bool has_same_resource(const struct build *b, const struct hg_limit *old,
			      const struct rate_limit *l)
{
	const struct image *previous = b->facts->previous;
	uint32_t kind = image_object_kind(previous, old->resource);
	const char *name = l->load_balancer >= 0
				   ? b->m->load_balancers[l->load_balancer].name
				   : b->m->subnets[l->subnet].name;

	return kind == (l->load_balancer >= 0 ? HG_OBJECT_LOAD_BALANCER
					      : HG_OBJECT_SUBNET) &&
	       strcmp(image_object_name(previous, old->resource), name) == 0;
}

static bool is_unchanged(const struct build *b, const struct hg_limit *old,
			 const struct hg_limit *now, size_t i)
{
	return old->unit == now->unit && old->action == now->action &&
	       old->limit == now->limit && old->window == now->window &&
	       old->port == now->port && has_same_resource(b, old, &b->m->rate_limits[i]);
}

static void limits_keep(const struct build *b, struct hg_limit *limits,
			struct numbers *numbers)
{
	const struct model *m = b->m;
	const struct image *previous = b->facts->previous;
	struct hg_table table = image_header(previous)->limits;

	for (uint32_t k = 1; k < table.n; k++) {
		const struct hg_limit *old =
			image_record(previous, table, k, sizeof(*old));
		const struct rate_limit *found;
		struct hg_limit *now;

		if (!old || !old->id)
			continue;
		found = model_find(m->rate_limits, m->n_rate_limits, sizeof(*found),
				   image_object_name(previous, old->object));
		now = found ? &limits[found - m->rate_limits + 1] : NULL;
		if (now && !is_unchanged(b, old, now, (size_t)(found - m->rate_limits)))
			now = NULL;
		if (now)
			now->id = old->id;
		numbers_keep(numbers, old->id, now);
	}
}

int limits_write(struct build *b, struct hg_header *head)
{
	uint32_t n = (uint32_t)b->m->n_rate_limits + 1, line;
	struct hg_limit *limits;
	struct numbers numbers;
	int r;

	r = lines_reserve(&b->lines, n, &line);
	if (r == 0)
		r = numbers_init(&numbers, HG_MAX_RATE_LIMITS);
	if (r < 0)
		return r;
	head->limits = (struct hg_table){ line, n };
	limits = lines_at(&b->lines, line);
	for (uint32_t i = 1; i < n; i++)
		limit_fill(b->m, i - 1, &limits[i]);
	if (b->facts && b->facts->previous)
		limits_keep(b, limits, &numbers);
	for (uint32_t i = 1; i < n; i++)
		if (!limits[i].id)
			limits[i].id = numbers_take(&numbers);
	numbers_done(&numbers);
	return 0;
}
