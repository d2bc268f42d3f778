/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

/* ---- the fields ---- */

static void vpcs_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	struct peering *p = object;
	size_t i = 0;

	if (!json_is_array(at.json)) {
		complain_type(r, at, "a list");
		return;
	}
	if (json_size(at.json) != 2) {
		complain(r, at, "a peering has two VPCs, not %zu", json_size(at.json));
		return;
	}
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++)
		if (json_is_string(j))
			link_add(r, f->noun, json_string(j), &p->vpcs[i],
				 (struct at){ at.doc, j });
		else
			complain_type(r, (struct at){ at.doc, j }, "a name");
}

static void vpcs_preset(const struct field *f, void *object)
{
	struct peering *p = object;

	(void)f;
	p->vpcs[0] = p->vpcs[1] = LINK_BROKEN;
}

static const struct kind kind_pair = { "list of names of two VPCs", vpcs_read,
				       schema_pair, vpcs_preset };

const struct field peering_fields[] = {
	{ "vpcs", &kind_pair, .flags = FIELD_REQUIRED, .noun = NOUN_VPC,
	  .help = "Whose CIDRs do not overlap, and that no other peering connects. Each "
		  "needs routes to the other; a group may name the other's." },
	{},
};
