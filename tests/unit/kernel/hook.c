/* SPDX-License-Identifier: Apache-2.0 */
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/hook.h"
#include "kernel/record.h"
#include "tests/lib/tap.h"

static const struct {
	const char *says;
	enum hook wanted;
	const char *kind;
	uint16_t arp_type;
	bool is_possible, is_xdp, may_fall_back;
} cases[] = {
	{ "auto takes XDP on a device with a driver of its own, or else TC", HOOK_AUTO,
	  "", ARPHRD_ETHER, true, true, true },
	{ "auto takes TC on a veth", HOOK_AUTO, "veth", ARPHRD_ETHER, true, false,
	  false },
	{ "auto takes TC on a tap", HOOK_AUTO, "tun", ARPHRD_ETHER, true, false, false },
	{ "auto takes TC on a bridge", HOOK_AUTO, "bridge", ARPHRD_ETHER, true, false,
	  false },
	{ "auto takes TC on a VLAN", HOOK_AUTO, "vlan", ARPHRD_ETHER, true, false,
	  false },
	{ "auto takes TC on a bond", HOOK_AUTO, "bond", ARPHRD_ETHER, true, false,
	  false },
	{ "auto takes TC on a virtual device it does not know", HOOK_AUTO, "newkind",
	  ARPHRD_ETHER, true, false, false },
	{ "auto takes TC on loopback", HOOK_AUTO, "", ARPHRD_LOOPBACK, true, false,
	  false },
	{ "XDP that was asked for is not replaced by TC", HOOK_XDP, "veth", ARPHRD_ETHER,
	  true, true, false },
	{ "TC that was asked for is taken on a wire too", HOOK_TC, "", ARPHRD_ETHER, true,
	  false, false },
	{ "a tunnel without Ethernet header is refused", HOOK_AUTO, "wireguard",
	  ARPHRD_NONE, false, false, false },
	{ "and refused when XDP was asked for", HOOK_XDP, "tun", ARPHRD_NONE, false,
	  false, false },
};

static const struct {
	const char *says;
	uint32_t role;
	bool is_routed, is_xdp;
	uint32_t doors;
} doors[] = {
	{ "a host has an in door and an out door", HG_ROLE_HOST, false, false,
	  RECORD_IN | RECORD_OUT },
	{ "by XDP its in door is one", HG_ROLE_HOST, false, true,
	  RECORD_XDP | RECORD_OUT },
	{ "where a balancer sends on there is a TC door behind XDP", HG_ROLE_HOST, true,
	  true, RECORD_XDP | RECORD_IN | RECORD_OUT },
	{ "a port of a VPC that is not routed has the same", HG_ROLE_PORT, false, true,
	  RECORD_XDP | RECORD_OUT },
	{ "in a routed one there is a TC door behind XDP", HG_ROLE_PORT, true, true,
	  RECORD_XDP | RECORD_IN | RECORD_OUT },
	{ "and without XDP it stands alone", HG_ROLE_PORT, true, false,
	  RECORD_IN | RECORD_OUT },
	{ "a subnet's device has no out door", HG_ROLE_SUBNET, false, false, RECORD_IN },
	{ "and both in doors by XDP", HG_ROLE_SUBNET, false, true,
	  RECORD_XDP | RECORD_IN },
	{ "so has an uplink", HG_ROLE_UPLINK, false, true, RECORD_XDP | RECORD_IN },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(doors); i++)
		is(hook_doors(doors[i].role, doors[i].is_routed, doors[i].is_xdp),
		   doors[i].doors, "%s", doors[i].says);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct link link = { .arp_type = cases[i].arp_type };
		struct hook_choice c;

		snprintf(link.kind, sizeof(link.kind), "%s", cases[i].kind);
		c = hook_choose(cases[i].wanted, &link);
		ok(c.is_possible == cases[i].is_possible && c.is_xdp == cases[i].is_xdp &&
			   c.may_fall_back == cases[i].may_fall_back && c.why && c.why[0],
		   "%s", cases[i].says);
	}
	return done();
}
