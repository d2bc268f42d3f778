/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */

/* Programs that do one thing to a frame, so that it can be looked at without rules: each reads the
 * question in 'ask', parses as the product does, and acts. */
#include "nat64.h"
#include "quote.h"
#include "reply.h"

#include "anvil_ask.h"

#define TC_ACT_SHOT 2

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct anvil_ask);
} ask SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pkt);
} packet SEC(".maps");

/* The packet in hand, parsed; NULL when it makes no sense. */
static __always_inline struct pkt *anvil_enter(struct frame *f, struct anvil_ask **ret)
{
	__u32 zero = 0;
	struct anvil_ask *a = bpf_map_lookup_elem(&ask, &zero);
	struct pkt *pkt = bpf_map_lookup_elem(&packet, &zero);

	if (!a || !pkt)
		return NULL;
	*pkt = (struct pkt){ .commit = 1, .frame_len = f->len, .is_xdp = f->is_xdp };
	a->parsed = parse(f, pkt);
	a->result = 1;
	if (a->parsed)
		return NULL;
	pkt->to = a->to;
	pkt->act = a->act;
	pkt->reply = a->reply;
	pkt->told_mtu = a->told_mtu;
	*ret = a;
	return pkt;
}

static __always_inline struct pkt *enter_skb(struct __sk_buff *skb, struct frame *f,
					     struct anvil_ask **ret)
{
	*f = (struct frame){ .data = (void *)(long)skb->data,
			     .end = (void *)(long)skb->data_end,
			     .len = skb->len,
			     .ctx = skb };
	return anvil_enter(f, ret);
}

static __always_inline struct pkt *enter_xdp(struct xdp_md *xdp, struct frame *f,
					     struct anvil_ask **ret)
{
	*f = (struct frame){ .data = (void *)(long)xdp->data,
			     .end = (void *)(long)xdp->data_end,
			     .len = bpf_xdp_get_buff_len(xdp),
			     .ctx = xdp,
			     .is_xdp = 1 };
	return anvil_enter(f, ret);
}

/* To whoever sent it. */
static __always_inline int back(struct __sk_buff *skb)
{
	return bpf_redirect(skb->ifindex, 0);
}

SEC("tc")
int rewrite_tc(struct __sk_buff *skb)
{
	struct anvil_ask *a;
	struct frame f;
	struct pkt *pkt = enter_skb(skb, &f, &a);

	if (!pkt)
		return 0;
	a->result = rewrite_frame(&f, pkt);
	a->csum = bpf_csum_update(skb, 0);
	return back(skb);
}

SEC("xdp")
int rewrite_xdp(struct xdp_md *xdp)
{
	struct anvil_ask *a;
	struct frame f;
	struct pkt *pkt = enter_xdp(xdp, &f, &a);

	if (pkt)
		a->result = rewrite_frame(&f, pkt);
	return XDP_PASS;
}

SEC("tc")
int quote_tc(struct __sk_buff *skb)
{
	struct anvil_ask *a;
	struct frame f;
	struct pkt *pkt = enter_skb(skb, &f, &a);

	if (pkt)
		a->result = quote_frame(&f, pkt, &a->quoted, &a->unquoted);
	return back(skb);
}

SEC("xdp")
int quote_xdp(struct xdp_md *xdp)
{
	struct anvil_ask *a;
	struct frame f;
	struct pkt *pkt = enter_xdp(xdp, &f, &a);

	if (pkt)
		a->result = quote_frame(&f, pkt, &a->quoted, &a->unquoted);
	return XDP_PASS;
}

SEC("tc")
int reply_tc(struct __sk_buff *skb)
{
	struct anvil_ask *a;
	struct frame f;
	struct pkt *pkt = enter_skb(skb, &f, &a);

	if (!pkt)
		return TC_ACT_SHOT;
	pkt->now = a->now;
	a->result = reply_frame(&f, pkt, &a->source);
	a->csum = bpf_csum_update(skb, 0);
	return a->result ? back(skb) : TC_ACT_SHOT;
}

SEC("tc")
int nat64_tc(struct __sk_buff *skb)
{
	struct anvil_ask *a;
	struct frame f;
	struct pkt *pkt = enter_skb(skb, &f, &a);

	if (!pkt)
		return TC_ACT_SHOT;
	a->result = nat64_frame(&f, pkt);
	a->csum = bpf_csum_update(skb, 0);
	return a->result ? TC_ACT_SHOT : back(skb);
}

SEC("tc")
int nat64_error_tc(struct __sk_buff *skb)
{
	struct anvil_ask *a;
	struct frame f;
	struct pkt *pkt = enter_skb(skb, &f, &a);

	if (!pkt)
		return TC_ACT_SHOT;
	a->result = nat64_error(&f, pkt, &a->quoted, &a->unquoted);
	a->csum = bpf_csum_update(skb, 0);
	return a->result ? TC_ACT_SHOT : back(skb);
}
