/* SPDX-License-Identifier: Apache-2.0 */
#include "health/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "health/wire.h"

#define BACKOFF_MS     100U
#define BACKOFF_MAX_MS 30000U
#define LONG_LIFE_NS   60000000000ULL
#define READ_AT_ONCE   256       /* messages, before others have their turn */
#define BUFFER         (1 << 20) /* bytes in each direction, where we may say so */
#define WHY            160

struct child {
	sd_event *event;
	char *path;
	struct child_events events;
	void *buffer;
	size_t largest;
	bool is_wanted;
	/* of the process that is up */
	pid_t pid; /* 0: none */
	int fd;
	sd_event_source *io, *death;
	uint64_t born_ns;
	char why[WHY]; /* we ended it ourselves */
	/* of the messages in this second */
	uint32_t limit, n_heard;
	uint64_t second_ns;
	/* of the next one */
	sd_event_source *timer;
	uint32_t backoff_ms, restarts;
};

extern char **environ;

/* ---- death ---- */

static void process_done(struct child *c)
{
	c->io = sd_event_source_disable_unref(c->io);
	c->death = sd_event_source_disable_unref(c->death);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->pid = 0;
}

static void try_later(struct child *c)
{
	if (!c->is_wanted)
		return;
	sd_event_source_set_time_relative(c->timer, c->backoff_ms * 1000ULL);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
	c->backoff_ms =
		c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static int on_death(sd_event_source *source, const siginfo_t *si, void *arg)
{
	struct child *c = arg;
	char why[WHY];

	(void)source;
	if (c->why[0])
		snprintf(why, sizeof(why), "%s", c->why);
	else if (si->si_code == CLD_EXITED)
		snprintf(why, sizeof(why), "it exited with code %d", si->si_status);
	else
		snprintf(why, sizeof(why), "it died by signal %d", si->si_status);
	process_done(c);
	if (clock_monotonic_ns() - c->born_ns >= LONG_LIFE_NS)
		c->backoff_ms = BACKOFF_MS;
	try_later(c);
	if (c->is_wanted)
		c->events.down(c->events.arg, why);
	return 0;
}

/* The kernel may refuse us the signal, where we are not allowed to set its user free of it; a
 * closed socket it obeys then. on_death() follows in both cases. */
static void process_end(struct child *c, const char *why)
{
	snprintf(c->why, sizeof(c->why), "%s", why);
	c->io = sd_event_source_disable_unref(c->io);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	kill(c->pid, SIGKILL);
}

/* ---- life ---- */

static void heard(struct child *c, size_t size)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns - c->second_ns >= 1000000000ULL) {
		c->second_ns = now_ns;
		c->n_heard = 0;
	}
	if (++c->n_heard > c->limit)
		process_end(c, "it sent too much and was ended");
	else if (c->events.message(c->events.arg, c->buffer, size) < 0)
		process_end(c, "it sent what is no message and was ended");
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct child *c = arg;
	ssize_t n = 0;

	(void)fd;
	if (events & EPOLLOUT) {
		sd_event_source_set_io_events(source, EPOLLIN);
		c->events.writable(c->events.arg);
	}
	for (unsigned i = 0; i < READ_AT_ONCE && c->fd >= 0 && n >= 0; i++) {
		/* With its true length: what is too long is none. */
		n = recv(c->fd, c->buffer, c->largest, MSG_DONTWAIT | MSG_TRUNC);
		if (n > 0)
			heard(c, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			process_end(c, ""); /* its death says more */
			break;
		}
	}
	c->events.settled(c->events.arg);
	return 0;
}

static int socket_pair(int fds[2])
{
	int size = BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) <
		    0)
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return 0;
}

static int spawn(struct child *c, int fd)
{
	char *const argv[] = { c->path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int r;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* Where it is that descriptor already, this clears its close-on-exec. */
	posix_spawn_file_actions_adddup2(&actions, fd, WIRE_FD);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	posix_spawnattr_setflags(&attributes,
				 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn(&c->pid, c->path, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r != 0)
		c->pid = 0;
	return -r;
}

static int process_start(struct child *c)
{
	int fds[2], r;

	r = socket_pair(fds);
	if (r < 0)
		return r;
	c->fd = fds[0];
	c->why[0] = '\0';
	c->born_ns = c->second_ns = clock_monotonic_ns();
	c->n_heard = 0;
	r = spawn(c, fds[1]);
	close(fds[1]);
	if (r == 0)
		r = sd_event_add_child(c->event, &c->death, c->pid, WEXITED, on_death, c);
	if (r >= 0)
		r = sd_event_add_io(c->event, &c->io, c->fd, EPOLLIN, on_io, c);
	if (r < 0) {
		if (c->pid > 0) {
			kill(c->pid, SIGKILL);
			close(c->fd);
			c->fd = -1;
			waitpid(c->pid, NULL, 0);
		}
		process_done(c);
		return r;
	}
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct child *c = arg;
	char why[WHY];
	int r;

	(void)source;
	(void)usec;
	if (!c->is_wanted || c->pid != 0)
		return 0;
	if (c->born_ns)
		c->restarts++;
	r = process_start(c);
	if (r >= 0) {
		c->events.up(c->events.arg);
		return 0;
	}
	snprintf(why, sizeof(why), "%s cannot be started: %s", c->path, strerror(-r));
	try_later(c);
	c->events.down(c->events.arg, why);
	return 0;
}

int child_new(sd_event *event, const char *path, size_t largest,
	      const struct child_events *events, struct child **ret)
{
	struct child *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return r;
	*c = (struct child){ .fd = -1,
			     .largest = largest,
			     .backoff_ms = BACKOFF_MS,
			     .limit = UINT32_MAX,
			     .events = *events };
	c->event = sd_event_ref(event);
	c->path = strdup(path);
	c->buffer = malloc(largest);
	if (c->path && c->buffer)
		r = sd_event_add_time(event, &c->timer, CLOCK_MONOTONIC, 0, 1000,
				      on_timer, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	if (r < 0) {
		child_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void child_free(struct child *c)
{
	pid_t pid;

	if (!c)
		return;
	pid = c->pid;
	process_done(c);
	/* Who has lost the right to end it leaves that to the closed socket. */
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		waitpid(pid, NULL, 0);
	sd_event_source_disable_unref(c->timer);
	sd_event_unref(c->event);
	free(c->buffer);
	free(c->path);
	free(c);
}

void child_want(struct child *c, bool is_wanted)
{
	if (c->is_wanted == is_wanted)
		return;
	c->is_wanted = is_wanted;
	if (!is_wanted) {
		sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
		if (c->pid != 0)
			process_end(c, "it is not wanted");
		return;
	}
	if (c->pid != 0)
		return; /* it is dying, and on_death() sees that it is wanted again */
	sd_event_source_set_time_relative(c->timer, 0);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

void child_limit(struct child *c, uint32_t limit)
{
	c->limit = limit;
}

int child_send(struct child *c, const void *message, size_t size)
{
	if (c->pid == 0 || c->fd < 0)
		return -ENOTCONN;
	if (send(c->fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
		if (c->io)
			sd_event_source_set_io_events(c->io, EPOLLIN | EPOLLOUT);
		return -EAGAIN;
	}
	return -ENOTCONN; /* it is dying */
}

void child_end(struct child *c, const char *why)
{
	if (c->pid != 0 && c->fd >= 0)
		process_end(c, why);
}

int child_pid(const struct child *c)
{
	return c->fd >= 0 ? c->pid : 0;
}

uint32_t child_restarts(const struct child *c)
{
	return c->restarts;
}
