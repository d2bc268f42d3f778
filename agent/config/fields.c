/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/names.h"
#include "config/schema.h"

/* ---- objects ---- */

static const struct field *field_find(const struct field *fields, const char *key,
				      unsigned *ret_index)
{
	for (unsigned i = 0; fields[i].key; i++)
		if (strcmp(fields[i].key, key) == 0) {
			*ret_index = i;
			return &fields[i];
		}
	return NULL;
}

static void complain_unknown(struct reader *r, const struct field *fields, struct at at)
{
	struct suggestion s = { .name = json_key(at.json) };
	char buf[VALUE_TEXT], hint[SUGGESTION_TEXT];

	for (const struct field *f = fields; f->key; f++)
		if (!(f->flags & FIELD_LATER))
			suggest(&s, f->key);
	for (const struct field *f = common_fields; f->key; f++)
		suggest(&s, f->key);
	complain_key(r, at, "unknown key %s%s", text_quote(json_key(at.json), buf),
		     suggestion_print(&s, hint));
}

bool fields_read(struct reader *r, const struct field *fields, struct at at, void *object)
{
	uint64_t seen = 0;
	unsigned i;

	for (const struct field *f = fields; f->key; f++)
		if (f->kind->preset)
			f->kind->preset(f, object);
	if (!json_is_object(at.json)) {
		complain_type(r, at, "an object");
		return false;
	}
	for (const struct json *j = json_first(at.json); j; j = json_next(j)) {
		struct at member = { at.doc, j };
		const struct field *f = field_find(fields, json_key(j), &i);

		if (f) {
			/* Of a repeated key the first is read, which is what at_get() finds. */
			if (!(seen & 1ULL << i))
				f->kind->read(r, f, member, object);
			seen |= 1ULL << i;
			continue;
		}
		f = field_find(common_fields, json_key(j), &i);
		if (f)
			f->kind->read(r, f, member, object);
		else
			complain_unknown(r, fields, member);
	}
	for (i = 0; fields[i].key; i++)
		if ((fields[i].flags & FIELD_REQUIRED) && !(seen & 1ULL << i))
			complain(r, at, "\"%s\" is missing", fields[i].key);
	return true;
}

void *list_read(struct reader *r, const struct field *f, struct at at, size_t size,
		size_t *ret_n)
{
	size_t n = json_size(at.json);
	void *items;

	if (!json_is_array(at.json)) {
		complain_type(r, at, "a list");
		return NULL;
	}
	if ((int64_t)n > f->max) {
		complain(r, at, "%zu elements; the most is %" PRId64, n, f->max);
		return NULL;
	}
	if ((int64_t)n < f->min) {
		complain(r, at, "the list is empty");
		return NULL;
	}
	items = reader_alloc(r, n, size);
	if (items)
		*ret_n = n;
	return items;
}

static void *field_at(const struct field *f, void *object)
{
	return (char *)object + f->offset;
}

/* Publishes a list that list_read() made room for. */
static void list_put(const struct field *f, void *object, void *items, size_t n)
{
	*(void **)field_at(f, object) = items;
	*(size_t *)((char *)object + f->n_offset) = n;
}

static void object_read(struct reader *r, const struct field *f, struct at at,
			void *object)
{
	fields_read(r, f->fields, at, field_at(f, object));
}

static void object_preset(const struct field *f, void *object)
{
	for (const struct field *g = f->fields; g->key; g++)
		if (g->kind->preset)
			g->kind->preset(g, field_at(f, object));
}

static void objects_read(struct reader *r, const struct field *f, struct at at,
			 void *object)
{
	size_t n, i = 0;
	char *items = list_read(r, f, at, f->size, &n);

	if (!items)
		return;
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++) {
		struct at member = { at.doc, j };

		if (fields_read(r, f->fields, member, items + i * f->size) && f->after)
			f->after(r, member, items + i * f->size);
	}
	list_put(f, object, items, n);
}

/* ---- scalars ---- */

/* Characters, not bytes. */
static size_t text_size(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool text_check(struct reader *r, const struct field *f, struct at at)
{
	const char *s = json_string(at.json);

	if (!s) {
		complain_type(r, at, "a string");
		return false;
	}
	if ((int64_t)text_size(s) > f->max) {
		complain(r, at, "%zu characters; the most is %" PRId64, text_size(s),
			 f->max);
		return false;
	}
	if ((int64_t)text_size(s) < f->min) {
		complain(r, at, "the text is empty");
		return false;
	}
	return true;
}

static void text_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	if (text_check(r, f, at))
		*(char **)field_at(f, object) = reader_strdup(r, json_string(at.json));
}

