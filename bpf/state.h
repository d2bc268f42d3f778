/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* state: what a packet does to its connection.
 *
 * In       pkt->tcp_flags, seq, ack; the entry and its pair; the ends, for timeouts.
 * Out      The entry's and the pair's life, seen, counters.
 * Cost     Settled connections (flow_is_settled): a store and two atomic adds. A step
 *          writes the pair's line too; a TCP connection has five or six of them.
 * Source   RFC 9293 section 3.6; timers: docs/semantics.md section 5.
 */
#include "gate.h"
#include "scratch.h"
#include "source.h"

/* States in which a packet of the opener's, or of the other, direction changes nothing. */
#define STATE_SETTLED                                              \
	(1U << HG_STATE_ESTABLISHED | 1U << HG_STATE_CLOSING |     \
	 1U << HG_STATE_UDP_STREAM | 1U << HG_STATE_ICMP_REPLIED | \
	 1U << HG_STATE_OTHER_REPLIED)
#define STATE_SETTLED_ORIGINAL                                           \
	(STATE_SETTLED | 1U << HG_STATE_UDP | 1U << HG_STATE_UDP_AGAIN | \
	 1U << HG_STATE_ICMP | 1U << HG_STATE_OTHER)
#define STATE_SETTLED_REPLY (STATE_SETTLED | 1U << HG_STATE_UDP_REPLIED)

