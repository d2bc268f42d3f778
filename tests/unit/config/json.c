/* SPDX-License-Identifier: Apache-2.0 */
#include "config/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hg/limits.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "config/scan.h"
#include "tests/lib/tap.h"

#define TEXT(s) s, sizeof(s) - 1
#define TEN     "1234567890"

/* What RFC 8259 does not allow, and what we do not. */
static const struct {
	const char *says;
	const char *text;
	size_t size;
	const char *complaint;
} refused[] = {
	{ "nothing is no document", TEXT(""), "j:1:1: the document is empty" },
	{ "space is no document", TEXT(" \n\t"), "j:2:2: the document is empty" },
	{ "a byte order mark is refused", TEXT("\xef\xbb\xbf{}"),
	  "j:1:1: a byte order mark is not JSON" },
	{ "one document is enough", TEXT("{} {}"),
	  "j:1:4: expected the end of the document, found '{'" },
	{ "a NUL is no end", TEXT("{}\0"),
	  "j:1:3: expected the end of the document, found a NUL byte" },
	{ "a comma needs a member", TEXT("[1,]"), "j:1:4: /0: a comma before ']'" },
	{ "a comma needs a member of an object", TEXT("{\"a\":1,}"),
	  "j:1:8: /a: a comma before '}'" },
	{ "members need a comma", TEXT("[1 2]"),
	  "j:1:4: /0: expected ',' or ']', found '2'" },
	{ "brackets are closed by their like", TEXT("[1}"),
	  "j:1:3: /0: expected ',' or ']', found '}'" },
	{ "a list is closed", TEXT("[1"),
	  "j:1:3: /0: expected ',' or ']', found the end of the document" },
	{ "a document does not stop at a colon", TEXT("{\"a\":"),
	  "j:1:6: /a: the document ends where a value is expected" },
	{ "a key has a colon", TEXT("{\"a\" 1}"),
	  "j:1:6: /a: expected ':' after the key, found '1'" },
	{ "a key is a string", TEXT("{a:1}"),
	  "j:1:2: expected a key in double quotes, found 'a'" },
	{ "a number is no key", TEXT("[{1:1}]"),
	  "j:1:3: /0: expected a key in double quotes, found '1'" },
	{ "a comment is no JSON", TEXT("{\n  // x\n}"),
	  "j:2:3: expected a key in double quotes, found '/'" },
	{ "a comment is no value", TEXT("[\n  /* x */ 1]"),
	  "j:2:3: /0: comments are not JSON; \"description\" is accepted everywhere" },
	{ "a hash is no value", TEXT("[# x\n1]"),
	  "j:1:2: /0: comments are not JSON; \"description\" is accepted everywhere" },
	{ "single quotes are refused", TEXT("['a']"),
	  "j:1:2: /0: strings stand in double quotes" },
	{ "NaN is no number", TEXT("[NaN]"), "j:1:2: /0: expected a value, found 'N'" },
	{ "words are whole", TEXT("[tru]"), "j:1:2: /0: expected a value, found 't'" },
	{ "words are not longer", TEXT("[truee]"),
	  "j:1:6: /0: expected ',' or ']', found 'e'" },
	{ "a control character is no value", TEXT("[\x01]"),
	  "j:1:2: /0: expected a value, found byte 0x01" },
	{ "01 is no number", TEXT("[01]"), "j:1:2: /0: a number may not begin with 0" },
	{ "-01 is no number", TEXT("[-01]"), "j:1:2: /0: a number may not begin with 0" },
	{ "+1 is no number", TEXT("[+1]"), "j:1:2: /0: expected a value, found '+'" },
	{ ".5 is no number", TEXT("[.5]"), "j:1:2: /0: expected a value, found '.'" },
	{ "1. is no number", TEXT("[1.]"),
	  "j:1:2: /0: expected a digit after '.', found ']'" },
	{ "- is no number", TEXT("[-]"),
	  "j:1:2: /0: expected a digit after '-', found ']'" },
	{ "1e is no number", TEXT("[1e+]"),
	  "j:1:2: /0: expected a digit in the exponent, found ']'" },
	{ "a number beyond a double is refused", TEXT("[-1e999]"),
	  "j:1:2: /0: the number is larger than any that can be held" },
	{ "a number too long for cJSON is refused",
	  TEXT("[" TEN TEN TEN TEN TEN TEN "1234]"),
	  "j:1:2: /0: the number has 64 characters; the most is 63" },
	{ "a string is closed", TEXT("[\"a"), "j:1:2: /0: the string is not closed" },
	{ "a string is closed on its line", TEXT("[\"a\n\"]"),
	  "j:1:2: /0: the string is not closed on its line" },
	{ "a control character is escaped", TEXT("[\"a\tb\"]"),
	  "j:1:4: /0: control character 0x09 in a string: write it \\u0009" },
	{ "a NUL in a string is a control character", TEXT("[\"a\0b\"]"),
	  "j:1:4: /0: control character 0x00 in a string: write it \\u0000" },
	{ "an escape is one of eight", TEXT("[\"\\x41\"]"),
	  "j:1:3: /0: a backslash before 'x' is no escape of JSON" },
	{ "an escape is whole", TEXT("[\"\\"),
	  "j:1:3: /0: a backslash before the end of the document is no escape of JSON" },
	{ "\\u has four digits", TEXT("[\"\\u12g4\"]"),
	  "j:1:3: /0: \\u wants four hexadecimal digits" },
	{ "\\u0000 would cut a string short", TEXT("[\"a\\u0000b\"]"),
	  "j:1:4: /0: \\u0000 is refused: no name or text holds a NUL" },
	{ "half a pair is refused", TEXT("[\"\\ud800\"]"),
	  "j:1:3: /0: \\ud800 is half of a surrogate pair" },
	{ "the other half comes first", TEXT("[\"\\udc00\\ud800\"]"),
	  "j:1:3: /0: \\udc00 is half of a surrogate pair" },
	{ "two first halves are no pair", TEXT("[\"\\ud800\\ud800\"]"),
	  "j:1:3: /0: \\ud800 is half of a surrogate pair" },
	{ "Latin-1 is no UTF-8", TEXT("[\"caf\xe9\"]"),
	  "j:1:6: /0: byte 0xe9 is not valid UTF-8 here" },
	{ "an overlong form is no UTF-8", TEXT("[\"\xc0\xaf\"]"),
	  "j:1:3: /0: byte 0xc0 is not valid UTF-8 here" },
	{ "an overlong form of three is no UTF-8", TEXT("[\"\xe0\x80\xaf\"]"),
	  "j:1:3: /0: byte 0xe0 is not valid UTF-8 here" },
	{ "a surrogate is no UTF-8", TEXT("[\"\xed\xa0\x80\"]"),
	  "j:1:3: /0: byte 0xed is not valid UTF-8 here" },
	{ "nothing is above U+10FFFF", TEXT("[\"\xf4\x90\x80\x80\"]"),
	  "j:1:3: /0: byte 0xf4 is not valid UTF-8 here" },
	{ "a sequence is whole", TEXT("[\"\xe2\x82"),
	  "j:1:3: /0: byte 0xe2 is not valid UTF-8 here" },
	{ "columns count characters", TEXT("[\"\xc3\xa9\xe2\x82\xac\", x]"),
	  "j:1:8: /1: expected a value, found 'x'" },
	{ "a key stands once", TEXT("{\"a\":1,\n \"b\":2, \"a\":3}"),
	  "j:2:9: /a: the key is repeated; it stands on line 1, too" },
	{ "a key stands once however it is written", TEXT("[{\"a\":1,\"\\u0061\":3}]"),
	  "j:1:9: /0/a: the key is repeated; it stands on line 1, too" },
	{ "pointers escape", TEXT("{\"a/b\":{\"c~d\":[0,{\"\":x}]}}"),
	  "j:1:22: /a~1b/c~0d/1/: expected a value, found 'x'" },
};

