/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* class: what the rules know of an address.
 *
 * In       The device's VPC.
 * Out      struct end: the peer row, the interface that owns it, its subnet, exemptions.
 * Cost     One trie walk and one record.
 */
#include "trie.h"

static __always_inline void class_read(const struct pkt *pkt, const struct hg_vpc *v,
				       __u32 id, struct end *ret)
{
	const struct hg_class *c;

	if (id >= v->classes.n)
		return;
	c = image_line(pkt, v->classes.line + (id >> 1));
	if (!c)
		return;
	c += id & 1;
	/* A literal would be made on the stack. */
	ret->peer = c->peer;
	ret->interface = c->interface;
	ret->subnet = c->subnet;
	ret->exempt = c->exempt;
	ret->row = c->row;
	ret->public = c->public;
	ret->nat = c->nat;
	ret->vip = c->vip;
	ret->is_inside = c->is_inside;
}

/* A call: the search stands at half a dozen places, and is much code. */
HG_GLOBAL __u32 class_id6(const struct pkt *pkt, __u32 trie, const struct hg_addr *addr)
{
	return pkt && addr ? trie_find6(pkt, trie, addr) : 0;
}

static __always_inline void class_find(const struct pkt *pkt, __u32 vpc,
				       const struct hg_addr *addr, struct end *ret)
{
	const struct header *h = header_find(pkt);
	const struct hg_vpc *v = h ? table_record(pkt, h->vpcs, vpc) : NULL;

	*ret = (struct end){};
	if (v)
		class_read(pkt, v,
			   pkt->tuple.family == HG_FAMILY_6
				   ? class_id6(pkt, v->trie6, addr)
				   : trie_find4(pkt, v->trie4, addr->w[0]),
			   ret);
}
