/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/json.h"
#include "config/read.h"
#include "flow/port.h"
#include "kernel/meter.h"
#include "kernel/sync.h"
#include "targets.h"

#define COUNT_SETS     131072 /* 96 MiB of entries: read in some twenty milliseconds */
#define SWEEP_A_SECOND 10
#define SWEEP_SLICES   100 /* at ten a second: the whole table in ten seconds */

#define PORTS_IDLE 60 /* seconds in which nobody asks for ports to a destination */

static void complaints_log(struct diag *diag)
{
	size_t n;
	const struct complaint *list = diag_list(diag, &n);

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *text = complaint_print(&list[i]);

		if (text)
			log_line(list[i].level == DIAG_ERROR ? LOG_LEVEL_ERROR
							     : LOG_LEVEL_WARNING,
				 "%s", text);
	}
}

/* ---- start ---- */

/* A count from the first set on; what the last full one found stays. */
static void census_begin(struct agent *a)
{
	struct tally *tally = &a->tallies[a->census.tally == &a->tallies[0]];

	tally_clear(tally);
	a->sweep_at = 0;
	a->census_next = (struct flow_census){ .tally = tally };
}

static enum exit_code state_open(struct agent *a)
{
	int r;

	r = history_open(a->options.state_dir, &a->history);
	if (r == -EBUSY)
		log_error("%s: another agent uses this state directory",
			  a->options.state_dir);
	else if (r < 0)
		log_error("%s: cannot use it as state directory: %s",
			  a->options.state_dir, strerror(-r));
	return r < 0 ? EXIT_REFUSED : EXIT_YES;
}

/* The rule set that was in force last; only read, because its settings size the maps. */
static void current_read(struct agent *a)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	uint32_t version = history_current(a->history);
	int r;

	if (version == 0 || !diag)
		return;
	r = history_text(a->history, version, &a->text, &a->text_size);
	if (r == 0)
		r = config_read_text("", a->text, a->text_size, NULL, diag, &a->model);
	if (r < 0) {
		complaints_log(diag);
		snprintf(a->trouble, sizeof(a->trouble),
			 "version %u cannot be read any more: %s", version, strerror(-r));
		log_error("%s; what the kernel holds stays in force", a->trouble);
		free(a->text);
		a->text = NULL;
		return;
	}
	a->version = version;
}

static enum exit_code kernel_open(struct agent *a, uint32_t max_flows)
{
	struct dataplane_options options = {
		.pin_dir = a->options.bpf_dir,
		.max_flows = max_flows,
	};
	int r;

	r = netlink_new(&a->netlink);
	if (r < 0) {
		log_error("cannot ask the kernel for its links: %s", strerror(-r));
		return EXIT_REFUSED;
	}
	r = dataplane_open(&options, &a->dp);
	if (r == 0)
		r = targets_new(a);
	if (r == 0)
		r = neighbours_new(a->dp, a->netlink, &a->neighbours);
	if (r == 0)
		r = attach_new(a->dp, a->options.bpf_dir, a->netlink, a->neighbours,
			       &a->attach);
	if (r < 0) {
		log_error("%s", dataplane_error());
		return EXIT_REFUSED;
	}
	if (dataplane_lost(a->dp)[0])
		log_warning("%s", dataplane_lost(a->dp));
	if (dataplane_is_adopted(a->dp))
		log_info("adopted the data plane in %s at epoch %u", a->options.bpf_dir,
			 dataplane_epoch(a->dp));
	return EXIT_YES;
}

/* Whatever moment an earlier agent died at: the last committed version comes into force. */
static void current_restore(struct agent *a)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	struct refusal refusal = {};

	targets_restore(a);
	if (!diag || apply_again(a, diag, &refusal) < 0) {
		if (diag)
			complaints_log(diag);
		snprintf(a->trouble, sizeof(a->trouble),
			 "version %u could not be put in force again: %.500s", a->version,
			 refusal.title);
		log_error("%s", a->trouble);
		return;
	}
	log_info("version %u is in force", a->version);
}

