/* SPDX-License-Identifier: Apache-2.0 */
#include "targets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hg/event.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "cuts.h"
#include "health/health.h"
#include "pools.h"

#define PROBE "headgate-probe"

/* ---- what health says ---- */

static void on_change(void *arg, const struct health_change *c)
{
	struct agent *a = arg;
	const char *reason = state_reason(c->reason);

	bool is_gone = c->reason == REASON_NOT_REGISTERED;

	log_info("target %s of group %s: %s, was %s%s%s", c->target, c->group,
		 is_gone ? "gone" : state_name(c->to), state_name(c->from),
		 *reason ? ": " : "", reason);
	if (a->events.health)
		a->events.health(a->events.arg, c);
}

static void on_changed(void *arg)
{
	struct agent *a = arg;
	struct image image;

	if (!a->is_level)
		return;
	image = dataplane_image(a->dp);
	if (pools_write(&image, a->model, a->health) < 0)
		log_error("no memory to tell the data plane which targets take "
			  "connections; trying again with the next change");
}

static void on_cut(void *arg, const struct health_cut *cut)
{
	struct agent *a = arg;
	struct image image = dataplane_image(a->dp);

	cuts_add(&a->cuts, &image, cut);
}

/* The same trouble comes again with each try. */
static void on_probe(void *arg, const char *why)
{
	struct agent *a = arg;

	if (!why)
		log_info("%s runs", PROBE);
	else if (strcmp(why, a->probe_trouble) != 0)
		log_error("%s: %s; targets stay as they are until it runs", PROBE, why);
	snprintf(a->probe_trouble, sizeof(a->probe_trouble), "%s", why ? why : "");
}

int targets_new(struct agent *a)
{
	const struct health_events events = { on_change, on_changed, on_cut, on_probe,
					      a };

	return health_new(&events, &a->health);
}

void targets_free(struct agent *a)
{
	health_free(a->health);
	cuts_done(&a->cuts);
}

/* ---- rule sets ---- */

static void model_follow(struct agent *a)
{
	int r = health_apply(a->health, a->model, clock_monotonic_ns());

	if (r < 0)
		log_error("some targets cannot be checked before the next rule set: %s",
			  strerror(-r));
}

void targets_restore(struct agent *a)
{
	_cleanup_(recall_freep) struct recall *recall = NULL;
	struct image image = dataplane_image(a->dp);

	a->is_level = false;
	if (recall_new(&image, a->model, &recall) == 0)
		health_recall(a->health, recall_state, recall);
	else
		log_error("no memory to find out which targets took connections: they "
			  "are new");
	model_follow(a);
}

void targets_follow(struct agent *a, bool is_new)
{
	a->is_level = true;
	if (is_new)
		model_follow(a);
}

int targets_stage(struct agent *a, const struct model *m, struct image *staged)
{
	int r = pools_write(staged, m, a->health);

	return r < 0 ? r : 0;
}

/* ---- life ---- */

/* Beside this program. */
static int probe_path(char ret[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (!slash || slash + 1 + sizeof(PROBE) > ret + PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(slash + 1, PROBE);
	return 0;
}

void targets_start(struct agent *a, struct sd_event *event)
{
	char path[PATH_MAX];
	int r;

	r = probe_path(path);
	if (r == 0)
		r = health_start(a->health, event, path);
	if (r < 0)
		log_error("%s cannot be started: %s; targets stay as they are", PROBE,
			  strerror(-r));
}

void targets_cut(struct agent *a)
{
	struct flow_tables tables = agent_flows(a);
	uint64_t before = a->cuts.n_cut;

	cuts_run(&a->cuts, &tables, dataplane_now(a->dp), clock_monotonic_ns());
	if (a->cuts.n_cut != before)
		log_info("ended %llu connections whose targets were given up",
			 (unsigned long long)(a->cuts.n_cut - before));
}

void targets_run(struct agent *a)
{
	health_run(a->health, clock_monotonic_ns());
	targets_cut(a);
}

void targets_refused(struct agent *a, const struct hg_refusal *r)
{
	struct addr address = { .family = r->family };

	if (r->family != HG_FAMILY_4 && r->family != HG_FAMILY_6)
		return;
	memcpy(address.bytes, &r->target, r->family == HG_FAMILY_4 ? 4 : 16);
	health_refused(a->health, &address, ntohs(r->port), clock_monotonic_ns());
}
