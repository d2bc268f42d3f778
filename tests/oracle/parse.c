/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/parse.h"

#include <string.h>

#include <hg/drop.h>
#include <hg/limits.h>

/* The part of the frame not read yet. */
struct rest {
	const uint8_t *p;
	size_t n;
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void skip_bytes(struct rest *r, size_t n)
{
	r->p += n;
	r->n -= n;
}

static struct addr addr_read(const uint8_t *p, int family)
{
	struct addr a = { .family = family };

	memcpy(a.bytes, p, family == 4 ? 4 : 16);
	return a;
}

bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, 16) == 0;
}

bool is_multicast(const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (a->family == 6)
		return a->bytes[0] == 0xff;
	return (a->bytes[0] >= 224 && a->bytes[0] <= 239) ||
	       memcmp(a->bytes, broadcast, 4) == 0;
}

bool is_link_local(const struct addr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool is_private(const struct addr *a)
{
	const uint8_t *b = a->bytes;

	if (a->family != 4)
		return false;
	return b[0] == 10 || (b[0] == 172 && b[1] >= 16 && b[1] <= 31) ||
	       (b[0] == 192 && b[1] == 168) || (b[0] == 100 && b[1] >= 64 && b[1] <= 127);
}

static bool is_loopback(const struct addr *a)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	if (a->family == 4)
		return a->bytes[0] == 127;
	return memcmp(a->bytes, loopback, 16) == 0;
}

static bool is_unspecified(const struct addr *a)
{
	for (int i = 0; i < 16; i++)
		if (a->bytes[i])
			return false;
	return true;
}

bool is_icmp(const struct l4 *p)
{
	return p->protocol == (p->src.family == 4 ? 1 : 58);
}

static const struct {
	int family;
	uint8_t request, response;
} pairs[] = { { 4, 8, 0 }, { 4, 13, 14 }, { 4, 15, 16 }, { 4, 17, 18 }, { 6, 128, 129 } };

int icmp_pair(const struct l4 *p, bool *ret_is_response)
{
	if (!is_icmp(p))
		return 0;
	for (int i = 0; i < 5; i++) {
		if (p->src.family != pairs[i].family)
			continue;
		if (p->type != pairs[i].request && p->type != pairs[i].response)
			continue;
		*ret_is_response = p->type == pairs[i].response;
		return i + 1;
	}
	return 0;
}

uint8_t icmp_other(const struct l4 *p)
{
	bool is_response;
	int pair = icmp_pair(p, &is_response);

	if (!pair)
		return p->type;
	return is_response ? pairs[pair - 1].request : pairs[pair - 1].response;
}

bool icmp_is_error(const struct l4 *p)
{
	if (!is_icmp(p))
		return false;
	if (p->src.family == 6)
		return p->type >= 1 && p->type <= 4;
	return p->type == 3 || p->type == 4 || p->type == 5 || p->type == 11 ||
	       p->type == 12;
}

static bool is_extension(unsigned header)
{
	switch (header) {
	case 0:   /* hop-by-hop */
	case 43:  /* routing */
	case 44:  /* fragment */
	case 51:  /* authentication */
	case 60:  /* destination options */
	case 135: /* mobility */
	case 139: /* HIP */
	case 140: /* shim6 */
		return true;
	default:
		return false;
	}
}

/* Ports or ICMP type of 'l4' from 'r'; false when 'r' does not hold them. */
static bool l4_read(struct l4 *l4, struct rest r)
{
	if (l4->protocol == 6 || l4->protocol == 17) {
		if (r.n < 8)
			return false;
		l4->sport = get16(r.p);
		l4->dport = get16(r.p + 2);
	} else if (is_icmp(l4)) {
		if (r.n < 8)
			return false;
		l4->type = r.p[0];
		l4->code = r.p[1];
		l4->id = get16(r.p + 4);
	}
	l4->is_known = true;
	return true;
}

/* The packet inside an ICMP error: its addresses, and 8 bytes of layer 4 where ports are. */
static bool quote_read(struct l4 *q, struct rest r, int family)
{
	if (family == 4) {
		size_t header;

		if (r.n < 20 || r.p[0] >> 4 != 4)
			return false;
		header = (r.p[0] & 15) * 4;
		if (header < 20 || get16(r.p + 6) & 0x1fff)
			return false;
		q->protocol = r.p[9];
		q->src = addr_read(r.p + 12, 4);
		q->dst = addr_read(r.p + 16, 4);
		skip_bytes(&r, header < r.n ? header : r.n);
		return l4_read(q, r);
	}
	if (r.n < 40 || r.p[0] >> 4 != 6)
		return false;
	q->protocol = r.p[6];
	q->src = addr_read(r.p + 8, 6);
	q->dst = addr_read(r.p + 24, 6);
	skip_bytes(&r, 40);
	return l4_read(q, r);
}

