/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* flow: one direction of one connection; two of these know each other.
 *
 *   hg_flows4[set].way[4] of 64 bytes      hg_flows6[set].way[4] of 128 bytes
 *
 * Shape    Sets of 4 ways; what a full one cannot take is in its buddy, set ^ 1. An IPv4 entry is one cache line: key, state, counters and
 *          room for the address rewrite. An IPv6 entry has key and state in its first
 *          line. 'pair' is set * 4 + way + 1 of the other direction, 0 none, with
 *          HG_PAIR_OTHER where that is in the other family's table (NAT64).
 *
 *          The key is the packet as it came in; 'nat' as it goes out, where HG_FLOW_NAT is
 *          set. The pair's key is that, reversed, in the zone where answers come in. An
 *          IPv4 entry whose nat_daddr is 0 goes out as IPv6, its pair's key reversed.
 * Units    'seen' and 'created' are ticks of bpf/clock.h (HZ of them a second), modulo
 *          2^32; half-open TCP has no 'created'. 'bytes' counts IP packets, header included.
 * Order    Key and rewrite as on the wire. An entry is in use when 'live' is not 0; the
 *          last 8 key bytes hold it, so one aligned store publishes or removes an entry.
 * Owner    bpf/flow.h inserts under the set's lock and updates without it; the agent
 *          reads through mmap, and clears only entries that have expired.
 * Errors   Two buddies full of protected entries refuse: HG_DROP_FLOW_TABLE_FULL.
 */
#include <hg/image.h>

#define HG_WAYS  4
#define HG_LOCKS 65536

#define HG_FLOW_ORIGINAL  1   /* the direction of the packet that opened the connection */
#define HG_FLOW_TRACK_SRC 2   /* the sender's interface keeps state */
#define HG_FLOW_TRACK_DST 4   /* the receiver's does */
#define HG_FLOW_FIN       8   /* a FIN went this way */
#define HG_FLOW_EXEMPT    16  /* opened by a packet that no filter touches */
#define HG_FLOW_OUT       32  /* came by a device's egress */
#define HG_FLOW_NAT       64  /* 'nat' is to be applied */
#define HG_FLOW_ROUTED    128 /* leaves its subnet: the hop limit is decremented */

/* life: timeout in seconds (20 bits) | state << 20 | flags << 24 */
#define HG_LIFE(timeout, state, flags) \
	((__u32)(timeout) | (__u32)(state) << 20 | (__u32)(flags) << 24)
#define HG_LIFE_TIMEOUT(life) ((life)&0xfffffU)
#define HG_LIFE_STATE(life)   ((life) >> 20 & 0xfU)
#define HG_LIFE_FLAGS(life)   ((life) >> 24)

/* path: where a packet of this direction came in and where it goes */
#define HG_PATH(in, hop)   ((__u32)(hop) | (__u32)(in) << 16)
#define HG_PATH_HOP(path)  ((path)&0xffffU)        /* in hg_hops, 0: to the kernel */
#define HG_PATH_IN(path)   ((path) >> 16 & 0xfffU) /* device id */
#define HG_PATH_SEEN(path) ((path) >> 28)          /* OR of HG_SEEN of its packets */
#define HG_PATH_SEEN_SHIFT 28

/* Of TCP flags FIN, SYN and RST as they are, and 8 for SYN with ACK. */
#define HG_SEEN(flags)      (((flags)&7) | ((flags)&2 ? ((flags)&16) >> 1 : 0))
#define HG_SEEN_FLAGS(seen) (((seen)&7) | ((seen)&8) << 1)

#define HG_PAIR_OTHER 0x80000000U

/* bytes: a counter of 52 bits, and above it the meter that counts the connection, 0 none */
#define HG_BYTES(bytes)       ((bytes)&0xfffffffffffffULL)
#define HG_BYTES_METER(bytes) ((__u32)((bytes) >> 52))
#define HG_BYTES_OF(meter)    ((__u64)(meter) << 52)

struct hg_key4 {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__u8 protocol;
	__u8 live; /* 1 */
	__u16 zone;
};
HG_SIZE(struct hg_key4, 16);

struct hg_key6 {
	struct hg_addr saddr, daddr;
	__be16 sport, dport;
	__u8 protocol;
	__u8 live; /* 1 */
	__u16 zone;
};
HG_SIZE(struct hg_key6, 40);

/* What both families keep. */
struct hg_state {
	__u32 epoch; /* of the rules that judged it last; 0: not yet */
	__u32 seen;
	__u32 life; /* HG_LIFE */
	__u32 path; /* HG_PATH */
	__u32 packets;
	__u32 pair;
	__u64 bytes; /* HG_BYTES */
};
HG_SIZE(struct hg_state, 32);

struct hg_flow4 {
	struct hg_key4 key;
	struct hg_state state;
	__be32 nat_saddr, nat_daddr;
	__be16 nat_sport, nat_dport;
	__u32 created; /* half-open TCP: the ACK number that completes the handshake */
};
HG_SIZE(struct hg_flow4, 64);

/* Ports and 'created' lie as far behind the state as in IPv4, so that code which holds only
 * the state finds them. */
struct hg_flow6 {
	struct hg_key6 key;
	struct hg_state state;
	__be32 nat_saddr4, nat_daddr4; /* NAT64 */
	__be16 nat_sport, nat_dport;
	__u32 created;
	struct hg_addr nat_saddr, nat_daddr;
	__u32 zero2[2];
};
HG_SIZE(struct hg_flow6, 128);

/* How many sets a family gets for so many connections: a power of two at which two entries
 * each fill at most 0.3 of the ways. There two buddies have no place for one new entry in
 * some 300; at 0.2 it is one in 4,000, at 0.5 one in 20. */
static inline __u32 hg_flow_sets(__u32 max_flows)
{
	__u64 need = (__u64)max_flows * 5 / 3, sets = 1;

	while (sets < need)
		sets <<= 1;
	return (__u32)sets;
}

/* And the most connections for which so many sets are enough. */
static inline __u32 hg_flow_room(__u32 n_sets)
{
	return (__u32)((__u64)n_sets * 3 / 5);
}

struct hg_set4 {
	struct hg_flow4 way[HG_WAYS];
};
HG_SIZE(struct hg_set4, 256);

struct hg_set6 {
	struct hg_flow6 way[HG_WAYS];
};
HG_SIZE(struct hg_set6, 512);

/* hg_locks[set >> 1 & (HG_LOCKS - 1)], of two buddies; 1 is taken. */
struct hg_lock {
	__u32 taken;
	__u32 zero;
};
HG_SIZE(struct hg_lock, 8);

/* hg_frags: what a first fragment tells the later ones. Sets of 2, a line each. */
struct hg_frag {
	__u32 seen;      /* ticks; 0 is free */
	__u32 id;        /* IPv4 identification or IPv6 fragment id, as on the wire */
	__u64 addresses; /* hash of both addresses, zone and protocol */
	__be16 sport, dport;
	__u32 key; /* classifier key: destination port, or type << 8 | code */
	__u32 zero[2];
};
HG_SIZE(struct hg_frag, 32);

#define HG_FRAG_SETS    16384
#define HG_FRAG_SECONDS 30

struct hg_frag_set {
	struct hg_frag way[2];
};
HG_SIZE(struct hg_frag_set, 64);
