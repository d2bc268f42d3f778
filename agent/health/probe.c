/* SPDX-License-Identifier: Apache-2.0 */
#include "health/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "health/check.h"
#include "health/wire.h"

#define PACE_US      500U /* between first checks: two thousand a second */
#define AT_ONCE      64   /* orders that are read before checks have their turn */
#define ACCURACY_US  1000
#define TRY_AGAIN_US 100000U /* a check for which there was no memory or descriptor */

struct task { /* what is checked */
	struct probe *probe;
	struct wire_order order;
	sd_event_source *timer;
	uint64_t next_us;
	bool is_first;       /* its interval is not counted from here on */
	struct check *check; /* in flight */
	struct wire_result result;
	bool is_unsent;
};

struct probe {
	int fd;
	sd_event *event;
	sd_event_source *io;
	struct checks *checks;
	struct task **tasks; /* by id */
	size_t n_tasks;
	uint64_t pace_us;     /* no first check before */
	VEC(uint32_t) unsent; /* ids with results, from 'unsent_head' on */
	size_t unsent_head;
};

static uint64_t now_us(void)
{
	return clock_monotonic_ns() / 1000;
}

static uint64_t lot_below(uint64_t n)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = now_us() * 0x9e3779b97f4a7c15ULL >> 16;
	return random % n;
}

/* ---- results ---- */

/* True when nothing is left to send. */
static bool results_flush(struct probe *p)
{
	for (; p->unsent_head < p->unsent.n; p->unsent_head++) {
		struct task *t = p->tasks[p->unsent.items[p->unsent_head]];

		if (!t || !t->is_unsent)
			continue;
		if (send(p->fd, &t->result, sizeof(t->result),
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN || errno == ENOBUFS)
				return false;
			/* The agent is gone; reading will tell. */
		}
		t->is_unsent = false;
	}
	p->unsent.n = p->unsent_head = 0;
	return true;
}

static void result_send(struct probe *p, struct task *t)
{
	/* One that still waits is replaced by the newer. */
	if (!t->is_unsent)
		t->is_unsent = vec_push(&p->unsent, t->order.id);
	if (!results_flush(p))
		sd_event_source_set_io_events(p->io, EPOLLIN | EPOLLOUT);
}

static void on_done(void *arg, enum wire_outcome outcome, uint32_t status,
		    uint32_t duration_us)
{
	struct task *t = arg;

	t->check = NULL;
	t->result = (struct wire_result){
		.version = WIRE_VERSION,
		.kind = WIRE_RESULT,
		.id = t->order.id,
		.generation = t->order.generation,
		.outcome = (uint16_t)outcome,
		.status = (uint16_t)status,
		.duration_us = duration_us,
	};
	result_send(t->probe, t);
}

/* ---- times ---- */

static void timer_set(struct task *t, uint64_t at_us)
{
	t->next_us = at_us;
	sd_event_source_set_time(t->timer, at_us);
	sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
}

static int on_time(sd_event_source *source, uint64_t usec, void *arg)
{
	struct task *t = arg;
	uint64_t interval_us = t->order.interval_ms * 1000ULL, now = now_us(), next;

	(void)source;
	(void)usec;
	/* One that takes longer than the interval misses a turn. */
	if (!t->check &&
	    check_start(t->probe->checks, &t->order, on_done, t, &t->check) < 0) {
		timer_set(t, now + TRY_AGAIN_US);
		return 0;
	}
	next = t->next_us + (t->is_first ? 1 + lot_below(interval_us) : interval_us);
	t->is_first = false;
	/* After a long sleep there is no crowd. */
	timer_set(t, next > now ? next : now + 1 + lot_below(interval_us));
	return 0;
}

/* ---- orders ---- */

static void task_free(struct task *t)
{
	if (!t)
		return;
	check_stop(t->check);
	sd_event_source_disable_unref(t->timer);
	free(t);
}

static int task_get(struct probe *p, uint32_t id, struct task **ret)
{
	struct task *t;
	int r;

	if (id >= p->n_tasks) {
		size_t n = id < 512 ? 1024 : (size_t)id * 2;
		struct task **tasks = realloc(p->tasks, n * sizeof(struct task *));

		if (!tasks)
			return -ENOMEM;
		memset(tasks + p->n_tasks, 0, (n - p->n_tasks) * sizeof(struct task *));
		p->tasks = tasks;
		p->n_tasks = n;
	}
	if (p->tasks[id]) {
		*ret = p->tasks[id];
		return 0;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->probe = p;
	r = sd_event_add_time(p->event, &t->timer, CLOCK_MONOTONIC, 0, ACCURACY_US,
			      on_time, t);
	if (r < 0) {
		free(t);
		return r;
	}
	sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
	*ret = p->tasks[id] = t;
	return 0;
}

static int order_set(struct probe *p, const struct wire_order *order)
{
	uint64_t now = now_us();
	struct task *t;
	int r;

	r = task_get(p, order->id, &t);
	if (r < 0)
		return r;
	check_stop(t->check);
	t->check = NULL;
	t->is_unsent = false;
	t->order = *order;
	t->is_first = true;
	p->pace_us = p->pace_us > now ? p->pace_us + PACE_US : now;
	timer_set(t, p->pace_us);
	return 0;
}

static int order_obey(struct probe *p, const struct wire_order *order)
{
	struct task *t = order->id < p->n_tasks ? p->tasks[order->id] : NULL;

	if (order->kind == WIRE_SET)
		return order_set(p, order);
	if (!t)
		return 0;
	if (order->kind == WIRE_REMOVE) {
		p->tasks[order->id] = NULL;
		task_free(t);
	} else if (!t->check) {
		/* Without memory its turn comes anyway. */
		(void)!check_start(p->checks, &t->order, on_done, t, &t->check);
	}
	return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct probe *p = arg;
	struct wire_order order;
	ssize_t n;
	int r = 0;

	if (events & EPOLLOUT && results_flush(p))
		sd_event_source_set_io_events(source, EPOLLIN);
	for (unsigned i = 0; i < AT_ONCE && r >= 0; i++) {
		n = recv(fd, &order, sizeof(order), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return sd_event_exit(p->event, 0);
		r = wire_order_check(&order, (size_t)n);
		if (r == 0)
			r = order_obey(p, &order);
	}
	return r < 0 ? sd_event_exit(p->event, r) : 0;
}

static void probe_done(struct probe *p)
{
	for (size_t i = 0; i < p->n_tasks; i++)
		task_free(p->tasks[i]);
	free(p->tasks);
	vec_done(&p->unsent);
	checks_free(p->checks);
	sd_event_source_disable_unref(p->io);
	sd_event_unref(p->event);
	close(p->fd);
}

int probe_run(int fd)
{
	_cleanup_(probe_done) struct probe p = { .fd = fd };
	int r;

	r = sd_event_new(&p.event);
	if (r >= 0)
		r = checks_new(p.event, &p.checks);
	if (r >= 0)
		r = sd_event_add_io(p.event, &p.io, fd, EPOLLIN, on_io, &p);
	if (r >= 0)
		r = sd_event_loop(p.event);
	return r;
}
