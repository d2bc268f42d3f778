/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/mark.h"

#include <stdlib.h>

static uint64_t load64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

bool marks_add(struct marks *m, const struct cidr *prefix, enum mark_kind kind,
	       uint32_t value)
{
	return vec_push(&m->of[prefix->addr.family == 6],
			(struct mark){ load64(prefix->addr.bytes),
				       load64(prefix->addr.bytes + 8), value, prefix->len,
				       (uint16_t)kind });
}

bool marks_add_address(struct marks *m, const struct addr *a, enum mark_kind kind,
		       uint32_t value)
{
	struct cidr host = { *a, a->family == 6 ? 128 : 32 };

	return marks_add(m, &host, kind, value);
}

static int mark_compare(const void *va, const void *vb)
{
	const struct mark *a = va, *b = vb;

	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	return 0;
}

void marks_sort(struct marks *m)
{
	for (int f = 0; f < 2; f++) {
		struct mark *items = m->of[f].items;
		size_t n = 0;

		if (m->of[f].n == 0)
			continue;
		qsort(items, m->of[f].n, sizeof(*items), mark_compare);
		for (size_t i = 0; i < m->of[f].n; i++)
			if (i == 0 || mark_compare(&items[n - 1], &items[i]) != 0)
				items[n++] = items[i];
		m->of[f].n = n;
	}
}

void marks_done(struct marks *m)
{
	vec_done(&m->of[0]);
	vec_done(&m->of[1]);
}
