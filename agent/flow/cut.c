/* SPDX-License-Identifier: Apache-2.0 */

/* The simplest thing would be to free the entries. Then the next segment of a client would be
 * that of an unknown connection, which is told so as well; but the target's answers would
 * leave by the route table, past the balancer, and a target is what it was before. So both
 * entries stay and say that the connection is over.
 *
 * A target is found in the key of the answers' entry, where they come from. Only this entry's
 * first line is read to find that it is another target's, and its pair only when it is not: 7 ns
 * an entry of a table that is larger than the cache, most of it waiting for memory.
 *
 * What an appliance has is not over, but another's: its address is taken from both entries.
 *
 * Who races. A packet that was judged before the cut may store its epoch and its life after
 * it: nothing is lost but the cut, and whoever cuts does so twice. An entry may be
 * freed and given to another connection between our look at its key and our store; then
 * its word has changed, and what was stored is taken back. tests/unit/flow/cut.c.
 */
#include "flow/cut.h"

#include <stdlib.h>
#include <string.h>

#include "flow/entry.h"

#define TRIES 4 /* packets change a life a few times in all */

static int cut_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct flow_target));
}

size_t flow_cuts_sort(struct flow_target *cuts, size_t n)
{
	size_t left = 0;

	if (n)
		qsort(cuts, n, sizeof(*cuts), cut_compare);
	for (size_t i = 0; i < n; i++)
		if (left == 0 || cut_compare(&cuts[left - 1], &cuts[i]) != 0)
			cuts[left++] = cuts[i];
	return left;
}

/* 'seen' moves on to 'now', of which the top bit is not known. */
static void seen_set(struct hg_state *s, uint32_t now)
{
	uint32_t seen = __atomic_load_n(&s->seen, __ATOMIC_RELAXED);

	__atomic_store_n(&s->seen, seen + ticks_since(now, seen), __ATOMIC_RELAXED);
}

/* Whether the entry was alive and is not any more. */
static bool entry_cut(const struct entry *e, uint64_t word, uint32_t now)
{
	struct hg_state *s = e->state;

	for (int i = 0; i < TRIES; i++) {
		uint32_t life = __atomic_load_n(&s->life, __ATOMIC_RELAXED);
		uint32_t over = HG_LIFE(0, HG_STATE_CLOSING, HG_LIFE_FLAGS(life));

		if (entry_word(e) != word)
			return false;
		if (life != over &&
		    !__atomic_compare_exchange_n(&s->life, &life, over, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			continue;
		if (entry_word(e) != word) {
			__atomic_compare_exchange_n(&s->life, &over, life, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
			return false;
		}
		if (life != over)
			seen_set(s, now);
		__atomic_store_n(&s->epoch, 0, __ATOMIC_RELAXED);
		return life != over;
	}
	return false;
}

/* The next packet gives both another appliance. An entry that was given to another connection
 * meanwhile is met with that one's word in its place, and left. */
static bool entry_move(const struct entry *e, const struct entry *pair, uint64_t word,
		       uint32_t appliance)
{
	const struct entry *both[] = { e, pair };
	bool has_moved = false;

	for (size_t i = 0; i < 2 && entry_word(e) == word; i++) {
		uint32_t *at = both[i] ? entry_appliance(both[i]) : NULL;
		uint32_t was = appliance;

		if (at && state_is_balanced(both[i]->state) &&
		    __atomic_compare_exchange_n(at, &was, 0, false, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			has_moved = true;
	}
	return has_moved;
}

static bool index_cut(const struct flow_tables *t, unsigned family, uint32_t index,
		      const struct flow_target *cuts, size_t n, uint32_t now)
{
	struct entry e = entry_at(t, family, index), pair;
	uint64_t word = entry_word(&e), pair_word;
	struct flow_target target;
	bool has_pair;

	if (!word || HG_LIFE_FLAGS(e.state->life) & HG_FLOW_ORIGINAL ||
	    !state_is_balanced(e.state))
		return false;
	target = entry_target(&e);
	if (!bsearch(&target, cuts, n, sizeof(*cuts), cut_compare))
		return false;
	has_pair = pair_find(t, family, index, e.state, &pair);
	pair_word = has_pair ? entry_word(&pair) : 0;
	if (entry_word(&e) != word)
		return false;
	if (!target.protocol)
		return entry_move(&e, has_pair ? &pair : NULL, word, target.address.w[0]);
	if (pair_word)
		entry_cut(&pair, pair_word, now);
	return entry_cut(&e, word, now);
}

unsigned flow_cut(const struct flow_tables *t, const struct flow_target *cuts, size_t n,
		  uint32_t now, uint32_t first, uint32_t n_sets)
{
	uint32_t end = first < t->n_sets ? t->n_sets : first;
	bool has4 = false, has6 = false;
	unsigned n_cut = 0;

	for (size_t i = 0; i < n; i++) {
		has4 = has4 || cuts[i].family == HG_FAMILY_4;
		has6 = has6 || cuts[i].family == HG_FAMILY_6 || !cuts[i].protocol;
	}
	if (end - first > n_sets)
		end = first + n_sets;
	for (uint32_t i = first * HG_WAYS; has4 && i < end * HG_WAYS; i++)
		n_cut += index_cut(t, HG_FAMILY_4, i, cuts, n, now);
	for (uint32_t i = first * HG_WAYS; has6 && i < end * HG_WAYS; i++)
		n_cut += index_cut(t, HG_FAMILY_6, i, cuts, n, now);
	return n_cut;
}
