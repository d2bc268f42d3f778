/* SPDX-License-Identifier: Apache-2.0 */

/* Every stage wants to know something else of an address: a NACL which of its CIDRs cover
 * it, a group who its owner is, the source check whose it is. Asking each in turn costs a
 * look-up per CIDR. Here all that is asked is laid over the address space at once: each
 * CIDR, list entry, member, interface, subnet and route marks its prefix; the marks are
 * sorted so that a prefix follows those that contain it, and one walk with a stack gives
 * every prefix the marks of itself and of all around it. Equal sums are one class.
 *
 * What classifiers compare is numbered apart (the peer), because there are far fewer such
 * sets than classes: four thousand interfaces without a rule of their own are one peer.
 * A set is kept as what it adds to the set of the prefix around it, so that a
 * classifier can derive its answer for a peer from the answer for the parent.
 *
 * Cost: a sort of all prefixes, then one step each. tests/unit/compile/class.c compares
 * with a scan of all marks.
 */
#include "compile/class.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/exempt.h"
#include "compile/mark.h"
#include "compile/owner.h"
#include "compile/trie.h"

/* What holds inside one prefix. */
struct frame {
	uint64_t hi, lo;
	uint32_t len;
	bool is_unrouted;
	struct hg_class is;
	uint32_t class;
};

struct walk {
	struct build *b;
	struct classes *c;
	uint32_t family;
	struct frame stack[130];
	size_t depth;
	VEC(uint32_t) own, sum;
	/* The last answers: neighbours in a list ask the same again and again. */
	uint32_t last_parent, last_label, last_peer;
	struct hg_class last_class;
	uint32_t last_class_id;
};

static int label_put(struct classes *c, const struct peer *peer, uint32_t *ret_id)
{
	uint32_t words[5] = { peer->kind };

	if (peer->kind == PEER_CIDR) {
		words[0] |= (uint32_t)peer->cidr.addr.family << 8 |
			    (uint32_t)peer->cidr.len << 16;
		memcpy(words + 1, peer->cidr.addr.bytes, 16);
		return pool_put(&c->labels, words, 5, ret_id);
	}
	words[1] = (uint32_t)peer->index;
	return pool_put(&c->labels, words, 2, ret_id);
}

uint32_t classes_label(struct classes *c, const struct peer *peer)
{
	size_t n = pool_size(&c->labels);
	uint32_t id;

	if (peer->kind != PEER_CIDR && peer->index < 0)
		return UINT32_MAX;
	if (label_put(c, peer, &id) < 0 || id >= n)
		return UINT32_MAX;
	return id;
}

/* The label of 'peer', whose prefixes are marked when it is new. Members of groups
 * come later, from the interfaces: 'groups' holds label + 1 by group. */
static int peer_mark(struct build *b, struct classes *c, const struct peer *peer,
		     uint32_t *groups, struct marks *marks)
{
	size_t n = pool_size(&c->labels);
	uint32_t id;
	int r;

	if (peer->kind != PEER_CIDR && peer->index < 0)
		return 0;
	r = label_put(c, peer, &id);
	if (r < 0 || id < n)
		return r;
	if (peer->kind == PEER_CIDR)
		return marks_add(marks, &peer->cidr, MARK_LABEL, id) ? 0 : -ENOMEM;
	if (peer->kind == PEER_GROUP) {
		groups[peer->index] = id + 1;
		return 0;
	}
	const struct prefix_list *list = &b->m->prefix_lists[peer->index];

	for (size_t i = 0; i < list->n_entries; i++)
		if (!marks_add(marks, &list->entries[i], MARK_LABEL, id))
			return -ENOMEM;
	return 0;
}

static int nacl_mark(struct build *b, struct classes *c, size_t nacl, uint32_t *groups,
		     struct marks *marks)
{
	const struct nacl *n = &b->m->nacls[nacl];

	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < n->n_rules[d]; i++) {
			int r = peer_mark(b, c, &n->rules[d][i].cidr, groups, marks);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int group_mark(struct build *b, struct classes *c, size_t group, uint32_t *groups,
		      struct marks *marks)
{
	const struct group *g = &b->m->groups[group];

	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < g->n_rules[d]; i++) {
			const struct group_rule *rule = &g->rules[d][i];

			for (size_t k = 0; k < rule->n_peers; k++) {
				int r = peer_mark(b, c, &rule->peers[k], groups, marks);

				if (r < 0)
					return r;
			}
		}
	}
	return 0;
}

