/* SPDX-License-Identifier: Apache-2.0 */

/* The simplest thing would be to write the new tables where the old ones are. A packet that
 * is under way would then see a row of the old rules and a column of the new.
 *
 * hg_image has room for two images. The new one is copied into lines that no packet reads,
 * and the control word, base line and epoch in 8 bytes, is stored once. A packet reads that
 * word once. The lines of the old image are free again when every packet that could have
 * read the old word has gone: updating a slot of a map of maps makes the kernel wait for
 * that (5 to 32 ms), and dataplane_commit() returns after it. Therefore the next stage
 * always finds all lines but those of the image in force free.
 *
 * Hits are counted in two halves by the lowest bit of the epoch. The half to come is
 * filled beforehand with the counts of the rules that stay, so that a restart loses none;
 * judgements between that and the store, at most some milliseconds, are not carried over.
 *
 * tests/unit/kernel/sync.c holds the choice of lines to this.
 */
#include "kernel/sync.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "kernel/meter.h"
#include "kernel/plane.h"
#include "kernel/room.h"

int grace_init(struct dataplane *dp)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	dp->grace_inner_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "hg_grace_in", 4, 4, 1, NULL);
	if (dp->grace_inner_fd < 0)
		return -errno;
	opts.inner_map_fd = (uint32_t)dp->grace_inner_fd;
	dp->grace_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "hg_grace", 4, 4, 1, &opts);
	if (dp->grace_fd < 0)
		return -errno;
	return 0;
}

void grace_wait(struct dataplane *dp)
{
	uint32_t key = 0;
	int r;

	r = bpf_map_update_elem(dp->grace_fd, &key, &dp->grace_inner_fd, BPF_ANY);
	assert(r == 0);
}

/* ---- live words ---- */

/* The entry of 'ifindex'; with 'want_free', else a free one of its set. */
static struct hg_port *port_find(const struct image *image, uint32_t ifindex,
				 bool want_free)
{
	const struct hg_header *h = image_header(image);
	struct hg_port *set, *free_entry = NULL;

	if (h->ports.n == 0)
		return NULL;
	set = (struct hg_port *)&image
		      ->lines[h->ports.line + (ifindex & (h->ports.n - 1))];
	for (size_t i = 0; i < HG_LINE / sizeof(*set); i++) {
		if (set[i].ifindex == ifindex)
			return &set[i];
		if (!set[i].ifindex && !free_entry)
			free_entry = &set[i];
	}
	return want_free ? free_entry : NULL;
}

static struct hg_device *device_find(const struct image *image, uint32_t id)
{
	return (struct hg_device *)image_record(image, image_header(image)->devices, id,
						sizeof(struct hg_device));
}

int live_set(struct image *image, const struct live *live)
{
	struct hg_device *d = device_find(image, live->device);
	struct hg_port *p = port_find(image, live->ifindex, true);

	if (!d)
		return -ENOENT;
	if (!p)
		return -ENOSPC;
	memcpy(d->mac, live->mac, sizeof(d->mac));
	d->hop = live->hop;
	d->mtu = live->mtu;
	d->flags = live->flags;
	__atomic_store_n(&d->ifindex, live->ifindex, __ATOMIC_RELEASE);
	p->device = live->device;
	p->slot = live->slot;
	__atomic_store_n(&p->ifindex, live->ifindex, __ATOMIC_RELEASE);
	return 0;
}

void live_clear(struct image *image, uint32_t ifindex)
{
	struct hg_port *p = port_find(image, ifindex, false);
	struct hg_device *d;

	if (!p)
		return;
	d = device_find(image, p->device);
	__atomic_store_n(&p->ifindex, 0, __ATOMIC_RELEASE);
	if (d && d->ifindex == ifindex)
		__atomic_store_n(&d->ifindex, 0, __ATOMIC_RELEASE);
}

