/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* classifier: one NACL direction, or one direction of an interface's groups.
 *
 *   peer -> rows[peer] ---------------+
 *   (protocol, key) -> keys -> column |
 *                         cells[row * n_columns + column] -> cell -> clauses
 *
 * Shape    'rows' is __u32 a peer. 'keys' is a trie of __u16 slots in blocks of 256 (8
 *          lines): block 0 by protocol, then by the key's high byte, then its low
 *          byte. A slot is a column, or with HG_KEY_BLOCK the number of a block. The
 *          key is the destination port for TCP and UDP, type << 8 | code for ICMP and
 *          ICMPv6, 0 for the rest.
 *          That is HG_CLASSIFIER_MATRIX. Where it would be large, rows are cut into chunks
 *          of 32 columns (HG_CLASSIFIER_RUNS), and neighbours of equal cell are one run:
 *
 *   chunk = cells[row * chunks of a row + column / 32]
 *   cell  = chunk.bits ? runs[chunk.cell + bits set at 1 .. column % 32] : chunk.cell
 *
 *          A cell is a verdict word, or with HG_CELL_CLAUSES the number of the first
 *          of a run of struct hg_clause, tried in order: the first whose extra
 *          conditions hold answers. A run ends with HG_CLAUSE_LAST, which is not
 *          conditional, after at most HG_MAX_CLAUSES.
 * Units    'line' numbers count from the start of the image.
 * Order    Keys and ports in host order.
 * Owner    agent/compile/cells.c writes, bpf/classifier.h reads.
 */
#include <hg/image.h>

#define HG_KEY_BLOCK 0x8000U

#define HG_CELL_CLAUSES 0x80000000U /* the rest is a clause number */
#define HG_CELL_ALLOW   0x40000000U
#define HG_CELL_UNTRACKED \
	0x20000000U              /* some rule that admits this qualifies as untracked */
#define HG_CELL_RULE 0x00ffffffU /* rule id; 0: no rule admits (groups) */

/* Columns of a later fragment whose first one was not seen: no port, type or code is known. */
enum { HG_ORPHAN_TCP, HG_ORPHAN_UDP, HG_ORPHAN_ICMP, HG_ORPHAN_ICMPV6 };

#define HG_CLASSIFIER_MATRIX 1
#define HG_CLASSIFIER_RUNS   2

#define HG_CHUNK_COLUMNS 32

/* HG_CLASSIFIER_RUNS: 8 a line. */
struct hg_chunk {
	__u32 bits; /* bit i: column i differs from column i - 1; bit 0 is never set */
	__u32 cell; /* bits 0: the cell of all; else the number of the first in 'runs' */
};
HG_SIZE(struct hg_chunk, 8);

struct hg_classifier {
	__u32 kind;  /* HG_CLASSIFIER_* */
	__u32 rows;  /* line: __u32 a peer, 16 a line */
	__u32 keys;  /* line: block i at keys + 8 * i */
	__u32 cells; /* line: __u32 a cell, 16 a line; or struct hg_chunk, 8 a line */
	__u32 n_rows;
	__u32 n_columns;
	__u32 clauses; /* line: struct hg_clause, one a line */
	__u32 n_clauses;
	__u16 orphan[4]; /* columns, by HG_ORPHAN_* */
	__u32 n_rules;   /* rules that were compiled in, for show */
	__u32 runs;      /* line: __u32 a run, 16 a line */
	__u32 n_runs;
	__u32 zero[3];
};
HG_SIZE(struct hg_classifier, HG_LINE);

/* How many bits of 'x' are set; BPF has no instruction for it. */
static inline __attribute__((always_inline)) __u32 hg_ones(__u32 x)
{
	x -= x >> 1 & 0x55555555U;
	x = (x & 0x33333333U) + (x >> 2 & 0x33333333U);
	return ((x + (x >> 4)) & 0x0f0f0f0fU) * 0x01010101U >> 24;
}

#define HG_CLAUSE_LAST    1 /* answers without looking */
#define HG_CLAUSE_PORTS   2 /* the source port must lie in first .. last */
#define HG_CLAUSE_ADDRESS 4 /* the other end must be in addr/mask, family 'family' */

/* NACL rules with source_ports or peer_cidr: the residue that two dimensions cannot say. */
struct hg_clause {
	__u32 cell;        /* verdict word, without HG_CELL_CLAUSES */
	__u32 flags;       /* HG_CLAUSE_* */
	__u16 first, last; /* source ports, host order */
	__u32 family;
	struct hg_addr addr;
	struct hg_addr mask;
	__u32 zero[4];
};
HG_SIZE(struct hg_clause, HG_LINE);
