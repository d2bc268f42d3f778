/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/event.h>

#include "compile/device.h"
#include "tests/witness/dice.h"
#include "tests/witness/rules.h"

#define ADDRESSES 600
#define TALKS     24

/* Something said, to be taken up again. */
struct talk {
	struct frame frame;
	int interface;
	uint32_t door;
};

struct author {
	struct dice dice;
	const struct model *m;
	struct devices devices; /* of that */
	struct addr address[ADDRESSES];
	size_t n_addresses;
	int doors[256]; /* interfaces with a device */
	size_t n_doors;
	struct talk talk[TALKS];
	size_t n_talks;
	uint32_t now;
	struct script *script;
};

/* ---- what there is to talk about ---- */

static void add_address(struct author *a, const struct addr *address)
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

static void collect(struct author *a)
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

static uint16_t pick_port(struct author *a)
{
	static const uint16_t ports[] = { 0,     1,     2,     21,    22,    23,    53,
					  54,    67,    68,    78,    79,    80,    81,
					  82,    255,   256,   257,   443,   444,   1023,
					  1024,  1025,  32767, 32768, 32769, 40000, 40001,
					  65533, 65534, 65535 };

	return dice_pick(&a->dice, ports);
}

static struct addr pick_address(struct author *a, int family)
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

static bool pick_own(struct author *a, int interface, int family, struct addr *ret)
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

static struct step *add_step(struct author *a)
{
	struct step *s = &a->script->steps[a->script->n++];

	*s = (struct step){ .now = a->now };
	return s;
}

static void say_bytes(struct author *a, int interface, uint32_t door,
		      const uint8_t *frame, size_t size)
{
	struct step *s = add_step(a);

	snprintf(s->device, sizeof(s->device), "%s", a->m->interfaces[interface].device);
	s->door = door;
	s->size = size;
	s->frame = malloc(size + 1);
	assert(s->frame);
	memcpy(s->frame, frame, size);
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

static void say(struct author *a, const struct frame *f, int interface, uint32_t door)
{
	uint8_t frame[FRAME_MAX];
	struct frame copy = *f;
	struct frame_at at;
	size_t size;

	/* The program learns the instance's MAC, and finds it to be what it was. */
	memcpy(copy.smac, (uint8_t[]){ 2, 0xbb, 0, 0, 0, 0 }, 6);
	copy.smac[5] = devices_find(&a->devices, a->m->interfaces[interface].device);
	size = frame_build(&copy, frame, sizeof(frame), &at);
	if (dice_chance(&a->dice, 4) && size > at.l3 + 10)
		size = mangle(a, frame, &at);
	say_bytes(a, interface, door, frame, size);
	a->talk[a->n_talks++ % TALKS] = (struct talk){ *f, interface, door };
	a->talk[(a->n_talks - 1) % TALKS].frame.quote = NULL;
}

/* ---- where and what ---- */

static int owner_of(const struct model *m, int vpc, const struct addr *x)
{
	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0;
		     m->interfaces[i].vpc == vpc && k < m->interfaces[i].n_addresses; k++)
			if (addr_compare(&m->interfaces[i].addresses[k], x) == 0)
				return i;
	return -1;
}

static bool is_port(const struct model *m, int interface)
{
	return interface >= 0 && m->interfaces[interface].device &&
	       !m->interfaces[interface].is_local;
}

/* The door at which 'f' would be met, given that its like was met at 'near'. */
static void find_door(const struct author *a, const struct frame *f, int *near,
		      uint32_t *ret_door)
{
	int vpc = a->m->interfaces[*near].vpc;
	int src = owner_of(a->m, vpc, &f->saddr), dst = owner_of(a->m, vpc, &f->daddr);

	if (a->m->interfaces[*near].is_local) {
		*ret_door = !*ret_door;
	} else if (is_port(a->m, src)) {
		*near = src;
		*ret_door = HG_DOOR_IN;
	} else if (is_port(a->m, dst)) {
		*near = dst;
		*ret_door = HG_DOOR_OUT;
	} else {
		*ret_door = !*ret_door;
	}
}

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

