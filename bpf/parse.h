/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* parse: bytes to pkt->tuple.
 *
 * In       struct frame: what can be read, and how long the frame is.
 * Out      pkt->kind, tuple, key, l3, l4, len, tcp_flags, seq, ack, frag, frag_id,
 *          has_key, opens, is_error; offsets, never pointers.
 * Result   0, -HG_DROP_MALFORMED, -HG_DROP_UNSUPPORTED or -HG_DROP_FRAGMENT. pkt->is_cut
 *          says that the readable bytes ended before the frame did.
 * Cost     3 to 5 ns; at most two tags and eight extension headers.
 */
#include "pkt.h"
#include "target.h"
#include "verifier.h"
#include "wire.h"

/* 'size' bytes at 'p' can be read. */
#define PARSE_FITS(f, p, size) ((void *)(p) + (size) <= (f)->end)

#define PARSE_MAX_OFFSET 0x7fff /* the verifier follows packet offsets below 64 KiB */

/* 'size' bytes at offset 'off', NULL when they cannot be read. */
static __always_inline void *frame_at(const struct frame *f, __u32 off, __u32 size)
{
	void *p;

	if (off > PARSE_MAX_OFFSET)
		return NULL;
	VERIFIER_KEEP(off);
	p = f->data + (off & PARSE_MAX_OFFSET);
	return PARSE_FITS(f, p, size) ? p : NULL;
}

/* Makes f->data valid again, after helpers have moved what it points to. */
static __always_inline void frame_reload(struct frame *f)
{
	if (f->is_xdp)
		return;
	f->data = TARGET_DATA(f->ctx);
	f->end = TARGET_END(f->ctx);
}

/* Writes any bytes of the frame; at a TC door, f->data is not valid after. */
static __always_inline int frame_store(struct frame *f, __u32 off, const void *from,
				       __u32 size)
{
	return f->is_xdp ? bpf_xdp_store_bytes(f->ctx, off, (void *)from, size)
			 : bpf_skb_store_bytes(f->ctx, off, from, size, 0);
}

struct vlan_tag {
	__be16 tci, protocol;
};

/* IPv6 extension header; RFC 8200 section 4. */
struct extension {
	__u8 next, len;
	__be16 offset; /* of the fragment header: offset << 3 | M */
	__be32 id;
};

static __always_inline int parse_cut(struct pkt *pkt)
{
	pkt->is_cut = 1;
	return -HG_DROP_MALFORMED;
}

/* Ports that name an ICMP query: the id, and the request's type where the answer would
 * have its port, so that question and answer are each other's reverse. */
static __always_inline void parse_query(struct pkt *pkt, __u8 type, __be16 id)
{
	int is_answer = 0;
	__u8 request = type;

	if (pkt->tuple.family == HG_FAMILY_6) {
		is_answer = type == ICMP6_ECHO_REPLY;
		request = ICMP6_ECHO_REQUEST;
		if (!is_answer && type != request)
			return;
	} else if (type == ICMP_ECHO_REPLY) {
		is_answer = 1;
		request = ICMP_ECHO_REQUEST;
	} else if (type == ICMP_TIMESTAMP_REPLY || type == ICMP_INFORMATION_REPLY ||
		   type == ICMP_MASK_REPLY) {
		is_answer = 1;
		request = type - 1;
	} else if (type != ICMP_ECHO_REQUEST && type != ICMP_TIMESTAMP_REQUEST &&
		   type != ICMP_INFORMATION_REQUEST && type != ICMP_MASK_REQUEST) {
		return;
	}
	pkt->has_key = 1;
	pkt->opens = !is_answer;
	pkt->tuple.sport = is_answer ? bpf_htons(request << 8) : id;
	pkt->tuple.dport = is_answer ? id : bpf_htons(request << 8);
}

/* ICMP of the packet's own family; the other one is a protocol like any. */
static __always_inline int is_icmp(const struct pkt *pkt)
{
	return pkt->tuple.family == HG_FAMILY_6 ? pkt->tuple.protocol == IPPROTO_ICMPV6
						: pkt->tuple.protocol == IPPROTO_ICMP;
}

static __always_inline int parse_icmp(struct frame *f, struct pkt *pkt, __u32 l4)
{
	const struct icmp *h = frame_at(f, l4, sizeof(*h));

	if (!h)
		return parse_cut(pkt);
	pkt->key = h->type << 8 | h->code;
	if (pkt->tuple.family == HG_FAMILY_4) {
		pkt->is_error = h->type == ICMP_UNREACHABLE || h->type == ICMP_QUENCH ||
				h->type == ICMP_REDIRECTED || h->type == ICMP_TIME_OVER ||
				h->type == ICMP_PARAMETER;
	} else {
		pkt->is_error =
			h->type >= ICMP6_UNREACHABLE && h->type <= ICMP6_PARAMETER;
		if (h->type >= ND_FIRST && h->type <= ND_LAST)
			pkt->kind = PKT_ND;
	}
	parse_query(pkt, h->type, h->id);
	return 0;
}

