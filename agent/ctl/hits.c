/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/hits.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "kernel/sync.h"

static int hit_compare(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->direction != y->direction)
		return x->direction < y->direction ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

int hits_init(struct hits *h, struct agent *a)
{
	struct image image = dataplane_image(a->dp);
	_cleanup_free_ uint64_t *counts = NULL;
	uint32_t n = image.lines ? image_header(&image)->n_rules : 0;
	size_t out = 0;
	int r;

	*h = (struct hits){};
	counts = calloc(n + 1, sizeof(*counts));
	h->items = calloc(n + 1, sizeof(*h->items));
	r = counts && h->items ? dataplane_hits_all(a->dp, counts, n) : -ENOMEM;
	if (r < 0) {
		hits_done(h);
		return r;
	}
	for (uint32_t id = 1; id < n; id++) {
		const struct hg_rule *rule = image_rule(&image, id);

		if (rule)
			h->items[h->n++] = (struct hit){
				.object = rule->object,
				.direction = rule->direction,
				.number = rule->number,
				.hits = counts[id],
			};
	}
	if (h->n)
		qsort(h->items, h->n, sizeof(*h->items), hit_compare);
	for (size_t i = 0; i < h->n; i++)
		if (out && hit_compare(&h->items[out - 1], &h->items[i]) == 0)
			h->items[out - 1].hits += h->items[i].hits;
		else
			h->items[out++] = h->items[i];
	h->n = out;
	return 0;
}

void hits_done(struct hits *h)
{
	free(h->items);
	*h = (struct hits){};
}

void hits_json(const struct hits *h, uint32_t object, uint32_t direction, uint32_t number,
	       struct json *j)
{
	struct hit key = { .object = object, .direction = direction, .number = number };
	const struct hit *hit = NULL;

	if (h->n)
		hit = bsearch(&key, h->items, h->n, sizeof(key), hit_compare);
	if (hit)
		json_set_u64(j, "hits", hit->hits);
	else
		json_set_null(j, "hits");
}
