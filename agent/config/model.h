/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* model: a rule set, read and meant; what compile/ and the oracle work from.
 *
 *   interface -> subnet -> nacl        vpc is named by all of them
 *   interface -> groups -> rules -> peers -> cidr | prefix list | group
 *   subnet -> route table -> routes -> gateway | NAT gateway | peering | interface
 *   load balancer -> listener -> target group -> targets
 *
 * Shape    Arrays sorted by name, so indexes are the same for the same document
 *          whatever the order of its keys. References are indexes into these arrays;
 *          -1 is none. Every reference in a finished model is good.
 * Units    Ports and rule numbers as written. 'protocol' is the IANA number, -1 all.
 *          Timeouts are seconds, 0 not set. Direction 0 is ingress, 1 egress.
 * Order    Addresses are struct addr (wire order). CIDRs have no host bits.
 * Owner    One arena owns everything; model_free() frees it. A model is never changed
 *          after config_read() has returned it.
 * Errors   A model exists only when there was no complaint.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct arena;

enum hook { HOOK_AUTO, HOOK_XDP, HOOK_TC };

/* Where in the text an object stands, for complaints after reading. */
struct where {
	const char *file;
	unsigned line, column; /* from 1 */
	const char *pointer;   /* RFC 6901 */
};

struct vpc {
	const char *name; /* "" is the VPC of rule sets that name none */
	struct where where;
	struct cidr *cidrs; /* of "": those of its subnets if it is routed, else none */
	size_t n_cidrs;
	int default_nacl;  /* always good, but -1 for "" */
	int default_group; /* always good */
	int main_table;    /* always good, but -1 for "" that is not routed */
	/* It has a route table, a gateway, a peering or a subnet with a device: its routes are
	 * obeyed. Else what is for no declared interface is the kernel's. */
	bool is_routed;
};

struct prefix_list {
	const char *name;
	struct where where;
	size_t max_entries;
	struct cidr *entries; /* sorted by cidr_compare(), no duplicates */
	size_t n_entries;
};

enum peer_kind { PEER_CIDR, PEER_PREFIX_LIST, PEER_GROUP };

struct peer {
	enum peer_kind kind;
	struct cidr cidr; /* PEER_CIDR */
	int index; /* of the prefix list or the group; -1: a stale reference, to a group of a
			   * VPC that no peering connects; it matches nothing */
	const char *stale; /* that group's name; else NULL */
};

struct port_range {
	uint16_t first, last;
};

/* What both kinds of rule say of protocol and ports. */
struct match {
	int protocol;             /* 0 .. 255, -1 all */
	struct port_range *ports; /* destination; sorted, merged; none: all */
	size_t n_ports;
	struct port_range *source_ports; /* NACL only */
	size_t n_source_ports;
	int icmp_type, icmp_code; /* -1 any */
};

struct nacl_rule {
	uint32_t number;
	bool allow;
	struct match match;
	struct peer
		cidr; /* PEER_CIDR or PEER_PREFIX_LIST: ingress source, egress destination */
	bool has_peer_cidr;
	struct peer peer_cidr; /* the other end */
	struct where where;
};

struct nacl {
	const char *name;
	struct where where;
	bool is_implicit;
	int vpc;
	struct nacl_rule *rules[2]; /* by direction; ascending number */
	size_t n_rules[2];
};

struct group_rule {
	struct match match;
	struct peer *peers; /* none: matches nothing */
	size_t n_peers;
	struct where where;
};

struct group {
	const char *name;
	struct where where;
	bool is_implicit;
	int vpc;
	struct group_rule *rules[2]; /* in the order written */
	size_t n_rules[2];
};

struct subnet {
	const char *name;
	struct where where;
	int vpc;
	struct cidr *cidrs;
	size_t n_cidrs;
	const char *zone;   /* or NULL */
	int nacl;           /* its own or the VPC's default; -1 only without one */
	const char *device; /* or NULL */
	enum hook hook;
	int route_table; /* its own or the VPC's main; -1 only in VPC "" that is not routed */
};

enum route_kind {
	ROUTE_LOCAL,
	ROUTE_BLACKHOLE,
	ROUTE_INTERNET_GATEWAY,
	ROUTE_NAT_GATEWAY,
	ROUTE_EGRESS_ONLY_GATEWAY,
	ROUTE_PEERING,
	ROUTE_INTERFACE,
	ROUTE_GATEWAY_LOAD_BALANCER,
};

