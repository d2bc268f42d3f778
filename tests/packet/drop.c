/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* Each reason of the ledger that a firewall can give, provoked once and counted once. */
static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16'] } },"
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24'], 'network_acl': "
	"'n' } },"
	"  'network_acls': { 'n': { 'vpc': 'v', 'ingress': ["
	"    { 'rule': 10, 'action': 'allow', 'protocol': 'all', 'cidr': '198.51.0.0/16' "
	"} ],"
	"    'egress': ["
	"    { 'rule': 10, 'action': 'allow', 'protocol': 'all', 'cidr': '198.51.0.0/16' "
	"},"
	"    { 'rule': 20, 'action': 'allow', 'protocol': 'all', 'cidr': '224.0.0.0/4' } "
	"] } },"
	"  'security_groups': { 'g': { 'vpc': 'v',"
	"    'ingress': [ { 'protocol': 'udp', 'ports': '53', 'peers': ['0.0.0.0/0'] } ],"
	"    'egress': [ { 'protocol': 'udp', 'ports': '53', 'peers': ['0.0.0.0/0'] } ] "
	"} },"
	"  'interfaces': { 'a': { 'subnet': 's', 'device': 'p0', 'security_groups': "
	"['g'],"
	"           'addresses': ['10.200.0.10'] },"
	"    'b': { 'subnet': 's', 'device': 'p1', 'security_groups': ['g'],"
	"           'addresses': ['10.200.0.12'] } } }";

struct row {
	uint32_t reason;
	uint32_t door;
	struct frame frame;
};

static size_t rows_make(struct row *rows)
{
	struct frame good = frame_udp("198.51.100.7", 1000, "10.200.0.10", 53), f;
	size_t n = 0;

	rows[n++] = (struct row){ HG_DROP_NONE, HG_DOOR_OUT, good };
	rows[n++] = (struct row){ HG_DROP_MALFORMED, HG_DOOR_OUT,
				  frame_udp("127.0.0.1", 1, "10.200.0.10", 53) };
	f = good;
	f.ethertype = 0x8847;
	rows[n++] = (struct row){ HG_DROP_UNSUPPORTED, HG_DOOR_OUT, f };
	f = frame_tcp("198.51.100.7", 1000, "10.200.0.10", 80, TCP_SYN);
	f.fragment = 8;
	rows[n++] = (struct row){ HG_DROP_FRAGMENT, HG_DOOR_OUT, f };
	rows[n++] = (struct row){ HG_DROP_SOURCE_CHECK, HG_DOOR_IN,
				  frame_udp("10.200.0.11", 1, "198.51.100.7", 53) };
	rows[n++] = (struct row){ HG_DROP_DEST_CHECK, HG_DOOR_OUT,
				  frame_udp("198.51.100.7", 1, "192.0.2.1", 53) };
	rows[n++] = (struct row){ HG_DROP_SG_EGRESS, HG_DOOR_IN,
				  frame_udp("10.200.0.10", 1, "198.51.100.7", 54) };
	rows[n++] = (struct row){ HG_DROP_SG_INGRESS, HG_DOOR_OUT,
				  frame_udp("198.51.100.7", 1, "10.200.0.10", 54) };
	rows[n++] = (struct row){ HG_DROP_NACL_EGRESS, HG_DOOR_IN,
				  frame_udp("10.200.0.10", 1, "192.0.2.1", 53) };
	rows[n++] = (struct row){ HG_DROP_NACL_INGRESS, HG_DOOR_OUT,
				  frame_udp("192.0.2.1", 1, "10.200.0.10", 53) };
	rows[n++] = (struct row){ HG_DROP_NO_ROUTE, HG_DOOR_IN,
				  frame_udp("10.200.0.10", 1, "224.0.0.251", 53) };
	return n;
}

static uint64_t sum_dropped(const struct hg_counters *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < HG_DROPS; i++)
		sum += c->dropped[i];
	return sum;
}

static void count(struct stand *s, struct hg_counters *ret)
{
	if (dataplane_counters(stand_plane(s), 1, ret) < 0)
		bail("no counters");
}

