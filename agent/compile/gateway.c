/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/gateway.h"

#include <endian.h>
#include <hg/limits.h>
#include <string.h>

#include "compile/number.h"

#define RECORDS 4 /* forwards a line */

static void gateway_fill(const struct build *b, const struct gateway *g, uint32_t object,
			 struct hg_gateway *ret)
{
	ret->vpc = (uint32_t)g->vpc + 1;
	ret->device = build_uplink(b, g->device);
	ret->object = object;
	if (g->next_hop[0].family)
		memcpy(&ret->next_hop4, g->next_hop[0].bytes, sizeof(ret->next_hop4));
	else
		ret->flags |= HG_GATEWAY_KERNEL4;
	if (g->next_hop[1].family)
		memcpy(&ret->next_hop6, g->next_hop[1].bytes, sizeof(ret->next_hop6));
	else
		ret->flags |= HG_GATEWAY_KERNEL6;
}

static bool has_balancer(const struct model *m, int vpc)
{
	for (size_t i = 0; i < m->n_load_balancers; i++)
		if (m->load_balancers[i].vpc == vpc)
			return true;
	return false;
}

void gateways_choose(struct build *b)
{
	const struct model *m = b->m;

	b->n_gateways = id_of_egress_only_gateway(m, m->n_egress_only_gateways);
	for (uint32_t i = 0; i < b->devices.n; i++) {
		const struct device *d = &b->devices.list[i];

		if (d->role == HG_ROLE_HOST &&
		    has_balancer(m, m->interfaces[d->index].vpc))
			b->device_gateways[i + 1] = b->n_gateways++;
	}
}

/* Of a host's device: what its balancers send on leaves where it came in. */
static void device_gateway_fill(const struct build *b, uint32_t device,
				struct hg_gateway *ret)
{
	size_t interface = b->devices.list[device - 1].index;

	*ret = (struct hg_gateway){
		.vpc = (uint32_t)b->m->interfaces[interface].vpc + 1,
		.device = device,
		.object = object_of_interface(b->m, interface),
		.flags = HG_GATEWAY_KERNEL4 | HG_GATEWAY_KERNEL6,
	};
}

static int gateways_fill(struct build *b, struct hg_header *head)
{
	const struct model *m = b->m;
	struct hg_gateway *gateways;
	uint32_t line;
	int r;

	r = lines_reserve(&b->lines, b->n_gateways, &line);
	if (r < 0)
		return r;
	head->gateways = (struct hg_table){ line, b->n_gateways };
	gateways = lines_at(&b->lines, line);
	for (size_t i = 0; i < m->n_internet_gateways; i++)
		gateway_fill(b, &m->internet_gateways[i],
			     object_of_internet_gateway(m, i),
			     &gateways[id_of_internet_gateway(i)]);
	for (size_t i = 0; i < m->n_egress_only_gateways; i++)
		gateway_fill(b, &m->egress_only_gateways[i],
			     object_of_egress_only_gateway(m, i),
			     &gateways[id_of_egress_only_gateway(m, i)]);
	for (uint32_t id = 1; id <= b->devices.n; id++)
		if (b->device_gateways[id])
			device_gateway_fill(b, id, &gateways[b->device_gateways[id]]);
	return 0;
}

static void forward_fill(const struct nat_forward *f, struct hg_forward *ret)
{
	memcpy(&ret->to, f->to.bytes, sizeof(ret->to));
	ret->port = htobe16(f->port);
	ret->to_port = htobe16(f->to_port);
	ret->protocol = (uint32_t)f->protocol;
}

/* Which of 'previous' are still there. */
static void nats_keep(struct build *b, const struct image *previous,
		      struct numbers *numbers)
{
	const struct model *m = b->m;
	struct hg_table table = image_header(previous)->nats;

	for (uint32_t id = 1; id < table.n && id <= HG_MAX_NAT_GATEWAYS; id++) {
		const struct hg_nat *g = image_record(previous, table, id, sizeof(*g));
		const struct nat_gateway *found;

		if (!g || !g->object)
			continue;
		found = model_find(m->nat_gateways, m->n_nat_gateways, sizeof(*found),
				   image_object_name(previous, g->object));
		if (found)
			b->nat_ids[found - m->nat_gateways] = id;
		numbers_keep(numbers, id, found);
	}
}

int nats_choose(struct build *b)
{
	const struct image *previous = b->facts ? b->facts->previous : NULL;
	struct numbers numbers;
	int r;

	r = numbers_init(&numbers, HG_MAX_NAT_GATEWAYS);
	if (r < 0)
		return r;
	if (previous)
		nats_keep(b, previous, &numbers);
	b->n_nats = 1;
	for (size_t i = 0; i < b->m->n_nat_gateways; i++) {
		if (!b->nat_ids[i])
			b->nat_ids[i] = numbers_take(&numbers);
		if (b->nat_ids[i] >= b->n_nats)
			b->n_nats = b->nat_ids[i] + 1;
	}
	numbers_done(&numbers);
	return 0;
}

/* 'forward' is the first record that is free. */
static void nat_fill(const struct build *b, size_t i, uint32_t forward,
		     struct hg_nat *ret)
{
	const struct model *m = b->m;
	const struct nat_gateway *g = &m->nat_gateways[i];

	*ret = (struct hg_nat){
		.vpc = (uint32_t)g->vpc + 1,
		.subnet = (uint32_t)g->subnet + 1,
		.object = object_of_nat_gateway(m, i),
		.idle_timeout = g->idle_timeout,
		.forwards = g->n_forwards ? forward : 0,
		.n_forwards = (uint8_t)g->n_forwards,
	};
	if (g->is_instance) {
		ret->flags = HG_NAT_INSTANCE;
		ret->interface = id_of_instance(m, i);
	}
	memcpy(&ret->private_address, g->private_address.bytes,
	       sizeof(ret->private_address));
	/* Without an internet gateway nobody can reach them. */
	for (size_t k = 0; b->vpc_gateways[g->vpc] && k < g->n_elastic_ips; k++)
		memcpy(&ret->addresses[ret->n_addresses++],
		       m->elastic_ips[g->elastic_ips[k]].address.bytes,
		       sizeof(ret->addresses[0]));
}

static int nats_fill(struct build *b, struct hg_header *head)
{
	const struct model *m = b->m;
	uint32_t line, n_forwards = 1, forward = 1;
	int r;

	for (size_t i = 0; i < m->n_nat_gateways; i++)
		n_forwards += (uint32_t)m->nat_gateways[i].n_forwards;
	r = lines_reserve(&b->lines, (n_forwards + RECORDS - 1) / RECORDS, &line);
	if (r < 0)
		return r;
	head->forwards = (struct hg_table){ line, n_forwards };
	r = lines_reserve(&b->lines, b->n_nats, &line);
	if (r < 0)
		return r;
	head->nats = (struct hg_table){ line, b->n_nats };
	struct hg_forward *forwards = lines_at(&b->lines, head->forwards.line);
	struct hg_nat *nats = lines_at(&b->lines, line);

	for (size_t i = 0; i < m->n_nat_gateways; i++) {
		const struct nat_gateway *g = &m->nat_gateways[i];

		nat_fill(b, i, forward, &nats[b->nat_ids[i]]);
		for (size_t k = 0; k < g->n_forwards; k++)
			forward_fill(&g->forwards[k], &forwards[forward++]);
	}
	return 0;
}

int gateways_write(struct build *b, struct hg_header *head)
{
	int r = gateways_fill(b, head);

	return r < 0 ? r : nats_fill(b, head);
}
