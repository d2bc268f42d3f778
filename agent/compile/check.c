/* SPDX-License-Identifier: Apache-2.0 */

/* What the agent reads of an image that another process left in a pinned map: names,
 * tables and the size of classifiers. image_check() looks at every offset that these readers
 * follow, so that they need not; the packet path checks its own as it goes.
 */
#include "compile/image.h"

#include <errno.h>
#include <string.h>

#include <hg/classifier.h>
#include <hg/event.h>
#include <hg/limit.h>
#include <hg/trie.h>

#include "base/cleanup.h"

static bool is_inside(const struct image *image, uint64_t line, uint64_t bytes)
{
	uint64_t n = (bytes + HG_LINE - 1) / HG_LINE;

	return line <= image->n_lines && n <= image->n_lines - line;
}

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

static bool table_is_inside(const struct image *image, struct hg_table table, size_t size)
{
	return is_inside(image, table.line, (uint64_t)table.n * size);
}

const void *image_record(const struct image *image, struct hg_table table, uint32_t id,
			 size_t size)
{
	if (id >= table.n || !table_is_inside(image, table, size))
		return NULL;
	return (const char *)(image->lines + table.line) + (size_t)id * size;
}

static const char *image_text(const struct image *image, uint32_t off)
{
	struct hg_table text = image_header(image)->text;

	return off < text.n ? (const char *)(image->lines + text.line) + off : "";
}

static const struct hg_object *image_object(const struct image *image, uint32_t object)
{
	return image_record(image, image_header(image)->objects, object,
			    sizeof(struct hg_object));
}

const char *image_object_name(const struct image *image, uint32_t object)
{
	const struct hg_object *o = image_object(image, object);

	return o ? image_text(image, o->text) : "";
}

uint32_t image_object_kind(const struct image *image, uint32_t object)
{
	const struct hg_object *o = image_object(image, object);

	return o ? o->kind : HG_OBJECT_NONE;
}

const struct hg_rule *image_rule(const struct image *image, uint32_t rule)
{
	if (rule == 0)
		return NULL;
	return image_record(image, image_header(image)->rules, rule,
			    sizeof(struct hg_rule));
}

const char *object_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[HG_OBJECT_NONE] = "",
		[HG_OBJECT_VPC] = "vpc",
		[HG_OBJECT_SUBNET] = "subnet",
		[HG_OBJECT_NACL] = "network_acl",
		[HG_OBJECT_GROUP] = "security_group",
		[HG_OBJECT_INTERFACE] = "interface",
		[HG_OBJECT_ROUTE_TABLE] = "route_table",
		[HG_OBJECT_INTERNET_GATEWAY] = "internet_gateway",
		[HG_OBJECT_EGRESS_ONLY_GATEWAY] = "egress_only_gateway",
		[HG_OBJECT_ELASTIC_IP] = "elastic_ip",
		[HG_OBJECT_NAT_GATEWAY] = "nat_gateway",
		[HG_OBJECT_PEERING] = "peering",
		[HG_OBJECT_TARGET_GROUP] = "target_group",
		[HG_OBJECT_LOAD_BALANCER] = "load_balancer",
		[HG_OBJECT_GATEWAY_LOAD_BALANCER] = "gateway_load_balancer",
		[HG_OBJECT_RATE_LIMIT] = "rate_limit",
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : "";
}

/* The bytes of the key trie, whose blocks are numbered without gaps; 0 when one lies
 * outside. */
static size_t keys_size(const struct image *image, uint32_t line)
{
	size_t n = 1;

	for (size_t i = 0; i < n; i++) {
		const uint16_t *slots;

		if (!is_inside(image, line, (i + 1) * 512))
			return 0;
		slots = (const uint16_t *)(image->lines + line + i * 8);
		for (int k = 0; k < 256; k++)
			if (slots[k] & HG_KEY_BLOCK && (slots[k] & ~HG_KEY_BLOCK) >= n)
				n = (slots[k] & ~HG_KEY_BLOCK) + 1UL;
	}
	return n * 512;
}

