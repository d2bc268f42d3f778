/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */

/* The product's own doors behind a generator: each run of a program is another flow, or a
 * test would measure one line in the first level cache. What the generator costs is measured
 * by bench_base_* and taken off.
 */
#include "../../bpf/headgate.bpf.c"
#include "../../bpf/port.h"

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

SEC("xdp.frags")
int bench_in(struct xdp_md *xdp)
{
	if (bench_write((void *)(long)xdp->data, (void *)(long)xdp->data_end, 0))
		return XDP_ABORTED;
	return door_xdp(xdp);
}

SEC("xdp.frags")
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
	return door_out(skb, NEXT_OUT);
}

/* ---- through a NAT gateway or a balancer ---- */

struct bench_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	__u8 rest[10];
} __attribute__((packed));

#define BENCH_PORTS 50000 /* of each client, towards a server of its own */

__u8 bench_template[sizeof(struct bench_frame)];
__u32 bench_server;   /* host order; the first */
__u32 bench_elastic;  /* host order */
__u32 bench_is_reply; /* 1: from the servers */
__u32 bench_is_one;   /* 1: all clients speak to the first server, a balancer */

/* All of it: the packet before has been rewritten, and went. */
static __always_inline int bench_write_nat(void *data, void *end)
{
	struct bench_frame *f = data;
	__u64 i = bench_pick();
	__u32 at = (__u32)(i / BENCH_PORTS);
	__be16 port = bpf_htons(10536 + (__u32)(i % BENCH_PORTS));

	if ((void *)(f + 1) > end)
		return -1;
	*f = *(const struct bench_frame *)bench_template;
	if (bench_is_reply) {
		f->ip.saddr = bpf_htonl(bench_server + at);
		f->ip.daddr = bpf_htonl(bench_elastic);
		f->tcp.source = bpf_htons(443);
		f->tcp.dest = port;
		f->tcp.seq = bpf_htonl((__u32)i);
	} else {
		f->ip.saddr = bpf_htonl(bench_saddr + at);
		f->ip.daddr = bpf_htonl(bench_server + (bench_is_one ? 0 : at));
		f->tcp.source = port;
		f->tcp.dest = bpf_htons(443);
		f->tcp.ack_seq = bpf_htonl((__u32)i + 1);
	}
	((__u8 *)&f->tcp)[13] = bench_flags;
	return 0;
}

SEC("xdp.frags")
int bench_nat(struct xdp_md *xdp)
{
	if (bench_write_nat((void *)(long)xdp->data, (void *)(long)xdp->data_end))
		return XDP_ABORTED;
	return door_xdp(xdp);
}

SEC("xdp.frags")
int bench_nat_base(struct xdp_md *xdp)
{
	if (bench_write_nat((void *)(long)xdp->data, (void *)(long)xdp->data_end))
		return XDP_ABORTED;
	return XDP_PASS;
}

/* ---- SYNs of a flood ---- */

/* As above, but each from another source, and without what fills the frame up. */
static __always_inline int bench_write_syn(void *data, void *end)
{
	const struct bench_frame *from = (const void *)bench_template;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u64 i = bench_next++;

	if ((void *)(tcp + 1) > end)
		return -1;
	*eth = from->eth;
	*ip = from->ip;
	*tcp = from->tcp;
	ip->saddr = bpf_htonl(bench_saddr + ((__u32)bench_mix(i) & 0xffffff));
	ip->daddr = bpf_htonl(bench_server);
	tcp->source = bpf_htons(1024 + (__u32)(i % 61440));
	tcp->dest = bpf_htons(443);
	tcp->seq = bpf_htonl((__u32)bench_mix(i));
	((__u8 *)tcp)[13] = bench_flags;
	return 0;
}

SEC("xdp.frags")
int bench_syn(struct xdp_md *xdp)
{
	if (bench_write_syn((void *)(long)xdp->data, (void *)(long)xdp->data_end))
		return XDP_ABORTED;
	return door_xdp(xdp);
}

SEC("xdp.frags")
int bench_syn_base(struct xdp_md *xdp)
{
	if (bench_write_syn((void *)(long)xdp->data, (void *)(long)xdp->data_end))
		return XDP_ABORTED;
	return XDP_PASS;
}

/* ---- ports of a NAT address ---- */

enum { PORT_KEEP, PORT_GIVE_BACK, PORT_BASE };

__u32 bench_mode;     /* PORT_*: what becomes of the port */
__u32 bench_any;      /* 1: the client's own will not do */
__u64 bench_refused;  /* no port */
__u64 bench_no_place; /* a port, but its flow's set was full */

/* A port for another client towards the one destination, as the data plane goes about it. */
SEC("xdp.frags")
int bench_port(struct xdp_md *xdp)
{
	struct scratch *s = scratch_get(1);
	union flow_key4 k;
	__u32 port, at;

	if (!s)
		return XDP_ABORTED;
	s->pkt.commit = 1;
	s->pkt.now = clock_ticks(0);
	s->came = (struct hg_tuple){ .family = HG_FAMILY_4, .zone = 1 };
	bench_client(bench_pick(), &s->came.saddr.w[0], &s->came.sport);
	s->answer = (struct hg_tuple){ .saddr.w = { bpf_htonl(0xc6336401) },
				       .daddr.w = { bpf_htonl(0x0a000005) },
				       .sport = bpf_htons(443),
				       .protocol = IPPROTO_TCP,
				       .family = HG_FAMILY_4,
				       .zone = 2 };
	s->work.seed = (struct flow_seed){ .life = HG_LIFE(350, HG_STATE_ESTABLISHED,
							   HG_FLOW_NAT) };
	port = bench_any ? 0 : bpf_ntohs(s->came.sport);
	if (bench_mode == PORT_BASE)
		return XDP_PASS;
	for (int n = 0; n < 4; n++) {
		port = port_choose(s, port);
		if (!port) {
			bench_refused++;
			return XDP_DROP;
		}
		flow_key4(&s->answer, &k);
		if (bench_mode == PORT_GIVE_BACK) {
			port_freed(k.w[0], k.w[1]);
			return XDP_PASS;
		}
		at = flow_insert4(&s->answer, &s->work, s->pkt.now);
		if (at != FLOW_FULL && at != FLOW_LOCKED) {
			port_took(s);
			return XDP_PASS;
		}
		bench_no_place++;
		port = 0;
	}
	return XDP_DROP;
}
