/* SPDX-License-Identifier: Apache-2.0 */
#include "health/policy.h"

#include <string.h>

#include "tests/lib/tap.h"

/* h healthy, i initial, u unhealthy, d unhealthy.draining; upper case: of weight 0. */
static size_t members_parse(const char *text, struct policy_member *ret)
{
	static const char letters[] = "hiud";
	static const enum health_state states[] = { HEALTH_HEALTHY, HEALTH_INITIAL,
						    HEALTH_UNHEALTHY,
						    HEALTH_UNHEALTHY_DRAINING };
	size_t n;

	for (n = 0; text[n]; n++)
		ret[n] = (struct policy_member){
			.state = states[strchr(letters, text[n] | 32) - letters],
			.weight = text[n] & 32 ? 1 : 0,
		};
	return n;
}

static void judge(const char *name, uint32_t count, uint32_t percentage,
		  const char *members, const char *usable, bool fails_open)
{
	struct policy_rules rules = { .minimum_count = count,
				      .minimum_percentage = percentage };
	struct policy_member list[64] = {};
	size_t n = members_parse(members, list);
	struct policy_answer answer;
	uint64_t bits[2] = { ~0ULL, ~0ULL }, want = 0;

	for (size_t i = 0; i < n; i++)
		want |= (uint64_t)(usable[i] == '1') << i;
	policy_decide(&rules, list, n, bits, &answer);
	ok((n == 0 || bits[0] == want) && bits[1] == ~0ULL &&
		   answer.fails_open == fails_open &&
		   answer.n_usable == (uint32_t)__builtin_popcountll(want),
	   "%s", name);
}

static void large(void)
{
	static struct policy_member list[1000];
	struct policy_rules rules = { .minimum_count = 1 };
	struct policy_answer answer;
	uint64_t bits[16];

	for (size_t i = 0; i < 1000; i++)
		list[i] =
			(struct policy_member){ i % 3 ? HEALTH_HEALTHY : HEALTH_UNHEALTHY,
						1 };
	memset(bits, 0xff, sizeof(bits));
	policy_decide(&rules, list, 1000, bits, &answer);
	ok(answer.n_usable == 666 && !(bits[999 / 64] >> (999 & 63) & 1) &&
		   (bits[998 / 64] >> (998 & 63) & 1) && bits[15] >> 40 == 0,
	   "a thousand members have a bit each, and no more than that");
}

int main(void)
{
	judge("healthy members take connections, others do not", 1, 0, "hiud", "1000",
	      false);
	judge("NLB2: all are unhealthy, so all are used", 1, 0, "uuu", "111", true);
	judge("all are new, so all are used", 1, 0, "iii", "111", true);
	judge("a new one waits while others are healthy", 1, 0, "hi", "10", false);
	judge("NLB3: of a minimum of 3, 3 are healthy", 3, 0, "hhhuu", "11100", false);
	judge("NLB3: of a minimum of 3, 2 are", 3, 0, "hhuuu", "11111", true);
	judge("a minimum of 0 is off: then nobody is better than the sick", 0, 0, "uu",
	      "00", false);
	/* Zones A and B have 10 targets each and 50 % must be healthy; 6 of B have failed. */
	judge("NLB4: cross-zone off, zone A is whole", 1, 50, "hhhhhhhhhh", "1111111111",
	      false);
	judge("NLB4: cross-zone off, 40 % of zone B are healthy: all 10 are used", 1, 50,
	      "hhhhuuuuuu", "1111111111", true);
	judge("NLB4: cross-zone on, 70 % are healthy: those 14 are used", 1, 50,
	      "hhhhhhhhhhhhhhuuuuuu", "11111111111111000000", false);
	judge("exactly the percentage is enough", 1, 50, "hhuu", "1100", false);
	judge("a percentage of odd numbers is not rounded", 1, 67, "hhu", "111", true);
	judge("either minimum is enough to open", 3, 1, "hhu", "111", true);
	judge("who has no weight takes nothing", 1, 0, "hH", "10", false);
	judge("not even when the pool fails open", 1, 0, "uU", "10", true);
	judge("and is no help to those who are too few", 2, 0, "hHu", "101", true);
	judge("nor counted among them", 1, 50, "hUUU", "1000", false);
	judge("a pool without members is not open", 1, 0, "", "", false);
	judge("nor is one of members without weight", 1, 0, "HU", "00", false);
	large();
	return done();
}
