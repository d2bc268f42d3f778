/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/cable.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/link/vxlan.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/frame.h"
#include "tests/lib/tap.h"

#define NEAR "near"
#define FAR  "far"

/* Of linux/if.h, which does not go with net/if.h. */
enum { OPER_UNKNOWN = 0, OPER_UP = 6 };

#define TUNNEL      "tunnel"
#define TUNNEL_END  "192.0.2.2"
#define TUNNEL_PORT 4789

static int sock = -1;
static bool is_attached;

/* Nobody but the test speaks on the cable. */
static void be_quiet(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6",
		      O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1", 1) != 1)
		bail("cannot turn IPv6 off: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void ask_device(const char *name, unsigned long request, struct ifreq *r)
{
	strncpy(r->ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(sock, request, r) < 0)
		bail("ioctl %lx at %s: %s", request, name, strerror(errno));
}

static void bring_up(const char *name)
{
	struct ifreq r = {};

	ask_device(name, SIOCGIFFLAGS, &r);
	r.ifr_flags |= IFF_UP;
	ask_device(name, SIOCSIFFLAGS, &r);
}

static void turn_off(const char *name, uint32_t what)
{
	struct ethtool_value v = { .cmd = what };
	struct ifreq r = { .ifr_data = (void *)&v };

	ask_device(name, SIOCETHTOOL, &r);
}

static void make_pair(void)
{
	struct nl_sock *nl = nl_socket_alloc();
	int r;

	if (!nl || nl_connect(nl, NETLINK_ROUTE) < 0)
		bail("no netlink");
	r = rtnl_link_veth_add(nl, NEAR, FAR, getpid());
	if (r < 0)
		bail("no veth pair: %s", nl_geterror(r));
	nl_socket_free(nl);
}

/* Until its queue has heard that there is a link, a device drops what it is given. */
static void wait_for_link(const char *name)
{
	struct nl_sock *nl = nl_socket_alloc();
	uint8_t state = OPER_UNKNOWN;

	if (!nl || nl_connect(nl, NETLINK_ROUTE) < 0)
		bail("no netlink");
	for (int ms = 0; ms < 10000 && state != OPER_UP; ms++) {
		struct rtnl_link *link;

		if (rtnl_link_get_kernel(nl, 0, name, &link) < 0)
			bail("no %s", name);
		state = rtnl_link_get_operstate(link);
		rtnl_link_put(link);
		usleep(1000);
	}
	nl_socket_free(nl);
	if (state != OPER_UP)
		bail("%s has no link", name);
}

void cable_open(void)
{
	struct sockaddr_ll here = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL) };
	int on = 1;

	if (unshare(CLONE_NEWNET) < 0)
		bail("no network namespace: %s", strerror(errno));
	be_quiet();
	make_pair();
	sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sock < 0)
		bail("no packet socket: %s", strerror(errno));
	turn_off(FAR, ETHTOOL_STSO);
	turn_off(FAR, ETHTOOL_STXCSUM);
	bring_up(NEAR);
	bring_up(FAR);
	wait_for_link(NEAR);
	wait_for_link(FAR);
	here.sll_ifindex = (int)if_nametoindex(NEAR);
	if (setsockopt(sock, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
	    setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(sock, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
	    bind(sock, (struct sockaddr *)&here, sizeof(here)) < 0)
		bail("the packet socket: %s", strerror(errno));
}

/* At the ingress of 'device'. */
static void attach(const char *device, int fd, bool is_first)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = fd, .handle = 1, .priority = 1,
		    .flags = is_first ? 0 : BPF_TC_F_REPLACE);

	if (is_first && bpf_tc_hook_create(&hook) < 0)
		bail("no TC hook at %s", device);
	if (bpf_tc_attach(&hook, &opts) < 0)
		bail("cannot attach to %s", device);
}

static void detach(const char *device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (bpf_tc_hook_destroy(&hook) < 0)
		bail("cannot detach from %s", device);
	is_attached = false;
}

void cable_attach(int fd)
{
	attach(FAR, fd, !is_attached);
	is_attached = true;
}

void cable_send(const struct virtio_net_hdr *header, const uint8_t *frame, size_t size)
{
	struct iovec parts[] = { { (void *)(uintptr_t)header, sizeof(*header) },
				 { (void *)(uintptr_t)frame, size } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };

	if (sendmsg(sock, &m, 0) != (ssize_t)(sizeof(*header) + size))
		bail("cannot send %zu bytes: %s", size, strerror(errno));
}

void cable_receive(struct cable_frame *ret, int ms)
{
	struct iovec parts[] = { { &ret->header, sizeof(ret->header) },
				 { ret->bytes, sizeof(ret->bytes) } };
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct msghdr m = { .msg_iov = parts,
			    .msg_iovlen = 2,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = sock, .events = POLLIN };
	ssize_t n;

	ret->size = 0;
	ret->vlan = 0;
	if (poll(&p, 1, ms) <= 0)
		return;
	n = recvmsg(sock, &m, 0);
	if (n < (ssize_t)sizeof(ret->header))
		bail("cannot receive: %s", strerror(errno));
	ret->size = (size_t)n - sizeof(ret->header);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			ret->vlan = aux.tp_vlan_tci;
	}
}

