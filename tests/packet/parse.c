/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

/* UDP to port 53 passes, everything else is refused: what is read wrongly does not pass. */
static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] } "
	"},"
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'] } "
	"},"
	"  'security_groups': { 'g': { 'vpc': 'v', 'egress': [],"
	"    'ingress': [ { 'protocol': 'udp', 'ports': 53, 'peers': ['0.0.0.0/0', "
	"'::/0'] },"
	"                 { 'protocol': 'tcp', 'ports': 80, 'peers': ['0.0.0.0/0', "
	"'::/0'] } ] } },"
	"  'interfaces': {"
	"    'a': { 'subnet': 's', 'device': 'p0', 'security_groups': ['g'],"
	"           'addresses': ['10.200.0.10', 'fd00:10::10'] },"
	"    'host': { 'attach': 'local', 'device': 'eth0', 'subnet': 's',"
	"           'security_groups': ['g'], 'addresses': ['10.200.0.20'] } } }";

#define FROM4 "198.51.100.7"
#define TO4   "10.200.0.10"
#define FROM6 "2001:db8::7"
#define TO6   "fd00:10::10"

struct bytes {
	uint8_t frame[FRAME_MAX];
	size_t size;
	struct frame_at at;
};

static struct bytes build(const struct frame *f)
{
	struct bytes b;

	b.size = frame_build(f, b.frame, sizeof(b.frame), &b.at);
	return b;
}

static uint32_t judge(struct stand *s, const struct bytes *b)
{
	struct result r = stand_bytes(s, "p0", HG_DOOR_OUT, b->frame, b->size);

	if (r.is_given && (r.counted != 1 || r.allow != !r.reason))
		bail("a frame of %zu bytes was counted %u times, as %s", b->size,
		     r.counted, reason_name(r.reason));
	return r.is_given ? r.reason : HG_DROP_MALFORMED;
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = v >> 8;
	at[1] = v & 0xff;
}

static void layers(struct stand *s)
{
	static const uint8_t all[] = { 0, 43, 60, 51, 135, 139, 140, 60, 60 };
	struct frame f4 = frame_udp(FROM4, 1000, TO4, 53),
		     f6 = frame_udp(FROM6, 1000, TO6, 53);
	struct frame f;

	for (unsigned tags = 0; tags <= 3; tags++) {
		f = f4;
		f.n_vlans = tags;
		is_reason(stand_out(s, "p0", f), tags > 2 ? HG_DROP_UNSUPPORTED : 0,
			  "%u VLAN tags before IPv4", tags);
		f = f6;
		f.n_vlans = tags;
		is_reason(stand_out(s, "p0", f), tags > 2 ? HG_DROP_UNSUPPORTED : 0,
			  "%u VLAN tags before IPv6", tags);
	}
	for (unsigned options = 0; options <= 40; options += 4) {
		f = f4;
		f.options = options;
		is_reason(stand_out(s, "p0", f), 0, "%u bytes of IPv4 options", options);
		f.dport = 54;
		is_reason(stand_out(s, "p0", f), HG_DROP_SG_INGRESS,
			  "the port after %u bytes of options is the one that is judged",
			  options);
	}
	for (unsigned n = 0; n <= 9; n++) {
		f = f6;
		f.n_extensions = n;
		memcpy(f.extensions, all, n);
		is_reason(stand_out(s, "p0", f), n > 8 ? HG_DROP_UNSUPPORTED : 0,
			  "%u IPv6 extension headers", n);
		f.dport = 54;
		if (n <= 8)
			is_reason(stand_out(s, "p0", f), HG_DROP_SG_INGRESS,
				  "the port behind %u extension headers is judged", n);
	}
	f = f6;
	f.is_atomic = true;
	is_reason(stand_out(s, "p0", f), 0, "a fragment header that fragments nothing");
	f = f4;
	f.ethertype = 0x88cc;
	is_reason(stand_out(s, "p0", f), HG_DROP_UNSUPPORTED,
		  "an EtherType that is not IP");
}

