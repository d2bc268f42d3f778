/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/oracle.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/event.h>

#include "tests/oracle/connection.h"

struct oracle {
	struct world world;
	unsigned epoch;
	struct memory memory;
};

/* One packet at one door, and what is known of it so far. */
struct hearing {
	struct oracle *o;
	const struct interface *at; /* the door's interface */
	int interface;
	uint32_t door;
	char zone[ZONE_TEXT];
	struct parsed p;
	uint32_t now;
	/* by position: 0 the sender, 1 the receiver */
	int end[2], subnet[2];
	struct connection *connection;
	int sender;                 /* position of the sender in 'connection' */
	struct connection *related; /* what an ICMP error is about */
	int related_receiver;       /* position of its receiver in 'related' */
};

struct oracle *oracle_new(const struct model *m, const struct facts *facts)
{
	struct oracle *o = calloc(1, sizeof(*o));

	assert(o);
	o->world = (struct world){ m, facts };
	return o;
}

void oracle_free(struct oracle *o)
{
	free(o);
}

void oracle_switch(struct oracle *o, const struct model *m)
{
	o->world.m = m;
	o->epoch++;
}

bool oracle_is_edge(const struct oracle *o, uint32_t now)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = &o->memory.connections[i];

		if (c->is_used && now - c->seen == c->timeout)
			return true;
	}
	for (size_t i = 0; i < FRAGMENTS; i++)
		if (o->memory.fragments[i].is_used &&
		    now - o->memory.fragments[i].seen == 30)
			return true;
	return false;
}

size_t oracle_connections(const struct oracle *o, uint32_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = &o->memory.connections[i];

		n += c->is_used && now - c->seen <= c->timeout;
	}
	return n;
}

static struct decision passed(int hop)
{
	return (struct decision){ .allow = true, .rule = -1, .hop = hop };
}

static struct decision dropped(uint32_t reason)
{
	return (struct decision){ .reason = reason, .rule = -1, .hop = -1 };
}

static struct decision refused(uint32_t reason, const struct ruling *by)
{
	return (struct decision){
		.reason = reason, .object = by->object, .rule = by->rule, .hop = -1
	};
}

static bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, 16) == 0;
}

/* ---- section 2.2: ARP and neighbour discovery ---- */

static bool may_speak_for(const struct hearing *h, const struct addr *a)
{
	static const struct addr none4 = { .family = 4 }, none6 = { .family = 6 };

	return !h->at->source_dest_check || same_addr(a, &none4) ||
	       same_addr(a, &none6) || is_link_local(a) ||
	       interface_owns(&h->o->world, h->interface, a);
}

static bool is_router_of(const struct subnet *s, const struct addr *a)
{
	for (size_t k = 0; k < s->n_cidrs; k++) {
		struct addr router = cidr_nth(&s->cidrs[k], 1);

		if (same_addr(&router, a))
			return true;
	}
	return false;
}

static bool is_answered(const struct hearing *h, const struct addr *a)
{
	const struct model *m = h->o->world.m;
	int owner;

	if (h->at->subnet < 0)
		return false;
	if (is_router_of(&m->subnets[h->at->subnet], a))
		return true;
	owner = address_owner(&h->o->world, h->at->vpc, a);
	return owner >= 0 && owner != h->interface &&
	       address_subnet(&h->o->world, h->at->vpc, a) == h->at->subnet;
}

static struct decision judge_neighbour(const struct hearing *h)
{
	const struct parsed *p = &h->p;
	struct decision d = passed(-1);
	bool asks;

	if (h->at->is_local || h->door == HG_DOOR_OUT)
		return d;
	if (!may_speak_for(h, &p->l4.src))
		return dropped(HG_DROP_SOURCE_CHECK);
	if (p->is_short)
		return dropped(HG_DROP_MALFORMED);
	if (p->kind == PARSED_ND && p->nd_type == 136 && !may_speak_for(h, &p->target))
		return dropped(HG_DROP_SOURCE_CHECK);
	asks = p->kind == PARSED_ARP ? p->arp_op == 1
				     : p->is_solicitation && !p->is_unspecified;
	d.is_answer =
		asks && is_answered(h, p->kind == PARSED_ARP ? &p->l4.dst : &p->target);
	return d;
}

