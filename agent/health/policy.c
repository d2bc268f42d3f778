/* SPDX-License-Identifier: Apache-2.0 */
#include "health/policy.h"

#include <string.h>

void policy_decide(const struct policy_rules *rules, const struct policy_member *members,
		   size_t n, uint64_t *ret_usable, struct policy_answer *ret_answer)
{
	struct policy_answer answer = {};
	size_t n_weighted = 0;

	for (size_t i = 0; i < n; i++) {
		n_weighted += members[i].weight != 0;
		answer.n_healthy +=
			members[i].weight != 0 && members[i].state == HEALTH_HEALTHY;
	}
	if (n_weighted != 0)
		answer.fails_open =
			answer.n_healthy < rules->minimum_count ||
			(uint64_t)answer.n_healthy * 100 <
				(uint64_t)rules->minimum_percentage * n_weighted;
	memset(ret_usable, 0, (n + 63) / 64 * sizeof(*ret_usable));
	for (size_t i = 0; i < n; i++) {
		if (members[i].weight == 0 ||
		    (members[i].state != HEALTH_HEALTHY && !answer.fails_open))
			continue;
		ret_usable[i / 64] |= 1ULL << (i & 63);
		answer.n_usable++;
	}
	*ret_answer = answer;
}
