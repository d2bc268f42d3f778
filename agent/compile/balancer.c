/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/balancer.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <hg/event.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "compile/number.h"

#define ENTRANCES   4   /* a set */
#define UDP_TIMEOUT 120 /* seconds */

/* ---- meters ---- */

/* The number of the balancer that 'object' of the previous image was. */
static uint32_t *meter_find(struct build *b, const struct image *previous,
			    uint32_t object)
{
	const struct model *m = b->m;
	const char *name = image_object_name(previous, object);
	const struct gateway_load_balancer *g;
	const struct load_balancer *l;

	switch (image_object_kind(previous, object)) {
	case HG_OBJECT_LOAD_BALANCER:
		l = model_find(m->load_balancers, m->n_load_balancers, sizeof(*l), name);
		return l ? &b->meters[l - m->load_balancers] : NULL;
	case HG_OBJECT_GATEWAY_LOAD_BALANCER:
		g = model_find(m->gateway_load_balancers, m->n_gateway_load_balancers,
			       sizeof(*g), name);
		return g ? &b->meters[m->n_load_balancers +
				      (size_t)(g - m->gateway_load_balancers)]
			 : NULL;
	default:
		return NULL;
	}
}

static void meter_keep(struct build *b, const struct image *previous, uint32_t object,
		       uint32_t meter, struct numbers *numbers)
{
	uint32_t *mine = meter_find(b, previous, object);

	if (meter <= HG_METER_BALANCER || meter >= HG_METERS)
		return;
	if (mine)
		*mine = meter;
	numbers_keep(numbers, meter - HG_METER_BALANCER, mine);
}

static void meters_keep(struct build *b, const struct image *previous,
			struct numbers *numbers)
{
	struct hg_table vips = image_header(previous)->vips;
	struct hg_table gwlbs = image_header(previous)->gwlbs;

	for (uint32_t id = 1; id < vips.n; id++) {
		const struct hg_vip *v = image_record(previous, vips, id, sizeof(*v));

		if (v)
			meter_keep(b, previous, v->object, v->meter, numbers);
	}
	for (uint32_t id = 1; id < gwlbs.n; id++) {
		const struct hg_gwlb *g = image_record(previous, gwlbs, id, sizeof(*g));

		if (g)
			meter_keep(b, previous, g->object, g->meter, numbers);
	}
}

int balancers_choose(struct build *b)
{
	const struct image *previous = b->facts ? b->facts->previous : NULL;
	size_t n = b->m->n_load_balancers + b->m->n_gateway_load_balancers;
	struct numbers numbers;
	int r;

	_Static_assert(HG_METER_BALANCER + HG_MAX_BALANCERS < HG_METERS,
		       "more balancers than meters");
	if (n > HG_MAX_BALANCERS) {
		build_refuse(b, NULL,
			     "%zu load balancers of both kinds; at most %d are "
			     "possible",
			     n, HG_MAX_BALANCERS);
		return 0;
	}
	r = numbers_init(&numbers, HG_MAX_BALANCERS);
	if (r < 0)
		return r;
	if (previous)
		meters_keep(b, previous, &numbers);
	for (size_t i = 0; i < n; i++)
		if (!b->meters[i])
			b->meters[i] = HG_METER_BALANCER + numbers_take(&numbers);
	numbers_done(&numbers);
	return 0;
}

/* ---- listeners ---- */

struct listeners {
	struct targets *targets;
	VEC(struct hg_listener) list;
	VEC(struct hg_entrance) entrances;
};

/* The zone that the targets of 'group' must be in; NULL: any. */
static const char *zone_of(const struct load_balancer *l, const struct vip *vip,
			   const struct target_group *group)
{
	bool is_cross = group->cross_zone < 0 ? l->cross_zone : group->cross_zone;

	return is_cross ? NULL : vip->zone;
}

static int forwards_fill(struct build *b, struct targets *t,
			 const struct load_balancer *l, const struct vip *vip,
			 const struct listener *from, struct hg_listener *to)
{
	for (size_t i = 0; i < from->n_forwards && i < HG_MAX_FORWARDS; i++) {
		const struct forward *f = &from->forwards[i];
		size_t group = (size_t)f->target_group;
		int r;

		r = targets_pool(b, t, group, vip->address.family,
				 zone_of(l, vip, &b->m->target_groups[group]),
				 &to->forward[i].pool);
		if (r < 0)
			return r;
		to->weight += f->weight;
		to->forward[i].until = to->weight;
		to->n_forwards++;
	}
	return 0;
}

/* Of the balancer's name, and so the same at every gateway of a rule set. */
static uint32_t seed_of(const struct load_balancer *l)
{
	return (uint32_t)hash64(0, l->name, strlen(l->name));
}

static int listener_add(struct build *b, struct listeners *s,
			const struct load_balancer *l, uint32_t vip, const struct vip *v,
			const struct listener *from, uint8_t protocol)
{
	struct hg_listener to = { .vip = vip,
				  .port = htobe16(from->port),
				  .protocol = protocol,
				  .idle_timeout = UDP_TIMEOUT,
				  .seed = seed_of(l),
				  .syn_protection = HG_SYN_OFF };
	struct hg_entrance entrance = { .vip = vip,
					.port = to.port,
					.protocol = protocol,
					.listener = (uint32_t)s->list.n };
	int r;

	if (protocol == IPPROTO_TCP) {
		to.idle_timeout = from->idle_timeout;
		to.syn_protection = from->syn_protection == SYN_ALWAYS ? HG_SYN_ALWAYS
				    : from->syn_protection == SYN_OFF  ? HG_SYN_OFF
								       : HG_SYN_AUTO;
	}
	r = forwards_fill(b, s->targets, l, v, from, &to);
	if (r == 0 && (!vec_push(&s->list, to) || !vec_push(&s->entrances, entrance)))
		r = -ENOMEM;
	return r;
}

