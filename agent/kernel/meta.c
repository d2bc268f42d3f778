/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "kernel/plane.h"

static _Thread_local char error[1024];

void error_set(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, sizeof(error), format, args);
	va_end(args);
}

const char *dataplane_error(void)
{
	return error;
}

static int pin_path(const char *pin_dir, const char *name, char ret[static PATH_MAX])
{
	int n = snprintf(ret, PATH_MAX, "%s/%s", pin_dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* mkdir -p. */
static int directory_make(const char *path)
{
	char buf[PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, n + 1);
	for (char *p = buf + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			if (mkdir(buf, 0755) < 0 && errno != EEXIST)
				return -errno;
			*p = '/';
		}
	if (mkdir(buf, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int pin_dir_make(const char *pin_dir)
{
	struct statfs fs;
	struct stat st;
	bool is_made;
	int r;

	is_made = stat(pin_dir, &st) < 0;
	r = directory_make(pin_dir);
	if (r < 0) {
		error_set("cannot make the directory %s for pins: %s%s", pin_dir,
			  strerror(-r),
			  r == -EPERM ? " (a bpffs takes no dots in names)" : "");
		return r;
	}
	if (statfs(pin_dir, &fs) < 0) {
		r = -errno;
		error_set("cannot look at %s: %s", pin_dir, strerror(-r));
		return r;
	}
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC) {
		if (is_made)
			rmdir(pin_dir);
		error_set("%s is not on a bpffs, so nothing could be pinned there; mount "
			  "one: "
			  "mount -t bpf bpf /sys/fs/bpf",
			  pin_dir);
		return -EOPNOTSUPP;
	}
	return 0;
}

int pin_dir_lock(const char *pin_dir)
{
	_cleanup_close_ int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		r = -errno;
		error_set("cannot open %s: %s", pin_dir, strerror(-r));
		return r;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		error_set("%s: %s", pin_dir,
			  r == -EWOULDBLOCK ? "another agent keeps its pins there"
					    : strerror(-r));
		return r;
	}
	return TAKE_FD(fd);
}

int pin_get(const char *pin_dir, const char *name)
{
	char path[PATH_MAX];
	int r;

	r = pin_path(pin_dir, name, path);
	if (r < 0)
		return r;
	r = bpf_obj_get(path);
	return r < 0 ? -errno : r;
}

/* A pin is replaced by rename, so that there is one at any instant; a bpffs takes no dots. */
int pin_put(const char *pin_dir, const char *name, int fd)
{
	char path[PATH_MAX], path_new[PATH_MAX], name_new[64];
	int r;

	snprintf(name_new, sizeof(name_new), "%s_new", name);
	r = pin_path(pin_dir, name, path);
	if (r == 0)
		r = pin_path(pin_dir, name_new, path_new);
	if (r < 0)
		return r;
	unlink(path_new);
	if (bpf_obj_pin(fd, path_new) < 0)
		return -errno;
	if (rename(path_new, path) < 0) {
		r = -errno;
		unlink(path_new);
		return r;
	}
	return 0;
}

void pin_remove(const char *pin_dir, const char *name)
{
	char path[PATH_MAX];

	if (pin_path(pin_dir, name, path) == 0)
		unlink(path);
}

/* Removes those that 'is_one' picks. */
typedef bool pin_pick_fn(void *arg, const char *name);
static void pins_pick(const char *pin_dir, pin_pick_fn *is_one, void *arg)
{
	DIR *d = opendir(pin_dir);

	if (!d)
		return;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (is_one(arg, e->d_name))
			pin_remove(pin_dir, e->d_name);
	closedir(d);
}

static bool pin_is_map(void *arg, const char *name)
{
	(void)arg;
	return strncmp(name, "hg_", 3) == 0 && strcmp(name, "hg_devices") != 0 &&
	       strncmp(name, PIN_NEXT, sizeof(PIN_NEXT) - 1) != 0;
}

static bool pin_is_ours(void *arg, const char *name)
{
	(void)arg;
	return strncmp(name, "hg_", 3) == 0 || strncmp(name, "xdp_", 4) == 0;
}

void pin_remove_maps(const char *pin_dir)
{
	pin_remove(pin_dir, "hg_meta");
	pins_pick(pin_dir, pin_is_map, NULL);
}

void pins_remove(const char *pin_dir)
{
	pin_remove_maps(pin_dir);
	pins_pick(pin_dir, pin_is_ours, NULL);
	rmdir(pin_dir);
}

/* A packet that the older programs have met is on its way to the next one of theirs. */
static bool pin_is_left(void *arg, const char *name)
{
	struct dataplane *dp = arg;

	if (!object_is_left(&dp->object, name))
		return false;
	grace_wait(dp);
	return true;
}

void pin_remove_left(struct dataplane *dp)
{
	pins_pick(dp->pin_dir, pin_is_left, dp);
}

int meta_read(const char *pin_dir, struct meta *ret)
{
	struct bpf_map_info info = {};
	struct meta meta = {};
	uint32_t key = 0, size = sizeof(info);
	_cleanup_close_ int fd = -1;

	fd = pin_get(pin_dir, "hg_meta");
	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -errno;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != sizeof(meta))
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &key, &meta) < 0)
		return -errno;
	*ret = meta;
	return 0;
}

int meta_write(const char *pin_dir, const struct meta *meta)
{
	uint32_t key = 0;
	_cleanup_close_ int fd = -1;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "hg_meta", sizeof(key), sizeof(*meta), 1,
			    NULL);
	if (fd < 0)
		return -errno;
	if (bpf_map_update_elem(fd, &key, meta, BPF_ANY) < 0)
		return -errno;
	return pin_put(pin_dir, "hg_meta", fd);
}
