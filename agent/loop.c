/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ctl/server.h"
#include "kernel/ring.h"
#include "targets.h"

#define SWEEP_US 100000U /* a slice of the flow table */
#define SETTLE_US \
	20000U /* after the first word of a change of links, for the rest of it */

struct loop {
	struct agent *agent;
	struct stream *stream;
	struct server *server;
	struct ring *refusals;
	sd_event *event;
	sd_event_source *server_timer, *links_timer;
	unsigned n_sweeps;
};

/* ---- the control socket ---- */

static void server_step(struct loop *l)
{
	int ms;

	server_run(l->server);
	ms = server_timeout_ms(l->server);
	if (ms >= 0)
		sd_event_source_set_time_relative(l->server_timer, (uint64_t)ms * 1000);
	sd_event_source_set_enabled(l->server_timer,
				    ms < 0 ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_server(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source;
	(void)fd;
	(void)events;
	server_step(arg);
	return 0;
}

static int on_server_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	server_step(arg);
	return 0;
}

static int on_packets(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct loop *l = arg;

	(void)source;
	(void)fd;
	(void)events;
	stream_drain(l->stream);
	server_step(l);
	return 0;
}

/* ---- links ---- */

/* A device is announced in several messages; one look after the last of them does. */
static int on_links(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct loop *l = arg;
	int enabled;

	(void)source;
	(void)fd;
	(void)events;
	if (!netlink_drain(l->agent->netlink))
		return 0;
	if (sd_event_source_get_enabled(l->links_timer, &enabled) > 0)
		return 0;
	sd_event_source_set_time_relative(l->links_timer, SETTLE_US);
	sd_event_source_set_enabled(l->links_timer, SD_EVENT_ONESHOT);
	return 0;
}

static int on_links_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct loop *l = arg;

	(void)source;
	(void)usec;
	agent_follow(l->agent);
	server_step(l);
	return 0;
}

static int on_neighbours(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct loop *l = arg;

	(void)source;
	(void)fd;
	(void)events;
	neighbours_hear(l->agent->neighbours);
	return 0;
}

/* ---- targets ---- */

static void on_refusal(void *arg, const void *record)
{
	struct loop *l = arg;

	targets_refused(l->agent, record);
}

static int on_refusals(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct loop *l = arg;

	(void)source;
	(void)fd;
	(void)events;
	ring_drain(l->refusals);
	return 0;
}

/* Whatever gave up targets just now: all of them are walked for at once. */
static int on_post(sd_event_source *source, void *arg)
{
	struct loop *l = arg;

	(void)source;
	targets_cut(l->agent);
	return 0;
}

/* ---- time ---- */

static int on_sweep(sd_event_source *source, uint64_t usec, void *arg)
{
	struct loop *l = arg;

	(void)usec;
	agent_sweep(l->agent);
	targets_run(l->agent);
	neighbours_run(l->agent->neighbours);
	if (++l->n_sweeps % 10 == 0) {
		agent_check_deadline(l->agent);
		neighbours_tick(l->agent->neighbours);
		stream_tick(l->stream);
		server_step(l);
	}
	sd_event_source_set_time_relative(source, SWEEP_US);
	return 0;
}

