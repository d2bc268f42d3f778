/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* nat: NAT gateways: out with an address and port of theirs, and back.
 *
 * In       The packet at the border of the NAT gateway's subnet; scratch->entry_to where
 *          the connection exists.
 * Out      pkt->tuple on the other side; scratch->leg: the route of its subnet (out).
 * Result   0 or the reason of section 12 of docs/semantics.md.
 * Cost     Both NACLs of its subnet, two class look-ups; a port: port.h.
 *
 * The port of a new connection is chosen when everything has passed the packet (nat_finish):
 * which ports are free depends on where the packet ends up. Until then the client's own,
 * or the first that there is, stands for it.
 */
#include "account.h"
#include "group.h"
#include "icmp64.h"
#include "nacl.h"
#include "port.h"
#include "uplink.h"

static __always_inline int nat_say(struct scratch *s, const struct hg_nat *n, int r)
{
	trace_step(&s->pkt, HG_STAGE_nat, n->object, 0, r == 0, 0);
	return r;
}

/* Fragments have ports only when the first was seen, and TCP's and ICMP's do not get
 * through at all. */
static __always_inline int nat_refuses_fragment(const struct pkt *pkt)
{
	return pkt->frag != FRAG_NONE &&
	       (pkt->tuple.protocol != IPPROTO_UDP || pkt->frag == FRAG_ORPHAN);
}

/* RFC 6052 section 2.1: the well-known prefix. */
static __always_inline int is_nat64(const struct hg_addr *a)
{
	return a->w[0] == bpf_htonl(0x0064ff9b) && !(a->w[1] | a->w[2]);
}

static __always_inline int nat_is_echo(const struct pkt *pkt)
{
	__u32 type = pkt->key >> 8;

	return pkt->tuple.family == HG_FAMILY_6 || type == ICMP_ECHO_REQUEST ||
	       type == ICMP_ECHO_REPLY;
}

/* What an error says in the other family. */
static __always_inline __u32 nat_error_key(const struct pkt *pkt)
{
	return icmp64_key(pkt->tuple.family, pkt->key);
}

/* Is this packet one that the gateway translates? */
static __always_inline int nat_admit(struct scratch *s, const struct hg_nat *n)
{
	struct pkt *pkt = &s->pkt;
	__u8 protocol = pkt->tuple.protocol;
	int is_v6 = pkt->tuple.family == HG_FAMILY_6;

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && !is_icmp(pkt))
		return -HG_DROP_NAT_PROTOCOL;
	if (nat_refuses_fragment(pkt) || (is_v6 && pkt->frag != FRAG_NONE))
		return -HG_DROP_FRAGMENT;
	if (pkt->is_error &&
	    !(s->is_related && HG_BYTES_METER(s->entry.state.bytes) == pkt->meter))
		return -HG_DROP_NAT_UNSOLICITED;
	if (is_icmp(pkt) && !pkt->is_error && !(pkt->has_key && nat_is_echo(pkt)))
		return -HG_DROP_NAT_PROTOCOL;
	if (is_v6 && pkt->l4 - pkt->l3 != sizeof(struct ipv6hdr))
		return -HG_DROP_UNSUPPORTED;
	if (pkt->is_error)
		return is_v6 && nat_error_key(pkt) == ICMP64_NONE ? -HG_DROP_NAT_PROTOCOL
								  : 0;
	if (s->has_entry || pkt->opens)
		return 0;
	if (protocol == IPPROTO_TCP && !(pkt->tcp_flags & TCP_RST))
		return route_tell(pkt,
				  s->was_idle && n->flags & HG_NAT_INSTANCE ? REPLY_FIN
									    : REPLY_RESET,
				  HG_DROP_NO_FLOW);
	return -HG_DROP_NO_FLOW;
}

/* The address of 'n' for a client: the same for all that it does. */
static __always_inline __u32 nat_address_of(const struct scratch *s,
					    const struct hg_nat *n)
{
	const struct hg_addr *a = &s->came.saddr;
	__u32 h = (a->w[0] ^ a->w[1] ^ a->w[2] ^ a->w[3]) * 0x9e3779b1U;

	return n->n_addresses ? (h >> 16) % n->n_addresses : 0;
}

static __always_inline __be32 nat_address(const struct hg_nat *n, __u32 i)
{
	return n->addresses[i & 7];
}

static __always_inline int nat_has(const struct hg_nat *n, __be32 address)
{
	int has = 0;

#pragma unroll
	for (int i = 0; i < 8; i++)
		has |= i < n->n_addresses && n->addresses[i] == address;
	return has;
}

/* IPv6 to IPv4: the destination is the last 32 bits, an echo request or error one of the
 * other protocol. */
