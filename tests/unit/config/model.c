/* SPDX-License-Identifier: Apache-2.0 */

/* What a rule set comes to mean: defaults, implicit objects, order. */
#include "config/model.h"

#include <stdio.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "tests/lib/rules.h"
#include "tests/lib/tap.h"

static const char *ports_print(const struct port_range *ports, size_t n,
			       char buf[static 128])
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(buf + at, 128 - at, "%s%u-%u", i > 0 ? " " : "",
				       ports[i].first, ports[i].last);
	return buf;
}

static const struct {
	const char *rule; /* of a group, after its peers */
	int protocol, type, code;
	const char *ports; /* "" is all */
} matches[] = {
	{ "'protocol': 'all'", -1, -1, -1, "" },
	{ "'protocol': 'tcp', 'ports': '443'", 6, -1, -1, "443-443" },
	{ "'protocol': 'udp', 'ports': 443", 17, -1, -1, "443-443" },
	{ "'protocol': 6, 'ports': ['1024-65535', 80, '22']", 6, -1, -1,
	  "22-22 80-80 1024-65535" },
	{ "'protocol': '6', 'ports': ['10-20', '15-30', '31', '33']", 6, -1, -1,
	  "10-31 33-33" },
	{ "'protocol': 'tcp', 'ports': '0-65535'", 6, -1, -1, "" },
	{ "'protocol': 'tcp', 'ports': ['0-100', '101-65535']", 6, -1, -1, "" },
	{ "'protocol': 'tcp', 'ports': [65535, 0]", 6, -1, -1, "0-0 65535-65535" },
	{ "'protocol': 'tcp'", 6, -1, -1, "" },
	{ "'protocol': 47", 47, -1, -1, "" },
	{ "'protocol': '47'", 47, -1, -1, "" },
	{ "'protocol': 0", 0, -1, -1, "" },
	{ "'protocol': 255", 255, -1, -1, "" },
	{ "'protocol': 'icmp'", 1, -1, -1, "" },
	{ "'protocol': 'icmp', 'icmp': '8'", 1, 8, -1, "" },
	{ "'protocol': 1, 'icmp': '3/4'", 1, 3, 4, "" },
	{ "'protocol': 'icmpv6', 'icmp': 128", 58, 128, -1, "" },
	{ "'protocol': 'all', 'ports': '443', 'icmp': '8'", -1, -1, -1, "" },
	{ "'protocol': 50, 'ports': '443'", 50, -1, -1, "" },
};

static void test_matches(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
		_cleanup_(model_freep) struct model *m = NULL;
		_cleanup_free_ char *text = NULL;
		const struct match *match;
		char buf[128];

		if (asprintf(&text,
			     "'security_groups': {'a': {'ingress': [{'peers': [], %s}]}}",
			     matches[i].rule) < 0)
			bail("no memory");
		m = rules_model(text);
		match = &m->groups[0].rules[0][0].match;
		ok(match->protocol == matches[i].protocol &&
			   match->icmp_type == matches[i].type &&
			   match->icmp_code == matches[i].code,
		   "%s is protocol %d, type %d, code %d", matches[i].rule,
		   matches[i].protocol, matches[i].type, matches[i].code);
		is_str(ports_print(match->ports, match->n_ports, buf), matches[i].ports,
		       "%s has these ports", matches[i].rule);
	}
}

