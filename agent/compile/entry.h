/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* entry: which device would meet the packet that a question is about, and which way.
 *
 * Order    The device that the question names (in); the port or the subnet's device of who
 *          sends it (in); the uplink, for an elastic IP or an IPv6 address inside a VPC (in);
 *          the port of the receiver (out); the host that receives it (in), or sends it (out).
 * Owner    Values.
 * Errors   -EINVAL with one complaint in 'diag': an unknown device, none at all, or several
 *          that the packet could come in by.
 */
#include "compile/explain.h"

struct entry {
	uint32_t device; /* id */
	uint32_t door;   /* HG_DOOR_* */
};

int entry_find(const struct question *q, const struct image *image, const struct model *m,
	       struct diag *diag, struct entry *ret);
