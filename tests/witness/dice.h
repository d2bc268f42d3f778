/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* dice: chance that can be repeated.
 *
 * Shape    One 64-bit state; the same seed gives the same throws on every machine.
 * Units    dice_below(n) is 0 .. n - 1; percents are of 100.
 * Owner    A value of the caller's.
 * Errors   None.
 * Source   splitmix64: Steele, Lea, Flood, OOPSLA 2014.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_throw(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static inline unsigned dice_below(struct dice *d, unsigned n)
{
	return dice_throw(d) % n;
}

static inline bool dice_chance(struct dice *d, unsigned percent)
{
	return dice_below(d, 100) < percent;
}

/* One of an array's elements. */
#define dice_pick(d, array) ((array)[dice_below(d, sizeof(array) / sizeof((array)[0]))])
