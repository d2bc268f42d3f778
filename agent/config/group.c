/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"

static const struct field rule_fields[] = {
	{ "protocol", &kind_protocol, offsetof(struct group_rule, match.protocol),
	  .flags = FIELD_REQUIRED, .help = "By name, or by IANA number." },
	{ "peers", &kind_peers, offsetof(struct group_rule, peers),
	  offsetof(struct group_rule, n_peers), .flags = FIELD_REQUIRED,
	  .max = HG_MAX_PEERS,
	  .help = "Ingress compares the source, egress the destination. A group stands "
		  "for the "
		  "addresses of the interfaces that carry it." },
	{ "ports", &kind_ports, offsetof(struct group_rule, match.ports),
	  offsetof(struct group_rule, match.n_ports), .min = 1, .max = HG_MAX_PORT_RANGES,
	  .help = "Destination ports, in both directions. Without it: all." },
	{ "icmp", &kind_icmp, offsetof(struct group_rule, match.icmp_type),
	  offsetof(struct group_rule, match.icmp_code),
	  .help = "Without it: any type and code." },
	{},
};

static void rule_after(struct reader *r, struct at at, void *element)
{
	struct group_rule *rule = element;

	rule->where = where_of(r, at);
	match_check(r, at, &rule->match);
}

#define RULES(direction)                                          \
	&kind_objects, offsetof(struct group, rules[direction]),  \
		offsetof(struct group, n_rules[direction]),       \
		.max = HG_MAX_GROUP_RULES, .fields = rule_fields, \
		.size = sizeof(struct group_rule), .after = rule_after

const struct field group_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct group, vpc), .noun = NOUN_VPC,
	  .help = "May be left out where there is one VPC or none." },
	{ "ingress", RULES(0),
	  .help = "What may come in. Answers to what went out need no rule." },
	{ "egress", RULES(1),
	  .help = "What may go out. Answers to what came in need no rule." },
	{},
};

/* One peer of one rule: what AWS calls a rule, and allows once. */
struct single {
	const struct match *match;
	const struct peer *peer;
	size_t rule, index;
};

static int compare_numbers(long a, long b)
{
	return (a > b) - (a < b);
}

static int compare_matches(const struct match *a, const struct match *b)
{
	int r = compare_numbers(a->protocol, b->protocol);

	if (r == 0)
		r = compare_numbers(a->icmp_type, b->icmp_type);
	if (r == 0)
		r = compare_numbers(a->icmp_code, b->icmp_code);
	if (r == 0)
		r = compare_numbers((long)a->n_ports, (long)b->n_ports);
	for (size_t i = 0; r == 0 && i < a->n_ports; i++) {
		r = compare_numbers(a->ports[i].first, b->ports[i].first);
		if (r == 0)
			r = compare_numbers(a->ports[i].last, b->ports[i].last);
	}
	return r;
}

static int compare_same(const struct single *a, const struct single *b)
{
	int r = compare_numbers(a->peer->kind, b->peer->kind);

	if (r == 0)
		r = a->peer->kind == PEER_CIDR
			    ? cidr_compare(&a->peer->cidr, &b->peer->cidr)
			    : compare_numbers(a->peer->index, b->peer->index);
	return r != 0 ? r : compare_matches(a->match, b->match);
}

static int compare_singles(const void *pa, const void *pb)
{
	const struct single *a = pa, *b = pb;
	int r = compare_same(a, b);

	if (r == 0)
		r = compare_numbers((long)a->rule, (long)b->rule);
	return r != 0 ? r : compare_numbers((long)a->index, (long)b->index);
}

static bool peer_is_good(const struct peer *p)
{
	return p->kind == PEER_CIDR ? p->cidr.addr.family != 0 : p->index >= 0;
}

static void direction_check(struct reader *r, const struct group *g, struct at at, int d)
{
	_cleanup_free_ struct single *singles = NULL;
	struct at rules = at_get(at, d == 0 ? "ingress" : "egress");
	size_t n = 0;

	for (size_t i = 0; i < g->n_rules[d]; i++)
		n += g->rules[d][i].n_peers;
	singles = reader_room(r, n, sizeof(*singles));
	if (!singles)
		return;
	n = 0;
	for (size_t i = 0; i < g->n_rules[d]; i++)
		for (size_t k = 0; k < g->rules[d][i].n_peers; k++)
			if (peer_is_good(&g->rules[d][i].peers[k]))
				singles[n++] =
					(struct single){ &g->rules[d][i].match,
							 &g->rules[d][i].peers[k], i, k };
	qsort(singles, n, sizeof(*singles), compare_singles);
	for (size_t i = 1; i < n && !reader_is_full(r); i++) {
		const struct single *s = &singles[i];
		struct at peer;
		char buf[VALUE_TEXT];

		if (compare_same(s, s - 1) != 0)
			continue;
		peer = at_nth(at_get(at_nth(rules, s->rule), "peers"), s->index);
		complain(r, peer,
			 "%s is admitted by rule %zu already, with the same protocol and "
			 "ports",
			 value_print(peer.json, buf), s[-1].rule);
	}
}

void groups_check(struct reader *r)
{
	for (size_t i = 0; i < r->model->n_groups; i++)
		for (int d = 0; d < 2 && !r->model->groups[i].is_implicit; d++)
			direction_check(r, &r->model->groups[i],
					r->slots[NOUN_GROUP].items[i].at, d);
}
