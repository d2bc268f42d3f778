/* SPDX-License-Identifier: Apache-2.0 */

/* The grid's column of JSON keys: what may stand at the top of a rule set. */
#include <stddef.h>

#include <hg/limits.h>

#include "config/fields.h"
#include "config/schema.h"

#define ARRAY(name)  offsetof(struct model, name), offsetof(struct model, n_##name)
#define VPC_OF(type) offsetof(struct type, vpc)

const struct noun_table nouns[NOUNS] = {
	[NOUN_VPC] = { "vpcs", "vpc", "VPC", vpc_fields, sizeof(struct vpc), 0,
		       ARRAY(vpcs), HG_MAX_VPCS, NULL,
		       "Networks that know nothing of each other." },
	[NOUN_PREFIX_LIST] = { "prefix_lists", "prefix_list", "prefix list",
			       prefix_fields, sizeof(struct prefix_list), 0,
			       ARRAY(prefix_lists), HG_MAX_PREFIX_LISTS, prefix_after,
			       "Sets of CIDRs that rules name as one." },
	[NOUN_SUBNET] = { "subnets", "subnet", "subnet", subnet_fields,
			  sizeof(struct subnet), VPC_OF(subnet), ARRAY(subnets),
			  HG_MAX_SUBNETS, NULL,
			  "Parts of a VPC with a network ACL at their border." },
	[NOUN_NACL] = { "network_acls", "network_acl", "network ACL", nacl_fields,
			sizeof(struct nacl), VPC_OF(nacl), ARRAY(nacls), HG_MAX_NACLS,
			NULL, "Ordered rules that judge every packet by itself." },
	[NOUN_GROUP] = { "security_groups", "security_group", "security group",
			 group_fields, sizeof(struct group), VPC_OF(group), ARRAY(groups),
			 HG_MAX_GROUPS, NULL,
			 "Rules that allow connections, and know them again." },
	[NOUN_INTERFACE] = { "interfaces", "interface", "interface", interface_fields,
			     sizeof(struct interface), VPC_OF(interface),
			     ARRAY(interfaces), HG_MAX_INTERFACES, NULL,
			     "Who has which addresses and carries which groups." },
	[NOUN_ROUTE_TABLE] = { "route_tables", "route_table", "route table",
			       route_table_fields, sizeof(struct route_table),
			       VPC_OF(route_table), ARRAY(route_tables),
			       HG_MAX_ROUTE_TABLES, NULL,
			       "Where what leaves a subnet goes: the longest matching "
			       "destination decides. Each VPC's own CIDRs are local "
			       "without "
			       "being written." },
	[NOUN_INTERNET_GATEWAY] = { "internet_gateways", "internet_gateway",
				    "internet gateway", gateway_fields,
				    sizeof(struct gateway), VPC_OF(gateway),
				    ARRAY(internet_gateways), HG_MAX_GATEWAYS, NULL,
				    "A VPC's way to the internet and back, one a VPC: "
				    "IPv4 "
				    "by elastic IP, IPv6 as it is." },
	[NOUN_EGRESS_ONLY_GATEWAY] = { "egress_only_gateways", "egress_only_gateway",
				       "egress-only gateway", gateway_fields,
				       sizeof(struct gateway), VPC_OF(gateway),
				       ARRAY(egress_only_gateways), HG_MAX_GATEWAYS, NULL,
				       "A VPC's way out in IPv6, one a VPC: only answers "
				       "come "
				       "back." },
	[NOUN_ELASTIC_IP] = { "elastic_ips", "elastic_ip", "elastic IP",
			      elastic_ip_fields, sizeof(struct elastic_ip), 0,
			      ARRAY(elastic_ips), HG_MAX_ELASTIC_IPS, NULL,
			      "Public addresses: each stands for a private address of an "
			      "interface or a load balancer's node, or is a NAT "
			      "gateway's." },
	[NOUN_NAT_GATEWAY] = { "nat_gateways", "nat_gateway", "NAT gateway",
			       nat_gateway_fields, sizeof(struct nat_gateway),
			       VPC_OF(nat_gateway), ARRAY(nat_gateways),
			       HG_MAX_NAT_GATEWAYS, NULL,
			       "Many private addresses behind few." },
	[NOUN_PEERING] = { "peerings", "peering", "peering", peering_fields,
			   sizeof(struct peering), 0, ARRAY(peerings), HG_MAX_PEERINGS,
			   NULL, "Two VPCs that may route to each other." },
	[NOUN_TARGET_GROUP] = { "target_groups", "target_group", "target group",
				target_group_fields, sizeof(struct target_group),
				VPC_OF(target_group), ARRAY(target_groups),
				HG_MAX_TARGET_GROUPS, target_group_after,
				"Who answers for a load balancer, and how their health "
				"is checked." },
	[NOUN_LOAD_BALANCER] = { "load_balancers", "load_balancer", "load balancer",
				 load_balancer_fields, sizeof(struct load_balancer),
				 VPC_OF(load_balancer), ARRAY(load_balancers),
				 HG_MAX_BALANCERS, load_balancer_after,
				 "Virtual addresses whose connections are spread over "
				 "targets." },
	[NOUN_GATEWAY_LOAD_BALANCER] = { "gateway_load_balancers",
					 "gateway_load_balancer", "gateway load balancer",
					 gateway_load_balancer_fields,
					 sizeof(struct gateway_load_balancer),
					 VPC_OF(gateway_load_balancer),
					 ARRAY(gateway_load_balancers), HG_MAX_BALANCERS,
					 NULL,
					 "What routes may lead to: packets pass through "
					 "an "
					 "appliance of a group, in GENEVE, and go on as "
					 "they were." },
	[NOUN_RATE_LIMIT] = { "rate_limits", "rate_limit", "rate limit",
			      rate_limit_fields, sizeof(struct rate_limit), 0,
			      ARRAY(rate_limits), HG_MAX_RATE_LIMITS, NULL,
			      "How much a source may send. They apply in the order of "
			      "their names." },
};

static void version_read(struct reader *r, const struct field *f, struct at at,
			 void *object)
{
	(void)f;
	(void)object;
	if (json_number(at.json) != 1)
		complain_type(r, at, "1, the version of this format");
}

static const struct kind kind_version = { "`1`", version_read, schema_version, NULL };

#define LATER(name)                                     \
	{                                               \
		name, &kind_later, .flags = FIELD_LATER \
	}

const struct field document_fields[] = {
	{ "headgate", &kind_version, .flags = FIELD_REQUIRED,
	  .help = "The version of this format." },
	LATER("flow_logs"),
	{},
};
