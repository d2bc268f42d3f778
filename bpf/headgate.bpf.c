/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */

/* The programs. Each is a door; behind it lies one pipeline:
 *
 *   parse -> find the flow -> decide (only if it does not answer) -> account -> out
 *
 * The door's own program has what a settled flow needs; next.h has the others.
 */
#include "challenge.h"
#include "next.h"
#include "pipeline.h"
#include "reply.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TC_ACT_OK      0
#define TC_ACT_SHOT    2
#define AF_INET        2
#define AF_INET6       10
#define HEADERS_LINEAR 192 /* enough for any header, and the quote of an ICMP error */
#define HEADERS_GIVEN  (HEADERS_LINEAR + GENEVE_ROOM)

/* A frame that this host's programs have switched to a port, or answered, meets the out
 * door there; the mark says that it was judged and counted already. qdisc_skb_cb holds
 * what other layers left there, so the mark is as long as a secret. */
static __always_inline void mark_set(struct __sk_buff *skb)
{
	skb->cb[0] = (__u32)hg_seed[2];
	skb->cb[1] = (__u32)(hg_seed[2] >> 32);
	skb->cb[2] = (__u32)hg_seed[3];
}

static __always_inline int mark_take(struct __sk_buff *skb)
{
	if (skb->cb[0] != (__u32)hg_seed[2] || skb->cb[1] != (__u32)(hg_seed[2] >> 32) ||
	    skb->cb[2] != (__u32)hg_seed[3])
		return 0;
	skb->cb[0] = 0;
	skb->cb[1] = 0;
	skb->cb[2] = 0;
	return 1;
}

static __always_inline void frame_from_skb(struct __sk_buff *skb, struct frame *f)
{
	f->data = (void *)(long)skb->data;
	f->end = (void *)(long)skb->data_end;
	f->len = skb->len;
	f->ifindex = skb->ifindex;
	f->ctx = skb;
	f->is_xdp = 0;
}

static __always_inline void frame_from_xdp(struct xdp_md *xdp, struct frame *f)
{
	f->data = (void *)(long)xdp->data;
	f->end = (void *)(long)xdp->data_end;
	f->len = bpf_xdp_get_buff_len(xdp);
	f->ifindex = xdp->ingress_ifindex;
	f->ctx = xdp;
	f->is_xdp = 1;
}

/* ---- TC ---- */

/* Headers that lie in fragments of the buffer are pulled once; then 'again', the program,
 * meets the frame from its start. */
static __always_inline int meet_skb(struct __sk_buff *skb, struct frame *f,
				    struct scratch *s, const __u32 again)
{
	__u32 want = skb->len < HEADERS_LINEAR ? skb->len : HEADERS_LINEAR;
	struct pkt *pkt = &s->pkt;
	int r;

	frame_from_skb(skb, f);
	pkt->segs = skb->gso_segs > 1 ? skb->gso_segs : 1;
	pkt->gso_size = skb->gso_size;
	pkt->is_tagged = skb->vlan_present;
	r = pipeline_parse(f, pkt);
	if ((pkt->is_cut || pkt->is_error) && f->data + want > f->end) {
		r = -HG_DROP_MALFORMED;
		if (!bpf_skb_pull_data(skb, want)) {
			bpf_tail_call_static(skb, &hg_next_tc, again);
			r = -HG_DROP_INTERNAL;
		}
		frame_from_skb(skb, f);
	}
	return pipeline_arrive(f, s, r);
}

/* The frame becomes what its sender is told. 0: nothing is. */
static __noinline int tell_skb(struct frame *f, struct scratch *s)
{
	struct hg_addr source;

	frame_reload(f);
	pipeline_speaker(s, &source);
	return reply_frame(f, &s->pkt, &source) == 1;
}

/* To a neighbour whose MAC the kernel has to ask for. */
static __noinline int resolve_skb(const struct pkt *pkt)
{
	const struct hg_device *d = image_device(pkt, pkt->out);
	struct bpf_redir_neigh via = { .nh_family = AF_INET };

	if (!d)
		return TC_ACT_SHOT;
	if (!(pkt->act & ACT_WRAP) &&
	    (pkt->act & ACT_NAT ? pkt->to.family : pkt->tuple.family) == HG_FAMILY_6) {
		via.nh_family = AF_INET6;
		__builtin_memcpy(via.ipv6_nh, pkt->via.w, sizeof(via.ipv6_nh));
	} else {
		via.ipv4_nh = pkt->via.w[0];
	}
	return bpf_redirect_neigh(d->ifindex, &via, sizeof(via), 0);
}

