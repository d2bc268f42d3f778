/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/route.h"

#define FRAGMENT_SECONDS     30
#define BALANCED_UDP_SECONDS 120

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

bool same_l4(const struct l4 *a, const struct l4 *b)
{
	bool is_response[2] = {};

	if (a->protocol != b->protocol || !same_addr(&a->src, &b->src) ||
	    !same_addr(&a->dst, &b->dst))
		return false;
	if (a->protocol == 6 || a->protocol == 17)
		return a->sport == b->sport && a->dport == b->dport;
	if (!is_icmp(a))
		return true;
	return icmp_pair(a, &is_response[0]) == icmp_pair(b, &is_response[1]) &&
	       is_response[0] == is_response[1] && a->id == b->id;
}

struct l4 connection_says(const struct connection *c, int sender)
{
	return sender == 0 ? c->opener : l4_answer(&c->went);
}

struct l4 connection_hears(const struct connection *c, int sender)
{
	return sender == 0 ? c->went : l4_answer(&c->opener);
}

static bool is_alive(struct connection *c, uint32_t now)
{
	if (c->is_used && now - c->seen > c->timeout) {
		c->is_used = false;
		c->is_over = c->state == STATE_ESTABLISHED && !c->is_balanced;
		c->is_dead[0] = c->is_dead[1] = c->is_balanced && c->opener.protocol == 6;
	}
	return c->is_used;
}

bool connection_was(struct memory *m, const char *zone, const struct l4 *p, uint32_t now)
{
	for (size_t i = 0; i < m->n_connections; i++) {
		struct connection *c = &m->connections[i];

		if (is_alive(c, now) || !c->is_over || strcmp(c->zone[0], zone) != 0 ||
		    !same_l4(&c->opener, p))
			continue;
		c->is_over = false;
		return true;
	}
	return false;
}

struct connection *connection_find(struct memory *m, const char *zone, const struct l4 *p,
				   uint32_t now, int *ret_sender)
{
	for (size_t i = 0; i < m->n_connections; i++) {
		struct connection *c = &m->connections[i];

		if (!is_alive(c, now))
			continue;
		for (int sender = 0; sender < 2; sender++) {
			struct l4 said = connection_says(c, sender);

			if (strcmp(c->zone[sender], zone) == 0 && same_l4(&said, p)) {
				*ret_sender = sender;
				return c;
			}
		}
	}
	return NULL;
}

bool connection_is_dead(struct memory *m, const char *zone, const struct l4 *p,
			uint32_t now)
{
	for (size_t i = 0; i < m->n_connections; i++) {
		struct connection *c = &m->connections[i];

		for (int sender = 0; sender < 2 && !is_alive(c, now); sender++) {
			struct l4 said = connection_says(c, sender);

			if (c->is_dead[sender] && strcmp(c->zone[sender], zone) == 0 &&
			    same_l4(&said, p))
				return true;
		}
	}
	return false;
}

void connection_pass(struct memory *m, const char *zone, const struct l4 *p)
{
	for (size_t i = 0; i < m->n_connections; i++) {
		struct connection *c = &m->connections[i];

		for (int sender = 0; sender < 2; sender++) {
			struct l4 said = connection_says(c, sender);

			if (strcmp(c->zone[sender], zone) == 0 && same_l4(&said, p))
				c->is_dead[0] = c->is_dead[1] = false;
		}
	}
}

void connection_bury(struct memory *m, const struct connection *c)
{
	for (size_t i = 0; i < m->n_connections; i++) {
		struct connection *old = &m->connections[i];

		for (int k = 0; k < 4; k++) {
			int dead = k / 2, alive = k % 2;
			struct l4 said = connection_says(old, dead),
				  says = connection_says(c, alive);

			if (strcmp(old->zone[dead], c->zone[alive]) == 0 &&
			    same_l4(&said, &says))
				old->is_dead[0] = old->is_dead[1] = false;
		}
	}
}

struct connection *connection_quoted(struct memory *m, const char *zone,
				     const struct l4 *quote, uint32_t now,
				     int *ret_sender)
{
	for (size_t i = 0; i < m->n_connections; i++) {
		struct connection *c = &m->connections[i];

		if (!is_alive(c, now))
			continue;
		for (int sender = 0; sender < 2; sender++) {
			struct l4 heard = connection_hears(c, sender);

			if (strcmp(c->zone[!sender], zone) == 0 &&
			    same_l4(&heard, quote)) {
				*ret_sender = sender;
				return c;
			}
		}
	}
	return NULL;
}

struct connection *connection_add(struct memory *m)
{
	struct connection *c = m->connections;

	while (c < m->connections + m->n_connections &&
	       (c->is_used || c->is_over || c->is_dead[0] || c->is_dead[1]))
		c++;
	if (c == m->connections + CONNECTIONS) {
		fprintf(stderr, "the oracle's list is full\n");
		abort();
	}
	if (c == m->connections + m->n_connections)
		m->n_connections++;
	*c = (struct connection){ .is_used = true };
	return c;
}

void memory_copy(struct memory *to, const struct memory *from)
{
	to->n_connections = from->n_connections;
	to->n_fragments = from->n_fragments;
	to->n_picks = from->n_picks;
	memcpy(to->connections, from->connections,
	       from->n_connections * sizeof(from->connections[0]));
	memcpy(to->fragments, from->fragments,
	       from->n_fragments * sizeof(from->fragments[0]));
	memcpy(to->picks, from->picks, from->n_picks * sizeof(from->picks[0]));
}

bool tcp_opens(const struct parsed *p)
{
	return (p->tcp_flags & (SYN | ACK | RST | FIN)) == SYN;
}

