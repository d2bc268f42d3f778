/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* applied: the agent's answer to apply and rollback, as a person reads it.
 *
 * Errors   None; always EXIT_YES.
 */
#include "command.h"

struct json;

void applied_print(const struct json *answer);
/* The same, or the document itself with --json. */
enum exit_code applied_show(const struct cli *cli, const struct json *answer);
