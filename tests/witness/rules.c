/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/rules.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "tests/witness/dice.h"

#define VPCS       3
#define SUBNETS    4 /* a VPC */
#define INTERFACES 4 /* a subnet */
#define LISTS      3
#define NACLS      3 /* a VPC */
#define GROUPS     4 /* a VPC */
#define POOL       128

struct place {
	bool is_small; /* a /28 */
	bool has6;
	unsigned n_interfaces;
};

struct layout {
	unsigned n_vpcs;
	bool has6[VPCS];
	unsigned n_subnets[VPCS];
	struct place place[VPCS][SUBNETS];
	bool has_host; /* a local interface, without VPC or in the first one */
	bool is_host_alone, has_host_address;
};

struct writer {
	FILE *out;
	struct dice dice; /* of the rules */
	struct layout layout;
	unsigned n_lists, n_nacls[VPCS], n_groups[VPCS];
	struct addr pool[POOL];
	unsigned n_pool;
	bool is_first; /* of the object or array being written */
};

static const char *const vpc_names[VPCS] = { "a", "b", "c" };

static void comma(struct writer *w)
{
	fputs(w->is_first ? "\n" : ",\n", w->out);
	w->is_first = false;
}

static void pool_add(struct writer *w, const char *text)
{
	struct addr a;

	if (w->n_pool < POOL && addr_parse(text, &a) == 0)
		w->pool[w->n_pool++] = a;
}

/* ---- topology ---- */

static void layout_roll(struct layout *l, struct dice *d)
{
	*l = (struct layout){ .n_vpcs = 1 + dice_below(d, VPCS) };
	l->has_host = dice_chance(d, 60);
	l->is_host_alone = dice_chance(d, 50);
	l->has_host_address = dice_chance(d, 50);
	if (dice_chance(d, 10))
		l->n_vpcs = 0;
	if (l->n_vpcs == 0)
		l->has_host = l->is_host_alone = true;
	for (unsigned v = 0; v < l->n_vpcs; v++) {
		l->has6[v] = dice_chance(d, 70);
		l->n_subnets[v] = 1 + dice_below(d, SUBNETS);
		for (unsigned s = 0; s < l->n_subnets[v]; s++)
			l->place[v][s] = (struct place){
				.is_small = dice_chance(d, 40),
				.has6 = l->has6[v] && dice_chance(d, 80),
				.n_interfaces = dice_below(d, INTERFACES),
			};
	}
	if (l->n_vpcs > 0 && l->place[0][0].n_interfaces == 0)
		l->place[0][0].n_interfaces = 2;
}

static void address4(char *buf, size_t size, const struct layout *l, unsigned v,
		     unsigned s, unsigned host)
{
	snprintf(buf, size, "10.0.%u.%u", s, (l->place[v][s].is_small ? 32 : 0) + host);
}

static void address6(char *buf, size_t size, unsigned s, unsigned host)
{
	snprintf(buf, size, "fd00:10:0:%x::%x", s, host);
}

static void write_vpcs(struct writer *w)
{
	const struct layout *l = &w->layout;

	fputs("\"vpcs\": {", w->out);
	w->is_first = true;
	for (unsigned v = 0; v < l->n_vpcs; v++) {
		comma(w);
		fprintf(w->out, "  \"%s\": { \"cidrs\": [\"10.0.0.0/16\"%s]",
			vpc_names[v], l->has6[v] ? ", \"fd00:10::/56\"" : "");
		if (w->n_nacls[v] > 0 && dice_chance(&w->dice, 30))
			fprintf(w->out, ", \"default_network_acl\": \"%s-nacl-0\"",
				vpc_names[v]);
		if (w->n_groups[v] > 0 && dice_chance(&w->dice, 30))
			fprintf(w->out, ", \"default_security_group\": \"%s-group-0\"",
				vpc_names[v]);
		fputs(" }", w->out);
	}
	fputs("\n},\n", w->out);
}