static __always_inline int parse_tcp(struct frame *f, struct pkt *pkt, __u32 l4,
				     __u32 room)
{
	const struct tcphdr *h = frame_at(f, l4, sizeof(*h));
	__u32 size;

	if (!h)
		return parse_cut(pkt);
	size = h->doff * 4;
	if (size < sizeof(*h))
		return -HG_DROP_MALFORMED;
	if (size > room)
		return pkt->frag == FRAG_FIRST ? -HG_DROP_FRAGMENT : -HG_DROP_MALFORMED;
	pkt->tuple.sport = h->source;
	pkt->tuple.dport = h->dest;
	pkt->tcp_flags = ((const __u8 *)h)[13];
	pkt->seq = bpf_ntohl(h->seq);
	pkt->ack = bpf_ntohl(h->ack_seq);
	pkt->opens =
		(pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	pkt->has_key = 1;
	pkt->key = bpf_ntohs(h->dest);
	return 0;
}

static __always_inline int parse_udp(struct frame *f, struct pkt *pkt, __u32 l4,
				     __u32 room)
{
	const struct udphdr *h = frame_at(f, l4, sizeof(*h));

	if (!h)
		return parse_cut(pkt);
	if (bpf_ntohs(h->len) < sizeof(*h) ||
	    (pkt->frag == FRAG_NONE && bpf_ntohs(h->len) > room))
		return -HG_DROP_MALFORMED;
	pkt->tuple.sport = h->source;
	pkt->tuple.dport = h->dest;
	pkt->opens = 1;
	pkt->has_key = 1;
	pkt->key = bpf_ntohs(h->dest);
	return 0;
}

/* A fragment behind the first: no layer 4 header; bpf/frag.h may find its ports. */
static __always_inline int parse_later(struct pkt *pkt)
{
	__u8 protocol = pkt->tuple.protocol;

	/* RFC 1858 section 4: it would overwrite the TCP flags. */
	if (protocol == IPPROTO_TCP && pkt->frag_offset == 1)
		return -HG_DROP_FRAGMENT;
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || is_icmp(pkt)) {
		pkt->frag = FRAG_ORPHAN;
		return 0;
	}
	/* Protocols without ports lose nothing by it. */
	pkt->frag = FRAG_LATER;
	pkt->has_key = 1;
	pkt->opens = 1;
	return 0;
}

/* 'l4' and 'room', which the IP packet has left for it, are read from memory: the verifier
 * then follows one packet of unknown offsets, not one for each way to get here. */
static __always_inline int parse_l4(struct frame *f, struct pkt *pkt)
{
	__u32 l4 = READ_ONCE(pkt->l4), room = READ_ONCE(pkt->room);
	__u8 protocol = READ_ONCE(pkt->tuple.protocol);
	__u32 need;

	if (pkt->frag_offset)
		return parse_later(pkt);
	need = protocol == IPPROTO_TCP                   ? sizeof(struct tcphdr)
	       : protocol == IPPROTO_UDP || is_icmp(pkt) ? sizeof(struct udphdr)
							 : 0;
	if (room < need)
		return pkt->frag == FRAG_FIRST ? -HG_DROP_FRAGMENT : -HG_DROP_MALFORMED;
	if (protocol == IPPROTO_TCP)
		return parse_tcp(f, pkt, l4, room);
	if (protocol == IPPROTO_UDP)
		return parse_udp(f, pkt, l4, room);
	if (is_icmp(pkt))
		return parse_icmp(f, pkt, l4);
	pkt->opens = 1;
	pkt->has_key = 1;
	return 0;
}

static __always_inline int parse_ipv4(struct frame *f, struct pkt *pkt, __u32 l3)
{
	const struct iphdr *h = frame_at(f, l3, sizeof(*h));
	__u32 header, fragment;

	if (!h)
		return parse_cut(pkt);
	header = h->ihl * 4;
	pkt->len = bpf_ntohs(h->tot_len);
	if (pkt->len == 0 && pkt->segs > 1) /* BIG TCP */
		pkt->len = f->len - l3;
	if (h->version != 4 || header < sizeof(*h) || pkt->len < header ||
	    l3 + pkt->len > f->len)
		return -HG_DROP_MALFORMED;
	pkt->tuple.family = HG_FAMILY_4;
	pkt->ttl = h->ttl;
	pkt->tuple.protocol = h->protocol;
	pkt->tuple.saddr.w[0] = h->saddr;
	pkt->tuple.daddr.w[0] = h->daddr;
	pkt->l4 = l3 + header;
	pkt->room = pkt->len - header;
	fragment = bpf_ntohs(h->frag_off);
	if (fragment & 0x3fff) { /* MF or an offset */
		pkt->frag_id = h->id;
		pkt->frag = FRAG_FIRST;
		pkt->frag_offset = fragment & 0x1fff;
	}
	return 0;
}

static __always_inline int is_extension(__u8 next)
{
	return next == EXT_HOP || next == EXT_ROUTING || next == EXT_FRAGMENT ||
	       next == EXT_AUTHENTICATION || next == EXT_DESTINATION ||
	       next == EXT_MOBILITY || next == EXT_HIP || next == EXT_SHIM6;
}

