/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* lookup: an image read the plain way, and the rule set it came from likewise.
 *
 * Shape    lookup_*() follows include/hg to the letter; scan_*() loops over the model. Tests
 *          hold one against the other.
 * Units    'proto' and 'key' as in hg/classifier.h; key LOOKUP_ORPHAN is a fragment
 *          without one.
 * Owner    Everything is borrowed but what compile_text() returns.
 * Errors   A rule set that cannot be read ends the test.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hg/classifier.h>
#include <hg/trie.h>

#include "base/diag.h"
#include "compile/image.h"
#include "config/read.h"
#include "tests/lib/tap.h"

#define LOOKUP_ORPHAN 65536U

/* ---- making images ---- */

static inline struct model *model_of(const char *text)
{
	struct diag *diag = diag_new();
	struct model *m = NULL;

	if (config_read_text("test.json", text, strlen(text), NULL, diag, &m) < 0) {
		size_t n;
		const struct complaint *list = diag_list(diag, &n);

		for (size_t i = 0; i < n; i++) {
			char *s = complaint_print(&list[i]);

			note("%s", s);
			free(s);
		}
		bail("the rule set of this test is refused");
	}
	diag_free(diag);
	return m;
}

/* NULL, and the first complaint's text in 'ret_text' (heap), when it is refused. */
static inline struct image *image_try(const struct model *m, const struct facts *facts,
				      char **ret_text)
{
	struct diag *diag = diag_new();
	struct image *image = NULL;
	size_t n;

	*ret_text = NULL;
	if (image_compile(m, facts, diag, &image) < 0) {
		const struct complaint *list = diag_list(diag, &n);

		*ret_text = n ? complaint_print(&list[0]) : strdup("");
	}
	diag_free(diag);
	return image;
}

static inline struct image *image_of(const struct model *m)
{
	const struct facts facts = { 0 };
	char *text;
	struct image *image = image_try(m, &facts, &text);

	if (!image)
		bail("the compiler refuses: %s", text);
	return image;
}

/* ---- reading images ---- */

static inline uint32_t lookup_word(const struct image *image, uint32_t line, uint64_t i)
{
	return image->lines[line + i / 16].w[i % 16];
}

static inline uint32_t lookup_half(const struct image *image, uint32_t line, uint64_t i)
{
	return ((const uint16_t *)(image->lines + line))[i];
}

static inline uint32_t lookup_trie4(const struct image *image, uint32_t line,
				    const uint8_t a[4])
{
	uint32_t slot = lookup_word(image, line, (uint64_t)a[0] << 8 | a[1]);

	for (int i = 2; i < 4 && slot & HG_TRIE_BLOCK; i++)
		slot = lookup_word(image,
				   line + HG_TRIE4_ROOT +
					   (slot & ~HG_TRIE_BLOCK) * HG_TRIE4_BLOCK,
				   a[i]);
	return slot;
}

static inline const struct hg_prefix6 *lookup_prefix6(const struct image *image,
						      const struct hg_trie6 *t,
						      const struct addr *a, uint32_t len)
{
	struct cidr c = { *a, (uint8_t)len };
	struct hg_addr want;
	uint32_t bucket;

	cidr_mask(&c);
	memcpy(&want, c.addr.bytes, sizeof(want));
	bucket = hg_hash6(want.w, len);
	for (uint32_t i = 0; i < HG_TRIE6_PROBES; i++) {
		const struct hg_prefix6 *p =
			(const void *)(image->lines + t->buckets +
				       ((bucket + i) & (t->n_buckets - 1)));

		for (int k = 0; k < 2; k++) {
			if (p[k].len == 0)
				return NULL;
			if (p[k].len == len &&
			    memcmp(&p[k].addr, &want, sizeof(want)) == 0)
				return &p[k];
		}
	}
	return NULL;
}

static inline uint32_t lookup_trie6(const struct image *image, uint32_t line,
				    const struct addr *a)
{
	const struct hg_trie6 *t = (const void *)(image->lines + line);
	uint32_t lo = 0, hi = t->n_lengths, class = t->none;

	while (lo < hi) {
		uint32_t m = (lo + hi) / 2;
		const struct hg_prefix6 *p = lookup_prefix6(image, t, a, t->lengths[m]);

		if (p) {
			class = p->class;
			lo = m + 1;
		} else {
			hi = m;
		}
	}
	return class;
}

static inline const struct hg_vpc *lookup_vpc(const struct image *image, uint32_t vpc)
{
	return image_record(image, image_header(image)->vpcs, vpc, sizeof(struct hg_vpc));
}

