/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hg/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "complaints.h"
#include "config/json.h"
#include "config/read.h"

int file_read(const char *path, size_t max, char **ret_text, size_t *ret_size)
{
	_cleanup_fclose_ FILE *f = strcmp(path, "-") == 0
					   ? fdopen(dup(STDIN_FILENO), "re")
					   : fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t n = 0, room = 0, got;

	if (!f)
		return -errno;
	do {
		if (n + 1 >= room) {
			char *p = realloc(text, room = room ? room * 2 : 65536);

			if (!p)
				return -ENOMEM;
			text = p;
		}
		got = fread(text + n, 1, room - n - 1, f);
		n += got;
		if (n > max)
			return -EFBIG;
	} while (got > 0);
	if (ferror(f))
		return errno ? -errno : -EIO;
	text[n] = '\0';
	*ret_text = TAKE(text);
	*ret_size = n;
	return 0;
}

/* The lines of a prefix list file as an array of strings; config_read() has found it good. */
static struct json *read_entries(const char *dir, const char *file)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct json *entries;
	char *line, *rest;
	size_t size;

	if (file[0] == '/')
		path = strdup(file);
	else if (asprintf(&path, "%s/%s", dir, file) < 0)
		path = NULL;
	if (!path || file_read(path, HG_MAX_LIST_BYTES, &text, &size) < 0)
		return NULL;
	entries = json_new_array();
	for (rest = text; (line = strsep(&rest, "\n"));) {
		line[strcspn(line, "#")] = '\0';
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		if (*line)
			json_add(entries, json_new_string(line));
	}
	return entries;
}

/* A copy of list 'list' with the entries of its file, or a plain copy. NULL: the file is
 * gone or memory is short. */
static struct json *inline_list(const struct json *list, const char *dir, bool *has_files)
{
	const char *file = json_string(json_get(list, "file"));
	struct json *copy, *entries;

	if (!file)
		return json_copy(list);
	*has_files = true;
	entries = read_entries(dir, file);
	if (!entries)
		return NULL;
	copy = json_new_object();
	for (const struct json *v = json_first(list); v; v = json_next(v))
		if (strcmp(json_key(v), "file") != 0)
			json_set(copy, json_key(v), json_copy(v));
	json_set(copy, "entries", entries);
	return copy;
}

/* Adds one file's document to the whole. False: see inline_list(). */
static bool merge_document(struct json *whole, const struct json *part, const char *dir,
			   bool *has_files)
{
	for (const struct json *v = json_first(part); v; v = json_next(v)) {
		bool is_lists = strcmp(json_key(v), "prefix_lists") == 0;
		struct json *section = (struct json *)json_get(whole, json_key(v));

		if (!json_is_object(v)) {
			if (!section)
				json_set(whole, json_key(v), json_copy(v));
			continue;
		}
		if (!section)
			section = json_set(whole, json_key(v), json_new_object());
		for (const struct json *o = json_first(v); o; o = json_next(o)) {
			struct json *copy =
				is_lists ? inline_list(o, dir, has_files) : json_copy(o);

			if (!json_set(section, json_key(o), copy))
				return false;
		}
	}
	return true;
}

static enum exit_code out_of(const char *path, int r)
{
	fprintf(stderr, "headgate: %s: %s\n", path, strerror(-r));
	return r == -ENOMEM ? EXIT_REFUSED : EXIT_USAGE;
}

/* One file into 'whole'; its text goes to 'ret_text' when that is what can be sent. */
static enum exit_code add_file(struct json *whole, const char *name, const char *text,
			       size_t size, const char *dir, struct diag *diag,
			       bool *ret_has_files)
{
	_cleanup_(json_freep) struct json *part = NULL;

	if (json_read(name, text, size, diag, &part) < 0)
		return EXIT_NO;
	if (!merge_document(whole, part, dir, ret_has_files)) {
		fprintf(stderr,
			"headgate: %s: a prefix list file cannot be read any more\n",
			name);
		return EXIT_REFUSED;
	}
	return EXIT_YES;
}

