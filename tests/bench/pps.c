/* SPDX-License-Identifier: Apache-2.0 */

/* How many small UDP packets a second come through what lies between two namespaces. Frames
 * are made by an XDP program, in the kernel and without a socket (live frames of
 * BPF_PROG_TEST_RUN), and sent into a veth's other end as a NIC would: a generator in user
 * space makes fewer than a gateway can forward. They are counted and dropped at the far
 * end's door. All of it is one CPU's work, the making of them included.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/pps.h"
#include "tests/bench/pps.skel.h"
#include "tests/lib/live.h"

static struct pps_bpf *pps;

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void frame_make(struct small *f, const char *mac, const char *from, const char *to)
{
	const uint16_t udp_size = sizeof(f->udp) + sizeof(f->payload);

	*f = (struct small){ .eth.h_proto = htons(ETH_P_IP),
			     .ip = { .version = 4,
				     .ihl = 5,
				     .tot_len = htons(sizeof(f->ip) + udp_size),
				     .frag_off = htons(0x4000),
				     .ttl = 64,
				     .protocol = IPPROTO_UDP },
			     .udp.len = htons(udp_size) };
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &f->eth.h_dest[0],
		   &f->eth.h_dest[1], &f->eth.h_dest[2], &f->eth.h_dest[3],
		   &f->eth.h_dest[4], &f->eth.h_dest[5]) != 6 ||
	    inet_pton(AF_INET, from, &f->ip.saddr) != 1 ||
	    inet_pton(AF_INET, to, &f->ip.daddr) != 1)
		live_die("address", -EINVAL);
	memcpy(f->eth.h_source, "\x02\x00\x00\x00\x00\x01", 6);
	f->ip.check = (uint16_t)~live_sum(&f->ip, sizeof(f->ip), 0);
	f->udp.check = (uint16_t)~live_sum(&f->udp, udp_size,
					   live_sum(&f->ip.saddr, 8, htons(IPPROTO_UDP)) +
						   htons(udp_size));
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Frames are sent with bottom halves off: what becomes of them until they are dropped at
 * the far end happens on this CPU, whenever a batch of them is done, and is charged to this
 * thread. Prints how many arrive for each second of it. */
static void measure(uint32_t n)
{
	const struct small blank = {};
	double t = cpu_ns();

	live_send(bpf_program__fd(pps->progs.pps_make), &blank, sizeof(blank), n);
	t = cpu_ns() - t;
	usleep(50000);
	printf("%.0f\n", (double)*(volatile __u64 *)&pps->bss->pps_arrived * 1e9 / t);
}

int main(int argc, char **argv)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned from;
	int to, r;

	if (argc != 11) {
		fprintf(stderr,
			"usage: pps NETNS DEVICE MAC SOURCE DESTINATION FLOWS PORT FRAMES"
			" NETNS DEVICE\n");
		return 2;
	}
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	live_pin(0);
	libbpf_set_print(print);
	pps = pps_bpf__open();
	if (!pps)
		live_die("open", -errno);
	frame_make(&pps->bss->pps_frame, argv[3], argv[4], argv[5]);
	pps->data->pps_flows = (uint32_t)strtoul(argv[6], NULL, 10);
	pps->data->pps_dport = (uint16_t)strtoul(argv[7], NULL, 10);
	r = pps_bpf__load(pps);
	if (r)
		live_die("load", r);
	to = (int)live_enter(argv[9], argv[10]);
	r = bpf_xdp_attach(to, bpf_program__fd(pps->progs.pps_end), XDP_FLAGS_DRV_MODE,
			   NULL);
	if (r)
		live_die("attach", r);
	from = live_enter(argv[1], argv[2]);
	pps->data->pps_device = from;
	measure((uint32_t)strtoul(argv[8], NULL, 10));
	live_enter(argv[9], argv[10]);
	bpf_xdp_detach(to, XDP_FLAGS_DRV_MODE, NULL);
	pps_bpf__destroy(pps);
	return 0;
}
