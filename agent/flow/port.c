/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/port.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NOT_BUSY (HG_PORTS / 8)

union key {
	struct hg_key4 key;
	uint64_t w[2];
};

static uint64_t *key_word(struct hg_port_set *set)
{
	return (uint64_t *)&set->key + 1;
}

static struct hg_port_set *set_find(struct hg_port_set *sets, const union key *k)
{
	uint32_t first = hg_port_hash((const __u64 *)k->w);

	for (uint32_t n = 0; n < HG_PORT_PROBES; n++) {
		struct hg_port_set *set = &sets[(first + n) & (HG_PORT_SETS - 1)];
		const uint64_t *w = (const uint64_t *)&set->key;

		if (__atomic_load_n(&w[1], __ATOMIC_ACQUIRE) == k->w[1] &&
		    __atomic_load_n(&w[0], __ATOMIC_RELAXED) == k->w[0])
			return set;
	}
	return NULL;
}

struct hg_key4 port_key6(const struct hg_key6 *answer)
{
	union key k = { .key = { .sport = answer->sport,
				 .dport = answer->dport,
				 .protocol = answer->protocol,
				 .live = answer->live,
				 .zone = answer->zone } };

	k.w[0] = hg_port_addresses(&answer->saddr, &answer->daddr);
	return k.key;
}

void port_give(struct hg_port_set *sets, const struct hg_key4 *answer)
{
	uint32_t i = (uint32_t)ntohs(answer->dport) - HG_PORT_FIRST;
	union key k = { .key = *answer };
	struct hg_port_set *set;

	k.key.dport = 0;
	k.key.live = HG_PORT_LIVE;
	set = set_find(sets, &k);
	if (set && i < HG_PORTS)
		hg_port_give(set, i);
}

static uint32_t set_count(const struct hg_port_set *set)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < HG_PORTS / 64; i++)
		n += (uint32_t)__builtin_popcountll(set->taken[i]);
	return n;
}

/* A packet that has found the set just now may still write into it: one bit too many, in a
 * line that is nobody's or another's by then. That is a hint gone wrong, as any other. */
static void set_clear(struct hg_port_set *set)
{
	memset(&set->seen, 0, sizeof(*set) - offsetof(struct hg_port_set, seen));
	__atomic_store_n(key_word(set), 0, __ATOMIC_RELEASE);
}

/* While not all ports are known the count says nothing. */
static bool set_is_busy(const struct hg_port_set *set, uint32_t now, uint32_t patience)
{
	uint32_t since = now - __atomic_load_n(&set->seen, __ATOMIC_RELAXED);
	/* Of 'now' only 31 bits are known. */
	int32_t idle = (int32_t)(since << 1) / 2;

	if (__atomic_load_n(&set->next, __ATOMIC_RELAXED) < HG_PORTS)
		return idle <= 0 || (uint32_t)idle <= patience;
	return set_count(set) >= NOT_BUSY;
}

unsigned port_sweep(struct hg_port_set *sets, uint32_t now, uint32_t patience)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < HG_PORT_SETS; i++) {
		struct hg_port_set *set = &sets[i];
		union key k = { .w = { 0, __atomic_load_n(key_word(set),
							  __ATOMIC_ACQUIRE) } };

		/* An agent died while it was at it. */
		if (k.key.live == HG_PORT_CLEARING)
			set_clear(set);
		if (k.key.live != HG_PORT_LIVE)
			continue;
		if (set_is_busy(set, now, patience)) {
			n++;
			continue;
		}
		k.key.live = HG_PORT_CLEARING;
		__atomic_store_n(key_word(set), k.w[1], __ATOMIC_SEQ_CST);
		set_clear(set);
	}
	return n;
}

struct port_count port_count(const struct hg_port_set *sets)
{
	struct port_count count = {};

	for (uint32_t i = 0; i < HG_PORT_SETS; i++)
		if (sets[i].key.live == HG_PORT_LIVE) {
			count.sets++;
			count.taken += set_count(&sets[i]);
		}
	return count;
}
