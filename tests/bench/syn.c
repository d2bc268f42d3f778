/* SPDX-License-Identifier: Apache-2.0 */

/* A flood of SYNs as fast as one CPU makes them, and clients that want to connect meanwhile.
 *
 *   syn flood NETNS DEVICE MAC VIP PORT SECONDS ALIVE
 *   syn dial NETNS DEVICE SOURCE SOURCES VIP PORT CLIENTS PAUSE-MS PATIENCE-MS
 *
 * The flood's frames are live frames of BPF_PROG_TEST_RUN (see pps.c), sent into DEVICE by CPU 0; ALIVE
 * of 1,000 of its sources are there and reset what is sent to them. It prints how many SYNs it sent a
 * second (of the clock; of the CPU's time for it and all that the CPU did with them), and how many answers
 * and resets there were.
 *
 * Clients dial one every PAUSE-MS, from so many sources in turn, without waiting for each other, and
 * close when they are connected. Printed are how many were, and in ms the median, 99 % and most of
 * those that were. They have CPU 1.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/syn.h"
#include "tests/bench/syn.skel.h"
#include "tests/lib/live.h"

#define PIECE 200000 /* SYNs in one call */

static double clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

/* ---- the flood ---- */

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void frame_make(struct syn *f, const char *mac, const char *to, uint16_t port)
{
	*f = (struct syn){ .eth.h_proto = htons(ETH_P_IP),
			   .ip = { .version = 4,
				   .ihl = 5,
				   .tot_len = htons(sizeof(f->ip) + sizeof(f->tcp)),
				   .ttl = 64,
				   .protocol = IPPROTO_TCP },
			   .tcp = { .dest = htons(port),
				    .doff = 5,
				    .syn = 1,
				    .window = htons(64240) } };
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &f->eth.h_dest[0],
		   &f->eth.h_dest[1], &f->eth.h_dest[2], &f->eth.h_dest[3],
		   &f->eth.h_dest[4], &f->eth.h_dest[5]) != 6 ||
	    inet_pton(AF_INET, to, &f->ip.daddr) != 1)
		live_die("address", -EINVAL);
	memcpy(f->eth.h_source, "\x02\x00\x00\x00\x00\x01", 6);
	f->ip.check = (uint16_t)~live_sum(&f->ip, sizeof(f->ip), 0);
	f->tcp.check = (uint16_t)~live_sum(&f->tcp, sizeof(f->tcp),
					   live_sum(&f->ip.daddr, 4, htons(IPPROTO_TCP)) +
						   htons(sizeof(f->tcp)));
}

static int flood(char **argv)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	double seconds = strtod(argv[5], NULL), start, took, cpu;
	const struct syn blank = {};
	struct syn_bpf *syn;
	uint64_t sent = 0;
	int device, r;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	live_pin(0);
	libbpf_set_print(print);
	syn = syn_bpf__open();
	if (!syn)
		live_die("open", -errno);
	frame_make(&syn->bss->syn_frame, argv[2], argv[3],
		   (uint16_t)strtoul(argv[4], NULL, 10));
	syn->bss->syn_alive = (uint32_t)strtoul(argv[6], NULL, 10);
	r = syn_bpf__load(syn);
	if (r)
		live_die("load", r);
	device = (int)live_enter(argv[0], argv[1]);
	syn->data->syn_device = (uint32_t)device;
	r = bpf_xdp_attach(device, bpf_program__fd(syn->progs.syn_end),
			   XDP_FLAGS_DRV_MODE, NULL);
	if (r)
		live_die("attach", r);
	start = now_ms();
	cpu = clock_ms(CLOCK_THREAD_CPUTIME_ID);
	do {
		live_send(bpf_program__fd(syn->progs.syn_make), &blank, sizeof(blank),
			  PIECE);
		sent += PIECE;
		took = now_ms() - start;
	} while (took < seconds * 1e3);
	cpu = clock_ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
	bpf_xdp_detach(device, XDP_FLAGS_DRV_MODE, NULL);
	printf("%.2f M/s (%.2f by CPU time), %.1f M SYNs, %.1f M answers, %.1f M "
	       "resets\n",
	       (double)sent / took / 1e3, (double)sent / cpu / 1e3, (double)sent / 1e6,
	       (double)syn->bss->syn_answers / 1e6, (double)syn->bss->syn_resets / 1e6);
	syn_bpf__destroy(syn);
	return 0;
}

