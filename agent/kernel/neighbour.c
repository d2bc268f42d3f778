/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/neighbour.h"

#include <string.h>

static const uint8_t nobody[6];

static uint32_t port_find(const struct hg_hop *hops, uint32_t ifindex, uint32_t *ret_free)
{
	static const __be32 none[4];
	uint32_t first = (hg_hop_hash(ifindex, none) & (HG_HOP_SETS - 1)) * HG_HOP_WAYS;

	*ret_free = 0;
	for (uint32_t i = first; i < first + HG_HOP_WAYS; i++) {
		if (hops[i].ifindex == ifindex && hops[i].flags & HG_HOP_PORT)
			return i;
		if (i && !hops[i].ifindex && !*ret_free)
			*ret_free = i;
	}
	return 0;
}

uint32_t neighbour_port(struct dataplane *dp, const struct link *link,
			const uint8_t mac[6])
{
	struct hg_hop *hops = dataplane_hops(dp);
	bool is_far = strcmp(link->kind, "veth") == 0 && link->has_far_peer;
	uint32_t empty, id = port_find(hops, link->ifindex, &empty);
	struct hg_hop *hop = &hops[id ? id : empty];

	if (!id && !empty)
		return 0;
	memcpy(hop->smac, link->mac, sizeof(hop->smac));
	hop->mtu = link->mtu;
	hop->flags = HG_HOP_PORT | (is_far ? HG_HOP_PEER : 0);
	if (!id) {
		struct hg_hop fresh = {};

		memcpy(fresh.mac.byte, mac, 6);
		fresh.mac.byte[6] = memcmp(mac, nobody, 6) ? HG_HOP_RESOLVED : 0;
		__atomic_store_n(&hop->mac.word, fresh.mac.word, __ATOMIC_RELAXED);
		__atomic_store_n(&hop->ifindex, link->ifindex, __ATOMIC_RELEASE);
	}
	return (uint32_t)(hop - hops);
}
