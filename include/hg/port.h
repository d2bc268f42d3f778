/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* port: which source ports of a NAT address are taken towards one busy destination.
 *
 *   few connections    a port is free when no answer to it would find a flow: try, insert
 *   many               a set of one bit a port, so that the last free one is found at once
 *
 * Shape    hg_ports is an mmap-able ARRAY of struct hg_port_set, found by the key's hash and
 *          HG_PORT_PROBES lines on. A bit that is set: the port is (or was just) taken. A word of
 *          'full' has a bit for each word of 'taken' that has no zero.
 * Units    Bit i is port HG_PORT_FIRST + i; there are HG_PORTS of them, as many as a NAT gateway
 *          gives one address towards one destination (semantics: 55,000).
 * Order    The key as on the wire.
 * Owner    bpf/port.h, and the agent's sweep as it frees entries; all by atomic operations. Bits are
 *          hints: what decides is the insertion of the answer's entry, which must not exist.
 */
#include <hg/abi.h>

#define HG_PORTS      55000
#define HG_PORT_FIRST (65536 - HG_PORTS)
#define HG_PORT_WORDS 860 /* of 64 bits; those beyond HG_PORTS are set from the start */
#define HG_PORT_FULL  14

#define HG_PORT_SETS   256
#define HG_PORT_PROBES 4

struct hg_port_key {
	__be32 address; /* of the NAT gateway */
	__be32 daddr;
	__be16 dport; /* ICMP: as hg_key4.sport of the answer */
	__u8 protocol;
	__u8 live; /* 1; 0 is free */
	__u16 zone;
	__u16 zero;
};
HG_SIZE(struct hg_port_key, 16);

struct hg_port_set {
	struct hg_port_key key;
	__u32 n;    /* bits set, about */
	__u32 seen; /* ticks of the last allocation */
	__u64 zero[4];
	__u64 zero1;
	__u64 full[16];   /* the first HG_PORT_FULL count */
	__u64 taken[864]; /* the first HG_PORT_WORDS count */
};
HG_SIZE(struct hg_port_set, 111 * 64);
