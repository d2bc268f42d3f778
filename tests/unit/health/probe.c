/* SPDX-License-Identifier: Apache-2.0 */

/* The probe against real servers, in a network namespace that goes with this program: on its
 * loopback answers a server of many manners, and behind another device nobody does.
 */
#include "health/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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
#define CROWD      1000 /* targets of a group */

static struct world w;
static struct health *h;
static sd_event *event;
static char probe_path[4096], dir[] = "/tmp/headgate-probe-XXXXXX", why[256];
static pid_t servers[8];
static size_t n_servers;

/* ---- the place ---- */

static void shell(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (system(text) != 0)
		bail("%s: failed", text);
}

static pid_t server_start(unsigned port, bool is_tls)
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

static void server_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < n_servers; i++)
		if (servers[i] == pid)
			servers[i] = servers[--n_servers];
}

static void leave(void)
{
	char text[64];

	health_free(h);
	while (n_servers)
		server_kill(servers[0]);
	snprintf(text, sizeof(text), "rm -rf %s", dir);
	if (system(text) != 0)
		note("%s is left", dir);
}

static void enter(const char *program)
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
	atexit(leave);
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

static void probe_told(void *arg, const char *text)
{
	(void)arg;
	snprintf(why, sizeof(why), "%s", text ? text : "");
}

static void begin(const char *path)
{
	struct health_events events = world_events(&w);

	health_free(h);
	events.probe = probe_told;
	why[0] = '\0';
	if (health_new(&events, &h) < 0 || health_start(h, event, path) < 0)
		bail("no memory");
}

static void apply(void)
{
	if (health_apply(h, &w.model, clock_monotonic_ns()) < 0)
		bail("no memory");
}

/* Lets the loop run until 'is_done' says so; false: it did not in time. */
static bool wait_for(bool (*is_done)(const void *arg), const void *arg)
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

static const struct state *state_of(size_t group)
{
	return &h->groups[group].members[0]->state;
}

/* ---- every kind of server ---- */

struct manner {
	const char *name;
	enum check_protocol protocol;
	const char *address;
	uint16_t port;
	const char *path;
	uint16_t first, last; /* of the matcher */
	enum health_state state;
	enum health_reason reason;
	uint32_t status;
};

#define UP(status)      HEALTH_HEALTHY, REASON_NONE, status
#define DOWN(x)         HEALTH_UNHEALTHY, REASON_##x, 0
#define WRONG(status)   HEALTH_UNHEALTHY, REASON_MISMATCH, status
#define HTTP(path)      CHECK_HTTP, "127.0.0.1", HTTP_PORT, path, 200, 399
#define HTTPS(path)     CHECK_HTTPS, "127.0.0.1", HTTPS_PORT, path, 200, 399
#define TCP(address, p) CHECK_TCP, address, p, NULL, 0, 0

static const struct manner manners[] = {
	{ "TCP: who accepts is healthy", TCP("127.0.0.1", HTTP_PORT), UP(0) },
	{ "TCP: in IPv6 too", TCP("::1", HTTP_PORT), UP(0) },
	{ "TCP: who refuses is not", TCP("127.0.0.1", SHUT_PORT), DOWN(FAILED) },
	{ "TCP: refusal in IPv6", TCP("::1", SHUT_PORT), DOWN(FAILED) },
	{ "TCP: silence is a timeout", TCP("192.0.2.9", 80), DOWN(TIMEOUT) },
	{ "TCP: no route is a failure", TCP("203.0.113.1", 80), DOWN(FAILED) },
	{ "HTTP: 200", HTTP("/hello?a=b#c"), UP(200) },
	{ "HTTP: in IPv6", CHECK_HTTP, "::1", HTTP_PORT, "/six", 200, 399, UP(200) },
	{ "HTTP: 500 is a wrong status", HTTP("/500"), WRONG(500) },
	{ "HTTP: 404 is right where the matcher has it", CHECK_HTTP, "127.0.0.1",
	  HTTP_PORT, "/404", 404, 404, UP(404) },
	{ "HTTP: 200 is wrong where it has not", CHECK_HTTP, "127.0.0.1", HTTP_PORT, "/",
	  201, 299, WRONG(200) },
	{ "HTTP: a redirect is not followed", HTTP("/redirect"), UP(302) },
	{ "HTTP: what comes before the answer is none", HTTP("/continue"), WRONG(503) },
	{ "HTTP: a body that takes for ever is not waited for", HTTP("/slow"), UP(200) },
	{ "HTTP: nor one that is large", HTTP("/body"), UP(200) },
	{ "HTTP: a head that takes for ever is a timeout", HTTP("/drip"), DOWN(TIMEOUT) },
	{ "HTTP: no answer is a timeout", HTTP("/silent"), DOWN(TIMEOUT) },
	{ "HTTP: a head without end is a failure", HTTP("/huge"), DOWN(FAILED) },
	{ "HTTP: nonsense is a failure", HTTP("/nonsense"), DOWN(FAILED) },
	{ "HTTP: an end without answer is a failure", HTTP("/close"), DOWN(FAILED) },
	{ "HTTP: TLS is no HTTP", CHECK_HTTP, "127.0.0.1", HTTPS_PORT, "/", 200, 399,
	  DOWN(FAILED) },
	{ "HTTPS: a certificate of its own making will do", HTTPS("/tls"), UP(200) },
	{ "HTTPS: in IPv6", CHECK_HTTPS, "::1", HTTPS_PORT, "/tls6", 200, 399, UP(200) },
	{ "HTTPS: 503 is a wrong status", HTTPS("/503"), WRONG(503) },
	{ "HTTPS: who does not know TLS waits for more", CHECK_HTTPS, "127.0.0.1",
	  HTTP_PORT, "/", 200, 399, DOWN(TIMEOUT) },
	{ "HTTPS: silence is a timeout", CHECK_HTTPS, "192.0.2.9", 443, "/", 200, 399,
	  DOWN(TIMEOUT) },
};

