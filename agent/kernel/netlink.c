/* SPDX-License-Identifier: Apache-2.0 */

/* Long: all that is said in netlink is said here. */
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/neighbour.h>
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
	uint8_t len; /* of the prefix that is on the link */
};

struct next_hop {
	uint32_t ifindex, metric;
	struct addr addr;
};

struct netlink {
	struct nl_sock *events;
	struct nl_sock *neighbours; /* events, too */
	struct nl_sock *asks;
	VEC(struct link) links;  /* by name */
	VEC(struct owned) owned; /* by ifindex, else as dumped */
	VEC(struct addr) found;  /* of the last netlink_addresses() */
	VEC(struct next_hop) next_hops;
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
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	default:
		return -EIO;
	}
}

static bool route_is_default(const struct rtmsg *r)
{
	return r->rtm_dst_len == 0 && r->rtm_table == RT_TABLE_MAIN &&
	       r->rtm_type == RTN_UNICAST;
}

/* A router may learn a million routes; only default ones are of interest. */
static int count_event(struct nl_msg *msg, void *arg)
{
	const struct nlmsghdr *h = nlmsg_hdr(msg);

	if ((h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE) ||
	    (nlmsg_valid_hdr(h, sizeof(struct rtmsg)) && route_is_default(nlmsg_data(h))))
		*(bool *)arg = true;
	return NL_OK;
}

#define NEIGHBOUR_BUFFER (1 << 20) /* bytes of notifications that may wait for us */

static int sockets_open(struct netlink *n)
{
	struct nl_sock **sockets[] = { &n->asks, &n->events, &n->neighbours };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sockets) && r == 0; i++) {
		struct nl_sock *s = *sockets[i] = nl_socket_alloc();

		if (!s)
			return -ENOMEM;
		r = nl_connect(s, NETLINK_ROUTE);
		if (r < 0 || i == 0)
			continue;
		nl_socket_disable_seq_check(s);
		r = nl_socket_set_nonblocking(s);
	}
	if (r == 0)
		r = nl_socket_set_buffer_size(n->neighbours, NEIGHBOUR_BUFFER, 0);
	if (r == 0)
		r = nl_socket_add_memberships(n->neighbours, RTNLGRP_NEIGH, 0);
	if (r == 0)
		r = nl_socket_add_memberships(n->events, RTNLGRP_LINK,
					      RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
					      RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0);
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
	nl_socket_free(n->neighbours);
	nl_socket_free(n->asks);
	vec_done(&n->links);
	vec_done(&n->owned);
	vec_done(&n->found);
	vec_done(&n->next_hops);
	free(n);
}

int netlink_fd(const struct netlink *n)
{
	return nl_socket_get_fd(n->events);
}

/* A dump. */
static int ask(struct nl_sock *socket, int type, void *header, size_t size,
	       nl_recvmsg_msg_cb_t fn, void *arg)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r;

	if (!cb)
		return -NLE_NOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, fn, arg);
	r = nl_send_simple(socket, type, NLM_F_DUMP, header, size);
	if (r >= 0)
		r = nl_recvmsgs(socket, cb);
	nl_cb_put(cb);
	return r;
}

/* Reads all that waits. False: messages were lost. */
static bool socket_drain(struct nl_sock *socket, nl_recvmsg_msg_cb_t fn, void *arg)
{
	int r;

	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, fn, arg);
	do
		r = nl_recvmsgs_default(socket);
	while (r >= 0);
	return r == -NLE_AGAIN;
}

bool netlink_drain(struct netlink *n)
{
	bool is_stale = false;

	return !socket_drain(n->events, count_event, &is_stale) || is_stale;
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
	const unsigned up = IFF_UP | IFF_LOWER_UP;

	snprintf(link.name, sizeof(link.name), "%s", name ? name : "");
	snprintf(link.kind, sizeof(link.kind), "%s", kind ? kind : "");
	link.is_up = (rtnl_link_get_flags(l) & up) == up;
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
		owned.len = (uint8_t)nl_addr_get_prefixlen(local);
		memcpy(owned.addr.bytes, nl_addr_get_binary_addr(local), size);
		is_whole = vec_push(&n->owned, owned) && is_whole;
	}
	nl_cache_free(cache);
	/* Addresses in one order whatever the kernel's: the image must not differ for it. */
	if (n->owned.n)
		qsort(n->owned.items, n->owned.n, sizeof(*n->owned.items), owned_compare);
	return is_whole ? 0 : -ENOMEM;
}

/* ---- default routes ---- */

static bool next_hop_add(struct netlink *n, const struct rtmsg *r, uint32_t ifindex,
			 uint32_t metric, const struct nlattr *gateway)
{
	size_t size = r->rtm_family == AF_INET ? 4 : 16;
	struct next_hop hop = { .ifindex = ifindex,
				.metric = metric,
				.addr.family = r->rtm_family == AF_INET ? 4 : 6 };

	if (!gateway || (size_t)nla_len(gateway) != size)
		return true;
	memcpy(hop.addr.bytes, nla_data(gateway), size);
	return vec_push(&n->next_hops, hop);
}

