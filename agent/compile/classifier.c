/* SPDX-License-Identifier: Apache-2.0 */

/* Walking 10,000 rules costs 6 microseconds a packet; so the walk is done here, once for
 * every kind of packet. Addresses fall into peers (class.h), protocols and keys into
 * columns (columns.h); one cell for each pair holds the answer, rows that are
 * equal are one row.
 *
 * A cell while it is made is the rank of the first item that matches, so that a row is the
 * minimum over the items of the peer's labels, whatever their order. A peer extends
 * another by a few labels: its row is that one's row with the items of these labels
 * laid over it. So the work is one copy of a row for each peer that a rule here
 * tells apart, and one pass over an item's columns for each such peer that adds it.
 *
 * Items with clauses do not end the search: a cell then is a list, the conditional
 * items in order up to the first unconditional one. Lists are numbered after the ranks.
 *
 * At the end columns that are equal in all rows are merged. Rank n (no item matches)
 * is the fallback. tests/unit/compile/classifier.c holds this against a scan of the rules.
 */
#include "compile/classifier.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "compile/columns.h"

struct matrix {
	struct build *b;
	const struct plan *p;
	struct columns columns;
	bool has_clauses;
	bool is_split;      /* families differ in what is untracked */
	uint8_t *untracked; /* by column: 1 IPv4, 2 IPv6 */

	uint32_t *codes; /* n_rows * columns.n */
	size_t n_rows, room_rows;
	VEC(uint64_t) hashes;   /* of rows */
	VEC(uint32_t) families; /* of rows; 0 either */
	uint32_t *slots;
	size_t n_slots;

	uint32_t *row_of_peer;
	uint32_t *local; /* label to its number here + 1 */
	VEC(uint32_t)
	label_end; /* items of label number i: label_items[end[i] .. end[i + 1]) */
	uint32_t *label_items;
	struct pool steps; /* {row, family, labels...} */
	VEC(uint32_t) step_rows;
	VEC(uint32_t) words;

	struct pool lists;  /* {rank of the end, conditional ranks...} */
	struct pool unions; /* {code, item} */
	VEC(uint32_t) union_codes;
	bool is_refused;
};

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

