/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* route: where a subnet's table sends a packet, and by which device that leaves.
 *
 * In       The subnet; the destination's class.
 * Out      scratch->leg; then pkt->out, via, hop.
 * Result   0, or the reason of section 10 of docs/semantics.md.
 * Cost     One word and one record: longest prefixes were settled when classes were made.
 */
#include "account.h"
#include "hop.h"
#include "scratch.h"
#include "source.h"

/* pipeline_device() takes it for no drop: see pkt.is_punted. */
#define ROUTE_PUNTED 1000

/* What the addresses of the packet are to 'vpc'. */
HG_GLOBAL int ends_at(struct scratch *s, __u32 vpc)
{
	struct ends *e;

	if (!s)
		return 0;
	e = &s->ends;
	e->vpc = vpc;
	class_find(&s->pkt, vpc, &s->pkt.tuple.saddr, &e->src);
	class_find(&s->pkt, vpc, &s->pkt.tuple.daddr, &e->dst);
	return 0;
}

/* Of the source; with the routes to gateway load balancers passed over. */
#define ROUTE_BACK   1
#define ROUTE_ONWARD 2

/* What the table of 'subnet' says of the destination; scratch->leg. 'how': ROUTE_*. */
HG_GLOBAL int route_find(struct scratch *s, __u32 subnet, __u32 how)
{
	const struct hg_subnet *from;
	const struct hg_route *r;
	const struct end *to;
	struct hg_table routes;
	__u32 id;

	if (!s)
		return -HG_DROP_INTERNAL;
	s->leg = (struct leg){};
	from = image_subnet(&s->pkt, subnet);
	if (!from)
		return 0;
	to = how & ROUTE_BACK ? &s->ends.src : &s->ends.dst;
	if (to->subnet == subnet) {
		s->leg.kind = HG_ROUTE_LOCAL;
		return 0;
	}
	if (!from->routes || is_multicast(&s->pkt.tuple.daddr, s->pkt.tuple.family) ||
	    is_broadcast(&s->pkt.tuple.daddr, s->pkt.tuple.family))
		return 0;
	id = image_word(&s->pkt,
			how & ROUTE_ONWARD && from->onward ? from->onward : from->routes,
			to->row);
	routes = HEADER_TABLE(&s->pkt, routes);
	if (!id || id >= routes.n)
		return 0;
	r = image_line(&s->pkt, routes.line + (id >> 2));
	if (!r)
		return -HG_DROP_INTERNAL;
	r += id & 3;
	s->leg = (struct leg){ r->kind, r->target, r->rule, r->object };
	return 0;
}

/* Does the route that was found lead out of 'subnet'? */
static __always_inline int route_leaves(const struct scratch *s, __u32 subnet)
{
	const struct hg_interface *to;
	const struct hg_nat *n;

	if (s->leg.kind == HG_ROUTE_INTERFACE) {
		to = image_interface(&s->pkt, s->leg.target);
		return !to || to->subnet != subnet;
	}
	if (s->leg.kind == HG_ROUTE_NAT) {
		n = image_nat(&s->pkt, s->leg.target);
		return !n || n->subnet != subnet;
	}
	return s->ends.dst.subnet != subnet;
}

/* The stage. */
HG_GLOBAL int route_take(struct scratch *s, __u32 subnet)
{
	const struct hg_subnet *from;
	struct pkt *pkt;
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	from = image_subnet(pkt, subnet);
	if (!from)
		return -HG_DROP_INTERNAL;
	if (s->leg.kind == HG_ROUTE_NONE)
		r = -HG_DROP_NO_ROUTE;
	else if (s->leg.kind == HG_ROUTE_BLACKHOLE)
		r = -HG_DROP_BLACKHOLE;
	account_hit(pkt, s->leg.rule);
	trace_step(pkt, HG_STAGE_route, from->table_object, s->leg.rule, r == 0, 0);
	if (r)
		pkt->rule = s->leg.rule;
	return r;
}

/* ---- leaving ---- */

