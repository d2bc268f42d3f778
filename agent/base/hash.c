/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <string.h>

/* Odd constants with as many ones as zeroes in every byte pair, from wyhash. */
#define K0 0xa0761d6478bd642fULL
#define K1 0xe7037ed1a0b428dbULL
#define K2 0x8ebc6af09c88c6e3ULL

static uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Bytes are put together by hand, so that big-endian machines agree. */
static uint64_t load(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint64_t hash64(uint64_t seed, const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = fold(seed ^ K0, (uint64_t)size ^ K1);

	for (; size >= 16; size -= 16, p += 16)
		h = fold(load(p, 8) ^ K1, load(p + 8, 8) ^ h);
	if (size >= 8)
		h = fold(load(p, 8) ^ K1, load(p + 8, size - 8) ^ h ^ K2);
	else if (size > 0)
		h = fold(load(p, size) ^ K2, h ^ K0);
	return fold(h ^ K2, K1);
}
