/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "config/json.h"
#include "ctl/request.h"

const struct attached *device_find(const struct agent *a, const char *name)
{
	size_t n;
	const struct attached *list = attach_list(a->attach, &n);

	for (size_t i = 0; name && i < n; i++)
		if (strcmp(list[i].device, name) == 0)
			return &list[i];
	return NULL;
}

const char *device_trouble(const struct agent *a, const char *name,
			   char buf[static DEVICE_TROUBLE])
{
	const struct attached *d = device_find(a, name);

	if (d && d->state == ATTACH_ATTACHED)
		return NULL;
	snprintf(buf, DEVICE_TROUBLE, "device %.15s %s", name,
		 d && d->state == ATTACH_FAILED ? "has failed" : "is absent");
	return buf;
}

void device_state_json(const struct agent *a, const char *name, struct json *j)
{
	const struct attached *d = device_find(a, name);

	json_set_string(j, "device", name);
	json_set_string(j, "state", d ? attach_state_name(d->state) : NULL);
}

/* ---- neighbours: one look at the table for all devices ---- */

struct hop_count {
	uint32_t ifindex;
	uint32_t entries, resolved;
};

struct hop_counts {
	struct hop_count *items; /* by ifindex */
	size_t n;
};

static int hop_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct hop_count *)a)->ifindex,
		 y = ((const struct hop_count *)b)->ifindex;

	return x < y ? -1 : x > y;
}

static struct hop_count *hop_count_find(const struct hop_counts *c, uint32_t ifindex)
{
	struct hop_count key = { .ifindex = ifindex };

	return c->n ? bsearch(&key, c->items, c->n, sizeof(key), hop_compare) : NULL;
}

static int hop_counts_init(struct agent *a, struct hop_counts *ret)
{
	const struct hg_hop *hops = dataplane_hops(a->dp);
	struct hop_counts c = {};
	size_t n;
	const struct attached *list = attach_list(a->attach, &n);

	c.items = calloc(n + 1, sizeof(*c.items));
	if (!c.items)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (list[i].link.ifindex)
			c.items[c.n++].ifindex = list[i].link.ifindex;
	qsort(c.items, c.n, sizeof(*c.items), hop_compare);
	for (uint32_t i = 1; i < HG_HOPS; i++) {
		uint32_t ifindex = __atomic_load_n(&hops[i].ifindex, __ATOMIC_ACQUIRE);
		struct hop_count *count = ifindex ? hop_count_find(&c, ifindex) : NULL;

		if (!count || hops[i].flags & HG_HOP_PORT)
			continue;
		count->entries++;
		count->resolved += hops[i].mac.byte[6] == HG_HOP_RESOLVED;
	}
	*ret = c;
	return 0;
}

static void neighbours_json(struct json *j, const struct hop_counts *counts,
			    const struct attached *d, uint32_t role)
{
	const struct hop_count *count = hop_count_find(counts, d->link.ifindex);

	if (role != HG_ROLE_SUBNET && role != HG_ROLE_UPLINK) {
		json_set_null(j, "neighbours");
		return;
	}
	j = json_set(j, "neighbours", json_new_object());
	json_set_number(j, "entries", count ? count->entries : 0);
	json_set_number(j, "resolved", count ? count->resolved : 0);
}

/* ---- devices ---- */

static void mac_json(struct json *j, const char *key, const uint8_t mac[6])
{
	static const uint8_t none[6];
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
	json_set_string(j, key, memcmp(mac, none, sizeof(none)) == 0 ? NULL : text);
}

static void link_json(struct json *j, const struct attached *d,
		      const struct hg_device *live, const struct hg_hop *hops)
{
	static const uint8_t none[6];
	const struct hg_hop *hop = live && live->hop ? &hops[live->hop] : NULL;

	if (!d->link.ifindex) {
		json_set_null(j, "ifindex");
		json_set_null(j, "mac");
		json_set_null(j, "peer_mac");
		json_set_null(j, "mtu");
		json_set_bool(j, "peer_redirect", false);
		return;
	}
	json_set_number(j, "ifindex", d->link.ifindex);
	mac_json(j, "mac", d->link.mac);
	mac_json(j, "peer_mac", hop ? hop->mac.byte : none);
	json_set_number(j, "mtu", d->link.mtu);
	json_set_bool(j, "peer_redirect", hop && hop->flags & HG_HOP_PEER);
}

