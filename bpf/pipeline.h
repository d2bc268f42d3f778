/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* pipeline: the list of steps, the same at every door and on the host.
 *
 * In       The door, and whether to commit; then the frame.
 * Out      pkt->hop, 0: pass on to the kernel, or *ret_answer: send it back.
 * Result   0 or -HG_DROP_*.
 * Cost     docs/performance.md. A settled flow that the rules in force have judged here
 *          before: control word, port, device, one flow line, counters.
 */
#include "decide.h"

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
			       .commit = commit };
	return s;
}

static __always_inline int pipeline_parse(struct frame *f, struct pkt *pkt)
{
	pkt->ifindex = f->ifindex;
	pkt->frame_len = f->len;
	pkt->segs = f->segs;
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

/* A flow that answers for this packet without a rule being looked at. */
static __always_inline int pipeline_hit(struct pkt *pkt, const struct flow *fl)
{
	__u32 life = READ_ONCE(fl->state.life), path = READ_ONCE(fl->state.path);

	if (READ_ONCE(fl->state.epoch) != pkt->epoch || HG_PATH_IN(path) != pkt->device ||
	    !(HG_LIFE_FLAGS(life) & HG_FLOW_OUT) != (pkt->door == HG_DOOR_IN) ||
	    !state_is_settled(pkt, life) ||
	    flow_is_over(life, READ_ONCE(fl->state.seen), pkt->now) ||
	    !flow_is_still(fl, &pkt->tuple))
		return 0;
	if (HG_PATH_HOP(path)) {
		const struct hg_hop *hop = hop_get(HG_PATH_HOP(path));

		/* It left; the slow path knows why. */
		if (!hop || !hop->ifindex || !hop_is_ready(hop, pkt->is_xdp))
			return 0;
	}
	pkt->hop = HG_PATH_HOP(path);
	pkt->is_exempt = !!(HG_LIFE_FLAGS(life) & HG_FLOW_EXEMPT);
	return 1;
}

/* ARP, neighbour discovery and link control. */
static __always_inline int pipeline_neighbour(struct frame *f, struct pkt *pkt,
					      struct hg_device *d, int *ret_answer)
{
	int r;

	if (pkt->kind == PKT_LINK)
		return d->role == HG_ROLE_HOST ? 0 : -HG_DROP_UNSUPPORTED;
	r = pkt->kind == PKT_ARP ? arp_step(f, pkt, d) : nd_step(f, pkt, d);
	*ret_answer = r == NEIGHBOUR_ANSWER;
	return r == NEIGHBOUR_ANSWER ? 0 : r;
}

static __always_inline int pipeline_device(struct frame *f, struct scratch *s,
					   struct hg_device *d, int r, int *ret_answer)
{
	struct flow *fl = NULL;
	struct pkt *pkt = &s->pkt;

	if (r)
		return r;
	if (pkt->kind != PKT_IP)
		return pipeline_neighbour(f, pkt, d, ret_answer);
	pkt->tuple.zone = d->zone;
	if (pkt->frag == FRAG_ORPHAN)
		frag_find(pkt);
	if (pkt->has_key)
		fl = flow_find(&pkt->tuple,
			       pkt->opens && pkt->tuple.protocol == IPPROTO_TCP);
	if (fl && pkt->commit && pipeline_hit(pkt, fl)) {
		state_touch(pkt, fl);
	} else {
		r = decide(f, s, d, fl);
		if (r)
			return r;
	}
	if (pkt->commit && pkt->frag == FRAG_FIRST)
		frag_learn(pkt);
	return 0;
}

/* 'r' is what parsing said: even a frame that makes no sense is counted at its device. */
static __always_inline int pipeline_judge(struct frame *f, struct scratch *s, int r,
					  int *ret_answer)
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
	return pipeline_device(f, s, d, r, ret_answer);
}

/* The question in '*t', about the frame in hand. */
static __always_inline int pipeline_explain(struct frame *f, struct scratch *s,
					    struct hg_trace *t, int *ret_answer)
{
	struct pkt *pkt = &s->pkt;
	struct hg_device *d;
	int r;

	pkt->device = t->device;
	pkt->door = t->door == HG_DOOR_OUT ? HG_DOOR_OUT : HG_DOOR_IN;
	t->n = 0;
	d = image_device(pkt, pkt->device);
	r = d ? pipeline_device(f, s, d, pipeline_parse(f, pkt), ret_answer)
	      : -HG_DROP_UNKNOWN_DEVICE;
	if (r && t->n == 0)
		trace_step(pkt, HG_STAGE_parse, 0, 0, 0, 0);
	t->reason = -r;
	t->out = pkt->out;
	t->via = pkt->via;
	t->tracked = pkt->tracked;
	t->exempt = pkt->is_exempt;
	t->epoch = pkt->epoch;
	return r;
}
