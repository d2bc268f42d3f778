/* SPDX-License-Identifier: Apache-2.0 */

/* cJSON accepts more than JSON and does not say where anything stands. So the text is read
 * twice: here, to the letter, remembering places; then by cJSON, which can no longer be
 * surprised. The two agree on the order of values, and that is all that joins them.
 */
#include "config/scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "base/vec.h"

#define NUMBER_TEXT 63

/* A container that is open. */
struct frame {
	uint32_t place;
	bool is_object;
	uint32_t n;      /* members begun */
	const char *key; /* of the member in hand, as written, without quotes */
	size_t key_size;
};

struct scanner {
	const char *name;
	const char *text, *at, *end;
	const char *line_start;
	uint32_t line;
	uint32_t n_wide; /* continuation bytes since 'line_start' */
	struct diag *diag;
	VEC(struct place) places;
	struct frame frames[HG_MAX_DEPTH];
	size_t depth;
};

static uint32_t column_of(const struct scanner *s, const char *at)
{
	return (uint32_t)(at - s->line_start) - s->n_wide + 1;
}

/* The pointer of the value that was being read. Keys are as written: an escape in a key
 * before a syntax error stays an escape. */
static void pointer_of(const struct scanner *s, char *buf, size_t size)
{
	FILE *f = fmemopen(buf, size, "w");

	buf[0] = '\0';
	if (!f)
		return;
	for (size_t i = 0; i < s->depth; i++) {
		const struct frame *frame = &s->frames[i];

		if (frame->n == 0 || (frame->is_object && !frame->key))
			break;
		fputc('/', f);
		if (!frame->is_object) {
			fprintf(f, "%u", frame->n - 1);
			continue;
		}
		for (size_t k = 0; k < frame->key_size; k++)
			if (frame->key[k] == '~' || frame->key[k] == '/')
				fputs(frame->key[k] == '~' ? "~0" : "~1", f);
			else
				fputc(frame->key[k], f);
	}
	fclose(f);
	buf[size - 1] = '\0';
}

__attribute__((format(printf, 3, 4))) static int
complain(struct scanner *s, const char *at, const char *format, ...)
{
	char pointer[1024], text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pointer_of(s, pointer, sizeof(pointer));
	diag_add(s->diag, DIAG_ERROR, s->name, s->line, column_of(s, at), pointer, "%s",
		 text);
	return -EINVAL;
}

/* What stands at 'at', for a sentence. */
static const char *found(const struct scanner *s, const char *at, char buf[static 32])
{
	if (at >= s->end)
		return "the end of the document";
	if (*at == '\0')
		return "a NUL byte";
	if ((unsigned char)*at > 0x20 && (unsigned char)*at < 0x7f)
		snprintf(buf, 32, "'%c'", *at);
	else
		snprintf(buf, 32, "byte 0x%02x", (unsigned char)*at);
	return buf;
}

static void skip_space(struct scanner *s)
{
	for (; s->at < s->end; s->at++) {
		if (*s->at == '\n') {
			s->line++;
			s->line_start = s->at + 1;
			s->n_wide = 0;
		} else if (*s->at != ' ' && *s->at != '\t' && *s->at != '\r') {
			return;
		}
	}
}

/* Length of the UTF-8 sequence at 'p', 0 where it is not one (RFC 3629: no overlong forms,
 * no surrogates, nothing above U+10FFFF). */
