/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* uplink: internet and egress-only gateways: out, in, and round.
 *
 * In       The packet at the gateway: its inside address on the way out, its elastic IP on
 *          the way in.
 * Out      pkt->tuple translated 1:1; struct place: what the destination is to the outside.
 * Result   0 or the reason of section 11 of docs/semantics.md.
 * Cost     Out: nothing is looked up; the class of the source has its elastic IP, but for
 *          one trie walk to see whether the destination is one of ours. In: one trie walk.
 */
#include "parse.h"
#include "route.h"

static __always_inline const struct hg_uplink *uplink_get(const struct pkt *pkt, __u32 id)
{
	return id ? table_record(pkt, HEADER_TABLE(pkt, uplinks), id) : NULL;
}

/* What 'addr' is to those who are outside of 'uplink'. NULL: the image has a hole. */
static __always_inline const struct hg_place *
uplink_place(const struct pkt *pkt, __u32 uplink, const struct hg_addr *addr)
{
	const struct hg_uplink *u = uplink_get(pkt, uplink);
	const struct hg_place *p;
	__u32 id;

	if (!u)
		return NULL;
	id = pkt->tuple.family == HG_FAMILY_6 ? class_id6(pkt, u->trie6, addr)
					      : trie_find4(pkt, u->trie4, addr->w[0]);
	if (id >= u->places.n)
		return NULL;
	p = image_line(pkt, u->places.line + (id >> 1));
	return p ? p + (id & 1) : NULL;
}

/* RFC 1918, RFC 6598. */
static __always_inline int is_private4(__be32 addr)
{
	__u32 a = bpf_ntohl(addr);

	return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 ||
	       a >> 22 == 0x6440 >> 6;
}

/* The next hop of a gateway, or the destination itself. */
static __always_inline void uplink_via(struct pkt *pkt, const struct hg_gateway *g)
{
	pkt->via = pkt->tuple.daddr;
	if (pkt->tuple.family == HG_FAMILY_4) {
		if (g->next_hop4)
			pkt->via.w[0] = g->next_hop4;
	} else if (!is_unspecified(&g->next_hop6)) {
		pkt->via = g->next_hop6;
	}
}

/* By the device of gateway 'id'; answers come in there. */
HG_GLOBAL int uplink_leave(struct scratch *s, __u32 id)
{
	const struct hg_gateway *g;
	const struct hg_device *d;
	struct pkt *pkt;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	g = image_gateway(pkt, id);
	d = g ? image_device(pkt, g->device) : NULL;
	if (!d)
		return -HG_DROP_INTERNAL;
	pkt->out = g->device;
	pkt->tuple.zone = d->zone;
	pkt->act |= ACT_TTL;
	uplink_via(pkt, g);
	return 0;
}

/* A router inside, without an elastic IP, speaks of a connection that has one: that, if it still
 * is the connection's. */
static __always_inline __be32 uplink_speaks_for(const struct scratch *s,
						const struct hg_gateway *g)
{
	const struct hg_device *d = image_device(&s->pkt, g->device);
	const struct hg_place *p =
		d ? uplink_place(&s->pkt, d->uplink, &s->entry_to.saddr) : NULL;

	return s->ends.src.is_inside && p && p->kind == HG_PLACE_ELASTIC &&
			       p->private_address == s->back.saddr.w[0]
		       ? s->entry_to.saddr.w[0]
		       : 0;
}

/* Out of internet gateway 'id'. The quote of an ICMP error is about a packet that came the
 * other way. */
HG_GLOBAL int uplink_translate(struct scratch *s, __u32 id)
{
	const struct hg_gateway *g;
	struct pkt *pkt;
	__be32 public;
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	g = image_gateway(pkt, id);
	if (!g)
		return -HG_DROP_INTERNAL;
	if (pkt->tuple.family == HG_FAMILY_4) {
		public = s->nat ? s->public : s->ends.src.public;
		if (!public && s->is_related)
		public = uplink_speaks_for(s, g);
		if (is_private4(pkt->tuple.daddr.w[0]))
			r = -HG_DROP_PRIVATE_DESTINATION;
		else if (!public)
			r = -HG_DROP_NO_PUBLIC_ADDRESS;
		else
			pkt->tuple.saddr.w[0] = public;
	}
	trace_step(pkt, HG_STAGE_nat, g->object, 0, r == 0, 0);
	return r;
}
