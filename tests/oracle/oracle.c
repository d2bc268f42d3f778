/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/oracle.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/event.h>

#include "tests/oracle/hearing.h"
#include "tests/oracle/route.h"

struct oracle *oracle_new(const struct model *m, const struct facts *facts)
{
	struct oracle *o = calloc(1, sizeof(*o));

	assert(o);
	o->world = (struct world){ .m = m, .facts = facts };
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
	o->generation++;
	o->n_deaf = 0;
}

void oracle_set_usable(struct oracle *o, const char *group, unsigned target,
		       bool is_usable)
{
	size_t i = 0;

	o->generation++;
	while (i < o->n_deaf &&
	       (strcmp(o->deaf[i].group, group) != 0 || o->deaf[i].target != target))
		i++;
	if (is_usable && i < o->n_deaf)
		o->deaf[i] = o->deaf[--o->n_deaf];
	if (is_usable || i < o->n_deaf)
		return;
	assert(o->n_deaf < DEAFS);
	o->deaf[o->n_deaf].target = target;
	snprintf(o->deaf[o->n_deaf++].group, ZONE_TEXT, "%s", group);
}

bool oracle_is_edge(const struct oracle *o, uint32_t now)
{
	for (size_t i = 0; i < o->memory.n_connections; i++) {
		const struct connection *c = &o->memory.connections[i];

		if (c->is_used && now - c->seen == c->timeout)
			return true;
	}
	for (size_t i = 0; i < o->memory.n_fragments; i++)
		if (o->memory.fragments[i].is_used &&
		    now - o->memory.fragments[i].seen == 30)
			return true;
	return false;
}

size_t oracle_connections(const struct oracle *o, uint32_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < o->memory.n_connections; i++) {
		const struct connection *c = &o->memory.connections[i];

		n += c->is_used && now - c->seen <= c->timeout;
	}
	return n;
}

struct decision passed(void)
{
	return (struct decision){ .allow = true, .rule = -1 };
}

struct decision dropped(uint32_t reason)
{
	return (struct decision){ .reason = reason, .rule = -1 };
}

struct decision refused(uint32_t reason, const struct ruling *by)
{
	return (struct decision){ .reason = reason,
				  .object = by->object,
				  .rule = by->rule };
}

/* ---- section 2.4 and 2.10: who may be at the ends ---- */

static bool is_own(const struct hearing *h, const struct addr *a)
{
	return interface_owns(&h->o->world, h->interface, a) ||
	       (h->at->is_local && is_link_local(a));
}

/* What enters is forwarded by sections 8 to 13. */
static bool is_gateway(const struct hearing *h)
{
	if (h->role == ROLE_PORT)
		return h->door == HG_DOOR_IN && h->at_subnet >= 0 &&
		       h->o->world.m->vpcs[h->vpc].is_routed;
	return h->role != ROLE_HOST;
}

/* From the instance, or from this host: its own words. */
static bool is_spoken_here(const struct hearing *h)
{
	return h->at->is_local == (h->door == HG_DOOR_OUT);
}

/* Who is at the end of a device of his own does not speak at another one. */
static bool has_device(const struct hearing *h, const struct addr *a)
{
	const struct world *w = &h->o->world;
	int owner = address_owner(w, h->vpc, a);

	return owner >= 0 && w->m->interfaces[owner].device;
}

static bool passes_subnet_check(const struct hearing *h)
{
	const struct world *w = &h->o->world;
	const struct addr *src = &h->p.l4.src;

	return address_subnet(w, h->vpc, src) == h->at_subnet && !has_device(h, src) &&
	       nat_find(w, h->vpc, src) < 0 && !vip_find(w, h->vpc, src, NULL) &&
	       !is_router_of(&w->m->subnets[h->at_subnet], src);
}

static bool is_elastic(const struct world *w, const struct addr *a)
{
	for (size_t i = 0; i < w->m->n_elastic_ips; i++)
		if (same_addr(&w->m->elastic_ips[i].address, a))
			return true;
	return false;
}

