/* SPDX-License-Identifier: Apache-2.0 */

/* From one family to the other: a frame and its description in, and out must come what the description in the other
 * family describes, checksums made from nothing; finished by the device, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>

#include "tests/lib/anvil.h"
#include "tests/lib/cable.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define CLIENT  "fd00:10:0:1::10"
#define MAPPED  "64:ff9b::c633:6407"
#define GATEWAY "203.0.113.20"
#define SERVER  "198.51.100.7"

static struct anvil_ask question;
static struct cable_frame got;

/* 'f' with the ends of the other side, IPv6 to IPv4 or back. */
static struct frame across(const struct frame *f)
{
	struct frame w = *f;
	bool is6 = f->saddr.family == 6;

	w.saddr = address(is6 ? GATEWAY : MAPPED);
	w.daddr = address(is6 ? SERVER : CLIENT);
	w.ttl = 63;
	if (f->protocol == 58 || f->protocol == 1) {
		w.protocol = is6 ? 1 : 58;
		w.icmp_type = is6 ? (f->icmp_type == 128 ? 8 : 0)
				  : (f->icmp_type == 8 ? 128 : 129);
	}
	return w;
}

/* Traffic class or type of service, in a frame without tags. */
static void set_tos(uint8_t *frame, uint8_t tos)
{
	uint8_t *ip = frame + 14;

	if (ip[0] >> 4 == 6) {
		ip[0] = 6 << 4 | tos >> 4;
		ip[1] = (uint8_t)(tos << 4) | (ip[1] & 15);
	} else {
		ip[1] = tos;
	}
}

/* What 'f' shall be, and the id that chance gave. */
static size_t build_after(const struct frame *want, uint8_t tos, const uint8_t *from,
			  uint8_t *buf)
{
	size_t size = frame_build(want, buf, FRAME_MAX, NULL);
	uint8_t *ip = buf + 14;
	uint16_t sum;

	set_tos(buf, tos);
	if (ip[0] >> 4 != 4)
		return size;
	if (size - 14 > 1260)
		ip[6] = 0x40;
	else
		memcpy(ip + 4, from + 18, 2);
	ip[10] = ip[11] = 0;
	sum = frame_checksum(ip, 20, 0);
	ip[10] = sum >> 8;
	ip[11] = sum & 255;
	return size;
}

static size_t build_before(const struct frame *f, uint8_t tos, uint8_t *buf)
{
	return build_after(f, tos, (uint8_t[FRAME_MAX]){}, buf);
}

static void translate(const char *what, struct frame f)
{
	struct frame want = across(&f);
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	size_t size = build_before(&f, 0xb9, before), want_size;

	for (int ports = 0; ports < 2; ports++) {
		struct anvil_answer a;

		if (ports && f.sport)
			want.sport = f.sport ^ 0x5555;
		else if (ports)
			want.icmp_id = 0x4321;
		question = (struct anvil_ask){ .act = ACT_NAT | ACT_TTL | ACT_FAMILY,
					       .to = anvil_tuple(&want) };
		a = anvil_strike("nat64_tc", &question, before, size);
		want_size = build_after(&want, 0xb9, a.frame, after);
		is_frame(a.frame, a.ask.result ? 0 : a.size, after, want_size,
			 "IPv%u to IPv%u: %s%s", f.saddr.family, want.saddr.family, what,
			 ports ? ", and its port" : "");
	}
}

static void protocols(const char *from, const char *to)
{
	struct frame f = frame_tcp(from, 40000, to, 80, TCP_SYN);

	translate("TCP", f);
	f.payload = 333;
	translate("TCP with odd data", f);
	f.payload = 1200;
	translate("a long TCP segment", f);
	f.payload = 1400;
	translate("a longer one", f);
	translate("UDP", frame_udp(from, 40000, to, 53));
	f = frame_echo(from, to, 77);
	translate("a ping", f);
	f.payload = 1001;
	translate("a long ping", f);
	f.icmp_type = f.protocol == 58 ? 129 : 0;
	translate("a pong", f);
}

