/* SPDX-License-Identifier: Apache-2.0 */

/* Neighbours with the kernel's part in it: a namespace of our own is the gateway, behind a
 * veth without any address of its own there is a host. */
#include <errno.h>
#include <linux/neighbour.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/attach.h"
#include "kernel/sync.h"
#include "tests/lib/tap.h"

#define PATIENCE_MS 8000 /* duplicate address detection takes two seconds of it */

static struct dataplane *dp;
static struct netlink *netlink;
static struct neighbours *neighbours;
static struct attached gate = {
	.device = "sub0", .id = 1, .role = HG_ROLE_SUBNET, .state = ATTACH_ATTACHED
};
static struct attached away = { .device = "sub0", .id = 1, .role = HG_ROLE_SUBNET };
static pid_t host;

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[400];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		bail("cannot run: %s", command);
}

/* iproute2: the ip of a busybox, which its shell would take, knows half of the words. */
static bool ip_find(void)
{
	static const char *const places[] = { "/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip",
					      "/bin/ip" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (access(places[i], X_OK) == 0)
			return setenv("IP", places[i], 1) == 0;
	return false;
}

/* A process that is nothing but a network namespace. */
static pid_t host_start(void)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready) < 0)
		bail("no pipe");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &c, 1) != 1)
		bail("no namespace for the host");
	close(ready[0]);
	return pid;
}

static void stage(void)
{
	const struct dataplane_options options = { .n_flow_sets = 64 };

	if (unshare(CLONE_NEWNET) < 0)
		bail("cannot have a network namespace: %s", strerror(errno));
	host = host_start();
	run("$IP link set lo up");
	run("$IP link add sub0 mtu 1400 address 02:00:00:00:01:00 type veth peer name "
	    "eth0 "
	    "address 02:00:00:00:00:0a netns %d",
	    host);
	/* A neighbour that is not there shall not take three seconds. */
	run("echo 100 >/proc/sys/net/ipv4/neigh/sub0/retrans_time_ms");
	run("nsenter -t %d -n $IP addr add 10.9.0.10/24 dev eth0", host);
	run("nsenter -t %d -n $IP addr add 10.9.0.20/24 dev eth0", host);
	run("nsenter -t %d -n $IP addr add 2001:db8:9::10/64 dev eth0 nodad", host);
	run("nsenter -t %d -n $IP link set eth0 up", host);
	run("$IP link set sub0 up");
	if (netlink_new(&netlink) < 0)
		bail("no netlink");
	if (dataplane_open(&options, &dp) < 0 ||
	    neighbours_new(dp, netlink, &neighbours) < 0)
		bail("cannot load the data plane: %s", dataplane_error());
}

static void follow(void)
{
	const struct link *link;

	netlink_drain(netlink);
	if (netlink_refresh(netlink) < 0)
		bail("netlink_refresh");
	link = netlink_link(netlink, "sub0");
	if (link)
		gate.link = *link;
	neighbours_follow(neighbours, link ? &gate : &away, 1);
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		bail("%s is no address", text);
	return a;
}

static const struct hg_hop *line_of(const char *text)
{
	const struct hg_hop *lines = dataplane_hops(dp);
	struct addr a = addr_of(text);

	for (uint32_t id = 1; id < HG_HOPS; id++)
		if (lines[id].ifindex == gate.link.ifindex && lines[id].ifindex &&
		    memcmp(&lines[id].addr, a.bytes, 16) == 0)
			return &lines[id];
	return NULL;
}

static bool is_state(const char *text, int state)
{
	const struct hg_hop *line = line_of(text);

	return state < 0 ? !line : line && line->mac.byte[6] == state;
}

static void hear(void)
{
	struct pollfd p = { .fd = netlink_neighbour_fd(netlink), .events = POLLIN };

	poll(&p, 1, 50);
	if (p.revents)
		neighbours_hear(neighbours);
}