static bool passes_uplink_check(const struct hearing *h)
{
	const struct world *w = &h->o->world;

	if (in_any_vpc(w, &h->p.l4.src) || place_find(w, &h->p.l4.src).kind != PLACE_NONE)
		return false;
	return !is_private(&h->p.l4.src) ||
	       (!is_elastic(w, &h->p.l4.dst) && !in_any_vpc(w, &h->p.l4.dst) &&
		place_find(w, &h->p.l4.dst).kind != PLACE_UNATTACHED);
}

static bool passes_source_check(const struct hearing *h)
{
	int owner;

	if (is_gateway(h) && h->role != ROLE_UPLINK &&
	    (is_link_local(&h->p.l4.src) || is_link_local(&h->p.l4.dst)))
		return false;
	if (h->role == ROLE_SUBNET)
		return passes_subnet_check(h);
	if (h->role == ROLE_UPLINK)
		return passes_uplink_check(h);
	if (is_spoken_here(h))
		return !h->at->source_dest_check || is_own(h, &h->p.l4.src);
	owner = address_owner(&h->o->world, h->vpc, &h->p.l4.src);
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
	h->end[!here] = address_owner(&h->o->world, h->vpc, address[!here]);
	h->subnet[!here] = address_subnet(&h->o->world, h->vpc, address[!here]);
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

void note_judged(const struct hearing *h, struct connection *c, int sender)
{
	c->epoch[sender] = h->o->epoch;
	snprintf(c->met[sender], sizeof(c->met[sender]), "%s", h->device);
}

/* rule_change: strict. The first packet after a switch, each way, has its connection judged
 * again in the direction that opened it; and so has one that meets another device. */
static void judge_again(struct hearing *h)
{
	struct connection *c = h->connection;

	if (c->epoch[h->sender] == h->o->epoch &&
	    strcmp(c->met[h->sender], h->device) == 0)
		return;
	note_judged(h, c, h->sender);
	if (!h->o->world.m->settings.is_strict ||
	    exempt_to(&h->o->world, h->vpc, &c->opener))
		return;
	if (may_still_open(h, c, 0) && may_still_open(h, c, 1))
		return;
	c->is_used = false;
	h->connection = NULL;
}

void find_connection(struct hearing *h)
{
	struct memory *memory = &h->o->memory;
	int quoted_sender;

	if (h->p.l4.is_known)
		h->connection =
			connection_find(memory, h->zone, &h->p.l4, h->now, &h->sender);
	if (h->p.has_quote && same_addr(&h->p.quote.src, &h->p.l4.dst)) {
		h->related = connection_quoted(memory, h->zone, &h->p.quote, h->now,
					       &quoted_sender);
		h->related_receiver = quoted_sender;
	}
}

bool is_remembered(const struct hearing *h, int position)
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
	       exempt_to(&h->o->world, h->vpc, &question);
}

/* An answer on a connection to an exempt address: no filter touches it. */
bool is_exempt_answer(const struct hearing *h)
{
	struct l4 question = l4_reverse(&h->p.l4);

	return h->connection && h->connection->is_exempt && h->sender == 1 &&
	       exempt_to(&h->o->world, h->vpc, &question);
}

bool has_no_memory(const struct hearing *h, int interface, int direction,
		   const struct ruling *r, const struct l4 *p)
{
	struct l4 question = l4_reverse(p);
	struct ruling other;

	if (r->is_untracked)
		return true;
	if (p->protocol != 17)
		return false;
	/* It may be the answer of an untracked flow. */
	other = groups_judge(&h->o->world, interface, !direction, &question);
	return other.allow && other.is_untracked;
}

bool may_open(const struct hearing *h)
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

