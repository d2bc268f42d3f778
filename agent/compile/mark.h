/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* mark: one prefix and one thing that it stands for.
 *
 * Shape    marks_sort() orders by address, length, kind, value and removes repeats: a
 *          prefix follows all that contain it.
 * Order    Host order; an IPv4 address is in the upper half of 'hi'.
 * Owner    Values in a VEC of the caller.
 */
#include <stdint.h>

#include "base/addr.h"
#include "base/vec.h"

enum mark_kind {
	MARK_LABEL,
	MARK_INTERFACE,
	MARK_SUBNET,
	MARK_INSIDE,   /* a CIDR of the VPC */
	MARK_PUBLIC,   /* elastic IP */
	MARK_NAT,      /* NAT gateway */
	MARK_VIP,      /* virtual address */
	MARK_UNROUTED, /* no route leads there */
	MARK_ROUTE,    /* route.h */
	MARK_EXEMPT,
	MARK_PLACE, /* uplink.h */
};

struct mark {
	uint64_t hi, lo;
	uint32_t value;
	uint16_t len;
	uint16_t kind;
};

struct marks {
	VEC(struct mark) of[2]; /* IPv4, IPv6 */
};

bool marks_add(struct marks *m, const struct cidr *prefix, enum mark_kind kind,
	       uint32_t value);
bool marks_add_address(struct marks *m, const struct addr *a, enum mark_kind kind,
		       uint32_t value);
void marks_sort(struct marks *m);
void marks_done(struct marks *m);