static bool next_hops_add(struct netlink *n, const struct rtmsg *r, uint32_t metric,
			  struct nlattr *multipath)
{
	struct rtnexthop *hop = nla_data(multipath);
	int left = nla_len(multipath);

	while (left >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) &&
	       hop->rtnh_len <= left) {
		struct nlattr *gateway =
			nla_find((struct nlattr *)RTNH_DATA(hop),
				 hop->rtnh_len - (int)RTNH_LENGTH(0), RTA_GATEWAY);

		if (!next_hop_add(n, r, (uint32_t)hop->rtnh_ifindex, metric, gateway))
			return false;
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return true;
}

static int route_read(struct nl_msg *msg, void *arg)
{
	struct netlink *n = arg;
	struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct rtmsg *r = nlmsg_data(h);
	struct nlattr *tb[RTA_MAX + 1];
	uint32_t metric;
	bool is_kept;

	if (nlmsg_parse(h, sizeof(*r), tb, RTA_MAX, NULL) < 0)
		return NL_SKIP;
	/* IPv4 comes in the order of addresses: a long table need not be read to its end. */
	if (r->rtm_family == AF_INET && tb[RTA_DST] && nla_get_u32(tb[RTA_DST]))
		return NL_STOP;
	if (!route_is_default(r))
		return NL_SKIP;
	metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
	if (tb[RTA_MULTIPATH])
		is_kept = next_hops_add(n, r, metric, tb[RTA_MULTIPATH]);
	else
		is_kept = !tb[RTA_OIF] || next_hop_add(n, r, nla_get_u32(tb[RTA_OIF]),
						       metric, tb[RTA_GATEWAY]);
	return is_kept ? NL_OK : -NLE_NOMEM;
}

/* With a socket of its own: what is left unread goes with it, and its questions are strict,
 * so that the kernel tells of the main table alone. */
static int next_hops_dump(struct netlink *n, int family)
{
	struct rtmsg rt = { .rtm_family = (uint8_t)family, .rtm_table = RT_TABLE_MAIN };
	struct nl_sock *socket = nl_socket_alloc();
	int on = 1, r;

	if (!socket)
		return -ENOMEM;
	r = nl_connect(socket, NETLINK_ROUTE);
	if (r == 0) {
		setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK,
			   &on, sizeof(on));
		r = ask(socket, RTM_GETROUTE, &rt, sizeof(rt), route_read, n);
	}
	nl_socket_free(socket);
	/* Without a table, or without IPv6 at all, there is no route. */
	return r >= 0 || r == -NLE_OBJ_NOTFOUND || r == -NLE_OPNOTSUPP ? 0 : errno_of(r);
}

static int next_hop_compare(const void *a, const void *b)
{
	const struct next_hop *x = a, *y = b;

	return x->metric < y->metric   ? -1
	       : x->metric > y->metric ? 1
				       : addr_compare(&x->addr, &y->addr);
}

static int routes_dump(struct netlink *n)
{
	int r;

	n->next_hops.n = 0;
	r = next_hops_dump(n, AF_INET);
	if (r == 0)
		r = next_hops_dump(n, AF_INET6);
	if (n->next_hops.n)
		qsort(n->next_hops.items, n->next_hops.n, sizeof(*n->next_hops.items),
		      next_hop_compare);
	return r;
}

struct addr netlink_next_hop(const struct netlink *n, uint32_t ifindex, uint8_t family)
{
	for (size_t i = 0; i < n->next_hops.n; i++) {
		const struct next_hop *hop = &n->next_hops.items[i];

		if (hop->ifindex == ifindex && hop->addr.family == family)
			return hop->addr;
	}
	return (struct addr){};
}

/* ---- the snapshot ---- */

int netlink_refresh(struct netlink *n)
{
	static int (*const dumps[])(struct netlink *) = { links_dump, addresses_dump,
							  routes_dump };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dumps) && r == 0; i++) {
		r = -EAGAIN;
		/* A dump that changed under the kernel's hands is asked for again. */
		for (int try = 0; try < 5 && r == -EAGAIN; try++)
			r = dumps[i](n);
	}
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

bool netlink_is_on_link(const struct netlink *n, uint32_t ifindex, const struct addr *a)
{
	for (size_t i = 0; i < n->owned.n; i++) {
		const struct owned *o = &n->owned.items[i];

		if (o->ifindex == ifindex &&
		    cidr_contains(&(struct cidr){ o->addr, o->len }, a))
			return true;
	}
	return false;
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
	int count = 0, r;

	r = ask(n->asks, RTM_GETTFILTER, &tc, sizeof(tc), count_filter, &count);
	return r < 0 ? -1 : count;
}

