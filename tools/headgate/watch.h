/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* watch: a command once, or with --watch again and again.
 *
 * Shape    On a terminal the screen is cleared before each round.
 * Errors   The first round that is not EXIT_YES ends it.
 */
#include "command.h"

enum exit_code watch(const struct cli *cli,
		     enum exit_code (*once)(const struct cli *, void *), void *arg);
