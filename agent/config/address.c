/* SPDX-License-Identifier: Apache-2.0 */

/* Whose address is whose: which subnet contains it, and that in a VPC each has one owner. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"

/* ---- the subnet of an address ---- */

static int compare_extents(const void *pa, const void *pb)
{
	const struct extent *a = pa, *b = pb;
	int r = (a->vpc > b->vpc) - (a->vpc < b->vpc);

	return r != 0 ? r : cidr_compare(a->cidr, b->cidr);
}

bool extents_init(struct reader *r, struct extents *ret)
{
	const struct model *m = r->model;
	struct extents e = {};
	size_t n = 0;

	for (size_t i = 0; i < m->n_subnets; i++)
		n += m->subnets[i].n_cidrs;
	e.items = reader_room(r, n, sizeof(*e.items));
	if (!e.items)
		return false;
	for (size_t i = 0; i < m->n_subnets; i++)
		for (size_t k = 0; k < m->subnets[i].n_cidrs; k++)
			e.items[e.n++] = (struct extent){ &m->subnets[i].cidrs[k],
							  m->subnets[i].vpc, (int)i };
	qsort(e.items, e.n, sizeof(*e.items), compare_extents);
	*ret = e;
	return true;
}

void extents_done(struct extents *e)
{
	free(e->items);
}

/* Subnets of a VPC do not overlap: it is the last that begins at the address or before. */
const struct cidr *extent_find(const struct extents *e, int vpc, const struct addr *a,
			       int *ret_subnet)
{
	size_t low = 0, high = e->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct extent *x = &e->items[mid];

		if (x->vpc < vpc ||
		    (x->vpc == vpc && addr_compare(&x->cidr->addr, a) <= 0))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || e->items[low - 1].vpc != vpc ||
	    !cidr_contains(e->items[low - 1].cidr, a))
		return NULL;
	*ret_subnet = e->items[low - 1].subnet;
	return e->items[low - 1].cidr;
}

const struct cidr *vpc_cidr_find(const struct vpc *vpc, const struct addr *a)
{
	for (size_t k = 0; k < vpc->n_cidrs; k++)
		if (cidr_contains(&vpc->cidrs[k], a))
			return &vpc->cidrs[k];
	return NULL;
}

bool addr_is_mapped(const struct addr *a)
{
	static const struct cidr mapped = { { 6, { [10] = 0xff, [11] = 0xff } }, 96 };

	return cidr_contains(&mapped, a);
}

/* ---- one owner each ---- */

/* An address in use; 'index' is that of a balancer's virtual address. */
struct claim {
	const struct addr *addr;
	int vpc;
	enum noun noun;
	size_t object, index;
};

static int compare_same(const struct claim *a, const struct claim *b)
{
	int r = (a->vpc > b->vpc) - (a->vpc < b->vpc);

	return r != 0 ? r : addr_compare(a->addr, b->addr);
}

/* Interfaces come first, then NAT gateways, then balancers. */
static int compare_claims(const void *pa, const void *pb)
{
	const struct claim *a = pa, *b = pb;
	int r = compare_same(a, b);

	if (r == 0)
		r = (a->noun > b->noun) - (a->noun < b->noun);
	if (r == 0)
		r = (a->object > b->object) - (a->object < b->object);
	return r != 0 ? r : (a->index > b->index) - (a->index < b->index);
}

static size_t claims_count(const struct model *m)
{
	size_t n = m->n_nat_gateways;

	for (size_t i = 0; i < m->n_interfaces; i++)
		n += m->interfaces[i].n_addresses;
	for (size_t i = 0; i < m->n_load_balancers; i++)
		n += m->load_balancers[i].n_vips;
	return n;
}

static size_t claims_put(const struct model *m, struct claim *claims)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0; k < m->interfaces[i].n_addresses; k++)
			claims[n++] = (struct claim){ &m->interfaces[i].addresses[k],
						      m->interfaces[i].vpc,
						      NOUN_INTERFACE, i, k };
	for (size_t i = 0; i < m->n_nat_gateways; i++)
		claims[n++] =
			(struct claim){ &m->nat_gateways[i].private_address,
					m->nat_gateways[i].vpc, NOUN_NAT_GATEWAY, i, 0 };
	for (size_t i = 0; i < m->n_load_balancers; i++)
		for (size_t k = 0; k < m->load_balancers[i].n_vips; k++)
			claims[n++] =
				(struct claim){ &m->load_balancers[i].vips[k].address,
						m->load_balancers[i].vpc,
						NOUN_LOAD_BALANCER, i, k };
	return n;
}

static struct at claim_at(const struct reader *r, const struct claim *c)
{
	if (c->noun == NOUN_LOAD_BALANCER)
		return vip_at(r, &r->model->load_balancers[c->object], c->index);
	return at_get(r->slots[c->noun].items[c->object].at, "private_address");
}

/* That of interfaces among themselves is interface.c's. */
void addresses_check(struct reader *r)
{
	_cleanup_free_ struct claim *claims =
		reader_room(r, claims_count(r->model), sizeof(*claims));
	char buf[ADDR_TEXT];
	size_t n;

	if (!claims)
		return;
	n = claims_put(r->model, claims);
	qsort(claims, n, sizeof(*claims), compare_claims);
	for (size_t i = 1; i < n && !reader_is_full(r); i++) {
		const struct claim *c = &claims[i], *before = c - 1;

		if (c->noun != NOUN_INTERFACE && c->vpc >= 0 && c->addr->family != 0 &&
		    compare_same(c, before) == 0)
			complain(r, claim_at(r, c),
				 "%s is an address of %s \"%s\" already",
				 addr_print(c->addr, buf), nouns[before->noun].title,
				 r->slots[before->noun].items[before->object].name);
	}
}
