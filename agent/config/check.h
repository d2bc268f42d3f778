/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* check: what a rule set means, once all of it has been read.
 *
 *   links -> defaults -> each noun by itself -> nouns against each other
 *
 * Owner    The reader's model is completed in place.
 * Errors   Complaints, where the text stands that is to be changed. An object that is broken
 *          already is not complained of again for what follows from it.
 */
#include "config/reader.h"

void rules_check(struct reader *r);

/* Each noun's own part, in its file. */
void vpcs_check(struct reader *r);           /* CIDRs of a VPC do not overlap */
void subnets_check(struct reader *r);        /* inside their VPC, not over each other */
void nacls_check(struct reader *r);          /* rules in order, numbers once */
void groups_check(struct reader *r);         /* no rule twice */
void interfaces_check(struct reader *r);     /* addresses and devices */
void devices_check(struct reader *r);        /* one role each */
void route_tables_check(struct reader *r);   /* destinations and targets that fit */
void gateways_check(struct reader *r);       /* one of a kind a VPC */
void elastic_ips_check(struct reader *r);    /* one use each */
void nat_gateways_check(struct reader *r);   /* addresses and forwards */
void peerings_check(struct reader *r);       /* two VPCs that do not overlap, once */
void target_groups_check(struct reader *r);  /* targets, and the protocol's keys */
void load_balancers_check(struct reader *r); /* addresses, listeners, forwards */
void gateway_load_balancers_check(struct reader *r); /* a group of appliances */
void rate_limits_check(struct reader *r);            /* a port that is listened at */
void addresses_check(struct reader *r);              /* in a VPC each has one owner */
void settings_default(struct reader *r); /* the default list of exempt traffic */

/* Subnets by VPC and CIDR, to find the one that contains an address. */
struct extents {
	struct extent {
		const struct cidr *cidr;
		int vpc, subnet;
	} * items;
	size_t n;
};

/* False, noted in the reader, without memory. */
bool extents_init(struct reader *r, struct extents *ret);
void extents_done(struct extents *e);
/* Its CIDR; NULL: there is none. */
const struct cidr *extent_find(const struct extents *e, int vpc, const struct addr *a,
			       int *ret_subnet);
/* The CIDR of a VPC that contains 'a'; NULL without. */
const struct cidr *vpc_cidr_find(const struct vpc *vpc, const struct addr *a);
/* IPv4 in the clothes of IPv6, which is on no wire. */
bool addr_is_mapped(const struct addr *a);
/* Where the 'k'th virtual address of a balancer is written. */
struct at vip_at(const struct reader *r, const struct load_balancer *lb, size_t k);
/* "tcp_udp". */
const char *target_protocol_name(enum target_protocol protocol);
/* The defaults of what a group's health check leaves out. 'at' is the group's. */
void health_check_default(struct reader *r, struct at at, struct target_group *g);

/* What nobody can be called: such a source is malformed, such a destination no one's. */
bool addr_is_special(const struct addr *a);
/* Which role of the subnet's an address has; NULL: none. In IPv6 there is only the router. */
const char *addr_role(const struct cidr *c, const struct addr *a);
/* -1 without. */
int internet_gateway_find(const struct model *m, int vpc);
/* A group stands once in a list. */
void groups_check_once(struct reader *r, const int *groups, size_t n_groups,
		       struct at at);
/* IPv6 CIDRs of those of 'is_there' do not overlap, because they meet at 'device'. */
void vpcs_check_apart(struct reader *r, const bool *is_there, const char *device);