static const char *const accepted[] = {
	"{}",
	"[]",
	"1",
	"\"a\"",
	"null",
	" [ true , false ] \r\n",
	"[0,-0,1.5,1e3,1E-3,-1.25e+2]",
	"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"]",
	"{\"A\":1,\"a\":2,\"\":3}",
	"[" TEN TEN TEN TEN TEN TEN "123]",
	"[\"\x7f\xf0\x9f\x98\x80\"]",
};

static const struct {
	const char *text;
	int result;
	int64_t value;
} integers[] = {
	{ "4294967296", 0, 4294967296 },
	{ "9007199254740991", 0, 9007199254740991 },
	{ "-9007199254740991", 0, -9007199254740991 },
	{ "1e3", 0, 1000 },
	{ "-0", 0, 0 },
	{ "9007199254740992", -ERANGE, 0 },
	{ "9007199254740993", -ERANGE, 0 },
	{ "1e300", -ERANGE, 0 },
	{ "1.5", -EINVAL, 0 },
	{ "\"1\"", -EINVAL, 0 },
	{ "true", -EINVAL, 0 },
};

static char *complaint_of(const char *text, size_t size)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	struct json *j = NULL;
	const struct complaint *list;
	size_t n;

	if (json_read("j", text, size, d, &j) == 0) {
		json_free(j);
		return NULL;
	}
	list = diag_list(d, &n);
	return n > 0 ? complaint_print(&list[0]) : strdup("nothing was said");
}

