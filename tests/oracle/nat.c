/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/nat.h"

#include <string.h>

#include <hg/drop.h>

#include "tests/oracle/route.h"

#define TCP_RST 4

/* ---- between the families: 64:ff9b::/96, RFC 6052 and RFC 7915 ---- */

static struct addr embed(const struct addr *a4)
{
	struct addr a = { 6, { 0x00, 0x64, 0xff, 0x9b } };

	memcpy(a.bytes + 12, a4->bytes, 4);
	return a;
}

static struct addr extract(const struct addr *a6)
{
	struct addr a = { .family = 4 };

	memcpy(a.bytes, a6->bytes + 12, 4);
	return a;
}

static void icmp_to4(struct l4 *p)
{
	static const uint8_t codes[] = { 1, 10, 1, 1, 3 }; /* of unreachable */

	p->protocol = 1;
	if (p->type == 128 || p->type == 129) {
		p->type = p->type == 128 ? 8 : 0;
	} else if (p->type == 1) {
		p->type = 3;
		p->code = p->code < 5 ? codes[p->code] : p->code;
	} else if (p->type == 2) {
		p->type = 3;
		p->code = 4;
	} else if (p->type == 3) {
		p->type = 11;
	}
}

static void icmp_to6(struct l4 *p)
{
	p->protocol = 58;
	if (p->type == 8 || p->type == 0) {
		p->type = p->type == 8 ? 128 : 129;
	} else if (p->type == 11) {
		p->type = 3;
	} else if (p->type == 3 && p->code == 4) {
		p->type = 2;
		p->code = 0;
	} else if (p->type == 3) {
		p->type = 1;
		p->code = p->code == 3                                     ? 4
			  : p->code == 9 || p->code == 10 || p->code == 13 ? 1
									   : 0;
	}
}

/* ---- whose packet is it ---- */

static const struct nat_gateway *gateway(const struct path *w, int nat)
{
	return &w->w->m->nat_gateways[nat];
}

/* Does the end at 'position' of 'c' lie behind this NAT gateway? */
static bool is_client(const struct path *w, const struct connection *c, int nat,
		      int position)
{
	return strcmp(c->nat, gateway(w, nat)->name) == 0 &&
	       position == (c->is_inbound ? 1 : 0);
}

/* The connection whose translation serves: the packet's own, or the one it is about. */
static const struct connection *serving(const struct path *w)
{
	if (w->astray)
		return NULL;
	return w->c ? w->c : w->h->related;
}

static uint16_t chosen_port(const struct path *w)
{
	const struct connection *c = serving(w);

	if (!c)
		return w->port;
	if (c->is_inbound)
		return c->opener.dport;
	return c->went.protocol == 1 ? c->went.id : c->went.sport;
}

bool nat_public(struct path *w, int nat, struct addr *ret)
{
	const struct connection *c = serving(w);
	struct addr list[8];
	size_t n = nat_addresses(w->w, nat, list);

	if (n == 0)
		return false;
	for (size_t i = 0; c && i < n; i++)
		if (same_addr(&list[i], &c->nat_address)) {
			*ret = list[i];
			return true;
		}
	if (c) {
		path_stage(w, STAGE_FORGET, nat)->reason = HG_DROP_NO_FLOW;
		w->is_over = true;
		return false;
	}
	w->nat_address = list[w->nth_address];
	*ret = w->nat_address;
	return true;
}

/* ---- what a NAT gateway will not have ---- */

static bool is_fragment(const struct path *w)
{
	const struct parsed *p = &w->h->p;

	if (!p->is_first_fragment && !p->is_later_fragment)
		return false;
	return p->l4.protocol != 17 || p->l4.src.family == 6 || !p->l4.is_known;
}

static bool has_nat_protocol(const struct l4 *p)
{
	bool is_response;
	int pair;

	if (p->protocol == 6 || p->protocol == 17)
		return true;
	if (!is_icmp(p))
		return false;
	pair = icmp_pair(p, &is_response);
	return !p->is_known || pair == 1 || pair == 5 || icmp_is_error(p);
}

