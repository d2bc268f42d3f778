/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* name: numbers of packets and rules as JSON shows them.
 *
 * Owner    Written into the caller's buffer, or constants.
 * Errors   NULL where there is nothing to show.
 */
#include <hg/abi.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/model.h"

const char *protocol_name(int protocol, char buf[static 8]);    /* -1: "all" */
const char *tcp_flags_name(uint8_t flags, char buf[static 16]); /* "SA" */
/* NULL: no family. */
const char *wire_addr_print(unsigned family, const struct hg_addr *a,
			    char buf[static ADDR_TEXT]);
#define END_TEXT (ADDR_TEXT + 8)

/* "10.0.0.1:80", "[fd00::1]:80", or the address alone. */
const char *wire_end_print(unsigned family, const struct hg_addr *a, __be16 port,
			   bool with_port, char buf[static END_TEXT]);
struct addr wire_addr(unsigned family, const struct hg_addr *a);
struct json;
/* [ "443", "1024-65535" ], or null for none. */
struct json *ranges_json(const struct port_range *ranges, size_t n);
/* "8", "3/4", or null. */
struct json *icmp_json(int type, int code);
/* "10.0.0.0/8", "prefix_list/office", "security_group/web". */
struct json *peer_json(const struct model *m, const struct peer *peer);
