/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */

/* The programs. Each is a door; behind it lies one pipeline:
 *
 *   parse -> find the flow -> decide (only if it does not answer) -> account -> out
 */
#include "pipeline.h"
#include "reply.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TC_ACT_OK      0
#define TC_ACT_SHOT    2
#define AF_INET        2
#define AF_INET6       10
#define HEADERS_LINEAR 192 /* enough for any header, and the quote of an ICMP error */

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

static __always_inline int parse_skb(struct __sk_buff *skb, struct frame *f,
				     struct pkt *pkt)
{
	int r;

	frame_from_skb(skb, f);
	pkt->segs = skb->gso_segs > 1 ? skb->gso_segs : 1;
	pkt->gso_size = skb->gso_size;
	pkt->is_tagged = skb->vlan_present;
	r = pipeline_parse(f, pkt);
	/* Headers that lie in fragments of the buffer are pulled once, and parsed again. */
	if ((pkt->is_cut || pkt->is_error) && f->data + f->len > f->end) {
		__u32 want = skb->len < HEADERS_LINEAR ? skb->len : HEADERS_LINEAR;

		if (bpf_skb_pull_data(skb, want))
			return -HG_DROP_MALFORMED;
		frame_from_skb(skb, f);
		pkt->tuple = (struct hg_tuple){};
		pkt->is_cut = pkt->is_error = 0;
		r = pipeline_parse(f, pkt);
	}
	return r;
}

/* The frame becomes what its sender is told. 0: nothing is. */
static __noinline int tell_skb(struct frame *f, struct scratch *s)
{
	struct hg_addr source;

	frame_reload(f);
	pipeline_speaker(s, &source);
	return reply_frame(f, &s->pkt, &source) == 1;
}

static __always_inline int judge_skb(struct __sk_buff *skb, struct frame *f,
				     struct scratch *s, int is_in, int *ret_answer)
{
	struct pkt *pkt = &s->pkt;
	int r;

	r = parse_skb(skb, f, pkt);
	r = pipeline_judge(f, s, r, ret_answer);
	/* Only what comes in is forwarded. */
	if (is_in && r == 0 && pkt->act) {
		frame_from_skb(skb, f);
		r = pipeline_rewrite(f, s);
	}
	if (is_in && pkt->reply) {
		*ret_answer = tell_skb(f, s);
		pkt->is_told = r && *ret_answer;
		/* A ping. */
		if (r == 0 && !*ret_answer)
			r = -HG_DROP_INTERNAL;
	}
	return account(pkt, r, *ret_answer);
}

/* To a neighbour whose MAC the kernel has to ask for. */
static __noinline int resolve_skb(const struct pkt *pkt)
{
	const struct hg_device *d = image_device(pkt, pkt->out);
	struct bpf_redir_neigh via = { .nh_family = AF_INET };

	if (!d)
		return TC_ACT_SHOT;
	if ((pkt->act & ACT_NAT ? pkt->to.family : pkt->tuple.family) == HG_FAMILY_6) {
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
		int is_peer = d->flags & HG_HOP_PEER;

		__builtin_memcpy(macs, d->mac.byte, 6);
		__builtin_memcpy(macs + 6, d->smac, 6);
		if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0))
			return TC_ACT_SHOT;
		if (is_peer) {
			if (skb->pkt_type)
				bpf_skb_change_type(skb, 0);
			return bpf_redirect_peer(ifindex, 0);
		}
	} else if (d->flags & HG_HOP_PEER) {
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
	int is_answer = 0, r;

	if (!s)
		return TC_ACT_OK;
	r = judge_skb(skb, &f, s, 1, &is_answer);
	if (is_answer) {
		mark_set(skb);
		return bpf_redirect(skb->ifindex, 0);
	}
	if (r)
		return TC_ACT_SHOT;
	if (s->pkt.hop)
		return switch_skb(skb, &s->pkt);
	return s->pkt.out ? resolve_skb(&s->pkt) : TC_ACT_OK;
}

static __always_inline int door_out(struct __sk_buff *skb)
{
	struct frame f = {};
	struct scratch *s;
	int is_answer = 0;

	if (mark_take(skb))
		return TC_ACT_OK;
	s = pipeline_enter(HG_DOOR_OUT, 1);
	if (!s)
		return TC_ACT_OK;
	return judge_skb(skb, &f, s, 0, &is_answer) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int hg_out(struct __sk_buff *skb)
{
	return door_out(skb);
}

static __always_inline int door_xdp(struct xdp_md *xdp)
{
	struct frame f = { .data = (void *)(long)xdp->data,
			   .end = (void *)(long)xdp->data_end,
			   .ifindex = xdp->ingress_ifindex,
			   .ctx = xdp,
			   .is_xdp = 1 };
	struct scratch *s = pipeline_enter(HG_DOOR_IN, 1);
	const struct hg_hop *d;
	struct ethhdr *eth;
	int is_answer = 0, r;

	if (!s)
		return XDP_PASS;
	f.len = bpf_xdp_get_buff_len(xdp);
	r = pipeline_parse(&f, &s->pkt);
	r = pipeline_judge(&f, s, r, &is_answer);
	if (s->pkt.is_punted)
		return XDP_PASS;
	if (r == 0 && s->pkt.act)
		r = pipeline_rewrite(&f, s);
	if (account(&s->pkt, r, is_answer))
		return XDP_DROP;
	/* Not XDP_TX: veth does not wake a receiver without a program of its own for that. */
	if (is_answer)
		return bpf_redirect(xdp->ingress_ifindex, 0);
	if (!s->pkt.hop)
		return XDP_PASS;
	d = hop_get(s->pkt.hop);
	eth = (void *)(long)xdp->data;
	if (!d || (void *)(eth + 1) > (void *)(long)xdp->data_end)
		return XDP_DROP;
	__builtin_memcpy(eth->h_dest, d->mac.byte, 6);
	__builtin_memcpy(eth->h_source, d->smac, 6);
	return bpf_redirect(d->ifindex, 0);
}

SEC("xdp.frags")
int hg_xdp(struct xdp_md *xdp)
{
	return door_xdp(xdp);
}

/* Judges the frame in hand as hg_trace asks, and commits nothing. */
SEC("tc")
int hg_explain(struct __sk_buff *skb)
{
	struct scratch *s = pipeline_enter(HG_DOOR_IN, 0);
	struct frame f = {};
	struct hg_trace *t;
	__u32 zero = 0;
	int is_answer = 0, r;

	t = bpf_map_lookup_elem(&hg_trace, &zero);
	if (!t || !s)
		return TC_ACT_OK;
	if (bpf_skb_pull_data(skb, skb->len))
		return TC_ACT_SHOT;
	frame_from_skb(skb, &f);
	r = pipeline_explain(&f, s, t, &is_answer);
	return r ? TC_ACT_SHOT : TC_ACT_OK;
}

/* What the agent measures HZ with. */
SEC("tc")
int hg_clock(struct __sk_buff *skb)
{
	return clock_ticks(0) & 0x7fffffff;
}
