/* SPDX-License-Identifier: Apache-2.0 */

/* What a NAT gateway and a load balancer cost: BPF_PROG_TEST_RUN of the product's doors and of
 * its choice of ports behind a generator (bench.bpf.c), net of the generator. Medians of
 * interleaved rounds; docs/performance.md has a run of it.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <hg/flow.h>
#include <hg/hop.h>
#include <hg/port.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "compile/image.h"
#include "tests/bench/bench.skel.h"
#include "tests/lib/rules.h"

#define ROUNDS      9
#define IMAGE_LINES (1U << 16)
#define LOOPBACK    1
#define TCP_SYN     2
#define TCP_ACK     16

/* bench_mode of bench.bpf.c */
enum { PORT_KEEP, PORT_GIVE_BACK, PORT_BASE };

static struct bench_bpf *bench;
static struct hg_set4 *flows;
static struct hg_port_set *ports;
static uint32_t n_sets;

static _Noreturn void die(const char *what, int r)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void *map_memory(struct bpf_map *m)
{
	size_t size = (size_t)bpf_map__value_size(m) * bpf_map__max_entries(m);
	void *p = mmap(NULL, (size + 4095) & ~4095UL, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(m), 0);

	if (p == MAP_FAILED)
		die(bpf_map__name(m), -errno);
	return p;
}

static void load(uint32_t max_flows)
{
	int r;

	n_sets = hg_flow_sets(max_flows);
	libbpf_set_print(print);
	bench = bench_bpf__open();
	if (!bench)
		die("open", -errno);
	bpf_map__set_max_entries(bench->maps.hg_flows4, n_sets);
	bpf_map__set_max_entries(bench->maps.hg_tags4, n_sets);
	bpf_map__set_max_entries(bench->maps.hg_image, IMAGE_LINES);
	bench->rodata->hg_flow_mask = n_sets - 1;
	r = bench_bpf__load(bench);
	if (r)
		die("load", r);
	flows = map_memory(bench->maps.hg_flows4);
	ports = map_memory(bench->maps.hg_ports);
}

/* ---- rules ---- */

static const char nat_rules[] =
	"{ \"headgate\": 1, \"vpcs\": { \"v\": { \"cidrs\": [\"10.0.0.0/16\"] } },"
	"  \"settings\": { \"timeouts\": { \"tcp_syn\": 300 } },"
	"  \"subnets\": { \"private\": { \"vpc\": \"v\", \"device\": \"in0\","
	"      \"cidrs\": [\"10.0.16.0/20\"] },"
	"    \"public\": { \"vpc\": \"v\", \"cidrs\": [\"10.0.0.0/24\"],"
	"      \"route_table\": \"public\" } },"
	"  \"internet_gateways\": { \"igw\": { \"vpc\": \"v\", \"device\": \"out0\","
	"      \"next_hop\": [\"203.0.113.1\"] } },"
	"  \"elastic_ips\": { \"one\": { \"address\": \"203.0.113.20\" } },"
	"  \"nat_gateways\": { \"nat\": { \"subnet\": \"public\","
	"      \"private_address\": \"10.0.0.5\", \"elastic_ips\": [\"one\"] } },"
	"  \"route_tables\": {"
	"    \"public\": { \"vpc\": \"v\", \"routes\": ["
	"      { \"to\": \"0.0.0.0/0\", \"via\": \"internet_gateway/igw\" } ] },"
	"    \"private\": { \"vpc\": \"v\", \"main\": true, \"routes\": ["
	"      { \"to\": \"0.0.0.0/0\", \"via\": \"nat_gateway/nat\" } ] } } }";

#define CLIENT  0x0a00100aU /* 10.0.16.10 and the next */
#define CLIENTS 20U         /* 50,000 connections each */
#define SERVER  0xc6120001U
#define ELASTIC 0xcb007114U

