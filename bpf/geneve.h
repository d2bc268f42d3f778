/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* geneve: what goes around a packet to an appliance, and comes back around it.
 *
 *   Ethernet IPv4 UDP GENEVE | endpoint | attachment | cookie | the packet, without Ethernet
 *
 * In       To read: pkt, the outer packet, at a router's address; scratch->ends. To write: the frame
 *          as it would go out; scratch->wrap.
 * Out      To read: pkt, the inner packet where it lies in the frame, with ACT_UNWRAP; the frame stays as it
 *          is until it goes. To strip and to write: the frame; pkt->l3 and l4 follow. f->data is not valid after.
 * Result   0, -HG_DROP_GENEVE, a reason of parse.h about the inner packet, or -HG_DROP_INTERNAL.
 * Cost     To strip: one helper, three for IPv6; to write: two, three for IPv6.
 * Source   RFC 8926; AWS's option class.
 *
 * Large segments stay whole: the kernel cuts them, and copies what is around the first to the others. What is left to the
 * device of an inner checksum stays left, as it is found by its own offset.
 */
#include "csum.h"
#include "inspect.h"

#define GENEVE_CLASS  0x0108
#define GENEVE_LENGTH 8 /* of options, in words */
#define GENEVE_TTL    64
#define GENEVE_L3     (ETH_HLEN + GENEVE_ROOM) /* where the inner packet is */

struct geneve_option {
	__be16 class;
	__u8 type, length;
};

struct geneve {
	__u8 version_length, flags;
	__be16 protocol;
	__be32 vni;
	struct geneve_option endpoint_option;
	__be32 endpoint[2];
	struct geneve_option attachment_option;
	__be32 attachment[2];
	struct geneve_option cookie_option;
	__be32 cookie;
};
HG_SIZE(struct geneve, 40);
_Static_assert(sizeof(struct iphdr) + sizeof(struct udphdr) + sizeof(struct geneve) ==
		       GENEVE_ROOM,
	       "GENEVE_ROOM is not what goes around a packet");

static __always_inline void geneve_make(const struct hg_gwlb *g, __u32 cookie,
					__be16 protocol, struct geneve *h)
{
	*h = (struct geneve){ .version_length = GENEVE_LENGTH, .protocol = protocol };
	h->endpoint_option = (struct geneve_option){ bpf_htons(GENEVE_CLASS), 1, 2 };
	h->endpoint[0] = bpf_htonl(g->endpoint >> 32);
	h->endpoint[1] = bpf_htonl(g->endpoint);
	h->attachment_option = (struct geneve_option){ bpf_htons(GENEVE_CLASS), 2, 2 };
	h->attachment[0] = bpf_htonl(g->attachment >> 32);
	h->attachment[1] = bpf_htonl(g->attachment);
	h->cookie_option = (struct geneve_option){ bpf_htons(GENEVE_CLASS), 3, 1 };
	h->cookie = bpf_htonl(cookie);
}

/* ---- what comes back ---- */

/* Of the VPC in hand, byte for byte what was sent. Which connection's, inspect.h finds out. */
static __always_inline int geneve_admit(struct frame *f, struct scratch *s)
{
	struct pkt *pkt = &s->pkt;
	const struct {
		struct udphdr udp;
		struct geneve geneve;
	} *h = frame_at(f, pkt->l4, sizeof(*h));
	const struct hg_gwlb *g;
	struct geneve want;
	const __u32 *a, *b;

	if (!h || pkt->l3 != ETH_HLEN || pkt->l4 != ETH_HLEN + sizeof(struct iphdr) ||
	    pkt->is_tagged)
		return -HG_DROP_GENEVE;
	pkt->given_cookie = bpf_ntohl(h->geneve.cookie);
	pkt->given = pkt->given_cookie >> 20;
	g = inspect_get(pkt, pkt->given);
	if (!g || g->vpc != s->ends.vpc ||
	    (h->geneve.protocol != bpf_htons(ETH_P_IP) &&
	     h->geneve.protocol != bpf_htons(ETH_P_IPV6)))
		return -HG_DROP_GENEVE;
	geneve_make(g, pkt->given_cookie, h->geneve.protocol, &want);
	a = (const __u32 *)&h->geneve;
	b = (const __u32 *)&want;
#pragma unroll
	for (__u32 i = 0; i < sizeof(want) / 4; i++)
		if (a[i] != b[i])
			return -HG_DROP_GENEVE;
	pkt->given_by = pkt->tuple.saddr.w[0];
	pkt->tuple.family =
		h->geneve.protocol == bpf_htons(ETH_P_IP) ? HG_FAMILY_4 : HG_FAMILY_6;
	return 0;
}

