/* SPDX-License-Identifier: Apache-2.0 */

/* docs/rules.md, from the tables that read rule sets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "config/fields.h"
#include "config/read.h"
#include "config/scan.h"

/* A bar would end the cell. */
static void cell_print(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void value_cell_print(FILE *out, const struct field *f)
{
	cell_print(out, f->kind->says);
	for (const struct choice *c = f->choices; c && c->name; c++)
		fprintf(out, "%s `\"%s\"`", c == f->choices ? "" : ",", c->name);
	if (f->kind == &kind_reference || f->kind == &kind_references)
		fprintf(out, " %s %s",
			strchr("aei", nouns[f->noun].title[0]) ? "an" : "a",
			nouns[f->noun].title);
	if (f->kind == &kind_number)
		fprintf(out, ", %lld to %lld", (long long)f->min, (long long)f->max);
	else if (f->kind == &kind_text || f->kind == &kind_remark ||
		 f->kind == &kind_device)
		fprintf(out, ", at most %lld characters", (long long)f->max);
	else if (f->max > 0 && f->min == 0)
		fprintf(out, ", at most %lld", (long long)f->max);
	else if (f->max > 0)
		fprintf(out, ", %lld to %lld", (long long)f->min, (long long)f->max);
}

static void default_cell_print(FILE *out, const struct field *f)
{
	if (f->flags & FIELD_REQUIRED) {
		fputs("required", out);
		return;
	}
	if (!(f->flags & FIELD_PRESET))
		return;
	if (f->kind == &kind_bool)
		fprintf(out, "`%s`", f->preset ? "true" : "false");
	else if (f->choices)
		for (const struct choice *c = f->choices; c->name; c++) {
			if (c->value == f->preset)
				fprintf(out, "`\"%s\"`", c->name);
		}
	else
		fprintf(out, "`%lld`", (long long)f->preset);
}

static void table_print(FILE *out, const struct field *fields)
{
	fputs("| key | value | default | meaning |\n| --- | --- | --- | --- |\n", out);
	for (const struct field *f = fields; f->key; f++) {
		if (f->flags & FIELD_LATER)
			continue;
		fprintf(out, "| `%s` | ", f->key);
		value_cell_print(out, f);
		fputs(" | ", out);
		default_cell_print(out, f);
		fputs(" | ", out);
		cell_print(out, f->help);
		fputs(" |\n", out);
	}
	fputc('\n', out);
}

/* The tables below a table; those of one kind of rule are printed once. */
static void inner_print(FILE *out, const char *of, const struct field *fields)
{
	for (const struct field *f = fields; f->key; f++) {
		bool is_shown = !f->fields;

		for (const struct field *g = fields; g != f; g++)
			is_shown |= g->fields == f->fields;
		if (is_shown)
			continue;
		fprintf(out, "**`%s.%s`**", of, f->key);
		for (const struct field *g = f + 1; g->key; g++)
			if (g->fields == f->fields)
				fprintf(out, " and **`%s.%s`**", of, g->key);
		fputs("\n\n", out);
		table_print(out, f->fields);
	}
}

static void later_print(FILE *out)
{
	fputs("## Not available yet\n\nThese keys have a meaning that is not built; a "
	      "rule set with "
	      "one is refused by name:",
	      out);
	for (const struct field *f = document_fields; f->key; f++)
		if (f->flags & FIELD_LATER)
			fprintf(out, " `%s`", f->key);
	for (unsigned noun = 0; noun < NOUNS; noun++)
		for (const struct field *f = nouns[noun].fields; f->key; f++)
			if (f->flags & FIELD_LATER)
				fprintf(out, " `%s.NAME.%s`", nouns[noun].key, f->key);
	fputs(".\n", out);
}

static void intro_print(FILE *out)
{
	fputs("<!-- Generated from the tables in agent/config by "
	      "build/tests/golden/check "
	      "--accept. -->\n# The rule set\n\n",
	      out);
	fprintf(out,
		"One JSON document, or a directory of `*.json` whose objects are put "
		"together. "
		"A document has at most %u bytes, %d values and %d levels. An object's "
		"name is "
		"its key: 1 to %d characters of `A-Z a-z 0-9 . _ -`. A reference is that "
		"name, "
		"or `kind/name`. `description` (at most %d characters) and `tags` (at "
		"most %d "
		"texts by name) are accepted in every object.\n\n",
		HG_MAX_FILE_BYTES, SCAN_VALUES_MAX, HG_MAX_DEPTH, HG_MAX_NAME,
		HG_MAX_DESCRIPTION, HG_MAX_TAGS);
	fputs("CIDRs with host bits are read without them, with a warning. Ports and "
	      "ICMP "
	      "types are ignored, with a warning, where the protocol has none. A "
	      "protocol is "
	      "`all`, `tcp`, `udp`, `icmp`, `icmpv6` or a number of 0 to 255; a port is "
	      "`443`, "
	      "`\"443\"`, `\"1024-65535\"` or a list of those.\n\n",
	      out);
}

char *config_reference(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	intro_print(out);
	table_print(out, document_fields);
	for (unsigned noun = 0; noun < NOUNS; noun++) {
		fprintf(out, "## %s\n\n%s At most %zu.\n\n", nouns[noun].key,
			nouns[noun].help, nouns[noun].max);
		table_print(out, nouns[noun].fields);
		inner_print(out, nouns[noun].key, nouns[noun].fields);
	}
	fputs("## settings\n\nOne object.\n\n", out);
	table_print(out, settings_fields);
	inner_print(out, "settings", settings_fields);
	later_print(out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
