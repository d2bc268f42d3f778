/* SPDX-License-Identifier: Apache-2.0 */

/* A fragment without ports cannot be compared with a rule that asks for some: such a rule
 * is skipped where it allows and taken as a match where it denies. So a deny with
 * source ports is two items: one for packets, which looks at the source port, and one for
 * such fragments, which does not.
 */
#include "compile/nacl.h"

#include <errno.h>
#include <string.h>

#include <netinet/in.h>

#include "compile/classifier.h"
#include "compile/shape.h"

static int clause_add(struct plan *p, struct item *item, const struct cidr *other,
		      const struct port_range *source)
{
	struct hg_clause c = { .cell = item->cell };

	if (source) {
		c.flags |= HG_CLAUSE_PORTS;
		c.first = source->first;
		c.last = source->last;
	}
	if (other) {
		uint8_t mask[16] = { 0 };

		for (int i = 0; i < other->len; i++)
			mask[i / 8] |= 0x80 >> i % 8;
		c.flags |= HG_CLAUSE_ADDRESS;
		c.family = other->addr.family;
		memcpy(&c.addr, other->addr.bytes, sizeof(c.addr));
		memcpy(&c.mask, mask, sizeof(c.mask));
	}
	item->n_clauses++;
	return vec_push(&p->clauses, c) ? 0 : -ENOMEM;
}

/* The other end against 'n' source ranges; n 0: any source port. */
static int clauses_add_end(struct plan *p, struct item *item, const struct cidr *other,
			   const struct port_range *sources, size_t n)
{
	int r = 0;

	if (n == 0)
		return clause_add(p, item, other, NULL);
	for (size_t i = 0; i < n && r == 0; i++)
		r = clause_add(p, item, other, &sources[i]);
	return r;
}

/* Whether an address of 'family' can be the rule's other end at all. */
static bool is_possible(const struct nacl_rule *rule, int family)
{
	return rule->cidr.kind != PEER_CIDR || rule->cidr.cidr.addr.family == family;
}

/* The rule's extra conditions; 'n' source ranges of the rule are looked at. False in
 * '*ret_possible': no packet can meet them. */
static int clauses_add(struct build *b, struct plan *p, struct item *item,
		       const struct nacl_rule *rule, size_t n, bool *ret_possible)
{
	const struct cidr *ends = &rule->peer_cidr.cidr;
	size_t n_ends = 1;
	int r = 0;

	item->clauses = (uint32_t)p->clauses.n;
	*ret_possible = true;
	if (!rule->has_peer_cidr)
		return n ? clauses_add_end(p, item, NULL, rule->match.source_ports, n)
			 : 0;
	if (rule->peer_cidr.kind == PEER_PREFIX_LIST) {
		ends = b->m->prefix_lists[rule->peer_cidr.index].entries;
		n_ends = b->m->prefix_lists[rule->peer_cidr.index].n_entries;
	}
	for (size_t i = 0; i < n_ends && r == 0; i++) {
		if (!is_possible(rule, ends[i].addr.family))
			continue;
		/* Beyond the limit one more is enough to be refused. */
		if (item->n_clauses > HG_MAX_CLAUSES)
			break;
		r = clauses_add_end(p, item, &ends[i], rule->match.source_ports, n);
	}
	*ret_possible = item->n_clauses > 0;
	return r;
}

static int rule_compile(struct build *b, struct plan *p, const struct nacl_rule *rule,
			uint32_t id)
{
	const struct match *m = &rule->match;
	struct item item = { .cell = id | (rule->allow ? HG_CELL_ALLOW : 0),
			     .where = &rule->where };
	bool has_ports = m->protocol == IPPROTO_TCP || m->protocol == IPPROTO_UDP;
	size_t n_sources = has_ports ? m->n_source_ports : 0;
	struct item orphans;
	bool is_possible_at_all;
	int r;

	r = plan_add_labels(p, &item, &rule->cidr, 1);
	if (r < 0 || item.n_labels == 0)
		return r;
	orphans = item;
	r = clauses_add(b, p, &item, rule, n_sources, &is_possible_at_all);
	if (r < 0 || !is_possible_at_all)
		return r;
	for (int f = 0; f < 2 && r == 0; f++) {
		int family = f ? 6 : 4;
		bool with_orphans =
			n_sources == 0 && (!rule->allow || !shape_needs_key(m, family));

		r = shape_put(&b->shapes, m, family, with_orphans, &item.shape[f]);
	}
	if (r == 0 && !vec_push(&p->items, item))
		r = -ENOMEM;
	if (r < 0 || rule->allow || n_sources == 0)
		return r;

	r = clauses_add(b, p, &orphans, rule, 0, &is_possible_at_all);
	for (int f = 0; f < 2 && r == 0; f++)
		r = shape_put_orphans(&b->shapes, m, &orphans.shape[f]);
	if (r == 0 && !vec_push(&p->items, orphans))
		r = -ENOMEM;
	return r;
}

int nacl_compile(struct build *b, struct classes *classes, size_t nacl, int direction,
		 uint32_t *ret_line)
{
	const struct nacl *n = &b->m->nacls[nacl];
	uint32_t id = b->nacl_rules[nacl * 2 + (size_t)direction];
	struct plan p = { .classes = classes,
			  .where = &n->where,
			  .name = n->name,
			  .direction = direction };
	int r = 0;

	p.n_rules = (uint32_t)n->n_rules[direction] + 1;
	p.fallback = id + (uint32_t)n->n_rules[direction];
	for (size_t i = 0; i < n->n_rules[direction] && r == 0; i++)
		r = rule_compile(b, &p, &n->rules[direction][i], id + (uint32_t)i);
	if (r == 0)
		r = classifier_compile(b, &p, ret_line);
	plan_done(&p);
	return r;
}
