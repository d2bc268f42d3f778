/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "compile/explain.h"
#include "config/json.h"
#include "ctl/request.h"
#include "flow/port.h"
#include "health/health.h"
#include "kernel/sync.h"
#include "pools.h"

static void counters_json(struct json *j, const struct hg_counters *c)
{
	struct json *dropped = json_new_object();
	uint64_t sum = 0;

	for (uint32_t reason = 1; reason < HG_DROP_END; reason++) {
		const char *name = drop_name(reason);

		sum += c->dropped[reason];
		if (c->dropped[reason] && name)
			json_set_u64(dropped, name, c->dropped[reason]);
	}
	json_set_u64(j, "received", c->passed + sum);
	json_set_u64(j, "passed", c->passed);
	json_set(j, "dropped", dropped);
	json_set_u64(j, "answered", c->answered);
	json_set_u64(j, "exempt", c->exempt);
	json_set_u64(j, "passed_bytes", c->passed_bytes);
	json_set_u64(j, "dropped_bytes", c->dropped_bytes);
	json_set_u64(j, "events_lost", c->events_lost);
	json_set_u64(j, "told", c->told);
}

static struct json *flows_json(struct agent *a, const struct hg_counters *total)
{
	struct json *j = json_new_object();
	uint32_t n_sets, max;

	agent_count(a);
	dataplane_flows4(a->dp, &n_sets);
	max = hg_flow_room(n_sets);
	if (a->model && a->model->settings.max_flows < max)
		max = a->model->settings.max_flows;
	json_set_number(j, "max", max);
	json_set_u64(j, "connections", a->census.connections);
	json_set_u64(j, "entries", a->census.entries);
	json_set_u64(j, "slots", 2ULL * n_sets * HG_WAYS);
	json_set_u64(j, "established", a->census.established);
	json_set_u64(j, "refused", total->dropped[HG_DROP_FLOW_TABLE_FULL]);
	json_set_u64(j, "sweep_lag", (clock_monotonic_ns() - a->swept_ns) / 1000000000);
	return j;
}

static struct json *neighbours_json(struct agent *a)
{
	struct hops_sum sum = hops_sum(dataplane_hops(a->dp));
	struct json *j = json_new_object();

	json_set_number(j, "max", HG_HOPS - 1);
	json_set_number(j, "entries", sum.entries);
	json_set_number(j, "resolved", sum.resolved);
	json_set_number(j, "failed", sum.failed);
	return j;
}

static struct json *nat_json(struct agent *a)
{
	struct port_count count = port_count(dataplane_ports(a->dp));
	struct json *j = json_new_object();

	json_set_number(j, "port_sets", count.sets);
	json_set_number(j, "max_port_sets", HG_PORT_SETS);
	json_set_u64(j, "ports_taken", count.taken);
	return j;
}

static struct json *pools_json(struct agent *a)
{
	struct image image = dataplane_image(a->dp);
	struct pools_count count = pools_count(&image);
	struct json *j = json_new_object();

	json_set_number(j, "pools", count.pools);
	json_set_number(j, "failing_open", count.failing_open);
	json_set_u64(j, "members", count.members);
	json_set_u64(j, "usable", count.usable);
	json_set_u64(j, "cut", a->cuts.n_cut);
	return j;
}

static struct json *probe_json(struct agent *a)
{
	struct health_probe probe = health_probe(a->health);
	struct json *j = json_new_object();

	json_set_bool(j, "running", probe.is_running);
	if (probe.pid)
		json_set_number(j, "pid", probe.pid);
	else
		json_set_null(j, "pid");
	json_set_number(j, "restarts", probe.restarts);
	json_set_u64(j, "results", probe.n_results);
	json_set_u64(j, "refused", probe.n_refused);
	return j;
}

static struct json *image_json(struct agent *a)
{
	struct image image = dataplane_image(a->dp);
	struct json *j = json_new_object();

	json_set_u64(j, "lines", image.n_lines);
	json_set_number(j, "capacity", dataplane_image_capacity(a->dp));
	json_set_number(j, "rules", image.lines ? image_header(&image)->n_rules : 0);
	json_set_number(j, "classifiers",
			image.lines ? image_header(&image)->n_classifiers : 0);
	json_set_u64(j, "bytes", image.n_lines * HG_LINE);
	return j;
}

void verb_stats(const struct request *q, struct reply *reply)
{
	_cleanup_free_ struct device_counters *devices = NULL;
	struct agent *a = q->agent;
	struct pending pending = history_pending(a->history);
	struct hg_counters total, unknown;
	struct json *j, *list, *d;
	char text[32];
	size_t n;

	if (attach_counters(a->attach, &devices, &n, &total) < 0 ||
	    dataplane_counters(a->dp, 0, &unknown) < 0)
		return;
	j = json_new_object();
	counters_json(j, &total);
	list = json_set(j, "devices", json_new_array());
	for (size_t i = 0; i < n; i++) {
		d = json_add(list, json_new_object());
		json_set_string(d, "name", devices[i].device);
		counters_json(d, &devices[i].counters);
	}
	d = json_add(list, json_new_object());
	json_set_string(d, "name", "unknown");
	counters_json(d, &unknown);
	json_set(j, "flows", flows_json(a, &total));
	json_set(j, "neighbours", neighbours_json(a));
	json_set(j, "nat", nat_json(a));
	json_set(j, "pools", pools_json(a));
	json_set(j, "probe", probe_json(a));
	json_set(j, "image", image_json(a));
	json_set_number(j, "version", a->version);
	json_set_number(j, "epoch", dataplane_epoch(a->dp));
	json_set_string(j, "agent", HG_VERSION);
	json_set_u64(j, "uptime", (clock_monotonic_ns() - a->started_ns) / 1000000000);
	if (pending.version)
		time_print(pending.deadline, text);
	json_set_string(j, "confirm_by", pending.version ? text : NULL);
	reply_json(reply, 200, j);
}

void verb_health(const struct request *q, struct reply *reply)
{
	struct agent *a = q->agent;
	struct json *extra = json_new_object(), *waiting, *failed;
	size_t n, n_missing = 0, at;
	const struct attached *list = attach_list(a->attach, &n);
	char title[512];

	waiting = json_set(extra, "waiting", json_new_array());
	failed = json_set(extra, "failed", json_new_array());
	at = (size_t)snprintf(title, sizeof(title), "missing:");
	for (size_t i = 0; i < n; i++) {
		struct json *j;

		if (list[i].state == ATTACH_ATTACHED)
			continue;
		if (n_missing++ < 8)
			at += (size_t)snprintf(title + at, sizeof(title) - at,
					       "%s %s (%s)", n_missing > 1 ? "," : "",
					       list[i].device,
					       attach_state_name(list[i].state));
		if (list[i].state == ATTACH_ABSENT) {
			json_add(waiting, json_new_string(list[i].device));
			continue;
		}
		j = json_add(failed, json_new_object());
		json_set_string(j, "device", list[i].device);
		json_set_string(j, "error", list[i].error);
	}
	if (a->trouble[0]) {
		snprintf(title, sizeof(title), "%.500s", a->trouble);
		n_missing++;
	}
	if (n_missing) {
		reply_problem_with(reply, 503, NULL, extra, title);
		return;
	}
	json_free(extra);
	extra = json_new_object();
	json_set_string(extra, "status", "ok");
	reply_json(reply, 200, extra);
}

void verb_events(const struct request *q, struct reply *reply)
{
	const char *drops = request_query(q, "drops");

	reply->status = 200;
	reply->is_stream = true;
	reply->is_drops_only = drops && strcmp(drops, "0") != 0;
}
