/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/anvil.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "tests/lib/anvil.skel.h"
#include "tests/lib/tap.h"

static struct anvil_bpf *object;

void anvil_open(void)
{
	object = anvil_bpf__open_and_load();
	if (!object)
		bail("cannot load anvil.bpf.c: %s", strerror(errno));
}

void anvil_close(void)
{
	anvil_bpf__destroy(object);
	object = NULL;
}

int anvil_fd(const char *program)
{
	struct bpf_program *p = bpf_object__find_program_by_name(object->obj, program);

	if (!p)
		bail("anvil.bpf.c has no %s", program);
	return bpf_program__fd(p);
}

void anvil_write(const struct anvil_ask *ask)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(object->maps.ask), &zero, ask, BPF_ANY) < 0)
		bail("cannot ask: %s", strerror(errno));
}

struct anvil_ask anvil_read(void)
{
	struct anvil_ask ask;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(object->maps.ask), &zero, &ask) < 0)
		bail("no answer: %s", strerror(errno));
	return ask;
}

struct anvil_answer anvil_strike(const char *program, const struct anvil_ask *ask,
				 const uint8_t *frame, size_t size)
{
	struct anvil_answer a = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = size,
		    .data_out = a.frame, .data_size_out = sizeof(a.frame));

	anvil_write(ask);
	if (bpf_prog_test_run_opts(anvil_fd(program), &opts) < 0)
		bail("cannot run %s: %s", program, strerror(errno));
	a.size = opts.data_size_out;
	a.ask = anvil_read();
	return a;
}

struct hg_addr anvil_addr(const struct addr *a)
{
	struct hg_addr w = {};

	memcpy(w.w, a->bytes, a->family == 6 ? 16 : 4);
	return w;
}

struct hg_tuple anvil_tuple(const struct frame *f)
{
	struct hg_tuple t = { .saddr = anvil_addr(&f->saddr),
			      .daddr = anvil_addr(&f->daddr),
			      .protocol = f->protocol,
			      .family = f->saddr.family };
	uint8_t request = f->protocol == 58 ? 128 : 8;

	if (f->protocol == 6 || f->protocol == 17) {
		t.sport = htons(f->sport);
		t.dport = htons(f->dport);
	} else if (f->icmp_type == request) {
		t.sport = htons(f->icmp_id);
		t.dport = htons(request << 8);
	} else if (f->icmp_type == (f->protocol == 58 ? 129 : 0)) {
		t.sport = htons(request << 8);
		t.dport = htons(f->icmp_id);
	}
	return t;
}

void anvil_finish(uint8_t *ip, uint8_t tos)
{
	uint16_t sum;

	if (ip[0] >> 4 != 4)
		return;
	ip[1] = tos;
	ip[6] = 0x40;
	ip[10] = ip[11] = 0;
	sum = frame_checksum(ip, (ip[0] & 15) * 4, 0);
	ip[10] = sum >> 8;
	ip[11] = sum & 255;
}

void anvil_turn(struct frame *f)
{
	memcpy(f->dmac, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	memcpy(f->smac, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, 6);
}
