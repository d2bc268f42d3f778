/* SPDX-License-Identifier: Apache-2.0 */
#include "health/registry.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "health/wire.h"

char *registry_name(const struct model *m, const struct target *t)
{
	char text[ADDR_TEXT], *name;
	int r;

	addr_print(&t->address, text);
	if (t->interface >= 0)
		r = asprintf(&name, "interface/%s:%u", m->interfaces[t->interface].name,
			     t->port);
	else
		r = asprintf(&name, t->address.family == 6 ? "[%s]:%u" : "%s:%u", text,
			     t->port);
	return r < 0 ? NULL : name;
}

static int key_order(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;
	int c = strcmp(a->group, b->group);

	if (c == 0)
		c = strcmp(a->name, b->name);
	return c ? c : addr_compare(&a->address, &b->address);
}

static int address_order(const void *pa, const void *pb)
{
	const struct member *a = *(struct member *const *)pa,
			    *b = *(struct member *const *)pb;
	int c = addr_compare(&a->address, &b->address);

	return c ? c : (a->port > b->port) - (a->port < b->port);
}

struct member *registry_find(const struct health *h, const char *group, const char *name,
			     const struct addr *address)
{
	struct member key = { .group = (char *)group,
			      .name = (char *)name,
			      .address = *address };
	struct member **found = tfind(&key, &h->by_key, key_order);

	return found ? *found : NULL;
}

static void member_free(struct member *m)
{
	if (!m)
		return;
	free(m->group);
	free(m->name);
	free(m->zone);
	free(m);
}

static void member_freep(struct member **m)
{
	member_free(*m);
}

/* An id for it: a hole or a new one. */
static int slot_take(struct health *h, struct member *m)
{
	if (h->holes.n) {
		m->id = h->holes.items[--h->holes.n];
		h->slots.items[m->id] = m;
		return 0;
	}
	if (h->slots.n >= WIRE_CHECKS)
		return -E2BIG;
	m->id = h->slots.n;
	/* Room in 'holes' now, so that giving the id back cannot fail. */
	if (h->holes.room <= h->slots.n) {
		size_t room = h->slots.n * 2 + 16;
		size_t *items = realloc(h->holes.items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		h->holes.items = items;
		h->holes.room = room;
	}
	return vec_push(&h->slots, m) ? 0 : -ENOMEM;
}

int registry_put(struct health *h, const char *group, const char *name,
		 const struct addr *address, struct member **ret)
{
	_cleanup_(member_freep) struct member *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->group = strdup(group);
	m->name = strdup(name);
	m->address = *address;
	m->group_index = SIZE_MAX;
	if (!m->group || !m->name || !tsearch(m, &h->by_key, key_order))
		return -ENOMEM;
	r = slot_take(h, m);
	if (r < 0) {
		tdelete(m, &h->by_key, key_order);
		return r;
	}
	*ret = TAKE(m);
	return 0;
}

void registry_drop(struct health *h, struct member *m)
{
	tdelete(m, &h->by_key, key_order);
	h->slots.items[m->id] = NULL;
	h->holes.items[h->holes.n++] = m->id;
	member_free(m);
}

int registry_index(struct health *h)
{
	struct member **list = calloc(h->slots.n + 1, sizeof(struct member *));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < h->slots.n; i++)
		if (h->slots.items[i] && h->slots.items[i]->group_index != SIZE_MAX)
			list[n++] = h->slots.items[i];
	qsort(list, n, sizeof(struct member *), address_order);
	free(h->by_address);
	h->by_address = list;
	h->n_by_address = n;
	return 0;
}

size_t registry_first(const struct health *h, const struct addr *address, uint16_t port)
{
	struct member key = { .address = *address, .port = port };
	const struct member *wanted = &key;
	size_t low = 0, high = h->n_by_address;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (address_order(&h->by_address[mid], &wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void registry_tell(struct health *h, struct member *m, enum health_state from)
{
	struct health_change change = {
		.group = m->group,
		.target = m->name,
		.from = from,
		.to = m->state.state,
		.reason = m->state.reason,
	};

	if (m->state.until_ns && m->state.until_ns < h->next_ns)
		h->next_ns = m->state.until_ns;
	if (m->group_index != SIZE_MAX)
		h->groups[m->group_index].is_dirty = true;
	m->owes_cut = m->state.state == HEALTH_UNHEALTHY;
	h->is_changed = true;
	h->events.change(h->events.arg, &change);
}
