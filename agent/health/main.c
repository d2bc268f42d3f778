/* SPDX-License-Identifier: Apache-2.0 */

/* headgate-probe reads what strangers' servers say, in libraries that have had their bugs; so
 * it is a process of its own that can do little else. Started as root it becomes another user;
 * in any case it has no capabilities and can get none, opens no files, starts no processes,
 * and has descriptors for connections and its socket to the agent. It stays in the agent's network
 * namespace: from there targets are reached.
 */
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/exit.h"
#include "base/log.h"
#include "health/probe.h"
#include "health/wire.h"

#define USER    "headgate-probe"
#define NO_USER "nobody" /* where that one was not made */

static int user_become(void)
{
	const char *name = USER;
	const struct passwd *user = getpwnam(name);

	if (geteuid() != 0)
		return 0;
	if (!user) {
		name = NO_USER;
		user = getpwnam(name);
		log_info("headgate-probe: there is no user %s; being %s", USER, name);
	}
	if (!user || user->pw_uid == 0) {
		log_error("headgate-probe: there is no user %s, nor %s", USER, NO_USER);
		return -ENOENT;
	}
	if (setgroups(0, NULL) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0) {
		log_error("headgate-probe: cannot become %s, which takes CAP_SETUID and "
			  "CAP_SETGID: %s",
			  name, strerror(errno));
		return -errno;
	}
	return 0;
}

static int capabilities_drop(void)
{
	struct __user_cap_header_struct header = { .version =
							   _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, none) < 0)
		return -errno;
	return 0;
}

/* No file can be opened, by any way, from now on. Kernels without Landlock rely on the user. */
static void files_close(void)
{
	struct landlock_ruleset_attr all = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	_cleanup_close_ int fd =
		(int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

	if (fd >= 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
}

static int limits_set(void)
{
	struct rlimit none = {}, files;

	/* A connection each: as many as we may. */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
	    setrlimit(RLIMIT_FSIZE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
		return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	int type = 0, r;
	socklen_t size = sizeof(type);

	(void)argv;
	if (argc != 1 || getsockopt(WIRE_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    type != SOCK_SEQPACKET) {
		fputs("headgate-probe is started by headgated.\n", stderr);
		return EXIT_USAGE;
	}
	/* Libraries read their settings before the doors close. */
	r = curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK ? 0 : -ENOMEM;
	if (r == 0 && user_become() < 0)
		return EXIT_REFUSED;
	if (r == 0)
		r = capabilities_drop();
	if (r == 0)
		r = limits_set();
	if (r < 0) {
		log_error("headgate-probe: cannot give up privileges: %s", strerror(-r));
		return EXIT_REFUSED;
	}
	files_close();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = probe_run(WIRE_FD);
	if (r < 0) {
		log_error("headgate-probe: %s", strerror(-r));
		return EXIT_REFUSED;
	}
	return EXIT_YES;
}
