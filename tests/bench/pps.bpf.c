/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */

/* Small UDP packets: one program makes them, another counts and drops them where they arrive. */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "pps.h"

#define PORTS 50000

struct small pps_frame; /* checksums as with both ports 0 */
__u64 pps_next, pps_arrived;
__u32 pps_device = 1, pps_flows = 1;
__u16 pps_sport = 10536, pps_dport = 9000;

/* The sum's carries, twice; 0 would say that there is no checksum. */
static __always_inline __be16 fold(__u32 sum)
{
	__u16 folded;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	folded = ~sum;
	return folded ? folded : 0xffff;
}

/* A frame was somewhere else before, where its bytes were changed: all are written. */
SEC("xdp")
int pps_make(struct xdp_md *xdp)
{
	struct small *f = (void *)(long)xdp->data;
	__u32 i = (__u32)pps_next++ % pps_flows;

	if ((void *)(f + 1) > (void *)(long)xdp->data_end)
		return XDP_ABORTED;
	*f = pps_frame;
	f->udp.source = bpf_htons(pps_sport + i % PORTS);
	f->udp.dest = bpf_htons(pps_dport + i / PORTS);
	f->udp.check = fold((__u16)~f->udp.check + (__u32)f->udp.source + f->udp.dest);
	return bpf_redirect(pps_device, 0);
}

/* One of ours has arrived. */
SEC("xdp")
int pps_end(struct xdp_md *xdp)
{
	struct small *f = (void *)(long)xdp->data;

	if ((void *)(f + 1) > (void *)(long)xdp->data_end ||
	    f->ip.protocol != IPPROTO_UDP || f->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    (__u32)bpf_ntohs(f->udp.dest) - pps_dport >= 1000)
		return XDP_PASS;
	pps_arrived++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
