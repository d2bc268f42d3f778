/* SPDX-License-Identifier: Apache-2.0 */

/* A packet finds the class of its destination anyway, so routing is one more word of the
 * class: the number of a row that holds the winner of every table. Two tries a table would be
 * the plain way: at 200 tables 50 MiB of trie roots for IPv4 alone, and another walk a packet.
 *
 * Rows are made along the walk over all prefixes of the VPC. A prefix changes the row around
 * it in the few tables that have a route there; what each table had before is found by
 * going up the parents, whose number is the nesting of prefixes and not the number of
 * tables. Equal vectors meet through a 128-bit sum over their (table, route) pairs, which is
 * kept up by subtracting what goes and adding what comes: without it every prefix would
 * cost a vector. Prefix lists are marked once, however many tables name them, and what one
 * does to a row is computed once, not once an entry.
 *
 * Invariant: a row's parent has a smaller id, so that one pass in the order of ids fills a
 * table's vector. tests/unit/compile/route.c compares with a scan of all routes.
 */
#include "compile/route.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define RECORDS 4 /* routes a line */

enum { RANK_CIDR, RANK_LOCAL, RANK_LIST };

static int user_compare(const void *va, const void *vb)
{
	const struct route_user *a = va, *b = vb;

	if (a->list != b->list)
		return a->list < b->list ? -1 : 1;
	if (a->change.table != b->change.table)
		return a->change.table < b->change.table ? -1 : 1;
	return a->change.route < b->change.route ? -1 : a->change.route > b->change.route;
}

static int candidate_compare(const void *va, const void *vb)
{
	const struct route_candidate *a = va, *b = vb;

	if (a->change.table != b->change.table)
		return a->change.table < b->change.table ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->change.route < b->change.route ? -1 : a->change.route > b->change.route;
}

/* ---- which tables there are ---- */

static bool is_inspected(const struct route *route)
{
	return route->kind == ROUTE_GATEWAY_LOAD_BALANCER;
}

static bool has_inspected(const struct route_table *rt)
{
	for (size_t i = 0; i < rt->n_routes; i++)
		if (is_inspected(&rt->routes[i]))
			return true;
	return false;
}

static int users_find(struct build *b, struct routes *r)
{
	for (uint32_t t = 0; t < r->tables.n; t++) {
		uint32_t table = r->tables.items[t];
		const struct route_table *rt = &b->m->route_tables[table];

		for (uint32_t i = 0; i < rt->n_routes; i++) {
			if (rt->routes[i].prefix_list < 0 ||
			    (t >= r->n_whole && is_inspected(&rt->routes[i])))
				continue;
			if (!vec_push(&r->users,
				      (struct route_user){
					      (uint32_t)rt->routes[i].prefix_list,
					      { t, b->table_routes[table] + i } }))
				return -ENOMEM;
		}
	}
	if (r->users.n)
		qsort(r->users.items, r->users.n, sizeof(*r->users.items), user_compare);
	return 0;
}

static int tables_find(struct build *b, struct routes *r)
{
	const struct model *m = b->m;

	r->numbers = calloc(m->n_route_tables + 1, sizeof(*r->numbers));
	r->onward = calloc(m->n_route_tables + 1, sizeof(*r->onward));
	if (!r->numbers || !r->onward)
		return -ENOMEM;
	if (!m->vpcs[r->vpc].is_routed)
		return 0;
	for (size_t i = 0; i < m->n_subnets; i++) {
		int table = m->subnets[i].route_table;

		if ((size_t)m->subnets[i].vpc == r->vpc && table >= 0)
			r->numbers[table] = 1;
	}
	for (uint32_t i = 0; i < m->n_route_tables; i++) {
		if (!r->numbers[i])
			continue;
		if (!vec_push(&r->tables, i))
			return -ENOMEM;
		r->numbers[i] = (uint32_t)r->tables.n;
	}
	r->n_whole = (uint32_t)r->tables.n;
	for (uint32_t t = 0; t < r->n_whole; t++) {
		uint32_t table = r->tables.items[t];

		if (!has_inspected(&m->route_tables[table]))
			continue;
		if (!vec_push(&r->tables, table))
			return -ENOMEM;
		r->onward[table] = (uint32_t)r->tables.n;
	}
	return 0;
}

int routes_init(struct build *b, size_t vpc, struct routes *ret)
{
	struct routes routes = { .vpc = vpc };
	const uint32_t nothing[4] = { 0 };
	uint32_t id;
	int r;

	r = tables_find(b, &routes);
	if (r == 0)
		r = users_find(b, &routes);
	if (r == 0)
		r = pool_put(&routes.sums, nothing, 4, &id);
	if (r == 0 && !vec_push(&routes.rows, (struct route_row){ 0 }))
		r = -ENOMEM;
	if (r < 0)
		routes_done(&routes);
	else
		*ret = routes;
	return r;
}

