/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* balancer: from a virtual address to a target, and back.
 *
 *   there   node's NACL, groups -> listener -> forward -> pool -> slot -> member -> groups, NACL
 *   back    node's NACL -> listener -> the client's side -> NACL
 *
 * In       The packet as it is inside the VPC; scratch->vip; scratch->balanced and entry_to where
 *          the connection exists.
 * Out      pkt->tuple towards the target or the client; ends.idle: the balancer's clock;
 *          scratch->choice, peer; pkt->meter.
 * Result   0 or the reason of section 15 of docs/semantics.md.
 * Cost     Vip, entrance and listener, a line each, and pool.h for a new connection. A settled flow
 *          comes by here once an epoch.
 *
 * Nothing here is written but counters. To cut a connection the agent takes the time from its
 * entries.
 */
#include "account.h"
#include "gate.h"
#include "group.h"
#include "nacl.h"
#include "pool.h"
#include "uplink.h"

#define BALANCER_UDP 120 /* seconds */

/* ---- what is known of the packet ---- */

static __always_inline int balancer_say(struct scratch *s, __u32 object, int r)
{
	trace_step(&s->pkt, HG_STAGE_load_balancer, object, 0, r == 0, 0);
	return r;
}

static __always_inline int balancer_is_flow(const struct flow *fl)
{
	return fl && HG_BYTES_METER(READ_ONCE(fl->state.bytes)) >= HG_METER_BALANCER &&
	       HG_LIFE_FLAGS(READ_ONCE(fl->state.life)) & HG_FLOW_NAT;
}

/* The virtual address that clients of 'vpc' call 'addr': as it is inside, or to those who come
 * by an uplink, of which each knows all. */
HG_GLOBAL __u32 balancer_vip(struct scratch *s, __u32 vpc, const struct hg_addr *addr)
{
	const struct hg_place *p;
	const struct hg_vip *v;
	struct end end;

	if (!s || !addr)
		return 0;
	class_find(&s->pkt, vpc, addr, &end);
	if (end.vip)
		return end.vip;
	p = uplink_place(&s->pkt, 1, addr);
	v = p && p->kind == HG_PLACE_BALANCER ? image_vip(&s->pkt, p->vip) : NULL;
	return v && v->vpc == vpc ? p->vip : 0;
}

/* Whether the packet's connection goes through a balancer, and for which of its addresses it
 * is then, or else is. */
HG_GLOBAL int balancer_meet(struct scratch *s)
{
	const struct hg_vip *v;

	if (!s)
		return 0;
	if (s->has_entry && HG_BYTES_METER(s->entry.state.bytes) >= HG_METER_BALANCER &&
	    HG_LIFE_FLAGS(s->entry.state.life) & HG_FLOW_NAT)
		s->balanced = HG_LIFE_FLAGS(s->entry.state.life) & HG_FLOW_ORIGINAL
				      ? BALANCED_THERE
				      : BALANCED_BACK;
	if (s->balanced != BALANCED_BACK) {
		s->vip = s->ends.dst.vip;
		return 0;
	}
	s->vip = balancer_vip(s, s->ends.vpc, &s->entry_to.saddr);
	v = image_vip(&s->pkt, s->vip);
	s->peer = v ? v->peer : 0;
	return 0;
}

/* The address, or its listener, has left the rules, and takes its connections along. */
HG_GLOBAL int balancer_lost(struct scratch *s)
{
	const struct hg_vip *v;
	struct pkt *pkt;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	v = image_vip(pkt, s->vip);
	balancer_say(s, v ? v->object : 0, -HG_DROP_NO_LISTENER);
	if (!s->balanced)
		return -HG_DROP_NO_LISTENER;
	pkt->meter = HG_BYTES_METER(s->entry.state.bytes);
	if (pkt->tuple.protocol != IPPROTO_TCP || pkt->tcp_flags & TCP_RST)
		return -HG_DROP_NO_LISTENER;
	return route_tell(pkt, REPLY_RESET, HG_DROP_NO_LISTENER);
}

