/* SPDX-License-Identifier: Apache-2.0 */

/* What a packet costs: BPF_PROG_TEST_RUN of the product's doors behind a generator
 * (bench.bpf.c), net of the generator. Established flows, new flows and refused packets,
 * by number of flows and of rules. Medians of interleaved rounds; docs/performance.md has
 * a run of it.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <hg/flow.h>
#include <hg/image.h>

#include "base/cleanup.h"
#include "compile/image.h"
#include "tests/lib/rules.h"

#define ROUNDS      9
#define IMAGE_LINES (1U << 21)
#define TCP_SYN     2
#define TCP_SYNACK  18
#define TCP_ACK     16

static struct bpf_object *object;
static uint8_t frame[64];
static uint32_t epoch, n_sets;

static void die(const char *what, int r)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int fd_of(const char *program)
{
	struct bpf_program *p = bpf_object__find_program_by_name(object, program);

	if (!p)
		die(program, -ENOENT);
	return bpf_program__fd(p);
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

/* What libbpf fills a section from before load, the section itself after. */
static char *section_memory(struct bpf_map *m)
{
	static struct {
		struct bpf_map *map;
		char *memory;
	} known[4]; /* two sections of two objects */
	size_t size, i = 0;

	if (bpf_map__fd(m) < 0)
		return (char *)(uintptr_t)bpf_map__initial_value(m, &size);
	while (i < ARRAY_SIZE(known) && known[i].map && known[i].map != m)
		i++;
	if (!known[i].map) {
		known[i].map = m;
		known[i].memory = map_memory(m);
	}
	return known[i].memory;
}

/* A global variable of the object, by name. */
static void *variable(const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	static const char *const sections[] = { ".bss", ".data", ".rodata" };

	for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
		int id = btf__find_by_name_kind(btf, sections[s], BTF_KIND_DATASEC);
		const struct btf_var_secinfo *v;
		const struct btf_type *t;
		struct bpf_map *m;

		if (id < 0)
			continue;
		t = btf__type_by_id(btf, id);
		v = btf_var_secinfos(t);
		bpf_object__for_each_map(
			m, object) if (strstr(bpf_map__name(m), sections[s])) break;
		for (int i = 0; m && i < btf_vlen(t); i++, v++)
			if (!strcmp(btf__name_by_offset(
					    btf, btf__type_by_id(btf, v->type)->name_off),
				    name))
				return section_memory(m) + v->offset;
	}
	die(name, -ENOENT);
	return NULL;
}

static void set32(const char *name, uint32_t value)
{
	*(volatile uint32_t *)variable(name) = value;
}

static void set64(const char *name, uint64_t value)
{
	*(volatile uint64_t *)variable(name) = value;
}

static void *table(const char *name)
{
	return map_memory(bpf_object__find_map_by_name(object, name));
}

/* ---- loading ---- */

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void resize(const char *map, uint32_t n)
{
	int r = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, map), n);

	if (r)
		die(map, r);
}

static void load(const char *path, uint32_t sets)
{
	int r;

	if (object)
		bpf_object__close(object);
	n_sets = sets;
	libbpf_set_print(print);
	object = bpf_object__open_file(path, NULL);
	if (!object)
		die(path, -errno);
	resize("hg_image", IMAGE_LINES);
	resize("hg_flows4", n_sets);
	resize("hg_tags4", n_sets);
	resize("hg_hits", 1 << 17);
	/* rodata is written before it is frozen. */
	set32("hg_flow_mask", n_sets - 1);
	set32("hg_hits_half", 1 << 16);
	r = bpf_object__load(object);
	if (r)
		die("load", r);
}

/* The rule set's only device is lo, where test runs without a context come from. */
static void apply(const char *rules)
{
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(model_freep) struct model *model = NULL;
	struct hg_control *control = table("hg_control");
	struct hg_line *lines = table("hg_image");
	const struct hg_header *h;
	struct hg_port *port;

	image = rules_image(rules, NULL, &model);
	if (image->n_lines > IMAGE_LINES)
		die("image", -E2BIG);
	memcpy(lines, image->lines, image->n_lines * HG_LINE);
	h = (const struct hg_header *)lines;
	port = (struct hg_port *)(lines + h->ports.line) +
	       (size_t)(1 & (h->ports.n - 1)) * 4;
	*port = (struct hg_port){ .ifindex = 1, .device = 1, .slot = 1 };
	((struct hg_device *)(lines + h->devices.line + 1))->ifindex = 1;
	control->word = (uint64_t)++epoch << 32;
}

