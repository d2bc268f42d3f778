/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* apply: how a rule set comes into force; see agent.h for agent_apply().
 *
 * Shape    Every step that can fail comes before the commit of the version; after it there
 *          is one 8-byte store and what must follow.
 * Errors   As agent_apply().
 */
#include "agent.h"

/* The rule set in force once more: after a start, or for other addresses. Devices that
 * cannot be attached are no error. */
int apply_again(struct agent *a, struct diag *diag, struct refusal *ret_refusal);
/* Of the kernel's addresses that the rule set in force asks for. */
uint64_t apply_facts_hash(struct agent *a);
