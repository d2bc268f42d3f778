/* SPDX-License-Identifier: Apache-2.0 */

/* Two know where a neighbour is. The kernel asks, and is told when the answer changes or
 * does not come. The packet path hears everything that is said on a subnet's device, also
 * what it answers itself and the kernel never sees: there it is the better witness, and at
 * an uplink, where it does not listen, the kernel is the only one.
 *
 * So the kernel's word counts when it is news: a MAC other than the one that it named
 * before. When packets have named another one since ('word' is not what was written here
 * last), theirs stands, and the kernel is told of it and asks there. If nobody answers, it
 * says so, nothing has been heard since, and then its word counts.
 *
 * Flows keep indexes. A line that was freed is given to another neighbour only in another
 * epoch, in which every flow is judged before it is followed; until then its old owner may
 * have it back. Whoever finds a line by its address sees 'ifindex' stored after all else.
 *
 * A neighbour that nobody declared has a line for as long as the kernel knows it. As packets
 * pass the kernel by, it would never look whether a neighbour is still there: it is asked
 * to whenever it becomes unsure. tests/unit/kernel/hop.c plays all of this.
 */
#include "kernel/hop.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"

#define FAILED_TICKS 3 /* then packets may make the kernel try again */
#define RETRY_TICKS  5 /* then we do, for one that is wanted */

#define NUD_HAS_MAC (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

/* What is known of a line besides. */
struct shade {
	uint64_t word;        /* of 'mac', as it was written or looked at here last */
	uint32_t ifindex;     /* of a free line: its owner's */
	uint32_t freed_epoch; /* of a free line; 0: it may be had */
	uint8_t mac[6];       /* the kernel's last word */
	uint8_t n_failed;     /* ticks */
	bool is_used : 1;
	bool is_port : 1;
	bool is_wanted : 1, was_wanted : 1;
	bool is_asked : 1;   /* the kernel was told to look after it */
	bool is_known : 1;   /* the kernel has it */
	bool is_static : 1;  /* somebody has written it into the kernel for good */
	bool is_probed : 1;  /* and it has not answered yet */
	bool is_told : 1;    /* in the dump in hand */
	bool is_adopted : 1; /* and not spoken of since */
};

struct hops {
	struct hg_hop *lines;
	struct shade *shades;
	VEC(struct hop_order) orders;
	size_t n_given; /* of them */
};

union mac_word {
	uint64_t word;
	uint8_t byte[8];
};

static uint64_t word_of(const uint8_t mac[static 6], uint8_t state)
{
	union mac_word m = { .word = 0 };

	memcpy(m.byte, mac, 6);
	m.byte[6] = state;
	return m.word;
}

static uint64_t line_word(const struct hops *h, uint32_t id)
{
	return __atomic_load_n(&h->lines[id].mac.word, __ATOMIC_RELAXED);
}

static uint8_t word_state(uint64_t word)
{
	return ((union mac_word){ .word = word }).byte[6];
}

static void line_write(struct hops *h, uint32_t id, uint64_t word)
{
	h->shades[id].word = word;
	if (line_word(h, id) != word)
		__atomic_store_n(&h->lines[id].mac.word, word, __ATOMIC_RELAXED);
}

static struct hg_addr addr_of(const struct addr *a)
{
	struct hg_addr addr = {};

	if (a)
		memcpy(addr.w, a->bytes, sizeof(addr.w));
	return addr;
}

static struct addr line_addr(const struct hg_hop *line)
{
	struct addr a = { .family = line->flags & HG_HOP_6 ? 6 : 4 };

	memcpy(a.bytes, line->addr.w, sizeof(a.bytes));
	return a;
}

/* ---- lines ---- */

static uint32_t set_first(uint32_t ifindex, const struct hg_addr *addr)
{
	return (hg_hop_hash(ifindex, addr->w) & (HG_HOP_SETS - 1)) * HG_HOP_WAYS;
}

static uint32_t line_kind(const struct addr *a)
{
	return !a ? HG_HOP_PORT : a->family == 6 ? HG_HOP_6 : 0;
}

/* 'a' NULL: the instance of a port. */
static bool line_is(const struct hg_hop *line, const struct addr *a)
{
	struct hg_addr addr = addr_of(a);

	return memcmp(&line->addr, &addr, sizeof(addr)) == 0 &&
	       (line->flags & (HG_HOP_PORT | HG_HOP_6)) == line_kind(a);
}

uint32_t hop_find(const struct hops *h, uint32_t ifindex, const struct addr *a)
{
	struct hg_addr addr = addr_of(a);
	uint32_t first = set_first(ifindex, &addr);

	for (uint32_t id = first; id < first + HG_HOP_WAYS; id++)
		if (h->shades[id].is_used && h->lines[id].ifindex == ifindex &&
		    line_is(&h->lines[id], a))
			return id;
	return 0;
}