static struct json *tree_of(const char *text)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	struct json *j = NULL;

	json_read("j", text, strlen(text), d, &j);
	return j;
}

static void test_depth(void)
{
	char text[2 * HG_MAX_DEPTH + 3] = "";
	_cleanup_free_ char *deep = NULL;

	memset(text, '[', HG_MAX_DEPTH);
	memset(text + HG_MAX_DEPTH, ']', HG_MAX_DEPTH);
	ok(!complaint_of(text, 2 * HG_MAX_DEPTH), "nesting goes as deep as the limit");
	memset(text, '[', HG_MAX_DEPTH + 1);
	deep = complaint_of(text, HG_MAX_DEPTH + 1);
	ok(deep && strstr(deep, "nested deeper than 32"), "nesting goes no deeper");
}

static void test_size(void)
{
	_cleanup_free_ char *text = calloc(1, HG_MAX_FILE_BYTES + 1);
	_cleanup_free_ char *large = NULL;

	memset(text, ' ', HG_MAX_FILE_BYTES + 1);
	text[0] = '1';
	ok(!complaint_of(text, HG_MAX_FILE_BYTES),
	   "a document may be as large as the limit");
	large = complaint_of(text, HG_MAX_FILE_BYTES + 1);
	is_str(large, "j:1:1: the document has 33554433 bytes; the most is 33554432",
	       "a document is no larger");
}

static void test_values(void)
{
	size_t size = 2 * (size_t)SCAN_VALUES_MAX + 1;
	_cleanup_free_ char *text = malloc(size), *many = NULL;

	memset(text, '1', size);
	for (size_t i = 2; i < size; i += 2)
		text[i] = ',';
	text[0] = '[';
	text[size - 1] = ']';
	many = complaint_of(text, size);
	is_str(many, "j:1:8000000: /3999999: more than 4000000 values",
	       "a document has so many values and no more");
}

static void test_places(void)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(json_freep) struct json *j =
		tree_of("{ \"a\": [1,\n  { \"x/y\"\n: true }],\n\"b\":null }");
	_cleanup_(json_freep) struct json *copy = json_copy(j);
	const struct json *x = json_get(json_next(json_first(json_get(j, "a"))), "x/y");
	struct where w = json_where(j, x, arena), k = json_where_key(j, x, arena);

	is_str(w.pointer, "/a/1/x~1y", "a value knows its pointer");
	ok(w.line == 3 && w.column == 3, "a value knows its place (%u:%u)", w.line,
	   w.column);
	ok(k.line == 2 && k.column == 5, "a key knows its place (%u:%u)", k.line,
	   k.column);
	is_str(w.file, "j", "a value knows its document");
	w = json_where(j, j, arena);
	ok(w.line == 1 && w.column == 1 && !w.pointer[0], "the root knows its place");
	w = json_where(copy, json_get(copy, "b"), arena);
	ok(w.line == 0 && !w.pointer[0], "a copy was written nowhere");
	w = json_where(j, json_get(copy, "b"), arena);
	ok(w.line == 0, "a value of another tree has no place in this one");
	w = json_where(j, NULL, arena);
	ok(w.line == 0, "nothing stands nowhere");
}