static inline const struct hg_class *lookup_class(const struct image *image, uint32_t vpc,
						  const struct addr *a)
{
	const struct hg_vpc *v = lookup_vpc(image, vpc);
	uint32_t class = a->family == 6 ? lookup_trie6(image, v->trie6, a)
					: lookup_trie4(image, v->trie4, a->bytes);

	return image_record(image, v->classes, class, sizeof(struct hg_class));
}

static inline uint32_t lookup_column(const struct image *image,
				     const struct hg_classifier *c, uint32_t proto,
				     uint32_t key)
{
	static const uint8_t keyed[4] = { 6, 17, 1, 58 };
	uint32_t slot;

	for (int i = 0; i < 4; i++)
		if (key == LOOKUP_ORPHAN && proto == keyed[i])
			return c->orphan[i];
	slot = lookup_half(image, c->keys, proto);
	if (slot & HG_KEY_BLOCK)
		slot = lookup_half(image, c->keys,
				   (slot & ~HG_KEY_BLOCK) * 256 + (key >> 8));
	if (slot & HG_KEY_BLOCK)
		slot = lookup_half(image, c->keys,
				   (slot & ~HG_KEY_BLOCK) * 256 + (key & 255));
	return slot;
}

static inline uint32_t lookup_answer(const struct image *image,
				     const struct hg_classifier *c, uint32_t row,
				     uint32_t column)
{
	const struct hg_chunk *chunk = (const void *)(image->lines + c->cells);
	uint32_t at;

	if (c->kind == HG_CLASSIFIER_MATRIX)
		return lookup_word(image, c->cells,
				   (uint64_t)row * c->n_columns + column);
	chunk += (uint64_t)row * ((c->n_columns + 31) / 32) + column / 32;
	at = chunk->cell;
	if (chunk->bits == 0)
		return at;
	for (uint32_t i = 1; i <= column % 32; i++)
		at += chunk->bits >> i & 1;
	return lookup_word(image, c->runs, at);
}

/* The cell that answers, clauses resolved with the other end and the source port. */
static inline uint32_t lookup_cell(const struct image *image, uint32_t line,
				   uint32_t peer, uint32_t proto, uint32_t key,
				   const struct addr *other, uint32_t source)
{
	const struct hg_classifier *c = (const void *)(image->lines + line);
	uint32_t row = lookup_word(image, c->rows, peer);
	uint32_t column = lookup_column(image, c, proto, key);
	uint32_t cell = lookup_answer(image, c, row, column);
	const struct hg_clause *clause;

	if (!(cell & HG_CELL_CLAUSES))
		return cell;
	clause = (const void *)(image->lines + c->clauses + (cell & ~HG_CELL_CLAUSES));
	for (; !(clause->flags & HG_CLAUSE_LAST); clause++) {
		struct hg_addr a;
		bool holds = true;

		memcpy(&a, other->bytes, sizeof(a));
		if (clause->flags & HG_CLAUSE_PORTS)
			holds &= source >= clause->first && source <= clause->last;
		if (clause->flags & HG_CLAUSE_ADDRESS) {
			holds &= clause->family == other->family;
			for (int i = 0; i < 4; i++)
				holds &=
					(a.w[i] & clause->mask.w[i]) == clause->addr.w[i];
		}
		if (holds)
			break;
	}
	return clause->cell;
}

/* ---- reading models ---- */

static inline bool scan_peer(const struct model *m, const struct peer *p, int vpc,
			     const struct addr *a)
{
	if (p->kind == PEER_CIDR)
		return cidr_contains(&p->cidr, a);
	if (p->index < 0)
		return false;
	if (p->kind == PEER_PREFIX_LIST) {
		for (size_t i = 0; i < m->prefix_lists[p->index].n_entries; i++)
			if (cidr_contains(&m->prefix_lists[p->index].entries[i], a))
				return true;
		return false;
	}
	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *f = &m->interfaces[i];

		for (size_t k = 0; f->vpc == vpc && k < f->n_groups; k++)
			for (size_t j = 0; f->groups[k] == p->index && j < f->n_addresses;
			     j++)
				if (addr_compare(&f->addresses[j], a) == 0)
					return true;
	}
	return false;
}

/* 1 yes, 0 no, -1 cannot be told of a fragment without ports. */
static inline int scan_match(const struct match *m, int family, int proto, uint32_t key)
{
	bool typed = (proto == 1 && family == 4) || (proto == 58 && family == 6);

	if (m->protocol < 0)
		return 1;
	if (m->protocol != proto)
		return 0;
	if (proto == 6 || proto == 17) {
		bool all = m->n_ports == 0 ||
			   (m->ports[0].first == 0 && m->ports[0].last == 65535);

		if (all)
			return 1;
		if (key == LOOKUP_ORPHAN)
			return -1;
		for (size_t i = 0; i < m->n_ports; i++)
			if (key >= m->ports[i].first && key <= m->ports[i].last)
				return 1;
		return 0;
	}
	if (!typed || m->icmp_type < 0)
		return 1;
	if (key == LOOKUP_ORPHAN)
		return -1;
	return key >> 8 == (uint32_t)m->icmp_type &&
	       (m->icmp_code < 0 || (key & 255) == (uint32_t)m->icmp_code);
}