void routes_done(struct routes *r)
{
	free(r->numbers);
	free(r->onward);
	vec_done(&r->tables);
	vec_done(&r->users);
	vec_done(&r->rows);
	vec_done(&r->changes);
	pool_done(&r->sums);
	pool_done(&r->steps);
	vec_done(&r->step_rows);
	vec_done(&r->words);
	vec_done(&r->candidates);
	r->numbers = r->onward = NULL;
}

/* ---- what they name ---- */

static int lists_mark(struct build *b, const struct routes *r, struct marks *marks)
{
	for (size_t i = 0; i < r->users.n; i++) {
		uint32_t index = r->users.items[i].list;
		const struct prefix_list *list = &b->m->prefix_lists[index];

		if (i && r->users.items[i - 1].list == index)
			continue;
		for (size_t k = 0; k < list->n_entries; k++)
			if (!marks_add(marks, &list->entries[k], MARK_ROUTE,
				       ROUTE_MARK_LIST | index))
				return -ENOMEM;
	}
	return 0;
}

int routes_mark(struct build *b, const struct routes *r, struct marks *marks)
{
	static const struct cidr unrouted[] = {
		{ { 4, { 169, 254, 168 } }, 22 },
		{ { 6, { 0xfd, 0, 0x0e, 0xc2 } }, 32 },
	};
	const struct vpc *v = &b->m->vpcs[r->vpc];

	if (r->tables.n == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(unrouted); i++)
		if (!marks_add(marks, &unrouted[i], MARK_UNROUTED, 0))
			return -ENOMEM;
	for (uint32_t i = 0; i < v->n_cidrs; i++)
		if (!marks_add(marks, &v->cidrs[i], MARK_ROUTE, ROUTE_MARK_LOCAL | i))
			return -ENOMEM;
	for (size_t t = 0; t < r->n_whole; t++) {
		uint32_t table = r->tables.items[t];
		const struct route_table *rt = &b->m->route_tables[table];

		for (uint32_t i = 0; i < rt->n_routes; i++)
			if (rt->routes[i].prefix_list < 0 &&
			    !marks_add(marks, &rt->routes[i].to, MARK_ROUTE,
				       b->table_routes[table] + i))
				return -ENOMEM;
	}
	return lists_mark(b, r, marks);
}

/* ---- rows ---- */

static int candidate_add(struct routes *r, uint32_t table, uint32_t route, uint32_t rank)
{
	return vec_push(&r->candidates,
			(struct route_candidate){ { table, route }, rank })
		       ? 0
		       : -ENOMEM;
}

/* The first user of 'list' or of one after it. */
static size_t user_find(const struct routes *r, uint32_t list)
{
	size_t lo = 0, hi = r->users.n;

	while (lo < hi) {
		size_t m = (lo + hi) / 2;

		if (r->users.items[m].list < list)
			lo = m + 1;
		else
			hi = m;
	}
	return lo;
}

static int list_candidates(struct routes *r, uint32_t list)
{
	int result = 0;

	for (size_t i = user_find(r, list);
	     i < r->users.n && r->users.items[i].list == list && result == 0; i++)
		result = candidate_add(r, r->users.items[i].change.table,
				       r->users.items[i].change.route, RANK_LIST);
	return result;
}

static int local_candidates(struct build *b, struct routes *r, uint32_t cidr)
{
	int result = 0;

	for (uint32_t t = 0; t < r->tables.n && result == 0; t++) {
		uint32_t table = r->tables.items[t];
		size_t n = b->m->route_tables[table].n_routes;

		result = candidate_add(r, t, b->table_routes[table] + (uint32_t)n + cidr,
				       RANK_LOCAL);
	}
	return result;
}

/* The table whose route 'id' is: the last that begins at or before it. */
static uint32_t table_of_route(const struct build *b, uint32_t id)
{
	size_t lo = 0, hi = b->m->n_route_tables;

	while (hi - lo > 1) {
		size_t m = (lo + hi) / 2;

		if (b->table_routes[m] <= id)
			lo = m;
		else
			hi = m;
	}
	return (uint32_t)lo;
}

/* Route 'id', which names a destination by CIDR. */
static int cidr_candidates(struct build *b, struct routes *r, uint32_t id)
{
	uint32_t table = table_of_route(b, id);
	const struct route *route =
		&b->m->route_tables[table].routes[id - b->table_routes[table]];
	int result = candidate_add(r, r->numbers[table] - 1, id, RANK_CIDR);

	if (result == 0 && r->onward[table] && !is_inspected(route))
		result = candidate_add(r, r->onward[table] - 1, id, RANK_CIDR);
	return result;
}