static void test_host(void)
{
	_cleanup_(model_freep) struct model *m =
		rules_model("'security_groups': {'web': {}},"
			    "'interfaces': {'a': {'attach': 'local', 'device': 'eth0', "
			    "'security_groups': ['web']},"
			    "               'b': {'attach': 'local', 'device': 'eth1'}}");

	is((long long)m->n_vpcs, 1, "a rule set without VPC has one all the same");
	is_str(m->vpcs[0].name, "", "that VPC has no name");
	is(m->vpcs[0].default_nacl, -1, "that VPC has no default network ACL");
	is((long long)m->n_nacls, 0, "no network ACL is made for it");
	is((long long)m->n_groups, 2, "its default group is made");
	ok(m->groups[0].is_implicit && strcmp(m->groups[0].name, "default") == 0,
	   "the default group is implicit and is called default");
	ok(!m->groups[1].is_implicit && m->groups[1].vpc == 0,
	   "the group is in that VPC");
	ok(m->interfaces[0].n_groups == 1 && m->interfaces[0].groups[0] == 1,
	   "an interface has the group it names");
	ok(m->interfaces[1].n_groups == 1 && m->interfaces[1].groups[0] == 0,
	   "an interface without groups has the default one");
	ok(m->interfaces[0].subnet == -1 && m->interfaces[0].is_local &&
		   m->interfaces[0].source_dest_check &&
		   m->interfaces[0].hook == HOOK_AUTO,
	   "an interface has its defaults");
}

#define TWO_VPCS \
	"'vpcs': {'b': {'cidrs': ['10.0.0.0/16']}, 'a': {'cidrs': ['10.0.0.0/16']}}"

static void test_implicit(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		TWO_VPCS
		", 'subnets': {'s': {'vpc': 'b', 'cidrs': ['10.0.0.0/24']}},"
		"'security_groups': {'z': {'vpc': 'b', 'ingress': [{'protocol': 'all', "
		"'peers': ['security_group/default']}]}}");
	const struct nacl *n = &m->nacls[m->vpcs[1].default_nacl];
	const struct group *g = &m->groups[m->vpcs[1].default_group];

	ok(strcmp(m->vpcs[0].name, "a") == 0 && strcmp(m->vpcs[1].name, "b") == 0,
	   "objects are sorted by name");
	ok(m->n_nacls == 2 && n->is_implicit && n->vpc == 1 &&
		   strcmp(n->name, "default") == 0,
	   "each VPC has an implicit network ACL");
	ok(m->subnets[0].nacl == m->vpcs[1].default_nacl,
	   "a subnet without one has its VPC's");
	for (int d = 0; d < 2; d++) {
		const struct nacl_rule *r = n->rules[d];

		ok(n->n_rules[d] == 2 && r[0].number == 100 && r[1].number == 101,
		   "it has rules 100 and 101 (direction %d)", d);
		ok(r[0].allow && r[0].match.protocol == -1 &&
			   r[0].cidr.cidr.addr.family == 4 && r[0].cidr.cidr.len == 0,
		   "100 allows all of IPv4 (direction %d)", d);
		ok(r[1].allow && r[1].match.protocol == -1 &&
			   r[1].cidr.cidr.addr.family == 6 && r[1].cidr.cidr.len == 0,
		   "101 allows all of IPv6 (direction %d)", d);
	}
	ok(m->n_groups == 3 && g->is_implicit && g->vpc == 1,
	   "each VPC has an implicit group");
	ok(g->n_rules[0] == 1 && g->rules[0][0].n_peers == 1 &&
		   g->rules[0][0].peers[0].kind == PEER_GROUP &&
		   g->rules[0][0].peers[0].index == m->vpcs[1].default_group,
	   "it lets its members in");
	ok(g->n_rules[1] == 1 && g->rules[1][0].n_peers == 2 &&
		   g->rules[1][0].match.protocol == -1,
	   "it lets everything out");
	is(m->groups[2].rules[0][0].peers[0].index, m->vpcs[1].default_group,
	   "'default' is the implicit group of one's own VPC");
}

static void test_named_defaults(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		"'vpcs': {'a': {'cidrs': ['10.0.0.0/16'], 'default_network_acl': 'n', "
		"'default_security_group': 'security_group/g'}},"
		"'network_acls': {'n': {}}, 'security_groups': {'g': {}},"
		"'interfaces': {'i': {'attach': 'local', 'device': 'eth0'}}");

	ok(m->n_nacls == 1 && m->vpcs[0].default_nacl == 0,
	   "a VPC may name its network ACL");
	ok(m->n_groups == 1 && m->vpcs[0].default_group == 0, "a VPC may name its group");
	is(m->interfaces[0].groups[0], 0, "which its interfaces then have");
}

