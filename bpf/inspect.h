/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* inspect: to the appliance of a gateway load balancer, and on from there.
 *
 *   sender's packet     route -> choice -> appliance        entries A1, and A2 in the balancer's zone
 *   given back          table without inspection -> onward  entries B1 in that zone, and B2 beyond
 *   answer, by B2       translated back -> appliance of A2
 *   given back, by A2   to the sender
 *
 * In       The packet as it is inside the VPC; pkt->given, given_by and given_cookie of what an
 *          appliance gave back.
 * Out      scratch->inspected, wrap; pkt->out and via towards the appliance, with ACT_WRAP.
 * Result   0, 1: away, or the reason of section 17 of docs/semantics.md.
 * Cost     A look-up of the flow table for each packet besides its own. No packet is a hit: an
 *          entry has no room for the headers.
 *
 * A connection through an appliance is two of ours that share a tuple. The zone keeps them apart: what
 * comes out of appliances comes in by a door of its own, which is no device. So an answer need not know
 * where its sender was: A2 has the answer's tuple for its key. A1 and A2 keep the
 * appliance's address; that of a connection which is to be moved is cleared by the agent. What
 * is given back was counted by rate limits where it came in.
 */
#include <hg/balancer.h>

#include "balancer.h"

#define INSPECT_OTHER 120 /* seconds, what is not TCP */

static __always_inline const struct hg_gwlb *inspect_get(const struct pkt *pkt, __u32 id)
{
	const struct hg_gwlb *g =
		id ? table_record(pkt, HEADER_TABLE(pkt, gwlbs), id) : NULL;

	return g && g->meter ? g : NULL;
}

/* Is it a connection's that goes to an appliance? Those of load balancers are translated. */
static __always_inline int inspect_is_entry(__u64 bytes, __u32 life)
{
	return HG_BYTES_METER(bytes) >= HG_METER_BALANCER &&
	       !(HG_LIFE_FLAGS(life) & HG_FLOW_NAT);
}

static __always_inline int inspect_say(struct scratch *s, const struct hg_gwlb *g, int r)
{
	trace_step(&s->pkt, HG_STAGE_load_balancer, g ? g->object : 0, 0, r == 0, 0);
	return r;
}

/* What the appliance has to return: of either direction the same. */
HG_GLOBAL __u32 inspect_cookie(const struct hg_tuple *t, __u32 id)
{
	if (!t)
		return 0;
	return id << 20 | (hg_balancer_hash_both(t, 5, hg_seed[3]) & 0xfffff);
}

/* The answers' entry 'key' of a connection to an appliance; pinned, pinned_in. 0: there is none. */
HG_GLOBAL int inspect_find(struct scratch *s, const struct hg_tuple *key)
{
	const struct flow *fl, *pair;
	__u32 life;

	if (!s || !key)
		return 0;
	fl = flow_find(key, 0);
	if (!fl)
		return 0;
	life = READ_ONCE(fl->state.life);
	if (!inspect_is_entry(READ_ONCE(fl->state.bytes), life) ||
	    HG_LIFE_FLAGS(life) & HG_FLOW_ORIGINAL ||
	    flow_has_expired(fl, key->family, s->pkt.now))
		return 0;
	s->pinned = READ_ONCE(fl->room[0]);
	pair = flow_pair(fl, key->family);
	s->pinned_in = pair ? HG_PATH_IN(READ_ONCE(pair->state.path)) : 0;
	return flow_is_still(fl, key);
}

/* Both entries learn of another appliance. */
HG_GLOBAL int inspect_move(const struct scratch *s, const struct hg_tuple *key)
{
	struct flow *fl, *pair;

	if (!s || !key || !s->pkt.commit)
		return 0;
	fl = flow_find(key, 0);
	if (!fl ||
	    !inspect_is_entry(READ_ONCE(fl->state.bytes), READ_ONCE(fl->state.life)))
		return 0;
	pair = flow_pair(fl, key->family);
	WRITE_ONCE(fl->room[0], s->pinned);
	if (pair)
		WRITE_ONCE(pair->room[0], s->pinned);
	return 0;
}