/* Until 'text' is in that state, -1 without a line; with ticks as the agent has them. */
static bool wait_for(const char *text, int state)
{
	uint64_t begin = clock_monotonic_ns(), ticked = begin;

	while (!is_state(text, state)) {
		uint64_t now = clock_monotonic_ns();

		if (now - begin > PATIENCE_MS * 1000000ULL)
			return false;
		if (now - ticked > 1000000000ULL) {
			neighbours_tick(neighbours);
			ticked = now;
		}
		hear();
	}
	return true;
}

static struct neighbour asked;

static void on_neighbour(void *arg, const struct neighbour *said)
{
	if (addr_compare(&said->addr, arg) == 0)
		asked = *said;
}

/* What the kernel has of it; ifindex 0: nothing. */
static struct neighbour kernel_of(const char *text)
{
	struct addr a = addr_of(text);

	asked = (struct neighbour){};
	netlink_neighbours(netlink, on_neighbour, &a);
	return asked;
}

static void want(const char *const *texts, size_t n)
{
	struct neighbour_want *wants = calloc(n + 1, sizeof(*wants));

	for (size_t i = 0; i < n; i++) {
		snprintf(wants[i].device, sizeof(wants[i].device), "sub0");
		wants[i].addr = addr_of(texts[i]);
	}
	neighbours_want(neighbours, wants, n);
	follow();
}

static const char v4[] = "10.9.0.10", v6[] = "2001:db8:9::10", other[] = "10.9.0.20",
		  nobody[] = "10.9.0.99";

static void test_found(void)
{
	const char *const all[] = { v4, v6, nobody };
	const struct hg_hop *line;

	want(all, 3);
	ok(wait_for(v4, HG_HOP_RESOLVED),
	   "a declared neighbour is found from a device without an address");
	line = line_of(v4);
	ok(line && memcmp(line->mac.byte, "\2\0\0\0\0\12", 6) == 0 &&
		   memcmp(line->smac, "\2\0\0\0\1\0", 6) == 0 && line->mtu == 1400,
	   "at its MAC, from the device's, with the device's MTU");
	ok(wait_for(v6, HG_HOP_RESOLVED), "and so is one of IPv6");
	ok(wait_for(nobody, HG_HOP_FAILED), "one that does not exist has failed");
	is(kernel_of(v4).protocol, NETLINK_PROTOCOL,
	   "the kernel knows for whom it asked");
}

static void test_moved(void)
{
	struct hg_hop *line = (struct hg_hop *)line_of(v4);

	/* The host's MAC changes, and it says so to the router only, which answers. */
	run("nsenter -t %d -n $IP link set eth0 address 02:00:00:00:00:0b", host);
	line->mac.byte[5] = 0xb;
	neighbours_tick(neighbours);
	is(kernel_of(v4).mac[5], 0xb, "what packets have learnt is told to the kernel");
	hear();
	is(line->mac.byte[5], 0xb, "which does not take it back");
	is(line->mac.byte[6], HG_HOP_RESOLVED, "nor doubts it");
}

static void test_undeclared(void)
{
	is(line_of(other) == NULL, 1, "somebody whom nobody has declared has no line");
	run("$IP neigh replace %s dev sub0 use", other);
	ok(wait_for(other, HG_HOP_RESOLVED), "until the kernel has found him");
	run("$IP neigh del %s dev sub0", other);
	ok(wait_for(other, -1), "and when it has forgotten him");
	run("$IP neigh replace %s dev sub0 lladdr 02:00:00:00:00:0c nud permanent",
	    nobody);
	ok(wait_for(nobody, HG_HOP_RESOLVED), "what an operator writes is taken");
	hear();
	neighbours_tick(neighbours);
	is(kernel_of(nobody).state, NUD_PERMANENT, "and left as it is");
	run("$IP neigh del %s dev sub0", nobody);
	ok(wait_for(nobody, HG_HOP_FAILED), "once that has gone the kernel asks again");
}

