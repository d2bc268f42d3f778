/* SPDX-License-Identifier: Apache-2.0 */

/* Gateway load balancers: what inspects packets on their way. */
#include <stddef.h>

#include <hg/limits.h>

#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

#define IDLE_TIMEOUT     350 /* seconds; AWS's, and so are its bounds */
#define IDLE_TIMEOUT_MIN 60
#define IDLE_TIMEOUT_MAX 6000

/* The last two are AWS's words. */
static const struct choice stickinesses[] = {
	{ "5_tuple", INSPECT_5_TUPLE },
	{ "3_tuple", INSPECT_3_TUPLE },
	{ "2_tuple", INSPECT_2_TUPLE },
	{ "source_ip_dest_ip_proto", INSPECT_3_TUPLE },
	{ "source_ip_dest_ip", INSPECT_2_TUPLE },
	{},
};

const struct field gateway_load_balancer_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct gateway_load_balancer, vpc),
	  .noun = NOUN_VPC, .help = "May be left out where there is one VPC or none." },
	{ "target_group", &kind_reference,
	  offsetof(struct gateway_load_balancer, target_group), .flags = FIELD_REQUIRED,
	  .noun = NOUN_TARGET_GROUP, .help = "Of `geneve`, in the same VPC." },
	{ "stickiness", &kind_choice, offsetof(struct gateway_load_balancer, stickiness),
	  .flags = FIELD_PRESET, .preset = INSPECT_5_TUPLE, .choices = stickinesses,
	  .size = sizeof(int),
	  .help = "What goes to one appliance, both ways: a connection, or all that two "
		  "addresses say in a protocol, or at all." },
	{ "subnet", &kind_reference, offsetof(struct gateway_load_balancer, subnet),
	  .noun = NOUN_SUBNET,
	  .help = "By whose route table packets go on. Without it: their sender's." },
	{ "idle_timeout", &kind_number,
	  offsetof(struct gateway_load_balancer, idle_timeout), .flags = FIELD_PRESET,
	  .min = IDLE_TIMEOUT_MIN, .max = IDLE_TIMEOUT_MAX, .preset = IDLE_TIMEOUT,
	  .size = sizeof(uint32_t),
	  .help = "Seconds after which a silent TCP connection is forgotten." },
	{},
};

void gateway_load_balancers_check(struct reader *r)
{
	const struct model *m = r->model;

	for (size_t i = 0; i < m->n_gateway_load_balancers; i++) {
		int index = m->gateway_load_balancers[i].target_group;
		const struct target_group *g =
			index >= 0 ? &m->target_groups[index] : NULL;

		if (g && (int)g->protocol != CHOICE_BROKEN &&
		    g->protocol != TARGET_GENEVE)
			complain(r,
				 at_get(r->slots[NOUN_GATEWAY_LOAD_BALANCER].items[i].at,
					"target_group"),
				 "target group \"%s\" is of %s: appliances are of geneve",
				 g->name, target_protocol_name(g->protocol));
	}
}
