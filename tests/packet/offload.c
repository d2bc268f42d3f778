/* SPDX-License-Identifier: Apache-2.0 */

/* Frames of a local stack: their checksums are not there yet, and a frame may stand for many. What the far
 * end of a veth pair makes of them is finished by its device, and must be right then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/anvil.h"
#include "tests/lib/cable.h"
#include "tests/lib/tap.h"

static struct anvil_ask question;
static struct cable_frame got;

static const struct {
	const char *name, *here, *there, *public, *router;
	size_t ip, quote;
} families[] = {
	{ "IPv4", "10.0.1.10", "198.51.100.7", "203.0.113.20", "10.0.1.1", 20, 548 },
	{ "IPv6", "fd00:10::10", "2001:db8::7", "2001:db8:5::20", "fd00:10::1", 40,
	  1232 },
};

static void send_unfinished(const struct frame *f)
{
	uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr header;
	size_t size = frame_build(f, frame, sizeof(frame), NULL);

	cable_unfinish(frame, size, &header);
	anvil_write(&question);
	cable_send(&header, frame, size);
}

/* ---- rewriting ---- */

static void rewrite(int family, struct frame f, const char *what)
{
	struct frame want = f;
	uint8_t after[FRAME_MAX];
	size_t size;

	want.saddr = address(families[family].public);
	want.sport = 61000;
	for (int ports = 0; ports < 2; ports++) {
		want.sport = ports ? 61000 : f.sport;
		want.ttl = 63;
		question = (struct anvil_ask){ .act = ACT_NAT | ACT_TTL,
					       .to = anvil_tuple(&want) };
		send_unfinished(&f);
		cable_receive(&got, 2000);
		size = frame_build(&want, after, sizeof(after), NULL);
		is_frame(got.bytes, got.size, after, size,
			 "%s: %s without checksum, address%s changed",
			 families[family].name, what, ports ? " and port" : "");
	}
}

/* A segment of 'n' times 'mss' bytes, as a stack sends it. */
static size_t make_large(const struct frame *f, size_t mss, size_t n, uint8_t *frame,
			 struct virtio_net_hdr *ret)
{
	struct frame_at at;
	size_t size = frame_build(f, frame, FRAME_MAX, &at), total;
	bool is6 = f->saddr.family == 6;

	total = size - at.l3 + mss * n;
	memset(frame + size, 0, mss * n);
	for (size_t i = 0; i < mss * n; i++)
		frame[size + i] = (uint8_t)(i * 7 + i / 251);
	if (is6)
		total -= 40;
	frame[at.l3 + (is6 ? 4 : 2)] = (uint8_t)(total >> 8);
	frame[at.l3 + (is6 ? 5 : 3)] = total & 255;
	cable_unfinish(frame, size + mss * n, ret);
	ret->gso_type = is6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	ret->gso_size = (uint16_t)mss;
	ret->hdr_len = (uint16_t)size;
	return size + mss * n;
}

static void rewrite_large(int family)
{
	struct frame f = frame_tcp(families[family].here, 40000, families[family].there,
				   80, TCP_ACK);
	struct frame want = f;
	uint8_t *frame = malloc(CABLE_FRAME);
	struct virtio_net_hdr header;
	size_t head = 14 + families[family].ip + 20, size, right = 0, n = 0;

	want.saddr = address(families[family].public);
	want.sport = 61000;
	question =
		(struct anvil_ask){ .act = ACT_NAT | ACT_TTL, .to = anvil_tuple(&want) };
	size = make_large(&f, 1000, 20, frame, &header);
	anvil_write(&question);
	cable_send(&header, frame, size);
	for (cable_receive(&got, 2000); got.size; cable_receive(&got, 100)) {
		const uint8_t *data = frame + head + n * 1000;

		n++;
		right += got.size == head + 1000 && cable_is_right(got.bytes, got.size) &&
			 memcmp(got.bytes + head, data, 1000) == 0 &&
			 memcmp(got.bytes + 14 + (family ? 8 : 12), want.saddr.bytes,
				family ? 16 : 4) == 0;
	}
	is((long long)n, 20, "%s: a large segment leaves as many", families[family].name);
	is((long long)right, 20, "%s: each with the new source, its data, and right",
	   families[family].name);
	free(frame);
}

/* The kernel has summed the whole packet; the sum must follow what is changed. 'after' is what becomes of
 * the frame. */
