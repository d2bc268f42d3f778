/* SPDX-License-Identifier: Apache-2.0 */
#include "config/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static int name_compare(const void *name, const void *object)
{
	return strcmp(name, *(const char *const *)object);
}

const void *model_find(const void *list, size_t n, size_t size, const char *name)
{
	return n ? bsearch(name, list, n, size, name_compare) : NULL;
}

void model_free(struct model *m)
{
	if (m)
		arena_free(m->arena);
}