/* Its sender hears that there is no such connection. */
static __always_inline int balancer_reset(struct pkt *pkt)
{
	if (pkt->tuple.protocol != IPPROTO_TCP || pkt->tcp_flags & TCP_RST)
		return -HG_DROP_NO_FLOW;
	return route_tell(pkt, REPLY_RESET, HG_DROP_NO_FLOW);
}

/* The listener of 'vip' at a port, 0: none. */
HG_GLOBAL __u32 balancer_listener(const struct pkt *pkt, __u32 vip, __u32 protocol,
				  __u32 port)
{
	const struct hg_entrance *e;
	struct hg_table table;

	if (!pkt)
		return 0;
	table = HEADER_TABLE(pkt, entrances);
	if (!table.n)
		return 0;
	e = image_line(pkt, table.line + (hg_entrance_hash(vip, protocol, (__be16)port) &
					  (table.n - 1)));
	if (!e)
		return 0;
	VERIFIER_UNROLL
	for (int i = 0; i < 4; i++)
		if (e[i].vip == vip && e[i].port == (__be16)port &&
		    e[i].protocol == protocol)
			return e[i].listener;
	return 0;
}

/* By whose clock the connection lives. */
static __always_inline void balancer_time(struct scratch *s, const struct hg_listener *l)
{
	s->ends.idle = l->protocol == IPPROTO_TCP ? l->idle_timeout : BALANCER_UDP;
	s->ends.is_alone = 1;
}

/* The other side of the connection, in the zone in hand. */
static __always_inline void balancer_follow(struct scratch *s)
{
	struct pkt *pkt = &s->pkt;
	__u32 zone = pkt->tuple.zone;

	pkt->tuple = s->entry_to;
	pkt->tuple.zone = zone;
	pkt->key = bpf_ntohs(pkt->tuple.dport);
}

/* The balancer's own groups about a new connection. It keeps state whatever they say. */
static __always_inline int balancer_groups(struct scratch *s, const struct hg_vip *v,
					   __u32 direction)
{
	int r;

	if (!v->interface || s->balanced)
		return 0;
	r = group_judge(&s->pkt, v->interface, direction,
			direction == HG_INGRESS ? s->ends.src.peer : s->ends.dst.peer);
	if (r < 0)
		account_blocked(&s->pkt, direction);
	return r < 0 ? r : 0;
}

/* Groups of a target that mean the balancer mean its clients, too. Returns the peer by which
 * 'interface' shall be asked. */
HG_GLOBAL __u32 balancer_peer(const struct scratch *s, __u32 interface, __u32 direction,
			      __u32 peer, __u32 key)
{
	if (!s || !s->peer || s->peer == peer)
		return peer;
	direction &= 1;
	if (group_cell(&s->pkt, interface, direction, peer, key) & HG_CELL_ALLOW ||
	    !(group_cell(&s->pkt, interface, direction, s->peer, key) & HG_CELL_ALLOW))
		return peer;
	return s->peer;
}

/* ---- there ---- */

/* An error about what the target has sent, of a client or a router on the way there. Where the target
 * does not know the client it hears the balancer. */
static __always_inline int balancer_error(struct scratch *s, const struct hg_vip *v)
{
	struct hg_tuple *t = &s->pkt.tuple;

	if (s->balanced != BALANCED_THERE ||
	    HG_BYTES_METER(s->entry.state.bytes) != v->meter)
		return -HG_DROP_NO_LISTENER;
	if (addr_equal(&s->back.saddr, &t->saddr))
		t->saddr = s->entry_to.saddr;
	t->daddr = s->entry_to.daddr;
	return 0;
}

/* A segment that opens no connection may be one of a connection that another gateway had. */
static __always_inline int balancer_adopts(const struct scratch *s)
{
	const struct pkt *pkt = &s->pkt;

	return balancer_is_loose(pkt) &&
	       !(pkt->tcp_flags & (TCP_SYN | TCP_RST | TCP_FIN));
}

