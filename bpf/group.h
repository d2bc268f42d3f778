/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* group: the stateful filters of interfaces.
 *
 * In       The interface; the other end's peer row; the key of the judged direction.
 * Out      A cell: HG_CELL_ALLOW, HG_CELL_UNTRACKED, the rule.
 * Cost     The interface's line and one classifier.
 */
#include "account.h"
#include "classifier.h"
#include "source.h"

static __always_inline __u32 group_cell(const struct pkt *pkt, __u32 interface,
					__u32 direction, __u32 peer, __u32 key)
{
	const struct hg_interface *i = image_interface(pkt, interface);

	return i ? classifier_find(pkt, i->groups[direction], peer, key) : 0;
}

/* One end's groups about this packet: 1 admitted, and the end keeps state of it; 0 admitted
 * untracked, or nobody's address; negative: refused. */
static __always_inline int group_judge(const struct pkt *pkt, __u32 interface,
				       __u32 direction, __u32 peer)
{
	const struct hg_interface *i = image_interface(pkt, interface);
	__u32 cell, allow;

	if (!i)
		return 0;
	if (!image_line(pkt, i->groups[direction]))
		return -HG_DROP_INTERNAL;
	cell = classifier_find(pkt, i->groups[direction], peer, pkt->key);
	allow = cell & HG_CELL_ALLOW;
	account_hit(pkt, cell & HG_CELL_RULE);
	trace_step(pkt, direction == HG_EGRESS ? HG_STAGE_sg_egress : HG_STAGE_sg_ingress,
		   i->object, cell & HG_CELL_RULE, !!allow, 0);
	if (!allow)
		return direction == HG_EGRESS ? -HG_DROP_SG_EGRESS : -HG_DROP_SG_INGRESS;
	if (cell & HG_CELL_UNTRACKED)
		return 0;
	/* A datagram that may answer an untracked flow opens none. */
	if (pkt->tuple.protocol == IPPROTO_UDP) {
		__u32 back = classifier_find(pkt, i->groups[!direction], peer,
					     bpf_ntohs(pkt->tuple.sport));

		if (back & HG_CELL_ALLOW && back & HG_CELL_UNTRACKED)
			return 0;
	}
	return 1;
}