/* XDP leaves it to the TC door. */
static __always_inline int route_punt(struct pkt *pkt)
{
	pkt->is_punted = 1;
	return -ROUTE_PUNTED;
}

/* An echo request to the router. */
static __always_inline int route_is_ping(const struct scratch *s)
{
	const struct pkt *pkt = &s->pkt;
	const struct hg_subnet *to = image_subnet(pkt, s->ends.dst.subnet);

	if (!to || !is_icmp(pkt) || pkt->frag != FRAG_NONE || pkt->given)
		return 0;
	if (pkt->tuple.family == HG_FAMILY_4)
		return pkt->key >> 8 == ICMP_ECHO_REQUEST &&
		       to->router4 == pkt->tuple.daddr.w[0];
	return pkt->key >> 8 == ICMP6_ECHO_REQUEST &&
	       addr_equal(&to->router6, &pkt->tuple.daddr);
}

/* To the kernel of this host. */
static __always_inline int route_to_kernel(struct pkt *pkt)
{
	return pkt->may_punt && pkt->commit ? route_punt(pkt) : 0;
}

/* The sender of a packet that goes no further is told, by the TC door. */
static __always_inline int route_tell(struct pkt *pkt, __u8 reply, int reason)
{
	if (pkt->is_group) /* RFC 1812 section 4.3.2.7 */
		return -reason;
	/* On its way to and from an appliance nobody is told: who sent it here did not send it. */
	if (pkt->act & (ACT_WRAP | ACT_UNWRAP))
		return -reason;
	if (pkt->commit && pkt->may_punt)
		return route_punt(pkt);
	pkt->reply = reply;
	return -reason;
}

/* Who on the link of 'd' gets it. */
static __always_inline int route_hop(struct pkt *pkt, const struct hg_device *d)
{
	const struct hg_hop *hop;
	__u32 state;

	if (d->role == HG_ROLE_PORT)
		pkt->hop = d->hop;
	else
		pkt->hop = hop_find(d->ifindex, &pkt->via);
	hop = pkt->hop ? hop_get(pkt->hop) : NULL;
	if (!hop && d->role == HG_ROLE_PORT)
		return -HG_DROP_NO_NEIGHBOUR;
	if (hop && hop_is_ready(hop, pkt->is_xdp))
		return 0;
	state = hop ? hop_state(READ_ONCE(hop->mac.word)) : HG_HOP_UNKNOWN;
	pkt->hop = 0;
	if (state == HG_HOP_FAILED)
		return -HG_DROP_NO_NEIGHBOUR;
	if (!pkt->is_xdp)
		return 0; /* the kernel asks for it */
	return pkt->may_punt ? route_punt(pkt) : -HG_DROP_NO_NEIGHBOUR;
}

/* Every filter has passed it: can it go? */
HG_GLOBAL int route_leave(struct scratch *s)
{
	const struct hg_device *d;
	struct pkt *pkt;
	__u32 mtu, more;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	if (!pkt->out)
		return route_to_kernel(pkt);
	if (pkt->act & ACT_TTL && pkt->ttl <= 1)
		return route_tell(pkt, REPLY_TIME_EXCEEDED, HG_DROP_TTL_EXPIRED);
	d = image_device(pkt, pkt->out);
	if (!d)
		return -HG_DROP_INTERNAL;
	if (!pkt->commit)
		return 0;
	if (!d->ifindex)
		return -HG_DROP_NO_NEIGHBOUR;
	mtu = d->mtu;
	/* The other family's header is 20 bytes shorter or longer; so is a quoted one. */
	more = pkt->is_error ? 40 : 20;
	if (pkt->act & ACT_FAMILY)
		mtu = s->came.family == HG_FAMILY_6 ? mtu + more : mtu - more;
	if (pkt->act & ACT_WRAP)
		mtu -= GENEVE_ROOM;
	if (pkt->size > mtu) {
		pkt->told_mtu = mtu;
		return route_tell(pkt, REPLY_TOO_BIG, HG_DROP_TOO_BIG);
	}
	if (pkt->act & ACT_FAMILY && pkt->may_punt)
		return route_punt(pkt);
	return route_hop(pkt, d);
}
