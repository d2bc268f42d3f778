/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* object: the programs and maps of bpf/headgate.bpf.c, loaded or taken from pins.
 *
 * Shape    Descriptors by name. Kept maps are pinned and shared by whatever programs come
 *          after; the others (constants, scratch) belong to the programs of one load. So do the arrays by
 *          which these go on to others (bpf/next.h), which are pinned as NAME_ID: the kernel
 *          clears one without a descriptor or pin, and attached programs outlive us.
 * Owner    object_done() closes descriptors. Zeroed memory is no object.
 * Errors   Negative errno with a sentence from dataplane_error(). -ENOENT of
 *          object_adopt(): what is pinned cannot be used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/dataplane.h"

#define OBJECT_MAPS  32
#define OBJECT_NEXTS 2 /* of TC programs, and of XDP */

struct object_map {
	char name[16];
	int fd;
};

struct object {
	struct object_map maps[OBJECT_MAPS]; /* kept ones */
	size_t n_maps;
	int programs[PROGRAMS];  /* 0: not loaded */
	int nexts[OBJECT_NEXTS]; /* 0: not loaded */
};

/* Pinned: how the maps beside it are to be read. The first word never moves. */
struct meta {
	uint32_t abi;
	uint32_t n_flow_sets;
	uint32_t hz;
	uint32_t zero;
	uint64_t seed[4];  /* of the flow hash; entries are lost without it */
	uint64_t programs; /* hash of what the pinned programs were loaded from */
};

struct sizes {
	uint32_t n_image_lines, n_hits; /* 0: from the map that is used again */
	bool has_flows; /* the flow tables are made anew, of meta.n_flow_sets */
};

/* Over the maps of 'from' (may be NULL), but for those that have a size. */
int object_load(const struct meta *meta, const struct sizes *sizes,
		const struct object *from, struct object *ret);
/* Maps from pins; programs too when they are ours and use those very maps, else loaded. */
int object_adopt(const struct meta *meta, const char *pin_dir, struct object *ret,
		 bool *ret_is_loaded);
int object_pin(const struct object *o, const char *pin_dir);
/* Only what its programs cannot do without: before the first is attached. */
int object_pin_nexts(const struct object *o, const char *pin_dir);
/* Is 'pin' an array that programs of another load go on by? */
bool object_is_left(const struct object *o, const char *pin);
void object_done(struct object *o);

int object_map(const struct object *o, const char *name); /* fd, -1; a next, too */
uint32_t object_map_entries(const struct object *o, const char *name);
uint64_t object_hash(void); /* of what object_load() would load */
