/* SPDX-License-Identifier: Apache-2.0 */
#include "cuts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/meter.h"

static struct flow_target target_of(const struct health_cut *cut, const struct addr *a,
				    uint8_t protocol, uint32_t meter)
{
	struct flow_target target = { .meter = meter,
				      .port = htons(cut->port),
				      .protocol = protocol,
				      .family = a->family };

	memcpy(&target.address, a->bytes, sizeof(target.address));
	return target;
}

static bool target_add(struct cuts *c, const struct health_cut *cut, uint32_t meter)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	static const unsigned wanted[] = { HEALTH_CUT_TCP, HEALTH_CUT_UDP };
	struct flow_target appliance = { .meter = meter, .family = 4 };
	bool is_whole = true;

	if (cut->protocols & HEALTH_CUT_GENEVE && cut->addresses[0].family == 4) {
		memcpy(&appliance.address, cut->addresses[0].bytes, 4);
		is_whole = vec_push(&c->fresh, appliance);
	}

	for (size_t i = 0; i < 4; i++) {
		const struct addr *a = &cut->addresses[i & 1];

		if (a->family && cut->protocols & wanted[i >> 1])
			is_whole =
				vec_push(&c->fresh,
					 target_of(cut, a, protocols[i >> 1], meter)) &&
				is_whole;
	}
	return is_whole;
}

void cuts_add(struct cuts *c, const struct image *image, const struct health_cut *cut)
{
	bool meters[HG_METERS], is_whole = true;

	if (meters_of_group(image, cut->group, meters) == 0)
		meters_of_group(image, NULL, meters);
	for (uint32_t i = 1; i < HG_METERS; i++)
		if (meters[i])
			is_whole = target_add(c, cut, i) && is_whole;
	if (!is_whole)
		log_error(
			"no memory to end the connections of a target of group %s: they "
			"go on",
			cut->group);
}

static unsigned walk(struct flow_target *list, size_t n, const struct flow_tables *t,
		     uint32_t now)
{
	return n ? flow_cut(t, list, flow_cuts_sort(list, n), now, 0, t->n_sets) : 0;
}

/* What is new is walked for once more by the next call, a tenth of a second
 * later; what is then walked for the second time shares that walk with what has
 * come since. */
void cuts_run(struct cuts *c, const struct flow_tables *t, uint32_t now, uint64_t now_ns)
{
	size_t n_fresh = c->fresh.n;

	if ((!c->fresh.n && !c->again.n) ||
	    (c->walked_ns && now_ns - c->walked_ns < CUTS_PAUSE_NS))
		return;
	for (size_t i = 0; i < c->again.n; i++)
		vec_push(&c->fresh, c->again.items[i]);
	c->again.n = 0;
	for (size_t i = 0; i < n_fresh; i++)
		vec_push(&c->again, c->fresh.items[i]);
	c->n_cut += walk(c->fresh.items, c->fresh.n, t, now);
	c->fresh.n = 0;
	c->walked_ns = clock_monotonic_ns();
}

void cuts_done(struct cuts *c)
{
	vec_done(&c->fresh);
	vec_done(&c->again);
}
