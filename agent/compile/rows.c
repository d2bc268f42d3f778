/* SPDX-License-Identifier: Apache-2.0 */

/* A row is the row of the peer that this one extends, with the items of the labels that it
 * adds laid over it: the lower rank wins, in whatever order they come. Most labels
 * touch a few columns, so a row is kept as a list of chunks and only those that an item
 * touches are opened, painted and put back. 10,000 rules with a port each make a matrix
 * of 100 million cells but open 10,000 chunks.
 */
#include "compile/matrix.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"

/* A list longer than HG_MAX_CLAUSES is refused when it is written; more than one
 * beyond that need not be kept. */
#define LIST_MAX (HG_MAX_CLAUSES + 1)

/* Adds item 'e' to 'code'. */
static int code_union(struct matrix *x, uint32_t code, uint32_t e, uint32_t *ret_code)
{
	uint32_t n_ranks = (uint32_t)x->p->items.n + 1;
	uint32_t list[LIST_MAX + 2], key[2] = { code, e }, id;
	size_t n = 1, n_old = 0, k;
	const uint32_t *old = NULL;
	int r;

	r = pool_put(&x->unions, key, 2, &id);
	if (r < 0)
		return r;
	if (id < x->union_codes.n) {
		*ret_code = x->union_codes.items[id];
		return 0;
	}
	list[0] = code;
	if (code >= n_ranks) {
		old = pool_get(&x->lists, code - n_ranks, &n_old);
		list[0] = old[0];
	}
	*ret_code = code;
	if (e < list[0]) {
		bool is_last = x->p->items.items[e].n_clauses == 0;

		for (k = 1; k < n_old && old[k] < e; k++)
			list[n++] = old[k];
		if (is_last) {
			list[0] = e;
		} else {
			list[n++] = e;
			for (k += k < n_old && old[k] == e; k < n_old; k++)
				list[n++] = old[k];
			if (n > LIST_MAX + 1)
				n = LIST_MAX + 1;
		}
		*ret_code = list[0];
		if (n > 1) {
			r = pool_put(&x->lists, list, n, ret_code);
			*ret_code += n_ranks;
		}
	}
	if (r == 0 && !vec_push(&x->union_codes, *ret_code))
		r = -ENOMEM;
	return r;
}

static int rows_room(struct matrix *x)
{
	size_t room = x->room_rows ? x->room_rows * 2 : 8;
	uint32_t *rows;

	if (x->n_rows < x->room_rows)
		return 0;
	rows = realloc(x->rows, room * x->n_chunks * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	x->rows = rows;
	x->room_rows = room;
	return 0;
}

static uint32_t *row_at(const struct matrix *x, size_t row)
{
	return x->rows + row * x->n_chunks;
}

static int slots_room(struct matrix *x)
{
	size_t n = x->n_slots ? x->n_slots * 2 : 64;
	uint32_t *slots;

	if (x->n_rows * 2 < x->n_slots)
		return 0;
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < x->n_rows; i++) {
		size_t at = x->hashes.items[i] & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(x->slots);
	x->slots = slots;
	x->n_slots = n;
	return 0;
}

/* The row that lies behind the last one: a new one, or one that was there. */
static int row_put(struct matrix *x, uint32_t family, uint32_t *ret_row)
{
	size_t size = x->n_chunks * sizeof(*x->rows), at;
	const uint32_t *row = row_at(x, x->n_rows);
	uint64_t hash = hash64(family, row, size);
	int r;

	r = slots_room(x);
	if (r < 0)
		return r;
	for (at = hash & (x->n_slots - 1); x->slots[at];
	     at = (at + 1) & (x->n_slots - 1)) {
		uint32_t i = x->slots[at] - 1;

		if (x->hashes.items[i] == hash && x->families.items[i] == family &&
		    memcmp(row_at(x, i), row, size) == 0) {
			*ret_row = i;
			return 0;
		}
	}
	if (!vec_push(&x->hashes, hash) || !vec_push(&x->families, family))
		return -ENOMEM;
	x->slots[at] = (uint32_t)x->n_rows + 1;
	*ret_row = (uint32_t)x->n_rows++;
	return 0;
}

/* Opens the chunk that holds 'column' for painting, in the row after the last. */
static int chunk_open(struct matrix *x, uint32_t chunk)
{
	uint32_t id = x->rows[x->n_rows * x->n_chunks + chunk];

	if (x->is_painted[chunk])
		return 0;
	if (!vec_push(&x->touched, chunk))
		return -ENOMEM;
	memcpy(x->paint + (size_t)chunk * CHUNK, x->chunks.words + (size_t)id * CHUNK,
	       CHUNK * sizeof(*x->paint));
	x->is_painted[chunk] = true;
	return 0;
}

static int run_paint(struct matrix *x, const struct run *run, uint32_t e)
{
	uint32_t *row = x->paint;
	int r = 0;

	for (uint32_t chunk = run->first / CHUNK; chunk <= run->last / CHUNK && r == 0;
	     chunk++)
		r = chunk_open(x, chunk);
	if (r == 0 && !x->has_clauses)
		for (uint32_t c = run->first; c <= run->last; c++)
			row[c] = row[c] < e ? row[c] : e;
	else
		for (uint32_t c = run->first; c <= run->last && r == 0; c++)
			r = code_union(x, row[c], e, &row[c]);
	return r;
}

static int item_paint(struct matrix *x, uint32_t e, int family)
{
	size_t n;
	const struct run *runs =
		columns_runs(&x->columns, x->p->items.items[e].shape[family], &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = run_paint(x, &runs[i], e);
	return r;
}

/* Row 'from' with the items of labels 'locals' laid over it. */
static int row_extend(struct matrix *x, uint32_t from, uint32_t family,
		      const uint32_t *locals, size_t n, uint32_t *ret_row)
{
	uint32_t *row;
	int r;

	r = rows_room(x);
	if (r < 0)
		return r;
	row = row_at(x, x->n_rows);
	memcpy(row, row_at(x, from), x->n_chunks * sizeof(*row));
	x->touched.n = 0;
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = x->label_end.items[locals[i] - 1];
		     k < x->label_end.items[locals[i]]; k++) {
			r = item_paint(x, x->label_items[k], family == 6);
			if (r < 0)
				return r;
		}
	}
	for (size_t i = 0; i < x->touched.n; i++) {
		uint32_t chunk = x->touched.items[i];

		x->is_painted[chunk] = false;
		r = pool_put(&x->chunks, x->paint + (size_t)chunk * CHUNK, CHUNK,
			     &row[chunk]);
		if (r < 0)
			return r;
	}
	return row_put(x, x->is_split ? family : 0, ret_row);
}

