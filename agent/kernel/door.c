/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/door.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/plane.h"

/* A bpffs takes no dots, and device names may have them. */
static void xdp_name(uint32_t ifindex, char ret[static 32])
{
	snprintf(ret, 32, "xdp_%u", ifindex);
}

/* The fd of a pinned link that still holds on to its device. */
static int xdp_link(const char *pin_dir, uint32_t ifindex)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	char name[32];
	int fd;

	xdp_name(ifindex, name);
	fd = pin_get(pin_dir, name);
	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    info.type != BPF_LINK_TYPE_XDP || info.xdp.ifindex != ifindex) {
		close(fd);
		pin_remove(pin_dir, name);
		return -ENOENT;
	}
	return fd;
}

bool door_xdp_exists(const char *pin_dir, uint32_t ifindex)
{
	_cleanup_close_ int fd = xdp_link(pin_dir, ifindex);

	return fd >= 0;
}

int door_xdp_attach(const char *pin_dir, uint32_t ifindex, int program)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	_cleanup_close_ int fd = xdp_link(pin_dir, ifindex);
	char name[32];
	int r;

	if (fd >= 0) {
		if (bpf_link_update(fd, program, NULL) == 0)
			return 0;
		r = -errno;
		error_set("cannot replace the XDP program: %s", strerror(-r));
		return r;
	}
	fd = bpf_link_create(program, (int)ifindex, BPF_XDP, &opts);
	if (fd < 0) {
		r = -errno;
		error_set(
			"%s",
			r == -EBUSY || r == -EEXIST
				? "another XDP program is attached to it"
			: r == -EOPNOTSUPP || r == -EINVAL
				? "its driver has no native XDP, or not with its MTU and "
				  "settings as they are"
				: strerror(-r));
		return r;
	}
	xdp_name(ifindex, name);
	r = pin_put(pin_dir, name, fd);
	if (r < 0)
		error_set("cannot pin its XDP link: %s", strerror(-r));
	return r;
}

int door_xdp_detach(const char *pin_dir, uint32_t ifindex)
{
	_cleanup_close_ int fd = xdp_link(pin_dir, ifindex);
	char name[32];

	if (fd < 0)
		return 0;
	bpf_link_detach(fd);
	xdp_name(ifindex, name);
	pin_remove(pin_dir, name);
	return 0;
}

/* libbpf wants the padding zero too. */
static struct bpf_tc_hook tc_hook(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook hook;

	memset(&hook, 0, sizeof(hook));
	hook.sz = sizeof(hook);
	hook.ifindex = (int)ifindex;
	hook.attach_point = point;
	return hook;
}

int door_tc_attach(uint32_t ifindex, bool is_egress, int program, bool *ret_made)
{
	struct bpf_tc_hook hook =
		tc_hook(ifindex, is_egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = DOOR_HANDLE, .priority = 1,
		    .prog_fd = program, .flags = BPF_TC_F_REPLACE);
	int r;

	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST) {
		error_set("it takes no clsact qdisc: %s", strerror(-r));
		return r;
	}
	if (ret_made)
		*ret_made = r == 0;
	r = bpf_tc_attach(&hook, &opts);
	if (r < 0)
		error_set("cannot attach a TC program: %s%s", strerror(-r),
			  r == -EINVAL
				  ? " (an \"ingress\" qdisc stands where clsact must be)"
				  : "");
	return r;
}

int door_tc_detach(uint32_t ifindex, bool is_egress)
{
	struct bpf_tc_hook hook =
		tc_hook(ifindex, is_egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = DOOR_HANDLE, .priority = 1);
	int r;

	r = bpf_tc_detach(&hook, &opts);
	/* No device, no qdisc, no filter: nothing of ours is there. */
	return r == -ENOENT || r == -ENODEV || r == -EINVAL ? 0 : r;
}

int door_tc_clear(uint32_t ifindex)
{
	struct bpf_tc_hook hook = tc_hook(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_destroy(&hook);
}