/* ---- errors ---- */

struct said {
	uint8_t type, code;
	uint32_t rest; /* id << 16 | sequence */
};

/* An error from 'from' that says 'said' about 'quote'. */
static struct frame error_about(const char *from, const struct frame *quote,
				struct said said, size_t size)
{
	struct frame f = frame_error(from, quote);

	f.icmp_type = said.type;
	f.icmp_code = said.code;
	f.icmp_id = said.rest >> 16;
	f.icmp_seq = said.rest & 0xffff;
	if (size)
		f.quote_size = (quote->saddr.family == 6 ? 40 : 20) + size;
	return f;
}

static struct anvil_answer say(const struct frame *f, const struct frame *want,
			       uint8_t *before)
{
	size_t size = build_before(f, 0xb9, before);

	question = (struct anvil_ask){ .act = ACT_NAT | ACT_TTL | ACT_FAMILY | ACT_QUOTE,
				       .to = anvil_tuple(want),
				       .quoted = anvil_tuple(f->quote),
				       .unquoted = anvil_tuple(want->quote) };
	return anvil_strike("nat64_error_tc", &question, before, size);
}

/* 'there' went as IPv4 and 'here' is the same packet as IPv6: the error 'in' about one is 'out' about the
 * other. 'size' bytes of layer 4 are quoted, 0: eight. */
static void error(const char *what, const struct frame *there, const struct frame *here,
		  bool is_to6, struct said in, struct said out, size_t size)
{
	struct frame f = error_about(is_to6 ? "192.0.2.99" : CLIENT,
				     is_to6 ? there : here, in, size);
	struct frame want = error_about(is_to6 ? "64:ff9b::c000:263" : GATEWAY,
					is_to6 ? here : there, out, size);
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	struct anvil_answer a;

	want.ttl = 63;
	a = say(&f, &want, before);
	size = build_after(&want, 0xb9, a.frame, after);
	is_frame(a.frame, a.ask.result ? 0 : a.size, after, size, "error to IPv%u: %s",
		 want.saddr.family, what);
}

static void error_refused(const struct frame *there, const struct frame *here,
			  bool is_to6, struct said in, int reason, const char *what)
{
	struct frame f =
		error_about(is_to6 ? "192.0.2.99" : CLIENT, is_to6 ? there : here, in, 0);
	struct frame want = error_about(is_to6 ? "64:ff9b::c000:263" : GATEWAY,
					is_to6 ? here : there, in, 0);
	uint8_t before[FRAME_MAX];
	struct anvil_answer a = say(&f, &want, before);

	is_reason(-a.ask.result, reason, "error to IPv%u: %s", want.saddr.family, what);
}

/* RFC 7915 figures 3 and 6, and the lists around them. */
static const struct wording {
	struct said in, out;
	const char *what;
} to6[] = {
	{ { 3, 0, 0 }, { 1, 0, 0 }, "net unreachable" },
	{ { 3, 1, 0 }, { 1, 0, 0 }, "host unreachable" },
	{ { 3, 2, 0 }, { 4, 1, 6 }, "protocol unreachable" },
	{ { 3, 3, 0 }, { 1, 4, 0 }, "port unreachable" },
	{ { 3, 4, 1400 }, { 2, 0, 1420 }, "fragmentation needed" },
	{ { 3, 4, 576 }, { 2, 0, 1280 }, "but never below 1280" },
	{ { 3, 5, 0 }, { 1, 0, 0 }, "source route failed" },
	{ { 3, 8, 0 }, { 1, 0, 0 }, "host isolated" },
	{ { 3, 9, 0 }, { 1, 1, 0 }, "net prohibited" },
	{ { 3, 10, 0 }, { 1, 1, 0 }, "host prohibited" },
	{ { 3, 12, 0 }, { 1, 0, 0 }, "host unreachable for this service" },
	{ { 3, 13, 0 }, { 1, 1, 0 }, "administratively prohibited" },
	{ { 3, 15, 0 }, { 1, 1, 0 }, "precedence cutoff" },
	{ { 3, 3, 0x00200000 }, { 1, 4, 0 }, "a length of 32 words is left out" },
	{ { 11, 0, 0 }, { 3, 0, 0 }, "time exceeded" },
	{ { 11, 1, 0 }, { 3, 1, 0 }, "reassembly time exceeded" },
	{ { 12, 0, 0x01000000 }, { 4, 0, 1 }, "pointer to the service" },
	{ { 12, 2, 0x02000000 }, { 4, 0, 4 }, "bad length" },
	{ { 12, 0, 0x08000000 }, { 4, 0, 7 }, "pointer to the hop limit" },
	{ { 12, 0, 0x09000000 }, { 4, 0, 6 }, "pointer to the protocol" },
	{ { 12, 0, 0x0f000000 }, { 4, 0, 8 }, "pointer to the source" },
	{ { 12, 0, 0x10000000 }, { 4, 0, 24 }, "pointer to the destination" },
};

