/* SPDX-License-Identifier: Apache-2.0 */

/* The simplest thing would be to load once and pin programs and maps together. But programs
 * change with every release and maps must not: a flow that was admitted last week is in
 * there.
 *
 * So only maps are pinned. Each start loads its own programs over whatever maps are pinned
 * with our layout, and attach.c puts them where the older programs run. Growth is the same
 * move within one life: a second object is loaded over the same maps but for the one that
 * became too small.
 *
 * The invariant is that the image in force lies at the same line of the old and of the new
 * hg_image, so that the one control word is right for programs over either, and death
 * between two replacements leaves both whole. The new map takes the old one's pin only
 * when no program looks at the old one any more. tests/e2e kills the agent there.
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
#include "base/log.h"
#include "headgate.skel.h"
#include "kernel/plane.h"

#define IMAGE_LINES_FIRST 131072U /* 8 MiB: two images of some 15 VPCs each */
#define RULES_FIRST       16384U

/* What libbpf said of a load: its first complaint and the end of the verifier's log. */
static char load_said[160], verifier_said[400];

static void said_keep(char *line)
{
	char *end = strstr(line, "\n-- END PROG LOAD LOG --");
	size_t n;

	if (!end) {
		if (!load_said[0])
			snprintf(load_said, sizeof(load_said), "%s", line);
		return;
	}
	*end = '\0';
	n = strlen(line);
	snprintf(verifier_said, sizeof(verifier_said), "%s",
		 line + (n < sizeof(verifier_said) ? 0 : n - sizeof(verifier_said) + 1));
	log_debug("verifier: %s", verifier_said);
}

static int libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
	char *line = NULL;

	if (level == LIBBPF_DEBUG || vasprintf(&line, format, args) < 0)
		return 0;
	log_debug("%.200s", line);
	line[strcspn(line, "\r")] = '\0';
	said_keep(line);
	free(line);
	return 0;
}

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

static int mapping_init(struct mapping *m, const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__max_entries(map) *
		      ((bpf_map__value_size(map) + 7U) & ~7U);
	void *at;

	size = (size + page - 1) / page * page;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (at == MAP_FAILED)
		return -errno;
	*m = (struct mapping){ .at = at, .size = size };
	return 0;
}

static int plane_map(struct dataplane *dp)
{
	const struct {
		struct mapping *to;
		const struct bpf_map *map;
	} maps[] = {
		{ &dp->image, dp->skel->maps.hg_image },
		{ &dp->control, dp->skel->maps.hg_control },
		{ &dp->flows4, dp->skel->maps.hg_flows4 },
		{ &dp->flows6, dp->skel->maps.hg_flows6 },
		{ &dp->locks, dp->skel->maps.hg_locks },
		{ &dp->trace, dp->skel->maps.hg_trace },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		if (maps[i].to->at)
			continue;
		r = mapping_init(maps[i].to, maps[i].map);
		if (r < 0) {
			error_set("cannot map %s into memory: %s",
				  bpf_map__name(maps[i].map), strerror(-r));
			return r;
		}
	}
	return 0;
}

static int load_failed(int r)
{
	const char *why = strerror(-r);

	if (r == -EPERM)
		error_set("the kernel refused to load the data plane (%s): CAP_BPF and "
			  "CAP_NET_ADMIN "
			  "are needed%s",
			  why,
			  geteuid() == 0 ? ", or the locked memory limit is too low"
					 : "");
	else if (r == -ENOMEM)
		error_set("not enough memory for the data plane's maps (%s); lower "
			  "settings.max_flows",
			  why);
	else
		error_set("the kernel cannot load the data plane (%s): Linux 6.1 or "
			  "later is "
			  "needed; %s%s%s",
			  why, load_said, verifier_said[0] ? "; the verifier: " : "",
			  verifier_said);
	return r == -EACCES || r == -EINVAL ? -EOPNOTSUPP : r;
}

/* Pinned and adopted: all but constants and what a program only uses while it runs. */
static bool map_is_kept(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) &&
	       strcmp(bpf_map__name(map), "hg_scratch") != 0;
}

struct sizes {
	uint32_t n_image_lines, n_hits; /* 0: from the map that is reused */
	bool has_flows; /* the flow tables are made anew, of meta.n_flow_sets */
};