/* The groups 'list', but those that 'is_done' knows. */
static int groups_mark(struct build *b, struct classes *c, const int *list, size_t n,
		       bool *is_done, uint32_t *groups, struct marks *marks)
{
	int r = 0;

	for (size_t k = 0; k < n && r == 0; k++) {
		if (is_done[list[k]])
			continue;
		is_done[list[k]] = true;
		r = group_mark(b, c, (size_t)list[k], groups, marks);
	}
	return r;
}

/* All that the filters of 'vpc' in use compare. */
static int rules_mark(struct build *b, struct classes *c, size_t vpc, uint32_t *groups,
		      struct marks *marks)
{
	const struct model *m = b->m;
	_cleanup_free_ bool *is_done =
		calloc(m->n_nacls + m->n_groups + 1, sizeof(*is_done));
	bool *group_is_done;
	int r = 0;

	if (!is_done)
		return -ENOMEM;
	group_is_done = is_done + m->n_nacls;
	for (size_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];

		if ((size_t)s->vpc != vpc || s->nacl < 0 || is_done[s->nacl])
			continue;
		is_done[s->nacl] = true;
		r = nacl_mark(b, c, (size_t)s->nacl, groups, marks);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < m->n_interfaces && r == 0; i++) {
		const struct interface *f = &m->interfaces[i];

		if ((size_t)f->vpc == vpc)
			r = groups_mark(b, c, f->groups, f->n_groups, group_is_done,
					groups, marks);
	}
	for (size_t i = 0; i < m->n_nat_gateways && r == 0; i++) {
		const struct nat_gateway *g = &m->nat_gateways[i];

		if ((size_t)g->vpc == vpc)
			r = groups_mark(b, c, g->groups, g->n_groups, group_is_done,
					groups, marks);
	}
	for (size_t i = 0; i < m->n_load_balancers && r == 0; i++) {
		const struct load_balancer *l = &m->load_balancers[i];

		if ((size_t)l->vpc == vpc)
			r = groups_mark(b, c, l->groups, l->n_groups, group_is_done,
					groups, marks);
	}
	return r;
}

/* The union of set 'id' of 'pool', without its first 'skip' words, and 'own', both
 * ascending, into 'w->sum'. */
static int sum_make(struct walk *w, const struct pool *pool, uint32_t id, size_t skip)
{
	size_t n, i, k = 0;
	const uint32_t *old = pool_get(pool, id, &n);

	w->sum.n = 0;
	if (skip && !vec_push(&w->sum, w->family))
		return -ENOMEM;
	for (i = skip; i < n || k < w->own.n;) {
		uint32_t next;

		if (k == w->own.n || (i < n && old[i] <= w->own.items[k])) {
			if (k < w->own.n && old[i] == w->own.items[k])
				k++;
			next = old[i++];
		} else {
			next = w->own.items[k++];
		}
		if (!vec_push(&w->sum, next))
			return -ENOMEM;
	}
	return 0;
}

/* The peer of 'parent' with the labels 'w->own' added. */
static int peer_extend(struct walk *w, uint32_t parent, uint32_t *ret_peer)
{
	struct classes *c = w->c;
	struct class_peer peer = { .parent = parent, .family = w->family };
	size_t n;
	const uint32_t *old;
	uint32_t id;
	int r;

	if (w->own.n == 1 && parent == w->last_parent &&
	    w->own.items[0] == w->last_label) {
		*ret_peer = w->last_peer;
		return 0;
	}
	r = sum_make(w, &c->sets, parent, 1);
	if (r < 0)
		return r;
	r = pool_put(&c->sets, w->sum.items, w->sum.n, &id);
	if (r < 0)
		return r;
	if (id == c->peers.n) {
		peer.added = (uint32_t)c->added.n;
		old = pool_get(&c->sets, parent, &n);
		for (size_t i = 0, k = 1; i < w->own.n; i++) {
			while (k < n && old[k] < w->own.items[i])
				k++;
			if (k < n && old[k] == w->own.items[i])
				continue;
			if (!vec_push(&c->added, w->own.items[i]))
				return -ENOMEM;
		}
		peer.n_added = (uint32_t)c->added.n - peer.added;
		if (!vec_push(&c->peers, peer))
			return -ENOMEM;
	}
	if (w->own.n == 1) {
		w->last_parent = parent;
		w->last_label = w->own.items[0];
		w->last_peer = id;
	}
	*ret_peer = id;
	return 0;
}

