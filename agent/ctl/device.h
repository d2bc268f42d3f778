/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* device: what the agent knows of the devices that the rule set names.
 *
 * Owner    Borrowed from the agent, good until the next apply.
 * Errors   NULL: the rule set in force names no such device.
 */
#include "agent.h"

/* NULL for a 'name' of NULL. */
const struct attached *device_find(const struct agent *a, const char *name);

#define DEVICE_TROUBLE 64

/* "device eth0 is absent"; NULL: packets can be sent by it. */
const char *device_trouble(const struct agent *a, const char *name,
			   char buf[static DEVICE_TROUBLE]);

/* Sets "device" and "state", null where there is none. */
struct json;
void device_state_json(const struct agent *a, const char *name, struct json *j);
