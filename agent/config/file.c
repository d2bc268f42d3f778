/* SPDX-License-Identifier: Apache-2.0 */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static const char *type_name(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISFIFO(mode))
		return "a FIFO";
	if (S_ISSOCK(mode))
		return "a socket";
	return "a device";
}

static int fail(int error, const char *what, char why[static FILE_WHY])
{
	snprintf(why, FILE_WHY, "cannot be %s: %s", what, strerror(error));
	return -error;
}

static int file_check(const struct stat *st, size_t max, char why[static FILE_WHY])
{
	if (!S_ISREG(st->st_mode)) {
		snprintf(why, FILE_WHY, "is %s, not a file", type_name(st->st_mode));
		return S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
	}
	if (st->st_size < 0 || (size_t)st->st_size > max) {
		snprintf(why, FILE_WHY, "has %lld bytes; the most is %zu",
			 (long long)st->st_size, max);
		return -EFBIG;
	}
	return 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_size,
	      char why[static FILE_WHY])
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n = 0, room;
	int r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	/* A socket cannot be opened at all; say what it is all the same. */
	if (fd < 0 && errno == ENXIO && stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return file_check(&st, max, why);
	if (fd < 0)
		return fail(errno, "opened", why);
	if (fstat(fd, &st) < 0)
		return fail(errno, "read", why);
	r = file_check(&st, max, why);
	if (r < 0)
		return r;
	/* Files of /proc have no size, and any file may grow while it is read. */
	room = (size_t)st.st_size > 0 ? (size_t)st.st_size + 1 : 65536;
	for (;;) {
		char *more = realloc(text, room + 1);
		ssize_t got;

		if (!more)
			return fail(ENOMEM, "read", why);
		text = more;
		got = read(fd, text + n, room - n);
		if (got < 0 && errno != EINTR)
			return fail(errno, "read", why);
		if (got == 0)
			break;
		n += got > 0 ? (size_t)got : 0;
		if (n > max) {
			snprintf(why, FILE_WHY, "has more than %zu bytes", max);
			return -EFBIG;
		}
		if (n == room)
			room = room < max ? room * 2 : room + 1;
	}
	text[n] = '\0';
	*ret_size = n;
	*ret = TAKE(text);
	return 0;
}

static int is_rule_file(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int file_list(const char *dir, struct dirent ***ret)
{
	int n = scandir(dir, ret, is_rule_file, by_name);

	return n < 0 ? -errno : n;
}

char *file_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}