static void summed(int family, const struct frame *f, const uint8_t *after, size_t size,
		   const char *what)
{
	uint8_t before[FRAME_MAX];
	uint32_t sum, expected;

	question.parsed = 1;
	question.csum = -1;
	anvil_write(&question);
	cable_send_tunneled(before, frame_build(f, before, sizeof(before), NULL));
	for (int i = 0; i < 2000 && anvil_read().csum == -1; i++)
		usleep(1000);
	if (!ok(anvil_read().parsed == 0 && anvil_read().csum >= 0,
		"%s: %s comes summed by the kernel", families[family].name, what)) {
		note("result %d, sum %lld", anvil_read().result, anvil_read().csum);
		return;
	}
	expected = (uint16_t)~frame_checksum(after + 14, size - 14, 0);
	sum = (uint32_t)anvil_read().csum;
	sum = (uint16_t)~frame_checksum((uint8_t *)&sum, 4, 0);
	ok(sum % 0xffff == expected % 0xffff,
	   "%s: and the sum is right for what it became", families[family].name);
}

static void rewrite_summed(int family, struct frame f, const char *what)
{
	struct frame want = f;
	uint8_t after[FRAME_MAX];

	want.daddr = address(families[family].public);
	want.dport = 61000;
	want.ttl = 63;
	question =
		(struct anvil_ask){ .act = ACT_NAT | ACT_TTL, .to = anvil_tuple(&want) };
	summed(family, &f, after, frame_build(&want, after, sizeof(after), NULL), what);
}

static void rewrite_what_is_summed(void)
{
	if (!cable_tunnel(anvil_fd("rewrite_tc"))) {
		skip("no VXLAN", "frames that the kernel has summed");
		return;
	}
	for (int family = 0; family < 2; family++) {
		const char *here = families[family].here, *there = families[family].there;
		struct frame f = frame_tcp(there, 80, here, 40000, TCP_ACK);

		f.payload = 301;
		rewrite_summed(family, f, "TCP");
		f = frame_udp(there, 53, here, 40000);
		rewrite_summed(family, f, "UDP");
		f = frame_other(there, here, 47);
		rewrite_summed(family, f, "GRE");
	}
}

static void reply_to_what_is_summed(void)
{
	if (!cable_tunnel(anvil_fd("reply_tc"))) {
		skip("no VXLAN", "replies to frames that the kernel has summed");
		return;
	}
	for (int family = 0; family < 2; family++) {
		const char *here = families[family].here, *there = families[family].there;
		struct frame f = frame_echo(there, here, 9), want = frame_reply(&f);
		uint8_t after[FRAME_MAX];
		struct frame_at at;
		size_t size;

		f.ttl = 3;
		question = (struct anvil_ask){ .reply = REPLY_ECHO };
		size = frame_build(&want, after, sizeof(after), NULL);
		summed(family, &f, after, size, "a ping");
		f = frame_tcp(there, 80, here, 40000, TCP_ACK);
		f.ack = 99;
		f.ttl = 3;
		want = frame_reply(&f);
		want.seq = 99;
		want.ack = 0;
		want.ttl = 64;
		want.tcp_flags = TCP_RST;
		size = frame_build(&want, after, sizeof(after), &at);
		memset(after + at.l4 + 14, 0, 2);
		anvil_finish(after + at.l3, 0);
		question = (struct anvil_ask){ .reply = REPLY_RESET };
		summed(family, &f, after, size, "an ACK");
	}
}

/* ---- replies ---- */

static size_t build_too_big(int family, const struct frame *f, uint8_t *buf)
{
	struct frame want = frame_error(families[family].router, f);
	struct frame_at at;
	size_t size;

	anvil_turn(&want);
	want.icmp_type = family ? 2 : 3;
	want.icmp_code = family ? 0 : 4;
	want.icmp_seq = 1400;
	want.quote_size = families[family].quote;
	size = frame_build(&want, buf, FRAME_MAX, &at);
	anvil_finish(buf + at.l3, 0xc0);
	return size;
}

static void ask_too_big(int family)
{
	struct addr router = address(families[family].router);

	question = (struct anvil_ask){ .reply = REPLY_TOO_BIG,
				       .told_mtu = 1400,
				       .source = anvil_addr(&router) };
}

