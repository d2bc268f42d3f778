/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rules: rule sets of tests, as short as they can be written.
 *
 * Shape    The members of one JSON object with ' for "; "headgate": 1 is added.
 * Owner    The caller frees the model with model_free().
 * Errors   Complaints are notes, and end the program: it is the test's mistake.
 */
#include "config/model.h"

struct model *rules_model(const char *members);
