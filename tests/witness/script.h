/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* script: a random sequence of packets and rule changes.
 *
 *   step 0 -> step 1 -> ...      each: a time, a door, and a frame or a change of rules or of a
 *                                target's health
 *
 * Shape    Conversations more than single packets: most steps answer, continue, repeat,
 *          fragment, end, quote or forge something said before, at the door where it would
 *          appear. Addresses and ports are taken from the edges of what the rules name.
 * Units    'now' is in seconds and never goes back; jumps surround the timeouts.
 * Owner    script_free(). Steps name devices, so that they outlive a model.
 * Errors   Memory ends the program.
 */
#include "config/model.h"
#include "tests/lib/frame.h"
#include "tests/oracle/parse.h"

#define VERSIONS 3

enum step_kind { STEP_PACKET, STEP_SWITCH, STEP_HEALTH };

struct step {
	enum step_kind kind;
	uint32_t now;
	unsigned version; /* STEP_SWITCH: the rule set to change to */
	char group
		[64]; /* STEP_HEALTH: target 'target' of it takes new connections, or not */
	unsigned target;
	bool is_usable;
	char device[64]; /* STEP_PACKET */
	uint32_t door;
	uint8_t *frame;
	size_t size;
	/* What the author took a NAT gateway or balancer to make of it. Frames that were written
	 * as if it had are set right when they are played to one that has made something else of
	 * it. */
	bool has_guess;
	struct l4 guess;
};

struct script {
	struct step *steps;
	size_t n;
};

struct script *script_write(uint64_t seed, struct model *const *versions,
			    unsigned n_versions, size_t n_packets);
/* The same for rule sets with gateways: travel.c. */
struct script *travel_write(uint64_t seed, struct model *const *versions,
			    unsigned n_versions, size_t n_packets);
void script_free(struct script *s); /* NULL is fine */
