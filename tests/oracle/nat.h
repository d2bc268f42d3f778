/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* nat: the stages at a NAT gateway.
 *
 * Shape    docs/semantics.md, sections 12 and 13. The way goes on from here: out by the
 *          NAT gateway's own subnet, or back to the client.
 * Units    'nat' is an index of the model.
 * Owner    As path.h.
 * Errors   None.
 */
#include "tests/oracle/path.h"

/* A packet that a route has sent to the NAT gateway. */
void nat_forward(struct path *w, int nat);
/* A packet to its private address, or to what was its elastic IP. */
void nat_back(struct path *w, int nat);
/* Its elastic IP for the connection in hand; false without one. */
bool nat_public(struct path *w, int nat, struct addr *ret);

/* ---- what path.c lends ---- */

struct stage *path_stage(struct path *w, enum stage_kind kind, int object);
void path_drop(struct path *w, uint32_t reason);
void path_nacl(struct path *w, int subnet, int direction);
void path_leave(struct path *w);
void path_arrive(struct path *w);
void path_depart(struct path *w, int nat);