static const struct wording to4[] = {
	{ { 1, 0, 0 }, { 3, 1, 0 }, "no route" },
	{ { 1, 1, 0 }, { 3, 10, 0 }, "prohibited" },
	{ { 1, 2, 0 }, { 3, 1, 0 }, "beyond scope" },
	{ { 1, 3, 0 }, { 3, 1, 0 }, "address unreachable" },
	{ { 1, 4, 0 }, { 3, 3, 0 }, "port unreachable" },
	{ { 2, 0, 1400 }, { 3, 4, 1380 }, "too big" },
	{ { 2, 0, 70000 }, { 3, 4, 65535 }, "too big for large things" },
	{ { 2, 0, 1 }, { 3, 4, 68 }, "too big for anything" },
	{ { 3, 0, 0 }, { 11, 0, 0 }, "time exceeded" },
	{ { 4, 0, 5 }, { 12, 0, 0x02000000 }, "pointer to the length" },
	{ { 4, 0, 7 }, { 12, 0, 0x08000000 }, "pointer to the hop limit" },
	{ { 4, 0, 23 }, { 12, 0, 0x0c000000 }, "pointer to the source" },
	{ { 4, 0, 39 }, { 12, 0, 0x10000000 }, "pointer to the destination" },
	{ { 4, 1, 6 }, { 3, 2, 0 }, "unknown next header" },
};

static const struct said no6[] = { { 3, 14, 0 },         { 3, 16, 0 },
				   { 4, 0, 0 },          { 5, 1, 0 },
				   { 12, 1, 0 },         { 12, 0, 0x04000000 },
				   { 12, 0, 0x14000000 } };

static const struct said no4[] = { { 1, 5, 0 }, { 4, 2, 0 }, { 4, 0, 2 }, { 4, 0, 40 } };

static void errors_say(const struct frame *there, const struct frame *here)
{
	char what[64];

	for (size_t i = 0; i < sizeof(to6) / sizeof(to6[0]); i++)
		error(to6[i].what, there, here, true, to6[i].in, to6[i].out, 0);
	for (size_t i = 0; i < sizeof(to4) / sizeof(to4[0]); i++)
		error(to4[i].what, there, here, false, to4[i].in, to4[i].out, 0);
	for (size_t i = 0; i < sizeof(no6) / sizeof(no6[0]); i++) {
		snprintf(what, sizeof(what), "no word for %u/%u, %x", no6[i].type,
			 no6[i].code, no6[i].rest);
		error_refused(there, here, true, no6[i], HG_DROP_NAT_PROTOCOL, what);
	}
	for (size_t i = 0; i < sizeof(no4) / sizeof(no4[0]); i++) {
		snprintf(what, sizeof(what), "no word for %u/%u, %x", no4[i].type,
			 no4[i].code, no4[i].rest);
		error_refused(there, here, false, no4[i], HG_DROP_NAT_PROTOCOL, what);
	}
}

