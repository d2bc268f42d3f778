/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"

static bool is_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

int main(void)
{
	struct arena *a = arena_new();
	bool aligned = true, zeroed = true, kept = true;
	unsigned char *small[1000];
	size_t held;

	for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
		size_t size = i * 7 % 300 + 1;

		small[i] = arena_alloc(a, 1, size);
		aligned &= (uintptr_t)small[i] % 16 == 0;
		zeroed &= is_zero(small[i], size);
		memset(small[i], (int)i, size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(small); i++)
		kept &= small[i][0] == (i & 0xff) && small[i][i * 7 % 300] == (i & 0xff);
	ok(aligned, "allocations are aligned to 16 bytes");
	ok(zeroed, "allocations are zeroed");
	ok(kept, "allocations do not touch each other");

	held = arena_bytes(a);
	ok(arena_alloc(a, 1, 10 << 20) && arena_bytes(a) < held + (11 << 20),
	   "a large allocation costs what it is");
	held = arena_bytes(a);
	ok(arena_alloc(a, 1, 8) && arena_bytes(a) == held,
	   "small ones go on in the block before a large one");
	ok(!arena_alloc(a, SIZE_MAX / 2, 3), "a product that overflows is refused");
	ok(!arena_alloc(a, 1, SIZE_MAX), "a size that cannot be rounded is refused");
	ok(arena_alloc(a, 0, 5) != arena_alloc(a, 0, 5), "nothing is not one pointer");

	is_str(arena_strdup(a, "web"), "web", "a string is copied");
	is_str(arena_strndup(a, "webserver", 3), "web",
	       "a string is copied up to a size");
	is_str(arena_strndup(a, "web", 9), "web", "a string is not read beyond its end");
	is_str(arena_printf(a, "%s-%d", "web", 1), "web-1", "text is formatted");
	arena_free(a);
	arena_free(NULL);
	return done();
}
