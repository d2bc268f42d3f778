/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* history: every rule set that was in force, and which one is.
 *
 *   STATE_DIR/versions/8.json   the document, byte for byte
 *   STATE_DIR/versions/8.meta   who, when, how, what changed (JSON, as GET /v1/history)
 *   STATE_DIR/current           "8"
 *   STATE_DIR/confirm.8         fallback and deadline while 8 waits for its confirmation
 *   STATE_DIR/lock              held by the one agent that uses this directory
 *
 * Shape    Versions count from 1 and are never used again. The highest committed one is
 *          in force. The last HISTORY_KEPT are kept.
 * Units    Times are seconds since 1970.
 * Owner    history_open()/history_free(). Files are replaced by rename after fsync, so any
 *          instant leaves a whole state: a version that was written and not committed is
 *          removed at the next open.
 * Errors   Negative errno; -EBUSY: another agent holds the lock.
 */
#include <stddef.h>
#include <stdint.h>

#define HISTORY_KEPT 100

struct history;
struct json;

struct pending {
	uint32_t version;  /* 0: nothing is pending */
	uint32_t fallback; /* 0: there was none before */
	int64_t deadline;
};

int history_open(const char *dir, struct history **ret);
void history_free(struct history *h); /* NULL is fine */

uint32_t history_current(const struct history *h); /* 0: none */
/* The document, NUL terminated. Heap. -ENOENT. */
int history_text(const struct history *h, uint32_t version, char **ret, size_t *ret_size);
/* The metadata of all that are kept, newest first: a JSON array. NULL when memory is short. */
struct json *history_list(const struct history *h);

/* Writes the version after the current one and returns its number; not in force yet. */
int history_write(struct history *h, const char *text, size_t size,
		  const struct json *meta);
/* Before its commit: 'p->version' will have to be confirmed. */
int history_expect(struct history *h, const struct pending *p);
/* In force. Whatever was pending for an earlier version no longer is. */
int history_commit(struct history *h, uint32_t version);
/* A version that was written and must not be. */
void history_drop(struct history *h, uint32_t version);

struct pending history_pending(const struct history *h);
int history_confirm(struct history *h); /* nothing is pending any more */
void history_postpone(struct history *h, int64_t deadline); /* for this life only */