static int is_rule_file(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && e->d_name[0] != '.' && strcmp(e->d_name + n - 5, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum exit_code add_directory(struct json *whole, const char *path,
				    struct diag *diag)
{
	struct dirent **entries = NULL;
	enum exit_code r = EXIT_YES;
	bool has_files;
	int n;

	n = scandir(path, &entries, is_rule_file, by_name);
	if (n < 0)
		return out_of(path, -errno);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *name = NULL, *text = NULL;
		size_t size;
		int e;

		if (r == EXIT_YES &&
		    asprintf(&name, "%s/%s", path, entries[i]->d_name) > 0) {
			e = file_read(name, HG_MAX_FILE_BYTES, &text, &size);
			r = e < 0 ? out_of(name, e)
				  : add_file(whole, name, text, size, path, diag,
					     &has_files);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, slash - path);
}

static enum exit_code read_text(const char *path, enum rules_want want, struct diag *diag,
				struct rules *r)
{
	_cleanup_free_ char *text = NULL, *dir = directory_of(path);
	bool has_files = false;
	enum exit_code code;
	int e;

	if (!dir)
		return out_of(path, -ENOMEM);
	e = file_read(path, HG_MAX_FILE_BYTES, &text, &r->size);
	if (e == -EFBIG) {
		diag_add(diag, DIAG_ERROR, path, 0, 0, "",
			 "the file is larger than %u MiB, the limit of a document",
			 HG_MAX_FILE_BYTES >> 20);
		return EXIT_NO;
	}
	if (e < 0)
		return out_of(path, e);
	e = config_read_text(r->name, text, r->size, dir, diag, &r->model);
	if (e == -ENOMEM)
		return out_of(path, e);
	if (e < 0)
		return EXIT_NO;
	if (want == RULES_MODEL)
		return EXIT_YES;
	r->document = json_new_object();
	code = add_file(r->document, r->name, text, r->size, dir, diag, &has_files);
	if (!has_files)
		r->text = TAKE(text);
	return code;
}

static enum exit_code read_directory(const char *path, enum rules_want want,
				     struct diag *diag, struct rules *r)
{
	int e;

	e = config_read(path, diag, &r->model);
	if (e == -ENOMEM)
		return out_of(path, e);
	if (e < 0)
		return EXIT_NO;
	if (want == RULES_MODEL)
		return EXIT_YES;
	r->document = json_new_object();
	return add_directory(r->document, path, diag);
}

enum exit_code rules_read(const char *path, enum rules_want want, struct diag *diag,
			  struct rules *ret)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct rules r = { .name = is_stdin ? "stdin" : path };
	enum exit_code code;
	struct stat st;

	if (!is_stdin && stat(path, &st) < 0)
		return out_of(path, -errno);
	if (!is_stdin && S_ISDIR(st.st_mode))
		code = read_directory(path, want, diag, &r);
	else
		code = read_text(path, want, diag, &r);
	if (code == EXIT_YES && want == RULES_DOCUMENT && !r.text) {
		r.text = json_print(r.document, true);
		r.size = r.text ? strlen(r.text) : 0;
		if (!r.text)
			code = out_of(path, -ENOMEM);
	}
	if (code != EXIT_YES) {
		rules_done(&r);
		return code;
	}
	*ret = r;
	return EXIT_YES;
}

void rules_done(struct rules *r)
{
	model_free(r->model);
	json_free(r->document);
	free(r->text);
	*r = (struct rules){};
}

enum exit_code rules_get(const char *path, enum rules_want want, struct rules *ret)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	enum exit_code r;
	char buf[64];

	if (!diag)
		return out_of(path, -ENOMEM);
	r = rules_read(path, want, diag, ret);
	if (r == EXIT_YES)
		config_warn(ret->model, diag);
	complaints_print(stderr, diag, true);
	if (r == EXIT_NO)
		fprintf(stderr, "headgate: %s has %s; nothing was changed\n", path,
			complaints_count(diag_errors(diag), 0, buf));
	return r;
}