#define N_MANNERS ARRAY_SIZE(manners)

static bool all_known(const void *arg)
{
	(void)arg;
	for (size_t i = 0; i < h->n_groups; i++)
		if (state_of(i)->state == HEALTH_INITIAL)
			return false;
	return true;
}

static bool log_has(const char *line)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -qxF '%s' %s/log", line, dir);
	return system(command) == 0;
}

static void every_manner(void)
{
	static struct target_group groups[N_MANNERS];
	static struct target targets[N_MANNERS];
	static struct forward forwards[N_MANNERS];
	static struct port_range matchers[N_MANNERS];
	static char names[N_MANNERS][16];

	world_init(&w, 1);
	for (size_t i = 0; i < N_MANNERS; i++) {
		const struct manner *m = &manners[i];

		snprintf(names[i], sizeof(names[i]), "g%zu", i);
		matchers[i] = (struct port_range){ m->first, m->last };
		targets[i] = (struct target){ .interface = -1, .weight = 1 };
		targets[i].port = m->port;
		addr_parse(m->address, &targets[i].address);
		groups[i] = w.group;
		groups[i].name = names[i];
		groups[i].targets = &targets[i];
		groups[i].health_check.protocol = m->protocol;
		groups[i].health_check.path = m->path;
		groups[i].health_check.matcher = &matchers[i];
		groups[i].health_check.timeout = 2;
		groups[i].health_check.interval = 300;
		groups[i].health_check.unhealthy_threshold = 1;
		forwards[i] = (struct forward){ (int)i, 1 };
	}
	w.model.target_groups = groups;
	w.model.n_target_groups = N_MANNERS;
	w.listener.forwards = forwards;
	w.listener.n_forwards = N_MANNERS;
	begin(probe_path);
	apply();
	wait_for(all_known, NULL);
	for (size_t i = 0; i < N_MANNERS; i++) {
		const struct state *s = state_of(i);

		if (!ok(s->state == manners[i].state && s->reason == manners[i].reason &&
				s->status == manners[i].status,
			"%s", manners[i].name))
			note("%s %s, status %u", state_name(s->state),
			     state_reason(s->reason), s->status);
	}
	ok(log_has("GET /hello?a=b 127.0.0.1:8001") && log_has("GET /six [::1]:8001") &&
		   log_has("GET /tls6 [::1]:8002"),
	   "the host that is asked for is the address and the port");
}

/* ---- one server's life, and the probe's ---- */

static bool is_in(const void *arg)
{
	return state_of(0)->state == *(const enum health_state *)arg;
}

static bool heard_more(const void *arg)
{
	return health_probe(h).n_results > *(const uint64_t *)arg;
}

static bool probe_is_up(const void *arg)
{
	return health_probe(h).restarts >= *(const uint32_t *)arg &&
	       health_probe(h).is_running;
}

