/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/frame.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#define ETHERNET 14

enum { TCP_SYN = 2, TCP_ACK = 16 };

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static uint32_t sum(const uint8_t *p, size_t size, uint32_t s)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		s += p[i] << 8 | p[i + 1];
	if (size & 1)
		s += p[size - 1] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s;
}

static uint16_t source_port(const struct question *q)
{
	return q->from_port ? q->from_port : FRAME_FROM_PORT;
}

static size_t write_tcp(const struct question *q, uint8_t *p)
{
	put16(p, source_port(q));
	put16(p + 2, q->to_port);
	p[7] = 1;                               /* sequence number */
	p[11] = q->tcp_flags & TCP_ACK ? 2 : 0; /* what acknowledges our own SYN */
	p[12] = 5 << 4;
	p[13] = q->tcp_flags;
	put16(p + 14, 64240);
	return 20;
}

static size_t write_udp(const struct question *q, uint8_t *p)
{
	put16(p, source_port(q));
	put16(p + 2, q->to_port);
	put16(p + 4, 8);
	return 8;
}

/* What follows the first 8 bytes of a neighbour discovery message, RFC 4861 section 4. */
static size_t write_nd(const struct question *q, unsigned type, uint8_t *p)
{
	static const size_t sizes[] = { 8, 16, 24, 24, 40 };
	const struct addr *target = type == 135 ? &q->to : &q->from;

	if (type == 135 || type == 136)
		memcpy(p + 8, target->bytes, 16);
	if (type == 137) {
		memcpy(p + 8, q->from.bytes, 16);
		memcpy(p + 24, q->to.bytes, 16);
	}
	return sizes[type - 133];
}

static bool is_nd(const struct question *q)
{
	return q->protocol == IPPROTO_ICMPV6 && q->to.family == 6 &&
	       q->icmp_type >= 133 && q->icmp_type <= 137;
}

static size_t write_icmp(const struct question *q, uint8_t *p)
{
	unsigned echo = q->protocol == IPPROTO_ICMPV6 ? 128 : 8;

	p[0] = q->icmp_type < 0 ? echo : (unsigned)q->icmp_type;
	p[1] = q->icmp_code < 0 ? 0 : q->icmp_code;
	if (is_nd(q))
		return write_nd(q, p[0], p);
	put16(p + 4, q->icmp_id ? q->icmp_id : FRAME_ECHO_ID);
	put16(p + 6, 1);
	return 8;
}

/* Where the checksum of a protocol stands, 0: it has none that we write. */
static size_t checksum_at(int protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

static size_t write_layer4(const struct question *q, uint8_t *p)
{
	size_t size, at = checksum_at(q->protocol);
	uint32_t s = 0;
	uint16_t checksum;

	switch (q->protocol) {
	case IPPROTO_TCP:
		size = write_tcp(q, p);
		break;
	case IPPROTO_UDP:
		size = write_udp(q, p);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		size = write_icmp(q, p);
		break;
	default:
		/* Over IPv6 the protocol may be that of an extension header: eight bytes that
		 * say "no next header" are a whole one, and as good a payload as any. */
		p[0] = IPPROTO_NONE;
		size = 8;
	}
	if (!at)
		return size;
	if (q->protocol !=
	    IPPROTO_ICMP) { /* pseudo header, the same sum for both families */
		s = sum(q->from.bytes, 16, s);
		s = sum(q->to.bytes, 16, s);
		s += q->protocol + size;
	}
	checksum = fold(sum(p, size, s));
	if (checksum == 0 && q->protocol == IPPROTO_UDP)
		checksum = 0xffff;
	put16(p + at, checksum);
	return size;
}

static void write_ethernet(const struct question *q, const struct frame_ends *ends,
			   uint8_t *p)
{
	const uint8_t *to = q->to.bytes;

	memcpy(p, ends->to, 6);
	memcpy(p + 6, ends->from, 6);
	if (q->to.family == 6 && to[0] == 0xff) {
		put16(p, 0x3333);
		memcpy(p + 2, to + 12, 4);
	} else if (q->to.family == 4 && to[0] >> 4 == 14) {
		memcpy(p, (uint8_t[]){ 1, 0, 0x5e, to[1] & 0x7f, to[2], to[3] }, 6);
	} else if (q->to.family == 4 && memcmp(to, "\xff\xff\xff\xff", 4) == 0) {
		memset(p, 0xff, 6);
	}
	put16(p + 12, q->to.family == 6 ? 0x86dd : 0x0800);
}

size_t frame_write(const struct question *q, const struct frame_ends *ends,
		   uint8_t frame[static EXPLAIN_FRAME])
{
	uint8_t *ip = frame + ETHERNET;
	size_t header = q->to.family == 6 ? 40 : 20, size;

	assert(q->from.family == q->to.family);
	memset(frame, 0, EXPLAIN_FRAME);
	write_ethernet(q, ends, frame);
	size = write_layer4(q, ip + header);
	if (q->to.family == 6) {
		ip[0] = 6 << 4;
		put16(ip + 4, size);
		ip[6] = q->protocol;
		ip[7] = is_nd(q) ? 255 : 64;
		memcpy(ip + 8, q->from.bytes, 16);
		memcpy(ip + 24, q->to.bytes, 16);
	} else {
		ip[0] = 4 << 4 | 5;
		put16(ip + 2, header + size);
		put16(ip + 6, 0x4000); /* do not fragment */
		ip[8] = 64;
		ip[9] = q->protocol;
		memcpy(ip + 12, q->from.bytes, 4);
		memcpy(ip + 16, q->to.bytes, 4);
		put16(ip + 10, fold(sum(ip, header, 0)));
	}
	return ETHERNET + header + size;
}

/* The reply to an ICMP request; a type that asks nothing is its own answer. */
static int reply_type(int protocol, int type)
{
	if (protocol == IPPROTO_ICMPV6)
		return type < 0 || type == 128 ? 129 : type == 139 ? 140 : type;
	switch (type) {
	case -1:
	case 8:
		return 0;
	case 13:
	case 15:
	case 17:
		return type + 1;
	default:
		return type;
	}
}

bool question_asks(const struct question *q)
{
	bool is_icmp = q->to.family == 6 ? q->protocol == IPPROTO_ICMPV6
					 : q->protocol == IPPROTO_ICMP;

	if (!is_icmp)
		return false;
	/* RFC 4620's queries have a nonce, and no id. */
	if (q->protocol == IPPROTO_ICMPV6)
		return q->icmp_type < 0 || q->icmp_type == 128;
	return reply_type(q->protocol, q->icmp_type) != q->icmp_type;
}

struct question question_reverse(const struct question *q)
{
	struct question r = *q;

	r.from = q->to;
	r.to = q->from;
	r.in = NULL;
	if (q->protocol == IPPROTO_TCP || q->protocol == IPPROTO_UDP) {
		r.from_port = q->to_port;
		r.to_port = source_port(q);
	}
	r.tcp_flags = q->tcp_flags & TCP_SYN ? TCP_SYN | TCP_ACK : TCP_ACK;
	if (q->protocol == IPPROTO_ICMP || q->protocol == IPPROTO_ICMPV6)
		r.icmp_type = reply_type(q->protocol, q->icmp_type);
	return r;
}
