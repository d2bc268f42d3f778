/* SPDX-License-Identifier: Apache-2.0 */

/* The simplest thing would be to let the kernel resolve a neighbour when the first packet
 * for it comes. That packet waits for an answer, XDP would have to leave it and all that
 * follow to the stack, and nobody would look after a neighbour that only XDP sends to.
 *
 * So the kernel is asked ahead. It says what it finds, when a MAC changes, when somebody
 * does not answer, and when it has not heard from somebody for long: then it is asked to look
 * again. Its own way to do that, managed neighbours, looks for all of them in one burst: of
 * 8,000 behind a veth a third were lost in it and counted as not there. Here they are a few
 * at a time.
 *
 * Devices of a gateway have no addresses. A kernel that has none at all asks as 0.0.0.0, which every
 * host answers. One with addresses elsewhere asks as one of those, whatever arp_announce
 * says; hosts whose default route leads here answer that, even with strict rp_filter,
 * unless their arp_ignore is 2. IPv6 is asked from the device's link-local address; a
 * device with disable_ipv6 has no neighbours but those that speak.
 *
 * tests/packet/resolve.c does all of this with a kernel.
 */
#include "kernel/neighbour.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/vec.h"
#include "kernel/attach.h"
#include "kernel/plane.h"

#define ORDERS_AT_ONCE 200 /* ten times a second; a kernel's shortest queue holds 1000 */

/* A device of the rule set that is there. */
struct gate {
	struct hop_device device; /* first: sorted and found as one */
	char name[16];
	bool is_up;
};

struct neighbours {
	struct dataplane *dp;
	struct netlink *netlink;
	struct hops *hops;
	struct neighbour_want *wants;
	size_t n_wants;
	struct gate *gates; /* by ifindex */
	size_t n_gates;
	bool is_stale; /* the kernel's table has to be read as a whole */
};

int neighbours_new(struct dataplane *dp, struct netlink *netlink, struct neighbours **ret)
{
	_cleanup_(neighbours_freep) struct neighbours *n = calloc(1, sizeof(*n));
	int r;

	error_set("not enough memory to keep track of neighbours");
	if (!n)
		return -ENOMEM;
	n->dp = dp;
	n->netlink = netlink;
	n->is_stale = true;
	r = hops_new(dataplane_hops(dp), dataplane_epoch(dp), &n->hops);
	if (r < 0)
		return r;
	*ret = TAKE(n);
	return 0;
}

void neighbours_free(struct neighbours *n)
{
	if (!n)
		return;
	hops_free(n->hops);
	free(n->wants);
	free(n->gates);
	free(n);
}

static struct hop_device device_of(const struct link *link, bool is_port)
{
	struct hop_device d = { .ifindex = link->ifindex,
				.mtu = link->mtu,
				.is_port = is_port };

	memcpy(d.mac, link->mac, sizeof(d.mac));
	return d;
}

uint32_t neighbours_port(struct neighbours *n, const struct link *link)
{
	struct hop_device d = device_of(link, true);
	bool is_peer = strcmp(link->kind, "veth") == 0 && link->has_far_peer;
	uint8_t mac[6] = {};

	/* XDP must know it before the instance has spoken: no stack will ask for it. */
	netlink_peer_mac(n->netlink, link, mac);
	return hop_port(n->hops, &d, mac, is_peer, dataplane_epoch(n->dp));
}

void neighbours_want(struct neighbours *n, struct neighbour_want *wants, size_t n_wants)
{
	free(n->wants);
	n->wants = wants;
	n->n_wants = wants ? n_wants : 0;
}

/* ---- orders and answers ---- */

void neighbours_run(struct neighbours *n)
{
	struct hop_order o;

	for (int i = 0; i < ORDERS_AT_ONCE && hops_next_order(n->hops, &o); i++) {
		int r = netlink_neighbour(n->netlink, o.order, o.ifindex, &o.addr, o.mac);
		char text[ADDR_TEXT];

		if (r == 0)
			continue;
		log_debug("neighbour %s at link %u: order %d: %s",
			  addr_print(&o.addr, text), o.ifindex, (int)o.order,
			  strerror(-r));
		hop_refused(n->hops, &o);
	}
}

static int gate_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct gate *)a)->device.ifindex,
		 y = ((const struct gate *)b)->device.ifindex;

	return x < y ? -1 : x > y;
}

static struct gate *gate_find(const struct neighbours *n, uint32_t ifindex)
{
	struct gate key = { .device.ifindex = ifindex };

	return n->n_gates ? bsearch(&key, n->gates, n->n_gates, sizeof(key), gate_compare)
			  : NULL;
}

static void on_neighbour(void *arg, const struct neighbour *said)
{
	struct neighbours *n = arg;
	const struct gate *gate = gate_find(n, said->ifindex);

	if (gate && !gate->device.is_port)
		hop_hear(n->hops, &gate->device, said, dataplane_epoch(n->dp));
}

