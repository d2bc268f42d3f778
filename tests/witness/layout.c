/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/witness/rules.h"
#include "tests/witness/writer.h"

const char *const vpc_names[VPCS] = { "a", "b", "c" };

void write_comma(struct writer *w)
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
		write_comma(w);
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
			write_comma(w);
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

/* ---- interfaces and settings ---- */

static void write_timeouts(struct writer *w, bool is_interface)
{
	static const unsigned established[] = { 60, 350, 432000 }, udp[] = { 30, 45, 60 },
			      stream[] = { 60, 120, 180 };
	static const unsigned other[] = { 60, 600 }, brief[] = { 10, 30, 60 };
	struct dice *d = &w->dice;

	fprintf(w->out,
		", \"timeouts\": { \"tcp_established\": %u, \"udp\": %u, \"udp_stream\": "
		"%u",
		dice_pick(d, established), dice_pick(d, udp), dice_pick(d, stream));
	if (!is_interface)
		fprintf(w->out,
			", \"icmp\": %u, \"other\": %u, \"tcp_syn\": %u, "
			"\"tcp_closing\": %u",
			dice_pick(d, brief), dice_pick(d, other), dice_pick(d, brief),
			dice_pick(d, brief));
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

	write_comma(w);
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

	write_comma(w);
	fprintf(w->out, "  \"host\": { \"attach\": \"local\", \"device\": \"%s\"",
		HOST_DEVICE);
	if (l->is_host_alone && l->n_vpcs > 0)
		fprintf(w->out, ", \"vpc\": \"%s\"", vpc_names[0]);
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
		"{ \"protocol\": \"tcp\", \"address\": \"10.0.1.10\", \"ports\": 80 }",
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
