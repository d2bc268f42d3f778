/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* author: what those who write scripts have in common.
 *
 *   script.c: conversations at host and port doors
 *   travel.c: conversations through gateways
 *
 * Shape    Addresses and ports from the edges of what the rules name, dice, and the script
 *          as far as it is written.
 * Units    'now' in seconds.
 * Owner    script_write() and travel_write() make and end it.
 * Errors   Memory ends the program.
 */
#include "compile/device.h"
#include "tests/witness/dice.h"
#include "tests/witness/script.h"

#define ADDRESSES 600
#define TALKS     24

/* Something said, to be taken up again. */
struct talk {
	struct frame frame;
	int interface;
	uint32_t door;
};

struct author {
	struct dice dice;
	const struct model *m;
	struct devices devices; /* of that */
	struct addr address[ADDRESSES];
	size_t n_addresses;
	int doors[256]; /* interfaces with a device */
	size_t n_doors;
	struct talk talk[TALKS];
	size_t n_talks;
	uint32_t now;
	struct script *script;
};

/* What there is to talk about under the rules in force. */
void author_collect(struct author *a);
void add_address(struct author *a, const struct addr *address);
uint16_t pick_port(struct author *a);
struct addr pick_address(struct author *a, int family);
/* One of an interface's addresses; false when it has none of that family. */
bool pick_own(struct author *a, int interface, int family, struct addr *ret);

void roll_protocol(struct author *a, struct frame *f);
void roll_shape(struct author *a, struct frame *f);
/* TCP flags of what follows 'f'. */
uint8_t roll_flags(struct author *a, const struct frame *f);

struct step *add_step(struct author *a);
/* One frame at a door; now and then it is broken on the way to the paper. */
struct step *author_say(struct author *a, const struct frame *f, const char *device,
			uint32_t door);
void pass_time(struct author *a);