static uint32_t wanted_flows(struct agent *a)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(model_freep) struct model *model = NULL;

	if (a->model)
		return a->model->settings.max_flows;
	if (a->options.config && diag &&
	    config_read(a->options.config, diag, &model) == 0)
		return model->settings.max_flows;
	return HG_DEFAULT_FLOWS;
}

enum exit_code agent_new(const struct options *options, struct agent **ret)
{
	struct agent *a = calloc(1, sizeof(*a));
	enum exit_code code;

	if (!a)
		return EXIT_REFUSED;
	a->options = *options;
	a->started_ns = a->swept_ns = clock_monotonic_ns();
	census_begin(a);
	code = state_open(a);
	if (code == EXIT_YES) {
		current_read(a);
		code = kernel_open(a, wanted_flows(a));
	}
	if (code != EXIT_YES) {
		agent_free(a);
		return code;
	}
	if (a->model)
		current_restore(a);
	else if (!history_current(a->history) && options->config)
		agent_reload(a, "seed");
	agent_check_deadline(a);
	*ret = a;
	return EXIT_YES;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	targets_free(a);
	attach_free(a->attach);
	neighbours_free(a->neighbours);
	dataplane_free(a->dp);
	netlink_free(a->netlink);
	history_free(a->history);
	model_free(a->model);
	free(a->text);
	tally_done(&a->tallies[0]);
	tally_done(&a->tallies[1]);
	free(a);
}

/* ---- life ---- */

int agent_reload(struct agent *a, const char *action)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_free_ char *text = NULL;
	struct refusal refusal = {};
	struct apply apply = {
		.name = a->options.config,
		.action = action,
		.of = -1,
		.author = { .pid = (int32_t)getpid(), .comm = "headgated" },
	};
	int r;

	if (!a->options.config || !diag) {
		log_warning("nothing to reload: --config was not given");
		return -ENOENT;
	}
	r = seed_read(a->options.config, diag, &text, &apply.size);
	if (r == -ENOENT && strcmp(action, "seed") == 0) {
		log_info("%s does not exist; waiting for a rule set", a->options.config);
		return r;
	}
	if (r < 0)
		snprintf(refusal.title, sizeof(refusal.title), "%s", strerror(-r));
	apply.text = text;
	if (r == 0)
		r = agent_apply(a, &apply, diag, &refusal, NULL);
	complaints_log(diag);
	if (r < 0)
		log_error("%s %s refused: %s; %s", action, a->options.config,
			  refusal.title,
			  a->version ? "keeping the running rule set"
				     : "no rule set is in force");
	return r;
}

int agent_rollback(struct agent *a, uint32_t version, const struct author *author,
		   struct diag *diag, struct refusal *ret_refusal,
		   struct json **ret_answer)
{
	_cleanup_free_ char *text = NULL;
	struct apply apply = { .name = "", .action = "rollback", .author = *author };
	int r;

	if (version == 0)
		version =
			history_current(a->history) ? history_current(a->history) - 1 : 0;
	r = history_text(a->history, version, &text, &apply.size);
	if (r < 0) {
		*ret_refusal = (struct refusal){ .status = version ? 404 : 409 };
		snprintf(ret_refusal->title, sizeof(ret_refusal->title),
			 version ? "version %u is not in the history"
				 : "there is no version to go back to",
			 version);
		return r;
	}
	apply.text = text;
	apply.of = version;
	return agent_apply(a, &apply, diag, ret_refusal, ret_answer);
}

int agent_confirm(struct agent *a)
{
	int r;

	if (!history_pending(a->history).version)
		return -ENOENT;
	r = history_confirm(a->history);
	if (r == 0)
		log_info("version %u is confirmed", a->version);
	return r;
}

