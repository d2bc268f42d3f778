/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */

/* SYNs of random sources: one program makes them, another takes their answers, and resets some as
 * the hosts would whose addresses were lent.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "syn.h"

#define TCP_AT (sizeof(struct ethhdr) + sizeof(struct iphdr))
#define SHORTS (sizeof(struct tcphdr) / 2)

struct syn syn_frame;
__u64 syn_answers, syn_resets;
__u32 syn_device = 1;
__u32 syn_alive; /* so many of 1,000 sources reset what they have not asked for */

/* The sum's carries, twice. */
static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u32 halves(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

SEC("xdp")
int syn_make(struct xdp_md *xdp)
{
	struct syn *f = (void *)(long)xdp->data;
	__u32 from = SYN_FIRST + (bpf_get_prandom_u32() & (SYN_SOURCES - 1));

	if ((void *)(f + 1) > (void *)(long)xdp->data_end)
		return XDP_ABORTED;
	*f = syn_frame;
	f->ip.saddr = bpf_htonl(from);
	f->tcp.seq = bpf_get_prandom_u32();
	f->tcp.source = bpf_htons(1024 + (f->tcp.seq >> 17));
	f->ip.check = ~fold((__u16)~f->ip.check + halves(f->ip.saddr));
	f->tcp.check = ~fold((__u16)~f->tcp.check + halves(f->ip.saddr) +
			     halves(f->tcp.seq) + f->tcp.source);
	return bpf_redirect(syn_device, 0);
}

/* A SYN-ACK becomes the reset that answers it. */
static __always_inline int reset(struct syn *f)
{
	__u32 saddr = f->ip.saddr,
	      sum = bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(f->tcp));
	__u16 *word = (void *)f + TCP_AT, port = f->tcp.source;
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, f->eth.h_source, ETH_ALEN);
	__builtin_memcpy(f->eth.h_source, f->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(f->eth.h_dest, mac, ETH_ALEN);
	f->ip.saddr = f->ip.daddr;
	f->ip.daddr = saddr;
	f->tcp.source = f->tcp.dest;
	f->tcp.dest = port;
	f->tcp.seq = f->tcp.ack_seq;
	f->tcp.ack_seq = 0;
	word[6] = bpf_htons(0x5004);
	f->tcp.window = 0;
	f->tcp.check = 0;
	sum += halves(f->ip.saddr) + halves(f->ip.daddr);
#pragma unroll
	for (unsigned i = 0; i < SHORTS; i++)
		sum += word[i];
	f->tcp.check = ~fold(sum);
	syn_resets++;
	return XDP_TX;
}

/* What was sent to a source that was lent; all else is the machine's own. */
SEC("xdp")
int syn_end(struct xdp_md *xdp)
{
	struct syn *f = (void *)(long)xdp->data;
	__u32 to;

	if ((void *)f + TCP_AT + sizeof(f->tcp) > (void *)(long)xdp->data_end ||
	    f->eth.h_proto != bpf_htons(ETH_P_IP) || f->ip.protocol != IPPROTO_TCP)
		return XDP_PASS;
	to = bpf_ntohl(f->ip.daddr) - SYN_FIRST;
	if (to >= SYN_SOURCES)
		return XDP_PASS;
	syn_answers++;
	if (f->tcp.syn && f->tcp.ack && to * 2654435761U % 1000 < syn_alive)
		return reset(f);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
