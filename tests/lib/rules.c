/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/rules.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/read.h"
#include "tests/lib/tap.h"

static void bail_complaints(struct diag *d)
{
	size_t n;
	const struct complaint *list = diag_list(d, &n);

	for (size_t i = 0; i < n; i++)
		note("%s: %s", list[i].pointer, list[i].text);
	bail("a rule set of the test was refused");
}

struct model *rules_model(const char *members)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_free_ char *text = NULL;
	struct model *m = NULL;

	if (asprintf(&text, "{'headgate': 1, %s}", members) < 0)
		bail("no memory");
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	config_read_text("rules", text, strlen(text), NULL, d, &m);
	if (!m)
		bail_complaints(d);
	return m;
}

struct image *rules_image(const char *text, const struct facts *facts,
			  struct model **ret_model)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	const struct facts none = {};
	struct image *image = NULL;
	struct model *m = NULL;

	if (config_read_text("rules", text, strlen(text), NULL, d, &m) < 0 ||
	    image_compile(m, facts ? facts : &none, d, &image) < 0)
		bail_complaints(d);
	*ret_model = m;
	return image;
}
