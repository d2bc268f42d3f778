/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* icmp64: what an ICMP error says in the other family.
 *
 * In       Type << 8 | code, and the second word of its header, of the family that it comes from.
 * Out      The same of the other family; lengths of extensions (RFC 4884) become 0, and what they
 *          told apart is one quote.
 * Result   ICMP64_NONE, -1: nobody there would know what to do with it.
 * Cost     A few comparisons; errors only.
 * Source   RFC 7915 sections 4.2 and 5.2; RFC 1191 section 7.1 for routers that do not tell their MTU.
 */
#include "parse.h"

#define ICMP64_NONE     0x10000U
#define ICMP64_MIN4     68U
#define ICMP64_MIN6     1280U
#define ICMP64_PROTOCOL 6 /* where IPv6 keeps the next header */

#define ICMP64(type, code) ((__u32)(type) << 8 | (code))

/* Of destination unreachable; the code that each has in IPv6. */
static __always_inline __u32 icmp64_unreachable6(__u32 code)
{
	/* Networks and hosts, for any reason. */
	__u32 no_route = 1U << 0 | 1U << 1 | 1U << 5 | 1U << 6 | 1U << 7 | 1U << 8 |
			 1U << 11 | 1U << 12;
	__u32 prohibited = 1U << 9 | 1U << 10 | 1U << 13 | 1U << 15;

	if (code > 15)
		return ICMP64_NONE;
	if (no_route >> code & 1)
		return ICMP64(ICMP6_UNREACHABLE, 0);
	if (prohibited >> code & 1)
		return ICMP64(ICMP6_UNREACHABLE, 1);
	if (code == 2)
		return ICMP64(ICMP6_PARAMETER, 1);
	if (code == 3)
		return ICMP64(ICMP6_UNREACHABLE, 4);
	return code == 4 ? ICMP64(ICMP6_TOO_BIG, 0) : ICMP64_NONE;
}

static __always_inline __u32 icmp64_to6(__u32 key)
{
	__u32 code = key & 0xff;

	switch (key >> 8) {
	case ICMP_UNREACHABLE:
		return icmp64_unreachable6(code);
	case ICMP_TIME_OVER:
		return ICMP64(ICMP6_TIME_OVER, code);
	case ICMP_PARAMETER:
		return code == 0 || code == 2 ? ICMP64(ICMP6_PARAMETER, 0) : ICMP64_NONE;
	default:
		return ICMP64_NONE;
	}
}

static __always_inline __u32 icmp64_to4(__u32 key)
{
	__u32 code = key & 0xff;

	switch (key >> 8) {
	case ICMP6_UNREACHABLE:
		if (code > 4)
			return ICMP64_NONE;
		return ICMP64(ICMP_UNREACHABLE, code == 1 ? 10 : code == 4 ? 3 : 1);
	case ICMP6_TOO_BIG:
		return ICMP64(ICMP_UNREACHABLE, 4);
	case ICMP6_TIME_OVER:
		return ICMP64(ICMP_TIME_OVER, code);
	case ICMP6_PARAMETER:
		if (code == 0)
			return ICMP64(ICMP_PARAMETER, 0);
		return code == 1 ? ICMP64(ICMP_UNREACHABLE, 2) : ICMP64_NONE;
	default:
		return ICMP64_NONE;
	}
}

/* 'key' of 'family', in the other one. */
static __always_inline __u32 icmp64_key(__u32 family, __u32 key)
{
	return family == HG_FAMILY_6 ? icmp64_to4(key) : icmp64_to6(key);
}

/* The next smaller plateau, for a packet of 'size' bytes that was too big for somebody. */
static __always_inline __u32 icmp64_plateau(__u32 size)
{
	if (size > 32000)
		return 32000;
	if (size > 17914)
		return 17914;
	if (size > 8166)
		return 8166;
	if (size > 4352)
		return 4352;
	if (size > 2002)
		return 2002;
	return size > 1492 ? 1492 : ICMP64_MIN6 - 20;
}

/* Where in the other header is what 'at' points to? -1: nowhere. */
static __always_inline int icmp64_pointer6(__u32 at)
{
	if (at >= 12)
		return at < 16 ? 8 : at < 20 ? 24 : -1;
	if (at < 2)
		return at;
	if (at < 4)
		return 4;
	return at == 8 ? 7 : at == 9 ? ICMP64_PROTOCOL : -1;
}

static __always_inline int icmp64_pointer4(__u32 at)
{
	if (at >= 8)
		return at < 24 ? 12 : at < 40 ? 16 : -1;
	if (at < 2)
		return at;
	if (at < 4)
		return -1;
	return at < 6 ? 2 : at == 6 ? 9 : 8;
}

static __always_inline int icmp64_rest6(__u32 key, __u32 rest, __u32 size, __u32 *ret)
{
	__u32 mtu = rest & 0xffff;
	int at;

	*ret = 0;
	if (key >> 8 == ICMP_PARAMETER) {
		at = icmp64_pointer6(rest >> 24);
		*ret = at;
		return at < 0 ? -1 : 0;
	}
	if (key == ICMP64(ICMP_UNREACHABLE, 2)) {
		*ret = ICMP64_PROTOCOL;
	} else if (key == ICMP64(ICMP_UNREACHABLE, 4)) {
		mtu = (mtu ? mtu : icmp64_plateau(size)) + 20;
		*ret = mtu < ICMP64_MIN6 ? ICMP64_MIN6 : mtu;
	}
	return 0;
}

static __always_inline int icmp64_rest4(__u32 key, __u32 rest, __u32 *ret)
{
	int at;

	*ret = 0;
	if (key == ICMP64(ICMP6_PARAMETER, 0)) {
		at = icmp64_pointer4(rest);
		*ret = (__u32)at << 24;
		return at < 0 ? -1 : 0;
	}
	if (key >> 8 == ICMP6_TOO_BIG) {
		*ret = rest < ICMP64_MIN4 + 20 ? ICMP64_MIN4 : rest - 20;
		if (*ret > 0xffff)
			*ret = 0xffff;
	}
	return 0;
}

/* The second word, in host order. 'size' is that of the packet which is quoted. */
static __always_inline int icmp64_rest(__u32 family, __u32 key, __u32 rest, __u32 size,
				       __u32 *ret)
{
	return family == HG_FAMILY_6 ? icmp64_rest4(key, rest, ret)
				     : icmp64_rest6(key, rest, size, ret);
}
