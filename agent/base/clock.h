/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* clock: the only place that asks what time it is; everybody else takes it as a parameter.
 *
 * Units    Nanoseconds since boot, without suspend; seconds or nanoseconds since 1970 UTC;
 *          ticks (jiffies) a second.
 */
#include <stdint.h>

uint64_t clock_monotonic_ns(void);
int64_t clock_realtime_s(void);
int64_t clock_realtime_ns(void);
uint32_t clock_tick_hz(void); /* CONFIG_HZ of the running kernel */
