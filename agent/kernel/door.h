/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* door: one program at one way of one device.
 *
 * Shape    XDP by a link that is pinned as PIN_DIR/xdp_IFINDEX, so that it outlives us;
 *          TC by a clsact filter of priority 1 and handle DOOR_HANDLE.
 * Owner    The kernel keeps them. A door dies with its device.
 * Errors   Negative errno with a sentence from dataplane_error(). Attaching where we are
 *          attached replaces the program without a gap. Detaching what is not there is 0.
 */
#include <stdbool.h>
#include <stdint.h>

#define DOOR_HANDLE 0x6867U

int door_xdp_attach(const char *pin_dir, uint32_t ifindex, int program);
int door_xdp_detach(const char *pin_dir, uint32_t ifindex);
bool door_xdp_exists(const char *pin_dir, uint32_t ifindex);

/* 'ret_made' (may be NULL) says whether the clsact qdisc had to be made. */
int door_tc_attach(uint32_t ifindex, bool is_egress, int program, bool *ret_made);
int door_tc_detach(uint32_t ifindex, bool is_egress);
/* With every filter on it, whosever. */
int door_tc_clear(uint32_t ifindex);
