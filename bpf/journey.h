/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* journey: a packet's way through a gateway, from one border to the next.
 *
 *   from inside   groups, NACL of the sender -> route -> NAT gateway -> route -+
 *                                                                              |
 *     +-- out by an uplink <-- internet gateway, egress-only gateway <---------+
 *     |                                                                        |
 *     +-- turned round: an elastic IP of ours                                  |
 *     v                                                                        v
 *   from outside -> elastic IP, NAT gateway -> NACL, groups of the receiver -> device
 *
 * A virtual address is a station between the two: from inside and from outside packets come to a balancer, and
 * what its targets answer goes through it past the tables.
 *
 * In       scratch->pkt, which travels: pkt.tuple and key are the packet as it is where it
 *          is; scratch->ends: what its ends are there.
 * Out      pkt->out, via; pkt->tuple as it goes out, in the zone where answers come in;
 *          scratch->tracks.
 * Result   0 or the reason of the first stage that refused: docs/semantics.md, section 8.
 * Cost     Each border: two class look-ups and its rules. A flow keeps what comes of it.
 */
#include "balancer.h"
#include "group.h"
#include "inspect.h"
#include "nacl.h"
#include "nat.h"

/* The groups of one end about this packet. 'flags': an end that tracks the connection is not
 * asked, unless rule_change strict asks again: about this packet, or, when it is an answer,
 * about the direction that opened. */
static __always_inline int journey_groups(struct scratch *s, __u32 interface,
					  __u32 direction, __u32 track, __u32 flags)
{
	__u32 peer = direction == HG_EGRESS ? s->ends.dst.peer : s->ends.src.peer;
	struct pkt *pkt = &s->pkt;
	__u32 port = bpf_ntohs(pkt->tuple.sport);
	int r;

	if (!(flags & track) || s->strict == STRICT_AGAIN) {
		r = group_judge(pkt, interface, direction,
				balancer_peer(s, interface, direction, peer, pkt->key));
		if (r < 0)
			return r;
		s->tracks |= r ? track : 0;
	}
	if (s->strict != STRICT_BACK ||
	    group_cell(pkt, interface, !direction,
		       balancer_peer(s, interface, !direction, peer, port), port) &
		    HG_CELL_ALLOW)
		return 0;
	return direction == HG_EGRESS ? -HG_DROP_SG_EGRESS : -HG_DROP_SG_INGRESS;
}

/* ---- towards a receiver ---- */

/* An instance that routes: interface/X. */
static __always_inline int journey_appliance(struct scratch *s, __u32 id)
{
	const struct hg_interface *to = image_interface(&s->pkt, id);
	struct pkt *pkt = &s->pkt;

	if (!to)
		return -HG_DROP_INTERNAL;
	s->ends.receiver = id;
	s->ends.receiver_subnet = to->subnet;
	if (id == s->ends.sender)
		return -HG_DROP_BLACKHOLE;
	if (to->device)
		return 0;
	if (pkt->tuple.family == HG_FAMILY_4)
		pkt->via = (struct hg_addr){ .w = { to->address4 } };
	else
		pkt->via = to->address6;
	return is_unspecified(&pkt->via) ? -HG_DROP_BLACKHOLE : 0;
}

/* The device of the receiver, or of its subnet. */
static __always_inline int journey_device(struct scratch *s)
{
	const struct hg_interface *to = image_interface(&s->pkt, s->ends.receiver);
	const struct hg_subnet *subnet;
	const struct hg_device *d;
	struct pkt *pkt = &s->pkt;

	pkt->out = 0;
	if (to && to->flags & HG_INTERFACE_LOCAL)
		return 0;
	if (to && to->device) {
		pkt->out = to->device;
		pkt->via = (struct hg_addr){};
	} else {
		subnet = image_subnet(pkt, s->ends.receiver_subnet);
		pkt->out = subnet ? subnet->device : 0;
	}
	d = pkt->out ? image_device(pkt, pkt->out) : NULL;
	if (!d)
		return -HG_DROP_NO_ROUTE;
	pkt->tuple.zone = d->zone;
	return 0;
}

static __always_inline int journey_refuse_route(struct scratch *s, int r)
{
	trace_step(&s->pkt, HG_STAGE_route, s->leg.object, s->leg.rule, 0, 0);
	s->pkt.rule = s->leg.rule;
	return r;
}