/* What the NACL says: the index of the rule, n_rules for the implicit deny. */
static inline size_t scan_nacl(const struct model *m, size_t nacl, int direction,
			       const struct addr *peer, const struct addr *other,
			       int proto, uint32_t key, uint32_t source)
{
	const struct nacl *n = &m->nacls[nacl];
	size_t i;

	for (i = 0; i < n->n_rules[direction]; i++) {
		const struct nacl_rule *rule = &n->rules[direction][i];
		int matches;

		if (!scan_peer(m, &rule->cidr, n->vpc, peer) ||
		    (rule->has_peer_cidr &&
		     !scan_peer(m, &rule->peer_cidr, n->vpc, other)))
			continue;
		matches = scan_match(&rule->match, peer->family, proto, key);
		if (matches && rule->match.n_source_ports) {
			bool holds = false;

			for (size_t k = 0; k < rule->match.n_source_ports; k++)
				holds |= source >= rule->match.source_ports[k].first &&
					 source <= rule->match.source_ports[k].last;
			if (key == LOOKUP_ORPHAN)
				matches = -1;
			else if (!holds)
				matches = 0;
		}
		if (matches == 1 || (matches == -1 && !rule->allow))
			break;
	}
	return i;
}

static inline bool scan_anybody(const struct group_rule *rule, int family)
{
	for (size_t i = 0; i < rule->n_peers; i++)
		if (rule->peers[i].kind == PEER_CIDR && rule->peers[i].cidr.len == 0 &&
		    rule->peers[i].cidr.addr.family == family)
			return true;
	return false;
}

/* Whether groups have, in 'direction', a rule for anybody, 'proto' and all ports. */
static inline bool scan_open(const struct model *m, const struct interface *f,
			     int direction, int family, int proto)
{
	for (size_t k = 0; k < f->n_groups; k++) {
		const struct group *g = &m->groups[f->groups[k]];

		for (size_t i = 0; i < g->n_rules[direction]; i++) {
			const struct match *match = &g->rules[direction][i].match;

			if (scan_anybody(&g->rules[direction][i], family) &&
			    (match->protocol < 0 || match->protocol == proto) &&
			    scan_match(match, family, proto, LOOKUP_ORPHAN) == 1)
				return true;
		}
	}
	return false;
}

struct admitted {
	int group; /* index, -1 nobody */
	size_t rule;
	bool untracked;
};

static inline struct admitted scan_groups(const struct model *m, size_t interface,
					  int direction, const struct addr *peer,
					  int proto, uint32_t key)
{
	const struct interface *f = &m->interfaces[interface];
	struct admitted a = { .group = -1 };
	bool open = (proto == 6 || proto == 17) &&
		    scan_open(m, f, !direction, peer->family, proto);

	for (size_t k = 0; k < f->n_groups; k++) {
		const struct group *g = &m->groups[f->groups[k]];

		for (size_t i = 0; i < g->n_rules[direction]; i++) {
			const struct group_rule *rule = &g->rules[direction][i];
			bool is_peer = false;

			for (size_t j = 0; j < rule->n_peers; j++)
				is_peer |= scan_peer(m, &rule->peers[j], f->vpc, peer);
			if (!is_peer ||
			    scan_match(&rule->match, peer->family, proto, key) != 1)
				continue;
			if (a.group < 0) {
				a.group = f->groups[k];
				a.rule = i;
			}
			a.untracked |= open && scan_anybody(rule, peer->family);
		}
	}
	return a;
}

/* ---- chance ---- */

static uint64_t dice_state = 1;

static inline uint32_t dice(uint32_t n)
{
	dice_state += 0x9e3779b97f4a7c15ULL;
	uint64_t x = dice_state;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return (uint32_t)((x ^ x >> 31) >> 11) % n;
}

/* The address 'step' (-1 or 1) beside 'a'. */
static inline struct addr addr_step(struct addr a, int step)
{
	for (int i = (a.family == 6 ? 16 : 4) - 1; i >= 0; i--) {
		a.bytes[i] = (uint8_t)(a.bytes[i] + step);
		if (a.bytes[i] != (step > 0 ? 0 : 255))
			break;
	}
	return a;
}

static inline struct addr cidr_last(const struct cidr *c)
{
	struct addr a = c->addr;

	for (int i = c->len; i < (a.family == 6 ? 128 : 32); i++)
		a.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return a;
}
