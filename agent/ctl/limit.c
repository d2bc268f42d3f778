/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "base/cleanup.h"
#include "compile/build.h"
#include "config/json.h"
#include "ctl/request.h"
#include "kernel/limit.h"

static const char *const units[] = {
	[LIMIT_PACKETS] = "packets",
	[LIMIT_BYTES] = "bytes",
	[LIMIT_NEW_CONNECTIONS] = "new_connections",
};
static const char *const actions[] = {
	[LIMIT_BLOCK] = "block",
	[LIMIT_COUNT] = "count",
	[LIMIT_ALLOW] = "allow",
};

/* What a limit of the rule set is counted by; 0: it has no record, as its resource has no
 * address. */
static uint32_t mark_of(const struct image *image, uint32_t object)
{
	struct hg_table limits = {};

	if (image->lines)
		limits = image_header(image)->limits;
	for (uint32_t id = 1; id < limits.n; id++) {
		const struct hg_limit *l = image_record(image, limits, id, sizeof(*l));

		if (l && l->object == object)
			return l->mark;
	}
	return 0;
}

static struct json *limit_json(const struct model *m, const struct rate_limit *l)
{
	struct json *j = json_new_object();
	bool is_subnet = l->subnet >= 0;
	char resource[HG_MAX_NAME + 16];

	snprintf(resource, sizeof(resource), "%s/%s",
		 is_subnet ? "subnet" : "load_balancer",
		 is_subnet ? m->subnets[l->subnet].name
			   : m->load_balancers[l->load_balancer].name);
	json_set_string(j, "name", l->name);
	json_set_string(j, "resource", resource);
	if (l->port)
		json_set_number(j, "port", l->port);
	else
		json_set_null(j, "port");
	json_set_string(j, "key", "source_ip");
	json_set_string(j, "unit", units[l->unit]);
	json_set_u64(j, "limit", l->limit);
	json_set_number(j, "window", l->window);
	json_set_string(j, "action", actions[l->action]);
	return j;
}

static void counts_set(struct json *j, const struct limit_tally *tally,
		       const struct hg_limit_counts *c)
{
	json_set_number(j, "sources", tally->sources);
	json_set_number(j, "limited", tally->limited);
	json_set_u64(j, "packets", c->packets);
	json_set_u64(j, "bytes", c->bytes);
	json_set_u64(j, "over", c->over);
	json_set_u64(j, "over_bytes", c->over_bytes);
	json_set_u64(j, "dropped", c->dropped);
	json_set_u64(j, "dropped_bytes", c->dropped_bytes);
}

void verb_limits(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct agent *a = q->agent;
	struct image image;
	struct json *list;

	if (!m)
		return;
	image = dataplane_image(a->dp);
	limits_sweep(a->dp, a->limits);
	list = json_new_array();
	for (size_t i = 0; i < m->n_rate_limits; i++) {
		uint32_t mark = mark_of(&image, object_of_rate_limit(m, i));
		struct json *j = json_add(list, limit_json(m, &m->rate_limits[i]));
		struct hg_limit_counts counts = {};

		if (mark && limit_read(a->dp, mark, &counts) < 0) {
			json_free(list);
			return;
		}
		counts_set(j, &a->limits[HG_MARK_ID(mark)], &counts);
	}
	reply_json(reply, 200, list);
}
