/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* wanted: what a rule set wants of the kernel.
 *
 * Shape    Devices in the order of their ids in the image. Neighbours: the addresses of
 *          interfaces that are behind a subnet's device, what NAT instances forward to and
 *          what balancers send to there, and next hops at uplinks, the kernel's own where none
 *          is written. At a host's device in a VPC with a balancer: targets on its link, and the
 *          kernel's next hops.
 * Owner    wanted_make() allocates, wanted_done() frees; device names are the model's.
 * Errors   -ENOMEM.
 */
#include <stddef.h>
#include <stdint.h>

#include "config/model.h"
#include "kernel/attach.h"
#include "kernel/neighbour.h"

struct wanted {
	struct attach_want *devices;
	size_t n_devices;
	struct neighbour_want *neighbours;
	size_t n_neighbours;
};

int wanted_make(const struct model *m, const struct netlink *netlink, struct wanted *ret);
void wanted_done(struct wanted *w);

/* What of 'netlink' an image is made for besides addresses: next hops that are not written. */
uint64_t wanted_hash(const struct model *m, const struct netlink *netlink, uint64_t hash);