static void table_read(struct neighbours *n)
{
	int r;

	hops_dump_begin(n->hops);
	r = netlink_neighbours(n->netlink, on_neighbour, n);
	n->is_stale = r < 0;
	if (r == 0)
		hops_dump_end(n->hops, dataplane_epoch(n->dp));
	else
		log_debug("cannot read the kernel's neighbours: %s", strerror(-r));
}

void neighbours_hear(struct neighbours *n)
{
	if (!netlink_hear(n->netlink, on_neighbour, n))
		n->is_stale = true;
	if (n->is_stale)
		table_read(n);
}

void neighbours_tick(struct neighbours *n)
{
	if (n->is_stale)
		table_read(n);
	hops_tick(n->hops);
	neighbours_run(n);
}

/* ---- devices and wants ---- */

static bool has_wants(const struct neighbours *n, const char *device)
{
	for (size_t i = 0; i < n->n_wants; i++)
		if (strcmp(n->wants[i].device, device) == 0)
			return true;
	return false;
}

/* The devices with neighbours, as they are now. Those of a host device are the kernel's alone
 * unless a balancer sends to some of them. */
static int gates_make(const struct neighbours *neighbours, const struct attached *devices,
		      size_t n_devices, struct gate **ret, size_t *ret_n)
{
	struct gate *gates = calloc(n_devices + 1, sizeof(*gates));
	size_t n = 0;

	if (!gates)
		return -ENOMEM;
	for (size_t i = 0; i < n_devices; i++) {
		const struct attached *d = &devices[i];
		struct gate *gate = &gates[n];

		if (d->state != ATTACH_ATTACHED ||
		    (d->role == HG_ROLE_HOST && !has_wants(neighbours, d->device)))
			continue;
		*gate = (struct gate){
			.device = device_of(&d->link, d->role == HG_ROLE_PORT),
			.is_up = d->link.is_up,
		};
		memcpy(gate->name, d->device, sizeof(gate->name));
		n++;
	}
	qsort(gates, n, sizeof(*gates), gate_compare);
	*ret = gates;
	*ret_n = n;
	return 0;
}

/* Takes over the new gates. A link that went down took its neighbours with it. */
static void gates_take(struct neighbours *n, struct gate *gates, size_t n_gates)
{
	for (size_t i = 0; i < n_gates; i++) {
		const struct gate *before = gate_find(n, gates[i].device.ifindex);

		if (before && (before->is_up || !gates[i].is_up))
			continue;
		n->is_stale = true;
		hops_ask_again(n->hops, gates[i].device.ifindex);
	}
	free(n->gates);
	n->gates = gates;
	n->n_gates = n_gates;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp((*(const struct gate *const *)a)->name,
		      (*(const struct gate *const *)b)->name);
}

static void wants_follow(struct neighbours *n)
{
	_cleanup_free_ const struct gate **named = calloc(n->n_gates + 1, sizeof(*named));
	uint32_t epoch = dataplane_epoch(n->dp);
	struct gate key = {}, *of = &key;

	if (!named)
		return;
	for (size_t i = 0; i < n->n_gates; i++)
		named[i] = &n->gates[i];
	qsort(named, n->n_gates, sizeof(*named), name_compare);
	hops_want_begin(n->hops);
	for (size_t i = 0; i < n->n_wants; i++) {
		const struct gate **gate;

		memcpy(key.name, n->wants[i].device, sizeof(key.name));
		gate = bsearch(&of, named, n->n_gates, sizeof(*named), name_compare);
		if (gate && !(*gate)->device.is_port)
			hop_want(n->hops, &(*gate)->device, &n->wants[i].addr, epoch);
	}
	hops_want_end(n->hops, epoch);
}

void neighbours_follow(struct neighbours *n, const struct attached *devices,
		       size_t n_devices)
{
	_cleanup_free_ struct hop_device *list = NULL;
	struct gate *gates;
	size_t n_gates;

	if (gates_make(n, devices, n_devices, &gates, &n_gates) < 0)
		return;
	list = calloc(n_gates + 1, sizeof(*list));
	for (size_t i = 0; list && i < n_gates; i++)
		list[i] = gates[i].device;
	gates_take(n, gates, n_gates);
	if (!list)
		return;
	hops_follow(n->hops, list, n_gates, dataplane_epoch(n->dp));
	wants_follow(n);
	/* What there is of wanted ones is known before they are asked for. */
	neighbours_tick(n);
}

/* ---- the end ---- */

struct forget {
	uint32_t ifindex;
	VEC(struct addr) found;
};

static void on_ours(void *arg, const struct neighbour *said)
{
	struct forget *f = arg;

	if (said->ifindex == f->ifindex && said->protocol == NETLINK_PROTOCOL)
		vec_push(&f->found, said->addr);
}

void neighbours_forget(struct netlink *netlink, uint32_t ifindex)
{
	struct forget f = { .ifindex = ifindex };

	netlink_neighbours(netlink, on_ours, &f);
	for (size_t i = 0; i < f.found.n; i++)
		netlink_neighbour(netlink, NEIGHBOUR_DELETE, ifindex, &f.found.items[i],
				  NULL);
	vec_done(&f.found);
}
