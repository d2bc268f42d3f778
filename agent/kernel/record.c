/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/record.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/plane.h"

struct name {
	char text[16];
};

static struct name name_of(const char *device)
{
	struct name name = {};

	strncpy(name.text, device, sizeof(name.text) - 1);
	return name;
}

int records_open(const char *pin_dir, bool may_create)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	_cleanup_close_ int fd = -1;
	int r;

	fd = pin_get(pin_dir, "hg_devices");
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
	    info.key_size == sizeof(struct name) &&
	    info.value_size == sizeof(struct record))
		return TAKE_FD(fd);
	if (!may_create)
		return fd < 0 ? fd : -EPROTO;
	cleanup_close(&fd);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "hg_devices", sizeof(struct name),
			    sizeof(struct record), HG_SLOTS, &opts);
	if (fd < 0)
		return -errno;
	r = pin_put(pin_dir, "hg_devices", fd);
	return r < 0 ? r : TAKE_FD(fd);
}

int record_get(int fd, const char *device, struct record *ret)
{
	struct name name = name_of(device);

	return bpf_map_lookup_elem(fd, &name, ret) < 0 ? -errno : 0;
}

int record_put(int fd, const char *device, const struct record *record)
{
	struct name name = name_of(device);

	return bpf_map_update_elem(fd, &name, record, BPF_ANY) < 0 ? -errno : 0;
}

void record_remove(int fd, const char *device)
{
	struct name name = name_of(device);

	bpf_map_delete_elem(fd, &name);
}

static int named_compare(const void *a, const void *b)
{
	return strcmp(((const struct record_named *)a)->device,
		      ((const struct record_named *)b)->device);
}

int records_list(int fd, struct record_named **ret, size_t *ret_n)
{
	struct record_named *list = calloc(HG_SLOTS, sizeof(*list));
	struct name name, *before = NULL;
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	while (n < HG_SLOTS && bpf_map_get_next_key(fd, before, &name) == 0) {
		memcpy(list[n].device, name.text, sizeof(name.text));
		if (bpf_map_lookup_elem(fd, &name, &list[n].record) == 0)
			n++;
		before = &name;
	}
	if (n)
		qsort(list, n, sizeof(*list), named_compare);
	*ret = list;
	*ret_n = n;
	return 0;
}
