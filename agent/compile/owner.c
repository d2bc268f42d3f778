/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/owner.h"

#include <errno.h>

/* One who carries groups, at 'a'. */
static int member_mark(const struct addr *a, const int *list, size_t n,
		       const uint32_t *groups, struct marks *marks)
{
	for (size_t k = 0; k < n; k++) {
		uint32_t label = groups[list[k]];

		if (label && !marks_add_address(marks, a, MARK_LABEL, label - 1))
			return -ENOMEM;
	}
	return 0;
}

/* Interfaces with the groups they carry. Those of other VPCs are seen across a
 * peering, which is why a rule here may name their groups; they are nobody here. */
static int interfaces_mark(struct build *b, size_t vpc, const uint32_t *groups,
			   struct marks *marks)
{
	const struct model *m = b->m;
	int r = 0;

	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *f = &m->interfaces[i];
		size_t n;
		const struct addr *a = build_addresses(b, i, &n);

		for (size_t j = 0; j < n && r == 0; j++) {
			if ((size_t)f->vpc == vpc &&
			    !marks_add_address(marks, &a[j], MARK_INTERFACE,
					       (uint32_t)i + 1))
				return -ENOMEM;
			r = member_mark(&a[j], f->groups, f->n_groups, groups, marks);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* NAT gateways, whose instances carry groups, and elastic IPs. */
static int gateways_mark(struct build *b, size_t vpc, const uint32_t *groups,
			 struct marks *marks)
{
	const struct model *m = b->m;
	int r = 0;

	for (size_t i = 0; i < m->n_nat_gateways && r == 0; i++) {
		const struct nat_gateway *g = &m->nat_gateways[i];

		r = member_mark(&g->private_address, g->groups, g->n_groups, groups,
				marks);
		if (r == 0 && (size_t)g->vpc == vpc &&
		    !marks_add_address(marks, &g->private_address, MARK_NAT,
				       b->nat_ids[i]))
			r = -ENOMEM;
	}
	for (size_t i = 0; i < m->n_elastic_ips && r == 0; i++) {
		const struct elastic_ip *e = &m->elastic_ips[i];

		if (e->interface < 0 || !b->vpc_gateways[vpc] ||
		    (size_t)m->interfaces[e->interface].vpc != vpc)
			continue;
		if (!marks_add_address(marks, &e->private_address, MARK_PUBLIC,
				       (uint32_t)i + 1))
			r = -ENOMEM;
	}
	return r;
}

/* Virtual addresses, with the groups of their balancers. */
static int vips_mark(struct build *b, size_t vpc, const uint32_t *groups,
		     struct marks *marks)
{
	const struct model *m = b->m;
	uint32_t id = 1;
	int r = 0;

	for (size_t i = 0; i < m->n_load_balancers && r == 0; i++) {
		const struct load_balancer *l = &m->load_balancers[i];

		for (size_t k = 0; k < l->n_vips && r == 0; k++, id++) {
			r = member_mark(&l->vips[k].address, l->groups, l->n_groups,
					groups, marks);
			if (r == 0 && (size_t)l->vpc == vpc &&
			    !marks_add_address(marks, &l->vips[k].address, MARK_VIP, id))
				r = -ENOMEM;
		}
	}
	return r;
}

int owners_mark(struct build *b, size_t vpc, const uint32_t *groups, struct marks *marks)
{
	const struct model *m = b->m;
	const struct vpc *v = &m->vpcs[vpc];
	int r;

	r = interfaces_mark(b, vpc, groups, marks);
	if (r == 0)
		r = gateways_mark(b, vpc, groups, marks);
	if (r == 0)
		r = vips_mark(b, vpc, groups, marks);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];

		for (size_t j = 0; (size_t)s->vpc == vpc && j < s->n_cidrs; j++)
			if (!marks_add(marks, &s->cidrs[j], MARK_SUBNET, (uint32_t)i + 1))
				return -ENOMEM;
	}
	for (size_t i = 0; i < v->n_cidrs; i++)
		if (!marks_add(marks, &v->cidrs[i], MARK_INSIDE, 1))
			return -ENOMEM;
	return 0;
}