/* ---- section 2.4 and 2.10: who may be at the ends ---- */

static bool is_own(const struct hearing *h, const struct addr *a)
{
	return interface_owns(&h->o->world, h->interface, a) ||
	       (h->at->is_local && is_link_local(a));
}

/* From the instance, or from this host: its own words. */
static bool is_spoken_here(const struct hearing *h)
{
	return h->at->is_local == (h->door == HG_DOOR_OUT);
}

static bool passes_source_check(const struct hearing *h)
{
	int owner;

	if (is_spoken_here(h))
		return !h->at->source_dest_check || is_own(h, &h->p.l4.src);
	owner = address_owner(&h->o->world, h->at->vpc, &h->p.l4.src);
	return owner < 0 ||
	       (owner != h->interface && !interface_has_port(&h->o->world, owner));
}

static bool passes_dest_check(const struct hearing *h)
{
	return is_spoken_here(h) || !h->at->source_dest_check ||
	       is_own(h, &h->p.l4.dst) || is_multicast(&h->p.l4.dst);
}

static void find_ends(struct hearing *h)
{
	const struct addr *address[2] = { &h->p.l4.src, &h->p.l4.dst };
	int here = is_spoken_here(h) ? 0 : 1;

	h->end[here] = h->interface;
	h->subnet[here] = h->at->subnet;
	h->end[!here] = address_owner(&h->o->world, h->at->vpc, address[!here]);
	h->subnet[!here] = address_subnet(&h->o->world, h->at->vpc, address[!here]);
}

/* ---- section 5: connections ---- */

static bool crosses(const struct hearing *h)
{
	return h->subnet[0] != h->subnet[1];
}

static int nacl_of(const struct hearing *h, int position)
{
	const struct model *m = h->o->world.m;

	return h->subnet[position] < 0 ? -1 : m->subnets[h->subnet[position]].nacl;
}

/* Does the group end at 'position' of 'c' let it open under these rules? */
static bool may_still_open(const struct hearing *h, const struct connection *c,
			   int position)
{
	int end = h->end[h->sender == 0 ? position : !position];

	return end < 0 ||
	       groups_judge(&h->o->world, end, position == 0 ? 1 : 0, &c->opener).allow;
}

static void note_judged(const struct hearing *h, struct connection *c, int sender)
{
	c->epoch[sender] = h->o->epoch;
	snprintf(c->met[sender], sizeof(c->met[sender]), "%s", h->at->name);
}

/* rule_change: strict. The first packet after a switch, each way, has its connection judged
 * again in the direction that opened it; and so has one that meets another device. */
static void judge_again(struct hearing *h)
{
	struct connection *c = h->connection;

	if (c->epoch[h->sender] == h->o->epoch &&
	    strcmp(c->met[h->sender], h->at->name) == 0)
		return;
	note_judged(h, c, h->sender);
	if (!h->o->world.m->settings.is_strict ||
	    exempt_to(&h->o->world, h->at->vpc, &c->opener))
		return;
	if (may_still_open(h, c, 0) && may_still_open(h, c, 1))
		return;
	c->is_used = false;
	h->connection = NULL;
}

static void find_connection(struct hearing *h)
{
	struct memory *memory = &h->o->memory;
	int quoted_sender;

	if (h->p.l4.is_known)
		h->connection =
			connection_find(memory, h->zone, &h->p.l4, h->now, &h->sender);
	if (h->connection)
		judge_again(h);
	if (h->p.has_quote && same_addr(&h->p.quote.src, &h->p.l4.dst)) {
		h->related = connection_find(memory, h->zone, &h->p.quote, h->now,
					     &quoted_sender);
		h->related_receiver = quoted_sender;
	}
}

