/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <errno.h>
#include <hg/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "complaints.h"
#include "config/document.h"
#include "config/file.h"
#include "config/json.h"
#include "config/read.h"

/* All of 'path' whatever it is, a pipe or, as "-", standard input. */
static int text_read(const char *path, size_t max, char **ret_text, size_t *ret_size)
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

static enum exit_code out_of(const char *path, int r)
{
	fprintf(stderr, "headgate: %s: %s\n", path, strerror(-r));
	return r == -ENOMEM ? EXIT_REFUSED : EXIT_USAGE;
}

/* What document_read() says of files that were good a moment ago. */
static enum exit_code document_code(const char *path, int r)
{
	if (r == 0)
		return EXIT_YES;
	if (r == -EINVAL)
		return EXIT_NO;
	if (r != -EIO)
		return out_of(path, r);
	fprintf(stderr, "headgate: %s: a prefix list file cannot be read any more\n",
		path);
	return EXIT_REFUSED;
}

static enum exit_code read_text(const char *path, enum rules_want want, struct diag *diag,
				struct rules *r)
{
	_cleanup_free_ char *text = NULL, *dir = file_directory(path);
	bool has_files = false;
	int e;

	if (!dir)
		return out_of(path, -ENOMEM);
	e = text_read(path, HG_MAX_FILE_BYTES, &text, &r->size);
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
	e = document_read_text(r->name, text, r->size, dir, diag, &r->document,
			       &has_files);
	if (e == 0 && !has_files)
		r->text = TAKE(text);
	return document_code(r->name, e);
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
	return document_code(path, document_read(path, diag, &r->document));
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