static int candidates_make(struct build *b, struct routes *r, const uint32_t *marks,
			   size_t n)
{
	int result = 0;

	r->candidates.n = 0;
	for (size_t i = 0; i < n && result == 0; i++) {
		uint32_t value = marks[i] & ~(ROUTE_MARK_LOCAL | ROUTE_MARK_LIST);

		if (marks[i] & ROUTE_MARK_LIST)
			result = list_candidates(r, value);
		else if (marks[i] & ROUTE_MARK_LOCAL)
			result = local_candidates(b, r, value);
		else
			result = cidr_candidates(b, r, value);
	}
	if (r->candidates.n > 1)
		qsort(r->candidates.items, r->candidates.n, sizeof(*r->candidates.items),
		      candidate_compare);
	return result;
}

/* What 'table' has in 'row'. */
static uint32_t row_route(const struct routes *r, uint32_t row, uint32_t table)
{
	for (; row; row = r->rows.items[row].parent) {
		const struct route_row *at = &r->rows.items[row];
		size_t lo = at->changes, end = lo + at->n_changes, hi = end;

		while (lo < hi) {
			size_t m = (lo + hi) / 2;

			if (r->changes.items[m].table < table)
				lo = m + 1;
			else
				hi = m;
		}
		if (lo < end && r->changes.items[lo].table == table)
			return r->changes.items[lo].route;
	}
	return 0;
}

/* Adds (or takes away: the same) one pair of a vector's sum. */
static void sum_turn(uint64_t sum[2], uint32_t table, uint32_t route)
{
	const struct route_change pair = { table, route };

	if (route == 0)
		return;
	sum[0] ^= hash64(1, &pair, sizeof(pair));
	sum[1] ^= hash64(2, &pair, sizeof(pair));
}

/* 'row' with the candidates, of which the first of each table counts. */
static int row_make(struct routes *r, uint32_t row, uint32_t *ret_row)
{
	struct route_row next = r->rows.items[row];
	uint32_t words[4], id;
	int result;

	next.parent = row;
	next.changes = (uint32_t)r->changes.n;
	for (size_t i = 0; i < r->candidates.n; i++) {
		const struct route_change *c = &r->candidates.items[i].change;
		uint32_t old;

		if (i && r->candidates.items[i - 1].change.table == c->table)
			continue;
		old = row_route(r, row, c->table);
		if (old == c->route)
			continue;
		sum_turn(next.sum, c->table, old);
		sum_turn(next.sum, c->table, c->route);
		if (!vec_push(&r->changes, *c))
			return -ENOMEM;
	}
	next.n_changes = (uint32_t)r->changes.n - next.changes;
	memcpy(words, next.sum, sizeof(words));
	result = pool_put(&r->sums, words, 4, &id);
	if (result < 0)
		return result;
	if (id < r->rows.n)
		r->changes.n = next.changes;
	else if (!vec_push(&r->rows, next))
		return -ENOMEM;
	*ret_row = id;
	return 0;
}

int routes_step(struct build *b, struct routes *r, uint32_t row, const uint32_t *marks,
		size_t n, uint32_t *ret_row)
{
	uint32_t step, next = row;
	int result;

	r->words.n = 0;
	if (!vec_push(&r->words, row))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!vec_push(&r->words, marks[i]))
			return -ENOMEM;
	result = pool_put(&r->steps, r->words.items, r->words.n, &step);
	if (result < 0)
		return result;
	if (step == r->step_rows.n) {
		result = candidates_make(b, r, marks, n);
		if (result == 0)
			result = row_make(r, row, &next);
		if (result < 0)
			return result;
		if (!vec_push(&r->step_rows, next))
			return -ENOMEM;
	}
	*ret_row = r->step_rows.items[step];
	return 0;
}

/* ---- the image ---- */

struct cell {
	uint32_t row, route;
};

/* The changes of all rows by table; those of table t are [ends[t - 1], ends[t]). */
static struct cell *cells_sort(const struct routes *r, size_t *ends)
{
	struct cell *cells = malloc((r->changes.n + 1) * sizeof(*cells));

	if (!cells)
		return NULL;
	for (size_t i = 0; i < r->changes.n; i++)
		if (r->changes.items[i].table + 1 < r->tables.n)
			ends[r->changes.items[i].table + 1]++;
	for (size_t t = 1; t < r->tables.n; t++)
		ends[t] += ends[t - 1];
	for (uint32_t row = 1; row < r->rows.n; row++) {
		const struct route_row *at = &r->rows.items[row];

		for (uint32_t i = 0; i < at->n_changes; i++) {
			const struct route_change *c = &r->changes.items[at->changes + i];

			cells[ends[c->table]++] = (struct cell){ row, c->route };
		}
	}
	return cells;
}

