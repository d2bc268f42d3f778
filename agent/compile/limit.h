/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* limit: rate limits of the image, a chain for each balancer and subnet that has some.
 *
 * Shape    Records in model order, from 1: the order of names, which is that of a chain.
 * Owner    Appends to the image of 'b'; fills head->limits.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"

/* The first record of the chain of a load balancer or a subnet; -1: not that one. */
uint32_t limit_first(const struct model *m, int load_balancer, int subnet);
/* A limit has the id of the previous image if nothing of it has changed: what was counted
 * goes by it. */
int limits_write(struct build *b, struct hg_header *head);
