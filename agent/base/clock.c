/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

uint64_t clock_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

int64_t clock_realtime_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

int64_t clock_realtime_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

uint32_t clock_tick_hz(void)
{
	struct timespec t;

	/* The kernel answers the length of a tick for the coarse clocks, whatever timers the
	 * machine has. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &t) < 0 || t.tv_nsec <= 0)
		return 250;
	return (uint32_t)((1000000000L + t.tv_nsec / 2) / t.tv_nsec);
}
