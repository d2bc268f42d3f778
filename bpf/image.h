/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* image: reading the compiled rule set.
 *
 * In       pkt->base, from the control word.
 * Out      Pointers to lines, records and words; NULL or 0 beyond the map.
 * Result   A missing line is -HG_DROP_INTERNAL at the caller: the compiler never makes one.
 * Cost     An ARRAY look-up each: inlined, one bounds check, no call.
 */
#include "pkt.h"
#include "target.h"
#include "verifier.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct hg_line);
} hg_image SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_control);
} hg_control SEC(".maps");

static __always_inline void *image_line(const struct pkt *pkt, __u32 line)
{
	__u32 i = pkt->base + line;

	return bpf_map_lookup_elem(&hg_image, &i);
}

static __always_inline __u32 image_word(const struct pkt *pkt, __u32 line, __u32 i)
{
	const struct hg_line *l = image_line(pkt, line + (i >> 4));

	return l ? l->w[i & 15] : 0;
}

static __always_inline __u64 image_quad(const struct pkt *pkt, __u32 line, __u32 i)
{
	const struct hg_line *l = image_line(pkt, line + (i >> 3));
	const __u64 *q = (const __u64 *)l;

	return l ? q[i & 7] : 0;
}

static __always_inline __u32 image_half(const struct pkt *pkt, __u32 line, __u32 i)
{
	const struct hg_line *l = image_line(pkt, line + (i >> 5));
	const __u16 *h = (const __u16 *)l;

	return l ? h[i & 31] : 0;
}

static __always_inline __u32 image_byte(const struct pkt *pkt, __u32 line, __u32 i)
{
	const struct hg_line *l = image_line(pkt, line + (i >> 6));
	const __u8 *b = (const __u8 *)l;

	return l ? b[i & 63] : 0;
}

/* A record of one line, by id. */
static __always_inline void *table_record(const struct pkt *pkt, struct hg_table table,
					  __u32 id)
{
	return id < table.n ? image_line(pkt, table.line + id) : NULL;
}

/* The header is four lines, and a look-up gives one: its first line as a struct, the
 * words of the others by number. */
struct header {
	__u64 magic;
	__u32 abi, n_lines, settings, n_rules;
	struct hg_table ports, devices, interfaces, subnets, vpcs;
};
HG_SIZE(struct header, HG_LINE);
_Static_assert(__builtin_offsetof(struct hg_header, vpcs) ==
		       __builtin_offsetof(struct header, vpcs),
	       "struct header is not the first line of struct hg_header");

static __always_inline const struct header *header_find(const struct pkt *pkt)
{
	return image_line(pkt, 0);
}

#define HEADER_WORD(pkt, field) \
	image_word((pkt), 0, __builtin_offsetof(struct hg_header, field) / 4)

static __always_inline __u32 header_timeout(const struct pkt *pkt, __u32 state)
{
	VERIFIER_KEEP(state);
	return image_word(pkt, 1, state & (HG_STATES - 1));
}
_Static_assert(__builtin_offsetof(struct hg_header, timeouts) == HG_LINE,
	       "timeouts are not the second line of struct hg_header");

static __always_inline struct hg_device *image_device(const struct pkt *pkt, __u32 id)
{
	const struct header *h = header_find(pkt);

	return h ? table_record(pkt, h->devices, id) : NULL;
}

#define HEADER_TABLE(pkt, field)                                                       \
	((struct hg_table){                                                            \
		image_word((pkt), 0, __builtin_offsetof(struct hg_header, field) / 4), \
		image_word((pkt), 0,                                                   \
			   __builtin_offsetof(struct hg_header, field) / 4 + 1) })

static __always_inline struct hg_gateway *image_gateway(const struct pkt *pkt, __u32 id)
{
	return id ? table_record(pkt, HEADER_TABLE(pkt, gateways), id) : NULL;
}

static __always_inline const struct hg_nat *image_nat(const struct pkt *pkt, __u32 id)
{
	return id ? table_record(pkt, HEADER_TABLE(pkt, nats), id) : NULL;
}

static __always_inline const struct hg_vip *image_vip(const struct pkt *pkt, __u32 id)
{
	return id ? table_record(pkt, HEADER_TABLE(pkt, vips), id) : NULL;
}

static __always_inline const struct hg_listener *image_listener(const struct pkt *pkt,
								__u32 id)
{
	return id ? table_record(pkt, HEADER_TABLE(pkt, listeners), id) : NULL;
}

/* The interface 'id', NULL for 0: nobody. */
static __always_inline const struct hg_interface *image_interface(const struct pkt *pkt,
								  __u32 id)
{
	const struct header *h = header_find(pkt);

	return h && id ? table_record(pkt, h->interfaces, id) : NULL;
}

static __always_inline const struct hg_subnet *image_subnet(const struct pkt *pkt,
							    __u32 id)
{
	const struct header *h = header_find(pkt);

	return h && id ? table_record(pkt, h->subnets, id) : NULL;
}