void open_connection(struct hearing *h, const bool tracks[2])
{
	struct connection *c = connection_add(&h->o->memory);

	snprintf(c->zone[0], sizeof(c->zone[0]), "%s", h->zone);
	snprintf(c->zone[1], sizeof(c->zone[1]), "%s", h->zone);
	c->opener = c->went = h->p.l4;
	note_judged(h, c, 0);
	c->tracks[0] = tracks[0];
	c->tracks[1] = tracks[1];
	c->state = is_icmp(&h->p.l4)        ? STATE_ICMP
		   : h->p.l4.protocol == 17 ? STATE_UDP
		   : h->p.l4.protocol != 6  ? STATE_OTHER
		   : tcp_opens(&h->p)       ? STATE_SYN_SENT
					    : STATE_ESTABLISHED;
	h->connection = c;
	h->sender = 0;
}

void account(struct hearing *h, bool opens, const bool tracks[2])
{
	struct connection *c;
	int ends[2];

	if (h->p.is_first_fragment)
		fragment_remember(&h->o->memory, h->zone, &h->p, h->now);
	if (opens && (tracks[0] || tracks[1]))
		open_connection(h, tracks);
	c = h->connection;
	if (!c) {
		connection_pass(&h->o->memory, h->zone, &h->p.l4);
		return;
	}
	connection_step(c, &h->p, h->sender);
	ends[h->sender] = h->end[0];
	ends[!h->sender] = h->end[1];
	c->seen = h->now;
	c->timeout = connection_timeout(c, h->o->world.m, ends);
	connection_bury(&h->o->memory, c);
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
		ret_tracks[0] = !has_no_memory(h, h->end[0], 1, &r, p);
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
		ret_tracks[1] = !has_no_memory(h, h->end[1], 0, &r, p);
	}
	return passed();
}

static struct decision judge_route(const struct hearing *h)
{
	struct decision d = passed();
	int owner;

	if (h->door == HG_DOOR_OUT || h->at->is_local)
		return passed();
	if (is_multicast(&h->p.l4.dst))
		return dropped(HG_DROP_NO_ROUTE);
	owner = address_owner(&h->o->world, h->vpc, &h->p.l4.dst);
	if (owner >= 0 && interface_has_port(&h->o->world, owner))
		d.device = h->o->world.m->interfaces[owner].device;
	return d;
}

/* At a host's in door: to a virtual address, or of a connection through one. */
static bool is_balancers(const struct hearing *h)
{
	if (h->role != ROLE_HOST || h->door != HG_DOOR_IN)
		return false;
	return (h->connection && h->connection->is_balanced) || is_of_dead(h) ||
	       (h->related && h->related->is_balanced) ||
	       vip_find(&h->o->world, h->vpc, &h->p.l4.dst, NULL);
}

static struct decision judge_traffic(struct hearing *h)
{
	const struct world *w = &h->o->world;
	struct connection *old;
	bool tracks[2] = {}, is_exempt, opens;
	struct decision d = passed();

