/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* loop: the only place that sleeps.
 *
 *   signals, netlink, control socket, events of packets, timers -> the agent
 *
 * Owner    loop_run() borrows the agent and returns when it is told to stop.
 * Errors   EXIT_REFUSED after a line in the log, when the loop could not be set up.
 */
#include "agent.h"

/* Before anything else: signals of the start wait for the loop. */
void loop_hold_signals(void);
/* 'fd' listens on the control socket; it is closed. */
enum exit_code loop_run(struct agent *a, int fd);
