/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/image.h"

#include <stdio.h>

#include "base/cleanup.h"

#include "agree.h"

/* ---- random rule sets: few addresses, ports and types, so that rules meet ---- */

static const char *const peers[] = {
	"0.0.0.0/0",         "::/0",
	"10.0.0.0/8",        "10.0.1.0/24",
	"10.0.1.7",          "10.0.2.0/23",
	"2001:db8::/32",     "2001:db8:1::/48",
	"2001:db8:1::7/128", "prefix_list/mixed",
	"prefix_list/four",  "prefix_list/six",
};
static const char *const ports[] = { "0-65535", "80", "443",   "1024-65535", "0-1023",
				     "79-81",   "0",  "65535", "256-511",    "255-256" };
static const char *const groups[] = { "security_group/a", "security_group/b",
				      "security_group/c" };

#define PICK(array) ((array)[dice(ARRAY_SIZE(array))])

static void match_write(FILE *f, bool with_sources)
{
	static const char *const others[] = { "all", "47", "50", "0", "255" };

	if (dice(3) == 0) {
		fprintf(f, "\"protocol\":\"%s\"", PICK(others));
	} else if (dice(3) == 0) {
		fprintf(f, "\"protocol\":\"%s\"", dice(2) ? "icmp" : "icmpv6");
		if (dice(3) == 0)
			fprintf(f, ",\"icmp\":\"%u\"", dice(2) ? 8 : 128);
		else if (dice(2))
			fprintf(f, ",\"icmp\":\"%u/%u\"", dice(2) ? 3 : 255, dice(3));
	} else {
		fprintf(f, "\"protocol\":\"%s\"", dice(2) ? "tcp" : "udp");
		if (dice(4))
			fprintf(f, ",\"ports\":\"%s\"", PICK(ports));
		else
			fprintf(f, ",\"ports\":[\"22\",\"80-90\",8080]");
		if (with_sources && dice(4) == 0)
			fprintf(f, ",\"source_ports\":\"%s\"", PICK(ports));
		else if (with_sources && dice(6) == 0)
			fprintf(f, ",\"source_ports\":[\"53\",\"1024-2000\"]");
	}
}

static void nacl_write(FILE *f, const char *direction, uint32_t n, bool with_clauses)
{
	fprintf(f, "\"%s\":[", direction);
	for (uint32_t i = 0; i < n; i++) {
		fprintf(f, "%s{\"rule\":%u,\"action\":\"%s\",", i ? "," : "",
			10 * (i + 1), dice(2) ? "allow" : "deny");
		match_write(f, with_clauses);
		fprintf(f, ",\"cidr\":\"%s\"", PICK(peers));
		if (with_clauses && dice(4) == 0)
			fprintf(f, ",\"peer_cidr\":\"%s\"", PICK(peers));
		fprintf(f, "}");
	}
	fprintf(f, "]");
}

static void group_write(FILE *f, const char *direction, uint32_t n)
{
	fprintf(f, "\"%s\":[", direction);
	for (uint32_t i = 0; i < n; i++) {
		const char *first = dice(2) ? PICK(peers) : PICK(groups);
		const char *second = PICK(peers);

		fprintf(f, "%s{", i ? "," : "");
		match_write(f, false);
		fprintf(f, ",\"peers\":[");
		if (dice(8))
			fprintf(f, "\"%s\"", first);
		else if (dice(2))
			fprintf(f, "\"%s\",\"%s\"", PICK(groups), second);
		fprintf(f, "]}");
	}
	fprintf(f, "]");
}

static char *text_random(uint32_t rules, bool with_clauses)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/"
		   "16\",\"2001:db8::/48\"]}},"
		   "\"prefix_lists\":{"
		   "\"mixed\":{\"max_entries\":4,\"entries\":[\"10.0.1.0/"
		   "25\",\"2001:db8:1::/64\"]},"
		   "\"four\":{\"max_entries\":4,\"entries\":[\"10.0.0.0/7\",\"192.0.2.0/"
		   "24\"]},"
		   "\"six\":{\"max_entries\":4,\"entries\":[\"2001:db8:1::7/128\"]}},"
		   "\"network_acls\":{\"n\":{\"vpc\":\"v\",");
	nacl_write(f, "ingress", rules, with_clauses);
	fprintf(f, ",");
	nacl_write(f, "egress", dice(rules), with_clauses);
	fprintf(f, "}},\"security_groups\":{");
	for (int i = 0; i < 3; i++) {
		fprintf(f, "%s\"%c\":{\"vpc\":\"v\",", i ? "," : "", 'a' + i);
		group_write(f, "ingress", dice(rules));
		fprintf(f, ",");
		group_write(f, "egress", dice(4));
		fprintf(f, "}");
	}
	fprintf(f, "},\"subnets\":{\"s\":{\"vpc\":\"v\",\"network_acl\":\"n\","
		   "\"cidrs\":[\"10.0.1.0/24\",\"2001:db8:0:1::/64\"]}},"
		   "\"interfaces\":{"
		   "\"x\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.7\",\"2001:db8:0:1::"
		   "7\"],"
		   "\"security_groups\":[\"a\",\"b\"]},"
		   "\"y\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.8\"],"
		   "\"security_groups\":[\"b\",\"a\"]},"
		   "\"z\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.9\",\"2001:db8:0:1::"
		   "9\"],"
		   "\"security_groups\":[\"c\"]}}}");
	fclose(f);
	return text;
}

