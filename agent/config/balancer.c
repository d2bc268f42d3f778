/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

#define IDLE_TIMEOUT     350 /* seconds; AWS's, and so are its bounds */
#define IDLE_TIMEOUT_MIN 60
#define IDLE_TIMEOUT_MAX 6000
/* Looks at targets in search of a zone's, for a warning: 1000 targets may be those of every
 * listener. What is beyond goes unmentioned. */
#define ZONES_LOOKED_AT 10000000

static const struct choice protocols[] = {
	{ "tcp", TARGET_TCP }, { "udp", TARGET_UDP }, { "tcp_udp", TARGET_TCP_UDP }, {}
};
static const struct choice syn_protections[] = {
	{ "auto", SYN_AUTO }, { "always", SYN_ALWAYS }, { "off", SYN_OFF }, {}
};

/* ---- the fields ---- */

static void vips_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	struct load_balancer *lb = object;
	size_t n, i = 0;
	struct vip *vips = list_read(r, f, at, sizeof(*vips), &n);

	if (!vips)
		return;
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++) {
		struct at member = { at.doc, j };

		vips[i].where = where_of(r, member);
		vips[i].subnet = vips[i].elastic_ip = LINK_ABSENT;
		address_read(r, member, &vips[i].address);
	}
	lb->vips = vips;
	lb->n_vips = n;
}

static const struct kind kind_vips = { "list of addresses", vips_read, schema_addresses,
				       NULL };

static const struct field node_fields[] = {
	{ "subnet", &kind_reference, offsetof(struct vip, subnet),
	  .flags = FIELD_REQUIRED, .noun = NOUN_SUBNET,
	  .help = "Its network ACL is met between the node and the outside." },
	{ "address", &kind_address, offsetof(struct vip, address),
	  .flags = FIELD_REQUIRED, .help = "Inside the subnet, and nobody else's." },
	{ "elastic_ip", &kind_reference, offsetof(struct vip, elastic_ip),
	  .noun = NOUN_ELASTIC_IP, .help = "Of a node in IPv4: its address outside." },
	{},
};

static const struct field forward_fields[] = {
	{ "target_group", &kind_reference, offsetof(struct forward, target_group),
	  .flags = FIELD_REQUIRED, .noun = NOUN_TARGET_GROUP,
	  .help = "Of the same VPC; its `protocol` says of which listeners." },
	{ "weight", &kind_number, offsetof(struct forward, weight), .flags = FIELD_PRESET,
	  .min = 0, .max = HG_MAX_TARGET_WEIGHT, .preset = 1, .size = sizeof(uint32_t),
	  .help = "Its share of new connections; 0: none." },
	{},
};

static void listener_after(struct reader *r, struct at at, void *element)
{
	((struct listener *)element)->where = where_of(r, at);
}

static const struct field listener_fields[] = {
	{ "protocol", &kind_choice, offsetof(struct listener, protocol),
	  .flags = FIELD_REQUIRED | FIELD_PRESET, .preset = CHOICE_BROKEN,
	  .choices = protocols, .size = sizeof(int),
	  .help = "`tcp_udp` is two listeners at one port." },
	{ "port", &kind_number, offsetof(struct listener, port), .flags = FIELD_REQUIRED,
	  .min = 1, .max = UINT16_MAX, .size = sizeof(uint16_t),
	  .help = "Once a protocol." },
	{ "forward", &kind_objects, offsetof(struct listener, forwards),
	  offsetof(struct listener, n_forwards), .flags = FIELD_REQUIRED, .min = 1,
	  .max = HG_MAX_FORWARDS, .fields = forward_fields,
	  .size = sizeof(struct forward), .help = "Who answers." },
	{ "idle_timeout", &kind_number, offsetof(struct listener, idle_timeout),
	  .flags = FIELD_PRESET, .min = IDLE_TIMEOUT_MIN, .max = IDLE_TIMEOUT_MAX,
	  .preset = IDLE_TIMEOUT, .size = sizeof(uint32_t),
	  .help = "Of TCP: seconds after which a silent connection is forgotten. That of "
		  "UDP is 120." },
	{ "syn_protection", &kind_choice, offsetof(struct listener, syn_protection),
	  .flags = FIELD_PRESET, .preset = SYN_AUTO, .choices = syn_protections,
	  .size = sizeof(int),
	  .help = "Of TCP: whether sources have to show that they are there before they "
		  "open connections; `auto`: in a flood." },
	{},
};

