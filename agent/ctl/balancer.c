/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/balancer.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "compile/build.h"
#include "config/json.h"
#include "ctl/request.h"
#include "kernel/meter.h"

struct metric {
	const char *name;
	uint64_t value;
};

static struct json *metrics_json(const struct metric *metrics, size_t n)
{
	struct json *j = json_new_object();

	for (size_t i = 0; i < n; i++)
		json_set_u64(j, metrics[i].name, metrics[i].value);
	return j;
}

struct json *balancer_metrics_json(const struct hg_meter *m, const struct tally *tally,
				   uint32_t id)
{
	uint64_t tcp = tally_sum(tally, id, IPPROTO_TCP),
		 udp = tally_sum(tally, id, IPPROTO_UDP);
	const struct metric metrics[] = {
		{ "ActiveFlowCount", tcp + udp },
		{ "ActiveFlowCount_TCP", tcp },
		{ "ActiveFlowCount_UDP", udp },
		{ "NewFlowCount", m->flows[0] + m->flows[1] },
		{ "NewFlowCount_TCP", m->flows[0] },
		{ "NewFlowCount_UDP", m->flows[1] },
		{ "PortAllocationErrorCount", m->port_errors },
		{ "ProcessedBytes", m->protocol_bytes[0] + m->protocol_bytes[1] },
		{ "ProcessedBytes_TCP", m->protocol_bytes[0] },
		{ "ProcessedBytes_UDP", m->protocol_bytes[1] },
		{ "ProcessedPackets", m->packets[0] + m->packets[1] },
		{ "RejectedFlowCount", m->rejected },
		{ "SecurityGroupBlockedFlowCount_Inbound", m->blocked[0] },
		{ "SecurityGroupBlockedFlowCount_Outbound", m->blocked[1] },
		{ "TCP_Client_Reset_Count", m->resets[0] },
		{ "TCP_ELB_Reset_Count", m->resets[2] },
		{ "TCP_Target_Reset_Count", m->resets[1] },
		{ "UnhealthyRoutingFlowCount", m->unhealthy_routing },
	};

	return metrics_json(metrics, ARRAY_SIZE(metrics));
}

struct json *inspector_metrics_json(const struct hg_meter *m, const struct tally *tally,
				    uint32_t id)
{
	const struct metric metrics[] = {
		{ "ActiveFlowCount", tally_sum(tally, id, 0) },
		{ "NewFlowCount", m->flows[0] + m->flows[1] },
		{ "ProcessedBytes", m->protocol_bytes[0] + m->protocol_bytes[1] },
	};

	return metrics_json(metrics, ARRAY_SIZE(metrics));
}

/* ---- load balancers ---- */

/* What an answer is made of. */
struct view {
	struct agent *agent;
	const struct model *model;
	struct image image;
	uint32_t owners[HG_METERS];
	struct tally none;
	const struct tally *tally;
	bool *fails_open; /* by group: somewhere new connections go to unhealthy targets */
	struct tally
		usable; /* targets that take new ones; 'meter' is the group's object */
};

/* What the live words say. */
static void pool_view(struct view *v, const struct hg_pool *p)
{
	uint32_t group = p->object - object_of_target_group(v->model, 0);

	if (group >= v->model->n_target_groups)
		return;
	v->fails_open[group] = v->fails_open[group] || p->fails_open;
	for (uint32_t i = 0; i < p->n && i < HG_POOL_ROOM; i++) {
		const struct hg_target *t =
			image_record(&v->image, image_header(&v->image)->targets,
				     p->first + i, sizeof(*t));

		if (t && p->usable[i / 64] >> (i & 63) & 1)
			tally_add(&v->usable,
				  &(struct flow_target){ .address = t->address,
							 .meter = p->object,
							 .port = t->port,
							 .family = (uint8_t)p->family });
	}
}

static void view_done(struct view *v)
{
	free(v->fails_open);
	tally_done(&v->usable);
}

