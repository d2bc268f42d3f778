/* SPDX-License-Identifier: Apache-2.0 */
#include "health/wire.h"

#include <errno.h>
#include <string.h>

#define WEEK_MS 604800000U

bool wire_path_is_good(const char *path)
{
	size_t n = strnlen(path, WIRE_PATH + 1);

	if (n == 0 || n > WIRE_PATH || path[0] != '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if (path[i] <= ' ' || path[i] > '~')
			return false;
	return true;
}

static bool set_is_good(const struct wire_order *o)
{
	if (o->interval_ms == 0 || o->interval_ms > WEEK_MS || o->timeout_ms == 0 ||
	    o->timeout_ms > WEEK_MS || o->port == 0)
		return false;
	if (o->address.family != 4 && o->address.family != 6)
		return false;
	if (o->protocol == WIRE_TCP)
		return o->path[0] == '\0';
	return o->protocol <= WIRE_HTTPS && wire_path_is_good(o->path);
}

int wire_order_check(const void *message, size_t size)
{
	const struct wire_order *o = message;

	if (size != sizeof(*o) || o->version != WIRE_VERSION || o->id >= WIRE_CHECKS)
		return -EBADMSG;
	if (o->kind == WIRE_SET)
		return set_is_good(o) ? 0 : -EBADMSG;
	return o->kind == WIRE_REMOVE || o->kind == WIRE_NOW ? 0 : -EBADMSG;
}

int wire_result_check(const void *message, size_t size)
{
	const struct wire_result *m = message;

	if (size != sizeof(*m) || m->version != WIRE_VERSION || m->kind != WIRE_RESULT ||
	    m->id >= WIRE_CHECKS || m->outcome > WIRE_FAILED || m->status > 999)
		return -EBADMSG;
	/* Only an answer has a status. */
	return m->outcome != WIRE_ANSWERED && m->status != 0 ? -EBADMSG : 0;
}
