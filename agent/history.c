/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "config/json.h"

struct history {
	int dir;
	int versions;
	int lock;
	uint32_t current;
	struct pending pending;
	struct pending expected; /* becomes 'pending' with the commit of its version */
};

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The name shows either the old contents or the new, also after a power cut. */
static int file_put(int dir, const char *name, const char *data, size_t size)
{
	char temporary[64];
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temporary, 0);
	else if (fsync(dir) < 0)
		r = -errno;
	return r;
}

static int file_get(int dir, const char *name, char **ret, size_t *ret_size)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *data = NULL;
	struct stat st;
	size_t at = 0;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	while (at < (size_t)st.st_size) {
		ssize_t n = read(fd, data + at, (size_t)st.st_size - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	data[at] = '\0';
	*ret = TAKE(data);
	*ret_size = at;
	return 0;
}

static void version_name(uint32_t version, const char *ending, char ret[static 32])
{
	snprintf(ret, 32, "%u.%s", version, ending);
}

static void confirm_name(uint32_t version, char ret[static 32])
{
	snprintf(ret, 32, "confirm.%u", version);
}

void history_drop(struct history *h, uint32_t version)
{
	char name[32];

	version_name(version, "meta", name);
	unlinkat(h->versions, name, 0);
	version_name(version, "json", name);
	unlinkat(h->versions, name, 0);
	confirm_name(version, name);
	unlinkat(h->dir, name, 0);
}

/* What was never committed, what was half written, and what is too old. */
static void history_tidy(struct history *h)
{
	int fd = dup(h->versions);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	rewinddir(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		char *end;
		unsigned long version = strtoul(e->d_name, &end, 10);

		if (e->d_name[0] == '.')
			continue;
		if (version == 0 || version > h->current || strstr(end, ".new") ||
		    version + HISTORY_KEPT <= h->current)
			unlinkat(h->versions, e->d_name, 0);
	}
	closedir(d);
}

static int number_get(int dir, const char *name, uint32_t *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	char *end;
	unsigned long n;
	int r;

	r = file_get(dir, name, &text, &size);
	if (r == -ENOENT) {
		*ret = 0;
		return 0;
	}
	if (r < 0)
		return r;
	n = strtoul(text, &end, 10);
	if (*end != '\n' || n == 0 || n > UINT32_MAX)
		return -EBADMSG;
	*ret = (uint32_t)n;
	return 0;
}

static void pending_get(struct history *h)
{
	_cleanup_free_ char *text = NULL;
	struct pending p = { .version = h->current };
	long long deadline;
	char name[32];
	size_t size;

	confirm_name(h->current, name);
	if (file_get(h->dir, name, &text, &size) < 0 ||
	    sscanf(text, "%u %lld", &p.fallback, &deadline) != 2)
		return;
	p.deadline = deadline;
	h->pending = p;
}

static int directory_open(const char *path)
{
	char buf[PATH_MAX];
	int fd;

	if (snprintf(buf, sizeof(buf), "%s", path) >= (int)sizeof(buf))
		return -ENAMETOOLONG;
	for (char *p = buf + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			if (mkdir(buf, 0755) < 0 && errno != EEXIST)
				return -errno;
			*p = '/';
		}
	if (mkdir(buf, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(buf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int history_start(struct history *h, const char *dir)
{
	int r;

	r = directory_open(dir);
	if (r < 0)
		return r;
	h->dir = r;
	h->lock = openat(h->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (h->lock < 0)
		return -errno;
	if (flock(h->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (mkdirat(h->dir, "versions", 0700) < 0 && errno != EEXIST)
		return -errno;
	h->versions = openat(h->dir, "versions", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->versions < 0)
		return -errno;
	r = number_get(h->dir, "current", &h->current);
	if (r < 0)
		return r;
	history_tidy(h);
	pending_get(h);
	return 0;
}

int history_open(const char *dir, struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->dir = h->versions = h->lock = -1;
	r = history_start(h, dir);
	if (r < 0) {
		history_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	cleanup_close(&h->versions);
	cleanup_close(&h->lock);
	cleanup_close(&h->dir);
	free(h);
}

uint32_t history_current(const struct history *h)
{
	return h->current;
}

int history_text(const struct history *h, uint32_t version, char **ret, size_t *ret_size)
{
	char name[32];

	if (version == 0 || version > h->current)
		return -ENOENT;
	version_name(version, "json", name);
	return file_get(h->versions, name, ret, ret_size);
}

struct json *history_list(const struct history *h)
{
	struct json *list = json_new_array();
	struct diag *diag = diag_new();

	for (uint32_t v = h->current;
	     list && diag && v > 0 && v + HISTORY_KEPT > h->current; v--) {
		_cleanup_free_ char *text = NULL;
		struct json *meta;
		char name[32];
		size_t size;

		version_name(v, "meta", name);
		if (file_get(h->versions, name, &text, &size) < 0 ||
		    json_read(name, text, size, diag, &meta) < 0)
			continue;
		json_add(list, meta);
	}
	diag_free(diag);
	return list;
}

int history_write(struct history *h, const char *text, size_t size,
		  const struct json *meta)
{
	uint32_t version = h->current + 1;
	_cleanup_free_ char *meta_text = NULL;
	char name[32];
	int r;

	if (h->current >= INT32_MAX)
		return -EOVERFLOW;
	meta_text = json_print(meta, true);
	if (!meta_text)
		return -ENOMEM;
	version_name(version, "json", name);
	r = file_put(h->versions, name, text, size);
	if (r == 0) {
		version_name(version, "meta", name);
		r = file_put(h->versions, name, meta_text, strlen(meta_text));
	}
	if (r < 0) {
		history_drop(h, version);
		return r;
	}
	return (int)version;
}

int history_expect(struct history *h, const struct pending *p)
{
	char text[64], name[32];
	int r;

	snprintf(text, sizeof(text), "%u %lld\n", p->fallback, (long long)p->deadline);
	confirm_name(p->version, name);
	r = file_put(h->dir, name, text, strlen(text));
	if (r == 0)
		h->expected = *p;
	return r;
}

int history_commit(struct history *h, uint32_t version)
{
	char text[16], name[32];
	int r;

	snprintf(text, sizeof(text), "%u\n", version);
	r = file_put(h->dir, "current", text, strlen(text));
	if (r < 0)
		return r;
	confirm_name(h->current, name);
	unlinkat(h->dir, name, 0);
	h->current = version;
	h->pending = h->expected.version == version ? h->expected : (struct pending){};
	h->expected = (struct pending){};
	if (version > HISTORY_KEPT)
		history_drop(h, version - HISTORY_KEPT);
	return 0;
}

struct pending history_pending(const struct history *h)
{
	return h->pending;
}

int history_confirm(struct history *h)
{
	char name[32];

	confirm_name(h->current, name);
	if (unlinkat(h->dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	h->pending = (struct pending){};
	return fsync(h->dir) < 0 ? -errno : 0;
}

void history_postpone(struct history *h, int64_t deadline)
{
	h->pending.deadline = deadline;
}
