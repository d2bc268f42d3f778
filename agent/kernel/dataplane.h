/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* dataplane: the loaded programs and their maps.
 *
 * Shape    Maps of bpf/headgate.bpf.c, mmapped where they can be. Programs: hg_xdp, hg_in,
 *          hg_out, hg_explain, hg_clock; those that they go on to (bpf/next.h) come with them.
 * Units    'n_flow_sets' is a power of two (of both families); 'n_image_lines' holds two
 *          images. Ticks are jiffies; dataplane_hz() of them a second.
 * Owner    dataplane_free() closes descriptors; pins and links outlive it. One thread.
 * Errors   Negative errno; -EPERM and -EOPNOTSUPP come with a sentence from
 *          dataplane_error() that says what is missing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hg/event.h>
#include <hg/flow.h>
#include <hg/hop.h>
#include <hg/port.h>

#include "compile/image.h"

struct dataplane;

struct dataplane_options {
	const char *pin_dir;    /* NULL: nothing is pinned (tests) */
	uint32_t n_image_lines; /* 0: grow as needed, starting small */
	uint32_t n_flow_sets;   /* 0: from max_flows */
	uint32_t max_flows;
	uint32_t n_rules; /* 0: grow as needed */
};

enum program {
	PROGRAM_XDP,
	PROGRAM_IN,
	PROGRAM_OUT,
	PROGRAM_EXPLAIN,
	PROGRAM_CLOCK,
	PROGRAMS
};

/* Loads, or adopts what is pinned in 'pin_dir' with our HG_ABI. */
int dataplane_open(const struct dataplane_options *options, struct dataplane **ret);
void dataplane_free(struct dataplane *dp); /* NULL is fine */
/* No program of another load is attached to anything any more. */
void dataplane_settle(struct dataplane *dp);
static inline void dataplane_freep(struct dataplane **dp)
{
	dataplane_free(*dp);
}
const char *dataplane_error(void); /* of the last failed open on this thread */

/* Copies 'image' into lines that no packet reads and switches with one store. On failure
 * the old image is in force. On success every later packet meets the new one. */
int dataplane_switch(struct dataplane *dp, const struct image *image);
uint32_t dataplane_epoch(const struct dataplane *dp);
/* The image in force, mapped; live words may be written through it. */
struct image dataplane_image(struct dataplane *dp);

struct hg_control *dataplane_control(struct dataplane *dp);
struct hg_set4 *dataplane_flows4(struct dataplane *dp, uint32_t *ret_n_sets);
struct hg_set6 *dataplane_flows6(struct dataplane *dp, uint32_t *ret_n_sets);
struct hg_trace *dataplane_trace(struct dataplane *dp);
struct hg_hop *dataplane_hops(struct dataplane *dp);       /* HG_HOPS of them */
struct hg_port_set *dataplane_ports(struct dataplane *dp); /* HG_PORT_SETS of them */
int dataplane_fd(struct dataplane *dp, enum program p);
int dataplane_map_fd(struct dataplane *dp, const char *name); /* "hg_stats" */
uint32_t dataplane_hz(const struct dataplane *dp);
uint32_t
dataplane_now(struct dataplane *dp); /* ticks with skew, as packets see them: 31 bits */

/* BPF_PROG_TEST_RUN: judge 'frame' at device 'device' (an image's id) and commit as for a
 * real packet. 'out' (may be NULL) receives the frame as it left. 'ret_code' is the
 * program's return value (XDP_* or TC_ACT_*). Tests only: the device's ifindex is set to
 * one that exists (lo, 1) through the port table. */
int dataplane_run(struct dataplane *dp, enum program p, uint32_t ifindex,
		  const uint8_t *frame, size_t size, uint8_t *out, size_t *out_size,
		  int *ret_code);
/* Judge with hg_explain: nothing is committed. */
int dataplane_explain(struct dataplane *dp, uint32_t device, uint32_t door,
		      const uint8_t *frame, size_t size, struct hg_trace *ret);

/* Sum over CPUs. */
int dataplane_counters(struct dataplane *dp, uint32_t slot, struct hg_counters *ret);
int dataplane_hits(struct dataplane *dp, uint32_t rule, uint64_t *ret);
