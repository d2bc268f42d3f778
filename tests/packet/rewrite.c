/* SPDX-License-Identifier: Apache-2.0 */

/* What is done to frames, without rules: a frame and its description in, and out must come what the
 * changed description describes, checksums made from nothing. Each at both kinds of door. */
#include <stdio.h>
#include <string.h>

#include "tests/lib/anvil.h"
#include "tests/lib/tap.h"

static struct anvil_ask question;

/* What a frame is besides its description. */
enum { PLAIN, NO_CHECKSUM, NO_QUOTED_CHECKSUM };

/* Takes the checksum out of a quoted UDP packet, and out of the error's own. */
static void forget_quoted(uint8_t *l4, size_t ip)
{
	uint8_t *check = l4 + 8 + ip + 6;
	uint16_t sum = ~(l4[2] << 8 | l4[3]), quoted = check[0] << 8 | check[1];

	sum = frame_checksum((uint8_t[]){ ~quoted >> 8 & 255, ~quoted & 255 }, 2, sum);
	l4[2] = sum >> 8;
	l4[3] = sum & 255;
	memset(check, 0, 2);
}

static size_t build(const struct frame *f, int how, uint8_t *buf)
{
	struct frame_at at;
	size_t size = frame_build(f, buf, FRAME_MAX, &at);

	if (how == NO_CHECKSUM)
		memset(buf + at.l4 + 6, 0, 2);
	if (how == NO_QUOTED_CHECKSUM)
		forget_quoted(buf + at.l4, f->saddr.family == 6 ? 40 : 20);
	return size;
}

static void expect_at(const char *const doors[2], const struct frame *f,
		      const struct frame *want, int how, const char *what)
{
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	size_t size = build(f, how, before), want_size = build(want, how, after);

	question.to = anvil_tuple(want);
	for (size_t i = 0; i < 2; i++) {
		struct anvil_answer a = anvil_strike(doors[i], &question, before, size);

		if (a.ask.parsed || a.ask.result)
			note("parsed %d, result %d", a.ask.parsed, a.ask.result);
		is_frame(a.frame, a.ask.result ? 0 : a.size, after, want_size, "%s: %s",
			 doors[i], what);
	}
}

static void expect(const struct frame *f, const struct frame *want, int how,
		   const char *what)
{
	const char *const doors[] = { "rewrite_tc", "rewrite_xdp" };

	expect_at(doors, f, want, how, what);
}

static void rewrite_each_way(const char *what, struct frame f, int how)
{
	bool is6 = f.saddr.family == 6;
	struct frame source = f, target, ttl = f, addresses = f;
	char name[128];

	source.saddr = address(is6 ? "2001:db8:5:6:7:8:9:a" : "203.0.113.20");
	source.sport = f.sport ? 61234 : 0;
	source.icmp_id = f.icmp_id ? 54321 : 0;
	target = f;
	target.daddr = address(is6 ? "2001:db8:ffff::ffff" : "198.51.100.255");
	target.dport = f.dport ? 8443 : 0;
	addresses.saddr = source.saddr;
	addresses.daddr = target.daddr;
	ttl.ttl = 63;

	question = (struct anvil_ask){ .act = ACT_NAT };
	snprintf(name, sizeof(name), "%s: source", what);
	expect(&f, &source, how, name);
	snprintf(name, sizeof(name), "%s: destination", what);
	expect(&f, &target, how, name);
	question.act = ACT_NAT | ACT_TTL;
	source.ttl = addresses.ttl = 63;
	snprintf(name, sizeof(name), "%s: source and hop limit", what);
	expect(&f, &source, how, name);
	snprintf(name, sizeof(name), "%s: both addresses and hop limit", what);
	expect(&f, &addresses, how, name);
	question.act = ACT_TTL;
	snprintf(name, sizeof(name), "%s: hop limit", what);
	expect(&f, &ttl, how, name);
}

static const struct {
	const char *name, *here, *there;
} families[] = {
	{ "IPv4", "10.0.1.10", "198.51.100.7" },
	{ "IPv6", "fd00:10::10", "2001:db8::7" },
};

