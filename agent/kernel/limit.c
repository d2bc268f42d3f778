/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/limit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/plane.h"

#define WORDS (sizeof(struct hg_limit_counts) / sizeof(uint64_t))

/* The record of each number; a limit may have many, which say the same. */
static void limits_find(const struct image *image,
			const struct hg_limit *ret[static HG_LIMIT_IDS])
{
	struct hg_table limits = image_header(image)->limits;

	for (uint32_t id = 1; id < limits.n; id++) {
		const struct hg_limit *l = image_record(image, limits, id, sizeof(*l));

		if (l)
			ret[HG_MARK_ID(l->mark)] = l;
	}
}

/* As bpf/limit.h does it. */
static uint64_t estimate(const struct hg_counted *e, uint32_t now, uint32_t window)
{
	uint64_t present = __atomic_load_n(&e->present, __ATOMIC_RELAXED);
	uint64_t previous = __atomic_load_n(&e->previous, __ATOMIC_RELAXED);
	/* dataplane_now() has 31 bits of them. */
	uint32_t age = (now - __atomic_load_n(&e->start, __ATOMIC_RELAXED)) & 0x7fffffff;

	/* The packet path has read the clock since. */
	if (age >> 30)
		age = 0;
	if (age >= window) {
		age -= window;
		previous = present;
		present = 0;
	}
	return age >= window ? 0 : hg_counted_estimate(previous, present, age, window);
}

static void counted_sweep(struct hg_counted *e, const struct hg_limit *l, uint32_t now,
			  uint32_t hz, struct limit_tally *ret)
{
	uint32_t mark = __atomic_load_n(&e->mark, __ATOMIC_RELAXED);
	uint64_t count;

	if (!l || HG_MARK_LIMIT(mark) != l->mark)
		return;
	count = estimate(e, now, l->window * hz);
	ret->sources += count != 0;
	if (!(mark & HG_MARK_LIMITED))
		return;
	if (count > l->limit)
		ret->limited++;
	else
		__atomic_compare_exchange_n(&e->mark, &mark, l->mark, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void limits_sweep(struct dataplane *dp, struct limit_tally ret[static HG_LIMIT_IDS])
{
	const struct hg_limit *limits[HG_LIMIT_IDS] = {};
	struct hg_counted_set *sets = dp->limited.at;
	struct hg_limit_room *rooms = dp->limits.at;
	struct image image = dataplane_image(dp);
	uint32_t now, hz = dataplane_hz(dp);

	memset(ret, 0, HG_LIMIT_IDS * sizeof(*ret));
	if (!image.lines || image_header(&image)->limits.n <= 1)
		return;
	limits_find(&image, limits);
	now = dataplane_now(dp);
	for (uint32_t i = 0; i < HG_COUNTED_SETS; i++) {
		for (uint32_t k = 0; k < HG_COUNTED_WAYS; k++) {
			struct hg_counted *e = &sets[i].way[k];
			uint32_t id = HG_MARK_ID(e->mark);

			if (id)
				counted_sweep(e, limits[id], now, hz, &ret[id]);
		}
	}
	for (uint32_t id = 1; id < HG_LIMIT_IDS; id++)
		if (limits[id] && rooms[id].mark == limits[id]->mark)
			__atomic_store_n(&rooms[id].n, ret[id].limited, __ATOMIC_RELAXED);
}

int limit_read(struct dataplane *dp, uint32_t mark, struct hg_limit_counts *ret)
{
	_cleanup_free_ struct hg_limit_counts *cpus =
		calloc((size_t)dp->n_cpus, sizeof(*cpus));
	uint32_t id = HG_MARK_ID(mark);
	uint64_t sum[WORDS] = {};

	if (!cpus)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dataplane_map_fd(dp, "hg_limit_counts"), &id, cpus) < 0)
		return -errno;
	for (int cpu = 0; cpu < dp->n_cpus; cpu++)
		for (size_t i = 1; i < WORDS && cpus[cpu].mark == mark; i++)
			sum[i] += ((const uint64_t *)&cpus[cpu])[i];
	memcpy(ret, sum, sizeof(*ret));
	ret->mark = mark;
	return 0;
}