/* Who gets it, and by which device. */
HG_GLOBAL int journey_aim(struct scratch *s)
{
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	s->pkt.via = s->pkt.tuple.daddr;
	if (s->leg.kind == HG_ROUTE_INTERFACE) {
		r = journey_appliance(s, s->leg.target);
	} else {
		s->ends.receiver = s->ends.dst.interface;
		s->ends.receiver_subnet = s->ends.dst.subnet;
	}
	if (r == 0)
		r = journey_device(s);
	return r ? journey_refuse_route(s, r) : 0;
}

/* Its filters. */
HG_GLOBAL int journey_arrive(struct scratch *s, __u32 flags)
{
	const struct hg_interface *to;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	if (nacl_crosses(&s->ends))
		pkt->act |= ACT_TTL;
	r = nacl_ingress(pkt, &s->ends);
	if (r)
		return r;
	to = image_interface(pkt, s->ends.receiver);
	if (!to)
		return 0;
	r = journey_groups(s, s->ends.receiver, HG_INGRESS, HG_FLOW_TRACK_DST, flags);
	if (r)
		return r;
	if (s->ends.dst.interface == s->ends.receiver)
		return 0;
	if (to->flags & HG_INTERFACE_CHECK)
		r = -HG_DROP_DEST_CHECK;
	trace_step(pkt, HG_STAGE_dest_check, to->object, 0, r == 0, 0);
	return r;
}

/* ---- from the outside ---- */

/* A packet to what is 'kind' to the outside of an uplink: translated, at the border of the
 * VPC. Where the packet turned round, 'from' is the subnet that it left. */
static __always_inline int journey_in(struct scratch *s, const struct hg_place *p)
{
	struct pkt *pkt = &s->pkt;
	const struct hg_gateway *g = image_gateway(pkt, p->gateway);
	int r = 0;

	s->leg = (struct leg){ .kind = HG_ROUTE_LOCAL };
	if (p->kind == HG_PLACE_UNATTACHED)
		r = -HG_DROP_NO_PUBLIC_ADDRESS;
	else if (p->kind == HG_PLACE_ELASTIC ||
		 (p->kind == HG_PLACE_BALANCER && p->private_address))
		pkt->tuple.daddr.w[0] = p->private_address;
	trace_step(pkt, HG_STAGE_nat, g ? g->object : p->object, 0, r == 0, 0);
	if (r)
		return r;
	s->ends.sender_subnet = 0;
	pkt->act |= ACT_TTL;
	if (p->kind == HG_PLACE_NAT)
		s->into = p->nat;
	else
		ends_at(s, p->vpc);
	s->vip = p->kind == HG_PLACE_BALANCER ? p->vip : 0;
	return 0;
}

/* IPv6: the table of the destination's subnet says how it would answer. */
static __always_inline int journey_in6(struct scratch *s, const struct hg_place *p)
{
	struct pkt *pkt = &s->pkt;
	const struct hg_gateway *g;
	const struct hg_subnet *to;
	int r = -HG_DROP_NO_ROUTE;

	ends_at(s, p->vpc);
	to = image_subnet(pkt, s->ends.dst.subnet);
	route_find(s, inspect_table(s, s->ends.dst.subnet),
		   s->inspected ? ROUTE_BACK | ROUTE_ONWARD : ROUTE_BACK);
	g = s->leg.kind == HG_ROUTE_INTERNET || s->leg.kind == HG_ROUTE_EGRESS_ONLY
		    ? image_gateway(pkt, s->leg.target)
		    : NULL;
	if (to && g && g->device == pkt->device) {
		r = 0;
		if (s->leg.kind == HG_ROUTE_EGRESS_ONLY && !s->has_entry)
			r = -HG_DROP_EGRESS_ONLY;
	}
	trace_step(pkt, HG_STAGE_route, to ? to->table_object : 0, s->leg.rule, r == 0,
		   0);
	if (r)
		return r;
	if (s->leg.kind == HG_ROUTE_INTERNET)
		trace_step(pkt, HG_STAGE_nat, g->object, 0, 1, 0);
	s->leg = (struct leg){ .kind = HG_ROUTE_LOCAL };
	s->ends.sender_subnet = 0;
	if (s->balanced != BALANCED_BACK)
		s->vip = s->ends.dst.vip;
	pkt->act |= ACT_TTL;
	return 0;
}

