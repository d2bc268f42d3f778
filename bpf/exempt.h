/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* exempt: what no filter touches.
 *
 * In       pkt->tuple; the ends' exempt lines.
 * Out      1 or 0.
 * Cost     One line where an address has exemptions; one more for DHCP, on misses only.
 */
#include "source.h"

/* Does some entry of 'line' admit both ports (of the sides that count)? A call: inlined, the
 * verifier would go on from each way out of the loop. */
HG_GLOBAL int exempt_matches(const struct pkt *pkt, __u32 line, __u32 first_port,
			     __u32 second_port)
{
	const struct hg_exempt *x;

	if (!pkt || !line)
		return 0;
	x = image_line(pkt, line);
	if (!x)
		return 0;
	for (__u32 i = 0; i < HG_MAX_EXEMPT_PORTS; i++) {
		if (i >= x->n)
			return 0;
		if (x->entry[i].protocol && x->entry[i].protocol != pkt->tuple.protocol)
			continue;
		if (x->entry[i].any_port)
			return 1;
		/* Ports exist for TCP and UDP alone, and not in an orphan. */
		if ((pkt->tuple.protocol != IPPROTO_TCP &&
		     pkt->tuple.protocol != IPPROTO_UDP) ||
		    pkt->frag == FRAG_ORPHAN)
			continue;
		if (first_port >= x->entry[i].first && first_port <= x->entry[i].last &&
		    second_port >= x->entry[i].first && second_port <= x->entry[i].last)
			return 1;
	}
	return 0;
}

/* Entries without address: both ports, either way. */
static __always_inline int exempt_anywhere(const struct pkt *pkt)
{
	return exempt_matches(pkt, HEADER_WORD(pkt, exempt), bpf_ntohs(pkt->tuple.sport),
			      bpf_ntohs(pkt->tuple.dport));
}

static __always_inline int exempt_to(const struct pkt *pkt, const struct end *dst)
{
	__u32 port = bpf_ntohs(pkt->tuple.dport);

	return exempt_matches(pkt, dst->exempt, port, port);
}

static __always_inline int exempt_from(const struct pkt *pkt, const struct end *src)
{
	__u32 port = bpf_ntohs(pkt->tuple.sport);

	return exempt_matches(pkt, src->exempt, port, port);
}
