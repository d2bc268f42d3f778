/* SPDX-License-Identifier: Apache-2.0 */

/* Two CPUs at one balancer: the same connections at once, others while rule sets follow each
 * other, and the agent that cuts what both are talking through.
 *
 * The data plane is that of tests/packet/race.c, and so is what it runs on. Nobody asks here whether a target is the
 * right one, but whether a connection has one, always the same, and whether its answers come back.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "flow/cut.h"
#include "tests/lib/cable.h"
#include "tests/lib/rules.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define SETS    (1 << 17)
#define THREADS 2
#define SAME    8000 /* connections that both open */
#define EACH    6000 /* of one */
#define ROUNDS  40   /* of rule sets */
#define CROWD   60   /* clients */
#define STRAYS  2    /* of them */
#define PORT    8443
#define OTHER   9000

/* 'keys' and members of the only group. */
#define RULES(keys, targets)                                                            \
	"{ 'headgate': 1,"                                                              \
	"'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16', 'fd00:10::/56'] } },"                \
	"'subnets': { 'web': { 'vpc': 'v', 'device': 'web0', 'cidrs': ['10.0.1.0/24', " \
	"    'fd00:10:0:1::/64'] } },"                                                  \
	"'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0', 'next_hop': "    \
	"    ['203.0.113.1', '2001:db8:ff::1'] } },"                                    \
	"'target_groups': { 'web': { 'vpc': 'v', 'port': 8443, 'protocol': 'tcp_udp', " \
	"    'preserve_client_ip': " keys ", 'targets': [" targets "] } },"             \
	"'load_balancers': { 'edge': { 'vpc': 'v', 'addresses': ['203.0.113.30', "      \
	"    '2001:db8:30::1'], 'listeners': [ { 'protocol': 'tcp_udp', 'port': 443, "  \
	"'syn_protection': 'off', "                                                     \
	"    'forward': [ { 'target_group': 'web' } ] } ] } } }"

/* 'four' and 'six' end the addresses of one target. */
#define AT(four, six, port)                                    \
	"{ 'address': '10.0.1." four "', 'port': " port " }, " \
	"{ 'address': 'fd00:10:0:1::" six "', 'port': " port " }"
#define FOUR                   \
	AT("33", "21", "8443") \
	"," AT("34", "22", "8443") "," AT("35", "23", "8443") "," AT("36", "24", "8443")
/* With other ports, in another order, and one that is new. */
#define THREE AT("37", "25", "9000") "," AT("34", "22", "9000") "," AT("33", "21", "9000")

#define KEEP "true"
#define HIDE "false"

/* How a client's packet left. */
struct choice {
	struct addr saddr, daddr; /* family 0: it did not */
	uint16_t sport, dport;
};

struct runner {
	pthread_t thread;
	struct stand *stand;
	int cpu, family;
	uint8_t protocol;
	unsigned first, n; /* connections */
	bool stays;        /* goes on with them until it 'ends'; else both keep step */
	unsigned lost, deaf, moved, torn, late;
	atomic_uint at, rounds;
	struct choice choice[SAME > EACH ? SAME : EACH];
};

static struct runner runners[THREADS];
static atomic_uint ready;
static atomic_bool over, ends;
static uint32_t inside, outside;

static unsigned load16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static struct frame client(const struct runner *r, unsigned i, uint8_t flags)
{
	char from[INET6_ADDRSTRLEN];
	bool is4 = r->family == 4;
	struct frame f;

	snprintf(from, sizeof(from), is4 ? "198.51.100.%u" : "2001:db8:1::%u",
		 1 + i % CROWD);
	f = frame_tcp(from, (uint16_t)(20000 + i / CROWD),
		      is4 ? "203.0.113.30" : "2001:db8:30::1", 443, flags);
	f.protocol = r->protocol;
	f.payload = 18;
	f.seq = i * 7919;
	return f;
}

/* How it left, if it did. */
static struct choice pass(struct runner *r, uint32_t ifindex, const struct frame *f)
{
	uint8_t frame[FRAME_MAX], out[FRAME_MAX], *at;
	size_t size = frame_build(f, frame, sizeof(frame), NULL), out_size = FRAME_MAX;
	size_t width = r->family == 4 ? 4 : 16;
	struct choice c = {};
	int code = -1;

	if (dataplane_run(stand_plane(r->stand), PROGRAM_IN, ifindex, frame, size, out,
			  &out_size, &code) < 0 ||
	    code == 2)
		return c;
	at = out + (r->family == 4 ? 14 + 12 : 14 + 8);
	c.saddr.family = c.daddr.family = (uint8_t)r->family;
	memcpy(c.saddr.bytes, at, width);
	memcpy(c.daddr.bytes, at + width, width);
	c.sport = (uint16_t)load16(at + 2 * width);
	c.dport = (uint16_t)load16(at + 2 * width + 2);
	return c;
}

