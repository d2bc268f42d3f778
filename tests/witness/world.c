/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/witness/crowd.h"

/* ---- what stands where ---- */

static void spot_roll(struct spot *s, struct dice *d, bool has6)
{
	*s = (struct spot){
		.has_device = dice_chance(d, 75),
		.has6 = has6 && dice_chance(d, 80),
		.is_small = dice_chance(d, 30),
		.n_interfaces = dice_below(d, INTERFACES),
	};
	for (unsigned i = 0; i < s->n_interfaces; i++) {
		s->has_port[i] = dice_chance(d, 40);
		s->is_silent[i] = s->has6 && dice_chance(d, 10);
	}
}

static void domain_roll(struct domain *v, struct dice *d)
{
	*v = (struct domain){
		.has6 = dice_chance(d, 75),
		.n_subnets = 2 + dice_below(d, SUBNETS - 1),
		.igw = dice_chance(d, 80) ? (int)dice_below(d, 2) : -1,
		.eigw = dice_chance(d, 60) ? (int)dice_below(d, 2) : -1,
		.n_nats = dice_below(d, NATS + 1),
	};
	for (unsigned s = 0; s < v->n_subnets; s++)
		spot_roll(&v->spot[s], d, v->has6);
	if (v->spot[0].n_interfaces == 0)
		v->spot[0].n_interfaces = 2;
	for (unsigned n = 0; n < NATS; n++) {
		v->nat_subnet[n] = dice_below(d, v->n_subnets);
		v->is_instance[n] = dice_chance(d, 25);
	}
}

static void world_roll(struct world *w, struct dice *d)
{
	struct layout *l = &w->w.layout;

	*l = (struct layout){ .n_vpcs = 1 + dice_below(d, VPCS) };
	for (unsigned v = 0; v < l->n_vpcs; v++)
		domain_roll(&w->domain[v], d);
	for (unsigned v = 0; v + 1 < l->n_vpcs; v++)
		if (dice_chance(d, 65)) {
			w->domain[v + 1].net = w->domain[v].net + 1;
			w->domain[v].peers[v + 1] = w->domain[v + 1].peers[v] = 1;
		}
	w->has_host = dice_chance(d, 30);
}

/* Small subnets begin at .32; others have room for hosts that nobody has declared. */
static unsigned host_of(const struct spot *s, unsigned i)
{
	return (s->is_small ? 32 : 0) + (s->is_small ? 4 : 10) + i;
}

static void pool_put(struct world *w, const char *text)
{
	struct addr a;

	if (w->w.n_pool < POOL && addr_parse(text, &a) == 0)
		w->w.pool[w->w.n_pool++] = a;
}

static void pool_fill(struct world *w)
{
	static const char *const outside[] = {
		"198.51.100.1", "198.51.100.2", "203.0.113.10",  "203.0.113.11",
		"203.0.113.20", "2001:db8::1",  "2001:db8:1::1", "64:ff9b::",
		"128.0.0.1",    "10.0.0.0",     "10.1.0.0",      "fd00:10::",
		"fd00:11::",    "203.0.113.0",
	};
	char a[ADDR_TEXT];

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		pool_put(w, outside[i]);
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++)
		for (unsigned s = 0; s < w->domain[v].n_subnets; s++) {
			snprintf(a, sizeof(a), "10.%u.%u.%u", w->domain[v].net, s,
				 host_of(&w->domain[v].spot[s], 0));
			pool_put(w, a);
			snprintf(a, sizeof(a), "10.%u.%u.5", w->domain[v].net, s);
			pool_put(w, a);
			snprintf(a, sizeof(a), "fd00:1%u:0:%u::10", v, s);
			pool_put(w, a);
		}
}

/* ---- nouns ---- */

void begin(struct world *w, const char *noun)
{
	fprintf(w->w.out, "\"%s\": {", noun);
	w->w.is_first = true;
}

void end(struct world *w)
{
	fputs("\n},\n", w->w.out);
}

static void write_vpcs(struct world *w)
{
	begin(w, "vpcs");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++) {
		const struct domain *at = &w->domain[v];

		write_comma(&w->w);
		fprintf(w->w.out, "  \"%s\": { \"cidrs\": [\"10.%u.0.0/16\"",
			vpc_names[v], at->net);
		if (at->has6)
			fprintf(w->w.out, ", \"fd00:1%u::/56\"", v);
		fputs("] }", w->w.out);
	}
	end(w);
}

