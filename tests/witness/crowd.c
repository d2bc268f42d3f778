/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/crowd.h"

/* Targets that stand once in a group: an interface's number, or a host that nobody declared. */
struct person {
	unsigned v, subnet, interface;
	int family; /* of an undeclared one; 0: an interface */
};

#define PEOPLE 24

/* ---- target groups ---- */

static unsigned list_people(const struct world *w, unsigned v,
			    struct person people[PEOPLE])
{
	const struct domain *at = &w->domain[v];
	unsigned n = 0;

	for (unsigned s = 0; s < at->n_subnets; s++) {
		for (unsigned i = 0; i < at->spot[s].n_interfaces; i++)
			if (n < PEOPLE)
				people[n++] = (struct person){ v, s, i, 0 };
		if (n + 2 > PEOPLE)
			continue;
		people[n++] = (struct person){ v, s, 0, 4 };
		if (at->spot[s].has6)
			people[n++] = (struct person){ v, s, 0, 6 };
	}
	return n;
}

static void write_person(struct world *w, const struct person *p)
{
	const struct domain *at = &w->domain[p->v];
	FILE *out = w->w.out;

	if (p->family == 4)
		fprintf(out, "\"address\": \"10.%u.%u.%u\"", at->net, p->subnet,
			at->spot[p->subnet].is_small ? 40 : 14);
	else if (p->family == 6)
		fprintf(out, "\"address\": \"fd00:1%u:0:%u::e\"", p->v, p->subnet);
	else
		fprintf(out, "\"interface\": \"%s-%u-%u\"", vpc_names[p->v], p->subnet,
			p->interface);
}

static void write_targets(struct world *w, unsigned v)
{
	struct dice *d = &w->crowd;
	struct person people[PEOPLE];
	unsigned n = list_people(w, v, people), wanted = dice_below(d, 5);

	if (dice_chance(d, 80) && wanted < 2)
		wanted = 2;
	fputs(", \"targets\": [", w->w.out);
	for (unsigned i = 0; i < wanted && n > 0; i++) {
		unsigned k = dice_below(d, n);

		fputs(i ? ", { " : " { ", w->w.out);
		write_person(w, &people[k]);
		people[k] = people[--n];
		if (dice_chance(d, 30))
			fprintf(w->w.out, ", \"port\": %u",
				dice_chance(d, 50) ? 8443 : 5353);
		if (dice_chance(d, 40))
			fprintf(w->w.out, ", \"weight\": %u", dice_below(d, 4));
		if (dice_chance(d, 15))
			fprintf(w->w.out, ", \"zone\": \"z%u\"", dice_below(d, 3));
		fputs(" }", w->w.out);
	}
	fputs("]", w->w.out);
}

static void write_group(struct world *w, unsigned v, unsigned g)
{
	struct dice *d = &w->crowd;

	write_comma(&w->w);
	fprintf(w->w.out,
		"  \"%s-tg-%u\": { \"vpc\": \"%s\", \"protocol\": \"%s\", \"port\": %u",
		vpc_names[v], g, vpc_names[v], target_protocols[g],
		dice_chance(d, 60) ? 80 : 8080);
	write_targets(w, v);
	if (dice_chance(d, 60))
		fprintf(w->w.out, ", \"preserve_client_ip\": %s",
			dice_chance(d, 50) ? "true" : "false");
	if (dice_chance(d, 25))
		fputs(", \"stickiness\": \"source_ip\"", w->w.out);
	if (dice_chance(d, 30))
		fprintf(w->w.out, ", \"cross_zone\": %s",
			dice_chance(d, 50) ? "true" : "false");
	fputs(" }", w->w.out);
}

void write_target_groups(struct world *w)
{
	begin(w, "target_groups");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++)
		for (unsigned g = 0; g < TARGET_GROUPS; g++)
			write_group(w, v, g);
	end(w);
}

/* ---- load balancers ---- */

static void write_forwards(struct world *w, unsigned v, const unsigned *groups,
			   unsigned n)
{
	struct dice *d = &w->crowd;
	unsigned wanted = 1 + dice_below(d, n), start = dice_below(d, n);

	fputs(", \"forward\": [", w->w.out);
	for (unsigned i = 0; i < wanted; i++)
		fprintf(w->w.out, "%s{ \"target_group\": \"%s-tg-%u\", \"weight\": %u }",
			i ? ", " : "", vpc_names[v], groups[(start + i) % n],
			dice_chance(d, 10) ? 0 : 1 + dice_below(d, 3));
	fputs("]", w->w.out);
}