static void flaky_rules(uint32_t interval)
{
	world_init(&w, 1);
	w.targets[0].port = FLAKY_PORT;
	addr_parse("127.0.0.1", &w.targets[0].address);
	w.group.health_check.interval = interval;
	w.group.health_check.timeout = 1;
	w.group.health_check.healthy_threshold = 2;
}

static void server_life(void)
{
	enum health_state up = HEALTH_HEALTHY, down = HEALTH_UNHEALTHY;
	uint64_t start;
	pid_t pid = server_start(FLAKY_PORT, false);

	flaky_rules(1);
	begin(probe_path);
	apply();
	ok(wait_for(is_in, &up), "a server that is there is healthy");
	server_kill(pid);
	start = clock_monotonic_ns();
	ok(wait_for(is_in, &down), "one that died is not");
	ok(clock_monotonic_ns() - start < 4 * SECOND,
	   "as soon as two checks have failed, which come once a second");
	server_start(FLAKY_PORT, false);
	ok(wait_for(is_in, &up), "and healthy when it came back");
}

static bool status_has(int pid, const char *line)
{
	char command[128];

	snprintf(command, sizeof(command), "grep -q '^%s' /proc/%d/status", line, pid);
	return system(command) == 0;
}

static void probe_life(void)
{
	enum health_state up = HEALTH_HEALTHY;
	int pid = health_probe(h).pid;
	uint64_t n_results;
	uint32_t restarts = 1;

	ok(status_has(pid, "NoNewPrivs:.1") && status_has(pid, "CapEff:.0*$") &&
		   status_has(pid, "CapPrm:.0*$") && !status_has(pid, "Uid:.0"),
	   "the probe is not root, can do nothing that others may not, and stays so");
	kill(pid, SIGKILL);
	ok(wait_for(probe_is_up, &restarts) && health_probe(h).pid != pid,
	   "a probe that was killed is started again");
	is_str(why, "", "which is told");
	ok(is_in(&up), "it changes no state");
	n_results = health_probe(h).n_results;
	ok(wait_for(heard_more, &n_results), "and it checks what the former did");
	w.model.n_load_balancers = 0;
	pid = health_probe(h).pid;
	apply();
	ok(!health_probe(h).is_running, "without targets there is no probe");
	w.model.n_load_balancers = 1;
	apply();
	ok(wait_for(is_in, &up) && health_probe(h).pid != pid, "and with them there is");
}

static void refusals(void)
{
	struct addr address = w.targets[0].address;
	uint64_t now = clock_monotonic_ns(), n;
	enum health_state up = HEALTH_HEALTHY;

	flaky_rules(300);
	begin(probe_path);
	apply();
	wait_for(is_in, &up);
	/* The second check is drawn by lot from five minutes. */
	n = health_probe(h).n_results;
	health_refused(h, &address, FLAKY_PORT, now);
	health_refused(h, &address, FLAKY_PORT, now + 11 * SECOND);
	health_refused(h, &address, FLAKY_PORT, now + 12 * SECOND);
	health_refused(h, &address, SHUT_PORT, now + 12 * SECOND);
	ok(h->by_address[0]->n_refused == 2, "refusals count for ten seconds");
	health_refused(h, &address, FLAKY_PORT, now + 13 * SECOND);
	ok(wait_for(heard_more, &n), "after the third a target is checked at once");
	w.group.stickiness = STICKY_SOURCE_IP;
	apply();
	for (int i = 0; i < 3; i++)
		health_refused(h, &address, FLAKY_PORT, now + 20 * SECOND);
	ok(h->by_address[0]->n_refused == 0, "but not of a group with stickiness");
}

/* ---- many ---- */

static size_t n_known;

static bool crowd_known(const void *arg)
{
	size_t known = 0;

	(void)arg;
	for (size_t g = 0; g < 3; g++)
		for (size_t i = 0; i < CROWD; i++)
			known += h->groups[g].members[i]->n_ok +
					 h->groups[g].members[i]->n_failed !=
				 0;
	n_known = known;
	return known == 3 * CROWD;
}

