/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* pipeline: the list of steps, the same at every door and on the host.
 *
 *   meet -> (decide, if no settled flow answers) -> leave -> account
 *
 * On the host they are called one after another. In the kernel the second and the third are programs of
 * their own (next.h), so nothing but struct scratch goes from one to the next.
 *
 * In       The door, and whether to commit; then the frame.
 * Out      pkt->out and hop, both 0: pass on to the kernel; or *ret_answer: send it back.
 *          pkt->act, to: what is done to the frame first. pkt->reply: what to tell the sender.
 * Result   0 or -HG_DROP_*.
 * Cost     docs/performance.md. A settled flow that the rules in force have judged here
 *          before: control word, port, device, one flow line, counters.
 */
#include "decide.h"
#include "geneve.h"
#include "nat64.h"
#include "quote.h"
#include "rewrite.h"

/* Reads the control word, once. NULL: no rules are in force. */
static __always_inline struct scratch *pipeline_enter(__u8 door, __u8 commit)
{
	__u32 zero = 0;
	struct hg_control *c = bpf_map_lookup_elem(&hg_control, &zero);
	struct scratch *s = scratch_get(commit);
	__u64 word;

	if (!c || !s)
		return NULL;
	word = READ_ONCE(c->word);
	if (!(word >> 32))
		return NULL;
	s->pkt = (struct pkt){ .base = (__u32)word,
			       .epoch = word >> 32,
			       .now = clock_ticks(READ_ONCE(c->skew)),
			       .monitor = READ_ONCE(c->monitor),
			       .door = door,
			       .commit = commit,
			       .segs = 1 };
	return s;
}

static __always_inline int pipeline_parse(struct frame *f, struct pkt *pkt)
{
	pkt->ifindex = f->ifindex;
	pkt->frame_len = f->len;
	pkt->is_xdp = f->is_xdp;
	return parse(f, pkt);
}

/* The port table's entry of the device that the frame is at. */
static __always_inline const struct hg_port *pipeline_port(const struct pkt *pkt,
							   const struct header *h)
{
	const struct hg_port *p =
		image_line(pkt, h->ports.line + (pkt->ifindex & (h->ports.n - 1)));

	if (!p)
		return NULL;
#pragma unroll
	for (int i = 0; i < 4; i++)
		if (p[i].ifindex == pkt->ifindex)
			return &p[i];
	return NULL;
}

/* The longest packet on the wire: GSO cuts the payload of a large one into pieces. */
static __always_inline __u32 pipeline_size(struct frame *f, const struct pkt *pkt)
{
	const struct tcphdr *h;
	__u32 header;

	if (!pkt->gso_size)
		return pkt->len;
	header = sizeof(struct udphdr);
	if (pkt->tuple.protocol == IPPROTO_TCP) {
		h = frame_at(f, pkt->l4, sizeof(*h));
		header = h ? h->doff * 4 : sizeof(*h);
	}
	return pkt->l4 - pkt->l3 + header + pkt->gso_size;
}

/* What the flow's rewrite makes of the packet. */
static __always_inline void pipeline_translate(struct scratch *s, const struct flow *fl)
{
	struct pkt *pkt = &s->pkt;
	__u32 ports = READ_ONCE(fl->room[2]);

	pkt->act |= ACT_NAT;
	if (pkt->tuple.family == HG_FAMILY_6 ||
	    READ_ONCE(fl->state.pair) & HG_PAIR_OTHER) {
		s->came = pkt->tuple;
		flow_load(s, fl);
		pkt->to = s->entry_to;
		if (pkt->to.family != pkt->tuple.family)
			pkt->act |= ACT_FAMILY;
		return;
	}
	pkt->to = pkt->tuple;
	pkt->to.saddr.w[0] = READ_ONCE(fl->room[0]);
	pkt->to.daddr.w[0] = READ_ONCE(fl->room[1]);
	pkt->to.sport = (__be16)ports;
	pkt->to.dport = ports >> 16;
}

static __always_inline int pipeline_unhit(struct pkt *pkt)
{
	pkt->act = 0;
	pkt->meter = 0;
	pkt->is_back = 0;
	return 0;
}

