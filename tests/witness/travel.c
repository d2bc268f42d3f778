/* SPDX-License-Identifier: Apache-2.0 */

/* Conversations through gateways. Whoever answers has to know what a packet has become on its
 * way, so the author plays each packet to an oracle of his own, and answers come from where
 * that has sent it, to what it has made of it. Where a NAT gateway may choose a port the
 * author's is a guess; it is noted in the step, and frames written for it are set right when
 * somebody else has chosen another (trial.c).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/event.h>
#include <hg/image.h>

#include "tests/oracle/oracle.h"
#include "tests/witness/author.h"

#define TRIPS  32
#define MOUTHS 400
#define NAME   64

/* A packet that was sent, and as what it came out. */
struct trip {
	struct frame said, heard;
	char device[NAME], heard_device[NAME]; /* "": nobody has heard it */
	uint32_t door;
};

/* Somebody who can speak: from an address, at a device. */
struct mouth {
	const char *device;
	struct addr addr;
	bool is_outside;
};

struct traveller {
	struct author a;
	struct oracle *oracle;
	struct mouth mouths[MOUTHS];
	size_t n_mouths, n_inside;
	struct addr elastic[32], nat[32], vip[64];
	size_t n_elastic, n_nat, n_vips;
	struct trip trips[TRIPS];
	size_t n_trips;
};

/* ---- who there is ---- */

static void add_mouth(struct traveller *t, const char *device, struct addr addr,
		      bool is_outside)
{
	if (device && t->n_mouths < MOUTHS)
		t->mouths[t->n_mouths++] = (struct mouth){ device, addr, is_outside };
}

static void add_inside(struct traveller *t, const struct model *m)
{
	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *f = &m->interfaces[i];
		const char *device = f->device;

		if (f->is_local || f->subnet < 0)
			continue;
		if (!device)
			device = m->subnets[f->subnet].device;
		for (size_t k = 0; k < f->n_addresses; k++) {
			add_mouth(t, device, f->addresses[k], false);
			/* The declared speak more than the others. */
			add_mouth(t, device, f->addresses[k], false);
		}
	}
	for (size_t s = 0; s < m->n_subnets; s++)
		for (size_t k = 0; k < m->subnets[s].n_cidrs; k++)
			add_mouth(t, m->subnets[s].device,
				  cidr_nth(&m->subnets[s].cidrs[k], 14), false);
}

static void add_outside(struct traveller *t)
{
	static const char *const servers[] = { "198.51.100.1", "198.51.100.2",
					       "2001:db8:1::1", "2001:db8::7" };
	size_t first = t->a.devices.n - t->a.devices.n_uplinks;

	for (size_t i = first; i < t->a.devices.n; i++)
		for (size_t k = 0; k < sizeof(servers) / sizeof(servers[0]); k++)
			add_mouth(t, t->a.devices.list[i].name, address(servers[k]),
				  true);
}

static void add_vip(struct traveller *t, const struct addr *a)
{
	if (t->n_vips < sizeof(t->vip) / sizeof(t->vip[0]))
		t->vip[t->n_vips++] = *a;
}

/* Virtual addresses, as they are called inside and outside. */
static void add_vips(struct traveller *t, const struct model *m)
{
	for (size_t i = 0; i < m->n_load_balancers; i++) {
		const struct load_balancer *b = &m->load_balancers[i];

		for (size_t k = 0; k < b->n_vips; k++) {
			add_vip(t, &b->vips[k].address);
			if (b->vips[k].elastic_ip >= 0)
				add_vip(t,
					&m->elastic_ips[b->vips[k].elastic_ip].address);
		}
	}
}

/* On the wire of a host that balances. */
static void add_neighbours(struct traveller *t, const struct model *m)
{
	static const char *const hosts[] = { "198.51.100.1", "10.0.0.14", "10.0.1.14",
					     "2001:db8:1::1", "fd00:10::e" };

	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0; k < sizeof(hosts) / sizeof(hosts[0]); k++)
			if (m->interfaces[i].is_local && m->n_load_balancers > 0)
				add_mouth(t, m->interfaces[i].device, address(hosts[k]),
					  true);
}

