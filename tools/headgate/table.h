/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* table: aligned columns and colours for people.
 *
 * Shape    Cells are added row by row, left to right; a head that begins with '>' aligns
 *          its column to the right. The last column is never padded.
 * Units    Widths are in bytes: what is printed is ASCII; other bytes of names become '?'.
 * Owner    table_new()/table_free(); texts are copied.
 * Errors   A cell that cannot be stored for want of memory is printed empty.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_BAD, PAINT_WARN, PAINT_DIM, PAINT_BOLD };

struct table;

#define TABLE_COLUMNS 16

struct table *table_new(const char *const heads[], bool colour); /* NULL ends 'heads' */
void table_free(struct table *t);                                /* NULL is fine */
static inline void table_freep(struct table **t)
{
	table_free(*t);
}

/* NULL or "" is printed as "-". */
void table_text(struct table *t, const char *text, enum paint paint);
void table_cell(struct table *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
size_t table_rows(const struct table *t);
/* Prints the rows so far and forgets them; the heads the first time only. Widths stay, so
 * that a long list can be printed in pieces. */
void table_print(struct table *t, FILE *f);

/* The escape sequences around a word; "" without colour. */
const char *paint_on(bool colour, enum paint paint);
const char *paint_off(bool colour, enum paint paint);

#define HUMAN_TEXT 32

/* 1234567 -> "1.2 MiB"; 75 -> "1m15s". */
const char *bytes_print(uint64_t bytes, char buf[static HUMAN_TEXT]);
const char *seconds_print(uint64_t seconds, char buf[static HUMAN_TEXT]);