/* Spoofed: addresses of ours, and private ones towards ours. */
static __always_inline int journey_source(struct scratch *s, const struct hg_place *from,
					  const struct hg_place *to)
{
	const struct hg_tuple *t = &s->pkt.tuple;

	if (from->kind != HG_PLACE_WORLD)
		return -HG_DROP_SOURCE_CHECK;
	if (to->kind != HG_PLACE_WORLD && t->family == HG_FAMILY_4 &&
	    !(to->kind == HG_PLACE_BALANCER && !to->private_address) &&
	    is_private4(t->saddr.w[0]))
		return -HG_DROP_SOURCE_CHECK;
	return 0;
}

/* From an uplink. 1: it is the kernel's. */
HG_GLOBAL int journey_outside(struct scratch *s, __u32 uplink, __u32 object)
{
	const struct hg_place *from, *to;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	if (is_link_local6(&pkt->tuple.saddr, pkt->tuple.family))
		return 1;
	from = uplink_place(pkt, uplink, &pkt->tuple.saddr);
	to = uplink_place(pkt, uplink, &pkt->tuple.daddr);
	if (!from || !to)
		return -HG_DROP_INTERNAL;
	r = journey_source(s, from, to);
	trace_step(pkt, HG_STAGE_source_check, object, 0, r == 0, 0);
	if (r)
		return r;
	balancer_meet(s);
	if (to->kind == HG_PLACE_WORLD && !s->balanced)
		return 1;
	if (s->has_entry && !s->is_related)
		trace_step(pkt, HG_STAGE_flow, 0, 0, 1,
			   HG_LIFE_STATE(s->entry.state.life));
	if (s->balanced && to->kind != HG_PLACE_BALANCER && to->kind != HG_PLACE_VPC)
		return balancer_lost(s);
	if (to->kind == HG_PLACE_INSIDE)
		return journey_refuse_route(s, -HG_DROP_NO_ROUTE);
	if (to->kind == HG_PLACE_VPC)
		return journey_in6(s, to);
	return journey_in(s, to);
}

/* ---- from inside ---- */

/* Into the other VPC of a peering. */
static __always_inline int journey_peer(struct scratch *s)
{
	__u32 is_inside = s->ends.src.is_inside;

	ends_at(s, s->leg.target);
	if (!is_inside || !s->ends.dst.is_inside)
		return journey_refuse_route(s, -HG_DROP_PEERING);
	return 0;
}

/* Out of an internet gateway. 1: and away; 0: turned round, to a receiver. */
static __always_inline int journey_internet(struct scratch *s)
{
	__u32 gateway = s->leg.target;
	struct pkt *pkt = &s->pkt;
	const struct hg_gateway *g = image_gateway(pkt, gateway);
	const struct hg_device *d = g ? image_device(pkt, g->device) : NULL;
	const struct hg_place *to;
	int r;

	if (!d)
		return -HG_DROP_INTERNAL;
	r = uplink_translate(s, gateway);
	if (r)
		return r;
	to = pkt->tuple.family == HG_FAMILY_4
		     ? uplink_place(pkt, d->uplink, &pkt->tuple.daddr)
		     : NULL;
	if (to && (to->kind == HG_PLACE_ELASTIC || to->kind == HG_PLACE_NAT ||
		   to->kind == HG_PLACE_UNATTACHED || to->kind == HG_PLACE_BALANCER))
		return journey_in(s, to);
	if (s->balanced)
		return balancer_lost(s);
	r = uplink_leave(s, gateway);
	return r ? r : 1;
}

/* Where the route leads. 1: away; 0: to a receiver. */
HG_GLOBAL int journey_onward(struct scratch *s)
{
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	switch (s->leg.kind) {
	case HG_ROUTE_INTERNET:
		return journey_internet(s);
	case HG_ROUTE_GATEWAY_LOAD_BALANCER:
		return inspect_enter(s);
	case HG_ROUTE_EGRESS_ONLY:
		s->tracks |= HG_FLOW_TRACK_SRC;
		r = uplink_leave(s, s->leg.target);
		return r ? r : 1;
	case HG_ROUTE_PEERING:
		r = journey_peer(s);
		break;
	default:
		r = 0;
	}
	/* To the private address of a NAT gateway: an answer, or nothing. */
	if (s->leg.kind == HG_ROUTE_INTERFACE)
		return r;
	s->into = s->ends.dst.nat;
	s->vip = s->ends.dst.vip;
	return r;
}

