/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include <hg/drop.h>

#include "tests/oracle/balance.h"
#include "tests/oracle/path.h"
#include "tests/oracle/route.h"

#define PORT_FIRST 10536 /* 55,000 of them, up to 65535 */
#define TCP_RST    4

/* ---- section 12: which address, which port ---- */

/* The answer's key: nobody else may have it. */
static bool is_free(const struct hearing *h, const struct connection *but,
		    const char *zone, const struct l4 *went)
{
	const struct l4 answer = l4_answer(went);

	for (size_t i = 0; i < h->o->memory.n_connections; i++) {
		const struct connection *c = &h->o->memory.connections[i];

		if (c == but || !c->is_used || h->now - c->seen > c->timeout)
			continue;
		for (int sender = 0; sender < 2; sender++) {
			struct l4 said = connection_says(c, sender);

			if (strcmp(c->zone[sender], zone) == 0 && same_l4(&said, &answer))
				return false;
		}
	}
	return true;
}

static uint16_t own_port(const struct l4 *p)
{
	return p->protocol == 6 || p->protocol == 17 ? p->sport : p->id;
}

static void set_port(struct l4 *p, uint16_t port)
{
	*(p->protocol == 6 || p->protocol == 17 ? &p->sport : &p->id) = port;
}

/* The client's own port if a NAT gateway could give that, else the first: what stands in the
 * place of the port until it is chosen, last of all. */
static uint16_t port_wanted(const struct hearing *h)
{
	uint16_t own = own_port(&h->p.l4);

	return own >= PORT_FIRST ? own : PORT_FIRST;
}

/* The first address that has a free port; 'old' is a connection that gives way. False when
 * there is none. */
static bool choose(struct path *w, const struct hearing *h, const struct connection *old)
{
	uint16_t wanted = port_wanted(h);
	struct addr list[8];
	size_t n = nat_addresses(&h->o->world, w->nat, list);
	int nat = w->nat;

	for (unsigned a = 0; a < (n ? n : 1); a++) {
		path_walk(w, h, NULL, a, wanted);
		assert(w->nat == nat);
		if (is_free(h, old, w->zone, &w->p))
			return true;
		for (uint32_t port = PORT_FIRST; port <= 65535; port++) {
			set_port(&w->p, port);
			if (is_free(h, old, w->zone, &w->p))
				return true;
		}
	}
	return false;
}

/* Section 15: the client's own port if a NAT gateway could give that and it is free, else one of
 * 55,000. */
static bool choose_source(struct path *w, const struct hearing *h,
			  const struct connection *old)
{
	w->p.sport = port_wanted(h);
	if (is_free(h, old, w->zone, &w->p))
		return true;
	for (uint32_t port = PORT_FIRST; port <= 65535; port++) {
		w->p.sport = port;
		if (is_free(h, old, w->zone, &w->p))
			return true;
	}
	return false;
}

static bool is_chosen(const struct oracle *o)
{
	const struct connection *c = o->last;

	return c && (c->is_balanced || (c->nat[0] && !c->is_inbound));
}

/* All but the port is decided by now. */
static bool learn_source(struct hearing *h, struct connection *c, const struct l4 *to)
{
	struct l4 want = c->went;

	if (c->is_preserved)
		return same_l4(&c->went, to);
	want.sport = c->asked.sport;
	if (want.sport >= PORT_FIRST && want.sport != c->port_before &&
	    to->sport != want.sport && is_free(h, c, c->zone[1], &want))
		return false;
	want.sport = to->sport;
	if (!same_l4(&want, to) || !is_free(h, c, c->zone[1], &want) ||
	    to->sport < PORT_FIRST)
		return false;
	c->went = want;
	connection_bury(&h->o->memory, c);
	return true;
}

