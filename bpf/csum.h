/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* csum: the internet checksum, kept right while words under it change.
 *
 * In       Words as on the wire. A halfword counts as a word, for 2^16 is 1 modulo 2^16 - 1; it
 *          must lie at an even distance from where the checksum begins.
 * Out      A sum of 64 bits, that no packet makes overflow, and what it folds to.
 * Cost     Two additions a word; a fold is six instructions.
 * Source   RFC 1071; RFC 1624 section 3, equation 3, which never makes 0 of what is not.
 */
#include "target.h"
#include "verifier.h"

/* 'sum', after 'old' under it has become 'new'. */
static __always_inline __u64 csum_swap(__u64 sum, __u32 old, __u32 new)
{
	return sum + (__u32)~old + new;
}

static __always_inline __u64 csum_swap_words(__u64 sum, const __be32 *old,
					     const __be32 *new, int n)
{
	VERIFIER_UNROLL
	for (int i = 0; i < n; i++)
		sum = csum_swap(sum, old[i], new[i]);
	return sum;
}

/* 'sum' and 'size' bytes more, a multiple of 4; not of the frame. */
static __always_inline __u64 csum_add(__u64 sum, const void *p, __u32 size)
{
	const __be32 *w = p;

	VERIFIER_UNROLL
	for (__u32 i = 0; i < size / 4; i++)
		sum += w[i];
	return sum;
}

/* As the kernel's helpers take it. */
static __always_inline __u32 csum_fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)(sum + (sum >> 32));
}

static __always_inline __u16 csum_fold(__u64 sum)
{
	__u32 w = csum_fold32(sum);

	w = (w & 0xffff) + (w >> 16);
	return (__u16)(w + (w >> 16));
}

/* The checksum 'check', after what is under it has changed by 'sum'. */
static __always_inline __be16 csum_apply(__be16 check, __u64 sum)
{
	return (__be16)~csum_fold(sum + (__u16)~check);
}