static bool is_same(const struct choice *a, const struct choice *b)
{
	return addr_compare(&a->saddr, &b->saddr) == 0 &&
	       addr_compare(&a->daddr, &b->daddr) == 0 && a->sport == b->sport &&
	       a->dport == b->dport;
}

/* One of those that the rules have had, at its own port. */
static bool is_target(const struct choice *c)
{
	uint8_t last = c->daddr.bytes[c->daddr.family == 4 ? 3 : 15];

	return (c->dport == PORT && last >= 0x21 && last <= 0x24) ||
	       (c->dport == OTHER && last >= 0x21 && last <= 0x25);
}

/* A client's packet, and what its target answers. */
static void turn(struct runner *r, unsigned i, uint8_t flags, uint8_t answer)
{
	struct frame f = client(r, r->first + i, flags), back = frame_reply(&f);
	struct choice *known = &r->choice[i], c = pass(r, outside, &f);
	struct choice want = { back.saddr, back.daddr, back.sport, back.dport };

	/* What comes back to the client is a reset. */
	if (!c.daddr.family || is_same(&c, &want)) {
		r->lost++;
		return;
	}
	r->late += atomic_load(&over);
	r->torn += !is_target(&c);
	if (known->daddr.family)
		r->moved += !is_same(known, &c);
	*known = c;
	back.saddr = c.daddr;
	back.sport = c.dport;
	back.daddr = c.saddr;
	back.dport = c.sport;
	back.tcp_flags = answer;
	back.ack = f.seq + 1;
	c = pass(r, inside, &back);
	r->deaf += !is_same(&c, &want);
}

static void *run(void *arg)
{
	struct runner *r = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		bail("no CPU %d", r->cpu);
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < THREADS)
		;
	for (unsigned i = 0; i < r->n; i++) {
		atomic_store(&r->at, i);
		while (!r->stays && atomic_load(&runners[r == runners].at) < i)
			;
		turn(r, i, TCP_SYN, TCP_SYN | TCP_ACK);
	}
	atomic_store(&r->at, r->n);
	for (unsigned i = 0; r->stays; i = i + 1 < r->n ? i + 1 : 0) {
		if (i == 0 && atomic_fetch_add(&r->rounds, 1) > 0 && atomic_load(&ends))
			break;
		turn(r, i, TCP_ACK, TCP_ACK);
	}
	return NULL;
}

static void begin(int family, uint8_t protocol, unsigned n, unsigned apart, bool stays)
{
	atomic_store(&ready, 0);
	atomic_store(&over, false);
	atomic_store(&ends, false);
	for (int k = 0; k < THREADS; k++) {
		struct runner *r = &runners[k];

		r->family = family;
		r->protocol = protocol;
		r->first = k * apart;
		r->n = n;
		r->stays = stays;
		r->lost = r->deaf = r->moved = r->torn = r->late = 0;
		atomic_store(&r->rounds, 0);
		atomic_store(&r->at, 0);
		memset(r->choice, 0, sizeof(r->choice));
		if (pthread_create(&r->thread, NULL, run, r))
			bail("no thread");
	}
}

static void end(void)
{
	atomic_store(&ends, true);
	for (int k = 0; k < THREADS; k++)
		pthread_join(runners[k].thread, NULL);
}

/* Until both have gone through all their connections 'n' times more. */
static void wait_rounds(unsigned n)
{
	unsigned from[THREADS];

	for (int k = 0; k < THREADS; k++)
		from[k] = atomic_load(&runners[k].rounds);
	for (int k = 0; k < THREADS; k++)
		while (atomic_load(&runners[k].rounds) - from[k] < n)
			sched_yield();
}

/* ---- rules ---- */

/* In force at once with both devices, so that no packet sees an image without them. */
static void plug(struct image *image, const struct model *m)
{
	struct hg_table table = image_header(image)->ports;
	struct hg_port *ports = (struct hg_port *)&image->lines[table.line];
	const char *const names[] = { "web0", "out0" };
	const uint32_t at[] = { inside, outside };

	for (int i = 0; i < 2; i++)
		ports[(at[i] & (table.n - 1)) * 4] = (struct hg_port){
			.ifindex = at[i],
			.device = image_device_find(image, m, names[i]),
			.slot = 1,
		};
}

static void put(struct stand *s, const struct image *previous, const char *text)
{
	_cleanup_(model_freep) struct model *m = NULL;
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_free_ char *json = strdup(text);
	const struct facts facts = { .previous = previous };

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	image = rules_image(json, &facts, &m);
	image_enliven(image, false);
	plug(image, m);
	if (dataplane_switch(stand_plane(s), image) < 0)
		bail("cannot switch: %s", dataplane_error());
}

/* ---- what is left behind ---- */

