/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* shape: which protocols and keys a rule is about, as intervals on one axis.
 *
 *   0          65537       131074      196611      262148
 *   | TCP keys o| UDP keys o|ICMP keys o|ICMPv6 ... o| protocol 0 .. 255
 *
 * Shape    A shape is ascending, disjoint pairs (first, last) in a pool. The key after the
 *          last one of each of the four ('o', 65536) stands for later fragments whose
 *          keys are not known.
 * Units    Positions on the axis; keys as in hg/classifier.h.
 * Owner    Ids are good as long as the pool.
 * Errors   -ENOMEM.
 */
#include <stdbool.h>
#include <stdint.h>

#include "compile/pool.h"
#include "config/model.h"

#define SHAPE_KEYS   65537U
#define SHAPE_ORPHAN 65536U           /* key */
#define SHAPE_OTHER  (4 * SHAPE_KEYS) /* position of protocol 0 */
#define SHAPE_END    (SHAPE_OTHER + 256)

/* 0 .. 3 as HG_ORPHAN_* for the protocols with keys, else -1. */
int shape_keyed(int protocol);
/* Whether 'm' says so much of ports or types that a fragment without them cannot be
 * compared. 'family' decides whether types are looked at. */
bool shape_needs_key(const struct match *m, int family);
/* Any port: absent or 0-65535. */
bool shape_is_every_port(const struct match *m);

/* 'with_orphans': fragments without a key match too. */
int shape_put(struct pool *p, const struct match *m, int family, bool with_orphans,
	      uint32_t *ret_id);
/* Only the fragments without a key. */
int shape_put_orphans(struct pool *p, const struct match *m, uint32_t *ret_id);
/* The part of shape 'id' that is TCP, UDP or both. UINT32_MAX when there is none. */
int shape_put_part(struct pool *p, uint32_t id, bool tcp, bool udp, uint32_t *ret_id);
