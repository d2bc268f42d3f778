/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/uplink.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/mark.h"
#include "compile/trie.h"

#define RECORDS 2 /* places a line */

struct outside {
	struct pool ids;
	VEC(struct hg_place) places;
};

static int place_put(struct outside *o, const struct hg_place *place, uint32_t *ret_id)
{
	uint32_t words[sizeof(*place) / sizeof(uint32_t)];
	int r;

	memcpy(words, place, sizeof(words));
	r = pool_put(&o->ids, words, ARRAY_SIZE(words), ret_id);
	if (r == 0 && *ret_id == o->places.n && !vec_push(&o->places, *place))
		r = -ENOMEM;
	return r;
}

/* The node of a balancer whose elastic IP 'i' is. */
static void place_of_node(const struct model *m, size_t i, struct hg_place *place)
{
	size_t balancer = (size_t)m->elastic_ips[i].load_balancer;
	const struct load_balancer *l = &m->load_balancers[balancer];

	for (size_t k = 0; k < l->n_vips; k++) {
		if (l->vips[k].elastic_ip != (int)i)
			continue;
		place->kind = HG_PLACE_BALANCER;
		place->vip = id_of_vip(m, balancer) + (uint32_t)k;
		memcpy(&place->private_address, l->vips[k].address.bytes,
		       sizeof(place->private_address));
	}
}

static struct hg_place place_of_elastic(const struct build *b, size_t i)
{
	const struct model *m = b->m;
	const struct elastic_ip *e = &m->elastic_ips[i];
	struct hg_place place = { .kind = HG_PLACE_UNATTACHED,
				  .object = object_of_elastic_ip(m, i) };
	int vpc = -1;

	if (e->interface >= 0)
		vpc = m->interfaces[e->interface].vpc;
	else if (e->nat_gateway >= 0)
		vpc = m->nat_gateways[e->nat_gateway].vpc;
	else if (e->load_balancer >= 0)
		vpc = m->load_balancers[e->load_balancer].vpc;
	if (vpc < 0 || !b->vpc_gateways[vpc])
		return place;
	place.vpc = (uint32_t)vpc + 1;
	place.gateway = b->vpc_gateways[vpc];
	if (e->interface >= 0) {
		place.kind = HG_PLACE_ELASTIC;
		memcpy(&place.private_address, e->private_address.bytes,
		       sizeof(place.private_address));
	} else if (e->nat_gateway >= 0) {
		place.kind = HG_PLACE_NAT;
		place.nat = b->nat_ids[e->nat_gateway];
	} else {
		place_of_node(m, i, &place);
	}
	return place;
}

static int elastic_ips_mark(struct build *b, struct outside *o, struct marks *marks)
{
	for (size_t i = 0; i < b->m->n_elastic_ips; i++) {
		const struct hg_place place = place_of_elastic(b, i);
		uint32_t id;
		int r = place_put(o, &place, &id);

		if (r < 0)
			return r;
		if (!marks_add_address(marks, &b->m->elastic_ips[i].address, MARK_PLACE,
				       id))
			return -ENOMEM;
	}
	return 0;
}

static bool is_inside(const struct vpc *vpc, const struct addr *a)
{
	for (size_t i = 0; i < vpc->n_cidrs; i++)
		if (cidr_contains(&vpc->cidrs[i], a))
			return true;
	return false;
}

/* The bare addresses of balancers, but those inside a VPC, where another may have the same. As an
 * elastic IP, one whose VPC has no internet gateway is nobody's. */
static int vips_mark(struct build *b, struct outside *o, uint8_t family,
		     struct marks *marks)
{
	const struct model *m = b->m;
	uint32_t id = 1, place_id;
	int r = 0;

	for (size_t i = 0; i < m->n_load_balancers && r == 0; i++) {
		const struct load_balancer *l = &m->load_balancers[i];
		uint32_t gateway = b->vpc_gateways[l->vpc];

		for (size_t k = 0; k < l->n_vips && r == 0; k++, id++) {
			struct hg_place place = { .kind = HG_PLACE_UNATTACHED,
						  .object =
							  object_of_load_balancer(m, i) };

			if (l->vips[k].subnet >= 0 ||
			    l->vips[k].address.family != family ||
			    is_inside(&m->vpcs[l->vpc], &l->vips[k].address))
				continue;
			if (gateway)
				place = (struct hg_place){ .kind = HG_PLACE_BALANCER,
							   .vpc = (uint32_t)l->vpc + 1,
							   .gateway = gateway,
							   .vip = id };
			r = place_put(o, &place, &place_id);
			if (r == 0 && !marks_add_address(marks, &l->vips[k].address,
							 MARK_PLACE, place_id))
				r = -ENOMEM;
		}
	}
	return r;
}

static bool has_gateway_at(const struct gateway *gateways, size_t n, size_t vpc,
			   const char *device)
{
	for (size_t i = 0; i < n; i++)
		if ((size_t)gateways[i].vpc == vpc &&
		    strcmp(gateways[i].device, device) == 0)
			return true;
	return false;
}

