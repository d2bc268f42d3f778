/* SPDX-License-Identifier: Apache-2.0 */

/* Walking 10,000 rules costs 6 microseconds a packet; so the walk is done here, once for
 * every kind of packet. Addresses fall into peers (class.h), protocols and keys into
 * columns (columns.h); one cell for each pair holds the answer, and rows that are
 * equal are one row.
 *
 * A cell while it is made is the rank of the first item that matches, so that items
 * may be laid over a row in any order (rows.c). Items with clauses do not end the search: a
 * cell then is a list of them up to the first without. At the end columns that are
 * equal in all rows are merged, and what is still large is written as runs (cells.c).
 *
 * tests/unit/compile/classifier.c holds the result against a scan of the rules.
 */
#include "compile/classifier.h"

#include <errno.h>
#include <stdlib.h>

#include "compile/matrix.h"

void plan_clear(struct plan *p)
{
	p->items.n = p->labels.n = p->clauses.n = p->untracked.n = 0;
	p->fallback = p->n_rules = 0;
}

void plan_done(struct plan *p)
{
	vec_done(&p->items);
	vec_done(&p->labels);
	vec_done(&p->clauses);
	vec_done(&p->untracked);
}

int plan_add_labels(struct plan *p, struct item *item, const struct peer *peers, size_t n)
{
	item->labels = (uint32_t)p->labels.n;
	for (size_t i = 0; i < n; i++) {
		uint32_t label = classes_label(p->classes, &peers[i]);

		if (label != UINT32_MAX && !vec_push(&p->labels, label))
			return -ENOMEM;
	}
	item->n_labels = (uint32_t)p->labels.n - item->labels;
	return 0;
}

void matrix_refuse(struct matrix *x, size_t n_rows, size_t n_columns)
{
	build_refuse(
		x->b, x->p->where,
		"%s of %s tells %zu kinds of address and %zu kinds of port apart, which "
		"is more than a filter can hold",
		x->p->direction == HG_INGRESS ? "ingress" : "egress", x->p->name, n_rows,
		n_columns);
	x->is_refused = true;
}

/* ---- columns and labels ---- */

static int columns_of_plan(struct matrix *x)
{
	const struct plan *p = x->p;
	VEC(uint32_t) ids = { 0 };
	int r = 0;

	for (size_t i = 0; i < p->items.n && r == 0; i++)
		for (int f = 0; f < 2 && r == 0; f++)
			if (!vec_push(&ids, p->items.items[i].shape[f]))
				r = -ENOMEM;
	for (size_t i = 0; i < p->untracked.n && r == 0; i++)
		if (!vec_push(&ids, p->untracked.items[i].shape))
			r = -ENOMEM;
	if (r == 0)
		r = columns_build(&x->b->shapes, ids.items, ids.n, &x->columns);
	vec_done(&ids);
	if (r < 0)
		return r;

	x->untracked = calloc(x->columns.n, 1);
	if (!x->untracked)
		return -ENOMEM;
	for (size_t i = 0; i < p->untracked.n; i++) {
		size_t n;
		const struct run *runs =
			columns_runs(&x->columns, p->untracked.items[i].shape, &n);

		for (size_t k = 0; k < n; k++)
			for (uint32_t c = runs[k].first; c <= runs[k].last; c++)
				x->untracked[c] |= 1 << p->untracked.items[i].family;
	}
	for (uint32_t c = 0; c < x->columns.n; c++)
		x->is_split |= x->untracked[c] == 1 || x->untracked[c] == 2;
	return 0;
}

/* The number of 'label' in this classifier, from 1. */
static int label_number(struct matrix *x, uint32_t label, uint32_t *ret)
{
	if (!x->local[label]) {
		if (!vec_push(&x->label_end, 0))
			return -ENOMEM;
		x->local[label] = (uint32_t)x->label_end.n - 2;
	}
	*ret = x->local[label];
	return 0;
}

/* The items of each label in use, by counting. */
static int labels_of_plan(struct matrix *x)
{
	const struct plan *p = x->p;
	size_t n_labels = pool_size(&p->classes->labels), n = 0;
	uint32_t local;

	x->local = calloc(n_labels + 1, sizeof(*x->local));
	if (!x->local || !vec_push(&x->label_end, 0) || !vec_push(&x->label_end, 0))
		return -ENOMEM;
	/* Counts go one place up, so that filling leaves the ends where they belong. */
	for (size_t i = 0; i < p->items.n; i++) {
		const struct item *item = &p->items.items[i];

		x->has_clauses |= item->n_clauses > 0;
		n += item->n_labels;
		for (uint32_t k = 0; k < item->n_labels; k++) {
			int r = label_number(x, p->labels.items[item->labels + k],
					     &local);

			if (r < 0)
				return r;
			x->label_end.items[local + 1]++;
		}
	}
	for (size_t i = 2; i < x->label_end.n; i++)
		x->label_end.items[i] += x->label_end.items[i - 1];
	x->label_items = calloc(n + 1, sizeof(*x->label_items));
	if (!x->label_items)
		return -ENOMEM;
	for (size_t i = 0; i < p->items.n; i++) {
		const struct item *item = &p->items.items[i];

		for (uint32_t k = 0; k < item->n_labels; k++) {
			local = x->local[p->labels.items[item->labels + k]];
			x->label_items[x->label_end.items[local]++] = (uint32_t)i;
		}
	}
	return 0;
}

static void matrix_done(struct matrix *x)
{
	columns_done(&x->columns);
	free(x->untracked);
	pool_done(&x->chunks);
	free(x->rows);
	free(x->paint);
	free(x->is_painted);
	vec_done(&x->touched);
	vec_done(&x->hashes);
	vec_done(&x->families);
	free(x->slots);
	free(x->row_of_peer);
	free(x->local);
	vec_done(&x->label_end);
	free(x->label_items);
	pool_done(&x->steps);
	vec_done(&x->step_rows);
	vec_done(&x->words);
	pool_done(&x->lists);
	pool_done(&x->unions);
	vec_done(&x->union_codes);
}

int classifier_compile(struct build *b, struct plan *p, uint32_t *ret_line)
{
	struct matrix x = { .b = b, .p = p };
	int r;

	*ret_line = 0;
	r = columns_of_plan(&x);
	if (r == 0)
		r = labels_of_plan(&x);
	if (r == 0)
		r = matrix_rows(&x);
	if (r == 0 && !x.is_refused)
		r = matrix_write(&x, ret_line);
	if (x.is_refused)
		*ret_line = 0;
	matrix_done(&x);
	return r;
}