/* The bytes of the cells, which lie inside; 0 when they do not. */
static size_t cells_size(const struct image *image, const struct hg_classifier *c)
{
	size_t n_chunks = (c->n_columns + HG_CHUNK_COLUMNS - 1UL) / HG_CHUNK_COLUMNS;
	size_t cells = (size_t)c->n_rows * c->n_columns * sizeof(uint32_t);
	size_t chunks = c->n_rows * n_chunks * sizeof(struct hg_chunk);
	size_t runs = (size_t)c->n_runs * sizeof(uint32_t);

	switch (c->kind) {
	case HG_CLASSIFIER_MATRIX:
		return is_inside(image, c->cells, cells) ? cells : 0;
	case HG_CLASSIFIER_RUNS:
		return is_inside(image, c->cells, chunks) &&
				       is_inside(image, c->runs, runs)
			       ? chunks + runs
			       : 0;
	default:
		return 0;
	}
}

int image_classifier_info(const struct image *image, uint32_t line, uint32_t n_peers,
			  struct classifier_info *ret)
{
	const struct hg_classifier *c;
	size_t cells, keys;

	if (line == 0 || !is_inside(image, line, sizeof(*c)))
		return -ENOENT;
	c = (const struct hg_classifier *)(image->lines + line);
	if (c->n_columns > HG_MAX_COLUMNS)
		return -ENOENT;
	keys = keys_size(image, c->keys);
	cells = cells_size(image, c);
	if (keys == 0 || cells == 0 || !is_inside(image, c->rows, n_peers * 4UL) ||
	    !is_inside(image, c->clauses, (size_t)c->n_clauses * HG_LINE))
		return -ENOENT;
	*ret = (struct classifier_info){
		.kind = c->kind,
		.n_rules = c->n_rules,
		.n_rows = c->n_rows,
		.n_columns = c->n_columns,
		.n_clauses = c->n_clauses,
		.bytes = sizeof(*c) + n_peers * 4UL + keys + cells +
			 (size_t)c->n_clauses * HG_LINE,
	};
	return 0;
}

static bool names_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);
	const char *text = (const char *)(image->lines + h->text.line);

	if (h->text.n == 0 || text[h->text.n - 1] != '\0')
		return false;
	for (uint32_t i = 0; i < h->objects.n; i++)
		if (image_object(image, i)->text >= h->text.n)
			return false;
	for (uint32_t i = 0; i < h->zones.n; i++) {
		const struct hg_zone *z = image_record(image, h->zones, i, sizeof(*z));

		if (z->text >= h->text.n)
			return false;
	}
	for (uint32_t i = 0; i < h->rules.n; i++) {
		const struct hg_rule *rule =
			image_record(image, h->rules, i, sizeof(*rule));

		if (rule->object >= h->objects.n)
			return false;
	}
	return true;
}

static bool tries_are_good(const struct image *image, uint32_t trie4, uint32_t trie6)
{
	const struct hg_trie6 *t = (const void *)(image->lines + trie6);

	if (!is_inside(image, trie4, HG_TRIE4_ROOT * HG_LINE) ||
	    !is_inside(image, trie6, sizeof(*t)))
		return false;
	return t->n_lengths <= HG_TRIE6_LENGTHS && t->n_buckets &&
	       !(t->n_buckets & (t->n_buckets - 1)) &&
	       is_inside(image, t->buckets, (uint64_t)t->n_buckets * HG_LINE);
}

static bool vpcs_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->vpcs.n; i++) {
		const struct hg_vpc *v = image_record(image, h->vpcs, i, sizeof(*v));

		if (!table_is_inside(image, v->classes, sizeof(struct hg_class)) ||
		    v->object >= h->objects.n ||
		    !tries_are_good(image, v->trie4, v->trie6))
			return false;
	}
	return true;
}

static bool uplinks_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->uplinks.n; i++) {
		const struct hg_uplink *u =
			image_record(image, h->uplinks, i, sizeof(*u));

		if (!table_is_inside(image, u->places, sizeof(struct hg_place)) ||
		    !tries_are_good(image, u->trie4, u->trie6))
			return false;
		for (uint32_t k = 0; k < u->places.n; k++) {
			const struct hg_place *p =
				image_record(image, u->places, k, sizeof(*p));

			if (p->vpc >= h->vpcs.n || p->nat >= h->nats.n ||
			    p->vip >= h->vips.n || p->object >= h->objects.n ||
			    p->gateway >= h->gateways.n)
				return false;
		}
	}
	return true;
}

static bool target_is_good(const struct hg_header *h, const struct hg_route *route)
{
	switch (route->kind) {
	case HG_ROUTE_INTERNET:
	case HG_ROUTE_EGRESS_ONLY:
		return route->target < h->gateways.n;
	case HG_ROUTE_NAT:
		return route->target < h->nats.n;
	case HG_ROUTE_PEERING:
		return route->target < h->vpcs.n;
	case HG_ROUTE_INTERFACE:
		return route->target < h->interfaces.n;
	case HG_ROUTE_GATEWAY_LOAD_BALANCER:
		return route->target < h->gwlbs.n;
	default:
		return route->target == 0;
	}
}

