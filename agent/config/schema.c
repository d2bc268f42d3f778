/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <stdio.h>
#include <string.h>

#include <hg/limits.h>

#include "config/read.h"

#define NAME "[A-Za-z0-9._-]{1,63}"

/* Numbers in text, without leading zeroes. */
#define UP_TO_32  "([0-9]|[12][0-9]|3[0-2])"
#define UP_TO_128 "([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])"
#define UP_TO_255 "([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
#define UP_TO_65535                                                                     \
	"([0-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][" \
	"0-9]|6553[0-5])"

#define STATUS "[2-5][0-9]{2}" /* of HTTP */

/* IPv6 is bounded, not parsed: its text has too many forms for a pattern. */
#define IPV4    "(" UP_TO_255 "\\.){3}" UP_TO_255
#define IPV6    "[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*"
#define ADDRESS "(" IPV4 "|" IPV6 ")"
#define CIDR    "(" IPV4 "(/" UP_TO_32 ")?|" IPV6 "(/" UP_TO_128 ")?)"

static struct json *child(struct json *schema, const char *key)
{
	return json_set(schema, key, json_new_object());
}

static void type_set(struct json *schema, const char *type)
{
	json_set_string(schema, "type", type);
}

static void pattern_set(struct json *schema, const char *pattern)
{
	type_set(schema, "string");
	json_set_string(schema, "pattern", pattern);
}

/* "kind/" in front is allowed. */
static void name_set(struct json *schema, const char *kind)
{
	char pattern[128];

	snprintf(pattern, sizeof(pattern), "^(%s/)?" NAME "$", kind);
	pattern_set(schema, pattern);
}

static void ref_set(struct json *schema, const char *definition)
{
	char ref[64];

	snprintf(ref, sizeof(ref), "#/$defs/%s", definition);
	json_set_string(schema, "$ref", ref);
}

static struct json *list_set(const struct field *f, struct json *schema)
{
	type_set(schema, "array");
	if (f->min > 0)
		json_set_number(schema, "minItems", (double)f->min);
	json_set_number(schema, "maxItems", (double)f->max);
	return child(schema, "items");
}

static struct json *choice_add(struct json *any)
{
	return json_add(any, json_new_object());
}

static void whole_set(struct json *schema, double min, double max)
{
	type_set(schema, "integer");
	json_set_number(schema, "minimum", min);
	json_set_number(schema, "maximum", max);
}

/* ---- one for each kind ---- */

void schema_text(const struct field *f, struct json *schema)
{
	type_set(schema, "string");
	if (f->min > 0)
		json_set_number(schema, "minLength", (double)f->min);
	json_set_number(schema, "maxLength", (double)f->max);
}

void schema_tags(const struct field *f, struct json *schema)
{
	type_set(schema, "object");
	json_set_number(schema, "maxProperties", (double)f->max);
	type_set(child(schema, "additionalProperties"), "string");
}

void schema_bool(const struct field *f, struct json *schema)
{
	type_set(schema, "boolean");
	if (f->flags & FIELD_PRESET)
		json_set_bool(schema, "default", f->preset != 0);
}

void schema_number(const struct field *f, struct json *schema)
{
	whole_set(schema, (double)f->min, (double)f->max);
	if (f->flags & FIELD_PRESET)
		json_set_number(schema, "default", (double)f->preset);
}

void schema_number_or(const struct field *f, struct json *schema)
{
	struct json *any = json_set(schema, "anyOf", json_new_array());

	whole_set(choice_add(any), (double)f->min, (double)f->max);
	json_set_string(choice_add(any), "const", f->choices->name);
}

void schema_choice(const struct field *f, struct json *schema)
{
	struct json *names = json_set(schema, "enum", json_new_array());

	for (const struct choice *c = f->choices; c->name; c++)
		json_add(names, json_new_string(c->name));
	for (const struct choice *c = f->choices; c->name; c++)
		if ((f->flags & FIELD_PRESET) && c->value == f->preset)
			json_set_string(schema, "default", c->name);
}

void schema_object(const struct field *f, struct json *schema)
{
	schema_fields(f->fields, schema);
}

void schema_objects(const struct field *f, struct json *schema)
{
	schema_fields(f->fields, list_set(f, schema));
}

void schema_reference(const struct field *f, struct json *schema)
{
	name_set(schema, nouns[f->noun].kind);
}

void schema_references(const struct field *f, struct json *schema)
{
	name_set(list_set(f, schema), nouns[f->noun].kind);
}

void schema_cidr(const struct field *f, struct json *schema)
{
	(void)f;
	ref_set(schema, "cidr");
}

void schema_cidrs(const struct field *f, struct json *schema)
{
	ref_set(list_set(f, schema), "cidr");
}

void schema_addresses(const struct field *f, struct json *schema)
{
	ref_set(list_set(f, schema), "address");
}

void schema_address(const struct field *f, struct json *schema)
{
	(void)f;
	ref_set(schema, "address");
}

void schema_device(const struct field *f, struct json *schema)
{
	pattern_set(schema, "^[^/: \\t\\n\\v\\f\\r]+$");
	json_set_number(schema, "maxLength", (double)f->max);
}

void schema_protocol(const struct field *f, struct json *schema)
{
	(void)f;
	ref_set(schema, "protocol");
}

void schema_ports(const struct field *f, struct json *schema)
{
	struct json *any = json_set(schema, "anyOf", json_new_array());

	ref_set(choice_add(any), "port");
	ref_set(list_set(f, choice_add(any)), "port");
}

void schema_icmp(const struct field *f, struct json *schema)
{
	(void)f;
	ref_set(schema, "icmp");
}

