/* SPDX-License-Identifier: Apache-2.0 */

/* Both tries are filled from prefixes in the order of a walk over the binary trie: a
 * prefix comes after all that contain it. So an IPv4 prefix may simply overwrite the
 * slots it covers: what lies deeper comes later. What is longer than 24 bits comes in
 * runs of one /24, and equal runs (a list of hosts has but 256 of them) share
 * one block; without that a million hosts would take a gigabyte.
 *
 * IPv6 markers lie where the search for a prefix looks before it finds it, and carry the
 * class of the longest prefix that contains the marker: the deepest one on the walk's
 * stack that is not longer. Neighbours in the walk share markers, so each length
 * remembers its last entry and no look-up is needed to avoid repeats.
 */
#include "compile/trie.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <hg/trie.h>

#include "base/cleanup.h"
#include "compile/pool.h"

#define BLOCK 256

struct trie4 {
	struct lines *l;
	uint32_t line;
	uint32_t n_blocks;
	struct pool
		runs; /* class around, then (byte << 8 | length, class) of each prefix */
	VEC(uint32_t) run_blocks;
	VEC(uint32_t) run;
};

static uint32_t *slots4(struct trie4 *t)
{
	return lines_at(t->l, t->line);
}

static size_t block_at(uint32_t block)
{
	return 65536 + (size_t)block * BLOCK;
}

static int block_add(struct trie4 *t, uint32_t class, uint32_t *ret_block)
{
	uint32_t line, *slots;
	int r;

	r = lines_reserve(t->l, HG_TRIE4_BLOCK, &line);
	if (r < 0)
		return r;
	slots = lines_at(t->l, line);
	for (int i = 0; i < BLOCK; i++)
		slots[i] = class;
	*ret_block = t->n_blocks++;
	return 0;
}

/* The slot of the /24 at 'addr', made if need be. */
static int slot24(struct trie4 *t, uint32_t addr, size_t *ret_slot)
{
	uint32_t above = slots4(t)[addr >> 16], block;
	int r;

	if (!(above & HG_TRIE_BLOCK)) {
		r = block_add(t, above, &block);
		if (r < 0)
			return r;
		above = slots4(t)[addr >> 16] = block | HG_TRIE_BLOCK;
	}
	*ret_slot = block_at(above & ~HG_TRIE_BLOCK) + (addr >> 8 & 0xff);
	return 0;
}

static void fill(uint32_t *slots, uint32_t n, uint32_t class)
{
	for (uint32_t i = 0; i < n; i++)
		slots[i] = class;
}

/* The prefixes 'p[0 .. n)', all of one /24 and longer. */
static int run_write(struct trie4 *t, const struct class_prefix *p, size_t n)
{
	uint32_t id, block;
	size_t slot;
	int r;

	r = slot24(t, (uint32_t)(p->hi >> 32), &slot);
	if (r < 0)
		return r;
	t->run.n = 0;
	if (!vec_push(&t->run, slots4(t)[slot]))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!vec_push(&t->run,
			      (uint32_t)(p[i].hi >> 32 & 0xff) << 8 | p[i].len) ||
		    !vec_push(&t->run, p[i].class))
			return -ENOMEM;
	r = pool_put(&t->runs, t->run.items, t->run.n, &id);
	if (r < 0)
		return r;
	if (id == t->run_blocks.n) {
		r = block_add(t, t->run.items[0], &block);
		if (r < 0)
			return r;
		if (!vec_push(&t->run_blocks, block))
			return -ENOMEM;
		for (size_t i = 0; i < n; i++)
			fill(slots4(t) + block_at(block) + (p[i].hi >> 32 & 0xff),
			     1U << (32 - p[i].len), p[i].class);
	}
	slots4(t)[slot] = t->run_blocks.items[id] | HG_TRIE_BLOCK;
	return 0;
}

static int prefixes4_write(struct trie4 *t, const struct class_prefix *p, size_t n)
{
	size_t slot, end;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i = end) {
		uint32_t addr = (uint32_t)(p[i].hi >> 32);

		end = i + 1;
		if (p[i].len <= 16) {
			fill(slots4(t) + (addr >> 16), 1U << (16 - p[i].len), p[i].class);
		} else if (p[i].len <= 24) {
			r = slot24(t, addr, &slot);
			if (r == 0)
				fill(slots4(t) + slot, 1U << (24 - p[i].len), p[i].class);
		} else {
			while (end < n && p[end].hi >> 40 == p[i].hi >> 40)
				end++;
			r = run_write(t, p + i, end - i);
		}
	}
	return r;
}

