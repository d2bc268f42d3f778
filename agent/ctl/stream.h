/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* stream: GET /v1/events: what happens, a JSON document a line, to whoever reads.
 *
 *   hg_events (ring buffer) -+
 *   rule sets, devices ------+-> line -> a queue a reader -> chunks of the answer
 *
 * Shape    At most STREAM_READERS; each has a queue of STREAM_QUEUE bytes. What does not
 *          fit is counted and told as { "lost": N } when there is room again.
 * Owner    stream_new()/stream_free(). Readers belong to the HTTP server, which frees them
 *          with their connection. hg_control.monitor is 1 while there is a reader.
 * Errors   None after the start: events are lost, never waited for.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent.h"

#define STREAM_READERS 16
#define STREAM_QUEUE   (256U << 10)

struct stream;
struct MHD_Connection;
struct MHD_Response;

int stream_new(struct agent *a, struct stream **ret);
void stream_free(struct stream *s);    /* NULL is fine */
int stream_fd(const struct stream *s); /* readable: stream_drain() */
void stream_drain(struct stream *s);
/* Once a second: readers that have hung up are found, losses of the packet path told. */
void stream_tick(struct stream *s);

void stream_rules(struct stream *s, uint32_t version, const char *action);
void stream_device(struct stream *s, const struct attached *d);
void stream_health(struct stream *s, const struct health_change *c);

/* All readers; the server can stop then. */
void stream_hang_up(struct stream *s);
/* The endless answer to 'connection'; NULL: too many readers, or memory is short. */
struct MHD_Response *stream_open(struct stream *s, struct MHD_Connection *connection,
				 bool is_drops_only);