static size_t utf8_size(const unsigned char *p, const unsigned char *end)
{
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Four hexadecimal digits at 'p', -1 where they are not. */
static int hex4(const struct scanner *s, const char *p)
{
	int v = 0;

	if (s->end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v * 16 + (c | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return v;
}

/* s->at is on a backslash. */
static int scan_escape(struct scanner *s)
{
	const char *p = s->at;
	char buf[32];
	int v, low;

	if (s->end - p < 2 || p[1] == '\0' || !strchr("\"\\/bfnrtu", p[1]))
		return complain(s, p, "a backslash before %s is no escape of JSON",
				found(s, p + 1, buf));
	if (p[1] != 'u') {
		s->at += 2;
		return 0;
	}
	v = hex4(s, p + 2);
	if (v < 0)
		return complain(s, p, "\\u wants four hexadecimal digits");
	if (v == 0)
		return complain(s, p, "\\u0000 is refused: no name or text holds a NUL");
	s->at += 6;
	if (v < 0xd800 || v > 0xdfff)
		return 0;
	low = s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u'
		      ? hex4(s, s->at + 2)
		      : -1;
	if (v > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return complain(s, p, "\\u%04x is half of a surrogate pair", (unsigned)v);
	s->at += 6;
	return 0;
}

/* s->at is on the opening quote, and after the closing one on success. */
static int scan_string(struct scanner *s)
{
	const char *open = s->at++;

	while (s->at < s->end) {
		unsigned char c = (unsigned char)*s->at;
		size_t n;
		int r;

		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c == '\\') {
			r = scan_escape(s);
			if (r < 0)
				return r;
		} else if (c == '\n') {
			return complain(s, open, "the string is not closed on its line");
		} else if (c < 0x20) {
			return complain(
				s, s->at,
				"control character 0x%02x in a string: write it \\u%04x",
				c, c);
		} else if (c < 0x80) {
			s->at++;
		} else {
			n = utf8_size((const unsigned char *)s->at,
				      (const unsigned char *)s->end);
			if (n == 0)
				return complain(s, s->at,
						"byte 0x%02x is not valid UTF-8 here", c);
			s->at += n;
			s->n_wide += (uint32_t)n - 1;
		}
	}
	return complain(s, open, "the string is not closed");
}

static size_t digits(const struct scanner *s, const char *p)
{
	size_t n = 0;

	while (p + n < s->end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

static int scan_number(struct scanner *s)
{
	const char *start = s->at, *p = s->at;
	char buf[32];
	size_t n;

	p += *p == '-';
	n = digits(s, p);
	if (n == 0)
		return complain(s, start, "expected a digit after '-', found %s",
				found(s, p, buf));
	if (n > 1 && *p == '0')
		return complain(s, start, "a number may not begin with 0");
	p += n;
	if (p < s->end && *p == '.') {
		n = digits(s, ++p);
		if (n == 0)
			return complain(s, start, "expected a digit after '.', found %s",
					found(s, p, buf));
		p += n;
	}
	if (p < s->end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < s->end && (*p == '+' || *p == '-');
		n = digits(s, p);
		if (n == 0)
			return complain(s, start,
					"expected a digit in the exponent, found %s",
					found(s, p, buf));
		p += n;
	}
	if (p - start > NUMBER_TEXT)
		return complain(s, start, "the number has %zu characters; the most is %d",
				(size_t)(p - start), NUMBER_TEXT);
	s->at = p;
	return 0;
}

static int scan_word(struct scanner *s)
{
	static const char *const words[] = { "true", "false", "null" };
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(s->end - s->at) >= n && memcmp(s->at, words[i], n) == 0) {
			s->at += n;
			return 0;
		}
	}
	if (*s->at == '/' || *s->at == '#')
		return complain(
			s, s->at,
			"comments are not JSON; \"description\" is accepted everywhere");
	if (*s->at == '\'')
		return complain(s, s->at, "strings stand in double quotes");
	return complain(s, s->at, "expected a value, found %s", found(s, s->at, buf));
}

/* The key of the next member and its colon; notes the key in the open frame and its place
 * in 'ret'. */
static int scan_key(struct scanner *s, struct frame *frame, struct place *ret)
{
	const char *start = s->at;
	char buf[32];
	int r;

	frame->key = NULL;
	if (s->at >= s->end || *s->at != '"')
		return complain(s, s->at, "expected a key in double quotes, found %s",
				found(s, s->at, buf));
	ret->key_line = s->line;
	ret->key_column = column_of(s, start);
	r = scan_string(s);
	if (r < 0)
		return r;
	frame->key = start + 1;
	frame->key_size = (size_t)(s->at - start) - 2;
	skip_space(s);
	if (s->at >= s->end || *s->at != ':')
		return complain(s, s->at, "expected ':' after the key, found %s",
				found(s, s->at, buf));
	s->at++;
	skip_space(s);
	return 0;
}

/* One value, or the opening of one. Containers are pushed, not entered. */
static int scan_value(struct scanner *s, struct place *place)
{
	struct frame *parent = s->depth > 0 ? &s->frames[s->depth - 1] : NULL;
	uint32_t here = (uint32_t)s->places.n;
	char c;

	if (s->at >= s->end)
		return complain(s, s->at, "the document ends where a value is expected");
	place->line = s->line;
	place->column = column_of(s, s->at);
	place->parent = parent ? parent->place : here;
	place->index = parent ? parent->n - 1 : 0;
	if (here == SCAN_VALUES_MAX)
		return complain(s, s->at, "more than %d values", SCAN_VALUES_MAX);
	if (!vec_push(&s->places, *place))
		return -ENOMEM;
	c = *s->at;
	if (c == '"')
		return scan_string(s);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(s);
	if (c != '{' && c != '[')
		return scan_word(s);
	if (s->depth == HG_MAX_DEPTH)
		return complain(s, s->at, "nested deeper than %d", HG_MAX_DEPTH);
	s->frames[s->depth++] = (struct frame){ .place = here, .is_object = c == '{' };
	s->at++;
	return 0;
}

/* The next member of the innermost container, or its end. */
static int scan_member(struct scanner *s)
{
	struct frame *frame = &s->frames[s->depth - 1];
	char close = frame->is_object ? '}' : ']';
	struct place place = {};
	char buf[32];
	int r;

	if (s->at < s->end && *s->at == close) {
		s->at++;
		s->depth--;
		return 0;
	}
	if (frame->n > 0) {
		if (s->at >= s->end || *s->at != ',')
			return complain(s, s->at, "expected ',' or '%c', found %s", close,
					found(s, s->at, buf));
		s->at++;
		skip_space(s);
		if (s->at < s->end && *s->at == close)
			return complain(s, s->at, "a comma before '%c'", close);
	}
	frame->n++;
	if (frame->is_object) {
		r = scan_key(s, frame, &place);
		if (r < 0)
			return r;
	}
	return scan_value(s, &place);
}

static int scan_document(struct scanner *s)
{
	struct place place = {};
	int r;

	if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
		return complain(s, s->at, "a byte order mark is not JSON");
	skip_space(s);
	if (s->at >= s->end)
		return complain(s, s->at, "the document is empty");
	r = scan_value(s, &place);
	while (r == 0 && s->depth > 0) {
		skip_space(s);
		r = scan_member(s);
	}
	return r;
}

int scan_read(const char *name, const char *text, size_t size, struct diag *diag,
	      struct scan *ret)
{
	struct scanner s = {
		.name = name,
		.text = text,
		.at = text,
		.end = text + size,
		.line_start = text,
		.line = 1,
		.diag = diag,
	};
	size_t whole;
	char buf[32];
	int r;

	r = scan_document(&s);
	whole = (size_t)(s.at - text);
	if (r == 0) {
		skip_space(&s);
		if (s.at < s.end)
			r = complain(&s, s.at,
				     "expected the end of the document, found %s",
				     found(&s, s.at, buf));
	}
	if (r < 0) {
		vec_done(&s.places);
		return r;
	}
	ret->places = s.places.items;
	ret->n = s.places.n;
	ret->size = whole;
	return 0;
}

void scan_done(struct scan *s)
{
	free(s->places);
	s->places = NULL;
	s->n = 0;
}
