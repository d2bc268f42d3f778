/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* nat64: the frame in hand, from pkt->tuple in one family to pkt->to in the other.
 *
 * In       pkt->act: ACT_TTL; pkt->tuple as the packet came, pkt->to, l3, l4, frag. f->data must be valid. TC
 *          doors alone.
 * Out      The frame; pkt->l4 is where it is now. f->data is not valid any more.
 * Result   0, -HG_DROP_FRAGMENT, -HG_DROP_UNSUPPORTED for options and for tags inside the frame, -HG_DROP_MALFORMED
 *          for UDP without a checksum where IPv6 wants one, -HG_DROP_NAT_PROTOCOL, -HG_DROP_TOO_BIG for what no
 *          IPv6 header can count, or -HG_DROP_INTERNAL.
 * Cost     Four helpers, two more for ports; an ICMP error eight.
 * Source   RFC 7915 sections 4.1 to 4.4, 5.1 to 5.4.
 *
 * bpf_skb_change_proto() makes room for the other header, or less of it, and lets large segments be of the other family. The
 * sum of the pseudo header's length and protocol is the same in both, but for ICMP, which has none in IPv4.
 */
#include "icmp64.h"
#include "rewrite.h"

#define NAT64_FITS 1260U /* a longer packet may not be fragmented: RFC 7915 section 5.1 */

/* What is read before the frame moves. */
struct nat64 {
	__u8 tos, ttl;
	__be16 icmp, check, id; /* type and code as they stand */
};

static __always_inline int nat64_read(struct frame *f, const struct pkt *pkt,
				      struct nat64 *n)
{
	const struct icmp *icmp = frame_at(f, pkt->l4, sizeof(*icmp));

	if (!icmp)
		return -HG_DROP_INTERNAL;
	__builtin_memcpy(&n->icmp, icmp, sizeof(n->icmp));
	n->check = icmp->checksum;
	if (pkt->tuple.family == HG_FAMILY_6) {
		const struct ipv6hdr *h = frame_at(f, pkt->l3, sizeof(*h));

		if (!h)
			return -HG_DROP_INTERNAL;
		n->tos = h->priority << 4 | h->flow_lbl[0] >> 4;
		n->ttl = h->hop_limit;
	} else {
		const struct iphdr *h = frame_at(f, pkt->l3, sizeof(*h));
		const struct udphdr *udp = frame_at(f, pkt->l4, sizeof(*udp));

		if (!h || !udp)
			return -HG_DROP_INTERNAL;
		n->tos = h->tos;
		n->ttl = h->ttl;
		if (pkt->tuple.protocol == IPPROTO_UDP && !udp->check)
			return -HG_DROP_MALFORMED;
	}
	n->ttl -= !!(pkt->act & ACT_TTL);
	return 0;
}

/* May this packet be translated at all? */
static __always_inline int nat64_admit(const struct pkt *pkt)
{
	__u32 header = pkt->tuple.family == HG_FAMILY_6 ? sizeof(struct ipv6hdr)
							: sizeof(struct iphdr);
	__u8 protocol = pkt->tuple.protocol;

	if (pkt->frag != FRAG_NONE)
		return -HG_DROP_FRAGMENT;
	if (pkt->l3 != ETH_HLEN || pkt->l4 - pkt->l3 != header)
		return -HG_DROP_UNSUPPORTED;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP &&
	    !(is_icmp(pkt) && (pkt->has_key || pkt->is_error)))
		return -HG_DROP_NAT_PROTOCOL;
	return pkt->room > 0xffff ? -HG_DROP_TOO_BIG : 0;
}