/* Through the sender's filters and its subnet's table. */
HG_GLOBAL int journey_start(struct scratch *s, __u32 flags)
{
	__u32 subnet, is_back;
	struct pkt *pkt;
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	subnet = s->ends.sender_subnet;
	balancer_meet(s);
	is_back = s->balanced == BALANCED_BACK;
	if (is_back || s->ends.dst.vip || s->inspected)
		s->leg = (struct leg){ .kind = HG_ROUTE_LOCAL };
	else
		route_find(s, subnet, 0);
	if (s->ends.sender)
		r = journey_groups(s, s->ends.sender, HG_EGRESS, HG_FLOW_TRACK_SRC,
				   flags);
	if (r == 0 && (s->vip ? balancer_leaves(s, subnet) : route_leaves(s, subnet)))
		r = nacl_judge(pkt, subnet, HG_EGRESS, s->ends.dst.peer,
			       &pkt->tuple.saddr);
	if (r || is_back)
		return r;
	if (s->balanced && !s->vip && !balancer_is_onward(s))
		return balancer_lost(s);
	return route_take(s, subnet);
}

/* Through a NAT gateway, if the route leads there. */
static __always_inline int journey_nat(struct scratch *s)
{
	__u32 id = s->leg.target;
	int r;

	if (s->leg.kind != HG_ROUTE_NAT)
		return 0;
	s->tracks |= HG_FLOW_TRACK_SRC;
	r = nat_enter(s, id);
	return r ? r : nat_leave(s, id);
}

/* Through a balancer, one way or the other. 1: away; 0: to a receiver. */
static __always_inline int journey_balancer(struct scratch *s)
{
	int r;

	if (s->balanced == BALANCED_BACK) {
		r = balancer_back(s);
		return r ? r : balancer_return(s);
	}
	if (!s->vip)
		return balancer_lost(s);
	r = balancer_enter(s);
	return r ? r : balancer_leave(s);
}

/* It can go: where it needs one, with a port. */
static __always_inline int journey_end(struct scratch *s)
{
	int r = route_leave(s);

	if (r || !s->needs_port)
		return r;
	return s->nat ? nat_finish(s) : balancer_finish(s);
}

/* The whole way. 'flags': which ends' groups need not be asked. 1: it is the kernel's. */
HG_GLOBAL int journey(struct scratch *s, __u32 uplink, __u32 object, __u32 flags)
{
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	inspect_meet(s);
	if (uplink) {
		r = journey_outside(s, uplink, object);
		if (r)
			return r;
	} else {
		r = s->pkt.given ? inspect_start(s) : journey_start(s, flags);
		if (r == 0 && s->balanced != BALANCED_BACK)
			r = journey_nat(s);
		if (r == 0 && s->balanced != BALANCED_BACK)
			r = journey_onward(s);
		if (r < 0)
			return r;
		if (r == 1)
			goto away;
	}
	if (s->vip || s->balanced) {
		r = journey_balancer(s);
		if (r < 0)
			return r;
		if (r == 1)
			goto away;
	} else if (s->into) {
		r = nat_back(s, s->into, s->ends.sender_subnet);
	}
	if (r == 0 && s->inspected == INSPECTED_ANSWER) {
		r = inspect_answer(s);
		if (r < 0)
			return r;
		goto away;
	}
	if (r == 0)
		r = journey_aim(s);
	if (r == 0)
		r = journey_arrive(s, flags);
	if (r)
		return r;
away:
	return journey_end(s);
}

/* At a host's door, where targets and clients are behind the same device. */
HG_GLOBAL int journey_turn(struct scratch *s, __u32 device, __u32 flags)
{
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	s->from_subnet = 0;
	balancer_meet(s);
	if (s->balanced == BALANCED_BACK) {
		r = balancer_back(s);
	} else if (!s->vip) {
		r = balancer_lost(s);
	} else {
		r = balancer_enter(s);
		if (r == 0)
			r = balancer_leave(s);
		if (r == 0) {
			s->ends.receiver = s->ends.dst.interface;
			s->ends.receiver_subnet = s->ends.dst.subnet;
			r = journey_arrive(s, flags);
		}
	}
	if (r == 0)
		r = balancer_turn(s, device);
	return r ? r : journey_end(s);
}
