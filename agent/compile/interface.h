/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* interface: who is where: devices, interfaces and subnets of the image, and the zones
 * of their flows.
 *
 * Shape    Devices as devices_list() has them. After the model's interfaces stand records with
 *          the groups of NAT instances, in model order.
 * Owner    Appends to the image of 'b'; fills the tables of 'head'.
 * Errors   -ENOMEM, -E2BIG; HG_MAX_DEVICES and HG_MAX_ZONES are complaints.
 */
#include "compile/build.h"

/* Chooses b->vpc_zones, b->interface_zones and b->uplink_zones: the number of the previous
 * image, else the lowest that neither image uses, in the order of names. */
int zones_choose(struct build *b);
/* 'lines' holds the two classifiers of each interface, then of each NAT gateway. */
int interfaces_write(struct build *b, const uint32_t (*lines)[2], struct hg_header *head);
int subnets_write(struct build *b, struct hg_header *head);
