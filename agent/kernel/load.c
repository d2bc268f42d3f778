/* SPDX-License-Identifier: Apache-2.0 */

/* The simplest thing would be to load once, pin all of it and never load again. But programs
 * change with every release and maps must not: a flow that was admitted last week is in
 * there.
 *
 * So a start takes the maps that are pinned with our layout, and puts programs over them:
 * the pinned ones when they are what it would load (object.c), else its own, which attach.c
 * puts where the older ones run. Growth is the same move within one life: a second object
 * is loaded over the same maps but for the one that became too small.
 *
 * The invariant is that the image in force lies at the same line of the old and of the new
 * hg_image, so that the one control word is right for programs over either, and death
 * between two replacements leaves both whole. The new map takes the old one's pin only
 * when no program looks at the old one any more. tests/e2e kills the agent there.
 *
 * A program goes on to others of its own load, never to another's: what one tells the next is
 * laid out as its build likes it. Those others hang on an array that is pinned before the
 * first of them is attached, and unpinned when the last of them is not (dataplane_settle()).
 */
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/plane.h"

#define IMAGE_LINES_FIRST 131072U /* 8 MiB: two images of some 15 VPCs each */
#define RULES_FIRST       16384U

static uint32_t round_up_pow2(uint32_t n)
{
	uint32_t p = 1;

	while (p < n && p < 1U << 31)
		p <<= 1;
	return p;
}

/* Larger maps leave an eighth or less unused, and are not made anew for every line more. */
static uint32_t round_up_image(uint32_t n)
{
	uint32_t step = round_up_pow2(n) / 16;

	if (step < IMAGE_LINES_FIRST)
		step = IMAGE_LINES_FIRST;
	return (n + step - 1) / step * step;
}

static void mapping_done(struct mapping *m)
{
	if (m->at)
		munmap(m->at, m->size);
	*m = (struct mapping){};
}

static int mapping_init(struct mapping *m, int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size;
	struct bpf_map_info info = {};
	uint32_t info_size = sizeof(info);
	void *at;

	if (bpf_obj_get_info_by_fd(fd, &info, &info_size) < 0)
		return -errno;
	size = (size_t)info.max_entries * ((info.value_size + 7U) & ~7U);
	size = (size + page - 1) / page * page;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*m = (struct mapping){ .at = at, .size = size };
	return 0;
}

static int plane_map(struct dataplane *dp)
{
	const struct {
		struct mapping *to;
		const char *name;
	} maps[] = {
		{ &dp->image, "hg_image" },   { &dp->control, "hg_control" },
		{ &dp->flows4, "hg_flows4" }, { &dp->flows6, "hg_flows6" },
		{ &dp->trace, "hg_trace" },   { &dp->hops, "hg_hops" },
		{ &dp->ports, "hg_ports" },   { &dp->limited, "hg_limited" },
		{ &dp->limits, "hg_limits" },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		if (maps[i].to->at)
			continue;
		r = mapping_init(maps[i].to, object_map(&dp->object, maps[i].name));
		if (r < 0) {
			error_set("cannot map %s into memory: %s", maps[i].name,
				  strerror(-r));
			return r;
		}
	}
	return 0;
}

static int meta_pin(const struct dataplane *dp, const struct meta *meta)
{
	int r;

	r = meta_write(dp->pin_dir, meta);
	if (r < 0)
		error_set("cannot pin hg_meta in %s: %s", dp->pin_dir, strerror(-r));
	return r;
}

static int plane_adopt(struct dataplane *dp)
{
	bool is_loaded = false;
	int r;

	r = meta_read(dp->pin_dir, &dp->meta);
	if (r == -ENOENT)
		return r;
	if (r == 0)
		r = dp->meta.abi == HG_ABI ? object_adopt(&dp->meta, dp->pin_dir,
							  &dp->object, &is_loaded)
					   : -ENOENT;
	if (r == -ENOENT || r == -EPROTO) {
		snprintf(dp->lost, sizeof(dp->lost),
			 "the pinned data plane has layout %u and ours is %u, or other "
			 "maps: its "
			 "connections and counters are lost",
			 r == -EPROTO ? 0 : dp->meta.abi, HG_ABI);
		return -ENOENT;
	}
	if (r < 0)
		return r;
	dp->is_adopted = true;
	if (!is_loaded)
		return 0;
	r = object_pin(&dp->object, dp->pin_dir);
	dp->meta.programs = object_hash();
	return r < 0 ? r : meta_pin(dp, &dp->meta);
}

