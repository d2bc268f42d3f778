/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* arena: memory of one lifetime, freed as one.
 *
 * Shape    Blocks that grow; allocations are zeroed and aligned to 16 bytes.
 * Owner    Whoever called arena_new(). Pointers are good until arena_free().
 * Errors   NULL when memory is short; what was allocated stays good.
 */
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);                          /* NULL is fine */
void *arena_alloc(struct arena *a, size_t n, size_t size); /* n * size, checked */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct arena *a); /* held from the system */

static inline void arena_freep(struct arena **a)
{
	arena_free(*a);
}