/* From now on 'pkt' is the inner packet. */
static __always_inline int geneve_open(struct frame *f, struct scratch *s)
{
	struct pkt *pkt = &s->pkt;
	int r = geneve_admit(f, s);

	if (r)
		return r;
	pkt->act = ACT_UNWRAP;
	pkt->l3 = GENEVE_L3;
	pkt->frag = FRAG_NONE;
	pkt->frag_offset = pkt->frag_id = 0;
	pkt->has_key = pkt->opens = pkt->is_error = pkt->tcp_flags = 0;
	pkt->key = pkt->seq = pkt->ack = 0;
	pkt->tuple.sport = pkt->tuple.dport = 0;
	r = pkt->tuple.family == HG_FAMILY_4 ? parse_ipv4(f, pkt, GENEVE_L3)
					     : parse_ipv6(f, pkt, GENEVE_L3);
	if (r == 0)
		r = parse_l4(f, pkt);
	if (r)
		return r;
	if (pkt->kind != PKT_IP)
		return -HG_DROP_GENEVE;
	pkt->tuple.zone = HG_ZONE_INSPECT | pkt->given;
	if (pkt->frag == FRAG_ORPHAN)
		frag_find(pkt);
	return 0;
}

/* ---- frames ---- */

/* An XDP frame begins 'more' bytes earlier, its link header with it. */
static __always_inline int geneve_shift(struct frame *f, int more)
{
	struct ethhdr *eth = f->data, old;

	if (!PARSE_FITS(f, eth, sizeof(*eth)))
		return -HG_DROP_INTERNAL;
	old = *eth;
	if (bpf_xdp_adjust_head(f->ctx, -more))
		return -HG_DROP_INTERNAL;
	f->data = TARGET_XDP_DATA(f->ctx);
	f->end = TARGET_XDP_END(f->ctx);
	f->len += more;
	eth = f->data;
	if (!PARSE_FITS(f, eth, sizeof(*eth)))
		return -HG_DROP_INTERNAL;
	*eth = old;
	return 0;
}

static __always_inline int geneve_protocol(struct frame *f, __be16 protocol)
{
	return frame_store(f, ETH_HLEN - sizeof(protocol), &protocol, sizeof(protocol))
		       ? -HG_DROP_INTERNAL
		       : 0;
}

/* The kernel that takes room from a frame of IPv4 leaves it one of IPv4; until Linux 6.2 only the helper that
 * changes headers makes it one of IPv6. That one makes 20 bytes of room, so as many are taken too much. */
