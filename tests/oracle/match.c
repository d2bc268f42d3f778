/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/match.h"

#include <string.h>

/* Bit by bit, so as not to share a mistake with base/addr.c. */
bool in_cidr(const struct cidr *c, const struct addr *a)
{
	if (c->addr.family != a->family)
		return false;
	for (unsigned bit = 0; bit < c->len; bit++) {
		uint8_t mask = 0x80 >> bit % 8;

		if ((c->addr.bytes[bit / 8] & mask) != (a->bytes[bit / 8] & mask))
			return false;
	}
	return true;
}

bool in_vpc(const struct world *w, int vpc, const struct addr *a)
{
	const struct vpc *v = &w->m->vpcs[vpc];

	for (size_t k = 0; k < v->n_cidrs; k++)
		if (in_cidr(&v->cidrs[k], a))
			return true;
	return false;
}

bool in_any_vpc(const struct world *w, const struct addr *a)
{
	for (size_t v = 0; v < w->m->n_vpcs; v++)
		if (in_vpc(w, v, a))
			return true;
	return false;
}

bool interface_owns(const struct world *w, int interface, const struct addr *a)
{
	const struct interface *i = &w->m->interfaces[interface];

	for (size_t k = 0; k < i->n_addresses; k++)
		if (same_addr(&i->addresses[k], a))
			return true;
	if (!i->is_local || i->n_addresses > 0 || !w->facts)
		return false;
	for (size_t d = 0; d < w->facts->n_devices; d++) {
		const struct device_addresses *f = &w->facts->devices[d];

		if (!i->device || strcmp(f->device, i->device) != 0)
			continue;
		for (size_t k = 0; k < f->n; k++)
			if (same_addr(&f->addresses[k], a))
				return true;
	}
	return false;
}

int address_owner(const struct world *w, int vpc, const struct addr *a)
{
	for (size_t i = 0; i < w->m->n_interfaces; i++)
		if (w->m->interfaces[i].vpc == vpc && interface_owns(w, i, a))
			return i;
	return -1;
}

int address_subnet(const struct world *w, int vpc, const struct addr *a)
{
	int best = -1, best_len = -1;

	for (size_t s = 0; s < w->m->n_subnets; s++) {
		const struct subnet *subnet = &w->m->subnets[s];

		for (size_t k = 0; subnet->vpc == vpc && k < subnet->n_cidrs; k++)
			if (subnet->cidrs[k].len > best_len &&
			    in_cidr(&subnet->cidrs[k], a)) {
				best = s;
				best_len = subnet->cidrs[k].len;
			}
	}
	return best;
}

bool interface_has_port(const struct world *w, int interface)
{
	const struct interface *i = &w->m->interfaces[interface];

	return i->device && !i->is_local;
}

bool interface_has_zone(const struct world *w, int interface)
{
	const struct interface *i = &w->m->interfaces[interface];

	return interface_has_port(w, interface) && i->subnet >= 0 &&
	       w->m->vpcs[i->vpc].is_routed && !i->source_dest_check;
}

struct l4 l4_reverse(const struct l4 *p)
{
	struct l4 r = *p;

	r.src = p->dst;
	r.dst = p->src;
	r.sport = p->dport;
	r.dport = p->sport;
	return r;
}

struct l4 l4_answer(const struct l4 *p)
{
	struct l4 r = l4_reverse(p);

	r.type = icmp_other(p);
	return r;
}

static bool in_ranges(const struct port_range *r, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if (port >= r[i].first && port <= r[i].last)
			return true;
	return false;
}

static bool has_all_ports(const struct match *m)
{
	return m->n_ports == 0 ||
	       (m->n_ports == 1 && m->ports[0].first == 0 && m->ports[0].last == 65535);
}

enum answer { NO, YES, CANNOT_SAY };

/* Protocol, ports and type; CANNOT_SAY for an orphan that the rule would have to look into. */
static enum answer match_l4(const struct match *m, const struct l4 *p)
{
	bool has_ports = p->protocol == 6 || p->protocol == 17;