/* The CIDRs of 'family' of every VPC, as they look from uplink 'device' (IPv4: from any). */
static int vpcs_mark(struct build *b, struct outside *o, uint8_t family,
		     const char *device, struct marks *marks)
{
	const struct model *m = b->m;

	for (size_t i = 0; i < m->n_vpcs; i++) {
		const struct vpc *v = &m->vpcs[i];
		struct hg_place place = { .kind = HG_PLACE_INSIDE };
		uint32_t id;
		int r;

		if (device && (has_gateway_at(m->internet_gateways,
					      m->n_internet_gateways, i, device) ||
			       has_gateway_at(m->egress_only_gateways,
					      m->n_egress_only_gateways, i, device)))
			place = (struct hg_place){ .kind = HG_PLACE_VPC,
						   .vpc = (uint32_t)i + 1,
						   .object = object_of_vpc(i),
						   .gateway = b->vpc_gateways[i] };
		r = place_put(o, &place, &id);
		if (r < 0)
			return r;
		for (size_t k = 0; k < v->n_cidrs; k++)
			if (v->cidrs[k].addr.family == family &&
			    !marks_add(marks, &v->cidrs[k], MARK_PLACE, id))
				return -ENOMEM;
	}
	return 0;
}

static bool mark_contains(const struct mark *outer, const struct mark *m)
{
	if (outer->len > m->len)
		return false;
	if (outer->len == 0)
		return true;
	if (outer->len <= 64)
		return (outer->hi ^ m->hi) >> (64 - outer->len) == 0;
	return outer->hi == m->hi && (outer->lo ^ m->lo) >> (128 - outer->len) == 0;
}

/* Whether a place may speak for an address inside one of 'outer'. */
static bool place_counts(const struct outside *o, uint32_t outer, uint32_t inner)
{
	return o->places.items[outer].kind != HG_PLACE_VPC ||
	       o->places.items[inner].kind != HG_PLACE_INSIDE;
}

struct place_prefixes {
	VEC(struct class_prefix) list;
};

/* Sorted marks to prefixes where the place changes. */
static int prefixes_make(const struct outside *o, const struct mark *marks, size_t n,
			 struct place_prefixes *ret)
{
	struct mark stack[130] = { { 0 } };
	size_t depth = 1;

	for (size_t i = 0; i < n; i++) {
		struct mark next = marks[i];
		uint32_t outer;

		while (depth > 1 && !mark_contains(&stack[depth - 1], &next))
			depth--;
		outer = stack[depth - 1].value;
		if (!place_counts(o, outer, next.value) || next.value == outer)
			continue;
		if (depth > 1 && stack[depth - 1].len == next.len) {
			/* The same prefix once more: only a better place takes it over. */
			if (place_counts(o, next.value, outer))
				continue;
			stack[depth - 1] = next;
			ret->list.items[ret->list.n - 1].class = next.value;
			continue;
		}
		stack[depth++] = next;
		if (!vec_push(&ret->list, (struct class_prefix){ next.hi, next.lo,
								 next.len, next.value }))
			return -ENOMEM;
	}
	return 0;
}

/* The trie of 'family'; 'device' NULL: without the view of one uplink. */
static int family_write(struct build *b, struct outside *o, uint8_t family,
			const char *device, uint32_t *ret_line)
{
	struct place_prefixes p = { 0 };
	struct marks marks = { 0 };
	bool v6 = family == 6;
	int r = 0;

	if (!v6)
		r = elastic_ips_mark(b, o, &marks);
	if (r == 0)
		r = vips_mark(b, o, family, &marks);
	if (r == 0)
		r = vpcs_mark(b, o, family, device, &marks);
	if (r == 0) {
		marks_sort(&marks);
		r = prefixes_make(o, marks.of[v6].items, marks.of[v6].n, &p);
	}
	if (r == 0)
		r = v6 ? trie6_write(&b->lines, p.list.items, p.list.n, ret_line)
		       : trie4_write(&b->lines, p.list.items, p.list.n, ret_line);
	vec_done(&p.list);
	marks_done(&marks);
	return r;
}

static int places_write(struct build *b, const struct outside *o, struct hg_table *ret)
{
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, (o->places.n + RECORDS - 1) / RECORDS, &line);
	if (r < 0)
		return r;
	memcpy(lines_at(&b->lines, line), o->places.items,
	       o->places.n * sizeof(*o->places.items));
	*ret = (struct hg_table){ line, (uint32_t)o->places.n };
	return 0;
}

/* 'line' is the first of the uplinks' table, after the record of nobody. */
static int uplinks_fill(struct build *b, struct outside *o, uint32_t line)
{
	const struct device *uplinks =
		b->devices.list + b->devices.n - b->devices.n_uplinks;
	const struct hg_place world = { 0 };
	struct hg_table places;
	uint32_t id, trie4 = 0, trie6;
	int r;

	r = place_put(o, &world, &id);
	if (r == 0)
		r = family_write(b, o, 4, NULL, &trie4);
	for (uint32_t i = 0; i < b->devices.n_uplinks && r == 0; i++) {
		struct hg_uplink *u;

		r = family_write(b, o, 6, uplinks[i].name, &trie6);
		u = lines_at(&b->lines, line + i);
		u->trie4 = trie4;
		u->trie6 = trie6;
	}
	if (r == 0)
		r = places_write(b, o, &places);
	for (uint32_t i = 0; i < b->devices.n_uplinks && r == 0; i++)
		((struct hg_uplink *)lines_at(&b->lines, line + i))->places = places;
	return r;
}

int uplinks_write(struct build *b, struct hg_header *head)
{
	struct outside o = { 0 };
	size_t n = b->devices.n_uplinks + 1;
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, n, &line);
	if (r < 0)
		return r;
	head->uplinks = (struct hg_table){ line, (uint32_t)n };
	if (n > 1)
		r = uplinks_fill(b, &o, line + 1);
	pool_done(&o.ids);
	vec_done(&o.places);
	return r;
}