bool tcp_is_inside(const struct parsed *p)
{
	return (p->tcp_flags & (SYN | RST | FIN)) == 0;
}

static void step_tcp(struct connection *c, const struct parsed *p, int sender)
{
	uint8_t flags = p->tcp_flags;

	if (p->is_later_fragment)
		return;
	if (flags & FIN)
		c->has_fin[sender] = true;
	if (flags & RST || (c->has_fin[0] && c->has_fin[1])) {
		c->state = STATE_CLOSING;
		return;
	}
	if (c->state != STATE_SYN_SENT && c->state != STATE_SYN_RECV)
		return;
	if (sender == 1 && (flags & (SYN | ACK)) == (SYN | ACK)) {
		c->state = STATE_SYN_RECV;
		c->completes = p->seq + 1;
	} else if (sender == 0 && c->state == STATE_SYN_RECV && !(flags & SYN) &&
		   flags & ACK && p->ack == c->completes) {
		c->state = STATE_ESTABLISHED;
	}
}

void connection_step(struct connection *c, const struct parsed *p, int sender)
{
	if (p->l4.protocol == 6)
		step_tcp(c, p, sender);
	else if (sender == 0)
		c->n_requests = c->n_responses + 1;
	else if (c->n_responses < c->n_requests)
		c->n_responses++;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return b && b < a ? b : a;
}

static const struct nat_gateway *nat_of(const struct connection *c, const struct model *m)
{
	for (size_t i = 0; c->nat[0] && i < m->n_nat_gateways; i++)
		if (strcmp(m->nat_gateways[i].name, c->nat) == 0)
			return &m->nat_gateways[i];
	return NULL;
}

/* A balancer's clock: the listener's, and two numbers of its own. */
static uint32_t balanced_timeout(const struct connection *c, const struct model *m)
{
	const struct world w = { .m = m };
	const struct listener *l = listener_find(&w, c->vpc, &c->asked);

	switch (c->state) {
	case STATE_SYN_SENT:
	case STATE_SYN_RECV:
		return m->settings.timeouts.tcp_syn;
	case STATE_ESTABLISHED:
		return l ? l->idle_timeout : 0;
	case STATE_CLOSING:
		return m->settings.timeouts.tcp_closing;
	default:
		return BALANCED_UDP_SECONDS;
	}
}

uint32_t connection_timeout(const struct connection *c, const struct model *m,
			    const int ends[2])
{
	const struct nat_gateway *nat = nat_of(c, m);
	struct timeouts t = m->settings.timeouts;
	bool is_set = false;

	if (c->is_balanced)
		return balanced_timeout(c, m);
	for (int e = 0; e < 2; e++) {
		const struct timeouts *own;

		if (!c->tracks[e] || ends[e] < 0)
			continue;
		own = &m->interfaces[ends[e]].timeouts;
		if (!is_set) {
			t.tcp_established = own->tcp_established;
			t.udp = own->udp;
			t.udp_stream = own->udp_stream;
			is_set = true;
			continue;
		}
		t.tcp_established = smaller(t.tcp_established, own->tcp_established);
		t.udp = smaller(t.udp, own->udp);
		t.udp_stream = smaller(t.udp_stream, own->udp_stream);
	}
	/* One more end that tracks; alone, nobody else has a say. */
	if (nat && is_set) {
		t.tcp_established = smaller(t.tcp_established, nat->idle_timeout);
		t.udp = smaller(t.udp, nat->idle_timeout);
		t.udp_stream = smaller(t.udp_stream, nat->idle_timeout);
		t.icmp = smaller(t.icmp, nat->idle_timeout);
	} else if (nat) {
		t.tcp_established = t.udp = t.udp_stream = t.icmp = nat->idle_timeout;
	}
	switch (c->state) {
	case STATE_SYN_SENT:
	case STATE_SYN_RECV:
		return t.tcp_syn;
	case STATE_ESTABLISHED:
		return t.tcp_established;
	case STATE_CLOSING:
		return t.tcp_closing;
	case STATE_UDP:
		return c->n_responses >= 2 ? t.udp_stream : t.udp;
	case STATE_ICMP:
		return t.icmp;
	default:
		return t.other;
	}
}

static bool is_same_datagram(const struct fragment *f, const char *zone,
			     const struct parsed *p)
{
	return f->is_used && strcmp(f->zone, zone) == 0 && f->id == p->fragment_id &&
	       f->l4.protocol == p->l4.protocol && same_addr(&f->l4.src, &p->l4.src) &&
	       same_addr(&f->l4.dst, &p->l4.dst);
}

void fragment_fill(const struct memory *m, const char *zone, struct parsed *p,
		   uint32_t now)
{
	for (size_t i = 0; p->is_later_fragment && i < m->n_fragments; i++) {
		const struct fragment *f = &m->fragments[i];

		if (is_same_datagram(f, zone, p) && now - f->seen <= FRAGMENT_SECONDS)
			p->l4 = f->l4;
	}
}

void fragment_remember(struct memory *m, const char *zone, const struct parsed *p,
		       uint32_t now)
{
	struct fragment *oldest = &m->fragments[0], *f = NULL;

	for (size_t i = 0; !f && i < m->n_fragments; i++) {
		if (is_same_datagram(&m->fragments[i], zone, p))
			f = &m->fragments[i];
		if (m->fragments[i].seen < oldest->seen)
			oldest = &m->fragments[i];
	}
	if (!f)
		f = m->n_fragments < FRAGMENTS ? &m->fragments[m->n_fragments++] : oldest;
	*f = (struct fragment){
		.is_used = true, .id = p->fragment_id, .seen = now, .l4 = p->l4
	};
	snprintf(f->zone, sizeof(f->zone), "%s", zone);
}
