/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* clock: the only caller of time helpers.
 *
 * In       hg_control.skew.
 * Out      Ticks: jiffies modulo 2^32, hg_hz of them a second.
 * Cost     One load; bpf_jiffies64() is inlined by the verifier, where
 *          bpf_ktime_get_ns() costs 30 ns and more behind cache misses.
 */
#include "target.h"

HG_RODATA __u32 hg_hz = 250; /* measured by the agent before load */

static __always_inline __u32 clock_ticks(__u32 skew)
{
	return (__u32)bpf_jiffies64() + skew;
}

static __always_inline __u32 clock_from_seconds(__u32 seconds)
{
	return seconds * hg_hz;
}

/* Ticks from 'then' to 'now'. Another CPU may have read the clock later than this one: what is that
 * much younger than now is new, not as old as the clock is long. */
static __always_inline __u32 clock_age(__u32 now, __u32 then)
{
	__s32 age = now - then;

	return age < 0 && age > -(__s32)clock_from_seconds(1) ? 0 : age;
}
