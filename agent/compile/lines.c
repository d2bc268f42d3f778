/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/lines.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"

static int grow(struct lines *l, size_t n)
{
	size_t room = l->room ? l->room : 1024;
	void *p;

	if (n > HG_MAX_IMAGE_LINES || l->n + n > HG_MAX_IMAGE_LINES)
		return -E2BIG;
	if (l->n + n <= l->room)
		return 0;
	while (room < l->n + n)
		room *= 2;
	if (posix_memalign(&p, HG_LINE, room * HG_LINE) != 0)
		return -ENOMEM;
	if (l->n)
		memcpy(p, l->line, l->n * HG_LINE);
	free(l->line);
	l->line = p;
	l->room = room;
	return 0;
}

int lines_room(struct lines *l, size_t n)
{
	return grow(l, n);
}

int lines_reserve(struct lines *l, size_t n, uint32_t *ret_line)
{
	int r = grow(l, n);

	if (r < 0)
		return r;
	memset(l->line + l->n, 0, n * HG_LINE);
	*ret_line = (uint32_t)l->n;
	l->n += n;
	return 0;
}

static int grow_slots(struct lines *l)
{
	size_t n = l->n_slots ? l->n_slots * 2 : 256;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < l->sections.n; i++) {
		size_t at = l->sections.items[i].hash & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(l->slots);
	l->slots = slots;
	l->n_slots = n;
	return 0;
}

int lines_share(struct lines *l, const void *bytes, size_t size, uint32_t *ret_line)
{
	uint64_t hash = hash64(1, bytes, size);
	uint32_t line;
	size_t at;
	int r;

	if (l->sections.n * 2 >= l->n_slots) {
		r = grow_slots(l);
		if (r < 0)
			return r;
	}
	for (at = hash & (l->n_slots - 1); l->slots[at];
	     at = (at + 1) & (l->n_slots - 1)) {
		const struct section *s = &l->sections.items[l->slots[at] - 1];

		if (s->hash == hash && s->size == size &&
		    memcmp(l->line + s->line, bytes, size) == 0) {
			*ret_line = s->line;
			return 0;
		}
	}
	r = lines_reserve(l, (size + HG_LINE - 1) / HG_LINE, &line);
	if (r < 0)
		return r;
	if (!vec_push(&l->sections, (struct section){ hash, size, line })) {
		l->n = line;
		return -ENOMEM;
	}
	memcpy(l->line + line, bytes, size);
	l->slots[at] = (uint32_t)l->sections.n;
	*ret_line = line;
	return 0;
}

void lines_done(struct lines *l)
{
	free(l->line);
	vec_done(&l->sections);
	free(l->slots);
	*l = (struct lines){ 0 };
}
