/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* anvil_ask: what the programs of anvil.bpf.c are asked, and what they answer.
 *
 * Shape    One struct in one array map.
 * Owner    tests/lib/anvil.c writes the question, the program the answer.
 */
#include <hg/event.h>

struct anvil_ask {
	struct hg_tuple to;       /* as the packet goes out */
	struct hg_tuple quoted;   /* of an ICMP error: what it is about */
	struct hg_tuple unquoted; /* and what that becomes */
	struct hg_addr source;    /* of replies */
	__u32 act, reply, told_mtu;
	__u32 now; /* ticks, 250 a second */
	/* the answer */
	__s32 parsed, result;
	__s64 csum; /* of the driver over the whole packet, if there is one; negative: none */
};
