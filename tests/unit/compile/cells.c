/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/image.h"

#include <stdio.h>

#include "agree.h"

#define HEAD                                                                             \
	"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"                \
	"\"subnets\":{\"s\":{\"vpc\":\"v\",\"network_acl\":\"n\",\"cidrs\":[\"10.0.1.0/" \
	"24\"]}},"

static void test_clauses(size_t n, bool fits)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	const struct facts facts = { 0 };
	struct model *m;
	struct image *image;

	fprintf(f, HEAD
		"\"network_acls\":{\"n\":{\"vpc\":\"v\",\"egress\":[],\"ingress\":[");
	for (size_t i = 0; i < n; i++)
		fprintf(f,
			"%s{\"rule\":%zu,\"action\":\"allow\",\"protocol\":\"tcp\","
			"\"ports\":80,"
			"\"source_ports\":%zu,\"cidr\":\"0.0.0.0/0\"}",
			i ? ",\n" : "", i + 1, i * 2);
	fprintf(f, "]}}}");
	fclose(f);
	m = model_of(text);
	free(text);
	image = image_try(m, &facts, &text);
	if (fits)
		ok(image != NULL, "%zu rules with source ports can meet at one port", n);
	else
		ok(!image && strstr(text, "more than 31") && strstr(text, "/ingress/31"),
		   "one rule more is refused at that rule: %s", text ? text : "");
	free(text);
	image_free(image);
	model_free(m);
}

/* A group too large for a matrix, some of it untracked. */
static void test_open_large(void)
{
	char *text;
	size_t size, wrong = 0;
	FILE *f = open_memstream(&text, &size);
	struct classifier_info info = { 0 };
	const struct hg_interface *x;
	struct image *image;
	struct model *m;

	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
		   "\"security_groups\":{\"g\":{\"vpc\":\"v\",\"egress\":[{\"protocol\":"
		   "\"tcp\","
		   "\"peers\":[\"0.0.0.0/0\"]}],\"ingress\":["
		   "{\"protocol\":\"tcp\",\"ports\":[443,8000],\"peers\":[\"0.0.0.0/"
		   "0\",\"::/0\"]}");
	for (uint32_t i = 0; i < 400; i++)
		fprintf(f,
			",{\"protocol\":\"%s\",\"ports\":\"%u-%u\",\"peers\":[\"10.%u.0."
			"0/16\"]}",
			i % 3 ? "tcp" : "udp", i * 25, i * 25 + dice(60), i % 200);
	fprintf(f, "]}},\"interfaces\":{\"x\":{\"attach\":\"local\",\"device\":\"eth0\","
		   "\"vpc\":\"v\",\"security_groups\":[\"g\"]}}}");
	fclose(f);
	m = model_of(text);
	free(text);
	image = image_of(m);
	x = image_record(image, image_header(image)->interfaces, 1, HG_LINE);
	image_classifier_info(image, x->groups[0], lookup_vpc(image, 1)->n_peers, &info);
	is(info.kind, HG_CLASSIFIER_RUNS, "400 rules of a group are written as runs");
	for (int i = 0; i < 20000 && wrong < 5; i++) {
		struct asked q = { .peer = { 4, { 10, (uint8_t)dice(256), 0, 1 } },
				   .proto = dice(3) ? 6 : 17 };

		if (dice(5) == 0)
			q.peer.family = 6;
		q.key = dice(4) ? dice(10100) : dice(2) ? 443 : 8000;
		wrong += !groups_agree(m, image, 0, 0, &q);
	}
	is((long long)wrong, 0, "400 rules of a group: every answer is that of a scan");
	image_free(image);
	model_free(m);
}

