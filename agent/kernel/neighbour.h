/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* neighbour: who is behind the devices of the rule set, found before packets ask for them.
 *
 *   neighbours_want()      what the rule set declares, and next hops
 *   neighbours_follow()    after the snapshot of links, or the devices, have changed
 *   neighbours_hear()      the kernel has said something
 *   neighbours_tick()      once a second
 *   neighbours_run()       ten times a second: a few orders to the kernel
 *
 * Shape    hop.h keeps the lines of hg_hops; here are the devices, and the kernel. What is
 *          wanted is marked in the kernel's tables by NETLINK_PROTOCOL and is removed there
 *          when it is wanted no more.
 * Owner    neighbours_new()/neighbours_free(). The map and the kernel's tables outlive us.
 * Errors   neighbours_port(): 0: no room, the instance cannot be reached for now. What the
 *          kernel refuses is tried again a second later.
 */
#include "kernel/dataplane.h"
#include "kernel/hop.h"
#include "kernel/netlink.h"

struct neighbours;
struct attached;

struct neighbour_want {
	char device[16];
	struct addr addr;
};

int neighbours_new(struct dataplane *dp, struct netlink *netlink,
		   struct neighbours **ret);
void neighbours_free(struct neighbours *n); /* NULL is fine */
static inline void neighbours_freep(struct neighbours **n)
{
	neighbours_free(*n);
}

/* The line of the instance behind 'link', made or brought up to date. */
uint32_t neighbours_port(struct neighbours *n, const struct link *link);
/* From the next neighbours_follow() on. 'wants' (heap, may be NULL) is taken over. */
void neighbours_want(struct neighbours *n, struct neighbour_want *wants, size_t n_wants);
/* 'devices' are those of the rules in force. */
void neighbours_follow(struct neighbours *n, const struct attached *devices,
		       size_t n_devices);
void neighbours_hear(struct neighbours *n);
void neighbours_tick(struct neighbours *n);
void neighbours_run(struct neighbours *n);

/* What agents have asked the kernel for at a device. */
void neighbours_forget(struct netlink *netlink, uint32_t ifindex);
