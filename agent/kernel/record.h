/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* record: what is known of a device beyond the agent's life: PIN_DIR/hg_devices.
 *
 * Shape    HASH by name (16 bytes, zero padded) of struct record.
 * Units    'base' is what its slot of hg_stats had counted for others before.
 * Owner    attach.c; the packet path never reads it.
 * Errors   Negative errno. A map of another shape is replaced by an empty one.
 */
#include <hg/event.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_XDP    1
#define RECORD_IN     2
#define RECORD_OUT    4
#define RECORD_CLSACT 8 /* we made the qdisc */

struct record {
	uint32_t slot;
	uint32_t ifindex;
	uint32_t doors; /* RECORD_* */
	uint32_t zero;
	struct hg_counters base;
};

struct record_named {
	char device[16];
	struct record record;
};

int records_open(const char *pin_dir, bool may_create);         /* fd */
int record_get(int fd, const char *device, struct record *ret); /* -ENOENT */
int record_put(int fd, const char *device, const struct record *record);
void record_remove(int fd, const char *device);
/* All of them, by name. Heap. */
int records_list(int fd, struct record_named **ret, size_t *ret_n);
