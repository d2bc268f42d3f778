/* SPDX-License-Identifier: Apache-2.0 */

/* What is allowed and cannot be meant: rules that never decide, objects that nobody names.
 *
 * A NACL rule is shadowed when an earlier one matches whatever it matches. Comparing each
 * with each is 5e9 comparisons for 100,000 rules. But a rule can only be covered by one whose
 * CIDR contains its own, and a CIDR has at most 129 that do: they are looked up, longest to
 * shortest, in a hash table of the CIDRs seen so far. What hangs there is compared, at most
 * COMPARISONS a rule, so the cost is linear whatever the rules; the price is that a cover
 * behind more than that many others of related CIDRs goes unmentioned. Held to it by
 * tests/unit/config/warn.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "config/fields.h"
#include "config/read.h"

#define COMPARISONS 256

/* Rules seen so far, by CIDR: heads[hash] -> rule -> next[rule]. */
struct seen {
	size_t *heads; /* 1 + index of the newest rule; 0 is none */
	size_t *next;
	size_t n_heads;      /* a power of two */
	uint64_t lens[2][3]; /* which prefix lengths there are, by family */
	size_t *lists;       /* indexes of rules that name a prefix list */
	size_t n_lists;
};

__attribute__((format(printf, 3, 4))) static void
warn_where(struct diag *diag, const struct where *w, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		text = NULL;
	else
		diag_add(diag, DIAG_WARNING, w->file, w->line, w->column, w->pointer,
			 "%s", text);
}

/* ---- does one cover the other ---- */

static bool ports_cover(const struct port_range *a, size_t n_a,
			const struct port_range *b, size_t n_b)
{
	size_t i = 0;

	if (n_a == 0)
		return true;
	if (n_b == 0)
		return false;
	/* Both are sorted and merged. */
	for (size_t k = 0; k < n_b; k++) {
		while (i < n_a && a[i].last < b[k].first)
			i++;
		if (i == n_a || a[i].first > b[k].first || a[i].last < b[k].last)
			return false;
	}
	return true;
}

static bool match_covers(const struct match *a, const struct match *b)
{
	if (a->protocol != -1 && a->protocol != b->protocol)
		return false;
	return ports_cover(a->ports, a->n_ports, b->ports, b->n_ports) &&
	       ports_cover(a->source_ports, a->n_source_ports, b->source_ports,
			   b->n_source_ports) &&
	       (a->icmp_type == -1 || a->icmp_type == b->icmp_type) &&
	       (a->icmp_code == -1 || a->icmp_code == b->icmp_code);
}

static bool cidr_covers(const struct cidr *a, const struct cidr *b)
{
	return a->len <= b->len && cidr_contains(a, &b->addr);
}

static bool list_covers(const struct prefix_list *list, const struct cidr *c)
{
	for (unsigned len = 0; len <= c->len; len++) {
		struct cidr key = { c->addr, (uint8_t)len };

		cidr_mask(&key);
		if (bsearch(&key, list->entries, list->n_entries, sizeof(key),
			    (int (*)(const void *, const void *))cidr_compare))
			return true;
	}
	return false;
}

static bool peer_covers(const struct model *m, const struct peer *a, const struct peer *b)
{
	if (a->kind == PEER_PREFIX_LIST)
		return b->kind == PEER_PREFIX_LIST
			       ? a->index == b->index
			       : list_covers(&m->prefix_lists[a->index], &b->cidr);
	return b->kind == PEER_CIDR && cidr_covers(&a->cidr, &b->cidr);
}

static bool rule_covers(const struct model *m, const struct nacl_rule *a,
			const struct nacl_rule *b)
{
	return match_covers(&a->match, &b->match) &&
	       (!a->has_peer_cidr ||
		(b->has_peer_cidr && peer_covers(m, &a->peer_cidr, &b->peer_cidr))) &&
	       peer_covers(m, &a->cidr, &b->cidr);
}

/* ---- rules seen so far ---- */

