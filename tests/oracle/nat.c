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

/* RFC 7915 sections 5.2 and 4.2: a row is what comes and what that becomes. A code of ANY stays. */
#define ANY 255

struct icmp_row {
	uint8_t type, code, to_type, to_code;
};

static const struct icmp_row to4[] = {
	{ 128, ANY, 8, ANY }, { 129, ANY, 0, ANY }, { 1, 0, 3, 1 }, { 1, 1, 3, 10 },
	{ 1, 2, 3, 1 },       { 1, 3, 3, 1 },       { 1, 4, 3, 3 }, { 2, ANY, 3, 4 },
	{ 3, ANY, 11, ANY },  { 4, 0, 12, 0 },      { 4, 1, 3, 2 }, {},
};

static const struct icmp_row to6[] = {
	{ 8, ANY, 128, ANY }, { 0, ANY, 129, ANY }, { 3, 0, 1, 0 },
	{ 3, 1, 1, 0 },       { 3, 2, 4, 1 },       { 3, 3, 1, 4 },
	{ 3, 4, 2, 0 },       { 3, 5, 1, 0 },       { 3, 6, 1, 0 },
	{ 3, 7, 1, 0 },       { 3, 8, 1, 0 },       { 3, 9, 1, 1 },
	{ 3, 10, 1, 1 },      { 3, 11, 1, 0 },      { 3, 12, 1, 0 },
	{ 3, 13, 1, 1 },      { 3, 15, 1, 1 },      { 11, ANY, 3, ANY },
	{ 12, 0, 4, 0 },      { 12, 2, 4, 0 },      {},
};

static const struct icmp_row *icmp_row(const struct l4 *p)
{
	const struct icmp_row *row = p->protocol == 58 ? to4 : to6;

	for (; row->type || row->to_type; row++)
		if (row->type == p->type && (row->code == ANY || row->code == p->code))
			return row;
	return NULL;
}

static void icmp_across(struct l4 *p)
{
	const struct icmp_row *row = icmp_row(p);

	p->protocol = p->protocol == 58 ? 1 : 58;
	if (!row)
		return;
	p->type = row->to_type;
	if (row->to_code != ANY)
		p->code = row->to_code;
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
		return p->src.family == 6 && !icmp_row(p) ? HG_DROP_NAT_PROTOCOL
							  : HG_DROP_NONE;
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
			icmp_across(&w->p);
	}
	if (!icmp_is_error(&w->p)) {
		*(w->p.protocol == 1 ? &w->p.id : &w->p.sport) = port;
		return;
	}
	if (w->quote.src.family == 6) {
		w->quote.src = extract(&w->quote.src);
		if (w->quote.protocol == 58)
			icmp_across(&w->quote);
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
			icmp_across(&w->p);
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
			icmp_across(&w->quote);
	}
	w->quote.src = client.dst;
	*(is_icmp(&w->quote) ? &w->quote.id : &w->quote.sport) =
		is_icmp(&w->quote) ? client.id : client.dport;
}

/* Is the client that the packet is for one that speaks IPv6? */
static bool is_other_family(const struct path *w)
{
	const struct connection *c = serving(w);

	return c && !c->is_inbound && c->opener.src.family == 6;
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
	if (h->related && w->p.src.family == 4 && !icmp_row(&w->p) &&
	    is_other_family(w)) {
		path_drop(w, HG_DROP_NAT_PROTOCOL);
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