/* ---- rule sets ---- */

/* 'n' NACL rules each way, in the manner of clouds: a CIDR, a port. The last allows. */
static char *rules_make(unsigned n, const char *last, unsigned n_groups)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	uint64_t x = 88172645463325252ULL;

	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
		   "\"settings\":{\"timeouts\":{\"tcp_syn\":300}},"
		   "\"subnets\":{\"s\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.1.0/24\"],"
		   "\"network_acl\":\"n\"}},\"network_acls\":{\"n\":{\"vpc\":\"v\"");
	for (int d = 0; d < 2; d++) {
		fprintf(f, ",\"%s\":[", d ? "egress" : "ingress");
		for (unsigned i = 1; i < n; i++) {
			unsigned len;

			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			len = 16 + x % 17;
			fprintf(f,
				"{\"rule\":%u,\"action\":\"deny\",\"protocol\":\"tcp\","
				"\"ports\":\"%u\",\"cidr\":\"%u.%u.%u.%u/%u\"},",
				i, (unsigned)(x >> 20) % 50 * 11 + 500, 11U,
				(unsigned)(x >> 32 & 255),
				len > 16 ? (unsigned)(x >> 40 &
						      (0xff00 >>
						       (len > 24 ? 8 : len - 16))) &
						   255
					 : 0,
				len > 24 ? (unsigned)(x >> 48 & (0xff00 >> (len - 24))) &
						   255
					 : 0,
				len);
		}
		fprintf(f,
			"{\"rule\":%u,\"action\":\"%s\",\"protocol\":\"all\",\"cidr\":"
			"\"0.0.0.0/0\"}]",
			n, last);
	}
	fprintf(f, "}},\"security_groups\":{");
	for (unsigned g = 0; g < n_groups; g++)
		fprintf(f,
			"%s\"g%u\":{\"vpc\":\"v\",\"ingress\":[{\"protocol\":\"tcp\","
			"\"ports\":\"%u\",\"peers\":[\"11.0.0.0/8\",\"12.%u.0.0/16\"]}],"
			"\"egress\":[{\"protocol\":\"tcp\",\"ports\":\"%u\",\"peers\":"
			"[\"13.%u.0.0/16\"]}]}",
			g ? "," : "", g, g ? 80 + g : 443, g, 1000 + g, g);
	fprintf(f,
		"},\"interfaces\":{\"i\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.10\"],"
		"\"attach\":\"local\",\"device\":\"lo\",\"security_groups\":[");
	for (unsigned g = 0; g < n_groups; g++)
		fprintf(f, "%s\"g%u\"", g ? "," : "", g);
	fprintf(f, "]}}}");
	fclose(f);
	return text;
}

/* ---- running ---- */

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void frame_make(bool is_reply)
{
	static const uint8_t in[] = { 2, 0,   0,    0, 0, 1,  2,  0, 0,    0,  0,    2,
				      8, 0,   0x45, 0, 0, 40, 0,  0, 0x40, 0,  64,   6,
				      0, 0,   11,   0, 0, 1,  10, 0, 1,    10, 4,    0,
				      1, 187, 0,    0, 0, 1,  0,  0, 0,    0,  0x50, 2 };

	memset(frame, 0, sizeof(frame));
	memcpy(frame, in, sizeof(in));
	if (is_reply) {
		memcpy(frame + 26, "\x0a\x00\x01\x0a", 4);
		memcpy(frame + 34, "\x01\xbb", 2);
	}
}

/* CPU time of 'n' runs, each. XDP programs must be attached somewhere, or every call
 * patches the dispatcher. 'ret' is the last verdict. */
static double run(const char *program, uint32_t n, uint32_t *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = n);
	static char attached[32];
	int fd = fd_of(program), r;
	double t;

	if (strcmp(program, "bench_out") && strcmp(attached, program)) {
		r = bpf_xdp_attach(1, fd, XDP_FLAGS_SKB_MODE, NULL);
		if (r)
			die("attach", r);
		snprintf(attached, sizeof(attached), "%s", program);
	}
	t = cpu_ns();
	r = bpf_prog_test_run_opts(fd, &o);
	t = cpu_ns() - t;
	if (r)
		die(program, r);
	if (ret)
		*ret = o.retval;
	return t / n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct hg_set4 *flows; /* of the loaded object */