static int class_put(struct walk *w, struct frame *f)
{
	uint32_t words[sizeof(f->is) / sizeof(uint32_t)];
	int r;

	if (memcmp(&f->is, &w->last_class, sizeof(f->is)) == 0) {
		f->class = w->last_class_id;
		return 0;
	}
	memcpy(words, &f->is, sizeof(words));
	r = pool_put(&w->c->class_ids, words, ARRAY_SIZE(words), &f->class);
	if (r < 0)
		return r;
	if (f->class == w->c->classes.n && !vec_push(&w->c->classes, f->is))
		return -ENOMEM;
	w->last_class = f->is;
	w->last_class_id = f->class;
	return 0;
}

static bool frame_contains(const struct frame *f, const struct mark *m)
{
	if (f->len > m->len)
		return false;
	if (f->len == 0)
		return true;
	if (f->len <= 64)
		return (f->hi ^ m->hi) >> (64 - f->len) == 0;
	return f->hi == m->hi && (f->lo ^ m->lo) >> (128 - f->len) == 0;
}

/* The values of the marks of 'kind' from 'm[*i]' on, into 'w->own'; moves '*i' behind. */
static int own_take(struct walk *w, enum mark_kind kind, const struct mark *m, size_t n,
		    size_t *i)
{
	for (w->own.n = 0; *i < n && m[*i].kind == kind; (*i)++)
		if (!vec_push(&w->own, m[*i].value))
			return -ENOMEM;
	return 0;
}

/* The same for a kind of which one mark counts: the lowest id speaks for an address that two
 * claim. 'old' where there is none. */
static uint32_t first_take(enum mark_kind kind, const struct mark *m, size_t n, size_t *i,
			   uint32_t old)
{
	uint32_t value = old;

	for (bool is_first = true; *i < n && m[*i].kind == kind; (*i)++, is_first = false)
		if (is_first)
			value = m[*i].value;
	return value;
}

static int exempt_extend(struct walk *w, uint32_t *exempt)
{
	int r;

	if (w->own.n == 0)
		return 0;
	r = sum_make(w, &w->c->exempt_sets, *exempt, 0);
	return r < 0 ? r : pool_put(&w->c->exempt_sets, w->sum.items, w->sum.n, exempt);
}

/* What the marks 'm[0 .. n)' of one prefix change in 'f'. */
static int marks_apply(struct walk *w, const struct mark *m, size_t n, struct frame *f)
{
	uint32_t public;
	size_t i = 0;
	int r;

	r = own_take(w, MARK_LABEL, m, n, &i);
	if (r == 0 && w->own.n)
		r = peer_extend(w, f->is.peer, &f->is.peer);
	if (r < 0)
		return r;
	f->is.interface = first_take(MARK_INTERFACE, m, n, &i, f->is.interface);
	f->is.subnet = first_take(MARK_SUBNET, m, n, &i, f->is.subnet);
	f->is.is_inside = first_take(MARK_INSIDE, m, n, &i, f->is.is_inside);
	public = first_take(MARK_PUBLIC, m, n, &i, 0);
	if (public)
		memcpy(&f->is.public, w->b->m->elastic_ips[public - 1].address.bytes, 4);
	f->is.nat = (uint16_t)first_take(MARK_NAT, m, n, &i, f->is.nat);
	f->is.vip = (uint16_t)first_take(MARK_VIP, m, n, &i, f->is.vip);
	if (i < n && m[i].kind == MARK_UNROUTED) {
		f->is_unrouted = true;
		f->is.row = 0;
		i++;
	}
	r = own_take(w, MARK_ROUTE, m, n, &i);
	if (r == 0 && w->own.n && !f->is_unrouted)
		r = routes_step(w->b, &w->c->routes, f->is.row, w->own.items, w->own.n,
				&f->is.row);
	if (r == 0)
		r = own_take(w, MARK_EXEMPT, m, n, &i);
	return r < 0 ? r : exempt_extend(w, &f->is.exempt);
}

/* One prefix: the marks 'm[0 .. n)' of equal address and length. */
static int prefix_walk(struct walk *w, const struct mark *m, size_t n)
{
	struct frame f, *top;
	int r;

	while (w->depth > 1 && !frame_contains(&w->stack[w->depth - 1], m))
		w->depth--;
	top = &w->stack[w->depth - 1];
	f = *top;
	f.hi = m->hi;
	f.lo = m->lo;
	f.len = m->len;
	r = marks_apply(w, m, n, &f);
	if (r == 0)
		r = class_put(w, &f);
	if (r < 0)
		return r;
	if (f.is.vip != top->is.vip)
		w->b->vip_peers[f.is.vip] = f.is.peer;
	if (f.class != top->class &&
	    !vec_push(&w->c->prefixes[w->family == 6],
		      (struct class_prefix){ f.hi, f.lo, f.len, f.class }))
		return -ENOMEM;
	w->stack[w->depth++] = f;
	return 0;
}

