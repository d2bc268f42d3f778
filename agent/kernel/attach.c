/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/counters.h"
#include "kernel/door.h"
#include "kernel/plane.h"
#include "kernel/record.h"

struct devices {
	struct attached *items;
	size_t n;
};

struct attach {
	struct dataplane *dp;
	char *pin_dir;
	struct netlink *netlink;
	struct neighbours *neighbours;
	int records;
	struct devices now; /* of the image in force */
	bool is_slot_used[HG_SLOTS];
	struct devices next; /* between attach_begin() and attach_finish() */
};

const char *attach_state_name(enum attach_state state)
{
	static const char *const names[] = {
		[ATTACH_ABSENT] = "absent",
		[ATTACH_ATTACHED] = "attached",
		[ATTACH_FAILED] = "failed",
	};

	return names[state];
}

static struct attached *device_find(const struct devices *devices, const char *name)
{
	for (size_t i = 0; i < devices->n; i++)
		if (strcmp(devices->items[i].device, name) == 0)
			return &devices->items[i];
	return NULL;
}

/* ---- slots ---- */

/* A record of a device that is neither attached nor named any more. */
static int idle_find(struct attach *a, struct record_named *ret)
{
	_cleanup_free_ struct record_named *list = NULL;
	size_t n;
	int r;

	r = records_list(a->records, &list, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (!list[i].record.doors && !device_find(&a->now, list[i].device) &&
		    !device_find(&a->next, list[i].device)) {
			*ret = list[i];
			return 0;
		}
	return -ENOSPC;
}

/* A free slot, or one that nobody needs any more; what it has counted so far becomes the
 * base that the newcomer does not answer for. */
static int slot_take(struct attach *a, struct record *ret)
{
	struct record_named idle;
	uint32_t slot = 1;
	int r;

	while (slot < HG_SLOTS && a->is_slot_used[slot])
		slot++;
	if (slot == HG_SLOTS) {
		r = idle_find(a, &idle);
		if (r < 0)
			return r;
		slot = idle.record.slot;
		record_remove(a->records, idle.device);
	}
	*ret = (struct record){ .slot = slot };
	r = dataplane_counters(a->dp, slot, &ret->base);
	a->is_slot_used[slot] = r == 0;
	return r;
}

static int slots_read(struct attach *a)
{
	_cleanup_free_ struct record_named *list = NULL;
	size_t n;
	int r;

	r = records_list(a->records, &list, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (list[i].record.slot < HG_SLOTS)
			a->is_slot_used[list[i].record.slot] = true;
	return r;
}

static int record_need(struct attach *a, struct attached *d, struct record *ret)
{
	int r;

	r = record_get(a->records, d->device, ret);
	if (r == -ENOENT) {
		r = slot_take(a, ret);
		if (r == 0)
			r = record_put(a->records, d->device, ret);
	}
	if (r < 0) {
		error_set("cannot keep a record of it: %s", strerror(-r));
		return r;
	}
	d->slot = ret->slot;
	return 0;
}

/* ---- one device ---- */

static void device_fail(struct attached *d)
{
	d->state = ATTACH_FAILED;
	snprintf(d->error, sizeof(d->error), "%s", dataplane_error());
}

static int door_open_tc(struct attach *a, const struct attached *d, uint32_t door,
			struct record *record)
{
	bool is_egress = door == RECORD_OUT, is_made = false;
	int r;

	r = door_tc_attach(d->link.ifindex, is_egress,
			   dataplane_fd(a->dp, is_egress ? PROGRAM_OUT : PROGRAM_IN),
			   &is_made);
	if (is_made)
		record->doors |= RECORD_CLSACT;
	return r;
}

/* Doors that are not there yet. The record is written first, so that whoever finds it after
 * a crash knows where to look. Behind XDP the TC door comes first: what XDP leaves to it
 * must not pass unjudged. */
static int device_open(struct attach *a, struct attached *d, struct record *record)
{
	struct hook_choice choice = hook_choose(d->hook, &d->link);
	uint32_t doors = hook_doors(d->role, d->is_routed, choice.is_xdp);
	int r;

	d->why = choice.why;
	if (!choice.is_possible) {
		error_set("%s", choice.why);
		return -EOPNOTSUPP;
	}
	record->ifindex = d->link.ifindex;
	record->doors |= doors;
	r = record_put(a->records, d->device, record);
	if (r == 0 && doors & RECORD_IN)
		r = door_open_tc(a, d, RECORD_IN, record);
	if (r < 0)
		return r;
	d->is_xdp = choice.is_xdp;
	if (choice.is_xdp) {
		r = door_xdp_attach(a->pin_dir, d->link.ifindex,
				    dataplane_fd(a->dp, PROGRAM_XDP));
		if (r < 0 && !choice.may_fall_back)
			return r;
		if (r < 0) {
			d->is_xdp = false;
			d->why = "its driver takes no native XDP program";
			record->doors = (record->doors & ~RECORD_XDP) | RECORD_IN;
			r = doors & RECORD_IN ? 0 : door_open_tc(a, d, RECORD_IN, record);
		}
	}
	if (r == 0 && doors & RECORD_OUT)
		r = door_open_tc(a, d, RECORD_OUT, record);
	if (r == 0)
		r = record_put(a->records, d->device, record);
	return r;
}

/* Lets go of a device that still exists, or forgets one that does not. */
static void doors_close(struct netlink *netlink, const char *pin_dir, int records,
			const char *device, struct record *record)
{
	uint32_t doors = record->doors;

	if (record->ifindex) {
		if (!(doors & RECORD_OUT))
			neighbours_forget(netlink, record->ifindex);
		door_xdp_detach(pin_dir, record->ifindex);
		if (doors & RECORD_IN)
			door_tc_detach(record->ifindex, false);
		if (doors & RECORD_OUT)
			door_tc_detach(record->ifindex, true);
		if (doors & RECORD_CLSACT &&
		    netlink_filters(netlink, record->ifindex, false) == 0 &&
		    netlink_filters(netlink, record->ifindex, true) == 0)
			door_tc_clear(record->ifindex);
	}
	record->ifindex = 0;
	record->doors = 0;
	record_put(records, device, record);
}

static void device_close(struct attach *a, const char *device)
{
	struct record record;

	if (record_get(a->records, device, &record) == 0 && record.doors)
		doors_close(a->netlink, a->pin_dir, a->records, device, &record);
}

/* Whether 'record' already has the doors that 'd' wants, on the same device. */
static bool record_serves(const struct record *record, const struct attached *d,
			  const char *pin_dir)
{
	struct hook_choice choice = hook_choose(d->hook, &d->link);
	bool is_xdp = choice.is_xdp && record->doors & RECORD_XDP &&
		      door_xdp_exists(pin_dir, record->ifindex);

	if (record->ifindex != d->link.ifindex ||
	    (choice.is_xdp && !is_xdp && !choice.may_fall_back))
		return false;
	return !(hook_doors(d->role, d->is_routed, is_xdp) & ~record->doors);
}

/* ---- begin, live, undo, finish ---- */

static void devices_done(struct devices *devices)
{
	free(devices->items);
	*devices = (struct devices){};
}

static int device_begin(struct attach *a, struct attached *d)
{
	const struct link *link = netlink_link(a->netlink, d->device);
	struct record record;
	int r;

	if (!link)
		return 0;
	d->link = *link;
	r = record_need(a, d, &record);
	if (r < 0)
		return r;
	if (record.ifindex && record.ifindex != link->ifindex)
		doors_close(a->netlink, a->pin_dir, a->records, d->device, &record);
	d->doors_before = record.doors;
	if (record_serves(&record, d, a->pin_dir)) {
		struct hook_choice choice = hook_choose(d->hook, link);

		d->is_xdp = choice.is_xdp && record.doors & RECORD_XDP;
		d->why = choice.is_xdp && !d->is_xdp
				 ? "its driver takes no native XDP program"
				 : choice.why;
	} else {
		r = device_open(a, d, &record);
		if (r < 0)
			return r;
	}
	d->state = ATTACH_ATTACHED;
	return 0;
}

int attach_begin(struct attach *a, const struct attach_want *wants, size_t n,
		 bool is_lenient)
{
	int r = 0;

	devices_done(&a->next);
	a->next.items = calloc(n + 1, sizeof(*a->next.items));
	if (!a->next.items)
		return -ENOMEM;
	a->next.n = n;
	for (size_t i = 0; i < n; i++) {
		struct attached *d = &a->next.items[i];

		*d = (struct attached){ .id = wants[i].id,
					.hook = wants[i].hook,
					.role = wants[i].role,
					.is_routed = wants[i].is_routed };
		snprintf(d->device, sizeof(d->device), "%s", wants[i].device);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		struct attached *d = &a->next.items[i];

		r = device_begin(a, d);
		if (r < 0 && is_lenient) {
			device_fail(d);
			r = 0;
		} else if (r < 0) {
			char why[512];

			snprintf(why, sizeof(why), "%s", dataplane_error());
			error_set("device %s: %s", d->device, why);
		}
	}
	return r;
}

static struct live live_of(const struct attach *a, const struct attached *d)
{
	uint32_t doors = hook_doors(d->role, d->is_routed, d->is_xdp);
	struct live live = {
		.device = d->id,
		.ifindex = d->link.ifindex,
		.slot = d->slot,
		.flags = !d->is_xdp          ? 0U
			 : doors & RECORD_IN ? HG_DEVICE_XDP | HG_DEVICE_PUNT
					     : HG_DEVICE_XDP,
		.mtu = d->link.mtu,
	};

	memcpy(live.mac, d->link.mac, sizeof(live.mac));
	if (d->role == HG_ROLE_PORT)
		live.hop = neighbours_port(a->neighbours, &d->link);
	return live;
}

static void next_hops_live(const struct attach *a, const struct attached *d,
			   struct image *staged)
{
	for (unsigned family = HG_FAMILY_4; family <= HG_FAMILY_6; family += 2) {
		struct addr next_hop =
			netlink_next_hop(a->netlink, d->link.ifindex, (uint8_t)family);

		live_next_hop(staged, d->id, family, &next_hop);
	}
}

int attach_live(struct attach *a, struct image *staged)
{
	for (size_t i = 0; i < a->next.n; i++) {
		const struct attached *d = &a->next.items[i];
		struct live live = live_of(a, d);
		int r;

		if (d->state != ATTACH_ATTACHED)
			continue;
		r = live_set(staged, &live);
		if (r < 0) {
			error_set("device %s: no room in the port table (index %u)",
				  d->device, live.ifindex);
			return r;
		}
		if (d->role == HG_ROLE_UPLINK || d->role == HG_ROLE_HOST)
			next_hops_live(a, d, staged);
	}
	return 0;
}

/* Only doors that attach_begin() opened: an adopted device keeps what it had. */
void attach_undo(struct attach *a)
{
	for (size_t i = 0; i < a->next.n; i++) {
		struct attached *d = &a->next.items[i];
		struct record record;
		uint32_t fresh;

		if (!d->link.ifindex || record_get(a->records, d->device, &record) < 0)
			continue;
		fresh = record.doors & ~d->doors_before;
		if (!d->doors_before) {
			doors_close(a->netlink, a->pin_dir, a->records, d->device,
				    &record);
			continue;
		}
		if (fresh & RECORD_XDP)
			door_xdp_detach(a->pin_dir, d->link.ifindex);
		if (fresh & RECORD_IN)
			door_tc_detach(d->link.ifindex, false);
		if (fresh & RECORD_OUT)
			door_tc_detach(d->link.ifindex, true);
		record.doors = d->doors_before;
		record_put(a->records, d->device, &record);
	}
	devices_done(&a->next);
}

/* Our programs, whatever was there, and nothing besides. */
static int device_renew(struct attach *a, struct attached *d)
{
	struct record record;
	uint32_t extra;
	int r;

	r = record_need(a, d, &record);
	if (r < 0)
		return r;
	r = device_open(a, d, &record);
	if (r < 0)
		return r;
	extra = record.doors &
		~(hook_doors(d->role, d->is_routed, d->is_xdp) | RECORD_CLSACT);
	if (extra & RECORD_XDP)
		door_xdp_detach(a->pin_dir, d->link.ifindex);
	if (extra & RECORD_IN)
		door_tc_detach(d->link.ifindex, false);
	if (extra & RECORD_OUT)
		door_tc_detach(d->link.ifindex, true);
	record.doors &= ~extra;
	return record_put(a->records, d->device, &record);
}

void attach_finish(struct attach *a)
{
	_cleanup_free_ struct record_named *list = NULL;
	size_t n = 0, n_failed = 0;

	devices_done(&a->now);
	a->now = a->next;
	a->next = (struct devices){};
	for (size_t i = 0; i < a->now.n; i++) {
		struct attached *d = &a->now.items[i];

		if (d->state == ATTACH_ATTACHED && device_renew(a, d) < 0) {
			device_fail(d);
			log_error("device %s: %s; an earlier program stays", d->device,
				  d->error);
		}
		n_failed += d->state == ATTACH_FAILED;
	}
	if (records_list(a->records, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (list[i].record.doors && !device_find(&a->now, list[i].device)) {
			log_info("device %s: no rule set names it, letting go",
				 list[i].device);
			doors_close(a->netlink, a->pin_dir, a->records, list[i].device,
				    &list[i].record);
		}
	if (!n_failed)
		dataplane_settle(a->dp);
}

static int attach_replace(void *arg)
{
	struct attach *a = arg;
	int r = 0;

	for (size_t i = 0; i < a->now.n && r == 0; i++)
		if (a->now.items[i].state == ATTACH_ATTACHED)
			r = device_renew(a, &a->now.items[i]);
	return r;
}

/* ---- devices come and go ---- */

static void device_vanish(struct attach *a, struct attached *d, struct image *image)
{
	/* Renamed, it still exists; let go of it before its port entry goes. */
	device_close(a, d->device);
	if (image->lines)
		live_clear(image, d->link.ifindex);
	d->link = (struct link){};
	d->state = ATTACH_ABSENT;
	d->error[0] = '\0';
	d->why = NULL;
}

/* The image first: a program must not meet a device that it does not know. */
static void device_appear(struct attach *a, struct attached *d, const struct link *link,
			  struct image *image)
{
	struct record record;
	struct live live;
	int r;

	d->link = *link;
	d->is_xdp = hook_choose(d->hook, link).is_xdp;
	r = record_need(a, d, &record);
	live = live_of(a, d);
	if (r == 0) {
		r = live_set(image, &live);
		if (r < 0)
			error_set("no room in the port table");
	}
	if (r == 0) {
		r = device_open(a, d, &record);
		if (r < 0) {
			device_close(a, d->device);
			live_clear(image, link->ifindex);
		}
	}
	if (r < 0) {
		device_fail(d);
		return;
	}
	live = live_of(a, d);
	live_set(image, &live);
	d->state = ATTACH_ATTACHED;
	d->error[0] = '\0';
}

void attach_follow(struct attach *a, attach_changed_fn *changed, void *arg)
{
	struct image image = dataplane_image(a->dp);

	for (size_t i = 0; i < a->now.n; i++) {
		struct attached *d = &a->now.items[i];
		const struct link *link = netlink_link(a->netlink, d->device);
		enum attach_state before = d->state;
		uint32_t ifindex = d->link.ifindex;

		if (ifindex && (!link || link->ifindex != ifindex))
			device_vanish(a, d, &image);
		if (link && !d->link.ifindex && image.lines)
			device_appear(a, d, link, &image);
		else if (link && d->state == ATTACH_ATTACHED &&
			 memcmp(link, &d->link, sizeof(*link)) != 0) {
			struct live live;

			d->link = *link;
			live = live_of(a, d);
			live_set(&image, &live);
		}
		if (d->state != before || d->link.ifindex != ifindex)
			changed(arg, d);
	}
}

/* ---- the rest ---- */

int attach_new(struct dataplane *dp, const char *pin_dir, struct netlink *netlink,
	       struct neighbours *neighbours, struct attach **ret)
{
	struct attach *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->dp = dp;
	a->netlink = netlink;
	a->neighbours = neighbours;
	a->records = -1;
	a->pin_dir = strdup(pin_dir);
	r = a->pin_dir ? records_open(pin_dir, true) : -ENOMEM;
	if (r >= 0) {
		a->records = r;
		r = slots_read(a);
	}
	if (r < 0) {
		error_set("cannot keep hg_devices in %s: %s", pin_dir, strerror(-r));
		attach_free(a);
		return r;
	}
	dataplane_on_replace(dp, attach_replace, a);
	*ret = a;
	return 0;
}

void attach_free(struct attach *a)
{
	if (!a)
		return;
	dataplane_on_replace(a->dp, NULL, NULL);
	devices_done(&a->now);
	devices_done(&a->next);
	cleanup_close(&a->records);
	free(a->pin_dir);
	free(a);
}

const struct attached *attach_list(const struct attach *a, size_t *ret_n)
{
	*ret_n = a->now.n;
	return a->now.items;
}

int attach_counters(struct attach *a, struct device_counters **ret, size_t *ret_n,
		    struct hg_counters *ret_total)
{
	return counters_read(a->dp, a->records, ret, ret_n, ret_total);
}

int attach_detach_all(const char *pin_dir, struct netlink *netlink)
{
	_cleanup_free_ struct record_named *list = NULL;
	_cleanup_close_ int fd = -1;
	size_t n = 0;
	int r = 0;

	fd = records_open(pin_dir, false);
	if (fd >= 0)
		r = records_list(fd, &list, &n);
	for (size_t i = 0; i < n; i++)
		if (list[i].record.doors)
			doors_close(netlink, pin_dir, fd, list[i].device,
				    &list[i].record);
	pins_remove(pin_dir);
	return fd < 0 && fd != -ENOENT ? fd : r;
}
