/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* neighbour: ARP and neighbour discovery at the doors; what ports may say, and answers.
 *
 * In       pkt->kind is PKT_ARP or PKT_ND; the device's line.
 * Out      hg_hop.mac: the speaker's, learnt.
 * Result   0, NEIGHBOUR_ANSWER when the frame now is an answer, to be sent back, -HG_DROP_MALFORMED or -HG_DROP_SOURCE_CHECK.
 * Cost     One or two class look-ups. Not on the path of traffic.
 * Source   RFC 826; RFC 4861 sections 4.3, 4.4, 7.2.
 */
#include "hop.h"
#include "parse.h"
#include "source.h"
#include "uplink.h"

struct arp {
	__be16 htype, ptype;
	__u8 hlen, plen;
	__be16 op;
	__u8 sha[6];
	__u8 spa[4];
	__u8 tha[6];
	__u8 tpa[4];
};
HG_SIZE(struct arp, 28);

/* Solicitation or advertisement with one link-layer address option. */
struct nd {
	__u8 type, code;
	__be16 checksum;
	__be32 flags;
	struct hg_addr target;
	__u8 option, option_len;
	__u8 mac[6];
};
HG_SIZE(struct nd, 32);

#define ND_TARGET_END    24U /* size up to the target, the options follow */
#define ND_ROUTER        0x80000000U
#define ND_SOLICITED     0x40000000U
#define ND_OVERRIDE      0x20000000U
#define ND_SOURCE_OPTION 1
#define ND_TARGET_OPTION 2

/* The instance of a port speaks. */
static __always_inline void neighbour_learn(struct frame *f, const struct pkt *pkt,
					    const struct hg_device *d)
{
	const struct ethhdr *eth = f->data;
	struct hg_hop *hop;

	if (!pkt->commit || !d->hop || !PARSE_FITS(f, eth, sizeof(*eth)) ||
	    eth->h_source[0] & 1)
		return;
	hop = hop_get(d->hop);
	if (hop)
		hop_learn(hop, eth->h_source);
}

/* The neighbour 'addr' behind another device speaks, of itself, from 'mac'. Only of those
 * that the agent has entered something is learnt. */
static __always_inline void neighbour_hear(const struct pkt *pkt,
					   const struct hg_device *d,
					   const struct hg_addr *addr, const __u8 *mac)
{
	struct hg_hop *hop;

	if (!pkt->commit || d->role < HG_ROLE_SUBNET || mac[0] & 1)
		return;
	hop = hop_get(hop_find(d->ifindex, addr));
	if (hop && hop->ifindex == d->ifindex)
		hop_learn(hop, mac);
}

/* A packet of traffic came in: at a port from its instance, behind a subnet's device from a
 * host that we may know. */
static __always_inline void neighbour_speaks(struct frame *f, const struct pkt *pkt,
					     const struct hg_device *d)
{
	const struct ethhdr *eth = f->data;

	if (d->role == HG_ROLE_PORT)
		neighbour_learn(f, pkt, d);
	else if (d->role == HG_ROLE_SUBNET && PARSE_FITS(f, eth, sizeof(*eth)))
		neighbour_hear(pkt, d, &pkt->tuple.saddr, eth->h_source);
}

/* Is gateway 'id' one of 'vpc' at this uplink? A call, as the verifier walks it once then. */
HG_GLOBAL int neighbour_is_gate(const struct pkt *pkt, __u32 id, __u32 vpc)
{
	const struct hg_gateway *g = pkt ? image_gateway(pkt, id) : NULL;

	return g && g->vpc == vpc && g->device == pkt->device;
}

/* Has 'vpc' a gateway, of either kind, at this uplink? */
HG_GLOBAL int neighbour_is_gated(const struct pkt *pkt, __u32 vpc)
{
	__u32 n;

	if (!pkt)
		return 0;
	n = HEADER_TABLE(pkt, gateways).n;
	for (__u32 i = 1; i <= 2 * HG_MAX_GATEWAYS && i < n; i++)
		if (neighbour_is_gate(pkt, i, vpc))
			return 1;
	return 0;
}

/* An elastic IP of this uplink that somebody has, or a virtual address. */
static __always_inline int neighbour_is_elastic(const struct pkt *pkt,
						const struct hg_device *d,
						const struct hg_addr *target)
{
	const struct hg_place *p;
	const struct hg_gateway *g;

	p = uplink_place(pkt, d->uplink, target);
	if (!p || (p->kind != HG_PLACE_ELASTIC && p->kind != HG_PLACE_NAT &&
		   p->kind != HG_PLACE_BALANCER))
		return 0;
	g = image_gateway(pkt, p->gateway);
	/* A node's is an elastic IP like others. */
	if (p->kind == HG_PLACE_BALANCER && !p->private_address)
		return g && neighbour_is_gated(pkt, p->vpc) ? 2 : 0;
	return g && g->device == pkt->device ? 2 : 0;
}

