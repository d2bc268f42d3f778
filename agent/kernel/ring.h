/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ring: hg_events as the agent reads it.
 *
 * Shape    One consumer; records of struct hg_event in the order of their commit.
 * Owner    ring_new()/ring_free(). An event is good during the call.
 * Errors   Negative errno.
 */
#include <hg/event.h>

#include <stddef.h>

struct ring;
struct dataplane;

typedef void ring_fn(void *arg, const struct hg_event *event);

int ring_new(struct dataplane *dp, ring_fn *fn, void *arg, struct ring **ret);
void ring_free(struct ring *r); /* NULL is fine */
int ring_fd(const struct ring *r);
void ring_drain(struct ring *r);
