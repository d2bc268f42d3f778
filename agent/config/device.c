/* SPDX-License-Identifier: Apache-2.0 */

/* Whose devices are whose: of every device that a rule set names, one role. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "config/check.h"
#include "config/fields.h"

const struct choice hook_choices[] = {
	{ "auto", HOOK_AUTO }, { "xdp", HOOK_XDP }, { "tc", HOOK_TC }, {}
};

/* A device where it is named. */
struct naming {
	const char *device;
	enum noun noun;
	size_t object;
	enum hook hook;
	int vpc;
};

struct namings {
	VEC(struct naming) list;
	bool is_short;
};

static void namings_done(struct namings *n)
{
	vec_done(&n->list);
}

static void naming_add(struct namings *n, const char *device, enum noun noun,
		       size_t object, enum hook hook, int vpc)
{
	if (device &&
	    !vec_push(&n->list, ((struct naming){ device, noun, object, hook, vpc })))
		n->is_short = true;
}

static int compare_namings(const void *pa, const void *pb)
{
	const struct naming *a = pa, *b = pb;
	int r = strcmp(a->device, b->device);

	if (r == 0)
		r = (a->noun > b->noun) - (a->noun < b->noun);
	return r != 0 ? r : (a->object > b->object) - (a->object < b->object);
}

static void namings_collect(struct namings *n, const struct model *m)
{
	for (size_t i = 0; i < m->n_subnets; i++)
		naming_add(n, m->subnets[i].device, NOUN_SUBNET, i, m->subnets[i].hook,
			   m->subnets[i].vpc);
	for (size_t i = 0; i < m->n_interfaces; i++)
		naming_add(n, m->interfaces[i].device, NOUN_INTERFACE, i,
			   m->interfaces[i].hook, m->interfaces[i].vpc);
	for (size_t i = 0; i < m->n_internet_gateways; i++)
		naming_add(n, m->internet_gateways[i].device, NOUN_INTERNET_GATEWAY, i,
			   m->internet_gateways[i].hook, m->internet_gateways[i].vpc);
	for (size_t i = 0; i < m->n_egress_only_gateways; i++)
		naming_add(n, m->egress_only_gateways[i].device, NOUN_EGRESS_ONLY_GATEWAY,
			   i, m->egress_only_gateways[i].hook,
			   m->egress_only_gateways[i].vpc);
	if (n->list.n > 1)
		qsort(n->list.items, n->list.n, sizeof(*n->list.items), compare_namings);
}

static bool is_uplink(const struct naming *n)
{
	return n->noun == NOUN_INTERNET_GATEWAY || n->noun == NOUN_EGRESS_ONLY_GATEWAY;
}

static void pair_check(struct reader *r, const struct naming *first,
		       const struct naming *again)
{
	const struct slot *slot = &r->slots[first->noun].items[first->object];
	struct at at = r->slots[again->noun].items[again->object].at,
		  hook = at_get(at, "hook");

	/* Gateways come last in the order of nouns: then both are. */
	if (!is_uplink(first))
		complain(r, at_get(at, "device"),
			 "device \"%s\" is that of %s \"%s\" already", again->device,
			 nouns[first->noun].title, slot->name);
	else if (first->hook != again->hook)
		complain(r, hook.json ? hook : at,
			 "\"hook\" is not the same as that of %s \"%s\", which has the "
			 "same device",
			 nouns[first->noun].title, slot->name);
}

/* Where VPCs meet at an uplink, a packet's IPv6 address must tell whose it is. */
static void share_check(struct reader *r, const struct naming *uplinks, size_t n)
{
	_cleanup_free_ bool *is_there =
		reader_room(r, r->model->n_vpcs, sizeof(*is_there));

	if (!is_there)
		return;
	for (size_t i = 0; i < n; i++)
		if (uplinks[i].vpc >= 0)
			is_there[uplinks[i].vpc] = true;
	vpcs_check_apart(r, is_there, uplinks[0].device);
}

void devices_check(struct reader *r)
{
	_cleanup_(namings_done) struct namings n = {};

	namings_collect(&n, r->model);
	r->is_short |= n.is_short;
	for (size_t i = 0, first = 0; i < n.list.n && !r->is_short; i++) {
		const struct naming *list = n.list.items;

		if (strcmp(list[first].device, list[i].device) != 0)
			first = i;
		if (first != i)
			pair_check(r, &list[first], &list[i]);
		/* The last of those that share an uplink. */
		if (first != i && is_uplink(&list[first]) &&
		    (i + 1 == n.list.n ||
		     strcmp(list[i].device, list[i + 1].device) != 0))
			share_check(r, &list[first], i + 1 - first);
	}
}
