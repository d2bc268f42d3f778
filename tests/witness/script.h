/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* script: a random sequence of packets and rule changes.
 *
 *   step 0 -> step 1 -> ...      each: a time, a door, and a frame or a change of rules
 *
 * Shape    Conversations more than single packets: most steps answer, continue, repeat,
 *          fragment, end, quote or forge something said before, at the door where it would
 *          appear. Addresses and ports are taken from the edges of what the rules name.
 * Units    'now' is in seconds and never goes back; jumps surround the timeouts.
 * Owner    script_free(). Steps name interfaces by text, so that they outlive a model.
 * Errors   Memory ends the program.
 */
#include "config/model.h"
#include "tests/lib/frame.h"

#define VERSIONS 3

enum step_kind { STEP_PACKET, STEP_SWITCH };

struct step {
	enum step_kind kind;
	uint32_t now;
	unsigned version;   /* STEP_SWITCH: the rule set to change to */
	char interface[64]; /* STEP_PACKET */
	uint32_t door;
	uint8_t *frame;
	size_t size;
};

struct script {
	struct step *steps;
	size_t n;
};

/* Device ids count interfaces that have a device, from 1, in the order of the model. */
static inline uint32_t device_of(const struct model *m, int interface)
{
	uint32_t id = 0;

	for (int i = 0; i <= interface; i++)
		id += m->interfaces[i].device != NULL;
	return m->interfaces[interface].device ? id : 0;
}

struct script *script_write(uint64_t seed, struct model *const *versions,
			    unsigned n_versions, size_t n_packets);
void script_free(struct script *s); /* NULL is fine */
