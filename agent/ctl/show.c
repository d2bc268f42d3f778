/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/build.h"
#include "config/json.h"
#include "ctl/device.h"
#include "ctl/hits.h"
#include "ctl/name.h"
#include "ctl/nat.h"
#include "ctl/proto.h"
#include "ctl/request.h"

static struct json *cidrs_json(const struct cidr *cidrs, size_t n)
{
	struct json *list = json_new_array();
	char text[CIDR_TEXT];

	for (size_t i = 0; i < n; i++)
		json_add(list, json_new_string(cidr_print(&cidrs[i], text)));
	return list;
}

static struct json *addresses_json(const struct addr *addresses, size_t n)
{
	struct json *list = json_new_array();
	char text[ADDR_TEXT];

	for (size_t i = 0; i < n; i++)
		json_add(list, json_new_string(addr_print(&addresses[i], text)));
	return list;
}

/* ---- vpcs, subnets, prefix lists ---- */

void verb_vpcs(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct json *list;

	if (!m)
		return;
	list = json_new_array();
	for (size_t i = 0; i < m->n_vpcs; i++) {
		const struct vpc *v = &m->vpcs[i];
		struct json *j = json_add(list, json_new_object());

		json_set_string(j, "name", v->name);
		json_set(j, "cidrs", cidrs_json(v->cidrs, v->n_cidrs));
		json_set_string(j, "default_network_acl",
				v->default_nacl < 0 ? NULL
						    : m->nacls[v->default_nacl].name);
		json_set_string(j, "default_security_group",
				v->default_group < 0 ? NULL
						     : m->groups[v->default_group].name);
		json_set_string(j, "main_route_table",
				v->main_table < 0 ? NULL
						  : m->route_tables[v->main_table].name);
		json_set_bool(j, "routed", v->is_routed);
	}
	reply_json(reply, 200, list);
}

void verb_subnets(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct json *list;

	if (!m)
		return;
	list = json_new_array();
	for (size_t i = 0; i < m->n_subnets; i++) {
		const struct subnet *s = &m->subnets[i];
		struct json *j = json_add(list, json_new_object()), *interfaces;

		json_set_string(j, "name", s->name);
		json_set_string(j, "vpc", m->vpcs[s->vpc].name);
		json_set(j, "cidrs", cidrs_json(s->cidrs, s->n_cidrs));
		json_set_string(j, "zone", s->zone);
		json_set_string(j, "network_acl",
				s->nacl < 0 ? NULL : m->nacls[s->nacl].name);
		json_set_string(
			j, "route_table",
			s->route_table < 0 ? NULL : m->route_tables[s->route_table].name);
		device_state_json(q->agent, s->device, j);
		interfaces = json_set(j, "interfaces", json_new_array());
		for (size_t k = 0; k < m->n_interfaces; k++)
			if (m->interfaces[k].subnet == (int)i)
				json_add(interfaces,
					 json_new_string(m->interfaces[k].name));
	}
	reply_json(reply, 200, list);
}

void verb_prefix_lists(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	const char *entries = request_query(q, "entries");
	bool is_all = entries && strcmp(entries, "all") == 0;
	struct json *list;

	if (!m)
		return;
	list = json_new_array();
	for (size_t i = 0; i < m->n_prefix_lists; i++) {
		const struct prefix_list *p = &m->prefix_lists[i];
		struct json *j = json_add(list, json_new_object());
		size_t n = p->n_entries;

		if (n > PROTO_SHOWN_ENTRIES && !is_all)
			n = PROTO_SHOWN_ENTRIES;
		json_set_string(j, "name", p->name);
		json_set_u64(j, "max_entries", p->max_entries);
		json_set_u64(j, "n_entries", p->n_entries);
		json_set(j, "entries", cidrs_json(p->entries, n));
	}
	reply_json(reply, 200, list);
}

/* ---- interfaces ---- */

