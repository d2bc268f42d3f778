/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* decide: every packet that no settled, freshly judged flow answers for.
 *
 * In       pkt; the device; the flow's entry if there is one (expired, stale or about to
 *          step, or NULL).
 * Out      pkt->hop, pkt->rule, tracked, is_exempt; entries opened, renewed or forgotten.
 * Result   0 or the reason of the first stage that refused.
 * Cost     Two class look-ups, up to four classifiers (six for UDP), two inserts.
 */
#include "exempt.h"
#include "frag.h"
#include "group.h"
#include "nacl.h"
#include "neighbour.h"
#include "open.h"
#include "related.h"
#include "state.h"

/* Is the connection still admitted in the direction that opened it? (rule_change strict) */
HG_GLOBAL int decide_strict(const struct pkt *pkt, const struct ends *e, __u32 flags)
{
	__u32 sender, receiver, to, from, key;

	if (!pkt || !e)
		return 0;
	if (flags & HG_FLOW_ORIGINAL) {
		sender = e->sender;
		receiver = e->receiver;
		to = e->dst.peer;
		from = e->src.peer;
		key = pkt->key;
	} else {
		/* A packet of the opening direction has our receiver for its sender. */
		sender = e->receiver;
		receiver = e->sender;
		to = e->src.peer;
		from = e->dst.peer;
		key = bpf_ntohs(pkt->tuple.sport);
	}
	if (sender && !(group_cell(pkt, sender, HG_EGRESS, to, key) & HG_CELL_ALLOW))
		return 0;
	return !receiver ||
	       group_cell(pkt, receiver, HG_INGRESS, from, key) & HG_CELL_ALLOW;
}

/* To another port of this host; everything else is the kernel's. */
static __always_inline int route(struct pkt *pkt, const struct ends *e)
{
	const struct hg_interface *to;
	const struct hg_device *d;
	const struct hg_hop *hop;

	if (e->role != HG_ROLE_PORT || pkt->door != HG_DOOR_IN)
		return 0;
	if (is_multicast(&pkt->tuple.daddr, pkt->tuple.family) ||
	    is_broadcast(&pkt->tuple.daddr, pkt->tuple.family)) {
		trace_step(pkt, HG_STAGE_route, 0, 0, 0, 0);
		return -HG_DROP_NO_ROUTE;
	}
	to = image_interface(pkt, e->receiver);
	if (!to || !to->device || to->flags & HG_INTERFACE_LOCAL)
		return 0;
	pkt->out = to->device;
	d = image_device(pkt, to->device);
	if (!d)
		return -HG_DROP_INTERNAL;
	if (!pkt->commit)
		return 0;
	pkt->hop = d->ifindex ? d->hop : 0;
	hop = pkt->hop ? hop_get(pkt->hop) : NULL;
	/* XDP cannot leave it to a stack to find the instance. */
	return hop && hop_is_ready(hop, pkt->is_xdp) ? 0 : -HG_DROP_NO_NEIGHBOUR;
}

/* The stages in their order. 'flags': which ends' groups need not be asked. s->tracks says
 * which of the others would track. */
HG_GLOBAL int judge(struct scratch *s, __u32 flags)
{
	const struct ends *e;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	e = &s->ends;
	pkt = &s->pkt;
	s->tracks = 0;
	if (e->sender && !(flags & HG_FLOW_TRACK_SRC)) {
		r = group_judge(pkt, e->sender, HG_EGRESS, e->dst.peer);
		if (r < 0)
			return r;
		s->tracks |= r ? HG_FLOW_TRACK_SRC : 0;
	}
	r = nacl_egress(pkt, e);
	if (r)
		return r;
	r = route(pkt, e);
	if (r)
		return r;
	r = nacl_ingress(pkt, e);
	if (r)
		return r;
	if (e->receiver && !(flags & HG_FLOW_TRACK_DST)) {
		r = group_judge(pkt, e->receiver, HG_INGRESS, e->src.peer);
		if (r < 0)
			return r;
		s->tracks |= r ? HG_FLOW_TRACK_DST : 0;
	}
	return dest_check(pkt, e);
}

/* The error goes to the end that sent the quoted packet, so the ends change places. */
static __always_inline __u32 decide_related(struct frame *f, struct scratch *s)
{
	__u32 quoted = related_find(f, s);

	return (quoted & HG_FLOW_TRACK_SRC ? HG_FLOW_TRACK_DST : 0) |
	       (quoted & HG_FLOW_TRACK_DST ? HG_FLOW_TRACK_SRC : 0);
}

/* Does no filter touch it? 1: and nothing is remembered. 2: its answers shall pass. */
static __always_inline int decide_exempt(const struct pkt *pkt, const struct ends *e,
					 const struct flow *fl)
{
	__u32 flags = fl ? HG_LIFE_FLAGS(READ_ONCE(fl->state.life)) : 0;

	if (exempt_to(pkt, &e->dst))
		return 2;
	/* The answer of a connection that was opened so. */
	if (flags & HG_FLOW_EXEMPT && !(flags & HG_FLOW_ORIGINAL) &&
	    exempt_from(pkt, &e->src))
		return 2;
	if (e->role == HG_ROLE_PORT && pkt->door == HG_DOOR_OUT &&
	    exempt_from(pkt, &e->src))
		return 1;
	return 0;
}