/* Port by port, what may listen there; the groups go with target_protocols. */
static void write_listeners(struct world *w, unsigned v)
{
	static const struct {
		unsigned port;
		const char *protocol;
		unsigned groups[3], n;
	} list[] = {
		{ 80, "tcp", { 0, 1, 3 }, 3 }, { 443, "tcp", { 0, 1 }, 2 },
		{ 53, "udp", { 2, 3 }, 2 },    { 22, "tcp", { 1 }, 1 },
		{ 8080, "tcp_udp", { 3 }, 1 }, { 53, "tcp", { 0, 3 }, 2 },
	};
	struct dice *d = &w->crowd;
	const char *comma = "";

	fputs(", \"listeners\": [", w->w.out);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if (dice_chance(d, i == 0 ? 10 : 40))
			continue;
		fprintf(w->w.out, "%s\n      { \"protocol\": \"%s\", \"port\": %u", comma,
			list[i].protocol, list[i].port);
		write_forwards(w, v, list[i].groups, list[i].n);
		if (list[i].protocol[0] == 't' && dice_chance(d, 50))
			fprintf(w->w.out, ", \"idle_timeout\": %u",
				60 + 30 * dice_below(d, 4));
		fputs(" }", w->w.out);
		comma = ",";
	}
	fputs("]", w->w.out);
}

static void write_rest(struct world *w, unsigned v)
{
	struct dice *d = &w->crowd;

	if (dice_chance(d, 40))
		fprintf(w->w.out, ", \"cross_zone\": %s",
			dice_chance(d, 70) ? "true" : "false");
	if (dice_chance(d, 35))
		fprintf(w->w.out, ", \"security_groups\": [\"%s-group-%u\"]",
			vpc_names[v], dice_below(d, w->w.n_groups[v]));
	write_listeners(w, v);
	fputs(" }", w->w.out);
}

static void write_elastic(struct world *w, unsigned v)
{
	for (unsigned e = 0; e < ELASTICS; e++)
		if (w->is_kept[e] && !w->is_taken[e] && w->domain[v].igw >= 0) {
			fprintf(w->w.out, ", \"elastic_ip\": \"eip-%u\"", e);
			w->is_taken[e] = true;
			return;
		}
}

static void write_nodes(struct world *w, unsigned v)
{
	const struct domain *at = &w->domain[v];
	const char *comma = "";

	write_comma(&w->w);
	fprintf(w->w.out, "  \"%s-nlb\": { \"vpc\": \"%s\", \"nodes\": [", vpc_names[v],
		vpc_names[v]);
	for (unsigned s = 0; s < 2; s++) {
		/* Now and then one leaves. */
		if (s > 0 && dice_chance(&w->crowd, 25))
			continue;
		fprintf(w->w.out,
			"%s{ \"subnet\": \"%s-%u\", \"address\": \"10.%u.%u.%u\"", comma,
			vpc_names[v], s, at->net, s, at->spot[s].is_small ? 42 : 7);
		if (dice_chance(&w->crowd, 80))
			write_elastic(w, v);
		fputs(" }", w->w.out);
		if (at->spot[s].has6)
			fprintf(w->w.out,
				", { \"subnet\": \"%s-%u\", \"address\": "
				"\"fd00:1%u:0:%u::7\" }",
				vpc_names[v], s, v, s);
		comma = ", ";
	}
	fputs("]", w->w.out);
	write_rest(w, v);
}

static void write_bare(struct world *w, unsigned v)
{
	const struct domain *at = &w->domain[v];

	write_comma(&w->w);
	fprintf(w->w.out,
		"  \"%s-bare\": { \"vpc\": \"%s\", \"addresses\": [\"203.0.113.%u\", "
		"\"2001:db8:53::%u\"",
		vpc_names[v], vpc_names[v], 30 + v, 1 + v);
	if (dice_chance(&w->crowd, 40))
		fprintf(w->w.out, ", \"10.%u.0.%u\"", at->net,
			at->spot[0].is_small ? 43 : 8);
	if (at->spot[0].has6 && dice_chance(&w->crowd, 40))
		fprintf(w->w.out, ", \"fd00:1%u:0:0::8\"", v);
	fputs("]", w->w.out);
	if (dice_chance(&w->crowd, 30))
		fprintf(w->w.out, ", \"zone\": \"z%u\"", dice_below(&w->crowd, 2));
	write_rest(w, v);
}

void write_balancers(struct world *w)
{
	begin(w, "load_balancers");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++) {
		if (dice_chance(&w->crowd, 90))
			write_nodes(w, v);
		if (dice_chance(&w->crowd, 90))
			write_bare(w, v);
	}
	end(w);
}
