/* SPDX-License-Identifier: Apache-2.0 */

/* A target that flips changes words and not the image. A thousand virtual
 * addresses of one target group have a thousand pools or more, so a group's
 * states are looked up once for all of them; a pool whose words would be the
 * same is left alone. */
#include "pools.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "compile/build.h"
#include "health/policy.h"

static struct hg_pool *pool_at(const struct image *image, uint32_t id)
{
	return (struct hg_pool *)image_record(image, image_header(image)->pools, id,
					      sizeof(struct hg_pool));
}

static uint32_t members_of(const struct hg_pool *p)
{
	return p->n < HG_POOL_ROOM ? p->n : HG_POOL_ROOM;
}

static const struct hg_target *member_at(const struct image *image,
					 const struct hg_pool *p, uint32_t i)
{
	return image_record(image, image_header(image)->targets, p->first + i,
			    sizeof(struct hg_target));
}

/* ---- writing ---- */

struct states {
	const struct model *model;
	const struct health *health;
	enum health_state **of; /* by group, then target; NULL: not looked up yet */
};

static void states_done(struct states *s)
{
	for (size_t i = 0; s->of && i < s->model->n_target_groups; i++)
		free(s->of[i]);
	free(s->of);
}

/* Of all targets of a group. */
static const enum health_state *states_get(struct states *s, size_t group)
{
	size_t n = s->model->target_groups[group].n_targets;
	enum health_state *states = s->of[group];

	if (states)
		return states;
	states = calloc(n + 1, sizeof(*states));
	for (size_t i = 0; states && i < n; i++)
		states[i] = health_state(s->health, s->model, group, i);
	s->of[group] = states;
	return states;
}

static bool word_set(__u32 *word, uint32_t value)
{
	if (*word == value)
		return false;
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
	return true;
}

/* A packet that reads between two of these stores finds a member by the old
 * words or by the new ones. */
static bool words_put(struct hg_pool *p, const uint64_t *usable,
		      const struct policy_answer *answer)
{
	bool is_other = false;

	for (size_t i = 0; i < HG_POOL_ROOM / 64; i++)
		if (p->usable[i] != usable[i]) {
			__atomic_store_n(&p->usable[i], usable[i], __ATOMIC_RELAXED);
			is_other = true;
		}
	is_other |= word_set(&p->n_usable, answer->n_usable);
	is_other |= word_set(&p->fails_open, answer->fails_open);
	return is_other;
}

/* Returns whether it is another one now. */
static int pool_write(const struct image *image, struct hg_pool *p, struct states *s)
{
	static struct policy_member members[HG_POOL_ROOM];
	uint32_t group = p->object - object_of_target_group(s->model, 0);
	uint64_t usable[HG_POOL_ROOM / 64] = {};
	const struct target_group *g;
	const enum health_state *states;
	struct policy_answer answer;
	struct policy_rules rules;

	if (group >= s->model->n_target_groups)
		return 0;
	g = &s->model->target_groups[group];
	states = states_get(s, group);
	if (!states)
		return -ENOMEM;
	for (uint32_t i = 0; i < members_of(p); i++) {
		const struct hg_target *t = member_at(image, p, i);
		bool is_known = t && t->index < g->n_targets;

		members[i] = (struct policy_member){
			.state = is_known ? states[t->index] : HEALTH_UNUSED,
			.weight = t ? t->weight : 0,
		};
	}
	rules = (struct policy_rules){ g->minimum_count, g->minimum_percentage };
	policy_decide(&rules, members, members_of(p), usable, &answer);
	return words_put(p, usable, &answer);
}

int pools_write(struct image *image, const struct model *m, const struct health *h)
{
	_cleanup_(states_done) struct states s = { .model = m, .health = h };
	uint32_t n = image->lines ? image_header(image)->pools.n : 0;
	int n_others = 0;

	s.of = calloc(m->n_target_groups + 1, sizeof(*s.of));
	if (!s.of)
		return -ENOMEM;
	for (uint32_t id = 1; id < n; id++) {
		struct hg_pool *p = pool_at(image, id);
		int r = p ? pool_write(image, p, &s) : 0;

		if (r < 0)
			return r;
		n_others += r;
	}
	return n_others;
}