/* The listener's word: whose it is, or becomes. */
static __always_inline int balancer_admit(struct scratch *s, const struct hg_vip *v)
{
	struct pkt *pkt = &s->pkt;
	__u8 protocol = pkt->tuple.protocol;
	const struct hg_listener *l;
	__u32 id;

	if (pkt->is_error)
		return balancer_error(s, v);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return -HG_DROP_NO_LISTENER;
	if (!s->balanced && (pkt->frag == FRAG_ORPHAN || pkt->frag == FRAG_LATER))
		return -HG_DROP_FRAGMENT;
	id = balancer_listener(pkt, s->vip, protocol, pkt->tuple.dport);
	l = image_listener(pkt, id);
	if (!l)
		return -HG_DROP_NO_LISTENER;
	balancer_time(s, l);
	if (s->balanced) {
		if (HG_BYTES_METER(s->entry.state.bytes) != v->meter)
			return -HG_DROP_NO_LISTENER;
		if (!s->entry_to.family)
			return balancer_reset(pkt);
		balancer_follow(s);
		return 0;
	}
	if (!pkt->opens && protocol == IPPROTO_TCP && !balancer_adopts(s))
		return gate_hears(s, l->syn_protection) ? -HG_DROP_RATE_LIMIT
							: balancer_reset(pkt);
	if (protocol == IPPROTO_TCP && pkt->opens &&
	    gate_judge(s, l->syn_protection, v->object))
		return -HG_DROP_RATE_LIMIT;
	return balancer_choose(s, id);
}

/* Over the border of the balancer's node, if it is one, and to a target. */
HG_GLOBAL int balancer_enter(struct scratch *s)
{
	const struct hg_vip *v;
	struct pkt *pkt;
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	v = image_vip(pkt, s->vip);
	if (!v)
		return -HG_DROP_INTERNAL;
	pkt->act |= ACT_TTL;
	/* What a NAT gateway has translated would need two translations. */
	if (s->nat)
		return balancer_say(s, v->object, -HG_DROP_NO_ROUTE);
	pkt->meter = v->meter;
	pkt->at = v->object;
	if (v->subnet && s->ends.sender_subnet != v->subnet)
		r = nacl_judge(pkt, v->subnet, HG_INGRESS, s->ends.src.peer,
			       &pkt->tuple.daddr);
	if (r == 0)
		r = balancer_groups(s, v, HG_INGRESS);
	pkt->at = 0;
	if (r)
		return r;
	r = balancer_admit(s, v);
	if (r == -HG_DROP_NO_LISTENER)
		return balancer_lost(s);
	return balancer_say(s, v->object, r);
}

/* And over that border again. */
HG_GLOBAL int balancer_leave(struct scratch *s)
{
	const struct hg_vip *v;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	v = image_vip(pkt, s->vip);
	if (!v)
		return -HG_DROP_INTERNAL;
	ends_at(s, v->vpc);
	s->leg = (struct leg){ .kind = HG_ROUTE_LOCAL };
	s->peer = v->peer;
	pkt->at = v->object;
	r = balancer_groups(s, v, HG_EGRESS);
	if (r == 0 && v->subnet && s->ends.dst.subnet != v->subnet)
		r = nacl_judge(pkt, v->subnet, HG_EGRESS, s->ends.dst.peer,
			       &pkt->tuple.saddr);
	pkt->at = 0;
	if (v->subnet)
		s->ends.sender_subnet = v->subnet;
	return r;
}

/* All has passed the first packet of a connection that the balancer speaks for: a port. */
HG_GLOBAL int balancer_finish(struct scratch *s)
{
	const struct hg_vip *v;
	struct pkt *pkt;
	__u32 port;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	v = image_vip(pkt, s->vip);
	tuple_reverse(&pkt->tuple, &s->answer);
	port = bpf_ntohs(s->came.sport);
	port = port_choose(s, port >= HG_PORT_FIRST ? port : 0);
	if (!port)
		return balancer_say(s, v ? v->object : 0, -HG_DROP_NAT_NO_PORT);
	pkt->tuple.sport = bpf_htons((__u16)port);
	return 0;
}

