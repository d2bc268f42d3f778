/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* class: what the rules know of an address.
 *
 * In       The device's VPC.
 * Out      struct end: the peer row, the interface that owns it, its subnet, exemptions.
 * Cost     One trie walk and one record.
 */
#include "trie.h"

/* A call: it stands at half a dozen places, and two walks are much code. */
HG_GLOBAL int class_find(const struct pkt *pkt, __u32 vpc, const struct hg_addr *addr,
			 struct end *ret)
{
	const struct header *h;
	const struct hg_vpc *v;
	const struct hg_class *c;
	__u32 id;

	if (!pkt || !addr || !ret)
		return 0;
	*ret = (struct end){};
	h = header_find(pkt);
	v = h ? table_record(pkt, h->vpcs, vpc) : NULL;
	if (!v)
		return 0;
	id = pkt->tuple.family == HG_FAMILY_6 ? trie_find6(pkt, v->trie6, addr)
					      : trie_find4(pkt, v->trie4, addr->w[0]);
	if (id >= v->classes.n)
		return 0;
	c = image_line(pkt, v->classes.line + (id >> 2));
	if (!c)
		return 0;
	c += id & 3;
	*ret = (struct end){ c->peer, c->interface, c->subnet, c->exempt };
	return 1;
}
