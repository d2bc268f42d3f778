/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* class: which addresses of a VPC nothing in its rules tells apart.
 *
 *   prefixes[family] -> class -> peer     -> labels that classifiers compare
 *                             -> interface, subnet, exempt, row, public, nat, vip, inside
 *
 * Shape    A label is a distinct rule CIDR, prefix list or group in use. A peer is a
 *          distinct set of labels of one family; peer 0 has none. 'peers' holds for each
 *          the peer of a shorter prefix that it extends (always a smaller id) and the
 *          labels that it adds. Class 0 is all zero.
 *          'prefixes' are those where the class changes, ascending by address, then
 *          length, so that a prefix follows all that contain it.
 * Units    An IPv4 address is in the upper half of 'hi'.
 * Order    Host order.
 * Owner    classes_build() fills, classes_done() frees; it fills b->vip_peers.
 * Errors   -ENOMEM; limits are complaints. classes_label() gives UINT32_MAX for a peer
 *          that nothing of the VPC compares.
 */
#include "compile/build.h"
#include "compile/route.h"

struct class_prefix {
	uint64_t hi, lo;
	uint32_t len;
	uint32_t class;
};

struct class_peer {
	uint32_t parent;
	uint32_t family;         /* 4, 6; 0 for peer 0 */
	uint32_t added, n_added; /* in classes.added */
};

struct classes {
	struct pool labels;
	struct pool sets; /* family and labels, by peer */
	VEC(struct class_peer) peers;
	VEC(uint32_t) added;
	struct pool exempt_sets; /* of ids in build.exempts */
	struct routes routes;
	VEC(struct hg_class)
	classes; /* 'exempt' is an id in 'exempt_sets' until written */
	struct pool class_ids;
	VEC(struct class_prefix) prefixes[2]; /* IPv4, IPv6 */
};

int classes_build(struct build *b, size_t vpc, struct classes *ret);
void classes_done(struct classes *c);
uint32_t classes_label(struct classes *c, const struct peer *peer);
/* The class table, both tries and the vectors of routes, into 'ret' and b->table_lines. */
int classes_write(struct build *b, struct classes *c, struct hg_vpc *ret);