static void roll_protocol(struct author *a, struct frame *f)
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

static void roll_shape(struct author *a, struct frame *f)
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

static void say_new(struct author *a)
{
	struct dice *d = &a->dice;
	int interface = a->doors[dice_below(d, a->n_doors)];
	uint32_t door = dice_below(d, 2);
	bool is_source = a->m->interfaces[interface].is_local == (door == HG_DOOR_OUT);
	int family = dice_chance(d, 65) ? 4 : 6;
	struct frame f = { .saddr = pick_address(a, family),
			   .daddr = pick_address(a, family) };
	struct addr own;

	if (dice_chance(d, 88) && pick_own(a, interface, family, &own))
		*(is_source ? &f.saddr : &f.daddr) = own;
	f.id = 100 + dice_below(d, 8);
	roll_protocol(a, &f);
	roll_shape(a, &f);
	say(a, &f, interface, door);
}

static void say_arp(struct author *a)
{
	struct dice *d = &a->dice;
	int interface = a->doors[dice_below(d, a->n_doors)];
	struct frame f = { .saddr = pick_address(a, 4), .daddr = pick_address(a, 4) };
	struct addr own;

	if (dice_chance(d, 80) && pick_own(a, interface, 4, &own))
		f.saddr = own;
	f.arp = dice_chance(d, 70) ? 1 : 1 + dice_below(d, 3);
	if (dice_chance(d, 30) && a->m->interfaces[interface].subnet >= 0)
		f.daddr = cidr_nth(
			&a->m->subnets[a->m->interfaces[interface].subnet].cidrs[0], 1);
	say(a, &f, interface, dice_chance(d, 80) ? HG_DOOR_IN : HG_DOOR_OUT);
}

/* DHCP and the services of the VPC. */
static void say_exempt(struct author *a)
{
	static const char *const to[] = {
		"169.254.169.254", "169.254.169.253", "169.254.169.123", "10.0.0.2",
		"10.0.0.1",        "10.0.1.1",        "203.0.113.9",     "10.0.1.10",
		"fd00:ec2::254",   "fd00:10:0:1::1",  "fd00:10::2"
	};
	struct dice *d = &a->dice;
	int interface = a->doors[dice_below(d, a->n_doors)];
	uint32_t door = dice_below(d, 2);
	struct addr there = address(dice_pick(d, to)), own;
	struct frame f;

	if (dice_chance(d, 30)) {
		f = frame_udp("0.0.0.0", 68, "255.255.255.255",
			      dice_chance(d, 80) ? 67 : 53);
		if (dice_chance(d, 30))
			f.saddr = pick_address(a, 4);
		say(a, &f, interface, door);
		return;
	}
	if (!pick_own(a, interface, there.family, &own))
		own = pick_address(a, there.family);
	f = (struct frame){ .saddr = own, .daddr = there };
	roll_protocol(a, &f);
	if (dice_chance(d, 50))
		f.dport = 53;
	if (dice_chance(d, 30)) {
		f.saddr = there;
		f.daddr = own;
		f.sport = 53;
	}
	say(a, &f, interface, door);
}

/* ---- taking something up again ---- */

static uint8_t roll_flags(struct author *a, const struct frame *f)
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

static void say_reply(struct author *a, const struct talk *t)
{
	struct frame f = frame_reply(&t->frame);
	int interface = t->interface;
	uint32_t door = t->door;

	f.fragment = 0;
	f.more = false;
	if (f.protocol == 6) {
		f.tcp_flags = roll_flags(a, &t->frame);
		if (f.tcp_flags == (TCP_SYN | TCP_ACK))
			f.seq = 5000;
		if (dice_chance(&a->dice, 10))
			f.ack += dice_chance(&a->dice, 50) ? 1 : -1;
	}
	find_door(a, &f, &interface, &door);
	say(a, &f, interface, door);
}

