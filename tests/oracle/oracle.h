/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* oracle: what the rule set says about one packet, found the slow and obvious way.
 *
 *   model, frame -> parse -> loops over rules, first match -> decision
 *                              |
 *                     a plain list of connections
 *
 * Shape    Reads the model itself; no tables, no classes, no hashing. It is the judge of
 *          the other two readings (the image's and the loaded program's), so it is written
 *          from docs/semantics.md alone and is meant to be read beside it.
 * Units    'now' is in seconds and never goes back. Doors are HG_DOOR_*. An interface
 *          is an index of the model; door devices are named by their interface.
 * Owner    The caller keeps the models and facts alive. Connections name their VPC and
 *          interfaces by text, so they outlive a model as real ones outlive a rule set.
 * Errors   Memory or list full ends the program: this is a test.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compile/image.h"
#include "config/model.h"

struct oracle;

struct decision {
	bool allow;
	uint32_t reason;    /* HG_DROP_*, 0: allowed */
	const char *object; /* the NACL or group that decided, NULL: none did */
	long rule;          /* NACL: number, 0 is "*"; group: index; -1 none */
	bool tracked;       /* a connection was found or opened */
	int hop; /* interface whose port the packet is switched to, -1: to the kernel */
	bool is_answer; /* ARP or ND question, answered */
};

struct oracle *oracle_new(const struct model *m, const struct facts *facts);
void oracle_free(struct oracle *o); /* NULL is fine */
void oracle_switch(struct oracle *o, const struct model *m);
struct decision oracle_packet(struct oracle *o, int interface, uint32_t door,
			      const uint8_t *frame, size_t size, uint32_t now);
/* Something would expire within this very second: clocks finer than ours may differ. */
bool oracle_is_edge(const struct oracle *o, uint32_t now);
size_t oracle_connections(const struct oracle *o, uint32_t now); /* alive */