void schema_peer(const struct field *f, struct json *schema)
{
	(void)f;
	pattern_set(schema, "^(" CIDR "|prefix_list/" NAME ")$");
}

void schema_destination(const struct field *f, struct json *schema)
{
	schema_peer(f, schema);
}

void schema_via(const struct field *f, struct json *schema)
{
	(void)f;
	pattern_set(schema, "^(local|blackhole|(internet_gateway|nat_gateway|"
			    "egress_only_gateway|peering|interface|"
			    "gateway_load_balancer)/" NAME ")$");
}

/* Two VPCs. */
void schema_pair(const struct field *f, struct json *schema)
{
	type_set(schema, "array");
	json_set_number(schema, "minItems", 2);
	json_set_number(schema, "maxItems", 2);
	name_set(child(schema, "items"), nouns[f->noun].kind);
}

/* The two are of different families, which is beyond a schema. */
void schema_next_hop(const struct field *f, struct json *schema)
{
	schema_addresses(f, schema);
}

void schema_forward(const struct field *f, struct json *schema)
{
	(void)f;
	pattern_set(schema, "^" IPV4 "(:(?!0$)" UP_TO_65535 ")?$");
}

void schema_matcher(const struct field *f, struct json *schema)
{
	(void)f;
	pattern_set(schema, "^" STATUS "(-" STATUS ")?(," STATUS "(-" STATUS ")?)*$");
}

void schema_resource(const struct field *f, struct json *schema)
{
	(void)f;
	pattern_set(schema, "^(load_balancer|subnet)/" NAME "$");
}

void schema_never(const struct field *f, struct json *schema)
{
	(void)f;
	json_set_bool(schema, "const", false);
}

void schema_peers(const struct field *f, struct json *schema)
{
	pattern_set(list_set(f, schema),
		    "^(" CIDR "|(prefix_list|security_group)/" NAME ")$");
}

void schema_range(const struct field *f, struct json *schema)
{
	(void)f;
	ref_set(schema, "cidr");
}

void schema_entries(const struct field *f, struct json *schema)
{
	struct json *any = json_set(list_set(f, schema), "anyOf", json_new_array());

	ref_set(choice_add(any), "cidr");
	schema_fields(f->fields, choice_add(any));
}

void schema_file(const struct field *f, struct json *schema)
{
	(void)f;
	pattern_set(schema, "^[^/]+$");
}

void schema_version(const struct field *f, struct json *schema)
{
	(void)f;
	json_set_number(schema, "const", 1);
}

/* ---- the whole ---- */

static void property_add(struct json *properties, const struct field *f)
{
	struct json *schema;

	if (!f->kind->schema)
		return;
	schema = child(properties, f->key);
	if (f->help)
		json_set_string(schema, "description", f->help);
	f->kind->schema(f, schema);
}

void schema_fields(const struct field *fields, struct json *schema)
{
	struct json *properties, *required;

	type_set(schema, "object");
	properties = child(schema, "properties");
	required = json_new_array();
	for (const struct field *f = fields; f->key; f++) {
		property_add(properties, f);
		if (f->flags & FIELD_REQUIRED)
			json_add(required, json_new_string(f->key));
	}
	for (const struct field *f = common_fields; f->key; f++)
		ref_set(child(properties, f->key), f->key);
	if (json_size(required) > 0)
		json_set(schema, "required", required);
	else
		json_free(required);
	json_set_bool(schema, "additionalProperties", false);
}

static void section_add(struct json *properties, const struct noun_table *t)
{
	struct json *section = child(properties, t->key);

	json_set_string(section, "description", t->help);
	type_set(section, "object");
	json_set_number(section, "maxProperties", (double)t->max);
	json_set_string(child(section, "propertyNames"), "pattern", "^" NAME "$");
	schema_fields(t->fields, child(section, "additionalProperties"));
}

static void protocol_define(struct json *schema)
{
	static const char *const names[] = { "all", "tcp", "udp", "icmp", "icmpv6" };
	struct json *any = json_set(schema, "anyOf", json_new_array()), *list;

	list = json_set(choice_add(any), "enum", json_new_array());
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_add(list, json_new_string(names[i]));
	whole_set(choice_add(any), 0, 255);
	pattern_set(choice_add(any), "^" UP_TO_255 "$");
}

static void definitions_add(struct json *defs)
{
	struct json *any;

	for (const struct field *f = common_fields; f->key; f++)
		property_add(defs, f);
	pattern_set(child(defs, "cidr"), "^" CIDR "$");
	pattern_set(child(defs, "address"), "^" ADDRESS "$");
	protocol_define(child(defs, "protocol"));
	any = json_set(child(defs, "port"), "anyOf", json_new_array());
	whole_set(choice_add(any), 0, 65535);
	pattern_set(choice_add(any), "^" UP_TO_65535 "(-" UP_TO_65535 ")?$");
	any = json_set(child(defs, "icmp"), "anyOf", json_new_array());
	whole_set(choice_add(any), 0, 255);
	pattern_set(choice_add(any), "^" UP_TO_255 "(/" UP_TO_255 ")?$");
}

char *config_schema(void)
{
	struct json *root = json_new_object(), *properties;
	struct field settings = { "settings", &kind_object, .fields = settings_fields };
	char *text;

	json_set_string(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_set_string(root, "title", "headgate rule set");
	schema_fields(document_fields, root);
	/* The tree is ours to add to. */
	properties = (struct json *)(uintptr_t)json_get(root, "properties");
	for (unsigned noun = 0; noun < NOUNS; noun++)
		section_add(properties, &nouns[noun]);
	property_add(properties, &settings);
	definitions_add(child(root, "$defs"));
	text = json_print(root, true);
	json_free(root);
	return text;
}