bool oracle_learn(struct oracle *o, const struct l4 *to, uint32_t now)
{
	struct connection *c = o->last;
	struct hearing h = { .o = o, .now = now };
	struct l4 want;
	uint16_t own, got;

	if (!is_chosen(o))
		return false;
	if (c->is_balanced)
		return learn_source(&h, c, to);
	want = c->went;
	own = own_port(&c->opener);
	got = own_port(to);
	want.src = to->src;
	set_port(&want, own);
	if (own >= PORT_FIRST && own != c->port_before && got != own &&
	    is_free(&h, c, c->zone[1], &want))
		return false;
	set_port(&want, got);
	if (!same_l4(&want, to) || got < PORT_FIRST || !is_free(&h, c, c->zone[1], &want))
		return false;
	if (!same_addr(&to->src, &c->went.src)) {
		/* Then it must be one more of the gateway's, and this client's. */
		struct place place = place_find(&o->world, &to->src);

		if (place.kind != PLACE_NAT ||
		    strcmp(o->world.m->nat_gateways[place.nat].name, c->nat) != 0)
			return false;
		c->nat_address = to->src;
	}
	for (size_t i = 0; i < o->memory.n_connections; i++) {
		const struct connection *other = &o->memory.connections[i];

		if (other == c || !other->is_used || strcmp(other->nat, c->nat) != 0 ||
		    other->is_inbound || other->epoch[0] != c->epoch[0] ||
		    !same_addr(&other->opener.src, &c->opener.src) ||
		    strcmp(other->zone[1], c->zone[1]) != 0)
			continue;
		if (!same_addr(&other->went.src, &to->src))
			return false;
	}
	c->went = want;
	return true;
}

/* ---- judging ---- */

/* rule_change: strict, on the first packet after a switch each way, and by another door: the
 * connection is judged again in the direction that opened it. */
static bool is_asked_again(const struct hearing *h)
{
	const struct connection *c = h->connection;

	return c && h->o->world.m->settings.is_strict &&
	       (c->epoch[h->sender] != h->o->epoch ||
		strcmp(c->met[h->sender], h->device) != 0) &&
	       !exempt_to(&h->o->world, h->vpc, &c->opener);
}

/* Through a balancer the target's rules are asked of its virtual address, too. */
static struct ruling judge_through(const struct hearing *h, const struct stage *s,
				   int direction, const struct l4 *p)
{
	struct ruling r = groups_judge(&h->o->world, s->object, direction, p);
	struct l4 as = *p;

	if (r.allow || !s->through.family)
		return r;
	*(direction == 0 ? &as.src : &as.dst) = s->through;
	return groups_judge(&h->o->world, s->object, direction, &as);
}

static bool groups_pass(const struct hearing *h, const struct stage *s,
			bool ret_tracks[2], struct ruling *ret)
{
	bool is_opener;

	if (is_asked_again(h)) {
		is_opener = (s->position == 0) == (h->sender == 0);
		*ret = judge_through(h, s, is_opener,
				     is_opener ? &h->connection->opener
					       : &h->connection->went);
		if (!ret->allow)
			return false;
	}
	if (is_exempt_answer(h) || is_remembered(h, s->position))
		return true;
	*ret = judge_through(h, s, s->direction, &s->p);
	if (ret->allow)
		ret_tracks[s->position] =
			!has_no_memory(h, s->object, s->direction, ret, &s->p);
	return ret->allow;
}