static uint32_t parse_tcp(struct parsed *p, struct rest r)
{
	size_t header;

	if (r.n < 20)
		return p->is_first_fragment ? HG_DROP_FRAGMENT : HG_DROP_MALFORMED;
	header = (r.p[12] >> 4) * 4;
	if (header < 20)
		return HG_DROP_MALFORMED;
	if (header > r.n)
		return p->is_first_fragment ? HG_DROP_FRAGMENT : HG_DROP_MALFORMED;
	p->seq = get32(r.p + 4);
	p->ack = get32(r.p + 8);
	p->tcp_flags = r.p[13];
	return HG_DROP_NONE;
}

static uint32_t parse_udp(struct parsed *p, struct rest r)
{
	unsigned length;

	if (r.n < 8)
		return p->is_first_fragment ? HG_DROP_FRAGMENT : HG_DROP_MALFORMED;
	length = get16(r.p + 4);
	if (length < 8 || (length > r.n && !p->is_first_fragment))
		return HG_DROP_MALFORMED;
	return HG_DROP_NONE;
}

static uint32_t parse_icmp(struct parsed *p, struct rest r)
{
	if (r.n < 8)
		return p->is_first_fragment ? HG_DROP_FRAGMENT : HG_DROP_MALFORMED;
	l4_read(&p->l4, r);
	if (p->l4.protocol == 58 && p->l4.type >= 133 && p->l4.type <= 137) {
		if (p->hops != 255)
			return HG_DROP_MALFORMED;
		p->kind = PARSED_ND;
		p->nd_type = p->l4.type;
		if (p->nd_type == 135 || p->nd_type == 136) {
			p->is_short = r.n < 24;
			p->is_solicitation = p->nd_type == 135 && r.p[1] == 0 &&
					     r.n == 32 && r.p[24] == 1 && r.p[25] == 1;
			if (!p->is_short)
				p->target = addr_read(r.p + 8, 6);
		}
	}
	if (icmp_is_error(&p->l4)) {
		skip_bytes(&r, 8);
		p->has_quote = quote_read(&p->quote, r, p->l4.src.family);
	}
	return HG_DROP_NONE;
}

static uint32_t parse_l4(struct parsed *p, struct rest r)
{
	uint32_t reason = HG_DROP_NONE;

	if (p->is_later_fragment &&
	    (p->l4.protocol == 6 || p->l4.protocol == 17 || is_icmp(&p->l4)))
		return p->l4.protocol == 6 && p->fragment == 8 ? HG_DROP_FRAGMENT
							       : HG_DROP_NONE;
	if (p->l4.protocol == 6)
		reason = parse_tcp(p, r);
	else if (p->l4.protocol == 17)
		reason = parse_udp(p, r);
	else if (is_icmp(&p->l4))
		reason = parse_icmp(p, r);
	if (reason == HG_DROP_NONE)
		l4_read(&p->l4, r);
	return reason;
}

static uint32_t parse_ip4(struct parsed *p, struct rest r)
{
	size_t header, total;
	unsigned fragment;

	if (r.n < 20 || r.p[0] >> 4 != 4)
		return HG_DROP_MALFORMED;
	header = (r.p[0] & 15) * 4;
	total = get16(r.p + 2);
	if (header < 20 || total < header || total > r.n)
		return HG_DROP_MALFORMED;
	r.n = total;
	fragment = get16(r.p + 6);
	p->fragment = (fragment & 0x1fff) * 8;
	p->is_later_fragment = p->fragment != 0;
	p->is_first_fragment = p->fragment == 0 && (fragment & 0x2000);
	p->fragment_id = get16(r.p + 4);
	p->hops = r.p[8];
	p->size = total;
	p->l4.protocol = r.p[9];
	p->l4.src = addr_read(r.p + 12, 4);
	p->l4.dst = addr_read(r.p + 16, 4);
	skip_bytes(&r, header);
	return parse_l4(p, r);
}