static void rewrite_protocols(int family)
{
	const char *here = families[family].here, *there = families[family].there;
	const char *name = families[family].name;
	struct frame f = frame_tcp(here, 40000, there, 80, TCP_SYN);
	char what[64];

#define WHAT(text) (snprintf(what, sizeof(what), "%s %s", name, text), what)
	rewrite_each_way(WHAT("TCP"), f, PLAIN);
	f.payload = 1001;
	rewrite_each_way(WHAT("TCP with odd data"), f, PLAIN);
	f.n_vlans = 2;
	f.vlan[0] = 7;
	rewrite_each_way(WHAT("TCP behind two tags"), f, PLAIN);
	f = frame_udp(here, 5353, there, 53);
	rewrite_each_way(WHAT("UDP"), f, PLAIN);
	rewrite_each_way(WHAT("UDP without checksum"), f, NO_CHECKSUM);
	f.options = 12;
	f.n_extensions = 1;
	f.extensions[0] = 60;
	rewrite_each_way(WHAT("UDP behind options"), f, PLAIN);
	f = frame_echo(here, there, 77);
	rewrite_each_way(WHAT("ping"), f, PLAIN);
	rewrite_each_way(WHAT("pong"), frame_reply(&f), PLAIN);
	f = frame_icmp(here, there, 253, 0);
	f.payload = 24;
	rewrite_each_way(WHAT("ICMP of an unknown type"), f, PLAIN);
	rewrite_each_way(WHAT("GRE"), frame_other(here, there, 47), PLAIN);
}

/* Of a datagram of three: layer 4 is in the first. */
static void rewrite_fragments(int family)
{
	struct frame f =
		frame_udp(families[family].here, 5353, families[family].there, 53);
	char what[64];

	f.payload = 1000;
	f.id = 4711;
	f.more = true;
	snprintf(what, sizeof(what), "%s: first fragment", families[family].name);
	rewrite_each_way(what, f, PLAIN);
	f.fragment = 1008;
	snprintf(what, sizeof(what), "%s: later fragment", families[family].name);
	rewrite_each_way(what, f, PLAIN);
	f.protocol = 47;
	snprintf(what, sizeof(what), "%s: later fragment of GRE", families[family].name);
	rewrite_each_way(what, f, PLAIN);
}

/* A UDP checksum that comes out as 0 is sent as 0xffff; one of TCP is 0. */
static void find_zero(struct frame *f)
{
	size_t where = f->protocol == 17 ? 6 : 16;
	uint8_t zero = f->protocol == 17 ? 0xff : 0;
	uint8_t buf[FRAME_MAX];
	struct frame_at at;

	for (f->sport = 1; f->sport; f->sport++) {
		frame_build(f, buf, sizeof(buf), &at);
		if (buf[at.l4 + where] == zero && buf[at.l4 + where + 1] == zero)
			return;
	}
	bail("no port makes a checksum of 0");
}

static void rewrite_to_zero(int family, uint8_t protocol)
{
	const char *here = families[family].here, *there = families[family].there;
	struct frame f = protocol == 17 ? frame_udp(here, 1000, there, 53)
					: frame_tcp(here, 1000, there, 53, TCP_ACK);
	struct frame want = f;

	find_zero(&want);
	question = (struct anvil_ask){ .act = ACT_NAT };
	expect(&f, &want, PLAIN,
	       protocol == 17 ? "a UDP checksum of 0 is written as 0xffff"
			      : "a TCP checksum of 0 is 0");
}

