/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned n_tests, n_failed;

static void result(bool pass, const char *format, va_list args)
{
	n_tests++;
	if (!pass)
		n_failed++;
	printf("%sok %u - ", pass ? "" : "not ", n_tests);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
}

bool ok(bool pass, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result(pass, format, args);
	va_end(args);
	return pass;
}

bool is(long long got, long long want, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result(got == want, format, args);
	va_end(args);
	if (got != want)
		note("got %lld, want %lld", got, want);
	return got == want;
}

bool is_str(const char *got, const char *want, const char *format, ...)
{
	bool same = got && want ? strcmp(got, want) == 0 : got == want;
	va_list args;

	va_start(args, format);
	result(same, format, args);
	va_end(args);
	if (!same) {
		note(got ? "got  \"%s\"" : "got  %s", got ? got : "NULL");
		note(want ? "want \"%s\"" : "want %s", want ? want : "NULL");
	}
	return same;
}

bool is_mem(const void *got, const void *want, size_t size, const char *format, ...)
{
	const unsigned char *g = got, *w = want;
	size_t at = 0;
	va_list args;

	while (at < size && g[at] == w[at])
		at++;
	va_start(args, format);
	result(at == size, format, args);
	va_end(args);
	if (at < size)
		note("byte %zu of %zu: got 0x%02x, want 0x%02x", at, size, g[at], w[at]);
	return at == size;
}

void note(const char *format, ...)
{
	char text[4096];
	va_list args;
	char *line = text, *end;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (; line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		if (end || *line)
			printf("# %s\n", line);
	}
	fflush(stdout);
}

void skip(const char *why, const char *format, ...)
{
	va_list args;

	n_tests++;
	printf("ok %u - ", n_tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" # SKIP %s\n", why);
	fflush(stdout);
}

void bail(const char *format, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

int done(void)
{
	printf("1..%u\n", n_tests);
	if (n_failed)
		note("%u of %u failed", n_failed, n_tests);
	fflush(stdout);
	return n_failed || !n_tests;
}