/* hg_meta last, because it says that the others are there. */
static int plane_pin(struct dataplane *dp)
{
	int r;

	pin_remove_maps(dp->pin_dir);
	r = object_pin(&dp->object, dp->pin_dir);
	return r < 0 ? r : meta_pin(dp, &dp->meta);
}

static int plane_make(struct dataplane *dp, const struct dataplane_options *o)
{
	uint32_t max_flows = o->max_flows ? o->max_flows : HG_DEFAULT_FLOWS;
	struct sizes sizes = {
		.n_image_lines = o->n_image_lines ? o->n_image_lines : IMAGE_LINES_FIRST,
		.n_hits = 2 * (o->n_rules ? o->n_rules : RULES_FIRST),
	};
	int r;

	dp->meta = (struct meta){
		.abi = HG_ABI,
		.n_flow_sets = o->n_flow_sets ? round_up_pow2(o->n_flow_sets)
					      : hg_flow_sets(max_flows),
		.hz = clock_tick_hz(),
		.programs = object_hash(),
	};
	if (getrandom(dp->meta.seed, sizeof(dp->meta.seed), 0) != sizeof(dp->meta.seed))
		return -EIO;
	r = object_load(&dp->meta, &sizes, NULL, &dp->object);
	if (r < 0 || !dp->pin_dir)
		return r;
	return plane_pin(dp);
}

static void plane_sizes(struct dataplane *dp)
{
	dp->n_image_lines = object_map_entries(&dp->object, "hg_image");
	dp->hits_half = object_map_entries(&dp->object, "hg_hits") / 2;
}

static int plane_open(struct dataplane *dp, const struct dataplane_options *o)
{
	int r = -ENOENT;

	dp->n_cpus = libbpf_num_possible_cpus();
	if (dp->n_cpus < 0)
		return dp->n_cpus;
	if (o->pin_dir) {
		dp->pin_dir = strdup(o->pin_dir);
		if (!dp->pin_dir)
			return -ENOMEM;
		r = pin_dir_make(dp->pin_dir);
		if (r < 0)
			return r;
		dp->pin_dir_fd = pin_dir_lock(dp->pin_dir);
		if (dp->pin_dir_fd < 0)
			return dp->pin_dir_fd;
		r = plane_adopt(dp);
	}
	if (r == -ENOENT)
		r = plane_make(dp, o);
	if (r < 0)
		return r;
	plane_sizes(dp);
	r = plane_map(dp);
	if (r == 0)
		r = grace_init(dp);
	return r;
}

int dataplane_open(const struct dataplane_options *options, struct dataplane **ret)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));
	int r;

	if (!dp)
		return -ENOMEM;
	dp->pin_dir_fd = dp->grace_fd = dp->grace_inner_fd = -1;
	error_set("the data plane could not be opened");
	r = plane_open(dp, options);
	if (r < 0) {
		dataplane_free(dp);
		return r;
	}
	*ret = dp;
	return 0;
}

static void plane_unmap(struct dataplane *dp)
{
	mapping_done(&dp->image);
	mapping_done(&dp->control);
	mapping_done(&dp->flows4);
	mapping_done(&dp->flows6);
	mapping_done(&dp->trace);
	mapping_done(&dp->hops);
	mapping_done(&dp->ports);
	mapping_done(&dp->limited);
	mapping_done(&dp->limits);
}

void dataplane_settle(struct dataplane *dp)
{
	if (dp->pin_dir)
		pin_remove_left(dp);
}

void dataplane_free(struct dataplane *dp)
{
	if (!dp)
		return;
	plane_unmap(dp);
	cleanup_close(&dp->grace_fd);
	cleanup_close(&dp->grace_inner_fd);
	cleanup_close(&dp->pin_dir_fd);
	object_done(&dp->object);
	free(dp->pin_dir);
	free(dp);
}

bool dataplane_flows_fit(const struct dataplane *dp, uint32_t max_flows)
{
	return hg_flow_sets(max_flows) == dp->meta.n_flow_sets;
}