static uint32_t parse_ip6(struct parsed *p, struct rest r)
{
	unsigned extensions = 0;
	uint32_t reason;
	size_t size;

	if (r.n < 40 || r.p[0] >> 4 != 6 || get16(r.p + 4) + 40U > r.n)
		return HG_DROP_MALFORMED;
	r.n = get16(r.p + 4) + 40U;
	p->l4.protocol = r.p[6];
	p->hops = r.p[7];
	p->size = r.n;
	p->l4.src = addr_read(r.p + 8, 6);
	p->l4.dst = addr_read(r.p + 24, 6);
	skip_bytes(&r, 40);
	while (!p->is_later_fragment && is_extension(p->l4.protocol)) {
		if (++extensions > HG_MAX_EXTENSIONS)
			return HG_DROP_UNSUPPORTED;
		if (r.n < 8)
			return p->is_first_fragment ? HG_DROP_FRAGMENT
						    : HG_DROP_MALFORMED;
		size = (r.p[1] + 1) * 8;
		if (p->l4.protocol == 51)
			size = (r.p[1] + 2) * 4;
		if (p->l4.protocol == 44) {
			size = 8;
			p->fragment = get16(r.p + 2) & 0xfff8;
			p->fragment_id = get32(r.p + 4);
			p->is_later_fragment = p->fragment != 0;
			p->is_first_fragment = p->fragment == 0 && (r.p[3] & 1);
		}
		if (r.n < size)
			return p->is_first_fragment ? HG_DROP_FRAGMENT
						    : HG_DROP_MALFORMED;
		p->l4.protocol = r.p[0];
		skip_bytes(&r, size);
	}
	reason = parse_l4(p, r);
	p->has_extensions = extensions > 0;
	if (extensions > 0)
		p->is_solicitation = false;
	return reason;
}

static uint32_t parse_arp(struct parsed *p, struct rest r)
{
	static const uint8_t ethernet_ip4[6] = { 0, 1, 8, 0, 6, 4 };

	p->kind = PARSED_ARP;
	if (r.n < 28 || memcmp(r.p, ethernet_ip4, 6) != 0)
		return HG_DROP_MALFORMED;
	p->arp_op = get16(r.p + 6);
	p->l4.src = addr_read(r.p + 14, 4);
	p->l4.dst = addr_read(r.p + 24, 4);
	return HG_DROP_NONE;
}

/* Sources that nobody has. 0.0.0.0 and :: are left to the caller, who knows what is exempt. */
static uint32_t check_source(struct parsed *p)
{
	p->is_unspecified = is_unspecified(&p->l4.src);
	if (is_multicast(&p->l4.src) || is_loopback(&p->l4.src))
		return HG_DROP_MALFORMED;
	if (same_addr(&p->l4.src, &p->l4.dst))
		return HG_DROP_MALFORMED;
	return HG_DROP_NONE;
}

void frame_parse(const uint8_t *frame, size_t size, struct parsed *ret)
{
	static const uint8_t control[5] = { 0x01, 0x80, 0xc2, 0, 0 };
	struct rest r = { frame, size };
	unsigned type, tags = 0;

	*ret = (struct parsed){ .kind = PARSED_IP,
				.reason = HG_DROP_MALFORMED,
				.is_ours = true };
	if (size < 14)
		return;
	type = get16(frame + 12);
	ret->is_ours = memcmp(frame, ORACLE_MAC, 6) == 0;
	ret->is_to_group = frame[0] & 1;
	ret->is_control = memcmp(frame, control, 5) == 0 && frame[5] < 16;
	skip_bytes(&r, 14);
	while (type == 0x8100 || type == 0x88a8) {
		ret->reason = HG_DROP_UNSUPPORTED;
		ret->is_tagged = tags == HG_MAX_VLANS;
		if (++tags > HG_MAX_VLANS)
			return;
		ret->reason = HG_DROP_MALFORMED;
		if (r.n < 4)
			return;
		type = get16(r.p + 2);
		skip_bytes(&r, 4);
	}
	ret->is_tagged = tags > 0;
	if (type == 0x0806) {
		ret->reason = parse_arp(ret, r);
		return;
	}
	ret->reason = HG_DROP_UNSUPPORTED;
	if (type == 0x0800)
		ret->reason = parse_ip4(ret, r);
	else if (type == 0x86dd)
		ret->reason = parse_ip6(ret, r);
	if (ret->reason == HG_DROP_NONE) {
		ret->reason = check_source(ret);
		ret->has_bad_source = ret->reason != HG_DROP_NONE;
	}
}