static const struct stage *refusing_stage(const struct hearing *h, const struct path *w,
					  bool ret_tracks[2], struct ruling *ret)
{
	const struct world *world = &h->o->world;

	for (size_t i = 0; i < w->n; i++) {
		const struct stage *s = &w->stages[i];
		const struct load_balancer *b;
		const struct nat_gateway *g;

		*ret = (struct ruling){ .rule = -1 };
		switch (s->kind) {
		case STAGE_GROUPS:
			if (!groups_pass(h, s, ret_tracks, ret))
				return s;
			break;
		case STAGE_INSTANCE:
			g = &world->m->nat_gateways[s->object];
			*ret = group_list_judge(world, g->groups, g->n_groups,
						s->direction, &s->p);
			if (!ret->allow)
				return s;
			break;
		case STAGE_BALANCER:
			b = &world->m->load_balancers[s->object];
			*ret = group_list_judge(world, b->groups, b->n_groups,
						s->direction, &s->p);
			if (!ret->allow)
				return s;
			break;
		case STAGE_NACL:
			*ret = nacl_judge(world, s->object, s->direction, &s->p);
			if (!ret->allow && !is_exempt_answer(h))
				return s;
			break;
		default:
			if (s->reason != HG_DROP_DEST_CHECK || !is_exempt_answer(h))
				return s;
		}
	}
	return NULL;
}

static bool is_as_before(const struct hearing *h, const struct path *w)
{
	const struct connection *c = h->connection;
	struct l4 heard = connection_hears(c, h->sender);

	return same_l4(&heard, &w->p) &&
	       (h->sender == 1 || strcmp(c->zone[1], w->zone) == 0);
}

static struct addr teller(const struct hearing *h)
{
	const struct world *w = &h->o->world;
	struct addr none = {};
	int subnet = h->at_subnet;

	if (h->role == ROLE_HOST)
		return h->p.l4.dst;
	if (h->role == ROLE_UPLINK) {
		if (h->p.l4.dst.family == 4 ||
		    place_find(w, &h->p.l4.dst).kind != PLACE_NONE)
			return h->p.l4.dst;
		for (size_t v = 0; v < w->m->n_vpcs && subnet < 0; v++)
			subnet = address_subnet(w, v, &h->p.l4.dst);
	}
	for (size_t k = 0; subnet >= 0 && k < w->m->subnets[subnet].n_cidrs; k++)
		if (w->m->subnets[subnet].cidrs[k].addr.family == h->p.l4.src.family)
			return cidr_nth(&w->m->subnets[subnet].cidrs[k], 1);
	return none;
}

static struct decision tell(const struct hearing *h, struct decision d, enum told told)
{
	if (told == TOLD_NOTHING || icmp_is_error(&h->p.l4) || h->p.is_later_fragment ||
	    h->p.is_to_group)
		return d;
	d.told_from = told == TOLD_RESET || told == TOLD_FIN ? h->p.l4.dst : teller(h);
	if (d.told_from.family)
		d.told = told;
	return d;
}

/* Last of all: what the next wire cannot carry, and what has travelled too far. */
static struct decision judge_travel(const struct hearing *h, const struct path *w,
				    struct decision d)
{
	size_t size = h->p.size;

	if (w->p.src.family != h->p.l4.src.family)
		size += w->p.src.family == 6 ? 20 : -20;
	/* What a host gets of a datagram is for its kernel to put together. */
	if (w->out == OUT_KERNEL && h->p.is_later_fragment)
		return d;
	if (w->leaves && h->p.hops <= 1)
		return tell(h, dropped(HG_DROP_TTL_EXPIRED), TOLD_EXPIRED);
	if (w->out != OUT_KERNEL && size > ORACLE_MTU)
		return tell(h, dropped(HG_DROP_TOO_BIG), TOLD_TOO_BIG);
	return d;
}

static struct decision describe(const struct hearing *h, const struct path *w)
{
	struct decision d = passed();

	d.tracked = h->connection || h->related;
	d.device = w->device;
	d.via = w->via;
	d.is_via_open = w->is_via_open;
	d.is_balanced = w->is_balanced;
	d.is_routed = true;
	d.is_hop_less = w->leaves;
	d.to = w->p;
	d.quote = w->quote;
	d.has_quote = w->has_quote;
	d.is_chosen = is_chosen(h->o);
	return d;
}

static void forget(struct hearing *h)
{
	h->connection->is_used = false;
	h->connection = NULL;
}

