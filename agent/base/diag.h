/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* diag: what is wrong with the user's input, all of it, in one run.
 *
 * Shape    A growing list of complaints; diag_print() sorts them by file, line, column.
 * Units    'line' and 'column' count from 1; 0 is unknown. At most DIAG_MAX of each level
 *          are kept, further ones are counted.
 * Owner    diag_new()/diag_free(); texts are copied.
 * Errors   A complaint that cannot be stored for want of memory still counts.
 */
#include <stdbool.h>
#include <stddef.h>

#define DIAG_MAX 1000

enum diag_level { DIAG_ERROR, DIAG_WARNING };

struct complaint {
	enum diag_level level;
	const char *file; /* "" is the command line or the API */
	unsigned line, column;
	const char *pointer; /* RFC 6901; "" is the document */
	const char *text;    /* a sentence without full stop */
};

struct diag;
struct where;

struct diag *diag_new(void);
void diag_free(struct diag *d); /* NULL is fine */
static inline void diag_freep(struct diag **d)
{
	diag_free(*d);
}

void diag_add(struct diag *d, enum diag_level level, const char *file, unsigned line,
	      unsigned column, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

size_t diag_errors(const struct diag *d);
size_t diag_warnings(const struct diag *d);
/* Sorted by place; 'ret_n' of them, borrowed until the next diag_add(). */
const struct complaint *diag_list(struct diag *d, size_t *ret_n);
/* One complaint as the user reads it: file:line:col: /pointer: [warning: ]text. Heap. */
char *complaint_print(const struct complaint *c);