static void write_subnets(struct writer *w)
{
	const struct layout *l = &w->layout;

	fputs("\"subnets\": {", w->out);
	w->is_first = true;
	for (unsigned v = 0; v < l->n_vpcs; v++)
		for (unsigned s = 0; s < l->n_subnets[v]; s++) {
			comma(w);
			fprintf(w->out,
				"  \"%s-%u\": { \"vpc\": \"%s\", \"cidrs\": "
				"[\"10.0.%u.%s\"",
				vpc_names[v], s, vpc_names[v], s,
				l->place[v][s].is_small ? "32/28" : "0/24");
			if (l->place[v][s].has6)
				fprintf(w->out, ", \"fd00:10:0:%x::/64\"", s);
			fputs("]", w->out);
			if (w->n_nacls[v] > 0 && dice_chance(&w->dice, 60))
				fprintf(w->out, ", \"network_acl\": \"%s-nacl-%u\"",
					vpc_names[v],
					dice_below(&w->dice, w->n_nacls[v]));
			fputs(" }", w->out);
		}
	fputs("\n},\n", w->out);
}

/* ---- pieces of rules ---- */

static const unsigned lengths4[] = { 0,  0,  0,  1,  8,  9,  15, 16, 16, 23,
				     24, 24, 25, 28, 30, 31, 32, 32, 32 };
static const unsigned lengths6[] = { 0,  0,  0,  1,  16, 32,  47,  48, 56,
				     63, 64, 64, 65, 96, 127, 128, 128 };

static void write_cidr(struct writer *w, int family)
{
	struct dice *d = &w->dice;
	char text[CIDR_TEXT];
	struct cidr c;

	do
		c.addr = w->pool[dice_below(d, w->n_pool)];
	while (family && c.addr.family != family);
	c.len = c.addr.family == 4 ? dice_pick(d, lengths4) : dice_pick(d, lengths6);
	cidr_mask(&c);
	fprintf(w->out, "\"%s\"", cidr_print(&c, text));
}

static void write_port_ranges(struct writer *w)
{
	static const unsigned edges[] = { 0,   1,   22,   53,   79,    80,    81,   255,
					  256, 443, 1023, 1024, 32768, 65534, 65535 };
	struct dice *d = &w->dice;
	unsigned n = dice_chance(d, 70) ? 1 : 1 + dice_below(d, 3);

	fputs("[", w->out);
	for (unsigned i = 0; i < n; i++) {
		unsigned a = dice_pick(d, edges), b = dice_pick(d, edges);

		fputs(i ? ", " : "", w->out);
		if (dice_chance(d, 15))
			fputs("\"0-65535\"", w->out);
		else if (dice_chance(d, 40))
			fprintf(w->out, "%u", a);
		else
			fprintf(w->out, "\"%u-%u\"", a < b ? a : b, a < b ? b : a);
	}
	fputs("]", w->out);
}

/* Returns true for a protocol with ports. */
static bool write_protocol(struct writer *w)
{
	static const char *const names[] = { "\"all\"",  "\"tcp\"",    "\"tcp\"",
					     "\"tcp\"",  "\"udp\"",    "\"udp\"",
					     "\"icmp\"", "\"icmpv6\"", "47",
					     "\"6\"",    "17",         "1",
					     "58",       "132" };
	static const char *const types[] = { "8",   "8/0",     "0",     "3",   "3/4",
					     "3/3", "128",     "128/0", "129", "1/4",
					     "2",   "255/255", "11" };
	struct dice *d = &w->dice;
	const char *name = dice_pick(d, names);
	bool has_ports = strstr("\"tcp\" \"udp\" \"6\" 17", name) != NULL;
	bool is_icmp =
		strstr("\"icmp\" \"icmpv6\" 58", name) != NULL || strcmp(name, "1") == 0;

	if (strcmp(name, "1") == 0)
		has_ports = false;
	fprintf(w->out, "\"protocol\": %s", name);
	if (has_ports && dice_chance(d, 80)) {
		fputs(", \"ports\": ", w->out);
		write_port_ranges(w);
	}
	if (is_icmp && dice_chance(d, 70))
		fprintf(w->out, ", \"icmp\": \"%s\"", dice_pick(d, types));
	return has_ports;
}

static void write_nacl_peer(struct writer *w, const char *key, int family)
{
	fprintf(w->out, ", \"%s\": ", key);
	if (w->n_lists > 0 && dice_chance(&w->dice, 20))
		fprintf(w->out, "\"prefix_list/list-%u\"",
			dice_below(&w->dice, w->n_lists));
	else
		write_cidr(w, family);
}