static void node_after(struct reader *r, struct at at, void *element)
{
	((struct vip *)element)->where = where_of(r, at);
}

const struct field load_balancer_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct load_balancer, vpc), .noun = NOUN_VPC,
	  .help = "May be left out where there is one VPC or none." },
	{ "addresses", &kind_vips, offsetof(struct load_balancer, vips),
	  offsetof(struct load_balancer, n_vips), .min = 1, .max = HG_MAX_VIPS,
	  .help = "Virtual addresses as they are, inside the VPC or outside every other. "
		  "A balancer has these or `nodes`." },
	{ "zone", &kind_remark, .min = 1, .max = HG_MAX_NAME,
	  .help = "Of `addresses`. A node has its subnet's." },
	{ "nodes", &kind_objects, offsetof(struct load_balancer, vips),
	  offsetof(struct load_balancer, n_vips), .min = 1, .max = HG_MAX_VIPS,
	  .fields = node_fields, .size = sizeof(struct vip), .after = node_after,
	  .help = "Virtual addresses in subnets." },
	{ "cross_zone", &kind_bool, offsetof(struct load_balancer, cross_zone),
	  .flags = FIELD_PRESET, .preset = false,
	  .help = "An address with a zone forwards to targets of every zone, not just to "
		  "those of its own and of none." },
	{ "security_groups", &kind_references, offsetof(struct load_balancer, groups),
	  offsetof(struct load_balancer, n_groups), .noun = NOUN_GROUP,
	  .max = HG_MAX_INTERFACE_GROUPS,
	  .help = "Asked about clients and about targets. Without any nobody is." },
	{ "listeners", &kind_objects, offsetof(struct load_balancer, listeners),
	  offsetof(struct load_balancer, n_listeners), .max = HG_MAX_LISTENERS,
	  .fields = listener_fields, .size = sizeof(struct listener),
	  .after = listener_after,
	  .help = "At every address. What meets none is dropped." },
	{},
};

void load_balancer_after(struct reader *r, struct at at, void *object)
{
	struct load_balancer *lb = object;
	const struct json *zone = json_get(at.json, "zone");
	const char *name = json_string(zone);

	if (!json_get(at.json, "addresses") == !json_get(at.json, "nodes")) {
		complain(r, at, "a load balancer has either \"addresses\" or \"nodes\"");
		/* Of two lists only one would be there to point at. */
		lb->n_vips = 0;
	} else if (zone && json_get(at.json, "nodes")) {
		complain(r, at_get(at, "zone"),
			 "\"zone\" goes with \"addresses\": a node has that of its "
			 "subnet");
	}
	name = name ? reader_strdup(r, name) : NULL;
	for (size_t k = 0; k < lb->n_vips; k++)
		lb->vips[k].zone = name;
}

/* ---- the check ---- */

/* A balancer in hand. */
struct survey {
	struct reader *r;
	struct load_balancer *lb;
	struct at at;
	struct extents extents;
	const struct elastic_ip **elastic_ips; /* by address */
	size_t n_looked_at;
};

static void survey_done(struct survey *s)
{
	extents_done(&s->extents);
	free(s->elastic_ips);
}

static int compare_publics(const void *pa, const void *pb)
{
	const struct elastic_ip *a = *(const struct elastic_ip *const *)pa,
				*b = *(const struct elastic_ip *const *)pb;

	return addr_compare(&a->address, &b->address);
}

static bool survey_init(struct reader *r, struct survey *ret)
{
	const struct model *m = r->model;

	ret->r = r;
	ret->elastic_ips = reader_room(r, m->n_elastic_ips, sizeof(*ret->elastic_ips));
	if (!ret->elastic_ips)
		return false;
	for (size_t i = 0; i < m->n_elastic_ips; i++)
		ret->elastic_ips[i] = &m->elastic_ips[i];
	qsort(ret->elastic_ips, m->n_elastic_ips, sizeof(*ret->elastic_ips),
	      compare_publics);
	return extents_init(r, &ret->extents);
}