int trie4_write(struct lines *l, const struct class_prefix *prefixes, size_t n,
		uint32_t *ret_line)
{
	struct trie4 t = { .l = l };
	int r;

	r = lines_reserve(l, HG_TRIE4_ROOT, &t.line);
	if (r == 0)
		r = prefixes4_write(&t, prefixes, n);
	pool_done(&t.runs);
	vec_done(&t.run_blocks);
	vec_done(&t.run);
	if (r == 0)
		*ret_line = t.line;
	return r;
}

struct entry6 {
	uint64_t hi, lo;
	uint32_t len, class;
};

struct trie6 {
	uint8_t lengths[HG_TRIE6_LENGTHS];
	int n_lengths;
	int index[129]; /* of a length in 'lengths' */
	uint32_t none;
	VEC(struct entry6) entries;
	/* The entry last made at each length; the walk meets equal ones in a row. */
	size_t last[HG_TRIE6_LENGTHS]; /* index + 1 */
	struct entry6 stack[130];
	size_t depth;
};

static void mask6(uint64_t *hi, uint64_t *lo, uint32_t len)
{
	if (len <= 64) {
		*lo = 0;
		if (len < 64)
			*hi = len ? *hi >> (64 - len) << (64 - len) : 0;
	} else if (len < 128) {
		*lo = *lo >> (128 - len) << (128 - len);
	}
}

static bool contains6(const struct entry6 *e, uint64_t hi, uint64_t lo)
{
	mask6(&hi, &lo, e->len);
	return e->hi == hi && e->lo == lo;
}

/* An entry at length number 'm' for what covers hi/lo, unless the walk just made it. */
static int entry_add(struct trie6 *t, int m, uint64_t hi, uint64_t lo, uint32_t class)
{
	struct entry6 e = { hi, lo, t->lengths[m], class };

	mask6(&e.hi, &e.lo, e.len);
	if (t->last[m]) {
		const struct entry6 *last = &t->entries.items[t->last[m] - 1];

		if (last->hi == e.hi && last->lo == e.lo)
			return 0;
	}
	if (!vec_push(&t->entries, e))
		return -ENOMEM;
	t->last[m] = t->entries.n;
	return 0;
}

static uint32_t class_up_to(const struct trie6 *t, uint32_t len)
{
	for (size_t i = t->depth; i > 0; i--)
		if (t->stack[i - 1].len <= len)
			return t->stack[i - 1].class;
	return t->none;
}

/* Markers for 'p', then 'p' itself. */
static int prefix6_add(struct trie6 *t, const struct class_prefix *p)
{
	int lo = 0, hi = t->n_lengths, want = t->index[p->len], r;

	while (t->depth && !contains6(&t->stack[t->depth - 1], p->hi, p->lo))
		t->depth--;
	for (;;) {
		int m = (lo + hi) / 2;

		if (m == want)
			break;
		if (m > want) {
			hi = m;
			continue;
		}
		r = entry_add(t, m, p->hi, p->lo, class_up_to(t, t->lengths[m]));
		if (r < 0)
			return r;
		lo = m + 1;
	}
	t->stack[t->depth++] = (struct entry6){ p->hi, p->lo, p->len, p->class };
	return entry_add(t, want, p->hi, p->lo, p->class);
}

