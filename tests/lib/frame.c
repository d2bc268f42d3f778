/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/frame.h"

#include <string.h>

#include "tests/lib/tap.h"

#define ETHER_ARP 0x0806
#define ETHER_IP4 0x0800
#define ETHER_IP6 0x86dd
#define ETHER_TAG 0x8100
#define ETHER_QIN 0x88a8

/* A place to write, front to back. */
struct pen {
	uint8_t *buf;
	size_t at, room;
};

static uint8_t *pen_take(struct pen *p, size_t n)
{
	uint8_t *here = p->buf + p->at;

	if (p->room - p->at < n)
		bail("a frame does not fit %zu bytes", p->room);
	p->at += n;
	memset(here, 0, n);
	return here;
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = v >> 8;
	at[1] = v & 0xff;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

uint16_t frame_checksum(const uint8_t *data, size_t size, uint32_t sum)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (size & 1)
		sum += (uint32_t)data[size - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void put_mac(uint8_t *at, const uint8_t mac[6], uint8_t usual)
{
	memcpy(at, mac, 6);
	if (is_zero(mac, 6)) {
		at[0] = 2;
		at[5] = usual;
	}
}

static void put_ethernet(const struct frame *f, struct pen *p)
{
	uint16_t type = f->ethertype;
	uint8_t *eth = pen_take(p, 12);

	put_mac(eth, f->dmac, 2);
	put_mac(eth + 6, f->smac, 1);
	for (unsigned i = 0; i < f->n_vlans; i++) {
		uint8_t *tag = pen_take(p, 4);

		put16(tag, i + 1 < f->n_vlans ? ETHER_QIN : ETHER_TAG);
		put16(tag + 2, f->vlan[i]);
	}
	if (!type)
		type = f->arp ? ETHER_ARP : f->saddr.family == 6 ? ETHER_IP6 : ETHER_IP4;
	put16(pen_take(p, 2), type);
}

static void put_arp(const struct frame *f, struct pen *p)
{
	uint8_t *arp = pen_take(p, 28);

	put16(arp, 1);
	put16(arp + 2, ETHER_IP4);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, f->arp);
	put_mac(arp + 8, f->smac, 1);
	memcpy(arp + 14, f->saddr.bytes, 4);
	memcpy(arp + 18, f->arp_tha, 6);
	memcpy(arp + 24, f->daddr.bytes, 4);
}

static void put_payload(const struct frame *f, struct pen *p)
{
	uint8_t *data = pen_take(p, f->payload);

	for (unsigned i = 0; i < f->payload; i++)
		data[i] = 'a' + i % 26;
}

static void put_quote(const struct frame *f, struct pen *p)
{
	uint8_t inner[FRAME_MAX];
	struct frame_at at;
	size_t size = frame_build(f->quote, inner, sizeof(inner), &at);
	size_t want = f->quote_size ? f->quote_size : at.l4 - at.l3 + 8;

	if (want > size - at.l3)
		want = size - at.l3;
	memcpy(pen_take(p, want), inner + at.l3, want);
}

static void put_icmp(const struct frame *f, struct pen *p)
{
	bool is_nd = f->protocol == 58 && f->icmp_type >= 133 && f->icmp_type <= 137;
	uint8_t *icmp = pen_take(p, 8);

	icmp[0] = f->icmp_type;
	icmp[1] = f->icmp_code;
	put16(icmp + 4, f->icmp_id);
	put16(icmp + 6, f->icmp_seq);
	if (f->quote)
		put_quote(f, p);
	if (is_nd && f->target.family)
		memcpy(pen_take(p, 16), f->target.bytes, 16);
	if (is_nd && f->has_lladdr) {
		uint8_t *option = pen_take(p, 8);

		option[0] = f->icmp_type == 136 ? 2 : 1;
		option[1] = 1;
		put_mac(option + 2, f->smac, 1);
	}
	put_payload(f, p);
}

static void put_l4(const struct frame *f, struct pen *p)
{
	uint8_t *l4;

	if (f->fragment) {
		put_payload(f, p);
		return;
	}
	switch (f->protocol) {
	case 6:
		l4 = pen_take(p, 20);
		put32(l4 + 4, f->seq);
		put32(l4 + 8, f->ack);
		l4[12] = 5 << 4;
		l4[13] = f->tcp_flags;
		put16(l4 + 14, 65535);
		put_payload(f, p);
		break;
	case 17:
		l4 = pen_take(p, 8);
		put_payload(f, p);
		put16(l4 + 4, p->buf + p->at - l4);
		break;
	case 1:
	case 58:
		put_icmp(f, p);
		return;
	default:
		put_payload(f, p);
		return;
	}
	put16(l4, f->sport);
	put16(l4 + 2, f->dport);
}

/* Checksum of layer 4, over the pseudo header where there is one. */
static void sum_l4(const struct frame *f, uint8_t *l4, size_t size)
{
	size_t at = f->protocol == 6 ? 16 : f->protocol == 17 ? 6 : 2;
	size_t n = f->saddr.family == 6 ? 16 : 4;
	bool is_icmp = f->protocol == 1 || f->protocol == 58;
	uint16_t folded;
	uint32_t sum = 0;

	if (f->fragment || (f->protocol != 6 && f->protocol != 17 && !is_icmp))
		return;
	if (f->protocol != 1) {
		sum = f->protocol + size;
		sum += (uint16_t)~frame_checksum(f->saddr.bytes, n, 0);
		sum += (uint16_t)~frame_checksum(f->daddr.bytes, n, 0);
	}
	folded = frame_checksum(l4, size, sum);
	put16(l4 + at, f->protocol == 17 && !folded ? 0xffff : folded);
}

static void put_ip4(const struct frame *f, struct pen *p, struct frame_at *at)
{
	uint8_t *ip = pen_take(p, 20 + f->options);

	memset(ip + 20, 1, f->options);
	at->l4 = p->at;
	put_l4(f, p);
	ip[0] = 4 << 4 | (5 + f->options / 4);
	put16(ip + 2, p->at - at->l3);
	put16(ip + 4, f->id);
	put16(ip + 6, f->fragment / 8 | (f->more ? 0x2000 : 0));
	ip[8] = f->is_ttl_zero ? 0 : f->ttl ? f->ttl : 64;
	ip[9] = f->protocol;
	memcpy(ip + 12, f->saddr.bytes, 4);
	memcpy(ip + 16, f->daddr.bytes, 4);
	put16(ip + 10, frame_checksum(ip, 20 + f->options, 0));
	sum_l4(f, p->buf + at->l4, p->at - at->l4);
}

/* Writes one extension header and returns where its 'next header' stands. */
static uint8_t *put_extension(struct pen *p, uint8_t kind)
{
	uint8_t *x;

	if (kind == 51) { /* authentication: counted in words, less two */
		x = pen_take(p, 24);
		x[1] = 4;
		return x;
	}
	x = pen_take(p, kind == 0 ? 16 : 8);
	x[1] = kind == 0 ? 1 : 0;
	if (kind == 0 || kind == 60) { /* PadN to the end */
		x[2] = 1;
		x[3] = kind == 0 ? 12 : 4;
	}
	return x;
}

static void put_ip6(const struct frame *f, struct pen *p, struct frame_at *at)
{
	uint8_t *ip = pen_take(p, 40), *next = ip + 6;

	ip[0] = 6 << 4;
	for (unsigned i = 0; i < f->n_extensions; i++) {
		*next = f->extensions[i];
		next = put_extension(p, f->extensions[i]);
	}
	if (f->fragment || f->more || f->is_atomic) {
		uint8_t *x;

		*next = 44;
		x = next = pen_take(p, 8);
		put16(x + 2, f->fragment | f->more);
		put32(x + 4, f->id);
	}
	*next = f->protocol;
	at->l4 = p->at;
	put_l4(f, p);
	put16(ip + 4, p->at - at->l3 - 40);
	ip[7] = f->is_ttl_zero ? 0 : f->ttl ? f->ttl : 64;
	memcpy(ip + 8, f->saddr.bytes, 16);
	memcpy(ip + 24, f->daddr.bytes, 16);
	sum_l4(f, p->buf + at->l4, p->at - at->l4);
}

size_t frame_build(const struct frame *f, uint8_t *buf, size_t room,
		   struct frame_at *ret_at)
{
	struct pen p = { .buf = buf, .room = room };
	struct frame_at at = {};

	put_ethernet(f, &p);
	at.l3 = at.l4 = p.at;
	if (f->arp)
		put_arp(f, &p);
	else if (f->saddr.family == 4)
		put_ip4(f, &p, &at);
	else if (f->saddr.family == 6)
		put_ip6(f, &p, &at);
	else
		put_payload(f, &p);
	at.end = p.at;
	at.data = at.end - f->payload;
	if (ret_at)
		*ret_at = at;
	return p.at;
}

struct addr address(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		bail("%s is no address", text);
	return a;
}

static struct frame between(const char *from, const char *to, uint8_t protocol)
{
	return (struct frame){ .saddr = address(from),
			       .daddr = address(to),
			       .protocol = protocol };
}

struct frame frame_tcp(const char *from, uint16_t sport, const char *to, uint16_t dport,
		       uint8_t flags)
{
	struct frame f = between(from, to, 6);

	f.sport = sport;
	f.dport = dport;
	f.tcp_flags = flags;
	return f;
}

struct frame frame_udp(const char *from, uint16_t sport, const char *to, uint16_t dport)
{
	struct frame f = between(from, to, 17);

	f.sport = sport;
	f.dport = dport;
	f.payload = 16;
	return f;
}

struct frame frame_icmp(const char *from, const char *to, uint8_t type, uint8_t code)
{
	struct frame f = between(from, to, 1);

	if (f.saddr.family == 6)
		f.protocol = 58;
	f.icmp_type = type;
	f.icmp_code = code;
	return f;
}

struct frame frame_echo(const char *from, const char *to, uint16_t id)
{
	struct frame f = frame_icmp(from, to, 8, 0);

	if (f.protocol == 58)
		f.icmp_type = 128;
	f.icmp_id = id;
	f.payload = 8;
	return f;
}

/* What answers a query of either ICMP, or 'type' itself. */
static uint8_t icmp_response(uint8_t protocol, uint8_t type)
{
	if (protocol == 58)
		return type == 128 ? 129 : type;
	switch (type) {
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

struct frame frame_reply(const struct frame *f)
{
	struct frame r = *f;

	memcpy(r.smac, f->dmac, 6);
	memcpy(r.dmac, f->smac, 6);
	r.saddr = f->daddr;
	r.daddr = f->saddr;
	r.sport = f->dport;
	r.dport = f->sport;
	r.icmp_type = icmp_response(f->protocol, f->icmp_type);
	r.seq = f->ack;
	r.ack = f->seq + f->payload + (f->tcp_flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
	return r;
}

struct frame frame_error(const char *from, const struct frame *quote)
{
	struct addr a = address(from);
	bool is6 = a.family == 6;

	return (struct frame){
		.saddr = a,
		.daddr = quote->saddr,
		.protocol = is6 ? 58 : 1,
		.icmp_type = is6 ? 1 : 3,
		.icmp_code = is6 ? 4 : 3,
		.quote = quote,
	};
}

struct frame frame_other(const char *from, const char *to, uint8_t protocol)
{
	struct frame f = between(from, to, protocol);

	f.payload = 16;
	return f;
}

struct frame frame_hops(struct frame f, uint8_t hops)
{
	f.ttl = hops;
	return f;
}

struct frame frame_piece(struct frame f, uint16_t at, bool more)
{
	f.id = 77;
	f.fragment = at;
	f.more = more;
	f.payload = 16;
	return f;
}

struct frame frame_arp(uint16_t op, const char *from, const char *to)
{
	struct frame f = between(from, to, 0);

	f.arp = op;
	if (op == 1)
		memset(f.dmac, 0xff, 6);
	return f;
}

struct frame frame_solicit(const char *from, const char *target)
{
	struct frame f = frame_icmp(from, "ff02::1:ff00:0", 135, 0);

	f.target = address(target);
	memcpy(f.daddr.bytes + 13, f.target.bytes + 13, 3);
	memcpy(f.dmac, (uint8_t[]){ 0x33, 0x33, 0xff }, 3);
	memcpy(f.dmac + 3, f.target.bytes + 13, 3);
	f.ttl = 255;
	f.has_lladdr = true;
	return f;
}