/* Rows overwrite one or two bytes of a good frame, counted from a header. */
enum part { L3, L4 };

static const struct {
	const char *says;
	bool is6, is_tcp;
	enum part part;
	int at, value, at2, value2;
} wrong[] = {
	{ "IPv4 with version 5", false, false, L3, 0, 0x55, -1, 0 },
	{ "IPv4 with version 6", false, false, L3, 0, 0x65, -1, 0 },
	{ "an IPv4 header of 16 bytes", false, false, L3, 0, 0x44, -1, 0 },
	{ "an IPv4 header longer than the packet", false, false, L3, 0, 0x4f, -1, 0 },
	{ "a total length below the header", false, false, L3, 2, 0, 3, 19 },
	{ "a total length of zero", false, false, L3, 2, 0, 3, 0 },
	{ "a total length beyond the frame", false, false, L3, 2, 5, -1, 0 },
	{ "IPv6 with version 4", true, false, L3, 0, 0x40, -1, 0 },
	{ "an IPv6 payload beyond the frame", true, false, L3, 4, 5, -1, 0 },
	{ "an IPv6 payload too short for its UDP", true, false, L3, 4, 0, 5, 7 },
	{ "a UDP length below its header", false, false, L4, 4, 0, 5, 7 },
	{ "a UDP length beyond the packet", false, false, L4, 4, 1, -1, 0 },
	{ "a UDP length beyond the packet, IPv6", true, false, L4, 4, 1, -1, 0 },
	{ "a TCP data offset of 4", false, true, L4, 12, 0x40, -1, 0 },
	{ "a TCP data offset beyond the packet", false, true, L4, 12, 0xf0, -1, 0 },
	{ "a TCP data offset of 4, IPv6", true, true, L4, 12, 0x40, -1, 0 },
	{ "the source 0.0.0.0", false, false, L3, 12, -2, -1, 0 },
};

static void malformed(struct stand *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *from = wrong[i].is6 ? FROM6 : FROM4,
			   *to = wrong[i].is6 ? TO6 : TO4;
		struct frame f = wrong[i].is_tcp ? frame_tcp(from, 1000, to, 80, TCP_SYN)
						 : frame_udp(from, 1000, to, 53);
		struct bytes b = build(&f);
		uint8_t *at = b.frame + (wrong[i].part == L3 ? b.at.l3 : b.at.l4);

		if (wrong[i].value == -2)
			memset(at + wrong[i].at, 0, 4);
		else
			at[wrong[i].at] = wrong[i].value;
		if (wrong[i].at2 >= 0)
			at[wrong[i].at2] = wrong[i].value2;
		is_reason(judge(s, &b), HG_DROP_MALFORMED, "%s is malformed",
			  wrong[i].says);
	}
}

static void sources(struct stand *s)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ "0.0.0.0", TO4 },   { "127.0.0.1", TO4 }, { "224.0.0.1", TO4 },
		{ "239.1.1.1", TO4 }, { TO4, TO4 },         { "::", TO6 },
		{ "::1", TO6 },       { "ff02::1", TO6 },   { TO6, TO6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		is_reason(
			stand_out(s, "p0", frame_udp(rows[i].from, 1000, rows[i].to, 53)),
			HG_DROP_MALFORMED, "a packet from %s to %s is malformed",
			rows[i].from, rows[i].to);
}

/* Each prefix of a good frame: it must not pass, and it must be counted. The lengths inside
 * say more than there is, so nothing short of the whole is right. */
static void truncated(struct stand *s, const char *says, const struct frame *f)
{
	struct bytes whole = build(f);
	unsigned passed = 0, odd = 0;

	for (size_t size = 14; size < whole.size; size++) {
		struct bytes b = whole;
		uint32_t reason;

		b.size = size;
		reason = judge(s, &b);
		passed += reason == HG_DROP_NONE;
		odd += reason != HG_DROP_MALFORMED && reason != HG_DROP_NONE;
	}
	is(passed, 0, "%s: cut at any byte it does not pass", says);
	is(odd, 0, "%s: cut at any byte it is malformed", says);
}

