/* SPDX-License-Identifier: Apache-2.0 */
#include "config/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/fields.h"

#define SUGGESTIONS_MAX 100 /* each looks at every name of its noun */

/* ---- what was meant ---- */

/* Edits between two names: insert, remove, replace, or swap neighbours; beyond 'most' just
 * something larger. Both are at most HG_MAX_NAME long. */
static size_t edit_distance(const char *a, const char *b, size_t most)
{
	size_t rows[3][HG_MAX_NAME + 1], *before = rows[0], *above = rows[1],
					 *row = rows[2];
	size_t n_a = strlen(a), n_b = strlen(b);

	if (n_a > n_b + most || n_b > n_a + most)
		return most + 1;
	for (size_t k = 0; k <= n_b; k++)
		row[k] = k;
	for (size_t i = 1; i <= n_a; i++) {
		size_t *spare = before;

		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (size_t k = 1; k <= n_b; k++) {
			size_t d = above[k - 1] + (a[i - 1] != b[k - 1]);

			if (above[k] + 1 < d)
				d = above[k] + 1;
			if (row[k - 1] + 1 < d)
				d = row[k - 1] + 1;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] &&
			    a[i - 2] == b[k - 1] && before[k - 2] + 1 < d)
				d = before[k - 2] + 1;
			row[k] = d;
		}
	}
	return row[n_b];
}

void suggest(struct suggestion *s, const char *candidate)
{
	size_t size = strlen(s->name), most = size < 4 ? 1 : size < 10 ? 2 : 3, d;

	if (size > HG_MAX_NAME || strlen(candidate) > HG_MAX_NAME)
		return;
	d = edit_distance(s->name, candidate, most);
	if (d <= most && (!s->best || d < s->distance)) {
		s->best = candidate;
		s->distance = d;
	}
}

const char *suggestion_print(const struct suggestion *s, char buf[static SUGGESTION_TEXT])
{
	buf[0] = '\0';
	if (s->best)
		snprintf(buf, SUGGESTION_TEXT, "; did you mean \"%s\"?", s->best);
	return buf;
}

/* ---- slots ---- */

bool name_is_good(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= HG_MAX_NAME &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234567"
			    "89._-") == n;
}

static void slot_add(struct reader *r, enum noun noun, const char *name, struct at at,
		     int vpc)
{
	struct slot slot = { .name = reader_strdup(r, name), .at = at, .vpc = vpc };

	if (!slot.name || !vec_push(&r->slots[noun], slot))
		r->is_short = true;
}

static bool section_collect(struct reader *r, enum noun noun, const struct document *doc)
{
	struct at section = at_get((struct at){ doc, doc->root }, nouns[noun].key);
	size_t n = r->slots[noun].n + json_size(section.json);
	char buf[VALUE_TEXT];

	if (section.json && !json_is_object(section.json)) {
		complain_type(r, section, "an object of named objects");
		return true;
	}
	if (n > nouns[noun].max) {
		complain(r, section, "%zu objects of this kind; the most is %zu", n,
			 nouns[noun].max);
		return false;
	}
	for (const struct json *j = json_first(section.json); j; j = json_next(j)) {
		struct at at = { doc, j };

		if (!name_is_good(json_key(j)))
			complain_key(r, at,
				     "%s is no name: 1 to %d characters of A-Z, a-z, "
				     "0-9, '.', '_', '-'",
				     text_quote(json_key(j), buf), HG_MAX_NAME);
		slot_add(r, noun, json_key(j), at, -1);
	}
	return true;
}

static int compare_slots(const void *pa, const void *pb)
{
	const struct slot *a = pa, *b = pb;
	int r = strcmp(a->name, b->name);

	if (r == 0)
		r = a->vpc - b->vpc;
	/* Equal names of two documents keep the order of the documents. */
	if (r == 0 && a->at.doc != b->at.doc)
		r = strcmp(a->at.doc->name, b->at.doc->name);
	return r;
}

static void slots_sort(struct reader *r, enum noun noun)
{
	if (r->slots[noun].n > 1)
		qsort(r->slots[noun].items, r->slots[noun].n, sizeof(struct slot),
		      compare_slots);
}