/* One extension header. 1: another may follow. */
static __always_inline int parse_extension(struct frame *f, struct pkt *pkt)
{
	__u32 at = READ_ONCE(pkt->l4), room = READ_ONCE(pkt->room), size;
	__u8 next = READ_ONCE(pkt->tuple.protocol);
	const struct extension *e;

	e = frame_at(f, at, sizeof(*e));
	if (room < sizeof(*e))
		return pkt->frag == FRAG_FIRST ? -HG_DROP_FRAGMENT : -HG_DROP_MALFORMED;
	if (!e)
		return parse_cut(pkt);
	size = next == EXT_FRAGMENT         ? sizeof(*e)
	       : next == EXT_AUTHENTICATION ? (e->len + 2) * 4
					    : (e->len + 1) * 8;
	pkt->tuple.protocol = e->next;
	if (next == EXT_FRAGMENT) {
		pkt->frag_id = e->id;
		pkt->frag_offset = bpf_ntohs(e->offset) >> 3;
		if (e->offset & bpf_htons(0xfff9))
			pkt->frag = FRAG_FIRST;
		if (pkt->frag_offset)
			return 0;
	}
	if (size > room)
		return pkt->frag == FRAG_FIRST ? -HG_DROP_FRAGMENT : -HG_DROP_MALFORMED;
	pkt->l4 = at + size;
	pkt->room = room - size;
	return 1;
}

static __always_inline int parse_ipv6(struct frame *f, struct pkt *pkt, __u32 l3)
{
	const struct ipv6hdr *h = frame_at(f, l3, sizeof(*h));

	if (!h)
		return parse_cut(pkt);
	pkt->room = bpf_ntohs(h->payload_len);
	if (pkt->room == 0 && pkt->segs > 1) /* BIG TCP */
		pkt->room = f->len - l3 - sizeof(*h);
	pkt->len = pkt->room + sizeof(*h);
	if (h->version != 6 || l3 + pkt->len > f->len)
		return -HG_DROP_MALFORMED;
	pkt->tuple.family = HG_FAMILY_6;
	pkt->ttl = h->hop_limit;
	pkt->tuple.protocol = h->nexthdr;
	pkt->tuple.saddr = addr_load(&h->saddr, HG_FAMILY_6);
	pkt->tuple.daddr = addr_load(&h->daddr, HG_FAMILY_6);
	pkt->l4 = l3 + sizeof(*h);
	VERIFIER_UNROLL
	for (int i = 0; i <= HG_MAX_EXTENSIONS; i++) {
		int r;

		if (!is_extension(READ_ONCE(pkt->tuple.protocol)))
			return 0;
		if (i == HG_MAX_EXTENSIONS)
			break;
		r = parse_extension(f, pkt);
		if (r <= 0)
			return r;
	}
	return -HG_DROP_UNSUPPORTED;
}

/* 01:80:c2:00:00:00 to :0f, IEEE 802.1D link control. */
static __always_inline int is_link_control(const struct ethhdr *h)
{
	return h->h_dest[0] == 0x01 && h->h_dest[1] == 0x80 && h->h_dest[2] == 0xc2 &&
	       h->h_dest[3] == 0 && h->h_dest[4] == 0 && (h->h_dest[5] & 0xf0) == 0;
}

static __always_inline int parse(struct frame *f, struct pkt *pkt)
{
	const struct ethhdr *eth = f->data;
	void *at = f->data + sizeof(*eth);
	__be16 protocol;
	int r;

	if (!PARSE_FITS(f, eth, sizeof(*eth)))
		return parse_cut(pkt);
	pkt->is_group = eth->h_dest[0] & 1;
	if (is_link_control(eth)) {
		pkt->kind = PKT_LINK;
		return 0;
	}
	protocol = eth->h_proto;
	for (int i = 0; i < HG_MAX_VLANS; i++) {
		const struct vlan_tag *tag = at;

		if (protocol != bpf_htons(ETH_P_8021Q) &&
		    protocol != bpf_htons(ETH_P_8021AD))
			break;
		if (!PARSE_FITS(f, tag, sizeof(*tag)))
			return parse_cut(pkt);
		protocol = tag->protocol;
		at += sizeof(*tag);
	}
	pkt->l3 = at - f->data;
	pkt->is_tagged |= pkt->l3 != sizeof(*eth);
	if (protocol == bpf_htons(ETH_P_IP)) {
		r = parse_ipv4(f, pkt, READ_ONCE(pkt->l3));
	} else if (protocol == bpf_htons(ETH_P_IPV6)) {
		r = parse_ipv6(f, pkt, READ_ONCE(pkt->l3));
	} else if (protocol == bpf_htons(ETH_P_ARP)) {
		pkt->kind = PKT_ARP;
		return 0;
	} else {
		return -HG_DROP_UNSUPPORTED;
	}
	return r ? r : parse_l4(f, pkt);
}