void live_next_hop(struct image *image, uint32_t device, unsigned family,
		   const struct addr *next_hop)
{
	struct hg_table gateways = image_header(image)->gateways;
	struct hg_addr to = {};

	if (next_hop->family)
		memcpy(&to, next_hop->bytes, sizeof(to));
	for (uint32_t id = 1; id < gateways.n; id++) {
		struct hg_gateway *g = (struct hg_gateway *)image_record(
			image, gateways, id, sizeof(struct hg_gateway));

		if (!g || g->device != device)
			continue;
		if (family == HG_FAMILY_4 && g->flags & HG_GATEWAY_KERNEL4)
			g->next_hop4 = to.w[0];
		if (family == HG_FAMILY_6 && g->flags & HG_GATEWAY_KERNEL6)
			g->next_hop6 = to;
	}
}

/* ---- hits ---- */

/* A rule is the same one when object, direction and number are; and an implicit object, when
 * it is of the same VPC. */
static uint64_t rule_hash(const struct image *image, const struct hg_rule *rule)
{
	const struct hg_object *object =
		image_record(image, image_header(image)->objects, rule->object,
			     sizeof(struct hg_object));
	const char *owner = object ? image_object_name(image, object->owner) : "";
	const char *name = image_object_name(image, rule->object);
	uint32_t key[] = { image_object_kind(image, rule->object), rule->direction,
			   rule->number };
	uint64_t h = hash64(1, key, sizeof(key));

	h = hash64(h, owner, strlen(owner) + 1);
	return hash64(h, name, strlen(name)) | 1;
}

struct carry {
	uint64_t hash; /* 0: free */
	uint64_t hits;
};

