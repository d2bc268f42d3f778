/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"

struct owned {
	uint32_t ifindex;
	struct addr addr;
};

struct netlink {
	struct nl_sock *events;
	struct nl_sock *asks;
	VEC(struct link) links;  /* by name */
	VEC(struct owned) owned; /* by ifindex, else as dumped */
	VEC(struct addr) found;  /* of the last netlink_addresses() */
};

static int errno_of(int nl)
{
	switch (-nl) {
	case NLE_PERM:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_AGAIN:
	case NLE_DUMP_INTR:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static int count_event(struct nl_msg *msg, void *arg)
{
	(void)msg;
	*(bool *)arg = true;
	return NL_OK;
}

static int sockets_open(struct netlink *n)
{
	int r;

	n->events = nl_socket_alloc();
	n->asks = nl_socket_alloc();
	if (!n->events || !n->asks)
		return -ENOMEM;
	nl_socket_disable_seq_check(n->events);
	r = nl_connect(n->events, NETLINK_ROUTE);
	if (r == 0)
		r = nl_connect(n->asks, NETLINK_ROUTE);
	if (r == 0)
		r = nl_socket_set_nonblocking(n->events);
	if (r == 0)
		r = nl_socket_add_memberships(n->events, RTNLGRP_LINK,
					      RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
					      0);
	return r == 0 ? 0 : errno_of(r);
}

int netlink_new(struct netlink **ret)
{
	struct netlink *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	r = sockets_open(n);
	if (r == 0)
		r = netlink_refresh(n);
	if (r < 0) {
		netlink_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void netlink_free(struct netlink *n)
{
	if (!n)
		return;
	nl_socket_free(n->events);
	nl_socket_free(n->asks);
	vec_done(&n->links);
	vec_done(&n->owned);
	vec_done(&n->found);
	free(n);
}

int netlink_fd(const struct netlink *n)
{
	return nl_socket_get_fd(n->events);
}

bool netlink_drain(struct netlink *n)
{
	bool is_stale = false;
	int r;

	nl_socket_modify_cb(n->events, NL_CB_VALID, NL_CB_CUSTOM, count_event, &is_stale);
	do
		r = nl_recvmsgs_default(n->events);
	while (r >= 0);
	/* Anything but "nothing more" means that messages were lost. */
	return is_stale || r != -NLE_AGAIN;
}

static int link_compare(const void *a, const void *b)
{
	return strcmp(((const struct link *)a)->name, ((const struct link *)b)->name);
}

static int owned_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct owned *)a)->ifindex,
		 y = ((const struct owned *)b)->ifindex;

	return x < y ? -1 : x > y;
}

static struct link link_read(struct rtnl_link *l)
{
	struct link link = {
		.ifindex = (uint32_t)rtnl_link_get_ifindex(l),
		.mtu = rtnl_link_get_mtu(l),
		.arp_type = (uint16_t)rtnl_link_get_arptype(l),
	};
	const char *kind = rtnl_link_get_type(l), *name = rtnl_link_get_name(l);
	struct nl_addr *mac = rtnl_link_get_addr(l);
	snprintf(link.name, sizeof(link.name), "%s", name ? name : "");
	snprintf(link.kind, sizeof(link.kind), "%s", kind ? kind : "");
	link.has_far_peer = rtnl_link_get_link_netnsid(l, &link.peer_netns) == 0;
	link.peer_ifindex = (uint32_t)rtnl_link_get_link(l);
	if (mac && nl_addr_get_len(mac) == sizeof(link.mac))
		memcpy(link.mac, nl_addr_get_binary_addr(mac), sizeof(link.mac));
	return link;
}

static int links_dump(struct netlink *n)
{
	struct nl_cache *cache;
	bool is_whole = true;
	int r;

	r = rtnl_link_alloc_cache(n->asks, AF_UNSPEC, &cache);
	if (r < 0)
		return errno_of(r);
	n->links.n = 0;
	for (struct nl_object *o = nl_cache_get_first(cache); o;
	     o = nl_cache_get_next(o)) {
		struct link link = link_read((struct rtnl_link *)o);

		if (link.name[0])
			is_whole = vec_push(&n->links, link) && is_whole;
	}
	nl_cache_free(cache);
	if (n->links.n)
		qsort(n->links.items, n->links.n, sizeof(*n->links.items), link_compare);
	return is_whole ? 0 : -ENOMEM;
}

static int addresses_dump(struct netlink *n)
{
	struct nl_cache *cache;
	bool is_whole = true;
	int r;

	r = rtnl_addr_alloc_cache(n->asks, &cache);
	if (r < 0)
		return errno_of(r);
	n->owned.n = 0;
	for (struct nl_object *o = nl_cache_get_first(cache); o;
	     o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;
		struct nl_addr *local = rtnl_addr_get_local(a);
		struct owned owned = { .ifindex = (uint32_t)rtnl_addr_get_ifindex(a) };
		size_t size = local ? nl_addr_get_len(local) : 0;

		if (size != 4 && size != 16)
			continue;
		owned.addr.family = size == 4 ? 4 : 6;
		memcpy(owned.addr.bytes, nl_addr_get_binary_addr(local), size);
		is_whole = vec_push(&n->owned, owned) && is_whole;
	}
	nl_cache_free(cache);
	/* Addresses in one order whatever the kernel's: the image must not differ for it. */
	if (n->owned.n)
		qsort(n->owned.items, n->owned.n, sizeof(*n->owned.items), owned_compare);
	return is_whole ? 0 : -ENOMEM;
}

int netlink_refresh(struct netlink *n)
{
	int r = -EAGAIN;

	/* A dump that changed under the kernel's hands is asked for again. */
	for (int try = 0; try < 5 && r == -EAGAIN; try++)
		r = links_dump(n);
	if (r < 0)
		return r;
	r = -EAGAIN;
	for (int try = 0; try < 5 && r == -EAGAIN; try++)
		r = addresses_dump(n);
	return r;
}

const struct link *netlink_link(const struct netlink *n, const char *name)
{
	struct link key = {};

	if (strlen(name) >= sizeof(key.name) || !n->links.n)
		return NULL;
	strcpy(key.name, name);
	return bsearch(&key, n->links.items, n->links.n, sizeof(key), link_compare);
}

const struct addr *netlink_addresses(const struct netlink *n, uint32_t ifindex,
				     size_t *ret_n)
{
	struct netlink *mutable = (struct netlink *)n;

	mutable->found.n = 0;
	for (size_t i = 0; i < n->owned.n; i++)
		if (n->owned.items[i].ifindex == ifindex)
			vec_push(&mutable->found, n->owned.items[i].addr);
	*ret_n = n->found.n;
	return n->found.items;
}

static int mac_read(struct nl_msg *msg, void *arg)
{
	const struct nlattr *mac =
		nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct ifinfomsg), IFLA_ADDRESS);

	if (mac && nla_len(mac) == 6)
		memcpy(arg, nla_data(mac), 6);
	return NL_OK;
}