/* Do we answer for 'target' at this door? 1: as the router, 2: for another. */
static __always_inline int neighbour_is_ours(const struct pkt *pkt,
					     const struct hg_device *d,
					     const struct hg_addr *target)
{
	const struct hg_subnet *s = image_subnet(pkt, d->subnet);
	const struct hg_interface *who;
	struct end end;

	if (d->role == HG_ROLE_UPLINK)
		return neighbour_is_elastic(pkt, d, target);
	if (!s)
		return 0;
	if (subnet_is_router(s, target, pkt->tuple.family))
		return 1;
	class_find(pkt, d->vpc, target, &end);
	if (end.subnet != d->subnet)
		return 0;
	if (end.nat || end.vip)
		return 2;
	if (d->role == HG_ROLE_SUBNET) {
		who = image_interface(pkt, end.interface);
		return who && who->device ? 2 : 0;
	}
	/* Hosts behind the subnet's device are not on the port's link. */
	return (end.interface || s->device) && end.interface != d->interface ? 2 : 0;
}

/* May whoever is behind this door speak for 'a'? */
static __always_inline int neighbour_may_claim(const struct pkt *pkt,
					       const struct hg_device *d,
					       const struct hg_addr *a)
{
	const struct hg_interface *who = image_interface(pkt, d->interface);
	const struct hg_subnet *s;
	struct end end;

	if (d->role == HG_ROLE_UPLINK || is_unspecified(a) ||
	    is_link_local6(a, pkt->tuple.family))
		return 1;
	if (d->role == HG_ROLE_PORT && (!who || !(who->flags & HG_INTERFACE_CHECK)))
		return 1;
	class_find(pkt, d->vpc, a, &end);
	if (d->role == HG_ROLE_PORT)
		return end.interface == d->interface;
	s = image_subnet(pkt, d->subnet);
	who = image_interface(pkt, end.interface);
	return end.subnet == d->subnet && !end.nat && !end.vip && !(who && who->device) &&
	       s && !subnet_is_router(s, a, pkt->tuple.family);
}

/* Doors whose instances' words are looked at. */
static __always_inline int neighbour_is_judged(const struct pkt *pkt,
					       const struct hg_device *d)
{
	return d->role != HG_ROLE_HOST && pkt->door == HG_DOOR_IN;
}

static __always_inline int neighbour_send(struct frame *f, const struct hg_device *d,
					  const __u8 *to)
{
	__u8 macs[12];

	__builtin_memcpy(macs, to, 6);
	__builtin_memcpy(macs + 6, d->mac, 6);
	return frame_store(f, 0, macs, sizeof(macs));
}

/* Both steps: 0, or NEIGHBOUR_ANSWER: the frame now is one. */
#define NEIGHBOUR_ANSWER 1

static __noinline int arp_step(struct frame *f, struct pkt *pkt, struct hg_device *d)
{
	struct hg_addr sender = {}, target = {};
	const struct arp *in = frame_at(f, pkt->l3, sizeof(*in));
	struct arp out;

	if (!in)
		return parse_cut(pkt);
	if (in->htype != bpf_htons(1) || in->ptype != bpf_htons(ETH_P_IP) ||
	    in->hlen != 6 || in->plen != 4)
		return -HG_DROP_MALFORMED;
	if (!neighbour_is_judged(pkt, d))
		return 0;
	pkt->tuple.family = HG_FAMILY_4;
	__builtin_memcpy(sender.w, in->spa, 4);
	__builtin_memcpy(target.w, in->tpa, 4);
	if (!neighbour_may_claim(pkt, d, &sender))
		return -HG_DROP_SOURCE_CHECK;
	neighbour_learn(f, pkt, d);
	neighbour_hear(pkt, d, &sender, in->sha);
	if (in->op != bpf_htons(1) || !neighbour_is_ours(pkt, d, &target))
		return 0;
	out = *in;
	out.op = bpf_htons(2);
	__builtin_memcpy(out.tha, in->sha, 6);
	__builtin_memcpy(out.tpa, in->spa, 4);
	__builtin_memcpy(out.sha, d->mac, 6);
	__builtin_memcpy(out.spa, in->tpa, 4);
	if (!pkt->commit)
		return NEIGHBOUR_ANSWER;
	if (frame_store(f, pkt->l3, &out, sizeof(out)) || neighbour_send(f, d, out.tha))
		return -HG_DROP_INTERNAL;
	return NEIGHBOUR_ANSWER;
}

static __always_inline __u32 nd_sum(const void *p, __u32 size)
{
	const __u16 *h = p;
	__u32 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < size / 2; i++)
		sum += h[i];
	return sum;
}

