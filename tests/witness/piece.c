/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/witness/writer.h"

static const unsigned lengths4[] = { 0,  0,  0,  1,  8,  9,  15, 16, 16, 23,
				     24, 24, 25, 28, 30, 31, 32, 32, 32 };
static const unsigned lengths6[] = { 0,  0,  0,  1,  16, 32,  47,  48, 56,
				     63, 64, 64, 65, 96, 127, 128, 128 };

static const char *roll_cidr(struct writer *w, int family, char buf[static CIDR_TEXT])
{
	struct dice *d = &w->dice;
	struct cidr c;

	do
		c.addr = w->pool[dice_below(d, w->n_pool)];
	while (family && c.addr.family != family);
	c.len = c.addr.family == 4 ? dice_pick(d, lengths4) : dice_pick(d, lengths6);
	cidr_mask(&c);
	return cidr_print(&c, buf);
}

static void write_cidr(struct writer *w, int family)
{
	char text[CIDR_TEXT];

	fprintf(w->out, "\"%s\"", roll_cidr(w, family, text));
}

/* Plain: one way to say it, so that what reads alike is alike. */
static void write_port_ranges(struct writer *w, bool is_plain)
{
	static const unsigned edges[] = { 0,   1,   22,   53,   79,    80,    81,   255,
					  256, 443, 1023, 1024, 32768, 65534, 65535 };
	struct dice *d = &w->dice;
	unsigned n = is_plain || dice_chance(d, 70) ? 1 : 1 + dice_below(d, 3);

	fputs("[", w->out);
	for (unsigned i = 0; i < n; i++) {
		unsigned a = dice_pick(d, edges), b = dice_pick(d, edges);

		fputs(i ? ", " : "", w->out);
		if (dice_chance(d, 15))
			fputs("\"0-65535\"", w->out);
		else if (a == b ? is_plain : dice_chance(d, 40))
			fprintf(w->out, "%u", a);
		else
			fprintf(w->out, "\"%u-%u\"", a < b ? a : b, a < b ? b : a);
	}
	fputs("]", w->out);
}

