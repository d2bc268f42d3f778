/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* image: the compiler's product, and how to read names back from it.
 *
 * Shape    'lines' is a blob as include/hg/image.h draws it, 64-byte aligned.
 * Units    'n_lines' of 64 bytes.
 * Owner    image_compile() allocates, image_free() frees. Readers borrow.
 * Errors   image_compile(): -EINVAL with complaints in 'diag' when a limit of
 *          hg/limits.h is passed, -ENOMEM. Nothing is written to 'ret_image' then.
 *          Name readers return "" or NULL for ids that do not exist; image_check()
 *          says whether a blob from elsewhere can be trusted by them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hg/image.h>

#include "base/addr.h"
#include "base/diag.h"
#include "config/model.h"

struct image {
	struct hg_line *lines;
	size_t n_lines;
};

/* What the compiler must know besides the model; all of it from the caller, so that
 * the same arguments give the same bytes. */
struct device_addresses {
	const char *device;
	const struct addr
		*addresses; /* of the kernel; for local interfaces without any */
	size_t n;
};

struct facts {
	const struct device_addresses *devices;
	size_t n_devices;
	const struct image *previous; /* zones keep their numbers; NULL is fine */
};

int image_compile(const struct model *m, const struct facts *facts, struct diag *diag,
		  struct image **ret_image);
void image_free(struct image *image); /* NULL is fine */
static inline void image_freep(struct image **image)
{
	image_free(*image);
}

/* 0 when every table lies inside the blob and the ABI is ours; -EPROTO. */
int image_check(const struct image *image);

static inline const struct hg_header *image_header(const struct image *image)
{
	return (const struct hg_header *)image->lines;
}

/* Record 'id' of a table with records of 'size' bytes (4, 16, 64); NULL out of range. */
const void *image_record(const struct image *image, struct hg_table table, uint32_t id,
			 size_t size);
const char *image_object_name(const struct image *image, uint32_t object); /* "edge" */
uint32_t image_object_kind(const struct image *image, uint32_t object); /* HG_OBJECT_* */
const struct hg_rule *image_rule(const struct image *image, uint32_t rule);
/* The JSON key of a kind, singular: "network_acl". */
const char *object_kind_name(uint32_t kind);

/* What one classifier is made of, for show. */
struct classifier_info {
	uint32_t kind; /* HG_CLASSIFIER_* */
	uint32_t n_rules, n_rows, n_columns, n_clauses;
	size_t bytes; /* with what it shares with others */
};

/* Of the classifier at 'line' (struct hg_subnet.nacl, struct hg_interface.groups), whose
 * VPC has 'n_peers'. -ENOENT when there is none. */
int image_classifier_info(const struct image *image, uint32_t line, uint32_t n_peers,
			  struct classifier_info *ret);
