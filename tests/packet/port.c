/* SPDX-License-Identifier: Apache-2.0 */

/* Which source port a NAT gateway speaks from, up to the last one that there is. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/port.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define RULES(addresses)                                                                \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } " \
	"},"                                                                            \
	"  'subnets': { 'private': { 'vpc': 'v', 'device': 'in0',"                      \
	"      'cidrs': ['10.0.16.0/20', 'fd00:10:0:1::/64'] },"                        \
	"    'public': { 'vpc': 'v', 'cidrs': ['10.0.0.0/24', 'fd00:10::/64'],"         \
	"      'route_table': 'public' } },"                                            \
	"  'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0',"               \
	"      'next_hop': ['203.0.113.1', '2001:db8:ff::1'] } },"                      \
	"  'elastic_ips': { 'one': { 'address': '203.0.113.20' },"                      \
	"    'two': { 'address': '203.0.113.21' } },"                                   \
	"  'nat_gateways': { 'nat': { 'subnet': 'public', 'private_address': "          \
	"'10.0.0.5',"                                                                   \
	"      'idle_timeout': 86400, 'elastic_ips': [" addresses "] } },"              \
	"  'route_tables': {"                                                           \
	"    'public': { 'vpc': 'v', 'routes': ["                                       \
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/igw' } ] },"               \
	"    'private': { 'vpc': 'v', 'main': true, 'routes': ["                        \
	"      { 'to': '64:ff9b::/96', 'via': 'nat_gateway/nat' },"                     \
	"      { 'to': '0.0.0.0/0', 'via': 'nat_gateway/nat' } ] } } }"

#define SERVER      "198.51.100.1"
#define LIMIT       55000U
#define IDLE        86400
#define CONNECTIONS 50          /* of a client */
#define ONE         0xcb007114U /* 203.0.113.20 */
#define TWO         0xcb007115U

/* What the outside sees of a connection. */
struct outside {
	uint32_t reason;
	uint32_t address; /* host order */
	unsigned port;
};

static unsigned load16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)load16(p) << 16 | load16(p + 2);
}

static struct outside leave(struct stand *s, const struct frame *f)
{
	struct result r = stand_run(s, "in0", HG_DOOR_IN, f);
	struct outside out = { .reason = r.reason };
	const uint8_t *ip = r.frame + 14;

	if (r.allow) {
		out.address = load32(ip + 12);
		out.port = load16(ip + (f->protocol == IPPROTO_ICMP ? 24 : 20));
	}
	return out;
}

/* Client 'i' of many behind the gateway: 50 connections each, and no two with one port that
 * the gateway may keep. */
static struct frame first_packet(uint8_t protocol, unsigned i, const char *server,
				 unsigned port)
{
	char client[32];
	unsigned sport = 1000 + i % CONNECTIONS;
	struct frame f;

	snprintf(client, sizeof(client), "10.0.%u.%u", 16 + i / CONNECTIONS / 240,
		 10 + i / CONNECTIONS % 240);
	if (protocol == IPPROTO_ICMP)
		f = frame_echo(client, server, (uint16_t)sport);
	else if (protocol == IPPROTO_UDP)
		f = frame_udp(client, (uint16_t)sport, server, (uint16_t)port);
	else
		f = frame_tcp(client, (uint16_t)sport, server, (uint16_t)port, TCP_SYN);
	return f;
}

/* Who has which port of one address towards one server. */
struct book {
	uint32_t address;
	bool is_full;          /* one was refused for want of a port */
	unsigned no_place;     /* in the flow table */
	unsigned n, n_moved;   /* ports; those that had another owner before */
	uint16_t owner[65536]; /* number of the connection + 1 */
};

static struct book *book_new(uint32_t address)
{
	struct book *b = calloc(1, sizeof(*b));

	if (!b)
		bail("no memory");
	b->address = address;
	return b;
}

static void book_put(struct book *b, unsigned port, unsigned i)
{
	if (port < HG_PORT_FIRST || i >= 65535)
		return;
	if (b->owner[port])
		b->n_moved++;
	else
		b->n++;
	b->owner[port] = (uint16_t)(i + 1);
}

