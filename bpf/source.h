/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* source: who speaks to whom, and whether they may use these addresses.
 *
 * In       pkt->tuple, door; the device's line.
 * Out      struct ends: what both addresses are to the rules; which interfaces judge.
 * Result   0, -HG_DROP_MALFORMED, -HG_DROP_SOURCE_CHECK or -HG_DROP_DEST_CHECK.
 * Cost     Two class look-ups (docs/performance.md), and the interfaces' lines.
 */
#include "class.h"
#include "trace.h"
#include "wire.h"

static __always_inline int is_multicast(const struct hg_addr *a, __u32 family)
{
	if (family == HG_FAMILY_6)
		return (a->w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
	return (a->w[0] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000);
}

static __always_inline int is_broadcast(const struct hg_addr *a, __u32 family)
{
	return family == HG_FAMILY_4 && a->w[0] == ~0U;
}

static __always_inline int is_unspecified(const struct hg_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

static __always_inline int is_loopback(const struct hg_addr *a, __u32 family)
{
	if (family == HG_FAMILY_6)
		return !(a->w[0] | a->w[1] | a->w[2]) && a->w[3] == bpf_htonl(1);
	return (a->w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static __always_inline int is_link_local6(const struct hg_addr *a, __u32 family)
{
	return family == HG_FAMILY_6 &&
	       (a->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* Sources that nobody may have. The unspecified address is another matter: DHCP and
 * neighbour discovery use it. */
static __always_inline int source_is_bad(const struct hg_tuple *t)
{
	return is_multicast(&t->saddr, t->family) || is_broadcast(&t->saddr, t->family) ||
	       is_loopback(&t->saddr, t->family) || addr_equal(&t->saddr, &t->daddr);
}

static __always_inline void ends_find(const struct pkt *pkt, const struct hg_device *d,
				      struct ends *e)
{
	e->own = d->interface;
	e->role = d->role;
	e->vpc = d->vpc;
	e->idle = e->is_alone = 0;
	class_find(pkt, d->vpc, &pkt->tuple.saddr, &e->src);
	class_find(pkt, d->vpc, &pkt->tuple.daddr, &e->dst);
	e->sender = e->src.interface;
	e->receiver = e->dst.interface;
	e->sender_subnet = e->src.subnet;
	e->receiver_subnet = e->dst.subnet;
	if (d->role == HG_ROLE_SUBNET)
		return;
	/* A port's in door and a host's out door: the device's interface sends. */
	if ((d->role == HG_ROLE_PORT) == (pkt->door == HG_DOOR_IN)) {
		e->sender = d->interface;
		e->sender_subnet = d->subnet;
	} else {
		e->receiver = d->interface;
		e->receiver_subnet = d->subnet;
	}
}

static __always_inline int subnet_is_router(const struct hg_subnet *s,
					    const struct hg_addr *a, __u32 family)
{
	if (!s)
		return 0;
	if (family == HG_FAMILY_4)
		return s->router4 && s->router4 == a->w[0];
	return !is_unspecified(&s->router6) && addr_equal(&s->router6, a);
}

/* At a subnet's device: the source is one of the subnet's addresses, and nobody's who
 * is reached in another way. */
static __always_inline int source_check_subnet(const struct pkt *pkt,
					       const struct ends *e,
					       const struct hg_device *d)
{
	const struct hg_interface *from = image_interface(pkt, e->src.interface);
	int r = 0;

	if (e->src.subnet != d->subnet || e->src.nat || e->src.vip ||
	    (from && from->device) ||
	    subnet_is_router(image_subnet(pkt, d->subnet), &pkt->tuple.saddr,
			     pkt->tuple.family))
		r = -HG_DROP_SOURCE_CHECK;
	return r;
}

static __always_inline int source_check_interface(const struct pkt *pkt,
						  const struct ends *e)
{
	const struct hg_interface *own = image_interface(pkt, e->own);
	int is_speaker = (e->role == HG_ROLE_PORT) == (pkt->door == HG_DOOR_IN);

	if (!own)
		return -HG_DROP_INTERNAL;
	if (is_speaker) {
		if (own->flags & HG_INTERFACE_CHECK && e->src.interface != e->own &&
		    !(e->role == HG_ROLE_HOST &&
		      is_link_local6(&pkt->tuple.saddr, pkt->tuple.family)))
			return -HG_DROP_SOURCE_CHECK;
	} else if (e->src.interface) {
		const struct hg_interface *other = image_interface(pkt, e->src.interface);

		if (e->src.interface == e->own ||
		    (other && other->device && !(other->flags & HG_INTERFACE_LOCAL)))
			return -HG_DROP_SOURCE_CHECK;
	}
	return 0;
}

/* 'is_gate': this door forwards, and link-local packets are not forwarded. */
static __always_inline int source_check(const struct pkt *pkt, const struct ends *e,
					const struct hg_device *d, __u32 is_gate)
{
	int r;

	if (e->role == HG_ROLE_SUBNET)
		r = source_check_subnet(pkt, e, d);
	else
		r = source_check_interface(pkt, e);
	if (is_gate && (is_link_local6(&pkt->tuple.saddr, pkt->tuple.family) ||
			is_link_local6(&pkt->tuple.daddr, pkt->tuple.family)))
		r = -HG_DROP_SOURCE_CHECK;
	trace_step(pkt, HG_STAGE_source_check, d->object, 0, r == 0, 0);
	return r;
}

static __always_inline int dest_check(const struct pkt *pkt, const struct ends *e)
{
	const struct hg_interface *own = image_interface(pkt, e->own);
	int r = 0;

	if (!own)
		return -HG_DROP_INTERNAL;
	if ((e->role == HG_ROLE_PORT) == (pkt->door == HG_DOOR_IN))
		return 0; /* the device's interface is the sender */
	if (own->flags & HG_INTERFACE_CHECK && e->dst.interface != e->own &&
	    !is_multicast(&pkt->tuple.daddr, pkt->tuple.family) &&
	    !is_broadcast(&pkt->tuple.daddr, pkt->tuple.family) &&
	    !(e->role == HG_ROLE_HOST &&
	      is_link_local6(&pkt->tuple.daddr, pkt->tuple.family)))
		r = -HG_DROP_DEST_CHECK;
	trace_step(pkt, HG_STAGE_dest_check, own->object, 0, r == 0, 0);
	return r;
}