/* ---- signals ---- */

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *si, void *arg)
{
	struct loop *l = arg;

	(void)source;
	log_info("%s: stopping; the data plane stays", strsignal((int)si->ssi_signo));
	sd_notify(0, "STOPPING=1");
	return sd_event_exit(l->event, 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si,
		     void *arg)
{
	struct loop *l = arg;

	(void)source;
	(void)si;
	sd_notify(0, "RELOADING=1");
	agent_reload(l->agent, "reload");
	sd_notify(0, "READY=1");
	return 0;
}

/* ---- events of the agent, for whoever reads ---- */

static void rules_changed(void *arg, uint32_t version, const char *action)
{
	struct loop *l = arg;

	stream_rules(l->stream, version, action);
}

static void device_changed(void *arg, const struct attached *d)
{
	struct loop *l = arg;

	stream_device(l->stream, d);
}

static void health_changed(void *arg, const struct health_change *change)
{
	struct loop *l = arg;

	stream_health(l->stream, change);
}

/* ---- life ---- */

static int timer_add(struct loop *l, uint64_t usec, sd_event_time_handler_t handler,
		     bool is_on, sd_event_source **ret)
{
	sd_event_source *source;
	int r;

	r = sd_event_add_time_relative(l->event, &source, CLOCK_MONOTONIC, usec, 1000,
				       handler, l);
	if (r < 0)
		return r;
	*ret = source;
	/* The loop owns it, as it owns the sources that nobody names. */
	sd_event_source_set_floating(source, true);
	r = sd_event_source_set_enabled(source, is_on ? SD_EVENT_ON : SD_EVENT_OFF);
	sd_event_source_unref(source);
	return r;
}

static int sources_add(struct loop *l)
{
	struct agent *a = l->agent;
	sd_event_source *sweep;
	int r;

	r = sd_event_add_signal(l->event, NULL, SIGTERM, on_stop, l);
	if (r >= 0)
		r = sd_event_add_signal(l->event, NULL, SIGINT, on_stop, l);
	if (r >= 0)
		r = sd_event_add_signal(l->event, NULL, SIGHUP, on_reload, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, netlink_fd(a->netlink), EPOLLIN,
				    on_links, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, netlink_neighbour_fd(a->netlink),
				    EPOLLIN, on_neighbours, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, server_fd(l->server), EPOLLIN,
				    on_server, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, stream_fd(l->stream), EPOLLIN,
				    on_packets, l);
	if (r >= 0)
		r = sd_event_add_io(l->event, NULL, ring_fd(l->refusals), EPOLLIN,
				    on_refusals, l);
	if (r >= 0)
		r = sd_event_add_post(l->event, NULL, on_post, l);
	if (r >= 0)
		r = timer_add(l, 0, on_server_timer, true, &l->server_timer);
	if (r >= 0)
		r = timer_add(l, 0, on_links_timer, false, &l->links_timer);
	if (r >= 0)
		r = timer_add(l, SWEEP_US, on_sweep, true, &sweep);
	return r;
}

static int loop_start(struct loop *l, int fd)
{
	int r;

	r = stream_new(l->agent, &l->stream);
	if (r < 0) {
		log_error("cannot read events of the packet path: %s", strerror(-r));
		close(fd);
		return r;
	}
	r = ring_new(l->agent->dp, "hg_refusals", sizeof(struct hg_refusal), on_refusal,
		     l, &l->refusals);
	if (r < 0) {
		log_error("cannot read what targets refuse: %s", strerror(-r));
		close(fd);
		return r;
	}
	r = server_new(l->agent, l->stream, fd, &l->server);
	if (r < 0) {
		log_error("cannot answer on the control socket: %s", strerror(-r));
		return r;
	}
	r = sd_event_new(&l->event);
	if (r >= 0)
		r = sources_add(l);
	if (r < 0)
		log_error("cannot wait for events: %s", strerror(-r));
	return r;
}

void loop_hold_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

enum exit_code loop_run(struct agent *a, int fd)
{
	struct loop l = { .agent = a };
	int r;

	r = loop_start(&l, fd);
	if (r >= 0) {
		a->events = (struct agent_events){ rules_changed, device_changed,
						   health_changed, &l };
		targets_start(a, l.event);
		/* What changed between the first look and now. */
		agent_follow(a);
		log_info("listening on %s", a->options.socket);
		sd_notify(0, "READY=1");
		r = sd_event_loop(l.event);
		if (r < 0)
			log_error("cannot wait for events: %s", strerror(-r));
		a->events = (struct agent_events){};
	}
	sd_event_unref(l.event);
	server_free(l.server);
	stream_free(l.stream);
	ring_free(l.refusals);
	return r < 0 ? EXIT_REFUSED : EXIT_YES;
}