static void test_flap(void)
{
	uint32_t ifindex = gate.link.ifindex;

	run("$IP link set sub0 down");
	follow();
	ok(wait_for(v4, HG_HOP_UNKNOWN), "a link that goes down takes its MACs with it");
	run("$IP link set sub0 up");
	follow();
	ok(wait_for(v4, HG_HOP_RESOLVED), "they are back when it is");
	run("nsenter -t %d -n $IP link set eth0 down", host);
	follow();
	ok(wait_for(v4, HG_HOP_UNKNOWN), "so do those of a wire that is pulled");
	run("nsenter -t %d -n $IP link set eth0 up", host);
	follow();
	ok(wait_for(v4, HG_HOP_RESOLVED), "and put in again");
	run("$IP link set sub0 mtu 1300 address 02:00:00:00:01:01");
	follow();
	ok(line_of(v4)->mtu == 1300 && line_of(v4)->smac[5] == 1,
	   "MTU and MAC of the device are followed");
	run("$IP link set sub0 down && $IP link set sub0 name sub1");
	follow();
	is(hops_sum(dataplane_hops(dp)).entries, 0,
	   "a device that has another name is another device");
	run("$IP link set sub1 name sub0 && $IP link set sub0 up");
	follow();
	ok(ifindex == gate.link.ifindex && wait_for(v4, HG_HOP_RESOLVED),
	   "with its name back it is the same again");
}

static void test_restart(void)
{
	const char *const some[] = { v4 };

	neighbours_free(neighbours);
	if (neighbours_new(dp, netlink, &neighbours) < 0)
		bail("neighbours_new");
	want(some, 1);
	ok(is_state(v4, HG_HOP_RESOLVED), "a new agent takes over what is known");
	is(kernel_of(v6).ifindex, 0, "and takes back what is not wanted any more");
	want(NULL, 0);
	is(kernel_of(v4).ifindex, 0, "in the end the kernel has nothing of ours");
	want(some, 1);
	neighbours_forget(netlink, gate.link.ifindex);
	is(kernel_of(v4).ifindex, 0, "also when everything is to be forgotten");
}

static void test_next_hop(void)
{
	char text[ADDR_TEXT];
	struct addr a;

	run("$IP addr add 10.9.0.1/24 dev sub0 && $IP addr add 2001:db8:9::1/64 dev sub0 "
	    "nodad");
	run("$IP route add default via 10.9.0.20 metric 200");
	run("$IP route add default via 10.9.0.10 metric 100");
	run("$IP route add 10.0.0.0/8 via 10.9.0.30");
	ok(netlink_drain(netlink), "a new default route is worth a look");
	run("$IP -6 route add default via 2001:db8:9::10");
	follow();
	a = netlink_next_hop(netlink, gate.link.ifindex, 4);
	is_str(addr_print(&a, text), "10.9.0.10",
	       "the default route with the lowest metric names the next hop");
	a = netlink_next_hop(netlink, gate.link.ifindex, 6);
	is_str(addr_print(&a, text), "2001:db8:9::10", "of IPv6 too");
	run("$IP route del default metric 100 && $IP route del default metric 200 && "
	    "$IP route add default nexthop via 10.9.0.40 dev sub0 nexthop via 10.9.0.50 "
	    "dev sub0");
	netlink_drain(netlink);
	run("$IP route add 192.0.2.0/24 via 10.9.0.20");
	is(netlink_drain(netlink), 0, "other routes are not");
	follow();
	a = netlink_next_hop(netlink, gate.link.ifindex, 4);
	is_str(addr_print(&a, text), "10.9.0.40", "of several next hops one counts");
	run("$IP route del default");
	follow();
	is(netlink_next_hop(netlink, gate.link.ifindex, 4).family, 0,
	   "without a default route there is none");
}

int main(void)
{
	if (!ip_find()) {
		skip("there is no iproute2", "neighbours are found by the kernel");
		return done();
	}
	stage();
	test_found();
	test_moved();
	test_undeclared();
	test_flap();
	test_restart();
	test_next_hop();
	neighbours_free(neighbours);
	dataplane_free(dp);
	netlink_free(netlink);
	kill(host, SIGKILL);
	return done();
}
