/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* probe: when what is checked; the life of headgate-probe.
 *
 *   orders -> timers -> checks -> results
 *
 * Shape    A check by id, as ordered last. The first of a target is at once, behind those that
 *          were ordered just before; the second after a part of the interval that is drawn by
 *          lot, so that targets that came together are not checked together for ever.
 * Units    As wire.h.
 * Owner    probe_run() owns all, and 'fd'.
 * Errors   0 when the agent has closed its end; negative errno, -EBADMSG when it says what is
 *          no order.
 */
int probe_run(int fd);
