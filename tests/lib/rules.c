/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/rules.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/read.h"
#include "tests/lib/tap.h"

struct model *rules_model(const char *members)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_free_ char *text = NULL;
	struct model *m = NULL;
	const struct complaint *list;
	size_t n;

	if (asprintf(&text, "{'headgate': 1, %s}", members) < 0)
		bail("no memory");
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	config_read_text("rules", text, strlen(text), NULL, d, &m);
	if (!m) {
		list = diag_list(d, &n);
		for (size_t i = 0; i < n; i++)
			note("%s: %s", list[i].pointer, list[i].text);
		bail("a rule set of the test was refused");
	}
	return m;
}
