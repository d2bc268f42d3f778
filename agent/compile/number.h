/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* number: ids that an object keeps from one image to the next, because counters or
 * connections go by them.
 *
 * Shape    Ids are 1 to 'max'. First numbers_keep() for every id of the previous image, then
 *          numbers_take() for every object that is new.
 * Owner    numbers_init() allocates, numbers_done() frees.
 * Errors   -ENOMEM. numbers_take(): 0 when all are used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numbers {
	uint32_t max, next;
	bool *is_used, *is_resting;
};

int numbers_init(struct numbers *n, uint32_t max);
void numbers_done(struct numbers *n);
/* 'is_there': who had it has it still. One that is given up rests for an image while others
 * are free, as what goes by it may not be gone. */
void numbers_keep(struct numbers *n, uint32_t id, bool is_there);
uint32_t numbers_take(struct numbers *n);
