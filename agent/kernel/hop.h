/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hop: the agent's part of hg_hops: who has which line, and at which MAC.
 *
 *   rule set (hop_want)    \
 *   kernel (hop_hear)       >  a line  ->  orders to the kernel
 *   packets (hg_hop.mac)   /
 *
 * Shape    include/hg/hop.h draws the lines; what is known of each besides lies here. Pure
 *          but for the lines: what the kernel says is an argument, what it shall do a list.
 * Units    'epoch' is that of the rules in force. hops_tick() comes once a second.
 * Order    Addresses as on the wire. struct hop_device by ifindex.
 * Owner    hops_new() takes lines that have outlived an agent as they are; hops_free()
 *          leaves them.
 * Errors   Index 0: no room in the neighbour's set, now. An order that memory is too short
 *          for is given again by a later tick.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hg/hop.h>

#include "kernel/netlink.h"

struct hops;

struct hop_order {
	enum neighbour_order order;
	uint32_t ifindex;
	struct addr addr;
	uint8_t mac[6]; /* NEIGHBOUR_TELL */
};

/* A device as the lines of its neighbours need it. */
struct hop_device {
	uint32_t ifindex;
	uint32_t mtu;
	uint8_t mac[6];
	bool is_port; /* one neighbour, the instance; else any number of them */
};

int hops_new(struct hg_hop *lines, uint32_t epoch, struct hops **ret);
void hops_free(struct hops *h); /* NULL is fine */

/* 'addr' NULL: a port's instance. */
uint32_t hop_find(const struct hops *h, uint32_t ifindex, const struct addr *addr);
/* The instance of a port. 'mac' as far as it can be known, else zero: packets know better. */
uint32_t hop_port(struct hops *h, const struct hop_device *device,
		  const uint8_t mac[static 6], bool is_peer, uint32_t epoch);

/* The lines follow their devices: those of other devices are freed. */
void hops_follow(struct hops *h, const struct hop_device *devices, size_t n,
		 uint32_t epoch);
/* Between begin and end every neighbour that is wanted is named; others are dropped. The
 * kernel resolves the wanted ones ahead. */
void hops_want_begin(struct hops *h);
uint32_t hop_want(struct hops *h, const struct hop_device *device,
		  const struct addr *addr, uint32_t epoch);
void hops_want_end(struct hops *h, uint32_t epoch);
/* The kernel may have forgotten what it was asked about this device. */
void hops_ask_again(struct hops *h, uint32_t ifindex);
/* An order could not be carried out. */
void hop_refused(struct hops *h, const struct hop_order *order);

/* What the kernel says; 'device' is the one that it is about, and no port. */
void hop_hear(struct hops *h, const struct hop_device *device,
	      const struct neighbour *said, uint32_t epoch);
/* Around a dump: what the kernel once had and does not tell of is gone. */
void hops_dump_begin(struct hops *h);
void hops_dump_end(struct hops *h, uint32_t epoch);

/* What packets have learnt is told to the kernel; what is wanted and was not asked for, or
 * not with success, is asked for. */
void hops_tick(struct hops *h);

/* In the order given. False: there is none. */
bool hops_next_order(struct hops *h, struct hop_order *ret);

struct hops_sum {
	uint32_t entries, resolved, failed;
};
struct hops_sum hops_sum(const struct hg_hop *lines);
