/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* trie: prefixes with classes, as hg/trie.h walks them.
 *
 * Shape    'prefixes' ascend by address, then length, without repeats.
 * Order    Prefixes in host order, see class.h; the image as on the wire.
 * Owner    Borrows 'prefixes'; appends to 'l'. Nothing else may append meanwhile.
 * Errors   -ENOMEM, -E2BIG.
 * Source   hg/trie.h.
 */
#include "compile/class.h"
#include "compile/lines.h"

int trie4_write(struct lines *l, const struct class_prefix *prefixes, size_t n,
		uint32_t *ret_line);
int trie6_write(struct lines *l, const struct class_prefix *prefixes, size_t n,
		uint32_t *ret_line);
