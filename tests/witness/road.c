/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/atlas.h"

static const char *peering_print(unsigned v, unsigned o, char *buf, size_t size)
{
	snprintf(buf, size, "peering/%s%s", vpc_names[v < o ? v : o],
		 vpc_names[v < o ? o : v]);
	return buf;
}

static const char *roll_peering(struct world *w, unsigned v, char *buf, size_t size)
{
	for (unsigned o = 0; o < w->w.layout.n_vpcs; o++)
		if (w->domain[v].peers[o])
			return peering_print(v, o, buf, size);
	return "blackhole";
}

/* What may stand for a whole CIDR of the VPC, or of one of its subnets. */
static const char *roll_middle(struct world *w, unsigned v, int family, char *buf,
			       size_t size)
{
	const struct domain *at = &w->domain[v];
	char name[32];

	if (family == 4 && at->n_nats > 0 && dice_chance(&w->w.dice, 40))
		snprintf(buf, size, "nat_gateway/%s-nat-%u", vpc_names[v],
			 dice_below(&w->w.dice, at->n_nats));
	else if (roll_interface(w, v, name, sizeof(name)))
		snprintf(buf, size, "interface/%s", name);
	else
		return NULL;
	return buf;
}

static const char *roll_via(struct world *w, unsigned v, int family, char *buf,
			    size_t size)
{
	const struct domain *at = &w->domain[v];
	unsigned roll = dice_below(&w->w.dice, 100);
	const char *middle;

	if (roll < 35 && at->igw >= 0)
		snprintf(buf, size, "internet_gateway/%s-igw", vpc_names[v]);
	else if (roll < 70 && family == 6 && at->eigw >= 0)
		snprintf(buf, size, "egress_only_gateway/%s-eigw", vpc_names[v]);
	else if (roll < 75 && family == 4 && at->n_nats > 0)
		snprintf(buf, size, "nat_gateway/%s-nat-%u", vpc_names[v],
			 dice_below(&w->w.dice, at->n_nats));
	else if (roll < 82)
		return roll_peering(w, v, buf, size);
	else if (roll < 92 && (middle = roll_middle(w, v, 6, buf, size)))
		return middle;
	else
		return "blackhole";
	return buf;
}

static void write_route(struct world *w, const char *to, const char *via)
{
	write_comma(&w->w);
	fprintf(w->w.out, "    { \"to\": \"%s\", \"via\": \"%s\" }", to, via);
}

static void write_outside(struct world *w, unsigned v)
{
	static const char *const outside[] = { "198.51.100.0/24", "198.51.100.2/32",
					       "203.0.113.0/24",  "203.0.113.8/29",
					       "10.0.0.0/8",      "192.0.2.0/24" };
	static const char *const outside6[] = { "2001:db8::/32", "2001:db8:1::1/128" };
	struct dice *d = &w->w.dice;
	char to[CIDR_TEXT], buf[80];

	if (dice_chance(d, 90))
		write_route(w, "0.0.0.0/0", roll_via(w, v, 4, buf, sizeof(buf)));
	if (dice_chance(d, 80))
		write_route(w, "::/0", roll_via(w, v, 6, buf, sizeof(buf)));
	if (w->domain[v].n_nats > 0 && dice_chance(d, 40)) {
		snprintf(buf, sizeof(buf), "nat_gateway/%s-nat-%u", vpc_names[v],
			 dice_below(d, w->domain[v].n_nats));
		write_route(w, "64:ff9b::/96", buf);
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		if (dice_chance(d, 20))
			write_route(w, outside[i], roll_via(w, v, 4, buf, sizeof(buf)));
	for (size_t i = 0; i < sizeof(outside6) / sizeof(outside6[0]); i++)
		if (dice_chance(d, 20))
			write_route(w, outside6[i], roll_via(w, v, 6, buf, sizeof(buf)));
	for (unsigned i = 0; i < 2; i++) {
		snprintf(to, sizeof(to), "prefix_list/out-%u", i);
		if (dice_chance(d, 20))
			write_route(w, to, roll_via(w, v, 4, buf, sizeof(buf)));
	}
}

static void write_peers(struct world *w, unsigned v)
{
	char to[CIDR_TEXT], buf[80];

	for (unsigned o = 0; o < w->w.layout.n_vpcs; o++) {
		if (!w->domain[v].peers[o] || !dice_chance(&w->w.dice, 80))
			continue;
		peering_print(v, o, buf, sizeof(buf));
		snprintf(to, sizeof(to), "10.%u.0.0/16", w->domain[o].net);
		write_route(w, to, buf);
		snprintf(to, sizeof(to), "fd00:1%u::/56", o);
		if (w->domain[o].has6)
			write_route(w, to, buf);
	}
}

/* In the place of local routes. */
static void write_inside(struct world *w, unsigned v)
{
	const struct domain *at = &w->domain[v];
	struct dice *d = &w->w.dice;
	char to[CIDR_TEXT], buf[80];

	snprintf(to, sizeof(to), "10.%u.0.0/16", at->net);
	if (dice_chance(d, 10) && roll_middle(w, v, 4, buf, sizeof(buf)))
		write_route(w, to, buf);
	for (unsigned s = 0; s < at->n_subnets; s++) {
		snprintf(to, sizeof(to), "10.%u.%u.%s", at->net, s,
			 at->spot[s].is_small ? "32/28" : "0/24");
		if (dice_chance(d, 15) && roll_middle(w, v, 4, buf, sizeof(buf)))
			write_route(w, to, buf);
		snprintf(to, sizeof(to), "fd00:1%u:0:%u::/64", v, s);
		if (at->spot[s].has6 && dice_chance(d, 10) &&
		    roll_middle(w, v, 6, buf, sizeof(buf)))
			write_route(w, to, buf);
	}
}

void write_tables(struct world *w)
{
	begin(w, "route_tables");
	for (unsigned v = 0; v < w->w.layout.n_vpcs; v++) {
		bool has_main = dice_chance(&w->w.dice, 60);

		for (unsigned t = 0; t < w->n_tables[v]; t++) {
			write_comma(&w->w);
			fprintf(w->w.out,
				"  \"%s-table-%u\": { \"vpc\": \"%s\"%s, "
				"\"routes\": [",
				vpc_names[v], t, vpc_names[v],
				has_main && t == 0 ? ", \"main\": true" : "");
			w->w.is_first = true;
			write_outside(w, v);
			write_peers(w, v);
			write_inside(w, v);
			w->w.is_first = false;
			fputs("] }", w->w.out);
		}
	}
	end(w);
}
