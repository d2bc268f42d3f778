/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* pools: which targets take new connections, in the live words of an image.
 *
 *   health_state() of each target -> policy_decide() of each pool -> usable,
 * n_usable, fails_open
 *
 * Shape    Of a staged image before it comes into force, and of the one in
 * force whenever a state has changed; then in place, as packets read only whole
 * words of it. Owner    The one writer of these words. What it reads is
 * borrowed. Errors   -ENOMEM: the words are as they were.
 */
#include <stdint.h>

#include "compile/image.h"
#include "health/health.h"

/* 'm' is the model that 'image' was compiled from. Returns how many pools are
 * others now. */
int pools_write(struct image *image, const struct model *m, const struct health *h);

/* What an image in force says of targets, before it is written again. */
struct recall;
int recall_new(const struct image *image, const struct model *m, struct recall **ret);
void recall_free(struct recall *r); /* NULL is fine */
static inline void recall_freep(struct recall **r)
{
	recall_free(*r);
}
/* For health_recall(); 'arg' is the struct recall. */
enum health_state recall_state(void *arg, size_t group, size_t target);

struct pools_count {
	uint32_t pools, failing_open;
	uint64_t members, usable;
};
struct pools_count pools_count(const struct image *image);
