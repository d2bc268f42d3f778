/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* limit: what rate limits have counted.
 *
 *   source, mark -> hg_limited[set].way[4]      mark -> id -> hg_limits, hg_limit_counts
 *
 * Shape    hg_limited: mmap-able ARRAY of HG_COUNTED_SETS sets of 4 ways, of the sources that
 *          each limit counts. hg_limits: mmap-able ARRAY of struct hg_limit_room by
 *          limit id, hg_limit_counts: PERCPU_ARRAY of struct hg_limit_counts likewise.
 *          A mark names a limit as it is written, so that one which is changed finds
 *          nothing of its own: what bears another mark is not its.
 * Units    What the limit counts; ticks of bpf/clock.h.
 * Order    'source' is hg_counted_source().
 * Owner    bpf/limit.h writes, by atomic operations and without a lock: two CPUs that
 *          meet in one entry may lose a packet's count where a window ends, where a
 *          way is given to another source, and where one of them brings the source.
 *          agent/kernel/limit.c counts again how many sources are limited, each second.
 * Errors   Where a set is full the source that was counted least gives way.
 */
#include <hg/image.h>

#define HG_COUNTED_WAYS 4
#define HG_COUNTED_SETS 16384

/* mark: hash of the limit (23 bits) | id << 1 | 1 while its source is limited */
#define HG_MARK(hash, id)   ((__u32)(hash) << 9 | (__u32)(id) << 1)
#define HG_MARK_LIMITED     1U
#define HG_MARK_BUSY        1U /* of nobody: a CPU writes the entry */
#define HG_MARK_LIMIT(mark) ((mark) & ~HG_MARK_LIMITED)
#define HG_MARK_ID(mark)    ((mark) >> 1 & 0xffU)
#define HG_LIMIT_IDS        256
_Static_assert(HG_MAX_RATE_LIMITS < HG_LIMIT_IDS, "a mark has 8 bits for an id");

/* One source of one limit. */
struct hg_counted {
	__u64 source;
	__u32 mark;     /* 0 is free */
	__u32 start;    /* ticks: of the window in hand */
	__u64 present;  /* counted in it */
	__u64 previous; /* and in the one before */
};
HG_SIZE(struct hg_counted, 32);

struct hg_counted_set {
	struct hg_counted way[HG_COUNTED_WAYS];
};
HG_SIZE(struct hg_counted_set, 128);

struct hg_limit_room {
	__u32 mark;
	__u32 n; /* sources that it limits, at most HG_MAX_LIMITED but for races */
};
HG_SIZE(struct hg_limit_room, 8);

struct hg_limit_counts {
	__u32 mark;
	__u32 zero;
	__u64 packets, bytes;         /* that it has counted */
	__u64 over, over_bytes;       /* of them: of sources that were above it */
	__u64 dropped, dropped_bytes; /* of them: that it dropped */
	__u64 zero1;
};
HG_SIZE(struct hg_limit_counts, 64);

/* An IPv4 address, or the /64 of an IPv6 one; no source is multicast, so they do not meet. */
HG_IMAGE_INLINE __u64 hg_counted_source(const struct hg_addr *a, __u32 family)
{
	return family == HG_FAMILY_6 ? (__u64)a->w[1] << 32 | a->w[0]
				     : (__u64)a->w[0] << 32 | 0xffffffffU;
}

/* What was counted in the window's part of the last full one, and in this one; 'age' ticks of
 * 'window' have gone by. */
HG_IMAGE_INLINE __u64 hg_counted_estimate(__u64 previous, __u64 present, __u32 age,
					  __u32 window)
{
	return present + previous * (window - age) / window;
}
