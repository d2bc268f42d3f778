/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* challenge: a SYN becomes the SYN-ACK that tries its sender, in XDP.
 *
 * In       pkt->reply is REPLY_CHALLENGE; cookie; the frame untouched.
 * Out      The frame: MACs exchanged, under the same tag, without options or extensions.
 * Result   1, or 0: nothing is sent, and the frame must be dropped.
 * Cost     One shortening and three stores. There is no limit to the rate: one is sent for each SYN,
 *          which it never exceeds in length.
 *
 * TC doors have reply.h, where a checksum may be the device's to finish. In XDP it is not.
 */
#include "reply.h"

static __always_inline int challenge_store_ip(struct frame *f, const struct pkt *pkt,
					      const struct hg_tuple *t)
{
	if (t->family == HG_FAMILY_6) {
		struct ipv6hdr h = reply_ipv6(t, sizeof(struct reply_tcp));

		return frame_store(f, pkt->l3, &h, sizeof(h));
	} else {
		struct iphdr h = reply_ipv4(t, sizeof(h) / 4,
					    sizeof(h) + sizeof(struct reply_tcp));

		h.check = ~csum_fold(csum_add(0, &h, sizeof(h)));
		return frame_store(f, pkt->l3, &h, sizeof(h));
	}
}

static __noinline int challenge_frame(struct xdp_md *xdp, const struct pkt *pkt)
{
	struct hg_tuple t = { .saddr = pkt->tuple.daddr,
			      .daddr = pkt->tuple.saddr,
			      .family = pkt->tuple.family,
			      .protocol = IPPROTO_TCP };
	__u32 l4 = pkt->l3 + (t.family == HG_FAMILY_6 ? sizeof(struct ipv6hdr)
						      : sizeof(struct iphdr));
	struct frame f = { .data = (void *)(long)xdp->data,
			   .end = (void *)(long)xdp->data_end,
			   .ctx = xdp,
			   .is_xdp = 1 };
	const void *p = frame_at(&f, 0, sizeof(struct reply_link));
	struct reply_link link;
	struct reply_tcp out;

	if (!p || !reply_is_due(&f, pkt))
		return 0;
	__builtin_memcpy(&link, p, sizeof(link));
	out = reply_tcp_make(pkt, 0);
	out.check = ~csum_fold(
		csum_add(reply_sum_pseudo(&t, sizeof(out)), &out, sizeof(out)));
	if (bpf_xdp_adjust_tail(xdp, (int)(l4 + sizeof(out)) - (int)pkt->frame_len))
		return 0;
	return !reply_link_store(&f, &link, 12) && !challenge_store_ip(&f, pkt, &t) &&
	       !frame_store(&f, l4, &out, sizeof(out));
}