static struct flow_tables tables(struct stand *s)
{
	struct dataplane *dp = stand_plane(s);
	struct flow_tables t = { .hz = dataplane_hz(dp), .ports = dataplane_ports(dp) };

	t.sets4 = dataplane_flows4(dp, &t.n_sets);
	t.sets6 = dataplane_flows6(dp, &t.n_sets);
	return t;
}

/* Entries whose pair does not point back; those that are not cut. */
static unsigned count(struct stand *s, int family, unsigned *ret_single,
		      unsigned *ret_alive)
{
	struct flow_tables t = tables(s);
	unsigned n = 0, single = 0, alive = 0;

	for (uint32_t at = 0; at < t.n_sets * HG_WAYS; at++) {
		const struct hg_flow4 *a = &t.sets4[at / HG_WAYS].way[at % HG_WAYS];
		const struct hg_flow6 *b = &t.sets6[at / HG_WAYS].way[at % HG_WAYS];
		const struct hg_state *e = family == 4 ? &a->state : &b->state, *pair;
		uint32_t to = e->pair - 1;

		if (!(family == 4 ? a->key.live : b->key.live))
			continue;
		n++;
		alive += HG_LIFE_TIMEOUT(e->life) != 0;
		if (!e->pair || to >= t.n_sets * HG_WAYS) {
			single++;
			continue;
		}
		pair = family == 4 ? &t.sets4[to / HG_WAYS].way[to % HG_WAYS].state
				   : &t.sets6[to / HG_WAYS].way[to % HG_WAYS].state;
		single += pair->pair != at + 1;
	}
	*ret_single = single;
	*ret_alive = alive;
	return n;
}

static unsigned sum(unsigned (*of)(const struct runner *))
{
	unsigned n = 0;

	for (int k = 0; k < THREADS; k++)
		n += of(&runners[k]);
	return n;
}

static unsigned lost(const struct runner *r)
{
	return r->lost;
}

static unsigned deaf(const struct runner *r)
{
	return r->deaf;
}

static unsigned moved(const struct runner *r)
{
	return r->moved;
}

static unsigned torn(const struct runner *r)
{
	return r->torn;
}

static unsigned late(const struct runner *r)
{
	return r->late;
}

/* Ports that two connections have at one target. */
static unsigned twice(void)
{
	static unsigned owner[65536][16];
	unsigned n = 0;

	memset(owner, 0, sizeof(owner));
	for (int k = 0; k < THREADS; k++)
		for (unsigned i = 0; i < runners[k].n; i++) {
			const struct choice *c = &runners[k].choice[i];
			unsigned last =
				(c->daddr.bytes[c->daddr.family == 4 ? 3 : 15] & 7) << 1 |
				(c->dport == PORT);
			unsigned *at = &owner[c->sport][last],
				 id = runners[k].first + i + 1;

			n += c->daddr.family && *at && *at != id;
			*at = id;
		}
	return n;
}

/* A thread that stood still under a lock has kept the other from an entry, or, when its
 * connection's other entry was shared, from both. */
static uint64_t locked(struct stand *s)
{
	struct hg_counters c;

	if (dataplane_counters(stand_plane(s), 1, &c) < 0)
		bail("no counters");
	return c.dropped[HG_DROP_INTERNAL] + c.dropped[HG_DROP_FLOW_TABLE_FULL];
}

/* ---- stories ---- */

/* Both CPUs open the same connections: by the same packets, at the same time. */
static void same(struct stand *s, const char *keys, int family, uint8_t protocol)
{
	const char *what = strcmp(keys, KEEP) == 0 ? "preserved" : "hidden";
	unsigned differ = 0, known = 0, single, alive, n;
	uint64_t before = locked(s);

	stand_reset(s);
	put(s, NULL, strcmp(keys, KEEP) == 0 ? RULES(KEEP, FOUR) : RULES(HIDE, FOUR));
	begin(family, protocol, SAME, 0, false);
	end();
	note("IPv%d, %s, protocol %u: %lu refused under a lock", family, what, protocol,
	     (unsigned long)(locked(s) - before));
	for (unsigned i = 0; i < SAME; i++) {
		const struct choice *a = &runners[0].choice[i],
				    *b = &runners[1].choice[i];

		known += a->daddr.family || b->daddr.family;
		differ += a->daddr.family && b->daddr.family && !is_same(a, b);
	}
	is(sum(lost), locked(s) - before,
	   "none is refused, but when a thread stood still under a lock");
	is(differ, 0, "both CPUs send a connection to one target, from one port");
	/* Where both fail at one lock or another, an entry may be left that has no other. */
	ok(sum(deaf) <= STRAYS, "every answer finds who asked (%lu do not)",
	   (unsigned long)sum(deaf));
	is(sum(torn), 0, "nobody hears who is no target");
	n = count(s, family, &single, &alive);
	ok(n <= 2 * known && n + STRAYS >= 2 * known,
	   "each connection is there once (%u entries of %u)", n, known);
	is(single, 0, "entries are in pairs that agree");
}

