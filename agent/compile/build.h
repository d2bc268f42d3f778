/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* build: what the parts of the compiler share while one image is made.
 *
 * Shape    Rule ids: nacl_rules[nacl * 2 + direction] is the first of a NACL's direction,
 *          in the order of its rules, followed by that of its implicit deny;
 *          group_rules[] likewise without a last one. The rule of route i is route_rules
 *          + i, and table_routes[table] the first route of a table. Objects are numbered
 *          in the order of object_of_*() below, each kind in model order, from 1; virtual
 *          addresses likewise, those of a balancer as written.
 * Owner    image_compile(), for the time of the call.
 * Errors   build_refuse() complains and counts: the image is not made.
 */
#include <stddef.h>
#include <stdint.h>

#include <hg/event.h>

#include "compile/device.h"
#include "compile/image.h"
#include "compile/lines.h"
#include "compile/pool.h"

struct build {
	const struct model *m;
	const struct facts *facts;
	struct diag *diag;
	size_t n_refused;
	struct lines lines;
	struct pool shapes;  /* classifier.h */
	struct pool exempts; /* class.h */
	uint32_t *nacl_rules, *group_rules;
	uint32_t *nacl_lines; /* classifier's line, by nacl * 2 + direction; 0 unused */
	uint32_t *table_routes;
	uint32_t n_routes, route_rules;
	uint32_t *table_lines;  /* of its vector of route ids, by table; 0 unused */
	uint32_t *onward_lines; /* of that without gateway load balancers; 0: has none */
	uint32_t *vpc_zones, *interface_zones, *uplink_zones; /* by index; 0 none */
	uint32_t *vpc_gateways; /* id of its internet gateway, by VPC; 0 none */
	uint32_t *nat_ids;      /* by NAT gateway */
	uint32_t n_nats;        /* records: one more than the highest id */
	uint32_t *meters;       /* by load balancer, then gateway load balancer */
	uint32_t *vip_peers;    /* by id of virtual address: the peer of its class */
	uint32_t *
		device_gateways; /* by device id: of a host's that has a balancer; 0 none */
	uint32_t n_gateways;     /* records */
	VEC(const char *) pool_zones; /* by pool id; NULL: every zone */
	struct devices devices;
	uint32_t n_classifiers;
};

void build_refuse(struct build *b, const struct where *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The addresses of interface 'i': its own, or the kernel's for a local one without. */
const struct addr *build_addresses(const struct build *b, size_t i, size_t *ret_n);

/* The device id of the uplink 'name', which is one. */
uint32_t build_uplink(const struct build *b, const char *name);

static inline uint32_t object_of_vpc(size_t i)
{
	return (uint32_t)i + 1;
}

static inline uint32_t object_of_subnet(const struct model *m, size_t i)
{
	return object_of_vpc(0) + (uint32_t)(m->n_vpcs + i);
}

static inline uint32_t object_of_nacl(const struct model *m, size_t i)
{
	return object_of_subnet(m, 0) + (uint32_t)(m->n_subnets + i);
}

static inline uint32_t object_of_group(const struct model *m, size_t i)
{
	return object_of_nacl(m, 0) + (uint32_t)(m->n_nacls + i);
}

static inline uint32_t object_of_interface(const struct model *m, size_t i)
{
	return object_of_group(m, 0) + (uint32_t)(m->n_groups + i);
}

static inline uint32_t object_of_route_table(const struct model *m, size_t i)
{
	return object_of_interface(m, 0) + (uint32_t)(m->n_interfaces + i);
}

static inline uint32_t object_of_internet_gateway(const struct model *m, size_t i)
{
	return object_of_route_table(m, 0) + (uint32_t)(m->n_route_tables + i);
}

static inline uint32_t object_of_egress_only_gateway(const struct model *m, size_t i)
{
	return object_of_internet_gateway(m, 0) + (uint32_t)(m->n_internet_gateways + i);
}

static inline uint32_t object_of_elastic_ip(const struct model *m, size_t i)
{
	return object_of_egress_only_gateway(m, 0) +
	       (uint32_t)(m->n_egress_only_gateways + i);
}

static inline uint32_t object_of_nat_gateway(const struct model *m, size_t i)
{
	return object_of_elastic_ip(m, 0) + (uint32_t)(m->n_elastic_ips + i);
}

static inline uint32_t object_of_peering(const struct model *m, size_t i)
{
	return object_of_nat_gateway(m, 0) + (uint32_t)(m->n_nat_gateways + i);
}

static inline uint32_t object_of_target_group(const struct model *m, size_t i)
{
	return object_of_peering(m, 0) + (uint32_t)(m->n_peerings + i);
}

static inline uint32_t object_of_load_balancer(const struct model *m, size_t i)
{
	return object_of_target_group(m, 0) + (uint32_t)(m->n_target_groups + i);
}

static inline uint32_t object_of_gateway_load_balancer(const struct model *m, size_t i)
{
	return object_of_load_balancer(m, 0) + (uint32_t)(m->n_load_balancers + i);
}

static inline uint32_t object_of_rate_limit(const struct model *m, size_t i)
{
	return object_of_gateway_load_balancer(m, 0) +
	       (uint32_t)(m->n_gateway_load_balancers + i);
}

/* Its meter's number: balancers_choose() comes first. */
static inline uint32_t id_of_gateway_load_balancer(const struct build *b, size_t i)
{
	return b->meters[b->m->n_load_balancers + i] - HG_METER_BALANCER;
}

/* NAT instances among the first 'n' NAT gateways. */
static inline size_t instances_count(const struct model *m, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += m->nat_gateways[i].is_instance;
	return count;
}

/* Load balancers with groups among the first 'n'. */
static inline size_t guarded_count(const struct model *m, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += m->load_balancers[i].n_groups > 0;
	return count;
}

/* In hg_header.interfaces: interfaces, then NAT instances, then balancers with groups. */
static inline uint32_t id_of_instance(const struct model *m, size_t nat_gateway)
{
	return (uint32_t)(m->n_interfaces + instances_count(m, nat_gateway)) + 1;
}

static inline uint32_t id_of_guarded(const struct model *m, size_t load_balancer)
{
	return id_of_instance(m, m->n_nat_gateways) +
	       (uint32_t)guarded_count(m, load_balancer);
}

/* Of the first virtual address of a load balancer. */
static inline uint32_t id_of_vip(const struct model *m, size_t load_balancer)
{
	uint32_t id = 1;

	for (size_t i = 0; i < load_balancer; i++)
		id += (uint32_t)m->load_balancers[i].n_vips;
	return id;
}

/* In hg_header.gateways: internet gateways first. */
static inline uint32_t id_of_internet_gateway(size_t i)
{
	return (uint32_t)i + 1;
}

static inline uint32_t id_of_egress_only_gateway(const struct model *m, size_t i)
{
	return (uint32_t)(m->n_internet_gateways + i) + 1;
}
