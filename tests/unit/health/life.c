/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of the probe, of those that it checks, and of processes in its place. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/unit/health/place.h"

#define CROWD 1000 /* targets of a group */

/* ---- one server's life, and the probe's ---- */

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
	pid = health_probe(h).pid;
	kill(pid, SIGSTOP);
	health_run(h, clock_monotonic_ns() + 13 * SECOND);
	is(health_probe(h).pid, pid, "one that is silent for a while is waited for");
	health_run(h, clock_monotonic_ns() + 15 * SECOND);
	is(health_probe(h).pid, 0, "and for no longer than two rounds of checks");
	restarts = 2;
	ok(wait_for(probe_is_up, &restarts) && health_probe(h).pid != pid,
	   "one that hangs is ended, and another one started");
	w.model.n_load_balancers = 0;
	pid = health_probe(h).pid;
	apply();
	ok(!health_probe(h).is_running, "without targets there is no probe");
	w.model.n_load_balancers = 1;
	apply();
	ok(wait_for(is_in, &up) && health_probe(h).pid != pid, "and with them there is");
}

static bool is_dead(const void *arg)
{
	return kill(*(const pid_t *)arg, 0) < 0;
}

/* The agent is killed, and has no say in what becomes of its probe. */
static void orphan(void)
{
	uint32_t none = 0;
	pid_t agent, probe = 0;
	int fds[2];

	health_free(h);
	h = NULL;
	if (pipe2(fds, O_CLOEXEC) < 0)
		bail("no pipe");
	agent = fork();
	if (agent == 0) {
		if (sd_event_new(&event) < 0)
			_exit(1);
		flaky_rules(1);
		begin(probe_path);
		apply();
		wait_for(probe_is_up, &none);
		probe = health_probe(h).pid;
		_exit(write(fds[1], &probe, sizeof(probe)) != sizeof(probe));
	}
	if (read(fds[0], &probe, sizeof(probe)) != sizeof(probe))
		bail("no probe");
	waitpid(agent, NULL, 0);
	close(fds[0]);
	close(fds[1]);
	begin(probe_path);
	ok(wait_for(is_dead, &probe), "a probe without an agent ends");
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

/* Checks that the probe is no longer asked for may take a moment to end. */
static bool is_slim(const void *arg)
{
	(void)arg;
	return files_of(health_probe(h).pid) < 30;
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
	ok(wait_for(is_slim, NULL), "no connection is left over");
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
	place_enter(argv[0]);
	server_start(HTTP_PORT, false);
	server_life();
	probe_life();
	orphan();
	refusals();
	crowd();
	impostors();
	return done();
}