static void test_own_default(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		"'vpcs': {'a': {'cidrs': ['10.0.0.0/16']}},"
		"'network_acls': {'default': {}}, 'security_groups': {'default': {}},"
		"'subnets': {'s': {'cidrs': ['10.0.0.0/24'], 'network_acl': 'default'}}");

	ok(m->n_nacls == 2 && !m->nacls[0].is_implicit && m->nacls[1].is_implicit,
	   "an object called default is its author's, beside the implicit one");
	is(m->subnets[0].nacl, 0, "and it is the one that its name means");
	ok(m->vpcs[0].default_nacl == 1 && m->vpcs[0].default_group == 1,
	   "but not the default of its VPC");
}

static void test_nacl(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		"'prefix_lists': {'l': {'entries': ['10.0.0.0/8', '::/0', '9.0.0.0/8']}},"
		"'network_acls': {'n': {'ingress': ["
		"{'rule': 200, 'action': 'allow', 'protocol': 'all', 'cidr': "
		"'prefix_list/l'},"
		"{'rule': 4294967295, 'action': 'deny', 'protocol': 'all', 'cidr': "
		"'0.0.0.0/0'},"
		"{'rule': 100, 'action': 'deny', 'protocol': 'tcp', 'cidr': '10.1.2.3/8',"
		" 'source_ports': '53', 'peer_cidr': 'prefix_list/l'}]}}");
	const struct nacl_rule *r = m->nacls[0].rules[0];

	ok(r[0].number == 100 && r[1].number == 200 && r[2].number == 4294967295,
	   "rules are sorted by number");
	ok(!r[0].allow && r[1].allow, "actions are kept");
	ok(r[0].cidr.cidr.addr.bytes[0] == 10 && r[0].cidr.cidr.addr.bytes[1] == 0,
	   "CIDRs lose their host bits");
	ok(r[0].has_peer_cidr && r[0].peer_cidr.kind == PEER_PREFIX_LIST &&
		   r[0].peer_cidr.index == 0 && !r[1].has_peer_cidr,
	   "the other end is kept where it is given");
	ok(r[0].match.n_source_ports == 1 && r[0].match.source_ports[0].first == 53,
	   "source ports are kept");
	ok(r[1].cidr.kind == PEER_PREFIX_LIST && r[1].cidr.index == 0,
	   "references survive the sorting");
	is_str(r[0].where.pointer, "/network_acls/n/ingress/2", "a rule knows its place");
	ok(m->prefix_lists[0].entries[0].addr.bytes[0] == 9 &&
		   m->prefix_lists[0].entries[2].addr.family == 6,
	   "entries are sorted");
	is((long long)m->prefix_lists[0].max_entries, HG_MAX_ENTRIES,
	   "a list may grow to the limit unless it says less");
}

static void test_settings(void)
{
	_cleanup_(model_freep) struct model *m = rules_model("'description': ''");
	_cleanup_(model_freep) struct model *n = rules_model(
		"'settings': {'max_flows': 2048, 'rule_change': 'strict', 'tcp_loose': "
		"true,"
		" 'timeouts': {'udp': 45, 'icmp': 9}, 'exempt': []},"
		"'interfaces': {'i': {'attach': 'local', 'device': 'eth0', 'timeouts': "
		"{'tcp_established': 60}}}");
	const struct timeouts *t = &m->settings.timeouts, *i = &n->interfaces[0].timeouts;

	ok(t->tcp_established == 432000 && t->tcp_syn == 30 && t->tcp_closing == 60 &&
		   t->udp == 30 && t->udp_stream == 180 && t->icmp == 30 &&
		   t->other == 600,
	   "timeouts have AWS's defaults");
	ok(m->settings.max_flows == HG_DEFAULT_FLOWS && !m->settings.is_strict &&
		   !m->settings.tcp_loose && !m->settings.has_exempt &&
		   !m->settings.region,
	   "settings have their defaults");
	ok(n->settings.max_flows == 2048 && n->settings.is_strict &&
		   n->settings.tcp_loose && n->settings.timeouts.udp == 45,
	   "settings are read");
	ok(i->tcp_established == 60 && i->udp == 45 && i->udp_stream == 180 &&
		   i->icmp == 9,
	   "an interface has its own timeouts, else those of the settings");
	ok(n->settings.has_exempt && n->settings.n_exempt == 0,
	   "an explicit list of exempt traffic replaces the default, also an empty one");
}