/* Returns true for a protocol with ports. */
static bool write_protocol(struct writer *w, bool is_plain)
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
	bool has_ports, is_icmp;

	if (is_plain && isdigit((unsigned char)name[name[0] == '"']))
		name = "47";
	has_ports = strcmp(name, "1") != 0 && strstr("\"tcp\" \"udp\" \"6\" 17", name);
	is_icmp = strcmp(name, "1") == 0 || strstr("\"icmp\" \"icmpv6\" 58", name);
	fprintf(w->out, "\"protocol\": %s", name);
	if (has_ports && dice_chance(d, 80)) {
		fputs(", \"ports\": ", w->out);
		write_port_ranges(w, is_plain);
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
		if (write_protocol(w, false) && dice_chance(d, 25)) {
			fputs(", \"source_ports\": ", w->out);
			write_port_ranges(w, false);
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
	/* Often enough, what no rule has caught passes: else nothing would ever flow. */
	if (dice_chance(d, 55))
		fprintf(out,
			"%s\n      { \"rule\": %u, \"action\": \"allow\", \"protocol\": "
			"\"all\", "
			"\"cidr\": \"0.0.0.0/0\" },\n      { \"rule\": %u, \"action\": "
			"\"allow\", "
			"\"protocol\": \"all\", \"cidr\": \"::/0\" }",
			n ? "," : "", number + 1000, number + 1001);
	fputs("]", out);
}

void write_nacls(struct writer *w)
{
	fputs("\"network_acls\": {", w->out);
	w->is_first = true;
	for (unsigned v = 0; v < w->layout.n_vpcs; v++)
		for (unsigned i = 0; i < w->n_nacls[v]; i++) {
			write_comma(w);
			fprintf(w->out, "  \"%s-nacl-%u\": { \"vpc\": \"%s\",",
				vpc_names[v], i, vpc_names[v]);
			write_nacl_direction(w, "ingress");
			fputs(",", w->out);
			write_nacl_direction(w, "egress");
			fputs(" }", w->out);
		}
	fputs("\n},\n", w->out);
}

/* Says 'key' for the first time in this direction; the reader refuses repetitions. */
static bool is_news(struct writer *w, const char *match, const char *peer)
{
	char key[SEEN_TEXT];

	snprintf(key, sizeof(key), "%s %s", match, peer);
	for (unsigned i = 0; i < w->n_seen; i++)
		if (strcmp(w->seen[i], key) == 0)
			return false;
	if (w->n_seen < SEEN)
		memcpy(w->seen[w->n_seen++], key, sizeof(key));
	return true;
}

static void roll_peer(struct writer *w, int vpc, char *buf, size_t size)
{
	struct dice *d = &w->dice;
	unsigned roll = dice_below(d, 100);
	char text[CIDR_TEXT];

	if (roll < 25)
		snprintf(buf, size, "0.0.0.0/0");
	else if (roll < 35)
		snprintf(buf, size, "::/0");
	else if (roll < 45 && w->n_lists > 0)
		snprintf(buf, size, "prefix_list/list-%u", dice_below(d, w->n_lists));
	else if (roll < 55 && vpc >= 0 && w->n_groups[(vpc + 1) % VPCS] > 0 &&
		 w->has_peers)
		snprintf(buf, size, "security_group/%s-group-%u",
			 vpc_names[(vpc + 1) % VPCS],
			 dice_below(d, w->n_groups[(vpc + 1) % VPCS]));
	else if (roll < 65 && vpc >= 0)
		snprintf(buf, size, "security_group/%s-group-%u", vpc_names[vpc],
			 dice_below(d, w->n_groups[vpc]));
	else
		snprintf(buf, size, "%s", roll_cidr(w, 0, text));
}

static void write_group_rule(struct writer *w, int vpc)
{
	struct dice *d = &w->dice;
	unsigned n = dice_chance(d, 5) ? 0 : 1 + dice_below(d, 3);
	FILE *out = w->out;
	char *match = NULL, peer[80], key[200];
	size_t size;
	bool is_first = true, is_open;

	w->out = open_memstream(&match, &size);
	assert(w->out);
	is_open = write_protocol(w, true);
	fclose(w->out);
	w->out = out;
	fprintf(out, "{ %s, \"peers\": [", match);
	for (unsigned i = 0; i < n; i++) {
		roll_peer(w, vpc, peer, sizeof(peer));
		/* No ports are all ports. */
		snprintf(key, sizeof(key), "%s%s", match,
			 is_open && !strstr(match, "ports") ? ", \"ports\": [\"0-65535\"]"
							    : "");
		if (!is_news(w, key, peer))
			continue;
		fprintf(out, "%s\"%s\"", is_first ? "" : ", ", peer);
		is_first = false;
	}
	fputs("] }", out);
	free(match);
}

static void write_group(struct writer *w, const char *name, int vpc)
{
	static const char *const directions[] = { "ingress", "egress" };
	struct dice *d = &w->dice;

	write_comma(w);
	fprintf(w->out, "  \"%s\": {", name);
	if (vpc >= 0)
		fprintf(w->out, " \"vpc\": \"%s\",", vpc_names[vpc]);
	for (int k = 0; k < 2; k++) {
		unsigned n = dice_below(d, 6);

		w->n_seen = 0;
		fprintf(w->out, "%s\n    \"%s\": [", k ? "," : "", directions[k]);
		if (dice_chance(d, k ? 55 : 30)) {
			is_news(w, "\"protocol\": \"all\"", "0.0.0.0/0");
			is_news(w, "\"protocol\": \"all\"", "::/0");
			fprintf(w->out,
				"\n      { \"protocol\": \"all\", \"peers\": "
				"[\"0.0.0.0/0\", \"::/0\"] }%s",
				n ? "," : "");
		}
		for (unsigned i = 0; i < n; i++) {
			fputs(i ? ",\n      " : "\n      ", w->out);
			write_group_rule(w, vpc);
		}
		fputs("]", w->out);
	}
	fputs(" }", w->out);
}

void write_groups(struct writer *w)
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
		write_group(w, "host", w->layout.n_vpcs > 0 ? 0 : -1);
	fputs("\n},\n", w->out);
}

void write_lists(struct writer *w)
{
	fputs("\"prefix_lists\": {", w->out);
	w->is_first = true;
	for (unsigned i = 0; i < w->n_lists; i++) {
		unsigned n = dice_below(&w->dice, 6);

		write_comma(w);
		fprintf(w->out, "  \"list-%u\": { \"max_entries\": 20, \"entries\": [",
			i);
		w->n_seen = 0;
		for (unsigned k = 0, written = 0; k < n; k++) {
			char text[CIDR_TEXT];

			roll_cidr(w, i == 2 ? 6 : 4, text);
			if (is_news(w, "entry", text))
				fprintf(w->out, "%s\"%s\"", written++ ? ", " : "", text);
		}
		fputs("] }", w->out);
	}
	fputs("\n},\n", w->out);
}
