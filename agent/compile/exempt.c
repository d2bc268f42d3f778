/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/exempt.h"

#include <errno.h>
#include <string.h>

/* Entry 'e' for port range 'k' to an id. */
static int entry_put(struct build *b, const struct exempt *e, size_t k, uint32_t *ret_id)
{
	uint32_t words[2] = { 0 };

	words[0] = e->protocol < 0 ? 0 : (uint32_t)e->protocol;
	if (e->n_ports == 0)
		words[0] |= 1U << 8;
	else
		words[1] = e->ports[k].first | (uint32_t)e->ports[k].last << 16;
	return pool_put(&b->exempts, words, 2, ret_id);
}

int exempt_mark(struct build *b, size_t vpc, struct marks *marks)
{
	const struct settings *s = &b->m->settings;
	uint32_t id;
	int r;

	for (size_t i = 0; i < s->n_exempt; i++) {
		const struct exempt *e = &s->exempt[i];

		if (!e->has_address || (e->vpc >= 0 && (size_t)e->vpc != vpc))
			continue;
		for (size_t k = 0; k == 0 || k < e->n_ports; k++) {
			r = entry_put(b, e, k, &id);
			if (r < 0)
				return r;
			if (!marks_add(marks, &e->cidr, MARK_EXEMPT, id))
				return -ENOMEM;
		}
	}
	return 0;
}

int exempt_write(struct build *b, const uint32_t *ids, size_t n, uint32_t *ret_line)
{
	struct hg_exempt line = { .n = (uint32_t)n };

	if (n == 0) {
		*ret_line = 0;
		return 0;
	}
	if (n > HG_MAX_EXEMPT_PORTS) {
		build_refuse(b, &(struct where){ "", 0, 0, "/settings/exempt" },
			     "%zu exempt entries meet at one address; at most %d can", n,
			     HG_MAX_EXEMPT_PORTS);
		*ret_line = 0;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		size_t n_words;
		const uint32_t *words = pool_get(&b->exempts, ids[i], &n_words);

		line.entry[i].protocol = words[0] & 0xff;
		line.entry[i].any_port = words[0] >> 8 & 1;
		line.entry[i].first = words[1] & 0xffff;
		line.entry[i].last = (uint16_t)(words[1] >> 16);
	}
	return lines_share(&b->lines, &line, sizeof(line), ret_line);
}

int exempt_write_header(struct build *b, uint32_t *ret_line)
{
	const struct settings *s = &b->m->settings;
	VEC(uint32_t) ids = { 0 };
	int r = 0;

	for (size_t i = 0; i < s->n_exempt && r == 0; i++) {
		const struct exempt *e = &s->exempt[i];

		for (size_t k = 0;
		     !e->has_address && r == 0 && (k == 0 || k < e->n_ports); k++) {
			uint32_t id;
			bool is_known = false;

			r = entry_put(b, e, k, &id);
			for (size_t j = 0; r == 0 && j < ids.n; j++)
				is_known |= ids.items[j] == id;
			if (r == 0 && !is_known && !vec_push(&ids, id))
				r = -ENOMEM;
		}
	}
	if (r == 0)
		r = exempt_write(b, ids.items, ids.n, ret_line);
	vec_done(&ids);
	return r;
}
