/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* balancer: virtual addresses, their listeners and what these forward to.
 *
 * Shape    A virtual address is one of a load balancer, with a listener record for each of
 *          the balancer's, two for tcp_udp.
 * Owner    balancers_choose() fills b->meters; balancers_write() appends to the image
 *          of 'b' and fills the tables of 'head'.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"
#include "compile/target.h"

/* Meters, by balancer; that of the previous image where there is one. */
int balancers_choose(struct build *b);
int balancers_write(struct build *b, struct targets *t, struct hg_header *head);
