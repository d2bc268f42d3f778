/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"

const struct field elastic_ip_fields[] = {
	{ "address", &kind_address, offsetof(struct elastic_ip, address),
	  .flags = FIELD_REQUIRED, .help = "IPv4, outside every VPC. Each stands once." },
	{ "interface", &kind_reference, offsetof(struct elastic_ip, interface),
	  .noun = NOUN_INTERFACE,
	  .help = "Whose address it stands for. One that a NAT gateway lists has none." },
	{ "private_address", &kind_address, offsetof(struct elastic_ip, private_address),
	  .help = "An IPv4 address of `interface`. Without it: the first." },
	{},
};

/* ---- the check ---- */

/* Who has it: the NAT gateway that lists it. */
static void users_find(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		const struct nat_gateway *n = &m->nat_gateways[i];

		for (size_t k = 0; k < n->n_elastic_ips; k++)
			if (n->elastic_ips[k] >= 0 &&
			    m->elastic_ips[n->elastic_ips[k]].nat_gateway < 0)
				m->elastic_ips[n->elastic_ips[k]].nat_gateway = (int)i;
	}
}

static void private_default(const struct model *m, struct elastic_ip *e)
{
	const struct interface *x = &m->interfaces[e->interface];

	for (size_t k = 0; k < x->n_addresses && e->private_address.family == 0; k++)
		if (x->addresses[k].family == 4)
			e->private_address = x->addresses[k];
}

void elastic_ips_check(struct reader *r)
{
	struct model *m = r->model;

	users_find(r);
	for (size_t i = 0; i < m->n_elastic_ips; i++)
		if (m->elastic_ips[i].interface >= 0)
			private_default(m, &m->elastic_ips[i]);
}