/* Repeated keys in one document are the JSON reader's complaint. */
static void slots_check(struct reader *r, enum noun noun)
{
	for (size_t i = 1; i < r->slots[noun].n; i++) {
		const struct slot *a = &r->slots[noun].items[i - 1], *b = a + 1;
		struct where w;

		if (strcmp(a->name, b->name) != 0 || a->at.doc == b->at.doc ||
		    !b->at.json)
			continue;
		w = json_where_key(a->at.doc->root, a->at.json, r->arena);
		complain_key(r, b->at, "%s \"%s\" stands in %s:%u:%u, too",
			     nouns[noun].title, b->name, w.file, w.line, w.column);
	}
}

static int slot_find(const struct reader *r, enum noun noun, const char *name, int vpc)
{
	size_t low = 0, high = r->slots[noun].n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct slot *slot = &r->slots[noun].items[mid];
		int d = strcmp(name, slot->name);

		if (d == 0)
			d = vpc - slot->vpc;
		if (d == 0)
			return (int)mid;
		if (d < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

int name_find(const struct reader *r, enum noun noun, const char *name)
{
	return slot_find(r, noun, name, -1);
}

/* The VPCs whose main route table some document has; no reference has been looked up yet. */
static bool *mains_find(const struct reader *r)
{
	const struct slot *vpcs = r->slots[NOUN_VPC].items,
			  *tables = r->slots[NOUN_ROUTE_TABLE].items;
	bool *has_main = calloc(r->slots[NOUN_VPC].n + 1, sizeof(*has_main));

	for (size_t i = 0; has_main && i < r->slots[NOUN_ROUTE_TABLE].n; i++) {
		const char *name = json_string(json_get(tables[i].at.json, "vpc"));
		int vpc = 0;

		if (!json_bool(json_get(tables[i].at.json, "main")))
			continue;
		if (name)
			vpc = name_find(r, NOUN_VPC, kind_skip(NOUN_VPC, name));
		/* Whoever names none has the only one, or a complaint. */
		if (vpc >= 0 && vpcs)
			has_main[vpc] = true;
	}
	return has_main;
}

/* What each VPC has without saying so. */
static void implicit_collect(struct reader *r)
{
	static const struct at nowhere;
	_cleanup_free_ bool *has_main = mains_find(r);

	if (!has_main) {
		r->is_short = true;
		return;
	}
	for (size_t i = 0; i < r->slots[NOUN_VPC].n; i++) {
		const struct json *j = r->slots[NOUN_VPC].items[i].at.json;

		if (!json_get(j, "default_network_acl"))
			slot_add(r, NOUN_NACL, "default", nowhere, (int)i);
		if (!json_get(j, "default_security_group"))
			slot_add(r, NOUN_GROUP, "default", nowhere, (int)i);
		if (!has_main[i])
			slot_add(r, NOUN_ROUTE_TABLE, "main", nowhere, (int)i);
	}
}

/* Whether the routes of a rule set without a VPC will be obeyed: see struct vpc. */
static bool nameless_is_routed(const struct reader *r)
{
	static const enum noun routed[] = { NOUN_ROUTE_TABLE, NOUN_INTERNET_GATEWAY,
					    NOUN_EGRESS_ONLY_GATEWAY, NOUN_NAT_GATEWAY };

	for (size_t i = 0; i < ARRAY_SIZE(routed); i++)
		if (r->slots[routed[i]].n)
			return true;
	for (size_t i = 0; i < r->slots[NOUN_SUBNET].n; i++)
		if (json_get(r->slots[NOUN_SUBNET].items[i].at.json, "device"))
			return true;
	return false;
}

/* The VPC of rule sets that name none. */
static void nameless_collect(struct reader *r)
{
	static const struct at nowhere;
	_cleanup_free_ bool *has_main = NULL;

	slot_add(r, NOUN_VPC, "", nowhere, -1);
	slot_add(r, NOUN_GROUP, "default", nowhere, 0);
	if (!nameless_is_routed(r))
		return;
	has_main = mains_find(r);
	if (!has_main)
		r->is_short = true;
	else if (!has_main[0])
		slot_add(r, NOUN_ROUTE_TABLE, "main", nowhere, 0);
}

bool names_collect(struct reader *r)
{
	bool fits = true;

	for (unsigned noun = 0; noun < NOUNS; noun++) {
		for (size_t i = 0; i < r->documents.n; i++)
			fits &= section_collect(r, noun, r->documents.items[i]);
		slots_sort(r, noun);
		slots_check(r, noun);
	}
	if (r->slots[NOUN_VPC].n == 0)
		nameless_collect(r);
	else
		implicit_collect(r);
	slots_sort(r, NOUN_ROUTE_TABLE);
	slots_sort(r, NOUN_NACL);
	slots_sort(r, NOUN_GROUP);
	return fits;
}

/* ---- links ---- */

static void link_complain(struct reader *r, const struct link *link)
{
	struct suggestion s = { .name = link->name };
	char buf[VALUE_TEXT], hint[SUGGESTION_TEXT];

	if (r->n_suggested < SUGGESTIONS_MAX) {
		r->n_suggested++;
		for (size_t i = 0; i < r->slots[link->noun].n; i++)
			if (r->slots[link->noun].items[i].at.json)
				suggest(&s, r->slots[link->noun].items[i].name);
	}
	complain(r, link->at, "there is no %s %s%s", nouns[link->noun].title,
		 text_quote(link->name, buf), suggestion_print(&s, hint));
}

int *vpc_at(const struct reader *r, enum noun noun, size_t i)
{
	char *array = *(char **)((char *)r->model + nouns[noun].array_offset);

	return (int *)(void *)(array + i * nouns[noun].size + nouns[noun].vpc_offset);
}

/* Groups are named by the hundred thousand, and 4096 peerings are too many to look at. */
static bool is_peered(struct reader *r, int a, int b)
{
	const struct model *m = r->model;

	if (!r->is_peered) {
		r->is_peered = calloc(m->n_vpcs * m->n_vpcs, sizeof(bool));
		if (!r->is_peered) {
			r->is_short = true;
			return true;
		}
		for (size_t i = 0; i < m->n_peerings; i++) {
			const int *vpcs = m->peerings[i].vpcs;

			if (vpcs[0] < 0 || vpcs[1] < 0)
				continue;
			r->is_peered[(size_t)vpcs[0] * m->n_vpcs + (size_t)vpcs[1]] =
				true;
			r->is_peered[(size_t)vpcs[1] * m->n_vpcs + (size_t)vpcs[0]] =
				true;
		}
	}
	return r->is_peered[(size_t)a * m->n_vpcs + (size_t)b];
}

/* The target is of another VPC. */
static bool link_crosses(struct reader *r, const struct link *link, int vpc, int theirs)
{
	const char *own = r->slots[NOUN_VPC].items[vpc].name,
		   *other = r->slots[NOUN_VPC].items[theirs].name;
	char buf[VALUE_TEXT];

	text_quote(link->name, buf);
	if (!link->stale) {
		complain(r, link->at, "%s %s is in VPC \"%s\", not in \"%s\"",
			 nouns[link->noun].title, buf, other, own);
		return false;
	}
	if (is_peered(r, vpc, theirs))
		return true;
	warn(r, link->at,
	     "a stale reference, which matches nothing: security group %s is in VPC "
	     "\"%s\", and no peering connects it with \"%s\"",
	     buf, other, own);
	*link->stale = reader_strdup(r, link->name);
	*link->target = LINK_ABSENT;
	return false;
}

static void link_check(struct reader *r, const struct link *link)
{
	int vpc = link->vpc ? *link->vpc : LINK_ABSENT, index, theirs;

	index = name_find(r, link->noun, link->name);
	if (index < 0 && vpc >= 0)
		index = slot_find(r, link->noun, link->name, vpc);
	if (index < 0) {
		link_complain(r, link);
		return;
	}
	if (nouns[link->noun].vpc_offset > 0 && vpc >= 0) {
		theirs = *vpc_at(r, link->noun, (size_t)index);
		if (theirs == LINK_BROKEN)
			return;
		if (theirs != vpc && !link_crosses(r, link, vpc, theirs))
			return;
	}
	*link->target = index;
}

void links_check(struct reader *r, enum noun noun)
{
	for (size_t i = 0; i < r->links.n; i++)
		if (r->links.items[i].noun == noun)
			link_check(r, &r->links.items[i]);
}