static int mac_ask(const struct netlink *n, struct nl_msg *msg, uint8_t ret[static 6])
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, mac_read, ret);
	r = nl_send_auto(n->asks, msg);
	if (r >= 0)
		r = nl_recvmsgs(n->asks, cb);
	if (r >= 0)
		r = nl_wait_for_ack(n->asks);
	nl_cb_put(cb);
	return r;
}

int netlink_peer_mac(const struct netlink *n, const struct link *link,
		     uint8_t ret[static 6])
{
	static const uint8_t none[6];
	struct ifinfomsg info = { .ifi_index = (int)link->peer_ifindex };
	uint8_t mac[6] = {};
	struct nl_msg *msg;
	int r;

	if (strcmp(link->kind, "veth") != 0 || !link->peer_ifindex)
		return -ENODEV;
	msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK);
	if (!msg)
		return -ENOMEM;
	r = nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
	if (r == 0 && link->has_far_peer)
		r = nla_put_s32(msg, IFLA_TARGET_NETNSID, link->peer_netns);
	if (r == 0)
		r = mac_ask(n, msg, mac);
	nlmsg_free(msg);
	if (r < 0 || memcmp(mac, none, sizeof(mac)) == 0)
		return -ENODEV;
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

static int count_filter(struct nl_msg *msg, void *arg)
{
	const struct tcmsg *tc = nlmsg_data(nlmsg_hdr(msg));

	/* A chain's head is announced without a handle. */
	if (nlmsg_hdr(msg)->nlmsg_type == RTM_NEWTFILTER && tc->tcm_handle)
		++*(int *)arg;
	return NL_OK;
}

int netlink_filters(const struct netlink *n, uint32_t ifindex, bool is_egress)
{
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT,
					is_egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
	};
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int count = 0, r;

	if (!cb)
		return -1;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, count_filter, &count);
	r = nl_send_simple(n->asks, RTM_GETTFILTER, NLM_F_DUMP, &tc, sizeof(tc));
	if (r >= 0)
		r = nl_recvmsgs(n->asks, cb);
	nl_cb_put(cb);
	return r < 0 ? -1 : count;
}
