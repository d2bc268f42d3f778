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

enum exit_code loop_run(struct agent *a);
