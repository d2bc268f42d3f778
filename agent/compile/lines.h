/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* lines: the blob of an image while it grows.
 *
 * Shape    64-byte lines, aligned to 64 bytes; sections are appended. Equal sections given
 *          to lines_share() are stored once.
 * Units    Sections are addressed by their first line; sizes are in bytes unless the
 *          name says lines. At most HG_MAX_IMAGE_LINES.
 * Owner    lines_done() frees. Pointers into 'line' are good until the next call that
 *          appends.
 * Errors   -ENOMEM, or -E2BIG when the image would pass its limit; nothing is appended.
 */
#include <stddef.h>
#include <stdint.h>

#include <hg/image.h>

#include "base/vec.h"

struct section {
	uint64_t hash;
	uint64_t size;
	uint32_t line;
};

struct lines {
	struct hg_line *line;
	size_t n, room;
	VEC(struct section) sections;
	uint32_t *slots;
	size_t n_slots;
};

/* That the next 'n' lines will not make the blob move: it doubles otherwise, and each time all of
 * it is copied. Room that is not used costs no memory. */
int lines_room(struct lines *l, size_t n);
/* 'n' zeroed lines. */
int lines_reserve(struct lines *l, size_t n, uint32_t *ret_line);
/* A copy of 'size' bytes, padded with zeroes; earlier equal bytes are used again. */
int lines_share(struct lines *l, const void *bytes, size_t size, uint32_t *ret_line);
void lines_done(struct lines *l);

static inline void *lines_at(struct lines *l, uint32_t line)
{
	return l->line + line;
}