/* To the neighbour that pkt->hop names. */
static __noinline int switch_skb(struct __sk_buff *skb, const struct pkt *pkt)
{
	const struct hg_hop *d = hop_get(pkt->hop);
	__u8 macs[12];
	__u32 ifindex;

	if (!d)
		return TC_ACT_SHOT;
	ifindex = d->ifindex;
	if (hop_state(d->mac.word) == HG_HOP_RESOLVED) {
		/* A device leaves no sums and segments for an appliance to finish. */
		int is_peer = d->flags & HG_HOP_PEER && !(pkt->act & ACT_WRAP);

		__builtin_memcpy(macs, d->mac.byte, 6);
		__builtin_memcpy(macs + 6, d->smac, 6);
		if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0))
			return TC_ACT_SHOT;
		if (is_peer) {
			if (skb->pkt_type)
				bpf_skb_change_type(skb, 0);
			return bpf_redirect_peer(ifindex, 0);
		}
	} else if (d->flags & HG_HOP_PEER && !(pkt->act & ACT_WRAP)) {
		/* The other end takes what is said to be for it. */
		if (skb->pkt_type)
			bpf_skb_change_type(skb, 0);
		return bpf_redirect_peer(ifindex, 0);
	}
	mark_set(skb);
	return bpf_redirect(ifindex, 0);
}

SEC("tc")
int hg_in(struct __sk_buff *skb)
{
	struct scratch *s = pipeline_enter(HG_DOOR_IN, 1);
	struct frame f = {};
	int r;

	if (!s)
		return TC_ACT_OK;
	r = meet_skb(skb, &f, s, NEXT_IN);
	if (r == PIPELINE_OPEN) {
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_IN_DECIDE);
		r = -HG_DROP_INTERNAL;
	}
	if (r == 0 && s->pkt.act & ACT_FAMILY) {
		s->result = s->is_answer = 0;
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_IN_LEAVE);
		r = -HG_DROP_INTERNAL;
	}
	/* Only what comes in is forwarded. */
	if (r == 0 && s->pkt.act)
		r = rewrite_frame(&f, &s->pkt);
	if (account(&s->pkt, r, 0))
		return TC_ACT_SHOT;
	return s->pkt.hop ? switch_skb(skb, &s->pkt) : TC_ACT_OK;
}

/* The frame is as it goes. */
static __always_inline int leave_skb(struct __sk_buff *skb, struct scratch *s, int r)
{
	struct pkt *pkt = &s->pkt;

	r = account(pkt, r, s->is_answer);
	if (s->is_answer) {
		mark_set(skb);
		return bpf_redirect(skb->ifindex, 0);
	}
	if (r)
		return TC_ACT_SHOT;
	if (pkt->hop)
		return switch_skb(skb, pkt);
	return pkt->out ? resolve_skb(pkt) : TC_ACT_OK;
}

SEC("tc")
int hg_in_decide(struct __sk_buff *skb)
{
	struct scratch *s = scratch_get(1);
	struct frame f;
	int r;

	if (!s)
		return TC_ACT_SHOT;
	frame_from_skb(skb, &f);
	s->is_answer = 0;
	r = pipeline_decide(&f, s, &s->is_answer);
	if (r == PIPELINE_GIVEN) {
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_IN_GIVEN);
		r = -HG_DROP_INTERNAL;
	}
	if (pipeline_makes(s, r)) {
		s->result = r;
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_IN_LEAVE);
		r = -HG_DROP_INTERNAL;
	}
	return leave_skb(skb, s, r);
}

/* Headers within headers may lie in fragments of the buffer. */
static __always_inline int given_skb(struct __sk_buff *skb, struct scratch *s)
{
	__u32 want = skb->len < HEADERS_GIVEN ? skb->len : HEADERS_GIVEN;
	struct frame f;

	frame_from_skb(skb, &f);
	if (f.data + want > f.end && bpf_skb_pull_data(skb, want))
		return -HG_DROP_MALFORMED;
	frame_from_skb(skb, &f);
	return pipeline_given(&f, s);
}

