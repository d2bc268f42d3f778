/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* plane: what the files of kernel/ share of a struct dataplane.
 *
 *   load.c  adopts or makes, maps, grows                            meta.c  pins
 *   maps.c  reads and runs                                          sync.c  stages and commits images
 *
 * Shape    One loaded object; its maps are pinned as PIN_DIR/MAP. PIN_DIR/hg_meta is an
 *          ARRAY of one struct meta and is pinned last: without it nothing is adopted.
 * Owner    load.c makes and frees it. Mappings are good until the map grows.
 * Errors   error_set() keeps the sentence that dataplane_error() returns.
 */
#include "kernel/dataplane.h"
#include "kernel/object.h"
#include "kernel/sync.h"

struct mapping {
	void *at; /* NULL: not mapped */
	size_t size;
};

struct dataplane {
	struct object object;
	char *pin_dir;  /* NULL: nothing is pinned */
	int pin_dir_fd; /* held under a lock: one agent a directory */
	struct meta meta;
	uint32_t n_image_lines;
	uint32_t hits_half;
	int n_cpus;
	int grace_fd, grace_inner_fd; /* see grace_wait() */
	struct mapping image, control, flows4, flows6, trace, hops, ports, limited,
		limits;
	bool is_adopted;
	char lost[160]; /* what could not be adopted; "" nothing */
	dataplane_replace_fn *replace;
	void *replace_arg;
	/* staged */
	bool is_staged;
	uint32_t staged_base, staged_lines;
};

#define PIN_NEXT "hg_next_" /* begins the names of arrays of programs */

void error_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns when no packet that began before the call is still under way. */
void grace_wait(struct dataplane *dp);
int grace_init(struct dataplane *dp);

/* meta.c: pins. */
int meta_read(const char *pin_dir, struct meta *ret); /* -ENOENT: nothing to adopt */
int meta_write(const char *pin_dir, const struct meta *meta);
int pin_dir_make(const char *pin_dir); /* sets the error */
int pin_dir_lock(const char *pin_dir); /* fd; held until it is closed; sets the error */
int pin_get(const char *pin_dir, const char *name);         /* fd, or negative errno */
int pin_put(const char *pin_dir, const char *name, int fd); /* replaces, at once */
void pin_remove(const char *pin_dir, const char *name);
/* hg_*, hg_meta first; not hg_devices, nor what attached programs need while they run. */
void pin_remove_maps(const char *pin_dir);
/* What programs of another load need, now that none is attached. */
void pin_remove_left(struct dataplane *dp);
void pins_remove(const char *pin_dir); /* all that is ours, and the directory */

/* load.c: a larger image or hits map, without a gap. 0 keeps a size. */
int plane_grow(struct dataplane *dp, uint32_t n_image_lines, uint32_t n_rules);
