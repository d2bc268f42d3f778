/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* atlas: a rule set with gateways on its way to paper.
 *
 *   world.c: what stands where, and who has what
 *   road.c:  route tables
 *   crowd.c: target groups and load balancers
 *
 * Shape    As writer.h, with the places of gateways beside it.
 * Owner    world_text() makes and ends it.
 * Errors   Memory ends the program.
 */
#include "tests/witness/writer.h"

#define ELASTICS 8
#define NATS     2 /* a VPC */
#define TABLES   3 /* a VPC */

struct spot {
	bool has_device, has6, is_small;
	unsigned n_interfaces;
	bool has_port[INTERFACES], is_silent[INTERFACES]; /* silent: no address of IPv4 */
};

struct domain {
	unsigned net; /* 10.NET.0.0/16 */
	bool has6;
	unsigned n_subnets;
	struct spot spot[SUBNETS];
	int igw, eigw; /* number of the uplink, -1 none */
	unsigned n_nats, nat_subnet[NATS];
	bool is_instance[NATS];
	int peers[VPCS]; /* by VPC: 1 a peering connects them */
};

struct world {
	struct writer w;
	struct domain domain[VPCS];
	unsigned n_tables[VPCS];
	bool has_host;
	/* which elastic IP has found somebody: of the rule dice */
	bool is_taken[ELASTICS];
	/* with load balancers: their own dice, so that all else is as without them */
	bool is_crowded;
	struct dice crowd;
	bool is_kept[ELASTICS]; /* elastic IPs that are theirs */
};

void begin(struct world *w, const char *noun);
void end(struct world *w);
/* An interface that has an address of IPv4; not always the same. */
bool roll_interface(struct world *w, unsigned v, char *buf, size_t size);
void write_tables(struct world *w);