static int family_walk(struct build *b, struct classes *c, uint32_t family,
		       const struct mark *marks, size_t n)
{
	struct walk w = { .b = b, .c = c, .family = family, .depth = 1 };
	int r = 0;

	w.last_label = UINT32_MAX;
	for (size_t i = 0, end; i < n && r == 0; i = end) {
		for (end = i + 1; end < n; end++)
			if (marks[end].hi != marks[i].hi ||
			    marks[end].lo != marks[i].lo ||
			    marks[end].len != marks[i].len)
				break;
		r = prefix_walk(&w, marks + i, end - i);
	}
	vec_done(&w.own);
	vec_done(&w.sum);
	return r;
}

int classes_build(struct build *b, size_t vpc, struct classes *ret)
{
	_cleanup_free_ uint32_t *groups = calloc(b->m->n_groups + 1, sizeof(*groups));
	struct classes c = { 0 };
	struct marks marks = { 0 };
	const uint32_t nothing[sizeof(struct hg_class) / sizeof(uint32_t)] = { 0 };
	uint32_t id;
	int r;

	r = groups ? routes_init(b, vpc, &c.routes) : -ENOMEM;
	if (r == 0)
		r = rules_mark(b, &c, vpc, groups, &marks);
	if (r == 0)
		r = owners_mark(b, vpc, groups, &marks);
	if (r == 0)
		r = routes_mark(b, &c.routes, &marks);
	if (r == 0)
		r = exempt_mark(b, vpc, &marks);
	marks_sort(&marks);
	/* Peer, class and set 0 are nobody and nothing. */
	if (r == 0)
		r = pool_put(&c.sets, nothing, 1, &id);
	if (r == 0)
		r = pool_put(&c.exempt_sets, nothing, 0, &id);
	if (r == 0)
		r = pool_put(&c.class_ids, nothing, ARRAY_SIZE(nothing), &id);
	if (r == 0 && (!vec_push(&c.peers, (struct class_peer){ 0 }) ||
		       !vec_push(&c.classes, (struct hg_class){ 0 })))
		r = -ENOMEM;
	for (int f = 0; f < 2 && r == 0; f++)
		r = family_walk(b, &c, f ? 6 : 4, marks.of[f].items, marks.of[f].n);
	marks_done(&marks);
	if (r < 0) {
		classes_done(&c);
		return r;
	}
	if (c.classes.n > HG_MAX_CLASSES)
		build_refuse(
			b, &b->m->vpcs[vpc].where,
			"rules tell %zu kinds of address apart; at most %u are possible",
			c.classes.n, HG_MAX_CLASSES);
	*ret = c;
	return 0;
}

void classes_done(struct classes *c)
{
	pool_done(&c->labels);
	pool_done(&c->sets);
	vec_done(&c->peers);
	vec_done(&c->added);
	pool_done(&c->exempt_sets);
	routes_done(&c->routes);
	vec_done(&c->classes);
	pool_done(&c->class_ids);
	vec_done(&c->prefixes[0]);
	vec_done(&c->prefixes[1]);
}

int classes_write(struct build *b, struct classes *c, struct hg_vpc *ret)
{
	size_t n_sets = pool_size(&c->exempt_sets);
	_cleanup_free_ uint32_t *exempt = calloc(n_sets, sizeof(*exempt));
	uint32_t line;
	int r;

	if (!exempt)
		return -ENOMEM;
	for (size_t i = 0; i < n_sets; i++) {
		size_t n;
		const uint32_t *ids = pool_get(&c->exempt_sets, (uint32_t)i, &n);

		r = exempt_write(b, ids, n, &exempt[i]);
		if (r < 0)
			return r;
	}
	r = lines_reserve(&b->lines, (c->classes.n + 1) / 2, &line);
	if (r < 0)
		return r;
	struct hg_class *classes = lines_at(&b->lines, line);

	for (size_t i = 0; i < c->classes.n; i++) {
		classes[i] = c->classes.items[i];
		classes[i].exempt = exempt[classes[i].exempt];
	}
	ret->classes = (struct hg_table){ line, (uint32_t)c->classes.n };
	ret->n_peers = (uint32_t)c->peers.n;
	ret->n_rows = (uint32_t)c->routes.rows.n;
	r = trie4_write(&b->lines, c->prefixes[0].items, c->prefixes[0].n, &ret->trie4);
	if (r == 0)
		r = trie6_write(&b->lines, c->prefixes[1].items, c->prefixes[1].n,
				&ret->trie6);
	if (r == 0)
		r = routes_write_rows(b, &c->routes);
	return r;
}
