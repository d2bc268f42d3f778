/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* args: the command line to struct cli.
 *
 *   headgate [global options] COMMAND [options] [arguments]     anywhere, --name=value or
 *                                                               --name value, -- ends options
 *
 * Shape    Options may stand before and after arguments; single letters may not be bundled.
 * Owner    'ret' borrows 'argv'; its argument list is freed by cli_done().
 * Errors   EXIT_USAGE, and 'error' is a line that says what to type instead.
 */
#include "command.h"

#define ARGS_ERROR 512

enum exit_code args_parse(int argc, const char *const argv[],
			  char error[static ARGS_ERROR], struct cli *ret);
void cli_done(struct cli *cli); /* zeroed memory is fine */

/* "90", "90s", "5m", "2h" to seconds from 1 to 'max'; -EINVAL. */
int seconds_parse(const char *text, unsigned max, unsigned *ret);
/* "22" to 0 .. 'max'; -EINVAL. */
int count_parse(const char *text, unsigned max, unsigned *ret);
/* Of words at most two typing errors away from 'typed', the nearest; NULL: none. */
const char *nearest(const char *typed, const char *const words[], size_t n);