/* An appliance for the connection 't'; pinned. */
HG_GLOBAL int inspect_choose(struct scratch *s, __u32 id, const struct hg_tuple *t)
{
	const struct hg_target *to;
	const struct hg_gwlb *g;
	struct hg_table targets;
	struct pkt *pkt;
	__u32 n;
	__u64 hash;

	if (!s || !t)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	g = inspect_get(pkt, id);
	if (!g)
		return -HG_DROP_INTERNAL;
	n = g->tuple;
	if (n == 5 && (pkt->frag != FRAG_NONE ||
		       (t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP)))
		n = 3;
	hash = hg_balancer_hash_both(t, n, g->endpoint);
	if (!pool_choose(s, g->pool, hash, hash))
		return -HG_DROP_NO_TARGET;
	targets = HEADER_TABLE(pkt, targets);
	if (s->choice.target >= targets.n)
		return -HG_DROP_INTERNAL;
	to = image_line(pkt, targets.line + (s->choice.target >> 1));
	if (!to)
		return -HG_DROP_INTERNAL;
	to += s->choice.target & 1;
	trace_target(pkt, s->choice.target, s->choice.slot);
	s->pinned = to->address.w[0];
	return 0;
}

/* By whose clock the connection lives. */
static __always_inline void inspect_time(struct scratch *s, const struct hg_gwlb *g)
{
	s->ends.idle =
		s->pkt.tuple.protocol == IPPROTO_TCP ? g->idle_timeout : INSPECT_OTHER;
}

/* What the address of an appliance is to its VPC: IPv4, whatever it inspects. */
static __always_inline void inspect_class(const struct pkt *pkt, __u32 vpc, __be32 addr,
					  struct end *ret)
{
	const struct header *h = header_find(pkt);
	const struct hg_vpc *v = h ? table_record(pkt, h->vpcs, vpc) : NULL;

	*ret = (struct end){};
	if (v)
		class_read(pkt, v, trie_find4(pkt, v->trie4, addr), ret);
}

/* To the appliance that is pinned, about the connection 't'. 1: and away. */
HG_GLOBAL int inspect_send(struct scratch *s, __u32 id, const struct hg_tuple *t)
{
	const struct hg_interface *to;
	const struct hg_subnet *subnet;
	const struct hg_device *d;
	const struct hg_gwlb *g;
	struct pkt *pkt;
	struct end end;

	if (!s || !t)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	g = inspect_get(pkt, id);
	if (!g)
		return -HG_DROP_INTERNAL;
	inspect_class(pkt, g->vpc, s->pinned, &end);
	subnet = image_subnet(pkt, end.subnet);
	to = image_interface(pkt, end.interface);
	pkt->via = (struct hg_addr){ .w = { s->pinned } };
	pkt->out = subnet ? subnet->device : 0;
	if (to && to->device) {
		pkt->out = to->flags & HG_INTERFACE_LOCAL ? 0 : to->device;
		pkt->via.w[0] = 0;
	}
	d = image_device(pkt, pkt->out);
	if (!subnet || !subnet->router4 || !pkt->out || !d)
		return inspect_say(s, g, -HG_DROP_NO_ROUTE);
	s->wrap.saddr = subnet->router4;
	s->wrap.daddr = s->pinned;
	s->wrap.gwlb = id;
	s->wrap.cookie = inspect_cookie(t, id);
	s->wrap.sport = bpf_htons(0xc000 | (s->wrap.cookie & 0x3fff));
	pkt->tuple.zone = HG_ZONE_INSPECT | id;
	/* It is inspected as it came; the hop counts where it goes on. */
	pkt->act = (pkt->act & ~ACT_TTL) | ACT_WRAP;
	inspect_time(s, g);
	inspect_say(s, g, 0);
	return 1;
}

