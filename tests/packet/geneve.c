/* SPDX-License-Identifier: Apache-2.0 */

/* Through an appliance and back: what goes around a packet, who may return it, and where to. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "compile/device.h"
#include "tests/lib/tap.h"
#include "tests/lib/travel.h"

#define ALL "[ { 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] } ]"

/* 'client' lets in only what answers it; 'far' and 'natted' have tables of their own. */
#define RULES(members, more)                                                            \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } " \
	"},"                                                                            \
	"  'subnets': {"                                                                \
	"    'app': { 'vpc': 'v', 'device': 'br1', 'cidrs': ['10.0.1.0/24', "           \
	"'fd00:10:0:1::/64'],"                                                          \
	"      'route_table': 'app' },"                                                 \
	"    'far': { 'vpc': 'v', 'device': 'br2', 'cidrs': ['10.0.2.0/24'] },"         \
	"    'tools': { 'vpc': 'v', 'device': 'br3', 'cidrs': ['10.0.3.0/24'] } },"     \
	"  'security_groups': {"                                                        \
	"    'out': { 'vpc': 'v', 'egress': " ALL ", 'ingress': [] } },"                \
	"  'interfaces': {"                                                             \
	"    'client': { 'subnet': 'app', 'addresses': ['10.0.1.10', "                  \
	"'fd00:10:0:1::10'],"                                                           \
	"      'security_groups': ['out'] } },"                                         \
	"  'internet_gateways': { 'v': { 'vpc': 'v', 'device': 'out0',"                 \
	"    'next_hop': ['203.0.113.1', '2001:db8:ff::1'] } },"                        \
	"  'elastic_ips': { 'client': { 'address': '203.0.113.10', 'interface': "       \
	"'client',"                                                                     \
	"    'private_address': '10.0.1.10' } },"                                       \
	"  'target_groups': { 'tools': { 'vpc': 'v', 'protocol': 'geneve', 'port': "    \
	"6081,"                                                                         \
	"    'targets': [ " members " ] " more " } },"                                  \
	"  'gateway_load_balancers': { 'g': { 'vpc': 'v', 'target_group': "             \
	"'tools'" STICKY "} },"                                                         \
	"  'route_tables': { 'app': { 'vpc': 'v', 'routes': ["                          \
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/v' },"                     \
	"      { 'to': '::/0', 'via': 'internet_gateway/v' },"                          \
	"      { 'to': '0.0.0.0/1', 'via': 'gateway_load_balancer/g' },"                \
	"      { 'to': '128.0.0.0/1', 'via': 'gateway_load_balancer/g' },"              \
	"      { 'to': '2000::/3', 'via': 'gateway_load_balancer/g' },"                 \
	"      { 'to': '10.0.2.0/24', 'via': 'gateway_load_balancer/g' } ] } } }"
#define STICKY ""
#define ONE    "{ 'address': '10.0.3.10' }"
#define TWO    "{ 'address': '10.0.3.11' }"

static const char rules[] = RULES(ONE, "");
static const char two[] = RULES(ONE ", " TWO, "");
static const char moved[] = RULES(TWO, "");
#undef STICKY
#define STICKY ", 'stickiness': '2_tuple'"
static const char by_addresses[] = RULES(ONE ", " TWO, "");
#undef STICKY

#define CLIENT  "10.0.1.10"
#define CLIENT6 "fd00:10:0:1::10"
#define PUBLIC  "203.0.113.10"
#define SERVER  "198.51.100.1"
#define SERVER6 "2001:db8::1"
#define ROUTER  "out0 203.0.113.1"
#define ROUTER6 "out0 2001:db8:ff::1"

#define LINK  14
#define OUTER 68 /* IPv4, UDP, GENEVE and its options */

/* What has come to an appliance. */
struct parcel {
	uint8_t frame[FRAME_MAX];
	size_t size;
};