static void look_around(struct traveller *t)
{
	const struct model *m = t->a.m;

	author_collect(&t->a);
	t->n_mouths = t->n_elastic = t->n_nat = t->n_vips = 0;
	add_inside(t, m);
	t->n_inside = t->n_mouths;
	add_outside(t);
	add_neighbours(t, m);
	add_vips(t, m);
	for (size_t i = 0; i < m->n_elastic_ips && i < 32; i++)
		t->elastic[t->n_elastic++] = m->elastic_ips[i].address;
	for (size_t i = 0; i < m->n_nat_gateways && i < 32; i++)
		t->nat[t->n_nat++] = m->nat_gateways[i].private_address;
}

static struct addr pick_to(struct traveller *t, int family)
{
	static const char *const to4[] = { "198.51.100.1", "198.51.100.1", "198.51.100.2",
					   "192.168.1.1", "100.64.0.1" };
	static const char *const to6[] = { "2001:db8:1::1", "2001:db8:1::1",
					   "2001:db8::7", "64:ff9b::c633:6401",
					   "64:ff9b::cb00:710a" };
	struct dice *d = &t->a.dice;
	unsigned roll;

	for (int tries = 0; t->n_vips > 0 && tries < 4; tries++) {
		const struct addr *a = &t->vip[dice_below(d, t->n_vips)];

		if (a->family == family && dice_chance(d, 50))
			return *a;
	}
	roll = dice_below(d, 100);
	if (roll < 45)
		return address(family == 4 ? dice_pick(d, to4) : dice_pick(d, to6));
	if (roll < 60 && family == 4 && t->n_elastic > 0)
		return t->elastic[dice_below(d, t->n_elastic)];
	if (roll < 64 && family == 4 && t->n_nat > 0)
		return t->nat[dice_below(d, t->n_nat)];
	if (roll < 90 && t->n_inside > 0) {
		for (int tries = 0; tries < 8; tries++) {
			const struct mouth *m = &t->mouths[dice_below(d, t->n_inside)];

			if (m->addr.family == family)
				return m->addr;
		}
	}
	return pick_address(&t->a, family);
}

/* ---- speaking ---- */

static struct frame as_heard(const struct frame *said, const struct decision *d)
{
	struct frame f = *said;

	if (!d->is_routed)
		return f;
	if (d->to.src.family != said->saddr.family) {
		f.n_extensions = 0;
		f.options = 0;
		f.is_atomic = false;
	}
	f.saddr = d->to.src;
	f.daddr = d->to.dst;
	f.protocol = d->to.protocol;
	f.sport = d->to.sport;
	f.dport = d->to.dport;
	if (is_icmp(&d->to)) {
		f.icmp_type = d->to.type;
		f.icmp_id = d->to.id;
	}
	return f;
}

static void say(struct traveller *t, const struct frame *f, const char *device,
		uint32_t door)
{
	struct step *s = author_say(&t->a, f, device, door);
	struct decision d =
		oracle_packet(t->oracle, device, door, s->frame, s->size, t->a.now);
	size_t n_choices = oracle_choices(t->oracle);
	struct trip *trip = &t->trips[t->n_trips++ % TRIPS];

	*trip = (struct trip){ .said = *f, .door = door };
	snprintf(trip->device, NAME, "%s", device);
	if (n_choices > 1)
		d = oracle_again(t->oracle, dice_below(&t->a.dice, n_choices));
	s->has_guess = d.is_chosen;
	s->guess = d.to;
	if (d.allow && d.device) {
		trip->heard = as_heard(f, &d);
		trip->heard.quote = NULL;
		trip->heard.ttl = 0;
		trip->heard.is_ttl_zero = false;
		snprintf(trip->heard_device, NAME, "%s", d.device);
	}
	trip->said.quote = NULL;
}

static void roll_what(struct traveller *t, struct frame *f)
{
	static const uint16_t own[] = { 5, 53, 1024, 10535, 10536, 40000, 40001, 65535 };
	static const uint16_t there[] = { 80, 80, 443, 53, 22, 8080 };
	struct dice *d = &t->a.dice;

	f->id = 100 + dice_below(d, 8);
	roll_protocol(&t->a, f);
	if (dice_chance(d, 85)) {
		f->sport = dice_pick(d, own);
		f->dport = dice_pick(d, there);
		if (f->protocol == 6 && dice_chance(d, 85)) {
			f->tcp_flags = TCP_SYN;
			f->ack = 0;
		}
	}
	if (dice_chance(d, 30))
		f->icmp_id = dice_pick(d, own);
	if (dice_chance(d, 25))
		roll_shape(&t->a, f);
	if (dice_chance(d, 4))
		f->payload = 1420 + dice_below(d, 70);
	if (dice_chance(d, 2))
		memset(f->dmac, dice_chance(d, 50) ? 0xff : 0x06, 6);
	if (dice_chance(d, 6)) {
		f->ttl = 1 + dice_below(d, 2);
		f->is_ttl_zero = dice_chance(d, 20);
	}
}

