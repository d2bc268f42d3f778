/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/model.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"
#include "tests/witness/dice.h"

/* Filters too large for a matrix of cells, so that the compiler writes them as runs: the
 * loaded program must name the rule that a loop over the rule set finds. */

#define RULES     3000
#define QUESTIONS 1500

/* A network of 11.0.0.0/8 and ports, for rule 'i'. */
static void rule_write(FILE *f, struct dice *d, const char *key, const char *open,
		       const char *close)
{
	unsigned len = 12 + dice_below(d, 21), first = dice_below(d, 65536);
	unsigned last = dice_chance(d, 30) ? first + dice_below(d, 3000) : first;
	uint32_t addr = (11U << 24 | dice_below(d, 1 << 24)) & ~0U << (32 - len);

	fprintf(f, "'protocol': '%s', 'ports': '%u-%u', '%s': %s'%u.%u.%u.%u/%u'%s }",
		dice_chance(d, 80) ? "tcp" : "udp", first, last > 65535 ? 65535 : last,
		key, open, addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255, len,
		close);
}

static char *rules_make(struct dice *d)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16'] } },"
		   "'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24'],"
		   "'network_acl': 'n' },"
		   "'t': { 'vpc': 'v', 'cidrs': ['10.200.9.0/24'] } },"
		   "'network_acls': { 'n': { 'vpc': 'v', 'egress': [], 'ingress': [");
	for (unsigned i = 0; i < RULES; i++) {
		fprintf(f, "%s{ 'rule': %u, 'action': '%s', ", i ? "," : "", i + 1,
			dice_chance(d, 60) ? "allow" : "deny");
		rule_write(f, d, "cidr", "", "");
	}
	fprintf(f, "] } }, 'security_groups': { 'g': { 'vpc': 'v', 'egress': [], "
		   "'ingress': [");
	for (unsigned i = 0; i < RULES; i++) {
		fprintf(f, "%s{ ", i ? "," : "");
		rule_write(f, d, "peers", "[", "]");
	}
	fprintf(f, "] } }, 'interfaces': { 'i': { 'subnet': 's', 'device': 'p0',"
		   "'addresses': ['10.200.0.10'], 'security_groups': ['g'] },"
		   "'bare': { 'subnet': 't', 'device': 'p1',"
		   "'addresses': ['10.200.9.10'], 'security_groups': ['g'] } } }");
	fclose(f);
	return text;
}

static bool rule_matches(const struct match *m, const struct cidr *c,
			 const struct frame *f)
{
	return m->protocol == f->protocol && f->dport >= m->ports->first &&
	       f->dport <= m->ports->last && cidr_contains(c, &f->saddr);
}

/* What stand_rule() ought to answer for the NACL; '*ret_allow' the same rule's action. */
static long nacl_scan(const struct model *m, const struct frame *f, bool *ret_allow)
{
	const struct nacl *n = &m->nacls[m->subnets[0].nacl];

	for (size_t i = 0; i < n->n_rules[0]; i++) {
		const struct nacl_rule *r = &n->rules[0][i];

		*ret_allow = r->allow;
		if (rule_matches(&r->match, &r->cidr.cidr, f))
			return r->number;
	}
	*ret_allow = false;
	return 0;
}

/* The index of the admitting rule, or -1. */
static long group_scan(const struct model *m, const struct frame *f)
{
	const struct group *g = &m->groups[m->interfaces[0].groups[0]];

	for (size_t i = 0; i < g->n_rules[0]; i++)
		if (rule_matches(&g->rules[0][i].match, &g->rules[0][i].peers->cidr, f))
			return (long)i;
	return -1;
}

/* A packet at the edge of some rule of 'from' [0 .. n). */
static struct frame frame_random(struct dice *d, const struct match *m,
				 const struct cidr *c, const char *to)
{
	uint16_t port = dice_chance(d, 50) ? m->ports->first : m->ports->last;
	struct frame f;

	if (dice_chance(d, 30))
		port = (uint16_t)(port + (dice_chance(d, 50) ? 1 : -1));
	f = m->protocol == 6 ? frame_tcp("11.0.0.1", 40000, to, port, TCP_SYN)
			     : frame_udp("11.0.0.1", 40000, to, port);
	f.saddr = c->addr;
	if (c->len < 32 && dice_chance(d, 70))
		f.saddr.bytes[3] |= (uint8_t)(dice_below(d, 256) &
					      0xff >> (c->len > 24 ? c->len - 24 : 0));
	return f;
}

static void ask_nacl(struct stand *s, struct dice *d)
{
	const struct model *m = stand_model(s);
	const struct nacl *n = &m->nacls[m->subnets[0].nacl];
	size_t wrong = 0, hits = 0;

	for (int i = 0; i < QUESTIONS && wrong < 5; i++) {
		const struct nacl_rule *r = &n->rules[0][dice_below(d, RULES)];
		struct frame f = frame_random(d, &r->match, &r->cidr.cidr, "10.200.0.10");
		bool allow;
		long want = nacl_scan(m, &f, &allow);
		long got = stand_rule(s, "p0", HG_DOOR_OUT, &f, HG_STAGE_nacl_ingress);

		hits += want > 0;
		if (got == want)
			continue;
		wrong++;
		note("port %u: got rule %ld, want %ld", f.dport, got, want);
	}
	is((long long)wrong, 0, "a NACL of %d rules names the rule that a scan finds",
	   RULES);
	ok(hits > QUESTIONS / 2, "%zu of %d packets met a rule", hits, QUESTIONS);
}

static void ask_group(struct stand *s, struct dice *d)
{
	const struct model *m = stand_model(s);
	const struct group *g = &m->groups[m->interfaces[0].groups[0]];
	size_t wrong = 0;

	for (int i = 0; i < QUESTIONS && wrong < 5; i++) {
		const struct group_rule *r = &g->rules[0][dice_below(d, RULES)];
		struct frame f =
			frame_random(d, &r->match, &r->peers->cidr, "10.200.9.10");
		/* One question's connection must not answer the next. */
		f.sport = (uint16_t)(1024 + i);

		long want = group_scan(m, &f);
		long got = stand_rule(s, "p1", HG_DOOR_OUT, &f, HG_STAGE_sg_ingress);
		bool passes;

		passes = stand_out(s, "p1", f) == 0;
		if (passes == (want >= 0) && (!passes || got == want))
			continue;
		wrong++;
		note("port %u: %s by rule %ld, want %ld", f.dport,
		     passes ? "passed" : "dropped", got, want);
	}
	is((long long)wrong, 0, "a group of %d rules admits what a scan admits", RULES);
}

int main(void)
{
	struct stand *s = stand_new(1024);
	struct dice d = { .state = 7 };
	char *text = rules_make(&d);

	stand_rules(s, text);
	ask_nacl(s, &d);
	ask_group(s, &d);
	free(text);
	stand_free(s);
	return done();
}
