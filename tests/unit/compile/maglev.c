/* SPDX-License-Identifier: Apache-2.0 */

/* Rings against the plain way of filling them, and against what the paper promises: shares
 * within 1 % of each other (section 3.4), and few slots moved when a member leaves.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "compile/ring.h"
#include "tests/lib/tap.h"

#define MEMBERS 1000

static struct maglev_member members[MEMBERS];
static uint16_t ring[HG_RING], other[HG_RING];
static uint32_t counts[MEMBERS];

static struct maglev_member member_of(uint32_t i, uint32_t weight)
{
	return (struct maglev_member){
		.identity = { .address = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i },
			      .family = 4,
			      .port = { 1, 187 } },
		.weight = weight,
	};
}

static void members_make(size_t n, uint32_t weight)
{
	for (uint32_t i = 0; i < n; i++)
		members[i] = member_of(i, weight);
}

static void fill(size_t n, uint16_t *to)
{
	if (maglev_fill(members, n, to) < 0)
		bail("the ring cannot be filled");
}

static void count(const uint16_t *slots)
{
	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < HG_RING; i++)
		counts[slots[i]]++;
}

static size_t moved_count(const uint16_t *a, const uint16_t *b)
{
	size_t n = 0;

	for (size_t i = 0; i < HG_RING; i++)
		n += a[i] != b[i];
	return n;
}

/* ---- the plain way: what maglev.h says, word by word ---- */

static int plain_compare(const void *va, const void *vb)
{
	const struct maglev_member *a = &members[*(const size_t *)va];
	const struct maglev_member *b = &members[*(const size_t *)vb];

	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	return memcmp(&a->identity, &b->identity, sizeof(a->identity));
}

static void plain_fill(size_t n, uint16_t *slots)
{
	static size_t order[MEMBERS];
	static uint32_t credit[MEMBERS], next[MEMBERS];
	size_t n_free = HG_RING;

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort(order, n, sizeof(*order), plain_compare);
	for (size_t i = 0; i < n; i++) {
		credit[i] = members[order[0]].weight / 2;
		next[i] = 0;
	}
	memset(slots, 0xff, HG_RING * sizeof(*slots));
	while (n_free) {
		for (size_t k = 0; k < n && n_free; k++) {
			size_t i = order[k];
			const struct maglev_identity *id = &members[i].identity;
			uint64_t offset = hash64(1, id, sizeof(*id)) % HG_RING;
			uint64_t skip = hash64(2, id, sizeof(*id)) % (HG_RING - 1) + 1;

			credit[i] += members[i].weight;
			if (!members[i].weight || credit[i] < members[order[0]].weight)
				continue;
			credit[i] -= members[order[0]].weight;
			while (slots[(offset + skip * next[i]) % HG_RING] != 0xffff)
				next[i]++;
			slots[(offset + skip * next[i]) % HG_RING] = (uint16_t)i;
			n_free--;
		}
	}
}

static void test_plain(void)
{
	static const size_t sizes[] = { 1, 2, 3, 100, 999 };
	unsigned seed = 1;

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		members_make(sizes[k], 1);
		fill(sizes[k], ring);
		plain_fill(sizes[k], other);
		is((long long)moved_count(ring, other), 0,
		   "%zu equal members have the slots of the plain way", sizes[k]);
		for (size_t i = 0; i < sizes[k]; i++)
			members[i].weight = (uint32_t)rand_r(&seed) % 1000;
		members[0].weight = 999;
		fill(sizes[k], ring);
		plain_fill(sizes[k], other);
		is((long long)moved_count(ring, other), 0,
		   "%zu members of any weight have those of the plain way", sizes[k]);
	}
}

/* ---- shares ---- */

