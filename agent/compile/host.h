/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* host: what bpf/ calls, on the host: maps of plain memory and a clock that is told.
 *
 * Shape    A map is an array of values; a look-up beyond it is NULL, as in the kernel.
 *          'host' holds them all; eval.c fills it in for the evaluation in hand.
 * Units    Ticks of the clock.
 * Owner    eval.c, the only file that includes the packet path.
 * Errors   There is no ring buffer: events count as lost.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define SEC(name)         __attribute__((unused))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __noinline        __attribute__((noinline))

enum {
	BPF_MAP_TYPE_ARRAY = 1,
	BPF_MAP_TYPE_PERCPU_ARRAY,
	BPF_MAP_TYPE_RINGBUF,
	BPF_F_MMAPABLE,
};

enum {
	BPF_F_RECOMPUTE_CSUM = 1 << 0,
	BPF_F_PSEUDO_HDR = 1 << 4,
	BPF_F_MARK_MANGLED_0 = 1 << 5,
};

#define bpf_htons(x) htons(x)
#define bpf_ntohs(x) ntohs(x)
#define bpf_htonl(x) htonl(x)
#define bpf_ntohl(x) ntohl(x)

#define HOST_FRAME 65536
#define HOST_MAPS  24

struct host_map {
	const void *map;
	uint8_t *values;
	size_t size, n; /* of a value; values */
};

/* A frame as a program's context. */
struct host_frame {
	uint8_t *data;
	size_t size;
};

#define TARGET_DATA(frame) ((void *)((struct host_frame *)(frame))->data)
#define TARGET_END(frame)  (TARGET_DATA(frame) + ((struct host_frame *)(frame))->size)
#define TARGET_XDP_DATA(frame) \
	TARGET_DATA(frame) /* nobody's: its frames are not of XDP */
#define TARGET_XDP_END(frame) TARGET_END(frame)

static struct {
	struct host_map maps[HOST_MAPS];
	uint64_t ticks;
} host;

static void *bpf_map_lookup_elem(const void *map, const void *key)
{
	uint32_t i;

	memcpy(&i, key, sizeof(i));
	for (const struct host_map *m = host.maps; m->map; m++)
		if (m->map == map)
			return i < m->n ? m->values + i * m->size : NULL;
	return NULL;
}

static inline uint64_t bpf_jiffies64(void)
{
	return host.ticks;
}

static inline uint64_t bpf_ktime_get_ns(void)
{
	return 0;
}

static inline void *bpf_ringbuf_reserve(const void *map, size_t size, uint64_t flags)
{
	(void)map;
	(void)size;
	(void)flags;
	return NULL;
}

static inline void bpf_ringbuf_submit(void *p, uint64_t flags)
{
	(void)p;
	(void)flags;
}

static inline long bpf_ringbuf_output(const void *map, void *p, uint64_t size,
				      uint64_t flags)
{
	(void)map;
	(void)p;
	(void)size;
	(void)flags;
	return -1;
}

static inline long bpf_skb_store_bytes(void *ctx, uint32_t off, const void *from,
				       uint32_t size, uint64_t flags)
{
	struct host_frame *f = ctx;

	(void)flags;
	if (off > f->size || size > f->size - off)
		return -1;
	memcpy(f->data + off, from, size);
	return 0;
}

static inline long bpf_xdp_store_bytes(void *ctx, uint32_t off, const void *from,
				       uint32_t size)
{
	return bpf_skb_store_bytes(ctx, off, from, size, 0);
}

/* A frame of the host is whole, its checksums too; 'to' is the difference. */
static inline long bpf_l4_csum_replace(void *ctx, uint32_t off, uint64_t from,
				       uint64_t to, uint64_t flags)
{
	struct host_frame *f = ctx;
	uint16_t check;
	uint64_t sum;

	(void)from;
	if (off > f->size || sizeof(check) > f->size - off)
		return -1;
	memcpy(&check, f->data + off, sizeof(check));
	if (!check && flags & BPF_F_MARK_MANGLED_0)
		return 0;
	for (sum = to + (uint16_t)~check; sum >> 16;)
		sum = (sum & 0xffff) + (sum >> 16);
	check = ~sum;
	if (!check && flags & BPF_F_MARK_MANGLED_0)
		check = 0xffff;
	memcpy(f->data + off, &check, sizeof(check));
	return 0;
}

static inline uint32_t bpf_get_prandom_u32(void)
{
	return 0;
}

enum {
	BPF_ADJ_ROOM_NET,
	BPF_ADJ_ROOM_MAC,
	BPF_F_ADJ_ROOM_FIXED_GSO = 1 << 0,
	BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 = 1 << 1,
	BPF_F_ADJ_ROOM_ENCAP_L4_UDP = 1 << 4,
};

static inline long bpf_xdp_adjust_head(void *ctx, int more)
{
	(void)ctx;
	(void)more;
	return -1;
}

/* The frame moves, as below; what is there of it stays, the room is behind the IP header, or that
 * of the link. */
static inline long bpf_skb_adjust_room(void *ctx, int32_t more, uint32_t mode,
				       uint64_t flags)
{
	static uint8_t moved[HOST_FRAME];
	struct host_frame *f = ctx;
	size_t at = 14, from;

	(void)flags;
	if (f->size <= at)
		return -1;
	if (mode == BPF_ADJ_ROOM_NET)
		at += f->data[at] >> 4 == 6 ? 40 : 20;
	from = more < 0 ? at + (size_t)-more : at;
	if (f->size < from || f->size + 128 > sizeof(moved))
		return -1;
	memmove(moved + at + (more > 0 ? (size_t)more : 0), f->data + from,
		f->size - from);
	if (more > 0)
		memset(moved + at, 0, (size_t)more);
	memmove(moved, f->data, at);
	f->data = moved;
	f->size += (size_t)(ssize_t)more;
	return 0;
}

/* The frame moves to where it has room to grow; who gave it keeps it as it was. */
static inline long bpf_skb_change_proto(void *ctx, uint16_t protocol, uint64_t flags)
{
	static uint8_t moved[HOST_FRAME];
	struct host_frame *f = ctx;
	size_t link = 14, old = protocol == htons(ETH_P_IP) ? 40 : 20, new = 60 - old;

	(void)flags;
	if (f->size < link + old || f->size > sizeof(moved) - new)
		return -1;
	memcpy(moved, f->data, link);
	memset(moved + link, 0, new);
	memcpy(moved + link + new, f->data + link + old, f->size - link - old);
	f->data = moved;
	f->size += new - old;
	return 0;
}
