/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/nat.h"

#include "config/json.h"

static bool has_internet(const struct model *m, int vpc)
{
	for (size_t i = 0; i < m->n_internet_gateways; i++)
		if (m->internet_gateways[i].vpc == vpc)
			return true;
	return false;
}

struct json *elastic_ip_json(const struct model *m, const struct elastic_ip *e)
{
	const struct nat_gateway *nat =
		e->nat_gateway < 0 ? NULL : &m->nat_gateways[e->nat_gateway];
	const struct addr *private = nat ? &nat->private_address : &e->private_address;
	int vpc = nat                ? nat->vpc
		  : e->interface < 0 ? -1
				     : m->interfaces[e->interface].vpc;
	struct json *j = json_new_object();
	char text[ADDR_TEXT];

	json_set_string(j, "name", e->name);
	json_set_string(j, "address", addr_print(&e->address, text));
	json_set_string(j, "private_address",
			private->family ? addr_print(private, text) : NULL);
	json_set_bool(j, "attached", vpc >= 0 && has_internet(m, vpc));
	return j;
}
