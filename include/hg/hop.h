/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* hop: neighbours, ready to be sent to.
 *
 *   hg_hops[set * 4 + way]     set = hg_hop_hash(ifindex, addr) & (HG_HOP_SETS - 1)
 *
 * Shape    An mmap-able ARRAY of lines, in sets of 4; index 0 is nobody's. A port's instance
 *          has an entry with address zero. One line holds all that a frame needs to leave.
 * Units    'mtu' is of the device, in bytes of IP packet.
 * Order    Addresses and MACs as on the wire. IPv4 in addr.w[0].
 * Owner    agent/kernel/neighbour.c makes, fills and frees entries; packets only store 'mac' of one
 *          that exists, when its owner speaks from another one: 8 bytes in one store. An
 *          entry is made known by 'ifindex', stored last. Flows keep indexes: one that was freed serves
 *          another neighbour only after the epoch has changed.
 * Errors   A full set: packets for that neighbour take the kernel's own resolution (TC), every time.
 */
#include <hg/abi.h>

#define HG_HOP_SETS 16384
#define HG_HOP_WAYS 4
#define HG_HOPS     (HG_HOP_SETS * HG_HOP_WAYS)

#define HG_HOP_PEER \
	1 /* veth whose other end is in another namespace: bpf_redirect_peer works */
#define HG_HOP_PORT 2 /* the instance of a port */
#define HG_HOP_6    4 /* 'addr' is IPv6 */

/* mac: bytes 0 to 5 are the MAC, byte 6 the state. */
#define HG_HOP_UNKNOWN  0 /* nobody has answered yet */
#define HG_HOP_RESOLVED 1
#define HG_HOP_FAILED   2 /* the kernel has asked in vain */

struct hg_hop {
	struct hg_addr addr;
	__u32 ifindex; /* 0 is free */
	__u32 flags;   /* HG_HOP_* */
	union {
		__u64 word;
		__u8 byte[8];
	} mac;
	__u8 smac[6]; /* the device's own */
	__u16 zero0;
	__u32 mtu;
	__u32 zero[5];
};
HG_SIZE(struct hg_hop, 64);

/* Both sides must agree. Not keyed: who is on the link decides what is in the table. */
static inline __attribute__((always_inline)) __u32 hg_hop_hash(__u32 ifindex,
							       const __be32 w[4])
{
	__u64 h = ((__u64)w[0] << 32 | w[1]) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h + ((__u64)w[2] << 32 | w[3]) + ifindex) * 0xbf58476d1ce4e5b9ULL;
	return (__u32)(h >> 32);
}