static bool seen_init(struct seen *s, size_t n)
{
	*s = (struct seen){ .n_heads = 1 };
	while (s->n_heads < 2 * n)
		s->n_heads *= 2;
	s->heads = calloc(s->n_heads, sizeof(*s->heads));
	s->next = calloc(n + 1, sizeof(*s->next));
	s->lists = calloc(n + 1, sizeof(*s->lists));
	return s->heads && s->next && s->lists;
}

static void seen_done(struct seen *s)
{
	free(s->heads);
	free(s->next);
	free(s->lists);
}

static size_t *seen_head(struct seen *s, const struct cidr *c)
{
	uint8_t key[18] = { c->addr.family, c->len };

	memcpy(key + 2, c->addr.bytes, 16);
	return &s->heads[hash64(0, key, sizeof(key)) & (s->n_heads - 1)];
}

static void seen_put(struct seen *s, const struct nacl_rule *rules, size_t i)
{
	const struct cidr *c = &rules[i].cidr.cidr;
	size_t *head;

	if (rules[i].cidr.kind == PEER_PREFIX_LIST) {
		s->lists[s->n_lists++] = i;
		return;
	}
	head = seen_head(s, c);
	s->next[i] = *head;
	*head = i + 1;
	s->lens[c->addr.family == 6][c->len / 64] |= 1ULL << c->len % 64;
}

/* The index of an earlier rule that covers rule 'i', or 'i' itself. */
static size_t cover_find(struct seen *s, const struct model *m,
			 const struct nacl_rule *rules, size_t i)
{
	const struct nacl_rule *rule = &rules[i];
	unsigned budget = COMPARISONS;

	for (size_t k = 0; k < s->n_lists && k < COMPARISONS / 16; k++)
		if (rule_covers(m, &rules[s->lists[k]], rule))
			return s->lists[k];
	if (rule->cidr.kind != PEER_CIDR)
		return i;
	for (unsigned len = 0; len <= rule->cidr.cidr.len; len++) {
		struct cidr c = { rule->cidr.cidr.addr, (uint8_t)len };

		if (!(s->lens[c.addr.family == 6][len / 64] >> len % 64 & 1))
			continue;
		cidr_mask(&c);
		for (size_t k = *seen_head(s, &c); k > 0 && budget > 0;
		     k = s->next[k - 1]) {
			budget--;
			if (rule_covers(m, &rules[k - 1], rule))
				return k - 1;
		}
	}
	return i;
}

/* ---- rules that never decide ---- */

/* Half a sentence; NULL: it may match. */
static const char *never_matches(const struct model *m, const struct nacl_rule *rule)
{
	unsigned family = rule->cidr.cidr.addr.family;

	if (rule->cidr.kind == PEER_PREFIX_LIST)
		return m->prefix_lists[rule->cidr.index].n_entries == 0
			       ? "its prefix list is empty"
			       : NULL;
	if (rule->match.protocol == PROTOCOL_ICMPV6 && family == 4)
		return "ICMPv6 has no IPv4 addresses";
	if (rule->match.protocol == PROTOCOL_ICMP && family == 6)
		return "ICMP has no IPv6 addresses; IPv6 has icmpv6";
	if (rule->has_peer_cidr && rule->peer_cidr.kind == PEER_CIDR &&
	    rule->peer_cidr.cidr.addr.family != family)
		return "its two ends are of different families";
	return NULL;
}

static void nacl_warn(const struct model *m, const struct nacl *nacl, int d,
		      struct diag *diag)
{
	_cleanup_(seen_done) struct seen seen = {};
	const struct nacl_rule *rules = nacl->rules[d];

	if (!seen_init(&seen, nacl->n_rules[d]))
		return;
	for (size_t i = 0; i < nacl->n_rules[d]; i++) {
		const char *why = never_matches(m, &rules[i]);
		size_t k;

		if (why) {
			warn_where(diag, &rules[i].where, "rule %u never matches: %s",
				   rules[i].number, why);
			continue;
		}
		k = cover_find(&seen, m, rules, i);
		if (k != i)
			warn_where(
				diag, &rules[i].where,
				"rule %u never decides: rule %u matches all of it before",
				rules[i].number, rules[k].number);
		else
			seen_put(&seen, rules, i);
	}
}