static bool view_init(struct view *v, const struct request *q, struct reply *reply)
{
	struct hg_table pools = {};

	*v = (struct view){ .agent = q->agent, .model = request_model(q, reply) };
	if (!v->model)
		return false;
	agent_count(v->agent);
	v->image = dataplane_image(v->agent->dp);
	meters_owners(&v->image, v->owners);
	v->tally = v->agent->census.tally ? v->agent->census.tally : &v->none;
	v->fails_open = calloc(v->model->n_target_groups + 1, sizeof(*v->fails_open));
	if (!v->fails_open)
		return false;
	if (v->image.lines)
		pools = image_header(&v->image)->pools;
	for (uint32_t id = 1; id < pools.n; id++) {
		const struct hg_pool *p = image_record(&v->image, pools, id, sizeof(*p));

		if (p)
			pool_view(v, p);
	}
	return true;
}

/* The meter of an object, 0 none. */
static uint32_t meter_of(const struct view *v, uint32_t object)
{
	for (uint32_t i = HG_METER_BALANCER; i < HG_METERS; i++)
		if (v->owners[i] == object)
			return i;
	return 0;
}

static const char *protocol_text(enum target_protocol protocol)
{
	static const char *const names[] = { [TARGET_TCP] = "tcp",
					     [TARGET_UDP] = "udp",
					     [TARGET_TCP_UDP] = "tcp_udp",
					     [TARGET_GENEVE] = "geneve" };

	return names[protocol];
}

static struct json *group_json(const struct view *v, size_t group)
{
	const struct target_group *g = &v->model->target_groups[group];
	struct health_count count = health_count(v->agent->health, group);
	struct json *j = json_new_object();

	json_set_string(j, "name", g->name);
	json_set_string(j, "protocol", protocol_text(g->protocol));
	json_set_number(j, "port", g->port);
	json_set_u64(j, "targets", g->n_targets);
	json_set_number(j, "HealthyHostCount", count.healthy);
	json_set_number(j, "UnHealthyHostCount", count.unhealthy);
	json_set_bool(j, "fails_open", v->fails_open[group]);
	return j;
}

static struct json *vips_json(const struct model *m, const struct load_balancer *lb)
{
	struct json *list = json_new_array();
	char text[ADDR_TEXT];

	for (size_t i = 0; i < lb->n_vips; i++) {
		const struct vip *vip = &lb->vips[i];
		struct json *j = json_add(list, json_new_object());

		json_set_string(j, "address", addr_print(&vip->address, text));
		json_set_string(j, "subnet",
				vip->subnet < 0 ? NULL : m->subnets[vip->subnet].name);
		json_set_string(
			j, "elastic_ip",
			vip->elastic_ip < 0
				? NULL
				: addr_print(&m->elastic_ips[vip->elastic_ip].address,
					     text));
		json_set_string(j, "zone", vip->zone);
	}
	return list;
}

static struct json *listeners_json(const struct model *m, const struct load_balancer *lb)
{
	static const char *const protections[] = {
		[SYN_AUTO] = "auto", [SYN_ALWAYS] = "always", [SYN_OFF] = "off"
	};
	struct json *list = json_new_array();

	for (size_t i = 0; i < lb->n_listeners; i++) {
		const struct listener *l = &lb->listeners[i];
		struct json *j = json_add(list, json_new_object()), *forwards;

		json_set_string(j, "protocol", protocol_text(l->protocol));
		json_set_number(j, "port", l->port);
		json_set_number(j, "idle_timeout", l->idle_timeout);
		json_set_string(j, "syn_protection", protections[l->syn_protection]);
		forwards = json_set(j, "forward", json_new_array());
		for (size_t k = 0; k < l->n_forwards; k++) {
			struct json *f = json_add(forwards, json_new_object());

			json_set_string(
				f, "target_group",
				m->target_groups[l->forwards[k].target_group].name);
			json_set_number(f, "weight", l->forwards[k].weight);
		}
	}
	return list;
}

static bool is_forwarded(const struct load_balancer *lb, size_t group)
{
	for (size_t i = 0; i < lb->n_listeners; i++)
		for (size_t k = 0; k < lb->listeners[i].n_forwards; k++)
			if ((size_t)lb->listeners[i].forwards[k].target_group == group)
				return true;
	return false;
}

/* Each group once, whatever number of listeners forward to it. */
static struct json *groups_json(const struct view *v, const struct load_balancer *lb)
{
	struct json *list = json_new_array();