/* Opens and loads an object over 'from' (may be NULL) or the pins of 'pin_dir' (may be NULL). */
static int object_load(const struct meta *meta, const struct sizes *sizes,
		       struct headgate_bpf *from, const char *pin_dir,
		       struct headgate_bpf **ret)
{
	struct headgate_bpf *skel;
	struct bpf_map *map;
	int r;

	load_said[0] = verifier_said[0] = '\0';
	libbpf_set_print(libbpf_print);
	skel = headgate_bpf__open();
	if (!skel)
		return load_failed(-errno);
	bpf_map__set_max_entries(skel->maps.hg_flows4, meta->n_flow_sets);
	bpf_map__set_max_entries(skel->maps.hg_flows6, meta->n_flow_sets);
	if (sizes->n_image_lines)
		bpf_map__set_max_entries(skel->maps.hg_image, sizes->n_image_lines);
	if (sizes->n_hits)
		bpf_map__set_max_entries(skel->maps.hg_hits, sizes->n_hits);
	bpf_object__for_each_map(map, skel->obj)
	{
		const char *name = bpf_map__name(map);
		_cleanup_close_ int fd = -1;

		if (!map_is_kept(map) || (!from && !pin_dir) ||
		    (sizes->has_flows &&
		     (map == skel->maps.hg_flows4 || map == skel->maps.hg_flows6)) ||
		    (map == skel->maps.hg_image && sizes->n_image_lines) ||
		    (map == skel->maps.hg_hits && sizes->n_hits))
			continue;
		if (from)
			r = bpf_map__reuse_fd(
				map, bpf_object__find_map_fd_by_name(from->obj, name));
		else {
			fd = pin_get(pin_dir, name);
			r = fd < 0 ? fd : bpf_map__reuse_fd(map, fd);
		}
		if (r < 0) {
			error_set("cannot use %s again: %s", name, strerror(-r));
			headgate_bpf__destroy(skel);
			return r;
		}
	}
	skel->rodata->hg_flow_mask = meta->n_flow_sets - 1;
	skel->rodata->hg_hits_half = bpf_map__max_entries(skel->maps.hg_hits) / 2;
	skel->rodata->hg_hz = meta->hz;
	for (size_t i = 0; i < ARRAY_SIZE(meta->seed); i++)
		skel->rodata->hg_seed[i] = meta->seed[i];
	r = headgate_bpf__load(skel);
	if (r < 0) {
		headgate_bpf__destroy(skel);
		return load_failed(r);
	}
	*ret = skel;
	return 0;
}

/* Whether every map of ours is pinned with the shape that this program has compiled in. */
static bool pins_fit(const char *pin_dir, const struct meta *meta)
{
	struct headgate_bpf *skel = headgate_bpf__open();
	struct bpf_map *map;
	bool fit = skel != NULL;

	if (!skel)
		return false;
	bpf_object__for_each_map(map, skel->obj)
	{
		struct bpf_map_info info = {};
		uint32_t size = sizeof(info);
		_cleanup_close_ int fd = -1;
		bool is_sized = map == skel->maps.hg_image || map == skel->maps.hg_hits;

		if (!map_is_kept(map))
			continue;
		fd = pin_get(pin_dir, bpf_map__name(map));
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
		    info.type != bpf_map__type(map) ||
		    info.value_size != bpf_map__value_size(map)) {
			fit = false;
			continue;
		}
		if (map == skel->maps.hg_flows4 || map == skel->maps.hg_flows6)
			fit = fit && info.max_entries == meta->n_flow_sets;
		else if (!is_sized)
			fit = fit && info.max_entries == bpf_map__max_entries(map);
	}
	headgate_bpf__destroy(skel);
	return fit;
}

static int plane_adopt(struct dataplane *dp)
{
	struct sizes sizes = {};
	int r;

	r = meta_read(dp->pin_dir, &dp->meta);
	if (r == -ENOENT)
		return r;
	if (r < 0 || dp->meta.abi != HG_ABI || !pins_fit(dp->pin_dir, &dp->meta)) {
		snprintf(dp->lost, sizeof(dp->lost),
			 "the pinned data plane has layout %u and ours is %u: its "
			 "connections and "
			 "counters are lost",
			 r < 0 ? 0 : dp->meta.abi, HG_ABI);
		return -ENOENT;
	}
	r = object_load(&dp->meta, &sizes, NULL, dp->pin_dir, &dp->skel);
	if (r < 0)
		return r;
	dp->is_adopted = true;
	return 0;
}

