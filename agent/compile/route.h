/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* route: which route every table of a VPC has for an address.
 *
 *   class.row -> routes[row] of a table -> route id
 *             -> onward[row] of one with routes to gateway load balancers -> route id of others
 *
 * Shape    Route ids count from 1: each table in model order has its routes as written,
 *          then the local one of each CIDR of its VPC. A row is a distinct vector of route
 *          ids, one for each table that a subnet uses; row 0 has none. A row is kept as
 *          what it changes of the row of a shorter prefix, which has a smaller id.
 *          A mark (routes_mark()) is a route id, ROUTE_MARK_LOCAL | index of a CIDR of the
 *          VPC, or ROUTE_MARK_LIST | index of a prefix list.
 * Order    Of one destination in one table: a route with that CIDR, the VPC's own,
 *          then prefix lists as written. So do marks sort.
 * Owner    routes_init() fills, routes_done() frees. Lines are in the image of the build.
 * Errors   -ENOMEM, -E2BIG; HG_MAX_ROUTE_CELLS is a complaint.
 */
#include "compile/build.h"
#include "compile/mark.h"

#define ROUTE_MARK_LOCAL 0x40000000U
#define ROUTE_MARK_LIST  0x80000000U

struct route_change {
	uint32_t table; /* number among the VPC's */
	uint32_t route;
};

struct route_row {
	uint32_t parent;
	uint32_t changes, n_changes; /* in routes.changes, by table */
	uint64_t sum[2];             /* of the vector: equal sums are equal vectors */
};

struct route_user {
	uint32_t list; /* prefix list */
	struct route_change change;
};

struct route_candidate {
	struct route_change change;
	uint32_t rank;
};

struct routes {
	size_t vpc;
	VEC(uint32_t) tables; /* model indexes, by number */
	uint32_t *numbers;    /* by model index: number + 1, 0 unused */
	uint32_t n_whole;     /* numbers from here on are onward tables: those again
					* that have routes to gateway load balancers, without */
	uint32_t *onward;     /* by model index: number + 1, 0 none */
	VEC(struct route_user) users; /* of prefix lists, by list */
	VEC(struct route_row) rows;
	VEC(struct route_change) changes;
	struct pool sums;  /* by row */
	struct pool steps; /* row and marks that were met in it */
	VEC(uint32_t) step_rows;
	VEC(uint32_t) words;
	VEC(struct route_candidate) candidates;
};

/* No tables where the VPC is not routed. */
int routes_init(struct build *b, size_t vpc, struct routes *ret);
void routes_done(struct routes *r);
/* Marks every destination that a table of the VPC names, its own CIDRs among them. */
int routes_mark(struct build *b, const struct routes *r, struct marks *marks);
/* The row inside a prefix with 'marks', where 'row' is that around it. */
int routes_step(struct build *b, struct routes *r, uint32_t row, const uint32_t *marks,
		size_t n, uint32_t *ret_row);
/* The vectors, into b->table_lines and b->onward_lines. */
int routes_write_rows(struct build *b, const struct routes *r);
/* All routes of the model by id; after rules_write(). */
int routes_write(struct build *b, struct hg_header *head);
