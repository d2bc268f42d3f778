/* SPDX-License-Identifier: Apache-2.0 */

/* What senders are told: a frame in, and out must come the error, reset or pong that a description of
 * it makes, checksums made from nothing. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/anvil.h"
#include "tests/lib/tap.h"

static struct anvil_ask question;

static const struct {
	const char *name, *here, *there, *router, *group;
	size_t ip, quote;
} families[] = {
	{ "IPv4", "10.0.1.10", "198.51.100.7", "10.0.1.1", "224.0.0.9", 20, 548 },
	{ "IPv6", "fd00:10::10", "2001:db8::7", "fd00:10::1", "ff0e::9", 40, 1232 },
};

static struct anvil_answer reply_to(const uint8_t *frame, size_t size)
{
	return anvil_strike("reply_tc", &question, frame, size);
}

/* The error about 'f' in 'buf'. */
static size_t build_error(int family, const struct frame *f, uint8_t *buf)
{
	struct frame want = frame_error(families[family].router, f);
	struct frame_at at;
	size_t size;

	anvil_turn(&want);
	want.quote_size = families[family].quote;
	want.n_vlans = f->n_vlans;
	memcpy(want.vlan, f->vlan, sizeof(want.vlan));
	want.icmp_code = 0;
	if (question.reply == REPLY_TIME_EXCEEDED) {
		want.icmp_type = family ? 3 : 11;
	} else {
		want.icmp_type = family ? 2 : 3;
		want.icmp_code = family ? 0 : 4;
		want.icmp_id = question.told_mtu >> 16;
		want.icmp_seq = question.told_mtu & 0xffff;
	}
	size = frame_build(&want, buf, FRAME_MAX, &at);
	anvil_finish(buf + at.l3, 0xc0);
	return size;
}

static void expect_error(int family, const struct frame *f, size_t padding,
			 const char *what)
{
	uint8_t before[FRAME_MAX] = {}, after[FRAME_MAX];
	size_t size = frame_build(f, before, sizeof(before), NULL), want_size;

	question.now += 1000000; /* a second that nothing has been told in */
	for (question.reply = REPLY_TIME_EXCEEDED; question.reply <= REPLY_TOO_BIG;
	     question.reply++) {
		struct anvil_answer a;

		question.told_mtu = family ? 0x10500 : 1400;
		a = reply_to(before, size + padding);
		want_size = build_error(family, f, after);
		is_frame(a.frame, a.ask.result == 1 ? a.size : 0, after, want_size,
			 "%s: %s about %s", families[family].name,
			 question.reply == REPLY_TIME_EXCEEDED ? "time exceeded"
							       : "too big",
			 what);
	}
}

static void expect_none(int family, const struct frame *f, const char *what)
{
	uint8_t before[FRAME_MAX];
	size_t size = frame_build(f, before, sizeof(before), NULL);

	question.now += 1000000;
	question.reply = REPLY_TIME_EXCEEDED;
	is(reply_to(before, size).ask.result, 0, "%s: no error about %s",
	   families[family].name, what);
}

static void errors(int family)
{
	const char *here = families[family].here, *there = families[family].there;
	struct frame f = frame_udp(here, 40000, there, 33434), asked;

	for (unsigned n = 0; n < 9; n++) {
		char what[64];

		f.payload = 96 + n;
		snprintf(what, sizeof(what), "%u bytes of UDP", f.payload);
		expect_error(family, &f, 0, what);
	}
	f.payload = 1;
	expect_error(family, &f, 25, "a frame that was padded");
	f.options = 12;
	f.n_extensions = 1;
	f.extensions[0] = 60;
	expect_error(family, &f, 0, "a packet with options");
	f = frame_tcp(here, 40000, there, 80, TCP_ACK);
	f.payload = 1401;
	expect_error(family, &f, 0, "1401 bytes of TCP");
	f.payload = families[family].quote - families[family].ip - 20;
	expect_error(family, &f, 0, "a packet that just fits");
	f.payload++;
	expect_error(family, &f, 0, "a packet that just does not");
	f.n_vlans = 2;
	f.vlan[0] = 7;
	f.vlan[1] = 9;
	expect_error(family, &f, 0, "a packet behind two tags");
	f.n_vlans = 1;
	expect_error(family, &f, 0, "a packet behind a tag");
	f = frame_udp(here, 40000, there, 53);
	f.more = true;
	f.payload = 1000;
	expect_error(family, &f, 0, "a first fragment");
	asked = frame_echo(here, there, 7);
	expect_error(family, &asked, 0, "a ping");
}

static void errors_not_told(int family)
{
	const char *here = families[family].here, *there = families[family].there;
	struct frame f = frame_udp(here, 40000, there, 53), asked = f;

	f.fragment = 1008;
	expect_none(family, &f, "a later fragment");
	f = frame_udp(here, 40000, families[family].group, 53);
	expect_none(family, &f, "multicast");
	f = asked;
	memset(f.dmac, 0xff, 6);
	expect_none(family, &f, "what all of the link get");
	f = frame_udp(family ? "::" : "0.0.0.0", 40000, there, 53);
	expect_none(family, &f, "what comes from nobody");
	f = frame_error(here, &asked);
	f.daddr = address(there);
	expect_none(family, &f, "an error");
	f = frame_icmp(here, there, family ? 100 : 11, 0);
	f.payload = 40;
	expect_none(family, &f, "another error");
	if (family)
		return;
	f = frame_udp(here, 40000, "255.255.255.255", 53);
	expect_none(family, &f, "broadcast");
}