static int hits_carry(const struct image *old, const struct image *image, uint64_t *hits,
		      uint32_t n_old, uint64_t *ret, uint32_t n)
{
	_cleanup_free_ struct carry *table = NULL;
	size_t mask = 1;

	while (mask < 2 * (size_t)n_old)
		mask <<= 1;
	table = calloc(mask--, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (uint32_t id = 1; id < n_old; id++) {
		const struct hg_rule *rule = image_rule(old, id);
		uint64_t h;

		if (!hits[id] || !rule)
			continue;
		h = rule_hash(old, rule);
		for (size_t i = h & mask;; i = (i + 1) & mask)
			if (!table[i].hash || table[i].hash == h) {
				table[i].hash = h;
				table[i].hits += hits[id];
				break;
			}
	}
	for (uint32_t id = 1; id < n; id++) {
		const struct hg_rule *rule = image_rule(image, id);
		uint64_t h = rule ? rule_hash(image, rule) : 0;

		ret[id] = 0;
		for (size_t i = h & mask; h && table[i].hash; i = (i + 1) & mask)
			if (table[i].hash == h) {
				ret[id] = table[i].hits;
				break;
			}
	}
	return 0;
}

static int hits_write(struct dataplane *dp, uint32_t first, const uint64_t *hits,
		      uint32_t n)
{
	enum { CHUNK = 1024 };
	int fd = dataplane_map_fd(dp, "hg_hits");
	size_t n_cpus = (size_t)dp->n_cpus;
	_cleanup_free_ uint64_t *values = calloc(CHUNK * n_cpus, sizeof(*values));
	_cleanup_free_ uint32_t *keys = calloc(CHUNK, sizeof(*keys));
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	if (!values || !keys)
		return -ENOMEM;
	for (uint32_t at = 0; at < n; at += CHUNK) {
		uint32_t count = n - at < CHUNK ? n - at : CHUNK;

		for (uint32_t i = 0; i < count; i++) {
			keys[i] = first + at + i;
			values[i * n_cpus] = hits[at + i];
		}
		if (bpf_map_update_batch(fd, keys, values, &count, &opts) < 0)
			return -errno;
	}
	return 0;
}

/* Fills the half of the epoch to come. */
static int hits_stage(struct dataplane *dp, const struct image *image)
{
	struct image old = dataplane_image(dp);
	uint32_t n = image_header(image)->n_rules, n_old = 0;
	uint32_t first = ((dataplane_epoch(dp) + 1) & 1) * dp->hits_half;
	_cleanup_free_ uint64_t *after = calloc(n + 1, sizeof(*after));
	_cleanup_free_ uint64_t *before = NULL;
	int r;

	if (!after)
		return -ENOMEM;
	if (old.lines) {
		n_old = image_header(&old)->n_rules;
		before = calloc(n_old + 1, sizeof(*before));
		if (!before)
			return -ENOMEM;
		r = dataplane_hits_all(dp, before, n_old);
		if (r == 0)
			r = hits_carry(&old, image, before, n_old, after, n);
		if (r < 0)
			return r;
	}
	return hits_write(dp, first, after, n);
}

/* ---- stage and commit ---- */

static int stage_make_room(struct dataplane *dp, const struct image *image,
			   uint32_t *ret_base)
{
	struct image old = dataplane_image(dp);
	uint32_t n = (uint32_t)image->n_lines, n_old = (uint32_t)old.n_lines;
	uint32_t base =
		old.lines ? (uint32_t)(old.lines - (struct hg_line *)dp->image.at) : 0;
	uint32_t n_rules = image_header(image)->n_rules;
	uint64_t needed = 0;
	int r;

	if (!room_find(dp->n_image_lines, base, n_old, n, ret_base))
		needed = room_needed(base, n_old, n);
	if (needed > HG_MAX_IMAGE_LINES) {
		error_set("the compiled rule set has %u lines of 64 bytes; there is no "
			  "room for "
			  "it beside the one in force",
			  n);
		return -ENOMEM;
	}
	r = plane_grow(dp, (uint32_t)needed, n_rules);
	if (r < 0)
		return r;
	return room_find(dp->n_image_lines, base, n_old, n, ret_base) ? 0 : -ENOMEM;
}

int dataplane_stage(struct dataplane *dp, const struct image *image,
		    struct image *ret_staged)
{
	struct image staged = { .n_lines = image->n_lines };
	uint32_t base;
	int r;

	dp->is_staged = false;
	error_set("the image could not be staged");
	r = image_check(image);
	if (r < 0) {
		error_set("the compiler made an image that is not sound; this is a bug");
		return r;
	}
	r = stage_make_room(dp, image, &base);
	if (r < 0)
		return r;
	staged.lines = (struct hg_line *)dp->image.at + base;
	memcpy(staged.lines, image->lines, image->n_lines * HG_LINE);
	r = hits_stage(dp, image);
	if (r < 0) {
		error_set("cannot prepare hit counters: %s", strerror(-r));
		return r;
	}
	r = meters_stage(dp, image);
	if (r < 0) {
		error_set("cannot prepare the counters of NAT gateways and balancers: %s",
			  strerror(-r));
		return r;
	}
	dp->staged_base = base;
	dp->staged_lines = (uint32_t)image->n_lines;
	dp->is_staged = true;
	*ret_staged = staged;
	return 0;
}

void dataplane_commit(struct dataplane *dp)
{
	struct hg_control *control = dp->control.at;
	uint32_t epoch = dataplane_epoch(dp) + 1;

	assert(dp->is_staged);
	dp->is_staged = false;
	/* 0 is no image; 2 keeps the parity that hits_stage() counted on. */
	if (epoch == 0)
		epoch = 2;
	__atomic_store_n(&control->word, dp->staged_base | (uint64_t)epoch << 32,
			 __ATOMIC_RELEASE);
	grace_wait(dp);
}

int dataplane_switch(struct dataplane *dp, const struct image *image)
{
	struct image staged;
	int r;

	r = dataplane_stage(dp, image, &staged);
	if (r == 0)
		dataplane_commit(dp);
	return r;
}
