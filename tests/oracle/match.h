/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* match: rules against a packet, one after another.
 *
 * Shape    docs/semantics.md, sections 2 (who owns an address), 4 (orphans) and 6.
 * Units    Directions as the instance sees them: 0 ingress, 1 egress. Indexes into the
 *          model; -1 is none.
 * Owner    Borrows everything.
 * Errors   None.
 */
#include "compile/image.h"
#include "config/model.h"
#include "tests/oracle/parse.h"

struct world {
	const struct model *m;
	const struct facts *facts;
};

struct ruling {
	bool allow;
	const char *object; /* the NACL, or the group that admits */
	long rule;          /* number or index; 0 is a NACL's "*", -1 no group admits */
	bool is_untracked;  /* groups: some admitting rule qualifies */
};

bool in_cidr(const struct cidr *c, const struct addr *a);
bool in_vpc(const struct world *w, int vpc, const struct addr *a); /* its CIDRs */
bool in_any_vpc(const struct world *w, const struct addr *a);
bool interface_owns(const struct world *w, int interface, const struct addr *a);
int address_owner(const struct world *w, int vpc, const struct addr *a);
int address_subnet(const struct world *w, int vpc, const struct addr *a);
bool interface_has_port(const struct world *w, int interface);
/* Of its own: a port of a routed VPC that forwards what is not its own. */
bool interface_has_zone(const struct world *w, int interface);

/* 'nacl' -1 allows. */
struct ruling nacl_judge(const struct world *w, int nacl, int direction,
			 const struct l4 *p);
struct ruling groups_judge(const struct world *w, int interface, int direction,
			   const struct l4 *p);
/* Of what is no interface: a NAT instance. */
struct ruling group_list_judge(const struct world *w, const int *groups, size_t n,
			       int direction, const struct l4 *p);

/* UDP between two of the entry's ports, at any address. */
bool exempt_anywhere(const struct world *w, const struct l4 *p);
/* A packet to an exempt address; 'vpc' is the door's. */
bool exempt_to(const struct world *w, int vpc, const struct l4 *p);
/* The ends swapped. */
struct l4 l4_reverse(const struct l4 *p);
/* And a request made its response, or the other way round. */
struct l4 l4_answer(const struct l4 *p);