/* Can a packet of 'fl' go the way that is kept there? */
static __always_inline int pipeline_can_leave(const struct pkt *pkt, __u32 flags,
					      __u32 path, __u32 grows)
{
	const struct hg_hop *hop;

	if (flags & HG_FLOW_ROUTED && pkt->ttl <= 1)
		return 0;
	if (!HG_PATH_HOP(path))
		return !pkt->may_punt;
	hop = hop_get(HG_PATH_HOP(path));
	/* It left; the slow path knows why. */
	return hop && hop->ifindex && hop_is_ready(hop, pkt->is_xdp) &&
	       (!(flags & HG_FLOW_ROUTED) || pkt->size + grows <= hop->mtu);
}

/* By how much the packet's header becomes longer where it leaves as IPv6. */
static __always_inline __u32 pipeline_grows(const struct pkt *pkt, const struct flow *fl)
{
	return pkt->tuple.family == HG_FAMILY_4 &&
			       READ_ONCE(fl->state.pair) & HG_PAIR_OTHER
		       ? sizeof(struct ipv6hdr) - sizeof(struct iphdr)
		       : 0;
}

/* A flow that answers for this packet without a rule being looked at. */
static __always_inline int pipeline_hit(struct scratch *s, const struct flow *fl)
{
	struct pkt *pkt = &s->pkt;
	__u32 life = READ_ONCE(fl->state.life), path = READ_ONCE(fl->state.path);
	__u32 flags = HG_LIFE_FLAGS(life);

	if (READ_ONCE(fl->state.epoch) != pkt->epoch || HG_PATH_IN(path) != pkt->device ||
	    !(flags & HG_FLOW_OUT) != (pkt->door == HG_DOOR_IN) ||
	    !state_is_settled(pkt, life) ||
	    flow_is_over(life, READ_ONCE(fl->state.seen), pkt->now) ||
	    !pipeline_can_leave(pkt, flags, path, pipeline_grows(pkt, fl)))
		return 0;
	if (flags & HG_FLOW_NAT) {
		if (pkt->may_punt && READ_ONCE(fl->state.pair) & HG_PAIR_OTHER)
			return 0;
		pipeline_translate(s, fl);
		pkt->meter = HG_BYTES_METER(READ_ONCE(fl->state.bytes));
		/* What a NAT gateway refuses, of a connection that it knows, too. */
		if (pkt->meter && pkt->meter < HG_METER_BALANCER &&
		    nat_refuses_fragment(pkt))
			return pipeline_unhit(pkt);
		/* The pair left. */
		if (pkt->to.family == HG_FAMILY_NONE)
			return pipeline_unhit(pkt);
		pkt->is_back = !(flags & HG_FLOW_ORIGINAL);
	}
	/* Last: what was read is the flow's. */
	if (!flow_is_still(fl, &pkt->tuple))
		return pipeline_unhit(pkt);
	pkt->act |= flags & HG_FLOW_ROUTED ? ACT_TTL : 0;
	pkt->hop = HG_PATH_HOP(path);
	pkt->is_exempt = !!(flags & HG_FLOW_EXEMPT);
	return 1;
}

/* The entry of the packet's direction, whatever it is worth by now. */
static __always_inline struct flow *pipeline_flow(const struct pkt *pkt)
{
	if (!pkt->has_key)
		return NULL;
	return flow_find(&pkt->tuple, pkt->opens && pkt->tuple.protocol == IPPROTO_TCP);
}

/* ARP, neighbour discovery and link control. */
static __always_inline int pipeline_neighbour(struct frame *f, struct pkt *pkt,
					      struct hg_device *d, int *ret_answer)
{
	int r;

	if (pkt->kind == PKT_LINK)
		return d->role == HG_ROLE_PORT ? -HG_DROP_UNSUPPORTED
					       : route_to_kernel(pkt);
	r = pkt->kind == PKT_ARP ? arp_step(f, pkt, d) : nd_step(f, pkt, d);
	*ret_answer = r == NEIGHBOUR_ANSWER;
	if (r == 0)
		return route_to_kernel(pkt);
	return r == NEIGHBOUR_ANSWER ? 0 : r;
}