/* As written: the local routes of the VPC's CIDRs are not among them. */
struct route {
	struct cidr to;  /* unless: */
	int prefix_list; /* -1: 'to' counts */
	enum route_kind kind;
	int target; /* index of the gateway, peering, interface or balancer; -1 for the first two kinds */
	struct where where;
};

struct route_table {
	const char *name;
	struct where where;
	bool is_implicit; /* the main table of a VPC that has none */
	bool is_main;
	int vpc;
	struct route *routes; /* in the order written */
	size_t n_routes;
};

/* Internet and egress-only gateways. */
struct gateway {
	const char *name;
	struct where where;
	int vpc;
	const char *device; /* the uplink; several gateways may share one */
	enum hook hook;
	struct addr
		next_hop[2]; /* IPv4, IPv6; family 0: the kernel's default route there,
				  * and without one the destination itself */
};

struct elastic_ip {
	const char *name;
	struct where where;
	struct addr address;         /* IPv4 */
	int interface;               /* -1: none */
	struct addr private_address; /* of that interface; family 0 without one */
	int nat_gateway;             /* that lists it; -1 none */
	int load_balancer;           /* of whose node it is; -1 none */
};

struct nat_forward {
	int protocol; /* TCP or UDP */
	uint16_t port;
	struct addr to;
	uint16_t to_port;
};

struct nat_gateway {
	const char *name;
	struct where where;
	int vpc; /* its subnet's */
	int subnet;
	struct addr private_address; /* IPv4, inside the subnet */
	int *elastic_ips; /* in the order written; none: a private NAT gateway */
	size_t n_elastic_ips;
	uint32_t idle_timeout; /* seconds */
	bool is_instance;      /* mode: instance */
	int *groups;           /* of an instance; never none there */
	size_t n_groups;
	struct nat_forward *forwards; /* of an instance */
	size_t n_forwards;
};

struct peering {
	const char *name;
	struct where where;
	int vpcs[2];
};

enum target_protocol { TARGET_TCP, TARGET_UDP, TARGET_TCP_UDP, TARGET_GENEVE };

struct target {
	struct where where;
	int interface; /* -1: it was written by its address */
	struct addr
		address; /* that, or the interface's first, IPv4 if it has one: what is checked */
	uint16_t port;    /* its own or the group's */
	uint32_t weight;  /* 0: nothing new */
	const char *zone; /* its own, or of the subnet that contains it; or NULL */
};

enum check_protocol { CHECK_TCP, CHECK_HTTP, CHECK_HTTPS };

struct health_check {
	enum check_protocol protocol;
	uint16_t port; /* 0: the target's own */
	const char *path;
	struct port_range *matcher; /* HTTP status; sorted, merged */
	size_t n_matcher;
	uint32_t interval, timeout; /* seconds */
	uint32_t healthy_threshold, unhealthy_threshold;
};

enum stickiness { STICKY_NONE, STICKY_SOURCE_IP };

struct target_group {
	const char *name;
	struct where where;
	int vpc;
	enum target_protocol protocol;
	uint16_t port;
	struct target *targets; /* in the order written */
	size_t n_targets;
	struct health_check health_check;
	bool preserve_client_ip;
	enum stickiness stickiness;
	int cross_zone;                /* 0, 1; -1: as the balancer says */
	uint32_t deregistration_delay; /* seconds */
	bool connection_termination;
	bool unhealthy_termination;  /* unhealthy.connection_termination */
	uint32_t unhealthy_draining; /* unhealthy.draining_interval, seconds */
	uint32_t minimum_count, minimum_percentage; /* minimum_healthy_targets; 0: off */
	bool is_rebalancing;                        /* geneve: target_failover */
};

struct forward {
	int target_group;
	uint32_t weight;
};

enum syn_protection { SYN_AUTO, SYN_ALWAYS, SYN_OFF };

struct listener {
	struct where where;
	enum target_protocol protocol;
	uint16_t port;
	struct forward *forwards;
	size_t n_forwards;     /* at least 1 */
	uint32_t idle_timeout; /* TCP, seconds */
	enum syn_protection syn_protection;
};

/* A virtual address. */
struct vip {
	struct where where;
	struct addr address;
	int subnet;       /* of a node; -1: a bare address */
	int elastic_ip;   /* of a node; -1 none */
	const char *zone; /* the balancer's, or of the node's subnet; or NULL */
};

