/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <hg/limits.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"
#include "base/cleanup.h"
#include "config/json.h"
#include "config/read.h"

static int file_read(const char *path, size_t max, char **ret, size_t *ret_size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n;

	if (!f || fstat(fileno(f), &st) < 0)
		return -errno;
	if ((size_t)st.st_size > max)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	n = fread(text, 1, (size_t)st.st_size, f);
	text[n] = '\0';
	*ret = TAKE(text);
	*ret_size = n;
	return 0;
}

/* One CIDR a line, '#' comments; config_read() has found the file good. */
static struct json *entries_read(const char *dir, const char *file)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], *rest, *line;
	struct json *entries;
	size_t size;

	snprintf(path, sizeof(path), "%s%s%s", file[0] == '/' ? "" : dir,
		 file[0] == '/' ? "" : "/", file);
	if (file_read(path, HG_MAX_LIST_BYTES, &text, &size) < 0)
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

static struct json *list_whole(const struct json *list, const char *dir)
{
	const char *file = json_string(json_get(list, "file"));
	struct json *copy, *entries;

	if (!file)
		return json_copy(list);
	entries = entries_read(dir, file);
	copy = entries ? json_new_object() : NULL;
	for (const struct json *v = json_first(list); copy && v; v = json_next(v))
		if (strcmp(json_key(v), "file") != 0)
			json_set(copy, json_key(v), json_copy(v));
	if (copy)
		json_set(copy, "entries", entries);
	return copy;
}

static int merge(struct json *whole, const struct json *part, const char *dir)
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
			struct json *copy = is_lists ? list_whole(o, dir) : json_copy(o);

			if (!copy)
				return -EIO;
			json_set(section, json_key(o), copy);
		}
	}
	return 0;
}

static int merge_file(struct json *whole, const char *path, const char *dir,
		      struct diag *diag)
{
	_cleanup_(json_freep) struct json *part = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = file_read(path, HG_MAX_FILE_BYTES, &text, &size);
	if (r == 0)
		r = json_read(path, text, size, diag, &part);
	return r < 0 ? r : merge(whole, part, dir);
}

static int is_rules(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".json") == 0;
}

static int merge_directory(struct json *whole, const char *dir, struct diag *diag)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_rules, alphasort), r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (r == 0)
			r = merge_file(whole, path, dir, diag);
		free(names[i]);
	}
	free(names);
	return r;
}

int seed_read(const char *path, struct diag *diag, char **ret, size_t *ret_size)
{
	_cleanup_(json_freep) struct json *whole = json_new_object();
	_cleanup_(model_freep) struct model *model = NULL;
	char dir[PATH_MAX], *slash;
	struct stat st;
	int r;

	/* Complaints point into the files as their author knows them. */
	r = config_read(path, diag, &model);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		r = merge_directory(whole, path, diag);
	} else {
		snprintf(dir, sizeof(dir), "%s", path);
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
		else
			strcpy(dir, ".");
		r = merge_file(whole, path, dir, diag);
	}
	if (r < 0)
		return r;
	*ret = json_print(whole, true);
	if (!*ret)
		return -ENOMEM;
	*ret_size = strlen(*ret);
	return 0;
}