static void write_nacl_direction(struct writer *w, const char *name)
{
	static const unsigned first[] = { 1, 10, 100, 32766 };
	struct dice *d = &w->dice;
	unsigned n = dice_below(d, 9), number = dice_pick(d, first);
	struct {
		char *text;
		size_t size;
	} rule[9] = {};
	FILE *out = w->out;

	/* Numbers ascend here and are written in any order: the reader has to sort. */
	for (unsigned i = 0; i < n; i++) {
		int family = dice_chance(d, 70) ? 4 : 6;

		w->out = open_memstream(&rule[i].text, &rule[i].size);
		assert(w->out);
		fprintf(w->out, "{ \"rule\": %u, \"action\": \"%s\", ", number,
			dice_chance(d, 60) ? "allow" : "deny");
		number += 1 + dice_below(d, 20);
		if (write_protocol(w) && dice_chance(d, 25)) {
			fputs(", \"source_ports\": ", w->out);
			write_port_ranges(w);
		}
		write_nacl_peer(w, "cidr", family);
		if (dice_chance(d, 15))
			write_nacl_peer(w, "peer_cidr", family);
		fputs(" }", w->out);
		fclose(w->out);
	}
	w->out = out;
	fprintf(out, "\n    \"%s\": [", name);
	for (unsigned left = n; left > 0; left--) {
		unsigned k = dice_below(d, left);
		char *text = rule[k].text;

		fprintf(out, "%s\n      %s", left < n ? "," : "", text);
		free(text);
		rule[k] = rule[left - 1];
	}
	fputs("]", out);
}

static void write_nacls(struct writer *w)
{
	fputs("\"network_acls\": {", w->out);
	w->is_first = true;
	for (unsigned v = 0; v < w->layout.n_vpcs; v++)
		for (unsigned i = 0; i < w->n_nacls[v]; i++) {
			comma(w);
			fprintf(w->out, "  \"%s-nacl-%u\": { \"vpc\": \"%s\",",
				vpc_names[v], i, vpc_names[v]);
			write_nacl_direction(w, "ingress");
			fputs(",", w->out);
			write_nacl_direction(w, "egress");
			fputs(" }", w->out);
		}
	fputs("\n},\n", w->out);
}

static void write_peers(struct writer *w, int vpc)
{
	struct dice *d = &w->dice;
	unsigned n = dice_chance(d, 5) ? 0 : 1 + dice_below(d, 3);

	fputs(", \"peers\": [", w->out);
	for (unsigned i = 0; i < n; i++) {
		unsigned roll = dice_below(d, 100);

		fputs(i ? ", " : "", w->out);
		if (roll < 25)
			fputs("\"0.0.0.0/0\"", w->out);
		else if (roll < 35)
			fputs("\"::/0\"", w->out);
		else if (roll < 45 && w->n_lists > 0)
			fprintf(w->out, "\"prefix_list/list-%u\"",
				dice_below(d, w->n_lists));
		else if (roll < 65 && vpc >= 0)
			fprintf(w->out, "\"security_group/%s-group-%u\"", vpc_names[vpc],
				dice_below(d, w->n_groups[vpc]));
		else
			write_cidr(w, 0);
	}
	fputs("]", w->out);
}

static void write_group(struct writer *w, const char *name, int vpc)
{
	static const char *const directions[] = { "ingress", "egress" };
	struct dice *d = &w->dice;

	comma(w);
	fprintf(w->out, "  \"%s\": {", name);
	if (vpc >= 0)
		fprintf(w->out, " \"vpc\": \"%s\",", vpc_names[vpc]);
	for (int k = 0; k < 2; k++) {
		unsigned n = dice_below(d, 6);

		fprintf(w->out, "%s\n    \"%s\": [", k ? "," : "", directions[k]);
		for (unsigned i = 0; i < n; i++) {
			fprintf(w->out, "%s\n      { ", i ? "," : "");
			write_protocol(w);
			write_peers(w, vpc);
			fputs(" }", w->out);
		}
		if (k == 1 && dice_chance(d, 40))
			fprintf(w->out,
				"%s\n      { \"protocol\": \"all\", \"peers\": "
				"[\"0.0.0.0/0\", \"::/0\"] }",
				n ? "," : "");
		fputs("]", w->out);
	}
	fputs(" }", w->out);
}

static void write_groups(struct writer *w)
{
	char name[32];

	fputs("\"security_groups\": {", w->out);
	w->is_first = true;
	for (unsigned v = 0; v < w->layout.n_vpcs; v++)
		for (unsigned i = 0; i < w->n_groups[v]; i++) {
			snprintf(name, sizeof(name), "%s-group-%u", vpc_names[v], i);
			write_group(w, name, v);
		}
	if (w->layout.has_host && w->layout.is_host_alone)
		write_group(w, "host", -1);
	fputs("\n},\n", w->out);
}

