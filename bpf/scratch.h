/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* scratch: what is known of a packet does not fit a stack of 512 bytes.
 *
 * In       Nothing.
 * Out      One struct for each CPU and for each of packets and explain. Packets of one CPU
 *          do not interrupt each other: both doors run with bottom halves off.
 * Cost     A per-CPU look-up; its lines stay in the first level cache.
 */
#include "way.h"
#include "wire.h"

/* The route in hand, as in struct hg_route. */
struct leg {
	__u32 kind, target, rule, object;
};

/* What a balancer chose. */
struct balanced_choice {
	__u32 target, slot; /* id; 1 + number */
	__u32 flags;        /* HG_POOL_* */
	__u32 zero;
};

/* What goes around a packet to an appliance. */
struct wrap {
	__be32 saddr, daddr; /* router, appliance */
	__u32 gwlb;
	__u32 cookie;
	__be16 sport;
	__u16 zero;
};

struct scratch {
	struct pkt pkt;
	int result;    /* of what was decided, for the program that acts on it */
	int is_answer; /* the frame goes back as it has been made */
	struct ends ends;
	__u32 tracks; /* HG_FLOW_TRACK_* of the ends that would keep state */
	struct flow_work work;
	struct hg_tuple came;   /* the packet as it came in; pkt.tuple travels */
	struct hg_tuple back;   /* the key of the other direction */
	struct hg_tuple answer; /* see port.h */
	struct pkt quoted;      /* what an ICMP error is about */
	struct hg_tuple quote;  /* as that goes out */
	/* the connection's entry of this direction */
	struct flow entry;
	struct hg_tuple entry_to; /* as it would go out */
	__u32 has_entry;
	__u32 is_related; /* the entry is that of what an ICMP error quotes, turned round */
	/* where the packet is on its way */
	struct leg leg;
	__u32 nat;         /* NAT gateway that it went through, 0 none */
	__u32 into;        /* NAT gateway that it is for, 0 none */
	__be32 public;     /* the elastic IP that stands for it then */
	__u32 needs_port;  /* it has not chosen a port yet */
	__u32 strict;      /* STRICT_* */
	__u32 from_subnet; /* of the sender, 0: outside */
	__u32 was_idle;    /* this packet met its connection when that was over */
	/* balancers */
	__u32 balanced; /* BALANCED_*: its connection's packets of this direction go through one */
	__u32 vip;  /* virtual address that it is for, or goes back through; 0 none */
	__u32 peer; /* of that address: groups of the target may mean it, too; 0 none */
	struct balanced_choice choice;
	/* rate limits: see limit.h */
	struct end limited; /* what the destination is to them */
	__u32 limit;        /* the first that looks at the packet, 0 none */
	__u32 limit_next, limit_object;
	__u32 limit_opens; /* a connection, if nothing drops it */
	/* gateway load balancers */
	__u32 inspected; /* INSPECTED_* */
	__be32 pinned;   /* the connection's appliance, 0: it needs another */
	__u32 pinned_in; /* device id by which its opener came in */
	struct wrap wrap;
};

#define INSPECTED_NOT    0
#define INSPECTED_ONWARD 1 /* an appliance gave it back, and it goes on */
#define INSPECTED_BACK   2 /* an appliance gave it back, and it goes to the sender */
#define INSPECTED_ANSWER 3 /* it answers what went on so: to the appliance */

#define BALANCED_NOT   0
#define BALANCED_THERE 1 /* to the target */
#define BALANCED_BACK  2

/* rule_change strict: groups are asked although the connection is tracked. */
#define STRICT_NOT   0
#define STRICT_AGAIN 1 /* about this packet, of the direction that opened it */
#define STRICT_BACK  2 /* about that direction, as this packet is an answer */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct scratch);
} hg_scratch SEC(".maps");

/* 'ret' answers 't', and is another. A call: inlined, its words would lie on the stack of
 * whoever goes on to an insertion. */
static __noinline int tuple_reverse(const struct hg_tuple *t, struct hg_tuple *ret)
{
	ret->saddr = t->daddr;
	ret->daddr = t->saddr;
	ret->sport = t->dport;
	ret->dport = t->sport;
	ret->protocol = t->protocol;
	ret->family = t->family;
	ret->zone = t->zone;
	return 0;
}

/* What goes out as IPv6 does so as the key of that direction's pair says. */
static __always_inline void flow_load6(const struct flow *pair, struct hg_tuple *ret)
{
	const struct hg_flow6 *e = (void *)pair - FLOW6_TAIL;

	ret->saddr = e->key.daddr;
	ret->daddr = e->key.saddr;
	ret->sport = e->key.dport;
	ret->dport = e->key.sport;
	ret->protocol = e->key.protocol;
	ret->family = HG_FAMILY_6;
	ret->zone = e->key.zone;
}

/* What is known of the packet's connection: scratch->entry, and entry_to: as its packets go
 * out, in the zone where answers come in (0: not known). */
HG_GLOBAL int flow_load(struct scratch *s, const struct flow *fl)
{
	const struct flow *pair;
	union flow_key4 k;
	__u32 family, at;

	if (!s || !fl)
		return 0;
	s->entry = *fl;
	s->has_entry = 1;
	s->entry_to = s->came;
	s->entry_to.zone = 0;
	family = s->came.family;
	pair = flow_pair(fl, family);
	if (pair) {
		k.w[1] = READ_ONCE(pair->tail);
		s->entry_to.zone = k.key.zone;
	}
	if (!(HG_LIFE_FLAGS(s->entry.state.life) & HG_FLOW_NAT))
		return 0;
	at = s->entry.state.pair;
	if (!(at & HG_PAIR_OTHER) == (family == HG_FAMILY_6)) {
		/* Nowhere, when it left. */
		if (family == HG_FAMILY_6)
			s->entry_to.family = HG_FAMILY_NONE;
		pair = pair ? flow_at(at & ~HG_PAIR_OTHER, HG_FAMILY_6) : NULL;
		if (pair)
			flow_load6(pair, &s->entry_to);
		return 0;
	}
	s->entry_to.saddr = (struct hg_addr){ .w = { s->entry.room[0] } };
	s->entry_to.daddr = (struct hg_addr){ .w = { s->entry.room[1] } };
	s->entry_to.sport = (__be16)s->entry.room[2];
	s->entry_to.dport = s->entry.room[2] >> 16;
	if (family == HG_FAMILY_6) {
		s->entry_to.family = HG_FAMILY_4;
		if (s->entry_to.protocol == IPPROTO_ICMPV6)
			s->entry_to.protocol = IPPROTO_ICMP;
	}
	return 0;
}

static __always_inline struct scratch *scratch_get(__u32 commit)
{
	__u32 i = commit ? 0 : 1;

	return bpf_map_lookup_elem(&hg_scratch, &i);
}
