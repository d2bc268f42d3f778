/* SPDX-License-Identifier: Apache-2.0 */

/* The frames of explain, read by nothing that wrote them: checksums are added up again
 * word by word, lengths are compared with what is there.
 */
#include "compile/frame.h"

#include <string.h>

#include "tests/lib/tap.h"

#define CLIENT  "192.0.2.10"
#define SERVER  "198.51.100.20"
#define CLIENT6 "2001:db8::10"
#define SERVER6 "2001:db8:1::20"

static struct question ask(const char *from, const char *to, int protocol)
{
	struct question q = { .protocol = protocol,
			      .from_port = 1234,
			      .to_port = 443,
			      .icmp_type = -1,
			      .icmp_code = -1,
			      .tcp_flags = 2 };

	if (addr_parse(from, &q.from) < 0 || addr_parse(to, &q.to) < 0)
		bail("%s or %s is no address", from, to);
	return q;
}

static unsigned word(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

/* Ones' complement sum of all words; 0xffff when the checksum among them is right. */
static unsigned long add(const uint8_t *p, size_t size, unsigned long s)
{
	for (size_t i = 0; i < size; i++)
		s += i % 2 ? p[i] : p[i] * 256ul;
	return s % 0xffff ? s % 0xffff : 0xffff;
}

static unsigned long layer4_sum(const uint8_t *frame, size_t size,
				const struct question *q)
{
	size_t header = q->to.family == 6 ? 54 : 34;
	unsigned long s = 0;

	if (q->protocol != 1) {
		s = add(q->from.bytes, 16, s);
		s = add(q->to.bytes, 16, s);
		s += q->protocol + size - header;
	}
	return add(frame + header, size - header, s);
}

static const struct {
	const char *says;
	const char *from, *to;
	int protocol, icmp_type;
	size_t size;
} frames[] = {
	{ "a TCP segment over IPv4", CLIENT, SERVER, 6, -1, 54 },
	{ "a TCP segment over IPv6", CLIENT6, SERVER6, 6, -1, 74 },
	{ "a datagram over IPv4", CLIENT, SERVER, 17, -1, 42 },
	{ "a datagram over IPv6", CLIENT6, SERVER6, 17, -1, 62 },
	{ "an echo request over IPv4", CLIENT, SERVER, 1, -1, 42 },
	{ "an echo request over IPv6", CLIENT6, SERVER6, 58, -1, 62 },
	{ "an ICMP error", CLIENT, SERVER, 1, 3, 42 },
	{ "a router solicitation", CLIENT6, SERVER6, 58, 133, 62 },
	{ "a neighbour solicitation", CLIENT6, SERVER6, 58, 135, 78 },
	{ "a neighbour advertisement", CLIENT6, SERVER6, 58, 136, 78 },
	{ "a redirect", CLIENT6, SERVER6, 58, 137, 94 },
	{ "ICMPv6 by number over IPv4", CLIENT, SERVER, 58, -1, 42 },
};

static void test_frames(void)
{
	const struct frame_ends ends = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct question q = ask(frames[i].from, frames[i].to, frames[i].protocol);
		const char *says = frames[i].says;
		uint8_t f[EXPLAIN_FRAME];
		size_t size;

		q.icmp_type = frames[i].icmp_type;
		size = frame_write(&q, &ends, f);
		is(size, frames[i].size, "%s has its size", says);
		is(layer4_sum(f, size, &q), 0xffff, "%s has a right checksum", says);
		if (q.to.family == 4) {
			is(add(f + 14, 20, 0), 0xffff, "%s has a right header checksum",
			   says);
			is(word(f + 16), size - 14, "%s has its total length", says);
		} else {
			is(word(f + 18), size - 54, "%s has its payload length", says);
			is(f[21], q.icmp_type >= 133 ? 255 : 64, "%s has its hop limit",
			   says);
		}
	}
}

static void test_odd_sums(void)
{
	struct question q = ask(CLIENT, SERVER, 17);
	const struct frame_ends ends = {};
	uint8_t f[EXPLAIN_FRAME];
	unsigned n_zero = 0;

	for (unsigned port = 0; port < 65536; port++) {
		q.to_port = port;
		frame_write(&q, &ends, f);
		n_zero += word(f + 40) == 0;
	}
	is(n_zero, 0, "no datagram goes without a checksum, whatever it adds up to");
}

static void test_fields(void)
{
	struct question q = ask(CLIENT, SERVER, 6);
	const struct frame_ends ends = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
	uint8_t f[EXPLAIN_FRAME];

	q.tcp_flags = 0x12;
	frame_write(&q, &ends, f);
	ok(memcmp(f, ends.to, 6) == 0 && memcmp(f + 6, ends.from, 6) == 0,
	   "the frame goes from MAC to MAC");
	is(word(f + 34), 1234, "the source port is the question's");
	is(word(f + 36), 443, "the destination port is the question's");
	is(f[47], 0x12, "the flags are the question's");
	q.from_port = 0;
	frame_write(&q, &ends, f);
	is(word(f + 34), 40000, "a question without a source port gets an ephemeral one");
	q = ask(CLIENT, "224.129.1.2", 17);
	frame_write(&q, &ends, f);
	ok(memcmp(f, "\x01\x00\x5e\x01\x01\x02", 6) == 0,
	   "an IPv4 group has its multicast MAC, without the 24th bit");
	q = ask(CLIENT, "255.255.255.255", 17);
	frame_write(&q, &ends, f);
	ok(memcmp(f, "\xff\xff\xff\xff\xff\xff", 6) == 0,
	   "broadcast has the broadcast MAC");
	q = ask(CLIENT6, "ff02::1:2", 17);
	frame_write(&q, &ends, f);
	ok(memcmp(f, "\x33\x33\x00\x01\x00\x02", 6) == 0, "an IPv6 group has its MAC");
	q = ask(CLIENT6, SERVER6, 0);
	frame_write(&q, &ends, f);
	is(f[54], 59,
	   "an extension header that is all there is says that nothing follows");
}

static void test_reverse(void)
{
	struct question q = ask(CLIENT, SERVER, 6), back = question_reverse(&q);

	ok(addr_compare(&back.from, &q.to) == 0 && addr_compare(&back.to, &q.from) == 0,
	   "the answer goes the other way");
	is(back.from_port, 443, "the answer comes from the port that was asked");
	is(back.to_port, 1234, "the answer goes to the port that asked");
	is(back.tcp_flags, 0x12, "the answer to a SYN is a SYN-ACK");
	q.tcp_flags = 0x10;
	is(question_reverse(&q).tcp_flags, 0x10,
	   "the answer to a later segment is an ACK");
	q.from_port = 0;
	is(question_reverse(&q).to_port, 40000, "the answer knows the ephemeral port");
	q = ask(CLIENT, SERVER, 1);
	is(question_reverse(&q).icmp_type, 0, "the answer to an echo request is a reply");
	q.icmp_type = 13;
	is(question_reverse(&q).icmp_type, 14, "the answer to a timestamp is its reply");
	q.icmp_type = 3;
	is(question_reverse(&q).icmp_type, 3, "an ICMP error has no answer of its own");
	q = ask(CLIENT6, SERVER6, 58);
	is(question_reverse(&q).icmp_type, 129,
	   "the answer to an ICMPv6 echo is a reply");
}

int main(void)
{
	test_frames();
	test_odd_sums();
	test_fields();
	test_reverse();
	return done();
}