	for (size_t i = 0; i < v->model->n_target_groups; i++)
		if (is_forwarded(lb, i))
			json_add(list, group_json(v, i));
	return list;
}

static void hosts_json(struct json *metrics, const struct json *groups)
{
	static const char *const names[] = { "HealthyHostCount", "UnHealthyHostCount" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		double sum = 0;

		for (const struct json *g = json_first(groups); g; g = json_next(g))
			sum += json_number(json_get(g, names[i]));
		json_set_number(metrics, names[i], sum);
	}
}

static struct json *balancer_json(const struct view *v, size_t i,
				  const struct hg_meter *meter, uint32_t id)
{
	const struct model *m = v->model;
	const struct load_balancer *lb = &m->load_balancers[i];
	struct json *j = json_new_object(), *list, *metrics;

	json_set_string(j, "name", lb->name);
	json_set_string(j, "type", "network");
	json_set_string(j, "vpc", m->vpcs[lb->vpc].name);
	json_set(j, "addresses", vips_json(m, lb));
	json_set_bool(j, "cross_zone", lb->cross_zone);
	list = json_set(j, "security_groups", json_new_array());
	for (size_t k = 0; k < lb->n_groups; k++)
		json_add(list, json_new_string(m->groups[lb->groups[k]].name));
	json_set(j, "listeners", listeners_json(m, lb));
	list = json_set(j, "target_groups", groups_json(v, lb));
	metrics = json_set(j, "metrics", balancer_metrics_json(meter, v->tally, id));
	hosts_json(metrics, list);
	return j;
}

static struct json *inspector_json(const struct view *v, size_t i,
				   const struct hg_meter *meter, uint32_t id)
{
	static const char *const keys[] = { [INSPECT_5_TUPLE] = "5_tuple",
					    [INSPECT_3_TUPLE] = "3_tuple",
					    [INSPECT_2_TUPLE] = "2_tuple" };
	const struct model *m = v->model;
	const struct gateway_load_balancer *g = &m->gateway_load_balancers[i];
	struct json *j = json_new_object(), *list, *metrics;

	json_set_string(j, "name", g->name);
	json_set_string(j, "type", "gateway");
	json_set_string(j, "vpc", m->vpcs[g->vpc].name);
	json_set_string(j, "subnet", g->subnet < 0 ? NULL : m->subnets[g->subnet].name);
	json_set_string(j, "stickiness", keys[g->stickiness]);
	json_set_number(j, "idle_timeout", g->idle_timeout);
	list = json_set(j, "target_groups", json_new_array());
	json_add(list, group_json(v, (size_t)g->target_group));
	metrics = json_set(j, "metrics", inspector_metrics_json(meter, v->tally, id));
	hosts_json(metrics, list);
	return j;
}

void verb_load_balancers(const struct request *q, struct reply *reply)
{
	_cleanup_(view_done) struct view v = {};
	struct json *list;
	struct hg_meter meter;
	bool is_whole = true;

	if (!view_init(&v, q, reply))
		return;
	list = json_new_array();
	for (size_t i = 0; i < v.model->n_load_balancers && is_whole; i++) {
		uint32_t id = meter_of(&v, object_of_load_balancer(v.model, i));

		is_whole = meter_read(v.agent->dp, id, &meter) == 0;
		if (is_whole)
			json_add(list, balancer_json(&v, i, &meter, id));
	}
	for (size_t i = 0; i < v.model->n_gateway_load_balancers && is_whole; i++) {
		uint32_t id = meter_of(&v, object_of_gateway_load_balancer(v.model, i));

		is_whole = meter_read(v.agent->dp, id, &meter) == 0;
		if (is_whole)
			json_add(list, inspector_json(&v, i, &meter, id));
	}
	if (is_whole)
		reply_json(reply, 200, list);
	else
		json_free(list);
}

/* ---- targets ---- */

