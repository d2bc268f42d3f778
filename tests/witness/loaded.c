/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/loaded.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/flow.h>

#include "tests/lib/tap.h"

#define LOOPBACK 1 /* an ifindex that exists in every network namespace */
#define SLOT     1

void loaded_reset(struct dataplane *dp)
{
	static struct hg_frag_set none;
	uint32_t n;
	void *sets;
	int fd = dataplane_map_fd(dp, "hg_frags");

	sets = dataplane_flows4(dp, &n);
	memset(sets, 0, n * sizeof(struct hg_set4));
	sets = dataplane_flows6(dp, &n);
	memset(sets, 0, n * sizeof(struct hg_set6));
	for (uint32_t i = 0; i < HG_FRAG_SETS; i++)
		if (bpf_map_update_elem(fd, &i, &none, BPF_ANY) < 0)
			bail("cannot clear hg_frags");
}

void image_enliven(struct image *image, bool is_xdp)
{
	struct hg_table devices = image_header(image)->devices;

	for (uint32_t id = 1; id < devices.n; id++) {
		struct hg_device *d =
			(struct hg_device *)&image->lines[devices.line + id];

		d->ifindex = LOOPBACK;
		d->flags = is_xdp ? HG_DEVICE_XDP : 0;
		d->mtu = 65535;
		memcpy(d->mac, (uint8_t[]){ 2, 0xaa, 0, 0, 0, id }, 6);
	}
}

void loaded_switch(struct dataplane *dp, const struct image *image, bool is_xdp)
{
	int r = dataplane_switch(dp, image);
	struct image live;

	if (r < 0)
		bail("dataplane_switch: %s (%s)", strerror(-r), dataplane_error());
	live = dataplane_image(dp);
	image_enliven(&live, is_xdp);
}

bool loaded_set_time(struct dataplane *dp, uint32_t before, uint32_t now)
{
	uint32_t hz = dataplane_hz(dp), ticks = dataplane_now(dp);

	dataplane_control(dp)->skew += now * hz - ticks;
	return before == 0 || ticks - before * hz < hz - hz / 8;
}

static uint32_t name_drop(const struct hg_counters *before,
			  const struct hg_counters *after, unsigned *ret_counted)
{
	uint32_t reason = HG_DROP_NONE;

	*ret_counted = after->passed - before->passed;
	for (uint32_t i = 0; i < HG_DROPS; i++)
		if (after->dropped[i] != before->dropped[i]) {
			reason = i;
			*ret_counted += after->dropped[i] - before->dropped[i];
		}
	return reason;
}

/* Return codes: XDP_DROP 1, XDP_PASS 2, XDP_TX 3, XDP_REDIRECT 4; TC_ACT_OK 0, TC_ACT_SHOT 2,
 * TC_ACT_REDIRECT 7. */
static void read_code(struct answer *a, int code, bool is_xdp, bool was_answered)
{
	a->hop = -1;
	if (code == (is_xdp ? 1 : 2)) {
		a->allow = false;
	} else if (code == (is_xdp ? 2 : 0)) {
		a->allow = true;
	} else if (code == (is_xdp ? 4 : 7) || (is_xdp && code == 3)) {
		a->allow = true;
		if (was_answered)
			a->is_answer = true;
		else
			a->hop = -2;
	} else {
		bail("a return code without meaning: %d", code);
	}
}

void loaded_ask(struct dataplane *dp, uint32_t device, uint32_t door, bool is_xdp,
		const uint8_t *frame, size_t size, struct answer *ret)
{
	enum program p = door == HG_DOOR_OUT ? PROGRAM_OUT
			 : is_xdp            ? PROGRAM_XDP
					     : PROGRAM_IN;
	struct image image = dataplane_image(dp);
	struct hg_table ports = image_header(&image)->ports;
	struct hg_port *port =
		(struct hg_port *)&image.lines[ports.line + (LOOPBACK & (ports.n - 1))];
	struct hg_counters before, after;
	int code = -1, r;

	*ret = (struct answer){ .size = sizeof(ret->frame) };
	*port = (struct hg_port){ .ifindex = LOOPBACK, .device = device, .slot = SLOT };
	if (size < 14) /* the kernel has no such frames */
		return;
	if (dataplane_counters(dp, SLOT, &before) < 0)
		bail("no counters");
	r = dataplane_run(dp, p, LOOPBACK, frame, size, ret->frame, &ret->size, &code);
	if (r == -EINVAL && size == 14)
		return;
	if (r < 0)
		bail("dataplane_run of %zu bytes: %s", size, strerror(-r));
	if (dataplane_counters(dp, SLOT, &after) < 0)
		bail("no counters");
	ret->is_given = true;
	ret->reason = name_drop(&before, &after, &ret->counted);
	read_code(ret, code, p == PROGRAM_XDP, after.answered != before.answered);
}
