/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/entry.h"

#include <errno.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "compile/address.h"
#include "compile/device.h"

/* Devices that come into question: the first, and another one if there is. */
struct found {
	uint32_t device, other;
};

static void found_add(struct found *f, uint32_t device)
{
	if (!f->device)
		f->device = device;
	else if (device != f->device && !f->other)
		f->other = device;
}

/* The device on which the owner of 'a' in 'vpc' sits, 0 none. */
static uint32_t owner_device(const struct image *image, uint32_t vpc,
			     const struct addr *a)
{
	const struct hg_interface *i = image_interface(image, image_owner(image, vpc, a));

	return i ? i->device : 0;
}

/* The devices of 'role' whose interface owns 'a' in some VPC. */
static struct found owners_find(const struct image *image, const struct addr *a,
				uint32_t role)
{
	struct found f = { 0 };

	for (uint32_t vpc = 1; vpc < image_header(image)->vpcs.n; vpc++) {
		uint32_t device = owner_device(image, vpc, a);
		const struct hg_device *d = image_device(image, device);

		if (d && d->role == role)
			found_add(&f, device);
	}
	return f;
}

/* Where who has the address 'a' would be heard: its port, or the device of its subnet. */
static struct found senders_find(const struct image *image, const struct addr *a)
{
	const struct hg_header *h = image_header(image);
	struct found f = { 0 };

	for (uint32_t vpc = 1; vpc < h->vpcs.n; vpc++) {
		const struct hg_class *c = image_class(image, vpc, a);
		uint32_t device = owner_device(image, vpc, a);
		const struct hg_device *d = image_device(image, device);
		const struct hg_subnet *s =
			c ? image_record(image, h->subnets, c->subnet, sizeof(*s)) : NULL;

		if (d && d->role == HG_ROLE_PORT)
			found_add(&f, device);
		else if (!d && s && s->device)
			found_add(&f, s->device);
	}
	return f;
}

/* Uplinks at which 'a' is ours; one that is not its gateway's comes last. */
static struct found uplinks_find(const struct image *image, const struct addr *a)
{
	const struct hg_header *h = image_header(image);
	struct found own = { 0 }, any = { 0 };

	for (uint32_t id = 1; h->uplinks.n > 1 && id < h->devices.n; id++) {
		const struct hg_device *d = image_device(image, id);
		const struct hg_place *p =
			d && d->uplink ? image_place(image, d->uplink, a) : NULL;
		const struct hg_gateway *g;

		if (!p || p->kind == HG_PLACE_WORLD || p->kind == HG_PLACE_INSIDE)
			continue;
		g = image_record(image, h->gateways, p->gateway, sizeof(*g));
		if (g && g->device == id)
			found_add(&own, id);
		else if (!any.device)
			found_add(&any, id);
	}
	return own.device ? own : any;
}

static int entry_refuse(const struct question *q, const struct found *f,
			const struct image *image, const struct model *m,
			struct diag *diag)
{
	char from[ADDR_TEXT], to[ADDR_TEXT];

	addr_print(&q->from, from);
	addr_print(&q->to, to);
	if (f->other)
		diag_add(
			diag, DIAG_ERROR, "", 0, 0, "",
			"the packet from %s to %s could come in by %s or by %s; name the "
			"device",
			from, to, image_device_name(image, m, f->device),
			image_device_name(image, m, f->other));
	else
		diag_add(diag, DIAG_ERROR, "", 0, 0, "",
			 "neither %s nor %s is an address of an interface with a device, "
			 "or behind one, so this machine would not meet the packet; name "
			 "the device that it comes in by",
			 from, to);
	return -EINVAL;
}

int entry_find(const struct question *q, const struct image *image, const struct model *m,
	       struct diag *diag, struct entry *ret)
{
	struct found f, host;

	if (q->in) {
		f.device = image_device_find(image, m, q->in);
		if (!f.device) {
			diag_add(diag, DIAG_ERROR, "", 0, 0, "/in",
				 "no interface, subnet or gateway of the rule set has "
				 "the device %s",
				 q->in);
			return -EINVAL;
		}
		*ret = (struct entry){ f.device, HG_DOOR_IN };
		return 0;
	}
	ret->door = HG_DOOR_IN;
	f = senders_find(image, &q->from);
	host = owners_find(image, &q->from, HG_ROLE_HOST);
	/* What this host sends does not come in. */
	if (!f.device && !host.device)
		f = uplinks_find(image, &q->to);
	if (!f.device) {
		ret->door = HG_DOOR_OUT;
		f = owners_find(image, &q->to, HG_ROLE_PORT);
	}
	if (!f.device) {
		ret->door = HG_DOOR_IN;
		f = owners_find(image, &q->to, HG_ROLE_HOST);
	}
	if (!f.device) {
		ret->door = HG_DOOR_OUT;
		f = host;
	}
	if (!f.device || f.other)
		return entry_refuse(q, &f, image, m, diag);
	ret->device = f.device;
	return 0;
}