/* A free line of the set: its own of before, else one that no flow can name. */
static uint32_t line_find_free(const struct hops *h, uint32_t ifindex,
			       const struct addr *a, uint32_t epoch)
{
	struct hg_addr addr = addr_of(a);
	uint32_t first = set_first(ifindex, &addr), found = 0;

	for (uint32_t id = first; id < first + HG_HOP_WAYS; id++) {
		const struct shade *s = &h->shades[id];

		if (id == 0 || s->is_used)
			continue;
		if (s->ifindex == ifindex && line_is(&h->lines[id], a))
			return id;
		if (!found && (!s->freed_epoch || s->freed_epoch != epoch))
			found = id;
	}
	return found;
}

static void line_follow(struct hg_hop *line, const struct hop_device *d)
{
	memcpy(line->smac, d->mac, sizeof(line->smac));
	line->mtu = d->mtu;
}

static uint32_t line_make(struct hops *h, const struct hop_device *d,
			  const struct addr *a, uint32_t epoch)
{
	uint32_t id = line_find_free(h, d->ifindex, a, epoch);
	struct hg_hop *line = &h->lines[id];

	if (!id)
		return 0;
	line->addr = addr_of(a);
	line->flags = line_kind(a);
	line_follow(line, d);
	h->shades[id] = (struct shade){ .is_used = true, .is_port = !a };
	line_write(h, id, 0);
	__atomic_store_n(&line->ifindex, d->ifindex, __ATOMIC_RELEASE);
	return id;
}

/* The address stays: it says whose the line was. */
static void line_free(struct hops *h, uint32_t id, uint32_t epoch)
{
	struct hg_hop *line = &h->lines[id];

	h->shades[id] = (struct shade){ .ifindex = line->ifindex, .freed_epoch = epoch };
	__atomic_store_n(&line->ifindex, 0, __ATOMIC_RELEASE);
	line_write(h, id, 0);
}

/* ---- orders ---- */

static bool order_put(struct hops *h, enum neighbour_order order, uint32_t ifindex,
		      const struct addr *addr, const uint8_t mac[6])
{
	struct hop_order o = { .order = order, .ifindex = ifindex, .addr = *addr };

	if (mac)
		memcpy(o.mac, mac, sizeof(o.mac));
	return vec_push(&h->orders, o);
}

static void line_ask(struct hops *h, uint32_t id)
{
	struct shade *s = &h->shades[id];
	struct addr addr = line_addr(&h->lines[id]);

	if (s->is_wanted && !s->is_asked && !s->is_static)
		s->is_asked =
			order_put(h, NEIGHBOUR_KEEP, h->lines[id].ifindex, &addr, NULL);
}

/* The kernel then asks whether that is so. */
static void line_tell(struct hops *h, uint32_t id)
{
	union mac_word m = { .word = line_word(h, id) };
	struct shade *s = &h->shades[id];
	struct addr addr = line_addr(&h->lines[id]);

	if (!order_put(h, NEIGHBOUR_TELL, h->lines[id].ifindex, &addr, m.byte))
		return;
	s->word = m.word;
	memcpy(s->mac, m.byte, sizeof(s->mac));
	s->is_asked = false;
	line_ask(h, id);
	s->is_probed = s->is_asked;
}

static void line_drop(struct hops *h, uint32_t id, uint32_t epoch)
{
	struct addr addr = line_addr(&h->lines[id]);

	if (!h->shades[id].is_static)
		order_put(h, NEIGHBOUR_DELETE, h->lines[id].ifindex, &addr, NULL);
	line_free(h, id, epoch);
}

bool hops_next_order(struct hops *h, struct hop_order *ret)
{
	if (h->n_given == h->orders.n) {
		h->orders.n = h->n_given = 0;
		return false;
	}
	*ret = h->orders.items[h->n_given++];
	return true;
}

/* ---- life ---- */

int hops_new(struct hg_hop *lines, uint32_t epoch, struct hops **ret)
{
	_cleanup_free_ struct hops *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->shades = calloc(HG_HOPS, sizeof(*h->shades));
	if (!h->shades)
		return -ENOMEM;
	h->lines = lines;
	for (uint32_t id = 1; id < HG_HOPS; id++) {
		struct shade *s = &h->shades[id];
		union mac_word m = { .word = line_word(h, id) };
		if (lines[id].ifindex) {
			s->is_used = s->is_adopted = true;
			s->is_port = lines[id].flags & HG_HOP_PORT;
			s->word = m.word;
			memcpy(s->mac, m.byte, sizeof(s->mac));
		} else if (lines[id].mtu) {
			s->freed_epoch = epoch;
		}
	}
	*ret = TAKE(h);
	return 0;
}

