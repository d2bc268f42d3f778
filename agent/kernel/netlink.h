/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* netlink: links, addresses, default routes and neighbours of this network namespace; the only
 * user of libnl.
 *
 * Shape    A snapshot, sorted by name and by ifindex. Notifications only say that it is
 *          stale; netlink_refresh() dumps everything again. So a lost notification, a
 *          rename and an index that was used again are all the same case. Neighbours are
 *          too many and change too often for that: they are told of one by one, through a
 *          socket of their own.
 * Units    MTU in bytes. 'arp_type' is ARPHRD_*, 'state' NUD_*.
 * Owner    netlink_new()/netlink_free(). Links, addresses and routes are good until the
 *          next refresh.
 * Errors   Negative errno; a failed refresh keeps the older snapshot.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct link {
	char name[16];
	char kind[16]; /* "veth", "bridge"; "" is a device with a driver of its own */
	uint32_t ifindex;
	uint32_t mtu;
	uint16_t arp_type;
	bool is_up;            /* and the wire, too */
	bool has_far_peer;     /* the other end is in another namespace: */
	int32_t peer_netns;    /* its id here */
	uint32_t peer_ifindex; /* of a veth's other end, there */
	uint8_t mac[6];
};

struct netlink;

int netlink_new(struct netlink **ret);
void netlink_free(struct netlink *n); /* NULL is fine */
static inline void netlink_freep(struct netlink **n)
{
	netlink_free(*n);
}
int netlink_fd(const struct netlink *n); /* readable: call netlink_drain() */
/* True: something was said, or lost; refresh. */
bool netlink_drain(struct netlink *n);
int netlink_refresh(struct netlink *n);

const struct link *netlink_link(const struct netlink *n,
				const char *name); /* NULL: absent */
/* Addresses of the device, primary first. */
const struct addr *netlink_addresses(const struct netlink *n, uint32_t ifindex,
				     size_t *ret_n);
/* Some address of the device says that 'a' is its neighbour. */
bool netlink_is_on_link(const struct netlink *n, uint32_t ifindex, const struct addr *a);

/* The next hop of the default route by this device, the one with the lowest metric; 'family'
 * is 0 when there is none, or none with a next hop. Of the main table. */
struct addr netlink_next_hop(const struct netlink *n, uint32_t ifindex, uint8_t family);

/* ---- neighbours ---- */

#define NETLINK_PROTOCOL 104 /* marks neighbours that we asked for */

struct neighbour {
	uint32_t ifindex;
	struct addr addr;
	uint16_t state;
	uint8_t protocol; /* whoever asked for it */
	bool is_gone, has_mac;
	uint8_t mac[6];
};
typedef void neighbour_fn(void *arg, const struct neighbour *neighbour);

int netlink_neighbour_fd(const struct netlink *n); /* readable: call netlink_hear() */
/* What was said since the last call. False: something was lost; dump. */
bool netlink_hear(struct netlink *n, neighbour_fn *fn, void *arg);
int netlink_neighbours(struct netlink *n, neighbour_fn *fn, void *arg); /* all of them */

enum neighbour_order {
	/* The kernel looks for it, or whether it is still there, and forgets it only with
	 * its link. */
	NEIGHBOUR_KEEP,
	NEIGHBOUR_PROBE, /* one that it has anyway: is it still there? */
	NEIGHBOUR_TELL,  /* its MAC */
	NEIGHBOUR_DELETE,
};
/* -ENOENT: there is no such neighbour. 'mac' is for NEIGHBOUR_TELL. */
int netlink_neighbour(struct netlink *n, enum neighbour_order order, uint32_t ifindex,
		      const struct addr *addr, const uint8_t mac[6]);

/* The MAC of a veth's other end, wherever that is. -ENODEV: no veth, or not to be told. */
int netlink_peer_mac(const struct netlink *n, const struct link *link,
		     uint8_t ret[static 6]);
/* Classifiers at one end of a device's clsact qdisc; -1 when that cannot be told. */
int netlink_filters(const struct netlink *n, uint32_t ifindex, bool is_egress);
