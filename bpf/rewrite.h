/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* rewrite: the frame in hand, from pkt->tuple to pkt->to.
 *
 * In       pkt->act: ACT_NAT for addresses and ports, ACT_TTL for the hop limit; pkt->tuple as the
 *          packet came, pkt->to, l3, l4, frag. f->data must be valid.
 * Out      The frame, its checksums right if they were. At a TC door f->data is not valid any more;
 *          offsets are.
 * Result   0 or -HG_DROP_INTERNAL: only part of it is done, the frame must be dropped.
 * Cost     XDP: no helper. TC: one when only the hop limit changes; 2 for addresses, and one more for ports; 2
 *          more for ports of IPv6 or behind IPv4 options.
 * Source   RFC 791, RFC 768, RFC 8200 section 8.1; linux/net/core/filter.c for what the helpers do to
 *          a checksum that is not there yet.
 *
 * At a TC door a local stack may have left the checksum to the device that sends the packet: the
 * field then holds the sum of the pseudo header alone, so a changed address is added to it and a changed port is
 * not. Or the driver has summed the whole packet (CHECKSUM_COMPLETE), and that sum changes
 * where the packet's does. Only bpf_l4_csum_replace() knows which it is.
 */
#include "csum.h"
#include "parse.h"

/* What lies behind the first words of either header; in IPv4 ports follow where there are no options. */
struct rewrite_tail4 {
	__u8 ttl, protocol;
	__be16 check;
	__be32 saddr, daddr;
	__be16 sport, dport;
};
HG_SIZE(struct rewrite_tail4, 16);

struct rewrite_tail6 {
	__be16 payload_len;
	__u8 nexthdr, hop_limit;
	struct hg_addr saddr, daddr;
};
HG_SIZE(struct rewrite_tail6, 36);

#define REWRITE_TAIL4 8U
#define REWRITE_TAIL6 4U
#define REWRITE_PORTS 4U /* at the end of a tail */
#define REWRITE_TTL   4U /* size of a tail whose addresses stay */
#define REWRITE_ID    4U /* where it is in the ICMP header */

#define REWRITE_CHECK_ICMP 2U

/* What changes behind the IP header. */
struct rewrite {
	__u64 ends, ports; /* differences of their sums */
	__u8 check; /* where the checksum is in the header, 0: none in this frame */
	__u8 has_ports;
	__u8 has_id;   /* of an ICMP query */
	__u8 has_ends; /* the checksum covers the addresses, too */
	__u8 may_lack; /* a checksum of 0 is none */
	__be16 id;
};

/* Where layer 4 keeps its checksum; 0 where there is none that covers an address or a port. */
static __always_inline __u8 rewrite_check_at(__u32 family, __u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return 6;
	case IPPROTO_ICMP:
		return family == HG_FAMILY_4 ? REWRITE_CHECK_ICMP : 0;
	case IPPROTO_ICMPV6:
		return family == HG_FAMILY_6 ? REWRITE_CHECK_ICMP : 0;
	default:
		return 0;
	}
}

static __always_inline __u64 rewrite_sum_ends(const struct hg_tuple *from,
					      const struct hg_tuple *to)
{
	if (from->family == HG_FAMILY_4)
		return csum_swap(csum_swap(0, from->saddr.w[0], to->saddr.w[0]),
				 from->daddr.w[0], to->daddr.w[0]);
	return csum_swap_words(csum_swap_words(0, from->saddr.w, to->saddr.w, 4),
			       from->daddr.w, to->daddr.w, 4);
}

/* The other of a query's ports is its type and never changes: see parse_query(). */
static __always_inline __be16 rewrite_id(const struct hg_tuple *from,
					 const struct hg_tuple *to)
{
	return from->sport != to->sport ? to->sport : to->dport;
}

/* 'room' is how much of layer 4 there is. */
static __always_inline void rewrite_plan(const struct hg_tuple *from,
					 const struct hg_tuple *to, __u32 room,
					 struct rewrite *w)
{
	__u8 protocol = from->protocol;

	*w = (struct rewrite){ .ends = rewrite_sum_ends(from, to) };
	if (room < sizeof(struct udphdr))
		return;
	w->check = rewrite_check_at(from->family, protocol);
	w->may_lack = protocol == IPPROTO_UDP;
	w->has_ends = protocol != IPPROTO_ICMP;
	if (from->sport != to->sport || from->dport != to->dport) {
		w->ports = csum_swap(csum_swap(0, from->sport, to->sport), from->dport,
				     to->dport);
		w->has_ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
		w->has_id = w->check == REWRITE_CHECK_ICMP;
		w->id = rewrite_id(from, to);
	}
	if (w->check + 2U > room)
		w->check = 0;
}

/* How much of layer 4 the frame has. */
static __always_inline __u32 rewrite_room(const struct pkt *pkt)
{
	return pkt->frag == FRAG_LATER || pkt->frag == FRAG_ORPHAN ? 0 : pkt->room;
}

/* ---- XDP: in place ---- */

static __always_inline int rewrite_l4_xdp(struct frame *f, const struct pkt *pkt,
					  const struct rewrite *w)
{
	__be16 *p;

	if (w->check) {
		p = frame_at(f, pkt->l4 + w->check, 2);
		if (!p)
			return -HG_DROP_INTERNAL;
		if (*p || !w->may_lack) {
			__be16 check =
				csum_apply(*p, (w->has_ends ? w->ends : 0) + w->ports);

			*p = check || !w->may_lack ? check : 0xffff;
		}
	}
	if (w->has_ports) {
		p = frame_at(f, pkt->l4, REWRITE_PORTS);
		if (!p)
			return -HG_DROP_INTERNAL;
		p[0] = pkt->to.sport;
		p[1] = pkt->to.dport;
	} else if (w->has_id) {
		p = frame_at(f, pkt->l4 + REWRITE_ID, 2);
		if (!p)
			return -HG_DROP_INTERNAL;
		*p = w->id;
	}
	return 0;
}