/* UDP-Lite keeps its checksum where UDP does; neither frame.h nor the parser know it. */
static void rewrite_udplite(int family)
{
	struct frame f = frame_udp(families[family].here, 0, families[family].there, 0);
	struct frame want = f;
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	size_t size;

	want.saddr = address(family ? "2001:db8:9::1" : "203.0.113.21");
	size = build(&f, PLAIN, before);
	build(&want, PLAIN, after);
	/* The protocol is a word of the pseudo header, and of the IPv4 header. */
	for (int i = 0; i < 2; i++) {
		uint8_t *frame = i ? after : before, *ip = frame + 14;
		uint8_t *check = ip + (family ? 46 : 26);
		uint16_t sum = check[0] << 8 | check[1];

		ip[family ? 6 : 9] = 136;
		sum = frame_checksum((uint8_t[]){ 0, 136 - 17 }, 2, (uint16_t)~sum);
		check[0] = sum >> 8;
		check[1] = sum & 255;
		if (family)
			continue;
		sum = frame_checksum((uint8_t[]){ 0, 136 - 17 }, 2,
				     (uint16_t) ~(ip[10] << 8 | ip[11]));
		ip[10] = sum >> 8;
		ip[11] = sum & 255;
	}
	question = (struct anvil_ask){ .act = ACT_NAT, .to = anvil_tuple(&want) };
	for (int i = 0; i < 2; i++) {
		struct anvil_answer a = anvil_strike(i ? "rewrite_xdp" : "rewrite_tc",
						     &question, before, size);

		is_frame(a.frame, a.size, after, size, "%s: UDP-Lite, by %s",
			 families[family].name, i ? "XDP" : "TC");
	}
}

/* An error about 'asked', which was sent as 'sent'; the error comes back to the one who sent it and shall
 * go to the one who asked. */
static void quote(const char *what, const struct frame *sent, const struct frame *asked,
		  size_t quote_size, int how)
{
	const char *const doors[] = { "quote_tc", "quote_xdp" };
	bool is6 = sent->saddr.family == 6;
	struct frame f = frame_error(is6 ? "2001:db8:99::1" : "192.0.2.99", sent);
	struct frame want = f;
	char name[128];

	f.quote_size = want.quote_size = quote_size;
	want.quote = asked;
	want.daddr = asked->saddr;
	question = (struct anvil_ask){ .quoted = anvil_tuple(sent),
				       .unquoted = anvil_tuple(asked),
				       .act = ACT_NAT };
	expect_at(doors, &f, &want, how, what);
	/* As the error leaves a gateway whose inside has sent it; also what it quotes is changed by then. */
	want.saddr = address(is6 ? "2001:db8:5::20" : "203.0.113.20");
	want.ttl = 63;
	question.act = ACT_NAT | ACT_TTL;
	snprintf(name, sizeof(name), "%s, and the error's own source", what);
	expect_at(doors, &f, &want, how, name);
}

static void quote_protocols(int family)
{
	const char *here = families[family].here, *there = families[family].there;
	const char *public = family ? "2001:db8:5:6:7:8:9:a" : "203.0.113.20";
	size_t ip = family ? 40 : 20;
	struct frame asked = frame_tcp(here, 40000, there, 80, TCP_SYN), sent;
	char what[64];

#define QUOTE(text, size, how)                                                           \
	(sent = asked, sent.saddr = address(public),                                     \
	 sent.sport = asked.sport ? 61234 : 0, sent.icmp_id = asked.icmp_id ? 54321 : 0, \
	 snprintf(what, sizeof(what), "%s %s", families[family].name, text),             \
	 quote(what, &sent, &asked, size, how))
	QUOTE("TCP, 8 bytes of it", ip + 8, PLAIN);
	QUOTE("TCP up to its checksum", ip + 18, PLAIN);
	QUOTE("TCP but for its checksum", ip + 16, PLAIN);
	asked.payload = 333;
	QUOTE("TCP, all of it", ip + 20 + 333, PLAIN);
	asked = frame_udp(here, 5353, there, 53);
	QUOTE("UDP", ip + 8, PLAIN);
	QUOTE("UDP without checksum", ip + 8, NO_QUOTED_CHECKSUM);
	find_zero(&asked);
	QUOTE("UDP whose checksum becomes 0xffff", ip + 8, PLAIN);
	asked.options = 8;
	QUOTE("UDP behind options", ip + (family ? 0 : 8) + 24, PLAIN);
	asked = frame_echo(here, there, 77);
	QUOTE("ping", ip + 8, PLAIN);
	asked = frame_other(here, there, 47);
	QUOTE("GRE", ip + 8, PLAIN);
}

int main(void)
{
	anvil_open();
	for (int family = 0; family < 2; family++) {
		rewrite_protocols(family);
		rewrite_fragments(family);
		rewrite_to_zero(family, 17);
		rewrite_to_zero(family, 6);
		rewrite_udplite(family);
		quote_protocols(family);
	}
	anvil_close();
	return done();
}