static void test_lenient(void)
{
	static const char text[] = "{\"a\":1,\"a\":2,\"a\":3,\"b\":{\"c\":1,\"c\":2}}";
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_(json_freep) struct json *j = NULL;

	is(json_read_lenient("j", text, strlen(text), d, &j), 0,
	   "a lenient reader goes on after repeated keys");
	is((long long)diag_errors(d), 3, "every repeated key is complained of");
	is((long long)json_size(j), 4, "repeated members stay in the tree");
	is((long long)json_number(json_get(j, "a")), 1, "the first of them is found");
}

static void test_reading(void)
{
	_cleanup_(json_freep) struct json *j = tree_of(
		"{\"s\":\"a\\u00e9\",\"n\":1.5,\"t\":true,\"z\":null,\"l\":[1,2]}");
	int64_t v = 7;

	is_str(json_string(json_get(j, "s")), "a\xc3\xa9", "escapes are read");
	ok(json_number(json_get(j, "n")) == 1.5, "fractions are read");
	ok(json_bool(json_get(j, "t")) && json_is_null(json_get(j, "z")),
	   "words are read");
	is((long long)json_size(json_get(j, "l")), 2, "lists have a size");
	ok(!json_get(j, "S"), "keys have a case");
	ok(!json_is_object(NULL) && !json_first(NULL) && !json_get(NULL, "a") &&
		   !json_string(NULL) && !json_bool(NULL) && json_size(NULL) == 0,
	   "nothing is of no type");
	for (size_t i = 0; i < ARRAY_SIZE(integers); i++) {
		_cleanup_(json_freep) struct json *n = tree_of(integers[i].text);

		v = 0;
		is(json_integer(n, &v), integers[i].result, "%s is a whole number or not",
		   integers[i].text);
		is(v, integers[i].value, "%s keeps its value", integers[i].text);
	}
}

static void test_writing(void)
{
	_cleanup_(json_freep) struct json *j = json_new_object();
	_cleanup_free_ char *text = NULL;
	struct json *list = json_set(j, "list", json_new_array());

	json_add(list, json_new_number(1));
	json_add(list, json_new_string(NULL));
	json_set_u64(j, "exact", 9007199254740991);
	json_set_u64(j, "large", 18446744073709551615U);
	json_set_string(j, "text", "a\"\n");
	json_set_bool(j, "yes", true);
	json_set_null(j, "none");
	text = json_print(j, false);
	is_str(text,
	       "{\"list\":[1,null],\"exact\":9007199254740991,"
	       "\"large\":\"18446744073709551615\",\"text\":\"a\\\"\\n\",\"yes\":true,"
	       "\"none\":null}",
	       "what is set is printed, in order, and counters beyond 2^53 as text");
	ok(!json_set(list, "a", json_new_number(1)) && !json_add(j, json_new_number(1)),
	   "a list has no keys, an object no elements");
	ok(!json_set(j, "a", NULL) && !json_add(NULL, json_new_number(1)),
	   "nothing is not set, and nothing is set in nothing");
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *got = complaint_of(refused[i].text, refused[i].size);

		is_str(got, refused[i].complaint, "%s", refused[i].says);
	}
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		_cleanup_free_ char *got = complaint_of(accepted[i], strlen(accepted[i]));

		is_str(got, NULL, "%s is JSON", accepted[i]);
	}
	test_depth();
	test_size();
	test_values();
	test_places();
	test_lenient();
	test_reading();
	test_writing();
	return done();
}
