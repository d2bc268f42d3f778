/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */

/* The product's own doors behind a generator: each run of a program is another flow, or a
 * test would measure one line in the first level cache. What the generator costs is measured
 * by bench_base_* and taken off.
 */
#include "../../bpf/headgate.bpf.c"

__u64 bench_next;      /* the number of the next packet */
__u64 bench_flows = 1; /* pick among so many at random; 0: one after another */
__u32 bench_flags = TCP_SYN;
__u32 bench_saddr = 0x0b000000; /* host order; the first client */
__u32 bench_spread;             /* 1: clients all over the address space */

static __always_inline __u64 bench_mix(__u64 x)
{
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

static __always_inline __u64 bench_pick(void)
{
	__u64 n = bench_next++;

	return bench_flows ? (bench_mix(n) >> 32) * bench_flows >> 32 : n;
}

/* Flow 'i' as the client's side of it: 61,440 ports for each address. */
static __always_inline void bench_client(__u64 i, __be32 *ret_addr, __be16 *ret_port)
{
	__u32 at = (__u32)(i / 61440), addr = bench_saddr + at;

	if (bench_spread)
		addr = 0x0b000000 + (__u32)(bench_mix(i) >> 40);
	*ret_addr = bpf_htonl(addr);
	*ret_port = bpf_htons(1024 + (__u32)(i % 61440));
}

/* The frame holds Ethernet, IPv4 and TCP; 'is_reply': from the server's side. */
static __always_inline int bench_write(void *data, void *end, int is_reply)
{
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u64 i = bench_pick();
	__be32 addr;
	__be16 port;

	if ((void *)(tcp + 1) > end)
		return -1;
	bench_client(i, &addr, &port);
	if (is_reply) {
		ip->daddr = addr;
		tcp->dest = port;
		tcp->seq = bpf_htonl((__u32)i);
	} else {
		ip->saddr = addr;
		tcp->source = port;
		tcp->ack_seq = bpf_htonl((__u32)i + 1);
	}
	((__u8 *)tcp)[13] = bench_flags;
	return 0;
}

SEC("xdp")
int bench_in(struct xdp_md *xdp)
{
	if (bench_write((void *)(long)xdp->data, (void *)(long)xdp->data_end, 0))
		return XDP_ABORTED;
	return door_xdp(xdp);
}

SEC("xdp")
int bench_base(struct xdp_md *xdp)
{
	if (bench_write((void *)(long)xdp->data, (void *)(long)xdp->data_end, 0))
		return XDP_ABORTED;
	return XDP_PASS;
}

SEC("tc")
int bench_out(struct __sk_buff *skb)
{
	if (bench_write((void *)(long)skb->data, (void *)(long)skb->data_end, 1))
		return TC_ACT_SHOT;
	return door_out(skb);
}
