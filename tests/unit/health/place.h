/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* place: where the probe is tried: a network namespace that goes with the program.
 *
 * Shape    On its loopback answer servers of many manners; what goes to 10.0.0.0/8 and
 *          192.0.2.0/24 is lost. One world, one health, one event loop.
 * Owner    place_enter() makes it; it leaves with the program, servers, files and all.
 * Errors   What cannot be made ends the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/tap.h"
#include "tests/unit/health/world.h"

#define HTTP_PORT  8001
#define HTTPS_PORT 8002
#define FLAKY_PORT 8003
#define SHUT_PORT  8004
#define SECOND     1000000000ULL
#define PATIENCE   (30 * SECOND)

static struct world w;
static struct health *h;
static sd_event *event;
static char probe_path[4096], dir[] = "/tmp/headgate-probe-XXXXXX", why[256];
static pid_t servers[8];
static size_t n_servers;

/* ---- the place ---- */

static inline void shell(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (system(text) != 0)
		bail("%s: failed", text);
}

static inline pid_t server_start(unsigned port, bool is_tls)
{
	char log[64], text[16], cert[64], key[64], ready[8];
	int fds[2];
	pid_t pid;
	FILE *f;

	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(text, sizeof(text), "%u", port);
	snprintf(cert, sizeof(cert), "%s/cert", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	if (pipe2(fds, O_CLOEXEC) < 0)
		bail("no pipe");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], 1);
		execlp("python3", "python3", "tests/unit/health/server.py", text, log,
		       is_tls ? cert : NULL, key, NULL);
		_exit(127);
	}
	close(fds[1]);
	servers[n_servers++] = pid;
	f = fdopen(fds[0], "r");
	if (!f || !fgets(ready, sizeof(ready), f))
		bail("the server on port %u did not start", port);
	fclose(f);
	return pid;
}

static inline void server_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < n_servers; i++)
		if (servers[i] == pid)
			servers[i] = servers[--n_servers];
}

static inline void place_leave(void)
{
	char text[64];

	health_free(h);
	while (n_servers)
		server_kill(servers[0]);
	snprintf(text, sizeof(text), "rm -rf %s", dir);
	if (system(text) != 0)
		note("%s is left", dir);
}

static inline void place_enter(const char *program)
{
	char *slash;
	sigset_t set;

	if (!realpath(program, probe_path))
		bail("where am I?");
	for (int i = 0; i < 4; i++) {
		slash = strrchr(probe_path, '/');
		*slash = '\0';
	}
	strcat(probe_path, "/headgate-probe");
	if (unshare(CLONE_NEWNET) < 0)
		bail("no network namespace: %s", strerror(errno));
	if (!mkdtemp(dir))
		bail("no directory");
	atexit(place_leave);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Who may open no files cannot look for what he has lost. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	shell("ip link set lo up && ip link add dark type veth peer name void && "
	      "ip link set dark arp off up && ip link set void up && "
	      "ip addr add 192.0.2.1/24 dev dark && ip route add 10.0.0.0/8 dev dark");
	shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key -out %s/cert "
	      "-subj /CN=nobody -days 1 2>/dev/null",
	      dir, dir);
	if (sd_event_new(&event) < 0)
		bail("no event loop");
}

/* ---- waiting ---- */

static inline void probe_told(void *arg, const char *text)
{
	(void)arg;
	snprintf(why, sizeof(why), "%s", text ? text : "");
}

static inline void begin(const char *path)
{
	struct health_events events = world_events(&w);

	health_free(h);
	events.probe = probe_told;
	why[0] = '\0';
	if (health_new(&events, &h) < 0 || health_start(h, event, path) < 0)
		bail("no memory");
}

static inline void apply(void)
{
	if (health_apply(h, &w.model, clock_monotonic_ns()) < 0)
		bail("no memory");
}

/* Lets the loop run until 'is_done' says so; false: it did not in time. */
static inline bool wait_for(bool (*is_done)(const void *arg), const void *arg)
{
	uint64_t end = clock_monotonic_ns() + PATIENCE;

	while (!is_done(arg)) {
		if (clock_monotonic_ns() > end)
			return false;
		sd_event_run(event, 20000);
		health_run(h, clock_monotonic_ns());
	}
	return true;
}

static inline const struct state *state_of(size_t group)
{
	return &h->groups[group].members[0]->state;
}

/* ---- one server that comes and goes ---- */

static inline bool is_in(const void *arg)
{
	return state_of(0)->state == *(const enum health_state *)arg;
}

static inline bool heard_more(const void *arg)
{
	return health_probe(h).n_results > *(const uint64_t *)arg;
}

static inline bool probe_is_up(const void *arg)
{
	return health_probe(h).restarts >= *(const uint32_t *)arg &&
	       health_probe(h).is_running;
}

static inline void flaky_rules(uint32_t interval)
{
	world_init(&w, 1);
	w.targets[0].port = FLAKY_PORT;
	addr_parse("127.0.0.1", &w.targets[0].address);
	w.group.health_check.interval = interval;
	w.group.health_check.timeout = 1;
	w.group.health_check.healthy_threshold = 2;
}
