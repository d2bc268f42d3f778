/* SPDX-License-Identifier: Apache-2.0 */

/* What `headgate check` says of each rule set in tests/golden/check: NAME.json, or a directory
 * of that name, against the lines of NAME.txt; of those in docs/examples it says nothing. And
 * docs/rules.md against the tables that it is generated from.
 *
 * With --accept the expected texts are written instead: read the difference before you keep it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "config/read.h"
#include "tests/lib/tap.h"

#define CASES     "tests/golden/check"
#define EXAMPLES  "docs/examples"
#define REFERENCE "docs/rules.md"

static char *said(const char *path)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(model_freep) struct model *model = NULL;
	const struct complaint *list;
	char *text = NULL;
	size_t size, n;
	FILE *out = open_memstream(&text, &size);

	if (!diag || !out)
		bail("no memory");
	if (config_read(path, diag, &model) == 0)
		config_warn(model, diag);
	list = diag_list(diag, &n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *line = complaint_print(&list[i]);

		fprintf(out, "%s\n", line);
	}
	fclose(out);
	return text;
}

/* NULL where there is no such file. */
static char *text_read(const char *path)
{
	_cleanup_fclose_ FILE *in = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!in)
		return NULL;
	if (getdelim(&text, &size, '\0', in) < 0 && text)
		text[0] = '\0';
	return text ? text : strdup("");
}

static void text_write(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *out = fopen(path, "w");

	if (!out || fputs(text, out) < 0)
		bail("%s: %s", path, strerror(errno));
}

static void compare(const char *path, const char *got, bool accept, const char *name)
{
	_cleanup_free_ char *want = text_read(path);

	if (accept)
		text_write(path, got);
	else
		is_str(got, want, "%s", name);
}

static int is_case(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return d->d_name[0] != '.' && (!dot || strcmp(dot, ".json") == 0);
}

/* What is shown to users is not warned of either. */
static void examples_check(void)
{
	struct dirent **names;
	int n = scandir(EXAMPLES, &names, is_case, alphasort);

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = NULL, *got = NULL;

		if (asprintf(&path, EXAMPLES "/%s", names[i]->d_name) < 0)
			bail("no memory");
		got = said(path);
		is_str(got, "", "check has nothing to say of %s", path);
		free(names[i]);
	}
	ok(n > 0, "there are examples");
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	bool accept = argc > 1 && strcmp(argv[1], "--accept") == 0;
	_cleanup_free_ char *reference = config_reference();
	struct dirent **names;
	int n;

	compare(REFERENCE, reference, accept, "docs/rules.md is what the tables say");
	if (!accept)
		examples_check();
	/* Complaints name files as they were given: relative to here, they stay short. */
	if (chdir(CASES) < 0)
		bail("%s: %s (run from the top of the tree)", CASES, strerror(errno));
	n = scandir(".", &names, is_case, alphasort);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *got = said(names[i]->d_name), *path = NULL,
				    *name = NULL;
		int stem = (int)strcspn(names[i]->d_name, ".");

		if (asprintf(&path, "%.*s.txt", stem, names[i]->d_name) < 0 ||
		    asprintf(&name, "check %s says what it should", names[i]->d_name) < 0)
			bail("no memory");
		compare(path, got, accept, name);
		free(names[i]);
	}
	free(names);
	return accept ? 0 : done();
}