/* ---- back ---- */

/* Does what is on its way to the balancer, or back through it, leave 'subnet'? A bare address is in none;
 * what answers goes to the client then. */
HG_GLOBAL int balancer_leaves(struct scratch *s, __u32 subnet)
{
	const struct hg_vip *v;
	struct end client;

	if (!s)
		return 1;
	v = image_vip(&s->pkt, s->vip);
	if (v && v->subnet)
		return v->subnet != subnet;
	if (s->balanced != BALANCED_BACK)
		return 1;
	class_find(&s->pkt, s->ends.vpc, &s->entry_to.daddr, &client);
	return client.subnet != subnet;
}

/* May a client's packet, which is for none of its VPC's virtual addresses, meet that of its
 * connection elsewhere: over a peering, or turned round? */
HG_GLOBAL int balancer_is_onward(struct scratch *s)
{
	const struct hg_place *p;

	if (!s || s->leg.kind == HG_ROUTE_PEERING)
		return 1;
	p = uplink_place(&s->pkt, 1, &s->pkt.tuple.daddr);
	return s->leg.kind == HG_ROUTE_INTERNET && p && p->kind == HG_PLACE_BALANCER;
}

/* Of an answer: its listener, and the client's side of it. */
static __always_inline int balancer_answer(struct scratch *s, const struct hg_vip *v)
{
	struct pkt *pkt = &s->pkt;
	const struct hg_listener *l;

	if (!s->entry_to.family)
		return balancer_reset(pkt);
	if (pkt->is_error) {
		/* Who has an address of its own outside speaks for itself. */
		if (addr_equal(&s->came.saddr, &s->back.saddr) ||
		    (s->ends.src.is_inside && !s->ends.src.public))
			pkt->tuple.saddr = v->address;
		pkt->tuple.daddr = s->entry_to.daddr;
		return 0;
	}
	l = image_listener(pkt, balancer_listener(pkt, s->vip, pkt->tuple.protocol,
						  s->entry_to.sport));
	if (!l)
		return -HG_DROP_NO_LISTENER;
	balancer_time(s, l);
	balancer_follow(s);
	pkt->tuple.saddr = v->address;
	return 0;
}

/* Has the client written to the node's elastic IP? */
static __always_inline __u32 balancer_is_public(const struct scratch *s,
						const struct hg_vip *v)
{
	return v->public && s->entry_to.saddr.w[0] == v->public;
}

/* The VPC that the client is in, by the zone that it came in; 0: none. */
HG_GLOBAL __u32 balancer_client(const struct scratch *s)
{
	const struct header *h;
	struct hg_table vpcs;

	if (!s)
		return 0;
	h = header_find(&s->pkt);
	if (!h)
		return 0;
	vpcs = h->vpcs;
	for (__u32 i = 1; i <= HG_MAX_VPCS && i < vpcs.n; i++) {
		const struct hg_vpc *v = table_record(&s->pkt, vpcs, i);

		if (v && s->entry_to.zone && v->zone == s->entry_to.zone)
			return i;
	}
	return s->ends.dst.is_inside ? s->ends.vpc : 0;
}

/* Out of the node's subnet. There a client that turned round at the internet gateway is its elastic
 * IP. */
