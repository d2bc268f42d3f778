/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* tap: the few words that every test program speaks.
 *
 *   ok 1 - a subnet without a network ACL lets everything through
 *   not ok 2 - a reply passes
 *   # got 7, want 0
 *   1..2
 *
 * Shape    Test Anything Protocol on standard output, one line a test, the plan last.
 *          Lines after a '# ' explain the line above them.
 * Owner    One stream of tests a process; nothing is allocated.
 * Errors   done() returns the exit code: 0 when every test passed and there was one.
 */
#include <stdbool.h>
#include <stddef.h>

/* Each returns whether the test passed. Names are sentences that state the behaviour. */
bool ok(bool pass, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool is(long long got, long long want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* NULL is a string of its own kind: equal only to NULL. */
bool is_str(const char *got, const char *want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Prints the first bytes that differ. */
bool is_mem(const void *got, const void *want, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A line of explanation, '# ' and all; may hold newlines. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts as passed, and says why nothing was tried. */
void skip(const char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The test could not be run at all: says why and ends the program with failure. */
void bail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Prints the plan. */
int done(void);