static void test_shares(void)
{
	uint64_t weights = 0;
	uint32_t lowest = HG_RING, highest = 0;
	double worst = 0;

	members_make(100, 7);
	fill(100, ring);
	count(ring);
	for (size_t i = 0; i < 100; i++) {
		lowest = counts[i] < lowest ? counts[i] : lowest;
		highest = counts[i] > highest ? counts[i] : highest;
	}
	ok(lowest >= 655 && highest <= 656,
	   "100 equal members differ by one slot at most");

	for (uint32_t i = 0; i < MEMBERS; i++) {
		members[i] = member_of(i, i);
		weights += i;
	}
	fill(MEMBERS, ring);
	count(ring);
	for (uint32_t i = 0; i < MEMBERS; i++) {
		double share = (double)i * HG_RING / (double)weights;
		double off = share > counts[i] ? share - counts[i] : counts[i] - share;

		worst = off > worst ? off : worst;
	}
	if (!ok(worst < 2,
		"weights of 0 to 999 have their shares, but for less than two slots"))
		note("one is off by %f", worst);
	is(counts[0], 0, "weight 0 has no slot");

	members_make(3, 1);
	members[1].weight = 999;
	members[2].weight = 0;
	fill(3, ring);
	count(ring);
	ok(counts[0] >= 65 && counts[0] <= 66, "1 to 999 is 65 slots or 66");
	members_make(2, 0);
	is(maglev_fill(members, 2, ring), -22, "without any weight there is no ring");
	is(maglev_fill(members, 0, ring), -22, "and none without members");
}

/* ---- order and disruption ---- */

static void test_order(void)
{
	unsigned seed = 2;
	size_t n_moved = 0;

	for (uint32_t i = 0; i < 50; i++)
		members[i] = member_of(i, 1 + i % 3);
	fill(50, ring);
	for (int round = 0; round < 20; round++) {
		struct maglev_member swap;

		for (size_t i = 49; i; i--) {
			size_t k = (size_t)rand_r(&seed) % (i + 1);

			swap = members[i];
			members[i] = members[k];
			members[k] = swap;
		}
		fill(50, other);
		for (size_t i = 0; i < HG_RING; i++)
			n_moved += members[other[i]].identity.address[3] != ring[i];
	}
	is((long long)n_moved, 0, "the order in which members are given moves no slot");
}

/* Slots that others had and that are another's once member 'gone' of 'n' has left. */
static size_t disturbed(size_t n, uint32_t gone)
{
	size_t n_disturbed = 0;

	members_make(n, 1);
	fill(n, ring);
	members[gone].weight = 0;
	fill(n, other);
	for (size_t i = 0; i < HG_RING; i++)
		n_disturbed += ring[i] != gone && ring[i] != other[i];
	return n_disturbed;
}

/* The least that can move are the slots of who left: 1 in 100. */
static void test_disruption(void)
{
	size_t sum = 0, worst = 0;

	for (uint32_t gone = 0; gone < 100; gone += 5) {
		size_t n = disturbed(100, gone);

		sum += n;
		worst = n > worst ? n : worst;
	}
	note("1 of 100 leaves: %.2f %% of others' slots move, at worst %.2f %%",
	     (double)sum * 5 / HG_RING, (double)worst * 100 / HG_RING);
	ok(sum * 5 < HG_RING,
	   "1 of 100 that leaves moves less than 1 %% of others' slots");
	ok(worst * 50 < HG_RING, "and never 2 %%");
	members_make(100, 1);
	fill(100, ring);
	members[100] = member_of(100, 1);
	fill(101, other);
	count(other);
	ok(moved_count(ring, other) < counts[100] * 2UL,
	   "one that joins moves few slots besides its own");
}

static void test_time(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (uint32_t k = 0; k < 100; k++) {
		members_make(100, 1);
		for (uint32_t i = 0; i < 100; i++)
			members[i].identity.address[1] = (uint8_t)k;
		fill(100, ring);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	note("a ring of 100 members takes %.3f ms",
	     ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
		     1e8);
}

/* More than one thread's work, and some that cannot be done. */
static void test_many(void)
{
	enum { RINGS = 40 };
	static uint16_t rings[RINGS][HG_RING];
	struct ring_want wants[RINGS];
	size_t differ = 0;

	members_make(60, 1);
	for (size_t i = 0; i < RINGS; i++)
		wants[i] = (struct ring_want){ members + i, i % 7 + 1, rings[i] };
	is(rings_fill(wants, RINGS), 0, "many rings are filled at once");
	for (size_t i = 0; i < RINGS; i++) {
		maglev_fill(wants[i].members, wants[i].n, ring);
		differ += memcmp(ring, rings[i], sizeof(ring)) != 0;
	}
	is(differ, 0, "each as if it were alone");
	wants[RINGS - 3].n = 0;
	is(rings_fill(wants, RINGS), -22, "one that cannot be filled is told of");
	is(rings_fill(wants, 0), 0, "no ring is no trouble");
}

int main(void)
{
	test_plain();
	test_shares();
	test_order();
	test_disruption();
	test_many();
	test_time();
	return done();
}