static bool is_response(const struct l4 *p)
{
	bool response = false;

	return icmp_pair(p, &response) && response;
}

/* Why this packet of a client goes no further, by itself or for want of a connection. */
static uint32_t refuse_forward(const struct path *w)
{
	const struct hearing *h = w->h;
	const struct l4 *p = &h->p.l4;

	if (!has_nat_protocol(p) && !(is_icmp(p) && is_fragment(w)))
		return HG_DROP_NAT_PROTOCOL;
	if (is_fragment(w))
		return HG_DROP_FRAGMENT;
	if (icmp_is_error(p) && !h->related)
		return HG_DROP_NAT_UNSOLICITED;
	if (p->src.family == 6 && h->p.has_extensions)
		return HG_DROP_UNSUPPORTED;
	if (icmp_is_error(p))
		return HG_DROP_NONE;
	if (w->c)
		return HG_DROP_NONE;
	if ((p->protocol == 6 && !tcp_opens(&h->p)) || is_response(p))
		return HG_DROP_NO_FLOW;
	return HG_DROP_NONE;
}

static enum stage_kind astray_kind(const struct connection *c)
{
	return c->nat[0] ? STAGE_FORGET : STAGE_ANEW;
}

/* ---- mode: instance ---- */

static void instance_groups(struct path *w, int nat, int direction)
{
	struct stage *s;

	if (!gateway(w, nat)->is_instance || w->c || w->h->related)
		return;
	s = path_stage(w, STAGE_INSTANCE, nat);
	s->direction = direction;
	s->reason = direction == 1 ? HG_DROP_SG_EGRESS : HG_DROP_SG_INGRESS;
}

static const struct nat_forward *forward_find(const struct path *w, int nat)
{
	const struct nat_gateway *g = gateway(w, nat);

	if (!g->is_instance || (w->p.protocol == 6 && !tcp_opens(&w->h->p)))
		return NULL;
	for (size_t i = 0; i < g->n_forwards; i++)
		if (g->forwards[i].protocol == w->p.protocol &&
		    g->forwards[i].port == w->p.dport)
			return &g->forwards[i];
	return NULL;
}

/* ---- out ---- */

/* An error may come from somebody on the way: inside, and without an address of the outside, he
 * borrows the connection's; else he keeps his own. */
static bool keeps_source(const struct path *w)
{
	struct addr public;

	if (!icmp_is_error(&w->p) || w->p.src.family == 6 ||
	    same_addr(&w->p.src, &w->quote.dst))
		return false;
	return !in_vpc(w->w, w->vpc, &w->p.src) ||
	       public_find(w->w, w->vpc, &w->p.src, &public);
}

static void translate_out(struct path *w, int nat)
{
	const struct addr *own = &gateway(w, nat)->private_address;
	uint16_t port = chosen_port(w);

	if (!keeps_source(w))
		w->p.src = *own;
	if (w->p.dst.family == 6) {
		w->p.dst = extract(&w->p.dst);
		if (w->p.protocol == 58)
			icmp_to4(&w->p);
	}
	if (!icmp_is_error(&w->p)) {
		*(w->p.protocol == 1 ? &w->p.id : &w->p.sport) = port;
		return;
	}
	if (w->quote.src.family == 6) {
		w->quote.src = extract(&w->quote.src);
		if (w->quote.protocol == 58)
			icmp_to4(&w->quote);
	}
	w->quote.dst = *own;
	*(w->quote.protocol == 1 ? &w->quote.id : &w->quote.dport) = port;
}

/* The client is told that its segment belongs to nothing; a NAT instance ends what was there
 * once in a friendly way. */
static enum told reset_for(const struct path *w, int nat)
{
	const struct hearing *h = w->h;