	find_ends(h);
	is_exempt = exempt_to(w, h->vpc, &h->p.l4);
	find_connection(h);
	if (!is_exempt && is_balancers(h))
		return judge_way(h);
	if (h->connection)
		judge_again(h);
	if (!is_exempt && is_exempt_speaker(h)) {
		/* Without state, but for the connection that asked it. */
		if (h->connection && !h->connection->is_exempt)
			h->connection = NULL;
		account(h, false, tracks);
		return d;
	}
	old = take_closing(h);
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

/* ---- whose door it is ---- */

static void find_door(struct hearing *h, const char *device)
{
	const struct model *m = h->o->world.m;

	h->device = device;
	h->interface = h->vpc = h->at_subnet = -1;
	for (size_t i = 0; i < m->n_interfaces; i++)
		if (m->interfaces[i].device &&
		    strcmp(m->interfaces[i].device, device) == 0) {
			h->at = &m->interfaces[i];
			h->interface = i;
			h->role = h->at->is_local ? ROLE_HOST : ROLE_PORT;
			h->vpc = h->at->vpc;
			h->at_subnet = h->at->subnet;
			return;
		}
	for (size_t s = 0; s < m->n_subnets; s++)
		if (m->subnets[s].device && strcmp(m->subnets[s].device, device) == 0) {
			h->role = ROLE_SUBNET;
			h->vpc = m->subnets[s].vpc;
			h->at_subnet = s;
			return;
		}
	h->role = ROLE_UPLINK;
}

static void find_zone(struct hearing *h)
{
	const struct model *m = h->o->world.m;
	const char *kind = "vpc", *name = h->vpc >= 0 ? m->vpcs[h->vpc].name : "";

	if (h->role == ROLE_UPLINK) {
		kind = "uplink";
		name = h->device;
	} else if (h->role == ROLE_HOST ||
		   (h->role == ROLE_PORT &&
		    interface_has_zone(&h->o->world, h->interface))) {
		kind = "interface";
		name = h->at->name;
	}
	snprintf(h->zone, sizeof(h->zone), "%s/%s", kind, name);
}

/* At a gateway's own devices: sent to another machine that hangs there. */
static bool is_anothers(const struct hearing *h)
{
	if (h->role == ROLE_HOST || h->role == ROLE_PORT || h->p.is_ours)
		return false;
	return h->p.kind == PARSED_IP ? !is_multicast(&h->p.l4.dst) : !h->p.is_to_group;
}

static struct decision judge(struct oracle *o, const struct question *q)
{
	struct hearing h = { .o = o, .door = q->door, .now = q->now };
	const bool no_tracks[2] = {};

	o->last = NULL;
	o->n_choices = 1;
	find_door(&h, q->device);
	find_zone(&h);
	frame_parse(q->frame, q->size, &h.p);
	/* VLANs on top of a gateway's device are other devices. */
	if (h.p.is_tagged && (h.role == ROLE_SUBNET || h.role == ROLE_UPLINK))
		return passed();
	if (h.p.is_tagged && is_gateway(&h))
		return dropped(HG_DROP_UNSUPPORTED);
	if (h.p.is_control)
		return h.role != ROLE_PORT ? passed() : dropped(HG_DROP_UNSUPPORTED);
	if ((!h.p.reason || h.p.has_bad_source) && is_anothers(&h))
		return passed();
	if (h.p.reason)
		return dropped(h.p.reason);
	if (h.p.kind != PARSED_IP)
		return judge_neighbour(&h);
	fragment_fill(&o->memory, h.zone, &h.p, h.now);
	if (exempt_anywhere(&o->world, &h.p.l4)) {
		account(&h, false, no_tracks);
		return passed();
	}
	if (h.p.is_unspecified)
		return dropped(HG_DROP_MALFORMED);
	if (h.role == ROLE_UPLINK && is_link_local(&h.p.l4.src))
		return passed();
	if (!passes_source_check(&h))
		return dropped(HG_DROP_SOURCE_CHECK);
	if (h.role == ROLE_UPLINK && is_link_local(&h.p.l4.dst))
		return passed();
	return is_gateway(&h) ? judge_gateway(&h) : judge_traffic(&h);
}

struct decision oracle_packet(struct oracle *o, const char *device, uint32_t door,
			      const uint8_t *frame, size_t size, uint32_t now)
{
	o->question = (struct question){ device, door, frame, size, now };
	o->nth_choice = 0;
	if (o->world.m->n_load_balancers > 0)
		memory_copy(&o->before, &o->memory);
	return judge(o, &o->question);
}

size_t oracle_choices(const struct oracle *o)
{
	return o->n_choices;
}

struct decision oracle_again(struct oracle *o, size_t nth)
{
	assert(nth < o->n_choices && o->world.m->n_load_balancers > 0);
	memory_copy(&o->memory, &o->before);
	o->nth_choice = nth;
	return judge(o, &o->question);
}
