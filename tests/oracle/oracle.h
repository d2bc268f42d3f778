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
 * Units    'now' is in seconds and never goes back. Doors are HG_DOOR_*. Devices are named
 *          as in the rule set.
 * Owner    The caller keeps the models and facts alive. Connections name their VPC and
 *          interfaces by text, so they outlive a model as real ones outlive a rule set.
 * Errors   Memory or list full ends the program: this is a test.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compile/image.h"
#include "config/model.h"
#include "tests/oracle/parse.h"

#define ORACLE_MTU 1500 /* of every device */

struct oracle;

/* What the sender gets to hear, though the packet is dropped. */
enum told { TOLD_NOTHING, TOLD_EXPIRED, TOLD_TOO_BIG, TOLD_RESET, TOLD_FIN };

struct decision {
	bool allow;
	uint32_t reason;    /* HG_DROP_*, 0: allowed */
	const char *object; /* the NACL or group that decided, NULL: none did */
	long rule;          /* NACL: number, 0 is "*"; group: index; -1 none */
	bool tracked;       /* a connection was found or opened */
	bool is_answer;     /* ARP or ND question, or a ping of the router, answered */
	enum told told;
	struct addr told_from; /* who tells; family 0 where nobody is told */

	/* where it goes */
	const char *device; /* NULL: to the kernel */
	struct addr via;    /* the next hop; family 0: the instance of the port */
	/* and as what, where a gateway was met */
	bool is_routed;   /* 'to' and 'quote' are good */
	bool is_hop_less; /* the hop limit is one less */
	struct l4 to, quote;
	bool has_quote;
	/* Address or port of a NAT gateway or balancer are one of many: oracle_learn(). */
	bool is_chosen;
	bool is_via_open; /* the next hop is the kernel's to say */
	bool is_balanced; /* through a load balancer */
};

struct oracle *oracle_new(const struct model *m, const struct facts *facts);
void oracle_free(struct oracle *o); /* NULL is fine */
void oracle_switch(struct oracle *o, const struct model *m);
/* Whether target number 'target' of a group takes new connections; all do so from a switch on. */
void oracle_set_usable(struct oracle *o, const char *group, unsigned target,
		       bool is_usable);
/* 'device' must be one of the rule set. */
struct decision oracle_packet(struct oracle *o, const char *device, uint32_t door,
			      const uint8_t *frame, size_t size, uint32_t now);
/* How many decisions the last packet leaves to a balancer's choice of target: 1 is none. */
size_t oracle_choices(const struct oracle *o);
/* Takes the last packet back and judges it by choice 'nth', below oracle_choices(); choice 0 was
 * the first. The frame must still be there. */
struct decision oracle_again(struct oracle *o, size_t nth);
/* After a decision that is chosen: what somebody else has sent on in its place. False when the
 * gateway or the balancer could not have chosen that; from then on it is the connection's. */
bool oracle_learn(struct oracle *o, const struct l4 *to, uint32_t now);
/* Something would expire within this very second: clocks finer than ours may differ. */
bool oracle_is_edge(const struct oracle *o, uint32_t now);
size_t oracle_connections(const struct oracle *o, uint32_t now); /* alive */
