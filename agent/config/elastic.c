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
	  .help = "Whose address it stands for. One that a NAT gateway lists, or a node "
		  "names, has none." },
	{ "private_address", &kind_address, offsetof(struct elastic_ip, private_address),
	  .help = "An IPv4 address of `interface`. Without it: the first." },
	{},
};

/* ---- the check ---- */

static struct at elastic_at(const struct reader *r, const struct elastic_ip *e)
{
	return r->slots[NOUN_ELASTIC_IP].items[e - r->model->elastic_ips].at;
}

/* The 'index'th that NAT gateway 'nat' lists. */
static void user_set(struct reader *r, int nat, struct elastic_ip *e, size_t index)
{
	const struct model *m = r->model;
	struct at list = at_get(r->slots[NOUN_NAT_GATEWAY].items[nat].at, "elastic_ips");

	if (e->interface == LINK_ABSENT && e->nat_gateway < 0)
		e->nat_gateway = nat;
	else if (e->interface != LINK_ABSENT)
		complain(r, at_nth(list, index), "\"%s\" is an interface's already",
			 e->name);
	else
		complain(r, at_nth(list, index), "\"%s\" is NAT gateway \"%s\"'s already",
			 e->name, m->nat_gateways[e->nat_gateway].name);
}

/* The 'k'th node of load balancer 'lb' names it. */
static void node_set(struct reader *r, int lb, struct elastic_ip *e, size_t k)
{
	const struct model *m = r->model;
	struct at at = r->slots[NOUN_LOAD_BALANCER].items[lb].at;

	at = at_get(at_nth(at_get(at, "nodes"), k), "elastic_ip");
	if (e->interface != LINK_ABSENT)
		complain(r, at, "\"%s\" is an interface's already", e->name);
	else if (e->nat_gateway >= 0)
		complain(r, at, "\"%s\" is NAT gateway \"%s\"'s already", e->name,
			 m->nat_gateways[e->nat_gateway].name);
	else if (e->load_balancer >= 0)
		complain(r, at, "\"%s\" is load balancer \"%s\"'s already", e->name,
			 m->load_balancers[e->load_balancer].name);
	else
		e->load_balancer = lb;
}

/* Who has it: an interface, the one NAT gateway that lists it, or one node of a balancer. */
static void users_find(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		const struct nat_gateway *n = &m->nat_gateways[i];

		for (size_t k = 0; k < n->n_elastic_ips; k++)
			if (n->elastic_ips[k] >= 0)
				user_set(r, (int)i, &m->elastic_ips[n->elastic_ips[k]],
					 k);
	}
	for (size_t i = 0; i < m->n_load_balancers; i++)
		for (size_t k = 0; k < m->load_balancers[i].n_vips; k++) {
			int e = m->load_balancers[i].vips[k].elastic_ip;

			if (e >= 0)
				node_set(r, (int)i, &m->elastic_ips[e], k);
		}
}

static bool interface_has(const struct interface *x, const struct addr *a)
{
	for (size_t k = 0; k < x->n_addresses; k++)
		if (addr_compare(&x->addresses[k], a) == 0)
			return true;
	return false;
}

static void private_check(struct reader *r, struct elastic_ip *e)
{
	const struct interface *x = &r->model->interfaces[e->interface];
	struct at at = elastic_at(r, e), given = at_get(at, "private_address");
	char buf[ADDR_TEXT];

	for (size_t k = 0; k < x->n_addresses && !given.json; k++)
		if (x->addresses[k].family == 4 && e->private_address.family == 0)
			e->private_address = x->addresses[k];
	if (!given.json && e->private_address.family == 0)
		complain(r, at_get(at, "interface"),
			 "interface \"%s\" has no IPv4 address in the rule set", x->name);
	else if (e->private_address.family != 0 &&
		 (e->private_address.family != 4 ||
		  !interface_has(x, &e->private_address)))
		complain(r, given, "%s is no IPv4 address of interface \"%s\"",
			 addr_print(&e->private_address, buf), x->name);
}

static void address_check(struct reader *r, const struct elastic_ip *e)
{
	char buf[ADDR_TEXT];

	if (e->address.family != 0 &&
	    (e->address.family != 4 || addr_is_special(&e->address)))
		complain(r, at_get(elastic_at(r, e), "address"),
			 "%s is no unicast address of IPv4",
			 addr_print(&e->address, buf));
}

static int compare_addresses(const void *pa, const void *pb)
{
	const struct elastic_ip *a = *(const struct elastic_ip *const *)pa,
				*b = *(const struct elastic_ip *const *)pb;
	int r = addr_compare(&a->address, &b->address);

	return r != 0 ? r : (a > b) - (a < b);
}

