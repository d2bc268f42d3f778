/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* decide: every packet that no settled, freshly judged flow answers for.
 *
 * In       pkt; the device; the flow's entry if there is one (expired, stale or about to
 *          step, or NULL).
 * Out      pkt->out, hop, to, act, reply, rule, tracked, is_exempt; entries opened, renewed
 *          or forgotten.
 * Result   0, DECIDE_OPENS or the reason of the first stage that refused.
 * Cost     Two class look-ups, up to four classifiers (six for UDP), two inserts.
 */
#include "exempt.h"
#include "frag.h"
#include "group.h"
#include "journey.h"
#include "limit.h"
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

/* Does no filter touch it? 1: and nothing is remembered. 2: its answers shall pass. 3: it is
 * one. A call: inlined, its loops add to a stack that Linux 6.1 counts in steps of 32. */
static __noinline int decide_exempt(const struct pkt *pkt, const struct ends *e,
				    const struct flow *fl)
{
	__u32 flags = fl ? HG_LIFE_FLAGS(READ_ONCE(fl->state.life)) : 0;

	if (e->role == HG_ROLE_UPLINK || pkt->given)
		return 0;
	if (exempt_to(pkt, &e->dst))
		return 2;
	/* The answer of a connection that was opened so. */
	if (flags & HG_FLOW_EXEMPT && !(flags & HG_FLOW_ORIGINAL) &&
	    exempt_from(pkt, &e->src))
		return 3;
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

/* Of its connection's entry, if any, nothing is left for a packet to go by. */
static __always_inline int decide_would_open(const struct pkt *pkt, const struct flow *fl)
{
	if (!decide_may_open(pkt))
		return 0;
	return !fl || flow_has_expired(fl, pkt->tuple.family, pkt->now) ||
	       (HG_LIFE_STATE(READ_ONCE(fl->state.life)) == HG_STATE_CLOSING &&
		pkt->opens);
}

/* Nothing is known yet. */
static __always_inline void decide_begin(struct scratch *s)
{
	s->came = s->pkt.tuple;
	s->leg = (struct leg){};
	s->tracks = s->has_entry = s->is_related = 0;
	s->nat = s->into = s->public = s->needs_port = s->strict = s->from_subnet =
		s->was_idle = 0;
	s->balanced = s->vip = s->peer = 0;
	s->inspected = s->pinned = s->pinned_in = 0;
	s->choice = (struct balanced_choice){};
}

/* Back to where it came in, as a packet of a connection that nobody knows. */
static __always_inline void decide_again(struct scratch *s, const struct hg_device *d,
					 __u16 key)
{
	struct pkt *pkt = &s->pkt;

	pkt->tuple = s->came;
	pkt->key = key;
	pkt->act &= ACT_UNWRAP;
	pkt->reply = 0;
	pkt->out = pkt->hop = pkt->meter = pkt->is_back = 0;
	decide_begin(s);
	if (d->role == HG_ROLE_UPLINK)
		s->ends = (struct ends){ .role = d->role };
	else if (pkt->given)
		inspect_ends(s);
	else
		ends_find(pkt, d, &s->ends);
	s->from_subnet = s->ends.sender_subnet;
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

/* HG_FLOW_* of what is done to the frame. */
static __always_inline __u32 decide_acts(const struct pkt *pkt)
{
	return (pkt->act & ACT_NAT ? HG_FLOW_NAT : 0) |
	       (pkt->act & ACT_TTL ? HG_FLOW_ROUTED : 0);
}

static __always_inline int decide_open(struct scratch *s)
{
	struct pkt *pkt = &s->pkt;
	__u32 flags = s->tracks, state, life;
	int r;

	pkt->tracked = 1;
	if (!pkt->commit)
		return 0;
	state = state_first(pkt);
	life = HG_LIFE(state_timeout(pkt, &s->ends, flags, state), state, 0);
	r = flow_open(s, life, decide_path(pkt),
		      flags | HG_FLOW_ORIGINAL | decide_door(pkt) | decide_acts(pkt));
	pkt->is_new = r == 0;
	if (pkt->is_new)
		gate_opened(pkt);
	return r;
}

/* The entry has been judged by the rules in force, at this door. */
static __always_inline void decide_renew(struct scratch *s, struct flow *fl)
{
	struct pkt *pkt = &s->pkt;
	__u32 flags = decide_door(pkt) | (pkt->act & ACT_TTL ? HG_FLOW_ROUTED : 0);

	pkt->tracked = 1;
	/* Another connection that has the entry by now was not judged. */
	if (!pkt->commit || !flow_is_still(fl, &s->came))
		return;
	WRITE_ONCE(fl->state.path, HG_PATH(pkt->device, pkt->hop) |
					   HG_PATH_SEEN(READ_ONCE(fl->state.path))
						   << HG_PATH_SEEN_SHIFT);
	__sync_fetch_and_or(&fl->state.life, flags << 24);
	__sync_fetch_and_and(&fl->state.life,
			     ~((~flags & (HG_FLOW_OUT | HG_FLOW_ROUTED)) << 24));
	WRITE_ONCE(fl->state.epoch, pkt_epoch(pkt));
	state_step(s, fl);
}

/* May the entry speak for this packet? No: it is over, or to be opened anew. A connection
 * that rule_change strict refuses is forgotten here; another one stays until a packet has
 * passed in its place, as one that is dropped changes nothing. At a gateway the journey asks
 * the groups again. */
HG_GLOBAL int decide_entry(struct scratch *s, struct flow *fl, __u32 is_gate)
{
	const struct header *h;
	struct pkt *pkt;
	__u32 life;
	int is_stale;

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
	is_stale = h->settings & HG_SETTING_STRICT &&
		   READ_ONCE(fl->state.epoch) != pkt->epoch;
	if (is_gate) {
		if (is_stale && !(HG_LIFE_FLAGS(life) & HG_FLOW_EXEMPT))
			s->strict = HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL ? STRICT_AGAIN
									   : STRICT_BACK;
	} else if (is_stale && !decide_exempt(pkt, &s->ends, fl) &&
		   !decide_strict(pkt, &s->ends, HG_LIFE_FLAGS(life))) {
		if (pkt->commit)
			flow_forget(fl, pkt->tuple.family);
		return 0;
	}
	/* The other one looks at the source first. */
	if (s->ends.role != HG_ROLE_UPLINK)
		trace_step(pkt, HG_STAGE_flow, 0, 0, 1, HG_LIFE_STATE(life));
	return 1;
}

/* A connection through a NAT gateway or balancer that was idle for too long counts, once. A load
 * balancer's entries stay, as either side is told so, before any filter, each time that it
 * speaks of it: until another connection takes them, or they are swept. */
static __always_inline int decide_over(struct scratch *s, struct flow *over)
{
	__u32 life = READ_ONCE(over->state.life);
	__u32 meter = HG_BYTES_METER(READ_ONCE(over->state.bytes));
	struct pkt *pkt = &s->pkt;
	int stays = meter >= HG_METER_BALANCER && HG_LIFE_FLAGS(life) & HG_FLOW_NAT;

	/* XDP has no word to tell its sender, and the TC door must see it as well. */
	if (pkt->may_punt && meter)
		return route_punt(pkt);
	if (meter && pkt->commit && HG_LIFE_STATE(life) == HG_STATE_ESTABLISHED &&
	    (stays ? flow_end(over, pkt->tuple.family)
		   : flow_forget(over, pkt->tuple.family))) {
		account_idle(pkt, meter);
		s->was_idle = 1;
	}
	if (meter < HG_METER_BALANCER || pkt->tuple.protocol != IPPROTO_TCP || pkt->opens)
		return 0;
	pkt->meter = meter;
	pkt->is_back = !(HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL);
	trace_step(pkt, HG_STAGE_flow, 0, 0, 0, 0);
	if (stays)
		return balancer_reset(pkt);
	if (pkt->commit)
		flow_forget(over, pkt->tuple.family);
	return -HG_DROP_NO_FLOW;
}

/* What is known of the connection. 0: the entry was given to another one meanwhile, whose
 * translation this packet must not get. */
static __always_inline int decide_load(struct scratch *s, struct flow *fl)
{
	flow_load(s, fl);
	if (flow_is_still(fl, &s->came))
		return 1;
	s->has_entry = 0;
	s->strict = STRICT_NOT;
	return 0;
}

/* Would its packets leave otherwise than those before, or by another NAT gateway? That one waits
 * for no answers of theirs. */
HG_GLOBAL int decide_differs(const struct scratch *s)
{
	const struct hg_tuple *now, *then;
	__u32 is_opener;

	if (!s)
		return 0;
	now = &s->pkt.tuple;
	then = &s->entry_to;
	/* Answers are waited for in one zone; an opener may come by a way of its own. */
	is_opener = HG_LIFE_FLAGS(s->entry.state.life) & HG_FLOW_ORIGINAL;
	return now->family != then->family || !addr_equal(&now->saddr, &then->saddr) ||
	       !addr_equal(&now->daddr, &then->daddr) || now->sport != then->sport ||
	       now->dport != then->dport ||
	       s->pkt.meter != HG_BYTES_METER(s->entry.state.bytes) ||
	       (is_opener && then->zone && now->zone != then->zone);
}

/* The packet is as it goes out; from now on it is again as it came. */
HG_GLOBAL int decide_arrived(struct scratch *s, __u32 key)
{
	struct pkt *pkt;

	if (!s)
		return 0;
	pkt = &s->pkt;
	pkt->to = pkt->tuple;
	pkt->tuple = s->came;
	pkt->key = key;
	if (pkt->to.family != s->came.family ||
	    !addr_equal(&pkt->to.saddr, &s->came.saddr) ||
	    !addr_equal(&pkt->to.daddr, &s->came.daddr) ||
	    pkt->to.sport != s->came.sport || pkt->to.dport != s->came.dport ||
	    (s->is_related && s->balanced))
		pkt->act |= ACT_NAT; /* of an error, it may be the quote's alone */
	return 0;
}

/* What kind of door it is for the packet. */
#define GATE_NOT  0 /* section 2 */
#define GATE_WAY  1 /* it is forwarded */
#define GATE_TURN 2 /* it comes to a balancer, and leaves by the same device */

/* The packet's way through this host. Returns 1 when it is the kernel's. */
static __always_inline int decide_way(struct scratch *s, const struct hg_device *d,
				      __u32 is_gate, __u32 flags)
{
	if (is_gate == GATE_TURN)
		return journey_turn(s, s->pkt.device, flags);
	if (!is_gate)
		return judge(s, flags);
	return journey(s, d->role == HG_ROLE_UPLINK ? d->uplink : 0, d->object, flags);
}

/* Ends that have declared an interface keep state of it; at other doors one has. */
static __always_inline __u32 decide_exempt_tracks(const struct scratch *s, __u32 is_gate)
{
	__u32 tracks = HG_FLOW_TRACK_SRC | HG_FLOW_TRACK_DST;

	if (is_gate && !s->ends.sender)
		tracks &= ~HG_FLOW_TRACK_SRC;
	if (is_gate && !s->ends.dst.interface)
		tracks &= ~HG_FLOW_TRACK_DST;
	return tracks ? tracks | HG_FLOW_EXEMPT : 0;
}

/* No filter touches it: to its owner here, or to the kernel. */
static __always_inline int decide_exempt_way(struct scratch *s, __u32 is_gate, int exempt)
{
	int r;

	s->pkt.is_exempt = 1;
	if (!is_gate)
		return route(&s->pkt, &s->ends);
	if (!s->ends.dst.interface && exempt != 3)
		return route_to_kernel(&s->pkt);
	s->leg = (struct leg){ .kind = HG_ROUTE_LOCAL };
	/* An answer has a way of its own, unless that is a NAT gateway's. */
	if (exempt == 3)
		route_find(s, s->ends.sender_subnet, 0);
	if (s->leg.kind == HG_ROUTE_NAT || s->leg.kind == HG_ROUTE_INTERNET)
		s->leg.kind = HG_ROUTE_LOCAL;
	r = journey_aim(s);
	if (nacl_crosses(&s->ends))
		s->pkt.act |= ACT_TTL;
	return r ? r : route_leave(s);
}

/* Is it a balancer's, at a host's door? */
static __always_inline int decide_turns(const struct scratch *s,
					const struct hg_device *d, const struct flow *fl)
{
	return d->role == HG_ROLE_HOST && s->pkt.door == HG_DOOR_IN &&
	       (s->ends.dst.vip || balancer_is_flow(fl));
}

/* By the rules: with what is known of the connection, and if the packet would then leave
 * in another way, as a new one. '*fl' is the entry that stays. */
static __always_inline int decide_judge(struct frame *f, struct scratch *s,
					const struct hg_device *d, struct flow **fl,
					__u32 is_gate)
{
	struct pkt *pkt = &s->pkt;
	__u16 key = pkt->key;
	__u32 flags = 0;
	int r;

	if (*fl)
		flags = HG_LIFE_FLAGS(READ_ONCE((*fl)->state.life));
	else if (pkt->is_error)
		flags = related_find(f, s);
	/* An error about what such a connection's client or target has sent. */
	if (!is_gate && decide_turns(s, d, s->is_related ? &s->entry : NULL))
		is_gate = GATE_TURN;
	r = decide_way(s, d, is_gate, flags);
	if (!*fl || !is_gate)
		return r;
	if (r < 0) {
		if (s->strict && pkt->commit &&
		    (r == -HG_DROP_SG_EGRESS || r == -HG_DROP_SG_INGRESS))
			flow_forget(*fl, s->came.family);
		/* Its address is another's by now. */
		if (r == -HG_DROP_NAT_UNSOLICITED && pkt->commit)
			flow_forget(*fl, s->came.family);
		if (r == -HG_DROP_NO_LISTENER && pkt->commit)
			flow_cut(*fl, s->came.family, pkt->now);
		return r;
	}
	if (!decide_differs(s))
		return r;
	if (pkt->commit)
		flow_forget(*fl, s->came.family);
	if (HG_BYTES_METER(s->entry.state.bytes)) {
		trace_step(pkt, HG_STAGE_nat, 0, 0, 0, 0);
		return -HG_DROP_NO_FLOW;
	}
	*fl = NULL;
	decide_again(s, d, key);
	return decide_way(s, d, is_gate, 0);
}

/* The packet may pass, and opens a connection: decide_open() is next. The caller's call, as
 * deciding and inserting would not fit one stack. */
#define DECIDE_OPENS 1

/* What was decided comes into force. */
static __always_inline int decide_settle(struct scratch *s, struct flow *fl)
{
	if (fl)
		decide_renew(s, fl);
	else if ((s->tracks || s->vip || s->pkt.act & (ACT_WRAP | ACT_UNWRAP)) &&
		 decide_may_open(&s->pkt))
		return DECIDE_OPENS;
	return 0;
}

/* Does this door forward, by the routes of the sender's subnet? */
static __always_inline int decide_is_gate(const struct pkt *pkt,
					  const struct hg_device *d)
{
	const struct hg_subnet *from;

	if (d->role == HG_ROLE_UPLINK || d->role == HG_ROLE_SUBNET)
		return 1;
	if (d->role != HG_ROLE_PORT || pkt->door != HG_DOOR_IN)
		return 0;
	from = image_subnet(pkt, d->subnet);
	return from && from->routes;
}

/* Who is who, and whether they may. */
static __always_inline int decide_ends(struct frame *f, struct scratch *s,
				       const struct hg_device *d, __u32 is_gate)
{
	struct pkt *pkt = &s->pkt;
	int r;

	decide_begin(s);
	if (d->role == HG_ROLE_UPLINK) {
		s->ends = (struct ends){ .role = d->role };
		return 0;
	}
	if (pkt->given)
		return inspect_ends(s);
	ends_find(pkt, d, &s->ends);
	r = source_check(pkt, &s->ends, d, is_gate);
	s->from_subnet = s->ends.sender_subnet;
	if (r == 0 && pkt->door == HG_DOOR_IN)
		neighbour_speaks(f, pkt, d);
	if (r == 0 && is_gate && inspect_is_given(s))
		return inspect_give(s);
	return r;
}

static __noinline int decide(struct frame *f, struct scratch *s, struct hg_device *d,
			     struct flow *fl)
{
	struct pkt *pkt = &s->pkt;
	struct flow *over = NULL;
	__u32 is_gate = decide_is_gate(pkt, d);
	__u16 key = pkt->key;
	int exempt, r;

	if (source_is_bad(&pkt->tuple))
		return -HG_DROP_MALFORMED;
	if (!pkt->given && exempt_anywhere(pkt)) {
		pkt->is_exempt = 1;
		return route_to_kernel(pkt);
	}
	if (is_unspecified(&pkt->tuple.saddr))
		return -HG_DROP_MALFORMED;
	r = pkt->given ? 0 : limit_judge(s, decide_would_open(pkt, fl));
	if (r == 0)
		r = decide_ends(f, s, d, is_gate);
	if (r)
		return r;
	if (is_gate && route_is_ping(s)) {
		pkt->reply = REPLY_ECHO;
		return route_to_kernel(pkt);
	}
	if (!is_gate && decide_turns(s, d, fl))
		is_gate = GATE_TURN;
	if (fl && !decide_entry(s, fl, is_gate)) {
		over = fl;
		fl = NULL;
		r = decide_over(s, over);
		if (r)
			return r;
		/* What opens anew from where a target answered is not the balancer's. */
		if (is_gate == GATE_TURN && !s->ends.dst.vip)
			is_gate = GATE_NOT;
	}
	if (fl && is_gate && !decide_load(s, fl))
		fl = NULL;
	exempt = decide_exempt(pkt, &s->ends, fl);
	if (exempt) {
		r = decide_exempt_way(s, is_gate, exempt);
		s->tracks = decide_exempt_tracks(s, is_gate);
	} else {
		r = decide_judge(f, s, d, &fl, is_gate);
	}
	decide_arrived(s, key);
	if (r == 1) /* the kernel's, by no rule */
		return route_to_kernel(pkt);
	if (r || exempt == 1)
		return r;
	/* It went past what its connection's packets go through, and leaves that as it is. */
	if (exempt && is_gate && fl) {
		if (pkt->commit)
			state_step(s, fl);
		return 0;
	}
	if (pkt->is_error)
		related_quote_out(s);
	if (over && pkt->commit)
		flow_forget(over, pkt->tuple.family);
	return decide_settle(s, fl);
}
