/* SPDX-License-Identifier: Apache-2.0 */

/* Two CPUs at one NAT gateway, towards one destination: the same connections at once, the last
 * free ports at once, and new ones while the agent sweeps what is over. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/port.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "flow/port.h"
#include "flow/table.h"
#include "tests/lib/cable.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define SETS    (1 << 19)
#define SERVER  "198.51.100.1"
#define IDLE    300
#define THREADS 2
#define SAME    12000 /* connections that both open */
#define EACH    28000 /* connections of one: more than there are ports, together */
#define FEW     16    /* ports can be without a place in the flow table */

static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.0.0.0/16'] } },"
	"  'subnets': { 'private': { 'vpc': 'v', 'device': 'in0',"
	"      'cidrs': ['10.0.16.0/20'] },"
	"    'public': { 'vpc': 'v', 'cidrs': ['10.0.0.0/24'],"
	"      'route_table': 'public' } },"
	"  'internet_gateways': { 'igw': { 'vpc': 'v', 'device': 'out0',"
	"      'next_hop': ['203.0.113.1'] } },"
	"  'elastic_ips': { 'one': { 'address': '203.0.113.20' } },"
	"  'nat_gateways': { 'nat': { 'subnet': 'public', 'private_address': '10.0.0.5',"
	"      'idle_timeout': 300, 'elastic_ips': ['one'] } },"
	"  'route_tables': {"
	"    'public': { 'vpc': 'v', 'routes': ["
	"      { 'to': '0.0.0.0/0', 'via': 'internet_gateway/igw' } ] },"
	"    'private': { 'vpc': 'v', 'main': true, 'routes': ["
	"      { 'to': '0.0.0.0/0', 'via': 'nat_gateway/nat' } ] } } }";

/* What one CPU does, and what it saw. */
struct runner {
	pthread_t thread;
	struct stand *stand;
	int cpu;
	unsigned first, n; /* connections */
	unsigned sent, lost;
	uint16_t port[SAME > EACH ? SAME : EACH]; /* of each connection, 0: none */
};

static struct runner runners[THREADS];
static atomic_uint ready;
static uint32_t inside, outside; /* interfaces of the two devices */

static unsigned load16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Number 'i': 60 clients want each port of their own. */
static size_t build(uint8_t *frame, unsigned i)
{
	static const struct addr server = { .family = 4, .bytes = { 198, 51, 100, 1 } };
	struct frame f = { .saddr = { .family = 4, .bytes = { 10, 0, 16, 20 + i % 60 } },
			   .daddr = server,
			   .protocol = IPPROTO_UDP,
			   .sport = 20000 + i / 60,
			   .dport = 443,
			   .payload = 18 };

	return frame_build(&f, frame, FRAME_MAX, NULL);
}

static size_t build_answer(uint8_t *frame, unsigned port)
{
	struct frame f = { .saddr = { .family = 4, .bytes = { 198, 51, 100, 1 } },
			   .daddr = { .family = 4, .bytes = { 203, 0, 113, 20 } },
			   .protocol = IPPROTO_UDP,
			   .sport = 443,
			   .dport = port,
			   .payload = 18 };

	return frame_build(&f, frame, FRAME_MAX, NULL);
}

/* Whether it passed; 'out' is how it left. */
static bool pass(struct runner *r, uint32_t ifindex, const uint8_t *frame, size_t size,
		 uint8_t *out)
{
	size_t out_size = FRAME_MAX;
	int code = -1;

	r->sent++;
	return dataplane_run(stand_plane(r->stand), PROGRAM_IN, ifindex, frame, size, out,
			     &out_size, &code) == 0 &&
	       code != 2;
}

