/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* balance: the stages at a network load balancer.
 *
 * Shape    docs/semantics.md, section 15. What a hash decides is left open: the choices are
 *          listed, and the oracle goes on with the one that it is told to (oracle.h).
 * Units    Indexes into the model; -1 is none.
 * Owner    As path.h.
 * Errors   Too many choices end the program.
 */
#include "tests/oracle/path.h"

/* What a new connection may become. */
struct option {
	int group; /* -1: nobody takes it */
	int target;
};

#define OPTIONS 64

/* The packet or error in hand is of a connection through a balancer, from its target's end. */
bool balance_is_back(const struct path *w);
/* The packet in hand is of a client of such a connection whose virtual address has left. */
bool balance_is_gone(const struct path *w);
void balance_drop_gone(struct path *w);
/* A packet to a virtual address of the VPC in which it is. */
void balance_forward(struct path *w);
void balance_back(struct path *w);
/* What the target's groups take for the peer beside the client: the virtual address. */
struct addr balance_through(const struct path *w);

/* After a new connection has been opened, for the target that 'w' has chosen. */
void balance_remember(struct hearing *h, const struct path *w, struct connection *c);

/* ---- what path.c lends ---- */

bool path_find_out(struct path *w, int owner, int subnet, const struct addr *to);
void path_groups(struct path *w, int interface, int direction);
void path_leave_internet(struct path *w, const struct gateway *g, int nat);