	if (h->p.l4.protocol != 6 || h->p.tcp_flags & TCP_RST)
		return TOLD_NOTHING;
	return gateway(w, nat)->is_instance &&
			       connection_was(&h->o->memory, h->zone, &h->p.l4, h->now)
		       ? TOLD_FIN
		       : TOLD_RESET;
}

void nat_forward(struct path *w, int nat)
{
	uint32_t reason;

	if (w->subnet == gateway(w, nat)->subnet) {
		path_drop(w, HG_DROP_NO_ROUTE);
		return;
	}
	path_leave(w);
	path_nacl(w, gateway(w, nat)->subnet, 0);
	instance_groups(w, nat, 0);
	reason = refuse_forward(w);
	if (reason) {
		path_drop(w, reason);
		if (reason == HG_DROP_NO_FLOW)
			w->stages[w->n - 1].told = reset_for(w, nat);
		return;
	}
	if (w->c && !is_client(w, w->c, nat, w->h->sender))
		w->astray = astray_kind(w->c);
	else if (!w->c && w->h->related &&
		 !is_client(w, w->h->related, nat, !w->h->related_receiver))
		w->astray = STAGE_DROP;
	w->nat = nat;
	w->nat_address = gateway(w, nat)->private_address;
	w->is_inbound = w->c && w->c->is_inbound;
	translate_out(w, nat);
	instance_groups(w, nat, 1);
	w->subnet = gateway(w, nat)->subnet;
	path_depart(w, nat);
}

/* ---- and back ---- */

static void translate_back(struct path *w)
{
	const struct connection *c = serving(w);
	struct l4 client =
		c->is_inbound ? connection_hears(c, 0) : l4_reverse(&c->opener);

	if (client.dst.family == 6) {
		w->p.src = embed(&w->p.src);
		if (w->p.protocol == 1)
			icmp_to6(&w->p);
	}
	w->p.dst = client.dst;
	if (!icmp_is_error(&w->p)) {
		*(is_icmp(&w->p) ? &w->p.id : &w->p.dport) =
			is_icmp(&w->p) ? client.id : client.dport;
		return;
	}
	if (client.dst.family == 6) {
		w->quote.dst = embed(&w->quote.dst);
		if (w->quote.protocol == 1)
			icmp_to6(&w->quote);
	}
	w->quote.src = client.dst;
	*(is_icmp(&w->quote) ? &w->quote.id : &w->quote.sport) =
		is_icmp(&w->quote) ? client.id : client.dport;
}

void nat_back(struct path *w, int nat)
{
	const struct hearing *h = w->h;
	const struct nat_forward *f = w->c ? NULL : forward_find(w, nat);
	bool is_known = w->c || (h->related &&
				 is_client(w, h->related, nat, h->related_receiver));

	if (is_fragment(w)) {
		path_drop(w, HG_DROP_FRAGMENT);
		return;
	}
	if (w->nat >= 0 || (!is_known && !f)) {
		path_drop(w, HG_DROP_NAT_UNSOLICITED);
		return;
	}
	if (w->c && !is_client(w, w->c, nat, !h->sender)) {
		path_stage(w, astray_kind(w->c), nat)->reason = HG_DROP_NO_FLOW;
		w->is_over = true;
		return;
	}
	if (w->subnet != gateway(w, nat)->subnet)
		path_nacl(w, gateway(w, nat)->subnet, 0);
	instance_groups(w, nat, 0);
	w->nat = nat;
	w->is_inbound = f || (w->c && w->c->is_inbound);
	w->nat_address = f ? h->p.l4.dst : gateway(w, nat)->private_address;
	if (f) {
		w->p.dst = f->to;
		w->p.dport = f->to_port;
	} else {
		translate_back(w);
	}
	w->vpc = gateway(w, nat)->vpc;
	w->subnet = gateway(w, nat)->subnet;
	instance_groups(w, nat, 1);
	path_arrive(w);
}