/* One NACL of 'n' rules, of which 'wide' percent have a range of ports. */
static struct model *model_large(uint32_t n, uint32_t wide)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct model *m;

	fprintf(f, HEAD
		"\"network_acls\":{\"n\":{\"vpc\":\"v\",\"egress\":[],\"ingress\":[");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = dice(60000), len = 12 + dice(21);
		uint32_t addr = (10U << 24 | dice(1 << 24)) & ~0U << (32 - len);

		fprintf(f,
			"%s{\"rule\":%u,\"action\":\"%s\",\"protocol\":\"%s\","
			"\"ports\":\"%u-%u\",\"cidr\":\"%u.%u.%u.%u/%u\"}",
			i ? ",\n" : "", i + 1, dice(2) ? "allow" : "deny",
			dice(4) ? "tcp" : "udp", first,
			first + (dice(100) < wide ? dice(5000) : 0), addr >> 24,
			addr >> 16 & 255, addr >> 8 & 255, addr & 255, len);
	}
	fprintf(f, "]}}}");
	fclose(f);
	m = model_of(text);
	free(text);
	return m;
}

/* A question at the edge of some rule. */
static struct asked ask_rule(const struct nacl *n)
{
	const struct nacl_rule *rule = &n->rules[0][dice((uint32_t)n->n_rules[0])];
	struct asked q = { .peer = rule->cidr.cidr.addr,
			   .proto = dice(4) ? rule->match.protocol : 6 };

	if (dice(2))
		q.peer = cidr_last(&rule->cidr.cidr);
	if (dice(4) == 0)
		q.peer = addr_step(q.peer, dice(2) ? 1 : -1);
	q.other = q.peer;
	q.key = dice(2) ? rule->match.ports[0].first : rule->match.ports[0].last;
	if (dice(3) == 0)
		q.key = (q.key + (dice(2) ? 1 : 65535)) % 65536;
	return q;
}

static void test_large(uint32_t n, uint32_t wide)
{
	struct model *m = model_large(n, wide);
	struct image *image = image_of(m);
	const struct hg_subnet *s =
		image_record(image, image_header(image)->subnets, 1, HG_LINE);
	struct classifier_info info = { 0 };
	size_t wrong = 0;

	for (int i = 0; i < 10000 && wrong < 5; i++) {
		struct asked q = ask_rule(&m->nacls[m->subnets[0].nacl]);

		wrong += !nacl_agrees(m, image, 0, &q);
	}
	is((long long)wrong, 0,
	   "%u rules, %u in 100 with a range: answers are those of a scan", n, wide);
	image_classifier_info(image, s->nacl[0], lookup_vpc(image, 1)->n_peers, &info);
	is(info.kind, HG_CLASSIFIER_RUNS,
	   "what would be a large matrix is written as runs");
	ok(info.bytes < 20 << 20, "%u rules take less than 20 MiB: %zu", n, info.bytes);
	is(image_check(image), 0, "%u rules: the image checks", n);
	image_free(image);
	model_free(m);
}

static void test_columns(void)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	const struct facts facts = { 0 };
	struct model *m;
	struct image *image;

	fprintf(f, HEAD
		"\"network_acls\":{\"n\":{\"vpc\":\"v\",\"egress\":[],\"ingress\":[");
	for (uint32_t i = 0; i < 33000; i++)
		fprintf(f,
			"%s{\"rule\":%u,\"action\":\"allow\",\"protocol\":\"tcp\","
			"\"ports\":%u,"
			"\"cidr\":\"0.0.0.0/0\"}",
			i ? ",\n" : "", i + 1, i);
	fprintf(f, "]}}}");
	fclose(f);
	m = model_of(text);
	free(text);
	image = image_try(m, &facts, &text);
	ok(!image && strstr(text, "33001 kinds of port") &&
		   strstr(text, "/network_acls/n"),
	   "more kinds of port than a filter can hold are refused at the NACL: %s",
	   text ? text : "");
	free(text);
	image_free(image);
	model_free(m);
}

int main(void)
{
	test_clauses(31, true);
	test_clauses(32, false);
	test_large(1500, 20);
	test_large(1500, 100);
	test_large(6000, 0);
	test_open_large();
	test_columns();
	return done();
}