/* Whether the end at 'position' of this packet (0 sends) passes it by what it remembers. */
static bool is_remembered(const struct hearing *h, int position)
{
	const struct connection *c = h->connection;

	if (c && c->tracks[position == 0 ? h->sender : !h->sender])
		return true;
	c = h->related;
	if (!c)
		return false;
	if (position == 1)
		return c->tracks[h->related_receiver];
	/* The sender is an end only when it is whom the quoted packet was for. */
	return same_addr(&h->p.l4.src, &h->p.quote.dst) &&
	       c->tracks[!h->related_receiver];
}

/* From an exempt address, in words that only the kernel can have let through. */
static bool is_exempt_speaker(const struct hearing *h)
{
	struct l4 question = l4_reverse(&h->p.l4);

	return !h->at->is_local && h->door == HG_DOOR_OUT &&
	       exempt_to(&h->o->world, h->at->vpc, &question);
}

/* An answer on a connection to an exempt address: no filter touches it. */
static bool is_exempt_answer(const struct hearing *h)
{
	struct l4 question = l4_reverse(&h->p.l4);

	return h->connection && h->connection->is_exempt && h->sender == 1 &&
	       exempt_to(&h->o->world, h->at->vpc, &question);
}

static bool has_no_memory(const struct hearing *h, int position, const struct ruling *r)
{
	struct l4 question = l4_reverse(&h->p.l4);
	struct ruling other;

	if (h->end[position] < 0 || r->is_untracked)
		return true;
	if (h->p.l4.protocol != 17)
		return false;
	/* It may be the answer of an untracked flow. */
	other = groups_judge(&h->o->world, h->end[position], position == 0 ? 0 : 1,
			     &question);
	return other.allow && other.is_untracked;
}

static bool may_open(const struct hearing *h)
{
	const struct l4 *p = &h->p.l4;
	bool is_response = false;

	if (is_multicast(&p->dst) || !p->is_known)
		return false;
	if (p->protocol == 6)
		return h->p.is_later_fragment ? false
					      : (tcp_opens(&h->p) ||
						 (h->o->world.m->settings.tcp_loose &&
						  tcp_is_inside(&h->p)));
	if (is_icmp(p))
		return icmp_pair(p, &is_response) && !is_response;
	return true;
}

static void open_connection(struct hearing *h, const bool tracks[2])
{
	bool is_response;
	struct connection *c;

	if (h->connection)
		h->connection->is_used = false;
	h->connection = NULL;
	if (!tracks[0] && !tracks[1])
		return;
	c = connection_add(&h->o->memory);
	snprintf(c->zone, sizeof(c->zone), "%s", h->zone);
	c->opener = h->p.l4;
	c->pair = icmp_pair(&h->p.l4, &is_response);
	note_judged(h, c, 0);
	c->tracks[0] = tracks[0];
	c->tracks[1] = tracks[1];
	c->state = c->pair                  ? STATE_ICMP
		   : h->p.l4.protocol == 17 ? STATE_UDP
		   : h->p.l4.protocol != 6  ? STATE_OTHER
		   : tcp_opens(&h->p)       ? STATE_SYN_SENT
					    : STATE_ESTABLISHED;
	h->connection = c;
	h->sender = 0;
}

/* After every stage has let the packet through. */
static void account(struct hearing *h, bool opens, const bool tracks[2])
{
	struct connection *c;
	int ends[2];

	if (h->p.is_first_fragment)
		fragment_remember(&h->o->memory, h->zone, &h->p, h->now);
	if (opens)
		open_connection(h, tracks);
	c = h->connection;
	if (!c)
		return;
	connection_step(c, &h->p, h->sender);
	ends[h->sender] = h->end[0];
	ends[!h->sender] = h->end[1];
	c->seen = h->now;
	c->timeout = connection_timeout(c, h->o->world.m, ends);
}

/* ---- section 2: the order of judgement ---- */

static struct decision judge_filters(struct hearing *h, bool ret_tracks[2])
{
	const struct world *w = &h->o->world;
	const struct l4 *p = &h->p.l4;
	struct ruling r;