static bool routes_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->routes.n; i++) {
		const struct hg_route *route =
			image_record(image, h->routes, i, sizeof(*route));

		if (route->rule >= h->rules.n || route->object >= h->objects.n ||
		    !target_is_good(h, route))
			return false;
	}
	return true;
}

static bool gateways_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->gateways.n; i++) {
		const struct hg_gateway *g =
			image_record(image, h->gateways, i, sizeof(*g));

		if (g->vpc >= h->vpcs.n || g->device >= h->devices.n ||
		    g->object >= h->objects.n)
			return false;
	}
	for (uint32_t i = 1; i < h->nats.n; i++) {
		const struct hg_nat *g = image_record(image, h->nats, i, sizeof(*g));

		if (g->vpc >= h->vpcs.n || g->subnet >= h->subnets.n ||
		    g->object >= h->objects.n || g->interface >= h->interfaces.n ||
		    g->n_addresses > ARRAY_SIZE(g->addresses) ||
		    (uint64_t)g->forwards + g->n_forwards > h->forwards.n)
			return false;
	}
	return true;
}

/* A classifier of VPC 'vpc' at 'line'. */
static bool classifier_is_good(const struct image *image, uint32_t vpc, uint32_t line)
{
	const struct hg_vpc *v =
		image_record(image, image_header(image)->vpcs, vpc, sizeof(*v));
	struct classifier_info info;

	return v && image_classifier_info(image, line, v->n_peers, &info) == 0;
}

/* The route ids of a subnet's table. */
static bool vectors_are_inside(const struct image *image, const struct hg_subnet *s)
{
	const struct hg_vpc *v =
		image_record(image, image_header(image)->vpcs, s->vpc, sizeof(*v));

	return (!s->routes || is_inside(image, s->routes, (uint64_t)v->n_rows * 4)) &&
	       (!s->onward || is_inside(image, s->onward, (uint64_t)v->n_rows * 4));
}

static bool places_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->devices.n; i++) {
		const struct hg_device *d =
			image_record(image, h->devices, i, sizeof(*d));

		if (d->vpc >= h->vpcs.n || d->subnet >= h->subnets.n ||
		    d->interface >= h->interfaces.n || d->object >= h->objects.n ||
		    d->uplink >= h->uplinks.n || d->gateway >= h->gateways.n)
			return false;
	}
	for (uint32_t i = 1; i < h->interfaces.n; i++) {
		const struct hg_interface *f =
			image_record(image, h->interfaces, i, sizeof(*f));

		if (f->vpc >= h->vpcs.n || f->subnet >= h->subnets.n ||
		    f->device >= h->devices.n || f->object >= h->objects.n ||
		    !classifier_is_good(image, f->vpc, f->groups[0]) ||
		    !classifier_is_good(image, f->vpc, f->groups[1]))
			return false;
	}
	for (uint32_t i = 1; i < h->subnets.n; i++) {
		const struct hg_subnet *s =
			image_record(image, h->subnets, i, sizeof(*s));

		if (s->vpc >= h->vpcs.n || s->object >= h->objects.n ||
		    s->nacl_object >= h->objects.n || s->device >= h->devices.n ||
		    s->table_object >= h->objects.n || s->limit >= h->limits.n ||
		    !vectors_are_inside(image, s))
			return false;
		for (int d = 0; d < 2; d++)
			if (s->nacl[d] && !classifier_is_good(image, s->vpc, s->nacl[d]))
				return false;
	}
	return true;
}

static bool balancers_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->vips.n; i++) {
		const struct hg_vip *v = image_record(image, h->vips, i, sizeof(*v));

		if (v->vpc >= h->vpcs.n || v->subnet >= h->subnets.n ||
		    v->object >= h->objects.n || v->meter >= HG_METERS ||
		    v->interface >= h->interfaces.n || v->gateway >= h->gateways.n ||
		    v->limit >= h->limits.n)
			return false;
	}
	for (uint32_t i = 1; i < h->listeners.n; i++) {
		const struct hg_listener *l =
			image_record(image, h->listeners, i, sizeof(*l));

		if (l->vip >= h->vips.n || l->n_forwards > HG_MAX_FORWARDS)
			return false;
		for (int k = 0; k < l->n_forwards; k++)
			if (l->forward[k].pool >= h->pools.n)
				return false;
	}
	for (uint32_t i = 0; i < h->entrances.n * 4; i++) {
		const struct hg_entrance *e =
			(const struct hg_entrance *)(image->lines + h->entrances.line) +
			i;

		if (e->vip >= h->vips.n || e->listener >= h->listeners.n)
			return false;
	}
	return true;
}

