/* SPDX-License-Identifier: Apache-2.0 */

/* The last step of a classifier: codes become cells, in the smaller of two forms.
 *
 * Columns that are equal in all rows are merged first: rules that others shadow leave many.
 * Comparing them pairwise would touch every cell; instead each row has a random
 * weight, a column is the sum over rows of weight times code, and that sum is made a
 * chunk at a time: the weights of all rows with the same chunk at the same place are
 * added once. Equal sums are equal columns but for a chance of 2^-128 a pair.
 */
#include "compile/matrix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* A matrix up to this stays one: 64 KiB are in the cache, and runs cost a load more. */
#define MATRIX_CELLS 16384
/* Merging asks for all cells to be written anew, so it has to pay: beyond so many cells,
 * or when fewer than a quarter of the columns go, they stay as they are. */
#define MERGE_CELLS (1UL << 24)

struct sum {
	uint64_t part[2];
};

/* splitmix64 */
static uint64_t scatter(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

struct weights {
	struct sum *rows;
	struct sum *chunks; /* of the rows that have a chunk at the place in hand */
	uint32_t *seen;     /* place + 1 at which 'chunks' was set */
	VEC(uint32_t) here; /* the chunks at the place in hand */
};

/* The sums of the columns of place 'at' of all rows. */
static int place_sum(const struct matrix *x, struct weights *w, uint32_t at,
		     struct sum *columns)
{
	w->here.n = 0;
	for (size_t row = 0; row < x->n_rows; row++) {
		uint32_t id = x->rows[row * x->n_chunks + at];

		if (w->seen[id] != at + 1) {
			w->seen[id] = at + 1;
			w->chunks[id] = (struct sum){ { 0, 0 } };
			if (!vec_push(&w->here, id))
				return -ENOMEM;
		}
		w->chunks[id].part[0] += w->rows[row].part[0];
		w->chunks[id].part[1] += w->rows[row].part[1];
	}
	for (size_t i = 0; i < w->here.n; i++) {
		const uint32_t *codes =
			x->chunks.words + (size_t)w->here.items[i] * CHUNK;
		const struct sum *s = &w->chunks[w->here.items[i]];

		for (uint32_t c = at * CHUNK; c < x->columns.n && c < (at + 1) * CHUNK;
		     c++) {
			uint64_t code = scatter(codes[c % CHUNK]);

			columns[c].part[0] += s->part[0] * code;
			columns[c].part[1] += s->part[1] * code;
		}
	}
	return 0;
}

static int columns_sum(const struct matrix *x, struct sum *columns)
{
	struct weights w = { 0 };
	int r = 0;

	w.rows = malloc(x->n_rows * sizeof(*w.rows));
	w.chunks = malloc(pool_size(&x->chunks) * sizeof(*w.chunks));
	w.seen = calloc(pool_size(&x->chunks), sizeof(*w.seen));
	if (!w.rows || !w.chunks || !w.seen)
		r = -ENOMEM;
	for (size_t row = 0; row < x->n_rows && r == 0; row++)
		w.rows[row] = (struct sum){ { scatter(2 * row) | 1,
					      scatter(2 * row + 1) | 1 } };
	for (uint32_t at = 0; at < x->n_chunks && r == 0; at++)
		r = place_sum(x, &w, at, columns);
	free(w.rows);
	free(w.chunks);
	free(w.seen);
	vec_done(&w.here);
	return r;
}

/* Gives equal columns one number in 'map'; 'first' holds a column of each number. */
static int columns_merge(const struct matrix *x, uint32_t *map, uint32_t *first,
			 uint32_t *ret_n)
{
	_cleanup_free_ struct sum *sums = calloc(x->columns.n, sizeof(*sums));
	struct pool distinct = { 0 };
	uint32_t words[5], id;
	int r = sums ? columns_sum(x, sums) : -ENOMEM;

	for (uint32_t c = 0; c < x->columns.n && r == 0; c++) {
		memcpy(words, &sums[c], sizeof(sums[c]));
		words[4] = x->untracked[c];
		first[pool_size(&distinct)] = c;
		r = pool_put(&distinct, words, 5, &id);
		map[c] = id;
	}
	*ret_n = (uint32_t)pool_size(&distinct);
	pool_done(&distinct);
	if (r < 0 || x->n_rows * x->columns.n <= MATRIX_CELLS ||
	    (x->n_rows * *ret_n <= MERGE_CELLS && *ret_n <= x->columns.n / 4 * 3))
		return r;
	for (uint32_t c = 0; c < x->columns.n; c++)
		map[c] = first[c] = c;
	*ret_n = x->columns.n;
	return 0;
}

/* ---- cells ---- */

struct writer {
	struct matrix *x;
	const uint32_t *first;
	uint32_t n_columns;
	VEC(struct hg_clause) clauses;
	uint32_t *of_list; /* number of the first clause + 1 */
	struct pool runs;
	struct hg_chunk *known; /* by chunk id */
	bool *is_known;
	bool *is_varied; /* by place in a row: 'known' cannot be used */
};

static uint32_t cell_of_rank(const struct plan *p, uint32_t rank)
{
	return rank < p->items.n ? p->items.items[rank].cell : p->fallback;
}

static int list_write(struct writer *w, uint32_t list)
{
	struct matrix *x = w->x;
	const struct plan *p = x->p;
	struct hg_clause last = { .flags = HG_CLAUSE_LAST };
	size_t n, from = w->clauses.n;
	const uint32_t *ranks = pool_get(&x->lists, list, &n);

	for (size_t i = 1; i < n; i++) {
		const struct item *item = &p->items.items[ranks[i]];

		if (w->clauses.n - from + item->n_clauses + 1 > HG_MAX_CLAUSES) {
			if (!x->is_refused)
				build_refuse(
					x->b, item->where,
					"more than %d source port ranges and peer CIDRs "
					"would have to be tried for one packet, of this "
					"rule "
					"and those before it",
					HG_MAX_CLAUSES - 1);
			x->is_refused = true;
			return 0;
		}
		for (uint32_t k = 0; k < item->n_clauses; k++)
			if (!vec_push(&w->clauses, p->clauses.items[item->clauses + k]))
				return -ENOMEM;
	}
	last.cell = cell_of_rank(p, ranks[0]);
	if (!vec_push(&w->clauses, last))
		return -ENOMEM;
	w->of_list[list] = (uint32_t)from + 1;
	return 0;
}

static int cell_of_code(struct writer *w, uint32_t code, uint32_t *ret_cell)
{
	uint32_t n_ranks = (uint32_t)w->x->p->items.n + 1;

	if (code < n_ranks) {
		*ret_cell = cell_of_rank(w->x->p, code);
		return 0;
	}
	if (!w->of_list[code - n_ranks]) {
		int r = list_write(w, code - n_ranks);

		if (r < 0)
			return r;
	}
	*ret_cell = (w->of_list[code - n_ranks] - 1) | HG_CELL_CLAUSES;
	return 0;
}

static int cell_make(struct writer *w, size_t row, uint32_t column, uint32_t *ret_cell)
{
	const struct matrix *x = w->x;
	uint32_t code = matrix_code(x, row, column);
	int r = cell_of_code(w, code, ret_cell);

	/* Only groups have untracked columns, and lists are only in NACLs. */
	if (code < x->p->items.n &&
	    x->untracked[column] & (x->families.items[row] == 6 ? 2 : 1))
		*ret_cell |= HG_CELL_UNTRACKED;
	return r;
}

static int matrix_cells(struct writer *w, struct hg_classifier *head)
{
	size_t n = (size_t)head->n_rows * head->n_columns, at = 0;
	_cleanup_free_ uint32_t *cells = malloc(n * sizeof(*cells));
	int r = cells ? 0 : -ENOMEM;

	for (size_t row = 0; row < head->n_rows; row++)
		for (uint32_t c = 0; c < head->n_columns && r == 0; c++)
			r = cell_make(w, row, w->first[c], &cells[at++]);
	if (r == 0)
		r = lines_share(&w->x->b->lines, cells, n * sizeof(*cells), &head->cells);
	head->kind = HG_CLASSIFIER_MATRIX;
	return r;
}

static int chunk_encode(struct writer *w, const uint32_t *cells, uint32_t n,
			struct hg_chunk *ret)
{
	uint32_t runs[CHUNK] = { cells[0] }, n_runs = 1, id;
	int r;

	ret->bits = 0;
	for (uint32_t i = 1; i < n; i++) {
		if (cells[i] == cells[i - 1])
			continue;
		ret->bits |= 1U << i;
		runs[n_runs++] = cells[i];
	}
	ret->cell = runs[0];
	if (ret->bits == 0)
		return 0;
	r = pool_put(&w->runs, runs, n_runs, &id);
	if (r == 0)
		ret->cell = (uint32_t)w->runs.items.items[id].off;
	return r;
}

/* Place 'i' of 'row', one column after another. */
static int chunk_make(struct writer *w, size_t row, uint32_t i, struct hg_chunk *ret)
{
	uint32_t cells[CHUNK], n = 0;

	for (uint32_t c = i * CHUNK; n < CHUNK && c < w->n_columns; c++, n++) {
		int r = cell_make(w, row, w->first[c], &cells[n]);

		if (r < 0)
			return r;
	}
	return chunk_encode(w, cells, n, ret);
}

/* Where columns were not merged and none is untracked, equal chunks of codes become equal
 * chunks of cells, whatever the row. */
static int chunk_find(struct writer *w, size_t row, uint32_t i, struct hg_chunk *ret)
{
	const struct matrix *x = w->x;
	uint32_t id = x->rows[row * x->n_chunks + i], cells[CHUNK];
	int r;

	if (w->is_varied[i])
		return chunk_make(w, row, i, ret);
	if (!w->is_known[id]) {
		for (uint32_t k = 0; k < CHUNK; k++) {
			r = cell_of_code(w, x->chunks.words[(size_t)id * CHUNK + k],
					 &cells[k]);
			if (r < 0)
				return r;
		}
		r = chunk_encode(w, cells, CHUNK, &w->known[id]);
		if (r < 0)
			return r;
		w->is_known[id] = true;
	}
	*ret = w->known[id];
	return 0;
}

static int known_init(struct writer *w, uint32_t n_chunks)
{
	const struct matrix *x = w->x;

	w->known = calloc(pool_size(&x->chunks), sizeof(*w->known));
	w->is_known = calloc(pool_size(&x->chunks), sizeof(*w->is_known));
	w->is_varied = calloc(n_chunks, sizeof(*w->is_varied));
	if (!w->known || !w->is_known || !w->is_varied)
		return -ENOMEM;
	for (uint32_t c = 0; c < w->n_columns; c++)
		w->is_varied[c / CHUNK] |= w->n_columns < x->columns.n || x->untracked[c];
	return 0;
}

static int runs_cells(struct writer *w, struct hg_classifier *head)
{
	struct lines *l = &w->x->b->lines;
	uint32_t n_chunks = (head->n_columns + CHUNK - 1) / CHUNK;
	size_t n = (size_t)head->n_rows * n_chunks, at = 0;
	_cleanup_free_ struct hg_chunk *chunks = malloc(n * sizeof(*chunks));
	int r = chunks ? 0 : -ENOMEM;

	if (r == 0)
		r = known_init(w, n_chunks);
	for (size_t row = 0; row < head->n_rows; row++)
		for (uint32_t i = 0; i < n_chunks && r == 0; i++)
			r = chunk_find(w, row, i, &chunks[at++]);
	if (r < 0)
		return r;
	if (n * 2 + w->runs.n_words > HG_MAX_CELLS) {
		matrix_refuse(w->x, head->n_rows, head->n_columns);
		return 0;
	}
	head->kind = HG_CLASSIFIER_RUNS;
	head->n_runs = (uint32_t)w->runs.n_words;
	r = lines_share(l, chunks, n * sizeof(*chunks), &head->cells);
	if (r == 0 && head->n_runs)
		r = lines_share(l, w->runs.words, head->n_runs * sizeof(uint32_t),
				&head->runs);
	return r;
}

static int cells_write(struct matrix *x, const uint32_t *first,
		       struct hg_classifier *head)
{
	struct writer w = { .x = x, .first = first, .n_columns = head->n_columns };
	int r;

	w.of_list = calloc(pool_size(&x->lists) + 1, sizeof(*w.of_list));
	if (!w.of_list)
		r = -ENOMEM;
	else if ((size_t)head->n_rows * head->n_columns <= MATRIX_CELLS)
		r = matrix_cells(&w, head);
	else
		r = runs_cells(&w, head);
	if (r == 0 && w.clauses.n)
		r = lines_share(&x->b->lines, w.clauses.items,
				w.clauses.n * sizeof(struct hg_clause), &head->clauses);
	head->n_clauses = (uint32_t)w.clauses.n;
	vec_done(&w.clauses);
	free(w.of_list);
	pool_done(&w.runs);
	free(w.known);
	free(w.is_known);
	free(w.is_varied);
	return r;
}

int matrix_write(struct matrix *x, uint32_t *ret_line)
{
	struct lines *l = &x->b->lines;
	size_t n_sections;
	struct hg_classifier head = { .n_rows = (uint32_t)x->n_rows,
				      .n_rules = x->p->n_rules };
	_cleanup_free_ uint32_t *map = calloc(x->columns.n, sizeof(*map));
	_cleanup_free_ uint32_t *first = calloc(x->columns.n + 1UL, sizeof(*first));
	int r;

	if (!map || !first)
		return -ENOMEM;
	r = columns_merge(x, map, first, &head.n_columns);
	if (r < 0)
		return r;
	if (head.n_columns > HG_MAX_COLUMNS) {
		matrix_refuse(x, head.n_rows, head.n_columns);
		return 0;
	}
	r = cells_write(x, first, &head);
	if (r < 0 || x->is_refused)
		return r;
	r = columns_write(&x->columns, map, l, &head.keys, head.orphan);
	if (r == 0)
		r = lines_share(l, x->row_of_peer,
				x->p->classes->peers.n * sizeof(*x->row_of_peer),
				&head.rows);
	if (r == 0) {
		n_sections = l->sections.n;
		r = lines_share(l, &head, sizeof(head), ret_line);
		x->b->n_classifiers += l->sections.n > n_sections;
	}
	return r;
}