/* Answers belong to one connection: to the newest that expects them. */
static void give_way(const struct hearing *h, const struct connection *c)
{
	struct l4 answer = connection_says(c, 1);

	for (size_t i = 0; i < h->o->memory.n_connections; i++) {
		struct connection *other = &h->o->memory.connections[i];
		struct l4 said = connection_says(other, 1);

		if (other != c && other->is_used &&
		    strcmp(other->zone[1], c->zone[1]) == 0 && same_l4(&said, &answer))
			other->is_used = false;
	}
}

/* A packet that has passed: what it opens, renews or replaces. */
static void remember(struct hearing *h, const struct path *w, struct connection *old,
		     bool tracks[2])
{
	const struct model *m = h->o->world.m;
	bool is_kept = w->nat >= 0 || (w->is_egress_only && h->role != ROLE_UPLINK);
	bool is_balanced = w->is_balanced && w->group >= 0;
	bool opens = !h->connection && may_open(h) &&
		     (w->nat < 0 || h->p.l4.protocol != 6 || tcp_opens(&h->p));
	bool had = h->connection;

	/* Whatever the groups say, the client of a gateway that keeps state is tracked. */
	if (is_kept && w->end[w->is_inbound ? 1 : 0] >= 0)
		tracks[w->is_inbound ? 1 : 0] = true;
	if (old)
		old->is_used = false;
	h->end[0] = w->end[0];
	h->end[1] = w->end[1];
	if (opens && (is_kept || is_balanced || tracks[0] || tracks[1])) {
		struct connection *c;

		open_connection(h, tracks);
		c = h->connection;
		memcpy(c->zone[1], w->zone, sizeof(c->zone[1]));
		c->went = w->p;
		c->port_before = old ? own_port(&old->went) : 0;
		give_way(h, c);
		if (w->nat >= 0) {
			memcpy(c->nat, m->nat_gateways[w->nat].name,
			       strlen(m->nat_gateways[w->nat].name) + 1);
			c->nat_address = w->nat_address;
			c->is_inbound = w->is_inbound;
		}
		if (is_balanced)
			balance_remember(h, w, c);
	}
	account(h, false, tracks);
	h->o->last = had ? NULL : h->connection;
}

static struct decision judge_once(struct hearing *h, struct connection *old,
				  bool *ret_is_new)
{
	bool tracks[2] = {};
	const struct stage *s;
	struct ruling by;
	struct path w;
	struct decision d;

	path_walk(&w, h, h->connection, 0, port_wanted(h));
	s = refusing_stage(h, &w, tracks, &by);
	if (s && s->kind == STAGE_ANEW) {
		forget(h);
		*ret_is_new = true;
		return passed();
	}
	if (s) {
		d = refused(s->reason, &by);
		if (h->connection && (s->kind == STAGE_FORGET ||
				      (s->kind == STAGE_GROUPS && is_asked_again(h))))
			forget(h);
		return tell(h, d, s->told);
	}
	d = judge_travel(h, &w, passed());
	if (!d.allow)
		return d;
	if (h->connection && !is_as_before(h, &w)) {
		bool is_kept = h->connection->nat[0] || h->connection->is_balanced;

		forget(h);
		*ret_is_new = !is_kept;
		return dropped(HG_DROP_NO_FLOW);
	}
	if (!h->connection && w.nat >= 0 && !w.is_inbound && !w.has_quote &&
	    !choose(&w, h, old))
		return dropped(HG_DROP_NAT_NO_PORT);
	if (!h->connection && w.group >= 0 && !w.is_preserved &&
	    !choose_source(&w, h, old))
		return dropped(HG_DROP_NAT_NO_PORT);
	if (h->connection)
		note_judged(h, h->connection, h->sender);
	remember(h, &w, old, tracks);
	return describe(h, &w);
}