/* Clients are outside; each is a connection of one of so many targets. */
static const char balancer_rules[] =
	"{ \"headgate\": 1, \"vpcs\": { \"v\": { \"cidrs\": [\"10.0.0.0/16\"] } },"
	"  \"settings\": { \"tcp_loose\": %s },"
	"  \"subnets\": { \"private\": { \"vpc\": \"v\", \"device\": \"in0\","
	"      \"cidrs\": [\"10.0.32.0/20\"] } },"
	"  \"internet_gateways\": { \"igw\": { \"vpc\": \"v\", \"device\": \"out0\","
	"      \"next_hop\": [\"203.0.113.1\"] } },"
	"  \"route_tables\": { \"main\": { \"vpc\": \"v\", \"main\": true, \"routes\": ["
	"      { \"to\": \"0.0.0.0/0\", \"via\": \"internet_gateway/igw\" } ] } },"
	"  \"load_balancers\": { \"edge\": { \"addresses\": [\"203.0.113.30\"],"
	"      \"listeners\": [ { \"protocol\": \"tcp\", \"port\": 443,"
	"        \"syn_protection\": \"%s\","
	"        \"forward\": [ { \"target_group\": \"web\" } ] } ] } },"
	"  \"target_groups\": { \"web\": { \"protocol\": \"tcp\", \"port\": 8443,"
	"      \"preserve_client_ip\": %s, \"targets\": [";

#define OUTSIDE 0x0b000000U /* 11.0.0.0 and the next */
#define TARGET  0x0a002010U /* 10.0.32.16 and the next */
#define TARGETS 100U
#define VIRTUAL 0xcb00711eU

static uint32_t in_id, out_id;
static struct hg_port *port; /* of lo, where test runs come from */

static void hop_put(struct hg_hop *hops, uint32_t address)
{
	struct hg_addr a = { .w = { htonl(address) } };
	uint32_t i = (hg_hop_hash(LOOPBACK, a.w) & (HG_HOP_SETS - 1)) * HG_HOP_WAYS;

	while (!i || hops[i].ifindex)
		i++;
	hops[i] = (struct hg_hop){ .addr = a,
				   .ifindex = LOOPBACK,
				   .mac.byte = { 2, 0, 0, 0, 0, 1, HG_HOP_RESOLVED },
				   .mtu = 1500 };
}

/* Both devices are lo; which of them a packet comes in by is what the port table says. Clients
 * are behind 'in', servers behind 'out'. */
static void apply(const char *rules, const char *in, const char *out)
{
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(model_freep) struct model *model = NULL;
	struct hg_line *lines = map_memory(bench->maps.hg_image);
	struct hg_control *control = map_memory(bench->maps.hg_control);
	struct hg_hop *hops = map_memory(bench->maps.hg_hops);
	const struct hg_header *h;

	image = rules_image(rules, NULL, &model);
	if (image->n_lines > IMAGE_LINES)
		die("image", -E2BIG);
	memcpy(lines, image->lines, image->n_lines * HG_LINE);
	h = (const struct hg_header *)lines;
	for (uint32_t id = 1; id < h->devices.n; id++) {
		struct hg_device *d = (struct hg_device *)(lines + h->devices.line + id);

		d->ifindex = LOOPBACK;
		d->flags = HG_DEVICE_XDP | HG_DEVICE_PUNT;
		d->mtu = 1500;
		d->mac[0] = d->mac[5] = 2;
	}
	in_id = image_device_find(image, model, in);
	out_id = image_device_find(image, model, out);
	port = (struct hg_port *)(lines + h->ports.line) +
	       (size_t)(LOOPBACK & (h->ports.n - 1)) * 4;
	hop_put(hops, 0xcb007101);
	for (uint32_t i = 0; i < CLIENTS; i++)
		hop_put(hops, CLIENT + i);
	for (uint32_t i = 0; i < TARGETS; i++)
		hop_put(hops, TARGET + i);
	control->word = 1ULL << 32;
}

/* ---- running ---- */

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t frame_size = 64;

/* CPU time of 'n' runs, each. */
static double run(struct bpf_program *program, uint32_t n, uint32_t *ret)
{
	static uint8_t frame[64];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = frame_size,
		    .repeat = (int)n);
	double t = cpu_ns();
	int r = bpf_prog_test_run_opts(bpf_program__fd(program), &o);

	if (r)
		die("run", r);
	if (ret)
		*ret = o.retval;
	return (cpu_ns() - t) / n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *name, double net[ROUNDS])
{
	qsort(net, ROUNDS, sizeof(net[0]), compare);
	printf("  %-56s %7.1f   %7.1f .. %.1f\n", name, net[ROUNDS / 2], net[0],
	       net[ROUNDS - 1]);
	fflush(stdout);
}

/* ---- ports ---- */

static uint32_t flows_count(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_sets; i++)
		for (int w = 0; w < HG_WAYS; w++)
			n += flows[i].way[w].key.live != 0;
	return n;
}

