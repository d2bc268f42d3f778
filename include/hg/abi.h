/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* abi: the types and the version of everything that crosses the line.
 *
 * Shape    Fixed-width types of linux/types.h, no pointers, enums, bit-fields or
 *          hidden padding. HG_SIZE follows every struct and fails the build of
 *          either compiler when a size drifts.
 * Units    HG_ABI counts layout changes. Pins of another number are migrated or
 *          dropped by agent/kernel/adopt.c, never read.
 * Order    __be16 and __be32 are as on the wire; everything else is host order.
 * Owner    Whoever changes a number in HG_SIZE bumps HG_ABI in the same commit.
 */
#include <linux/types.h>

#define HG_ABI 4

#define HG_SIZE(type, bytes) \
	_Static_assert(sizeof(type) == (bytes), #type " is not " #bytes)

/* An IPv4 address is in w[0] with the rest zero. */
struct hg_addr {
	__be32 w[4];
};
HG_SIZE(struct hg_addr, 16);

#define HG_FAMILY_NONE 0 /* not IP */
#define HG_FAMILY_4    4
#define HG_FAMILY_6    6
