/* SPDX-License-Identifier: Apache-2.0 */
#include "config/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "config/json.h"
#include "tests/lib/tap.h"

static const struct {
	const char *name, *text; /* single quotes */
} files[] = {
	{ "office.txt", "# the office\n198.51.100.0/24\n \t192.0.2.7 # a guest\r\n\n" },
	{ "plain.json", "{'headgate':1,'vpcs':{'v':{}}}" },
	{ "list.json", "{'prefix_lists':{'o':{'max_entries':9,'file':'office.txt'},"
		       "'p':{'entries':['10.0.0.0/8']}}}" },
	{ "gone.json", "{'prefix_lists':{'o':{'file':'gone.txt'}}}" },
	{ "broken.json", "{" },
	{ "d/20.json", "{'headgate':1,'vpcs':{'b':{}},'settings':{'x':2}}" },
	{ "d/10.json", "{'vpcs':{'a':{}},'prefix_lists':{'o':{'file':'office.txt'}}}" },
	{ "d/office.txt", "2001:db8::/32" },
	{ "d/.hidden.json", "{'vpcs':{'c':{}}}" },
	{ "d/notes.txt", "no rules" },
};

static const struct {
	const char *says, *path;
	int status;
	const char *document;
} cases[] = {
	{ "a file without lists of files is itself", "plain.json", 0,
	  "{'headgate':1,'vpcs':{'v':{}}}" },
	{ "entries take the place of the file", "list.json", 0,
	  "{'prefix_lists':{'o':{'max_entries':9,'entries':['198.51.100.0/24','192.0.2."
	  "7']},'p':{'entries':['10.0.0.0/8']}}}" },
	{ "a directory is merged by key in the order of names", "d", 0,
	  "{'vpcs':{'a':{},'b':{}},'prefix_lists':{'o':{'entries':['2001:db8::/32']}},"
	  "'headgate':1,'settings':{'x':2}}" },
	{ "a list whose file is gone is an error", "gone.json", -EIO, NULL },
	{ "what is no JSON any more is an error", "broken.json", -EINVAL, NULL },
	{ "so is a path that is gone", "gone", -ENOENT, NULL },
};

static char *quoted(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; p && *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static void files_make(void)
{
	if (mkdir("d", 0700) < 0)
		bail("mkdir: %s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_fclose_ FILE *f = fopen(files[i].name, "we");
		_cleanup_free_ char *text = quoted(files[i].text);

		if (!f || !text || fputs(text, f) < 0)
			bail("%s: %s", files[i].name, strerror(errno));
	}
}

static void files_remove(const char *dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlink(files[i].name);
	rmdir("d");
	rmdir(dir);
}

static void test_text(const char *text, const char *want, bool has_files)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *document = NULL;
	_cleanup_free_ char *given = quoted(text), *wanted = quoted(want), *got = NULL;
	bool got_files = !has_files;

	document_read_text("stdin", given, strlen(given), "d", diag, &document,
			   &got_files);
	got = json_print(document, false);
	is_str(got, wanted, "text is whole with the files of a directory: %s", text);
	is(got_files, has_files, "and says whether there were any");
}

int main(void)
{
	char dir[] = "/tmp/document-XXXXXX";

	if (!mkdtemp(dir) || chdir(dir) < 0)
		bail("%s: %s", dir, strerror(errno));
	files_make();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(diag_freep) struct diag *diag = diag_new();
		_cleanup_(json_freep) struct json *document = NULL;
		_cleanup_free_ char *got = NULL, *want = NULL;

		is(document_read(cases[i].path, diag, &document), cases[i].status,
		   "%s: status", cases[i].says);
		got = json_print(document, false);
		want = cases[i].document ? quoted(cases[i].document) : NULL;
		is_str(got, want, "%s", cases[i].says);
	}
	test_text("{'prefix_lists':{'o':{'file':'office.txt'}}}",
		  "{'prefix_lists':{'o':{'entries':['2001:db8::/32']}}}", true);
	test_text("{'vpcs':{}}", "{'vpcs':{}}", false);
	files_remove(dir);
	return done();
}
