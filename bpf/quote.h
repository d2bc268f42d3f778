/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* quote: an ICMP error, rewritten outside and inside.
 *
 * In       As rewrite.h for the error itself; what it quotes as it stands there ('from'), and what it shall
 *          be ('to'). f->data must be valid.
 * Out      The frame. Right checksums of the quoted packet stay right where they are quoted; those that
 *          were not quoted are nobody's concern.
 * Result   0 or -HG_DROP_INTERNAL: only part of it is done, the frame must be dropped.
 * Cost     Five helpers, two more for IPv6; errors only.
 * Source   RFC 792; RFC 4443 section 3; RFC 5508 section 4.2.
 */
#include "rewrite.h"

/* What is written where. */
struct quote {
	__u32 l3, l4; /* of the quoted packet */
	__u64 sum;    /* by how much what the ICMP checksum covers has changed */
	__be16 icmp_check;
	__be16 check;  /* of the quoted layer 4 */
	__be16 check4; /* of the quoted IPv4 header */
	struct rewrite w;
};

static __always_inline int quote_read_l4(struct frame *f, const struct pkt *pkt,
					 const struct hg_tuple *from,
					 const struct hg_tuple *to, struct quote *q)
{
	__u32 end = pkt->l3 + pkt->len;
	const __be16 *check;

	rewrite_plan(from, to, q->l4 < end ? end - q->l4 : 0, &q->w);
	q->sum += q->w.ends + q->w.ports;
	if (!q->w.check)
		return 0;
	check = frame_at(f, q->l4 + q->w.check, sizeof(*check));
	if (!check)
		return -HG_DROP_INTERNAL;
	if (!*check && q->w.may_lack) {
		q->w.check = 0;
		return 0;
	}
	q->check = csum_apply(*check, (q->w.has_ends ? q->w.ends : 0) + q->w.ports);
	if (!q->check && q->w.may_lack)
		q->check = 0xffff;
	q->sum = csum_swap(q->sum, *check, q->check);
	return 0;
}

static __always_inline int quote_read(struct frame *f, const struct pkt *pkt,
				      const struct hg_tuple *from,
				      const struct hg_tuple *to, struct quote *q)
{
	const struct icmp *icmp = frame_at(f, pkt->l4, sizeof(*icmp));
	int r;

	if (!icmp)
		return -HG_DROP_INTERNAL;
	q->icmp_check = icmp->checksum;
	q->l3 = pkt->l4 + sizeof(*icmp);
	if (from->family == HG_FAMILY_4) {
		const struct iphdr *h = frame_at(f, q->l3, sizeof(*h));

		if (!h)
			return -HG_DROP_INTERNAL;
		q->l4 = q->l3 + h->ihl * 4;
		q->check4 = h->check;
	} else {
		q->l4 = q->l3 + sizeof(struct ipv6hdr);
	}
	r = quote_read_l4(f, pkt, from, to, q);
	if (from->family == HG_FAMILY_4) {
		__be16 check = csum_apply(q->check4, q->w.ends);

		q->sum = csum_swap(q->sum, q->check4, check);
		q->check4 = check;
	}
	return r;
}

static __always_inline int quote_store_l4(struct frame *f, const struct quote *q,
					  const struct hg_tuple *to)
{
	if (q->w.has_ports) {
		__be16 ports[2] = { to->sport, to->dport };

		if (frame_store(f, q->l4, ports, sizeof(ports)))
			return -HG_DROP_INTERNAL;
	} else if (q->w.has_id) {
		__be16 id = q->w.id;

		if (frame_store(f, q->l4 + REWRITE_ID, &id, sizeof(id)))
			return -HG_DROP_INTERNAL;
	}
	if (q->w.check) {
		__be16 check = q->check;

		if (frame_store(f, q->l4 + q->w.check, &check, sizeof(check)))
			return -HG_DROP_INTERNAL;
	}
	return 0;
}

static __always_inline int quote_store_l3(struct frame *f, const struct quote *q,
					  const struct hg_tuple *to)
{
	if (to->family == HG_FAMILY_4) {
		struct {
			__be16 zero, check;
			__be32 saddr, daddr;
		} out = { .check = q->check4,
			  .saddr = to->saddr.w[0],
			  .daddr = to->daddr.w[0] };

		return frame_store(f, q->l3 + 10, &out.check, 10);
	} else {
		struct {
			struct hg_addr saddr, daddr;
		} out = { to->saddr, to->daddr };

		return frame_store(f, q->l3 + 8, &out, sizeof(out));
	}
}

/* Rare, and called from more than one place: a function of its own. */
static __noinline int quote_frame(struct frame *f, const struct pkt *pkt,
				  const struct hg_tuple *from, const struct hg_tuple *to)
{
	struct quote q = {};
	__be16 check;

	if (quote_read(f, pkt, from, to, &q))
		return -HG_DROP_INTERNAL;
	check = csum_apply(q.icmp_check, q.sum);
	if (quote_store_l3(f, &q, to) || quote_store_l4(f, &q, to) ||
	    frame_store(f, pkt->l4 + REWRITE_CHECK_ICMP, &check, sizeof(check)))
		return -HG_DROP_INTERNAL;
	frame_reload(f);
	return rewrite_frame(f, pkt);
}