/* Connections until 'n' ports are taken. */
static void ports_fill(uint32_t n)
{
	uint32_t have = flows_count();

	bench->bss->bench_mode = PORT_KEEP;
	bench->bss->bench_any = 1;
	while (have < n) {
		uint32_t before = have;

		run(bench->progs.bench_port, n - have, NULL);
		have = flows_count();
		if (have == before)
			die("no ports", -EBUSY);
	}
}

static void ports_measure(const char *name, bool any, bool is_refused)
{
	const uint32_t n = 200000;
	double net[ROUNDS];
	uint64_t refused = bench->bss->bench_refused;

	bench->bss->bench_any = any;
	for (int i = 0; i < ROUNDS; i++) {
		double base;

		bench->bss->bench_mode = PORT_BASE;
		base = run(bench->progs.bench_port, n, NULL);
		bench->bss->bench_mode = PORT_GIVE_BACK;
		net[i] = run(bench->progs.bench_port, n, NULL) - base;
	}
	if (bench->bss->bench_refused - refused != (is_refused ? ROUNDS * n : 0))
		die(name, -EPROTO);
	report(name, net);
}

static void bench_ports(void)
{
	printf("  %-56s %7s   %s\n", "net ns a port, chosen and given back, one CPU",
	       "median", "least .. most");
	bench->data->bench_flows = 0;
	ports_measure("the client's own", false, false);
	ports_measure("another, none taken", true, false);
	ports_fill(HG_PORTS / 2);
	ports_measure("another, 50 % taken", true, false);
	ports_fill(HG_PORTS / 10 * 9);
	ports_measure("another, 90 % taken", true, false);
	ports_fill(HG_PORTS / 100 * 99);
	ports_measure("another, 99 % taken", true, false);
	ports_fill(HG_PORTS - 1);
	ports_measure("another, one left", true, false);
	ports_fill(HG_PORTS);
	ports_measure("refused, all taken", true, true);
}

/* ---- packets ---- */

static void forget(void)
{
	memset(flows, 0, (size_t)n_sets * sizeof(struct hg_set4));
	memset(ports, 0, sizeof(*ports) * HG_PORT_SETS);
}

static void face(bool is_reply, uint8_t flags)
{
	bench->bss->bench_is_reply = is_reply;
	bench->data->bench_flags = flags;
	*port = (struct hg_port){ .ifindex = LOOPBACK,
				  .device = is_reply ? out_id : in_id,
				  .slot = 1 };
}

/* Each of 'n' connections once, in order. */
static void phase(bool is_reply, uint8_t flags, uint32_t n)
{
	face(is_reply, flags);
	bench->data->bench_flows = 0;
	bench->bss->bench_next = 0;
	run(bench->progs.bench_nat, n, NULL);
}

/* 'is_new': every round meets an empty table. */
static void packets_measure(const char *name, uint32_t n, bool is_new)
{
	double net[ROUNDS];
	uint32_t verdict;

	run(bench->progs.bench_nat, n / 4 + 1, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		double base = run(bench->progs.bench_nat_base, n, NULL);

		if (is_new)
			forget();
		net[i] = run(bench->progs.bench_nat, n, &verdict) - base;
		if (verdict != XDP_REDIRECT)
			die(name, -EPROTO);
	}
	report(name, net);
}

static void bench_established(uint32_t n)
{
	char name[80];

	forget();
	phase(false, TCP_SYN, n);
	phase(true, TCP_SYN | TCP_ACK, n);
	phase(false, TCP_ACK, n);
	bench->data->bench_flows = n;
	snprintf(name, sizeof(name), "established, out, %u connections (%u entries)", n,
		 flows_count());
	packets_measure(name, 1000000, false);
	face(true, TCP_ACK);
	snprintf(name, sizeof(name), "established, back, %u connections", n);
	packets_measure(name, 1000000, false);
}

static void packets_begin(uint32_t max_flows, uint32_t client, uint32_t server)
{
	static const uint8_t template[] = { 2, 0, 0,    0, 0, 2,  2, 0, 0,    0, 0,  1,
					    8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6 };

	load(max_flows);
	if (bpf_xdp_attach(LOOPBACK, bpf_program__fd(bench->progs.bench_nat),
			   XDP_FLAGS_SKB_MODE, NULL))
		die("attach", -errno);
	memcpy(bench->bss->bench_template, template, sizeof(template));
	bench->bss->bench_template[46] = 0x50;
	bench->data->bench_saddr = client;
	bench->bss->bench_server = server;
	bench->bss->bench_elastic = ELASTIC;
	printf("%u sets\n", n_sets);
}

