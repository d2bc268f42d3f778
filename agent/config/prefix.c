/* SPDX-License-Identifier: Apache-2.0 */

/* Prefix lists come in millions of lines, so nothing here is done twice a line: a line is
 * parsed where it lies, entries are sorted once, and a repeated one is found beside its like.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/fields.h"
#include "config/file.h"
#include "config/schema.h"

#define LINE_TEXT 64 /* of a CIDR in a file, with its NUL */

/* An entry and where it is written: in the document, or on a line of a file. */
struct entry {
	struct cidr cidr;
	uint32_t line;
	const struct json *json;
};

/* A list while it is read. */
struct gathering {
	struct reader *r;
	const struct document *doc;
	const char *file; /* NULL: in the document */
	VEC(struct entry) entries;
};

/* ---- the fields ---- */

/* Elements are read by prefix_after(), which knows the list's own limit. */
static void entries_read(struct reader *r, const struct field *f, struct at at,
			 void *object)
{
	(void)f;
	(void)object;
	if (!json_is_array(at.json))
		complain_type(r, at, "a list");
}

static bool file_name_is_good(const char *s)
{
	return s && s[0] && !strchr(s, '/') && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

static void file_name_read(struct reader *r, const struct field *f, struct at at,
			   void *object)
{
	const char *s = json_string(at.json);
	char buf[VALUE_TEXT];

	(void)f;
	(void)object;
	if (!s)
		complain_type(r, at, "a file name");
	else if (!file_name_is_good(s))
		complain(r, at, "%s is not the name of a file beside the rule file",
			 text_quote(s, buf));
	else if (!at.doc->dir)
		complain(r, at,
			 "this rule set has no directory: \"file\" cannot be read, use "
			 "\"entries\"");
}

static void cidr_field_read(struct reader *r, const struct field *f, struct at at,
			    void *object)
{
	(void)f;
	if (json_is_string(at.json))
		cidr_read(r, at, json_string(at.json), object);
	else
		complain_type(r, at, "a CIDR");
}

static const struct kind kind_cidr = { "CIDR", cidr_field_read, schema_cidr, NULL };
static const struct kind kind_entries = { "list of CIDRs, or of objects", entries_read,
					  schema_entries, NULL };
static const struct kind kind_file = { "file name", file_name_read, schema_file, NULL };

static const struct field entry_fields[] = {
	{ "cidr", &kind_cidr, .flags = FIELD_REQUIRED, .help = "The entry." },
	{},
};

const struct field prefix_fields[] = {
	{ "max_entries", &kind_number, offsetof(struct prefix_list, max_entries),
	  .flags = FIELD_PRESET, .min = 1, .max = HG_MAX_ENTRIES,
	  .preset = HG_MAX_ENTRIES, .size = sizeof(size_t),
	  .help = "How many it may hold." },
	{ "entries", &kind_entries, .max = HG_MAX_ENTRIES, .fields = entry_fields,
	  .help = "CIDRs of either family, none twice. A list has `entries` or `file`." },
	{ "file", &kind_file,
	  .help = "A text file beside the rule file: one CIDR a line, `#` begins a "
		  "comment." },
	{},
};

/* ---- entries of the document ---- */

static bool gather(struct gathering *g, const struct entry *e)
{
	if (vec_push(&g->entries, *e))
		return true;
	g->r->is_short = true;
	return false;
}

static void document_gather(struct gathering *g, struct at entries)
{
	for (const struct json *j = json_first(entries.json); j; j = json_next(j)) {
		struct at at = { entries.doc, j };
		struct entry e = { .json = j };

		if (json_is_string(j))
			cidr_read(g->r, at, json_string(j), &e.cidr);
		else if (json_is_object(j))
			fields_read(g->r, entry_fields, at, &e.cidr);
		else
			complain_type(g->r, at, "a CIDR or an object with one");
		if (!gather(g, &e))
			return;
	}
}

/* ---- entries of a file ---- */

static void line_gather(struct gathering *g, const char *line, size_t size,
			uint32_t number)
{
	const char *hash = memchr(line, '#', size), *start = line;
	char text[LINE_TEXT], given[VALUE_TEXT], meant[CIDR_TEXT];
	struct entry e = { .line = number };
	unsigned column;

	if (hash)
		size = (size_t)(hash - line);
	for (; size > 0 && (*line == ' ' || *line == '\t'); line++)
		size--;
	while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t' ||
			    line[size - 1] == '\r'))
		size--;
	if (size == 0)
		return;
	column = (unsigned)(line - start) + 1;
	memcpy(text, line, size < LINE_TEXT ? size : LINE_TEXT - 1);
	text[size < LINE_TEXT ? size : LINE_TEXT - 1] = '\0';
	if (memchr(line, '\0', size)) {
		diag_add(g->r->diag, DIAG_ERROR, g->file, number, column, "",
			 "a NUL byte in the line");
		return;
	}
	if (size >= LINE_TEXT || cidr_parse(text, &e.cidr) < 0) {
		diag_add(g->r->diag, DIAG_ERROR, g->file, number, column, "",
			 "%s is no CIDR", text_quote(text, given));
		return;
	}
	if (cidr_mask(&e.cidr))
		diag_add(g->r->diag, DIAG_WARNING, g->file, number, column, "",
			 "%s has bits set beyond its length; read as %s",
			 text_quote(text, given), cidr_print(&e.cidr, meant));
	gather(g, &e);
}