/* May this packet open a connection? TCP by its SYN, or with tcp_loose by any segment of data. */
static __always_inline int inspect_opens(const struct pkt *pkt)
{
	return pkt->has_key &&
	       (pkt->opens || (pkt->tuple.protocol == IPPROTO_TCP &&
			       pkt->frag != FRAG_LATER && balancer_is_loose(pkt) &&
			       !(pkt->tcp_flags & (TCP_SYN | TCP_RST | TCP_FIN))));
}

/* By a route to a gateway load balancer. 1: away. */
HG_GLOBAL int inspect_enter(struct scratch *s)
{
	const struct hg_tuple *t;
	const struct hg_gwlb *g;
	struct pkt *pkt;
	__u32 is_known, id;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	id = s->leg.target;
	g = inspect_get(pkt, id);
	if (!g || pkt->given)
		return inspect_say(s, g, -HG_DROP_NO_ROUTE);
	pkt->meter = g->meter;
	s->ends.is_alone = 1;
	is_known = s->has_entry &&
		   inspect_is_entry(s->entry.state.bytes, s->entry.state.life) &&
		   HG_BYTES_METER(s->entry.state.bytes) == g->meter;
	if (pkt->frag == FRAG_ORPHAN)
		return inspect_say(s, g, -HG_DROP_FRAGMENT);
	if (!is_known && !inspect_opens(pkt))
		return inspect_say(s, g, -HG_DROP_NO_FLOW);
	t = s->is_related ? &s->back : &s->came;
	s->pinned = is_known ? s->entry.room[0] : 0;
	if (!s->pinned) {
		r = inspect_choose(s, id, t);
		if (r)
			return inspect_say(s, g, r);
		if (is_known) {
			tuple_reverse(t, &s->answer);
			s->answer.zone = HG_ZONE_INSPECT | id;
			inspect_move(s, &s->answer);
		}
	}
	return inspect_send(s, id, t);
}

/* Whether the packet answers what an appliance has let through. */
static __always_inline void inspect_meet(struct scratch *s)
{
	if (!s->pkt.given && s->has_entry && HG_ZONE_IS_INSPECT(s->entry_to.zone) &&
	    !(HG_LIFE_FLAGS(s->entry.state.life) & HG_FLOW_ORIGINAL))
		s->inspected = INSPECTED_ANSWER;
}

/* Such an answer, as it is inside. 1: away. */
HG_GLOBAL int inspect_answer(struct scratch *s)
{
	const struct hg_gwlb *g;
	__u32 id;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	id = s->entry_to.zone & ~HG_ZONE_INSPECT;
	g = inspect_get(&s->pkt, id);
	s->answer = s->entry_to;
	if (s->is_related && s->entry_to.family == s->came.family) {
		if (!(HG_LIFE_FLAGS(s->entry.state.life) & HG_FLOW_NAT))
			s->answer = s->back;
		s->answer.protocol = s->back.protocol;
		s->answer.zone = s->entry_to.zone;
	}
	if (!g || !inspect_find(s, &s->answer))
		return inspect_say(s, g, -HG_DROP_NO_FLOW);
	if (!s->pinned) {
		r = inspect_choose(s, id, &s->answer);
		if (r)
			return inspect_say(s, g, r);
		inspect_move(s, &s->answer);
	}
	return inspect_send(s, id, &s->answer);
}

/* By whose table what comes from 'subnet' goes on, and its answers come back. */
static __always_inline __u32 inspect_table(const struct scratch *s, __u32 subnet)
{
	const struct hg_gwlb *g =
		s->inspected ? inspect_get(&s->pkt, s->entry_to.zone & ~HG_ZONE_INSPECT)
			     : NULL;

	return g && g->subnet ? g->subnet : subnet;
}

/* ---- what an appliance gave back ---- */

/* The packet is one around another, which is to be decided about. The caller's jump. */
#define INSPECT_GIVEN 2