/* ---- TC: by helpers ---- */

static __always_inline int rewrite_check_skb(struct frame *f, const struct pkt *pkt,
					     const struct rewrite *w)
{
	__u64 flags = w->may_lack ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 at = pkt->l4 + w->check;

	if (w->has_ends && bpf_l4_csum_replace(f->ctx, at, 0, csum_fold32(w->ends),
					       flags | BPF_F_PSEUDO_HDR))
		return -HG_DROP_INTERNAL;
	if ((w->has_ports || w->has_id) &&
	    bpf_l4_csum_replace(f->ctx, at, 0, csum_fold32(w->ports), flags))
		return -HG_DROP_INTERNAL;
	return 0;
}

/* 'has_ports': there are some to be written that did not go with the tail. */
static __always_inline int rewrite_l4_skb(struct frame *f, const struct pkt *pkt,
					  const struct rewrite *w, int has_ports)
{
	if (w->check) {
		int r = rewrite_check_skb(f, pkt, w);

		if (r)
			return r;
	}
	if (has_ports) {
		__be16 ports[2] = { pkt->to.sport, pkt->to.dport };

		if (bpf_skb_store_bytes(f->ctx, pkt->l4, ports, sizeof(ports), 0))
			return -HG_DROP_INTERNAL;
	} else if (w->has_id) {
		__be16 id = w->id;

		if (bpf_skb_store_bytes(f->ctx, pkt->l4 + REWRITE_ID, &id, sizeof(id), 0))
			return -HG_DROP_INTERNAL;
	}
	return 0;
}

/* ---- either ---- */

static __always_inline int rewrite_ipv4(struct frame *f, const struct pkt *pkt)
{
	struct rewrite_tail4 *in =
		frame_at(f, pkt->l3 + REWRITE_TAIL4, sizeof(*in) - REWRITE_PORTS);
	struct rewrite_tail4 out = {};
	struct rewrite w = {};
	__u32 size = REWRITE_TTL;
	__u64 sum = 0;
	int r;

	if (!in)
		return -HG_DROP_INTERNAL;
	out.ttl = in->ttl - !!(pkt->act & ACT_TTL);
	out.protocol = in->protocol;
	sum = csum_swap(0, *(__u16 *)in, *(__u16 *)&out);
	if (pkt->act & ACT_NAT) {
		rewrite_plan(&pkt->tuple, &pkt->to, rewrite_room(pkt), &w);
		sum += w.ends;
		out.saddr = pkt->to.saddr.w[0];
		out.daddr = pkt->to.daddr.w[0];
		out.sport = pkt->to.sport;
		out.dport = pkt->to.dport;
		size = sizeof(out) - REWRITE_PORTS;
	}
	out.check = csum_apply(in->check, sum);
	if (f->is_xdp) {
		*(__u32 *)in = *(__u32 *)&out;
		if (!(pkt->act & ACT_NAT))
			return 0;
		in->saddr = out.saddr;
		in->daddr = out.daddr;
		return rewrite_l4_xdp(f, pkt, &w);
	}
	if (w.has_ports && pkt->l4 - pkt->l3 == sizeof(struct iphdr))
		size = sizeof(out);
	r = rewrite_l4_skb(f, pkt, &w, w.has_ports && size != sizeof(out));
	if (r)
		return r;
	return bpf_skb_store_bytes(f->ctx, pkt->l3 + REWRITE_TAIL4, &out, size, 0)
		       ? -HG_DROP_INTERNAL
		       : 0;
}

/* No checksum of its own makes up for what changes in this header, so a sum of the whole packet must follow; but not
 * the ports', for which layer 4 does. */
static __always_inline int rewrite_ipv6(struct frame *f, const struct pkt *pkt)
{
	struct rewrite_tail6 *in = frame_at(f, pkt->l3 + REWRITE_TAIL6, sizeof(*in));
	struct rewrite_tail6 out = {};
	struct rewrite w = {};
	__u32 size = REWRITE_TTL;
	int r;

	if (!in)
		return -HG_DROP_INTERNAL;
	out.payload_len = in->payload_len;
	out.nexthdr = in->nexthdr;
	out.hop_limit = in->hop_limit - !!(pkt->act & ACT_TTL);
	if (pkt->act & ACT_NAT) {
		rewrite_plan(&pkt->tuple, &pkt->to, rewrite_room(pkt), &w);
		out.saddr = pkt->to.saddr;
		out.daddr = pkt->to.daddr;
		size = sizeof(out);
	}
	if (f->is_xdp) {
		in->hop_limit = out.hop_limit;
		if (!(pkt->act & ACT_NAT))
			return 0;
		in->saddr = out.saddr;
		in->daddr = out.daddr;
		return rewrite_l4_xdp(f, pkt, &w);
	}
	r = rewrite_l4_skb(f, pkt, &w, w.has_ports);
	if (r)
		return r;
	return bpf_skb_store_bytes(f->ctx, pkt->l3 + REWRITE_TAIL6, &out, size,
				   BPF_F_RECOMPUTE_CSUM)
		       ? -HG_DROP_INTERNAL
		       : 0;
}

static __noinline int rewrite_frame(struct frame *f, const struct pkt *pkt)
{
	return pkt->tuple.family == HG_FAMILY_6 ? rewrite_ipv6(f, pkt)
						: rewrite_ipv4(f, pkt);
}