/* Said for whoever reads the file; the model does not keep it. */
static void remark_read(struct reader *r, const struct field *f, struct at at,
			void *object)
{
	(void)object;
	text_check(r, f, at);
}

static void tags_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	(void)object;
	if (!json_is_object(at.json)) {
		complain_type(r, at, "an object of strings");
		return;
	}
	if ((int64_t)json_size(at.json) > f->max)
		complain(r, at, "%zu tags; the most is %" PRId64, json_size(at.json),
			 f->max);
	for (const struct json *j = json_first(at.json); j; j = json_next(j))
		if (!json_is_string(j))
			complain_type(r, (struct at){ at.doc, j }, "a string");
}

static void bool_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	if (json_is_bool(at.json))
		*(bool *)field_at(f, object) = json_bool(at.json);
	else
		complain_type(r, at, "true or false");
}

static void bool_preset(const struct field *f, void *object)
{
	if (f->flags & FIELD_PRESET)
		*(bool *)field_at(f, object) = f->preset != 0;
}

static void number_put(const struct field *f, void *object, int64_t v)
{
	if (f->size == sizeof(uint16_t))
		*(uint16_t *)field_at(f, object) = (uint16_t)v;
	else if (f->size == sizeof(size_t))
		*(size_t *)field_at(f, object) = (size_t)v;
	else
		*(uint32_t *)field_at(f, object) = (uint32_t)v;
}

static void number_read(struct reader *r, const struct field *f, struct at at,
			void *object)
{
	char buf[VALUE_TEXT];
	int64_t v;

	if (!json_is_number(at.json)) {
		complain_type(r, at, "a number");
		return;
	}
	value_print(at.json, buf);
	if (json_number(at.json) > (double)f->max)
		complain(r, at, "%s is above %" PRId64, buf, f->max);
	else if (json_number(at.json) < (double)f->min)
		complain(r, at, "%s is below %" PRId64, buf, f->min);
	else if (json_integer(at.json, &v) < 0)
		complain(r, at, "%s is not a whole number", buf);
	else
		number_put(f, object, v);
}

static void number_preset(const struct field *f, void *object)
{
	if (f->flags & FIELD_PRESET)
		number_put(f, object, f->preset);
}

static void choice_put(const struct field *f, void *object, int v)
{
	if (f->size == sizeof(bool))
		*(bool *)field_at(f, object) = v != 0;
	else
		*(int *)field_at(f, object) = v;
}

static void choice_read(struct reader *r, const struct field *f, struct at at,
			void *object)
{
	struct suggestion s = { .name = json_string(at.json) };
	char buf[VALUE_TEXT], hint[SUGGESTION_TEXT], all[128] = "";

	for (const struct choice *c = f->choices; c->name; c++) {
		size_t n = strlen(all);

		if (s.name && strcmp(c->name, s.name) == 0) {
			choice_put(f, object, c->value);
			return;
		}
		if (s.name)
			suggest(&s, c->name);
		snprintf(all + n, sizeof(all) - n, "%s\"%s\"",
			 c == f->choices ? "" : (c[1].name ? ", " : " or "), c->name);
	}
	complain(r, at, "expected %s, found %s%s", all, value_print(at.json, buf),
		 suggestion_print(&s, hint));
}

static void choice_preset(const struct field *f, void *object)
{
	if (f->flags & FIELD_PRESET)
		choice_put(f, object, (int)f->preset);
}

static void number_or_read(struct reader *r, const struct field *f, struct at at,
			   void *object)
{
	if (json_is_number(at.json))
		number_read(r, f, at, object);
	else if (json_is_string(at.json) &&
		 strcmp(json_string(at.json), f->choices->name) == 0)
		number_put(f, object, f->choices->value);
	else {
		char buf[VALUE_TEXT];

		complain(r, at, "expected a number or \"%s\", found %s", f->choices->name,
			 value_print(at.json, buf));
	}
}

static void device_read(struct reader *r, const struct field *f, struct at at,
			void *object)
{
	const char *s = json_string(at.json);
	char buf[VALUE_TEXT];

	if (!s) {
		complain_type(r, at, "a string");
		return;
	}
	/* What the kernel's dev_valid_name() accepts, without its wider idea of space. */
	if (!s[0] || (int64_t)strlen(s) > f->max || strpbrk(s, "/: \t\n\v\f\r") ||
	    strcmp(s, ".") == 0 || strcmp(s, "..") == 0) {
		complain(r, at,
			 "%s is no device name: 1 to %" PRId64
			 " characters without space, '/', ':'",
			 text_quote(s, buf), f->max);
		return;
	}
	*(char **)field_at(f, object) = reader_strdup(r, s);
}

static void later_read(struct reader *r, const struct field *f, struct at at,
		       void *object)
{
	(void)object;
	complain_key(r, at, "\"%s\" is not available yet", f->key);
}

