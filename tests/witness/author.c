/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/author.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/witness/rules.h"

/* ---- what there is to talk about ---- */

void add_address(struct author *a, const struct addr *address)
{
	if (a->n_addresses < ADDRESSES)
		a->address[a->n_addresses++] = *address;
}

static void step_address(struct addr *a, int by)
{
	for (int i = a->family == 4 ? 3 : 15; i >= 0; i--) {
		a->bytes[i] += by;
		if (a->bytes[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

/* The first and last address of a CIDR, and those just outside. */
static void add_edges(struct author *a, const struct cidr *c)
{
	struct addr first = c->addr, last = c->addr;
	unsigned bits = c->addr.family == 4 ? 32 : 128;

	if (c->len == 0)
		return;
	for (unsigned bit = c->len; bit < bits; bit++)
		last.bytes[bit / 8] |= 0x80 >> bit % 8;
	add_address(a, &first);
	add_address(a, &last);
	step_address(&first, -1);
	step_address(&last, 1);
	add_address(a, &first);
	add_address(a, &last);
}

static void add_peer(struct author *a, const struct peer *p)
{
	if (p->kind == PEER_CIDR)
		add_edges(a, &p->cidr);
}

void author_collect(struct author *a)
{
	static const char *const fixed[] = { "203.0.113.9",   "198.51.100.7",
					     "2001:db8::1",   "169.254.169.254",
					     "fd00:ec2::254", HOST_ADDRESS4,
					     HOST_ADDRESS6,   "10.0.0.2" };
	const struct model *m = a->m;

	devices_done(&a->devices);
	if (devices_list(m, &a->devices) < 0)
		abort();
	a->n_addresses = a->n_doors = 0;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		struct addr f = address(fixed[i]);

		add_address(a, &f);
	}
	for (size_t i = 0; i < m->n_interfaces; i++) {
		if (m->interfaces[i].device && a->n_doors < 256)
			a->doors[a->n_doors++] = i;
		for (size_t repeat = 0; repeat < 3; repeat++)
			for (size_t k = 0; k < m->interfaces[i].n_addresses; k++)
				add_address(a, &m->interfaces[i].addresses[k]);
	}
	for (size_t i = 0; i < m->n_subnets; i++)
		for (size_t k = 0; k < m->subnets[i].n_cidrs; k++) {
			struct addr router = cidr_nth(&m->subnets[i].cidrs[k], 1);

			add_address(a, &router);
		}
	for (size_t i = 0; i < m->n_prefix_lists; i++)
		for (size_t k = 0; k < m->prefix_lists[i].n_entries; k++)
			add_edges(a, &m->prefix_lists[i].entries[k]);
	for (size_t i = 0; i < m->n_nacls; i++)
		for (int d = 0; d < 2; d++)
			for (size_t k = 0; k < m->nacls[i].n_rules[d]; k++) {
				add_peer(a, &m->nacls[i].rules[d][k].cidr);
				if (m->nacls[i].rules[d][k].has_peer_cidr)
					add_peer(a, &m->nacls[i].rules[d][k].peer_cidr);
			}
	for (size_t i = 0; i < m->n_groups; i++)
		for (int d = 0; d < 2; d++)
			for (size_t k = 0; k < m->groups[i].n_rules[d]; k++)
				for (size_t p = 0; p < m->groups[i].rules[d][k].n_peers;
				     p++)
					add_peer(a, &m->groups[i].rules[d][k].peers[p]);
}

uint16_t pick_port(struct author *a)
{
	static const uint16_t ports[] = { 0,     1,     2,     21,    22,    23,    53,
					  54,    67,    68,    78,    79,    80,    81,
					  82,    255,   256,   257,   443,   444,   1023,
					  1024,  1025,  32767, 32768, 32769, 40000, 40001,
					  65533, 65534, 65535 };

	return dice_pick(&a->dice, ports);
}

struct addr pick_address(struct author *a, int family)
{
	static const char *const odd4[] = { "0.0.0.0",   "255.255.255.255",
					    "224.0.0.1", "239.255.255.255",
					    "127.0.0.1", "240.0.0.1",
					    "10.0.0.255" };
	static const char *const odd6[] = { "::",      "::1",     "ff02::1",
					    "fe80::1", "febf::1", "fec0::1" };
	struct addr got;

	if (dice_chance(&a->dice, 4))
		return address(family == 4 ? dice_pick(&a->dice, odd4)
					   : dice_pick(&a->dice, odd6));
	do
		got = a->address[dice_below(&a->dice, a->n_addresses)];
	while (got.family != family);
	return got;
}

bool pick_own(struct author *a, int interface, int family, struct addr *ret)
{
	const struct interface *i = &a->m->interfaces[interface];

	for (unsigned tries = 0; i->n_addresses && tries < 8; tries++) {
		*ret = i->addresses[dice_below(&a->dice, i->n_addresses)];
		if (ret->family == family)
			return true;
	}
	if (i->is_local && i->n_addresses == 0) {
		*ret = address(family == 4 ? HOST_ADDRESS4 : HOST_ADDRESS6);
		return true;
	}
	return false;
}

/* ---- steps ---- */

struct step *add_step(struct author *a)
{
	struct step *s = &a->script->steps[a->script->n++];

	*s = (struct step){ .now = a->now };
	return s;
}

/* Breaks a frame that was right. */
static size_t mangle(struct author *a, uint8_t *frame, const struct frame_at *at)
{
	struct dice *d = &a->dice;
	size_t size = at->end;

	switch (dice_below(d, 5)) {
	case 0:
		return dice_below(d, size + 1);
	case 1: /* a byte of a header */
		frame[at->l3 + dice_below(d, size - at->l3)] = dice_throw(d);
		return size;
	case 2: /* a bit of the interesting part of a header */
		frame[at->l3 + dice_below(d, 10)] ^= 1U << dice_below(d, 8);
		return size;
	case 3:
		if (at->l4 < size)
			frame[at->l4 + dice_below(d, size - at->l4)] ^=
				1U << dice_below(d, 8);
		return size;
	default: /* padding, as on a wire */
		memset(frame + size, 0, 30);
		return size + dice_below(d, 30);
	}
}

struct step *author_say(struct author *a, const struct frame *f, const char *device,
			uint32_t door)
{
	struct step *s = add_step(a);
	uint8_t frame[FRAME_MAX];
	struct frame copy = *f;
	struct frame_at at;

	/* The program learns the instance's MAC, and finds it to be what it was. */
	memcpy(copy.smac, (uint8_t[]){ 2, 0xbb, 0, 0, 0, 0 }, 6);
	copy.smac[5] = devices_find(&a->devices, device);
	s->size = frame_build(&copy, frame, sizeof(frame), &at);
	if (dice_chance(&a->dice, 4) && s->size > at.l3 + 10)
		s->size = mangle(a, frame, &at);
	snprintf(s->device, sizeof(s->device), "%s", device);
	s->door = door;
	s->frame = malloc(s->size + 1);
	assert(s->frame);
	memcpy(s->frame, frame, s->size);
	return s;
}

/* ---- words ---- */

static void roll_icmp(struct author *a, struct frame *f)
{
	static const uint8_t types4[] = {
		8, 8, 8, 8, 0, 0, 13, 14, 17, 3, 11, 5, 9, 255
	};
	static const uint8_t types6[] = { 128, 128, 128, 128, 129, 129, 1,
					  2,   3,   4,   143, 135, 136, 200 };

	f->icmp_type = f->saddr.family == 4 ? dice_pick(&a->dice, types4)
					    : dice_pick(&a->dice, types6);
	f->icmp_code = dice_chance(&a->dice, 80) ? 0 : dice_below(&a->dice, 5);
	f->icmp_id = 7 + dice_below(&a->dice, 3);
	f->icmp_seq = dice_below(&a->dice, 3);
}

void roll_protocol(struct author *a, struct frame *f)
{
	static const uint8_t others[] = { 47, 50, 132, 1, 58, 0, 59, 255, 89 };
	static const uint8_t flags[] = {
		TCP_SYN, TCP_SYN,           TCP_SYN,          TCP_SYN,
		TCP_ACK, TCP_SYN | TCP_ACK, TCP_RST,          TCP_FIN | TCP_ACK,
		0,       TCP_SYN | TCP_FIN, TCP_SYN | TCP_RST
	};
	unsigned roll = dice_below(&a->dice, 100);

	f->sport = pick_port(a);
	f->dport = pick_port(a);
	f->payload = dice_below(&a->dice, 40);
	if (roll < 40) {
		f->protocol = 6;
		f->tcp_flags = dice_pick(&a->dice, flags);
		f->seq = 1000;
		f->ack = f->tcp_flags & TCP_ACK ? 5001 : 0;
	} else if (roll < 70) {
		f->protocol = 17;
	} else if (roll < 88) {
		f->protocol = f->saddr.family == 4 ? 1 : 58;
		roll_icmp(a, f);
	} else {
		f->protocol = dice_pick(&a->dice, others);
		if (f->saddr.family == 6 && f->protocol == 0)
			f->protocol = 47;
		if (f->protocol == (f->saddr.family == 4 ? 1 : 58))
			roll_icmp(a, f);
	}
}

void roll_shape(struct author *a, struct frame *f)
{
	static const uint8_t extensions[] = { 0, 43, 60, 51, 135, 139, 140, 60 };
	struct dice *d = &a->dice;

	if (dice_chance(d, 6))
		f->n_vlans = dice_chance(d, 90) ? 1 + dice_below(d, 2) : 3;
	if (dice_chance(d, 6) && f->saddr.family == 4)
		f->options = 4 * (1 + dice_below(d, 10));
	if (dice_chance(d, 8) && f->saddr.family == 6) {
		f->n_extensions =
			dice_chance(d, 80) ? 1 + dice_below(d, 3) : 7 + dice_below(d, 4);
		for (unsigned i = 0; i < f->n_extensions; i++)
			f->extensions[i] = dice_pick(d, extensions);
	}
	if (dice_chance(d, 4) && f->saddr.family == 6)
		f->is_atomic = true;
	if (f->protocol == 58 && f->icmp_type >= 133 && f->icmp_type <= 137) {
		f->target = pick_address(a, 6);
		if (f->icmp_type == 135)
			f->daddr = dice_chance(d, 50) ? f->target
						      : address("ff02::1:ff00:1");
		f->ttl = dice_chance(d, 80) ? 255 : 64;
		f->has_lladdr = dice_chance(d, 50);
		f->icmp_code = 0;
		f->payload = 0;
		f->n_extensions = 0;
		f->is_atomic = false;
	}
	if (dice_chance(d, 1))
		f->ethertype = dice_chance(d, 50) ? 0x88cc : 0x8847;
	if (dice_chance(d, 1))
		memcpy(f->dmac, (uint8_t[]){ 1, 0x80, 0xc2, 0, 0, 0x0e }, 6);
}

uint8_t roll_flags(struct author *a, const struct frame *f)
{
	static const uint8_t later[] = {
		TCP_ACK,           TCP_ACK,           TCP_ACK | TCP_PSH,
		TCP_FIN | TCP_ACK, TCP_RST,           TCP_RST | TCP_ACK,
		TCP_SYN,           TCP_SYN | TCP_ACK, 0
	};

	if (f->tcp_flags == TCP_SYN && dice_chance(&a->dice, 70))
		return TCP_SYN | TCP_ACK;
	if (f->tcp_flags == (TCP_SYN | TCP_ACK) && dice_chance(&a->dice, 70))
		return TCP_ACK;
	return dice_pick(&a->dice, later);
}

void pass_time(struct author *a)
{
	static const uint32_t jumps[] = { 1,   2,   9,   10,   11,     14,     29,    30,
					  31,  44,  45,  46,   59,     60,     61,    119,
					  120, 121, 179, 180,  181,    349,    350,   351,
					  599, 600, 601, 3600, 431999, 432000, 432001 };
	unsigned n = sizeof(jumps) / sizeof(jumps[0]);

	if (!dice_chance(&a->dice, 12))
		return;
	/* Far more often short than long, or nothing would ever live to be renewed. */
	if (dice_chance(&a->dice, 85))
		n = 12;
	a->now += jumps[dice_below(&a->dice, n)];
}
