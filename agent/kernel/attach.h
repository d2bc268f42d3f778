/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* attach: programs on the devices that a rule set names, now and when they appear.
 *
 *   attach_begin   programs on devices that have none yet        fallible
 *   attach_live    live words into the staged image              fallible
 *   (commit)
 *   attach_finish  programs replaced, dropped devices let go     logs what fails
 *
 * Shape    A list of devices in the order of image ids. PIN_DIR/hg_devices, a HASH by
 *          device name, outlives us: slot of hg_stats, ifindex, what is attached.
 * Owner    attach_new()/attach_free(); freeing leaves everything attached.
 * Errors   attach_begin(), attach_live(): negative errno with a sentence from
 *          dataplane_error(); call attach_undo(). A device that does not exist is no
 *          error: it is attached when attach_follow() sees it.
 */
#include "kernel/counters.h"
#include "kernel/hook.h"
#include "kernel/neighbour.h"
#include "kernel/sync.h"

struct attach;

struct attach_want {
	const char *device;
	uint32_t id; /* in the image */
	enum hook hook;
	uint32_t role;  /* HG_ROLE_* */
	bool is_routed; /* host, port: some of what comes in is sent on */
};

enum attach_state { ATTACH_ABSENT, ATTACH_ATTACHED, ATTACH_FAILED };

struct attached {
	char device[16];
	uint32_t id;
	enum hook hook;
	uint32_t role; /* HG_ROLE_* */
	bool is_routed;
	enum attach_state state;
	uint32_t slot; /* of hg_stats; 0 before the device was first seen */
	bool is_xdp; /* ingress; what it leaves untouched meets TC at a gateway's door */
	struct link link; /* ifindex 0 while absent */
	const char *why;  /* of the hook */
	char error[200];
	uint32_t doors_before; /* RECORD_*, when attach_begin() came */
};

int attach_new(struct dataplane *dp, const char *pin_dir, struct netlink *netlink,
	       struct neighbours *neighbours, struct attach **ret);
void attach_free(struct attach *a); /* NULL is fine */
static inline void attach_freep(struct attach **a)
{
	attach_free(*a);
}

/* 'is_lenient': a device that cannot be attached is marked ATTACH_FAILED and no error. */
int attach_begin(struct attach *a, const struct attach_want *wants, size_t n,
		 bool is_lenient);
int attach_live(struct attach *a, struct image *staged);
void attach_undo(struct attach *a);
void attach_finish(struct attach *a);

/* After netlink_refresh(). Calls 'changed' for every device whose state is another. */
typedef void attach_changed_fn(void *arg, const struct attached *device);
void attach_follow(struct attach *a, attach_changed_fn *changed, void *arg);

const struct attached *attach_list(const struct attach *a, size_t *ret_n);
const char *attach_state_name(enum attach_state state);

/* See counters.h. */
int attach_counters(struct attach *a, struct device_counters **ret, size_t *ret_n,
		    struct hg_counters *ret_total);

/* Everything that an agent left in 'pin_dir': doors, pins, the directory. */
int attach_detach_all(const char *pin_dir, struct netlink *netlink);
