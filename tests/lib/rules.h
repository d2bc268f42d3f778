/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rules: rule sets of tests, read and compiled.
 *
 * Shape    rules_model() takes the members of one JSON object with ' for ", and adds
 *          "headgate": 1; rules_image() a whole document.
 * Owner    The caller frees the model with model_free(), the image with image_free().
 * Errors   Complaints are notes, and end the program: it is the test's mistake.
 */
#include "compile/image.h"
#include "config/model.h"

struct model *rules_model(const char *members);
/* 'facts' may be NULL: none. */
struct image *rules_image(const char *text, const struct facts *facts,
			  struct model **ret_model);