static __always_inline int decide_may_open(const struct pkt *pkt)
{
	const struct header *h = header_find(pkt);

	if (!pkt->has_key || is_multicast(&pkt->tuple.daddr, pkt->tuple.family) ||
	    is_broadcast(&pkt->tuple.daddr, pkt->tuple.family))
		return 0;
	if (pkt->opens)
		return 1;
	return pkt->tuple.protocol == IPPROTO_TCP && pkt->frag != FRAG_LATER && h &&
	       h->settings & HG_SETTING_TCP_LOOSE &&
	       !(pkt->tcp_flags & (TCP_SYN | TCP_RST | TCP_FIN));
}

static __always_inline __u32 decide_path(const struct pkt *pkt)
{
	return HG_PATH(pkt->device, pkt->hop) | HG_SEEN(pkt->tcp_flags)
							<< HG_PATH_SEEN_SHIFT;
}

static __always_inline __u32 decide_door(const struct pkt *pkt)
{
	return pkt->door == HG_DOOR_OUT ? HG_FLOW_OUT : 0;
}

static __always_inline int decide_open(struct scratch *s, __u32 flags)
{
	struct pkt *pkt = &s->pkt;
	__u32 state, life;
	int r;

	pkt->tracked = 1;
	if (!pkt->commit)
		return 0;
	state = state_first(pkt);
	life = HG_LIFE(state_timeout(pkt, &s->ends, flags, state), state, 0);
	r = flow_open(s, life, decide_path(pkt),
		      flags | HG_FLOW_ORIGINAL | decide_door(pkt));
	pkt->is_new = r == 0;
	return r;
}

/* The entry has been judged by the rules in force, at this door. */
static __always_inline void decide_renew(struct scratch *s, struct flow *fl)
{
	struct pkt *pkt = &s->pkt;

	pkt->tracked = 1;
	if (!pkt->commit)
		return;
	WRITE_ONCE(fl->state.path, HG_PATH(pkt->device, pkt->hop) |
					   HG_PATH_SEEN(READ_ONCE(fl->state.path))
						   << HG_PATH_SEEN_SHIFT);
	if (decide_door(pkt))
		__sync_fetch_and_or(&fl->state.life, HG_FLOW_OUT << 24);
	else
		__sync_fetch_and_and(&fl->state.life, ~(HG_FLOW_OUT << 24));
	WRITE_ONCE(fl->state.epoch, pkt->epoch);
	state_step(s, fl);
}

/* May the entry speak for this packet? No: it is over, or to be opened anew. A connection
 * that rule_change strict refuses is forgotten here; another one stays until a packet has
 * passed in its place, as one that is dropped changes nothing. */
HG_GLOBAL int decide_entry(struct scratch *s, struct flow *fl)
{
	const struct header *h;
	struct pkt *pkt;
	__u32 life;

	if (!s || !fl)
		return 0;
	pkt = &s->pkt;
	h = header_find(pkt);
	if (!h)
		return 0;
	life = READ_ONCE(fl->state.life);
	if (flow_has_expired(fl, pkt->tuple.family, pkt->now) ||
	    (HG_LIFE_STATE(life) == HG_STATE_CLOSING && pkt->opens))
		return 0;
	if (h->settings & HG_SETTING_STRICT && READ_ONCE(fl->state.epoch) != pkt->epoch &&
	    !decide_exempt(pkt, &s->ends, fl) &&
	    !decide_strict(pkt, &s->ends, HG_LIFE_FLAGS(life))) {
		if (pkt->commit)
			flow_forget(fl, pkt->tuple.family);
		return 0;
	}
	trace_step(pkt, HG_STAGE_flow, 0, 0, 1, HG_LIFE_STATE(life));
	return 1;
}

static __noinline int decide(struct frame *f, struct scratch *s, struct hg_device *d,
			     struct flow *fl)
{
	struct pkt *pkt = &s->pkt;
	struct ends *e = &s->ends;
	struct flow *over = NULL;
	__u32 flags = 0;
	int exempt, r;

	if (source_is_bad(&pkt->tuple))
		return -HG_DROP_MALFORMED;
	if (exempt_anywhere(pkt)) {
		pkt->is_exempt = 1;
		return 0;
	}
	if (is_unspecified(&pkt->tuple.saddr))
		return -HG_DROP_MALFORMED;
	ends_find(pkt, d, e);
	r = source_check(pkt, e);
	if (r)
		return r;
	if (d->role == HG_ROLE_PORT && pkt->door == HG_DOOR_IN)
		neighbour_learn(f, pkt, d);
	if (fl && !decide_entry(s, fl)) {
		over = fl;
		fl = NULL;
	}
	exempt = decide_exempt(pkt, e, fl);
	if (exempt) {
		pkt->is_exempt = 1;
		r = route(pkt, e);
		if (r || exempt == 1)
			return r;
		s->tracks = HG_FLOW_TRACK_SRC | HG_FLOW_TRACK_DST | HG_FLOW_EXEMPT;
	} else {
		if (fl)
			flags = HG_LIFE_FLAGS(READ_ONCE(fl->state.life));
		else if (pkt->is_error)
			flags = decide_related(f, s);
		r = judge(s, flags);
		if (r)
			return r;
	}
	if (over && pkt->commit)
		flow_forget(over, pkt->tuple.family);
	if (fl)
		decide_renew(s, fl);
	else if (s->tracks && decide_may_open(pkt))
		return decide_open(s, s->tracks);
	return 0;
}
