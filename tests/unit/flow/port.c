/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/port.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "tests/lib/tap.h"

#define PATIENCE 1000

static struct hg_port_set sets[HG_PORT_SETS] __attribute__((aligned(64)));

/* The answer to 'port' of the destination 'n'. */
static struct hg_key4 answer(uint32_t n, unsigned port)
{
	return (struct hg_key4){ .saddr = htonl(0xc6336400 + n),
				 .daddr = htonl(0x0a000005),
				 .sport = htons(443),
				 .dport = htons((uint16_t)port),
				 .protocol = 6,
				 .live = 1,
				 .zone = 3 };
}

/* A set as a packet leaves it, 'probe' lines behind the first. */
static struct hg_port_set *set_make(uint32_t n, uint32_t probe, uint32_t next)
{
	union {
		struct hg_key4 key;
		__u64 w[2];
	} k = { .key = answer(n, 0) };
	struct hg_port_set *set = &sets[(hg_port_hash(k.w) + probe) & (HG_PORT_SETS - 1)];

	memset(set, 0, sizeof(*set));
	set->key = k.key;
	set->next = next;
	set->taken[HG_PORT_WORDS - 1] = ~0ULL << (HG_PORTS & 63);
	return set;
}

static void take(struct hg_port_set *set, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		hg_port_take(set, i);
}

static void bits(void)
{
	struct hg_port_set *set = set_make(1, 0, HG_PORTS);

	ok(hg_port_take(set, 64), "a port that nobody has can be taken");
	ok(!hg_port_take(set, 64), "and not twice");
	hg_port_give(set, 64);
	ok(hg_port_take(set, 64), "and again when it was given back");
	take(set, HG_PORTS);
	ok(!(~set->full[0]) && set->full[13] << 36 == ~0ULL << 36,
	   "words without a free port are known as such");
	hg_port_give(set, HG_PORTS - 1);
	is((long long)(set->full[13] >> 27 & 1), 0, "and no longer when one is back");
	ok(hg_port_take(set, HG_PORTS - 1), "the last of all ports can be taken, too");
	is((long long)(set->full[13] >> 27 & 1), 1, "which leaves nothing");
}

static void giving(void)
{
	struct hg_port_set *set = set_make(2, HG_PORT_PROBES - 1, HG_PORTS);
	struct hg_key4 key = answer(2, HG_PORT_FIRST + 700);

	take(set, HG_PORTS);
	port_give(sets, &key);
	ok(hg_port_take(set, 700), "a freed entry's port is free, wherever the set is");
	key = answer(2, 65535);
	port_give(sets, &key);
	ok(hg_port_take(set, HG_PORTS - 1), "so is the highest");
	key.zone = 4;
	port_give(sets, &key);
	ok(!hg_port_take(set, HG_PORTS - 1), "another zone's entry is another's");
	key = answer(2, HG_PORT_FIRST - 1);
	port_give(sets, &key);
	key = answer(3, 65535);
	port_give(sets, &key);
	is((long long)set->taken[0], -1,
	   "ports that no NAT gateway gives, and sets that are none, change nothing");
	set->key.live = HG_PORT_MADE;
	key = answer(2, 65535);
	port_give(sets, &key);
	ok(!hg_port_take(set, HG_PORTS - 1), "a set in the making is left alone");
}

/* IPv6: a number stands for the addresses. */
static void giving6(void)
{
	static const struct hg_addr client = { .w = { 1, 2, 3, 4 } };
	static const struct hg_addr vip = { .w = { 5, 6, 7, 8 } };
	struct hg_key6 key = { .saddr = client,
			       .daddr = vip,
			       .sport = htons(443),
			       .dport = htons(HG_PORT_FIRST + 700),
			       .protocol = 6,
			       .live = 1,
			       .zone = 3 };
	struct hg_key4 short_key = port_key6(&key);
	struct hg_port_set *set;
	union {
		struct hg_key4 key;
		__u64 w[2];
	} k = { .key = short_key };
	unsigned n_same = 0;

	is((long long)k.w[0], (long long)hg_port_addresses(&client, &vip),
	   "an IPv6 key is as packets write it");
	ok(k.key.sport == key.sport && k.key.dport == key.dport && k.key.protocol == 6 &&
		   k.key.live == 1 && k.key.zone == 3,
	   "with the ports, protocol and zone of the answer");
	k.key.dport = 0;
	set = &sets[hg_port_hash(k.w)];
	set->key = k.key;
	take(set, HG_PORTS);
	for (unsigned i = 0; i < 8; i++) {
		struct hg_key6 other = key;

		((i < 4) ? &other.saddr : &other.daddr)->w[i & 3] ^= 0x100;
		short_key = port_key6(&other);
		n_same += hg_port_addresses(&other.saddr, &other.daddr) == k.w[0];
		port_give(sets, &short_key);
	}
	is(n_same, 0, "each word of both addresses counts");
	is(hg_port_addresses(&client, &vip) == hg_port_addresses(&vip, &client), 0,
	   "and who is who");
	is((long long)set->taken[10], -1, "others' ports change nothing");
	short_key = port_key6(&key);
	port_give(sets, &short_key);
	ok(hg_port_take(set, 700), "a freed IPv6 entry's port is free");
}

static bool is_empty(const struct hg_port_set *set)
{
	static const struct hg_port_set zero;

	return !set->key.live &&
	       !memcmp(&set->seen, &zero.seen,
		       sizeof(zero) - offsetof(struct hg_port_set, seen));
}

static void sweeping(void)
{
	struct hg_port_set *busy = set_make(10, 0, HG_PORTS);
	struct hg_port_set *calm = set_make(11, 0, HG_PORTS);
	struct hg_port_set *fresh = set_make(12, 0, 100);
	struct hg_port_set *stale = set_make(13, 0, 100);
	struct hg_port_set *dead = set_make(14, 0, HG_PORTS);
	struct hg_port_set *made = set_make(15, 0, 0);
	uint32_t now = 5;

	take(busy, HG_PORTS / 8);
	take(calm, HG_PORTS / 8 - 1);
	fresh->seen = now - PATIENCE;
	stale->seen = now - PATIENCE - 1;
	take(dead, HG_PORTS);
	dead->key.live = HG_PORT_CLEARING;
	made->key.live = HG_PORT_MADE;
	is(port_sweep(sets, now, PATIENCE), 2, "sets in use stay");
	ok(busy->key.live && !hg_port_take(busy, 0), "as long as an eighth is taken");
	ok(is_empty(calm), "less than that is taken away, and leaves nothing behind");
	ok(fresh->key.live, "a set that is being filled stays");
	ok(is_empty(stale), "unless nobody has asked for a port for long");
	ok(is_empty(dead), "what another agent began is ended");
	is(made->key.live, HG_PORT_MADE, "a packet's set in the making is left alone");
	fresh->seen = now + 3;
	ok(port_sweep(sets, now, PATIENCE) && fresh->key.live,
	   "a packet's clock may be ahead");
	fresh->seen = (now - PATIENCE) ^ 0x80000000U;
	ok(port_sweep(sets, now, PATIENCE) && fresh->key.live,
	   "and has a bit more than the agent's");
	fresh->seen = (now - PATIENCE - 1) ^ 0x80000000U;
	port_sweep(sets, now, PATIENCE);
	ok(is_empty(fresh), "which makes nothing younger");
}

int main(void)
{
	bits();
	memset(sets, 0, sizeof(sets));
	giving();
	memset(sets, 0, sizeof(sets));
	giving6();
	memset(sets, 0, sizeof(sets));
	sweeping();
	return done();
}
