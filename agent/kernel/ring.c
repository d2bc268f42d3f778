/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ring.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "kernel/dataplane.h"

struct ring {
	struct ring_buffer *buffer;
	size_t size;
	ring_fn *fn;
	void *arg;
};

static int ring_record(void *arg, void *data, size_t size)
{
	struct ring *r = arg;

	if (size >= r->size)
		r->fn(r->arg, data);
	return 0;
}

int ring_new(struct dataplane *dp, const char *name, size_t size, ring_fn *fn, void *arg,
	     struct ring **ret)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->size = size;
	r->fn = fn;
	r->arg = arg;
	r->buffer = ring_buffer__new(dataplane_map_fd(dp, name), ring_record, r, NULL);
	if (!r->buffer) {
		free(r);
		return -errno;
	}
	*ret = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	ring_buffer__free(r->buffer);
	free(r);
}

int ring_fd(const struct ring *r)
{
	return ring_buffer__epoll_fd(r->buffer);
}

void ring_drain(struct ring *r)
{
	ring_buffer__consume(r->buffer);
}
