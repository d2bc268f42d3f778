/* SPDX-License-Identifier: Apache-2.0 */
#include "config/read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/file.h"
#include "config/names.h"

_Static_assert(offsetof(struct vpc, where) == offsetof(struct head, where),
	       "a vpc has no head");
_Static_assert(offsetof(struct prefix_list, where) == offsetof(struct head, where),
	       "a prefix list has no head");
_Static_assert(offsetof(struct subnet, where) == offsetof(struct head, where),
	       "a subnet has no head");
_Static_assert(offsetof(struct nacl, where) == offsetof(struct head, where),
	       "a NACL has no head");
_Static_assert(offsetof(struct group, where) == offsetof(struct head, where),
	       "a group has no head");
_Static_assert(offsetof(struct interface, where) == offsetof(struct head, where),
	       "an interface has no head");
_Static_assert(offsetof(struct route_table, where) == offsetof(struct head, where),
	       "a route table has no head");
_Static_assert(offsetof(struct gateway, where) == offsetof(struct head, where),
	       "a gateway has no head");
_Static_assert(offsetof(struct elastic_ip, where) == offsetof(struct head, where),
	       "an elastic IP has no head");
_Static_assert(offsetof(struct nat_gateway, where) == offsetof(struct head, where),
	       "a NAT gateway has no head");
_Static_assert(offsetof(struct peering, where) == offsetof(struct head, where),
	       "a peering has no head");
_Static_assert(offsetof(struct target_group, where) == offsetof(struct head, where),
	       "a target group has no head");
_Static_assert(offsetof(struct load_balancer, where) == offsetof(struct head, where),
	       "a load balancer has no head");
_Static_assert(offsetof(struct gateway_load_balancer, where) ==
		       offsetof(struct head, where),
	       "a gateway load balancer has no head");
_Static_assert(offsetof(struct rate_limit, where) == offsetof(struct head, where),
	       "a rate limit has no head");

#define FILES_MAX 1024 /* of a directory */

/* ---- objects ---- */

static void object_read(struct reader *r, enum noun noun, size_t i, char *object,
			int *self)
{
	const struct noun_table *t = &nouns[noun];
	const struct slot *slot = &r->slots[noun].items[i];
	struct head *head = (struct head *)(void *)object;

	head->name = slot->name;
	*self = (int)i;
	r->vpc = noun == NOUN_VPC ? self : NULL;
	if (t->vpc_offset > 0)
		r->vpc = (int *)(void *)(object + t->vpc_offset);
	if (!slot->at.json) {
		head->where = (struct where){ .file = "", .pointer = "" };
		return;
	}
	head->where = where_of(r, slot->at);
	if (fields_read(r, t->fields, slot->at, object) && t->after)
		t->after(r, slot->at, object);
}

static void objects_read(struct reader *r, enum noun noun)
{
	const struct noun_table *t = &nouns[noun];
	size_t n = r->slots[noun].n;
	char *objects = reader_alloc(r, n, t->size);
	int *selves = reader_alloc(r, n, sizeof(*selves));

	if (!objects || !selves)
		return;
	*(char **)((char *)r->model + t->array_offset) = objects;
	*(size_t *)((char *)r->model + t->n_offset) = n;
	for (size_t i = 0; i < n && !r->is_short; i++)
		object_read(r, noun, i, objects + i * t->size, &selves[i]);
	r->vpc = NULL;
}

/* References of implicit objects are nobody's to read. */
static void implicit_preset(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_vpcs; i++)
		if (!r->slots[NOUN_VPC].items[i].at.json)
			m->vpcs[i].default_nacl = m->vpcs[i].default_group = LINK_ABSENT;
}

/* ---- documents ---- */

static bool is_noun(const char *key)
{
	for (unsigned noun = 0; noun < NOUNS; noun++)
		if (strcmp(nouns[noun].key, key) == 0)
			return true;
	return false;
}

static const struct field *key_find(const struct field *fields, const char *key)
{
	for (const struct field *f = fields; f->key; f++)
		if (strcmp(f->key, key) == 0)
			return f;
	return NULL;
}

static void settings_take(struct reader *r, struct at at)
{
	struct where w;

	if (!r->settings.json) {
		r->settings = at;
		return;
	}
	if (r->settings.doc == at.doc)
		return;
	w = json_where_key(r->settings.doc->root, r->settings.json, r->arena);
	complain_key(r, at, "\"settings\" stands in %s:%u:%u, too", w.file, w.line,
		     w.column);
}

static void unknown_complain(struct reader *r, struct at at)
{
	struct suggestion s = { .name = json_key(at.json) };
	char buf[VALUE_TEXT], hint[SUGGESTION_TEXT];

	for (unsigned noun = 0; noun < NOUNS; noun++)
		suggest(&s, nouns[noun].key);
	suggest(&s, "settings");
	for (const struct field *f = common_fields; f->key; f++)
		suggest(&s, f->key);
	suggest(&s, "headgate");
	complain_key(r, at, "unknown key %s%s", text_quote(json_key(at.json), buf),
		     suggestion_print(&s, hint));
}

/* The top level, but for the nouns. */
static void document_read(struct reader *r, const struct document *doc, bool *has_version)
{
	struct at root = { doc, doc->root };

	if (!json_is_object(root.json)) {
		complain_type(r, root, "an object");
		*has_version = true;
		return;
	}
	for (const struct json *j = json_first(root.json); j; j = json_next(j)) {
		const struct field *f = key_find(document_fields, json_key(j));
		struct at at = { doc, j };

		if (!f)
			f = key_find(common_fields, json_key(j));
		if (f)
			f->kind->read(r, f, at, NULL);
		else if (strcmp(json_key(j), "settings") == 0)
			settings_take(r, at);
		else if (!is_noun(json_key(j)))
			unknown_complain(r, at);
		*has_version |= strcmp(json_key(j), "headgate") == 0;
	}
}

