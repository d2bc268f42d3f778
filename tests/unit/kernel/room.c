/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/room.h"

#include "base/cleanup.h"
#include "tests/lib/tap.h"

static const struct {
	const char *says;
	uint32_t capacity, base, n_old, n;
	bool is_found;
	uint32_t at;
} cases[] = {
	{ "the first image lies at line 0", 100, 0, 0, 100, true, 0 },
	{ "the second lies behind the first", 100, 0, 40, 60, true, 40 },
	{ "one line too many does not fit behind", 100, 0, 40, 61, false, 0 },
	{ "the third goes in front when it fits there", 100, 40, 60, 40, true, 0 },
	{ "and behind when it does not", 200, 40, 60, 41, true, 100 },
	{ "an image that fits nowhere is refused", 100, 40, 60, 41, false, 0 },
	{ "a first image larger than the map is refused", 100, 0, 0, 101, false, 0 },
	{ "sizes do not wrap around", UINT32_MAX, UINT32_MAX - 5, 3, 0xfffffffbU, false,
	  0 },
};

/* Old and new never share a line, whatever came before. */
static bool lives_apart(void)
{
	uint32_t capacity = 64, base = 0, n_old = 0, seed = 1;

	for (int i = 0; i < 100000; i++) {
		uint32_t n, at;

		seed = seed * 1664525 + 1013904223;
		n = (seed >> 16) % 200 + 1;
		if (!room_find(capacity, base, n_old, n, &at)) {
			uint64_t needed = room_needed(base, n_old, n);

			while (capacity < needed)
				capacity *= 2;
			if (!room_find(capacity, base, n_old, n, &at))
				return false;
		}
		if (at + n > capacity || (n_old && at < base + n_old && base < at + n))
			return false;
		base = at;
		n_old = n;
	}
	return capacity <= 1024;
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t at = 0;
		bool is_found = room_find(cases[i].capacity, cases[i].base,
					  cases[i].n_old, cases[i].n, &at);

		ok(is_found == cases[i].is_found && (!is_found || at == cases[i].at),
		   "%s", cases[i].says);
	}
	ok(lives_apart(),
	   "100000 images in a row never overlap, and the map stays small");
	return done();
}
