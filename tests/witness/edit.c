/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/edit.h"

#include <string.h>

/* One IP packet, whole or quoted, and what of it is there. */
struct packet {
	uint8_t *ip, *l4; /* l4: NULL in a later fragment, or cut off */
	uint8_t *end;
	int family, protocol;
	uint8_t *sum; /* of layer 4; NULL: none, or not there */
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

size_t frame_ip(const uint8_t *frame, size_t size)
{
	size_t at = 12;

	while (at + 4 <= size &&
	       (get16(frame + at) == 0x8100 || get16(frame + at) == 0x88a8))
		at += 4;
	if (at + 2 > size || (get16(frame + at) != 0x0800 && get16(frame + at) != 0x86dd))
		return 0;
	return at + 2;
}

/* Past the extension headers; NULL at a later fragment or where they are cut off. */
static uint8_t *skip_extensions(struct packet *p)
{
	uint8_t *at = p->ip + 40;

	for (;;) {
		size_t size;

		switch (p->protocol) {
		case 0:
		case 43:
		case 60:
		case 135:
		case 139:
		case 140:
			size = at + 2 <= p->end ? (at[1] + 1) * 8 : 0;
			break;
		case 51:
			size = at + 2 <= p->end ? (at[1] + 2) * 4 : 0;
			break;
		case 44:
			size = at + 8 <= p->end ? 8 : 0;
			if (size && get16(at + 2) & 0xfff8)
				return NULL;
			break;
		default:
			return at;
		}
		if (size == 0 || at + size > p->end)
			return NULL;
		p->protocol = at[0];
		at += size;
	}
}

static bool find_packet(struct packet *p, uint8_t *ip, uint8_t *end)
{
	size_t sum = 0;

	*p = (struct packet){ .ip = ip, .end = end };
	if (end - ip < 20)
		return false;
	p->family = ip[0] >> 4;
	if (p->family == 4) {
		uint8_t *total = ip + get16(ip + 2);

		p->protocol = ip[9];
		if (total < end)
			p->end = total;
		if (!(get16(ip + 6) & 0x1fff))
			p->l4 = ip + (ip[0] & 15) * 4;
	} else if (p->family == 6 && end - ip >= 40) {
		uint8_t *total = ip + 40 + get16(ip + 4);

		p->protocol = ip[6];
		if (total < end)
			p->end = total;
		p->l4 = skip_extensions(p);
	} else {
		return false;
	}
	if (!p->l4 || p->end - p->l4 < 8) {
		p->l4 = NULL;
		return true;
	}
	sum = p->protocol == 6 ? 16 : p->protocol == 17 ? 6 : 0;
	if (p->protocol == (p->family == 4 ? 1 : 58))
		sum = 2;
	if (sum && p->end - p->l4 >= (ptrdiff_t)sum + 2)
		p->sum = p->l4 + sum;
	if (p->sum && p->protocol == 17 && get16(p->sum) == 0)
		p->sum = NULL;
	return true;
}

static uint64_t add_bytes(const uint8_t *from, const uint8_t *to, const uint8_t *but)
{
	uint64_t sum = 0;

	for (const uint8_t *p = from; p < to; p += 2)
		if (p != but)
			sum += (uint64_t)p[0] << 8 | (p + 1 < to ? p[1] : 0);
	return sum;
}

/* All that the checksum of layer 4 covers, but itself. What is missing does not change. */
static uint64_t covered(const struct packet *p)
{
	uint64_t sum = add_bytes(p->l4, p->end, p->sum);

	if (p->family == 6)
		sum += add_bytes(p->ip + 8, p->ip + 40, NULL);
	else if (p->protocol != 1)
		sum += add_bytes(p->ip + 12, p->ip + 20, NULL);
	return sum;
}

/* RFC 1624: of what was covered 'before' and is 'after'. */
static void move_sum(uint8_t *sum, uint64_t before, uint64_t after)
{
	uint64_t s = (uint16_t)~get16(sum) + after + (0xffff - before % 0xffff);

	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	put16(sum, ~s & 0xffff);
}

static void put_addr(const struct packet *p, bool is_dst, const struct addr *a)
{
	if (p->family == 4)
		memcpy(p->ip + 12 + (is_dst ? 4 : 0), a->bytes, 4);
	else
		memcpy(p->ip + 8 + (is_dst ? 16 : 0), a->bytes, 16);
}

static void put_fields(const struct packet *p, const struct l4 *to)
{
	bool is_response;

	put_addr(p, false, &to->src);
	put_addr(p, true, &to->dst);
	if (!p->l4)
		return;
	if (to->protocol == 6 || to->protocol == 17) {
		put16(p->l4, to->sport);
		put16(p->l4 + 2, to->dport);
	} else if (icmp_pair(to, &is_response)) {
		put16(p->l4 + 4, to->id);
	}
}

static void edit_packet(struct packet *p, const struct l4 *to, const struct l4 *quote,
			unsigned hops_less);

static void edit_inside(struct packet *p, const struct l4 *quote)
{
	struct packet q;

	if (p->l4 && find_packet(&q, p->l4 + 8, p->end) && q.family == quote->src.family)
		edit_packet(&q, quote, NULL, 0);
}

static void edit_packet(struct packet *p, const struct l4 *to, const struct l4 *quote,
			unsigned hops_less)
{
	uint64_t before = p->sum ? covered(p) : 0;
	uint64_t ip_before = 0;
	uint8_t *end = p->ip + (p->ip[0] & 15) * 4;

	if (p->family == 4)
		ip_before = add_bytes(p->ip, end < p->end ? end : p->end, p->ip + 10);
	put_fields(p, to);
	p->ip[p->family == 4 ? 8 : 7] -= hops_less;
	if (quote)
		edit_inside(p, quote);
	if (p->family == 4)
		move_sum(p->ip + 10, ip_before,
			 add_bytes(p->ip, end < p->end ? end : p->end, p->ip + 10));
	if (!p->sum)
		return;
	move_sum(p->sum, before, covered(p));
	if (p->protocol == 17 && get16(p->sum) == 0)
		put16(p->sum, 0xffff);
}

void frame_edit(uint8_t *frame, size_t size, const struct l4 *to, const struct l4 *quote,
		unsigned hops_less)
{
	size_t at = frame_ip(frame, size);
	struct packet p;

	if (at && find_packet(&p, frame + at, frame + size) && p.family == to->src.family)
		edit_packet(&p, to, quote, hops_less);
}
