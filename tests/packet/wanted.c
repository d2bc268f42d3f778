/* SPDX-License-Identifier: Apache-2.0 */

/* What a rule set with balancers wants of the kernel: whom to look for ahead of packets, and the
 * next hops of a host's device, in a namespace of our own. */
#include "wanted.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/read.h"
#include "kernel/sync.h"
#include "tests/lib/tap.h"

/* A host that balances by its one device, and a gateway whose targets no rule set declares. */
static const char rules[] =
	"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\",\"fd00::/56\"]},"
	"\"w\":{\"cidrs\":[\"192.0.2.0/24\",\"2001:db8::/64\"]}},"
	"\"subnets\":{\"s\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.1.0/24\",\"fd00:0:0:1::/"
	"64\"],"
	"\"device\":\"br0\"},"
	"\"far\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.2.0/24\"]},"
	"\"h\":{\"vpc\":\"w\",\"cidrs\":[\"192.0.2.0/24\",\"2001:db8::/64\"]}},"
	"\"interfaces\":{\"host\":{\"attach\":\"local\",\"device\":\"eth0\",\"subnet\":"
	"\"h\"},"
	"\"port\":{\"subnet\":\"s\",\"device\":\"veth9\",\"addresses\":[\"10.0.1.9\"]},"
	"\"declared\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.8\",\"fd00:0:0:1::8\"]}},"
	"\"target_groups\":{"
	"\"in\":{\"vpc\":\"v\",\"protocol\":\"tcp\",\"port\":80,\"targets\":["
	"{\"address\":\"10.0.1.10\"},{\"address\":\"fd00:0:0:1::10\"},"
	"{\"address\":\"10.0.2.10\"},{\"address\":\"10.0.1.9\"}]},"
	"\"out\":{\"vpc\":\"w\",\"protocol\":\"tcp\",\"port\":80,\"targets\":["
	"{\"address\":\"192.0.2.20\"},{\"address\":\"198.51.100.20\"},"
	"{\"address\":\"2001:db8::20\"}]}},"
	"\"load_balancers\":{"
	"%s\"in\":{\"vpc\":\"v\",\"addresses\":[\"203.0.113.1\"],\"listeners\":["
	"{\"protocol\":\"tcp\",\"port\":80,\"forward\":[{\"target_group\":\"in\"}]}]}}}";
static const char out[] =
	"\"out\":{\"vpc\":\"w\",\"addresses\":[\"203.0.113.2\",\"2001:db8:1::2\"],"
	"\"listeners\":["
	"{\"protocol\":\"tcp\",\"port\":80,\"forward\":[{\"target_group\":\"out\"}]}]},";

static void run(const char *command)
{
	if (system(command) != 0)
		bail("cannot run: %s", command);
}

static struct netlink *stage(void)
{
	struct netlink *netlink;

	if (unshare(CLONE_NEWNET) < 0)
		bail("cannot have a network namespace: %s", strerror(errno));
	run("ip link add eth0 type veth peer name peer0");
	run("ip link set eth0 up && ip link set peer0 up");
	run("ip addr add 192.0.2.10/24 dev eth0");
	run("ip addr add 2001:db8::10/64 dev eth0 nodad");
	run("ip route add default via 192.0.2.1");
	run("ip route add default via 2001:db8::1");
	run("ip link add br0 type veth peer name peer1");
	run("ip link set br0 up && ip link set peer1 up");
	if (netlink_new(&netlink) < 0)
		bail("no netlink");
	return netlink;
}

static struct model *model_read(const char *balancers)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	struct model *m = NULL;
	char text[4096];

	snprintf(text, sizeof(text), rules, balancers);
	if (config_read_text("rules", text, strlen(text), NULL, d, &m) < 0) {
		size_t n;
		const struct complaint *list = diag_list(d, &n);

		bail("the rule set of the test is refused: %s", n ? list[0].text : "");
	}
	return m;
}

static bool is_wanted(const struct wanted *w, const char *device, const char *address)
{
	struct addr a = {};

	addr_parse(address, &a);
	for (size_t i = 0; i < w->n_neighbours; i++)
		if (strcmp(w->neighbours[i].device, device) == 0 &&
		    addr_compare(&w->neighbours[i].addr, &a) == 0)
			return true;
	return false;
}