static const char *direction_name(int direction)
{
	return direction == HG_INGRESS ? "ingress" : "egress";
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

/* ---- cells ---- */

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

static int item_paint(struct matrix *x, uint32_t *row, uint32_t e, int family)
{
	size_t n;
	const struct run *runs =
		columns_runs(&x->columns, x->p->items.items[e].shape[family], &n);

	for (size_t i = 0; i < n; i++) {
		if (!x->has_clauses) {
			for (uint32_t c = runs[i].first; c <= runs[i].last; c++)
				row[c] = row[c] < e ? row[c] : e;
			continue;
		}
		for (uint32_t c = runs[i].first; c <= runs[i].last; c++) {
			int r = code_union(x, row[c], e, &row[c]);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- rows ---- */

static int rows_room(struct matrix *x)
{
	size_t room = x->room_rows ? x->room_rows * 2 : 8;
	uint32_t *codes;

	if (x->n_rows < x->room_rows)
		return 0;
	codes = realloc(x->codes, room * x->columns.n * sizeof(*codes));
	if (!codes)
		return -ENOMEM;
	x->codes = codes;
	x->room_rows = room;
	return 0;
}

static uint32_t *row_at(const struct matrix *x, size_t row)
{
	return x->codes + row * x->columns.n;
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
	size_t size = x->columns.n * sizeof(*x->codes), at;
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
	memcpy(row, row_at(x, from), x->columns.n * sizeof(*row));
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = x->label_end.items[locals[i] - 1];
		     k < x->label_end.items[locals[i]]; k++) {
			r = item_paint(x, row, x->label_items[k], family == 6);
			if (r < 0)
				return r;
		}
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

static void refuse_cells(struct matrix *x, size_t n_rows, size_t n_columns)
{
	build_refuse(x->b, x->p->where,
		     "%s %s tells %zu kinds of address and %zu kinds of port apart, "
		     "which makes "
		     "more than %u answers",
		     x->p->name, direction_name(x->p->direction), n_rows, n_columns,
		     HG_MAX_CELLS);
	x->is_refused = true;
}

static int rows_make(struct matrix *x)
{
	size_t n_peers = x->p->classes->peers.n;
	uint32_t row;
	int r;

	x->row_of_peer = calloc(n_peers, sizeof(*x->row_of_peer));
	if (!x->row_of_peer)
		return -ENOMEM;
	r = rows_room(x);
	if (r < 0)
		return r;
	for (uint32_t c = 0; c < x->columns.n; c++)
		row_at(x, 0)[c] = (uint32_t)x->p->items.n;
	r = row_put(x, 0, &row);
	for (uint32_t i = 1; i < n_peers && r == 0 && !x->is_refused; i++) {
		r = peer_row(x, i);
		/* Equal columns are merged only at the end; twice the limit leaves room. */
		if (x->n_rows * x->columns.n > 2UL * HG_MAX_CELLS)
			refuse_cells(x, x->n_rows, x->columns.n);
	}
	return r;
}

/* ---- writing ---- */

static bool columns_equal(const struct matrix *x, uint32_t a, uint32_t b)
{
	if (x->untracked[a] != x->untracked[b])
		return false;
	for (size_t i = 0; i < x->n_rows; i++)
		if (row_at(x, i)[a] != row_at(x, i)[b])
			return false;
	return true;
}

/* Gives columns that are equal in all rows one number; 'first' holds a column of each. */
static int columns_merge(const struct matrix *x, uint32_t *map, uint32_t *first,
			 uint32_t *ret_n)
{
	size_t n_slots = 64, at;
	uint32_t n = 0;

	while (n_slots < 2UL * x->columns.n)
		n_slots *= 2;
	_cleanup_free_ uint64_t *hashes = calloc(x->columns.n, sizeof(*hashes));
	_cleanup_free_ uint32_t *slots = calloc(n_slots, sizeof(*slots));

	if (!hashes || !slots)
		return -ENOMEM;
	for (size_t i = 0; i < x->n_rows; i++)
		for (uint32_t c = 0; c < x->columns.n; c++)
			hashes[c] = (hashes[c] ^ row_at(x, i)[c]) * 0x9e3779b97f4a7c15ULL;
	for (uint32_t c = 0; c < x->columns.n; c++) {
		uint64_t hash = hashes[c] ^ hashes[c] >> 32;

		for (at = hash & (n_slots - 1); slots[at]; at = (at + 1) & (n_slots - 1))
			if (hashes[first[slots[at] - 1]] == hashes[c] &&
			    columns_equal(x, first[slots[at] - 1], c))
				break;
		if (!slots[at]) {
			first[n] = c;
			slots[at] = ++n;
		}
		map[c] = slots[at] - 1;
	}
	*ret_n = n;
	return 0;
}

struct clause_table {
	VEC(struct hg_clause) clauses;
	uint32_t *of_list; /* number of the first clause + 1 */
};

static uint32_t cell_of_rank(const struct plan *p, uint32_t rank)
{
	return rank < p->items.n ? p->items.items[rank].cell : p->fallback;
}

static int list_write(struct matrix *x, uint32_t list, struct clause_table *t)
{
	const struct plan *p = x->p;
	struct hg_clause last = { .flags = HG_CLAUSE_LAST };
	size_t n, from = t->clauses.n;
	const uint32_t *ranks = pool_get(&x->lists, list, &n);

	for (size_t i = 1; i < n; i++) {
		const struct item *item = &p->items.items[ranks[i]];

		if (t->clauses.n - from + item->n_clauses + 1 > HG_MAX_CLAUSES) {
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
			if (!vec_push(&t->clauses, p->clauses.items[item->clauses + k]))
				return -ENOMEM;
	}
	last.cell = cell_of_rank(p, ranks[0]);
	if (!vec_push(&t->clauses, last))
		return -ENOMEM;
	t->of_list[list] = (uint32_t)from + 1;
	return 0;
}

/* One cell, final. */
static int cell_make(struct matrix *x, size_t row, uint32_t column,
		     struct clause_table *t, uint32_t *ret_cell)
{
	uint32_t code = row_at(x, row)[column], n_ranks = (uint32_t)x->p->items.n + 1;
	uint32_t mask = x->families.items[row] == 6 ? 2 : 1;
	int r;

	if (code < n_ranks) {
		*ret_cell = cell_of_rank(x->p, code);
		if (code < n_ranks - 1 && x->untracked[column] & mask)
			*ret_cell |= HG_CELL_UNTRACKED;
		return 0;
	}
	if (!t->of_list[code - n_ranks]) {
		r = list_write(x, code - n_ranks, t);
		if (r < 0)
			return r;
	}
	*ret_cell = (t->of_list[code - n_ranks] - 1) | HG_CELL_CLAUSES;
	return 0;
}

static int cells_write(struct matrix *x, const uint32_t *first,
		       struct hg_classifier *head)
{
	size_t n_cells = (size_t)head->n_rows * head->n_columns, at = 0;
	_cleanup_free_ uint32_t *cells = malloc(n_cells * sizeof(*cells));
	struct clause_table t = { 0 };
	int r = 0;

	t.of_list = calloc(pool_size(&x->lists) + 1, sizeof(*t.of_list));
	if (!cells || !t.of_list)
		r = -ENOMEM;
	for (size_t row = 0; row < head->n_rows; row++)
		for (uint32_t c = 0; c < head->n_columns && r == 0; c++)
			r = cell_make(x, row, first[c], &t, &cells[at++]);
	if (r == 0)
		r = lines_share(&x->b->lines, cells, n_cells * sizeof(*cells),
				&head->cells);
	if (r == 0 && t.clauses.n)
		r = lines_share(&x->b->lines, t.clauses.items,
				t.clauses.n * sizeof(struct hg_clause), &head->clauses);
	head->n_clauses = (uint32_t)t.clauses.n;
	vec_done(&t.clauses);
	free(t.of_list);
	return r;
}

static int matrix_write(struct matrix *x, uint32_t *ret_line)
{
	struct lines *l = &x->b->lines;
	size_t n_sections;
	struct hg_classifier head = { .kind = HG_CLASSIFIER_MATRIX,
				      .n_rows = (uint32_t)x->n_rows,
				      .n_rules = x->p->n_rules };
	_cleanup_free_ uint32_t *map = calloc(x->columns.n, sizeof(*map));
	_cleanup_free_ uint32_t *first = calloc(x->columns.n, sizeof(*first));
	int r;

	if (!map || !first)
		return -ENOMEM;
	r = columns_merge(x, map, first, &head.n_columns);
	if (r < 0)
		return r;
	if (head.n_columns > HG_MAX_COLUMNS ||
	    (size_t)head.n_rows * head.n_columns > HG_MAX_CELLS) {
		refuse_cells(x, head.n_rows, head.n_columns);
		return 0;
	}
	r = cells_write(x, first, &head);
	if (r == 0)
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

static void matrix_done(struct matrix *x)
{
	columns_done(&x->columns);
	free(x->untracked);
	free(x->codes);
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
		r = rows_make(&x);
	if (r == 0 && !x.is_refused)
		r = matrix_write(&x, ret_line);
	if (x.is_refused)
		*ret_line = 0;
	matrix_done(&x);
	return r;
}
