/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* gateway: internet, egress-only and NAT gateways of the image.
 *
 * Shape    hg_header.gateways has the internet gateways, then the egress-only ones; both
 *          in model order, from 1; then those of host devices that have a
 *          balancer, whose next hops are the kernel's; 'nats' the NAT gateways, each with the number that it
 *          had, for connections and counters go by it, and zero records between them.
 *          Forwards lie one NAT gateway after another.
 * Owner    gateways_choose() fills b->device_gateways, nats_choose() b->nat_ids; gateways_write()
 *          appends to the image of 'b' and fills the tables of 'head'.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"

/* After the devices are listed. */
void gateways_choose(struct build *b);
/* The number of the previous image where there is one. One that is given up rests for an
 * image while others are free, as its connections may not. */
int nats_choose(struct build *b);
int gateways_write(struct build *b, struct hg_header *head);
