/* SPDX-License-Identifier: Apache-2.0 */

/* A case that differs has hundreds of packets and rules, and two or three matter.
 *
 * Leave out ever smaller runs of steps, then any one member of the JSON documents, and keep
 * each omission after which the same witnesses still say the same different things. What
 * remains is not the smallest case, but one in which everything is needed.
 */
#include <assert.h>
#include <stdlib.h>

#include "tests/witness/trial.h"

struct reducer {
	struct trial *t;
	struct dataplane *dp;
	struct outcome best;
};

static bool is_same(const struct outcome *a, const struct outcome *b)
{
	if (a->end != TRIAL_DIFFERED || b->end != TRIAL_DIFFERED || a->other != b->other)
		return false;
	for (int w = 0; w < WITNESSES; w++)
		if (a->answers[w].allow != b->answers[w].allow ||
		    a->answers[w].reason != b->answers[w].reason ||
		    a->answers[w].is_answer != b->answers[w].is_answer)
			return false;
	return true;
}

static bool still_differs(struct reducer *r)
{
	struct outcome o;

	trial_run(r->t, r->dp, NULL, &o);
	if (!is_same(&r->best, &o))
		return false;
	r->best = o;
	return true;
}

/* Tries without 'n' steps from 'first'; true when they were not needed. */
static bool drop_steps(struct reducer *r, size_t first, size_t n)
{
	struct script *s = r->t->script, shorter;

	shorter.steps = calloc(s->n, sizeof(*s->steps));
	assert(shorter.steps);
	shorter.n = 0;
	for (size_t i = 0; i < s->n; i++)
		if (i < first || i >= first + n)
			shorter.steps[shorter.n++] = s->steps[i];
	r->t->script = &shorter;
	if (!still_differs(r)) {
		r->t->script = s;
		free(shorter.steps);
		return false;
	}
	for (size_t i = first; i < first + n && i < s->n; i++)
		free(s->steps[i].frame);
	free(s->steps);
	*s = shorter;
	r->t->script = s;
	return true;
}

static void reduce_steps(struct reducer *r)
{
	drop_steps(r, r->best.step + 1, r->t->script->n);
	for (size_t n = r->t->script->n / 2; n > 0; n /= 2)
		for (size_t first = 0; first < r->t->script->n;)
			if (!drop_steps(r, first, n))
				first += n;
}

/* A copy without the member that '*left' counts down to; deeper ones count as well. */
static struct json *copy_without(const struct json *j, int *left)
{
	struct json *copy;

	if (!json_is_object(j) && !json_is_array(j))
		return json_copy(j);
	copy = json_is_object(j) ? json_new_object() : json_new_array();
	for (const struct json *m = json_first(j); m; m = json_next(m)) {
		if ((*left)-- == 0)
			continue;
		if (json_is_object(j))
			json_set(copy, json_key(m), copy_without(m, left));
		else
			json_add(copy, copy_without(m, left));
	}
	return copy;
}

static bool drop_member(struct reducer *r, unsigned version, int index, bool *ret_exists)
{
	struct json *whole = r->t->rules[version];
	int left = index;

	r->t->rules[version] = copy_without(whole, &left);
	*ret_exists = left < 0;
	if (*ret_exists && still_differs(r)) {
		json_free(whole);
		return true;
	}
	json_free(r->t->rules[version]);
	r->t->rules[version] = whole;
	return false;
}

static bool reduce_rules(struct reducer *r)
{
	bool exists, has_dropped = false;

	for (unsigned v = 0; v < r->t->n_rules; v++)
		for (int i = 0;; i++) {
			bool dropped = drop_member(r, v, i, &exists);

			if (!exists)
				break;
			if (dropped) {
				has_dropped = true;
				i--;
			}
		}
	return has_dropped;
}

static void drop_versions(struct reducer *r)
{
	unsigned used = 0;

	for (size_t i = 0; i < r->t->script->n; i++)
		if (r->t->script->steps[i].kind == STEP_SWITCH &&
		    r->t->script->steps[i].version > used)
			used = r->t->script->steps[i].version;
	while (r->t->n_rules > used + 1) {
		json_free(r->t->rules[--r->t->n_rules]);
		r->t->rules[r->t->n_rules] = NULL;
	}
}

void trial_reduce(struct trial *t, struct dataplane *dp, struct outcome *outcome)
{
	struct reducer r = { .t = t, .dp = dp, .best = *outcome };

	/* Without the loaded program a run is ten times as fast. */
	if (outcome->other == WITNESS_EVAL) {
		struct outcome o;

		trial_run(t, NULL, NULL, &o);
		if (o.end == TRIAL_DIFFERED && o.other == WITNESS_EVAL) {
			r.dp = NULL;
			r.best = o;
		}
	}
	reduce_steps(&r);
	drop_versions(&r);
	for (int round = 0; round < 3 && reduce_rules(&r); round++)
		reduce_steps(&r);
	*outcome = r.best;
}
