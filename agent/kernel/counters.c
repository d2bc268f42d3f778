/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/record.h"

#define COUNTER_WORDS (sizeof(struct hg_counters) / sizeof(uint64_t))

int counters_read(struct dataplane *dp, int records, struct device_counters **ret,
		  size_t *ret_n, struct hg_counters *ret_total)
{
	_cleanup_free_ struct record_named *list = NULL;
	_cleanup_free_ struct device_counters *counters = NULL;
	struct hg_counters total;
	size_t n;
	int r;

	r = records_list(records, &list, &n);
	if (r == 0)
		r = dataplane_counters(dp, 0, &total);
	if (r < 0)
		return r;
	counters = calloc(n + 1, sizeof(*counters));
	if (!counters)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const uint64_t *base = (const uint64_t *)&list[i].record.base;
		uint64_t *own = (uint64_t *)&counters[i].counters;

		memcpy(counters[i].device, list[i].device, sizeof(counters[i].device));
		counters[i].ifindex = list[i].record.ifindex;
		r = dataplane_counters(dp, list[i].record.slot, &counters[i].counters);
		if (r < 0)
			return r;
		for (size_t w = 0; w < COUNTER_WORDS; w++) {
			((uint64_t *)&total)[w] += own[w];
			own[w] -= base[w];
		}
	}
	*ret = TAKE(counters);
	*ret_n = n;
	*ret_total = total;
	return 0;
}
