/* SPDX-License-Identifier: Apache-2.0 */
#include "config/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/fields.h"

void *reader_alloc(struct reader *r, size_t n, size_t size)
{
	void *p = arena_alloc(r->arena, n, size);

	r->is_short |= !p;
	return p;
}

char *reader_strdup(struct reader *r, const char *s)
{
	char *p = arena_strdup(r->arena, s);

	r->is_short |= !p;
	return p;
}

struct at at_get(struct at object, const char *key)
{
	return (struct at){ object.doc, json_get(object.json, key) };
}

struct at at_nth(struct at array, size_t n)
{
	struct at at = { array.doc, json_first(array.json) };

	while (n-- > 0)
		at.json = json_next(at.json);
	return at;
}

struct where where_of(struct reader *r, struct at at)
{
	if (!at.json)
		return (struct where){ .file = at.doc ? at.doc->name : "",
				       .pointer = "" };
	return json_where(at.doc->root, at.json, r->arena);
}

__attribute__((format(printf, 4, 0))) static void add(struct reader *r,
						      enum diag_level level,
						      const struct where *w,
						      const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		r->is_short = true;
		return;
	}
	diag_add(r->diag, level, w->file, w->line, w->column, w->pointer, "%s", text);
}

/* Pointers of complaints would outlive their use in the model's arena. */
__attribute__((format(printf, 5, 0))) static void add_at(struct reader *r,
							 enum diag_level level,
							 struct at at, bool is_key,
							 const char *format, va_list args)
{
	_cleanup_(arena_freep) struct arena *arena = NULL;
	struct where w = { .file = at.doc ? at.doc->name : "", .pointer = "" };

	/* Beyond what is kept a complaint only counts, and need not be made up. */
	if ((level == DIAG_ERROR ? diag_errors : diag_warnings)(r->diag) >= DIAG_MAX) {
		diag_add(r->diag, level, "", 0, 0, "", "%s", "");
		return;
	}
	arena = arena_new();
	if (!arena) {
		r->is_short = true;
		return;
	}
	if (at.json && is_key)
		w = json_where_key(at.doc->root, at.json, arena);
	else if (at.json)
		w = json_where(at.doc->root, at.json, arena);
	add(r, level, &w, format, args);
}

void complain(struct reader *r, struct at at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_at(r, DIAG_ERROR, at, false, format, args);
	va_end(args);
}

void complain_key(struct reader *r, struct at at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_at(r, DIAG_ERROR, at, true, format, args);
	va_end(args);
}

void warn(struct reader *r, struct at at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_at(r, DIAG_WARNING, at, false, format, args);
	va_end(args);
}

void complain_where(struct reader *r, const struct where *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(r, DIAG_ERROR, w, format, args);
	va_end(args);
}

bool reader_is_full(const struct reader *r)
{
	return diag_errors(r->diag) >= DIAG_MAX;
}

void *reader_room(struct reader *r, size_t n, size_t size)
{
	void *room = calloc(n + 1, size);

	if (!room)
		r->is_short = true;
	return room;
}

void complain_type(struct reader *r, struct at at, const char *what)
{
	char buf[VALUE_TEXT];

	complain(r, at, "expected %s, found %s", what, value_print(at.json, buf));
}

const char *text_quote(const char *s, char buf[static VALUE_TEXT])
{
	size_t n = strlen(s), most = VALUE_TEXT - 8;

	if (n <= most) {
		snprintf(buf, VALUE_TEXT, "\"%s\"", s);
		return buf;
	}
	/* Not in the middle of a character. */
	for (n = most; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
		;
	snprintf(buf, VALUE_TEXT, "\"%.*s...\"", (int)n, s);
	return buf;
}

const char *value_print(const struct json *j, char buf[static VALUE_TEXT])
{
	if (json_is_string(j))
		return text_quote(json_string(j), buf);
	if (json_is_number(j)) {
		snprintf(buf, VALUE_TEXT, "%.17g", json_number(j));
		return buf;
	}
	if (json_is_bool(j))
		return json_bool(j) ? "true" : "false";
	if (json_is_null(j))
		return "null";
	return json_is_array(j) ? "a list" : "an object";
}

const char *kind_skip(enum noun noun, const char *name)
{
	size_t n = strlen(nouns[noun].kind);

	return strncmp(name, nouns[noun].kind, n) == 0 && name[n] == '/' ? name + n + 1
									 : name;
}

static void link_put(struct reader *r, struct link link)
{
	*link.target = LINK_BROKEN;
	if (!vec_push(&r->links, link))
		r->is_short = true;
}

void link_add(struct reader *r, enum noun noun, const char *name, int *target,
	      struct at at)
{
	link_put(r, (struct link){ .noun = noun,
				   .name = kind_skip(noun, name),
				   .target = target,
				   .vpc = r->vpc,
				   .at = at });
}

void link_add_peer(struct reader *r, const char *name, int *target,
		   const char **ret_stale, struct at at)
{
	link_put(r, (struct link){ .noun = NOUN_GROUP,
				   .name = kind_skip(NOUN_GROUP, name),
				   .target = target,
				   .vpc = r->vpc,
				   .stale = ret_stale,
				   .at = at });
}