static void ledger(struct stand *s)
{
	struct row rows[16];
	size_t n = rows_make(rows);
	struct hg_counters before, after;
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t frame[FRAME_MAX];

		bytes += frame_build(&rows[i].frame, frame, sizeof(frame), NULL);
	}
	count(s, &before);
	for (size_t i = 0; i < n; i++) {
		struct result r = stand_run(s, "p0", rows[i].door, &rows[i].frame);

		is_reason(r.reason, rows[i].reason, "%s is given",
			  reason_name(rows[i].reason));
		is(r.allow, !rows[i].reason, "%s: the program's verdict says the same",
		   reason_name(rows[i].reason));
	}
	count(s, &after);
	for (size_t i = 1; i < n; i++)
		is(after.dropped[rows[i].reason] - before.dropped[rows[i].reason], 1,
		   "%s is counted once", reason_name(rows[i].reason));
	is(after.passed - before.passed + sum_dropped(&after) - sum_dropped(&before), n,
	   "received = passed + dropped");
	is(after.passed_bytes - before.passed_bytes + after.dropped_bytes -
		   before.dropped_bytes,
	   bytes, "and so it is for bytes");
}

/* The device that a packet would be switched to has gone. */
static void absent_device(struct stand *s)
{
	struct frame f = frame_udp("10.200.0.10", 1, "10.200.0.12", 53);
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table devices = image_header(&image)->devices;
	struct hg_device *d = (struct hg_device *)&image.lines[devices.line + 2];

	is_reason(stand_in(s, "p0", f), 0, "a packet is switched to a device");
	stand_reset(s);
	d->ifindex = 0;
	is_reason(stand_in(s, "p0", f), HG_DROP_NO_NEIGHBOUR,
		  "and dropped as NO_NEIGHBOUR when that has gone");
}

/* A frame on a device that the port table does not know. */
static void unknown_device(struct stand *s)
{
	struct frame f = frame_udp("198.51.100.7", 1000, "10.200.0.10", 53);
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table ports = image_header(&image)->ports;
	struct hg_counters before, after;
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(&f, frame, sizeof(frame), NULL);
	int code;

	for (uint32_t i = 0; i < ports.n; i++)
		memset(&image.lines[ports.line + i], 0, HG_LINE);
	dataplane_counters(stand_plane(s), 0, &before);
	if (dataplane_run(stand_plane(s), PROGRAM_IN, 1, frame, size, NULL, NULL, &code) <
	    0)
		bail("the program does not run");
	dataplane_counters(stand_plane(s), 0, &after);
	is(after.dropped[HG_DROP_UNKNOWN_DEVICE] - before.dropped[HG_DROP_UNKNOWN_DEVICE],
	   1, "a frame on a device without a name is counted as UNKNOWN_DEVICE");
	is(code, 2, "and is dropped");
}

/* A line number outside the map: what a broken image does to a packet. The helpers of
 * stand.h would not touch such an image, so the program is run by hand. */
static void broken_image(struct stand *s)
{
	struct frame f = frame_udp("198.51.100.7", 1000, "10.200.0.10", 53);
	struct image image = dataplane_image(stand_plane(s));
	struct hg_header *header = (struct hg_header *)image.lines;
	struct hg_counters before, after;
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(&f, frame, sizeof(frame), NULL);
	int code;

	is_reason(stand_out(s, "p0", f), 0, "a packet passes the image as it was");
	stand_reset(s);
	header->interfaces.line = 0x3ffffff;
	count(s, &before);
	if (dataplane_run(stand_plane(s), PROGRAM_OUT, 1, frame, size, NULL, NULL,
			  &code) < 0)
		bail("the program does not run");
	count(s, &after);
	is(after.dropped[HG_DROP_INTERNAL] - before.dropped[HG_DROP_INTERNAL], 1,
	   "an image that points nowhere drops as INTERNAL");
	is(code, 2, "and lets nothing through");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		stand_reset(s);
		ledger(s);
		absent_device(s);
	}
	unknown_device(s);
	broken_image(s);
	stand_free(s);
	return done();
}