struct load_balancer {
	const char *name;
	struct where where;
	int vpc;
	struct vip *vips; /* in the order written; at least one */
	size_t n_vips;
	bool cross_zone;
	int *groups; /* none: no groups are asked */
	size_t n_groups;
	struct listener *listeners; /* in the order written */
	size_t n_listeners;
};

enum inspect_stickiness { INSPECT_5_TUPLE, INSPECT_3_TUPLE, INSPECT_2_TUPLE };

struct gateway_load_balancer {
	const char *name;
	struct where where;
	int vpc;
	int target_group; /* geneve */
	int subnet;       /* by whose table packets go on; -1: the sender's */
	enum inspect_stickiness stickiness;
	uint32_t idle_timeout;
};

enum limit_unit { LIMIT_PACKETS, LIMIT_BYTES, LIMIT_NEW_CONNECTIONS };
enum limit_action { LIMIT_BLOCK, LIMIT_COUNT, LIMIT_ALLOW };

struct rate_limit {
	const char *name;
	struct where where;
	int load_balancer, subnet; /* one of them; the other is -1 */
	uint16_t port;             /* of a listener; 0: all */
	enum limit_unit unit;
	uint64_t limit;
	uint32_t window; /* seconds */
	enum limit_action action;
};

/* Seconds; 0: not set. Order of hg_header.timeouts does not matter here. */
struct timeouts {
	uint32_t tcp_established, tcp_syn, tcp_closing;
	uint32_t udp, udp_stream;
	uint32_t icmp, other;
};

struct interface {
	const char *name;
	struct where where;
	int vpc;
	int subnet; /* -1 none */
	struct addr
		*addresses; /* in the order written; the first of a family is primary */
	size_t n_addresses;
	int *groups; /* in the order written; never none */
	size_t n_groups;
	bool source_dest_check;
	bool is_local;      /* attach: local */
	const char *device; /* or NULL */
	enum hook hook;
	const char *instance;     /* or NULL */
	struct timeouts timeouts; /* tcp_established, udp, udp_stream: own or settings' */
};

struct exempt {
	int protocol; /* -1 any */
	bool has_address;
	struct addr address; /* of every VPC, unless: */
	int vpc;             /* -1 all; defaults that belong to one VPC */
	struct cidr
		cidr; /* what to match: the address, or a range such as fd00:ec2::/32 */
	struct port_range *ports;
	size_t n_ports; /* none: all */
};

struct settings {
	uint32_t max_flows;
	const char *account_id, *region;
	bool is_strict; /* rule_change: strict */
	bool tcp_loose;
	bool has_exempt;       /* an explicit list replaced the default */
	struct exempt *exempt; /* explicit or default, expanded */
	size_t n_exempt;
	struct timeouts timeouts; /* all set */
};

struct model {
	struct arena *arena;
	struct vpc *vpcs;
	size_t n_vpcs;
	struct prefix_list *prefix_lists;
	size_t n_prefix_lists;
	struct subnet *subnets;
	size_t n_subnets;
	struct nacl *nacls;
	size_t n_nacls;
	struct group *groups;
	size_t n_groups;
	struct interface *interfaces;
	size_t n_interfaces;
	struct route_table *route_tables;
	size_t n_route_tables;
	struct gateway *internet_gateways;
	size_t n_internet_gateways;
	struct gateway *egress_only_gateways;
	size_t n_egress_only_gateways;
	struct elastic_ip *elastic_ips;
	size_t n_elastic_ips;
	struct nat_gateway *nat_gateways;
	size_t n_nat_gateways;
	struct peering *peerings;
	size_t n_peerings;
	struct target_group *target_groups;
	size_t n_target_groups;
	struct load_balancer *load_balancers;
	size_t n_load_balancers;
	struct gateway_load_balancer *gateway_load_balancers;
	size_t n_gateway_load_balancers;
	struct rate_limit *rate_limits;
	size_t n_rate_limits;
	struct settings settings;
};

/* The object called 'name' of a model's array of 'n' objects of 'size' bytes; each begins with
 * its name. NULL: there is none. */
const void *model_find(const void *list, size_t n, size_t size, const char *name);
void model_free(struct model *m); /* NULL is fine */
static inline void model_freep(struct model **m)
{
	model_free(*m);
}