/* Until one is accepted: a group that admits a peer twice is not. */
static struct model *model_random(char *(*make)(uint32_t, bool), uint32_t rules,
				  bool with_clauses)
{
	struct model *m = NULL;

	while (!m) {
		struct diag *diag = diag_new();
		char *text = make(rules, with_clauses);

		if (config_read_text("test.json", text, strlen(text), NULL, diag, &m) < 0)
			m = NULL;
		free(text);
		diag_free(diag);
	}
	return m;
}

/* ---- questions at the edges of what the rules say ---- */

static struct addr address_random(void)
{
	static const char *const edges[] = {
		"10.0.1.7",        "10.0.1.6",        "10.0.1.8",      "10.0.1.9",
		"10.0.1.127",      "10.0.1.128",      "10.0.2.0",      "10.0.3.255",
		"10.0.4.0",        "9.255.255.255",   "11.0.0.0",      "12.0.0.0",
		"192.0.2.1",       "198.51.100.1",    "2001:db8:1::7", "2001:db8:1::8",
		"2001:db8:0:1::7", "2001:db8:0:1::9", "2001:db9::1",   "2001:db8:1:1::",
	};
	struct addr a;

	addr_parse(PICK(edges), &a);
	return a;
}

static uint32_t port_random(void)
{
	static const uint32_t edges[] = { 0,    1,    22,   53,   79,   80,    81,   82,
					  90,   91,   255,  256,  257,  511,   512,  443,
					  1023, 1024, 2000, 2001, 8080, 65534, 65535 };

	return dice(8) ? PICK(edges) : dice(65536);
}

static struct asked ask(void)
{
	static const int protos[] = { 6, 6, 6, 17, 17, 1, 58, 47, 50, 0, 255, 132 };
	static const uint32_t types[] = {
		3 << 8 | 255, 8 << 8 | 255, 9 << 8,     8 << 8,     8 << 8 | 1,
		3 << 8,       3 << 8 | 1,   3 << 8 | 2, 3 << 8 | 3, 128 << 8,
		255 << 8,     255 << 8 | 2, 0
	};
	struct asked q = { .peer = address_random(),
			   .other = address_random(),
			   .proto = PICK(protos),
			   .source = port_random() };

	while (q.other.family != q.peer.family)
		q.other = address_random();
	if (q.proto == 6 || q.proto == 17)
		q.key = port_random();
	else if (q.proto == 1 || q.proto == 58)
		q.key = PICK(types);
	if (dice(8) == 0 &&
	    (q.proto == 6 || q.proto == 17 || q.proto == 1 || q.proto == 58))
		q.key = LOOKUP_ORPHAN;
	return q;
}

static void test_random(uint32_t rules, bool with_clauses)
{
	struct model *m = model_random(text_random, rules, with_clauses);
	struct image *image = image_of(m), *again = image_of(m);
	size_t wrong = 0;

	for (int i = 0; i < 4000 && wrong < 5; i++) {
		struct asked q = ask();

		for (int d = 0; d < 2; d++) {
			wrong += !nacl_agrees(m, image, d, &q);
			for (size_t k = 0; k < m->n_interfaces; k++)
				wrong += !groups_agree(m, image, k, d, &q);
		}
	}
	is((long long)wrong, 0, "%u rules%s: every answer is that of a scan", rules,
	   with_clauses ? " with source ports and peers" : "");
	ok(image->n_lines == again->n_lines &&
		   memcmp(image->lines, again->lines, image->n_lines * HG_LINE) == 0,
	   "%u rules: the same model gives the same bytes", rules);
	is(image_check(image), 0, "%u rules: the image checks", rules);
	image_free(image);
	image_free(again);
	model_free(m);
}

/* ---- tracked or not: rules for anybody, in one family and both ---- */

