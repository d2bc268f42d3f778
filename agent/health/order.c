/* SPDX-License-Identifier: Apache-2.0 */

/* Orders wait in a queue of ids, and are made from what a member is when there is room for them:
 * so a thousand changes of one target are one order, and the queue is never longer than there
 * are targets. What is removed is known to the probe by its id alone, which a new target may
 * have before the removal was sent: then the new one's order replaces it.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "health/registry.h"
#include "health/wire.h"

#define KIND(kind) (1U << (kind))
/* Twice what is due, and some: checks that are wanted at once come on top. */
#define RESULTS_ALLOWED(n_checked) ((uint32_t)(n_checked) + 1000)

static const struct health_check *check_of(const struct health *h, const struct member *m)
{
	return &h->model->target_groups[m->group_index].health_check;
}

static void order_make(const struct health *h, const struct member *m,
		       struct wire_order *ret)
{
	static const uint16_t protocols[] = {
		[CHECK_TCP] = WIRE_TCP,
		[CHECK_HTTP] = WIRE_HTTP,
		[CHECK_HTTPS] = WIRE_HTTPS,
	};
	const struct health_check *c = check_of(h, m);

	memset(ret, 0, sizeof(*ret)); /* it is hashed */
	ret->version = WIRE_VERSION;
	ret->kind = WIRE_SET;
	ret->id = (uint32_t)m->id;
	ret->interval_ms = c->interval * 1000;
	ret->timeout_ms = c->timeout * 1000;
	ret->protocol = protocols[c->protocol];
	ret->port = c->port ? c->port : m->port;
	ret->address = m->address;
	if (c->protocol != CHECK_TCP && c->path)
		strncpy(ret->path, c->path, WIRE_PATH);
}

static bool is_up(const struct health *h)
{
	return h->child && child_pid(h->child) != 0;
}

static int queue_push(struct health *h, struct member *m, enum wire_kind kind)
{
	bool is_queued = m->orders != 0;

	if (!is_up(h))
		return 0; /* order_all() comes */
	m->orders |= KIND(kind);
	if (is_queued)
		return 0;
	return vec_push(&h->queue, (uint32_t)m->id) ? 0 : -ENOMEM;
}

static void flush(struct health *h)
{
	struct wire_order order;

	while (is_up(h) && order_next(h, &order)) {
		if (child_send(h->child, &order, sizeof(order)) < 0)
			return;
		order_sent(h, &order);
	}
}

static void count_checked(struct health *h, struct member *m, bool is_checked)
{
	if (m->is_checked == is_checked)
		return;
	m->is_checked = is_checked;
	h->n_checked += is_checked ? 1 : -(size_t)1;
	if (!h->child)
		return;
	child_limit(h->child, RESULTS_ALLOWED(h->n_checked));
	child_want(h->child, h->n_checked != 0);
}

int order_check(struct health *h, struct member *m)
{
	struct wire_order order;
	uint64_t hash;
	int r;

	order_make(h, m, &order);
	/* Most paths are short, and targets many. */
	hash = hash64(0, &order, offsetof(struct wire_order, path) + strlen(order.path));
	if (m->is_checked && m->check_hash == hash)
		return 0;
	r = queue_push(h, m, WIRE_SET);
	if (r < 0)
		return r;
	m->orders &= ~KIND(WIRE_REMOVE);
	m->check_hash = hash;
	m->generation = ++h->generation;
	count_checked(h, m, true);
	flush(h);
	return 0;
}

void order_remove(struct health *h, struct member *m)
{
	if (!m->is_checked)
		return;
	count_checked(h, m, false);
	/* Without memory the probe goes on, and its results are nobody's. */
	if (queue_push(h, m, WIRE_REMOVE) == 0 && m->orders)
		m->orders = KIND(WIRE_REMOVE);
	flush(h);
}

void order_now(struct health *h, struct member *m)
{
	if (m->is_checked && queue_push(h, m, WIRE_NOW) == 0)
		flush(h);
}

bool order_is_waiting(const struct health *h, const struct member *m)
{
	return is_up(h) && m->orders != 0;
}

bool order_next(struct health *h, struct wire_order *ret)
{
	for (; h->queue_head < h->queue.n; h->queue_head++) {
		const struct member *m = h->slots.items[h->queue.items[h->queue_head]];

		if (!m || m->orders == 0)
			continue; /* gone, or said earlier in the queue */
		if (m->orders & KIND(WIRE_SET)) {
			order_make(h, m, ret);
		} else {
			memset(ret, 0, sizeof(*ret));
			ret->version = WIRE_VERSION;
			ret->kind =
				m->orders & KIND(WIRE_REMOVE) ? WIRE_REMOVE : WIRE_NOW;
			ret->id = (uint32_t)m->id;
		}
		ret->generation = m->generation;
		return true;
	}
	h->queue.n = h->queue_head = 0;
	return false;
}

