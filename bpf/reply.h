/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* reply: the frame in hand becomes what its sender is told.
 *
 * In       pkt->reply, told_mtu, tuple as the packet came; the frame untouched, f->data valid; the
 *          address that the error comes from (a reset comes from whom it was sent to, and so does a pong).
 *          TC doors alone.
 * Out      The frame: MACs exchanged, to leave by the device that it came from, under the same tag.
 * Result   1, or 0: nothing is sent, and the frame must be dropped.
 * Cost     A copy of the frame at worst; errors are limited to REPLY_RATE a second on each CPU.
 * Source   RFC 792; RFC 1812 section 4.3; RFC 4443 section 2.4; RFC 9293 section 3.5.2; for unfinished
 *          checksums linux/Documentation/networking/checksum-offloads.rst, "LCO".
 *
 * A frame from a local stack may have a checksum that the device is to finish: it will sum what lies from the layer 4
 * header on to the end, with what the field holds (the pseudo header's sum), and write the complement there. No helper calls this off.
 * Of an error that quotes such a packet only one thing must be known: whatever the packet holds, after this the
 * sum of all that was summed is the complement of what the field held. A reset keeps its header where the
 * old one was, so the device finishes just it.
 *
 * Or the driver has summed the whole packet. What is stored makes no difference to that sum where a checksum is among
 * it; elsewhere BPF_F_RECOMPUTE_CSUM makes it follow.
 *
 * REPLY_FIN is for one segment of a connection: its receiver acknowledges it, and to answer that with another would never end.
 */
#include "clock.h"
#include "rewrite.h"

#define REPLY_RATE   1000U
#define REPLY_QUOTE4 548U  /* so that the error has 576 bytes, which every host takes */
#define REPLY_QUOTE6 1232U /* and 1280 */
#define REPLY_CHUNK  64U
#define REPLY_TTL    64
#define REPLY_TOS    0xc0 /* internetwork control; RFC 1812 section 4.3.2.5 */

struct reply_rate {
	__u32 since; /* ticks */
	__u32 n;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reply_rate);
} hg_replies SEC(".maps");

struct reply_error4 {
	struct iphdr ip;
	struct icmp icmp;
};
HG_SIZE(struct reply_error4, 28);

struct reply_error6 {
	struct ipv6hdr ip;
	struct icmp icmp;
};
HG_SIZE(struct reply_error6, 48);

struct reply_tcp {
	__be16 sport, dport;
	__be32 seq, ack;
	__u8 doff, flags; /* doff: in the upper half */
	__be16 window, check, urgent;
};
HG_SIZE(struct reply_tcp, 20);

/* MACs, and what may be tags. An IP header follows, so these bytes are there. */
struct reply_link {
	__u8 dest[6], source[6];
	__u8 tags[10];
};
HG_SIZE(struct reply_link, 22);

static __always_inline int reply_is_in_time(const struct pkt *pkt)
{
	__u32 zero = 0;
	struct reply_rate *r = bpf_map_lookup_elem(&hg_replies, &zero);

	if (!r)
		return 0;
	if (pkt->now - r->since >= clock_from_seconds(1)) {
		r->since = pkt->now;
		r->n = 0;
	}
	return r->n++ < REPLY_RATE;
}

static __always_inline int reply_is_multicast(const struct hg_tuple *t)
{
	__u8 first = *(const __u8 *)t->daddr.w;

	if (t->family == HG_FAMILY_6)
		return first == 0xff;
	return (first & 0xf0) == 0xe0 || t->daddr.w[0] == 0xffffffff;
}

/* Is somebody there who sent this packet alone, and to one? */
static __always_inline int reply_is_due(struct frame *f, const struct pkt *pkt)
{
	const struct hg_tuple *t = &pkt->tuple;
	const struct reply_link *link = frame_at(f, 0, sizeof(*link));

	if (!link || link->dest[0] & 1 || link->source[0] & 1)
		return 0;
	if (!(t->saddr.w[0] | t->saddr.w[1] | t->saddr.w[2] | t->saddr.w[3]))
		return 0;
	return !reply_is_multicast(t);
}

static __always_inline int reply_link_store(struct frame *f, const struct reply_link *in,
					    __u32 size)
{
	struct reply_link out = *in;

	__builtin_memcpy(out.dest, in->source, 6);
	__builtin_memcpy(out.source, in->dest, 6);
	return frame_store(f, 0, &out, size);
}

/* Is the checksum left to the device? Spoils the halfword at 'at': only where it is not, the helper
 * touches it. */
static __always_inline int reply_is_partial(struct frame *f, __u32 at)
{
	const __u16 *p = frame_at(f, at, sizeof(*p));
	__u16 before;

	if (!p)
		return 0;
	before = *p;
	bpf_l4_csum_replace(f->ctx, at, 0, 1, 0);
	frame_reload(f);
	p = frame_at(f, at, sizeof(*p));
	return p && *p == before;
}

