/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* route: tables and elastic IPs, one entry after another.
 *
 * Shape    docs/semantics.md, sections 10 and 11.
 * Units    Indexes into the model; -1 is none.
 * Owner    Borrows everything.
 * Errors   None.
 */
#include "tests/oracle/match.h"

struct choice {
	bool is_found;
	enum route_kind kind;
	int target;
};

/* The table of 'subnet', or the main one of 'vpc'. */
struct choice route_find(const struct world *w, int vpc, int subnet,
			 const struct addr *to);

enum place_kind {
	PLACE_NONE,
	PLACE_INTERFACE,
	PLACE_NAT,
	PLACE_BALANCER, /* of a node, or a bare virtual address */
	PLACE_UNATTACHED
};

struct place {
	enum place_kind kind; /* NONE: no elastic IP or bare address of the rule set */
	int vpc, nat;
	struct addr private_address;
};

struct place place_find(const struct world *w, const struct addr *a);
/* The elastic IP of a private address; false without one that is in use. */
bool public_find(const struct world *w, int vpc, const struct addr *private_address,
		 struct addr *ret);
/* Those of a NAT gateway that are in use; returns how many. */
size_t nat_addresses(const struct world *w, int nat, struct addr ret[8]);
int nat_find(const struct world *w, int vpc, const struct addr *private_address);
/* The virtual address of a VPC; NULL: it is none. */
const struct vip *vip_find(const struct world *w, int vpc, const struct addr *a,
			   const struct load_balancer **ret_balancer);
/* Of the virtual address that 'p' is for, in the VPC of that name. */
const struct listener *listener_find(const struct world *w, const char *vpc,
				     const struct l4 *p);
int internet_gateway_of(const struct world *w, int vpc);
