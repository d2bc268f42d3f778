/* SPDX-License-Identifier: Apache-2.0 */

/* Arbitrary text as a rule set, under ASan and UBSan.
 *
 * Beyond not crashing: a model comes back exactly when nothing was complained of, what it says
 * of itself in config/model.h is true, a document that is JSON is the same document after
 * being printed and read again, and what is compiled of a model is an image or a complaint.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "compile/image.h"
#include "config/json.h"
#include "config/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ports_hold(const struct port_range *ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert(ports[i].first <= ports[i].last);
		assert(i == 0 || ports[i].first > ports[i - 1].last + 1U);
	}
}

static void match_holds(const struct match *m)
{
	assert(m->protocol >= -1 && m->protocol <= 255);
	assert(m->icmp_type >= -1 && m->icmp_type <= 255);
	assert(m->icmp_code >= -1 && m->icmp_code <= 255);
	ports_hold(m->ports, m->n_ports);
	ports_hold(m->source_ports, m->n_source_ports);
}

static void cidr_holds(struct cidr c)
{
	assert(c.addr.family == 4 || c.addr.family == 6);
	assert(c.len <= (c.addr.family == 4 ? 32 : 128));
	assert(!cidr_mask(&c));
}

static void index_holds(int i, size_t n)
{
	assert(i >= 0 && (size_t)i < n);
}

static void peer_holds(const struct model *m, const struct peer *p)
{
	if (p->kind == PEER_CIDR)
		cidr_holds(p->cidr);
	else if (p->kind == PEER_GROUP && p->index == -1)
		assert(p->stale && p->stale[0]);
	else
		index_holds(p->index,
			    p->kind == PEER_GROUP ? m->n_groups : m->n_prefix_lists);
}

static void nacls_hold(const struct model *m)
{
	for (size_t i = 0; i < m->n_nacls; i++)
		for (int d = 0; d < 2; d++)
			for (size_t k = 0; k < m->nacls[i].n_rules[d]; k++) {
				const struct nacl_rule *r = &m->nacls[i].rules[d][k];

				assert(r->number > (k > 0 ? r[-1].number : 0));
				match_holds(&r->match);
				peer_holds(m, &r->cidr);
				if (r->has_peer_cidr)
					peer_holds(m, &r->peer_cidr);
				index_holds(m->nacls[i].vpc, m->n_vpcs);
			}
}

static void groups_hold(const struct model *m)
{
	for (size_t i = 0; i < m->n_groups; i++)
		for (int d = 0; d < 2; d++)
			for (size_t k = 0; k < m->groups[i].n_rules[d]; k++) {
				const struct group_rule *r = &m->groups[i].rules[d][k];

				match_holds(&r->match);
				for (size_t n = 0; n < r->n_peers; n++)
					peer_holds(m, &r->peers[n]);
				index_holds(m->groups[i].vpc, m->n_vpcs);
			}
}

static void interfaces_hold(const struct model *m)
{
	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *x = &m->interfaces[i];

		index_holds(x->vpc, m->n_vpcs);
		if (x->subnet != -1)
			index_holds(x->subnet, m->n_subnets);
		assert(x->n_groups > 0 && (x->is_local || x->n_addresses > 0));
		assert(x->timeouts.udp && x->timeouts.udp_stream &&
		       x->timeouts.tcp_established);
		for (size_t k = 0; k < x->n_groups; k++)
			index_holds(x->groups[k], m->n_groups);
	}
}

static void route_holds(const struct model *m, const struct route *r)
{
	const size_t sizes[] = {
		[ROUTE_LOCAL] = 0,
		[ROUTE_BLACKHOLE] = 0,
		[ROUTE_INTERNET_GATEWAY] = m->n_internet_gateways,
		[ROUTE_NAT_GATEWAY] = m->n_nat_gateways,
		[ROUTE_EGRESS_ONLY_GATEWAY] = m->n_egress_only_gateways,
		[ROUTE_PEERING] = m->n_peerings,
		[ROUTE_INTERFACE] = m->n_interfaces,
		[ROUTE_GATEWAY_LOAD_BALANCER] = m->n_gateway_load_balancers,
	};

	if (r->prefix_list == -1)
		cidr_holds(r->to);
	else
		index_holds(r->prefix_list, m->n_prefix_lists);
	if (r->kind == ROUTE_LOCAL || r->kind == ROUTE_BLACKHOLE)
		assert(r->target == -1);
	else
		index_holds(r->target, sizes[r->kind]);
}

static void gateways_hold(const struct model *m, const struct gateway *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		index_holds(g[i].vpc, m->n_vpcs);
		assert(g[i].device && g[i].device[0] && m->vpcs[g[i].vpc].is_routed);
		for (unsigned k = 0; k < 2; k++)
			assert(g[i].next_hop[k].family == 0 ||
			       g[i].next_hop[k].family == (k ? 6 : 4));
	}
}

static void nats_hold(const struct model *m)
{
	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		const struct nat_gateway *n = &m->nat_gateways[i];

		index_holds(n->subnet, m->n_subnets);
		assert(n->vpc == m->subnets[n->subnet].vpc);
		assert(n->private_address.family == 4 && n->idle_timeout > 0);
		assert((n->n_groups > 0) == n->is_instance);
		for (size_t k = 0; k < n->n_groups; k++)
			index_holds(n->groups[k], m->n_groups);
		for (size_t k = 0; k < n->n_elastic_ips; k++) {
			index_holds(n->elastic_ips[k], m->n_elastic_ips);
			assert(m->elastic_ips[n->elastic_ips[k]].nat_gateway == (int)i);
		}
		for (size_t k = 0; k < n->n_forwards; k++)
			assert(n->forwards[k].to.family == 4 && n->forwards[k].port &&
			       n->forwards[k].to_port);
	}
	for (size_t i = 0; i < m->n_elastic_ips; i++) {
		const struct elastic_ip *e = &m->elastic_ips[i];

		assert(e->address.family == 4);
		assert((e->interface >= 0) == (e->private_address.family == 4));
		assert((e->interface >= 0) + (e->nat_gateway >= 0) +
			       (e->load_balancer >= 0) <=
		       1);
	}
}

static void routes_hold(const struct model *m)
{
	for (size_t i = 0; i < m->n_route_tables; i++) {
		index_holds(m->route_tables[i].vpc, m->n_vpcs);
		for (size_t k = 0; k < m->route_tables[i].n_routes; k++)
			route_holds(m, &m->route_tables[i].routes[k]);
	}
	for (size_t i = 0; i < m->n_peerings; i++) {
		index_holds(m->peerings[i].vpcs[0], m->n_vpcs);
		index_holds(m->peerings[i].vpcs[1], m->n_vpcs);
		assert(m->peerings[i].vpcs[0] != m->peerings[i].vpcs[1]);
	}
	for (size_t i = 0; i < m->n_vpcs; i++) {
		int t = m->vpcs[i].main_table;

		assert(t >= 0 || !m->vpcs[i].name[0]);
		if (t >= 0)
			assert(m->route_tables[t].vpc == (int)i &&
			       m->route_tables[t].is_main);
	}
	gateways_hold(m, m->internet_gateways, m->n_internet_gateways);
	gateways_hold(m, m->egress_only_gateways, m->n_egress_only_gateways);
	nats_hold(m);
}

static void target_groups_hold(const struct model *m)
{
	for (size_t i = 0; i < m->n_target_groups; i++) {
		const struct target_group *g = &m->target_groups[i];
		const struct health_check *h = &g->health_check;

		index_holds(g->vpc, m->n_vpcs);
		assert(g->port && g->protocol <= TARGET_GENEVE && g->minimum_count > 0);
		assert(g->protocol != TARGET_GENEVE || g->port == 6081);
		assert(!g->unhealthy_termination || g->unhealthy_draining == 0);
		assert(h->path && h->path[0] == '/' && h->n_matcher > 0);
		assert(h->timeout > 0 && h->timeout <= h->interval);
		ports_hold(h->matcher, h->n_matcher);
		for (size_t k = 0; k < g->n_targets; k++) {
			const struct target *t = &g->targets[k];

			assert(t->address.family && t->port);
			assert(g->protocol != TARGET_GENEVE || t->address.family == 4);
			if (t->interface != -1) {
				index_holds(t->interface, m->n_interfaces);
				assert(m->interfaces[t->interface].vpc == g->vpc);
			}
		}
	}
}

static void listener_holds(const struct model *m, const struct listener *l)
{
	assert(l->protocol <= TARGET_TCP_UDP && l->port && l->n_forwards > 0);
	assert(l->idle_timeout >= 60);
	for (size_t k = 0; k < l->n_forwards; k++) {
		int index = l->forwards[k].target_group;

		index_holds(index, m->n_target_groups);
		assert(m->target_groups[index].protocol == l->protocol ||
		       m->target_groups[index].protocol == TARGET_TCP_UDP);
	}
}

static void balancers_hold(const struct model *m)
{
	for (size_t i = 0; i < m->n_load_balancers; i++) {
		const struct load_balancer *lb = &m->load_balancers[i];

		index_holds(lb->vpc, m->n_vpcs);
		assert(lb->n_vips > 0);
		for (size_t k = 0; k < lb->n_vips; k++) {
			const struct vip *v = &lb->vips[k];

			assert(v->address.family == 4 || v->address.family == 6);
			if (v->subnet != -1)
				index_holds(v->subnet, m->n_subnets);
			if (v->elastic_ip != -1)
				assert(m->elastic_ips[v->elastic_ip].load_balancer ==
				       (int)i);
		}
		for (size_t k = 0; k < lb->n_groups; k++)
			index_holds(lb->groups[k], m->n_groups);
		for (size_t k = 0; k < lb->n_listeners; k++)
			listener_holds(m, &lb->listeners[k]);
	}
	for (size_t i = 0; i < m->n_gateway_load_balancers; i++) {
		const struct gateway_load_balancer *g = &m->gateway_load_balancers[i];

		index_holds(g->target_group, m->n_target_groups);
		assert(m->target_groups[g->target_group].protocol == TARGET_GENEVE);
		assert(m->target_groups[g->target_group].vpc == g->vpc);
		if (g->subnet != -1)
			index_holds(g->subnet, m->n_subnets);
	}
	for (size_t i = 0; i < m->n_rate_limits; i++) {
		const struct rate_limit *l = &m->rate_limits[i];

		assert((l->load_balancer == -1) != (l->subnet == -1));
		if (l->subnet == -1)
			index_holds(l->load_balancer, m->n_load_balancers);
		else
			index_holds(l->subnet, m->n_subnets);
		assert(l->limit > 0 && l->window > 0 && (!l->port || l->subnet == -1));
	}
}

static void model_holds(const struct model *m)
{
	for (size_t i = 0; i < m->n_vpcs; i++) {
		index_holds(m->vpcs[i].default_group, m->n_groups);
		if (m->vpcs[i].name[0])
			index_holds(m->vpcs[i].default_nacl, m->n_nacls);
	}
	for (size_t i = 0; i < m->n_subnets; i++) {
		index_holds(m->subnets[i].vpc, m->n_vpcs);
		if (m->subnets[i].nacl != -1)
			index_holds(m->subnets[i].nacl, m->n_nacls);
		if (m->vpcs[m->subnets[i].vpc].name[0] || m->subnets[i].route_table != -1)
			index_holds(m->subnets[i].route_table, m->n_route_tables);
	}
	for (size_t i = 0; i < m->n_prefix_lists; i++)
		for (size_t k = 0; k < m->prefix_lists[i].n_entries; k++) {
			const struct cidr *c = &m->prefix_lists[i].entries[k];

			cidr_holds(*c);
			assert(k == 0 || cidr_compare(&c[-1], c) < 0);
		}
	for (size_t i = 0; i < m->settings.n_exempt; i++)
		ports_hold(m->settings.exempt[i].ports, m->settings.exempt[i].n_ports);
	nacls_hold(m);
	groups_hold(m);
	interfaces_hold(m);
	routes_hold(m);
	target_groups_hold(m);
	balancers_hold(m);
}

static void json_holds(const char *text, size_t size)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *first = NULL, *second = NULL;
	_cleanup_free_ char *a = NULL, *b = NULL;

	if (json_read("a", text, size, diag, &first) < 0) {
		assert(diag_errors(diag) > 0);
		return;
	}
	a = json_print(first, false);
	assert(json_read("b", a, strlen(a), diag, &second) == 0);
	b = json_print(second, false);
	assert(strcmp(a, b) == 0);
}

/* The image, and the same one as if it followed itself. */
static void image_holds(const struct model *m)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(image_freep) struct image *image = NULL, *next = NULL;
	struct facts facts = {};

	if (image_compile(m, &facts, diag, &image) < 0) {
		assert(diag_errors(diag) > 0);
		return;
	}
	assert(image_check(image) == 0);
	facts.previous = image;
	assert(image_compile(m, &facts, diag, &next) == 0);
	assert(image_check(next) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(model_freep) struct model *m = NULL;
	const struct complaint *list;
	size_t n;
	int r;

	json_holds((const char *)data, size);
	r = config_read_text("rules.json", (const char *)data, size, NULL, diag, &m);
	assert(r == 0 || r == -EINVAL);
	assert((r == 0) == (m != NULL) && (r == 0) == (diag_errors(diag) == 0));
	if (m) {
		config_warn(m, diag);
		model_holds(m);
		image_holds(m);
	}
	list = diag_list(diag, &n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *line = complaint_print(&list[i]);

		assert(!m || list[i].level == DIAG_WARNING);
		assert(strncmp(line, "rules.json:", 11) == 0 && list[i].line > 0);
	}
	return 0;
}
