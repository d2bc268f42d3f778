/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* path: the way of a packet through a gateway, before anybody asks whether it may go it.
 *
 *   packet, tables -> stages, in order (who judges the packet, as it is by then)
 *                  -> where it comes out, and as what
 *
 * Shape    docs/semantics.md, sections 8, 10 to 13 and 15. A stage that refuses whatever the
 *          rules is the last one.
 * Units    Indexes into the model; -1 is none. Positions: 0 the sender, 1 the receiver.
 * Owner    A value. Borrows the hearing and the connection.
 * Errors   Too many stages end the program.
 */
#include "tests/oracle/hearing.h"

#define STAGES 16

enum stage_kind {
	STAGE_GROUPS = 1, /* of interface 'object' */
	STAGE_INSTANCE,   /* the groups of NAT instance 'object' */
	STAGE_BALANCER,   /* the groups of load balancer 'object' */
	STAGE_NACL,       /* 'object' */
	STAGE_DROP,       /* for 'reason' */
	STAGE_FORGET,     /* for 'reason', and the connection is no more */
	STAGE_ANEW        /* the connection is no more, and the packet a new one */
};

struct stage {
	enum stage_kind kind;
	int object, direction, position;
	struct l4 p;
	uint32_t reason;
	enum told told;
	struct addr
		through; /* groups: a virtual address that is the peer, too; or family 0 */
};

enum out { OUT_KERNEL, OUT_PORT, OUT_DEVICE };

struct path {
	const struct hearing *h;
	const struct world *w;
	const struct connection *c; /* to which the packet belongs, or NULL */
	/* What a NAT gateway would give to a new connection. */
	unsigned nth_address;
	uint16_t port;

	struct stage stages[STAGES];
	size_t n;
	bool is_over; /* the last stage refuses */

	/* where the packet is, and as what */
	int vpc, subnet; /* -1: none; SUBNET_OUTSIDE */
	struct l4 p, quote;
	bool has_quote; /* of what was said by whom the error is for */

	int end[2];
	bool leaves; /* its subnet */
	int nat;     /* the NAT gateway on its way */
	/* It belongs to a connection whose way was another: refused, but last of all. */
	enum stage_kind astray; /* STAGE_DROP, STAGE_FORGET, STAGE_ANEW; 0: it is not */
	bool is_inbound, is_egress_only;
	struct addr nat_address; /* of the connection: elastic IP, or private */

	/* A balancer on its way, and for a new connection: */
	bool is_balanced, is_preserved;
	struct l4 asked;   /* the packet as it came to the virtual address */
	int group, target; /* that it goes to */

	enum out out;
	const char *device;   /* not for the kernel */
	struct addr via;      /* family 0: the port's instance */
	bool is_via_open;     /* or whatever the kernel says */
	char zone[ZONE_TEXT]; /* where answers come in */
};

#define SUBNET_OUTSIDE (-2)

/* To who owns the destination, whatever the routes; the stages are not for this packet. */
void path_exempt(struct path *ret, const struct hearing *h);
void path_walk(struct path *ret, const struct hearing *h, const struct connection *c,
	       unsigned nth_address, uint16_t port);
