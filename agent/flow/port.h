/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* port: the agent's part in the sets of taken NAT ports.
 *
 * Shape    'sets' is the agent's mapping of hg_ports: HG_PORT_SETS of include/hg/port.h.
 * Units    'now' and 'patience' are ticks as packets see them, of 'now' the low 31 bits.
 * Owner    Packets use the sets at the same time. Only the agent takes one away.
 * Errors   None.
 */
#include <stdint.h>

#include <hg/port.h>

/* The entry with this key, an answer's, was freed. */
void port_give(struct hg_port_set *sets, const struct hg_key4 *answer);
/* The set's key for that of an IPv6 answer, for port_give(). */
struct hg_key4 port_key6(const struct hg_key6 *answer);
/* Takes away sets whose destination is not busy any more, so that others may be: less than an
 * eighth of the ports is taken; or not all are known, and nobody has asked for one for
 * 'patience'. Returns how many sets stay. */
unsigned port_sweep(struct hg_port_set *sets, uint32_t now, uint32_t patience);

struct port_count {
	uint32_t sets;
	uint64_t taken; /* ports, in them */
};
struct port_count port_count(const struct hg_port_set *sets);