/* ---- clients ---- */

struct client {
	double since, took; /* ms; took is below 0 while it is not connected */
};

static void client_dial(struct client *c, struct pollfd *p, uint32_t from,
			const struct sockaddr_in *to)
{
	struct sockaddr_in local = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(from) };

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	p->events = POLLOUT;
	if (p->fd < 0 || bind(p->fd, (const struct sockaddr *)&local, sizeof(local)))
		live_die("client", -errno);
	*c = (struct client){ .since = now_ms(), .took = -1 };
	if (connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) &&
	    errno != EINPROGRESS)
		live_die("connect", -errno);
}

/* Looks at what has happened; how many still wait. */
static unsigned clients_look(struct client *clients, struct pollfd *fds, unsigned n,
			     double patience, int wait)
{
	unsigned n_waiting = 0;

	if (poll(fds, n, wait) < 0)
		live_die("poll", -errno);
	for (unsigned i = 0; i < n; i++) {
		socklen_t size = sizeof(int);
		int error = 0;

		if (fds[i].fd < 0)
			continue;
		if (!fds[i].revents && now_ms() - clients[i].since < patience) {
			n_waiting++;
			continue;
		}
		getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (fds[i].revents && !error)
			clients[i].took = now_ms() - clients[i].since;
		close(fds[i].fd);
		fds[i].fd = -1;
	}
	return n_waiting;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const struct client *clients, unsigned n)
{
	_cleanup_free_ double *took = calloc(n + 1, sizeof(*took));
	unsigned n_good = 0;

	if (!took)
		live_die("clients", -ENOMEM);
	for (unsigned i = 0; i < n; i++)
		if (clients[i].took >= 0)
			took[n_good++] = clients[i].took;
	qsort(took, n_good, sizeof(*took), compare);
	printf("%u of %u, %.2f %.2f %.2f ms\n", n_good, n, took[n_good / 2],
	       took[n_good * 99 / 100], n_good ? took[n_good - 1] : 0);
}

static int dial(char **argv)
{
	unsigned n_sources = (unsigned)strtoul(argv[3], NULL, 10),
		 n = (unsigned)strtoul(argv[6], NULL, 10), n_dialled = 0, n_waiting = 0;
	double pause = strtod(argv[7], NULL), patience = strtod(argv[8], NULL), start;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port =
					  htons((uint16_t)strtoul(argv[5], NULL, 10)) };
	_cleanup_free_ struct client *clients = calloc(n, sizeof(*clients));
	_cleanup_free_ struct pollfd *fds = calloc(n, sizeof(*fds));
	struct in_addr source;

	if (!clients || !fds || !n_sources || inet_pton(AF_INET, argv[2], &source) != 1 ||
	    inet_pton(AF_INET, argv[4], &to.sin_addr) != 1)
		live_die("clients", -EINVAL);
	live_pin(1);
	live_enter(argv[0], argv[1]);
	start = now_ms();
	while (n_dialled < n || n_waiting) {
		double due = start + n_dialled * pause - now_ms();

		if (n_dialled < n && due <= 0) {
			client_dial(&clients[n_dialled], &fds[n_dialled],
				    ntohl(source.s_addr) + n_dialled % n_sources, &to);
			n_dialled++;
			due = 0;
		}
		n_waiting = clients_look(clients, fds, n_dialled, patience,
					 n_dialled < n ? (due > 0) : 1);
	}
	report(clients, n);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 9 && strcmp(argv[1], "flood") == 0)
		return flood(argv + 2);
	if (argc == 11 && strcmp(argv[1], "dial") == 0)
		return dial(argv + 2);
	fprintf(stderr, "usage: syn flood NETNS DEVICE MAC VIP PORT SECONDS ALIVE\n"
			"       syn dial NETNS DEVICE SOURCE SOURCES VIP PORT CLIENTS"
			" PAUSE-MS PATIENCE-MS\n");
	return 2;
}