/* Opens number 'i' and hears an answer. */
static void converse(struct runner *r, unsigned i)
{
	uint8_t frame[FRAME_MAX], out[FRAME_MAX], back[FRAME_MAX];
	size_t size = build(frame, r->first + i);
	unsigned port;

	r->port[i] = 0;
	if (!pass(r, inside, frame, size, out))
		return;
	port = load16(out + 34);
	r->port[i] = (uint16_t)port;
	size = build_answer(back, port);
	if (!pass(r, outside, back, size, out) || memcmp(out + 30, frame + 26, 4) ||
	    memcmp(out + 36, frame + 34, 2))
		r->lost++;
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
	for (unsigned i = 0; i < r->n; i++)
		converse(r, i);
	return NULL;
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

/* Entries whose pair does not point back, or is not what they say. */
static unsigned count_single(const struct flow_tables *t, unsigned *ret_entries)
{
	unsigned single = 0, n = 0;

	for (uint32_t at = 0; at < t->n_sets * HG_WAYS; at++) {
		const struct hg_flow4 *e = &t->sets4[at / HG_WAYS].way[at % HG_WAYS],
				      *pair;
		uint32_t to = e->state.pair;

		if (!e->key.live)
			continue;
		n++;
		if (!to || to > t->n_sets * HG_WAYS) {
			single++;
			continue;
		}
		pair = &t->sets4[(to - 1) / HG_WAYS].way[(to - 1) % HG_WAYS];
		single += !pair->key.live || pair->state.pair != at + 1 ||
			  pair->key.saddr != e->nat_daddr ||
			  pair->key.daddr != e->nat_saddr ||
			  pair->key.sport != e->nat_dport ||
			  pair->key.dport != e->nat_sport;
	}
	*ret_entries = n;
	return single;
}

/* Words whose bit of 'full' lies. */
static unsigned count_lies(const struct hg_port_set *sets)
{
	unsigned lies = 0;

	for (int i = 0; i < HG_PORT_SETS; i++)
		for (unsigned w = 0; sets[i].key.live && w < HG_PORT_WORDS; w++)
			lies += (sets[i].taken[w] == ~0ULL) !=
				(sets[i].full[w / 64] >> w % 64 & 1);
	return lies;
}

/* Ports that are in use, though the set of all that is known says that they are free. */
static unsigned count_hidden(const struct flow_tables *t)
{
	unsigned n = 0;

	for (int i = 0; i < HG_PORT_SETS; i++) {
		const struct hg_port_set *set = &t->ports[i];

		if (set->key.live != HG_PORT_LIVE || set->next < HG_PORTS)
			continue;
		for (uint32_t at = 0; at < t->n_sets * HG_WAYS; at++) {
			struct hg_key4 key = t->sets4[at / HG_WAYS].way[at % HG_WAYS].key;
			uint32_t bit = ntohs(key.dport) - HG_PORT_FIRST;

			key.dport = 0;
			if (!memcmp(&key, &set->key, sizeof(key)) && bit < HG_PORTS)
				n += !(set->taken[bit >> 6] >> (bit & 63) & 1);
		}
	}
	return n;
}

/* Ports that two connections believe to have. */
static unsigned count_twice(unsigned *ret_ports)
{
	static unsigned owner[65536];
	unsigned twice = 0, n = 0;

	memset(owner, 0, sizeof(owner));
	for (int k = 0; k < THREADS; k++)
		for (unsigned i = 0; i < runners[k].n; i++) {
			unsigned port = runners[k].port[i], id = runners[k].first + i + 1;

			if (!port)
				continue;
			n += !owner[port];
			twice += owner[port] && owner[port] != id;
			owner[port] = id;
		}
	*ret_ports = n;
	return twice;
}

static unsigned counted(struct stand *s, uint32_t reason)
{
	struct hg_counters c;
	unsigned n;

	if (dataplane_counters(stand_plane(s), 1, &c) < 0)
		bail("no counters");
	if (reason)
		return c.dropped[reason];
	n = c.passed;
	for (int i = 0; i < HG_DROPS; i++)
		n += c.dropped[i];
	return n;
}

/* Both CPUs, 'n' connections each from 'first' on and 'apart'; the agent sweeps if told to. */
static void race(struct stand *s, unsigned n, unsigned first, unsigned apart, bool sweeps)
{
	struct flow_tables t = tables(s);
	struct flow_census census = {};

	atomic_store(&ready, 0);
	for (int k = 0; k < THREADS; k++) {
		struct runner *r = &runners[k];

		r->first = first + k * apart;
		r->n = n;
		r->sent = r->lost = 0;
		if (pthread_create(&r->thread, NULL, run, r))
			bail("no thread");
	}
	for (int round = 0; sweeps && round < 3; round++) {
		flow_sweep(&t, dataplane_now(stand_plane(s)), 0, t.n_sets, &census);
		port_sweep(t.ports, dataplane_now(stand_plane(s)), 60 * t.hz);
	}
	for (int k = 0; k < THREADS; k++)
		pthread_join(runners[k].thread, NULL);
	if (sweeps)
		note("%llu entries swept meanwhile", (unsigned long long)census.freed);
}

/* What holds after every race. 'before' is what had been counted. */
static void check(struct stand *s, const char *what, unsigned before)
{
	struct flow_tables t = tables(s);
	unsigned n_ports, n_entries, sent = 0, lost = 0;

	for (int k = 0; k < THREADS; k++) {
		sent += runners[k].sent;
		lost += runners[k].lost;
	}
	is(count_twice(&n_ports), 0, "%s: no port is given twice", what);
	is(lost, 0, "%s: every answer finds who asked", what);
	is(counted(s, 0) - before, sent, "%s: each packet is counted, once", what);
	is(count_single(&t, &n_entries), 0, "%s: entries are in pairs that agree", what);
	is(count_lies(t.ports), 0,
	   "%s: no word of ports is called full that is not, or not", what);
	is(count_hidden(&t), 0, "%s: no port in use is called free", what);
	note("%u ports, %u entries; so far %u had no port, %u no place, %u no lock",
	     n_ports, n_entries, counted(s, HG_DROP_NAT_NO_PORT),
	     counted(s, HG_DROP_FLOW_TABLE_FULL), counted(s, HG_DROP_INTERNAL));
}

static void same(struct stand *s)
{
	unsigned before = counted(s, 0), locked = counted(s, HG_DROP_INTERNAL);
	unsigned differ = 0, none = 0, n;
	struct flow_tables t = tables(s);

	race(s, SAME, 0, 0, false);
	check(s, "the same connections", before);
	for (unsigned i = 0; i < SAME; i++) {
		const uint16_t *a = &runners[0].port[i], *b = &runners[1].port[i];

		none += !*a + !*b;
		differ += *a && *b && *a != *b;
	}
	is(differ, 0, "the same connections: both CPUs see one port");
	is(none, counted(s, HG_DROP_INTERNAL) - locked,
	   "the same connections: none is refused, but when a thread stood still under a "
	   "lock");
	count_single(&t, &n);
	is(n, 2 * SAME, "the same connections: each is there once");
}

static void last(struct stand *s)
{
	unsigned before = counted(s, 0), no_port = counted(s, HG_DROP_NAT_NO_PORT),
		 others = counted(s, HG_DROP_FLOW_TABLE_FULL) +
			  counted(s, HG_DROP_INTERNAL),
		 n;

	race(s, EACH, 0, EACH, false);
	check(s, "the last ports", before);
	count_twice(&n);
	others = counted(s, HG_DROP_FLOW_TABLE_FULL) + counted(s, HG_DROP_INTERNAL) -
		 others;
	ok(n >= HG_PORTS - FEW && n <= HG_PORTS, "the last ports: all of them are found");
	is(counted(s, HG_DROP_NAT_NO_PORT) - no_port, 2 * EACH - n - others,
	   "the last ports: who has none is told why");
}

static void swept(struct stand *s)
{
	unsigned before = counted(s, 0), n;

	stand_wait(s, IDLE + 1);
	race(s, EACH - 4000, 2 * EACH, EACH, true);
	check(s, "under the sweep", before);
	/* All at once were over: while the sweep is not yet there, few of them are found. */
	race(s, EACH - 4000, 2 * EACH, EACH, true);
	count_twice(&n);
	ok(n >= 2 * (EACH - 4000) - FEW, "under the sweep: who asks again has a port");
}

/* Both devices have an interface, so that no packet need wait for the other. */
static void plug(struct stand *s)
{
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table table = image_header(&image)->ports;
	struct hg_port *ports = (struct hg_port *)&image.lines[table.line];
	const char *const names[] = { "in0", "out0" };
	const uint32_t at[] = { inside, outside };

	for (int i = 0; i < 2; i++)
		ports[(at[i] & (table.n - 1)) * 4] = (struct hg_port){
			.ifindex = at[i],
			.device = image_device_find(&image, stand_model(s), names[i]),
			.slot = 1,
		};
}

int main(void)
{
	struct stand *s;
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) < THREADS) {
		skip("there is one CPU", "two CPUs at one NAT gateway");
		return done();
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && n < THREADS; cpu++)
		if (CPU_ISSET(cpu, &set))
			runners[n++].cpu = cpu;
	cable_open();
	inside = 1;
	outside = if_nametoindex("far");
	s = stand_new(SETS);
	stand_rules(s, rules);
	plug(s);
	for (int k = 0; k < THREADS; k++)
		runners[k].stand = s;
	same(s);
	stand_reset(s);
	last(s);
	swept(s);
	stand_free(s);
	return done();
}