/* Only what is sent to the router is the router's: a device may hear frames for others.
 * Multicast and broadcast are, too, as far as the packet itself is. */
static __always_inline int pipeline_is_ours(struct frame *f, const struct pkt *pkt,
					    const struct hg_device *d)
{
	const struct ethhdr *eth = f->data;
	const __u16 *own = (const __u16 *)d->mac, *to;

	if (!PARSE_FITS(f, eth, sizeof(*eth)))
		return 0;
	to = (const __u16 *)eth->h_dest;
	return !((to[0] ^ own[0]) | (to[1] ^ own[1]) | (to[2] ^ own[2])) ||
	       is_multicast(&pkt->tuple.daddr, pkt->tuple.family) ||
	       is_broadcast(&pkt->tuple.daddr, pkt->tuple.family);
}

/* No settled flow answers: pipeline_decide() has to. */
#define PIPELINE_OPEN 1

/* It is around another packet: pipeline_given(), then pipeline_decide() again. */
#define PIPELINE_GIVEN INSPECT_GIVEN

/* 'r' is what parsing said. */
static __always_inline int pipeline_meet(struct frame *f, struct scratch *s,
					 struct hg_device *d, int r)
{
	struct pkt *pkt = &s->pkt;
	struct flow *fl;

	pkt->may_punt = pkt->is_xdp && d->flags & HG_DEVICE_PUNT;
	/* VLANs on top of a gateway's device are other devices. */
	if (pkt->is_tagged && (d->role == HG_ROLE_SUBNET || d->role == HG_ROLE_UPLINK))
		return route_to_kernel(pkt);
	/* An instance has no say in what VLAN of the gateway's other devices its packets get. */
	if (pkt->is_tagged && decide_is_gate(pkt, d))
		return -HG_DROP_UNSUPPORTED;
	if (r)
		return r;
	if (pkt->kind != PKT_IP)
		return PIPELINE_OPEN;
	if (d->role >= HG_ROLE_SUBNET && !pipeline_is_ours(f, pkt, d))
		return route_to_kernel(pkt);
	pkt->tuple.zone = d->zone;
	pkt->size = pipeline_size(f, pkt);
	if (pkt->frag == FRAG_ORPHAN)
		frag_find(pkt);
	fl = pkt->commit ? pipeline_flow(pkt) : NULL;
	if (!fl || !pipeline_hit(s, fl))
		return PIPELINE_OPEN;
	state_touch(pkt, fl);
	if (pkt->frag == FRAG_FIRST)
		frag_learn(pkt);
	return 0;
}

/* A call: its stack is not there when a flow is opened. */
static __noinline struct flow *pipeline_flow_again(const struct pkt *pkt)
{
	return pipeline_flow(pkt);
}

/* What no flow answers for. The flow is looked up anew: no pointer crosses from one program to
 * another, and the lines are in the cache. */
static __always_inline int pipeline_decide(struct frame *f, struct scratch *s,
					   int *ret_answer)
{
	struct pkt *pkt = &s->pkt;
	struct hg_device *d = image_device(pkt, pkt->device);
	int r;

	if (!d)
		return -HG_DROP_INTERNAL;
	if (pkt->kind != PKT_IP)
		return pipeline_neighbour(f, pkt, d, ret_answer);
	s->limit = 0;
	r = decide(f, s, d, pipeline_flow_again(pkt));
	limit_undo(s);
	if (r == DECIDE_OPENS)
		r = decide_open(s);
	if (r == 0 && pkt->commit && pkt->frag == FRAG_FIRST)
		frag_learn(pkt);
	/* The packet's sender is not who has sent the frame. */
	if (pkt->given)
		pkt->reply = 0;
	return r;
}

/* An appliance has given it back: now it is about what is in it. */
static __always_inline int pipeline_given(struct frame *f, struct scratch *s)
{
	int r = geneve_open(f, s);

	if (r == 0)
		s->pkt.size = pipeline_size(f, &s->pkt);
	return r;
}

/* Is a frame to be made, of the packet or about it? */
static __always_inline int pipeline_makes(const struct scratch *s, int r)
{
	return s->pkt.reply || (r == 0 && s->pkt.act);
}

