/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* gate: who may open connections through a balancer while it is flooded with SYNs.
 *
 * Shape    hg_gates: mmap-able ARRAY of struct hg_gate by the balancer's meter. hg_known: ARRAY
 *          of HG_KNOWN_SETS sets, a line each, of 8 sources that have shown that they
 *          receive what is sent to them; where a set is full the one that was not heard of
 *          for longest gives way, who never completed a handshake first.
 * Units    Ticks of bpf/clock.h.
 * Owner    bpf/gate.h writes both, without a lock: a second's counts may miss what falls on its
 *          end.
 */
#include <hg/abi.h>

#define HG_KNOWN_SETS    32768
#define HG_KNOWN_WAYS    8
#define HG_KNOWN_SECONDS 300
#define HG_GATE_SYNS     1000 /* in a second, that led to nothing: it goes on */
#define HG_GATE_SECONDS  10   /* and stays so for as long after the last such second */

struct hg_gate {
	__u32 start;     /* of the second in hand */
	__u32 opened;    /* SYNs in it that opened a connection or were challenged */
	__u32 completed; /* handshakes in it, and cookies that came back */
	__u32 until;     /* on till then; 0: it never was */
	__u64 challenged, returned;
	__u64 zero[4];
};
HG_SIZE(struct hg_gate, 64);

struct hg_known {
	__u32 tag; /* of the source's hash, and how it is known; 0 is free */
	__u32 seen;
};
HG_SIZE(struct hg_known, 8);

struct hg_known_set {
	struct hg_known way[HG_KNOWN_WAYS];
};
HG_SIZE(struct hg_known_set, 64);
