/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* server: the control socket: HTTP/1.1 on a unix socket, in the agent's one thread.
 *
 *   socket -> peer's credentials -> may it? -> verb -> reply
 *
 * Shape    One epoll descriptor to wait for; server_run() does what can be done without
 *          waiting.
 * Units    Bodies up to HG_MAX_FILE_BYTES; what is beyond is read and thrown away.
 * Owner    server_new() takes the listening 'fd', also on failure; server_free() closes it.
 * Errors   Requests cannot fail the server.
 */
#include "agent.h"
#include "ctl/stream.h"

struct server;

int server_new(struct agent *a, struct stream *stream, int fd, struct server **ret);
void server_free(struct server *s);    /* NULL is fine */
int server_fd(const struct server *s); /* readable: server_run() */
void server_run(struct server *s);
/* Milliseconds until server_run() is due whatever the descriptor says; -1 never. */
int server_timeout_ms(const struct server *s);
