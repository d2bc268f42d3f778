/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/sums.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/lib/frame.h"

/* Where things are. */
struct layout {
	size_t l3, l4, end;
	size_t check; /* of layer 4, 0: none that is known */
	uint8_t protocol;
	bool is6, is_whole;
};

enum sum { UNKNOWN, ABSENT, RIGHT, WRONG };

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static bool lay_out_ip(const uint8_t *frame, size_t size, struct layout *l)
{
	const uint8_t *ip = frame + l->l3;

	if (size < l->l3 + (l->is6 ? 40U : 20U) || ip[0] >> 4 != (l->is6 ? 6 : 4))
		return false;
	if (l->is6) {
		l->l4 = l->l3 + 40;
		l->end = l->l4 + get16(ip + 4);
		l->protocol = ip[6];
		l->is_whole = true;
	} else {
		l->l4 = l->l3 + (ip[0] & 15) * 4U;
		l->end = l->l3 + get16(ip + 2);
		l->protocol = ip[9];
		l->is_whole = !(get16(ip + 6) & 0x3fff);
	}
	return l->l4 >= l->l3 + 20 && l->l4 <= l->end && l->end <= size;
}

/* False: not IP, or not what it says. */
static bool lay_out(const uint8_t *frame, size_t size, struct layout *ret)
{
	struct layout l = { .l3 = 14 };
	unsigned type;
	size_t least;

	for (int tags = 0; size >= l.l3; tags++, l.l3 += 4) {
		type = get16(frame + l.l3 - 2);
		if (tags == 2 || (type != 0x8100 && type != 0x88a8))
			break;
	}
	if (size < l.l3)
		return false;
	l.is6 = type == 0x86dd;
	if ((!l.is6 && type != 0x0800) || !lay_out_ip(frame, size, &l))
		return false;
	l.check = l.protocol == IPPROTO_TCP                               ? 16
		  : l.protocol == IPPROTO_UDP                             ? 6
		  : l.protocol == (l.is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ? 2
									  : 0;
	least = l.protocol == IPPROTO_TCP ? 20 : 8;
	if (!l.is_whole || l.end - l.l4 < least)
		l.check = 0;
	/* What is behind a short datagram is not its own. */
	if (l.check && l.protocol == IPPROTO_UDP) {
		size_t own = get16(frame + l.l4 + 4);

		if (own < 8 || l.l4 + own > l.end)
			l.check = 0;
		else
			l.end = l.l4 + own;
	}
	*ret = l;
	return true;
}

static uint32_t pseudo(const uint8_t *frame, const struct layout *l)
{
	const uint8_t *ip = frame + l->l3;
	uint32_t sum = l->protocol + (uint32_t)(l->end - l->l4);

	if (l->protocol == IPPROTO_ICMP)
		return 0;
	return (uint16_t) ~(l->is6 ? frame_checksum(ip + 8, 32, sum)
				   : frame_checksum(ip + 12, 8, sum));
}

static enum sum sum_header(const uint8_t *frame, const struct layout *l)
{
	if (l->is6)
		return UNKNOWN;
	return frame_checksum(frame + l->l3, l->l4 - l->l3, 0) ? WRONG : RIGHT;
}

static enum sum sum_layer4(const uint8_t *frame, const struct layout *l)
{
	if (!l->check)
		return UNKNOWN;
	if (l->protocol == IPPROTO_UDP && !get16(frame + l->l4 + 6))
		return ABSENT;
	return frame_checksum(frame + l->l4, l->end - l->l4, pseudo(frame, l)) ? WRONG
									       : RIGHT;
}

/* Of the header that an ICMP error quotes. */
static enum sum sum_quote(const uint8_t *frame, const struct layout *l)
{
	struct layout q = { .l3 = l->l4 + 8, .l4 = l->l4 + 28 };

	if (l->is6 || l->protocol != IPPROTO_ICMP || !l->check || q.l4 > l->end ||
	    frame[q.l3] != 0x45)
		return UNKNOWN;
	switch (frame[l->l4]) {
	case 3:
	case 4:
	case 11:
	case 12:
		return sum_header(frame, &q);
	default:
		return UNKNOWN;
	}
}

void sums_hold(const uint8_t *came, size_t came_size, const uint8_t *left,
	       size_t left_size)
{
	struct layout before, after;
	enum sum sum;

	if (!lay_out(came, came_size, &before))
		return;
	assert(lay_out(left, left_size, &after));
	if (before.is6 == after.is6) {
		assert(came_size == left_size);
		if (sum_header(came, &before) == RIGHT)
			assert(sum_header(left, &after) == RIGHT);
		if (sum_quote(came, &before) == RIGHT)
			assert(sum_quote(left, &after) == RIGHT);
	} else {
		assert(after.is6 || sum_header(left, &after) == RIGHT);
	}
	sum = sum_layer4(came, &before);
	if (sum == RIGHT || (sum == ABSENT && !before.is6))
		assert(sum_layer4(left, &after) == sum);
}

static void swap(uint8_t *a, uint8_t *b, size_t size)
{
	uint8_t kept[16];

	memcpy(kept, a, size);
	memcpy(a, b, size);
	memcpy(b, kept, size);
}

/* The options that gateway load balancers send are of one class. */
static bool is_wrap(const uint8_t *frame, size_t size, const struct layout *l)
{
	return !l->is6 && l->is_whole && l->protocol == IPPROTO_UDP &&
	       l->end - l->l4 > WRAP_SIZE - 20 && l->end <= size &&
	       get16(frame + l->l4 + 2) == 6081 && get16(frame + l->l4 + 16) == 0x0108;
}

size_t frame_unwrap(const uint8_t *frame, size_t size, uint8_t *ret)
{
	struct layout l;
	size_t inner;

	if (!lay_out(frame, size, &l) || !is_wrap(frame, size, &l))
		return 0;
	inner = l.l4 + WRAP_SIZE - 20;
	memcpy(ret, frame, 12);
	memcpy(ret + 12, frame + l.l4 + 10, 2);
	memcpy(ret + 14, frame + inner, size - inner);
	return 14 + size - inner;
}

bool frame_give_back(uint8_t *frame, size_t size)
{
	struct layout l;

	if (!lay_out(frame, size, &l) || !is_wrap(frame, size, &l))
		return false;
	swap(frame + l.l3 + 12, frame + l.l3 + 16, 4);
	return true;
}

bool frame_is_ipv6(const uint8_t *frame, size_t size)
{
	struct layout l;

	return lay_out(frame, size, &l) && l.is6;
}

void frame_mend(uint8_t *frame, size_t size)
{
	struct layout l;
	uint8_t *check;
	unsigned sum;

	if (!lay_out(frame, size, &l))
		return;
	if (!l.is6) {
		put16(frame + l.l3 + 10, 0);
		put16(frame + l.l3 + 10, frame_checksum(frame + l.l3, l.l4 - l.l3, 0));
	}
	if (!l.check)
		return;
	check = frame + l.l4 + l.check;
	put16(check, 0);
	sum = frame_checksum(frame + l.l4, l.end - l.l4, pseudo(frame, &l));
	put16(check, sum || l.protocol != IPPROTO_UDP ? sum : 0xffff);
}

bool frame_turn(uint8_t *frame, size_t size)
{
	struct layout l;
	uint8_t *l4;

	if (!lay_out(frame, size, &l))
		return false;
	if (l.is6)
		swap(frame + l.l3 + 8, frame + l.l3 + 24, 16);
	else
		swap(frame + l.l3 + 12, frame + l.l3 + 16, 4);
	l4 = frame + l.l4;
	if (!l.check)
		return true;
	if (l.protocol == IPPROTO_ICMP && l4[0] == 8)
		l4[0] = 0;
	else if (l.protocol == IPPROTO_ICMPV6 && l4[0] == 128)
		l4[0] = 129;
	else if (l.check != 2)
		swap(l4, l4 + 2, 2);
	frame_mend(frame, size);
	return true;
}

bool frame_reflag(uint8_t *frame, size_t size, uint8_t flags)
{
	struct layout l;

	if (!lay_out(frame, size, &l) || !l.is_whole)
		return false;
	if (l.protocol == IPPROTO_TCP && l.check)
		frame[l.l4 + 13] = flags;
	frame_mend(frame, size);
	return true;
}

size_t frame_error_about(uint8_t *frame, size_t room, const uint8_t *about, size_t size,
			 uint8_t flags, const char *const routers[2])
{
	static const uint8_t types[2][4] = { { 3, 11, 4, 12 }, { 1, 3, 2, 4 } };
	struct layout l;
	size_t n, width;
	uint8_t *ip = frame + 14;
	struct addr from;

	if (!lay_out(about, size, &l))
		return 0;
	width = l.is6 ? 16 : 4;
	n = l.end - l.l3;
	if (n > 28U + (flags & 31) * 16U)
		n = 28 + (flags & 31) * 16U;
	memset(frame, 0, room);
	memcpy(frame, about, 12);
	put16(frame + 12, l.is6 ? 0x86dd : 0x0800);
	if (l.is6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)n + 8);
		ip[6] = IPPROTO_ICMPV6;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)n + 28);
		ip[8] = 64;
		ip[9] = IPPROTO_ICMP;
	}
	from = address(routers[l.is6]);
	memcpy(ip + (l.is6 ? 8 : 12),
	       flags & 0x80 ? from.bytes : about + l.l3 + (l.is6 ? 24 : 16), width);
	memcpy(ip + (l.is6 ? 24 : 16), about + l.l3 + (l.is6 ? 8 : 12), width);
	ip += l.is6 ? 40 : 20;
	ip[0] = types[l.is6][flags >> 5 & 3];
	put16(ip + 6, 1200);
	memcpy(ip + 8, about + l.l3, n);
	n += (size_t)(ip + 8 - frame);
	frame_mend(frame, n);
	return n;
}
