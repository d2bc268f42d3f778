/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ctl/proto.h"

#define GROUPS_MAX 65536

static bool group_find(const char *name, gid_t *ret)
{
	struct group *g = getgrnam(name);

	if (g)
		*ret = g->gr_gid;
	return g != NULL;
}

static bool peer_is_member(int fd, const struct ucred *cred, const char *name)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t size = GROUPS_MAX * sizeof(*groups);
	gid_t gid;

	if (!group_find(name, &gid))
		return false;
	if (cred->gid == gid)
		return true;
	groups = malloc(size);
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static void comm_read(pid_t pid, char ret[static 17])
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(ret, 17, f))
		ret[strcspn(ret, "\n")] = '\0';
	/* It is the caller's own word, and goes into the log and the history. */
	for (char *p = ret; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

enum access access_of(int fd, struct author *ret_author)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	struct author author = {};

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return ACCESS_NONE;
	author.uid = cred.uid;
	author.pid = cred.pid;
	comm_read(cred.pid, author.comm);
	*ret_author = author;
	if (cred.uid == 0 || peer_is_member(fd, &cred, PROTO_GROUP))
		return ACCESS_CHANGE;
	if (peer_is_member(fd, &cred, PROTO_GROUP_VIEW))
		return ACCESS_READ;
	return ACCESS_NONE;
}

/* ---- the socket ---- */

/* A POSIX ACL, as setxattr() takes it: struct posix_acl_xattr_header and its entries. */
struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct acl_entry entry[5];
};

/* Mode 0660 lets only one group connect; viewers get in by an ACL entry. */
static void viewers_admit(const char *path)
{
	gid_t viewers;
	struct acl acl = {
		.version = 2,
		.entry = { { 0x01, 6, UINT32_MAX }, /* the owner */
			   { 0x04, 6, UINT32_MAX }, /* the owning group */
			   { 0x08, 6, 0 },
			   { 0x10, 6, UINT32_MAX },   /* the mask */
			   { 0x20, 0, UINT32_MAX } }, /* others */
	};

	if (!group_find(PROTO_GROUP_VIEW, &viewers))
		return;
	acl.entry[2].id = viewers;
	if (setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0)
		log_warning("%s: group %s cannot be let in: %s", path, PROTO_GROUP_VIEW,
			    strerror(errno));
}

static int parent_make(const char *path)
{
	char dir[PATH_MAX];

	if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	for (char *p = dir + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			if (mkdir(dir, 0755) < 0 && errno != EEXIST)
				return -errno;
			*p = '/';
		}
	return 0;
}

static bool is_answered(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	       connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

int access_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	mode_t mask;
	gid_t gid;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	r = parent_make(path);
	if (r < 0)
		return r;
	if (is_answered(&address))
		return -EADDRINUSE;
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Nobody else can connect before owner and mode are as they must be. */
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r < 0)
		return r;
	if (group_find(PROTO_GROUP, &gid) && chown(path, 0, gid) < 0)
		log_warning("%s: cannot give it to group %s: %s", path, PROTO_GROUP,
			    strerror(errno));
	if (chmod(path, 0660) < 0)
		return -errno;
	viewers_admit(path);
	if (listen(fd, 64) < 0)
		return -errno;
	return TAKE_FD(fd);
}