static void say_again(struct author *a, const struct talk *t)
{
	struct frame f = t->frame;

	if (f.protocol == 6 && !f.fragment && dice_chance(&a->dice, 60))
		f.tcp_flags = roll_flags(a, &f);
	if (dice_chance(&a->dice, 10))
		f.sport = pick_port(a);
	if (dice_chance(&a->dice, 5))
		f.icmp_id++;
	say(a, &f, t->interface, t->door);
}

static void say_fragment(struct author *a, const struct talk *t)
{
	struct frame f = t->frame;
	struct dice *d = &a->dice;

	f.more = dice_chance(d, 60);
	f.fragment = dice_chance(d, 45) ? 0 : 8 * (1 + dice_below(d, 4));
	f.payload = 8 * dice_below(d, 4);
	if (dice_chance(d, 20))
		f.id++;
	say(a, &f, t->interface, t->door);
}

static void say_error(struct author *a, const struct talk *t)
{
	static const uint8_t types4[] = { 3, 3, 11, 4, 5, 12, 8 },
			     types6[] = { 1, 2, 3, 4, 1, 128 };
	struct dice *d = &a->dice;
	struct frame quote = t->frame, f;
	int interface = t->interface;
	uint32_t door = t->door;

	quote.n_vlans = 0;
	quote.ethertype = 0;
	f = (struct frame){ .saddr = quote.daddr, .daddr = quote.saddr, .quote = &quote };
	if (quote.arp || !quote.saddr.family)
		return;
	if (dice_chance(d, 30))
		f.saddr = pick_address(a, quote.saddr.family);
	if (dice_chance(d, 10))
		f.daddr = pick_address(a, quote.saddr.family);
	f.protocol = f.saddr.family == 4 ? 1 : 58;
	f.icmp_type = f.saddr.family == 4 ? dice_pick(d, types4) : dice_pick(d, types6);
	f.icmp_code = dice_below(d, 5);
	f.quote_size = dice_chance(d, 80) ? 0 : 1 + dice_below(d, 60);
	find_door(a, &f, &interface, &door);
	say(a, &f, interface, door);
}

/* ---- the sequence ---- */

static void pass_time(struct author *a)
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

static void say_something(struct author *a)
{
	const struct talk *t = &a->talk[dice_below(&a->dice, TALKS)];
	unsigned roll = dice_below(&a->dice, 100);

	if (a->n_talks == 0 || (size_t)(t - a->talk) >= a->n_talks || roll < 28)
		say_new(a);
	else if (roll < 33)
		say_exempt(a);
	else if (roll < 36)
		say_arp(a);
	else if (t->frame.arp || !a->m->interfaces[t->interface].device)
		say_new(a);
	else if (roll < 66)
		say_reply(a, t);
	else if (roll < 84)
		say_again(a, t);
	else if (roll < 93)
		say_fragment(a, t);
	else
		say_error(a, t);
}

struct script *script_write(uint64_t seed, struct model *const *versions,
			    unsigned n_versions, size_t n_packets)
{
	struct author a = { .dice = { seed }, .m = versions[0], .now = 1000 };

	a.script = calloc(1, sizeof(*a.script));
	assert(a.script);
	a.script->steps = calloc(n_packets + 1, sizeof(*a.script->steps));
	assert(a.script->steps);
	collect(&a);
	while (a.n_doors > 0 && a.script->n < n_packets) {
		pass_time(&a);
		if (n_versions > 1 && dice_chance(&a.dice, 1)) {
			unsigned version = dice_below(&a.dice, n_versions);
			struct step *s = add_step(&a);

			s->kind = STEP_SWITCH;
			s->version = version;
			a.m = versions[version];
			collect(&a);
			continue;
		}
		say_something(&a);
	}
	devices_done(&a.devices);
	return a.script;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->steps[i].frame);
	free(s->steps);
	free(s);
}
