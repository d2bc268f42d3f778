/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <stddef.h>
#include <stdlib.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/fields.h"

/* IPv4: the five addresses that a subnet keeps for itself leave nothing of less. */
#define SUBNET_LEN_MAX 28

const struct field vpc_fields[] = {
	{ "cidrs", &kind_cidrs, offsetof(struct vpc, cidrs),
	  offsetof(struct vpc, n_cidrs), FIELD_REQUIRED, .min = 1,
	  .max = HG_MAX_VPC_CIDRS, .help = "Its addresses. They do not overlap." },
	{ "default_network_acl", &kind_reference, offsetof(struct vpc, default_nacl),
	  .noun = NOUN_NACL,
	  .help = "For subnets that name none. Without it: one that allows everything." },
	{ "default_security_group", &kind_reference, offsetof(struct vpc, default_group),
	  .noun = NOUN_GROUP,
	  .help = "For interfaces that name none. Without it: one that lets its members "
		  "in "
		  "and everything out." },
	{},
};

const struct field subnet_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct subnet, vpc), .noun = NOUN_VPC,
	  .help = "May be left out where there is one VPC or none." },
	{ "cidrs", &kind_cidrs, offsetof(struct subnet, cidrs),
	  offsetof(struct subnet, n_cidrs), FIELD_REQUIRED, .min = 1,
	  .max = HG_MAX_SUBNET_CIDRS,
	  .help = "Inside the VPC's, no longer than /28 in IPv4. Subnets of a VPC do not "
		  "overlap." },
	{ "zone", &kind_text, offsetof(struct subnet, zone), .min = 1, .max = HG_MAX_NAME,
	  .help = "Where it is, for the reader." },
	{ "network_acl", &kind_reference, offsetof(struct subnet, nacl),
	  .noun = NOUN_NACL, .help = "Without it: the VPC's default." },
	{ "route_table", &kind_reference, offsetof(struct subnet, route_table),
	  .noun = NOUN_ROUTE_TABLE, .help = "Without it: the VPC's main one." },
	{ "device", &kind_device, offsetof(struct subnet, device), .max = DEVICE_TEXT_MAX,
	  .help = "Where its instances are, but for those with a device of their own. A "
		  "device has one role in a rule set." },
	{ "hook", &kind_choice, offsetof(struct subnet, hook), .flags = FIELD_PRESET,
	  .preset = HOOK_AUTO, .choices = hook_choices, .size = sizeof(int),
	  .help = "How `device` is met, as for interfaces." },
	{},
};

/* One CIDR of many, and where it is written. */
struct piece {
	const struct cidr *cidr;
	int vpc, object;
	size_t index;
};

static int compare_pieces(const void *pa, const void *pb)
{
	const struct piece *a = pa, *b = pb;
	int r = (a->vpc > b->vpc) - (a->vpc < b->vpc);

	if (r == 0)
		r = cidr_compare(a->cidr, b->cidr);
	if (r == 0)
		r = (a->object > b->object) - (a->object < b->object);
	return r != 0 ? r : (a->index > b->index) - (a->index < b->index);
}

/* CIDRs overlap only by containing. In this order what contains comes first, so that it is
 * enough to remember the last that no other contained. */
static void overlaps_check(struct reader *r, enum noun noun, struct piece *pieces,
			   size_t n)
{
	const struct piece *outer = NULL;
	char a[CIDR_TEXT], b[CIDR_TEXT];

	qsort(pieces, n, sizeof(*pieces), compare_pieces);
	for (size_t i = 0; i < n; i++) {
		const struct piece *p = &pieces[i];
		struct at at;

		if (!outer || outer->vpc != p->vpc ||
		    !cidr_overlaps(outer->cidr, p->cidr)) {
			outer = p;
			continue;
		}
		if (reader_is_full(r))
			return;
		at = at_nth(at_get(r->slots[noun].items[p->object].at, "cidrs"),
			    p->index);
		complain(r, at, "%s overlaps %s of %s \"%s\"", cidr_print(p->cidr, a),
			 cidr_print(outer->cidr, b), nouns[noun].title,
			 r->slots[noun].items[outer->object].name);
	}
}

static size_t pieces_put(struct piece *pieces, size_t n, const struct cidr *cidrs,
			 size_t n_cidrs, int vpc, int object)
{
	for (size_t k = 0; k < n_cidrs; k++)
		if (cidrs[k].addr.family != 0)
			pieces[n++] = (struct piece){ &cidrs[k], vpc, object, k };
	return n;
}

