/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/shape.h"

#include <errno.h>
#include <string.h>

#include <netinet/in.h>

#include <hg/classifier.h>
#include <hg/limits.h>

int shape_keyed(int protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return HG_ORPHAN_TCP;
	case IPPROTO_UDP:
		return HG_ORPHAN_UDP;
	case IPPROTO_ICMP:
		return HG_ORPHAN_ICMP;
	case IPPROTO_ICMPV6:
		return HG_ORPHAN_ICMPV6;
	default:
		return -1;
	}
}

bool shape_is_every_port(const struct match *m)
{
	return m->n_ports == 0 ||
	       (m->n_ports == 1 && m->ports[0].first == 0 && m->ports[0].last == 65535);
}

static bool has_type(const struct match *m, int family)
{
	return m->icmp_type >= 0 && ((m->protocol == IPPROTO_ICMP && family == 4) ||
				     (m->protocol == IPPROTO_ICMPV6 && family == 6));
}

bool shape_needs_key(const struct match *m, int family)
{
	if (m->protocol == IPPROTO_TCP || m->protocol == IPPROTO_UDP)
		return !shape_is_every_port(m);
	return has_type(m, family);
}

struct intervals {
	uint32_t words[2 * (HG_MAX_PORT_RANGES + 2)];
	size_t n;
};

static int interval_add(struct intervals *v, uint32_t first, uint32_t last)
{
	if (v->n && v->words[v->n - 1] + 1 == first) {
		v->words[v->n - 1] = last;
		return 0;
	}
	if (v->n + 2 > sizeof(v->words) / sizeof(v->words[0]))
		return -EINVAL;
	v->words[v->n++] = first;
	v->words[v->n++] = last;
	return 0;
}

int shape_put(struct pool *p, const struct match *m, int family, bool with_orphans,
	      uint32_t *ret_id)
{
	struct intervals v = { .n = 0 };
	int keyed = shape_keyed(m->protocol);
	uint32_t base = (uint32_t)keyed * SHAPE_KEYS;
	int r = 0;

	if (m->protocol < 0) {
		r = interval_add(&v, 0, SHAPE_END - 1);
	} else if (keyed < 0) {
		r = interval_add(&v, SHAPE_OTHER + (uint32_t)m->protocol,
				 SHAPE_OTHER + (uint32_t)m->protocol);
	} else {
		if (!shape_needs_key(m, family)) {
			r = interval_add(&v, base, base + 65535);
		} else if (has_type(m, family)) {
			uint32_t type = base + ((uint32_t)m->icmp_type << 8);

			if (m->icmp_code < 0)
				r = interval_add(&v, type, type + 255);
			else
				r = interval_add(&v, type + (uint32_t)m->icmp_code,
						 type + (uint32_t)m->icmp_code);
		} else {
			for (size_t i = 0; i < m->n_ports && r == 0; i++)
				r = interval_add(&v, base + m->ports[i].first,
						 base + m->ports[i].last);
		}
		if (r == 0 && with_orphans)
			r = interval_add(&v, base + SHAPE_ORPHAN, base + SHAPE_ORPHAN);
	}
	return r < 0 ? r : pool_put(p, v.words, v.n, ret_id);
}

int shape_put_orphans(struct pool *p, const struct match *m, uint32_t *ret_id)
{
	uint32_t at = (uint32_t)shape_keyed(m->protocol) * SHAPE_KEYS + SHAPE_ORPHAN;
	uint32_t words[2] = { at, at };

	return pool_put(p, words, 2, ret_id);
}

int shape_put_part(struct pool *p, uint32_t id, bool tcp, bool udp, uint32_t *ret_id)
{
	const uint32_t from[2] = { 0, SHAPE_KEYS };
	const bool wants[2] = { tcp, udp };
	struct intervals v = { .n = 0 };
	size_t n;
	const uint32_t *words = pool_get(p, id, &n);
	int r = 0;

	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; wants[k] && i < n && r == 0; i += 2) {
			uint32_t end = from[k] + SHAPE_KEYS - 1;
			uint32_t first = words[i] > from[k] ? words[i] : from[k];
			uint32_t last = words[i + 1] < end ? words[i + 1] : end;

			if (first <= last)
				r = interval_add(&v, first, last);
		}
	}
	*ret_id = UINT32_MAX;
	if (r == 0 && v.n)
		r = pool_put(p, v.words, v.n, ret_id);
	return r;
}
