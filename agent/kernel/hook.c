/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/hook.h"

#include <net/if_arp.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/record.h"

/* Devices whose frames come from a local stack or through another device. Their segments
 * are up to 64 KiB and their checksums partial, which XDP would have to undo. */
static const struct {
	const char *kind;
	const char *why;
} soft[] = {
	{ "veth", "veth: a local stack is at the other end, large segments stay whole" },
	{ "tun", "tap: a local stack is at the other end, large segments stay whole" },
	{ "bridge", "bridge: frames come through its ports" },
	{ "vlan", "VLAN: frames come through the device below" },
	{ "bond", "bond: frames come through its members" },
	{ "team", "team: frames come through its members" },
	{ "macvlan", "macvlan: frames come through the device below" },
	{ "macvtap", "macvtap: frames come through the device below" },
	{ "ipvlan", "ipvlan: frames come through the device below" },
	{ "vxlan", "tunnel: frames come through the device below" },
	{ "geneve", "tunnel: frames come through the device below" },
	{ "gretap", "tunnel: frames come through the device below" },
	{ "netkit", "netkit: a local stack is at the other end" },
	{ "dummy", "dummy: there is no wire" },
	{ "ifb", "ifb: frames come from another device" },
	{ "vrf", "VRF: frames come through its members" },
};

struct hook_choice hook_choose(enum hook wanted, const struct link *link)
{
	bool has_ethernet =
		link->arp_type == ARPHRD_ETHER || link->arp_type == ARPHRD_LOOPBACK;

	if (!has_ethernet)
		return (struct hook_choice){
			.why = "its frames have no Ethernet header"
		};
	if (wanted == HOOK_XDP)
		return (struct hook_choice){ true, true, false,
					     "asked for: \"hook\": \"xdp\"" };
	if (wanted == HOOK_TC)
		return (struct hook_choice){ true, false, false,
					     "asked for: \"hook\": \"tc\"" };
	if (link->arp_type == ARPHRD_LOOPBACK)
		return (struct hook_choice){ true, false, false,
					     "loopback: there is no wire" };
	for (size_t i = 0; i < ARRAY_SIZE(soft); i++)
		if (strcmp(link->kind, soft[i].kind) == 0)
			return (struct hook_choice){ true, false, false, soft[i].why };
	if (link->kind[0])
		return (struct hook_choice){
			true, false, false,
			"virtual device: frames do not come from a wire"
		};
	return (struct hook_choice){
		true, true, true, "packets come from a wire and the driver has native XDP"
	};
}

uint32_t hook_doors(uint32_t role, bool is_routed, bool is_xdp)
{
	bool is_port = role == HG_ROLE_PORT, is_host = role == HG_ROLE_HOST;
	bool is_gateway = is_routed || !(is_port || is_host);

	return (is_xdp ? RECORD_XDP : 0U) | (!is_xdp || is_gateway ? RECORD_IN : 0U) |
	       (is_host || is_port ? RECORD_OUT : 0U);
}

const char *hook_name(enum hook hook)
{
	static const char *const names[] = {
		[HOOK_AUTO] = "auto", [HOOK_XDP] = "xdp", [HOOK_TC] = "tc"
	};

	return names[hook];
}
