/* SPDX-License-Identifier: Apache-2.0 */

/* Loading takes the verifier seconds, and a restart of the agent mostly finds the very
 * programs that it would load. They are pinned like the maps and taken from there when two
 * things hold: they come from the bytes that this agent has in it (a hash in hg_meta), and
 * the kernel says that they use the very maps that are pinned beside them. The second is
 * what makes any order of pinning safe to die in.
 */
#include "kernel/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "headgate.skel.h"
#include "kernel/plane.h"

static const char *const program_names[PROGRAMS] = {
	[PROGRAM_XDP] = "hg_xdp",     [PROGRAM_IN] = "hg_in",
	[PROGRAM_OUT] = "hg_out",     [PROGRAM_EXPLAIN] = "hg_explain",
	[PROGRAM_CLOCK] = "hg_clock",
};

static const char *const next_names[OBJECT_NEXTS] = { PIN_NEXT "tc", PIN_NEXT "xdp" };

/* ---- what libbpf says ---- */

/* Its first complaint and the end of the verifier's log. */
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
	said_keep(line);
	free(line);
	return 0;
}

static int load_failed(int r)
{
	const char *why = strerror(-r);

	if (r == -EPERM)
		error_set("the kernel refused to load the data plane (%s): CAP_BPF and "
			  "CAP_NET_ADMIN are needed%s",
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

/* ---- descriptors ---- */

/* Shared with whatever is loaded later: all but constants, programs and what a program only uses
 * while it runs. */
static bool map_is_kept(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) &&
	       bpf_map__type(map) != BPF_MAP_TYPE_PROG_ARRAY &&
	       strcmp(bpf_map__name(map), "hg_scratch") != 0;
}

int object_map(const struct object *o, const char *name)
{
	for (size_t i = 0; i < o->n_maps; i++)
		if (strcmp(o->maps[i].name, name) == 0)
			return o->maps[i].fd;
	for (size_t i = 0; i < OBJECT_NEXTS; i++)
		if (o->nexts[i] > 0 && strcmp(next_names[i], name) == 0)
			return o->nexts[i];
	return -1;
}

static int map_info(int fd, struct bpf_map_info *ret)
{
	uint32_t size = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return bpf_obj_get_info_by_fd(fd, ret, &size) < 0 ? -errno : 0;
}

uint32_t object_map_entries(const struct object *o, const char *name)
{
	struct bpf_map_info info;

	return map_info(object_map(o, name), &info) < 0 ? 0 : info.max_entries;
}

void object_done(struct object *o)
{
	for (size_t i = 0; i < o->n_maps; i++)
		close(o->maps[i].fd);
	for (size_t i = 0; i < PROGRAMS; i++)
		if (o->programs[i] > 0)
			close(o->programs[i]);
	for (size_t i = 0; i < OBJECT_NEXTS; i++)
		if (o->nexts[i] > 0)
			close(o->nexts[i]);
	*o = (struct object){};
}

static int map_add(struct object *o, const char *name, int fd)
{
	struct object_map *m = &o->maps[o->n_maps];

	if (fd < 0)
		return fd;
	if (o->n_maps == OBJECT_MAPS) {
		close(fd);
		return -E2BIG;
	}
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->fd = fd;
	o->n_maps++;
	return 0;
}

static int copy_fd(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

uint64_t object_hash(void)
{
	size_t size = 0;
	const void *bytes = headgate_bpf__elf_bytes(&size);

	return hash64(HG_ABI, bytes, size);
}

/* ---- loading ---- */

/* One value for each set of the flow table. */
static bool map_is_of_flows(const struct headgate_bpf *skel, const struct bpf_map *map)
{
	return map == skel->maps.hg_flows4 || map == skel->maps.hg_flows6 ||
	       map == skel->maps.hg_tags4 || map == skel->maps.hg_tags6;
}

static bool map_is_sized(const struct headgate_bpf *skel, const struct bpf_map *map,
			 const struct sizes *sizes)
{
	if (map == skel->maps.hg_image)
		return sizes->n_image_lines != 0;
	if (map == skel->maps.hg_hits)
		return sizes->n_hits != 0;
	if (map_is_of_flows(skel, map))
		return sizes->has_flows;
	return false;
}

static int skel_prepare(struct headgate_bpf *skel, const struct meta *meta,
			const struct sizes *sizes, const struct object *from)
{
	struct bpf_map *map;
	int r;

	if (sizes->n_image_lines)
		bpf_map__set_max_entries(skel->maps.hg_image, sizes->n_image_lines);
	if (sizes->n_hits)
		bpf_map__set_max_entries(skel->maps.hg_hits, sizes->n_hits);
	bpf_object__for_each_map(map, skel->obj)
	{
		if (map_is_of_flows(skel, map))
			bpf_map__set_max_entries(map, meta->n_flow_sets);
		if (!from || !map_is_kept(map) || map_is_sized(skel, map, sizes))
			continue;
		r = bpf_map__reuse_fd(map, object_map(from, bpf_map__name(map)));
		if (r < 0) {
			error_set("cannot use %s again: %s", bpf_map__name(map),
				  strerror(-r));
			return r;
		}
	}
	skel->rodata->hg_flow_mask = meta->n_flow_sets - 1;
	skel->rodata->hg_hits_half = bpf_map__max_entries(skel->maps.hg_hits) / 2;
	skel->rodata->hg_hz = meta->hz;
	for (size_t i = 0; i < ARRAY_SIZE(meta->seed); i++)
		skel->rodata->hg_seed[i] = meta->seed[i];
	return 0;
}

/* The skeleton is only needed to load; what is left of it is descriptors. */
static int skel_take(const struct headgate_bpf *skel, struct object *ret)
{
	struct object o = {};
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, skel->obj)
	{
		if (r == 0 && map_is_kept(map))
			r = map_add(&o, bpf_map__name(map), copy_fd(bpf_map__fd(map)));
	}
	for (size_t i = 0; i < PROGRAMS && r == 0; i++) {
		r = copy_fd(bpf_program__fd(
			bpf_object__find_program_by_name(skel->obj, program_names[i])));
		if (r > 0) {
			o.programs[i] = r;
			r = 0;
		}
	}
	for (size_t i = 0; i < OBJECT_NEXTS && r == 0; i++) {
		r = copy_fd(bpf_object__find_map_fd_by_name(skel->obj, next_names[i]));
		if (r > 0) {
			o.nexts[i] = r;
			r = 0;
		}
	}
	if (r < 0)
		object_done(&o);
	else
		*ret = o;
	return r;
}

int object_load(const struct meta *meta, const struct sizes *sizes,
		const struct object *from, struct object *ret)
{
	struct headgate_bpf *skel;
	int r;

	load_said[0] = verifier_said[0] = '\0';
	libbpf_set_print(libbpf_print);
	skel = headgate_bpf__open();
	if (!skel)
		return load_failed(-errno);
	r = skel_prepare(skel, meta, sizes, from);
	if (r == 0) {
		r = headgate_bpf__load(skel);
		r = r < 0 ? load_failed(r) : skel_take(skel, ret);
	}
	headgate_bpf__destroy(skel);
	return r;
}

/* ---- adopting ---- */

/* Every kept map, with the shape that is compiled into this program. */
static int maps_adopt(const struct meta *meta, const char *pin_dir, struct object *o)
{
	struct headgate_bpf *skel = headgate_bpf__open();
	struct bpf_map *map;
	int r = skel ? 0 : -ENOMEM;

	if (!skel)
		return r;
	bpf_object__for_each_map(map, skel->obj)
	{
		bool is_any = map == skel->maps.hg_image || map == skel->maps.hg_hits;
		bool is_flows = map_is_of_flows(skel, map);
		struct bpf_map_info info;
		int fd;

		if (r < 0 || !map_is_kept(map))
			continue;
		fd = pin_get(pin_dir, bpf_map__name(map));
		r = map_add(o, bpf_map__name(map), fd);
		if (r == 0)
			r = map_info(fd, &info);
		if (r == 0 &&
		    (info.type != bpf_map__type(map) ||
		     info.value_size != bpf_map__value_size(map) ||
		     (!is_any &&
		      info.max_entries != (is_flows ? meta->n_flow_sets
						    : bpf_map__max_entries(map)))))
			r = -EPROTO;
	}
	headgate_bpf__destroy(skel);
	return r;
}

/* Every load has an array of its own, so the kernel's number for it is in the name. */
static int next_pin_name(size_t next, uint32_t id, char ret[static 32])
{
	return snprintf(ret, 32, "%s_%u", next_names[next], id);
}

/* 'used' is an array by which a pinned program goes on: takes it from its pin, if it was not
 * met before. */
static void next_adopt(const char *pin_dir, const struct bpf_map_info *used,
		       struct object *o)
{
	char name[32];
	int fd;

	for (size_t i = 0; i < OBJECT_NEXTS; i++) {
		if (o->nexts[i] || strcmp(used->name, next_names[i]) != 0)
			continue;
		next_pin_name(i, used->id, name);
		fd = pin_get(pin_dir, name);
		if (fd > 0)
			o->nexts[i] = fd;
	}
}

/* Whether every map that 'program' uses, of those that are pinned, is the one in 'o'. */
static bool program_uses(const char *pin_dir, int program, struct object *o)
{
	uint32_t ids[64], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = ARRAY_SIZE(ids),
				      .map_ids = (uint64_t)(uintptr_t)ids };

	if (bpf_obj_get_info_by_fd(program, &info, &size) < 0 ||
	    info.nr_map_ids > ARRAY_SIZE(ids))
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids; i++) {
		_cleanup_close_ int fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info used, ours;
		int own;

		if (fd < 0 || map_info(fd, &used) < 0)
			return false;
		if (used.type == BPF_MAP_TYPE_PROG_ARRAY)
			next_adopt(pin_dir, &used, o);
		own = object_map(o, used.name);
		if (own < 0 && used.type == BPF_MAP_TYPE_PROG_ARRAY)
			return false;
		if (own >= 0 && (map_info(own, &ours) < 0 || ours.id != used.id))
			return false;
	}
	return true;
}

