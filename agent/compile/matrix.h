/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* matrix: the answers of one classifier while they are made.
 *
 *   row_of_peer[peer] -> rows[row * n_chunks + column / 32] -> chunks -> code
 *
 * Shape    A code below n_ranks is the rank of the item that answers (n_ranks - 1: none
 *          does); the others are n_ranks + a number in 'lists': conditional items in order,
 *          tried until one holds, else the item in front. Rows are made of chunks of 32
 *          codes, and equal chunks are one. Row 0 is that of peers without a label here.
 * Units    Columns as in columns.h, before equal ones are merged.
 * Owner    classifier_compile(), for the time of the call.
 * Errors   -ENOMEM, -E2BIG; refusals set 'is_refused' and return 0.
 */
#include "compile/classifier.h"
#include "compile/columns.h"

#define CHUNK HG_CHUNK_COLUMNS

struct matrix {
	struct build *b;
	const struct plan *p;
	struct columns columns;
	bool has_clauses;
	bool is_split;      /* families differ in what is untracked */
	uint8_t *untracked; /* by column: 1 IPv4, 2 IPv6 */

	struct pool chunks;
	uint32_t n_chunks; /* of a row */
	uint32_t *rows;    /* chunk ids */
	size_t n_rows, room_rows;
	VEC(uint64_t) hashes;   /* of rows */
	VEC(uint32_t) families; /* of rows; 0 either */
	uint32_t *slots;
	size_t n_slots;
	uint32_t *paint; /* codes of the row in hand, in its chunks that are painted */
	bool *is_painted;
	VEC(uint32_t) touched; /* those chunks */

	uint32_t *row_of_peer;
	uint32_t *local; /* label to its number here, from 1 */
	VEC(uint32_t)
	label_end; /* items of label number i: label_items[end[i - 1] .. end[i]) */
	uint32_t *label_items;
	struct pool steps; /* {row, family, labels...} */
	VEC(uint32_t) step_rows;
	VEC(uint32_t) words;

	struct pool lists;  /* {rank of the end, conditional ranks...} */
	struct pool unions; /* {code, item} */
	VEC(uint32_t) union_codes;
	bool is_refused;
};

int matrix_rows(struct matrix *x);
int matrix_write(struct matrix *x, uint32_t *ret_line);
void matrix_refuse(struct matrix *x, size_t n_rows, size_t n_columns);

static inline uint32_t matrix_code(const struct matrix *x, size_t row, uint32_t column)
{
	uint32_t chunk = x->rows[row * x->n_chunks + column / CHUNK];

	return x->chunks.words[(size_t)chunk * CHUNK + column % CHUNK];
}