/* Connections of ever new clients, until one is refused. */
static struct book *connect_all(struct stand *s, uint8_t protocol, uint32_t address)
{
	struct book *b = book_new(address);

	for (unsigned i = 0; i <= LIMIT && !b->is_full; i++) {
		struct frame f = first_packet(protocol, i, SERVER, 443);
		struct outside o = leave(s, &f);

		b->is_full = o.reason == HG_DROP_NAT_NO_PORT;
		b->no_place += o.reason == HG_DROP_FLOW_TABLE_FULL;
		if (!o.reason && o.address == address)
			book_put(b, o.port, i);
	}
	return b;
}

/* How many of 'n' connections' answers, from the first of every 'step' ports on, come back
 * to their client and its port. */
static unsigned answer_many(struct stand *s, const struct book *b, uint8_t protocol,
			    unsigned step)
{
	unsigned good = 0;

	for (unsigned port = HG_PORT_FIRST; port < 65536; port += step) {
		struct frame sent, back;
		struct result r;

		if (!b->owner[port])
			continue;
		sent = first_packet(protocol, b->owner[port] - 1U, SERVER, 443);
		back = frame_reply(&sent);
		back.daddr = address("203.0.113.20");
		back.tcp_flags = TCP_SYN | TCP_ACK;
		if (protocol == IPPROTO_ICMP)
			back.icmp_id = (uint16_t)port;
		else
			back.dport = (uint16_t)port;
		r = stand_run(s, "out0", HG_DOOR_IN, &back);
		good += r.allow && !memcmp(r.frame + 14 + 16, sent.saddr.bytes, 4) &&
			(protocol == IPPROTO_ICMP
				 ? load16(r.frame + 14 + 24) == sent.icmp_id
				 : load16(r.frame + 14 + 22) == sent.sport);
	}
	return good;
}

static uint64_t port_errors(struct stand *s)
{
	int fd = dataplane_map_fd(stand_plane(s), "hg_meters");
	struct hg_meter each[256] = {};
	uint64_t n = 0;
	uint32_t nat = 1;

	if (bpf_map_lookup_elem(fd, &nat, each))
		bail("no meter");
	for (size_t cpu = 0; cpu < ARRAY_SIZE(each); cpu++)
		n += each[cpu].port_errors;
	return n;
}

static uint32_t refusal(struct stand *s, uint8_t protocol, const char *server,
			unsigned port)
{
	struct frame f = first_packet(protocol, LIMIT + 7, server, port);

	return leave(s, &f).reason;
}

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = { { IPPROTO_TCP, "TCP" },
		  { IPPROTO_UDP, "UDP" },
		  { IPPROTO_ICMP, "echo" } };

/* One protocol up to its limit. */
static void fill(struct stand *s, size_t p)
{
	const char *name = protocols[p].name;
	uint8_t number = protocols[p].number;
	_cleanup_free_ struct book *b = NULL;
	uint64_t errors = port_errors(s);

	stand_reset(s);
	b = connect_all(s, number, ONE);
	is(b->n, LIMIT, "%s: 55,000 connections to one destination have as many ports",
	   name);
	is(b->n_moved + b->no_place, 0, "%s: none has another's, or no place", name);
	ok(b->is_full, "%s: number 55,001 is refused", name);
	is((long long)(port_errors(s) - errors), 1, "%s: and counted, and no other",
	   name);
	is(answer_many(s, b, number, 11), LIMIT / 11,
	   "%s: the answers find the way back to who was asking", name);
	is_reason(refusal(s, number, "198.51.100.2", 443), 0,
		  "%s: another destination has ports of its own", name);
	if (number != IPPROTO_ICMP)
		is_reason(refusal(s, number, SERVER, 444), 0,
			  "%s: so has another port of the same one", name);
}

