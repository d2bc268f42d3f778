/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* explain: the parts of headgate explain: options, many packets, print.
 *
 * Owner    Trees belong to whoever holds them; explain_pair() takes both.
 * Errors   end_parse(): -EINVAL.
 */
#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "compile/explain.h"

struct json;

/* "10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]", "[fd00::1]:80". */
int end_parse(const char *text, struct addr *ret, uint16_t *ret_port, bool *ret_has_port);
struct json *question_json(const struct question *q);

bool explain_is_allowed(const struct json *answer); /* NULL: no */
/* { "forward": answer, "return": answer or null } */
struct json *explain_pair(struct json *forward, struct json *back);
/* 'back' answers 'reverse'; NULL: the packet does not arrive. */
void explain_print(const struct cli *cli, const struct question *q,
		   const struct json *forward, bool with_return,
		   const struct question *reverse, const struct json *back);
/* Every line of a file. */
enum exit_code explain_packets(const struct cli *cli, const char *path);
