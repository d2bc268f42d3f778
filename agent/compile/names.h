/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* names: the cold tables of an image: objects, rules, zones and their text.
 *
 * Owner    Appends to the image of 'b' and fills the tables of 'head'.
 * Errors   -ENOMEM, -E2BIG; HG_MAX_RULES is a complaint.
 */
#include "compile/build.h"

/* Numbers all rules and routes: fills b->nacl_rules, b->group_rules and b->table_routes, and
 * writes their table. */
int rules_write(struct build *b, struct hg_header *head);
/* Objects and zones; after zones_choose(). */
int names_write(struct build *b, struct hg_header *head);