/* Whoever has no nodes has no element of them, and the other way round. */
struct at vip_at(const struct reader *r, const struct load_balancer *lb, size_t k)
{
	struct at at =
		r->slots[NOUN_LOAD_BALANCER].items[lb - r->model->load_balancers].at;

	if (json_get(at.json, "nodes"))
		return at_get(at_nth(at_get(at, "nodes"), k), "address");
	return at_nth(at_get(at, "addresses"), k);
}

static void reserved_check(const struct survey *s, size_t k, const struct cidr *c)
{
	const struct addr *a = &s->lb->vips[k].address;
	char addr[ADDR_TEXT], cidr[CIDR_TEXT];

	if (addr_role(c, a))
		complain(s->r, vip_at(s->r, s->lb, k), "%s is reserved in %s: %s",
			 addr_print(a, addr), cidr_print(c, cidr), addr_role(c, a));
}

static void node_check(const struct survey *s, size_t k)
{
	struct vip *v = &s->lb->vips[k];
	const struct model *m = s->r->model;
	const struct subnet *n = &m->subnets[v->subnet];
	struct at at = at_get(at_nth(at_get(s->at, "nodes"), k), "elastic_ip");
	const struct cidr *c = NULL;
	char buf[ADDR_TEXT];

	v->zone = n->zone;
	for (size_t i = 0; i < n->n_cidrs; i++)
		if (cidr_contains(&n->cidrs[i], &v->address))
			c = &n->cidrs[i];
	if (c)
		reserved_check(s, k, c);
	else
		complain(s->r, vip_at(s->r, s->lb, k),
			 "%s is not inside a CIDR of subnet \"%s\"",
			 addr_print(&v->address, buf), n->name);
	if (at.json && v->address.family == 6)
		complain(s->r, at, "a node of IPv6 has no elastic IP");
	else if (v->elastic_ip >= 0 && s->lb->vpc >= 0 &&
		 internet_gateway_find(m, s->lb->vpc) < 0)
		warn(s->r, at,
		     "VPC \"%s\" has no internet gateway, so nobody reaches the node by "
		     "this "
		     "address",
		     m->vpcs[s->lb->vpc].name);
}

/* At an uplink an address tells whose it is; of its own VPC this one is outside. */
static void outside_check(const struct survey *s, size_t k)
{
	const struct addr *a = &s->lb->vips[k].address;
	const struct elastic_ip key = { .address = *a }, *of = &key, **found;
	const struct model *m = s->r->model;
	char addr[ADDR_TEXT], cidr[CIDR_TEXT];
	const struct cidr *c;

	for (size_t i = 0; i < m->n_vpcs; i++) {
		c = vpc_cidr_find(&m->vpcs[i], a);
		if (!c)
			continue;
		complain(s->r, vip_at(s->r, s->lb, k), "%s is inside %s of VPC \"%s\"",
			 addr_print(a, addr), cidr_print(c, cidr), m->vpcs[i].name);
		return;
	}
	found = bsearch(&of, s->elastic_ips, m->n_elastic_ips, sizeof(of),
			compare_publics);
	if (found)
		complain(s->r, vip_at(s->r, s->lb, k),
			 "%s is that of elastic IP \"%s\" already", addr_print(a, addr),
			 (*found)->name);
}

static void bare_check(const struct survey *s, size_t k)
{
	const struct addr *a = &s->lb->vips[k].address;
	const struct cidr *c;
	int subnet;

	if (s->lb->vpc < 0)
		return;
	c = extent_find(&s->extents, s->lb->vpc, a, &subnet);
	if (c)
		reserved_check(s, k, c);
	else if (!vpc_cidr_find(&s->r->model->vpcs[s->lb->vpc], a))
		outside_check(s, k);
}

static void vips_check(const struct survey *s)
{
	bool has_nodes = json_get(s->at.json, "nodes");
	char buf[ADDR_TEXT];

	for (size_t k = 0; k < s->lb->n_vips; k++) {
		const struct vip *v = &s->lb->vips[k];

		if (v->address.family == 0)
			continue;
		if (addr_is_special(&v->address) || addr_is_mapped(&v->address))
			complain(s->r, vip_at(s->r, s->lb, k),
				 "%s cannot be a virtual address",
				 addr_print(&v->address, buf));
		else if (!has_nodes)
			bare_check(s, k);
		else if (v->subnet >= 0)
			node_check(s, k);
	}
}

