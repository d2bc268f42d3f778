/* SPDX-License-Identifier: Apache-2.0 */
#include "config/model.h"

#include "base/arena.h"

void model_free(struct model *m)
{
	if (m)
		arena_free(m->arena);
}