static void put64(uint8_t *at, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* 'f' comes in at 'device' and leaves for 'appliance' as 'inner', with what section 17 says around
 * it. 'inner' as it was, but for what is said of it. */
static bool is_sent(struct stand *s, const char *device, struct frame f,
		    const char *appliance, struct frame inner, struct parcel *ret,
		    const char *format, ...)
{
	uint8_t want[FRAME_MAX], buf[FRAME_MAX];
	struct addr a = address(appliance);
	struct result r;
	char name[256];
	va_list args;
	uint16_t sum;
	size_t size;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	travel_meet(s, "br3 10.0.3.10");
	travel_meet(s, "br3 10.0.3.11");
	r = travel_run(s, device, f);
	if (!r.is_given || r.counted != 1 || !r.allow || !r.is_switched)
		return is_reason(r.allow ? ~0U : r.reason, 0, "%s", name);
	ret->size = r.size;
	memcpy(ret->frame, r.frame, r.size);
	size = frame_build(&inner, buf, sizeof(buf), NULL);
	memcpy(want, r.frame, LINK); /* MACs are the stand's */
	want[12] = 8;
	want[13] = 0;
	memcpy(want + LINK,
	       (uint8_t[]){ 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 3, 1 },
	       16);
	want[LINK + 2] = (uint8_t)((size - LINK + OUTER) >> 8);
	want[LINK + 3] = (uint8_t)(size - LINK + OUTER);
	memcpy(want + LINK + 16, a.bytes, 4);
	sum = frame_checksum(want + LINK, 20, 0);
	want[LINK + 10] = (uint8_t)(sum >> 8);
	want[LINK + 11] = (uint8_t)sum;
	/* The source port and the cookie are the gateway's to choose. */
	memcpy(want + 34, r.frame + 34, 2);
	want[36] = 6081 >> 8;
	want[37] = 6081 & 255;
	want[38] = (uint8_t)((size - LINK + OUTER - 20) >> 8);
	want[39] = (uint8_t)(size - LINK + OUTER - 20);
	memset(want + 40, 0, 2);
	memcpy(want + 42, (uint8_t[]){ 8, 0, 8, 0, 0, 0, 0, 0, 1, 8, 1, 2 }, 12);
	if (inner.saddr.family == 6)
		memcpy(want + 44, (uint8_t[]){ 0x86, 0xdd }, 2);
	put64(want + 54, hash64(0, "g", 1));
	memcpy(want + 62, (uint8_t[]){ 1, 8, 2, 2 }, 4);
	put64(want + 66, hash64(0, "v", 1));
	memcpy(want + 74, (uint8_t[]){ 1, 8, 3, 1 }, 4);
	memcpy(want + 78, r.frame + 78, 4);
	memcpy(want + LINK + OUTER, buf + LINK, size - LINK);
	if (r.size != size + OUTER || memcmp(r.frame, want, r.size) != 0) {
		for (size_t i = 0; i < r.size && i < size + OUTER; i++)
			if (r.frame[i] != want[i]) {
				note("byte %zu is %02x, not %02x", i, r.frame[i],
				     want[i]);
				break;
			}
		note("%zu bytes, not %zu", r.size, size + OUTER);
		return ok(false, "%s", name);
	}
	return ok(true, "%s", name);
}

/* The appliance sends it back: the outer addresses change places, and the MACs. */
static struct parcel returned(const struct parcel *p)
{
	struct parcel back = *p;

	memcpy(back.frame, p->frame + 6, 6);
	memcpy(back.frame + 6, p->frame, 6);
	memcpy(back.frame + LINK + 12, p->frame + LINK + 16, 4);
	memcpy(back.frame + LINK + 16, p->frame + LINK + 12, 4);
	return back;
}

static struct hg_device *device_of(struct stand *s, const char *name)
{
	struct image image = dataplane_image(stand_plane(s));
	uint32_t id = image_device_find(&image, stand_model(s), name);

	return (struct hg_device *)&image.lines[image_header(&image)->devices.line + id];
}

/* What the appliance has given back leaves by 'device' as 'want'. */
static bool goes_on(struct stand *s, const struct parcel *p, const char *device,
		    struct frame want, const char *name)
{
	uint8_t frame[FRAME_MAX];
	struct result r;
	size_t size;

	r = stand_bytes(s, "br3", HG_DOOR_IN, p->frame, p->size);
	if (!r.is_given || r.counted != 1 || !r.allow || !r.is_switched)
		return is_reason(r.allow ? ~0U : r.reason, 0, "%s", name);
	memcpy(want.smac, device_of(s, device)->mac, 6);
	memcpy(want.dmac, r.frame, 6);
	if (want.saddr.family == 4 && want.id == 0)
		want.id = 0;
	size = frame_build(&want, frame, sizeof(frame), NULL);
	return is_frame(r.frame, r.size, frame, size, "%s", name);
}

static void is_refused(struct stand *s, const struct parcel *p, uint32_t reason,
		       const char *name)
{
	struct result r = stand_bytes(s, "br3", HG_DOOR_IN, p->frame, p->size);

	ok(r.counted == 1 && !r.is_told, "%s: once, without a word", name);
	is_reason(r.allow ? 0 : r.reason, reason, "%s", name);
}

static struct frame hop(struct frame f)
{
	f.ttl = 63;
	return f;
}

/* A whole connection: there and back through the appliance, 'out' being what the world sees. */
static void through(struct stand *s, struct frame f, struct frame out, const char *router,
		    const char *client, const char *what)
{
	struct frame back = frame_reply(&f), in = frame_reply(&out);
	struct parcel p;

	memset(in.smac, 0, 6);
	memset(in.dmac, 0, 6);
	memset(back.smac, 0, 6);
	memset(back.dmac, 0, 6);
	travel_meet(s, router);
	travel_meet(s, client);
	is_sent(s, "br1", f, "10.0.3.10", f, &p, "%s goes to the appliance", what);
	p = returned(&p);
	goes_on(s, &p, "out0", hop(out), "and from there out");
	is_sent(s, "out0", in, "10.0.3.10", back, &p, "its answer, too");
	p = returned(&p);
	goes_on(s, &p, "br1", hop(back), "and from there to the client");
}

static void connections(struct stand *s)
{
	struct frame f = frame_tcp(CLIENT, 40000, SERVER, 443, TCP_SYN), out, in, back;
	struct parcel p;

	stand_reset(s);
	out = frame_from(f, PUBLIC, 0);
	travel_meet(s, ROUTER);
	travel_meet(s, "br1 10.0.1.10");
	is_sent(s, "br1", f, "10.0.3.10", f, &p, "a SYN goes to the appliance");
	p = returned(&p);
	goes_on(s, &p, "out0", hop(out), "and from there out, translated");
	back = frame_tcp(SERVER, 443, CLIENT, 40000, TCP_SYN | TCP_ACK);
	back.seq = 7;
	back.ack = 1;
	in = frame_to(back, PUBLIC, 0);
	is_sent(s, "out0", in, "10.0.3.10", back, &p, "its answer goes there, too");
	p = returned(&p);
	goes_on(s, &p, "br1", hop(back), "and then to the client, whose group tracks it");
	f.tcp_flags = TCP_ACK;
	f.seq = 1;
	f.ack = 8;
	f.payload = 101;
	for (int i = 0; i < 3; i++) {
		is_sent(s, "br1", f, "10.0.3.10", f, &p, "data, too");
		p = returned(&p);
		goes_on(s, &p, "out0", hop(frame_from(f, PUBLIC, 0)), "goes that way");
	}
	through(s, frame_udp(CLIENT, 40000, SERVER, 53),
		frame_udp(PUBLIC, 40000, SERVER, 53), ROUTER, "br1 10.0.1.10",
		"a datagram");
	through(s, frame_echo(CLIENT, SERVER, 7), frame_echo(PUBLIC, SERVER, 7), ROUTER,
		"br1 10.0.1.10", "a ping");
	through(s, frame_udp(CLIENT6, 40000, SERVER6, 53),
		frame_udp(CLIENT6, 40000, SERVER6, 53), ROUTER6, "br1 fd00:10:0:1::10",
		"a datagram of IPv6");
	through(s, frame_tcp(CLIENT6, 40000, SERVER6, 80, TCP_SYN),
		frame_tcp(CLIENT6, 40000, SERVER6, 80, TCP_SYN), ROUTER6,
		"br1 fd00:10:0:1::10", "a SYN of IPv6");
	is_lost(s, "out0", frame_to(frame_udp(SERVER, 53, PUBLIC, 40009), NULL, 0),
		HG_DROP_SG_INGRESS, "a stranger is still judged");
	is_lost(s, "br1", frame_tcp(CLIENT, 40001, SERVER, 443, TCP_ACK), HG_DROP_NO_FLOW,
		"a segment of no connection goes nowhere");
	device_of(s, "br3")->mtu = 1500;
	f = frame_udp(CLIENT, 40002, SERVER, 53);
	f.payload = 1500 - 28 - OUTER + 1;
	is_lost(s, "br1", f, HG_DROP_TOO_BIG, "nor what does not fit with all around it");
	f.payload--;
	is_sent(s, "br1", f, "10.0.3.10", f, &p, "what fits does");
}

/* Between two subnets: the table of the answers' sender does not know of it. */
static void inside(struct stand *s)
{
	struct frame f = frame_tcp(CLIENT, 41000, "10.0.2.9", 80, TCP_SYN), back;
	struct parcel p;

	travel_meet(s, "br2 10.0.2.9");
	is_sent(s, "br1", f, "10.0.3.10", f, &p, "to another subnet by the appliance");
	p = returned(&p);
	goes_on(s, &p, "br2", hop(f), "what it gives back is local");
	back = frame_tcp("10.0.2.9", 80, CLIENT, 41000, TCP_SYN | TCP_ACK);
	is_sent(s, "br2", back, "10.0.3.10", back, &p, "the answer goes to it first");
	p = returned(&p);
	goes_on(s, &p, "br1", hop(back), "then to the client");
}

static void errors(struct stand *s)
{
	struct frame f = frame_udp(CLIENT, 42000, SERVER, 53), seen, e, in, error;
	struct parcel p;

	is_sent(s, "br1", f, "10.0.3.10", f, &p, "a datagram");
	p = returned(&p);
	seen = frame_from(f, PUBLIC, 0);
	goes_on(s, &p, "out0", hop(seen), "goes out");
	in = frame_error("192.0.2.1", &seen);
	e = f;
	error = frame_error("192.0.2.1", &e);
	is_sent(s, "out0", in, "10.0.3.10", error, &p, "an error about it is inspected");
	p = returned(&p);
	goes_on(s, &p, "br1", hop(error), "and heard");
}

static void impostors(struct stand *s)
{
	struct frame f = frame_udp(CLIENT, 43000, SERVER, 53);
	struct parcel p, good, bad;
	static const struct {
		size_t at;
		const char *what;
	} bytes[] = {
		{ 42, "another number of options" },
		{ 43, "the OAM flag" },
		{ 44, "another protocol" },
		{ 46, "a network number" },
		{ 53, "an option of another size" },
		{ 54, "another endpoint" },
		{ 66, "another attachment" },
		{ 78, "a cookie of another balancer" },
		{ 81, "another cookie" },
		{ LINK + OUTER + 15, "another sender" },
	};

	travel_meet(s, ROUTER);
	is_sent(s, "br1", f, "10.0.3.10", f, &p, "a datagram");
	good = returned(&p);
	for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
		bad = good;
		bad.frame[bytes[i].at] ^= 1;
		is_refused(s, &bad, HG_DROP_GENEVE, bytes[i].what);
	}
	bad = good;
	bad.frame[LINK + 15] = 99;
	is_refused(s, &bad, HG_DROP_GENEVE, "another appliance");
	bad = good;
	bad.frame[LINK + 6] = 0x20;
	is_refused(s, &bad, HG_DROP_GENEVE, "a fragment of it");
	bad = good;
	bad.size = LINK + 28;
	bad.frame[LINK + 3] = 28;
	bad.frame[LINK + 2] = 0;
	bad.frame[39] = 8;
	bad.frame[38] = 0;
	is_refused(s, &bad, HG_DROP_GENEVE, "nothing at all");
	bad = good;
	bad.frame[LINK + OUTER] = 0x4f;
	is_refused(s, &bad, HG_DROP_MALFORMED, "a packet that is none");
	goes_on(s, &good, "out0", hop(frame_from(f, PUBLIC, 0)), "the right one passes");
	stand_reset(s);
	is_refused(s, &good, HG_DROP_GENEVE, "but not when its connection is forgotten");
}