static void group_warn(const struct model *m, const struct group *g, int d,
		       struct diag *diag)
{
	for (size_t i = 0; i < g->n_rules[d]; i++) {
		const struct group_rule *rule = &g->rules[d][i];
		bool is_empty = true;

		for (size_t k = 0; k < rule->n_peers; k++)
			is_empty &= rule->peers[k].kind == PEER_PREFIX_LIST &&
				    m->prefix_lists[rule->peers[k].index].n_entries == 0;
		if (is_empty)
			warn_where(diag, &rule->where,
				   "the rule never matches: it has no peer%s",
				   rule->n_peers > 0 ? " but empty prefix lists" : "");
	}
}

/* ---- objects that nobody names ---- */

struct used {
	bool *lists, *groups, *nacls, *subnets, *tables;
	bool *target_groups;
	bool *targets[ROUTE_GATEWAY_LOAD_BALANCER + 1]; /* of routes, by kind */
};

static void used_done(struct used *u)
{
	free(u->lists);
	free(u->groups);
	free(u->nacls);
	free(u->subnets);
	free(u->tables);
	free(u->target_groups);
	for (size_t i = 0; i < ARRAY_SIZE(u->targets); i++)
		free(u->targets[i]);
}

static int compare_name(const void *name, const void *group)
{
	return strcmp(name, ((const struct group *)group)->name);
}

/* A stale reference names its group all the same. */
static void stale_use(struct used *u, const struct model *m, const struct peer *p)
{
	const struct group *g =
		bsearch(p->stale, m->groups, m->n_groups, sizeof(*g), compare_name);

	if (g)
		u->groups[g - m->groups] = true;
}

/* A group that only its own rules name is named by nobody; 'self' is -1 elsewhere. */
static void peer_use(struct used *u, const struct model *m, const struct peer *p,
		     int self)
{
	if (p->stale)
		stale_use(u, m, p);
	if (p->kind == PEER_PREFIX_LIST)
		u->lists[p->index] = true;
	else if (p->kind == PEER_GROUP && p->index >= 0 && p->index != self)
		u->groups[p->index] = true;
}

static void rules_use(struct used *u, const struct model *m)
{
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < m->n_nacls; i++)
			for (size_t k = 0; k < m->nacls[i].n_rules[d]; k++) {
				peer_use(u, m, &m->nacls[i].rules[d][k].cidr, -1);
				if (m->nacls[i].rules[d][k].has_peer_cidr)
					peer_use(u, m, &m->nacls[i].rules[d][k].peer_cidr,
						 -1);
			}
		for (size_t i = 0; i < m->n_groups; i++)
			for (size_t k = 0; k < m->groups[i].n_rules[d]; k++)
				for (size_t n = 0; n < m->groups[i].rules[d][k].n_peers;
				     n++)
					peer_use(u, m, &m->groups[i].rules[d][k].peers[n],
						 (int)i);
	}
}

static void routes_use(struct used *u, const struct model *m)
{
	for (size_t i = 0; i < m->n_route_tables; i++) {
		const struct route_table *t = &m->route_tables[i];

		u->tables[i] |= t->is_main;
		for (size_t k = 0; k < t->n_routes; k++) {
			const struct route *route = &t->routes[k];

			if (route->prefix_list >= 0)
				u->lists[route->prefix_list] = true;
			if (route->target >= 0)
				u->targets[route->kind][route->target] = true;
		}
	}
	for (size_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].route_table >= 0)
			u->tables[m->subnets[i].route_table] = true;
	/* What is forwarded needs no route. */
	for (size_t i = 0; i < m->n_nat_gateways; i++)
		u->targets[ROUTE_NAT_GATEWAY][i] |= m->nat_gateways[i].n_forwards > 0;
}

