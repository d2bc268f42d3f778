/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* address: what an image says of an address: the look-ups of the packet path, for readers.
 *
 * Units    'vpc', 'uplink' and 'device' are ids.
 * Owner    Borrows the image; answers point into it.
 * Errors   NULL or 0 for an id that does not exist and where an image has holes. An address
 *          that nothing covers has the first class and the first place.
 */
#include "compile/image.h"

const struct hg_class *image_class(const struct image *image, uint32_t vpc,
				   const struct addr *a);
const struct hg_place *image_place(const struct image *image, uint32_t uplink,
				   const struct addr *a);
/* Interface id, 0 nobody. */
uint32_t image_owner(const struct image *image, uint32_t vpc, const struct addr *a);
/* NULL for 0, too. */
const struct hg_interface *image_interface(const struct image *image, uint32_t id);
const struct hg_device *image_device(const struct image *image, uint32_t id);