static int entries_make(struct trie6 *t, const struct class_prefix *p, size_t n)
{
	bool has[129] = { false };
	int r;

	if (n > 0 && p->len == 0) {
		t->none = p->class;
		p++;
		n--;
	}
	for (size_t i = 0; i < n; i++)
		has[p[i].len] = true;
	for (int len = 1; len <= 128; len++) {
		if (!has[len])
			continue;
		t->index[len] = t->n_lengths;
		t->lengths[t->n_lengths++] = (uint8_t)len;
	}
	for (size_t i = 0; i < n; i++) {
		r = prefix6_add(t, &p[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The buckets are a ring in which an entry may lie in its own bucket or in one of the next
 * few, with no gap before it. Filled in the order of home buckets, the farthest entry is
 * as near as it can be. 'sizes' counts the entries of each home bucket; true when they
 * fit, and then 'ret_start' is a bucket into which nothing spills. */
static bool buckets_fit(const uint8_t *sizes, uint32_t n, uint32_t *ret_start)
{
	uint32_t waiting = 0, start = 0;

	for (uint32_t i = 0; i < n; i++) {
		waiting += sizes[i];
		waiting -= waiting < 2 ? waiting : 2;
		if (waiting == 0)
			start = i + 1;
	}
	/* The whole ring has room to spare, so what spills over the end is taken in before
	 * 'start', and a second lap from there meets no one from the first. */
	waiting = 0;
	for (uint32_t i = 0; i < n; i++) {
		waiting += sizes[(start + i) & (n - 1)];
		if (waiting > 2 * HG_TRIE6_PROBES)
			return false;
		waiting -= waiting < 2 ? waiting : 2;
	}
	*ret_start = start & (n - 1);
	return true;
}

static void entry_print(const struct entry6 *e, struct hg_prefix6 *ret)
{
	*ret = (struct hg_prefix6){ .len = e->len, .class = e->class };
	ret->addr.w[0] = htobe32((uint32_t)(e->hi >> 32));
	ret->addr.w[1] = htobe32((uint32_t)e->hi);
	ret->addr.w[2] = htobe32((uint32_t)(e->lo >> 32));
	ret->addr.w[3] = htobe32((uint32_t)e->lo);
}

struct buckets {
	uint32_t *hashes; /* by entry */
	uint32_t *order;  /* entries by home bucket */
	uint8_t *sizes;
	uint32_t n, start;
};

/* The smallest power of two in which all entries find a place. */
static int buckets_choose(const struct trie6 *t, struct buckets *b)
{
	struct hg_prefix6 p;

	b->hashes = malloc((t->entries.n + 1) * sizeof(*b->hashes));
	if (!b->hashes)
		return -ENOMEM;
	for (size_t i = 0; i < t->entries.n; i++) {
		entry_print(&t->entries.items[i], &p);
		b->hashes[i] = hg_hash6(p.addr.w, p.len);
	}
	for (b->n = 1; b->n < t->entries.n; b->n *= 2)
		;
	for (;; b->n *= 2) {
		if (b->n > HG_MAX_IMAGE_LINES)
			return -E2BIG;
		free(b->sizes);
		b->sizes = calloc(b->n, 1);
		if (!b->sizes)
			return -ENOMEM;
		/* More than fit anywhere are too many, how many does not matter. */
		for (size_t i = 0; i < t->entries.n; i++)
			if (b->sizes[b->hashes[i] & (b->n - 1)] <= 2 * HG_TRIE6_PROBES)
				b->sizes[b->hashes[i] & (b->n - 1)]++;
		if (buckets_fit(b->sizes, b->n, &b->start))
			return 0;
	}
}

static int buckets_fill(const struct trie6 *t, struct buckets *b,
			struct hg_prefix6 *slots)
{
	uint32_t *ends = calloc(b->n + 1UL, sizeof(*ends));
	uint64_t next = 0;

	b->order = malloc((t->entries.n + 1) * sizeof(*b->order));
	if (!ends || !b->order) {
		free(ends);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < b->n; i++)
		ends[i + 1] = ends[i] + b->sizes[(b->start + i) & (b->n - 1)];
	for (size_t i = 0; i < t->entries.n; i++)
		b->order[ends[(b->hashes[i] - b->start) & (b->n - 1)]++] = (uint32_t)i;
	for (size_t k = 0; k < t->entries.n; k++) {
		uint32_t i = b->order[k];
		uint64_t home = (b->hashes[i] - b->start) & (b->n - 1);

		if (next < home * 2)
			next = home * 2;
		entry_print(&t->entries.items[i],
			    slots + ((next / 2 + b->start) & (b->n - 1)) * 2 + next % 2);
		next++;
	}
	free(ends);
	return 0;
}

static int trie6_emit(const struct trie6 *t, struct buckets *b, struct lines *l,
		      uint32_t *ret_line)
{
	struct hg_trie6 head = { .n_lengths = (uint32_t)t->n_lengths, .none = t->none };
	uint32_t line;
	int r;

	memcpy(head.lengths, t->lengths, sizeof(head.lengths));
	r = buckets_choose(t, b);
	if (r == 0)
		r = lines_reserve(l, sizeof(head) / HG_LINE, &line);
	if (r == 0)
		r = lines_reserve(l, b->n, &head.buckets);
	if (r == 0)
		r = buckets_fill(t, b, lines_at(l, head.buckets));
	if (r < 0)
		return r;
	head.n_buckets = b->n;
	memcpy(lines_at(l, line), &head, sizeof(head));
	*ret_line = line;
	return 0;
}

int trie6_write(struct lines *l, const struct class_prefix *prefixes, size_t n,
		uint32_t *ret_line)
{
	struct trie6 t = { 0 };
	struct buckets b = { 0 };
	int r;

	r = entries_make(&t, prefixes, n);
	if (r == 0)
		r = trie6_emit(&t, &b, l, ret_line);
	vec_done(&t.entries);
	free(b.hashes);
	free(b.order);
	free(b.sizes);
	return r;
}
