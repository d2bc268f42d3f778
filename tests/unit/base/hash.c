/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"

#define KEYS    4096
#define BUCKETS 256

/* Values kept: a hash that changes would move every connection that depends on it. */
static const struct {
	uint64_t seed;
	const char *text;
	uint64_t want;
} kept[] = {
	{ 0, "", 0x96ebbe173ff72a30ULL },
	{ 0, "a", 0xf174d851669b1dadULL },
	{ 1, "a", 0xefbf9f80088586c5ULL },
	{ 0, "12345678", 0x425693f04daf0586ULL },
	{ 0, "123456789abcdef", 0x3da235cbeb528bd8ULL },
	{ 0, "123456789abcdef0123456789abcdef0x", 0x74f6e5917a8d2e6aULL },
};

static unsigned bits(uint64_t v)
{
	return (unsigned)__builtin_popcountll(v);
}

int main(void)
{
	unsigned char text[40];
	unsigned buckets[BUCKETS] = {}, most = 0, changed = 0;
	uint64_t base;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		ok(hash64(kept[i].seed, kept[i].text, strlen(kept[i].text)) ==
			   kept[i].want,
		   "the hash of '%s' with seed %llu is what it was", kept[i].text,
		   (unsigned long long)kept[i].seed);
	for (uint32_t i = 0; i < KEYS; i++)
		buckets[hash64(0, &i, sizeof(i)) % BUCKETS]++;
	for (size_t i = 0; i < BUCKETS; i++)
		most = buckets[i] > most ? buckets[i] : most;
	/* 16 on average with a deviation of 4: seven of those are out of the question. */
	ok(most < 44, "counting numbers spread over buckets (the fullest has %u)", most);

	memset(text, 'x', sizeof(text));
	base = hash64(0, text, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] ^= 1;
		changed += bits(base ^ hash64(0, text, sizeof(text)));
		text[i] ^= 1;
	}
	ok(changed / sizeof(text) > 24 && changed / sizeof(text) < 40,
	   "each byte changes about half of the bits (%zu)", changed / sizeof(text));
	ok(hash64(0, "ab", 1) == hash64(0, "ac", 1), "nothing beyond the size is read");
	ok(hash64(0, "\0", 1) != hash64(0, "\0", 2), "the size counts");
	return done();
}