void hops_free(struct hops *h)
{
	if (!h)
		return;
	free(h->shades);
	vec_done(&h->orders);
	free(h);
}

uint32_t hop_port(struct hops *h, const struct hop_device *d, const uint8_t mac[static 6],
		  bool is_peer, uint32_t epoch)
{
	static const uint8_t none[6];
	uint32_t id = hop_find(h, d->ifindex, NULL);

	if (!id)
		id = line_make(h, d, NULL, epoch);
	if (!id)
		return 0;
	line_follow(&h->lines[id], d);
	h->lines[id].flags = HG_HOP_PORT | (is_peer ? HG_HOP_PEER : 0);
	if (word_state(line_word(h, id)) != HG_HOP_RESOLVED &&
	    memcmp(mac, none, sizeof(none)) != 0)
		line_write(h, id, word_of(mac, HG_HOP_RESOLVED));
	return id;
}

static int device_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct hop_device *)a)->ifindex,
		 y = ((const struct hop_device *)b)->ifindex;

	return x < y ? -1 : x > y;
}

void hops_follow(struct hops *h, const struct hop_device *devices, size_t n,
		 uint32_t epoch)
{
	for (uint32_t id = 1; id < HG_HOPS; id++) {
		struct hop_device key = { .ifindex = h->lines[id].ifindex };
		const struct shade *s = &h->shades[id];
		const struct hop_device *d;

		if (!s->is_used)
			continue;
		d = n ? bsearch(&key, devices, n, sizeof(key), device_compare) : NULL;
		if (d && d->is_port == s->is_port)
			line_follow(&h->lines[id], d);
		else if (s->is_wanted)
			line_drop(h, id, epoch);
		else
			line_free(h, id, epoch);
	}
}

void hops_want_begin(struct hops *h)
{
	for (uint32_t id = 1; id < HG_HOPS; id++) {
		h->shades[id].was_wanted = h->shades[id].is_wanted;
		h->shades[id].is_wanted = false;
	}
}

uint32_t hop_want(struct hops *h, const struct hop_device *d, const struct addr *addr,
		  uint32_t epoch)
{
	uint32_t id = hop_find(h, d->ifindex, addr);

	if (!id)
		id = line_make(h, d, addr, epoch);
	if (id)
		h->shades[id].is_wanted = true;
	return id;
}

void hops_want_end(struct hops *h, uint32_t epoch)
{
	for (uint32_t id = 1; id < HG_HOPS; id++)
		if (h->shades[id].was_wanted && !h->shades[id].is_wanted)
			line_drop(h, id, epoch);
}

void hops_ask_again(struct hops *h, uint32_t ifindex)
{
	for (uint32_t id = 1; id < HG_HOPS; id++) {
		if (!h->shades[id].is_used || h->lines[id].ifindex != ifindex)
			continue;
		h->shades[id].is_asked = false;
		if (word_state(line_word(h, id)) == HG_HOP_FAILED)
			line_write(h, id, 0);
	}
}

void hop_refused(struct hops *h, const struct hop_order *order)
{
	uint32_t id = hop_find(h, order->ifindex, &order->addr);

	if (id)
		h->shades[id].is_asked = h->shades[id].is_probed = false;
}

/* ---- the kernel's word ---- */

/* Nobody sends packets on to these; a next hop among them is wanted and has its line. */
static bool addr_is_of_link(const struct addr *a)
{
	return a->family == 6 ? a->bytes[0] == 0xff ||
					(a->bytes[0] == 0xfe && a->bytes[1] >> 6 == 2)
			      : a->bytes[0] >> 4 >= 14 ||
					(a->bytes[0] == 169 && a->bytes[1] == 254);
}

/* Packets have named a MAC since we looked. */
static bool line_is_learnt(const struct hops *h, uint32_t id)
{
	uint64_t word = line_word(h, id);

	return word != h->shades[id].word && word_state(word) == HG_HOP_RESOLVED;
}

static void hear_mac(struct hops *h, uint32_t id, const struct neighbour *said)
{
	uint64_t word = word_of(said->mac, HG_HOP_RESOLVED), now = line_word(h, id);
	struct shade *s = &h->shades[id];
	bool is_ready = word_state(now) == HG_HOP_RESOLVED;
	bool is_news = memcmp(said->mac, s->mac, sizeof(s->mac)) != 0;

	/* What the line says was learnt while nobody looked; a kernel that has not heard from
	 * the neighbour for long does not know better. */
	bool is_doubted = s->is_adopted && !(said->state & NUD_REACHABLE);

	s->is_adopted = false;
	if (said->state & NUD_REACHABLE)
		s->is_probed = false;
	if (s->is_static || !is_ready ||
	    (is_news && !is_doubted && !line_is_learnt(h, id))) {
		memcpy(s->mac, said->mac, sizeof(s->mac));
		line_write(h, id, word);
	} else if (now != word && (is_news || line_is_learnt(h, id))) {
		line_tell(h, id);
	}
	if (said->state & NUD_STALE && !s->is_probed)
		s->is_probed =
			order_put(h, s->is_wanted ? NEIGHBOUR_KEEP : NEIGHBOUR_PROBE,
				  said->ifindex, &said->addr, NULL);
}