static void write_subnet(struct world *w, unsigned v, unsigned s)
{
	const struct domain *at = &w->domain[v];
	struct dice *d = &w->w.dice;

	write_comma(&w->w);
	fprintf(w->w.out, "  \"%s-%u\": { \"vpc\": \"%s\", \"cidrs\": [\"10.%u.%u.%s\"",
		vpc_names[v], s, vpc_names[v], at->net, s,
		at->spot[s].is_small ? "32/28" : "0/24");
	if (at->spot[s].has6)
		fprintf(w->w.out, ", \"fd00:1%u:0:%u::/64\"", v, s);
	fputs("]", w->w.out);
	if (w->is_crowded && s < 3)
		fprintf(w->w.out, ", \"zone\": \"z%u\"", s % 2);
	if (at->spot[s].has_device)
		fprintf(w->w.out, ", \"device\": \"br%s%u\"", vpc_names[v], s);
	if (w->w.n_nacls[v] > 0 && dice_chance(d, 25))
		fprintf(w->w.out, ", \"network_acl\": \"%s-nacl-%u\"", vpc_names[v],
			dice_below(d, w->w.n_nacls[v]));
	if (w->n_tables[v] > 0 && dice_chance(d, 80))
		fprintf(w->w.out, ", \"route_table\": \"%s-table-%u\"", vpc_names[v],
			dice_below(d, w->n_tables[v]));
	fputs(" }", w->w.out);
}

static void write_subnets(struct world *w)
{
	begin(w, "subnets");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++)
		for (unsigned s = 0; s < w->domain[v].n_subnets; s++)
			write_subnet(w, v, s);
	end(w);
}

static void write_groups_of(struct world *w, unsigned v)
{
	unsigned n = dice_below(&w->w.dice, 3), start;

	if (n > w->w.n_groups[v])
		n = w->w.n_groups[v];
	if (n == 0)
		return;
	start = dice_below(&w->w.dice, w->w.n_groups[v]);
	fputs(", \"security_groups\": [", w->w.out);
	for (unsigned i = 0; i < n; i++)
		fprintf(w->w.out, "%s\"%s-group-%u\"", i ? ", " : "", vpc_names[v],
			(start + i) % w->w.n_groups[v]);
	fputs("]", w->w.out);
}

static void write_interface(struct world *w, unsigned v, unsigned s, unsigned i)
{
	const struct domain *at = &w->domain[v];
	const struct spot *spot = &at->spot[s];
	struct dice *d = &w->w.dice;
	const char *comma = "";

	write_comma(&w->w);
	fprintf(w->w.out, "  \"%s-%u-%u\": { \"subnet\": \"%s-%u\", \"addresses\": [",
		vpc_names[v], s, i, vpc_names[v], s);
	if (!spot->is_silent[i]) {
		fprintf(w->w.out, "\"10.%u.%u.%u\"", at->net, s, host_of(spot, i));
		comma = ", ";
	}
	if (i == 1 && !spot->is_silent[i])
		fprintf(w->w.out, ", \"10.%u.%u.%u\"", at->net, s, host_of(spot, i) + 4);
	if (spot->has6 && (i != 2 || spot->is_silent[i]))
		fprintf(w->w.out, "%s\"fd00:1%u:0:%u::%x\"", comma, v, s, 0x10 + i);
	fputs("]", w->w.out);
	if (spot->has_port[i])
		fprintf(w->w.out, ", \"device\": \"%s%u%u\"", vpc_names[v], s, i);
	write_groups_of(w, v);
	/* Not where a balancer has clients in the other VPC of a peering: what they sent without the
	 * check has a zone of its own, and the balancer's answers do not find the way back. */
	if (dice_chance(d, 30) && !w->is_crowded)
		fputs(", \"source_dest_check\": false", w->w.out);
	if (dice_chance(d, 20))
		fprintf(w->w.out,
			", \"timeouts\": { \"tcp_established\": %u, \"udp\": %u, "
			"\"udp_stream\": %u }",
			dice_chance(d, 50) ? 60 : 432000, 30 + dice_below(d, 31),
			60 + dice_below(d, 121));
	fputs(" }", w->w.out);
}

static void write_interfaces(struct world *w)
{
	begin(w, "interfaces");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++)
		for (unsigned s = 0; s < w->domain[v].n_subnets; s++)
			for (unsigned i = 0; i < w->domain[v].spot[s].n_interfaces; i++)
				write_interface(w, v, s, i);
	if (w->has_host) {
		write_comma(&w->w);
		fprintf(w->w.out,
			"  \"host\": { \"attach\": \"local\", \"device\": \"eth0\", "
			"\"subnet\": \"a-0\", \"addresses\": [\"10.%u.0.%u\"]",
			w->domain[0].net, w->domain[0].spot[0].is_small ? 46 : 200);
		write_groups_of(w, 0);
		fputs(" }", w->w.out);
	}
	end(w);
}

