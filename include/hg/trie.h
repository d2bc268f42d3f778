/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* trie: address to class, longest prefix, in arrays.
 *
 * Shape    IPv4 is a 16-8-8 trie of __u32 slots: 65536 for the first two bytes (4096
 *          lines), then blocks of 256 (16 lines) numbered from 0. A slot is a class,
 *          or with HG_TRIE_BLOCK set the number of the block for the next byte.
 *
 *          IPv6 is a binary search on prefix lengths. Line 0 is struct hg_trie6; it
 *          names up to 64 ascending lengths (HG_TRIE6_LENGTHS) in the two lines that
 *          follow and a hash table of struct hg_prefix6, two a line. Entries at length
 *          lengths[m] are prefixes and markers; each carries the class of its own
 *          longest real match, so a hit can be kept and a miss needs no way back.
 *          Bucket of a prefix: hash6(masked address, length) & (n_buckets - 1); a full
 *          bucket spills into the next line (after the last the first), at most
 *          HG_TRIE6_PROBES lines in all; a free entry ends the search of a bucket.
 *          Search: lo = 0, hi = n_lengths; at m = (lo + hi) / 2 a hit goes on with
 *          lo = m + 1, a miss with hi = m. Markers lie on exactly this path.
 * Units    A class is a record number of the VPC's class table, < 2^31.
 * Order    Slots are indexed by address bytes in wire order.
 * Owner    agent/compile/trie.c builds, bpf/trie.h walks.
 * Source   Waldvogel et al., "Scalable High Speed IP Routing Lookups", SIGCOMM 1997.
 */
#include <hg/image.h>

#define HG_TRIE_BLOCK    0x80000000U
#define HG_TRIE4_ROOT    4096 /* lines */
#define HG_TRIE4_BLOCK   16   /* lines */
#define HG_TRIE6_LENGTHS 128
#define HG_TRIE6_PROBES  4

struct hg_trie6 {
	__u32 n_lengths; /* without 0, which is 'none' */
	__u32 buckets;   /* line of the first bucket, from the start of the image */
	__u32 n_buckets; /* power of two */
	__u32 none;      /* class of an address that no prefix covers (or of ::/0) */
	__u32 zero[12];
	__u8 lengths[HG_TRIE6_LENGTHS]; /* ascending, 1 .. 128 */
};
HG_SIZE(struct hg_trie6, 3 * HG_LINE);

struct hg_prefix6 {
	struct hg_addr addr; /* masked */
	__u32 len;           /* 1 .. 128; 0 is a free entry */
	__u32 class
		; /* of the longest real prefix of this entry; trie.none when there is none */
	__u32 zero[2];
};
HG_SIZE(struct hg_prefix6, 32);

/* Both sides must agree. Not keyed: only the operator chooses what is in the table. */
static inline __attribute__((always_inline)) __u32 hg_hash6(const __be32 w[4], __u32 len)
{
	__u64 h = ((__u64)w[0] << 32 | w[1]) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + ((__u64)w[2] << 32 | w[3]) + len) * 0xbf58476d1ce4e5b9ULL;
	return (__u32)(h >> 32);
}
