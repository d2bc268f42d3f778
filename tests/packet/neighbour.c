/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* No rule lets anything through: ARP and neighbour discovery are no traffic. */
static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] } "
	"},"
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'],"
	"                      'network_acl': 'n' },"
	"               't': { 'vpc': 'v', 'cidrs': ['10.200.1.0/24', "
	"'fd00:10:0:1::/64'] } },"
	"  'network_acls': { 'n': { 'vpc': 'v', 'ingress': [], 'egress': [] } },"
	"  'security_groups': { 'g': { 'vpc': 'v', 'ingress': [], 'egress': [] } },"
	"  'interfaces': {"
	"    'a': { 'subnet': 's', 'device': 'p0', 'security_groups': ['g'],"
	"           'addresses': ['10.200.0.10', 'fd00:10::10'] },"
	"    'b': { 'subnet': 's', 'device': 'p1', 'security_groups': ['g'],"
	"           'addresses': ['10.200.0.11', 'fd00:10::11'] },"
	"    'c': { 'subnet': 't', 'device': 'p2', 'security_groups': ['g'],"
	"           'addresses': ['10.200.1.12', 'fd00:10:0:1::12'] },"
	"    'host': { 'attach': 'local', 'device': 'eth0', 'subnet': 's',"
	"           'security_groups': ['g'], 'addresses': ['10.200.0.20'] } } }";

enum fate { KERNEL, ANSWER, SPOOF };

static const struct {
	const char *says, *from, *to;
	uint16_t op;
	enum fate fate;
} arps[] = {
	{ "a question for the router is answered", "10.200.0.10", "10.200.0.1", 1,
	  ANSWER },
	{ "a question for a neighbour is answered", "10.200.0.10", "10.200.0.11", 1,
	  ANSWER },
	{ "a question for the host in the subnet is answered", "10.200.0.10",
	  "10.200.0.20", 1, ANSWER },
	{ "a question for nobody declared goes to the kernel", "10.200.0.10",
	  "10.200.0.77", 1, KERNEL },
	{ "a question for another subnet goes to the kernel", "10.200.0.10",
	  "10.200.1.12", 1, KERNEL },
	{ "a question for itself goes to the kernel", "10.200.0.10", "10.200.0.10", 1,
	  KERNEL },
	{ "a question in another's name is spoofed", "10.200.0.11", "10.200.0.1", 1,
	  SPOOF },
	{ "an announcement of its own address goes to the kernel", "10.200.0.10",
	  "10.200.0.10", 2, KERNEL },
	{ "an announcement of the router's is spoofed", "10.200.0.1", "10.200.0.11", 2,
	  SPOOF },
	{ "a probe from 0.0.0.0 for a neighbour's is answered", "0.0.0.0", "10.200.0.11",
	  1, ANSWER },
};

static void check_fate(const struct result *r, enum fate fate, const char *says)
{
	is_reason(r->reason, fate == SPOOF ? HG_DROP_SOURCE_CHECK : 0, "%s", says);
	is(r->is_answer, fate == ANSWER, "%s: answered or not", says);
	is(r->counted, 1, "%s: counted once", says);
}

static void arp_fates(struct stand *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(arps); i++) {
		struct frame f = frame_arp(arps[i].op, arps[i].from, arps[i].to);
		struct result r = stand_run(s, "p0", HG_DOOR_IN, &f);

		check_fate(&r, arps[i].fate, arps[i].says);
	}
}

static void device_mac(const char *device, uint8_t mac[6])
{
	/* stand.h: the MAC of a device ends in its id. */
	memcpy(mac, (uint8_t[]){ 2, 0xaa, 0, 0, 0, 0 }, 6);
	mac[5] = device[0] == 'p' ? device[1] - '0' + 1 : 0;
}