struct pools_count pools_count(const struct image *image)
{
	struct pools_count count = {};
	uint32_t n = image->lines ? image_header(image)->pools.n : 0;

	for (uint32_t id = 1; id < n; id++) {
		const struct hg_pool *p = pool_at(image, id);

		if (!p)
			break;
		count.pools++;
		count.failing_open += p->fails_open;
		count.members += p->n;
		count.usable += p->n_usable;
	}
	return count;
}

/* ---- what was there before ---- */

/* Targets are known again by their group's name and their address: the image
 * may be one of other rules, in which they have another index. */
struct memory {
	uint64_t hash; /* of both, 0 never */
	enum health_state state;
};

struct recall {
	const struct model *model;
	struct memory *items; /* by hash, then state */
	size_t n;
};

static uint64_t target_hash(const char *group, const void *address, size_t size,
			    __be16 port)
{
	uint64_t h = hash64(7, group, strlen(group) + 1);

	h = hash64(h, address, size);
	return hash64(h, &port, sizeof(port)) | 1;
}

static int memory_compare(const void *a, const void *b)
{
	const struct memory *x = a, *y = b;

	return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1)
				  : (int)x->state - (int)y->state;
}

static size_t members_count(const struct image *image)
{
	uint32_t n_pools = image->lines ? image_header(image)->pools.n : 0;
	size_t n = 0;

	for (uint32_t id = 1; id < n_pools; id++)
		n += pool_at(image, id) ? members_of(pool_at(image, id)) : 0;
	return n;
}

/* A pool that fails open lets all in, whatever they are; one without a weight
 * is never let in. */
static void pool_recall(const struct image *image, const struct hg_pool *p,
			struct recall *r)
{
	const char *group = image_object_name(image, p->object);
	size_t size = p->family == HG_FAMILY_4 ? 4 : 16;

	for (uint32_t i = 0; !p->fails_open && i < members_of(p); i++) {
		const struct hg_target *t = member_at(image, p, i);
		bool is_usable = p->usable[i / 64] >> (i & 63) & 1;

		if (t && t->weight)
			r->items[r->n++] = (struct memory){
				target_hash(group, &t->address, size, t->port),
				is_usable ? HEALTH_HEALTHY : HEALTH_UNHEALTHY,
			};
	}
}

int recall_new(const struct image *image, const struct model *m, struct recall **ret)
{
	_cleanup_(recall_freep) struct recall *r = calloc(1, sizeof(*r));
	uint32_t n_pools = image->lines ? image_header(image)->pools.n : 0;

	if (!r)
		return -ENOMEM;
	r->model = m;
	r->items = calloc(members_count(image) + 1, sizeof(*r->items));
	if (!r->items)
		return -ENOMEM;
	for (uint32_t id = 1; id < n_pools; id++)
		if (pool_at(image, id))
			pool_recall(image, pool_at(image, id), r);
	qsort(r->items, r->n, sizeof(*r->items), memory_compare);
	*ret = TAKE(r);
	return 0;
}

void recall_free(struct recall *r)
{
	if (!r)
		return;
	free(r->items);
	free(r);
}

/* Healthy goes before unhealthy: a target is checked once for all pools. */
static enum health_state memory_find(const struct recall *r, uint64_t hash)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->items[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n && r->items[low].hash == hash ? r->items[low].state
							: HEALTH_INITIAL;
}

enum health_state recall_state(void *arg, size_t group, size_t target)
{
	const struct recall *r = arg;
	const struct target_group *g = &r->model->target_groups[group];
	const struct target *t = &g->targets[target];
	size_t size = t->address.family == 4 ? 4 : 16;

	return memory_find(r,
			   target_hash(g->name, t->address.bytes, size, htons(t->port)));
}
