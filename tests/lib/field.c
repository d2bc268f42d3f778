/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/tap.h"

/* A frame as a list of named fields, for people. It reads as far as the bytes go and then
 * stops; what it does not know is shown as the field "rest". It judges nothing. */
#define FIELDS 64

struct field {
	char name[20];
	char value[ADDR_TEXT + 8];
};

struct reading {
	const uint8_t *frame;
	size_t size, at;
	struct field field[FIELDS];
	size_t n;
};

static void say(struct reading *r, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct reading *r, const char *name, const char *format, ...)
{
	struct field *f = &r->field[r->n];
	va_list args;

	if (r->n == FIELDS)
		return;
	r->n++;
	snprintf(f->name, sizeof(f->name), "%s", name);
	va_start(args, format);
	vsnprintf(f->value, sizeof(f->value), format, args);
	va_end(args);
}

static const uint8_t *take(struct reading *r, size_t n)
{
	const uint8_t *here = r->frame + r->at;

	if (r->size - r->at < n)
		return NULL;
	r->at += n;
	return here;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static unsigned get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void say_mac(struct reading *r, const char *name, const uint8_t *m)
{
	say(r, name, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void say_addr(struct reading *r, const char *name, const uint8_t *p,
		     uint8_t family)
{
	struct addr a = { .family = family };
	char text[ADDR_TEXT];

	memcpy(a.bytes, p, family == 6 ? 16 : 4);
	say(r, name, "%s", addr_print(&a, text));
}

static void read_arp(struct reading *r)
{
	const uint8_t *p = take(r, 28);

	if (!p)
		return;
	say(r, "arp.op", "%u", get16(p + 6));
	say_mac(r, "arp.sha", p + 8);
	say_addr(r, "arp.spa", p + 14, 4);
	say_mac(r, "arp.tha", p + 18);
	say_addr(r, "arp.tpa", p + 24, 4);
}

static void read_icmp(struct reading *r, bool is6)
{
	const uint8_t *p = take(r, 8);

	if (!p)
		return;
	say(r, "icmp.type", "%u", p[0]);
	say(r, "icmp.code", "%u", p[1]);
	say(r, "icmp.check", "0x%04x", get16(p + 2));
	say(r, "icmp.body", "0x%08x", get32(p + 4));
	if (!is6 || p[0] < 135 || p[0] > 136)
		return;
	p = take(r, 16);
	if (!p)
		return;
	say_addr(r, "nd.target", p, 6);
	p = take(r, 8);
	if (!p)
		return;
	say(r, "nd.option", "%u", p[0]);
	say_mac(r, "nd.lladdr", p + 2);
}

static void read_l4(struct reading *r, unsigned protocol)
{
	const uint8_t *p;

	if (protocol == 1 || protocol == 58) {
		read_icmp(r, protocol == 58);
		return;
	}
	if (protocol != 6 && protocol != 17)
		return;
	p = take(r, protocol == 6 ? 20 : 8);
	if (!p)
		return;
	say(r, "sport", "%u", get16(p));
	say(r, "dport", "%u", get16(p + 2));
	if (protocol == 17) {
		say(r, "udp.length", "%u", get16(p + 4));
		say(r, "udp.check", "0x%04x", get16(p + 6));
		return;
	}
	say(r, "tcp.seq", "%u", get32(p + 4));
	say(r, "tcp.ack", "%u", get32(p + 8));
	say(r, "tcp.offset", "%u", p[12] >> 4);
	say(r, "tcp.flags", "%s%s%s%s%s%s", p[13] & TCP_SYN ? "S" : "",
	    p[13] & TCP_FIN ? "F" : "", p[13] & TCP_RST ? "R" : "",
	    p[13] & TCP_PSH ? "P" : "", p[13] & TCP_ACK ? "A" : "",
	    p[13] & TCP_URG ? "U" : "");
	say(r, "tcp.check", "0x%04x", get16(p + 16));
}

static void read_ip4(struct reading *r)
{
	const uint8_t *p = take(r, 20);
	unsigned more;

	if (!p)
		return;
	say(r, "ip.version", "%u", p[0] >> 4);
	say(r, "ip.ihl", "%u", p[0] & 15);
	say(r, "ip.length", "%u", get16(p + 2));
	say(r, "ip.id", "%u", get16(p + 4));
	say(r, "ip.fragment", "%u%s", (get16(p + 6) & 0x1fff) * 8,
	    p[6] & 0x20 ? "+" : "");
	say(r, "ip.ttl", "%u", p[8]);
	say(r, "ip.protocol", "%u", p[9]);
	say(r, "ip.check", "0x%04x", get16(p + 10));
	say_addr(r, "ip.saddr", p + 12, 4);
	say_addr(r, "ip.daddr", p + 16, 4);
	more = (p[0] & 15) * 4;
	if (more > 20 && !take(r, more - 20))
		return;
	if (!(get16(p + 6) & 0x1fff))
		read_l4(r, p[9]);
}

static void read_ip6(struct reading *r)
{
	const uint8_t *p = take(r, 40), *x;
	unsigned next, offset = 0;

	if (!p)
		return;
	say(r, "ip6.version", "%u", p[0] >> 4);
	say(r, "ip6.length", "%u", get16(p + 4));
	say(r, "ip6.hops", "%u", p[7]);
	say_addr(r, "ip6.saddr", p + 8, 6);
	say_addr(r, "ip6.daddr", p + 24, 6);
	for (next = p[6];
	     next == 0 || next == 43 || next == 44 || next == 51 || next == 60;) {
		say(r, "ip6.extension", "%u", next);
		x = take(r, 8);
		if (!x)
			return;
		if (next == 44) {
			offset = get16(x + 2) & ~7U;
			say(r, "ip6.fragment", "%u%s", offset, x[3] & 1 ? "+" : "");
			say(r, "ip6.id", "%u", get32(x + 4));
		} else if (!take(r, next == 51 ? (x[1] + 2) * 4 - 8 : x[1] * 8)) {
			return;
		}
		next = x[0];
	}
	say(r, "ip6.protocol", "%u", next);
	if (!offset)
		read_l4(r, next);
}

static void read_frame(struct reading *r, const uint8_t *frame, size_t size)
{
	const uint8_t *p;
	unsigned type;

	*r = (struct reading){ .frame = frame, .size = size };
	say(r, "size", "%zu", size);
	p = take(r, 14);
	if (p) {
		say_mac(r, "eth.dst", p);
		say_mac(r, "eth.src", p + 6);
		type = get16(p + 12);
		while (type == 0x8100 || type == 0x88a8) {
			p = take(r, 4);
			if (!p)
				return;
			say(r, "vlan", "%u", get16(p) & 0xfff);
			type = get16(p + 2);
		}
		say(r, "eth.type", "0x%04x", type);
		if (type == 0x0806)
			read_arp(r);
		else if (type == 0x0800)
			read_ip4(r);
		else if (type == 0x86dd)
			read_ip6(r);
	}
	if (r->at < size)
		say(r, "rest", "%zu bytes, sum 0x%04x", size - r->at,
		    frame_checksum(frame + r->at, size - r->at, 0));
}

static const char *value_of(const struct reading *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->field[i].name, name) == 0)
			return r->field[i].value;
	return "-";
}

char *frame_print(const uint8_t *frame, size_t size, char *buf, size_t room)
{
	static const char *const names[] = {
		"eth.type",     "arp.op",      "arp.spa",      "arp.tpa",  "ip.saddr",
		"ip.daddr",     "ip6.saddr",   "ip6.daddr",    "ip6.hops", "ip.protocol",
		"ip6.protocol", "ip.fragment", "ip6.fragment", "ip.id",    "ip6.id",
		"sport",        "dport",       "tcp.flags",    "tcp.ack",  "icmp.type",
		"icmp.code",    "icmp.body",   "nd.target",    "size",
	};
	struct reading r;
	size_t at = 0;

	read_frame(&r, frame, size);
	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && at < room; i++) {
		const char *value = value_of(&r, names[i]);

		if (strcmp(value, "-") != 0)
			at += snprintf(buf + at, room - at, "%s%s %s", at ? ", " : "",
				       names[i], value);
	}
	return buf;
}

char *frame_fields(const uint8_t *frame, size_t size, char *buf, size_t room)
{
	struct reading r;
	size_t at = 0;

	read_frame(&r, frame, size);
	buf[0] = '\0';
	for (size_t i = 0; i < r.n && at < room; i++)
		at += snprintf(buf + at, room - at, "%s: %s\n", r.field[i].name,
			       r.field[i].value);
	return buf;
}

bool is_frame(const uint8_t *got, size_t got_size, const uint8_t *want, size_t want_size,
	      const char *format, ...)
{
	bool same = got_size == want_size && memcmp(got, want, got_size) == 0;
	struct reading g, w;
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	ok(same, "%s", name);
	if (same)
		return true;
	read_frame(&g, got, got_size);
	read_frame(&w, want, want_size);
	for (size_t i = 0; i < w.n; i++)
		if (strcmp(value_of(&g, w.field[i].name), w.field[i].value) != 0)
			note("%s: got %s, want %s", w.field[i].name,
			     value_of(&g, w.field[i].name), w.field[i].value);
	for (size_t i = 0; i < g.n; i++)
		if (strcmp(value_of(&w, g.field[i].name), "-") == 0)
			note("%s: got %s, want nothing", g.field[i].name,
			     g.field[i].value);
	return false;
}