/* ---- neighbours ---- */

struct listener {
	neighbour_fn *fn;
	void *arg;
};

static int neighbour_read(struct nl_msg *msg, void *arg)
{
	const struct listener *l = arg;
	struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct ndmsg *nd = nlmsg_data(h);
	struct nlattr *tb[NDA_MAX + 1];
	struct neighbour said = {};
	size_t size;

	if ((h->nlmsg_type != RTM_NEWNEIGH && h->nlmsg_type != RTM_DELNEIGH) ||
	    nlmsg_parse(h, sizeof(*nd), tb, NDA_MAX, NULL) < 0 || !tb[NDA_DST])
		return NL_SKIP;
	size = nd->ndm_family == AF_INET ? 4 : nd->ndm_family == AF_INET6 ? 16 : 0;
	if (!size || (size_t)nla_len(tb[NDA_DST]) != size || nd->ndm_flags & NTF_PROXY)
		return NL_SKIP;
	said.ifindex = (uint32_t)nd->ndm_ifindex;
	said.addr.family = size == 4 ? 4 : 6;
	memcpy(said.addr.bytes, nla_data(tb[NDA_DST]), size);
	said.state = nd->ndm_state;
	said.protocol = tb[NDA_PROTOCOL] ? nla_get_u8(tb[NDA_PROTOCOL]) : 0;
	said.is_gone = h->nlmsg_type == RTM_DELNEIGH;
	said.has_mac = tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == sizeof(said.mac);
	if (said.has_mac)
		memcpy(said.mac, nla_data(tb[NDA_LLADDR]), sizeof(said.mac));
	l->fn(l->arg, &said);
	return NL_OK;
}

int netlink_neighbour_fd(const struct netlink *n)
{
	return nl_socket_get_fd(n->neighbours);
}

bool netlink_hear(struct netlink *n, neighbour_fn *fn, void *arg)
{
	struct listener l = { fn, arg };

	return socket_drain(n->neighbours, neighbour_read, &l);
}

int netlink_neighbours(struct netlink *n, neighbour_fn *fn, void *arg)
{
	struct listener l = { fn, arg };
	struct ndmsg nd = { .ndm_family = AF_UNSPEC };
	int r = ask(n->asks, RTM_GETNEIGH, &nd, sizeof(nd), neighbour_read, &l);

	return r >= 0 ? 0 : errno_of(r);
}

/* NTF_EXT_LEARNED keeps the kernel from forgetting a neighbour that it has no packets for,
 * and from counting it among those that it has too many of. */
static int order_fill(struct nl_msg *msg, enum neighbour_order order, struct ndmsg *nd,
		      const struct addr *addr, const uint8_t mac[6])
{
	bool is_told = order == NEIGHBOUR_TELL, is_ours = order == NEIGHBOUR_KEEP;
	int r;

	if (is_told || is_ours)
		nd->ndm_flags = NTF_EXT_LEARNED;
	if (is_told)
		nd->ndm_state = NUD_STALE;
	if (is_ours || order == NEIGHBOUR_PROBE)
		nd->ndm_flags |= NTF_USE;
	r = nlmsg_append(msg, nd, sizeof(*nd), NLMSG_ALIGNTO);
	if (r == 0)
		r = nla_put(msg, NDA_DST, addr->family == 4 ? 4 : 16, addr->bytes);
	if (r == 0 && is_ours)
		r = nla_put_u8(msg, NDA_PROTOCOL, NETLINK_PROTOCOL);
	if (r == 0 && is_told)
		r = nla_put(msg, NDA_LLADDR, 6, mac);
	return r;
}

int netlink_neighbour(struct netlink *n, enum neighbour_order order, uint32_t ifindex,
		      const struct addr *addr, const uint8_t mac[6])
{
	struct ndmsg nd = { .ndm_family = addr->family == 4 ? AF_INET : AF_INET6,
			    .ndm_ifindex = (int)ifindex };
	int flags = NLM_F_REQUEST | NLM_F_ACK, r;
	struct nl_msg *msg;

	if (order != NEIGHBOUR_DELETE)
		flags |= NLM_F_REPLACE;
	if (order == NEIGHBOUR_KEEP)
		flags |= NLM_F_CREATE;
	msg = nlmsg_alloc_simple(order == NEIGHBOUR_DELETE ? RTM_DELNEIGH : RTM_NEWNEIGH,
				 flags);
	if (!msg)
		return -ENOMEM;
	r = order_fill(msg, order, &nd, addr, mac);
	if (r == 0)
		r = nl_send_auto(n->asks, msg);
	if (r >= 0)
		r = nl_wait_for_ack(n->asks);
	nlmsg_free(msg);
	return r >= 0 ? 0 : errno_of(r);
}