static void objects_use(struct used *u, const struct model *m)
{
	for (size_t i = 0; i < m->n_vpcs; i++) {
		if (m->vpcs[i].default_nacl >= 0)
			u->nacls[m->vpcs[i].default_nacl] = true;
		u->groups[m->vpcs[i].default_group] = true;
	}
	for (size_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].nacl >= 0)
			u->nacls[m->subnets[i].nacl] = true;
	for (size_t i = 0; i < m->n_subnets; i++)
		u->subnets[i] = m->subnets[i].device != NULL;
	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		const struct nat_gateway *n = &m->nat_gateways[i];

		u->subnets[n->subnet] = true;
		for (size_t k = 0; k < n->n_groups; k++)
			u->groups[n->groups[k]] = true;
	}
	for (size_t i = 0; i < m->n_interfaces; i++) {
		if (m->interfaces[i].subnet >= 0)
			u->subnets[m->interfaces[i].subnet] = true;
		for (size_t k = 0; k < m->interfaces[i].n_groups; k++)
			u->groups[m->interfaces[i].groups[k]] = true;
	}
}

static void balancers_use(struct used *u, const struct model *m)
{
	for (size_t i = 0; i < m->n_load_balancers; i++) {
		const struct load_balancer *lb = &m->load_balancers[i];

		for (size_t k = 0; k < lb->n_vips; k++)
			if (lb->vips[k].subnet >= 0)
				u->subnets[lb->vips[k].subnet] = true;
		for (size_t k = 0; k < lb->n_groups; k++)
			u->groups[lb->groups[k]] = true;
		for (size_t k = 0; k < lb->n_listeners; k++)
			for (size_t n = 0; n < lb->listeners[k].n_forwards; n++)
				u->target_groups
					[lb->listeners[k].forwards[n].target_group] =
					true;
	}
	for (size_t i = 0; i < m->n_gateway_load_balancers; i++) {
		const struct gateway_load_balancer *g = &m->gateway_load_balancers[i];

		u->target_groups[g->target_group] = true;
		if (g->subnet >= 0)
			u->subnets[g->subnet] = true;
	}
	for (size_t i = 0; i < m->n_rate_limits; i++)
		if (m->rate_limits[i].subnet >= 0)
			u->subnets[m->rate_limits[i].subnet] = true;
}

static void balancing_warn(const struct model *m, const struct used *u, struct diag *diag)
{
	for (size_t i = 0; i < m->n_target_groups; i++) {
		const struct target_group *g = &m->target_groups[i];

		if (!u->target_groups[i])
			warn_where(diag, &g->where,
				   "target group \"%s\" is in no load balancer", g->name);
		if (g->n_targets == 0)
			warn_where(diag, &g->where, "target group \"%s\" has no target",
				   g->name);
	}
	for (size_t i = 0; i < m->n_load_balancers; i++)
		if (m->load_balancers[i].n_listeners == 0)
			warn_where(diag, &m->load_balancers[i].where,
				   "load balancer \"%s\" has no listener",
				   m->load_balancers[i].name);
}

/* Objects of a noun that no route leads to. */
static void targets_warn(const struct model *m, enum noun noun, const bool *is_used,
			 struct diag *diag)
{
	const struct noun_table *t = &nouns[noun];
	const char *array = *(const char *const *)((const char *)m + t->array_offset);
	size_t n = *(const size_t *)(const void *)((const char *)m + t->n_offset);

	for (size_t i = 0; i < n; i++) {
		const struct head *head = (const void *)(array + i * t->size);

		if (!is_used[i])
			warn_where(diag, &head->where, "no route leads to %s \"%s\"",
				   t->title, head->name);
	}
}