static int listeners_add(struct build *b, struct listeners *s,
			 const struct load_balancer *l, uint32_t vip, const struct vip *v)
{
	int r = 0;

	for (size_t i = 0; i < l->n_listeners && r == 0; i++) {
		const struct listener *from = &l->listeners[i];

		if (from->protocol != TARGET_UDP)
			r = listener_add(b, s, l, vip, v, from, IPPROTO_TCP);
		if (r == 0 && from->protocol != TARGET_TCP)
			r = listener_add(b, s, l, vip, v, from, IPPROTO_UDP);
	}
	return r;
}

/* False: more than a set holds meet in one. */
static bool entrances_place(const struct hg_entrance *list, size_t n,
			    struct hg_entrance *sets, uint32_t n_sets)
{
	for (size_t i = 0; i < n; i++) {
		const struct hg_entrance *e = &list[i];
		uint32_t set =
			hg_entrance_hash(e->vip, e->protocol, e->port) & (n_sets - 1);
		struct hg_entrance *at = &sets[(size_t)set * ENTRANCES];
		unsigned k = 0;

		while (k < ENTRANCES && at[k].vip)
			k++;
		if (k == ENTRANCES)
			return false;
		at[k] = *e;
	}
	return true;
}

static int entrances_write(struct build *b, const struct listeners *s,
			   struct hg_table *ret)
{
	uint32_t n_sets = 1, line;
	int r;

	while (n_sets < s->entrances.n / 2)
		n_sets *= 2;
	for (; n_sets < HG_MAX_IMAGE_LINES; n_sets *= 2) {
		_cleanup_free_ struct hg_entrance *sets =
			calloc((size_t)n_sets * ENTRANCES, sizeof(*sets));

		if (!sets)
			return -ENOMEM;
		if (!entrances_place(s->entrances.items, s->entrances.n, sets, n_sets))
			continue;
		r = lines_reserve(&b->lines, n_sets, &line);
		if (r < 0)
			return r;
		memcpy(lines_at(&b->lines, line), sets, (size_t)n_sets * HG_LINE);
		*ret = (struct hg_table){ line, n_sets };
		return 0;
	}
	return -E2BIG;
}

static int listeners_write(struct build *b, struct listeners *s, struct hg_header *head)
{
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, s->list.n, &line);
	if (r < 0)
		return r;
	memcpy(lines_at(&b->lines, line), s->list.items, s->list.n * HG_LINE);
	head->listeners = (struct hg_table){ line, (uint32_t)s->list.n };
	return entrances_write(b, s, &head->entrances);
}

/* ---- virtual addresses ---- */

static void vip_fill(const struct build *b, size_t balancer, uint32_t id,
		     const struct vip *from, struct hg_vip *to)
{
	const struct model *m = b->m;
	const struct load_balancer *l = &m->load_balancers[balancer];

	*to = (struct hg_vip){
		.vpc = (uint32_t)l->vpc + 1,
		.subnet = (uint32_t)(from->subnet + 1),
		.object = object_of_load_balancer(m, balancer),
		.meter = b->meters[balancer],
		.family = from->address.family,
		.interface = l->n_groups ? id_of_guarded(m, balancer) : 0,
		.gateway = b->vpc_gateways[l->vpc],
		.peer = b->vip_peers[id],
	};
	memcpy(&to->address, from->address.bytes, sizeof(to->address));
	/* Without an internet gateway nobody can reach it. */
	if (from->elastic_ip >= 0 && b->vpc_gateways[l->vpc])
		memcpy(&to->public, m->elastic_ips[from->elastic_ip].address.bytes,
		       sizeof(to->public));
}

static int vips_write(struct build *b, struct listeners *s, struct hg_header *head)
{
	const struct model *m = b->m;
	uint32_t n = id_of_vip(m, m->n_load_balancers), line, id = 1;
	int r;

	r = lines_reserve(&b->lines, n, &line);
	if (r < 0)
		return r;
	head->vips = (struct hg_table){ line, n };
	for (size_t i = 0; i < m->n_load_balancers; i++) {
		const struct load_balancer *l = &m->load_balancers[i];

		for (size_t k = 0; k < l->n_vips; k++, id++) {
			vip_fill(b, i, id, &l->vips[k], lines_at(&b->lines, line + id));
			r = listeners_add(b, s, l, id, &l->vips[k]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int balancers_write(struct build *b, struct targets *t, struct hg_header *head)
{
	struct listeners s = { .targets = t };
	int r = vec_push(&s.list, (struct hg_listener){ 0 }) ? 0 : -ENOMEM;

	if (r == 0)
		r = vips_write(b, &s, head);
	if (r == 0)
		r = listeners_write(b, &s, head);
	vec_done(&s.list);
	vec_done(&s.entrances);
	return r;
}
