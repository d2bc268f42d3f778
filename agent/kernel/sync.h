/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sync: an image on its way into the data plane, in two steps.
 *
 *   stage: copy into free lines, carry hits over      fallible
 *   commit: one 8-byte store, then a grace period     cannot fail
 *
 * Shape    Between the two, the live words are written and devices attached: their packets
 *          must not be seen by a program that has no image for them longer than need be.
 * Owner    The image is copied. 'ret_staged' is good until the commit or the next stage.
 * Errors   dataplane_stage(): -EPROTO for an image that is not sound, -ENOMEM, or what
 *          growing a map said; nothing has changed then.
 */
#include "kernel/dataplane.h"

/* The live words of one device of the image. */
struct live {
	uint32_t device; /* id in the image */
	uint32_t ifindex;
	uint32_t slot;  /* of hg_stats */
	uint32_t flags; /* HG_DEVICE_* */
	uint32_t mtu;
	uint32_t hop; /* of a port's instance, see neighbour.h */
	uint8_t mac[6];
};

int dataplane_stage(struct dataplane *dp, const struct image *image,
		    struct image *ret_staged);
void dataplane_commit(struct dataplane *dp);

/* Into an image in memory or in force: device words first, then the port entry, so that a
 * packet which finds the port finds the device whole. -ENOSPC: no room in the port's set. */
int live_set(struct image *image, const struct live *live);
void live_clear(struct image *image, uint32_t ifindex);
/* What gateways at 'device' take for the next hop of a family when none is written. Into a
 * staged image only: a packet could read half of it. 'next_hop' of family 0: none. */
void live_next_hop(struct image *image, uint32_t device, unsigned family,
		   const struct addr *next_hop);

/* Called after a map has grown and other programs must take over: puts dataplane_fd()'s
 * programs wherever older ones are attached. Called again when it fails, with the older
 * ones back in dataplane_fd(). */
typedef int dataplane_replace_fn(void *arg);
void dataplane_on_replace(struct dataplane *dp, dataplane_replace_fn *fn, void *arg);

/* Whether the flow tables are as large as 'max_flows' connections want them. */
bool dataplane_flows_fit(const struct dataplane *dp, uint32_t max_flows);
/* Other flow tables, empty ones; only before the first image, when there is nothing to
 * lose. On failure nothing has changed. */
int dataplane_resize(struct dataplane *dp, uint32_t max_flows);
bool dataplane_is_adopted(const struct dataplane *dp);
const char *dataplane_lost(const struct dataplane *dp);        /* "": nothing was */
uint32_t dataplane_image_capacity(const struct dataplane *dp); /* lines */
/* Judgements by rule id of the image in force; ids beyond it read 0. */
int dataplane_hits_all(struct dataplane *dp, uint64_t *ret, uint32_t n);