/* Section 9: the routers of the sender's VPC answer a ping. */
static bool is_ping_of_router(const struct hearing *h)
{
	const struct model *m = h->o->world.m;
	const struct parsed *p = &h->p;

	if (!is_icmp(&p->l4) || p->is_first_fragment || p->is_later_fragment ||
	    p->l4.type != (p->l4.src.family == 4 ? 8 : 128))
		return false;
	for (size_t s = 0; s < m->n_subnets; s++)
		if (m->subnets[s].vpc == h->vpc &&
		    is_router_of(&m->subnets[s], &p->l4.dst))
			return true;
	return false;
}

/* What the gateway's own kernel gets of what comes from outside. */
static bool is_kernels(const struct hearing *h)
{
	const struct world *w = &h->o->world;
	const struct addr *dst = &h->p.l4.dst;

	return h->role == ROLE_UPLINK &&
	       (is_multicast(dst) ||
		(place_find(w, dst).kind == PLACE_NONE && !in_any_vpc(w, dst)));
}

/* To an exempt address: to who owns it, or to the kernel, as if every filter allowed it. */
static struct decision pass_exempt(struct hearing *h, struct connection *old)
{
	struct decision d = passed();
	bool tracks[2];
	struct path w;

	path_exempt(&w, h);
	if (w.end[1] >= 0) {
		if (w.is_over)
			return dropped(w.stages[w.n - 1].reason);
		d = judge_travel(h, &w, d);
		if (!d.allow)
			return d;
	}
	tracks[0] = w.end[0] >= 0;
	tracks[1] = w.end[1] >= 0;
	if (old)
		old->is_used = false;
	h->end[0] = w.end[0];
	h->end[1] = w.end[1];
	if (!h->connection && may_open(h) && (tracks[0] || tracks[1])) {
		open_connection(h, tracks);
		if (w.end[1] >= 0)
			memcpy(h->connection->zone[1], w.zone, sizeof(w.zone));
	}
	account(h, false, tracks);
	if (h->connection)
		h->connection->is_exempt = true;
	if (w.end[1] >= 0)
		return describe(h, &w);
	d.tracked = h->connection;
	return d;
}

struct connection *take_closing(struct hearing *h)
{
	struct connection *old = h->connection;

	if (!old || h->p.l4.protocol != 6 || h->p.is_later_fragment ||
	    old->state != STATE_CLOSING || !tcp_opens(&h->p))
		return NULL;
	h->connection = NULL;
	return old;
}

bool is_of_dead(const struct hearing *h)
{
	return !h->connection && h->p.l4.is_known && h->p.l4.protocol == 6 &&
	       !tcp_opens(&h->p) &&
	       connection_is_dead(&h->o->memory, h->zone, &h->p.l4, h->now);
}

struct decision reset_dead(const struct hearing *h)
{
	return tell(h, dropped(HG_DROP_NO_FLOW),
		    h->p.tcp_flags & TCP_RST ? TOLD_NOTHING : TOLD_RESET);
}

struct decision judge_way(struct hearing *h)
{
	struct connection *old = take_closing(h);
	bool is_new = false;
	struct decision d;

	if (is_of_dead(h))
		return reset_dead(h);
	d = judge_once(h, old, &is_new);
	if (is_new)
		d = judge_once(h, old, &is_new);
	return d;
}

struct decision judge_gateway(struct hearing *h)
{
	struct decision d = passed();

	if (h->role != ROLE_UPLINK && is_ping_of_router(h)) {
		d.is_answer = true;
		return d;
	}
	find_connection(h);
	/* At an uplink what is exempt is the kernel's anyway, or nobody's to ask for. */
	if (h->role != ROLE_UPLINK && exempt_to(&h->o->world, h->vpc, &h->p.l4))
		return pass_exempt(h, take_closing(h));
	if (is_kernels(h) && !(h->connection && h->connection->is_balanced) &&
	    !is_of_dead(h))
		return d;
	return judge_way(h);
}