	if (m->protocol == -1)
		return YES;
	if (m->protocol != p->protocol)
		return NO;
	if (!p->is_known) {
		if (has_ports && (!has_all_ports(m) || m->n_source_ports > 0))
			return CANNOT_SAY;
		if (is_icmp(p) && m->icmp_type != -1)
			return CANNOT_SAY;
		return YES;
	}
	if (has_ports) {
		if (m->n_ports > 0 && !in_ranges(m->ports, m->n_ports, p->dport))
			return NO;
		if (m->n_source_ports > 0 &&
		    !in_ranges(m->source_ports, m->n_source_ports, p->sport))
			return NO;
	}
	if (is_icmp(p)) {
		if (m->icmp_type != -1 && m->icmp_type != p->type)
			return NO;
		if (m->icmp_type != -1 && m->icmp_code != -1 && m->icmp_code != p->code)
			return NO;
	}
	return YES;
}

static bool interface_has_group(const struct interface *i, int group)
{
	for (size_t k = 0; k < i->n_groups; k++)
		if (i->groups[k] == group)
			return true;
	return false;
}

/* A NAT instance has its groups as an interface has. */
static bool is_instance_of(const struct world *w, int group, const struct addr *a)
{
	for (size_t i = 0; i < w->m->n_nat_gateways; i++) {
		const struct nat_gateway *g = &w->m->nat_gateways[i];

		for (size_t k = 0; g->is_instance && k < g->n_groups; k++)
			if (g->groups[k] == group && same_addr(&g->private_address, a))
				return true;
	}
	return false;
}

static bool balancer_has_group(const struct load_balancer *b, int group)
{
	for (size_t k = 0; k < b->n_groups; k++)
		if (b->groups[k] == group)
			return true;
	return false;
}

/* And a load balancer, by its virtual addresses. */
static bool is_balancer_of(const struct world *w, int group, const struct addr *a)
{
	for (size_t i = 0; i < w->m->n_load_balancers; i++) {
		const struct load_balancer *b = &w->m->load_balancers[i];

		for (size_t k = 0; k < b->n_vips; k++)
			if (balancer_has_group(b, group) &&
			    same_addr(&b->vips[k].address, a))
				return true;
	}
	return false;
}

/* A group's members are known by their private addresses, in its own VPC or across a peering,
 * whose CIDRs do not overlap. */
static bool peer_has(const struct world *w, const struct peer *peer, const struct addr *a)
{
	const struct model *m = w->m;

	switch (peer->kind) {
	case PEER_CIDR:
		return in_cidr(&peer->cidr, a);
	case PEER_PREFIX_LIST:
		for (size_t k = 0; k < m->prefix_lists[peer->index].n_entries; k++)
			if (in_cidr(&m->prefix_lists[peer->index].entries[k], a))
				return true;
		return false;
	case PEER_GROUP:
		for (size_t i = 0; i < m->n_interfaces; i++)
			if (peer->index >= 0 &&
			    interface_has_group(&m->interfaces[i], peer->index) &&
			    interface_owns(w, i, a))
				return true;
		return is_instance_of(w, peer->index, a) ||
		       is_balancer_of(w, peer->index, a);
	}
	return false;
}

struct ruling nacl_judge(const struct world *w, int nacl, int direction,
			 const struct l4 *p)
{
	const struct addr *there = direction == 0 ? &p->src : &p->dst;
	const struct addr *here = direction == 0 ? &p->dst : &p->src;
	const struct nacl *n;

	if (nacl < 0)
		return (struct ruling){ .allow = true, .rule = -1 };
	n = &w->m->nacls[nacl];
	for (size_t k = 0; k < n->n_rules[direction]; k++) {
		const struct nacl_rule *r = &n->rules[direction][k];
		enum answer answer;

		if (!peer_has(w, &r->cidr, there))
			continue;
		if (r->has_peer_cidr && !peer_has(w, &r->peer_cidr, here))
			continue;
		answer = match_l4(&r->match, p);
		if (answer == NO || (answer == CANNOT_SAY && r->allow))
			continue;
		return (struct ruling){ r->allow, n->name, r->number, false };
	}
	return (struct ruling){ false, n->name, 0, false };
}