static __always_inline void nat_to_ipv4(struct pkt *pkt)
{
	struct hg_tuple *t = &pkt->tuple;

	pkt->act |= ACT_FAMILY;
	t->family = HG_FAMILY_4;
	t->daddr = (struct hg_addr){ .w = { t->daddr.w[3] } };
	if (t->protocol != IPPROTO_ICMPV6)
		return;
	t->protocol = IPPROTO_ICMP;
	if (pkt->is_error) {
		pkt->key = icmp64_to4(pkt->key);
		return;
	}
	t->dport = bpf_htons(ICMP_ECHO_REQUEST << 8);
	pkt->key = ICMP_ECHO_REQUEST << 8;
}

static __always_inline void nat_translate(struct scratch *s, const struct hg_nat *n)
{
	struct pkt *pkt = &s->pkt;
	struct hg_tuple *t = &pkt->tuple;
	__u32 port = bpf_ntohs(t->sport);

	if (t->family == HG_FAMILY_6)
		nat_to_ipv4(pkt);
	t->saddr = (struct hg_addr){ .w = { n->private_address } };
	if (s->has_entry) {
		s->public = s->entry_to.saddr.w[0];
		/* An error has a sender of its own. */
		if (s->is_related && s->ends.src.public)
			s->public = s->ends.src.public;
		else if (!nat_has(n, s->public))
			s->public = nat_address(n, nat_address_of(s, n));
		if (!s->is_related)
			t->sport = s->entry_to.sport;
		return;
	}
	s->needs_port = 1;
	s->public = n->n_addresses ? nat_address(n, nat_address_of(s, n)) : 0;
	if (port < HG_PORT_FIRST)
		t->sport = bpf_htons(HG_PORT_FIRST);
}

/* The groups of a NAT instance. */
static __always_inline int nat_groups(struct scratch *s, const struct hg_nat *n,
				      __u32 direction)
{
	int r;

	if (!n->interface || s->has_entry)
		return 0;
	r = group_judge(&s->pkt, n->interface, direction,
			direction == HG_INGRESS ? s->ends.src.peer : s->ends.dst.peer);
	return r < 0 ? r : 0;
}

/* Into the gateway's subnet and through it. */
HG_GLOBAL int nat_enter(struct scratch *s, __u32 id)
{
	const struct hg_nat *n;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	n = image_nat(pkt, id);
	if (!n)
		return -HG_DROP_INTERNAL;
	if (s->ends.sender_subnet == n->subnet)
		return nat_say(s, n, -HG_DROP_NO_ROUTE);
	pkt->at = n->object;
	r = nacl_judge(pkt, n->subnet, HG_INGRESS, s->ends.src.peer, &pkt->tuple.daddr);
	if (r == 0)
		r = nat_groups(s, n, HG_INGRESS);
	pkt->at = 0;
	if (r)
		return r;
	pkt->meter = id;
	pkt->act |= ACT_TTL;
	s->nat = id;
	s->ends.idle = n->idle_timeout;
	r = nat_say(s, n, nat_admit(s, n));
	if (r == 0)
		nat_translate(s, n);
	return r;
}

/* Out of its subnet, by its subnet's table. */
HG_GLOBAL int nat_leave(struct scratch *s, __u32 id)
{
	const struct hg_nat *n;
	struct pkt *pkt;
	int r = 0;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	n = image_nat(pkt, id);
	if (!n)
		return -HG_DROP_INTERNAL;
	ends_at(s, n->vpc);
	s->ends.sender_subnet = n->subnet;
	route_find(s, n->subnet, 0);
	pkt->at = n->object;
	r = nat_groups(s, n, HG_EGRESS);
	if (r == 0 && route_leaves(s, n->subnet))
		r = nacl_judge(pkt, n->subnet, HG_EGRESS, s->ends.dst.peer,
			       &pkt->tuple.saddr);
	if (r == 0)
		r = route_take(s, n->subnet);
	pkt->at = 0;
	if (r == 0 && s->leg.kind == HG_ROUTE_NAT)
		r = nat_say(s, n, -HG_DROP_NO_ROUTE);
	return r;
}

/* What a NAT instance lets in. */
static __always_inline int nat_forward(struct scratch *s, const struct hg_nat *n)
{
	struct hg_table forwards = HEADER_TABLE(&s->pkt, forwards);
	struct pkt *pkt = &s->pkt;

	for (__u32 i = 0; i < HG_MAX_NAT_FORWARDS; i++) {
		const struct hg_forward *f;
		__u32 id = n->forwards + i;

		if (i >= n->n_forwards || id >= forwards.n)
			break;
		f = image_line(pkt, forwards.line + (id >> 2));
		if (!f)
			return -HG_DROP_INTERNAL;
		f += id & 3;
		if (f->protocol != pkt->tuple.protocol || f->port != pkt->tuple.dport)
			continue;
		s->entry_to = pkt->tuple;
		s->entry_to.daddr = (struct hg_addr){ .w = { f->to } };
		s->entry_to.dport = f->to_port;
		s->tracks |= HG_FLOW_TRACK_DST;
		return 0;
	}
	return -HG_DROP_NAT_UNSOLICITED;
}

