/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* nacl: the stateless lists on a subnet's border.
 *
 * In       The ends; pkt->tuple and key.
 * Result   0, -HG_DROP_NACL_EGRESS or -HG_DROP_NACL_INGRESS; pkt->rule is the rule.
 * Cost     A classifier for each subnet that is left or entered.
 */
#include "account.h"
#include "classifier.h"
#include "source.h"

static __always_inline int nacl_judge(struct pkt *pkt, __u32 subnet, __u32 direction,
				      __u32 peer, const struct hg_addr *other)
{
	const struct hg_subnet *s = image_subnet(pkt, subnet);
	__u32 line, cell, allow;

	if (!s)
		return 0;
	line = s->nacl[direction];
	if (!line)
		return 0;
	if (!image_line(pkt, line))
		return -HG_DROP_INTERNAL;
	cell = classifier_find_ordered(pkt, line, peer, other);
	allow = cell & HG_CELL_ALLOW;
	account_hit(pkt, cell & HG_CELL_RULE);
	trace_step(pkt,
		   direction == HG_EGRESS ? HG_STAGE_nacl_egress : HG_STAGE_nacl_ingress,
		   s->nacl_object, cell & HG_CELL_RULE, !!allow, 0);
	if (allow)
		return 0;
	pkt->rule = cell & HG_CELL_RULE;
	return direction == HG_EGRESS ? -HG_DROP_NACL_EGRESS : -HG_DROP_NACL_INGRESS;
}

static __always_inline int nacl_crosses(const struct ends *e)
{
	return !e->sender_subnet || e->sender_subnet != e->receiver_subnet;
}

static __always_inline int nacl_egress(struct pkt *pkt, const struct ends *e)
{
	if (!nacl_crosses(e))
		return 0;
	return nacl_judge(pkt, e->sender_subnet, HG_EGRESS, e->dst.peer,
			  &pkt->tuple.saddr);
}

static __always_inline int nacl_ingress(struct pkt *pkt, const struct ends *e)
{
	if (!nacl_crosses(e))
		return 0;
	return nacl_judge(pkt, e->receiver_subnet, HG_INGRESS, e->src.peer,
			  &pkt->tuple.daddr);
}