/* Does it come back from an appliance, or pretend to? */
static __always_inline int inspect_is_given(const struct scratch *s)
{
	const struct pkt *pkt = &s->pkt;
	const struct hg_subnet *to = image_subnet(pkt, s->ends.dst.subnet);

	return to && !pkt->given && pkt->tuple.family == HG_FAMILY_4 &&
	       pkt->tuple.protocol == IPPROTO_UDP &&
	       pkt->tuple.dport == bpf_htons(GENEVE_PORT) &&
	       to->router4 == pkt->tuple.daddr.w[0] && HEADER_TABLE(pkt, gwlbs).n > 1;
}

/* From another subnet it is no answer: each appliance is spoken to by the router of its own. */
static __always_inline int inspect_give(struct scratch *s)
{
	if (s->pkt.frag != FRAG_NONE || s->ends.src.subnet != s->ends.dst.subnet)
		return inspect_say(s, NULL, -HG_DROP_GENEVE);
	return INSPECT_GIVEN;
}

/* Who is who: by address, in the VPC of the balancer. */
HG_GLOBAL int inspect_ends(struct scratch *s)
{
	const struct hg_gwlb *g;

	if (!s)
		return 0;
	g = inspect_get(&s->pkt, s->pkt.given);
	s->ends = (struct ends){ .role = HG_ROLE_SUBNET };
	if (!g)
		return 0;
	ends_at(s, g->vpc);
	s->ends.sender_subnet = s->ends.src.subnet;
	s->ends.receiver = s->ends.dst.interface;
	s->ends.receiver_subnet = s->ends.dst.subnet;
	return 0;
}

/* Which connection's it is, and that the appliance is its: scratch->inspected. An error is the
 * connection's that it quotes. */
static __always_inline int inspect_recognise(struct scratch *s)
{
	struct pkt *pkt = &s->pkt;
	const struct hg_tuple *key;

	if (pkt->is_error) {
		if (!s->quoted.tuple.family || !s->quoted.has_key ||
		    !addr_equal(&s->quoted.tuple.saddr, &pkt->tuple.daddr))
			return -HG_DROP_GENEVE;
		s->answer = s->back;
	} else {
		if (!pkt->has_key)
			return -HG_DROP_GENEVE;
		s->answer = pkt->tuple;
	}
	s->inspected = INSPECTED_BACK;
	if (!inspect_find(s, &s->answer)) {
		key = &s->quoted.tuple;
		if (!pkt->is_error) {
			tuple_reverse(&pkt->tuple, &s->back);
			key = &s->back;
		}
		if (!inspect_find(s, key))
			return -HG_DROP_GENEVE;
		s->inspected = INSPECTED_ONWARD;
	}
	return s->pinned == pkt->given_by &&
			       inspect_cookie(&s->answer, pkt->given) == pkt->given_cookie
		       ? 0
		       : -HG_DROP_GENEVE;
}

/* From where it was taken out: to the sender, or to where the table sends it. */
HG_GLOBAL int inspect_start(struct scratch *s)
{
	const struct hg_device *d;
	const struct hg_gwlb *g;
	__u32 subnet;
	struct pkt *pkt;
	int r;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	g = inspect_get(pkt, pkt->given);
	if (!g)
		return -HG_DROP_GENEVE;
	r = inspect_recognise(s);
	inspect_say(s, g, r);
	if (r)
		return r;
	inspect_time(s, g);
	s->leg = (struct leg){ .kind = HG_ROUTE_LOCAL };
	if (s->inspected == INSPECTED_BACK) {
		pkt->meter = g->meter;
		pkt->is_back = 1;
		s->ends.is_alone = 1;
		return 0;
	}
	if (!s->has_entry && !pkt->is_error && !inspect_opens(pkt))
		return -HG_DROP_NO_FLOW;
	if (!s->ends.sender_subnet) {
		d = image_device(pkt, s->pinned_in);
		s->ends.sender_subnet = d ? d->subnet : 0;
	}
	subnet = g->subnet ? g->subnet : s->ends.sender_subnet;
	balancer_meet(s);
	if (!s->ends.dst.vip)
		route_find(s, subnet, ROUTE_ONWARD);
	return route_take(s, subnet);
}
