/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diag.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"

static const struct {
	struct complaint complaint;
	const char *printed;
} prints[] = {
	{ { DIAG_ERROR, "a.json", 3, 9, "/vpcs/prod", "is wrong" },
	  "a.json:3:9: /vpcs/prod: is wrong" },
	{ { DIAG_WARNING, "a.json", 3, 9, "/vpcs/prod", "is odd" },
	  "a.json:3:9: /vpcs/prod: warning: is odd" },
	{ { DIAG_ERROR, "a.json", 1, 1, "", "is empty" }, "a.json:1:1: is empty" },
	{ { DIAG_ERROR, "a.json", 0, 0, "", "is absent" }, "a.json: is absent" },
	{ { DIAG_ERROR, "", 0, 0, "/from", "is wrong" }, "/from: is wrong" },
	{ { DIAG_ERROR, "", 0, 0, "", "is wrong" }, "is wrong" },
	{ { DIAG_ERROR, "a\nb", 1, 2, "/\x1b[31m", "\x7f" }, "a?b:1:2: /?[31m: ?" },
};

int main(void)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	const struct complaint *list;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(prints); i++) {
		_cleanup_free_ char *text = complaint_print(&prints[i].complaint);

		is_str(text, prints[i].printed, "a complaint is printed: %s",
		       prints[i].printed);
	}
	list = diag_list(d, &n);
	is((long long)n, 0, "nobody has complained yet");
	diag_add(d, DIAG_ERROR, "b", 1, 1, "", "five");
	diag_add(d, DIAG_ERROR, "a", 2, 1, "", "four");
	diag_add(d, DIAG_WARNING, "a", 1, 9, "", "three %d", 3);
	diag_add(d, DIAG_ERROR, "a", 1, 1, "/b", "two");
	diag_add(d, DIAG_ERROR, "a", 1, 1, "/a", "one");
	list = diag_list(d, &n);
	is((long long)n, 5, "every complaint is kept");
	is_str(list[0].text, "one", "of one place the pointer decides");
	is_str(list[1].text, "two", "lines and columns come in order");
	is_str(list[2].text, "three 3", "levels are mixed");
	is_str(list[3].text, "four", "lines come before columns");
	is_str(list[4].text, "five", "files come in order of their names");
	is((long long)diag_errors(d), 4, "errors are counted");
	is((long long)diag_warnings(d), 1, "warnings are counted");

	for (size_t i = 0; i < DIAG_MAX + 5; i++)
		diag_add(d, DIAG_WARNING, "c", 1, 1, "", "again");
	diag_add(d, DIAG_ERROR, "c", 1, 1, "", "late");
	list = diag_list(d, &n);
	is((long long)n, DIAG_MAX + 5, "warnings are kept up to a limit, errors besides");
	is_str(list[n - 1].text, "late", "many warnings do not crowd out an error");
	is((long long)diag_warnings(d), DIAG_MAX + 6, "what is not kept is counted");
	diag_free(NULL);
	return done();
}
