/* SPDX-License-Identifier: Apache-2.0 */
#include "config/document.h"

#include <dirent.h>
#include <errno.h>
#include <hg/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "config/file.h"
#include "config/json.h"

/* One CIDR a line, '#' begins a comment. */
static int entries_read(const char *dir, const char *file, struct json **ret)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	char *line, *rest, why[FILE_WHY];
	struct json *entries;
	size_t size;
	int r;

	if (asprintf(&path, "%s/%s", dir, file) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = file_read(path, HG_MAX_LIST_BYTES, &text, &size, why);
	if (r < 0)
		return r == -ENOMEM ? r : -EIO;
	entries = json_new_array();
	for (rest = text; (line = strsep(&rest, "\n"));) {
		line[strcspn(line, "#")] = '\0';
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		if (*line && !json_add(entries, json_new_string(line))) {
			json_free(entries);
			return -ENOMEM;
		}
	}
	*ret = entries;
	return entries ? 0 : -ENOMEM;
}

static int list_whole(const struct json *list, const char *dir, bool *has_files,
		      struct json **ret)
{
	const char *file = json_string(json_get(list, "file"));
	struct json *copy, *entries;
	int r;

	if (!file) {
		*ret = json_copy(list);
		return *ret ? 0 : -ENOMEM;
	}
	*has_files = true;
	r = entries_read(dir, file, &entries);
	if (r < 0)
		return r;
	copy = json_new_object();
	for (const struct json *v = json_first(list); v; v = json_next(v))
		if (strcmp(json_key(v), "file") != 0)
			json_set(copy, json_key(v), json_copy(v));
	if (!json_set(copy, "entries", entries)) {
		json_free(copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

/* Sections grow; "headgate" and the like are the first file's. */
static int merge(struct json *whole, const struct json *part, const char *dir,
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
			struct json *copy = NULL;
			int r = 0;

			if (is_lists)
				r = list_whole(o, dir, has_files, &copy);
			else
				copy = json_copy(o);
			if (r < 0)
				return r;
			if (!json_set(section, json_key(o), copy))
				return -ENOMEM;
		}
	}
	return 0;
}

static int merge_text(struct json *whole, const char *name, const char *text, size_t size,
		      const char *dir, struct diag *diag, bool *has_files)
{
	_cleanup_(json_freep) struct json *part = NULL;
	int r;

	r = json_read(name, text, size, diag, &part);
	return r < 0 ? r : merge(whole, part, dir, has_files);
}

static int merge_file(struct json *whole, const char *path, struct diag *diag)
{
	_cleanup_free_ char *text = NULL, *dir = file_directory(path);
	char why[FILE_WHY];
	bool has_files;
	size_t size;
	int r;

	if (!dir)
		return -ENOMEM;
	r = file_read(path, HG_MAX_FILE_BYTES, &text, &size, why);
	return r < 0 ? r : merge_text(whole, path, text, size, dir, diag, &has_files);
}

static int merge_directory(struct json *whole, const char *path, struct diag *diag)
{
	struct dirent **names;
	int n = file_list(path, &names), r = 0;

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *file = NULL;

		if (r == 0 && asprintf(&file, "%s/%s", path, names[i]->d_name) < 0) {
			file = NULL;
			r = -ENOMEM;
		}
		if (r == 0)
			r = merge_file(whole, file, diag);
		free(names[i]);
	}
	free(names);
	return r;
}

int document_read(const char *path, struct diag *diag, struct json **ret)
{
	_cleanup_(json_freep) struct json *whole = json_new_object();
	struct stat st;
	int r;

	if (!whole)
		return -ENOMEM;
	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		r = merge_directory(whole, path, diag);
	else
		r = merge_file(whole, path, diag);
	if (r < 0)
		return r;
	*ret = TAKE(whole);
	return 0;
}

int document_read_text(const char *name, const char *text, size_t size, const char *dir,
		       struct diag *diag, struct json **ret, bool *ret_has_files)
{
	_cleanup_(json_freep) struct json *whole = json_new_object();
	bool has_files = false;
	int r;

	if (!whole)
		return -ENOMEM;
	r = merge_text(whole, name, text, size, dir, diag, &has_files);
	if (r < 0)
		return r;
	*ret = TAKE(whole);
	*ret_has_files = has_files;
	return 0;
}
