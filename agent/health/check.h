/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* check: one health check after another, of thousands at a time.
 *
 *   wire_order -> connection (-> TLS -> GET) -> outcome
 *
 * Shape    A check in flight has one connection of its own, which nobody uses after it.
 * Units    As wire.h.
 * Owner    checks_new()/checks_free(), with the event loop borrowed. check_start() borrows
 *          'order' until the end; a check that is ended by check_stop() has no outcome.
 * Errors   Negative errno. Whatever a target does is an outcome.
 */
#include <stdint.h>

#include "health/wire.h"

struct checks;
struct check;
struct sd_event;

typedef void (*check_done)(void *arg, enum wire_outcome outcome, uint32_t status,
			   uint32_t duration_us);

int checks_new(struct sd_event *event, struct checks **ret);
void checks_free(struct checks *c); /* when no check is in flight any more */
int check_start(struct checks *c, const struct wire_order *order, check_done done,
		void *arg, struct check **ret);
void check_stop(struct check *check); /* NULL is fine */
