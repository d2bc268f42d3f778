/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/nat.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "compile/build.h"
#include "config/json.h"
#include "ctl/name.h"
#include "ctl/request.h"
#include "kernel/meter.h"

static bool has_internet(const struct model *m, int vpc)
{
	for (size_t i = 0; i < m->n_internet_gateways; i++)
		if (m->internet_gateways[i].vpc == vpc)
			return true;
	return false;
}

struct json *elastic_ip_json(const struct model *m, const struct elastic_ip *e)
{
	const struct nat_gateway *nat =
		e->nat_gateway < 0 ? NULL : &m->nat_gateways[e->nat_gateway];
	const struct addr *private = nat ? &nat->private_address : &e->private_address;
	int vpc = nat                ? nat->vpc
		  : e->interface < 0 ? -1
				     : m->interfaces[e->interface].vpc;
	struct json *j = json_new_object();
	char text[ADDR_TEXT];

	json_set_string(j, "name", e->name);
	json_set_string(j, "address", addr_print(&e->address, text));
	json_set_string(j, "private_address",
			private->family ? addr_print(private, text) : NULL);
	json_set_bool(j, "attached", vpc >= 0 && has_internet(m, vpc));
	return j;
}

struct json *nat_metrics_json(const struct hg_meter *meter, uint64_t active)
{
	const __u64 *packets = meter->packets, *bytes = meter->bytes;
	const __u64 *lost = meter->dropped, *lost_bytes = meter->dropped_bytes;
	const struct {
		const char *name;
		uint64_t value;
	} metrics[] = {
		{ "ActiveConnectionCount", active },
		{ "BytesInFromDestination", bytes[1] + lost_bytes[1] },
		{ "BytesInFromSource", bytes[0] + lost_bytes[0] },
		{ "BytesOutToDestination", bytes[0] },
		{ "BytesOutToSource", bytes[1] },
		{ "ConnectionAttemptCount", meter->attempts },
		{ "ConnectionEstablishedCount", meter->established },
		{ "ErrorPortAllocation", meter->port_errors },
		{ "IdleTimeoutCount", meter->idle_timeouts },
		{ "PacketsDropCount", lost[0] + lost[1] },
		{ "PacketsInFromDestination", packets[1] + lost[1] },
		{ "PacketsInFromSource", packets[0] + lost[0] },
		{ "PacketsOutToDestination", packets[0] },
		{ "PacketsOutToSource", packets[1] },
	};
	struct json *j = json_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		json_set_u64(j, metrics[i].name, metrics[i].value);
	return j;
}

static struct json *forwards_json(const struct nat_gateway *nat)
{
	struct json *list = json_new_array();
	char address[ADDR_TEXT], protocol[8], to[ADDR_TEXT + 8];

	for (size_t i = 0; i < nat->n_forwards; i++) {
		const struct nat_forward *f = &nat->forwards[i];
		struct json *j = json_add(list, json_new_object());

		snprintf(to, sizeof(to), "%s:%u", addr_print(&f->to, address),
			 f->to_port);
		json_set_string(j, "protocol", protocol_name(f->protocol, protocol));
		json_set_number(j, "port", f->port);
		json_set_string(j, "to", to);
	}
	return list;
}

static struct json *nat_json(const struct model *m, const struct nat_gateway *nat)
{
	struct json *j = json_new_object(), *list;
	char text[ADDR_TEXT];

	json_set_string(j, "name", nat->name);
	json_set_string(j, "vpc", m->vpcs[nat->vpc].name);
	json_set_string(j, "subnet", m->subnets[nat->subnet].name);
	json_set_string(j, "private_address", addr_print(&nat->private_address, text));
	list = json_set(j, "elastic_ips", json_new_array());
	for (size_t i = 0; i < nat->n_elastic_ips; i++)
		json_add(list, elastic_ip_json(m, &m->elastic_ips[nat->elastic_ips[i]]));
	json_set_string(j, "mode", nat->is_instance ? "instance" : "gateway");
	json_set_number(j, "idle_timeout", nat->idle_timeout);
	list = json_set(j, "security_groups", json_new_array());
	for (size_t i = 0; i < nat->n_groups; i++)
		json_add(list, json_new_string(m->groups[nat->groups[i]].name));
	json_set(j, "forwards", forwards_json(nat));
	return j;
}

/* The number of each NAT gateway, in the order of the model. Heap. */
static uint32_t *nat_numbers(struct agent *a)
{
	const struct model *m = a->model;
	struct image image = dataplane_image(a->dp);
	uint32_t *numbers = calloc(m->n_nat_gateways + 1, sizeof(*numbers));
	uint32_t n = image.lines ? image_header(&image)->nats.n : 0;

	for (uint32_t id = 1; numbers && id < n; id++) {
		const struct hg_nat *g =
			image_record(&image, image_header(&image)->nats, id, sizeof(*g));
		uint32_t i = g && g->object ? g->object - object_of_nat_gateway(m, 0)
					    : UINT32_MAX;

		if (i < m->n_nat_gateways)
			numbers[i] = id;
	}
	return numbers;
}

void verb_nat(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct agent *a = q->agent;
	_cleanup_free_ uint32_t *numbers = m ? nat_numbers(a) : NULL;
	struct json *list;

	if (!numbers)
		return;
	if (m->n_nat_gateways)
		agent_count(a);
	list = json_new_array();
	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		struct json *j = json_add(list, nat_json(m, &m->nat_gateways[i]));
		struct hg_meter meter;

		if (meter_read(a->dp, numbers[i], &meter) < 0) {
			json_free(list);
			return;
		}
		json_set(j, "metrics",
			 nat_metrics_json(&meter, a->census.active[numbers[i]]));
	}
	reply_json(reply, 200, list);
}