/* Pins all maps; hg_meta last, because it says that the others are there. */
static int plane_pin(struct dataplane *dp)
{
	struct bpf_map *map;
	int r;

	pin_remove_maps(dp->pin_dir);
	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (!map_is_kept(map))
			continue;
		r = pin_put(dp->pin_dir, bpf_map__name(map), bpf_map__fd(map));
		if (r < 0) {
			error_set("cannot pin %s in %s: %s", bpf_map__name(map),
				  dp->pin_dir, strerror(-r));
			return r;
		}
	}
	r = meta_write(dp->pin_dir, &dp->meta);
	if (r < 0)
		error_set("cannot pin hg_meta in %s: %s", dp->pin_dir, strerror(-r));
	return r;
}

static int plane_make(struct dataplane *dp, const struct dataplane_options *o)
{
	uint32_t max_flows = o->max_flows ? o->max_flows : HG_DEFAULT_FLOWS;
	struct sizes sizes = {
		.n_image_lines = o->n_image_lines ? o->n_image_lines : IMAGE_LINES_FIRST,
		.n_hits = 2 * (o->n_rules ? o->n_rules : RULES_FIRST),
	};
	int r;

	/* A connection takes two slots of the four times as many: at 'max_flows' of them the
	 * table is half full, where few sets of four overflow. */
	dp->meta = (struct meta){
		.abi = HG_ABI,
		.n_flow_sets = round_up_pow2(o->n_flow_sets ? o->n_flow_sets : max_flows),
		.hz = clock_tick_hz(),
	};
	if (getrandom(dp->meta.seed, sizeof(dp->meta.seed), 0) != sizeof(dp->meta.seed))
		return -EIO;
	r = object_load(&dp->meta, &sizes, NULL, NULL, &dp->skel);
	if (r < 0 || !dp->pin_dir)
		return r;
	return plane_pin(dp);
}

static void plane_sizes(struct dataplane *dp)
{
	dp->n_image_lines = bpf_map__max_entries(dp->skel->maps.hg_image);
	dp->hits_half = bpf_map__max_entries(dp->skel->maps.hg_hits) / 2;
}

/* A lock that is taken over a whole grace period belongs to an agent that was killed. */
static void locks_release(struct dataplane *dp)
{
	struct hg_lock *locks = dp->locks.at;

	grace_wait(dp);
	for (uint32_t i = 0; i < HG_LOCKS; i++)
		if (__atomic_load_n(&locks[i].taken, __ATOMIC_RELAXED))
			__atomic_store_n(&locks[i].taken, 0, __ATOMIC_RELEASE);
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
	if (r == 0 && dp->is_adopted)
		locks_release(dp);
	return r;
}

int dataplane_open(const struct dataplane_options *options, struct dataplane **ret)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));
	int r;

	if (!dp)
		return -ENOMEM;
	dp->grace_fd = dp->grace_inner_fd = -1;
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
	mapping_done(&dp->locks);
	mapping_done(&dp->trace);
}

void dataplane_free(struct dataplane *dp)
{
	if (!dp)
		return;
	plane_unmap(dp);
	cleanup_close(&dp->grace_fd);
	cleanup_close(&dp->grace_inner_fd);
	headgate_bpf__destroy(dp->skel);
	free(dp->pin_dir);
	free(dp);
}

bool dataplane_flows_fit(const struct dataplane *dp, uint32_t max_flows)
{
	return round_up_pow2(max_flows) == dp->meta.n_flow_sets;
}

int dataplane_resize(struct dataplane *dp, uint32_t max_flows)
{
	struct sizes sizes = { .has_flows = true };
	struct headgate_bpf *next;
	struct meta meta = dp->meta;
	int r;

	assert(dataplane_epoch(dp) == 0);
	meta.n_flow_sets = round_up_pow2(max_flows);
	r = object_load(&meta, &sizes, dp->skel, NULL, &next);
	if (r < 0)
		return r;
	if (dp->pin_dir) {
		r = pin_put(dp->pin_dir, "hg_flows4", bpf_map__fd(next->maps.hg_flows4));
		if (r == 0)
			r = pin_put(dp->pin_dir, "hg_flows6",
				    bpf_map__fd(next->maps.hg_flows6));
		if (r == 0)
			r = meta_write(dp->pin_dir, &meta);
	}
	if (r < 0) {
		error_set("cannot pin other flow tables: %s", strerror(-r));
		headgate_bpf__destroy(next);
		return r;
	}
	mapping_done(&dp->flows4);
	mapping_done(&dp->flows6);
	headgate_bpf__destroy(dp->skel);
	dp->skel = next;
	dp->meta = meta;
	return plane_map(dp);
}

