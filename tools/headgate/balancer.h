/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* balancer: load balancers and targets as headgate show prints them.
 *
 * Owner    Borrows the agent's answer.
 * Errors   What is absent is "-".
 */
#include "command.h"

struct json;
struct table;

extern const char *const balancer_heads[], *const target_heads[];

void balancer_add(struct table *t, const struct json *balancer);
/* Below the row of one: where its listeners send to, and all of its metrics. */
void balancer_print(const struct cli *cli, const struct json *balancer);
void target_add(struct table *t, const struct json *target);