static bool has_literal_all(const struct group_rule *r, int family)
{
	for (size_t k = 0; k < r->n_peers; k++)
		if (r->peers[k].kind == PEER_CIDR && r->peers[k].cidr.len == 0 &&
		    r->peers[k].cidr.addr.family == family)
			return true;
	return false;
}

/* The other direction of the same groups lets everything of this protocol through. */
static bool is_open(const struct world *w, const int *groups, size_t n, int direction,
		    const struct l4 *p)
{
	for (size_t g = 0; g < n; g++) {
		const struct group *group = &w->m->groups[groups[g]];

		for (size_t k = 0; k < group->n_rules[direction]; k++) {
			const struct group_rule *r = &group->rules[direction][k];

			if (!has_literal_all(r, p->src.family))
				continue;
			if (r->match.protocol == -1 ||
			    (r->match.protocol == p->protocol &&
			     has_all_ports(&r->match)))
				return true;
		}
	}
	return false;
}

struct ruling group_list_judge(const struct world *w, const int *groups, size_t n,
			       int direction, const struct l4 *p)
{
	const struct addr *there = direction == 0 ? &p->src : &p->dst;
	struct ruling ret = { .rule = -1 };

	for (size_t g = 0; g < n; g++) {
		const struct group *group = &w->m->groups[groups[g]];

		for (size_t k = 0; k < group->n_rules[direction]; k++) {
			const struct group_rule *r = &group->rules[direction][k];
			bool has_peer = false;

			for (size_t i = 0; i < r->n_peers; i++)
				has_peer |= peer_has(w, &r->peers[i], there);
			if (!has_peer || match_l4(&r->match, p) != YES)
				continue;
			if (!ret.allow) {
				ret.allow = true;
				ret.object = group->name;
				ret.rule = k;
			}
			if ((p->protocol == 6 || p->protocol == 17) &&
			    has_literal_all(r, p->src.family) &&
			    is_open(w, groups, n, !direction, p))
				ret.is_untracked = true;
		}
	}
	return ret;
}

struct ruling groups_judge(const struct world *w, int interface, int direction,
			   const struct l4 *p)
{
	const struct interface *i = &w->m->interfaces[interface];

	return group_list_judge(w, i->groups, i->n_groups, direction, p);
}

bool exempt_anywhere(const struct world *w, const struct l4 *p)
{
	for (size_t k = 0; k < w->m->settings.n_exempt; k++) {
		const struct exempt *e = &w->m->settings.exempt[k];

		if (e->has_address)
			continue;
		if (e->protocol != -1 && e->protocol != p->protocol)
			continue;
		if (e->n_ports == 0)
			return true;
		if (!p->is_known || (p->protocol != 6 && p->protocol != 17))
			continue;
		if (in_ranges(e->ports, e->n_ports, p->sport) &&
		    in_ranges(e->ports, e->n_ports, p->dport))
			return true;
	}
	return false;
}

bool exempt_to(const struct world *w, int vpc, const struct l4 *p)
{
	for (size_t k = 0; k < w->m->settings.n_exempt; k++) {
		const struct exempt *e = &w->m->settings.exempt[k];

		if (!e->has_address || (e->vpc != -1 && e->vpc != vpc))
			continue;
		if (!in_cidr(&e->cidr, &p->dst))
			continue;
		if (e->protocol != -1 && e->protocol != p->protocol)
			continue;
		if (e->n_ports == 0)
			return true;
		if (p->is_known && (p->protocol == 6 || p->protocol == 17) &&
		    in_ranges(e->ports, e->n_ports, p->dport))
			return true;
	}
	return false;
}