static void gateways_add(struct json *list, const char *kind,
			 const struct gateway *gateways, size_t n, const char *device)
{
	char text[HG_MAX_NAME + 32];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(gateways[i].device, device) != 0)
			continue;
		snprintf(text, sizeof(text), "%s/%s", kind, gateways[i].name);
		json_add(list, json_new_string(text));
	}
}

static const char *role_name(uint32_t role)
{
	static const char *const names[] = {
		[HG_ROLE_HOST] = "host",
		[HG_ROLE_PORT] = "port",
		[HG_ROLE_SUBNET] = "subnet",
		[HG_ROLE_UPLINK] = "uplink",
	};

	return role < ARRAY_SIZE(names) ? names[role] : NULL;
}

/* Whose device it is. */
static void owner_json(struct json *j, const struct model *m, const struct device *device)
{
	bool is_subnet = device->role == HG_ROLE_SUBNET,
	     is_uplink = device->role == HG_ROLE_UPLINK;
	struct json *gateways;

	json_set_string(j, "interface",
			is_subnet || is_uplink ? NULL
					       : m->interfaces[device->index].name);
	json_set_string(j, "subnet", is_subnet ? m->subnets[device->index].name : NULL);
	gateways = json_set(j, "gateways", json_new_array());
	if (!is_uplink)
		return;
	gateways_add(gateways, "internet_gateway", m->internet_gateways,
		     m->n_internet_gateways, device->name);
	gateways_add(gateways, "egress_only_gateway", m->egress_only_gateways,
		     m->n_egress_only_gateways, device->name);
}

static struct json *device_json(struct agent *a, const struct image *image,
				const struct attached *d, const struct device *device,
				const struct hop_counts *counts)
{
	bool is_attached = d->state == ATTACH_ATTACHED,
	     has_out = device->role == HG_ROLE_HOST || device->role == HG_ROLE_PORT;
	const struct hg_device *live = NULL;
	struct json *j = json_new_object();

	if (image->lines)
		live = image_record(image, image_header(image)->devices, d->id,
				    sizeof(*live));
	json_set_string(j, "device", d->device);
	owner_json(j, a->model, device);
	json_set_string(j, "role", role_name(device->role));
	json_set_string(j, "hook", hook_name(d->hook));
	json_set_string(j, "state", attach_state_name(d->state));
	json_set_string(j, "ingress", !is_attached ? NULL : d->is_xdp ? "xdp" : "tc");
	json_set_string(j, "egress", is_attached && has_out ? "tc" : NULL);
	json_set_string(j, "why", d->why);
	json_set_string(j, "error", d->error[0] ? d->error : NULL);
	link_json(j, d, live, dataplane_hops(a->dp));
	neighbours_json(j, counts, d, device->role);
	return j;
}

void verb_devices(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct image image = dataplane_image(q->agent->dp);
	struct hop_counts counts;
	struct devices devices;
	struct json *list;
	size_t n;
	const struct attached *attached = attach_list(q->agent->attach, &n);

	if (!m || devices_list(m, &devices) < 0)
		return;
	if (hop_counts_init(q->agent, &counts) < 0) {
		devices_done(&devices);
		return;
	}
	list = json_new_array();
	for (size_t i = 0; i < n; i++)
		if (attached[i].id && attached[i].id <= devices.n)
			json_add(list,
				 device_json(q->agent, &image, &attached[i],
					     &devices.list[attached[i].id - 1], &counts));
	free(counts.items);
	devices_done(&devices);
	reply_json(reply, 200, list);
}