static bool pools_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->pools.n; i++) {
		const struct hg_pool *p = image_record(image, h->pools, i, sizeof(*p));

		if (p->n > HG_POOL_ROOM || (uint64_t)p->first + p->n > h->targets.n ||
		    p->object >= h->objects.n || p->zone >= h->text.n ||
		    !is_inside(image, p->ring, HG_RING * sizeof(uint16_t)))
			return false;
	}
	for (uint32_t i = 1; i < h->targets.n; i++) {
		const struct hg_target *t =
			image_record(image, h->targets, i, sizeof(*t));

		if (t->object >= h->objects.n)
			return false;
	}
	for (uint32_t i = 1; i < h->gwlbs.n; i++) {
		const struct hg_gwlb *g = image_record(image, h->gwlbs, i, sizeof(*g));

		if (g->vpc >= h->vpcs.n || g->object >= h->objects.n ||
		    (g->meter && g->meter != HG_METER_BALANCER + i) ||
		    g->meter >= HG_METERS || g->pool >= h->pools.n ||
		    g->subnet >= h->subnets.n)
			return false;
	}
	return true;
}

/* Limits are linked backwards alone, so no chain goes round. */
static bool chains_are_good(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t i = 1; i < h->limits.n; i++) {
		const struct hg_limit *l = image_record(image, h->limits, i, sizeof(*l));

		if (l->object >= h->objects.n || l->next >= i || !HG_MARK_ID(l->mark))
			return false;
	}
	return true;
}

int image_check(const struct image *image)
{
	const struct hg_header *h;

	if (image->n_lines < sizeof(*h) / HG_LINE)
		return -EPROTO;
	h = image_header(image);
	if (h->magic != HG_IMAGE_MAGIC || h->abi != HG_ABI || h->n_lines > image->n_lines)
		return -EPROTO;
	if (!is_power_of_two(h->ports.n) || !table_is_inside(image, h->ports, HG_LINE) ||
	    !table_is_inside(image, h->devices, HG_LINE) ||
	    !table_is_inside(image, h->interfaces, HG_LINE) ||
	    !table_is_inside(image, h->subnets, HG_LINE) ||
	    !table_is_inside(image, h->vpcs, HG_LINE) ||
	    !table_is_inside(image, h->objects, sizeof(struct hg_object)) ||
	    !table_is_inside(image, h->rules, sizeof(struct hg_rule)) ||
	    !table_is_inside(image, h->zones, sizeof(struct hg_zone)) ||
	    !table_is_inside(image, h->routes, sizeof(struct hg_route)) ||
	    !table_is_inside(image, h->gateways, HG_LINE) ||
	    !table_is_inside(image, h->nats, HG_LINE) ||
	    !table_is_inside(image, h->uplinks, HG_LINE) ||
	    !table_is_inside(image, h->forwards, sizeof(struct hg_forward)) ||
	    !table_is_inside(image, h->vips, HG_LINE) ||
	    !table_is_inside(image, h->listeners, HG_LINE) ||
	    !is_power_of_two(h->entrances.n) ||
	    !table_is_inside(image, h->entrances, HG_LINE) ||
	    !table_is_inside(image, h->pools, sizeof(struct hg_pool)) ||
	    !table_is_inside(image, h->targets, sizeof(struct hg_target)) ||
	    !table_is_inside(image, h->gwlbs, HG_LINE) ||
	    !table_is_inside(image, h->limits, HG_LINE) ||
	    !table_is_inside(image, h->text, 1) || h->n_rules != h->rules.n)
		return -EPROTO;
	if (h->exempt && !is_inside(image, h->exempt, sizeof(struct hg_exempt)))
		return -EPROTO;
	if (!names_are_good(image) || !vpcs_are_good(image) || !places_are_good(image) ||
	    !uplinks_are_good(image) || !routes_are_good(image) ||
	    !gateways_are_good(image) || !balancers_are_good(image) ||
	    !pools_are_good(image) || !chains_are_good(image))
		return -EPROTO;
	return 0;
}