static void write_gateways(struct world *w)
{
	static const char *const nouns[] = { "internet_gateways",
					     "egress_only_gateways" };

	for (int kind = 0; kind < 2; kind++) {
		begin(w, nouns[kind]);
		for (unsigned v = 0; v < w->w.layout.n_vpcs; v++) {
			int up = kind ? w->domain[v].eigw : w->domain[v].igw;
			unsigned hops = dice_below(&w->w.dice, 4);

			if (up < 0)
				continue;
			write_comma(&w->w);
			fprintf(w->w.out,
				"  \"%s-%s\": { \"vpc\": \"%s\", \"device\": \"up%d\"",
				vpc_names[v], kind ? "eigw" : "igw", vpc_names[v], up);
			if (hops)
				fprintf(w->w.out, ", \"next_hop\": [%s%s%s]",
					hops & 1 ? "\"203.0.113.1\"" : "",
					hops == 3 ? ", " : "",
					hops & 2 ? "\"fe80::1\"" : "");
			fputs(" }", w->w.out);
		}
		end(w);
	}
}

/* ---- elastic IPs, NAT gateways, peerings ---- */

/* The first address of IPv4 of an interface that has one; not always the same. */
bool roll_interface(struct world *w, unsigned v, char *buf, size_t size)
{
	for (int tries = 0; tries < 6; tries++) {
		unsigned s = dice_below(&w->w.dice, w->domain[v].n_subnets);
		const struct spot *spot = &w->domain[v].spot[s];
		unsigned i;

		if (spot->n_interfaces == 0)
			continue;
		i = dice_below(&w->w.dice, spot->n_interfaces);
		if (spot->is_silent[i])
			continue;
		snprintf(buf, size, "%s-%u-%u", vpc_names[v], s, i);
		return true;
	}
	return false;
}

static bool is_said(const char *const *list, unsigned n, const char *text)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

static void write_elastics(struct world *w)
{
	char names[ELASTICS][32];
	const char *list[ELASTICS];
	unsigned n = 0;

	begin(w, "elastic_ips");
	for (unsigned e = 0; e < ELASTICS; e++) {
		unsigned v = dice_below(&w->w.dice, w->w.layout.n_vpcs);

		write_comma(&w->w);
		fprintf(w->w.out, "  \"eip-%u\": { \"address\": \"203.0.113.%u\"", e,
			10 + e);
		if (!w->is_kept[e] && dice_chance(&w->w.dice, 50) &&
		    roll_interface(w, v, names[n], sizeof(names[n])) &&
		    !is_said(list, n, names[n])) {
			fprintf(w->w.out, ", \"interface\": \"%s\"", names[n]);
			list[n] = names[n];
			n++;
			w->is_taken[e] = true;
		}
		fputs(" }", w->w.out);
	}
	end(w);
}

static void write_nat_elastics(struct world *w)
{
	unsigned n = dice_chance(&w->w.dice, 15) ? 0 : 1 + dice_below(&w->w.dice, 3);
	const char *comma = "";

	fputs(", \"elastic_ips\": [", w->w.out);
	for (unsigned e = 0; e < ELASTICS && n > 0; e++) {
		if (w->is_taken[e] || w->is_kept[e])
			continue;
		fprintf(w->w.out, "%s\"eip-%u\"", comma, e);
		comma = ", ";
		w->is_taken[e] = true;
		n--;
	}
	fputs("]", w->w.out);
}

static void write_nat(struct world *w, unsigned v, unsigned n)
{
	static const unsigned idle[] = { 20, 60, 350, 350, 500 };
	const struct domain *at = &w->domain[v];
	unsigned s = at->nat_subnet[n];
	struct dice *d = &w->w.dice;

	write_comma(&w->w);
	fprintf(w->w.out,
		"  \"%s-nat-%u\": { \"subnet\": \"%s-%u\", \"private_address\": "
		"\"10.%u.%u.%u\", \"idle_timeout\": %u",
		vpc_names[v], n, vpc_names[v], s, at->net, s,
		at->spot[s].is_small ? 44 + n : 5 + n, dice_pick(d, idle));
	if (at->igw >= 0)
		write_nat_elastics(w);
	if (at->is_instance[n]) {
		fputs(", \"mode\": \"instance\"", w->w.out);
		write_groups_of(w, v);
		fprintf(w->w.out,
			", \"forwards\": [{ \"protocol\": \"tcp\", \"port\": 80, \"to\": "
			"\"10.%u.0.%u:8080\" }, { \"protocol\": \"udp\", \"port\": 53, "
			"\"to\": \"10.%u.1.%u\" }]",
			at->net, host_of(&at->spot[0], 0), at->net,
			host_of(&at->spot[1], 0));
	}
	fputs(" }", w->w.out);
}