/* The sum of 'size' bytes of the frame, at most REPLY_QUOTE6. */
HG_GLOBAL __u32 reply_sum(struct __sk_buff *skb, __u32 off, __u32 size)
{
	const struct frame f = { .data = TARGET_DATA(skb), .end = TARGET_END(skb) };
	__u64 sum = 0;
	void *p;

	for (__u32 i = 0; i <= REPLY_QUOTE6 / REPLY_CHUNK; i++) {
		if (size < REPLY_CHUNK)
			break;
		p = frame_at(&f, off, REPLY_CHUNK);
		if (!p)
			break;
		sum += (__u32)bpf_csum_diff(NULL, 0, p, REPLY_CHUNK, 0);
		off += REPLY_CHUNK;
		size -= REPLY_CHUNK;
	}
	for (__u32 i = 0; i < REPLY_CHUNK / 4; i++) {
		if (size < 4)
			break;
		p = frame_at(&f, off, 4);
		if (!p)
			break;
		sum += *(__u32 *)p;
		off += 4;
		size -= 4;
	}
	if (size & 2) {
		p = frame_at(&f, off, 2);
		sum += p ? *(__u16 *)p : 0;
		off += 2;
	}
	if (size & 1) {
		p = frame_at(&f, off, 1);
		sum += p ? bpf_htons(*(__u8 *)p << 8) : 0;
	}
	return csum_fold32(sum);
}

static __always_inline __u64 reply_sum_pseudo(const struct hg_tuple *t, __u32 size)
{
	__u64 sum = (__u64)bpf_htons(t->protocol) + bpf_htons(size);

	if (t->family == HG_FAMILY_4)
		return sum + t->saddr.w[0] + t->daddr.w[0];
	return csum_add(csum_add(sum, &t->saddr, 16), &t->daddr, 16);
}

static __always_inline struct iphdr reply_ipv4(const struct hg_tuple *t, __u8 words,
					       __u32 size)
{
	struct iphdr h = { .version = 4,
			   .ihl = words,
			   .tot_len = bpf_htons(size),
			   .frag_off =
				   bpf_htons(0x4000), /* and so needs no id: RFC 6864 */
			   .ttl = REPLY_TTL,
			   .protocol = t->protocol,
			   .saddr = t->saddr.w[0],
			   .daddr = t->daddr.w[0] };

	return h;
}

static __always_inline struct ipv6hdr reply_ipv6(const struct hg_tuple *t, __u32 size)
{
	struct ipv6hdr h = { .version = 6,
			     .payload_len = bpf_htons(size),
			     .nexthdr = t->protocol,
			     .hop_limit = REPLY_TTL };

	__builtin_memcpy(&h.saddr, &t->saddr, 16);
	__builtin_memcpy(&h.daddr, &t->daddr, 16);
	return h;
}

/* ---- errors ---- */

static __always_inline int reply_store_error4(struct frame *f, const struct pkt *pkt,
					      const struct hg_tuple *t, __u32 size,
					      __u64 sum)
{
	int is_size = pkt->reply == REPLY_TOO_BIG;
	struct reply_error4 out = {
		.ip = reply_ipv4(t, sizeof(out.ip) / 4, sizeof(out) + size),
		.icmp = { .type = is_size ? ICMP_UNREACHABLE : ICMP_TIME_OVER,
			  .code = is_size ? 4 : 0,
			  .sequence = is_size ? bpf_htons(pkt->told_mtu) : 0 }
	};

	out.ip.tos = REPLY_TOS;
	out.ip.check = ~csum_fold(csum_add(0, &out.ip, sizeof(out.ip)));
	out.icmp.checksum = ~csum_fold(csum_add(sum, &out.icmp, sizeof(out.icmp)));
	return frame_store(f, pkt->l3, &out, sizeof(out));
}

static __always_inline int reply_store_error6(struct frame *f, const struct pkt *pkt,
					      const struct hg_tuple *t, __u32 size,
					      __u64 sum)
{
	int is_size = pkt->reply == REPLY_TOO_BIG;
	struct reply_error6 out = {
		.ip = reply_ipv6(t, sizeof(out.icmp) + size),
		.icmp = { .type = is_size ? ICMP6_TOO_BIG : ICMP6_TIME_OVER,
			  .id = is_size ? bpf_htons(pkt->told_mtu >> 16) : 0,
			  .sequence = is_size ? bpf_htons(pkt->told_mtu) : 0 }
	};

	sum += reply_sum_pseudo(t, sizeof(out.icmp) + size);
	out.icmp.checksum = ~csum_fold(csum_add(sum, &out.icmp, sizeof(out.icmp)));
	return frame_store(f, pkt->l3, &out, sizeof(out));
}

