/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* addr: IP addresses and prefixes as the agent holds them.
 *
 * Shape    struct addr is 16 bytes and a family; an IPv4 address uses the first 4, the
 *          rest is zero, so equal addresses are equal bytes.
 * Units    'len' is in bits, 0 to 32 or 128. 'family' is 4 or 6, 0 is none.
 * Order    'bytes' is as on the wire.
 * Owner    Values; nothing is allocated.
 * Errors   Parsers return -EINVAL and leave the output alone.
 * Source   RFC 4291 section 2.2 and RFC 5952 for text.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr {
	uint8_t family;
	uint8_t bytes[16];
};

struct cidr {
	struct addr addr;
	uint8_t len;
};

#define ADDR_TEXT 46 /* longest text with its NUL */
#define CIDR_TEXT 50

int addr_parse(const char *text, struct addr *ret);
/* Writes into 'buf' and returns it. */
const char *addr_print(const struct addr *a, char buf[static ADDR_TEXT]);
int addr_compare(const struct addr *a, const struct addr *b); /* family, then bytes */
bool addr_is_zero(const struct addr *a);

/* "10.0.0.0/8", or an address alone (full length). Host bits are kept; see cidr_mask(). */
int cidr_parse(const char *text, struct cidr *ret);
const char *cidr_print(const struct cidr *c, char buf[static CIDR_TEXT]);
int cidr_compare(const struct cidr *a, const struct cidr *b); /* family, bytes, len */
bool cidr_contains(const struct cidr *c, const struct addr *a);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);
/* Clears host bits; true when there were any. */
bool cidr_mask(struct cidr *c);
/* Base + 'n', for the router (1) and DNS (2) addresses of a subnet or VPC. */
struct addr cidr_nth(const struct cidr *c, unsigned n);