static void errors(int family)
{
	const char *here = families[family].here, *there = families[family].there;
	const char *name = families[family].name;
	struct frame f = frame_udp(here, 40000, there, 53);
	uint8_t after[FRAME_MAX];
	size_t size;

	ask_too_big(family);
	for (int tcp = 0; tcp < 2; tcp++) {
		if (tcp)
			f = frame_tcp(here, 40000, there, 80, TCP_ACK);
		f.payload = 401;
		send_unfinished(&f);
		cable_receive(&got, 2000);
		size = build_too_big(family, &f, after);
		is_frame(got.bytes, got.size, after, size,
			 "%s: an error quotes %s, both finished by the device", name,
			 tcp ? "TCP" : "UDP");
	}
	f.payload = 1400;
	send_unfinished(&f);
	cable_receive(&got, 2000);
	is((long long)got.size,
	   (long long)(14 + families[family].ip + 8 + families[family].quote),
	   "%s: of a long one it quotes a part", name);
	ok(got.size && cable_is_right(got.bytes, got.size), "%s: and is right", name);
}

static void error_about_large(int family)
{
	struct frame f = frame_tcp(families[family].here, 40000, families[family].there,
				   80, TCP_ACK);
	uint8_t *frame = malloc(CABLE_FRAME);
	struct virtio_net_hdr header;
	size_t size = make_large(&f, 1448, 40, frame, &header);

	ask_too_big(family);
	anvil_write(&question);
	cable_send(&header, frame, size);
	cable_receive(&got, 2000);
	is((long long)got.size,
	   (long long)(14 + families[family].ip + 8 + families[family].quote),
	   "%s: an error about a large segment is one", families[family].name);
	ok(got.size && cable_is_right(got.bytes, got.size), "%s: and right",
	   families[family].name);
	cable_receive(&got, 100);
	is((long long)got.size, 0, "%s: and alone", families[family].name);
	free(frame);
}

static void resets(int family)
{
	struct frame f = frame_tcp(families[family].here, 40000, families[family].there,
				   80, TCP_ACK);
	struct frame want;
	uint8_t after[FRAME_MAX];
	struct frame_at at;
	size_t size;

	for (int i = 0; i < 2; i++) {
		f.ack = 4711;
		f.payload = i ? 333 : 0;
		want = frame_reply(&f);
		want.payload = 0;
		want.tcp_flags = TCP_RST;
		want.seq = 4711;
		want.ack = 0;
		anvil_turn(&want);
		size = frame_build(&want, after, sizeof(after), &at);
		anvil_finish(after + at.l3, 0);
		memset(after + at.l4 + 14, 0, 2);
		question = (struct anvil_ask){ .reply = REPLY_RESET };
		send_unfinished(&f);
		cable_receive(&got, 2000);
		is_frame(got.bytes, got.size, after, size,
			 "%s: a reset of %u bytes is finished by the device",
			 families[family].name, f.payload);
	}
}

static void tag(int family)
{
	struct frame f =
		frame_udp(families[family].here, 40000, families[family].there, 53);
	struct virtio_net_hdr none = {};
	uint8_t frame[FRAME_MAX], after[FRAME_MAX];
	size_t size;

	ask_too_big(family);
	anvil_write(&question);
	f.n_vlans = 1;
	f.vlan[0] = 7;
	cable_send(&none, frame, frame_build(&f, frame, sizeof(frame), NULL));
	cable_receive(&got, 2000);
	f.n_vlans = 0;
	size = build_too_big(family, &f, after);
	is_frame(got.bytes, got.size, after, size,
		 "%s: an error about a frame whose tag lies beside it",
		 families[family].name);
	is(got.vlan, 7, "%s: has the same tag", families[family].name);
}

int main(void)
{
	anvil_open();
	cable_open();
	for (int family = 0; family < 2; family++) {
		const char *here = families[family].here, *there = families[family].there;
		struct frame udp = frame_udp(here, 40000, there, 53);
		struct frame tcp = frame_tcp(here, 40000, there, 80, TCP_SYN);

		cable_attach(anvil_fd("rewrite_tc"));
		rewrite(family, udp, "UDP");
		rewrite(family, tcp, "TCP");
		tcp.payload = 1001;
		rewrite(family, tcp, "TCP with data");
		rewrite_large(family);
		cable_attach(anvil_fd("reply_tc"));
		errors(family);
		error_about_large(family);
		resets(family);
		tag(family);
	}
	rewrite_what_is_summed();
	reply_to_what_is_summed();
	anvil_close();
	return done();
}
