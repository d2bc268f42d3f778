/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fields.h"

const struct choice hook_choices[] = {
	{ "auto", HOOK_AUTO }, { "xdp", HOOK_XDP }, { "tc", HOOK_TC }, {}
};
