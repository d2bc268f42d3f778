/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* nacl: the ordered rules of one direction of a network ACL, as a classifier.
 *
 * Shape    Items in the order of rule numbers; the implicit deny is the fallback. A rule
 *          with source_ports or peer_cidr becomes an item with clauses.
 * Owner    The line is in the image of 'b', once for each NACL and direction.
 * Errors   As classifier_compile().
 */
#include "compile/build.h"
#include "compile/class.h"

int nacl_compile(struct build *b, struct classes *classes, size_t nacl, int direction,
		 uint32_t *ret_line);
