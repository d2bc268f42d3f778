/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* writer: a rule set on its way to paper.
 *
 *   layout.c: what stands where (VPCs, subnets, interfaces, settings)
 *   piece.c:  what is allowed (NACLs, groups, prefix lists)
 *
 * Shape    Text goes to 'out' in the order of the calls. The layout is rolled before a word
 *          is written, from dice of its own.
 * Owner    rules_text() makes and ends it.
 * Errors   Memory ends the program.
 */
#include <stdio.h>

#include "base/addr.h"
#include "tests/witness/dice.h"

#define VPCS       3
#define SUBNETS    4 /* a VPC */
#define INTERFACES 4 /* a subnet */
#define LISTS      3
#define NACLS      3 /* a VPC */
#define GROUPS     4 /* a VPC */
#define POOL       128
#define SEEN       32
#define SEEN_TEXT  256

struct place {
	bool is_small; /* a /28 */
	bool has6;
	unsigned n_interfaces;
};

struct layout {
	unsigned n_vpcs;
	bool has6[VPCS];
	unsigned n_subnets[VPCS];
	struct place place[VPCS][SUBNETS];
	bool has_host; /* a local interface, without VPC or in the first one */
	bool is_host_alone, has_host_address;
};

struct writer {
	FILE *out;
	struct dice dice; /* of the rules */
	struct layout layout;
	unsigned n_lists, n_nacls[VPCS], n_groups[VPCS];
	bool has_peers; /* groups of the next VPC are named, too, even in vain */
	struct addr pool[POOL];
	unsigned n_pool;
	char seen[SEEN][SEEN_TEXT]; /* rules or entries of the list being written */
	unsigned n_seen;
	bool is_first; /* of the object or array being written */
};

extern const char *const vpc_names[VPCS];

/* A comma, but not before the first member of what is being written. */
void write_comma(struct writer *w);
void write_nacls(struct writer *w);
void write_groups(struct writer *w);
void write_lists(struct writer *w);