/* Without an agent that sweeps: what is over is found by packets. */
static void expiry(struct stand *s)
{
	_cleanup_free_ struct book *b = NULL;
	unsigned n = 0;

	stand_reset(s);
	b = connect_all(s, IPPROTO_UDP, ONE);
	stand_wait(s, IDLE - 400);
	for (unsigned port = HG_PORT_FIRST; port < 65536; port++) {
		struct frame f;

		if (port % 550 == 0 || !b->owner[port])
			continue;
		f = first_packet(IPPROTO_UDP, b->owner[port] - 1U, SERVER, 443);
		n += leave(s, &f).port == port;
	}
	is(n, LIMIT - LIMIT / 550, "connections that speak again keep their ports");
	is_reason(refusal(s, IPPROTO_UDP, SERVER, 443), HG_DROP_NAT_NO_PORT,
		  "and those of silent ones stay taken");
	stand_wait(s, 401);
	n = 0;
	for (unsigned i = 0; i < 1000; i++) {
		struct frame f = first_packet(IPPROTO_UDP, LIMIT + i, SERVER, 443);
		struct outside o = leave(s, &f);

		n += !o.reason && o.port % 550 == 0;
		stand_wait(s, 1);
	}
	is(n, LIMIT / 550, "until they are over: then all of them are found again");
	is_reason(refusal(s, IPPROTO_UDP, SERVER, 443), HG_DROP_NAT_NO_PORT,
		  "and no other");
}

static void own_port(struct stand *s)
{
	struct frame f = frame_udp("10.0.16.10", 23456, SERVER, 53);
	struct outside first, second;

	stand_reset(s);
	is(leave(s, &f).port, 23456, "a client's own port is kept when nobody has it");
	f.saddr = address("10.0.16.11");
	first = leave(s, &f);
	ok(!first.reason && first.port != 23456 && first.port >= HG_PORT_FIRST,
	   "the next client that has the same one gets another");
	is(leave(s, &f).port, first.port, "and keeps it");
	f = frame_udp("10.0.16.10", HG_PORT_FIRST - 1, SERVER, 53);
	first = leave(s, &f);
	ok(!first.reason && first.port >= HG_PORT_FIRST,
	   "a port below those of a NAT gateway is not kept");
	f = frame_udp("10.0.16.10", HG_PORT_FIRST, SERVER, 53);
	is(leave(s, &f).port, HG_PORT_FIRST, "the lowest of them is");
	f = frame_udp("10.0.16.10", 65535, SERVER, 53);
	is(leave(s, &f).port, 65535, "so is the highest");
	f = frame_udp("10.0.16.12", 1000, SERVER, 53);
	first = leave(s, &f);
	stand_reset(s);
	stand_wait(s, 1);
	second = leave(s, &f);
	ok(first.port != second.port, "what port it will be nobody can tell");
}

/* Two addresses: the second serves when the first has nothing left, for each client. */
static void addresses(struct stand *s)
{
	_cleanup_free_ struct book *one = book_new(ONE), *two = book_new(TWO);
	uint64_t errors = port_errors(s);
	unsigned n = 0, unstable = 0;
	uint32_t last = 0;

	stand_reset(s);
	for (unsigned i = 0; i <= 2 * LIMIT; i++) {
		struct frame f = first_packet(IPPROTO_TCP, i, SERVER, 443);
		struct outside o = leave(s, &f);

		if (o.reason == HG_DROP_NAT_NO_PORT)
			break;
		n += !o.reason;
		unstable += i < LIMIT / 2 && i % CONNECTIONS && o.address != last;
		last = o.address;
		book_put(o.address == ONE ? one : two, o.port, i / 2);
	}
	is(one->n, LIMIT, "of two addresses the first has 55,000 ports");
	is(two->n, LIMIT, "and so has the second");
	is(n, one->n + one->n_moved + two->n + two->n_moved, "for all that were let out");
	is(unstable, 0, "a client keeps its address as long as that has ports");
	is((long long)(port_errors(s) - errors), 1, "one is refused, and counted once");
}

int main(void)
{
	struct stand *s = stand_new(1 << 19);

	stand_rules(s, RULES("'one'"));
	own_port(s);
	for (size_t p = 0; p < ARRAY_SIZE(protocols); p++)
		fill(s, p);
	expiry(s);
	stand_rules(s, RULES("'one', 'two'"));
	addresses(s);
	stand_free(s);
	return done();
}
