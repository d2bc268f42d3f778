/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ring: what packets tell the agent, one record after another.
 *
 *   hg_events    struct hg_event      hg_refusals    struct hg_refusal
 *
 * Shape    One consumer a ring; records in the order of their commit.
 * Owner    ring_new()/ring_free(). A record is good during the call.
 * Errors   Negative errno.
 */
#include <stddef.h>

struct ring;
struct dataplane;

typedef void ring_fn(void *arg, const void *record);

/* Records of map 'name' that have 'size' bytes or more. */
int ring_new(struct dataplane *dp, const char *name, size_t size, ring_fn *fn, void *arg,
	     struct ring **ret);
void ring_free(struct ring *r); /* NULL is fine */
int ring_fd(const struct ring *r);
void ring_drain(struct ring *r);