void vpcs_check(struct reader *r)
{
	const struct model *m = r->model;
	_cleanup_free_ struct piece *pieces = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->n_vpcs; i++)
		n += m->vpcs[i].n_cidrs;
	pieces = reader_room(r, n, sizeof(*pieces));
	if (!pieces)
		return;
	n = 0;
	for (size_t i = 0; i < m->n_vpcs; i++)
		n = pieces_put(pieces, n, m->vpcs[i].cidrs, m->vpcs[i].n_cidrs, (int)i,
			       (int)i);
	overlaps_check(r, NOUN_VPC, pieces, n);
}

/* Of the CIDRs that contain another, the last one is remembered, as above. */
void vpcs_check_apart(struct reader *r, const bool *is_there, const char *device)
{
	const struct model *m = r->model;
	_cleanup_free_ struct piece *pieces = NULL;
	const struct piece *outer = NULL;
	char a[CIDR_TEXT], b[CIDR_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < m->n_vpcs; i++)
		n += is_there[i] ? m->vpcs[i].n_cidrs : 0;
	pieces = reader_room(r, n, sizeof(*pieces));
	if (!pieces)
		return;
	n = 0;
	for (size_t i = 0; i < m->n_vpcs; i++)
		if (is_there[i])
			n = pieces_put(pieces, n, m->vpcs[i].cidrs, m->vpcs[i].n_cidrs, 0,
				       (int)i);
	qsort(pieces, n, sizeof(*pieces), compare_pieces);
	for (size_t i = 0; i < n && !reader_is_full(r); i++) {
		const struct piece *p = &pieces[i];

		if (p->cidr->addr.family != 6)
			continue;
		if (!outer || !cidr_overlaps(outer->cidr, p->cidr))
			outer = p;
		else if (outer->object != p->object)
			complain(r,
				 at_nth(at_get(r->slots[NOUN_VPC].items[p->object].at,
					       "cidrs"),
					p->index),
				 "%s overlaps %s of VPC \"%s\", and IPv6 of both is met "
				 "at "
				 "device \"%s\"",
				 cidr_print(p->cidr, a), cidr_print(outer->cidr, b),
				 m->vpcs[outer->object].name, device);
	}
}

static void subnet_check(struct reader *r, const struct subnet *s, struct at at)
{
	const struct vpc *vpc = s->vpc >= 0 ? &r->model->vpcs[s->vpc] : NULL;
	char buf[CIDR_TEXT];

	if (json_get(at.json, "hook") && !json_get(at.json, "device"))
		complain(r, at_get(at, "hook"), "\"hook\" wants a \"device\" beside it");
	for (size_t k = 0; k < s->n_cidrs && !reader_is_full(r); k++) {
		const struct cidr *c = &s->cidrs[k];
		bool is_inside = !vpc || vpc->n_cidrs == 0 || c->addr.family == 0;

		if (c->addr.family == 4 && c->len > SUBNET_LEN_MAX)
			complain(r, at_nth(at_get(at, "cidrs"), k),
				 "%s is longer than /%d", cidr_print(c, buf),
				 SUBNET_LEN_MAX);
		for (size_t i = 0; !is_inside && i < vpc->n_cidrs; i++)
			is_inside = cidr_contains(&vpc->cidrs[i], &c->addr) &&
				    vpc->cidrs[i].len <= c->len;
		if (!is_inside)
			complain(r, at_nth(at_get(at, "cidrs"), k),
				 "%s is not inside a CIDR of VPC \"%s\"",
				 cidr_print(c, buf),
				 r->slots[NOUN_VPC].items[s->vpc].name);
	}
}

void subnets_check(struct reader *r)
{
	const struct model *m = r->model;
	_cleanup_free_ struct piece *pieces = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->n_subnets; i++) {
		subnet_check(r, &m->subnets[i], r->slots[NOUN_SUBNET].items[i].at);
		n += m->subnets[i].n_cidrs;
	}
	pieces = reader_room(r, n, sizeof(*pieces));
	if (!pieces)
		return;
	n = 0;
	for (size_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].vpc >= 0)
			n = pieces_put(pieces, n, m->subnets[i].cidrs,
				       m->subnets[i].n_cidrs, m->subnets[i].vpc, (int)i);
	overlaps_check(r, NOUN_SUBNET, pieces, n);
}