/* ---- checksums ---- */

/* Where things are in a frame without extension headers. */
struct layout {
	size_t l3, l4, end, check; /* check: 0 for none */
	uint8_t protocol;
	uint16_t pseudo; /* sum of the pseudo header */
};

static uint16_t read16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static struct layout lay_out(const uint8_t *frame)
{
	struct layout l = { .l3 = 12 };
	const uint8_t *ip;
	size_t address = 4;
	uint32_t sum;

	while (read16(frame + l.l3) == 0x8100 || read16(frame + l.l3) == 0x88a8)
		l.l3 += 4;
	l.l3 += 2;
	ip = frame + l.l3;
	if (ip[0] >> 4 == 4) {
		l.l4 = l.l3 + (ip[0] & 15) * 4;
		l.end = l.l3 + read16(ip + 2);
		l.protocol = ip[9];
		ip += 12;
	} else {
		l.l4 = l.l3 + 40;
		l.end = l.l4 + read16(ip + 4);
		l.protocol = ip[6];
		address = 16;
		ip += 8;
	}
	l.check = l.protocol == 6                       ? 16
		  : l.protocol == 17                    ? 6
		  : l.protocol == 1 || l.protocol == 58 ? 2
							: 0;
	sum = l.protocol + (uint32_t)(l.end - l.l4);
	if (l.protocol != 1)
		l.pseudo = ~frame_checksum(ip, 2 * address, sum);
	return l;
}

void cable_unfinish(uint8_t *frame, size_t size, struct virtio_net_hdr *ret)
{
	struct layout l = lay_out(frame);

	if (!l.check || l.end > size)
		bail("nothing to unfinish");
	frame[l.l4 + l.check] = l.pseudo >> 8;
	frame[l.l4 + l.check + 1] = l.pseudo & 255;
	*ret = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					.csum_start = l.l4,
					.csum_offset = l.check };
}

bool cable_is_right(const uint8_t *frame, size_t size)
{
	struct layout l = lay_out(frame);

	if (l.end > size)
		return false;
	if (frame[l.l3] >> 4 == 4 && frame_checksum(frame + l.l3, l.l4 - l.l3, 0) != 0)
		return false;
	return !l.check || frame_checksum(frame + l.l4, l.end - l.l4, l.pseudo) == 0;
}

/* ---- a tunnel ---- */

static bool make_tunnel(void)
{
	struct nl_sock *nl = nl_socket_alloc();
	struct rtnl_link *link = rtnl_link_vxlan_alloc();
	int r;

	if (!nl || !link || nl_connect(nl, NETLINK_ROUTE) < 0)
		bail("no netlink");
	rtnl_link_set_name(link, TUNNEL);
	rtnl_link_vxlan_set_id(link, 5);
	rtnl_link_vxlan_set_port(link, TUNNEL_PORT);
	r = rtnl_link_add(nl, link, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_link_put(link);
	nl_socket_free(nl);
	return r >= 0;
}

bool cable_tunnel(int fd)
{
	static bool is_made;
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct ifreq r = {};
	int udp;

	if (is_attached)
		detach(FAR);
	if (is_made) {
		attach(TUNNEL, fd, false);
		return true;
	}
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!make_tunnel())
		return false;
	inet_pton(AF_INET, TUNNEL_END, &a.sin_addr);
	memcpy(&r.ifr_addr, &a, sizeof(a));
	strcpy(r.ifr_name, FAR);
	if (udp < 0 || ioctl(udp, SIOCSIFADDR, &r) < 0)
		bail("no address: %s", strerror(errno));
	close(udp);
	bring_up(TUNNEL);
	is_made = true;
	attach(TUNNEL, fd, true);
	return true;
}

void cable_send_tunneled(const uint8_t *frame, size_t size)
{
	struct frame outer = frame_udp("192.0.2.1", 40000, TUNNEL_END, TUNNEL_PORT);
	const struct virtio_net_hdr none = {};
	uint8_t buf[FRAME_MAX] = {};
	struct frame_at at;
	struct ifreq r = {};
	size_t end;
	uint16_t sum;

	ask_device(FAR, SIOCGIFHWADDR, &r);
	memcpy(outer.dmac, r.ifr_hwaddr.sa_data, 6);
	outer.payload = (uint16_t)(8 + size);
	end = frame_build(&outer, buf, sizeof(buf), &at);
	memset(buf + at.data, 0, 8);
	buf[at.data] = 8; /* the id is valid */
	buf[at.data + 6] = 5;
	memcpy(buf + at.data + 8, frame, size);
	memset(buf + at.l4 + 6, 0, 2);
	sum = frame_checksum(buf + at.l4, end - at.l4, lay_out(buf).pseudo);
	buf[at.l4 + 6] = sum >> 8;
	buf[at.l4 + 7] = sum & 255;
	cable_send(&none, buf, end);
}
