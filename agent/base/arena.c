/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN       16
#define BLOCK_FIRST 4096
#define BLOCK_LAST  (1U << 20)

struct block {
	struct block *next;
	size_t size, used; /* of 'bytes' */
	_Alignas(ALIGN) unsigned char bytes[];
};

struct arena {
	struct block *head; /* the one that is filled */
	size_t grow;        /* size of the next block */
	size_t held;
};

struct arena *arena_new(void)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a)
		a->grow = BLOCK_FIRST;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->head) {
		struct block *b = a->head;

		a->head = b->next;
		free(b);
	}
	free(a);
}

/* A block of its own for what is large, put behind the head so that the head goes on
 * being filled. */
static struct block *block_add(struct arena *a, size_t size)
{
	bool is_large = size > a->grow / 2 && a->head;
	size_t bytes = is_large || size > a->grow ? size : a->grow;
	struct block *b;

	if (bytes > SIZE_MAX - sizeof(*b))
		return NULL;
	b = calloc(1, sizeof(*b) + bytes);
	if (!b)
		return NULL;
	b->size = bytes;
	a->held += sizeof(*b) + bytes;
	if (is_large) {
		b->next = a->head->next;
		a->head->next = b;
		return b;
	}
	b->next = a->head;
	a->head = b;
	if (a->grow < BLOCK_LAST)
		a->grow *= 2;
	return b;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	struct block *b = a->head;
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - ALIGN)
		return NULL;
	/* Nothing gets a byte all the same: no two allocations are one pointer. */
	bytes = ((bytes ? bytes : 1) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!b || b->size - b->used < bytes)
		b = block_add(a, bytes);
	if (!b)
		return NULL;
	p = b->bytes + b->used;
	b->used += bytes;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t size = strnlen(s, n);
	char *copy = arena_alloc(a, size + 1, 1);

	if (copy)
		memcpy(copy, s, size);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return NULL;
	text = arena_alloc(a, (size_t)n + 1, 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

size_t arena_bytes(const struct arena *a)
{
	return a->held;
}
