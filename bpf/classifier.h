/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* classifier: the verdict of one NACL direction or one set of groups.
 *
 * In       pkt->tuple, pkt->frag; the peer's row selector; protocol and key.
 * Out      A cell: HG_CELL_ALLOW, HG_CELL_UNTRACKED and the rule id; 0 nobody admits.
 * Cost     The classifier's line, the row, one to three key slots, the cell: four to six
 *          loads, whatever the number of rules. Clauses cost a line each.
 */
#include <hg/classifier.h>

#include "image.h"
#include "wire.h"

static __always_inline __u32 classifier_column(const struct pkt *pkt,
					       const struct hg_classifier *c,
					       __u32 protocol, __u32 key)
{
	__u32 slot = image_half(pkt, c->keys, protocol);

	if (slot & HG_KEY_BLOCK)
		slot = image_half(pkt, c->keys + (slot & ~HG_KEY_BLOCK) * 8,
				  key >> 8 & 255);
	if (slot & HG_KEY_BLOCK)
		slot = image_half(pkt, c->keys + (slot & ~HG_KEY_BLOCK) * 8, key & 255);
	return slot & ~HG_KEY_BLOCK;
}

/* The column of a fragment without ports; protocols that have none use their own. */
static __always_inline __u32 classifier_orphan(const struct pkt *pkt,
					       const struct hg_classifier *c)
{
	switch (pkt->tuple.protocol) {
	case IPPROTO_TCP:
		return c->orphan[HG_ORPHAN_TCP];
	case IPPROTO_UDP:
		return c->orphan[HG_ORPHAN_UDP];
	case IPPROTO_ICMP:
		return c->orphan[HG_ORPHAN_ICMP];
	case IPPROTO_ICMPV6:
		return c->orphan[HG_ORPHAN_ICMPV6];
	}
	return classifier_column(pkt, c, pkt->tuple.protocol, 0);
}

static __always_inline __u32 classifier_cell(const struct pkt *pkt,
					     const struct hg_classifier *c, __u32 peer,
					     __u32 column)
{
	__u32 row = image_word(pkt, c->rows, peer), chunks, i, before;
	const struct hg_chunk *chunk;

	if (c->kind == HG_CLASSIFIER_MATRIX)
		return image_word(pkt, c->cells, row * c->n_columns + column);
	chunks = (c->n_columns + HG_CHUNK_COLUMNS - 1) / HG_CHUNK_COLUMNS;
	i = row * chunks + column / HG_CHUNK_COLUMNS;
	chunk = image_line(pkt, c->cells + (i >> 3));
	if (!chunk)
		return 0;
	chunk += i & 7;
	if (!chunk->bits)
		return chunk->cell;
	/* Bits 1 to column % 32; bit 0 is never set. */
	before = chunk->bits & ((2U << column % HG_CHUNK_COLUMNS) - 1);
	return image_word(pkt, c->runs, chunk->cell + hg_ones(before));
}

/* Of groups: 'key' may be that of the opposite direction. */
static __always_inline __u32 classifier_find(const struct pkt *pkt, __u32 line,
					     __u32 peer, __u32 key)
{
	const struct hg_classifier *c;
	__u32 column;

	c = image_line(pkt, line);
	if (!c)
		return 0;
	column = pkt->frag == FRAG_ORPHAN
			 ? classifier_orphan(pkt, c)
			 : classifier_column(pkt, c, pkt->tuple.protocol, key);
	return classifier_cell(pkt, c, peer, column);
}

/* Does the clause hold? An orphan's source port is unknown: then a denial holds. */
static __always_inline int clause_holds(const struct pkt *pkt, const struct hg_clause *c,
					const struct hg_addr *other)
{
	if (c->flags & HG_CLAUSE_ADDRESS) {
		if (c->family != pkt->tuple.family)
			return 0;
		if (((other->w[0] & c->mask.w[0]) ^ c->addr.w[0]) |
		    ((other->w[1] & c->mask.w[1]) ^ c->addr.w[1]) |
		    ((other->w[2] & c->mask.w[2]) ^ c->addr.w[2]) |
		    ((other->w[3] & c->mask.w[3]) ^ c->addr.w[3]))
			return 0;
	}
	if (c->flags & HG_CLAUSE_PORTS) {
		__u32 port = bpf_ntohs(pkt->tuple.sport);

		if (pkt->frag == FRAG_ORPHAN)
			return !(c->cell & HG_CELL_ALLOW);
		if (port < c->first || port > c->last)
			return 0;
	}
	return 1;
}

/* The rules of 'cell' one after another. 'other': the address that the peer's row does
 * not stand for. */
HG_GLOBAL __u32 classifier_clause(const struct pkt *pkt, __u32 line, __u32 cell,
				  const struct hg_addr *other)
{
	const struct hg_classifier *c;
	__u32 at;

	if (!pkt || !other)
		return 0;
	c = image_line(pkt, line);
	if (!c)
		return 0;
	at = c->clauses + (cell & ~HG_CELL_CLAUSES);
	for (__u32 i = 0; i <= HG_MAX_CLAUSES; i++) {
		const struct hg_clause *clause = image_line(pkt, at + i);

		if (!clause)
			return 0;
		if (clause->flags & HG_CLAUSE_LAST || clause_holds(pkt, clause, other))
			return clause->cell;
	}
	return 0;
}

static __always_inline __u32 classifier_find_ordered(const struct pkt *pkt, __u32 line,
						     __u32 peer,
						     const struct hg_addr *other)
{
	__u32 cell = classifier_find(pkt, line, peer, pkt->key);

	return cell & HG_CELL_CLAUSES ? classifier_clause(pkt, line, cell, other) : cell;
}