static void errors_quote(const char *what, struct frame here, size_t size)
{
	struct frame there = across(&here), here_back = frame_reply(&here), there_back;

	there.ttl = here.ttl;
	if (here.sport)
		there.sport = 61234;
	else
		there.icmp_id = 54321;
	there_back = frame_reply(&there);
	error(what, &there, &here, true, (struct said){ 3, 1, 0 },
	      (struct said){ 1, 0, 0 }, size);
	error(what, &there_back, &here_back, false, (struct said){ 1, 4, 0 },
	      (struct said){ 3, 3, 0 }, size);
}

static void errors(void)
{
	struct frame here = frame_tcp(CLIENT, 40000, MAPPED, 80, TCP_ACK);
	struct frame there = across(&here), f;

	there.ttl = here.ttl;
	errors_say(&there, &here);
	here.payload = 101;
	errors_quote("about TCP, 8 bytes of it", here, 0);
	errors_quote("about TCP but for its checksum", here, 16);
	errors_quote("about TCP up to its checksum", here, 18);
	errors_quote("about all of a TCP segment", here, 121);
	errors_quote("about UDP", frame_udp(CLIENT, 40000, MAPPED, 53), 0);
	errors_quote("about a ping", frame_echo(CLIENT, MAPPED, 77), 0);
	f = frame_echo(CLIENT, MAPPED, 77);
	errors_quote("about all of a ping", f, 16);
	there.payload = 1200;
	here.payload = 1200;
	error("an MTU that nobody told", &there, &here, true, (struct said){ 3, 4, 0 },
	      (struct said){ 2, 0, 1280 }, 0);
	there.payload = here.payload = 1460;
	error("or is the next smaller usual one", &there, &here, true,
	      (struct said){ 3, 4, 0 }, (struct said){ 2, 0, 1512 }, 0);
	there.options = 4;
	error_refused(&there, &here, true, (struct said){ 3, 3, 0 }, HG_DROP_UNSUPPORTED,
		      "not about a packet with options");
}

static void refuse(const struct frame *f, int reason, const char *what)
{
	struct frame want = across(f);
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(f, frame, sizeof(frame), NULL);
	struct anvil_answer a;

	question = (struct anvil_ask){ .act = ACT_NAT | ACT_FAMILY,
				       .to = anvil_tuple(&want) };
	a = anvil_strike("nat64_tc", &question, frame, size);
	is_reason(a.ask.parsed ? -a.ask.parsed : -a.ask.result, reason, "IPv%u: %s",
		  f->saddr.family, what);
}

static void refuse_all(const char *from, const char *to)
{
	struct frame f = frame_udp(from, 1, to, 2), g = f;

	f.more = true;
	refuse(&f, HG_DROP_FRAGMENT, "fragments are not translated");
	f = g;
	f.options = 4;
	f.n_extensions = 1;
	f.extensions[0] = 60;
	refuse(&f, HG_DROP_UNSUPPORTED, "nor options");
	f = g;
	f.n_vlans = 1;
	refuse(&f, HG_DROP_UNSUPPORTED, "nor tags inside the frame");
	f = frame_other(from, to, 47);
	refuse(&f, HG_DROP_NAT_PROTOCOL, "nor GRE");
	f = frame_icmp(from, to, f.saddr.family == 6 ? 200 : 40, 0);
	refuse(&f, HG_DROP_NAT_PROTOCOL, "nor other ICMP");
}

/* IPv6 has no UDP without checksum; IPv4 has. */
static void without_checksum(void)
{
	struct frame f = frame_udp(SERVER, 53, GATEWAY, 40000), want = across(&f);
	uint8_t frame[FRAME_MAX];
	struct frame_at at;
	size_t size = frame_build(&f, frame, sizeof(frame), &at);
	struct anvil_answer a;

	memset(frame + at.l4 + 6, 0, 2);
	question = (struct anvil_ask){ .act = ACT_NAT | ACT_FAMILY,
				       .to = anvil_tuple(&want) };
	a = anvil_strike("nat64_tc", &question, frame, size);
	is_reason(-a.ask.result, HG_DROP_MALFORMED,
		  "UDP without a checksum does not become IPv6");
	f = frame_udp(CLIENT, 40000, MAPPED, 53);
	want = across(&f);
	size = frame_build(&f, frame, sizeof(frame), &at);
	memset(frame + at.l4 + 6, 0, 2);
	question.to = anvil_tuple(&want);
	a = anvil_strike("nat64_tc", &question, frame, size);
	ok(a.ask.result == 0 && a.frame[40] == 0 && a.frame[41] == 0,
	   "but may become IPv4");
}