static void nat_begin(uint32_t max_flows)
{
	packets_begin(max_flows, CLIENT, SERVER);
	apply(nat_rules, "in0", "out0");
}

static void nat_new(void)
{
	forget();
	face(false, TCP_SYN);
	bench->data->bench_flows = 0;
	bench->bss->bench_next = 0;
	packets_measure("new, port and both entries", 20000, true);
}

static void bench_nat(void)
{
	printf("  %-56s %7s   %s\n", "net ns a packet, XDP door, NAT, IPv4 TCP, one CPU",
	       "median", "least .. most");
	nat_begin(HG_DEFAULT_FLOWS);
	bench_established(1000);
	nat_new();
	bench_bpf__destroy(bench);
	nat_begin(1000000);
	bench_established(1000);
	bench_established(100000);
	bench_established(1000000);
	bench_bpf__destroy(bench);
}

/* ---- a load balancer ---- */

static const char *syn_protection = "off";

static void balancer_begin(uint32_t max_flows, bool is_loose, bool is_preserved)
{
	static char text[16384];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), balancer_rules,
			     is_loose ? "true" : "false", syn_protection,
			     is_preserved ? "true" : "false");
	for (uint32_t i = 0; i < TARGETS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "%s{ \"address\": \"10.0.32.%u\" }", i ? "," : "",
				      16 + i);
	snprintf(text + n, sizeof(text) - n, "] } } }");
	packets_begin(max_flows, OUTSIDE, VIRTUAL);
	bench->bss->bench_is_one = 1;
	apply(text, "out0", "in0");
}

/* Segments of connections that another gateway had open them: whose target answers is not
 * known here. */
static void balancer_established(uint32_t n)
{
	char name[80];

	forget();
	phase(false, TCP_ACK, n);
	bench->data->bench_flows = n;
	snprintf(name, sizeof(name), "established, in, %u connections (%u entries)", n,
		 flows_count());
	packets_measure(name, 1000000, false);
}

static void balancer_new(const char *name, bool is_preserved)
{
	balancer_begin(HG_DEFAULT_FLOWS, false, is_preserved);
	forget();
	face(false, TCP_SYN);
	bench->data->bench_flows = 0;
	bench->bss->bench_next = 0;
	packets_measure(name, 20000, true);
	bench_bpf__destroy(bench);
}

static void bench_balancer(void)
{
	printf("  %-56s %7s   %s\n",
	       "net ns a packet, XDP door, 100 targets, IPv4 TCP, one CPU", "median",
	       "least .. most");
	balancer_begin(HG_DEFAULT_FLOWS, true, true);
	balancer_established(1000);
	bench_bpf__destroy(bench);
	balancer_new("new, client preserved: target and both entries", true);
	balancer_new("new, not preserved: target, port and both entries", false);
	balancer_begin(1000000, true, true);
	balancer_established(1000);
	balancer_established(1000000);
	bench_bpf__destroy(bench);
}

/* Nobody is known. Frames are as short as what answers them: what is cut off once stays off. */
static void bench_challenge(void)
{
	double net[ROUNDS];
	uint32_t verdict;

	syn_protection = "always";
	frame_size = sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr);
	balancer_begin(HG_DEFAULT_FLOWS, false, true);
	face(false, TCP_SYN);
	bench->data->bench_saddr = 0x14000000;
	run(bench->progs.bench_syn, 10000, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		double base = run(bench->progs.bench_syn_base, 1000000, NULL);

		net[i] = run(bench->progs.bench_syn, 1000000, &verdict) - base;
		if (verdict != XDP_REDIRECT || flows_count())
			die("challenge", -EPROTO);
	}
	report("a SYN that is challenged, each of another source", net);
	bench_bpf__destroy(bench);
}

int main(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (unshare(CLONE_NEWNET))
		die("unshare", -errno);
	load(1000000);
	if (bpf_xdp_attach(LOOPBACK, bpf_program__fd(bench->progs.bench_port),
			   XDP_FLAGS_SKB_MODE, NULL))
		die("attach", -errno);
	bench_ports();
	bench_bpf__destroy(bench);
	bench_nat();
	bench_balancer();
	bench_challenge();
	return 0;
}