static struct json *interface_addresses(const struct request *q,
					const struct interface *f)
{
	const struct link *link = NULL;
	const struct addr *found;
	size_t n;

	if (f->is_local && f->device && f->n_addresses == 0)
		link = netlink_link(q->agent->netlink, f->device);
	if (!link)
		return addresses_json(f->addresses, f->n_addresses);
	found = netlink_addresses(q->agent->netlink, link->ifindex, &n);
	return addresses_json(found, n);
}

/* A list for each interface. Heap; NULL when memory is short. */
static struct json **elastic_ips_lists(const struct model *m)
{
	struct json **lists = calloc(m->n_interfaces + 1, sizeof(struct json *));

	for (size_t i = 0; lists && i < m->n_interfaces; i++)
		lists[i] = json_new_array();
	for (size_t i = 0; lists && i < m->n_elastic_ips; i++)
		if (m->elastic_ips[i].interface >= 0)
			json_add(lists[m->elastic_ips[i].interface],
				 elastic_ip_json(m, &m->elastic_ips[i]));
	return lists;
}

/* Takes 'elastic_ips'. */
static struct json *interface_json(const struct request *q, const struct model *m,
				   const struct interface *f, struct json *elastic_ips)
{
	struct json *j = json_new_object(), *groups, *timeouts;

	json_set_string(j, "name", f->name);
	json_set_string(j, "vpc", m->vpcs[f->vpc].name);
	json_set_string(j, "subnet", f->subnet < 0 ? NULL : m->subnets[f->subnet].name);
	json_set(j, "addresses", interface_addresses(q, f));
	groups = json_set(j, "security_groups", json_new_array());
	for (size_t i = 0; i < f->n_groups; i++)
		json_add(groups, json_new_string(m->groups[f->groups[i]].name));
	json_set(j, "elastic_ips", elastic_ips);
	device_state_json(q->agent, f->device, j);
	json_set_string(j, "attach", f->is_local ? "local" : NULL);
	json_set_string(j, "role", !f->device ? NULL : f->is_local ? "host" : "port");
	json_set_bool(j, "source_dest_check", f->source_dest_check);
	json_set_string(j, "instance", f->instance);
	timeouts = json_set(j, "timeouts", json_new_object());
	json_set_number(timeouts, "tcp_established", f->timeouts.tcp_established);
	json_set_number(timeouts, "udp", f->timeouts.udp);
	json_set_number(timeouts, "udp_stream", f->timeouts.udp_stream);
	return j;
}

void verb_interfaces(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	_cleanup_free_ struct json **elastic_ips = m ? elastic_ips_lists(m) : NULL;
	struct json *list;

	if (!elastic_ips)
		return;
	list = json_new_array();
	for (size_t i = 0; i < m->n_interfaces; i++)
		json_add(list, interface_json(q, m, &m->interfaces[i], elastic_ips[i]));
	reply_json(reply, 200, list);
}

/* ---- network ACLs and groups ---- */

static void match_json(struct json *j, const struct match *match, bool is_nacl)
{
	char text[8];

	json_set_string(j, "protocol", protocol_name(match->protocol, text));
	json_set(j, "ports", ranges_json(match->ports, match->n_ports));
	if (is_nacl)
		json_set(j, "source_ports",
			 ranges_json(match->source_ports, match->n_source_ports));
	json_set(j, "icmp", icmp_json(match->icmp_type, match->icmp_code));
}

static struct json *nacl_rules_json(const struct model *m, const struct nacl *nacl,
				    unsigned direction, const struct hits *hits)
{
	static const struct match any = { .protocol = -1,
					  .icmp_type = -1,
					  .icmp_code = -1 };
	struct json *list = json_new_array(), *j;
	uint32_t object = object_of_nacl(m, (size_t)(nacl - m->nacls));

	for (size_t i = 0; i < nacl->n_rules[direction]; i++) {
		const struct nacl_rule *rule = &nacl->rules[direction][i];

		j = json_add(list, json_new_object());
		json_set_number(j, "rule", rule->number);
		json_set_string(j, "action", rule->allow ? "allow" : "deny");
		match_json(j, &rule->match, true);
		json_set(j, "cidr", peer_json(m, &rule->cidr));
		json_set(j, "peer_cidr",
			 rule->has_peer_cidr ? peer_json(m, &rule->peer_cidr)
					     : json_new_string(NULL));
		hits_json(hits, object, direction, rule->number, j);
	}
	j = json_add(list, json_new_object());
	json_set_string(j, "rule", "*");
	json_set_string(j, "action", "deny");
	match_json(j, &any, true);
	json_set_null(j, "cidr");
	json_set_null(j, "peer_cidr");
	hits_json(hits, object, direction, HG_RULE_DEFAULT, j);
	return list;
}