static __always_inline int nat64_store_ipv4(struct frame *f, const struct pkt *pkt,
					    const struct nat64 *n)
{
	__u32 size = sizeof(struct iphdr) + pkt->room;
	struct iphdr h = { .version = 4,
			   .ihl = sizeof(h) / 4,
			   .tos = n->tos,
			   .tot_len = size > 0xffff ? 0 : bpf_htons(size), /* BIG TCP */
			   .ttl = n->ttl,
			   .protocol = pkt->to.protocol,
			   .saddr = pkt->to.saddr.w[0],
			   .daddr = pkt->to.daddr.w[0] };

	if (size > NAT64_FITS)
		h.frag_off = bpf_htons(0x4000);
	else
		h.id = bpf_get_prandom_u32();
	h.check = ~csum_fold(csum_add(0, &h, sizeof(h)));
	return bpf_skb_store_bytes(f->ctx, pkt->l3, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int nat64_store_ipv6(struct frame *f, const struct pkt *pkt,
					    const struct nat64 *n)
{
	struct ipv6hdr h = { .version = 6,
			     .priority = n->tos >> 4,
			     .flow_lbl = { n->tos << 4 },
			     .payload_len = bpf_htons(pkt->room),
			     .nexthdr = pkt->to.protocol,
			     .hop_limit = n->ttl };

	__builtin_memcpy(&h.saddr, pkt->to.saddr.w, sizeof(h.saddr));
	__builtin_memcpy(&h.daddr, pkt->to.daddr.w, sizeof(h.daddr));
	return bpf_skb_store_bytes(f->ctx, pkt->l3, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM);
}

/* The addresses of 't'; an IPv4 address is a word and three zeros. */
static __always_inline __u64 nat64_sum(const struct hg_tuple *t)
{
	return csum_add(csum_add(0, &t->saddr, sizeof(t->saddr)), &t->daddr,
			sizeof(t->daddr));
}

static __always_inline int nat64_ports(struct frame *f, const struct pkt *pkt)
{
	const struct hg_tuple *from = &pkt->tuple, *to = &pkt->to;
	struct rewrite w = { .ends = nat64_sum(to) + (__u32)~csum_fold32(nat64_sum(from)),
			     .check = rewrite_check_at(to->family, to->protocol),
			     .has_ends = 1,
			     .may_lack = to->protocol == IPPROTO_UDP };

	if (from->sport != to->sport || from->dport != to->dport) {
		w.has_ports = 1;
		w.ports = csum_swap(csum_swap(0, from->sport, to->sport), from->dport,
				    to->dport);
	}
	return rewrite_l4_skb(f, pkt, &w, w.has_ports);
}

/* A ping, whose checksum covers the pseudo header in IPv6 alone. */
static __always_inline int nat64_echo(struct frame *f, const struct pkt *pkt,
				      const struct nat64 *n)
{
	int is_to6 = pkt->to.family == HG_FAMILY_6;
	const struct hg_tuple *t6 = is_to6 ? &pkt->to : &pkt->tuple;
	__u64 pseudo = nat64_sum(t6) + bpf_htons(pkt->room) + bpf_htons(IPPROTO_ICMPV6);
	/* A query's id is where its type is not: see parse_query(). */
	__u8 type = *(const __u8 *)&n->icmp;
	int is_request = type == ICMP_ECHO_REQUEST || type == ICMP6_ECHO_REQUEST;
	__be16 old = is_request ? pkt->tuple.sport : pkt->tuple.dport;
	struct {
		__be16 type, check, id;
	} out = { .id = is_request ? pkt->to.sport : pkt->to.dport };
	__u64 sum;

	*(__u8 *)&out.type = is_to6 ? (is_request ? ICMP6_ECHO_REQUEST : ICMP6_ECHO_REPLY)
				    : (is_request ? ICMP_ECHO_REQUEST : ICMP_ECHO_REPLY);
	sum = csum_swap(csum_swap(0, n->icmp, out.type), old, out.id);
	out.check = csum_apply(n->check,
			       sum + (is_to6 ? pseudo : (__u32)~csum_fold32(pseudo)));
	return bpf_skb_store_bytes(f->ctx, pkt->l4, &out, sizeof(out),
				   BPF_F_RECOMPUTE_CSUM)
		       ? -HG_DROP_INTERNAL
		       : 0;
}

/* Room for the other header. */
static __always_inline int nat64_change(struct frame *f, struct pkt *pkt)
{
	int is_to6 = pkt->to.family == HG_FAMILY_6;
	__be16 protocol = is_to6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);

	pkt->l4 = pkt->l3 + (is_to6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	return bpf_skb_change_proto(f->ctx, protocol, 0) ||
	       bpf_skb_store_bytes(f->ctx, ETH_HLEN - sizeof(protocol), &protocol,
				   sizeof(protocol), 0);
}

static __noinline int nat64_frame(struct frame *f, struct pkt *pkt)
{
	int is_to6 = pkt->to.family == HG_FAMILY_6;
	struct nat64 n = {};
	int r = nat64_admit(pkt);

	if (r == 0)
		r = nat64_read(f, pkt, &n);
	if (r)
		return r;
	if (nat64_change(f, pkt))
		return -HG_DROP_INTERNAL;
	if (is_to6 ? nat64_store_ipv6(f, pkt, &n) : nat64_store_ipv4(f, pkt, &n))
		return -HG_DROP_INTERNAL;
	return pkt->tuple.protocol == IPPROTO_TCP || pkt->tuple.protocol == IPPROTO_UDP
		       ? nat64_ports(f, pkt)
		       : nat64_echo(f, pkt, &n);
}

/* ---- ICMP errors ---- */

/* The quoted packet as it will be: behind its IP header only what changes. */
struct nat64_quote {
	__u64 sum; /* by how much what the ICMP checksum covers changes */
	__u32 l4, room;
	struct {
		__be16 type, check, rest[2]; /* of the error */
	} icmp;
	__be16 head[3]; /* ports, or type, checksum and id */
	__be16 size;    /* of what follows the quoted IP header */
	__be16 check;   /* at 'check_at' of TCP or UDP */
	__u8 check_at;  /* 0: not quoted */
	__u8 tos, ttl, protocol;
};

static __always_inline int nat64_quote_l3(struct frame *f, const struct pkt *pkt,
					  struct nat64_quote *q)
{
	__u32 l3 = pkt->l4 + sizeof(struct icmp), end = pkt->l4 + pkt->room;

	if (pkt->tuple.family == HG_FAMILY_6) {
		const struct ipv6hdr *h = frame_at(f, l3, sizeof(*h));

		if (!h)
			return -HG_DROP_INTERNAL;
		q->tos = h->priority << 4 | h->flow_lbl[0] >> 4;
		q->ttl = h->hop_limit;
		q->size = h->payload_len;
		q->protocol = h->nexthdr;
		q->l4 = l3 + sizeof(*h);
		q->sum += (__u32)~csum_fold32(csum_add(0, h, sizeof(*h)));
	} else {
		const struct iphdr *h = frame_at(f, l3, sizeof(*h));

		if (!h)
			return -HG_DROP_INTERNAL;
		if (h->ihl * 4 != sizeof(*h))
			return -HG_DROP_UNSUPPORTED;
		q->tos = h->tos;
		q->ttl = h->ttl;
		q->size = bpf_htons(bpf_ntohs(h->tot_len) - sizeof(*h));
		q->protocol = h->protocol;
		q->l4 = l3 + sizeof(*h);
		q->sum += (__u32)~csum_fold32(csum_add(0, h, sizeof(*h)));
	}
	if (end < q->l4 + sizeof(struct udphdr))
		return -HG_DROP_MALFORMED;
	q->room = end - q->l4;
	return 0;
}

/* TCP or UDP: ports, and the checksum where it is there. */
static __always_inline int nat64_quote_ports(struct frame *f, const struct hg_tuple *from,
					     const struct hg_tuple *to,
					     struct nat64_quote *q)
{
	__u64 sum =
		csum_swap(csum_swap(0, from->sport, to->sport), from->dport, to->dport);
	__u8 at = rewrite_check_at(to->family, q->protocol);
	const __be16 *check;

	q->head[0] = to->sport;
	q->head[1] = to->dport;
	q->sum += sum;
	if (!at || at + 2U > q->room)
		return 0;
	check = frame_at(f, q->l4 + at, sizeof(*check));
	if (!check)
		return -HG_DROP_INTERNAL;
	if (!*check && q->protocol == IPPROTO_UDP)
		return 0;
	sum += nat64_sum(to) + (__u32)~csum_fold32(nat64_sum(from));
	q->check = csum_apply(*check, sum);
	if (!q->check && q->protocol == IPPROTO_UDP)
		q->check = 0xffff;
	q->check_at = at;
	q->sum = csum_swap(q->sum, *check, q->check);
	return 0;
}

/* A ping that went, or a pong that came. */
static __always_inline int nat64_quote_echo(struct frame *f, const struct hg_tuple *from,
					    const struct hg_tuple *to,
					    struct nat64_quote *q)
{
	const __be16 *old = frame_at(f, q->l4, sizeof(struct icmp));
	int is_to6 = to->family == HG_FAMILY_6, is_request;
	const struct hg_tuple *t6 = is_to6 ? to : from;
	__u64 pseudo = nat64_sum(t6) + q->size + bpf_htons(IPPROTO_ICMPV6);
	__u64 sum;

	if (!old)
		return -HG_DROP_INTERNAL;
	is_request =
		*(const __u8 *)old == (is_to6 ? ICMP_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
	*(__u8 *)q->head = is_to6 ? (is_request ? ICMP6_ECHO_REQUEST : ICMP6_ECHO_REPLY)
				  : (is_request ? ICMP_ECHO_REQUEST : ICMP_ECHO_REPLY);
	q->head[2] = is_request ? to->sport : to->dport;
	sum = csum_swap(csum_swap(0, old[0], q->head[0]), old[2], q->head[2]);
	q->head[1] =
		csum_apply(old[1], sum + (is_to6 ? pseudo : (__u32)~csum_fold32(pseudo)));
	q->sum += csum_swap(sum, old[1], q->head[1]);
	q->protocol = is_to6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	return 0;
}

/* What the error says; 'room' is that of what goes out. */
static __always_inline int nat64_error_icmp(struct frame *f, const struct pkt *pkt,
					    __u32 room, struct nat64_quote *q)
{
	const __be16 *old = frame_at(f, pkt->l4, sizeof(struct icmp));
	int is_to6 = pkt->to.family == HG_FAMILY_6;
	__u64 pseudo = nat64_sum(is_to6 ? &pkt->to : &pkt->tuple) +
		       bpf_htons(is_to6 ? room : pkt->room) + bpf_htons(IPPROTO_ICMPV6);
	__u32 key, rest, size;

	if (!old)
		return -HG_DROP_INTERNAL;
	key = bpf_ntohs(old[0]);
	size = bpf_ntohs(q->size) + sizeof(struct iphdr);
	rest = (__u32)bpf_ntohs(old[2]) << 16 | bpf_ntohs(old[3]);
	if (icmp64_rest(pkt->tuple.family, key, rest, size, &rest))
		return -HG_DROP_NAT_PROTOCOL;
	key = icmp64_key(pkt->tuple.family, key);
	if (key == ICMP64_NONE)
		return -HG_DROP_NAT_PROTOCOL;
	q->icmp.type = bpf_htons(key);
	q->icmp.rest[0] = bpf_htons(rest >> 16);
	q->icmp.rest[1] = bpf_htons(rest);
	q->sum = csum_swap(q->sum, old[0], q->icmp.type);
	q->sum = csum_swap(q->sum, old[2], q->icmp.rest[0]);
	q->sum = csum_swap(q->sum, old[3], q->icmp.rest[1]);
	q->sum += is_to6 ? pseudo : (__u32)~csum_fold32(pseudo);
	q->icmp.check = old[1];
	return 0;
}

/* The error's header and that of what it quotes. */
static __always_inline int nat64_error_store4(struct frame *f, const struct pkt *pkt,
					      const struct hg_tuple *to,
					      struct nat64_quote *q)
{
	__u32 size = bpf_ntohs(q->size) + sizeof(struct iphdr);
	struct iphdr h = { .version = 4,
			   .ihl = sizeof(h) / 4,
			   .tos = q->tos,
			   .tot_len = bpf_htons(size),
			   .frag_off = size > NAT64_FITS ? bpf_htons(0x4000) : 0,
			   .ttl = q->ttl,
			   .protocol = q->protocol,
			   .saddr = to->saddr.w[0],
			   .daddr = to->daddr.w[0] };

	h.check = ~csum_fold(csum_add(0, &h, sizeof(h)));
	q->icmp.check = csum_apply(q->icmp.check, csum_add(q->sum, &h, sizeof(h)));
	return bpf_skb_store_bytes(f->ctx, pkt->l4 + sizeof(struct icmp), &h, sizeof(h),
				   BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int nat64_error_store6(struct frame *f, const struct pkt *pkt,
					      const struct hg_tuple *to,
					      struct nat64_quote *q)
{
	struct ipv6hdr h = { .version = 6,
			     .priority = q->tos >> 4,
			     .flow_lbl = { q->tos << 4 },
			     .payload_len = q->size,
			     .nexthdr = q->protocol,
			     .hop_limit = q->ttl };

	__builtin_memcpy(&h.saddr, to->saddr.w, sizeof(h.saddr));
	__builtin_memcpy(&h.daddr, to->daddr.w, sizeof(h.daddr));
	q->icmp.check = csum_apply(q->icmp.check, csum_add(q->sum, &h, sizeof(h)));
	return bpf_skb_store_bytes(f->ctx, pkt->l4 + sizeof(struct icmp), &h, sizeof(h),
				   BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int nat64_error_store(struct frame *f, const struct pkt *pkt,
					     const struct hg_tuple *to,
					     struct nat64_quote *q)
{
	int is_to6 = to->family == HG_FAMILY_6;
	__u32 l4 = pkt->l4 + sizeof(struct icmp) +
		   (is_to6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	__u32 head = q->protocol == IPPROTO_TCP || q->protocol == IPPROTO_UDP ? 4 : 6;
	__be16 check = q->check;

	if (is_to6 ? nat64_error_store6(f, pkt, to, q)
		   : nat64_error_store4(f, pkt, to, q))
		return -1;
	if (bpf_skb_store_bytes(f->ctx, pkt->l4, &q->icmp, sizeof(q->icmp),
				BPF_F_RECOMPUTE_CSUM) ||
	    bpf_skb_store_bytes(f->ctx, l4, q->head, head, BPF_F_RECOMPUTE_CSUM))
		return -1;
	return q->check_at ? bpf_skb_store_bytes(f->ctx, l4 + q->check_at, &check,
						 sizeof(check), BPF_F_RECOMPUTE_CSUM)
			   : 0;
}

/* An ICMP error: 'from' is what it quotes, 'to' what that was in the other family. Two headers are
 * exchanged; the helper that makes or takes room for the second knows the family by the first. */
static __noinline int nat64_error(struct frame *f, struct pkt *pkt,
				  const struct hg_tuple *from, const struct hg_tuple *to)
{
	int is_to6 = pkt->to.family == HG_FAMILY_6, more = is_to6 ? 20 : -20;
	struct nat64_quote q = {};
	struct nat64 n = {};
	int r = nat64_admit(pkt);

	if (r == 0)
		r = nat64_read(f, pkt, &n);
	if (r == 0)
		r = nat64_quote_l3(f, pkt, &q);
	if (r == 0)
		r = nat64_error_icmp(f, pkt, pkt->room + more, &q);
	if (r == 0 && (q.protocol == IPPROTO_TCP || q.protocol == IPPROTO_UDP))
		r = nat64_quote_ports(f, from, to, &q);
	else if (r == 0)
		r = nat64_quote_echo(f, from, to, &q);
	if (r)
		return r;
	if (!is_to6 && bpf_skb_adjust_room(f->ctx, more, BPF_ADJ_ROOM_NET, 0))
		return -HG_DROP_INTERNAL;
	if (nat64_change(f, pkt))
		return -HG_DROP_INTERNAL;
	if (is_to6 && bpf_skb_adjust_room(f->ctx, more, BPF_ADJ_ROOM_NET, 0))
		return -HG_DROP_INTERNAL;
	pkt->room += more;
	if (is_to6 ? nat64_store_ipv6(f, pkt, &n) : nat64_store_ipv4(f, pkt, &n))
		return -HG_DROP_INTERNAL;
	return nat64_error_store(f, pkt, to, &q) ? -HG_DROP_INTERNAL : 0;
}
