/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* travel: a packet's way through the gateway on the stand, from device to neighbour.
 *
 *   travels(s, "in0", packet, "out0 203.0.113.1", as it is there, "a sentence")
 *
 * Shape    A place is "DEVICE ADDRESS", a neighbour on the link of a subnet's device or uplink; "PORT", the
 *          instance of one; NULL, the kernel. What left is compared with the frame that is wanted
 *          byte for byte: built anew, its checksums are nobody's updates.
 * Units    A 'ttl' of zero in what is wanted is one less than that of what was sent; from device to the kernel
 *          as many.
 * Owner    Frames are borrowed. Neighbours are made known to the data plane as they are named.
 * Errors   As stand.h.
 */
#include "tests/lib/stand.h"

/* As stand_run(), from whoever has that address there. */
struct result travel_run(struct stand *s, const char *device, struct frame f);

bool travels(struct stand *s, const char *device, struct frame f, const char *place,
	     struct frame want, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* The packet is dropped, and its sender gets 'want' (of TC doors: XDP tells nobody). Of an
 * error 'want' quotes as much as there is. */
bool is_told(struct stand *s, const char *device, struct frame f, uint32_t reason,
	     struct frame want, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* The packet is dropped for 'reason', and nobody hears of it. */
bool is_lost(struct stand *s, const char *device, struct frame f, uint32_t reason,
	     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Makes a neighbour known. */
void travel_meet(struct stand *s, const char *place);

/* A frame with other ends: NULL, 0: as before. */
struct frame frame_from(struct frame f, const char *saddr, uint16_t sport);
struct frame frame_to(struct frame f, const char *daddr, uint16_t dport);

/* What NAT gateway 'name' has counted, all CPUs. */
struct hg_meter travel_meter(struct stand *s, const char *name);
/* And load balancer 'name'. */
struct hg_meter travel_balancer(struct stand *s, const char *name);