static int compare_privates(const void *pa, const void *pb)
{
	const struct elastic_ip *a = *(const struct elastic_ip *const *)pa,
				*b = *(const struct elastic_ip *const *)pb;
	int r = (a->interface > b->interface) - (a->interface < b->interface);

	if (r == 0)
		r = addr_compare(&a->private_address, &b->private_address);
	return r != 0 ? r : (a > b) - (a < b);
}

/* Without a gateway nothing comes in, and nothing goes out as it. */
static void gateway_warn(struct reader *r, const struct elastic_ip *e)
{
	int vpc = r->model->interfaces[e->interface].vpc;

	if (vpc >= 0 && internet_gateway_find(r->model, vpc) < 0)
		warn(r, at_get(elastic_at(r, e), "interface"),
		     "VPC \"%s\" has no internet gateway, so nobody reaches interface "
		     "\"%s\" by this address",
		     r->model->vpcs[vpc].name, r->model->interfaces[e->interface].name);
}

/* Those of one private address stand together. */
static void privates_check(struct reader *r, const struct elastic_ip **sorted, size_t n)
{
	char buf[ADDR_TEXT];

	qsort(sorted, n, sizeof(const struct elastic_ip *), compare_privates);
	for (size_t i = 1; i < n && !reader_is_full(r); i++) {
		const struct elastic_ip *e = sorted[i], *first = sorted[i - 1];

		if (e->interface >= 0 && e->private_address.family == 4 &&
		    e->interface == first->interface &&
		    addr_compare(&e->private_address, &first->private_address) == 0)
			complain(r, elastic_at(r, e),
				 "%s of interface \"%s\" has elastic IP \"%s\" already",
				 addr_print(&e->private_address, buf),
				 r->model->interfaces[e->interface].name, first->name);
	}
}

static void repeats_check(struct reader *r, const struct elastic_ip **sorted, size_t n)
{
	char buf[ADDR_TEXT];

	for (size_t i = 1; i < n && !reader_is_full(r); i++)
		if (sorted[i]->address.family != 0 &&
		    addr_compare(&sorted[i]->address, &sorted[i - 1]->address) == 0)
			complain(r, at_get(elastic_at(r, sorted[i]), "address"),
				 "%s is that of elastic IP \"%s\" already",
				 addr_print(&sorted[i]->address, buf),
				 sorted[i - 1]->name);
}

/* What lies in a CIDR stands together, behind its base. 'said' is by object. */
static void inside_check(struct reader *r, const struct vpc *vpc, const struct cidr *c,
			 const struct elastic_ip **sorted, size_t n, bool *said)
{
	char addr[ADDR_TEXT], cidr[CIDR_TEXT];
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr_compare(&sorted[mid]->address, &c->addr) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n && cidr_contains(c, &sorted[low]->address) && !reader_is_full(r);
	     low++) {
		bool *is_said = &said[sorted[low] - r->model->elastic_ips];

		if (!*is_said)
			complain(r, at_get(elastic_at(r, sorted[low]), "address"),
				 "%s is inside %s of VPC \"%s\"",
				 addr_print(&sorted[low]->address, addr),
				 cidr_print(c, cidr), vpc->name);
		*is_said = true;
	}
}

static void publics_check(struct reader *r)
{
	const struct model *m = r->model;
	size_t n = m->n_elastic_ips;
	_cleanup_free_ const struct elastic_ip **sorted =
		reader_room(r, n, sizeof(*sorted));
	_cleanup_free_ bool *said = reader_room(r, n, sizeof(*said));

	if (!sorted || !said)
		return;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &m->elastic_ips[i];
	qsort(sorted, n, sizeof(*sorted), compare_addresses);
	repeats_check(r, sorted, n);
	for (size_t i = 0; i < m->n_vpcs; i++)
		for (size_t k = 0; k < m->vpcs[i].n_cidrs; k++)
			if (m->vpcs[i].cidrs[k].addr.family == 4)
				inside_check(r, &m->vpcs[i], &m->vpcs[i].cidrs[k], sorted,
					     n, said);
	privates_check(r, sorted, n);
}

void elastic_ips_check(struct reader *r)
{
	struct model *m = r->model;

	users_find(r);
	for (size_t i = 0; i < m->n_elastic_ips && !reader_is_full(r); i++) {
		struct elastic_ip *e = &m->elastic_ips[i];
		struct at given = at_get(elastic_at(r, e), "private_address");

		address_check(r, e);
		if (e->interface >= 0)
			private_check(r, e);
		if (e->interface >= 0)
			gateway_warn(r, e);
		else if (e->interface == LINK_ABSENT && given.json)
			complain(r, given,
				 "\"private_address\" wants an \"interface\" beside it");
	}
	publics_check(r);
}