static size_t files_of(int pid)
{
	char path[64];
	DIR *d;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Two groups that answer, and one that keeps every check until its timeout. */
static void crowd(void)
{
	static struct target_group groups[3];
	static struct target targets[3][CROWD];
	static struct forward forwards[3] = { { 0, 1 }, { 1, 1 }, { 2, 1 } };
	static const char *const names[] = { "a", "b", "dark" };
	size_t healthy = 0, late = 0;
	uint64_t start;

	world_init(&w, 1);
	for (size_t g = 0; g < 3; g++) {
		groups[g] = w.group;
		groups[g].name = names[g];
		groups[g].targets = targets[g];
		groups[g].n_targets = CROWD;
		groups[g].health_check.protocol = CHECK_TCP;
		groups[g].health_check.timeout = 4;
		for (size_t i = 0; i < CROWD; i++) {
			targets[g][i] = (struct target){ .interface = -1,
							 .weight = 1,
							 .port = HTTP_PORT };
			targets[g][i].address = (struct addr){
				4,
				{ g == 2 ? 10 : 127, (uint8_t)g, (uint8_t)(i >> 8),
				  (uint8_t)i },
			};
		}
	}
	w.model.target_groups = groups;
	w.model.n_target_groups = 3;
	w.listener.forwards = forwards;
	w.listener.n_forwards = 3;
	begin(probe_path);
	start = clock_monotonic_ns();
	apply();
	ok(wait_for(crowd_known, NULL), "three thousand targets are checked");
	note("%zu known after %.1f s", n_known,
	     (double)(clock_monotonic_ns() - start) / 1e9);
	for (size_t i = 0; i < CROWD; i++) {
		healthy += h->groups[0].members[i]->state.state == HEALTH_HEALTHY &&
			   h->groups[1].members[i]->state.state == HEALTH_HEALTHY;
		late += h->groups[2].members[i]->n_failed != 0;
	}
	ok(healthy == CROWD && late == CROWD, "and each is what it is");
	w.model.n_target_groups = 1;
	w.listener.n_forwards = 1;
	groups[0].n_targets = 1;
	apply();
	start = health_probe(h).n_results;
	wait_for(heard_more, &start);
	ok(files_of(health_probe(h).pid) < 30, "no connection is left over");
}

/* ---- probes that are none ---- */

static bool is_told(const void *arg)
{
	return strstr(why, arg) != NULL;
}

static void script(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f)
		bail("%s: cannot be written", path);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	fclose(f);
	chmod(path, 0755);
	flaky_rules(1);
	begin(path);
	apply();
}

static void impostors(void)
{
	char text[sizeof(probe_path) + 64];
	uint32_t none = 0;

	flaky_rules(1);
	begin("/nowhere/headgate-probe");
	apply();
	ok(wait_for(is_told, "cannot be started: No such file"),
	   "a probe that is not installed is told of");
	script("exits", "exit 7");
	ok(wait_for(is_told, "exited with code 7"), "one that ends is");
	snprintf(text, sizeof(text), "exec setpriv --bounding-set -setuid %s 2>/dev/null",
		 probe_path);
	script("root", text);
	ok(wait_for(is_told, "exited with code 4"),
	   "one that cannot become another user does not stay root");
	script("hangs", "exec 3>&-; exec sleep 1000");
	ok(wait_for(is_told, "died by signal 9"), "one that hangs up is ended");
	script("babbles", "while :; do echo nonsense >&3; done 2>/dev/null");
	ok(wait_for(is_told, "what is no message"), "one that says nonsense is ended");
	ok(health_probe(h).n_refused == 1, "after the first word");
	script("floods",
	       "while :; do printf '\\001\\000\\004\\000\\000\\000\\000\\000\\000\\000"
	       "\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000' >&3; done "
	       "2>/dev/null");
	ok(wait_for(is_told, "sent too much"), "one that says too much is ended");
	ok(state_of(0)->state == HEALTH_INITIAL, "and nobody has believed it");
	script("deaf", "exec sleep 1000");
	wait_for(probe_is_up, &none);
	for (uint32_t i = 0; i < 2000; i++) {
		w.group.health_check.interval = 5 + (i & 1);
		apply();
	}
	ok(health_probe(h).is_running && h->slots.items[0]->orders != 0 &&
		   h->queue.n == 1,
	   "one that does not listen holds up nobody: the last order waits");
}

int main(int argc, char **argv)
{
	(void)argc;
	if (geteuid() != 0) {
		skip("it takes root to be root no longer", "the probe checks servers");
		return done();
	}
	enter(argv[0]);
	server_start(HTTP_PORT, false);
	server_start(HTTPS_PORT, true);
	every_manner();
	server_life();
	probe_life();
	refusals();
	crowd();
	impostors();
	return done();
}