static void routing_warn(const struct model *m, const struct used *u, struct diag *diag)
{
	for (size_t i = 0; i < m->n_route_tables; i++)
		if (!u->tables[i])
			warn_where(diag, &m->route_tables[i].where,
				   "route table \"%s\" is that of no subnet",
				   m->route_tables[i].name);
	targets_warn(m, NOUN_INTERNET_GATEWAY, u->targets[ROUTE_INTERNET_GATEWAY], diag);
	targets_warn(m, NOUN_NAT_GATEWAY, u->targets[ROUTE_NAT_GATEWAY], diag);
	targets_warn(m, NOUN_EGRESS_ONLY_GATEWAY, u->targets[ROUTE_EGRESS_ONLY_GATEWAY],
		     diag);
	targets_warn(m, NOUN_PEERING, u->targets[ROUTE_PEERING], diag);
	targets_warn(m, NOUN_GATEWAY_LOAD_BALANCER,
		     u->targets[ROUTE_GATEWAY_LOAD_BALANCER], diag);
	for (size_t i = 0; i < m->n_elastic_ips; i++)
		if (m->elastic_ips[i].interface < 0 &&
		    m->elastic_ips[i].nat_gateway < 0 &&
		    m->elastic_ips[i].load_balancer < 0)
			warn_where(
				diag, &m->elastic_ips[i].where,
				"elastic IP \"%s\" is that of no interface, NAT gateway "
				"or load balancer",
				m->elastic_ips[i].name);
}

static bool used_init(struct used *u, const struct model *m)
{
	const size_t sizes[] = {
		[ROUTE_INTERNET_GATEWAY] = m->n_internet_gateways,
		[ROUTE_NAT_GATEWAY] = m->n_nat_gateways,
		[ROUTE_EGRESS_ONLY_GATEWAY] = m->n_egress_only_gateways,
		[ROUTE_PEERING] = m->n_peerings,
		[ROUTE_INTERFACE] = m->n_interfaces,
		[ROUTE_GATEWAY_LOAD_BALANCER] = m->n_gateway_load_balancers,
	};
	bool is_enough;

	*u = (struct used){
		.lists = calloc(m->n_prefix_lists + 1, sizeof(bool)),
		.groups = calloc(m->n_groups + 1, sizeof(bool)),
		.nacls = calloc(m->n_nacls + 1, sizeof(bool)),
		.subnets = calloc(m->n_subnets + 1, sizeof(bool)),
		.tables = calloc(m->n_route_tables + 1, sizeof(bool)),
		.target_groups = calloc(m->n_target_groups + 1, sizeof(bool)),
	};
	is_enough = u->lists && u->groups && u->nacls && u->subnets && u->tables &&
		    u->target_groups;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		u->targets[i] = calloc(sizes[i] + 1, sizeof(bool));
		is_enough &= u->targets[i] != NULL;
	}
	return is_enough;
}

static void unused_warn(const struct model *m, struct diag *diag)
{
	_cleanup_(used_done) struct used u = {};

	if (!used_init(&u, m))
		return;
	rules_use(&u, m);
	objects_use(&u, m);
	routes_use(&u, m);
	balancers_use(&u, m);
	routing_warn(m, &u, diag);
	balancing_warn(m, &u, diag);
	for (size_t i = 0; i < m->n_prefix_lists; i++)
		if (!u.lists[i])
			warn_where(diag, &m->prefix_lists[i].where,
				   "prefix list \"%s\" is in no rule",
				   m->prefix_lists[i].name);
	for (size_t i = 0; i < m->n_groups; i++)
		if (!u.groups[i])
			warn_where(
				diag, &m->groups[i].where,
				"security group \"%s\" is on no interface and in no rule",
				m->groups[i].name);
	for (size_t i = 0; i < m->n_nacls; i++)
		if (!u.nacls[i] && !m->nacls[i].is_implicit)
			warn_where(diag, &m->nacls[i].where,
				   "network ACL \"%s\" is on no subnet",
				   m->nacls[i].name);
	for (size_t i = 0; i < m->n_subnets; i++)
		if (!u.subnets[i])
			warn_where(diag, &m->subnets[i].where,
				   "subnet \"%s\" has no interface", m->subnets[i].name);
}

void config_warn(const struct model *m, struct diag *diag)
{
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < m->n_nacls; i++)
			if (!m->nacls[i].is_implicit)
				nacl_warn(m, &m->nacls[i], d, diag);
		for (size_t i = 0; i < m->n_groups; i++)
			if (!m->groups[i].is_implicit)
				group_warn(m, &m->groups[i], d, diag);
	}
	unused_warn(m, diag);
}