struct json *target_json(const struct health_info *t, uint64_t monotonic_ns,
			 int64_t realtime_ns)
{
	struct json *j = json_new_object(), *checks;
	int64_t since = realtime_ns - (int64_t)(monotonic_ns - t->state.since_ns);
	char text[STATE_TEXT], address[ADDR_TEXT], time[32];

	json_set_string(j, "target_group", t->group);
	json_set_string(j, "target", t->target);
	json_set_string(j, "address", addr_print(&t->address, address));
	json_set_number(j, "port", t->port);
	json_set_string(j, "zone", t->zone);
	json_set_number(j, "weight", t->weight);
	json_set_string(j, "state", state_name(t->state.state));
	json_set_string(j, "reason",
			*state_reason(t->state.reason) ? state_reason(t->state.reason)
						       : NULL);
	state_describe(&t->state, text);
	json_set_string(j, "description", *text ? text : NULL);
	time_print(since / 1000000000, time);
	json_set_string(j, "since", t->state.since_ns ? time : NULL);
	checks = json_set(j, "checks", json_new_object());
	json_set_u64(checks, "ok", t->n_ok);
	json_set_u64(checks, "failed", t->n_failed);
	if (t->n_ok + t->n_failed)
		json_set_number(checks, "last_ms", t->last_us / 1000.0);
	else
		json_set_null(checks, "last_ms");
	return j;
}

static int info_compare(const void *a, const void *b)
{
	const struct health_info *x = a, *y = b;
	int r = strcmp(x->group, y->group);

	if (r == 0)
		r = (int)y->is_registered - (int)x->is_registered;
	return r ? r : strcmp(x->target, y->target);
}

/* Of both families, through the balancers of 'meters'. */
static uint64_t target_active(const struct view *v, const struct health_info *t,
			      const bool meters[static HG_METERS])
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint64_t sum = 0;

	for (uint32_t i = HG_METER_BALANCER; i < HG_METERS; i++)
		for (size_t k = 0; meters[i] && k < 4; k++) {
			const struct addr *a = &t->addresses[k & 1];
			struct flow_target key = { .meter = i,
						   .port = htons(t->port),
						   .protocol = protocols[k >> 1],
						   .family = a->family };

			memcpy(&key.address, a->bytes, sizeof(key.address));
			sum += a->family ? tally_get(v->tally, &key) : 0;
		}
	return sum;
}

/* Some pool sends new connections there. */
static bool target_is_usable(const struct view *v, const struct health_info *t)
{
	for (size_t i = 0; i < 2; i++) {
		const struct addr *a = &t->addresses[i];
		struct flow_target key = { .port = htons(t->port), .family = a->family };

		if (!a->family || !t->is_registered)
			continue;
		memcpy(&key.address, a->bytes, sizeof(key.address));
		key.meter = object_of_target_group(v->model, t->group_index);
		if (tally_get(&v->usable, &key))
			return true;
	}
	return false;
}

static struct json *targets_json(const struct view *v, struct health_info *infos,
				 size_t n)
{
	uint64_t monotonic_ns = clock_monotonic_ns();
	int64_t realtime_ns = clock_realtime_ns();
	struct json *list = json_new_array();
	bool meters[HG_METERS];

	qsort(infos, n, sizeof(*infos), info_compare);
	for (size_t i = 0; i < n; i++) {
		const struct health_info *t = &infos[i];
		struct json *j;

		if ((i == 0 || strcmp(infos[i - 1].group, t->group) != 0) &&
		    meters_of_group(&v->image, t->group, meters) == 0)
			meters_of_group(&v->image, NULL, meters);
		j = json_add(list, target_json(t, monotonic_ns, realtime_ns));
		json_set_bool(j, "takes_new", target_is_usable(v, t));
		json_set_u64(j, "active_flows", target_active(v, t, meters));
	}
	return list;
}

void verb_targets(const struct request *q, struct reply *reply)
{
	_cleanup_free_ struct health_info *infos = NULL;
	const struct health *h = q->agent->health;
	_cleanup_(view_done) struct view v = {};
	size_t n = 0;

	if (!view_init(&v, q, reply))
		return;
	infos = calloc(health_size(h) + 1, sizeof(*infos));
	if (!infos)
		return;
	for (size_t id = 0; id < health_size(h); id++)
		n += health_get(h, id, &infos[n]);
	reply_json(reply, 200, targets_json(&v, infos, n));
}