static __always_inline int geneve_strip6(struct frame *f)
{
	const struct ipv6hdr *in = frame_at(f, GENEVE_L3, sizeof(*in));
	const int more = sizeof(struct ipv6hdr) - sizeof(struct iphdr);
	struct ipv6hdr h;

	if (!in)
		return -HG_DROP_INTERNAL;
	h = *in;
	if (bpf_skb_adjust_room(f->ctx, -(GENEVE_ROOM + more), BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_change_proto(f->ctx, bpf_htons(ETH_P_IPV6), 0) ||
	    bpf_skb_store_bytes(f->ctx, ETH_HLEN, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM))
		return -HG_DROP_INTERNAL;
	return 0;
}

/* Off with what the appliance has around it. */
static __noinline int geneve_strip(struct frame *f, struct pkt *pkt)
{
	int is6 = pkt->tuple.family == HG_FAMILY_6, r;

	if (f->is_xdp)
		r = geneve_shift(f, -GENEVE_ROOM);
	else if (is6)
		r = geneve_strip6(f);
	else
		r = bpf_skb_adjust_room(f->ctx, -GENEVE_ROOM, BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_FIXED_GSO)
			    ? -HG_DROP_INTERNAL
			    : 0;
	if (r == 0 && is6)
		r = geneve_protocol(f, bpf_htons(ETH_P_IPV6));
	pkt->l3 -= GENEVE_ROOM;
	pkt->l4 -= GENEVE_ROOM;
	frame_reload(f);
	return r;
}

struct geneve_headers {
	struct iphdr ip;
	struct udphdr udp;
	struct geneve geneve;
};
HG_SIZE(struct geneve_headers, GENEVE_ROOM);

/* 'size' is that of the inner packet. Of large segments the lengths are those that count: the kernel
 * writes each piece's. */
static __always_inline void geneve_headers(const struct wrap *w, const struct hg_gwlb *g,
					   __u32 size, __be16 protocol,
					   struct geneve_headers *h)
{
	__u32 all = size + GENEVE_ROOM;

	h->ip = (struct iphdr){ .version = 4,
				.ihl = sizeof(h->ip) / 4,
				.tot_len = all > 0xffff ? 0 : bpf_htons(all),
				.frag_off = bpf_htons(0x4000),
				.ttl = GENEVE_TTL,
				.protocol = IPPROTO_UDP,
				.saddr = w->saddr,
				.daddr = w->daddr };
	h->ip.check = ~csum_fold(csum_add(0, &h->ip, sizeof(h->ip)));
	all -= sizeof(h->ip);
	h->udp = (struct udphdr){ .source = w->sport,
				  .dest = bpf_htons(GENEVE_PORT),
				  .len = all > 0xffff ? 0 : bpf_htons(all) };
	geneve_make(g, w->cookie, protocol, &h->geneve);
}

/* The packet as it goes out becomes one to the appliance. */
static __noinline int geneve_wrap(struct frame *f, const struct scratch *s)
{
	const struct hg_gwlb *g = inspect_get(&s->pkt, s->wrap.gwlb);
	struct geneve_headers h;
	const struct ethhdr *eth;
	const struct iphdr *ip;
	__be16 protocol;
	__u32 size;

	frame_reload(f);
	eth = f->data;
	ip = frame_at(f, ETH_HLEN, sizeof(*ip));
	if (!g || !ip || !PARSE_FITS(f, eth, sizeof(*eth)))
		return -HG_DROP_INTERNAL;
	protocol = ip->version == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	size = ip->version == 6 ? bpf_ntohs(((const struct ipv6hdr *)ip)->payload_len) +
					  sizeof(struct ipv6hdr)
				: bpf_ntohs(ip->tot_len);
	geneve_headers(&s->wrap, g, size, protocol, &h);
	if (f->is_xdp) {
		if (geneve_shift(f, GENEVE_ROOM) ||
		    bpf_xdp_store_bytes(f->ctx, ETH_HLEN, &h, sizeof(h)))
			return -HG_DROP_INTERNAL;
	} else if (bpf_skb_adjust_room(f->ctx, GENEVE_ROOM, BPF_ADJ_ROOM_MAC,
				       BPF_F_ADJ_ROOM_FIXED_GSO |
					       BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 |
					       BPF_F_ADJ_ROOM_ENCAP_L4_UDP) ||
		   bpf_skb_store_bytes(f->ctx, ETH_HLEN, &h, sizeof(h),
				       BPF_F_RECOMPUTE_CSUM)) {
		return -HG_DROP_INTERNAL;
	}
	return protocol == bpf_htons(ETH_P_IPV6) ? geneve_protocol(f, bpf_htons(ETH_P_IP))
						 : 0;
}