static void forget(void)
{
	memset(flows, 0, (size_t)n_sets * sizeof(struct hg_set4));
}

/* Median of rounds, program and generator in turn. 'is_new': every round meets an empty
 * table and opens a flow a packet. */
static void measure(const char *name, uint32_t n, uint32_t want, bool is_new)
{
	double net[ROUNDS];
	uint32_t verdict = want;

	run("bench_in", n / 4 + 1, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		double base = run("bench_base", n, NULL);

		if (is_new)
			forget();
		net[i] = run("bench_in", n, &verdict) - base;
	}
	qsort(net, ROUNDS, sizeof(net[0]), compare);
	printf("  %-56s %7.1f   %7.1f .. %.1f%s\n", name, net[ROUNDS / 2], net[0],
	       net[ROUNDS - 1], verdict == want ? "" : "   UNEXPECTED VERDICT");
	fflush(stdout);
}

static void phase(const char *program, uint32_t flags, uint32_t n)
{
	frame_make(!strcmp(program, "bench_out"));
	set64("bench_flows", 0);
	set64("bench_next", 0);
	set32("bench_flags", flags);
	run(program, n, NULL);
}

static uint32_t established(void)
{
	const struct hg_set4 *sets = flows;
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_sets; i++)
		for (int w = 0; w < HG_WAYS; w++)
			n += sets[i].way[w].key.live &&
			     HG_LIFE_STATE(sets[i].way[w].state.life) ==
				     HG_STATE_ESTABLISHED;
	return n;
}

static void bench_established(uint32_t n)
{
	char name[80];

	forget();
	phase("bench_in", TCP_SYN, n);
	phase("bench_out", TCP_SYNACK, n);
	phase("bench_in", TCP_ACK, n);
	frame_make(false);
	set32("bench_flags", TCP_ACK);
	set64("bench_flows", n);
	snprintf(name, sizeof(name), "established, %u flows (%u entries)", n,
		 established());
	measure(name, 1000000, 2, false);
}

/* Packets one after another, each of another flow. */
static void bench_fresh(const char *name, uint32_t n, uint32_t want, uint32_t spread)
{
	forget();
	frame_make(false);
	set64("bench_flows", 0);
	set64("bench_next", 0);
	set32("bench_flags", TCP_SYN);
	set32("bench_spread", spread);
	measure(name, n, want, want == 2);
	set32("bench_spread", 0);
}

static void bench_rules(unsigned n)
{
	_cleanup_free_ char *allow = rules_make(n, "allow", 5);
	_cleanup_free_ char *deny = rules_make(n, "deny", 5);

	printf("NACL of %u rules each way, 5 groups, %u sets\n", n, n_sets);
	apply(allow);
	bench_established(1000);
	bench_fresh("new, both entries, one client", 20000, 2, 0);
	bench_fresh("new, both entries, clients from all over", 20000, 2, 1);
	apply(deny);
	bench_fresh("denied by the last rule, one client", 1000000, 1, 0);
	bench_fresh("denied by the last rule, clients from all over", 1000000, 1, 1);
	set64("bench_flows", 1);
	measure("denied by the last rule, one packet again and again", 1000000, 1, false);
}

int main(int argc, char **argv)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	cpu_set_t cpus;

	if (argc != 2) {
		fprintf(stderr, "usage: path BENCH.bpf.o\n");
		return 2;
	}
	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (unshare(CLONE_NEWNET))
		die("unshare", -errno);
	printf("  %-56s %7s   %s\n", "net ns a packet, XDP door, IPv4 TCP, one CPU",
	       "median", "least .. most");
	load(argv[1], hg_flow_sets(HG_DEFAULT_FLOWS));
	flows = table("hg_flows4");
	bench_rules(10);
	bench_rules(1000);
	bench_rules(10000);
	load(argv[1], hg_flow_sets(1000000));
	flows = table("hg_flows4");
	{
		_cleanup_free_ char *rules = rules_make(10, "allow", 5);

		printf("established, %u sets\n", n_sets);
		apply(rules);
		bench_established(1000);
		bench_established(100000);
		bench_established(1000000);
	}
	return 0;
}
