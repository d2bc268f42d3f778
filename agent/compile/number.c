/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int numbers_init(struct numbers *n, uint32_t max)
{
	*n = (struct numbers){ .max = max,
			       .next = 1,
			       .is_used = calloc(max + 1UL, sizeof(bool)),
			       .is_resting = calloc(max + 1UL, sizeof(bool)) };
	if (n->is_used && n->is_resting)
		return 0;
	numbers_done(n);
	return -ENOMEM;
}

void numbers_done(struct numbers *n)
{
	free(n->is_used);
	free(n->is_resting);
	*n = (struct numbers){ 0 };
}

void numbers_keep(struct numbers *n, uint32_t id, bool is_there)
{
	if (id > n->max)
		return;
	n->is_used[id] = is_there;
	n->is_resting[id] = !is_there;
}

static uint32_t free_find(struct numbers *n)
{
	while (n->next <= n->max && (n->is_used[n->next] || n->is_resting[n->next]))
		n->next++;
	return n->next <= n->max ? n->next : 0;
}

uint32_t numbers_take(struct numbers *n)
{
	uint32_t id = free_find(n);

	if (!id) {
		memset(n->is_resting, 0, (n->max + 1UL) * sizeof(bool));
		n->next = 1;
		id = free_find(n);
	}
	n->is_used[id] = id != 0;
	return id;
}
