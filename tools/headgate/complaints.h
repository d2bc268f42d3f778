/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* complaints: what is wrong with a rule file, for people and for programs.
 *
 *   file:line:col: /json/pointer: sentence
 *   { "level", "file", "line", "column", "pointer", "text" }
 *
 * Owner    Nothing is kept.
 * Errors   None.
 */
#include <stdio.h>

#include "base/diag.h"

struct json;

void complaints_print(FILE *f, struct diag *diag, bool with_warnings);
/* A new array of objects. */
struct json *complaints_json(struct diag *diag);
/* The same array, from the agent. */
void complaints_print_json(FILE *f, const struct json *complaints);
/* "2 errors, 1 warning" */
const char *complaints_count(size_t errors, size_t warnings, char buf[static 64]);