static size_t n_wanted(const struct wanted *w, const char *device)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_neighbours; i++)
		n += strcmp(w->neighbours[i].device, device) == 0;
	return n;
}

static bool is_routed(const struct wanted *w, const char *device)
{
	for (size_t i = 0; i < w->n_devices; i++)
		if (strcmp(w->devices[i].device, device) == 0)
			return w->devices[i].is_routed;
	return false;
}

static void test_gateway(const struct wanted *w)
{
	ok(is_wanted(w, "br0", "10.0.1.10") && is_wanted(w, "br0", "fd00:0:0:1::10"),
	   "targets behind a subnet's device are looked for, declared or not");
	ok(is_wanted(w, "br0", "10.0.1.8") && is_wanted(w, "br0", "fd00:0:0:1::8"),
	   "as declared interfaces are");
	ok(!is_wanted(w, "br0", "10.0.1.9"), "not one that has a device of its own");
	is((long long)n_wanted(w, "br0"), 4, "nor one of a subnet without a device");
}

static void test_host(const struct wanted *w)
{
	ok(is_wanted(w, "eth0", "192.0.2.20") && is_wanted(w, "eth0", "2001:db8::20"),
	   "targets on the link of a host that balances are looked for");
	ok(!is_wanted(w, "eth0", "198.51.100.20"), "others are behind a router");
	ok(is_wanted(w, "eth0", "192.0.2.1") && is_wanted(w, "eth0", "2001:db8::1"),
	   "which is looked for, in both families");
	is((long long)n_wanted(w, "eth0"), 4, "and nobody else");
	ok(is_routed(w, "eth0"), "some of what comes in by its device is sent on");
}

/* The live words of the gateway by which a host sends on. */
static const struct hg_gateway *host_gateway(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t id = 1; id < h->devices.n; id++) {
		const struct hg_device *d =
			image_record(image, h->devices, id, sizeof(*d));

		if (d->role == HG_ROLE_HOST)
			return image_record(image, h->gateways, d->gateway,
					    sizeof(struct hg_gateway));
	}
	return NULL;
}

static void test_next_hop(const struct model *m)
{
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(diag_freep) struct diag *d = diag_new();
	const struct hg_gateway *g;
	struct addr hop;

	if (image_compile(m, NULL, d, &image) < 0)
		bail("the rule set does not compile");
	g = host_gateway(image);
	if (!g || !g->object)
		bail("the host's device has no gateway");
	addr_parse("192.0.2.1", &hop);
	live_next_hop(image, g->device, HG_FAMILY_4, &hop);
	ok(memcmp(&g->next_hop4, hop.bytes, 4) == 0,
	   "what the kernel's default route says becomes its next hop");
}

int main(void)
{
	_cleanup_(netlink_freep) struct netlink *netlink = stage();
	_cleanup_(model_freep) struct model *with = model_read(out),
					    *without = model_read("");
	_cleanup_(wanted_done) struct wanted w = {}, none = {};
	uint64_t before;

	if (wanted_make(with, netlink, &w) < 0 ||
	    wanted_make(without, netlink, &none) < 0)
		bail("wanted_make");
	test_gateway(&w);
	test_host(&w);
	test_next_hop(with);
	is((long long)n_wanted(&none, "eth0"), 0,
	   "a host that does not balance leaves its neighbours to the kernel");
	ok(!is_routed(&none, "eth0"), "and sends nothing on");
	before = wanted_hash(with, netlink, 0);
	ok(before == wanted_hash(with, netlink, 0), "what was asked for can be compared");
	run("ip route replace default via 192.0.2.2");
	netlink_refresh(netlink);
	ok(before != wanted_hash(with, netlink, 0),
	   "another default route makes another image");
	before = wanted_hash(without, netlink, 0);
	run("ip route replace default via 192.0.2.3");
	netlink_refresh(netlink);
	ok(before == wanted_hash(without, netlink, 0), "where it matters");
	return done();
}