static void test_exempt(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		TWO_VPCS ", 'subnets': {'s': {'vpc': 'b', 'cidrs': ['10.0.1.0/24', "
			 "'10.0.2.0/24']}}");
	static const struct {
		const char *cidr;
		int vpc;
	} want[] = {
		{ "10.0.1.1/32", 1 },         { "10.0.2.1/32", 1 },
		{ "10.0.0.2/32", 0 },         { "10.0.0.2/32", 1 },
		{ "169.254.169.253/32", -1 }, { "169.254.169.254/32", -1 },
		{ "169.254.170.2/32", -1 },   { "169.254.169.123/32", -1 },
		{ "fd00:ec2::/32", -1 },
	};
	const struct exempt *e = m->settings.exempt;
	_cleanup_(model_freep) struct model *small =
		rules_model("'vpcs': {'v': {'cidrs': ['10.0.0.1/32']}}");
	char buf[CIDR_TEXT];

	is((long long)small->settings.n_exempt, 6,
	   "a VPC too small for it has no DNS address");
	is((long long)m->settings.n_exempt, ARRAY_SIZE(want) + 1,
	   "the default list is whole");
	ok(!e[0].has_address && e[0].protocol == 17 && e[0].n_ports == 1 &&
		   e[0].ports[0].first == 67 && e[0].ports[0].last == 68 &&
		   e[0].vpc == -1,
	   "DHCP is exempt");
	for (size_t i = 0; i < ARRAY_SIZE(want) && i + 1 < m->settings.n_exempt; i++) {
		is_str(cidr_print(&e[i + 1].cidr, buf), want[i].cidr, "%s is exempt",
		       want[i].cidr);
		ok(e[i + 1].vpc == want[i].vpc && e[i + 1].has_address &&
			   e[i + 1].protocol == -1 && e[i + 1].n_ports == 0 &&
			   addr_compare(&e[i + 1].address, &e[i + 1].cidr.addr) == 0,
		   "%s is exempt for all traffic of VPC %d", want[i].cidr, want[i].vpc);
	}
}

static void test_order(void)
{
	_cleanup_(model_freep) struct model *m =
		rules_model("'security_groups': {'c': {}, 'a': {}, 'b': {}},"
			    "'interfaces': {'i': {'attach': 'local', 'device': 'eth0', "
			    "'security_groups': ['c', 'a']}}");

	ok(strcmp(m->groups[0].name, "a") == 0 && strcmp(m->groups[1].name, "b") == 0 &&
		   strcmp(m->groups[2].name, "c") == 0,
	   "groups are sorted whatever the order of their keys");
	ok(m->interfaces[0].groups[0] == 2 && m->interfaces[0].groups[1] == 0,
	   "an interface's groups keep the order in which it names them");
}

static void test_vpc_of_interface(void)
{
	_cleanup_(model_freep) struct model *m = rules_model(
		TWO_VPCS ", 'subnets': {'s': {'vpc': 'b', 'cidrs': ['10.0.1.0/24']}},"
			 "'interfaces': {'i': {'subnet': 's', 'addresses': ['10.0.1.9', "
			 "'10.0.1.8']}}");

	is(m->interfaces[0].vpc, 1, "an interface is in its subnet's VPC");
	ok(m->interfaces[0].addresses[0].bytes[3] == 9, "addresses keep their order");
	is(m->interfaces[0].groups[0], m->vpcs[1].default_group,
	   "and it has that VPC's group");
}

int main(void)
{
	test_matches();
	test_host();
	test_implicit();
	test_named_defaults();
	test_own_default();
	test_nacl();
	test_settings();
	test_exempt();
	test_order();
	test_vpc_of_interface();
	model_free(NULL);
	return done();
}
