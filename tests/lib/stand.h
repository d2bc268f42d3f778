/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* stand: the loaded program on a test stand: rules in, frames in, verdicts out.
 *
 *   stand_rules(JSON) -> model -> image -> maps
 *   stand_run(device, door, frame) -> BPF_PROG_TEST_RUN -> struct result
 *
 * Shape    Every device of the rule set stands behind the loopback's ifindex in turn: the
 *          port entry is rewritten before each packet, so no device has to exist. A drop's
 *          reason is read from the counters, so that counting is on trial with the rest.
 * Units    Seconds. stand_wait() moves the clock of the program by its skew; what a test
 *          takes to run comes on top and is far below a second.
 * Owner    stand_free(). One stand a process is enough: loading takes longest.
 * Errors   What cannot be set up ends the program with a sentence.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hg/event.h>

#include "compile/image.h"
#include "kernel/dataplane.h"
#include "tests/lib/frame.h"

struct result {
	bool is_given; /* false: the kernel takes no such frame (too short) */
	bool allow, is_answer;
	bool is_switched; /* redirected to the device of another interface */
	bool is_told;     /* dropped, and 'frame' is what the sender gets */
	bool is_xdp;      /* the program that was run */
	uint32_t reason;  /* HG_DROP_*, 0: allowed */
	unsigned counted; /* how often: must be 1 */
	size_t size;      /* of the frame as it left */
	uint8_t frame[FRAME_MAX];
};

/* ---- the program and its tables, for those who bring an image of their own ---- */

/* Writes what the agent would, and what packets would have taught: ifindex, MTU and MACs of
 * every device, 02:aa:00:00:00:id its own and 02:bb:00:00:00:id the instance's. Links of subnets and
 * uplinks have ifindexes of their own, so that neighbours of equal addresses are told apart. */
void image_enliven(struct image *image, bool is_xdp);
/* Empties the flow and fragment tables. */
void plane_reset(struct dataplane *dp);
void plane_switch(struct dataplane *dp, const struct image *image, bool is_xdp);
/* False when 'before' has lasted too long to be a second. */
bool plane_set_time(struct dataplane *dp, uint32_t before, uint32_t now);
void plane_ask(struct dataplane *dp, uint32_t device, uint32_t door, bool is_xdp,
	       const uint8_t *frame, size_t size, struct result *ret);

/* ---- the stand ---- */

struct stand;

struct stand *stand_new(uint32_t n_flow_sets);
void stand_free(struct stand *s); /* NULL is fine */
struct dataplane *stand_plane(struct stand *s);
/* In doors by XDP from the next stand_rules() on. */
void stand_use_xdp(struct stand *s, bool is_xdp);
/* Puts a rule set in force; 'text' is JSON with ' for ". Connections stay. */
void stand_rules(struct stand *s, const char *text);
const struct model *stand_model(const struct stand *s); /* of the rules in force */
/* Forgets all connections and fragments. */
void stand_reset(struct stand *s);
void stand_wait(struct stand *s, uint32_t seconds);

struct result stand_bytes(struct stand *s, const char *device, uint32_t door,
			  const uint8_t *frame, size_t size);
struct result stand_run(struct stand *s, const char *device, uint32_t door,
			const struct frame *f);
/* HG_DOOR_IN and HG_DOOR_OUT; returns the reason, 0 for a packet that passed. Fails the
 * program when it was not counted exactly once, or when bytes other than MACs changed. */
uint32_t stand_in(struct stand *s, const char *device, struct frame f);
uint32_t stand_out(struct stand *s, const char *device, struct frame f);

/* A TCP handshake between the outside (out door) and the instance (in door), up to the last
 * ACK; 'opener' is who begins. Returns the first refusal. */
enum opener { OPENED_OUTSIDE, OPENED_INSIDE };
uint32_t stand_connect(struct stand *s, const char *device, enum opener opener,
		       const char *from, uint16_t sport, const char *to, uint16_t dport);
/* What the loaded program names as the rule of 'stage' (HG_STAGE_*), without committing: a
 * NACL's number (0 is "*"), a group's index, -1 when the stage was not met. */
long stand_rule(struct stand *s, const char *device, uint32_t door, const struct frame *f,
		uint16_t stage);

/* HG_STATE_* of the tracked connection that this packet belongs to, HG_STATE_NONE without. */
uint32_t stand_state(struct stand *s, const char *device, uint32_t door,
		     const struct frame *f);

/* Passes when the reason is as wanted; prints both names. */
bool is_reason(uint32_t got, uint32_t want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
const char *reason_name(uint32_t reason); /* "PASS" for 0 */