void order_sent(struct health *h, const struct wire_order *order)
{
	struct member *m = h->slots.items[order->id];

	h->queue_head++;
	m->orders = 0; /* what is set is checked at once */
	if (order->kind == WIRE_SET)
		state_sent(&m->state);
}

void order_all(struct health *h)
{
	h->queue.n = h->queue_head = 0;
	for (size_t i = 0; i < h->slots.n; i++) {
		struct member *m = h->slots.items[i];

		if (!m)
			continue;
		m->orders = 0;
		if (m->is_checked)
			queue_push(h, m, WIRE_SET);
	}
	flush(h);
}

/* ---- results ---- */

static bool matcher_has(const struct health_check *c, uint32_t status)
{
	for (size_t i = 0; i < c->n_matcher; i++)
		if (status >= c->matcher[i].first && status <= c->matcher[i].last)
			return true;
	return false;
}

static enum outcome outcome_of(const struct health_check *c,
			       const struct wire_result *result)
{
	if (result->outcome == WIRE_TIMEOUT)
		return OUTCOME_TIMEOUT;
	if (result->outcome == WIRE_FAILED)
		return OUTCOME_FAILED;
	if (c->protocol == CHECK_TCP || matcher_has(c, result->status))
		return OUTCOME_OK;
	return OUTCOME_MISMATCH;
}

static struct member *member_of(const struct health *h, const struct wire_result *result)
{
	struct member *m = result->id < h->slots.n ? h->slots.items[result->id] : NULL;

	return m && m->is_checked && m->generation == result->generation ? m : NULL;
}

int order_result(struct health *h, const void *message, size_t size, uint64_t now_ns)
{
	const struct wire_result *result = message;
	const struct health_check *c;
	struct state_rules rules;
	enum health_state from;
	enum outcome outcome;
	struct member *m;
	int r;

	r = wire_result_check(message, size);
	if (r < 0) {
		h->n_refused++;
		return r;
	}
	h->n_results++;
	h->heard_ns = now_ns;
	m = member_of(h, result);
	if (!m)
		return 0; /* it crossed our order */
	c = check_of(h, m);
	rules = health_rules(&h->model->target_groups[m->group_index]);
	outcome = outcome_of(c, result);
	from = m->state.state;
	m->n_ok += outcome == OUTCOME_OK;
	m->n_failed += outcome != OUTCOME_OK;
	m->last_us = result->duration_us ? result->duration_us : 1;
	if (outcome == OUTCOME_OK)
		m->n_refused = 0;
	if (state_result(&m->state, &rules, outcome, result->status, now_ns))
		registry_tell(h, m, from);
	return 0;
}

/* ---- the process ---- */

static void on_up(void *arg)
{
	struct health *h = arg;

	h->heard_ns = clock_monotonic_ns();
	h->events.probe(h->events.arg, NULL);
	order_all(h);
}

/* Any check has a result once in an interval and a timeout: nothing from all of them in twice
 * that, and a while for a busy machine, is no coincidence. */
#define SLOW_S 10

void order_watch(struct health *h, uint64_t now_ns)
{
	uint64_t longest = 0;

	if (!is_up(h) || h->n_checked == 0)
		return;
	for (size_t i = 0; i < h->n_groups; i++) {
		const struct health_check *c = &h->model->target_groups[i].health_check;

		if (h->groups[i].is_used && c->interval + c->timeout > longest)
			longest = c->interval + c->timeout;
	}
	if (now_ns > h->heard_ns + (2 * longest + SLOW_S) * 1000000000ULL)
		child_end(h->child, "it sent no results any more and was ended");
}

static void on_down(void *arg, const char *why)
{
	struct health *h = arg;

	h->events.probe(h->events.arg, why);
}

static void on_writable(void *arg)
{
	flush(arg);
}

static void on_settled(void *arg)
{
	quorum_decide(arg);
}

static int on_message(void *arg, const void *message, size_t size)
{
	return order_result(arg, message, size, clock_monotonic_ns());
}

int order_start(struct health *h, struct sd_event *event, const char *path)
{
	struct child_events events = { .up = on_up,
				       .down = on_down,
				       .writable = on_writable,
				       .settled = on_settled,
				       .message = on_message,
				       .arg = h };
	int r;

	r = child_new(event, path, sizeof(struct wire_result), &events, &h->child);
	if (r < 0)
		return r;
	child_limit(h->child, RESULTS_ALLOWED(h->n_checked));
	child_want(h->child, h->n_checked != 0);
	return 0;
}
