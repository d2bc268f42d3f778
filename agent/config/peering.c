/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

/* ---- the fields ---- */

static void vpcs_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	struct peering *p = object;
	size_t i = 0;

	if (!json_is_array(at.json)) {
		complain_type(r, at, "a list");
		return;
	}
	if (json_size(at.json) != 2) {
		complain(r, at, "a peering has two VPCs, not %zu", json_size(at.json));
		return;
	}
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++)
		if (json_is_string(j))
			link_add(r, f->noun, json_string(j), &p->vpcs[i],
				 (struct at){ at.doc, j });
		else
			complain_type(r, (struct at){ at.doc, j }, "a name");
}

static void vpcs_preset(const struct field *f, void *object)
{
	struct peering *p = object;

	(void)f;
	p->vpcs[0] = p->vpcs[1] = LINK_BROKEN;
}

static const struct kind kind_pair = { "list of names of two VPCs", vpcs_read,
				       schema_pair, vpcs_preset };

const struct field peering_fields[] = {
	{ "vpcs", &kind_pair, .flags = FIELD_REQUIRED, .noun = NOUN_VPC,
	  .help = "Whose CIDRs do not overlap, and that no other peering connects. Each "
		  "needs routes to the other; a group may name the other's." },
	{},
};

/* ---- the check ---- */

static int compare_pairs(const void *pa, const void *pb)
{
	const struct peering *a = *(const struct peering *const *)pa,
			     *b = *(const struct peering *const *)pb;
	int low_a = a->vpcs[a->vpcs[1] < a->vpcs[0]],
	    low_b = b->vpcs[b->vpcs[1] < b->vpcs[0]],
	    high_a = a->vpcs[a->vpcs[1] >= a->vpcs[0]],
	    high_b = b->vpcs[b->vpcs[1] >= b->vpcs[0]];

	if (low_a != low_b)
		return low_a < low_b ? -1 : 1;
	return (high_a > high_b) - (high_a < high_b);
}

static int compare_ties(const void *pa, const void *pb)
{
	const struct peering *a = *(const struct peering *const *)pa,
			     *b = *(const struct peering *const *)pb;
	int r = compare_pairs(pa, pb);

	return r != 0 ? r : (a > b) - (a < b);
}

static void repeats_check(struct reader *r)
{
	const struct model *m = r->model;
	_cleanup_free_ const struct peering **sorted =
		reader_room(r, m->n_peerings, sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return;
	for (size_t i = 0; i < m->n_peerings; i++)
		if (m->peerings[i].vpcs[0] >= 0 && m->peerings[i].vpcs[1] >= 0)
			sorted[n++] = &m->peerings[i];
	qsort(sorted, n, sizeof(*sorted), compare_ties);
	for (size_t i = 1; i < n; i++)
		if (compare_pairs(&sorted[i - 1], &sorted[i]) == 0)
			complain(r,
				 r->slots[NOUN_PEERING].items[sorted[i] - m->peerings].at,
				 "peering \"%s\" connects the same VPCs already",
				 sorted[i - 1]->name);
}

/* Once, for the first that is found: one is enough to make the peering fail. */
static void overlap_check(struct reader *r, const struct peering *p, struct at at)
{
	const struct vpc *a = &r->model->vpcs[p->vpcs[0]],
			 *b = &r->model->vpcs[p->vpcs[1]];
	char ours[CIDR_TEXT], theirs[CIDR_TEXT];

	for (size_t i = 0; i < a->n_cidrs; i++)
		for (size_t k = 0; k < b->n_cidrs; k++) {
			if (a->cidrs[i].addr.family == 0 ||
			    b->cidrs[k].addr.family == 0 ||
			    !cidr_overlaps(&a->cidrs[i], &b->cidrs[k]))
				continue;
			complain(r, at_get(at, "vpcs"),
				 "\"%s\" (%s) and \"%s\" (%s) overlap, so they cannot "
				 "peer",
				 a->name, cidr_print(&a->cidrs[i], ours), b->name,
				 cidr_print(&b->cidrs[k], theirs));
			return;
		}
}

void peerings_check(struct reader *r)
{
	const struct model *m = r->model;

	for (size_t i = 0; i < m->n_peerings && !reader_is_full(r); i++) {
		const struct peering *p = &m->peerings[i];
		struct at at = r->slots[NOUN_PEERING].items[i].at;

		if (p->vpcs[0] < 0 || p->vpcs[1] < 0)
			continue;
		if (p->vpcs[0] == p->vpcs[1])
			complain(r, at_nth(at_get(at, "vpcs"), 1),
				 "a VPC does not peer with itself");
		else
			overlap_check(r, p, at);
	}
	repeats_check(r);
}
