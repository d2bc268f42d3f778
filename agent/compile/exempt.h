/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* exempt: what no filter touches, as the packet path looks it up.
 *
 * Shape    One port range of one entry of settings.exempt is an id in build.exempts, two
 *          words: protocol | any port << 8, and first | last << 16. A set of ids is one
 *          struct hg_exempt.
 * Owner    Ids are good for the build; lines are in its image.
 * Errors   -ENOMEM. More than HG_MAX_EXEMPT_PORTS for one address is a complaint.
 */
#include "compile/build.h"
#include "compile/mark.h"

/* Marks the addresses that settings.exempt names for 'vpc'. */
int exempt_mark(struct build *b, size_t vpc, struct marks *marks);
/* A set of ids to the line of its hg_exempt; 0 for none. */
int exempt_write(struct build *b, const uint32_t *ids, size_t n, uint32_t *ret_line);
/* The same for the entries without an address. */
int exempt_write_header(struct build *b, uint32_t *ret_line);
