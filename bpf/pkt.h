/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* pkt: all that a step may know of the packet in hand.
 *
 * In       Zeroed by the program.
 * Out      parse.h fills what is read from the frame, flow.h and decide.h the rest.
 * Cost     Lives in struct scratch, from the first program of a packet to its last.
 */
#include <hg/event.h>
#include <hg/flow.h>
#include <hg/image.h>

/* What the frame is. */
enum { PKT_IP, PKT_ARP, PKT_ND, PKT_LINK };

/* pkt.frag: FIRST and LATER share a datagram id; an ORPHAN's ports are unknown. */
enum { FRAG_NONE, FRAG_FIRST, FRAG_LATER, FRAG_ORPHAN };

/* pkt.reply: what the sender of a dropped packet is told. */
enum {
	REPLY_NONE,
	REPLY_TIME_EXCEEDED,
	REPLY_TOO_BIG,
	REPLY_RESET,
	REPLY_FIN,
	REPLY_ECHO, /* of a packet that is answered, not dropped */
	REPLY_CHALLENGE,
};

/* pkt.act: what is done to the frame before it goes. */
#define ACT_TTL    1
#define ACT_NAT    2  /* from pkt.tuple to pkt.to */
#define ACT_QUOTE  4  /* and the other way round inside the quote of an ICMP error */
#define ACT_FAMILY 8  /* IPv6 to IPv4 or back */
#define ACT_UNWRAP 16 /* first: it is what an appliance gave back */
#define ACT_WRAP   32 /* last: to an appliance */

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

/* The bytes of a frame; 'data' to 'end' is what can be read directly. */
struct frame {
	void *data, *end;
	__u32 len; /* of the whole frame */
	__u32 ifindex;
	void *ctx; /* of the program, for helpers */
	int is_xdp;
};

/* One end of a packet, as the class of its address says. */
struct end {
	__u32 peer, interface, subnet, exempt;
	__u32 row;
	__be32 public;
	__u16 nat, vip;
	__u32 is_inside;
};

struct pkt {
	struct hg_tuple tuple; /* on the slow path: as it is at the stage in hand */
	struct hg_tuple to;    /* with ACT_NAT: as it goes out */
	struct hg_addr via;    /* the next hop; zero: the instance of a port */
	__u32 base;            /* first line of the image in force */
	__u32 epoch;
	__u32 now;    /* ticks */
	__u32 device; /* id */
	__u32 slot;
	__u32 len;      /* of the IP packet */
	__u32 seq, ack; /* TCP, host order */
	__u32 frag_id;
	__u32 room;     /* from l4 to the end of the IP packet */
	__u32 segs;     /* wire packets that the frame stands for, at least 1 */
	__u32 gso_size; /* of their payload, 0: it is one */
	__u32 frame_len;
	__u32 ifindex;
	__u32 rule; /* that decided, 0 none */
	__u32 out;  /* device id by which it leaves, 0: to the kernel */
	__u32 hop;  /* in hg_hops, 0: to the kernel, or not known yet */
	__u32 size; /* of the longest IP packet on the wire that the frame stands for */
	__u32 told_mtu; /* REPLY_TOO_BIG */
	__u32 cookie;   /* REPLY_CHALLENGE */
	__u32 meter;    /* of the NAT gateway or balancer, 0 none */
	__u32 given;    /* gateway load balancer whose appliance gave it back, 0 none */
	__u32 given_cookie;
	__be32 given_by;   /* that appliance */
	__u16 l3, l4;      /* offsets in the frame */
	__u16 frag_offset; /* in units of 8 bytes */
	__u16 key;         /* of classifiers: destination port, or type << 8 | code */
	__u8 tcp_flags;
	__u8 kind;     /* PKT_* */
	__u8 frag;     /* FRAG_* */
	__u8 door;     /* HG_DOOR_* */
	__u8 has_key;  /* the tuple can name a flow */
	__u8 opens;    /* and this packet may open it */
	__u8 is_error; /* ICMP error that quotes a packet */
	__u8 is_cut;   /* parse met the end of the readable bytes, not of the frame */
	__u8 monitor;
	__u8 commit; /* 0: explain; constant in every program */
	__u8 is_exempt;
	__u8 is_xdp;
	__u8 tracked;
	__u8 is_new;       /* it opened a connection */
	__u8 ttl;          /* or hop limit */
	__u8 is_tagged;    /* 802.1Q */
	__u8 is_group;     /* sent to a multicast or broadcast MAC */
	__u8 is_told;      /* its sender was told */
	__u8 reply;        /* REPLY_* */
	__u8 act;          /* ACT_* */
	__u8 may_punt;     /* the TC door is behind this XDP door */
	__u8 is_back;      /* from a NAT gateway's destination, or a target */
	__u8 is_rated;     /* a rate limit is to see each packet of the connection */
	__u8 is_punted;    /* XDP leaves it, untouched and uncounted, to the TC door */
	__u8 is_desperate; /* chosen among targets that all failed their checks */
	__u16 at; /* object of the gateway or balancer on whose border the stage in hand is */
};

/* What the slow path knows besides; per CPU, see scratch.h. */
struct ends {
	struct end src, dst;    /* by address */
	__u32 sender, receiver; /* interface ids, 0 nobody */
	__u32 sender_subnet, receiver_subnet;
	__u32 own; /* the device's interface */
	__u32 role;
	__u32 vpc;
	__u32 idle; /* seconds, of the gateway or balancer that it goes through; 0 none */
	__u32 is_alone; /* and the ends' own do not count */
};

static __always_inline struct hg_addr addr_load(const void *p, int family)
{
	const __be32 *w = p;
	struct hg_addr a = { .w = { w[0] } };

	if (family == HG_FAMILY_6) {
		a.w[1] = w[1];
		a.w[2] = w[2];
		a.w[3] = w[3];
	}
	return a;
}

/* What an entry is told that it was judged by: nothing, while its next hop is not known or
 * its packets are counted, so that the next packet asks again; and of what goes to an appliance,
 * which no entry can say. */
static __always_inline __u32 pkt_epoch(const struct pkt *pkt)
{
	return (pkt->out && !pkt->hop) || pkt->is_rated || pkt->act & ACT_WRAP
		       ? 0
		       : pkt->epoch;
}

static __always_inline int addr_equal(const struct hg_addr *a, const struct hg_addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) |
		 (a->w[3] ^ b->w[3]));
}