static void say_new(struct traveller *t)
{
	struct dice *d = &t->a.dice;
	const struct mouth *m = &t->mouths[dice_below(d, t->n_mouths)];
	struct frame f = { .saddr = m->addr };

	/* The outside is one of many, and would like to be heard. */
	if (m->is_outside && dice_chance(d, 20))
		f.saddr = pick_address(&t->a, m->addr.family);
	else if (dice_chance(d, 5))
		f.saddr = pick_address(&t->a, m->addr.family);
	f.daddr = pick_to(t, f.saddr.family);
	if (m->is_outside && f.saddr.family == 4 && t->n_elastic > 0 &&
	    dice_chance(d, t->n_vips > 0 ? 10 : 60))
		f.daddr = t->elastic[dice_below(d, t->n_elastic)];
	roll_what(t, &f);
	say(t, &f, m->device, HG_DOOR_IN);
}

/* At the out door of a port: the kernel speaks. */
static void say_out(struct traveller *t)
{
	const struct mouth *m = &t->mouths[dice_below(&t->a.dice, t->n_mouths)];
	struct frame f = { .daddr = m->addr };
	uint32_t id = devices_find(&t->a.devices, m->device);

	if (t->a.devices.list[id - 1].role != HG_ROLE_PORT)
		return;
	f.saddr = pick_address(&t->a, m->addr.family);
	roll_what(t, &f);
	say(t, &f, m->device, HG_DOOR_OUT);
}

/* ARP and its younger sister. */
static void say_neighbour(struct traveller *t)
{
	struct dice *d = &t->a.dice;
	const struct mouth *m = &t->mouths[dice_below(d, t->n_mouths)];
	struct frame f = { .saddr = m->addr };

	if (dice_chance(d, 10))
		f.saddr = pick_address(&t->a, f.saddr.family);
	f.daddr = dice_chance(d, 50) ? pick_address(&t->a, f.saddr.family)
				     : pick_to(t, f.saddr.family);
	if (f.saddr.family == 4) {
		f.arp = dice_chance(d, 70) ? 1 : 1 + dice_below(d, 3);
	} else {
		f.protocol = 58;
		f.icmp_type = dice_chance(d, 70) ? 135 : 136;
		f.target = f.daddr;
		if (dice_chance(d, 50))
			f.daddr = address("ff02::1:ff00:1");
		f.has_lladdr = dice_chance(d, 70);
		f.ttl = 255;
	}
	say(t, &f, m->device, HG_DOOR_IN);
}

static void say_reply(struct traveller *t, const struct trip *trip)
{
	struct frame f = frame_reply(&trip->heard);
	struct dice *d = &t->a.dice;

	f.fragment = 0;
	f.more = false;
	if (f.protocol == 6) {
		f.tcp_flags = roll_flags(&t->a, &trip->heard);
		if (f.tcp_flags == (TCP_SYN | TCP_ACK))
			f.seq = 5000;
		if (dice_chance(d, 5))
			f.ack++;
	}
	if (dice_chance(d, 3))
		f.sport++;
	say(t, &f, trip->heard_device, HG_DOOR_IN);
}

static void say_again(struct traveller *t, const struct trip *trip)
{
	struct frame f = trip->said;
	struct dice *d = &t->a.dice;

	if (f.protocol == 6 && !f.fragment && dice_chance(d, 60))
		f.tcp_flags = roll_flags(&t->a, &f);
	if (dice_chance(d, 10))
		f.sport = 40000 + dice_below(d, 3);
	if (dice_chance(d, 8))
		f.daddr = pick_to(t, f.daddr.family);
	say(t, &f, trip->device, trip->door);
}

static void say_fragment(struct traveller *t, const struct trip *trip)
{
	struct frame f = trip->said;
	struct dice *d = &t->a.dice;

	f.more = dice_chance(d, 60);
	f.fragment = dice_chance(d, 45) ? 0 : 8 * (1 + dice_below(d, 4));
	f.payload = 8 * dice_below(d, 4);
	if (dice_chance(d, 20))
		f.id++;
	say(t, &f, trip->device, trip->door);
}