static int peer_row(struct matrix *x, uint32_t id)
{
	const struct classes *classes = x->p->classes;
	const struct class_peer *peer = &classes->peers.items[id];
	uint32_t from = x->row_of_peer[peer->parent], step, row;
	int r;

	x->words.n = 0;
	if (!vec_push(&x->words, from) || !vec_push(&x->words, peer->family))
		return -ENOMEM;
	for (uint32_t i = 0; i < peer->n_added; i++) {
		uint32_t local = x->local[classes->added.items[peer->added + i]];

		if (local && !vec_push(&x->words, local))
			return -ENOMEM;
	}
	x->row_of_peer[id] = from;
	if (x->words.n == 2)
		return 0;
	r = pool_put(&x->steps, x->words.items, x->words.n, &step);
	if (r < 0)
		return r;
	if (step == x->step_rows.n) {
		r = row_extend(x, from, peer->family, x->words.items + 2, x->words.n - 2,
			       &row);
		if (r < 0)
			return r;
		if (!vec_push(&x->step_rows, row))
			return -ENOMEM;
	}
	x->row_of_peer[id] = x->step_rows.items[step];
	return 0;
}

/* Beyond twice the limit no merging of columns is going to help. */
static bool is_too_large(const struct matrix *x)
{
	return x->n_rows * x->n_chunks > 2UL * HG_MAX_CELLS ||
	       x->chunks.n_words > 2UL * HG_MAX_CELLS;
}

static int row_first(struct matrix *x)
{
	uint32_t blank[CHUNK], id, row;
	int r;

	x->n_chunks = (x->columns.n + CHUNK - 1) / CHUNK;
	x->paint = calloc((size_t)x->n_chunks * CHUNK, sizeof(*x->paint));
	x->is_painted = calloc(x->n_chunks, sizeof(*x->is_painted));
	if (!x->paint || !x->is_painted)
		return -ENOMEM;
	for (uint32_t c = 0; c < CHUNK; c++)
		blank[c] = (uint32_t)x->p->items.n;
	r = pool_put(&x->chunks, blank, CHUNK, &id);
	if (r == 0)
		r = rows_room(x);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < x->n_chunks; i++)
		row_at(x, 0)[i] = id;
	return row_put(x, 0, &row);
}

int matrix_rows(struct matrix *x)
{
	size_t n_peers = x->p->classes->peers.n;
	int r;

	x->row_of_peer = calloc(n_peers, sizeof(*x->row_of_peer));
	if (!x->row_of_peer)
		return -ENOMEM;
	r = row_first(x);
	for (uint32_t i = 1; i < n_peers && r == 0 && !x->is_refused; i++) {
		r = peer_row(x, i);
		if (is_too_large(x))
			matrix_refuse(x, x->n_rows, x->columns.n);
	}
	return r;
}