/* What is in force, at the same line of the larger map; and the hits of its epoch. */
static int grow_copy(struct dataplane *dp, struct headgate_bpf *next)
{
	uint32_t n_rules = dp->hits_half;
	struct mapping to = {};
	struct image image;
	int r;

	if (bpf_map__fd(next->maps.hg_image) >= 0 &&
	    bpf_map__max_entries(next->maps.hg_image) != dp->n_image_lines) {
		r = mapping_init(&to, next->maps.hg_image);
		if (r < 0)
			return r;
		image = dataplane_image(dp);
		if (image.lines)
			memcpy((char *)to.at +
				       ((char *)image.lines - (char *)dp->image.at),
			       image.lines, image.n_lines * HG_LINE);
		mapping_done(&to);
	}
	if (bpf_map__max_entries(next->maps.hg_hits) / 2 != dp->hits_half) {
		uint32_t first = (dataplane_epoch(dp) & 1) *
				 (bpf_map__max_entries(next->maps.hg_hits) / 2);
		_cleanup_free_ uint64_t *hits = calloc(n_rules, sizeof(*hits));
		_cleanup_free_ uint64_t *cpus = calloc((size_t)dp->n_cpus, sizeof(*cpus));

		if (!hits || !cpus)
			return -ENOMEM;
		r = dataplane_hits_all(dp, hits, n_rules);
		for (uint32_t i = 0; r == 0 && i < n_rules; i++) {
			uint32_t key = first + i;

			if (!hits[i])
				continue;
			cpus[0] = hits[i];
			r = bpf_map_update_elem(bpf_map__fd(next->maps.hg_hits), &key,
						cpus, BPF_ANY);
		}
		return r;
	}
	return 0;
}

static int grow_replace(struct dataplane *dp, struct headgate_bpf *next)
{
	struct headgate_bpf *before = dp->skel;
	int r = 0;

	dp->skel = next;
	if (dp->replace)
		r = dp->replace(dp->replace_arg);
	if (r < 0) {
		dp->skel = before;
		dp->replace(dp->replace_arg);
		error_set("cannot replace the attached programs by ones with larger "
			  "maps: %s",
			  strerror(-r));
		return r;
	}
	if (dp->pin_dir) {
		r = pin_put(dp->pin_dir, "hg_image", bpf_map__fd(next->maps.hg_image));
		if (r == 0)
			r = pin_put(dp->pin_dir, "hg_hits",
				    bpf_map__fd(next->maps.hg_hits));
		if (r < 0) {
			/* The older programs serve the pinned maps; they take over again. */
			pin_put(dp->pin_dir, "hg_image",
				bpf_map__fd(before->maps.hg_image));
			dp->skel = before;
			if (dp->replace)
				dp->replace(dp->replace_arg);
			error_set("cannot pin larger maps: %s", strerror(-r));
			return r;
		}
	}
	mapping_done(&dp->image);
	r = mapping_init(&dp->image, next->maps.hg_image);
	headgate_bpf__destroy(before);
	plane_sizes(dp);
	return r;
}

int plane_grow(struct dataplane *dp, uint32_t n_image_lines, uint32_t n_rules)
{
	struct sizes sizes = {
		.n_image_lines = n_image_lines > dp->n_image_lines
					 ? round_up_image(n_image_lines)
					 : 0,
		.n_hits = n_rules > dp->hits_half ? 2 * round_up_pow2(n_rules) : 0,
	};
	struct headgate_bpf *next = NULL;
	int r;

	if (!sizes.n_image_lines && !sizes.n_hits)
		return 0;
	r = object_load(&dp->meta, &sizes, dp->skel, NULL, &next);
	if (r < 0)
		return r;
	r = grow_copy(dp, next);
	if (r < 0) {
		error_set("cannot fill larger maps: %s", strerror(-r));
		headgate_bpf__destroy(next);
		return r;
	}
	r = grow_replace(dp, next);
	if (r < 0 && dp->skel != next)
		headgate_bpf__destroy(next);
	return r;
}