static void open_write(FILE *f, const char *direction, uint32_t n)
{
	static const char *const anybody[] = { "\"0.0.0.0/0\"", "\"::/0\"",
					       "\"0.0.0.0/0\",\"::/0\"", "\"10.0.0.0/8\"",
					       "\"prefix_list/mixed\"" };
	static const char *const matches[] = {
		"\"protocol\":\"all\"",
		"\"protocol\":\"tcp\"",
		"\"protocol\":\"udp\",\"ports\":\"0-65535\"",
		"\"protocol\":\"tcp\",\"ports\":\"80-81\"",
		"\"protocol\":\"udp\",\"ports\":\"53\"",
		"\"protocol\":\"tcp\",\"ports\":\"1-65535\"",
		"\"protocol\":\"icmp\"",
	};

	fprintf(f, "\"%s\":[", direction);
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "%s{%s,\"peers\":[%s]}", i ? "," : "", PICK(matches),
			PICK(anybody));
	fprintf(f, "]");
}

static char *text_open(uint32_t rules, bool with_clauses)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)with_clauses;
	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/"
		   "16\",\"2001:db8::/48\"]}},"
		   "\"prefix_lists\":{\"mixed\":{\"max_entries\":4,"
		   "\"entries\":[\"0.0.0.0/0\",\"::/0\"]}},\"security_groups\":{");
	for (int i = 0; i < 2; i++) {
		fprintf(f, "%s\"%c\":{\"vpc\":\"v\",", i ? "," : "", 'a' + i);
		open_write(f, "ingress", dice(rules + 1));
		fprintf(f, ",");
		open_write(f, "egress", dice(3));
		fprintf(f, "}");
	}
	fprintf(f, "},\"subnets\":{\"s\":{\"vpc\":\"v\","
		   "\"cidrs\":[\"10.0.1.0/24\",\"2001:db8:0:1::/64\"]}},\"interfaces\":{"
		   "\"x\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.7\",\"2001:db8:0:1::"
		   "7\"],"
		   "\"security_groups\":[\"a\",\"b\"]},"
		   "\"y\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.8\"],"
		   "\"security_groups\":[\"b\"]}}}");
	fclose(f);
	return text;
}

static void test_open(void)
{
	size_t wrong = 0, untracked = 0;

	for (int i = 0; i < 300 && wrong < 5; i++) {
		struct model *m = model_random(text_open, 1 + dice(5), false);
		struct image *image = image_of(m);

		for (int k = 0; k < 300 && wrong < 5; k++) {
			struct asked q = ask();

			for (int d = 0; d < 4; d++) {
				wrong +=
					!groups_agree(m, image, (size_t)d / 2, d % 2, &q);
				untracked += scan_groups(m, (size_t)d / 2, d % 2, &q.peer,
							 q.proto, q.key)
						     .untracked;
			}
		}
		image_free(image);
		model_free(m);
	}
	is((long long)wrong, 0, "300 rule sets: what is untracked is what a scan says");
	ok(untracked > 1000, "300 rule sets: %zu answers were untracked", untracked);
}

static void test_sharing(void)
{
	struct model *m = model_of(
		"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
		"\"subnets\":{\"s\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.1.0/24\"]}},"
		"\"security_groups\":{"
		"\"a\":{\"vpc\":\"v\",\"ingress\":[{\"protocol\":\"tcp\",\"ports\":80,"
		"\"peers\":[\"0.0.0.0/0\"]}],\"egress\":[]},"
		"\"empty\":{\"vpc\":\"v\",\"ingress\":[],\"egress\":[]}},"
		"\"interfaces\":{"
		"\"i\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.10\"],\"security_"
		"groups\":[\"a\"]},"
		"\"j\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.11\"],\"security_"
		"groups\":[\"a\"]},"
		"\"k\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.12\"],"
		"\"security_groups\":[\"a\",\"empty\"]}}}");
	struct image *image = image_of(m);
	const struct hg_interface *f =
		image_record(image, image_header(image)->interfaces, 1, HG_LINE);
	struct classifier_info info;

	is(f[0].groups[0], f[1].groups[0],
	   "interfaces with the same groups share a classifier");
	is(f[0].groups[0], f[2].groups[0], "a group without rules changes no classifier");
	is(image_classifier_info(image, f->groups[0], lookup_vpc(image, 1)->n_peers,
				 &info),
	   0, "a classifier can be shown");
	is(info.n_rules, 1, "show counts the rules of a classifier");
	is(info.n_rows, 2, "show counts the rows: those admitted and those not");
	is(info.n_columns, 2, "show counts the columns: one port and all else");
	is(image_classifier_info(image, 0, 1, &info), -2, "line 0 is no classifier");
	image_free(image);
	model_free(m);
}

int main(void)
{
	for (uint32_t i = 0; i < 60; i++)
		test_random(1 + i % 30, i % 2);
	test_open();
	test_sharing();
	return done();
}