static __always_inline int state_is_settled(const struct pkt *pkt, __u32 life)
{
	__u32 settled = HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL ? STATE_SETTLED_ORIGINAL
							       : STATE_SETTLED_REPLY;

	return settled >> HG_LIFE_STATE(life) & 1 &&
	       !(pkt->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

/* Half-open and closing TCP. */
static __always_inline int state_is_brief(__u32 state)
{
	return state == HG_STATE_SYN_SENT || state == HG_STATE_SYN_RECV ||
	       state == HG_STATE_CLOSING;
}

/* Seconds that a connection of 'flags' lives on in 'state': the smaller of its tracking
 * ends' where interfaces have their own; a balancer's clock is the only one. */
static __always_inline __u32 state_timeout(const struct pkt *pkt, const struct ends *e,
					   __u32 flags, __u32 state)
{
	__u32 timeout = header_timeout(pkt, state), least = ~0U;

	if (e->idle && !state_is_brief(state))
		least = e->idle;
	if (e->is_alone)
		return least == ~0U ? timeout : least;
	if (state != HG_STATE_ESTABLISHED &&
	    (state < HG_STATE_UDP || state > HG_STATE_UDP_STREAM)) {
		/* A NAT gateway may be the only end that keeps state. */
		int is_declared = (e->sender && flags & HG_FLOW_TRACK_SRC) ||
				  (e->receiver && flags & HG_FLOW_TRACK_DST);

		return least == ~0U || (is_declared && timeout < least) ? timeout : least;
	}
#pragma unroll
	for (int i = 0; i < 2; i++) {
		const struct hg_interface *at =
			image_interface(pkt, i ? e->receiver : e->sender);
		__u32 own;

		if (!at || !(flags & (i ? HG_FLOW_TRACK_DST : HG_FLOW_TRACK_SRC)))
			continue;
		own = state == HG_STATE_ESTABLISHED  ? at->tcp_established
		      : state == HG_STATE_UDP_STREAM ? at->udp_stream
						     : at->udp;
		if (own < least)
			least = own;
	}
	return least != ~0U ? least : timeout;
}

static __always_inline __u32 state_first(const struct pkt *pkt)
{
	switch (pkt->tuple.protocol) {
	case IPPROTO_TCP:
		return pkt->tcp_flags & TCP_SYN ? HG_STATE_SYN_SENT
						: HG_STATE_ESTABLISHED;
	case IPPROTO_UDP:
		return HG_STATE_UDP;
	}
	return is_icmp(pkt) ? HG_STATE_ICMP : HG_STATE_OTHER;
}

static __always_inline void state_touch(const struct pkt *pkt, struct flow *fl)
{
	__u32 seen = HG_SEEN(pkt->tcp_flags);

	WRITE_ONCE(fl->state.seen, pkt->now);
	__sync_fetch_and_add(&fl->state.packets, pkt->segs);
	__sync_fetch_and_add(&fl->state.bytes, pkt->len);
	if (seen & ~HG_PATH_SEEN(fl->state.path))
		__sync_fetch_and_or(&fl->state.path, seen << HG_PATH_SEEN_SHIFT);
}

/* A target refuses. Lost when nobody has read the last 2,730 such. */
static __always_inline void state_refused(const struct pkt *pkt)
{
	struct hg_refusal r = { .target = pkt->tuple.saddr,
				.port = pkt->tuple.sport,
				.protocol = pkt->tuple.protocol,
				.family = pkt->tuple.family,
				.meter = pkt->meter };

	bpf_ringbuf_output(&hg_refusals, &r, sizeof(r), 0);
}

/* The handshake: which ACK number will complete it is kept in the opener's 'created'. */
static __always_inline __u32 state_tcp(const struct pkt *pkt, struct flow *fl,
				       struct flow *pair, __u32 life)
{
	__u32 state = HG_LIFE_STATE(life);
	int is_opener = HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL;

	if (pkt->tcp_flags & TCP_RST) {
		if (!is_opener && state == HG_STATE_SYN_SENT &&
		    pkt->meter >= HG_METER_BALANCER)
			state_refused(pkt);
		return HG_STATE_CLOSING;
	}
	if (!is_opener && (state == HG_STATE_SYN_SENT || state == HG_STATE_SYN_RECV) &&
	    (pkt->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
		if (pair)
			pair->created = pkt->seq + 1;
		state = HG_STATE_SYN_RECV;
	} else if (is_opener && state == HG_STATE_SYN_RECV && pkt->tcp_flags & TCP_ACK &&
		   !(pkt->tcp_flags & TCP_SYN) && pkt->ack == fl->created) {
		fl->created = pkt->now;
		if (pair)
			pair->created = pkt->now;
		state = HG_STATE_ESTABLISHED;
		account_established(pkt);
		gate_established(pkt);
	}
	if (pkt->tcp_flags & TCP_FIN && state != HG_STATE_CLOSING) {
		/* Each side sets its own mark, then looks for the other's: an atomic
		 * exchange is a full barrier, so one of two CPUs sees both. */
		__sync_fetch_and_or(&fl->state.life, HG_FLOW_FIN << 24);
		if (pair && HG_LIFE_FLAGS(READ_ONCE(pair->state.life)) & HG_FLOW_FIN)
			state = HG_STATE_CLOSING;
	}
	return state;
}

static __always_inline __u32 state_next(const struct pkt *pkt, struct flow *fl,
					struct flow *pair, __u32 life)
{
	__u32 state = HG_LIFE_STATE(life);
	int is_opener = HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL;

	if (pkt->tuple.protocol == IPPROTO_TCP)
		return state_tcp(pkt, fl, pair, life);
	switch (state) {
	case HG_STATE_UDP:
		return is_opener ? state : HG_STATE_UDP_REPLIED;
	case HG_STATE_UDP_REPLIED:
		return is_opener ? HG_STATE_UDP_AGAIN : state;
	case HG_STATE_UDP_AGAIN:
		return is_opener ? state : HG_STATE_UDP_STREAM;
	case HG_STATE_ICMP:
		return is_opener ? state : HG_STATE_ICMP_REPLIED;
	case HG_STATE_OTHER:
		return is_opener ? state : HG_STATE_OTHER_REPLIED;
	}
	return state;
}

/* One try: whoever changed the word meanwhile has stepped it, and the next packet will. */
static __always_inline void state_set(struct flow *fl, __u32 timeout, __u32 state)
{
	__u32 life = READ_ONCE(fl->state.life);

	__sync_val_compare_and_swap(&fl->state.life, life,
				    HG_LIFE(timeout, state, HG_LIFE_FLAGS(life)));
}

/* A packet that passed, of a connection that may change by it or was just judged again. */
HG_GLOBAL int state_step(const struct scratch *s, struct flow *fl)
{
	__u32 life, state, timeout;
	struct flow *pair;

	if (!s || !fl)
		return 0;
	pair = flow_pair(fl, s->pkt.tuple.family);
	life = READ_ONCE(fl->state.life);
	state = state_next(&s->pkt, fl, pair, life);
	timeout = state_timeout(&s->pkt, &s->ends, HG_LIFE_FLAGS(life), state);
	if (state != HG_LIFE_STATE(life) || timeout != HG_LIFE_TIMEOUT(life)) {
		state_set(fl, timeout, state);
		if (pair)
			state_set(pair, timeout, state);
	}
	state_touch(&s->pkt, fl);
	return 0;
}
