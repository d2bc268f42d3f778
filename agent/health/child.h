/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* child: the process headgate-probe, as long as somebody wants it.
 *
 *   wanted -> started -> up -> (dies, babbles) -> waits -> started ...
 *
 * Shape    One process, one SOCK_SEQPACKET pair. What dies is started again after 100 ms, and
 *          each time that it lives for less than a minute after twice as long, up to 30 s.
 * Units    'limit' is messages a second; a process that sends more is ended.
 * Owner    child_new()/child_free(). Borrows the event loop. SIGCHLD must be blocked.
 * Errors   child_send(): -EAGAIN when there is no room, and 'writable' comes when there is;
 *          -ENOTCONN when it is not up, and 'up' comes when it is.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct child;
struct sd_event;

struct child_events {
	void (*up)(void *arg);
	void (*down)(void *arg, const char *why);
	void (*writable)(void *arg);
	/* After the last of a run of messages. */
	void (*settled)(void *arg);
	int (*message)(void *arg, const void *message,
		       size_t size); /* negative: end it */
	void *arg;
};

int child_new(struct sd_event *event, const char *path, size_t largest,
	      const struct child_events *events, struct child **ret);
void child_free(struct child *c); /* ends it; NULL is fine */
void child_want(struct child *c, bool is_wanted);
void child_limit(struct child *c, uint32_t limit);
int child_send(struct child *c, const void *message, size_t size);
/* It is of no use any more; another one is started as after a death. */
void child_end(struct child *c, const char *why);
int child_pid(const struct child *c); /* 0: it is not up */
uint32_t child_restarts(const struct child *c);
