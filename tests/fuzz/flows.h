/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* flows: what the tables of an evaluator remember of connections, and what must be true of it.
 *
 * Shape    At most FLOWS_SETS sets of each family. 'at' is a set * 4 + a way + 1.
 * Errors   flows_hold() and ports_hold() end the program.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compile/eval.h"

#define FLOWS_SETS 64 /* few, so that sets fill up and entries give way */

/* An entry of either family. */
struct entry {
	const struct hg_state *state;
	struct hg_addr saddr, daddr; /* the key */
	uint16_t sport, dport;
	uint8_t protocol, family;
	struct hg_addr to_saddr, to_daddr; /* as it goes out; zero: see its pair */
	uint16_t to_sport, to_dport;
};

/* False when there is none. */
bool entry_get(const struct eval_tables *t, uint32_t at, int family, struct entry *ret);
/* Is it a connection through a gateway that lives, from its client's side? */
bool entry_is_translated(const struct eval_tables *t, uint32_t at, int family,
			 struct entry *ret);
bool addr_is_same(const struct hg_addr *a, const struct hg_addr *b);
/* Entries are in pairs that point to each other. */
void flows_hold(const struct eval_tables *t);
/* No two translated connections look the same to those behind it. */
void ports_hold(const struct eval_tables *t);
/* Of all that is remembered. */
uint64_t flows_hash(const struct eval_tables *t);
