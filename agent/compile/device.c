/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/device.h"

#include <errno.h>
#include <hg/image.h>
#include <stdlib.h>
#include <string.h>

static int device_compare(const void *va, const void *vb)
{
	const struct device *a = va, *b = vb;

	return strcmp(a->name, b->name);
}

static void gateways_add(struct devices *d, const struct gateway *gateways, size_t n)
{
	for (size_t i = 0; i < n; i++)
		d->list[d->n++] = (struct device){ gateways[i].device, gateways[i].hook,
						   HG_ROLE_UPLINK, 0 };
}

static void uplinks_add(struct devices *d, const struct model *m)
{
	size_t first = d->n, end = first;

	gateways_add(d, m->internet_gateways, m->n_internet_gateways);
	gateways_add(d, m->egress_only_gateways, m->n_egress_only_gateways);
	if (d->n == first)
		return;
	qsort(d->list + first, d->n - first, sizeof(*d->list), device_compare);
	for (size_t i = first; i < d->n; i++) {
		if (end > first && strcmp(d->list[end - 1].name, d->list[i].name) == 0)
			continue;
		d->list[end] = d->list[i];
		d->list[end].index = end - first;
		end++;
	}
	d->n = end;
	d->n_uplinks = end - first;
}

int devices_list(const struct model *m, struct devices *ret)
{
	size_t room = m->n_interfaces + m->n_subnets + m->n_internet_gateways +
		      m->n_egress_only_gateways;
	struct devices d = { .list = calloc(room + 1, sizeof(*d.list)) };

	if (!d.list)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *f = &m->interfaces[i];

		if (f->device)
			d.list[d.n++] = (struct device){ f->device, f->hook,
							 f->is_local ? HG_ROLE_HOST
								     : HG_ROLE_PORT,
							 i };
	}
	for (size_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];

		if (s->device)
			d.list[d.n++] =
				(struct device){ s->device, s->hook, HG_ROLE_SUBNET, i };
	}
	uplinks_add(&d, m);
	*ret = d;
	return 0;
}

void devices_done(struct devices *d)
{
	free(d->list);
	*d = (struct devices){ 0 };
}

uint32_t devices_find(const struct devices *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->list[i].name, name) == 0)
			return (uint32_t)i + 1;
	return 0;
}

const char *devices_name(const struct devices *d, uint32_t device)
{
	return device && device <= d->n ? d->list[device - 1].name : NULL;
}

#define FIND(list, n, name) model_find((list), (n), sizeof(*(list)), (name))

const char *image_device_name(const struct image *image, const struct model *m,
			      uint32_t device)
{
	const struct hg_device *d =
		image_record(image, image_header(image)->devices, device, sizeof(*d));
	const char *name = d ? image_object_name(image, d->object) : "";
	const struct interface *interface;
	const struct subnet *subnet;
	const struct gateway *gateway;

	switch (d ? image_object_kind(image, d->object) : HG_OBJECT_NONE) {
	case HG_OBJECT_INTERFACE:
		interface = FIND(m->interfaces, m->n_interfaces, name);
		return interface ? interface->device : NULL;
	case HG_OBJECT_SUBNET:
		subnet = FIND(m->subnets, m->n_subnets, name);
		return subnet ? subnet->device : NULL;
	case HG_OBJECT_INTERNET_GATEWAY:
		gateway = FIND(m->internet_gateways, m->n_internet_gateways, name);
		return gateway ? gateway->device : NULL;
	case HG_OBJECT_EGRESS_ONLY_GATEWAY:
		gateway = FIND(m->egress_only_gateways, m->n_egress_only_gateways, name);
		return gateway ? gateway->device : NULL;
	default:
		return NULL;
	}
}

uint32_t image_device_find(const struct image *image, const struct model *m,
			   const char *name)
{
	for (uint32_t id = 1; id < image_header(image)->devices.n; id++) {
		const char *device = image_device_name(image, m, id);

		if (device && strcmp(device, name) == 0)
			return id;
	}
	return 0;
}
