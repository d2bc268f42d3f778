/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* related: ICMP errors about a tracked connection.
 *
 * In       pkt->is_error, l4; the readable bytes of the frame.
 * Out      HG_FLOW_TRACK_* in the direction of the error: DST at the end that sent the quoted
 *          packet, SRC at the other one, if the error comes from there. 0: not related.
 *          scratch->entry_to, is_related: how that direction of the connection goes out.
 * Cost     A parse of the quoted header and one flow look-up; errors only.
 * Source   RFC 792, RFC 4443 section 3: at least the IP header and 8 bytes are quoted.
 */
#include "parse.h"
#include "scratch.h"

static __always_inline int related_ports(struct frame *f, struct pkt *quoted, __u32 l4)
{
	const struct {
		__be16 sport, dport;
		__be16 id;
		__be16 sequence;
	} *h = frame_at(f, l4, sizeof(*h));

	if (quoted->tuple.protocol != IPPROTO_TCP &&
	    quoted->tuple.protocol != IPPROTO_UDP && !is_icmp(quoted)) {
		quoted->has_key = 1;
		return 0;
	}
	if (!h)
		return -1;
	if (is_icmp(quoted)) {
		parse_query(quoted, *(const __u8 *)h, h->id);
		return 0;
	}
	quoted->tuple.sport = h->sport;
	quoted->tuple.dport = h->dport;
	quoted->has_key = 1;
	return 0;
}

static __always_inline int related_quote(struct frame *f, const struct pkt *pkt,
					 struct pkt *quoted)
{
	__u32 l3 = pkt->l4 + sizeof(struct icmp);

	quoted->tuple.family = pkt->tuple.family;
	quoted->tuple.zone = pkt->tuple.zone;
	if (pkt->tuple.family == HG_FAMILY_4) {
		const struct iphdr *h = frame_at(f, l3, sizeof(*h));

		if (!h || h->version != 4 || h->ihl < 5)
			return -1;
		if (h->frag_off & bpf_htons(0x1fff))
			return -1;
		quoted->tuple.saddr.w[0] = h->saddr;
		quoted->tuple.daddr.w[0] = h->daddr;
		quoted->tuple.protocol = h->protocol;
		return related_ports(f, quoted, l3 + h->ihl * 4);
	} else {
		const struct ipv6hdr *h = frame_at(f, l3, sizeof(*h));

		if (!h || h->version != 6)
			return -1;
		quoted->tuple.saddr = addr_load(&h->saddr, HG_FAMILY_6);
		quoted->tuple.daddr = addr_load(&h->daddr, HG_FAMILY_6);
		quoted->tuple.protocol = h->nexthdr;
		return related_ports(f, quoted, l3 + sizeof(*h));
	}
}

/* HG_FLOW_TRACK_* of the connection that scratch->quoted names, in the direction of the
 * error: the quoted packet turned round. */
HG_GLOBAL __u32 related_flow(struct scratch *s)
{
	const struct flow *fl;
	__u32 tracks;

	if (!s || !addr_equal(&s->quoted.tuple.saddr, &s->pkt.tuple.daddr))
		return 0;
	tuple_reverse(&s->quoted.tuple, &s->back);
	fl = flow_find(&s->back, 0);
	if (!fl || flow_has_expired(fl, s->back.family, s->pkt.now))
		return 0;
	tracks = HG_LIFE_FLAGS(READ_ONCE(fl->state.life));
	flow_load(s, fl);
	s->is_related = 1;
	if (!(HG_LIFE_FLAGS(s->entry.state.life) & HG_FLOW_NAT)) {
		s->entry_to.sport = s->back.sport;
		s->entry_to.dport = s->back.dport;
	}
	/* From the quoted packet's target, or from a router on the way there? */
	if (!addr_equal(&s->quoted.tuple.daddr, &s->pkt.tuple.saddr))
		tracks &= ~HG_FLOW_TRACK_SRC;
	return tracks & (HG_FLOW_TRACK_SRC | HG_FLOW_TRACK_DST);
}

static __noinline __u32 related_find(struct frame *f, struct scratch *s)
{
	s->quoted = (struct pkt){};
	if (related_quote(f, &s->pkt, &s->quoted)) {
		s->quoted.tuple.family = HG_FAMILY_NONE;
		return 0;
	}
	if (!s->quoted.has_key)
		return 0;
	return related_flow(s);
}

/* How the quote of an error that goes out otherwise than it came must read: as the packet
 * that it is about was on that side. */
static __always_inline void related_quote_out(struct scratch *s)
{
	struct pkt *pkt = &s->pkt;

	if (!(pkt->act & ACT_NAT) || !s->quoted.tuple.family ||
	    !addr_equal(&s->quoted.tuple.saddr, &s->came.daddr))
		return;
	pkt->act |= ACT_QUOTE;
	if (s->is_related && s->entry_to.family == pkt->to.family) {
		tuple_reverse(&s->entry_to, &s->quote);
		return;
	}
	/* 1:1, without a connection. */
	s->quote = s->quoted.tuple;
	if (addr_equal(&s->quote.saddr, &s->came.daddr))
		s->quote.saddr = pkt->to.daddr;
	if (addr_equal(&s->quote.daddr, &s->came.saddr))
		s->quote.daddr = pkt->to.saddr;
}