/* Where 'n' clients' connections go: a bit for each appliance. */
static const char *to(const struct parcel *p)
{
	return p->frame[LINK + 19] == 10 ? "10.0.3.10" : "10.0.3.11";
}

static struct parcel ask(struct stand *s, const char *device, struct frame f)
{
	struct parcel p = {};
	struct result r;

	travel_meet(s, "br3 10.0.3.10");
	travel_meet(s, "br3 10.0.3.11");
	r = travel_run(s, device, f);
	p.size = r.allow && r.is_switched ? r.size : 0;
	memcpy(p.frame, r.frame, r.size);
	return p;
}

static void choices(struct stand *s)
{
	unsigned n[2] = {}, n_same = 0, n_kept = 0;
	struct parcel p, q;

	stand_rules(s, two);
	stand_reset(s);
	travel_meet(s, ROUTER);
	for (uint16_t i = 0; i < 64; i++) {
		struct frame f = frame_udp(CLIENT, 44000 + i, SERVER, 53), out, in;

		p = ask(s, "br1", f);
		n[strcmp(to(&p), "10.0.3.11") == 0]++;
		q = returned(&p);
		(void)stand_bytes(s, "br3", HG_DOOR_IN, q.frame, q.size);
		out = frame_from(f, PUBLIC, 0);
		in = frame_reply(&out);
		memset(in.smac, 0, 6);
		memset(in.dmac, 0, 6);
		q = ask(s, "out0", in);
		n_same += q.size && strcmp(to(&p), to(&q)) == 0;
	}
	ok(n[0] > 8 && n[1] > 8, "both appliances get connections: %u and %u", n[0],
	   n[1]);
	is(n_same, 64, "and their answers");
	/* One is gone: what it has stays there. */
	stand_rules(s, moved);
	for (uint16_t i = 0; i < 64; i++) {
		p = ask(s, "br1", frame_udp(CLIENT, 44000 + i, SERVER, 53));
		n_kept += p.size && strcmp(to(&p), "10.0.3.10") == 0;
	}
	is(n_kept, n[0], "connections stay with an appliance that has left");
	stand_rules(s, by_addresses);
	stand_reset(s);
	n[0] = n[1] = 0;
	for (uint16_t i = 0; i < 64; i++) {
		p = ask(s, "br1", frame_udp(CLIENT, 44000 + i, SERVER, 53));
		n[strcmp(to(&p), "10.0.3.11") == 0]++;
	}
	ok(!n[0] || !n[1], "two addresses have one appliance, if so it is said");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int xdp = 0; xdp < 2; xdp++) {
		note(xdp ? "in doors by XDP" : "in doors by TC");
		stand_use_xdp(s, xdp);
		stand_rules(s, rules);
		connections(s);
		inside(s);
		errors(s);
		impostors(s);
		choices(s);
	}
	stand_free(s);
	return done();
}
