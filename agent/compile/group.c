/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/group.h"

#include <errno.h>

#include <netinet/in.h>

#include "compile/classifier.h"
#include "compile/shape.h"

/* Whether one direction of the set has a rule for anybody, all ports, by family and
 * protocol: what makes the other direction's rules for anybody untracked. */
struct open {
	bool tcp[2], udp[2];
};

static bool is_for_anybody(const struct group_rule *rule, int family)
{
	for (size_t i = 0; i < rule->n_peers; i++)
		if (rule->peers[i].kind == PEER_CIDR && rule->peers[i].cidr.len == 0 &&
		    rule->peers[i].cidr.addr.family == family)
			return true;
	return false;
}

static struct open open_find(const struct model *m, const struct carrier *c,
			     int direction)
{
	struct open open = { { false }, { false } };

	for (size_t k = 0; k < c->n_groups; k++) {
		const struct group *g = &m->groups[c->groups[k]];

		for (size_t i = 0; i < g->n_rules[direction]; i++) {
			const struct group_rule *rule = &g->rules[direction][i];
			int protocol = rule->match.protocol;

			if (protocol >= 0 && !shape_is_every_port(&rule->match))
				continue;
			for (int v6 = 0; v6 < 2; v6++) {
				if (!is_for_anybody(rule, v6 ? 6 : 4))
					continue;
				open.tcp[v6] |= protocol < 0 || protocol == IPPROTO_TCP;
				open.udp[v6] |= protocol < 0 || protocol == IPPROTO_UDP;
			}
		}
	}
	return open;
}

static int rule_compile(struct build *b, struct plan *p, const struct group_rule *rule,
			const struct open *opposite, uint32_t id)
{
	struct item item = { .cell = id | HG_CELL_ALLOW, .where = &rule->where };
	int r;

	r = plan_add_labels(p, &item, rule->peers, rule->n_peers);
	if (r < 0 || item.n_labels == 0)
		return r;
	for (uint32_t f = 0; f < 2 && r == 0; f++) {
		int family = f ? 6 : 4;
		struct untracked u = { .family = f };

		r = shape_put(&b->shapes, &rule->match, family,
			      !shape_needs_key(&rule->match, family), &item.shape[f]);
		if (r < 0 || !is_for_anybody(rule, family))
			continue;
		r = shape_put_part(&b->shapes, item.shape[f], opposite->tcp[f],
				   opposite->udp[f], &u.shape);
		if (r == 0 && u.shape != UINT32_MAX && !vec_push(&p->untracked, u))
			r = -ENOMEM;
	}
	if (r == 0 && !vec_push(&p->items, item))
		r = -ENOMEM;
	return r;
}

static int direction_compile(struct build *b, struct classes *classes,
			     const struct carrier *c, int direction, uint32_t *ret_line)
{
	struct plan p = { .classes = classes,
			  .where = c->where,
			  .name = c->name,
			  .direction = direction };
	struct open opposite = open_find(b->m, c, !direction);
	int r = 0;

	for (size_t k = 0; k < c->n_groups && r == 0; k++) {
		size_t group = (size_t)c->groups[k];
		const struct group *g = &b->m->groups[group];
		uint32_t id = b->group_rules[group * 2 + (size_t)direction];

		p.n_rules += (uint32_t)g->n_rules[direction];
		for (size_t i = 0; i < g->n_rules[direction] && r == 0; i++)
			r = rule_compile(b, &p, &g->rules[direction][i], &opposite,
					 id + (uint32_t)i);
	}
	if (r == 0)
		r = classifier_compile(b, &p, ret_line);
	plan_done(&p);
	return r;
}

int group_compile(struct build *b, struct classes *classes, struct group_sets *sets,
		  const struct carrier *c, uint32_t ret_lines[static 2])
{
	struct group_lines lines = { { 0 } };
	uint32_t id;
	int r;

	/* Indexes are never negative; the pool compares words. */
	r = pool_put(&sets->sets, (const uint32_t *)c->groups, c->n_groups, &id);
	if (r < 0)
		return r;
	if (id == sets->lines.n) {
		for (int d = 0; d < 2 && r == 0; d++)
			r = direction_compile(b, classes, c, d, &lines.line[d]);
		if (r < 0)
			return r;
		if (!vec_push(&sets->lines, lines))
			return -ENOMEM;
	}
	ret_lines[0] = sets->lines.items[id].line[0];
	ret_lines[1] = sets->lines.items[id].line[1];
	return 0;
}

void group_sets_done(struct group_sets *sets)
{
	pool_done(&sets->sets);
	vec_done(&sets->lines);
}
