/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent.h"
#include "base/cleanup.h"
#include "config/document.h"
#include "config/json.h"
#include "config/read.h"

int seed_read(const char *path, struct diag *diag, char **ret, size_t *ret_size)
{
	_cleanup_(json_freep) struct json *whole = NULL;
	_cleanup_(model_freep) struct model *model = NULL;
	int r;

	/* Complaints point into the files as their author knows them. */
	r = config_read(path, diag, &model);
	if (r == 0)
		r = document_read(path, diag, &whole);
	if (r < 0)
		return r;
	*ret = json_print(whole, true);
	if (!*ret)
		return -ENOMEM;
	*ret_size = strlen(*ret);
	return 0;
}
