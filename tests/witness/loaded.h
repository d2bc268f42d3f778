/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* loaded: the third witness, the program in the kernel.
 *
 * Shape    Every device of the image stands behind the loopback's ifindex in turn: the port
 *          entry is rewritten before each packet. A drop's reason is read from the counters,
 *          so that counting is on trial as well.
 * Units    'now' in seconds; the clock stands at its beginning and drifts a little.
 * Owner    Borrows the data plane.
 * Errors   A data plane that does not run ends the program.
 */
#include "tests/witness/trial.h"

/* Empties the flow and fragment tables. */
void loaded_reset(struct dataplane *dp);
void loaded_switch(struct dataplane *dp, const struct image *image, bool is_xdp);
/* False when the second before has lasted too long to be one. */
bool loaded_set_time(struct dataplane *dp, uint32_t before, uint32_t now);
void loaded_ask(struct dataplane *dp, uint32_t device, uint32_t door, bool is_xdp,
		const uint8_t *frame, size_t size, struct answer *ret);

/* Writes what the agent would: ifindex, MACs and MTU of every device. */
void image_enliven(struct image *image, bool is_xdp);