static void file_gather(struct gathering *g, struct at file)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	char why[FILE_WHY];
	const char *p, *end;
	uint32_t number = 0;
	size_t size;

	if (asprintf(&path, "%s/%s", file.doc->dir, json_string(file.json)) < 0) {
		path = NULL;
		g->r->is_short = true;
		return;
	}
	g->file = strncmp(path, "./", 2) == 0 ? path + 2 : path;
	if (file_read(path, HG_MAX_LIST_BYTES, &text, &size, why) < 0) {
		complain(g->r, file, "%s %s", g->file, why);
	} else {
		for (p = text, end = text + size; p < end && !g->r->is_short;) {
			const char *newline = memchr(p, '\n', (size_t)(end - p));
			size_t n = (size_t)((newline ? newline : end) - p);

			line_gather(g, p, n, ++number);
			p += n + 1;
		}
	}
	g->file = reader_strdup(g->r, g->file);
}

/* ---- both ---- */

static int compare_entries(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int r = cidr_compare(&a->cidr, &b->cidr);

	return r != 0 ? r : (a->line > b->line) - (a->line < b->line);
}

/* The later of two equal ones is complained of. */
static void repeat_complain(struct gathering *g, const struct entry *first,
			    const struct entry *again)
{
	char buf[CIDR_TEXT];

	cidr_print(&again->cidr, buf);
	if (g->file)
		diag_add(g->r->diag, DIAG_ERROR, g->file, again->line, 1, "",
			 "%s stands on line %u, too", buf, first->line);
	else if (!reader_is_full(g->r))
		complain(g->r, (struct at){ g->doc, again->json }, "%s stands at %s, too",
			 buf, where_of(g->r, (struct at){ g->doc, first->json }).pointer);
}

/* Entries that could not be read are of family 0, sort first and are left out. */
static void entries_put(struct gathering *g, struct prefix_list *list)
{
	struct entry *e = g->entries.items;
	size_t n = g->entries.n, skipped = 0;

	for (size_t i = 0; i < n && !g->file; i++)
		e[i].line = (uint32_t)i;
	for (size_t i = 1; i < n; i++)
		if (compare_entries(&e[i - 1], &e[i]) > 0) {
			qsort(e, n, sizeof(*e), compare_entries);
			break;
		}
	while (skipped < n && e[skipped].cidr.addr.family == 0)
		skipped++;
	list->entries = reader_alloc(g->r, n - skipped, sizeof(*list->entries));
	if (!list->entries)
		return;
	for (size_t i = skipped; i < n; i++) {
		if (i > skipped && cidr_compare(&e[i].cidr, &e[i - 1].cidr) == 0)
			repeat_complain(g, &e[i - 1], &e[i]);
		list->entries[list->n_entries++] = e[i].cidr;
	}
}

void prefix_after(struct reader *r, struct at at, void *object)
{
	struct at entries = at_get(at, "entries"), file = at_get(at, "file");
	struct prefix_list *list = object;
	struct gathering g = { .r = r, .doc = at.doc };

	if (!entries.json && !file.json)
		complain(r, at, "\"entries\" or \"file\" is missing");
	else if (entries.json && file.json)
		complain(r, file, "\"entries\" and \"file\" are both given");
	else if (entries.json)
		document_gather(&g, entries);
	else if (at.doc->dir && file_name_is_good(json_string(file.json)))
		file_gather(&g, file);
	if (g.entries.n > list->max_entries)
		complain(r, entries.json ? entries : file,
			 "%zu entries; max_entries is %zu", g.entries.n,
			 list->max_entries);
	if (g.entries.n > 0)
		entries_put(&g, list);
	vec_done(&g.entries);
}