static __always_inline int reply_is_about_error(const struct pkt *pkt)
{
	return pkt->is_error || (pkt->tuple.family == HG_FAMILY_6 && is_icmp(pkt) &&
				 pkt->key >> 8 < ICMP6_ECHO_REQUEST);
}

static __noinline int reply_error(struct frame *f, const struct pkt *pkt,
				  const struct hg_addr *source)
{
	int is6 = pkt->tuple.family == HG_FAMILY_6;
	__u32 head = is6 ? sizeof(struct reply_error6) : sizeof(struct reply_error4);
	__u32 size = is6 ? REPLY_QUOTE6 : REPLY_QUOTE4, l4 = pkt->l4;
	__u8 check = rewrite_check_at(pkt->tuple.family, pkt->tuple.protocol);
	struct hg_tuple t = { .saddr = *source,
			      .daddr = pkt->tuple.saddr,
			      .family = pkt->tuple.family,
			      .protocol = is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP };
	const void *p = frame_at(f, 0, sizeof(struct reply_link));
	struct reply_link link;
	__u16 field = 0;
	__u64 sum;

	if (!p || reply_is_about_error(pkt) || pkt->frag > FRAG_FIRST ||
	    !reply_is_in_time(pkt))
		return 0;
	__builtin_memcpy(&link, p, sizeof(link));
	p = frame_at(f, l4 + check, sizeof(field));
	if (p)
		field = *(const __u16 *)p;
	if (size > pkt->len)
		size = pkt->len;
	if (bpf_skb_change_tail(f->ctx, pkt->l3 + size, 0) ||
	    bpf_skb_change_head(f->ctx, head, 0))
		return 0;
	frame_reload(f);
	if (!reply_is_partial(f, 0)) {
		sum = reply_sum(f->ctx, pkt->l3 + head, size);
	} else {
		if (!check || l4 - pkt->l3 > size)
			return 0;
		sum = reply_sum(f->ctx, pkt->l3 + head, l4 - pkt->l3) + (__u16)~field;
	}
	/* The tags' place reaches into the IP header's, so it comes first. */
	if (reply_link_store(f, &link, sizeof(link)))
		return 0;
	return is6 ? !reply_store_error6(f, pkt, &t, size, sum)
		   : !reply_store_error4(f, pkt, &t, size, sum);
}

/* ---- TCP ---- */

static __always_inline __u32 reply_segment_len(const struct pkt *pkt, __u32 header)
{
	return pkt->room - header + !!(pkt->tcp_flags & TCP_SYN) +
	       !!(pkt->tcp_flags & TCP_FIN);
}

static __always_inline struct reply_tcp reply_tcp_make(const struct pkt *pkt, __u32 len)
{
	int is_fin = pkt->reply == REPLY_FIN, has_ack = !!(pkt->tcp_flags & TCP_ACK);
	struct reply_tcp h = { .sport = pkt->tuple.dport,
			       .dport = pkt->tuple.sport,
			       .seq = has_ack ? bpf_htonl(pkt->ack) : 0,
			       .doff = sizeof(h) / 4 << 4,
			       .flags = is_fin ? TCP_FIN : TCP_RST,
			       .window = is_fin ? 0xffff : 0 };

	if (pkt->reply == REPLY_CHALLENGE) {
		h.seq = bpf_htonl(~pkt->cookie);
		h.ack = bpf_htonl(pkt->cookie);
		h.flags = TCP_SYN | TCP_ACK;
		h.window = 0xffff;
	} else if (is_fin || !has_ack) {
		h.flags |= TCP_ACK;
		h.ack = bpf_htonl(pkt->seq + len);
	}
	return h;
}

/* IPv4 options become as many ends of them. */
static __always_inline int reply_store_ipv4(struct frame *f, const struct pkt *pkt,
					    const struct hg_tuple *t)
{
	__u32 size = pkt->l4 - pkt->l3, at = sizeof(struct iphdr), none = 0;
	struct iphdr h = reply_ipv4(t, size / 4, size + sizeof(struct reply_tcp));

	h.check = ~csum_fold(csum_add(0, &h, sizeof(h)));
	if (frame_store(f, pkt->l3, &h, sizeof(h)))
		return -1;
	for (int i = 0; i < 10 && at < size; i++, at += sizeof(none))
		if (frame_store(f, pkt->l3 + at, &none, sizeof(none)))
			return -1;
	return 0;
}