void verb_nacls(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct hits hits;
	struct json *list;

	if (!m || hits_init(&hits, q->agent) < 0)
		return;
	list = json_new_array();
	for (size_t i = 0; i < m->n_nacls; i++) {
		const struct nacl *nacl = &m->nacls[i];
		struct json *j = json_add(list, json_new_object()), *subnets;

		json_set_string(j, "name", nacl->name);
		json_set_string(j, "vpc", m->vpcs[nacl->vpc].name);
		json_set_bool(j, "implicit", nacl->is_implicit);
		subnets = json_set(j, "subnets", json_new_array());
		for (size_t k = 0; k < m->n_subnets; k++)
			if (m->subnets[k].nacl == (int)i)
				json_add(subnets, json_new_string(m->subnets[k].name));
		json_set(j, "ingress", nacl_rules_json(m, nacl, HG_INGRESS, &hits));
		json_set(j, "egress", nacl_rules_json(m, nacl, HG_EGRESS, &hits));
	}
	hits_done(&hits);
	reply_json(reply, 200, list);
}

static struct json *group_rules_json(const struct model *m, const struct group *group,
				     unsigned direction, const struct hits *hits)
{
	struct json *list = json_new_array();

	for (size_t i = 0; i < group->n_rules[direction]; i++) {
		const struct group_rule *rule = &group->rules[direction][i];
		struct json *j = json_add(list, json_new_object()), *peers;

		json_set_u64(j, "rule", i);
		match_json(j, &rule->match, false);
		peers = json_set(j, "peers", json_new_array());
		for (size_t k = 0; k < rule->n_peers; k++)
			json_add(peers, peer_json(m, &rule->peers[k]));
		hits_json(hits, object_of_group(m, (size_t)(group - m->groups)),
			  direction, (uint32_t)i, j);
	}
	return list;
}

static void group_members_json(struct json *j, const struct model *m, size_t group)
{
	struct json *interfaces = json_set(j, "interfaces", json_new_array()), *nats;

	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0; k < m->interfaces[i].n_groups; k++)
			if (m->interfaces[i].groups[k] == (int)group)
				json_add(interfaces,
					 json_new_string(m->interfaces[i].name));
	nats = json_set(j, "nat_gateways", json_new_array());
	for (size_t i = 0; i < m->n_nat_gateways; i++)
		for (size_t k = 0; k < m->nat_gateways[i].n_groups; k++)
			if (m->nat_gateways[i].groups[k] == (int)group)
				json_add(nats, json_new_string(m->nat_gateways[i].name));
}

void verb_groups(const struct request *q, struct reply *reply)
{
	const struct model *m = request_model(q, reply);
	struct hits hits;
	struct json *list;

	if (!m || hits_init(&hits, q->agent) < 0)
		return;
	list = json_new_array();
	for (size_t i = 0; i < m->n_groups; i++) {
		const struct group *group = &m->groups[i];
		struct json *j = json_add(list, json_new_object());

		json_set_string(j, "name", group->name);
		json_set_string(j, "vpc", m->vpcs[group->vpc].name);
		json_set_bool(j, "implicit", group->is_implicit);
		group_members_json(j, m, i);
		json_set(j, "ingress", group_rules_json(m, group, HG_INGRESS, &hits));
		json_set(j, "egress", group_rules_json(m, group, HG_EGRESS, &hits));
	}
	hits_done(&hits);
	reply_json(reply, 200, list);
}