void agent_check_deadline(struct agent *a)
{
	static const char nothing[] = "{ \"headgate\": 1 }\n";
	struct pending p = history_pending(a->history);
	_cleanup_(diag_freep) struct diag *diag = NULL;
	_cleanup_free_ char *text = NULL;
	struct refusal refusal = {};
	struct apply apply = {
		.name = "",
		.action = "rollback",
		.is_lenient = true,
		.author = { .pid = (int32_t)getpid(), .comm = "headgated" },
	};

	if (!p.version || clock_realtime_s() < p.deadline)
		return;
	log_warning("version %u was not confirmed in time; version %u comes back",
		    p.version, p.fallback);
	diag = diag_new();
	/* Without a version before, no rule set was in force: one that attaches nothing. */
	if (p.fallback == 0 ||
	    history_text(a->history, p.fallback, &text, &apply.size) < 0) {
		text = strdup(nothing);
		apply.size = sizeof(nothing) - 1;
	}
	apply.text = text;
	apply.of = p.fallback;
	if (!diag || !text || agent_apply(a, &apply, diag, &refusal, NULL) < 0) {
		log_error("version %u could not come back: %s; trying again in 10 s",
			  p.fallback, refusal.title);
		p.deadline = clock_realtime_s() + 10;
		history_postpone(a->history, p.deadline);
	}
}

static void device_changed(void *arg, const struct attached *d)
{
	struct agent *a = arg;

	if (d->state == ATTACH_FAILED)
		log_error("device %s: %s", d->device, d->error);
	else
		log_info("device %s is %s", d->device, attach_state_name(d->state));
	if (a->events.device)
		a->events.device(a->events.arg, d);
}

void agent_follow(struct agent *a)
{
	_cleanup_(diag_freep) struct diag *diag = NULL;
	struct refusal refusal = {};
	const struct attached *devices;
	size_t n;
	int r;

	r = netlink_refresh(a->netlink);
	if (r < 0) {
		log_error("cannot ask the kernel for its links: %s", strerror(-r));
		return;
	}
	attach_follow(a->attach, device_changed, a);
	devices = attach_list(a->attach, &n);
	neighbours_follow(a->neighbours, devices, n);
	if (!a->model || apply_facts_hash(a) == a->facts_hash)
		return;
	diag = diag_new();
	if (!diag || apply_again(a, diag, &refusal) < 0)
		log_error("addresses or routes changed, and the rule set could not be "
			  "compiled for them: "
			  "%s; keeping the earlier ones",
			  refusal.title);
	else
		log_info("addresses or routes changed; compiled version %u for them",
			 a->version);
}

struct flow_tables agent_flows(struct agent *a)
{
	struct flow_tables t = { .hz = dataplane_hz(a->dp) };

	t.sets4 = dataplane_flows4(a->dp, &t.n_sets);
	t.sets6 = dataplane_flows6(a->dp, &t.n_sets);
	t.ports = dataplane_ports(a->dp);
	return t;
}

static void sweep(struct agent *a, uint32_t n)
{
	struct flow_tables t = agent_flows(a);
	uint32_t now = dataplane_now(a->dp);
	int r;

	flow_sweep(&t, now, a->sweep_at, n, &a->census_next);
	r = meters_add_idle(a->dp, a->census_next.idle_timeouts);
	if (r < 0)
		log_warning("idle timeouts of NAT gateways and balancers could not be "
			    "counted: %s",
			    strerror(-r));
	memset(a->census_next.idle_timeouts, 0, sizeof(a->census_next.idle_timeouts));
	a->sweep_at += n;
	if (a->sweep_at < t.n_sets)
		return;
	port_sweep(t.ports, now, PORTS_IDLE * t.hz);
	a->census = a->census_next;
	census_begin(a);
	a->swept_ns = clock_monotonic_ns();
}

void agent_sweep(struct agent *a)
{
	sweep(a, agent_flows(a).n_sets / SWEEP_SLICES + 1);
	if (a->n_slices++ % SWEEP_A_SECOND == 0)
		limits_sweep(a->dp, a->limits);
}

void agent_count(struct agent *a)
{
	uint32_t n_sets = agent_flows(a).n_sets;

	if (n_sets > COUNT_SETS)
		return;
	census_begin(a);
	sweep(a, n_sets);
}
