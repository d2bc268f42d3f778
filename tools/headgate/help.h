/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* help: the command table as text for a terminal.
 *
 * Units    Lines of at most 80 columns.
 */
#include <stdio.h>

#include "command.h"

void help_print(const struct command *c, FILE *f); /* NULL: all commands */
/* "-j, --json" or "--from ADDR" into 'buf'. */
const char *option_print(const struct option *o, char buf[static 64]);
/* The command, its NULL or "" arguments and "[options]" as one line. */
const char *synopsis_print(const struct command *c, char buf[static 128]);