static void write_nats(struct world *w)
{
	begin(w, "nat_gateways");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++)
		for (unsigned n = 0; n < w->domain[v].n_nats; n++)
			write_nat(w, v, n);
	end(w);
}

static void write_peerings(struct world *w)
{
	begin(w, "peerings");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++)
		for (unsigned o = v + 1; o < w->w.layout.n_vpcs; o++)
			if (w->domain[v].peers[o]) {
				write_comma(&w->w);
				fprintf(w->w.out,
					"  \"%s%s\": { \"vpcs\": [\"%s\", \"%s\"] }",
					vpc_names[v], vpc_names[o], vpc_names[v],
					vpc_names[o]);
			}
	end(w);
}

/* ---- the rest ---- */

static void write_world_lists(struct world *w)
{
	fputs("\"prefix_lists\": {\n"
	      "  \"out-0\": { \"entries\": [\"198.51.100.0/24\", \"198.51.100.1/32\", "
	      "\"203.0.113.12/30\"] },\n"
	      "  \"out-1\": { \"entries\": [\"198.51.100.0/24\", \"128.0.0.0/1\", "
	      "\"203.0.113.8/29\"] }\n},\n",
	      w->w.out);
}

static void write_settings(struct world *w)
{
	struct dice *d = &w->w.dice;
	bool is_exempting;

	fprintf(w->w.out, "\"settings\": { \"rule_change\": \"%s\", \"tcp_loose\": %s",
		dice_chance(d, 20) ? "strict" : "aws",
		dice_chance(d, 20) ? "true" : "false");
	is_exempting = dice_chance(d, 20);
	if (is_exempting)
		fputs(", \"exempt\": [{ \"protocol\": \"udp\", \"ports\": \"67-68\" }, "
		      "{ \"protocol\": \"tcp\", \"address\": \"10.0.1.10\", \"ports\": "
		      "80 }",
		      w->w.out);
	/* A client whose answers are the kernel's would be no client. */
	if (is_exempting)
		fputs(w->is_crowded ? "]"
				    : ", { \"protocol\": \"all\", \"address\": "
				      "\"198.51.100.2\" }]",
		      w->w.out);
	if (dice_chance(d, 30))
		fprintf(w->w.out,
			", \"timeouts\": { \"icmp\": %u, \"other\": %u, \"tcp_syn\": %u, "
			"\"tcp_closing\": %u }",
			10 + dice_below(d, 50), 60 + dice_below(d, 100),
			10 + dice_below(d, 50), 10 + dice_below(d, 50));
	fputs(" }\n", w->w.out);
}

char *world_text(uint64_t topology, uint64_t rules, bool is_crowded)
{
	struct world w = { .w.dice = { rules },
			   .w.has_peers = true,
			   .is_crowded = is_crowded,
			   .crowd = { ~rules } };
	struct dice d = { topology };
	char *text = NULL;
	size_t size = 0;

	w.w.out = open_memstream(&text, &size);
	assert(w.w.out);
	world_roll(&w, &d);
	if (is_crowded)
		w.has_host |= dice_chance(&d, 50);
	for (unsigned e = ELASTICS - 4; e < ELASTICS; e++)
		w.is_kept[e] = is_crowded;
	pool_fill(&w);
	for (unsigned v = 0; v < w.w.layout.n_vpcs; v++) {
		w.w.n_nacls[v] = dice_below(&w.w.dice, NACLS + 1);
		w.w.n_groups[v] = 1 + dice_below(&w.w.dice, GROUPS);
		w.n_tables[v] = 1 + dice_below(&w.w.dice, TABLES);
	}
	fputs("{ \"headgate\": 1,\n", w.w.out);
	write_vpcs(&w);
	write_world_lists(&w);
	write_subnets(&w);
	write_nacls(&w.w);
	write_groups(&w.w);
	write_interfaces(&w);
	write_gateways(&w);
	write_elastics(&w);
	write_nats(&w);
	if (is_crowded) {
		write_target_groups(&w);
		write_balancers(&w);
	}
	write_peerings(&w);
	write_tables(&w);
	write_settings(&w);
	fputs("}\n", w.w.out);
	fclose(w.w.out);
	return text;
}