/* The same with the IP length made to fit: layer 4 is what is missing then. */
static void shortened(struct stand *s, const char *says, const struct frame *f,
		      size_t header)
{
	struct bytes whole = build(f);
	unsigned passed = 0;

	for (size_t size = whole.at.l4; size < whole.at.l4 + header; size++) {
		struct bytes b = whole;

		b.size = size;
		if (f->saddr.family == 4)
			put16(b.frame + b.at.l3 + 2, size - b.at.l3);
		else
			put16(b.frame + b.at.l3 + 4, size - b.at.l3 - 40);
		passed += judge(s, &b) != HG_DROP_MALFORMED;
	}
	is(passed, 0, "%s: a packet that ends inside its layer 4 header is malformed",
	   says);
}

static void cuts(struct stand *s)
{
	struct frame f = frame_udp(FROM4, 1000, TO4, 53);

	f.n_vlans = 2;
	f.options = 8;
	truncated(s, "UDP with two tags and IPv4 options", &f);
	shortened(s, "UDP over IPv4", &f, 8);
	f = frame_tcp(FROM4, 1000, TO4, 80, TCP_SYN);
	truncated(s, "TCP over IPv4", &f);
	shortened(s, "TCP over IPv4", &f, 20);
	f = frame_tcp(FROM6, 1000, TO6, 80, TCP_SYN);
	f.n_extensions = 3;
	memcpy(f.extensions, (uint8_t[]){ 0, 43, 51 }, 3);
	truncated(s, "TCP behind three extension headers", &f);
	shortened(s, "TCP over IPv6", &f, 20);
	f = frame_echo(FROM4, TO4, 1);
	shortened(s, "ICMP", &f, 4);
	f = frame_echo(FROM6, TO6, 1);
	shortened(s, "ICMPv6", &f, 4);
}

/* Extension headers that claim to be longer than the packet, each size from its place. */
static void hostile_extensions(struct stand *s)
{
	static const uint8_t kinds[] = { 0, 43, 60, 51, 135, 139, 140 };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct frame f = frame_udp(FROM6, 1000, TO6, 53);
		struct bytes b;
		unsigned passed = 0;

		f.n_extensions = 1;
		f.extensions[0] = kinds[i];
		b = build(&f);
		for (unsigned length = 8; length < 256; length++) {
			b.frame[b.at.l3 + 41] = length;
			passed += judge(s, &b) == HG_DROP_NONE;
		}
		is(passed, 0,
		   "an extension header %u longer than its packet does not pass",
		   kinds[i]);
	}
}

static void padding(struct stand *s)
{
	struct frame f = frame_udp(FROM4, 1000, TO4, 53);
	struct bytes b = build(&f);

	memset(b.frame + b.size, 0, 20);
	b.size += 20;
	is_reason(judge(s, &b), 0, "bytes behind the packet are padding");
}

static void link_control(struct stand *s)
{
	struct frame f = frame_udp(FROM4, 1000, TO4, 53);

	memcpy(f.dmac, (uint8_t[]){ 0x01, 0x80, 0xc2, 0, 0, 0x0e }, 6);
	f.ethertype = 0x88cc;
	is_reason(stand_in(s, "eth0", f), 0, "LLDP reaches the host");
	is_reason(stand_out(s, "eth0", f), 0, "and leaves it");
	is_reason(stand_in(s, "p0", f), HG_DROP_UNSUPPORTED, "but not from an instance");
	f.dmac[5] = 0x10;
	is_reason(stand_in(s, "eth0", f), HG_DROP_UNSUPPORTED,
		  "what is not link control is not supported there either");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		layers(s);
		malformed(s);
		sources(s);
		cuts(s);
		hostile_extensions(s);
		padding(s);
		link_control(s);
	}
	stand_free(s);
	return done();
}