SEC("tc")
int hg_in_given(struct __sk_buff *skb)
{
	struct scratch *s = scratch_get(1);
	int r;

	if (!s)
		return TC_ACT_SHOT;
	r = given_skb(skb, s);
	if (r == 0) {
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_IN_DECIDE);
		r = -HG_DROP_INTERNAL;
	}
	return leave_skb(skb, s, r);
}

SEC("tc")
int hg_in_leave(struct __sk_buff *skb)
{
	struct scratch *s = scratch_get(1);
	struct frame f;
	struct pkt *pkt;
	int r;

	if (!s)
		return TC_ACT_SHOT;
	pkt = &s->pkt;
	r = s->result;
	frame_from_skb(skb, &f);
	if (r == 0 && pkt->act)
		r = pipeline_rewrite(&f, s);
	if (pkt->reply) {
		s->is_answer = tell_skb(&f, s);
		pkt->is_told = r && s->is_answer;
		/* A ping. */
		if (r == 0 && !s->is_answer)
			r = -HG_DROP_INTERNAL;
	}
	return leave_skb(skb, s, r);
}

static __always_inline int door_out(struct __sk_buff *skb, const __u32 again)
{
	struct frame f = {};
	struct scratch *s;
	int r;

	if (mark_take(skb))
		return TC_ACT_OK;
	s = pipeline_enter(HG_DOOR_OUT, 1);
	if (!s)
		return TC_ACT_OK;
	r = meet_skb(skb, &f, s, again);
	if (r == PIPELINE_OPEN) {
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_OUT_DECIDE);
		r = -HG_DROP_INTERNAL;
	}
	return account(&s->pkt, r, 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int hg_out(struct __sk_buff *skb)
{
	return door_out(skb, NEXT_OUT);
}

SEC("tc")
int hg_out_decide(struct __sk_buff *skb)
{
	struct scratch *s = scratch_get(1);
	struct frame f;
	int r;

	if (!s)
		return TC_ACT_SHOT;
	frame_from_skb(skb, &f);
	s->is_answer = 0;
	r = pipeline_decide(&f, s, &s->is_answer);
	return account(&s->pkt, r, s->is_answer) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* ---- XDP ---- */

static __always_inline int leave_xdp(struct xdp_md *xdp, const struct pkt *pkt, int r,
				     int is_answer)
{
	struct ethhdr *eth = (void *)(long)xdp->data;
	const struct hg_hop *d;

	r = account(pkt, r, is_answer);
	/* Not XDP_TX: veth does not wake a receiver without a program of its own for that. */
	if (is_answer) {
		__u32 back = pkt->ifindex;

		/* Or one load serves for this redirection and the next. */
		VERIFIER_KEEP(back);
		return bpf_redirect(back, 0);
	}
	if (r)
		return XDP_DROP;
	if (!pkt->hop)
		return XDP_PASS;
	d = hop_get(pkt->hop);
	if (!d || (void *)(eth + 1) > (void *)(long)xdp->data_end)
		return XDP_DROP;
	__builtin_memcpy(eth->h_dest, d->mac.byte, 6);
	__builtin_memcpy(eth->h_source, d->smac, 6);
	return bpf_redirect(d->ifindex, 0);
}

static __always_inline int door_xdp(struct xdp_md *xdp)
{
	struct scratch *s = pipeline_enter(HG_DOOR_IN, 1);
	struct frame f;
	int r;

	if (!s)
		return XDP_PASS;
	frame_from_xdp(xdp, &f);
	r = pipeline_arrive(&f, s, pipeline_parse(&f, &s->pkt));
	if (s->pkt.is_punted)
		return XDP_PASS;
	if (r == PIPELINE_OPEN) {
		bpf_tail_call_static(xdp, &hg_next_xdp, NEXT_XDP_DECIDE);
		r = -HG_DROP_INTERNAL;
	}
	if (r == 0 && s->pkt.act & ACT_FAMILY)
		r = -HG_DROP_INTERNAL;
	if (r == 0 && s->pkt.act)
		r = rewrite_frame(&f, &s->pkt);
	return leave_xdp(xdp, &s->pkt, r, 0);
}

SEC("xdp.frags")
int hg_xdp(struct xdp_md *xdp)
{
	return door_xdp(xdp);
}

SEC("xdp.frags")
int hg_xdp_decide(struct xdp_md *xdp)
{
	struct scratch *s = scratch_get(1);
	struct frame f;
	int r;

	if (!s)
		return XDP_DROP;
	frame_from_xdp(xdp, &f);
	s->is_answer = 0;
	r = pipeline_decide(&f, s, &s->is_answer);
	if (s->pkt.is_punted)
		return XDP_PASS;
	if (r == PIPELINE_GIVEN) {
		bpf_tail_call_static(xdp, &hg_next_xdp, NEXT_XDP_GIVEN);
		r = -HG_DROP_INTERNAL;
	}
	if (s->pkt.reply == REPLY_CHALLENGE || (r == 0 && s->pkt.act)) {
		s->result = r;
		bpf_tail_call_static(xdp, &hg_next_xdp, NEXT_XDP_LEAVE);
		r = -HG_DROP_INTERNAL;
	}
	return leave_xdp(xdp, &s->pkt, r, s->is_answer);
}

SEC("xdp.frags")
int hg_xdp_given(struct xdp_md *xdp)
{
	struct scratch *s = scratch_get(1);
	struct frame f;
	int r;

	if (!s)
		return XDP_DROP;
	frame_from_xdp(xdp, &f);
	r = pipeline_given(&f, s);
	if (r == 0) {
		bpf_tail_call_static(xdp, &hg_next_xdp, NEXT_XDP_DECIDE);
		r = -HG_DROP_INTERNAL;
	}
	return leave_xdp(xdp, &s->pkt, r, 0);
}

/* What was decided to pass, or to be answered. */
SEC("xdp.frags")
int hg_xdp_leave(struct xdp_md *xdp)
{
	struct scratch *s = scratch_get(1);
	struct frame f;

	if (!s)
		return XDP_DROP;
	if (s->pkt.reply == REPLY_CHALLENGE) {
		s->pkt.is_told = challenge_frame(xdp, &s->pkt);
		return leave_xdp(xdp, &s->pkt, s->result, s->pkt.is_told);
	}
	frame_from_xdp(xdp, &f);
	return leave_xdp(xdp, &s->pkt, pipeline_rewrite(&f, s), 0);
}

/* ---- what the agent runs ---- */

/* Judges the frame in hand as hg_trace asks, and commits nothing. */
SEC("tc")
int hg_explain(struct __sk_buff *skb)
{
	struct scratch *s = pipeline_enter(HG_DOOR_IN, 0);
	struct frame f = {};
	struct hg_trace *t;
	__u32 zero = 0;
	int r;

	t = bpf_map_lookup_elem(&hg_trace, &zero);
	if (!t || !s)
		return TC_ACT_OK;
	if (bpf_skb_pull_data(skb, skb->len))
		return TC_ACT_SHOT;
	frame_from_skb(skb, &f);
	r = pipeline_ask(&f, s, t);
	if (r == PIPELINE_OPEN) {
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_EXPLAIN_DECIDE);
		r = -HG_DROP_INTERNAL;
	}
	return pipeline_explain(s, t, r) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int hg_explain_decide(struct __sk_buff *skb)
{
	struct scratch *s = scratch_get(0);
	struct hg_trace *t;
	__u32 zero = 0;
	struct frame f;
	int r;

	t = bpf_map_lookup_elem(&hg_trace, &zero);
	if (!t || !s)
		return TC_ACT_SHOT;
	frame_from_skb(skb, &f);
	r = pipeline_decide(&f, s, &s->is_answer);
	if (r == PIPELINE_GIVEN) {
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_EXPLAIN_GIVEN);
		r = -HG_DROP_INTERNAL;
	}
	return pipeline_explain(s, t, r) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int hg_explain_given(struct __sk_buff *skb)
{
	struct scratch *s = scratch_get(0);
	struct hg_trace *t;
	__u32 zero = 0;
	int r;

	t = bpf_map_lookup_elem(&hg_trace, &zero);
	if (!t || !s)
		return TC_ACT_SHOT;
	r = given_skb(skb, s);
	if (r == 0) {
		bpf_tail_call_static(skb, &hg_next_tc, NEXT_EXPLAIN_DECIDE);
		r = -HG_DROP_INTERNAL;
	}
	return pipeline_explain(s, t, r) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* What the agent measures HZ with. */
SEC("tc")
int hg_clock(struct __sk_buff *skb)
{
	return clock_ticks(0) & 0x7fffffff;
}
