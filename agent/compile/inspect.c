/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/inspect.h"

#include <string.h>

#include "base/hash.h"

static uint64_t name_hash(const char *name)
{
	return hash64(0, name, strlen(name));
}

static int inspect_fill(struct build *b, struct targets *t, size_t i, struct hg_gwlb *ret)
{
	static const uint32_t tuples[] = {
		[INSPECT_5_TUPLE] = 5,
		[INSPECT_3_TUPLE] = 3,
		[INSPECT_2_TUPLE] = 2,
	};
	const struct model *m = b->m;
	const struct gateway_load_balancer *g = &m->gateway_load_balancers[i];
	struct hg_gwlb gwlb = {
		.vpc = (uint32_t)g->vpc + 1,
		.object = object_of_gateway_load_balancer(m, i),
		.meter = b->meters[m->n_load_balancers + i],
		.subnet = (uint32_t)(g->subnet + 1),
		.tuple = tuples[g->stickiness],
		.idle_timeout = g->idle_timeout,
		.is_rebalancing = m->target_groups[g->target_group].is_rebalancing,
		.endpoint = name_hash(g->name),
		.attachment = name_hash(m->vpcs[g->vpc].name),
	};
	int r = targets_pool(b, t, (size_t)g->target_group, 4, NULL, &gwlb.pool);

	if (r == 0)
		*ret = gwlb;
	return r;
}

int inspects_write(struct build *b, struct targets *t, struct hg_header *head)
{
	size_t n = b->m->n_gateway_load_balancers;
	uint32_t line, n_ids = 1;
	int r;

	for (size_t i = 0; i < n; i++)
		if (id_of_gateway_load_balancer(b, i) >= n_ids)
			n_ids = id_of_gateway_load_balancer(b, i) + 1;
	r = lines_reserve(&b->lines, n_ids, &line);
	if (r < 0)
		return r;
	head->gwlbs = (struct hg_table){ line, n_ids };
	for (size_t i = 0; i < n && r == 0; i++) {
		struct hg_gwlb gwlb;

		/* Its pool may move the lines. */
		r = inspect_fill(b, t, i, &gwlb);
		if (r == 0)
			memcpy(lines_at(&b->lines,
					line + id_of_gateway_load_balancer(b, i)),
			       &gwlb, sizeof(gwlb));
	}
	return r;
}
