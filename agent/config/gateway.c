/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

/* ---- the fields ---- */

static void next_hop_read(struct reader *r, const struct field *f, struct at at,
			  void *object)
{
	struct gateway *g = object;
	char buf[ADDR_TEXT];

	if (!json_is_array(at.json)) {
		complain_type(r, at, "a list");
		return;
	}
	for (const struct json *j = json_first(at.json); j; j = json_next(j)) {
		struct at member = { at.doc, j };
		struct addr a = {};

		address_read(r, member, &a);
		if (a.family == 0)
			continue;
		if (addr_is_special(&a))
			complain(r, member, "%s cannot be a next hop",
				 addr_print(&a, buf));
		else if (g->next_hop[a.family == 6].family != 0)
			complain(r, member, "%s is a second next hop in IPv%u",
				 addr_print(&a, buf), a.family);
		else
			g->next_hop[a.family == 6] = a;
	}
	(void)f;
}

static const struct kind kind_next_hop = { "list of addresses", next_hop_read,
					   schema_next_hop, NULL };

const struct field gateway_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct gateway, vpc), .noun = NOUN_VPC,
	  .help = "May be left out where there is one VPC or none." },
	{ "device", &kind_device, offsetof(struct gateway, device),
	  .flags = FIELD_REQUIRED, .max = DEVICE_TEXT_MAX,
	  .help = "The uplink. Several gateways may share one." },
	{ "hook", &kind_choice, offsetof(struct gateway, hook), .flags = FIELD_PRESET,
	  .preset = HOOK_AUTO, .choices = hook_choices, .size = sizeof(int),
	  .help = "How `device` is met, as for interfaces; the same for all that share "
		  "it." },
	{ "next_hop", &kind_next_hop, .max = 2,
	  .help = "The router there, at most one a family. Without it: the kernel's "
		  "default route by that device, or else the destination itself." },
	{},
};

/* ---- the check ---- */

static void once_check(struct reader *r, enum noun noun, const struct gateway *gateways,
		       size_t n)
{
	_cleanup_free_ const struct gateway **of =
		reader_room(r, r->model->n_vpcs, sizeof(*of));

	if (!of)
		return;
	for (size_t i = 0; i < n; i++) {
		int vpc = gateways[i].vpc;

		if (vpc < 0)
			continue;
		if (of[vpc])
			complain(r, r->slots[noun].items[i].at,
				 "the VPC has the %s \"%s\" already", nouns[noun].title,
				 of[vpc]->name);
		else
			of[vpc] = &gateways[i];
	}
}

int internet_gateway_find(const struct model *m, int vpc)
{
	for (size_t i = 0; i < m->n_internet_gateways; i++)
		if (m->internet_gateways[i].vpc == vpc)
			return (int)i;
	return -1;
}

void gateways_check(struct reader *r)
{
	const struct model *m = r->model;

	once_check(r, NOUN_INTERNET_GATEWAY, m->internet_gateways,
		   m->n_internet_gateways);
	once_check(r, NOUN_EGRESS_ONLY_GATEWAY, m->egress_only_gateways,
		   m->n_egress_only_gateways);
	for (size_t i = 0; i < m->n_egress_only_gateways; i++)
		if (m->egress_only_gateways[i].next_hop[0].family != 0)
			warn(r,
			     at_get(r->slots[NOUN_EGRESS_ONLY_GATEWAY].items[i].at,
				    "next_hop"),
			     "an egress-only gateway carries IPv6: its next hop in IPv4 "
			     "is "
			     "not used");
}
