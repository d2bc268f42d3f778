/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <hg/event.h>

#include "tests/witness/author.h"
#include "tests/witness/rules.h"

static void say(struct author *a, const struct frame *f, int interface, uint32_t door)
{
	author_say(a, f, a->m->interfaces[interface].device, door);
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
	author_collect(&a);
	while (a.n_doors > 0 && a.script->n < n_packets) {
		pass_time(&a);
		if (n_versions > 1 && dice_chance(&a.dice, 1)) {
			unsigned version = dice_below(&a.dice, n_versions);
			struct step *s = add_step(&a);

			s->kind = STEP_SWITCH;
			s->version = version;
			a.m = versions[version];
			author_collect(&a);
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
