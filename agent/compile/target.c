/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/target.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/ring.h"

#define RECORDS    2 /* targets a line */
#define RING_LINES ((HG_RING * sizeof(uint16_t) + HG_LINE - 1) / HG_LINE)

/* The address of 'target' in 'family'; false: it has none. */
static bool address_find(const struct build *b, const struct target *target,
			 uint8_t family, struct addr *ret)
{
	const struct addr *list = &target->address;
	size_t n = 1;

	if (target->interface >= 0)
		list = build_addresses(b, (size_t)target->interface, &n);
	for (size_t i = 0; i < n; i++) {
		if (list[i].family != family)
			continue;
		*ret = list[i];
		return true;
	}
	return false;
}

static int zone_number(struct targets *t, const char *zone, uint32_t *ret_number)
{
	uint32_t i = 0;

	for (; zone && i < t->zones.n; i++)
		if (strcmp(t->zones.items[i], zone) == 0)
			break;
	if (zone && i == t->zones.n && !vec_push(&t->zones, zone))
		return -ENOMEM;
	*ret_number = zone ? i + 1 : 0;
	return 0;
}

static int members_add(struct build *b, struct targets *t, size_t target_group,
		       uint8_t family, const char *zone, struct hg_pool *pool)
{
	const struct target_group *g = &b->m->target_groups[target_group];

	for (size_t i = 0; i < g->n_targets; i++) {
		const struct target *from = &g->targets[i];
		struct hg_target to = { .port = htobe16(from->port),
					.weight = (uint16_t)from->weight,
					.object = object_of_target_group(b->m,
									 target_group),
					.index = (uint32_t)i };
		struct addr a;

		if (zone && from->zone && strcmp(zone, from->zone) != 0)
			continue;
		if (!address_find(b, from, family, &a))
			continue;
		memcpy(&to.address, a.bytes, sizeof(to.address));
		if (!vec_push(&t->targets, to))
			return -ENOMEM;
		if (to.weight) {
			pool->usable[pool->n / 64] |= 1ULL << (pool->n % 64);
			pool->n_usable++;
		}
		pool->n++;
	}
	return 0;
}

/* The ring of 'members'; there will be one when they are new. */
static int ring_find(struct build *b, struct targets *t,
		     const struct maglev_member *members, size_t n, uint32_t *ret_line)
{
	uint32_t id, line;
	int r;

	r = pool_put(&t->rings, (const uint32_t *)(const void *)members,
		     n * sizeof(*members) / sizeof(uint32_t), &id);
	if (r == 0 && id == t->ring_lines.n) {
		r = lines_reserve(&b->lines, RING_LINES, &line);
		if (r == 0 && !vec_push(&t->ring_lines, line))
			r = -ENOMEM;
	}
	if (r == 0)
		*ret_line = t->ring_lines.items[id];
	return r;
}

static int ring_write(struct build *b, struct targets *t, struct hg_pool *pool)
{
	_cleanup_free_ struct maglev_member *members =
		calloc(pool->n + 1UL, sizeof(*members));

	if (!members)
		return -ENOMEM;
	if (!pool->n_usable)
		return 0;
	for (uint32_t i = 0; i < pool->n; i++) {
		const struct hg_target *from = &t->targets.items[pool->first + i];
		struct maglev_identity *to = &members[i].identity;

		memcpy(to->address, &from->address, sizeof(to->address));
		to->family = (uint8_t)pool->family;
		memcpy(to->port, &from->port, sizeof(to->port));
		members[i].weight = from->weight;
	}
	return ring_find(b, t, members, pool->n, &pool->ring);
}

static int pool_make(struct build *b, struct targets *t, size_t target_group,
		     uint8_t family, const char *zone)
{
	const struct target_group *g = &b->m->target_groups[target_group];
	struct hg_pool pool = { .first = (uint32_t)t->targets.n,
				.object = object_of_target_group(b->m, target_group),
				.family = family };
	int r;

	if (g->preserve_client_ip)
		pool.flags |= HG_POOL_PRESERVE;
	if (g->stickiness == STICKY_SOURCE_IP)
		pool.flags |= HG_POOL_STICKY;
	r = members_add(b, t, target_group, family, zone, &pool);
	if (r == 0)
		r = ring_write(b, t, &pool);
	if (r == 0 && (!vec_push(&t->pools, pool) || !vec_push(&b->pool_zones, zone)))
		r = -ENOMEM;
	return r;
}

/* Record 0 of both tables is nobody. */
static int nobody_add(struct build *b, struct targets *t)
{
	if (t->pools.n)
		return 0;
	return vec_push(&t->pools, (struct hg_pool){ 0 }) &&
			       vec_push(&t->targets, (struct hg_target){ 0 }) &&
			       vec_push(&b->pool_zones, NULL)
		       ? 0
		       : -ENOMEM;
}

int targets_pool(struct build *b, struct targets *t, size_t target_group, uint8_t family,
		 const char *zone, uint32_t *ret_pool)
{
	uint32_t key[3] = { (uint32_t)target_group, family }, id;
	int r;

	r = nobody_add(b, t);
	if (r == 0)
		r = zone_number(t, zone, &key[2]);
	if (r == 0)
		r = pool_put(&t->keys, key, ARRAY_SIZE(key), &id);
	if (r == 0 && id + 1 == t->pools.n)
		r = pool_make(b, t, target_group, family, zone);
	if (r == 0)
		*ret_pool = id + 1;
	return r;
}

int targets_room(struct build *b)
{
	size_t n = b->m->n_target_groups * RING_LINES;

	/* More than an image holds may still turn out to be less. */
	return n < HG_MAX_IMAGE_LINES - b->lines.n ? lines_room(&b->lines, n) : 0;
}

static int table_write(struct build *b, const void *records, size_t size, size_t n,
		       struct hg_table *ret)
{
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, (n * size + HG_LINE - 1) / HG_LINE, &line);
	if (r < 0)
		return r;
	memcpy(lines_at(&b->lines, line), records, n * size);
	*ret = (struct hg_table){ line, (uint32_t)n };
	return 0;
}

/* Lines that were reserved for rings become rings. Nothing is appended meanwhile. */
static int rings_write(struct build *b, struct targets *t)
{
	size_t n = t->ring_lines.n, words;
	_cleanup_free_ struct ring_want *wants = calloc(n + 1, sizeof(*wants));

	if (!wants)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		wants[i].members = (const void *)pool_get(&t->rings, (uint32_t)i, &words);
		wants[i].n = words * sizeof(uint32_t) / sizeof(struct maglev_member);
		wants[i].slots = lines_at(&b->lines, t->ring_lines.items[i]);
	}
	return rings_fill(wants, n);
}

int targets_write(struct build *b, struct targets *t, struct hg_header *head)
{
	int r = nobody_add(b, t);

	if (r == 0)
		r = table_write(b, t->pools.items, sizeof(struct hg_pool), t->pools.n,
				&head->pools);
	if (r == 0)
		r = table_write(b, t->targets.items, sizeof(struct hg_target),
				t->targets.n, &head->targets);
	return r == 0 ? rings_write(b, t) : r;
}

void targets_done(struct targets *t)
{
	pool_done(&t->keys);
	vec_done(&t->pools);
	vec_done(&t->targets);
	vec_done(&t->zones);
	pool_done(&t->rings);
	vec_done(&t->ring_lines);
}
