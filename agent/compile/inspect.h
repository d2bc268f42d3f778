/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* inspect: gateway load balancers of the image.
 *
 * Shape    Records by id, which meters give (balancer.h); the pool of each is that of its appliances' IPv4
 *          addresses, in every zone.
 * Owner    Appends to the image of 'b'; fills head->gwlbs.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"
#include "compile/target.h"

int inspects_write(struct build *b, struct targets *t, struct hg_header *head);