static void rate(void)
{
	uint8_t frame[FRAME_MAX];
	struct frame f = frame_udp(families[0].here, 1, families[0].there, 2);
	size_t size = frame_build(&f, frame, sizeof(frame), NULL);
	int told = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
	question.reply = REPLY_TIME_EXCEEDED;
	question.now += 1000000;
	for (int i = 0; i < 1100; i++)
		told += reply_to(frame, size).ask.result;
	is(told, 1000, "a CPU tells 1,000 errors a second");
	question.now += 249; /* of 250 ticks */
	is(reply_to(frame, size).ask.result, 0, "and none before the second is over");
	question.now++;
	is(reply_to(frame, size).ask.result, 1, "but then");
	question.reply = REPLY_RESET;
	f = frame_tcp(families[0].here, 1, families[0].there, 2, TCP_ACK);
	size = frame_build(&f, frame, sizeof(frame), NULL);
	told = 0;
	for (int i = 0; i < 1100; i++)
		told += reply_to(frame, size).ask.result;
	is(told, 1100, "resets are no errors");
}

/* ---- TCP ---- */

static void expect_segment(int family, const struct frame *f, uint32_t seq, uint32_t ack,
			   uint8_t flags, const char *what)
{
	struct frame want = frame_reply(f);
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	size_t size = frame_build(f, before, sizeof(before), NULL), want_size;
	struct frame_at at;
	struct anvil_answer a;

	anvil_turn(&want);
	want.payload = 0;
	want.ttl = 0;
	want.seq = seq;
	want.ack = ack;
	want.tcp_flags = flags;
	want_size = frame_build(&want, after, sizeof(after), &at);
	memset(after + at.l3 + 20, 0, f->options);
	/* A window of 0 for 65535: the same to a checksum. */
	if (flags & TCP_RST)
		memset(after + at.l4 + 14, 0, 2);
	anvil_finish(after + at.l3, 0);
	a = reply_to(before, size);
	is_frame(a.frame, a.ask.result == 1 ? a.size : 0, after, want_size, "%s: %s",
		 families[family].name, what);
}

static void segments(int family)
{
	const char *here = families[family].here, *there = families[family].there;
	struct frame f = frame_tcp(here, 40000, there, 80, TCP_SYN);
	uint8_t frame[FRAME_MAX];

	question.reply = REPLY_RESET;
	f.seq = 0xffffffff;
	f.ttl = 3;
	expect_segment(family, &f, 0, 0, TCP_RST | TCP_ACK,
		       "a reset acknowledges a SYN, round the corner of 2^32");
	f.seq = 1000;
	f.ack = 77777;
	f.tcp_flags = TCP_ACK | TCP_PSH;
	f.payload = 333;
	expect_segment(family, &f, 77777, 0, TCP_RST,
		       "a reset comes from where a segment with ACK expects it");
	f.tcp_flags = TCP_FIN | TCP_PSH;
	expect_segment(family, &f, 0, 1334, TCP_RST | TCP_ACK,
		       "one without has its data and FIN acknowledged");
	f.tcp_flags = TCP_ACK;
	f.n_vlans = 1;
	f.vlan[0] = 5;
	expect_segment(family, &f, 77777, 0, TCP_RST, "a reset has the segment's tag");
	f.n_vlans = 0;
	question.reply = REPLY_FIN;
	expect_segment(family, &f, 77777, 1333, TCP_FIN | TCP_ACK,
		       "a FIN acknowledges what it answers");
	question.reply = REPLY_RESET;
	f.options = 12;
	if (family == 0)
		expect_segment(family, &f, 77777, 0, TCP_RST,
			       "a reset has no options but their room");
	f.options = 0;
	f.tcp_flags |= TCP_RST;
	is(reply_to(frame, frame_build(&f, frame, sizeof(frame), NULL)).ask.result, 0,
	   "%s: a reset is not answered", families[family].name);
	f = frame_udp(here, 1, there, 2);
	is(reply_to(frame, frame_build(&f, frame, sizeof(frame), NULL)).ask.result, 0,
	   "%s: UDP has no resets", families[family].name);
}

/* ---- ping ---- */

static void expect_pong(int family, const struct frame *f, const char *what)
{
	struct frame want = frame_reply(f);
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	size_t size = frame_build(f, before, sizeof(before), NULL);
	size_t want_size;
	struct anvil_answer a;

	anvil_turn(&want);
	want.ttl = 64;
	want_size = frame_build(&want, after, sizeof(after), NULL);
	a = reply_to(before, size);
	is_frame(a.frame, a.ask.result == 1 ? a.size : 0, after, want_size, "%s: %s",
		 families[family].name, what);
}

static void pongs(int family)
{
	struct frame f = frame_echo(families[family].here, families[family].router, 99);

	question.reply = REPLY_ECHO;
	f.ttl = 7;
	expect_pong(family, &f, "a ping is answered");
	f.payload = 1003;
	f.n_vlans = 1;
	f.vlan[0] = 5;
	f.options = 8;
	f.n_extensions = 1;
	f.extensions[0] = 60;
	expect_pong(family, &f, "a long one behind a tag and options, too");
	f.n_extensions = 0;
	f.more = true;
	f.payload = 1000;
	expect_pong(family, &f, "the first fragment of one is turned round");
	f.fragment = 1008;
	expect_pong(family, &f, "and so are the others");
}

int main(void)
{
	anvil_open();
	question.now = 1000000;
	for (int family = 0; family < 2; family++) {
		struct addr router = address(families[family].router);

		question.source = anvil_addr(&router);
		errors(family);
		errors_not_told(family);
		segments(family);
		pongs(family);
	}
	rate();
	anvil_close();
	return done();
}