/* From whom a packet has reached, or from somebody on the way. */
static void say_error(struct traveller *t, const struct trip *trip)
{
	static const uint8_t types4[] = { 3, 3, 3, 11, 4, 5, 12 },
			     types6[] = { 1, 2, 3, 4 };
	struct dice *d = &t->a.dice;
	struct frame quote = trip->heard;
	struct frame f = { .saddr = quote.daddr, .daddr = quote.saddr, .quote = &quote };

	if (quote.arp)
		return;
	quote.n_vlans = 0;
	quote.ethertype = 0;
	if (dice_chance(d, 30))
		f.saddr = pick_to(t, f.saddr.family);
	if (dice_chance(d, 5))
		f.daddr = pick_to(t, f.daddr.family);
	f.protocol = f.saddr.family == 4 ? 1 : 58;
	f.icmp_type = f.saddr.family == 4 ? dice_pick(d, types4) : dice_pick(d, types6);
	f.icmp_code = dice_below(d, 5);
	f.quote_size = dice_chance(d, 60) ? 0 : 1 + dice_below(d, 80);
	say(t, &f, trip->heard_device, HG_DOOR_IN);
}

/* One that somebody has heard, rather. */
static const struct trip *pick_trip(struct traveller *t)
{
	const struct trip *trip = NULL;

	for (int tries = 0; tries < 6 && (!trip || !trip->heard_device[0]); tries++)
		trip = &t->trips[dice_below(&t->a.dice, TRIPS)];
	return trip;
}

static void say_something(struct traveller *t)
{
	const struct trip *trip = pick_trip(t);
	unsigned roll = dice_below(&t->a.dice, 100);
	bool is_heard = trip->heard_device[0];

	if (!trip->device[0] || roll < 30)
		say_new(t);
	else if (roll < 33)
		say_neighbour(t);
	else if (roll < 36)
		say_out(t);
	else if (roll < 66 && is_heard && !trip->said.arp)
		say_reply(t, trip);
	else if (roll < 74 && is_heard && !trip->said.arp)
		say_error(t, trip);
	else if (trip->said.arp)
		say_new(t);
	else if (roll < 90)
		say_again(t, trip);
	else
		say_fragment(t, trip);
}

/* A target falls ill, or recovers. */
static void change_health(struct traveller *t)
{
	struct dice *d = &t->a.dice;
	const struct model *m = t->a.m;
	const struct target_group *g =
		&m->target_groups[dice_below(d, m->n_target_groups)];
	struct step *s;

	if (g->n_targets == 0)
		return;
	s = add_step(&t->a);
	s->kind = STEP_HEALTH;
	snprintf(s->group, sizeof(s->group), "%s", g->name);
	s->target = dice_below(d, g->n_targets);
	s->is_usable = dice_chance(d, 50);
	oracle_set_usable(t->oracle, s->group, s->target, s->is_usable);
}

struct script *travel_write(uint64_t seed, struct model *const *versions,
			    unsigned n_versions, size_t n_packets)
{
	struct traveller *t = calloc(1, sizeof(*t));
	struct script *script = calloc(1, sizeof(*script));

	assert(t && script);
	t->a = (struct author){
		.dice = { seed }, .m = versions[0], .now = 1000, .script = script
	};
	t->oracle = oracle_new(versions[0], NULL);
	script->steps = calloc(n_packets + 1, sizeof(*script->steps));
	assert(script->steps);
	look_around(t);
	while (t->n_mouths > 0 && script->n < n_packets) {
		pass_time(&t->a);
		if (n_versions > 1 && dice_chance(&t->a.dice, 1)) {
			struct step *s = add_step(&t->a);

			s->kind = STEP_SWITCH;
			s->version = dice_below(&t->a.dice, n_versions);
			t->a.m = versions[s->version];
			oracle_switch(t->oracle, t->a.m);
			look_around(t);
			continue;
		}
		if (t->a.m->n_target_groups > 0 && dice_chance(&t->a.dice, 3))
			change_health(t);
		else
			say_something(t);
	}
	devices_done(&t->a.devices);
	oracle_free(t->oracle);
	free(t);
	return script;
}