/* ---- listeners ---- */

static bool is_meeting(const struct listener *a, const struct listener *b)
{
	if (a->port != b->port || a->port == 0 || (int)a->protocol == CHOICE_BROKEN ||
	    (int)b->protocol == CHOICE_BROKEN)
		return false;
	return a->protocol == b->protocol || a->protocol == TARGET_TCP_UDP ||
	       b->protocol == TARGET_TCP_UDP;
}

/* A list has 50 at most, so each is compared with each. */
static void listeners_check_once(const struct survey *s, struct at list)
{
	const struct load_balancer *lb = s->lb;

	for (size_t i = 0; i < lb->n_listeners; i++)
		for (size_t k = 0; k < i; k++) {
			if (!is_meeting(&lb->listeners[i], &lb->listeners[k]))
				continue;
			complain(s->r, at_nth(list, i),
				 "listener %zu is at port %u of %s already", k,
				 lb->listeners[k].port,
				 target_protocol_name(lb->listeners[k].protocol));
			break;
		}
}

/* AWS's table. */
static bool is_served(enum target_protocol listener, enum target_protocol group)
{
	if (listener == TARGET_TCP_UDP)
		return group == TARGET_TCP_UDP;
	return group == listener || group == TARGET_TCP_UDP;
}

static bool is_of_zone(const struct model *m, const struct target *t, const struct vip *v)
{
	bool has_family = t->address.family == v->address.family;

	for (size_t k = 0;
	     t->interface >= 0 && k < m->interfaces[t->interface].n_addresses; k++)
		has_family |= m->interfaces[t->interface].addresses[k].family ==
			      v->address.family;
	return has_family && (!t->zone || strcmp(t->zone, v->zone) == 0);
}

static void zones_warn(struct survey *s, const struct target_group *g, struct at at)
{
	bool is_cross = g->cross_zone == -1 ? s->lb->cross_zone : g->cross_zone;
	char buf[ADDR_TEXT];

	for (size_t k = 0; !is_cross && g->n_targets > 0 && k < s->lb->n_vips; k++) {
		const struct vip *v = &s->lb->vips[k];
		bool is_there = !v->zone || v->address.family == 0;

		for (size_t i = 0; !is_there && i < g->n_targets; i++) {
			if (s->n_looked_at++ >= ZONES_LOOKED_AT)
				return;
			is_there = is_of_zone(s->r->model, &g->targets[i], v);
		}
		if (!is_there)
			warn(s->r, at,
			     "target group \"%s\" has no target for %s: none of IPv%u in "
			     "zone "
			     "\"%s\" or in none, and no \"cross_zone\"",
			     g->name, addr_print(&v->address, buf), v->address.family,
			     v->zone);
	}
}

static void forward_check(struct survey *s, const struct listener *l, size_t k,
			  struct at at)
{
	const struct model *m = s->r->model;
	const struct target_group *g;
	struct at name = at_get(at, "target_group");

	if (l->forwards[k].target_group < 0)
		return;
	g = &m->target_groups[l->forwards[k].target_group];
	for (size_t i = 0; i < k; i++)
		if (l->forwards[i].target_group == l->forwards[k].target_group)
			complain(s->r, name, "target group \"%s\" stands here twice",
				 g->name);
	if ((int)l->protocol == CHOICE_BROKEN || (int)g->protocol == CHOICE_BROKEN)
		return;
	if (!is_served(l->protocol, g->protocol)) {
		complain(s->r, name,
			 "a listener of %s does not forward to target group \"%s\", "
			 "which is "
			 "of %s",
			 target_protocol_name(l->protocol), g->name,
			 target_protocol_name(g->protocol));
		return;
	}
	zones_warn(s, g, name);
	if (g->preserve_client_ip && s->lb->vpc >= 0 && !m->vpcs[s->lb->vpc].is_routed)
		warn(s->r, name,
		     "target group \"%s\" preserves client addresses, and the VPC is not "
		     "routed here: answers must come back through this host",
		     g->name);
}

