/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* read: a rule file, or a directory of them, to a model.
 *
 * Shape    A file is one JSON document; a directory's *.json are merged by key in the
 *          order of their names. Prefix list files stand beside the file that names them.
 * Units    Sizes and depths are bounded by hg/limits.h.
 * Owner    The caller frees the model with model_free(). 'diag' collects complaints.
 * Errors   -EINVAL with complaints (and no model), -ENOMEM, or the errno of opening
 *          the path, also as a complaint.
 */
#include "base/diag.h"
#include "config/model.h"

int config_read(const char *path, struct diag *diag, struct model **ret_model);
/* The same from memory; 'name' is what complaints call it, 'dir' where prefix list
 * files are looked for, NULL: they are refused. */
int config_read_text(const char *name, const char *text, size_t size, const char *dir,
		     struct diag *diag, struct model **ret_model);
/* Warnings only: shadowed rules, rules that never match, unused objects. */
void config_warn(const struct model *m, struct diag *diag);
/* The JSON Schema (2020-12) of a rule set, from the same tables. Heap. */
char *config_schema(void);
/* The reference page (Markdown) of a rule set, from the same tables. Heap. */
char *config_reference(void);
