/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/headgate/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"

static const struct {
	uint64_t bytes;
	const char *want;
} sizes[] = {
	{ 0, "0 B" },
	{ 1023, "1023 B" },
	{ 1024, "1.0 KiB" },
	{ 10200, "10 KiB" },
	{ 1048575, "1.0 MiB" },
	{ 96u << 20, "96 MiB" },
	{ 5ull << 40, "5.0 TiB" },
	{ UINT64_MAX, "16 EiB" },
};

static const struct {
	uint64_t seconds;
	const char *want;
} ages[] = {
	{ 0, "0s" },      { 59, "59s" },      { 60, "1m" },    { 75, "1m15s" },
	{ 3600, "1h" },   { 3661, "1h1m" },   { 86400, "1d" }, { 90000, "1d1h" },
	{ 432000, "5d" }, { 435661, "5d1h" },
};

static char *printed(struct table *t)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		bail("out of memory");
	table_print(t, f);
	fclose(f);
	return text;
}

static void test_columns(void)
{
	static const char *const heads[] = { "NAME", ">HITS", "WHY", NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, false);
	_cleanup_free_ char *first = NULL, *second = NULL;

	table_text(t, "edge", PAINT_BAD);
	table_cell(t, "%d", 7);
	table_text(t, "x\033[2Jy", PAINT_NONE);
	table_text(t, "a-longer-name", PAINT_NONE);
	table_cell(t, "%d", 1234567);
	table_text(t, NULL, PAINT_NONE);
	is(table_rows(t), 2, "rows are counted");
	first = printed(t);
	is_str(first,
	       "NAME              HITS  WHY\n"
	       "edge                 7  x?[2Jy\n"
	       "a-longer-name  1234567  -\n",
	       "columns are aligned, and no name can steer the terminal");
	table_text(t, "b", PAINT_NONE);
	table_cell(t, "%d", 1);
	table_text(t, "w", PAINT_NONE);
	second = printed(t);
	is_str(second, "b                    1  w\n",
	       "later pieces keep the columns and have no heads");
}

static void test_colour(void)
{
	static const char *const heads[] = { "A", NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, true);
	_cleanup_free_ char *text = NULL;

	table_text(t, "no", PAINT_BAD);
	text = printed(t);
	is_str(text, "\033[1mA\033[0m\n\033[31mno\033[0m\n",
	       "colours end where they begin");
}

int main(void)
{
	char buf[HUMAN_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		is_str(bytes_print(sizes[i].bytes, buf), sizes[i].want,
		       "%llu bytes are %s", (unsigned long long)sizes[i].bytes,
		       sizes[i].want);
	for (size_t i = 0; i < ARRAY_SIZE(ages); i++)
		is_str(seconds_print(ages[i].seconds, buf), ages[i].want,
		       "%llu seconds are %s", (unsigned long long)ages[i].seconds,
		       ages[i].want);
	test_columns();
	test_colour();
	return done();
}
