/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"

struct cell {
	char *text; /* NULL: memory was short */
	enum paint paint;
};

struct table {
	const char *heads[TABLE_COLUMNS];
	size_t widths[TABLE_COLUMNS];
	size_t n_columns;
	bool colour, has_heads;
	VEC(struct cell) cells;
};

static bool is_right(const char *head)
{
	return head[0] == '>';
}

struct table *table_new(const char *const heads[], bool colour)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->colour = colour;
	for (; heads[t->n_columns]; t->n_columns++) {
		assert(t->n_columns < TABLE_COLUMNS);
		t->heads[t->n_columns] = heads[t->n_columns];
		t->widths[t->n_columns] =
			strlen(heads[t->n_columns]) - is_right(heads[t->n_columns]);
	}
	return t;
}

static void forget_cells(struct table *t)
{
	for (size_t i = 0; i < t->cells.n; i++)
		free(t->cells.items[i].text);
	t->cells.n = 0;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	forget_cells(t);
	vec_done(&t->cells);
	free(t);
}

void table_text(struct table *t, const char *text, enum paint paint)
{
	struct cell cell = { .text = strdup(text && *text ? text : "-"), .paint = paint };
	size_t column = t->cells.n % t->n_columns, width;

	for (char *p = cell.text; p && *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	width = cell.text ? strlen(cell.text) : 0;
	if (!vec_push(&t->cells, cell)) {
		free(cell.text);
		return;
	}
	if (width > t->widths[column])
		t->widths[column] = width;
}

void table_cell(struct table *t, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	table_text(t, text, PAINT_NONE);
}

size_t table_rows(const struct table *t)
{
	return t->cells.n / t->n_columns;
}

static void print_cell(const struct table *t, size_t column, const char *text,
		       enum paint paint, FILE *f)
{
	size_t pad = t->widths[column] - strlen(text);
	bool is_last = column + 1 == t->n_columns;

	if (is_right(t->heads[column]))
		fprintf(f, "%*s", (int)pad, "");
	fprintf(f, "%s%s%s", paint_on(t->colour, paint), text,
		paint_off(t->colour, paint));
	if (!is_right(t->heads[column]) && !is_last)
		fprintf(f, "%*s", (int)pad, "");
	fputs(is_last ? "\n" : "  ", f);
}

void table_print(struct table *t, FILE *f)
{
	if (!t->has_heads)
		for (size_t i = 0; i < t->n_columns; i++)
			print_cell(t, i, t->heads[i] + is_right(t->heads[i]), PAINT_BOLD,
				   f);
	t->has_heads = true;
	for (size_t i = 0; i < t->cells.n; i++) {
		const struct cell *c = &t->cells.items[i];

		print_cell(t, i % t->n_columns, c->text ? c->text : "", c->paint, f);
	}
	forget_cells(t);
}

const char *paint_on(bool colour, enum paint paint)
{
	static const char *const on[] = {
		[PAINT_NONE] = "",        [PAINT_GOOD] = "\033[32m",
		[PAINT_BAD] = "\033[31m", [PAINT_WARN] = "\033[33m",
		[PAINT_DIM] = "\033[2m",  [PAINT_BOLD] = "\033[1m",
	};

	return colour ? on[paint] : "";
}

const char *paint_off(bool colour, enum paint paint)
{
	return colour && paint ? "\033[0m" : "";
}

const char *bytes_print(uint64_t bytes, char buf[static HUMAN_TEXT])
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	double n = bytes;
	size_t unit = 0;

	while (n >= 1023.5 && unit + 1 < ARRAY_SIZE(units)) {
		n /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(buf, HUMAN_TEXT, "%" PRIu64 " B", bytes);
	else
		snprintf(buf, HUMAN_TEXT, n < 9.95 ? "%.1f %s" : "%.0f %s", n,
			 units[unit]);
	return buf;
}

const char *seconds_print(uint64_t seconds, char buf[static HUMAN_TEXT])
{
	static const struct {
		uint64_t seconds;
		char large, small;
		uint64_t rest;
	} units[] = {
		{ 86400, 'd', 'h', 3600 },
		{ 3600, 'h', 'm', 60 },
		{ 60, 'm', 's', 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		uint64_t n = seconds / units[i].seconds;
		uint64_t rest = seconds % units[i].seconds / units[i].rest;

		if (n == 0)
			continue;
		if (rest == 0)
			snprintf(buf, HUMAN_TEXT, "%" PRIu64 "%c", n, units[i].large);
		else
			snprintf(buf, HUMAN_TEXT, "%" PRIu64 "%c%" PRIu64 "%c", n,
				 units[i].large, rest, units[i].small);
		return buf;
	}
	snprintf(buf, HUMAN_TEXT, "%" PRIu64 "s", seconds);
	return buf;
}
