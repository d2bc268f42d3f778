/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ring: many rings filled at once.
 *
 * Shape    Each is maglev_fill()'s, and knows nothing of the others.
 * Owner    The caller owns members and slots, and waits: when rings_fill() returns, all threads
 *          that it began have ended. They have the caller's signal mask.
 * Errors   Those of maglev_fill(), of any ring. A thread that cannot be begun is done without.
 */
#include <stddef.h>

#include "compile/maglev.h"

struct ring_want {
	const struct maglev_member *members;
	size_t n;
	uint16_t *slots; /* HG_RING of them */
};

int rings_fill(const struct ring_want *wants, size_t n);