	if (h->end[0] >= 0 && !is_remembered(h, 0)) {
		r = groups_judge(w, h->end[0], 1, p);
		if (!r.allow)
			return refused(HG_DROP_SG_EGRESS, &r);
		ret_tracks[0] = !has_no_memory(h, 0, &r);
	}
	if (crosses(h)) {
		r = nacl_judge(w, nacl_of(h, 0), 1, p);
		if (!r.allow)
			return refused(HG_DROP_NACL_EGRESS, &r);
		r = nacl_judge(w, nacl_of(h, 1), 0, p);
		if (!r.allow)
			return refused(HG_DROP_NACL_INGRESS, &r);
	}
	if (h->end[1] >= 0 && !is_remembered(h, 1)) {
		r = groups_judge(w, h->end[1], 0, p);
		if (!r.allow)
			return refused(HG_DROP_SG_INGRESS, &r);
		ret_tracks[1] = !has_no_memory(h, 1, &r);
	}
	return passed(-1);
}

static struct decision judge_route(const struct hearing *h)
{
	int owner;

	if (h->door == HG_DOOR_OUT || h->at->is_local)
		return passed(-1);
	if (is_multicast(&h->p.l4.dst))
		return dropped(HG_DROP_NO_ROUTE);
	owner = address_owner(&h->o->world, h->at->vpc, &h->p.l4.dst);
	if (owner >= 0 && interface_has_port(&h->o->world, owner))
		return passed(owner);
	return passed(-1);
}

static bool is_closed(const struct connection *c)
{
	return c->state == STATE_CLOSING;
}

static struct decision judge_traffic(struct hearing *h)
{
	const struct world *w = &h->o->world;
	struct connection *old = NULL;
	bool tracks[2] = {}, is_exempt, opens;
	struct decision d = passed(-1);

	find_ends(h);
	is_exempt = exempt_to(w, h->at->vpc, &h->p.l4);
	find_connection(h);
	if (!is_exempt && is_exempt_speaker(h)) {
		/* Without state, but for the connection that asked it. */
		if (h->connection && !h->connection->is_exempt)
			h->connection = NULL;
		account(h, false, tracks);
		return d;
	}
	if (h->connection && h->p.l4.protocol == 6 && is_closed(h->connection) &&
	    !h->p.is_later_fragment && tcp_opens(&h->p)) {
		old = h->connection;
		h->connection = NULL;
	}
	if (is_exempt) {
		tracks[0] = h->end[0] >= 0;
		tracks[1] = h->end[1] >= 0;
	} else if (!is_exempt_answer(h)) {
		d = judge_filters(h, tracks);
		if (d.allow && !passes_dest_check(h))
			d = dropped(HG_DROP_DEST_CHECK);
	}
	if (d.allow)
		d = judge_route(h);
	if (!d.allow)
		return d;
	opens = !h->connection && may_open(h);
	if (old)
		old->is_used = false;
	account(h, opens, tracks);
	if (h->connection && is_exempt)
		h->connection->is_exempt = true;
	d.tracked = h->connection || h->related;
	return d;
}

struct decision oracle_packet(struct oracle *o, int interface, uint32_t door,
			      const uint8_t *frame, size_t size, uint32_t now)
{
	const struct model *m = o->world.m;
	struct hearing h = {
		.o = o,
		.at = &m->interfaces[interface],
		.interface = interface,
		.door = door,
		.now = now,
	};
	const bool no_tracks[2] = {};

	snprintf(h.zone, sizeof(h.zone), "%s/%s", h.at->is_local ? "interface" : "vpc",
		 h.at->is_local ? h.at->name : m->vpcs[h.at->vpc].name);
	frame_parse(frame, size, &h.p);
	if (h.p.is_control)
		return h.at->is_local ? passed(-1) : dropped(HG_DROP_UNSUPPORTED);
	if (h.p.reason)
		return dropped(h.p.reason);
	if (h.p.kind != PARSED_IP)
		return judge_neighbour(&h);
	fragment_fill(&o->memory, h.zone, &h.p, now);
	if (exempt_anywhere(&o->world, &h.p.l4)) {
		account(&h, false, no_tracks);
		return passed(-1);
	}
	if (h.p.is_unspecified)
		return dropped(HG_DROP_MALFORMED);
	if (!passes_source_check(&h))
		return dropped(HG_DROP_SOURCE_CHECK);
	return judge_traffic(&h);
}