static void settings_read(struct reader *r)
{
	struct settings *s = &r->model->settings;

	if (r->settings.json)
		fields_read(r, settings_fields, r->settings, s);
	else
		for (const struct field *f = settings_fields; f->key; f++)
			if (f->kind->preset)
				f->kind->preset(f, s);
}

static void rules_read(struct reader *r)
{
	bool has_version = false;

	for (size_t i = 0; i < r->documents.n; i++)
		document_read(r, r->documents.items[i], &has_version);
	if (!has_version)
		complain(
			r,
			(struct at){ r->documents.items[0], r->documents.items[0]->root },
			"\"headgate\": 1 is missing");
	settings_read(r);
	if (!names_collect(r))
		return;
	for (unsigned noun = 0; noun < NOUNS && !r->is_short; noun++)
		objects_read(r, noun);
	if (r->is_short)
		return;
	implicit_preset(r);
	rules_check(r);
}

/* ---- files ---- */

static int document_add(struct reader *r, const char *name, const char *text, size_t size,
			const char *dir)
{
	struct document *doc = reader_alloc(r, 1, sizeof(*doc));
	int status;

	if (!doc)
		return -ENOMEM;
	doc->name = reader_strdup(r, name);
	doc->dir = dir ? reader_strdup(r, dir) : NULL;
	if (r->is_short)
		return -ENOMEM;
	status = json_read_lenient(doc->name, text, size, r->diag, &doc->root);
	if (status < 0)
		return status;
	if (!vec_push(&r->documents, doc)) {
		json_free(doc->root);
		return -ENOMEM;
	}
	return 0;
}

static int file_add(struct reader *r, const char *path)
{
	_cleanup_free_ char *text = NULL, *dir = file_directory(path);
	char why[FILE_WHY];
	size_t size;
	int status;

	if (!dir)
		return -ENOMEM;
	status = file_read(path, HG_MAX_FILE_BYTES, &text, &size, why);
	if (status < 0) {
		diag_add(r->diag, DIAG_ERROR, path, 0, 0, "", "%s", why);
		return status;
	}
	return document_add(r, path, text, size, dir);
}

/* Goes on after a bad file, so that all of them are complained of; the first fault is
 * returned. */
static int directory_add(struct reader *r, const char *path)
{
	struct dirent **names = NULL;
	size_t size = strlen(path);
	int n, status = 0;

	n = file_list(path, &names);
	if (n < 0) {
		diag_add(r->diag, DIAG_ERROR, path, 0, 0, "", "cannot be read: %s",
			 strerror(-n));
		return n;
	}
	if (n == 0 || n > FILES_MAX) {
		diag_add(r->diag, DIAG_ERROR, path, 0, 0, "",
			 "has %d files *.json; it should have 1 to %d", n, FILES_MAX);
		status = -EINVAL;
	}
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *file = NULL;
		int one = -ENOMEM;

		if (n <= FILES_MAX &&
		    asprintf(&file, "%s%s%s", path, path[size - 1] == '/' ? "" : "/",
			     names[i]->d_name) >= 0)
			one = file_add(r, file);
		if (status == 0)
			status = one;
		free(names[i]);
	}
	free(names);
	return status;
}

/* ---- from documents to a model ---- */

static void reader_done(struct reader *r)
{
	for (size_t i = 0; i < r->documents.n; i++)
		json_free(r->documents.items[i]->root);
	vec_done(&r->documents);
	for (unsigned noun = 0; noun < NOUNS; noun++)
		vec_done(&r->slots[noun]);
	vec_done(&r->links);
	free(r->is_peered);
	arena_free(r->arena);
}

static int reader_init(struct reader *r, struct diag *diag)
{
	*r = (struct reader){ .diag = diag, .arena = arena_new() };
	if (!r->arena)
		return -ENOMEM;
	r->model = reader_alloc(r, 1, sizeof(*r->model));
	if (!r->model)
		return -ENOMEM;
	r->model->arena = r->arena;
	return 0;
}

/* 'status' is how reading the text went, 'before' the errors of an earlier use of diag. */
static int reader_finish(struct reader *r, int status, size_t before,
			 struct model **ret_model)
{
	if (status == 0)
		rules_read(r);
	if (status == 0 && r->is_short)
		status = -ENOMEM;
	if (status == 0 && diag_errors(r->diag) > before)
		status = -EINVAL;
	if (status == 0) {
		*ret_model = r->model;
		r->arena = NULL;
	}
	return status;
}

int config_read(const char *path, struct diag *diag, struct model **ret_model)
{
	_cleanup_(reader_done) struct reader r = {};
	size_t before = diag_errors(diag);
	struct stat st;
	int status;

	status = reader_init(&r, diag);
	if (status < 0)
		return status;
	if (path[0] && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		status = directory_add(&r, path);
	else
		status = file_add(&r, path);
	return reader_finish(&r, status, before, ret_model);
}

int config_read_text(const char *name, const char *text, size_t size, const char *dir,
		     struct diag *diag, struct model **ret_model)
{
	_cleanup_(reader_done) struct reader r = {};
	size_t before = diag_errors(diag);
	int status;

	status = reader_init(&r, diag);
	if (status == 0)
		status = document_add(&r, name, text, size, dir);
	return reader_finish(&r, status, before, ret_model);
}