/* RFC 4443 section 2.3, over the pseudo header of RFC 8200 section 8.1. */
static __always_inline __be16 nd_checksum(const struct hg_addr *saddr,
					  const struct hg_addr *daddr,
					  const struct nd *nd)
{
	__u32 sum = nd_sum(saddr, sizeof(*saddr)) + nd_sum(daddr, sizeof(*daddr)) +
		    nd_sum(nd, sizeof(*nd)) + bpf_htons(sizeof(*nd)) +
		    bpf_htons(IPPROTO_ICMPV6);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Turns the solicitation in hand into its advertisement. */
static __always_inline int nd_answer(struct frame *f, struct pkt *pkt,
				     struct hg_device *d, const struct nd *in, int ours)
{
	struct {
		struct hg_addr saddr, daddr;
	} ends = { .saddr = in->target, .daddr = pkt->tuple.saddr };
	struct nd out = { .type = ND_ADVERTISEMENT,
			  .flags = bpf_htonl(ND_SOLICITED | ND_OVERRIDE |
					     (ours == 1 ? ND_ROUTER : 0)),
			  .target = in->target,
			  .option = ND_TARGET_OPTION,
			  .option_len = 1 };
	__u8 to[6];

	__builtin_memcpy(to, in->mac, 6);
	__builtin_memcpy(out.mac, d->mac, 6);
	out.checksum = nd_checksum(&ends.saddr, &ends.daddr, &out);
	if (frame_store(f, pkt->l3 + 8, &ends, sizeof(ends)) ||
	    frame_store(f, pkt->l4, &out, sizeof(out)) || neighbour_send(f, d, to))
		return -HG_DROP_INTERNAL;
	return NEIGHBOUR_ANSWER;
}

/* Whose MAC it is that a solicitation or advertisement with an option tells. */
static __always_inline void nd_hear(struct frame *f, const struct pkt *pkt,
				    const struct hg_device *d,
				    const struct hg_addr *target, __u8 type)
{
	const struct nd *in = frame_at(f, pkt->l4, sizeof(*in));

	if (!in || in->option_len != 1)
		return;
	if (type == ND_ADVERTISEMENT && in->option == ND_TARGET_OPTION)
		neighbour_hear(pkt, d, target, in->mac);
	else if (type == ND_SOLICITATION && in->option == ND_SOURCE_OPTION)
		neighbour_hear(pkt, d, &pkt->tuple.saddr, in->mac);
}

/* Who is behind a subnet's device, or a port whose source is checked, tells nobody where to
 * route: the gateway's own kernel might listen. */
static __always_inline int nd_is_router_talk(const struct pkt *pkt,
					     const struct hg_device *d, __u8 type)
{
	const struct hg_interface *who = image_interface(pkt, d->interface);

	return (type == ND_ROUTER_ADVERTISEMENT || type == ND_REDIRECT) &&
	       (d->role == HG_ROLE_SUBNET ||
		(d->role == HG_ROLE_PORT && who && who->flags & HG_INTERFACE_CHECK));
}

static __noinline int nd_step(struct frame *f, struct pkt *pkt, struct hg_device *d)
{
	const struct ipv6hdr *ip = frame_at(f, pkt->l3, sizeof(*ip));
	const struct nd *in;
	struct hg_addr target;
	__u8 type = pkt->key >> 8;
	int ours;

	if (!ip)
		return parse_cut(pkt);
	if (ip->hop_limit != 255 || source_is_bad(&pkt->tuple))
		return -HG_DROP_MALFORMED;
	if (!neighbour_is_judged(pkt, d))
		return 0;
	if (!neighbour_may_claim(pkt, d, &pkt->tuple.saddr))
		return -HG_DROP_SOURCE_CHECK;
	if (type != ND_SOLICITATION && type != ND_ADVERTISEMENT) {
		if (nd_is_router_talk(pkt, d, type))
			return -HG_DROP_SOURCE_CHECK;
		neighbour_learn(f, pkt, d);
		return 0;
	}
	if (pkt->l4 - pkt->l3 + ND_TARGET_END > pkt->len)
		return -HG_DROP_MALFORMED;
	in = frame_at(f, pkt->l4, ND_TARGET_END);
	if (!in)
		return parse_cut(pkt);
	target = addr_load(&in->target, HG_FAMILY_6);
	if (type == ND_ADVERTISEMENT && !neighbour_may_claim(pkt, d, &target))
		return -HG_DROP_SOURCE_CHECK;
	neighbour_learn(f, pkt, d);
	nd_hear(f, pkt, d, &target, type);
	/* Answers need room for our address: solicitations with just that option have it. */
	in = frame_at(f, pkt->l4, sizeof(*in));
	if (type != ND_SOLICITATION || pkt->len != sizeof(*ip) + sizeof(*in) || !in ||
	    pkt->l4 - pkt->l3 != sizeof(*ip) || in->option != ND_SOURCE_OPTION ||
	    in->option_len != 1 || is_unspecified(&pkt->tuple.saddr))
		return 0;
	ours = neighbour_is_ours(pkt, d, &target);
	if (!ours)
		return 0;
	return pkt->commit ? nd_answer(f, pkt, d, in, ours) : NEIGHBOUR_ANSWER;
}
