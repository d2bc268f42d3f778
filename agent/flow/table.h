/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* table: the flow tables, read and swept through the agent's own mapping of them.
 *
 * Shape    A connection is two entries that name each other, of NAT64 one in each family.
 *          flow_each() tells of each connection once, from its opener's side; an entry whose
 *          pair is gone counts as one too. flow_sweep() frees expired entries of a run of
 *          sets: those of a balancer some time after, because who speaks then is told.
 * Units    'now' is ticks as packets see them, of which only the low 31 bits count. Ages
 *          are seconds. No timeout is longer than half of 2^31 ticks.
 * Order    Addresses and ports of struct flow as on the wire.
 * Owner    Packets write at the same time. An entry is copied and its key looked at again
 *          after; a torn counter lasts until the next look. Entries are freed only when
 *          they still are what was read, and without a lock.
 * Errors   None.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hg/event.h>
#include <hg/flow.h>
#include <hg/port.h>

#include "flow/tally.h"

#define FLOW_CUT_SECONDS 10 /* that a connection which was cut is still known */

struct flow_tables {
	struct hg_set4 *sets4;
	struct hg_set6 *sets6;
	struct hg_port_set *ports; /* NULL: nobody keeps account of them */
	uint32_t n_sets;           /* of each family */
	uint32_t hz;
};

struct flow_counters {
	uint32_t packets;
	uint64_t bytes;
};

struct flow {
	uint8_t family;
	uint8_t protocol;
	uint8_t state; /* HG_STATE_* */
	uint8_t flags; /* HG_FLOW_* of the opener's entry */
	uint16_t zone;
	struct hg_addr saddr, daddr;
	__be16 sport, dport;
	/* As the opener's packets go out, in the zone of the answers; family 0: as they came in */
	struct hg_tuple to;
	uint32_t meter; /* of the NAT gateway or balancer that counts it, 0 none */
	uint32_t timeout;
	uint32_t idle; /* since the last packet of either direction */
	int64_t age;   /* -1: not known while a TCP handshake is under way */
	struct flow_counters sent, replied;
};

struct flow_census {
	uint64_t entries;
	uint64_t connections;
	uint64_t established; /* connections */
	uint64_t freed;
	uint32_t active[HG_METERS];        /* connections, by meter */
	uint32_t idle_timeouts[HG_METERS]; /* established ones among those freed */
	struct tally *tally;               /* of targets; NULL: nobody asks */
};

typedef bool flow_fn(void *arg, const struct flow *flow); /* false: enough */

/* Live connections only: what has expired but was not swept yet is left out. */
void flow_each(const struct flow_tables *t, uint32_t now, flow_fn *fn, void *arg);
/* Sets 'first' to 'first' + 'n' - 1 of both families; adds to 'census'. */
void flow_sweep(const struct flow_tables *t, uint32_t now, uint32_t first, uint32_t n,
		struct flow_census *census);

const char *flow_state_name(unsigned state); /* "syn_sent"; "" is none */