HG_GLOBAL int balancer_border(struct scratch *s)
{
	const struct hg_vip *v;
	struct end client;
	struct pkt *pkt;
	__u32 vpc;
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	v = image_vip(pkt, s->vip);
	if (!v)
		return -HG_DROP_INTERNAL;
	ends_at(s, v->vpc);
	if (!v->subnet)
		return 0;
	vpc = balancer_is_public(s, v) ? balancer_client(s) : 0;
	if (vpc) {
		class_find(pkt, vpc, &pkt->tuple.daddr, &client);
		if (client.public)
			pkt->tuple.daddr.w[0] = client.public;
		ends_at(s, v->vpc);
	}
	pkt->at = v->object;
	if (s->ends.dst.subnet != v->subnet)
		r = nacl_judge(pkt, v->subnet, HG_EGRESS, s->ends.dst.peer,
			       &pkt->tuple.saddr);
	pkt->at = 0;
	if (vpc) {
		pkt->tuple.daddr = s->entry_to.daddr;
		ends_at(s, v->vpc);
	}
	s->ends.sender_subnet = v->subnet;
	return r;
}

/* From the target to the client's side of the node's subnet. */
HG_GLOBAL int balancer_back(struct scratch *s)
{
	const struct hg_vip *v;
	struct pkt *pkt;
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	v = image_vip(pkt, s->vip);
	if (!v || HG_BYTES_METER(s->entry.state.bytes) != v->meter)
		return balancer_lost(s);
	pkt->meter = v->meter;
	pkt->is_back = 1;
	pkt->act |= ACT_TTL;
	pkt->at = v->object;
	if (v->subnet && s->ends.sender_subnet != v->subnet)
		r = nacl_judge(pkt, v->subnet, HG_INGRESS, s->ends.src.peer,
			       &pkt->tuple.daddr);
	pkt->at = 0;
	if (r)
		return r;
	r = balancer_answer(s, v);
	if (r == -HG_DROP_NO_LISTENER)
		return balancer_lost(s);
	balancer_say(s, v->object, r);
	if (r)
		return r;
	return balancer_border(s);
}

/* To the client, as whom it wrote to. 1: and away, by the VPC's internet gateway; 0: to a
 * receiver. */
HG_GLOBAL int balancer_return(struct scratch *s)
{
	const struct hg_gateway *g;
	const struct hg_vip *v;
	struct pkt *pkt;
	__u32 vpc, is_public;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	v = image_vip(pkt, s->vip);
	if (!v)
		return -HG_DROP_INTERNAL;
	vpc = balancer_client(s);
	g = image_gateway(pkt, v->gateway);
	is_public = balancer_is_public(s, v);
	if (is_public && addr_equal(&pkt->tuple.saddr, &v->address))
		pkt->tuple.saddr.w[0] = v->public;
	else if (!vpc && s->ends.src.public && pkt->is_error)
		pkt->tuple.saddr.w[0] = s->ends.src.public;
	if (!vpc && !g)
		return balancer_say(s, v->object, -HG_DROP_NO_ROUTE);
	if (!vpc || is_public)
		trace_step(pkt, HG_STAGE_nat, g ? g->object : 0, 0, 1, 0);
	if (!vpc) {
		r = uplink_leave(s, v->gateway);
		return r ? r : 1;
	}
	/* Turned round at the gateway, it comes from outside. */
	if (is_public)
		s->ends.sender_subnet = 0;
	if (is_public || vpc != s->ends.vpc)
		ends_at(s, vpc);
	s->leg = (struct leg){ .kind = HG_ROUTE_LOCAL };
	return 0;
}

/* ---- one-arm: at a host's door ---- */

/* By the device that it came in, to the destination where that is known there. */
HG_GLOBAL int balancer_turn(struct scratch *s, __u32 device)
{
	const struct hg_device *d;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	d = image_device(pkt, device);
	if (!d)
		return -HG_DROP_INTERNAL;
	if (d->gateway) {
		r = uplink_leave(s, d->gateway);
		if (r)
			return r;
	}
	pkt->out = device;
	pkt->tuple.zone = d->zone;
	pkt->act |= ACT_TTL;
	if (!d->gateway || hop_find(d->ifindex, &pkt->tuple.daddr))
		pkt->via = pkt->tuple.daddr;
	return 0;
}
