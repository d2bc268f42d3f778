/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* targets: what becomes of the health of targets: words of pools, connections that end, events.
 *
 *   probe -> health -+-> pools_write() on the image in force
 *                    +-> cuts_add() -> targets_cut()
 *                    +-> the agent's events
 *
 * Owner    struct agent holds the health and the cuts. One thread.
 * Errors   Negative errno where something is made; what goes wrong later is logged.
 */
#include <stdint.h>

#include "agent.h"

struct sd_event;
struct hg_refusal;

int targets_new(struct agent *a);
void targets_free(struct agent *a);
/* The model in force is one that the image in the kernel is not made of yet: after a start.
 * Targets are what that image says of them. */
void targets_restore(struct agent *a);
/* The model in force and the image are another pair. 'is_new': of the model. */
void targets_follow(struct agent *a, bool is_new);
/* Before a staged image comes into force. */
int targets_stage(struct agent *a, const struct model *m, struct image *staged);

/* Checks from now on. */
void targets_start(struct agent *a, struct sd_event *event);
void targets_run(struct agent *a); /* ten times a second */
void targets_cut(struct agent *a); /* when something may have been added */
void targets_refused(struct agent *a, const struct hg_refusal *refusal);