/* While rule sets follow each other. */
static void applied(struct stand *s, bool hides, int family)
{
	unsigned single, alive;

	stand_reset(s);
	put(s, NULL, hides ? RULES(HIDE, FOUR) : RULES(KEEP, FOUR));
	begin(family, IPPROTO_TCP, EACH, EACH, true);
	for (int i = 0; i < ROUNDS; i++) {
		put(s, NULL, hides ? RULES(HIDE, THREE) : RULES(KEEP, THREE));
		put(s, NULL, hides ? RULES(HIDE, FOUR) : RULES(KEEP, FOUR));
	}
	wait_rounds(1);
	end();
	note("IPv%d, %s, under %d rule sets", family, hides ? "hidden" : "preserved",
	     2 * ROUNDS);
	is(sum(lost), 0, "no packet is lost");
	is(sum(moved), 0, "no connection moves");
	is(sum(torn), 0, "nobody hears who is no target");
	is(sum(deaf), 0, "every answer finds who asked");
	is(hides ? twice() : 0, 0, "no port is given twice");
	is(count(s, family, &single, &alive), 4 * EACH, "each connection is there once");
	is(single, 0, "entries are in pairs that agree");
}

static size_t cuts(struct stand *s, int family, struct flow_target *ret)
{
	struct image image = dataplane_image(stand_plane(s));
	const struct hg_vip *v =
		(const struct hg_vip *)&image.lines[image_header(&image)->vips.line + 1];

	for (unsigned i = 0; i < 4; i++) {
		char text[INET6_ADDRSTRLEN];
		struct addr a;

		snprintf(text, sizeof(text),
			 family == 4 ? "10.0.1.%u" : "fd00:10:0:1::%x", 0x21 + i);
		a = address(text);
		ret[i] = (struct flow_target){ .meter = v->meter,
					       .port = htons(PORT),
					       .protocol = IPPROTO_TCP,
					       .family = a.family };
		memcpy(&ret[i].address, a.bytes, sizeof(ret[i].address));
	}
	return flow_cuts_sort(ret, 4);
}

/* While the agent cuts all of them: twice, as it does. */
static void cut(struct stand *s, bool hides, int family)
{
	struct flow_tables t = tables(s);
	struct flow_target list[4];
	unsigned single, alive, n_cut, n_there;
	uint64_t before = locked(s);
	size_t n;

	stand_reset(s);
	put(s, NULL, hides ? RULES(HIDE, FOUR) : RULES(KEEP, FOUR));
	begin(family, IPPROTO_TCP, EACH, EACH, true);
	wait_rounds(2);
	n = cuts(s, family, list);
	n_cut = flow_cut(&t, list, n, dataplane_now(stand_plane(s)), 0, t.n_sets);
	wait_rounds(1);
	flow_cut(&t, list, n, dataplane_now(stand_plane(s)), 0, t.n_sets);
	wait_rounds(1);
	atomic_store(&over, true);
	wait_rounds(2);
	end();
	note("IPv%d, %s, cut: %lu refused under a lock", family,
	     hides ? "hidden" : "preserved", (unsigned long)(locked(s) - before));
	ok(n_cut > EACH, "connections are cut (%u of %u by the first walk)", n_cut,
	   2 * EACH);
	is(sum(moved), 0, "none moves");
	is(sum(torn), 0, "nobody hears who is no target");
	is(sum(late), 0, "after the second walk no packet gets through");
	n_there = count(s, family, &single, &alive);
	ok(n_there <= 4 * EACH && n_there + 2 * (locked(s) - before) >= 4 * EACH,
	   "all entries are there (%u)", n_there);
	is(alive, 0, "and none of them lives");
	is(single, 0, "entries are in pairs that agree");
}

int main(void)
{
	struct stand *s;
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) < THREADS) {
		skip("there is one CPU", "two CPUs at one balancer");
		return done();
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && n < THREADS; cpu++)
		if (CPU_ISSET(cpu, &set))
			runners[n++].cpu = cpu;
	cable_open();
	inside = 1;
	outside = if_nametoindex("far");
	s = stand_new(SETS);
	for (int k = 0; k < THREADS; k++)
		runners[k].stand = s;
	for (int family = 4; family <= 6; family += 2) {
		same(s, KEEP, family, IPPROTO_TCP);
		same(s, KEEP, family, IPPROTO_UDP);
		same(s, HIDE, family, IPPROTO_TCP);
		same(s, HIDE, family, IPPROTO_UDP);
		for (int hides = 0; hides < 2; hides++) {
			applied(s, hides, family);
			cut(s, hides, family);
		}
	}
	stand_free(s);
	return done();
}
