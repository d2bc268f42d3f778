/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* target: whom a balancer's connections go to, as the flow tables know it.
 *
 * Shape    No padding: two are equal when their bytes are.
 * Order    Address and port as on the wire.
 */
#include <stdint.h>

#include <hg/abi.h>

struct flow_target {
	struct hg_addr address;
	uint32_t meter; /* of the balancer, in hg_meters */
	__be16 port;
	uint8_t protocol;
	uint8_t family; /* HG_FAMILY_*, never 0 */
};
_Static_assert(sizeof(struct flow_target) == 24, "targets are compared as bytes");