static void write_lists(struct writer *w)
{
	fputs("\"prefix_lists\": {", w->out);
	w->is_first = true;
	for (unsigned i = 0; i < w->n_lists; i++) {
		unsigned n = dice_below(&w->dice, 6);

		comma(w);
		fprintf(w->out, "  \"list-%u\": { \"max_entries\": 20, \"entries\": [",
			i);
		for (unsigned k = 0; k < n; k++) {
			fputs(k ? ", " : "", w->out);
			write_cidr(w, i == 2 ? 6 : 4);
		}
		fputs("] }", w->out);
	}
	fputs("\n},\n", w->out);
}

/* ---- interfaces and settings ---- */

static void write_timeouts(struct writer *w, bool is_interface)
{
	static const unsigned established[] = { 60, 350, 432000 }, udp[] = { 30, 45, 60 },
			      stream[] = { 60, 120, 180 };
	static const unsigned other[] = { 10, 30, 60, 600 };
	struct dice *d = &w->dice;

	fprintf(w->out,
		", \"timeouts\": { \"tcp_established\": %u, \"udp\": %u, \"udp_stream\": "
		"%u",
		dice_pick(d, established), dice_pick(d, udp), dice_pick(d, stream));
	if (!is_interface)
		fprintf(w->out,
			", \"icmp\": %u, \"other\": %u, \"tcp_syn\": %u, "
			"\"tcp_closing\": %u",
			dice_pick(d, other), dice_pick(d, other), dice_pick(d, other),
			dice_pick(d, other));
	fputs(" }", w->out);
}

static void write_group_names(struct writer *w, int vpc)
{
	struct dice *d = &w->dice;
	unsigned n = dice_below(d, 4), start;

	if (vpc < 0) {
		fputs(", \"security_groups\": [\"host\"]", w->out);
		return;
	}
	if (n > w->n_groups[vpc])
		n = w->n_groups[vpc];
	if (n == 0)
		return;
	start = dice_below(d, w->n_groups[vpc]);
	fputs(", \"security_groups\": [", w->out);
	for (unsigned i = 0; i < n; i++)
		fprintf(w->out, "%s\"%s-group-%u\"", i ? ", " : "", vpc_names[vpc],
			(start + i) % w->n_groups[vpc]);
	fputs("]", w->out);
}

static void write_interface(struct writer *w, unsigned v, unsigned s, unsigned i)
{
	const struct layout *l = &w->layout;
	/* Places are few, so the same dice that rolled the layout need not be carried on. */
	unsigned first = l->place[v][s].is_small ? 4 : i == 2 ? 250 : 10;
	bool has_device = (v + s + i) % 4 != 3;
	char a[ADDR_TEXT];

	comma(w);
	fprintf(w->out, "  \"%s-%u-%u\": { \"subnet\": \"%s-%u\", \"addresses\": [",
		vpc_names[v], s, i, vpc_names[v], s);
	address4(a, sizeof(a), l, v, s, first + i);
	fprintf(w->out, "\"%s\"", a);
	if (i == 1) {
		address4(a, sizeof(a), l, v, s, first + i + 5);
		fprintf(w->out, ", \"%s\"", a);
	}
	if (l->place[v][s].has6 && i != 2) {
		address6(a, sizeof(a), s, 0x10 + i);
		fprintf(w->out, ", \"%s\"", a);
	}
	fputs("]", w->out);
	if (has_device)
		fprintf(w->out, ", \"device\": \"%s%u%u\"", vpc_names[v], s, i);
	write_group_names(w, v);
	if (dice_chance(&w->dice, 25))
		fputs(", \"source_dest_check\": false", w->out);
	if (dice_chance(&w->dice, 25))
		write_timeouts(w, true);
	fputs(" }", w->out);
}

