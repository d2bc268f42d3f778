/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* limit: rate limits, as chains that begin at what they protect.
 *
 *   subnet, virtual address -> limit -> limit -> 0
 *
 * Shape    A record for each limit of each chain. A node's virtual address is in the chain of
 *          its balancer's limits and of those of its subnet, in one order.
 * Order    By name. A limit has the number of the previous image's limit that is written as
 *          it is, if there is one, so that it goes on with what it has counted.
 * Owner    Appends to the image of 'b'; fills 'limits' of 'head', and 'limit' of the subnets
 *          and virtual addresses that 'head' has by then.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"

int limits_write(struct build *b, struct hg_header *head);