/* ---- references ---- */

static void reference_read(struct reader *r, const struct field *f, struct at at,
			   void *object)
{
	const char *s = json_string(at.json);

	if (s) {
		link_add(r, f->noun, s, field_at(f, object), at);
		return;
	}
	*(int *)field_at(f, object) = LINK_BROKEN;
	complain_type(r, at, "a name");
}

static void reference_preset(const struct field *f, void *object)
{
	*(int *)field_at(f, object) = LINK_ABSENT;
}

static void references_read(struct reader *r, const struct field *f, struct at at,
			    void *object)
{
	size_t n, i = 0;
	int *items = list_read(r, f, at, sizeof(*items), &n);

	if (!items)
		return;
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++) {
		items[i] = LINK_BROKEN;
		if (json_is_string(j))
			link_add(r, f->noun, json_string(j), &items[i],
				 (struct at){ at.doc, j });
		else
			complain_type(r, (struct at){ at.doc, j }, "a name");
	}
	list_put(f, object, items, n);
}

/* ---- addresses ---- */

bool cidr_read(struct reader *r, struct at at, const char *text, struct cidr *ret)
{
	char given[VALUE_TEXT], meant[CIDR_TEXT];
	struct cidr c;

	if (cidr_parse(text, &c) < 0) {
		complain(r, at, "%s is no CIDR, such as 10.0.0.0/16 or fd00:10::/56",
			 text_quote(text, given));
		return false;
	}
	if (cidr_mask(&c))
		warn(r, at, "%s has bits set beyond its length; read as %s",
		     text_quote(text, given), cidr_print(&c, meant));
	*ret = c;
	return true;
}

static void cidrs_read(struct reader *r, const struct field *f, struct at at,
		       void *object)
{
	size_t n, i = 0;
	struct cidr *items = list_read(r, f, at, sizeof(*items), &n);

	if (!items)
		return;
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++)
		if (json_is_string(j))
			cidr_read(r, (struct at){ at.doc, j }, json_string(j), &items[i]);
		else
			complain_type(r, (struct at){ at.doc, j }, "a CIDR");
	list_put(f, object, items, n);
}

void address_read(struct reader *r, struct at at, struct addr *ret)
{
	char buf[VALUE_TEXT];

	if (!json_is_string(at.json))
		complain_type(r, at, "an address");
	else if (addr_parse(json_string(at.json), ret) < 0)
		complain(r, at, "%s is no address, such as 10.0.1.10 or fd00:10::10",
			 text_quote(json_string(at.json), buf));
}

static void addresses_read(struct reader *r, const struct field *f, struct at at,
			   void *object)
{
	size_t n, i = 0;
	struct addr *items = list_read(r, f, at, sizeof(*items), &n);

	if (!items)
		return;
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++)
		address_read(r, (struct at){ at.doc, j }, &items[i]);
	list_put(f, object, items, n);
}

static void address_field_read(struct reader *r, const struct field *f, struct at at,
			       void *object)
{
	address_read(r, at, field_at(f, object));
}

/* ---- kinds ---- */

const struct kind kind_text = { "text", text_read, schema_text, NULL };
const struct kind kind_remark = { "text", remark_read, schema_text, NULL };
const struct kind kind_tags = { "object of texts", tags_read, schema_tags, NULL };
const struct kind kind_bool = { "`true` or `false`", bool_read, schema_bool,
				bool_preset };
const struct kind kind_number = { "number", number_read, schema_number, number_preset };
const struct kind kind_choice = { "one of", choice_read, schema_choice, choice_preset };
const struct kind kind_number_or = { "number or", number_or_read, schema_number_or,
				     number_preset };
const struct kind kind_object = { "object", object_read, schema_object, object_preset };
const struct kind kind_objects = { "list of objects", objects_read, schema_objects,
				   NULL };
const struct kind kind_reference = { "name of", reference_read, schema_reference,
				     reference_preset };
const struct kind kind_references = { "list of names of", references_read,
				      schema_references, NULL };
const struct kind kind_cidrs = { "list of CIDRs", cidrs_read, schema_cidrs, NULL };
const struct kind kind_addresses = { "list of addresses", addresses_read,
				     schema_addresses, NULL };
const struct kind kind_address = { "address", address_field_read, schema_address, NULL };
const struct kind kind_device = { "device name", device_read, schema_device, NULL };
const struct kind kind_later = { "not available yet", later_read, NULL, NULL };

const struct field common_fields[] = {
	{ "description", &kind_remark, .max = HG_MAX_DESCRIPTION,
	  .help = "For the reader." },
	{ "tags", &kind_tags, .max = HG_MAX_TAGS, .help = "For the reader's tools." },
	{},
};