static bool programs_adopt(const char *pin_dir, struct object *o)
{
	for (size_t i = 0; i < PROGRAMS; i++) {
		int fd = pin_get(pin_dir, program_names[i]);

		if (fd < 0)
			return false;
		o->programs[i] = fd;
		if (!program_uses(pin_dir, fd, o))
			return false;
	}
	return true;
}

int object_adopt(const struct meta *meta, const char *pin_dir, struct object *ret,
		 bool *ret_is_loaded)
{
	struct sizes sizes = {};
	struct object o = {};
	int r;

	if (maps_adopt(meta, pin_dir, &o) < 0) {
		object_done(&o);
		return -ENOENT;
	}
	if (meta->programs == object_hash() && programs_adopt(pin_dir, &o)) {
		libbpf_set_print(libbpf_print);
		*ret = o;
		*ret_is_loaded = false;
		return 0;
	}
	r = object_load(meta, &sizes, &o, ret);
	object_done(&o);
	*ret_is_loaded = r == 0;
	return r;
}

int object_pin_nexts(const struct object *o, const char *pin_dir)
{
	struct bpf_map_info info;
	char name[32] = "";
	int r = 0;

	for (size_t i = 0; i < OBJECT_NEXTS && r == 0; i++) {
		r = map_info(o->nexts[i], &info);
		if (r < 0)
			break;
		next_pin_name(i, info.id, name);
		r = pin_put(pin_dir, name, o->nexts[i]);
	}
	if (r < 0)
		error_set("cannot pin %s in %s: %s", name, pin_dir, strerror(-r));
	return r;
}

bool object_is_left(const struct object *o, const char *pin)
{
	struct bpf_map_info info;
	char name[32];

	for (size_t i = 0; i < OBJECT_NEXTS; i++) {
		if (map_info(o->nexts[i], &info) < 0)
			return false;
		next_pin_name(i, info.id, name);
		if (strcmp(pin, name) == 0)
			return false;
	}
	return strncmp(pin, PIN_NEXT, sizeof(PIN_NEXT) - 1) == 0;
}

/* Programs come after what they need. */
int object_pin(const struct object *o, const char *pin_dir)
{
	const char *name = "";
	int r;

	r = object_pin_nexts(o, pin_dir);
	if (r < 0)
		return r;
	for (size_t i = 0; i < o->n_maps && r == 0; i++) {
		name = o->maps[i].name;
		r = pin_put(pin_dir, name, o->maps[i].fd);
	}
	for (size_t i = 0; i < PROGRAMS && r == 0; i++) {
		name = program_names[i];
		r = pin_put(pin_dir, name, o->programs[i]);
	}
	if (r < 0)
		error_set("cannot pin %s in %s: %s", name, pin_dir, strerror(-r));
	return r;
}