static void arp_answer(struct stand *s)
{
	struct frame f = frame_arp(1, "10.200.0.10", "10.200.0.1"), a;
	uint8_t want[FRAME_MAX];
	struct result r;
	size_t size;

	for (unsigned tags = 0; tags <= 2; tags++) {
		f.n_vlans = tags;
		f.vlan[0] = 5;
		f.vlan[1] = 6;
		a = frame_arp(2, "10.200.0.1", "10.200.0.10");
		device_mac("p0", a.smac);
		memcpy(a.dmac, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
		memcpy(a.arp_tha, a.dmac, 6);
		a.n_vlans = tags;
		a.vlan[0] = 5;
		a.vlan[1] = 6;
		size = frame_build(&a, want, sizeof(want), NULL);
		r = stand_run(s, "p0", HG_DOOR_IN, &f);
		is_frame(r.frame, r.size, want, size,
			 "ARP behind %u tags is answered with the device's own MAC",
			 tags);
	}
}

static void solicit_answer(struct stand *s)
{
	struct frame f = frame_solicit("fd00:10::10", "fd00:10::11");
	struct frame a = frame_icmp("fd00:10::11", "fd00:10::10", 136, 0);
	uint8_t want[FRAME_MAX];
	struct result r;
	size_t size;

	a.target = address("fd00:10::11");
	a.ttl = 255;
	a.has_lladdr = true;
	a.icmp_id = 0x6000; /* solicited, override */
	device_mac("p0", a.smac);
	memcpy(a.dmac, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	size = frame_build(&a, want, sizeof(want), NULL);
	r = stand_run(s, "p0", HG_DOOR_IN, &f);
	is_frame(r.frame, r.size, want, size,
		 "a neighbour solicitation is answered with the device's own MAC");
	f = frame_solicit("fd00:10::10", "fd00:10::1");
	r = stand_run(s, "p0", HG_DOOR_IN, &f);
	check_fate(&r, ANSWER, "a solicitation for the router is answered");
	f = frame_solicit("fd00:10::10", "fd00:10::77");
	r = stand_run(s, "p0", HG_DOOR_IN, &f);
	check_fate(&r, KERNEL, "one for nobody declared goes to the kernel");
	f = frame_solicit("fd00:10::10", "fd00:10:0:1::12");
	r = stand_run(s, "p0", HG_DOOR_IN, &f);
	check_fate(&r, KERNEL, "one for another subnet goes to the kernel");
	f = frame_solicit("fd00:10::11", "fd00:10::1");
	r = stand_run(s, "p0", HG_DOOR_IN, &f);
	check_fate(&r, SPOOF, "one in another's name is spoofed");
}

static struct frame discovery(const char *from, const char *to, uint8_t type,
			      const char *target)
{
	struct frame f = frame_icmp(from, to, type, 0);

	f.ttl = 255;
	if (target)
		f.target = address(target);
	else
		f.payload = 16;
	return f;
}

static const struct {
	const char *says, *from, *to;
	uint8_t type;
	const char *target;
	enum fate fate;
} discoveries[] = {
	{ "an advertisement of its own address", "fd00:10::10", "ff02::1", 136,
	  "fd00:10::10", KERNEL },
	{ "an advertisement of another's", "fd00:10::10", "ff02::1", 136, "fd00:10::11",
	  SPOOF },
	{ "an advertisement of a link-local address", "fe80::1", "ff02::1", 136,
	  "fe80::1", KERNEL },
	{ "a router solicitation", "fe80::1", "ff02::2", 133, NULL, KERNEL },
	{ "a router solicitation in another's name", "fd00:10::11", "ff02::2", 133, NULL,
	  SPOOF },
	{ "a solicitation from :: for its own address", "::", "ff02::1:ff00:10", 135,
	  "fd00:10::10", KERNEL },
};

static void discovery_fates(struct stand *s)
{
	struct frame f;
	struct result r;

	for (size_t i = 0; i < ARRAY_SIZE(discoveries); i++) {
		f = discovery(discoveries[i].from, discoveries[i].to, discoveries[i].type,
			      discoveries[i].target);
		r = stand_run(s, "p0", HG_DOOR_IN, &f);
		check_fate(&r, discoveries[i].fate, discoveries[i].says);
	}
	f = discovery("fd00:10::10", "ff02::1", 136, "fd00:10::10");
	f.ttl = 254;
	r = stand_run(s, "p0", HG_DOOR_IN, &f);
	is_reason(r.reason, HG_DROP_MALFORMED,
		  "neighbour discovery that was forwarded is malformed");
}

static void other_doors(struct stand *s)
{
	struct frame f = frame_arp(1, "10.200.0.11", "10.200.0.1");
	struct result r = stand_run(s, "p0", HG_DOOR_OUT, &f);

	check_fate(&r, KERNEL, "the kernel's questions to an instance pass");
	r = stand_run(s, "eth0", HG_DOOR_IN, &f);
	check_fate(&r, KERNEL, "questions from the wire pass to the kernel");
	r = stand_run(s, "eth0", HG_DOOR_OUT, &f);
	check_fate(&r, KERNEL, "and so do the kernel's to the wire");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		arp_fates(s);
		arp_answer(s);
		solicit_answer(s);
		discovery_fates(s);
		other_doors(s);
	}
	stand_free(s);
	return done();
}
