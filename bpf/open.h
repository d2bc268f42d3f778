/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* open: both entries of a new connection.
 *
 * In       scratch->pkt; the first life, path and HG_FLOW_* of the opener's direction.
 * Out      Two entries that know each other. The opener's packet is counted in its own;
 *          the other direction has not been judged yet, so its entry carries epoch 0.
 * Result   0, -HG_DROP_FLOW_TABLE_FULL, or -HG_DROP_INTERNAL when a set's lock was not to
 *          be had in LOCK_TRIES tries; nothing stays behind then.
 * Cost     Two sets, two locks.
 */
#include "scratch.h"

static __always_inline int open_failed(__u32 at)
{
	return at == FLOW_FULL ? -HG_DROP_FLOW_TABLE_FULL : -HG_DROP_INTERNAL;
}

/* HG_FLOW_* of the other direction: the ends change places. */
static __always_inline __u32 open_flags_back(__u32 flags)
{
	return (flags & HG_FLOW_EXEMPT) |
	       (flags & HG_FLOW_TRACK_SRC ? HG_FLOW_TRACK_DST : 0) |
	       (flags & HG_FLOW_TRACK_DST ? HG_FLOW_TRACK_SRC : 0);
}

HG_GLOBAL int flow_open(struct scratch *s, __u32 life, __u32 path, __u32 flags)
{
	struct flow *here, *there;
	__u32 here_at, there_at;
	const struct pkt *pkt;

	if (!s)
		return -HG_DROP_INTERNAL;
	pkt = &s->pkt;
	s->back = (struct hg_tuple){ .saddr = pkt->tuple.daddr,
				     .daddr = pkt->tuple.saddr,
				     .sport = pkt->tuple.dport,
				     .dport = pkt->tuple.sport,
				     .protocol = pkt->tuple.protocol,
				     .family = pkt->tuple.family,
				     .zone = pkt->tuple.zone };
	flow_touch(&s->back);
	s->work.seed = (struct flow_seed){ .epoch = pkt->epoch,
					   .life = life | flags << 24,
					   .path = path,
					   .packets = pkt->segs,
					   .bytes = pkt->len,
					   .created = pkt->now };
	here_at = flow_insert(&pkt->tuple, &s->work, pkt->now);
	if (here_at == FLOW_FULL || here_at == FLOW_LOCKED)
		return open_failed(here_at);
	s->work.seed = (struct flow_seed){ .life = life | open_flags_back(flags) << 24,
					   .created = pkt->now };
	there_at = flow_insert(&s->back, &s->work, pkt->now);
	here = flow_at(here_at, pkt->tuple.family);
	if (!here)
		return -HG_DROP_INTERNAL;
	if (there_at == FLOW_FULL || there_at == FLOW_LOCKED) {
		/* Only what was just published is taken back. */
		__sync_lock_test_and_set(&here->tail, 0);
		return open_failed(there_at);
	}
	there = flow_at(there_at, pkt->tuple.family);
	if (!there)
		return -HG_DROP_INTERNAL;
	WRITE_ONCE(here->state.pair, there_at);
	WRITE_ONCE(there->state.pair, here_at);
	if (!flow_is_still(here, &pkt->tuple)) {
		/* Both live in one set, and the first had to give way to the second. */
		__sync_lock_test_and_set(&there->tail, 0);
		return -HG_DROP_FLOW_TABLE_FULL;
	}
	return 0;
}