static void hear_failed(struct hops *h, uint32_t id)
{
	static const uint8_t none[6];

	if (line_is_learnt(h, id)) {
		line_tell(h, id);
		return;
	}
	h->shades[id].n_failed = 0;
	h->shades[id].is_probed = false;
	line_write(h, id, word_of(none, HG_HOP_FAILED));
}

static void hear_gone(struct hops *h, uint32_t id, uint32_t epoch)
{
	struct shade *s = &h->shades[id];

	if (!s->is_wanted) {
		line_free(h, id, epoch);
		return;
	}
	s->is_known = s->is_asked = s->is_static = s->is_adopted = false;
	line_write(h, id, 0);
}

void hop_hear(struct hops *h, const struct hop_device *d, const struct neighbour *said,
	      uint32_t epoch)
{
	bool has_mac = said->has_mac && said->state & NUD_HAS_MAC && !said->is_gone;
	uint32_t id = hop_find(h, said->ifindex, &said->addr);
	struct shade *s;

	if (said->protocol == NETLINK_PROTOCOL && !said->is_gone &&
	    !(id && h->shades[id].is_wanted)) {
		/* Asked for by an agent that is no more, or by other rules. */
		order_put(h, NEIGHBOUR_DELETE, said->ifindex, &said->addr, NULL);
		return;
	}
	if (!id && has_mac && !addr_is_of_link(&said->addr))
		id = line_make(h, d, &said->addr, epoch);
	if (!id)
		return;
	s = &h->shades[id];
	if (said->is_gone) {
		hear_gone(h, id, epoch);
		return;
	}
	s->is_known = s->is_told = true;
	s->is_static = said->state & NUD_PERMANENT;
	if (has_mac)
		hear_mac(h, id, said);
	else if (said->state & NUD_FAILED)
		hear_failed(h, id);
}

void hops_dump_begin(struct hops *h)
{
	for (uint32_t id = 1; id < HG_HOPS; id++)
		h->shades[id].is_told = h->shades[id].is_probed = false;
}

void hops_dump_end(struct hops *h, uint32_t epoch)
{
	for (uint32_t id = 1; id < HG_HOPS; id++) {
		const struct shade *s = &h->shades[id];

		/* Of an adopted line the kernel may never have known. */
		if (s->is_used && !s->is_port && !s->is_told &&
		    (s->is_known || (s->is_adopted && !s->is_wanted)))
			hear_gone(h, id, epoch);
	}
}

/* ---- time ---- */

static void line_tick(struct hops *h, uint32_t id)
{
	struct shade *s = &h->shades[id];
	union mac_word m = { .word = line_word(h, id) };

	if (line_is_learnt(h, id)) {
		if (s->is_static)
			line_write(h, id, word_of(s->mac, HG_HOP_RESOLVED));
		else if (memcmp(m.byte, s->mac, sizeof(s->mac)) != 0)
			line_tell(h, id);
		else
			s->word = m.word;
	}
	if (m.byte[6] == HG_HOP_FAILED)
		s->n_failed++;
	if (m.byte[6] == HG_HOP_FAILED && !s->is_wanted && s->n_failed >= FAILED_TICKS)
		line_write(h, id, 0);
	if (s->n_failed >= RETRY_TICKS) {
		s->n_failed = 0;
		s->is_asked = false;
	}
	line_ask(h, id);
}

void hops_tick(struct hops *h)
{
	for (uint32_t id = 1; id < HG_HOPS; id++)
		if (h->shades[id].is_used && !h->shades[id].is_port)
			line_tick(h, id);
}

struct hops_sum hops_sum(const struct hg_hop *lines)
{
	struct hops_sum sum = {};

	for (uint32_t id = 1; id < HG_HOPS; id++) {
		uint8_t state = word_state(
			__atomic_load_n(&lines[id].mac.word, __ATOMIC_RELAXED));

		if (!lines[id].ifindex)
			continue;
		sum.entries++;
		sum.resolved += state == HG_HOP_RESOLVED;
		sum.failed += state == HG_HOP_FAILED;
	}
	return sum;
}
