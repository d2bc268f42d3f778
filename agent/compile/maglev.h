/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* maglev: whose each slot of a balancer's ring is.
 *
 * Shape    A member's list of slots is offset, offset + skip, offset + 2 skip ... modulo
 *          HG_RING: 'offset' is hash64(1, identity) % HG_RING, 'skip' hash64(2, identity) %
 *          (HG_RING - 1) + 1. In its turn a member takes the first slot of its list that is
 *          free. Members take turns by falling weight, then by identity. In each round a
 *          member's credit, which begins at half the highest weight, grows by its weight; who
 *          has the highest weight in credit pays it for a turn.
 * Units    Slots hold the numbers of members as they were given. Weight 0 takes none.
 * Order    Identities compare as bytes. So the members of slots do not depend on the order in
 *          which they were given, and gateways of one rule set make one ring.
 * Owner    The caller owns both arrays.
 * Errors   -ENOMEM; -EINVAL: nobody has a weight. 'ret_slots' is as it was then.
 * Source   Eisenbud et al., "Maglev", NSDI 2016, section 3.4.
 */
#include <stddef.h>
#include <stdint.h>

#include <hg/image.h>

/* Hashed as they lie in memory: no holes. */
struct maglev_identity {
	uint8_t address[16]; /* IPv4 in the first four, the others zero */
	uint8_t family;
	uint8_t zero;
	uint8_t port[2]; /* as on the wire */
};

struct maglev_member {
	struct maglev_identity identity;
	uint32_t weight;
};

int maglev_fill(const struct maglev_member *members, size_t n,
		uint16_t ret_slots[static HG_RING]);