static __noinline int reply_segment(struct frame *f, const struct pkt *pkt)
{
	int is6 = pkt->tuple.family == HG_FAMILY_6, is_partial;
	struct hg_tuple t = { .saddr = pkt->tuple.daddr,
			      .daddr = pkt->tuple.saddr,
			      .family = pkt->tuple.family,
			      .protocol = IPPROTO_TCP };
	const struct reply_tcp *in = frame_at(f, pkt->l4, sizeof(*in));
	const void *p = frame_at(f, 0, sizeof(struct reply_link));
	struct reply_link link;
	struct reply_tcp out;
	__u64 sum;

	if (!in || !p || pkt->tuple.protocol != IPPROTO_TCP || pkt->frag != FRAG_NONE ||
	    pkt->tcp_flags & TCP_RST ||
	    (is6 && pkt->l4 - pkt->l3 != sizeof(struct ipv6hdr)))
		return 0;
	__builtin_memcpy(&link, p, sizeof(link));
	out = reply_tcp_make(pkt, reply_segment_len(pkt, in->doff >> 4 << 2));
	is_partial = reply_is_partial(
		f, pkt->l4 + __builtin_offsetof(struct reply_tcp, check));
	if (bpf_skb_change_tail(f->ctx, pkt->l4 + sizeof(out), 0))
		return 0;
	sum = reply_sum_pseudo(&t, sizeof(out));
	out.check = is_partial ? csum_fold(sum)
			       : ~csum_fold(csum_add(sum, &out, sizeof(out)));
	if (reply_link_store(f, &link, 12) || frame_store(f, pkt->l4, &out, sizeof(out)))
		return 0;
	if (is6) {
		struct ipv6hdr h = reply_ipv6(&t, sizeof(out));

		return !bpf_skb_store_bytes(f->ctx, pkt->l3, &h, sizeof(h),
					    BPF_F_RECOMPUTE_CSUM);
	}
	return !reply_store_ipv4(f, pkt, &t);
}

/* ---- ping ---- */

static __always_inline int reply_echo_l3(struct frame *f, const struct pkt *pkt,
					 __u16 life, __be16 check)
{
	const struct hg_tuple *t = &pkt->tuple;

	if (t->family == HG_FAMILY_4) {
		struct rewrite_tail4 out = { .ttl = REPLY_TTL,
					     .protocol = t->protocol,
					     .saddr = t->daddr.w[0],
					     .daddr = t->saddr.w[0] };

		out.check = csum_apply(check, csum_swap(0, life, *(__u16 *)&out));
		return frame_store(f, pkt->l3 + REWRITE_TAIL4, &out,
				   sizeof(out) - REWRITE_PORTS);
	} else {
		struct {
			__u8 zero[3], hop_limit;
			struct hg_addr saddr, daddr;
		} out = { .hop_limit = REPLY_TTL, .saddr = t->daddr, .daddr = t->saddr };

		return bpf_skb_store_bytes(f->ctx, pkt->l3 + REWRITE_TAIL6 + 3,
					   &out.hop_limit, 33, BPF_F_RECOMPUTE_CSUM);
	}
}

/* Fragments are turned round one by one. */
static __noinline int reply_echo(struct frame *f, const struct pkt *pkt)
{
	const __be16 *life = frame_at(f, pkt->l3 + REWRITE_TAIL4, 4),
		     *p = frame_at(f, pkt->l4, 4);
	const void *eth = frame_at(f, 0, sizeof(struct reply_link));
	__be16 icmp[2] = {}, old, check;
	struct reply_link link;

	if (!eth || !life || !is_icmp(pkt))
		return 0;
	__builtin_memcpy(&link, eth, sizeof(link));
	old = life[0];
	check = life[1];
	if (pkt->frag <= FRAG_FIRST) {
		if (!p)
			return 0;
		*(__u8 *)icmp = pkt->tuple.family == HG_FAMILY_6 ? ICMP6_ECHO_REPLY
								 : ICMP_ECHO_REPLY;
		icmp[1] = csum_apply(p[1], csum_swap(0, p[0], icmp[0]));
		if (frame_store(f, pkt->l4, icmp, sizeof(icmp)))
			return 0;
	}
	return !reply_link_store(f, &link, 12) && !reply_echo_l3(f, pkt, old, check);
}

static __always_inline int reply_frame(struct frame *f, const struct pkt *pkt,
				       const struct hg_addr *source)
{
	if (!reply_is_due(f, pkt))
		return 0;
	switch (pkt->reply) {
	case REPLY_TIME_EXCEEDED:
	case REPLY_TOO_BIG:
		return reply_error(f, pkt, source);
	case REPLY_RESET:
	case REPLY_FIN:
	case REPLY_CHALLENGE:
		return reply_segment(f, pkt);
	case REPLY_ECHO:
		return reply_echo(f, pkt);
	default:
		return 0;
	}
}
