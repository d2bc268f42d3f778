/* SPDX-License-Identifier: Apache-2.0 */

/* The order of an apply is what makes a death at any instruction harmless:
 *
 *   read, check, compile      nothing is written anywhere
 *   write the version         a file that nobody points to; a start removes it
 *   stage, attach, live       lines that no packet reads; new devices get programs
 *   commit the version        the file "current" now names it
 *   one store                 packets see it
 *   finish                    programs replaced, dropped devices let go
 *
 * Between the last two arrows but one the file is ahead of the packets; a start puts them
 * level by applying "current" again. All that can fail comes before, so a refused rule set
 * leaves nothing behind. tests/e2e kills the agent along this path.
 */
#include "apply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "compile/image.h"
#include "config/diff.h"
#include "config/json.h"
#include "config/read.h"
#include "kernel/sync.h"
#include "targets.h"
#include "wanted.h"

#define CHANGES_KEPT 1000 /* in the history */

static int refuse(struct refusal *ret, int status, int r, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(struct refusal *ret, int status, int r, const char *format, ...)
{
	va_list args;

	ret->status = status;
	va_start(args, format);
	vsnprintf(ret->title, sizeof(ret->title), format, args);
	va_end(args);
	return r;
}

static int refuse_complaints(struct refusal *ret, struct diag *diag, int r)
{
	size_t n = diag_errors(diag);

	if (r == -ENOMEM)
		return refuse(ret, 500, r, "not enough memory to read the rule set");
	return refuse(ret, 400, r, "the rule set has %zu error%s", n, n == 1 ? "" : "s");
}

/* ---- what the kernel knows ---- */

struct gathered {
	struct facts facts;
	struct device_addresses *devices;
	uint64_t hash;
};

static void gathered_done(struct gathered *g)
{
	for (size_t i = 0; i < g->facts.n_devices; i++)
		free((void *)g->devices[i].addresses);
	free(g->devices);
}

static int addr_order(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static int device_gather(struct agent *a, const char *device, struct gathered *g)
{
	const struct link *link = netlink_link(a->netlink, device);
	const struct addr *found = NULL;
	struct addr *copy;
	size_t n = 0;

	if (link)
		found = netlink_addresses(a->netlink, link->ifindex, &n);
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (n) {
		memcpy(copy, found, n * sizeof(*copy));
		qsort(copy, n, sizeof(*copy), addr_order);
	}
	g->devices[g->facts.n_devices++] =
		(struct device_addresses){ .device = device, .addresses = copy, .n = n };
	g->hash = hash64(g->hash, device, strlen(device));
	g->hash = hash64(g->hash, copy, n * sizeof(*copy));
	return 0;
}

static int facts_gather(struct agent *a, const struct model *m, struct gathered *ret)
{
	struct gathered g = { .devices =
				      calloc(m->n_interfaces + 1, sizeof(*g.devices)) };
	int r = g.devices ? 0 : -ENOMEM;

	for (size_t i = 0; i < m->n_interfaces && r == 0; i++) {
		const struct interface *f = &m->interfaces[i];

		if (f->is_local && f->device && f->n_addresses == 0)
			r = device_gather(a, f->device, &g);
	}
	g.facts.devices = g.devices;
	g.hash = wanted_hash(m, a->netlink, g.hash);
	if (r < 0)
		gathered_done(&g);
	else
		*ret = g;
	return r;
}

uint64_t apply_facts_hash(struct agent *a)
{
	struct gathered g;
	uint64_t hash;

	if (facts_gather(a, a->model, &g) < 0)
		return a->facts_hash;
	hash = g.hash;
	gathered_done(&g);
	return hash;
}

static int model_compile(struct agent *a, const struct model *m, struct diag *diag,
			 struct image **ret, uint64_t *ret_hash)
{
	struct image previous = dataplane_image(a->dp);
	struct gathered g;
	int r;

	r = facts_gather(a, m, &g);
	if (r < 0)
		return r;
	g.facts.previous = previous.lines ? &previous : NULL;
	r = image_compile(m, &g.facts, diag, ret);
	*ret_hash = g.hash;
	gathered_done(&g);
	return r;
}

/* ---- into the kernel ---- */

/* All that can fail; on success the next steps are the two commits and attach_finish(). */
static int kernel_prepare(struct agent *a, const struct model *m,
			  const struct image *image, bool is_lenient,
			  struct wanted *wanted, struct refusal *ret_refusal)
{
	struct image staged;
	int r;

	r = wanted_make(m, a->netlink, wanted);
	if (r < 0)
		return refuse(ret_refusal, 500, r, "not enough memory");
	r = dataplane_stage(a->dp, image, &staged);
	if (r < 0)
		return refuse(ret_refusal, 502, r, "%s", dataplane_error());
	r = targets_stage(a, m, &staged);
	if (r < 0)
		return refuse(ret_refusal, 500, r, "not enough memory");
	r = attach_begin(a->attach, wanted->devices, wanted->n_devices, is_lenient);
	if (r == 0)
		r = attach_live(a->attach, &staged);
	if (r < 0) {
		refuse(ret_refusal, 502, r, "%s", dataplane_error());
		attach_undo(a->attach);
	}
	return r;
}

static void kernel_commit(struct agent *a, struct wanted *wanted)
{
	const struct attached *devices;
	size_t n;

	dataplane_commit(a->dp);
	attach_finish(a->attach);
	neighbours_want(a->neighbours, TAKE(wanted->neighbours), wanted->n_neighbours);
	devices = attach_list(a->attach, &n);
	neighbours_follow(a->neighbours, devices, n);
}

int apply_again(struct agent *a, struct diag *diag, struct refusal *ret_refusal)
{
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(wanted_done) struct wanted wanted = {};
	uint64_t hash;
	int r;

	r = model_compile(a, a->model, diag, &image, &hash);
	if (r < 0)
		return refuse_complaints(ret_refusal, diag, r);
	r = kernel_prepare(a, a->model, image, true, &wanted, ret_refusal);
	if (r < 0)
		return r;
	kernel_commit(a, &wanted);
	targets_follow(a, false);
	a->facts_hash = hash;
	a->trouble[0] = '\0';
	return 0;
}

/* ---- what is kept of it ---- */

void time_print(int64_t s, char ret[static 32])
{
	time_t t = s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static struct json *changes_make(struct agent *a, const struct apply *apply)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *old = NULL, *new = NULL;

	if (!diag)
		return NULL;
	if (a->text)
		json_read("", a->text, a->text_size, diag, &old);
	if (json_read("", apply->text, apply->size, diag, &new) < 0)
		return NULL;
	return diff_documents(old, new);
}

static struct json *meta_make(struct agent *a, const struct apply *apply,
			      const struct json *changes, const struct pending *pending)
{
	struct json *meta = json_new_object(), *kept;
	size_t n = 0;
	char text[32];

	json_set_number(meta, "version", history_current(a->history) + 1.0);
	time_print(clock_realtime_s(), text);
	json_set_string(meta, "time", text);
	json_set_number(meta, "uid", apply->author.uid);
	json_set_number(meta, "pid", apply->author.pid);
	json_set_string(meta, "comm", apply->author.comm);
	json_set_string(meta, "action", apply->action);
	if (apply->of >= 0)
		json_set_number(meta, "of", (double)apply->of);
	json_set_string(meta, "name", apply->name);
	json_set_u64(meta, "bytes", apply->size);
	if (pending->version) {
		time_print(pending->deadline, text);
		json_set_string(meta, "confirm_by", text);
	}
	kept = json_set(meta, "changes", json_new_array());
	for (const struct json *c = json_first(changes); c && n < CHANGES_KEPT;
	     c = json_next(c), n++)
		json_add(kept, json_copy(c));
	if (n < json_size(changes))
		json_set_bool(meta, "changes_truncated", true);
	return meta;
}

static struct json *answer_make(struct agent *a, const struct apply *apply,
				uint32_t previous, struct json *changes)
{
	struct json *answer = json_new_object(), *waiting;
	size_t n;
	const struct attached *devices = attach_list(a->attach, &n);

	json_set_number(answer, "version", a->version);
	if (previous)
		json_set_number(answer, "previous", previous);
	else
		json_set_null(answer, "previous");
	if (apply->of >= 0)
		json_set_number(answer, "of", (double)apply->of);
	json_set_number(answer, "epoch", dataplane_epoch(a->dp));
	if (apply->confirm_within)
		json_set_number(answer, "confirm_within", apply->confirm_within);
	else
		json_set_null(answer, "confirm_within");
	json_set(answer, "changes", changes);
	waiting = json_set(answer, "waiting", json_new_array());
	for (size_t i = 0; i < n; i++)
		if (devices[i].state == ATTACH_ABSENT)
			json_add(waiting, json_new_string(devices[i].device));
	return answer;
}

static struct pending pending_make(struct agent *a, const struct apply *apply)
{
	struct pending before = history_pending(a->history);

	if (!apply->confirm_within)
		return (struct pending){};
	/* Of several unconfirmed versions in a row, what was good before the first comes back. */
	return (struct pending){
		.version = history_current(a->history) + 1,
		.fallback =
			before.version ? before.fallback : history_current(a->history),
		.deadline = clock_realtime_s() + apply->confirm_within,
	};
}

/* From the written version on. 'model' and a copy of the text are taken over on success. */
static int version_switch(struct agent *a, const struct apply *apply,
			  const struct model *m, const struct image *image,
			  const struct json *changes, struct refusal *ret_refusal)
{
	struct pending pending = pending_make(a, apply);
	_cleanup_(json_freep) struct json *meta = meta_make(a, apply, changes, &pending);
	_cleanup_(wanted_done) struct wanted wanted = {};
	uint32_t version;
	int r;

	r = history_write(a->history, apply->text, apply->size, meta);
	if (r < 0)
		return refuse(ret_refusal, 500, r, "cannot write to %s: %s",
			      a->options.state_dir, strerror(-r));
	version = (uint32_t)r;
	r = kernel_prepare(a, m, image, apply->is_lenient, &wanted, ret_refusal);
	if (r < 0) {
		history_drop(a->history, version);
		return r;
	}
	if (pending.version)
		r = history_expect(a->history, &pending);
	if (r == 0)
		r = history_commit(a->history, version);
	if (r < 0) {
		attach_undo(a->attach);
		history_drop(a->history, version);
		return refuse(ret_refusal, 500, r, "cannot write to %s: %s",
			      a->options.state_dir, strerror(-r));
	}
	kernel_commit(a, &wanted);
	a->version = version;
	return 0;
}

/* An empty table can have any size; one with connections in it keeps the one it has. */
static int flows_fit(struct agent *a, const struct model *m, struct diag *diag,
		     struct refusal *ret_refusal)
{
	uint32_t n_sets;
	int r;

	if (dataplane_flows_fit(a->dp, m->settings.max_flows))
		return 0;
	if (dataplane_epoch(a->dp) == 0) {
		r = dataplane_resize(a->dp, m->settings.max_flows);
		return r < 0 ? refuse(ret_refusal, 502, r, "%s", dataplane_error()) : 0;
	}
	/* More room than was asked for is no harm. */
	dataplane_flows4(a->dp, &n_sets);
	if (n_sets < hg_flow_sets(m->settings.max_flows))
		diag_add(diag, DIAG_WARNING, "", 0, 0, "/settings/max_flows",
			 "the flow table has room for %u connections and keeps that size "
			 "until "
			 "it is made anew (headgated --detach-all)",
			 hg_flow_room(n_sets));
	return 0;
}

int agent_apply(struct agent *a, const struct apply *apply, struct diag *diag,
		struct refusal *ret_refusal, struct json **ret_answer)
{
	_cleanup_(model_freep) struct model *model = NULL;
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(json_freep) struct json *changes = NULL;
	_cleanup_free_ char *text = NULL;
	struct model *old = a->model;
	uint32_t previous = a->version;
	uint64_t hash;
	int r;

	r = config_read_text(apply->name, apply->text, apply->size, NULL, diag, &model);
	if (r < 0)
		return refuse_complaints(ret_refusal, diag, r);
	config_warn(model, diag);
	r = model_compile(a, model, diag, &image, &hash);
	if (r < 0)
		return refuse_complaints(ret_refusal, diag, r);
	changes = changes_make(a, apply);
	text = malloc(apply->size + 1);
	if (!changes || !text)
		return refuse(ret_refusal, 500, -ENOMEM, "not enough memory");
	r = flows_fit(a, model, diag, ret_refusal);
	if (r < 0)
		return r;
	memcpy(text, apply->text, apply->size);
	text[apply->size] = '\0';
	r = version_switch(a, apply, model, image, changes, ret_refusal);
	if (r < 0)
		return r;
	free(a->text);
	a->text = TAKE(text);
	a->text_size = apply->size;
	a->model = TAKE(model);
	targets_follow(a, true);
	model_free(old);
	a->facts_hash = hash;
	a->trouble[0] = '\0';
	log_info("%s by uid %u (%s, pid %d): version %u is in force, %zu changes",
		 apply->action, apply->author.uid, apply->author.comm, apply->author.pid,
		 a->version, json_size(changes));
	if (a->events.rules)
		a->events.rules(a->events.arg, a->version, apply->action);
	if (ret_answer)
		*ret_answer = answer_make(a, apply, previous, TAKE(changes));
	return 0;
}