static int vector_write(struct build *b, const struct routes *r, const struct cell *cells,
			size_t n, uint32_t *ret_line)
{
	size_t k = 0;
	uint32_t *out;
	int result;

	result = lines_reserve(
		&b->lines, (r->rows.n * sizeof(*out) + HG_LINE - 1) / HG_LINE, ret_line);
	if (result < 0)
		return result;
	out = lines_at(&b->lines, *ret_line);
	for (uint32_t row = 1; row < r->rows.n; row++) {
		if (k < n && cells[k].row == row)
			out[row] = cells[k++].route;
		else
			out[row] = out[r->rows.items[row].parent];
	}
	return 0;
}

int routes_write_rows(struct build *b, const struct routes *r)
{
	_cleanup_free_ size_t *ends = calloc(r->tables.n + 1, sizeof(*ends));
	_cleanup_free_ struct cell *cells = NULL;
	int result = 0;

	if (!ends)
		return -ENOMEM;
	if (r->rows.n * r->tables.n > HG_MAX_ROUTE_CELLS) {
		build_refuse(
			b, &b->m->vpcs[r->vpc].where,
			"%zu route tables tell %zu kinds of destination apart; their "
			"product can be at most %u",
			r->tables.n, r->rows.n, HG_MAX_ROUTE_CELLS);
		return 0;
	}
	cells = cells_sort(r, ends);
	if (!cells)
		return -ENOMEM;
	for (size_t t = 0; t < r->tables.n && result == 0; t++) {
		size_t first = t ? ends[t - 1] : 0;
		uint32_t *lines = t < r->n_whole ? b->table_lines : b->onward_lines;

		result = vector_write(b, r, cells + first, ends[t] - first,
				      &lines[r->tables.items[t]]);
	}
	return result;
}

/* What a route's target is, and its object. */
static void route_fill(const struct build *b, const struct route_table *rt,
		       const struct route *route, struct hg_route *ret)
{
	const struct model *m = b->m;
	size_t i = (size_t)(route->target < 0 ? 0 : route->target);

	switch (route->kind) {
	case ROUTE_LOCAL:
		ret->kind = HG_ROUTE_LOCAL;
		break;
	case ROUTE_BLACKHOLE:
		ret->kind = HG_ROUTE_BLACKHOLE;
		break;
	case ROUTE_INTERNET_GATEWAY:
		ret->kind = HG_ROUTE_INTERNET;
		ret->target = id_of_internet_gateway(i);
		ret->object = object_of_internet_gateway(m, i);
		break;
	case ROUTE_NAT_GATEWAY:
		ret->kind = HG_ROUTE_NAT;
		ret->target = b->nat_ids[i];
		ret->object = object_of_nat_gateway(m, i);
		break;
	case ROUTE_EGRESS_ONLY_GATEWAY:
		ret->kind = HG_ROUTE_EGRESS_ONLY;
		ret->target = id_of_egress_only_gateway(m, i);
		ret->object = object_of_egress_only_gateway(m, i);
		break;
	case ROUTE_PEERING:
		ret->kind = HG_ROUTE_PEERING;
		ret->target =
			(uint32_t)m->peerings[i].vpcs[m->peerings[i].vpcs[0] == rt->vpc] +
			1;
		ret->object = object_of_peering(m, i);
		break;
	case ROUTE_INTERFACE:
		ret->kind = HG_ROUTE_INTERFACE;
		ret->target = (uint32_t)i + 1;
		ret->object = object_of_interface(m, i);
		break;
	case ROUTE_GATEWAY_LOAD_BALANCER:
		ret->kind = HG_ROUTE_GATEWAY_LOAD_BALANCER;
		ret->target = id_of_gateway_load_balancer(b, i);
		ret->object = object_of_gateway_load_balancer(m, i);
		break;
	}
}

int routes_write(struct build *b, struct hg_header *head)
{
	const struct model *m = b->m;
	struct hg_route *routes;
	uint32_t line, id = 1;
	int r;

	r = lines_reserve(&b->lines, (b->n_routes + 1 + RECORDS - 1) / RECORDS, &line);
	if (r < 0)
		return r;
	head->routes = (struct hg_table){ line, b->n_routes + 1 };
	routes = lines_at(&b->lines, line);
	for (size_t t = 0; t < m->n_route_tables; t++) {
		const struct route_table *rt = &m->route_tables[t];

		for (size_t i = 0; i < rt->n_routes; i++, id++) {
			routes[id].rule = b->route_rules + id;
			route_fill(b, rt, &rt->routes[i], &routes[id]);
		}
		for (size_t i = 0; i < m->vpcs[rt->vpc].n_cidrs; i++, id++)
			routes[id] = (struct hg_route){ .kind = HG_ROUTE_LOCAL,
							.rule = b->route_rules + id };
	}
	return 0;
}
