/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/vec.h"

/* Complaints are kept in the order in which they were made; diag_list() hands out a
 * sorted copy. */
struct diag {
	struct arena *arena;
	VEC(struct complaint) kept;
	struct complaint *sorted; /* heap, or NULL */
	size_t n[2];              /* made, by level */
	size_t n_kept[2];
};

struct diag *diag_new(void)
{
	struct diag *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->arena = arena_new();
	if (!d->arena) {
		free(d);
		return NULL;
	}
	return d;
}

void diag_free(struct diag *d)
{
	if (!d)
		return;
	arena_free(d->arena);
	vec_done(&d->kept);
	free(d->sorted);
	free(d);
}

void diag_add(struct diag *d, enum diag_level level, const char *file, unsigned line,
	      unsigned column, const char *pointer, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	struct complaint c = { .level = level, .line = line, .column = column };
	va_list args;
	int n;

	d->n[level]++;
	free(TAKE(d->sorted));
	if (d->n_kept[level] >= DIAG_MAX)
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return;
	}
	c.file = arena_strdup(d->arena, file ? file : "");
	c.pointer = arena_strdup(d->arena, pointer ? pointer : "");
	c.text = arena_strdup(d->arena, text);
	if (c.file && c.pointer && c.text && vec_push(&d->kept, c))
		d->n_kept[level]++;
}

size_t diag_errors(const struct diag *d)
{
	return d->n[DIAG_ERROR];
}

size_t diag_warnings(const struct diag *d)
{
	return d->n[DIAG_WARNING];
}

static int compare(const void *pa, const void *pb)
{
	const struct complaint *a = pa, *b = pb;
	int r = strcmp(a->file, b->file);

	if (r == 0)
		r = (a->line > b->line) - (a->line < b->line);
	if (r == 0)
		r = (a->column > b->column) - (a->column < b->column);
	if (r == 0)
		r = strcmp(a->pointer, b->pointer);
	if (r == 0)
		r = strcmp(a->text, b->text);
	return r;
}

const struct complaint *diag_list(struct diag *d, size_t *ret_n)
{
	*ret_n = 0;
	if (!d->sorted) {
		d->sorted = calloc(d->kept.n + 1, sizeof(*d->sorted));
		if (!d->sorted)
			return NULL;
		if (d->kept.n > 0)
			memcpy(d->sorted, d->kept.items, d->kept.n * sizeof(*d->sorted));
		qsort(d->sorted, d->kept.n, sizeof(*d->sorted), compare);
	}
	*ret_n = d->kept.n;
	return d->sorted;
}

char *complaint_print(const struct complaint *c)
{
	char place[32] = "";
	char *text = NULL;
	int n;

	if (c->line > 0)
		snprintf(place, sizeof(place), "%u:%u:", c->line, c->column);
	n = asprintf(&text, "%s%s%s%s%s%s%s%s", c->file, c->file[0] ? ":" : "", place,
		     c->file[0] || place[0] ? " " : "", c->pointer,
		     c->pointer[0] ? ": " : "",
		     c->level == DIAG_WARNING ? "warning: " : "", c->text);
	if (n < 0)
		return NULL;
	/* Names and values come from the user's text: none may steer the terminal. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return text;
}