/* Is this an answer, or what an instance lets in? scratch->entry_to is where it goes. */
static __always_inline int nat_accept(struct scratch *s, const struct hg_nat *n)
{
	if (nat_refuses_fragment(&s->pkt))
		return -HG_DROP_FRAGMENT;
	if (s->has_entry && HG_BYTES_METER(s->entry.state.bytes) == s->pkt.meter)
		return s->is_related && s->entry_to.family != s->pkt.tuple.family &&
				       nat_error_key(&s->pkt) == ICMP64_NONE
			       ? -HG_DROP_NAT_PROTOCOL
			       : 0;
	if (n->n_forwards && s->pkt.opens)
		return nat_forward(s, n);
	return -HG_DROP_NAT_UNSOLICITED;
}

/* An error about what came as IPv6: whoever sent it has an address there, too. */
static __always_inline void nat_error_to_ipv6(struct pkt *pkt)
{
	struct hg_tuple *t = &pkt->tuple;

	pkt->act |= ACT_FAMILY;
	pkt->key = icmp64_to6(pkt->key);
	t->family = HG_FAMILY_6;
	t->protocol = IPPROTO_ICMPV6;
	t->saddr =
		(struct hg_addr){ .w = { bpf_htonl(0x0064ff9b), 0, 0, t->saddr.w[0] } };
}

/* The client's side of the answer. */
static __always_inline void nat_restore(struct scratch *s)
{
	struct pkt *pkt = &s->pkt;
	__u32 zone = pkt->tuple.zone;

	if (s->is_related) {
		if (s->entry_to.family != pkt->tuple.family)
			nat_error_to_ipv6(pkt);
		pkt->tuple.daddr = s->entry_to.daddr;
		return;
	}
	if (s->entry_to.family != pkt->tuple.family) {
		pkt->act |= ACT_FAMILY;
		if (pkt->tuple.protocol == IPPROTO_ICMP)
			pkt->key = ICMP6_ECHO_REPLY << 8;
	}
	pkt->tuple = s->entry_to;
	pkt->tuple.zone = zone;
	if (pkt->tuple.protocol == IPPROTO_TCP || pkt->tuple.protocol == IPPROTO_UDP)
		pkt->key = bpf_ntohs(pkt->tuple.dport);
}

/* A packet to one of the gateway's addresses. 'from' is the subnet that it comes from, 0:
 * outside. Ends at the client's side of the gateway's subnet. */
HG_GLOBAL int nat_back(struct scratch *s, __u32 id, __u32 from)
{
	const struct hg_nat *n;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	n = image_nat(pkt, id);
	if (!n)
		return -HG_DROP_INTERNAL;
	pkt->meter = id;
	pkt->is_back = 1;
	s->ends.idle = n->idle_timeout;
	r = nat_accept(s, n);
	if (r)
		return nat_say(s, n, r);
	if (from != n->subnet)
		pkt->act |= ACT_TTL;
	pkt->tuple.daddr.w[0] = n->private_address;
	ends_at(s, n->vpc);
	pkt->at = n->object;
	if (from != n->subnet)
		r = nacl_judge(pkt, n->subnet, HG_INGRESS, s->ends.src.peer,
			       &pkt->tuple.daddr);
	if (r == 0)
		r = nat_groups(s, n, HG_INGRESS);
	if (r == 0) {
		pkt->at = 0;
		nat_say(s, n, 0);
		nat_restore(s);
		ends_at(s, n->vpc);
		pkt->at = n->object;
		r = nat_groups(s, n, HG_EGRESS);
	}
	if (r == 0 && s->ends.dst.subnet != n->subnet)
		r = nacl_judge(pkt, n->subnet, HG_EGRESS, s->ends.dst.peer,
			       &pkt->tuple.saddr);
	pkt->at = 0;
	s->ends.sender_subnet = n->subnet;
	return r;
}

/* All has passed the first packet of a connection: an address and port for it. */
HG_GLOBAL int nat_finish(struct scratch *s)
{
	const struct hg_nat *n;
	struct pkt *pkt;
	__u32 first, tries;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	n = image_nat(pkt, s->nat);
	if (!n)
		return -HG_DROP_INTERNAL;
	first = nat_address_of(s, n);
	tries = pkt->tuple.saddr.w[0] == s->public ? n->n_addresses : 1;
	for (__u32 i = 0; i < 8 && i < tries; i++) {
		__u32 port;

		if (pkt->tuple.saddr.w[0] == s->public) {
			s->public = nat_address(n, (first + i) % n->n_addresses);
			pkt->tuple.saddr.w[0] = s->public;
		}
		tuple_reverse(&pkt->tuple, &s->answer);
		port = bpf_ntohs(s->came.sport);
		port = port_choose(s, port >= HG_PORT_FIRST ? port : 0);
		if (port) {
			pkt->tuple.sport = bpf_htons(port);
			return 0;
		}
	}
	account_port_error(pkt);
	return nat_say(s, n, -HG_DROP_NAT_NO_PORT);
}