int dataplane_resize(struct dataplane *dp, uint32_t max_flows)
{
	struct sizes sizes = { .has_flows = true };
	struct meta meta = dp->meta;
	struct object next;
	int r;

	assert(dataplane_epoch(dp) == 0);
	meta.n_flow_sets = hg_flow_sets(max_flows);
	r = object_load(&meta, &sizes, &dp->object, &next);
	if (r < 0)
		return r;
	if (dp->pin_dir) {
		r = object_pin(&next, dp->pin_dir);
		if (r == 0)
			r = meta_pin(dp, &meta);
	}
	if (r < 0) {
		object_done(&next);
		return r;
	}
	mapping_done(&dp->flows4);
	mapping_done(&dp->flows6);
	object_done(&dp->object);
	dp->object = next;
	dp->meta = meta;
	return plane_map(dp);
}

/* What is in force, at the same line of the larger map. */
static int grow_image(struct dataplane *dp, const struct object *next)
{
	struct image image = dataplane_image(dp);
	struct mapping to = {};
	int r;

	if (object_map_entries(next, "hg_image") == dp->n_image_lines || !image.lines)
		return 0;
	r = mapping_init(&to, object_map(next, "hg_image"));
	if (r < 0)
		return r;
	memcpy((char *)to.at + ((char *)image.lines - (char *)dp->image.at), image.lines,
	       image.n_lines * HG_LINE);
	mapping_done(&to);
	return 0;
}

/* The hits of the epoch in force. */
static int grow_hits(struct dataplane *dp, const struct object *next)
{
	uint32_t half = object_map_entries(next, "hg_hits") / 2;
	uint32_t first = (dataplane_epoch(dp) & 1) * half;
	_cleanup_free_ uint64_t *hits = calloc(dp->hits_half, sizeof(*hits));
	_cleanup_free_ uint64_t *cpus = calloc((size_t)dp->n_cpus, sizeof(*cpus));
	int r;

	if (half == dp->hits_half)
		return 0;
	if (!hits || !cpus)
		return -ENOMEM;
	r = dataplane_hits_all(dp, hits, dp->hits_half);
	for (uint32_t i = 0; r == 0 && i < dp->hits_half; i++) {
		uint32_t key = first + i;

		if (!hits[i])
			continue;
		cpus[0] = hits[i];
		if (bpf_map_update_elem(object_map(next, "hg_hits"), &key, cpus,
					BPF_ANY) < 0)
			r = -errno;
	}
	return r;
}

/* Takes 'next'. On failure it is gone, and the older programs run everywhere. */
static int grow_replace(struct dataplane *dp, struct object *next)
{
	struct object before = dp->object;
	int r = 0;

	dp->object = *next;
	if (dp->pin_dir)
		r = object_pin_nexts(&dp->object, dp->pin_dir);
	if (r == 0 && dp->replace)
		r = dp->replace(dp->replace_arg);
	if (r < 0)
		error_set("cannot replace the attached programs by ones with larger "
			  "maps: %s",
			  strerror(-r));
	if (r == 0 && dp->pin_dir)
		r = object_pin(&dp->object, dp->pin_dir);
	if (r < 0) {
		dp->object = before;
		if (dp->replace)
			dp->replace(dp->replace_arg);
		if (dp->pin_dir)
			object_pin(&dp->object, dp->pin_dir);
		object_done(next);
		return r;
	}
	object_done(&before);
	mapping_done(&dp->image);
	plane_sizes(dp);
	return plane_map(dp);
}

int plane_grow(struct dataplane *dp, uint32_t n_image_lines, uint32_t n_rules)
{
	struct sizes sizes = {};
	struct object next;
	int r;

	if (n_image_lines > dp->n_image_lines)
		sizes.n_image_lines = round_up_image(n_image_lines);
	if (n_rules > dp->hits_half)
		sizes.n_hits = 2 * round_up_pow2(n_rules);
	if (!sizes.n_image_lines && !sizes.n_hits)
		return 0;
	r = object_load(&dp->meta, &sizes, &dp->object, &next);
	if (r < 0)
		return r;
	r = grow_image(dp, &next);
	if (r == 0)
		r = grow_hits(dp, &next);
	if (r < 0) {
		error_set("cannot fill larger maps: %s", strerror(-r));
		object_done(&next);
		return r;
	}
	return grow_replace(dp, &next);
}