/* ---- of local stacks ---- */

static void unfinished(struct frame f, const char *what)
{
	struct frame want = across(&f);
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	struct virtio_net_hdr header;
	size_t size = build_before(&f, 0, before);

	want.sport = 61000;
	question = (struct anvil_ask){ .act = ACT_NAT | ACT_TTL | ACT_FAMILY,
				       .to = anvil_tuple(&want) };
	cable_unfinish(before, size, &header);
	anvil_write(&question);
	cable_send(&header, before, size);
	cable_receive(&got, 2000);
	size = build_after(&want, 0, got.bytes, after);
	is_frame(got.bytes, got.size, after, size,
		 "IPv%u to IPv%u: %s is finished by the device", f.saddr.family,
		 want.saddr.family, what);
}

/* A large segment, cut by the device as one of the other family. */
static void large(struct frame f)
{
	struct frame want = across(&f);
	uint8_t *frame = calloc(1, CABLE_FRAME);
	struct virtio_net_hdr header;
	bool is6 = f.saddr.family == 6;
	size_t head, size, right = 0, n = 0, out = 14 + (is6 ? 20 : 40) + 20;

	head = frame_build(&f, frame, FRAME_MAX, NULL);
	size = head + 20 * 1000 - 14 - (is6 ? 40 : 0);
	frame[14 + (is6 ? 4 : 2)] = (uint8_t)(size >> 8);
	frame[14 + (is6 ? 5 : 3)] = size & 255;
	for (size_t i = 0; i < 20000; i++)
		frame[head + i] = (uint8_t)(i * 7 + i / 251);
	cable_unfinish(frame, head + 20000, &header);
	header.gso_type = is6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	header.gso_size = 1000;
	header.hdr_len = (uint16_t)head;
	question = (struct anvil_ask){ .act = ACT_NAT | ACT_TTL | ACT_FAMILY,
				       .to = anvil_tuple(&want) };
	anvil_write(&question);
	cable_send(&header, frame, head + 20000);
	for (cable_receive(&got, 2000); got.size; cable_receive(&got, 100)) {
		right += got.size == out + 1000 && cable_is_right(got.bytes, got.size) &&
			 got.bytes[14] >> 4 == want.saddr.family &&
			 memcmp(got.bytes + out, frame + head + n * 1000, 1000) == 0;
		n++;
	}
	is((long long)n, 20, "IPv%u to IPv%u: a large segment leaves as many",
	   f.saddr.family, want.saddr.family);
	is((long long)right, 20, "IPv%u to IPv%u: each with its data, and right",
	   f.saddr.family, want.saddr.family);
	free(frame);
}

int main(void)
{
	anvil_open();
	protocols(CLIENT, MAPPED);
	protocols(SERVER, GATEWAY);
	refuse_all(CLIENT, MAPPED);
	refuse_all(SERVER, GATEWAY);
	without_checksum();
	errors();
	cable_open();
	cable_attach(anvil_fd("nat64_tc"));
	unfinished(frame_udp(CLIENT, 40000, MAPPED, 53), "UDP");
	unfinished(frame_udp(SERVER, 53, GATEWAY, 40000), "UDP");
	unfinished(frame_tcp(CLIENT, 40000, MAPPED, 80, TCP_SYN), "TCP");
	unfinished(frame_tcp(SERVER, 80, GATEWAY, 40000, TCP_SYN | TCP_ACK), "TCP");
	large(frame_tcp(CLIENT, 40000, MAPPED, 80, TCP_ACK));
	large(frame_tcp(SERVER, 80, GATEWAY, 40000, TCP_ACK));
	anvil_close();
	return done();
}
