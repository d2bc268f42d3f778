/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/live.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BATCH 64

_Noreturn void live_die(const char *what, int r)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(1);
}

unsigned live_enter(const char *name, const char *device)
{
	_cleanup_free_ char *path = NULL;
	unsigned ifindex;
	int fd;

	if (asprintf(&path, "/run/netns/%s", name) < 0)
		live_die(name, -ENOMEM);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		live_die(name, -errno);
	close(fd);
	ifindex = if_nametoindex(device);
	if (!ifindex)
		live_die(device, -errno);
	return ifindex;
}

void live_pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

void live_send(int program_fd, const void *frame, uint32_t size, uint32_t n)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = size,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH,
		    .repeat = (int)n);
	int r = bpf_prog_test_run_opts(program_fd, &o);

	if (r)
		live_die("live frames", r);
}

uint16_t live_sum(const void *bytes, size_t size, uint32_t start)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i + 1 < size; i += 2)
		start += (uint32_t)(p[i] | p[i + 1] << 8);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)start;
}
