/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* trie: address to class.
 *
 * In       The VPC's trie lines.
 * Out      A class id, 0 when nothing covers the address.
 * Cost     IPv4: one to three dependent loads. IPv6: one probe for each halving of the
 *          set of prefix lengths, two or three for common rule sets, 7 at most.
 */
#include <hg/trie.h>

#include "image.h"

static __always_inline __u32 trie_find4(const struct pkt *pkt, __u32 trie, __be32 addr)
{
	__u32 a = bpf_ntohl(addr);
	__u32 slot = image_word(pkt, trie, a >> 16);

	if (!(slot & HG_TRIE_BLOCK))
		return slot;
	trie += HG_TRIE4_ROOT;
	slot = image_word(pkt, trie + (slot & ~HG_TRIE_BLOCK) * HG_TRIE4_BLOCK,
			  a >> 8 & 255);
	if (!(slot & HG_TRIE_BLOCK))
		return slot;
	return image_word(pkt, trie + (slot & ~HG_TRIE_BLOCK) * HG_TRIE4_BLOCK, a & 255) &
	       ~HG_TRIE_BLOCK;
}

/* The first 'bits' (0 to 64) of a word are ones. Two shifts, as one by 64 does nothing;
 * no branch, as each would double what the verifier walks. */
static __always_inline __u64 trie_ones(__u32 bits)
{
	__u32 rest = 64 - bits, half = rest >> 1;

	return ~0ULL << half << (rest - half);
}

/* The first 'len' bits of 'addr', 1 to 128. */
static __always_inline void trie_mask6(const struct hg_addr *addr, __u32 len,
				       struct hg_addr *ret)
{
	__s64 beyond = (__s64)len - 64, is_short = beyond >> 63;
	__u64 high = trie_ones(64 + (beyond & is_short)),
	      low = trie_ones(beyond & ~is_short);

	ret->w[0] = addr->w[0] & bpf_htonl(high >> 32);
	ret->w[1] = addr->w[1] & bpf_htonl((__u32)high);
	ret->w[2] = addr->w[2] & bpf_htonl(low >> 32);
	ret->w[3] = addr->w[3] & bpf_htonl((__u32)low);
}

/* The class of the entry for 'addr'/'len', plus one; 0: a miss. A call of its own: walked
 * inside the search below, its exits multiply with the search's steps. */
HG_GLOBAL __u32 trie_probe6(const struct pkt *pkt, __u32 buckets, __u32 mask,
			    const struct hg_addr *addr, __u32 len)
{
	__u32 bucket;

	if (!pkt || !addr)
		return 0;
	bucket = hg_hash6(addr->w, len);
	for (int i = 0; i < HG_TRIE6_PROBES; i++) {
		const struct hg_prefix6 *e =
			image_line(pkt, buckets + ((bucket + i) & mask));

		if (!e || e[0].len == 0)
			return 0;
		if (e[0].len == len && addr_equal(&e[0].addr, addr))
			return e[0].class + 1;
		if (e[1].len == 0)
			return 0;
		if (e[1].len == len && addr_equal(&e[1].addr, addr))
			return e[1].class + 1;
	}
	return 0;
}

static __always_inline __u32 trie_find6(const struct pkt *pkt, __u32 trie,
					const struct hg_addr *addr)
{
	const struct hg_trie6 *t = image_line(pkt, trie);
	__u32 low = 0, high, found;

	if (!t)
		return 0;
	found = t->none;
	high = t->n_lengths;
	for (int i = 0; i < 8 && low < high; i++) {
		__u32 middle = (low + high) >> 1;
		__u32 len = image_byte(pkt, trie + 1, middle & (HG_TRIE6_LENGTHS - 1));
		struct hg_addr masked;
		__u32 hit;

		trie_mask6(addr, len, &masked);
		hit = trie_probe6(pkt, t->buckets, t->n_buckets - 1, &masked, len);
		if (hit) {
			found = hit - 1;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return found;
}