static void write_host(struct writer *w)
{
	const struct layout *l = &w->layout;

	comma(w);
	fprintf(w->out, "  \"host\": { \"attach\": \"local\", \"device\": \"%s\"",
		HOST_DEVICE);
	if (!l->is_host_alone) {
		char a[ADDR_TEXT];

		address4(a, sizeof(a), l, 0, 0, 14);
		fprintf(w->out, ", \"subnet\": \"%s-0\"", vpc_names[0]);
		if (l->has_host_address)
			fprintf(w->out, ", \"addresses\": [\"%s\"]", a);
	}
	write_group_names(w, l->is_host_alone ? -1 : 0);
	if (dice_chance(&w->dice, 20))
		fputs(", \"source_dest_check\": false", w->out);
	if (dice_chance(&w->dice, 25))
		write_timeouts(w, true);
	fputs(" }", w->out);
}

static void write_interfaces(struct writer *w)
{
	const struct layout *l = &w->layout;

	fputs("\"interfaces\": {", w->out);
	w->is_first = true;
	for (unsigned v = 0; v < l->n_vpcs; v++)
		for (unsigned s = 0; s < l->n_subnets[v]; s++)
			for (unsigned i = 0; i < l->place[v][s].n_interfaces; i++)
				write_interface(w, v, s, i);
	if (l->has_host)
		write_host(w);
	fputs("\n},\n", w->out);
}

static void write_settings(struct writer *w)
{
	static const char *const exempt[] = {
		"{ \"protocol\": \"udp\", \"ports\": \"67-68\" }",
		"{ \"protocol\": \"udp\", \"address\": \"10.0.0.2\", \"ports\": 53 }",
		"{ \"protocol\": \"all\", \"address\": \"203.0.113.9\" }",
		"{ \"protocol\": \"tcp\", \"address\": \"10.0.1.10\", \"ports\": "
		"\"80-443\" }",
		"{ \"protocol\": \"udp\", \"address\": \"fd00:10:0:1::10\" }",
		"{ \"protocol\": \"icmp\", \"address\": \"10.0.0.10\" }",
	};
	struct dice *d = &w->dice;

	fprintf(w->out, "\"settings\": { \"rule_change\": \"%s\", \"tcp_loose\": %s",
		dice_chance(d, 25) ? "strict" : "aws",
		dice_chance(d, 20) ? "true" : "false");
	if (dice_chance(d, 40))
		write_timeouts(w, false);
	if (dice_chance(d, 25)) {
		unsigned n = 0;

		fputs(", \"exempt\": [", w->out);
		for (size_t i = 0; i < sizeof(exempt) / sizeof(exempt[0]); i++)
			if (dice_chance(d, 50))
				fprintf(w->out, "%s%s", n++ ? ", " : "", exempt[i]);
		fputs("]", w->out);
	}
	fputs(" }\n", w->out);
}

static void pool_fill(struct writer *w)
{
	static const char *const outside[] = {
		"203.0.113.9", "198.51.100.7",  "10.0.0.0",    "10.0.1.0",
		"10.0.2.0",    "10.1.2.3",      "2001:db8::1", "2001:db8:1::",
		"fd00:10::",   "fd00:10:0:1::", "128.0.0.1",   HOST_ADDRESS4,
		HOST_ADDRESS6
	};
	char a[ADDR_TEXT];

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		pool_add(w, outside[i]);
	for (unsigned s = 0; s < SUBNETS; s++)
		for (unsigned i = 0; i < INTERFACES; i++) {
			snprintf(a, sizeof(a), "10.0.%u.%u", s, 10 + i);
			pool_add(w, a);
			snprintf(a, sizeof(a), "10.0.%u.%u", s, 36 + i);
			pool_add(w, a);
			address6(a, sizeof(a), s, 0x10 + i);
			pool_add(w, a);
		}
}

char *rules_text(uint64_t topology, uint64_t rules)
{
	struct writer w = { .dice = { rules } };
	struct dice d = { topology };
	char *text = NULL;
	size_t size = 0;

	w.out = open_memstream(&text, &size);
	assert(w.out);
	layout_roll(&w.layout, &d);
	pool_fill(&w);
	w.n_lists = dice_below(&w.dice, LISTS + 1);
	for (unsigned v = 0; v < w.layout.n_vpcs; v++) {
		w.n_nacls[v] = dice_below(&w.dice, NACLS + 1);
		w.n_groups[v] = 1 + dice_below(&w.dice, GROUPS);
	}
	fputs("{ \"headgate\": 1,\n", w.out);
	write_vpcs(&w);
	write_lists(&w);
	write_subnets(&w);
	write_nacls(&w);
	write_groups(&w);
	write_interfaces(&w);
	write_settings(&w);
	fputs("}\n", w.out);
	fclose(w.out);
	return text;
}