static void listener_check(struct survey *s, const struct listener *l, struct at at)
{
	static const char *const keys[] = { "idle_timeout", "syn_protection" };
	struct at list = at_get(at, "forward");
	uint32_t weight = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (l->protocol == TARGET_UDP && json_get(at.json, keys[i]))
			complain(s->r, at_get(at, keys[i]), "\"%s\" is for TCP only",
				 keys[i]);
	for (size_t k = 0; k < l->n_forwards; k++) {
		forward_check(s, l, k, at_nth(list, k));
		weight += l->forwards[k].weight;
	}
	if (weight == 0 && l->n_forwards > 0)
		warn(s->r, list, "every weight is 0: no new connection is let in");
}

static void load_balancer_check(struct survey *s)
{
	const struct load_balancer *lb = s->lb;
	struct at list = at_get(s->at, "listeners"), at = at_nth(list, 0);

	vips_check(s);
	groups_check_once(s->r, lb->groups, lb->n_groups, s->at);
	listeners_check_once(s, list);
	for (size_t k = 0; k < lb->n_listeners; k++) {
		listener_check(s, &lb->listeners[k], at);
		at.json = json_next(at.json);
	}
}

/* ---- bare addresses of several VPCs ---- */

struct bare {
	const struct load_balancer *lb;
	size_t index;
};

static const struct addr *bare_addr(const struct bare *b)
{
	return &b->lb->vips[b->index].address;
}

static int compare_bares(const void *pa, const void *pb)
{
	const struct bare *a = pa, *b = pb;
	int r = addr_compare(bare_addr(a), bare_addr(b));

	if (r == 0)
		r = (a->lb > b->lb) - (a->lb < b->lb);
	return r != 0 ? r : (a->index > b->index) - (a->index < b->index);
}

/* Those that are outside their VPC; of one VPC's addresses_check() has seen already. */
static void bares_check(struct reader *r)
{
	const struct model *m = r->model;
	_cleanup_free_ struct bare *bares =
		reader_room(r, m->n_load_balancers * HG_MAX_VIPS, sizeof(*bares));
	char buf[ADDR_TEXT];
	size_t n = 0;

	if (!bares)
		return;
	for (size_t i = 0; i < m->n_load_balancers; i++) {
		const struct load_balancer *lb = &m->load_balancers[i];

		for (size_t k = 0; k < lb->n_vips && lb->vpc >= 0; k++)
			if (lb->vips[k].subnet == LINK_ABSENT &&
			    lb->vips[k].address.family != 0 &&
			    !vpc_cidr_find(&m->vpcs[lb->vpc], &lb->vips[k].address))
				bares[n++] = (struct bare){ lb, k };
	}
	qsort(bares, n, sizeof(*bares), compare_bares);
	for (size_t i = 1; i < n && !reader_is_full(r); i++)
		if (addr_compare(bare_addr(&bares[i]), bare_addr(&bares[i - 1])) == 0 &&
		    bares[i].lb->vpc != bares[i - 1].lb->vpc)
			complain(r, vip_at(r, bares[i].lb, bares[i].index),
				 "%s is a virtual address of load balancer \"%s\" in VPC "
				 "\"%s\"",
				 addr_print(bare_addr(&bares[i]), buf),
				 bares[i - 1].lb->name,
				 m->vpcs[bares[i - 1].lb->vpc].name);
}

void load_balancers_check(struct reader *r)
{
	_cleanup_(survey_done) struct survey s = {};
	struct model *m = r->model;
	size_t n = m->n_load_balancers + m->n_gateway_load_balancers;

	if (n > HG_MAX_BALANCERS)
		complain(r, r->slots[NOUN_GATEWAY_LOAD_BALANCER].items[0].at,
			 "%zu load balancers of both kinds; the most is %d", n,
			 HG_MAX_BALANCERS);
	if (!survey_init(r, &s))
		return;
	for (size_t i = 0; i < m->n_load_balancers && !reader_is_full(r); i++) {
		s.lb = &m->load_balancers[i];
		s.at = r->slots[NOUN_LOAD_BALANCER].items[i].at;
		load_balancer_check(&s);
	}
	bares_check(r);
}
