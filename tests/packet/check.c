/* SPDX-License-Identifier: Apache-2.0 */
#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* Two ports, a host device with addresses of its own, and a router that may forward. */
static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] } "
	"},"
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'] } "
	"},"
	"  'security_groups': { 'g': { 'vpc': 'v',"
	"    'ingress': [ { 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] } ],"
	"    'egress': [ { 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] } ] } },"
	"  'interfaces': {"
	"    'a': { 'subnet': 's', 'device': 'p0', 'security_groups': ['g'],"
	"           'addresses': ['10.200.0.10', '10.200.0.110', 'fd00:10::10'] },"
	"    'b': { 'subnet': 's', 'device': 'p1', 'security_groups': ['g'],"
	"           'addresses': ['10.200.0.11', 'fd00:10::11'] },"
	"    'router': { 'subnet': 's', 'device': 'p2', 'security_groups': ['g'],"
	"           'source_dest_check': false, 'addresses': ['10.200.0.12'] },"
	"    'host': { 'attach': 'local', 'device': 'eth0', 'subnet': 's',"
	"           'security_groups': ['g'], 'addresses': ['10.200.0.20', "
	"'fd00:10::20'] } } }";

static const struct {
	const char *says, *device;
	uint32_t door;
	const char *from, *to;
	uint32_t reason;
} rows[] = {
	{ "an instance speaks as itself", "p0", HG_DOOR_IN, "10.200.0.10", "198.51.100.7",
	  0 },
	{ "by any of its addresses", "p0", HG_DOOR_IN, "10.200.0.110", "198.51.100.7",
	  0 },
	{ "IPv6 too", "p0", HG_DOOR_IN, "fd00:10::10", "2001:db8::7", 0 },
	{ "not as its neighbour", "p0", HG_DOOR_IN, "10.200.0.11", "198.51.100.7",
	  HG_DROP_SOURCE_CHECK },
	{ "not as a stranger", "p0", HG_DOOR_IN, "192.0.2.1", "10.200.0.11",
	  HG_DROP_SOURCE_CHECK },
	{ "not as another IPv6 address", "p0", HG_DOOR_IN, "fd00:10::99", "2001:db8::7",
	  HG_DROP_SOURCE_CHECK },
	{ "not by a link-local address", "p0", HG_DOOR_IN, "fe80::1", "fd00:10::11",
	  HG_DROP_SOURCE_CHECK },
	{ "a router speaks as anybody", "p2", HG_DOOR_IN, "192.0.2.1", "198.51.100.7",
	  0 },
	{ "the kernel delivers what comes from outside", "p0", HG_DOOR_OUT,
	  "198.51.100.7", "10.200.0.10", 0 },
	{ "not what claims to be another port's", "p0", HG_DOOR_OUT, "10.200.0.11",
	  "10.200.0.10", HG_DROP_SOURCE_CHECK },
	{ "not even to a router", "p2", HG_DOOR_OUT, "10.200.0.11", "192.0.2.1",
	  HG_DROP_SOURCE_CHECK },
	{ "not what is for somebody else", "p0", HG_DOOR_OUT, "198.51.100.7", "192.0.2.1",
	  HG_DROP_DEST_CHECK },
	{ "a router gets what is for others", "p2", HG_DOOR_OUT, "198.51.100.7",
	  "192.0.2.1", 0 },
	{ "multicast reaches an instance", "p0", HG_DOOR_OUT, "198.51.100.7",
	  "224.0.0.251", 0 },
	{ "but does not leave it", "p0", HG_DOOR_IN, "10.200.0.10", "224.0.0.251",
	  HG_DROP_NO_ROUTE },
	{ "nor does broadcast", "p0", HG_DOOR_IN, "10.200.0.10", "255.255.255.255",
	  HG_DROP_NO_ROUTE },
	{ "nor IPv6 multicast", "p0", HG_DOOR_IN, "fd00:10::10", "ff02::fb",
	  HG_DROP_NO_ROUTE },
	{ "the wire reaches the host", "eth0", HG_DOOR_IN, "198.51.100.7", "10.200.0.20",
	  0 },
	{ "not in an instance's name", "eth0", HG_DOOR_IN, "10.200.0.10", "10.200.0.20",
	  HG_DROP_SOURCE_CHECK },
	{ "not for another address", "eth0", HG_DOOR_IN, "198.51.100.7", "10.200.0.21",
	  HG_DROP_DEST_CHECK },
	{ "link-local to link-local is the host's own", "eth0", HG_DOOR_IN, "fe80::9",
	  "fe80::20", 0 },
	{ "the host speaks as itself", "eth0", HG_DOOR_OUT, "10.200.0.20", "198.51.100.7",
	  0 },
	{ "and by its link-local address", "eth0", HG_DOOR_OUT, "fe80::20", "ff02::fb",
	  0 },
	{ "not as somebody else", "eth0", HG_DOOR_OUT, "192.0.2.1", "198.51.100.7",
	  HG_DROP_SOURCE_CHECK },
	{ "the host may multicast", "eth0", HG_DOOR_OUT, "10.200.0.20", "224.0.0.251",
	  0 },
};

/* Where an allowed packet goes: only what is for another port leaves the kernel aside. */
static void routes(struct stand *s)
{
	static const struct {
		const char *says, *device, *from, *to;
		bool is_switched;
	} ways[] = {
		{ "a packet for another port is switched to it", "p0", "10.200.0.10",
		  "10.200.0.11", true },
		{ "IPv6 too", "p0", "fd00:10::10", "fd00:10::11", true },
		{ "a packet for the host goes to the kernel", "p0", "10.200.0.10",
		  "10.200.0.20", false },
		{ "a packet for the world goes to the kernel", "p0", "10.200.0.10",
		  "198.51.100.7", false },
		{ "a packet for nobody in the subnet goes to the kernel", "p0",
		  "10.200.0.10", "10.200.0.77", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct frame f = frame_udp(ways[i].from, 1000, ways[i].to, 53);
		struct result r = stand_run(s, ways[i].device, HG_DOOR_IN, &f);

		is(r.is_switched, ways[i].is_switched, "%s", ways[i].says);
	}
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct frame f = frame_udp(rows[i].from, 1000, rows[i].to, 5353);

			stand_reset(s);
			is_reason(rows[i].door == HG_DOOR_IN
					  ? stand_in(s, rows[i].device, f)
					  : stand_out(s, rows[i].device, f),
				  rows[i].reason, "%s (%s %s, %s to %s)", rows[i].says,
				  rows[i].device,
				  rows[i].door == HG_DOOR_IN ? "in" : "out", rows[i].from,
				  rows[i].to);
		}
		routes(s);
	}
	stand_free(s);
	return done();
}
