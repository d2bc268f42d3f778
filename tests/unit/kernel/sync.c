/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sync.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/tap.h"

#define PORTS   4 /* line of the port table: 2 sets */
#define DEVICES 6 /* line of the devices: 8 */

static struct hg_line lines[16];

static struct image image_fresh(void)
{
	struct hg_header *h = (struct hg_header *)lines;

	memset(lines, 0, sizeof(lines));
	h->ports = (struct hg_table){ PORTS, 2 };
	h->devices = (struct hg_table){ DEVICES, 8 };
	return (struct image){ .lines = lines, .n_lines = 16 };
}

static const struct hg_device *device(uint32_t id)
{
	return (const struct hg_device *)&lines[DEVICES + id];
}

static const struct hg_port *port(uint32_t ifindex)
{
	const struct hg_port *set = (const struct hg_port *)&lines[PORTS + (ifindex & 1)];

	for (int i = 0; i < 4; i++)
		if (set[i].ifindex == ifindex)
			return &set[i];
	return NULL;
}

int main(void)
{
	struct image image = image_fresh();
	struct live live = {
		.device = 1,
		.ifindex = 5,
		.slot = 9,
		.flags = HG_DEVICE_XDP,
		.hop = 4,
		.mtu = 1500,
		.mac = { 2, 0, 0, 0, 0, 1 },
	};

	is(live_set(&image, &live), 0, "a device's live words can be written");
	ok(port(5) && port(5)->device == 1 && port(5)->slot == 9,
	   "a packet finds the device and its slot by the interface's index");
	ok(device(1)->ifindex == 5 && device(1)->mtu == 1500 &&
		   device(1)->flags == HG_DEVICE_XDP && device(1)->mac[5] == 1,
	   "the device knows its index, MTU, flags and MAC");
	is(device(1)->hop, 4, "and where its instance is in hg_hops");
	live.mtu = 9000;
	is(live_set(&image, &live), 0, "they can be written again");
	ok(device(1)->mtu == 9000 && port(5)->device == 1,
	   "and the device keeps its one port entry");
	for (uint32_t i = 0; i < 3; i++) {
		live.device = 2 + i;
		live.ifindex = 7 + 2 * i;
		is(live_set(&image, &live), 0, "device %u fits into the same set",
		   live.device);
	}
	live.device = 5;
	live.ifindex = 13;
	is(live_set(&image, &live), -ENOSPC, "a fifth index of one set is refused");
	is(device(5)->ifindex, 0, "and leaves its device alone");
	live_clear(&image, 7);
	ok(!port(7) && device(2)->ifindex == 0,
	   "a device that has gone is in no port entry");
	ok(port(5) && port(9) && port(11), "the others of its set stay");
	is(live_set(&image, &live), 0, "its place can be had by another");
	live.device = 8;
	live.ifindex = 2;
	is(live_set(&image, &live), -ENOENT,
	   "a device that the image does not have is refused");
	live_clear(&image, 42);
	ok(port(5) != NULL, "forgetting an index that was never there changes nothing");
	return done();
}