/* The packet becomes what was decided. */
static __always_inline int pipeline_change(struct frame *f, struct scratch *s)
{
	struct pkt *pkt = &s->pkt;

	if (!(pkt->act & ~(ACT_UNWRAP | ACT_WRAP)))
		return 0;
	if (pkt->act & ACT_FAMILY) {
		if (f->is_xdp)
			return -HG_DROP_INTERNAL;
		return pkt->act & ACT_QUOTE
			       ? nat64_error(f, pkt, &s->quoted.tuple, &s->quote)
			       : nat64_frame(f, pkt);
	}
	if (pkt->act & ACT_QUOTE)
		return quote_frame(f, pkt, &s->quoted.tuple, &s->quote);
	return rewrite_frame(f, pkt);
}

/* The frame does. */
static __always_inline int pipeline_rewrite(struct frame *f, struct scratch *s)
{
	int r = s->pkt.act & ACT_UNWRAP ? geneve_strip(f, &s->pkt) : 0;

	if (r == 0)
		r = pipeline_change(f, s);
	if (r == 0 && s->pkt.act & ACT_WRAP)
		r = geneve_wrap(f, s);
	return r;
}

/* Who tells the sender: the router of its subnet; outside, the address that it wrote to, or
 * the router of the subnet that it wrote into. */
static __always_inline void pipeline_speaker(const struct scratch *s, struct hg_addr *ret)
{
	__u32 id = s->from_subnet ? s->from_subnet : s->ends.receiver_subnet;
	const struct hg_subnet *subnet = image_subnet(&s->pkt, id);

	*ret = (struct hg_addr){};
	if (s->ends.role == HG_ROLE_HOST) {
		*ret = s->pkt.tuple.daddr;
	} else if (s->pkt.tuple.family == HG_FAMILY_6) {
		if (subnet)
			*ret = subnet->router6;
	} else if (s->from_subnet && subnet) {
		ret->w[0] = subnet->router4;
	} else if (!s->from_subnet) {
		ret->w[0] = s->pkt.tuple.daddr.w[0];
	}
}

/* Up to the flow that answers, at the device that the frame is at. 'r' is what parsing said:
 * even a frame that makes no sense is counted at its device. */
static __always_inline int pipeline_arrive(struct frame *f, struct scratch *s, int r)
{
	struct pkt *pkt = &s->pkt;
	const struct header *h = header_find(pkt);
	const struct hg_port *port;
	struct hg_device *d;

	if (!h)
		return -HG_DROP_INTERNAL;
	port = pipeline_port(pkt, h);
	if (!port)
		return -HG_DROP_UNKNOWN_DEVICE;
	pkt->device = port->device;
	pkt->slot = port->slot;
	d = table_record(pkt, h->devices, port->device);
	if (!d)
		return -HG_DROP_INTERNAL;
	return pipeline_meet(f, s, d, r);
}

/* The question in '*t', about the frame in hand, as far as pipeline_meet() goes. */
static __always_inline int pipeline_ask(struct frame *f, struct scratch *s,
					struct hg_trace *t)
{
	struct pkt *pkt = &s->pkt;
	struct hg_device *d;

	pkt->device = t->device;
	pkt->door = t->door == HG_DOOR_OUT ? HG_DOOR_OUT : HG_DOOR_IN;
	t->n = 0;
	d = image_device(pkt, pkt->device);
	return d ? pipeline_meet(f, s, d, pipeline_parse(f, pkt))
		 : -HG_DROP_UNKNOWN_DEVICE;
}

/* What came of it. */
static __always_inline int pipeline_explain(struct scratch *s, struct hg_trace *t, int r)
{
	struct pkt *pkt = &s->pkt;

	if (r && t->n == 0)
		trace_step(pkt, HG_STAGE_parse, 0, 0, 0, 0);
	t->reason = -r;
	t->out = pkt->out;
	t->via = pkt->via;
	t->to = pkt->act & ACT_NAT ? pkt->to : pkt->tuple;
	t->tracked = pkt->tracked;
	t->exempt = pkt->is_exempt;
	t->epoch = pkt->epoch;
	return r;
}
