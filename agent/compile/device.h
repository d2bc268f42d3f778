/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* device: the network devices that a rule set names, in the order of their ids.
 *
 * Shape    Id i is list[i - 1]: the interfaces that name a device, then the subnets that
 *          do, both in model order, then the uplinks by name, each once however many
 *          gateways share it.
 * Units    'role' is HG_ROLE_*. 'index' counts from 0: of the interface, of the subnet, or
 *          among the uplinks.
 * Owner    devices_list() allocates, devices_done() frees; names are the model's.
 * Errors   -ENOMEM.
 */
#include <stddef.h>
#include <stdint.h>

#include "compile/image.h"

struct device {
	const char *name;
	enum hook hook;
	uint32_t role;
	size_t index;
};

struct devices {
	struct device *list;
	size_t n;
	size_t n_uplinks; /* the last ones */
};

int devices_list(const struct model *m, struct devices *ret);
void devices_done(struct devices *d);
uint32_t devices_find(const struct devices *d, const char *name);   /* id, 0 none */
const char *devices_name(const struct devices *d, uint32_t device); /* NULL: none */

/* The same for a few devices of the image that 'm' was compiled to, without a list. */
const char *image_device_name(const struct image *image, const struct model *m,
			      uint32_t device);
uint32_t image_device_find(const struct image *image, const struct model *m,
			   const char *name);
