/* SPDX-License-Identifier: Apache-2.0 */

/* One gateway for three VPCs, and what its image says of devices, zones, gateways, NAT and
 * of addresses as they are inside and outside.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "lookup.h"

/* a and b share eth0; b's CIDR is c's, too; c has a gateway of its own. */
static const char rules[] =
	"{'headgate':1,'vpcs':{'a':{'cidrs':['10.0.0.0/16','fd00:a::/48']},"
	"'b':{'cidrs':['10.1.0.0/16','fd00:b::/48']},"
	"'c':{'cidrs':['10.1.0.0/16','fd00:a:0:7::/64']},"
	"'d':{'cidrs':['10.3.0.0/16']}},"
	"'subnets':{'pub':{'vpc':'a','cidrs':['10.0.0.0/24'],'device':'br-pub',"
	"'hook':'tc'},"
	"'web':{'vpc':'a','cidrs':['10.0.1.0/24','fd00:a:0:1::/64'],'device':'br-web'},"
	"'far':{'vpc':'b','cidrs':['10.1.1.0/24']},"
	"'own':{'vpc':'d','cidrs':['10.3.1.0/24']}},"
	"'security_groups':{'ga':{'vpc':'a','ingress':[{'protocol':'tcp','ports':22,"
	"'peers':['security_group/gb','security_group/gn']}],'egress':[]},"
	"'gb':{'vpc':'b','ingress':[],'egress':[]},"
	"'gn':{'vpc':'a','ingress':[],'egress':[]}},"
	"'interfaces':{"
	"'app':{'subnet':'web','addresses':['10.0.1.9'],'device':'veth9',"
	"'source_dest_check':false},"
	"'dull':{'subnet':'own','addresses':['10.3.1.9'],'device':'veth3',"
	"'source_dest_check':false},"
	"'far':{'subnet':'far','addresses':['10.1.1.7'],'security_groups':['gb']},"
	"'web':{'subnet':'web','addresses':['fd00:a:0:1::5','10.0.1.5','10.0.1.6'],"
	"'security_groups':['ga']}},"
	"'internet_gateways':{'ia':{'vpc':'a','device':'eth0',"
	"'next_hop':['203.0.113.1']},'ic':{'vpc':'c','device':'eth1'}},"
	"'egress_only_gateways':{'ea':{'vpc':'a','device':'eth0',"
	"'next_hop':['fe80::1']},'eb':{'vpc':'b','device':'eth0'}},"
	"'elastic_ips':{'far':{'address':'203.0.113.12','interface':'far'},"
	"'free':{'address':'203.0.113.13'},"
	"'n1':{'address':'203.0.113.21'},'n2':{'address':'203.0.113.20'},"
	"'web':{'address':'203.0.113.10','interface':'web',"
	"'private_address':'10.0.1.6'}},"
	"'nat_gateways':{'box':{'subnet':'pub','private_address':'10.0.0.6',"
	"'mode':'instance','security_groups':['gn'],"
	"'forwards':[{'protocol':'tcp','port':80,'to':'10.0.1.5:8080'},"
	"{'protocol':'udp','port':53,'to':'10.0.1.6'}]},"
	"'nat':{'subnet':'pub','private_address':'10.0.0.5','idle_timeout':60,"
	"'elastic_ips':['n2','n1']}},"
	"'peerings':{'ab':{'vpcs':['a','b']}}}";

static struct model *model;
static struct image *image;
static const struct hg_header *head;

static const void *record(struct hg_table table, uint32_t id)
{
	return image_record(image, table, id, HG_LINE);
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		bail("%s is no address", text);
	return a;
}

static uint32_t vpc_of(const char *name)
{
	for (uint32_t i = 0; i < model->n_vpcs; i++)
		if (strcmp(model->vpcs[i].name, name) == 0)
			return i + 1;
	bail("no VPC %s", name);
}

static const struct hg_class *class_of(const char *vpc, const char *text)
{
	struct addr a = addr_of(text);

	return lookup_class(image, vpc_of(vpc), &a);
}

static const char *zone_name(uint32_t zone)
{
	for (uint32_t i = 0; i < head->zones.n; i++) {
		const struct hg_zone *z = image_record(image, head->zones, i, sizeof(*z));

		if (zone && z->zone == zone)
			return (const char *)(image->lines + head->text.line) + z->text;
	}
	return "";
}

/* ---- devices ---- */

static const struct {
	const char *name;
	uint32_t role;
	const char *zone, *object;
} wanted_devices[] = {
	{ "veth9", HG_ROLE_PORT, "interface/app", "app" },
	{ "veth3", HG_ROLE_PORT, "vpc/d", "dull" },
	{ "br-pub", HG_ROLE_SUBNET, "vpc/a", "pub" },
	{ "br-web", HG_ROLE_SUBNET, "vpc/a", "web" },
	{ "eth0", HG_ROLE_UPLINK, "uplink/eth0", "ia" },
	{ "eth1", HG_ROLE_UPLINK, "uplink/eth1", "ic" },
};

static void test_devices(void)
{
	size_t n = sizeof(wanted_devices) / sizeof(wanted_devices[0]);
	struct devices devices;

	if (devices_list(model, &devices) < 0)
		bail("no memory");
	is((long long)devices.n, (long long)n, "a device that gateways share is one");
	is(head->devices.n, (long long)n + 1, "the image has as many");
	for (uint32_t i = 0; i < n; i++) {
		const struct hg_device *d = record(head->devices, i + 1);
		const char *name = wanted_devices[i].name;

		is_str(devices_name(&devices, i + 1), name, "device %u is %s", i + 1,
		       name);
		is(devices_find(&devices, name), i + 1, "%s is found by name", name);
		is(d->role, wanted_devices[i].role, "%s has its role", name);
		is(devices.list[i].role, d->role, "%s has the role that the list says",
		   name);
		is_str(zone_name(d->zone), wanted_devices[i].zone, "%s has its zone",
		       name);
		is_str(image_object_name(image, d->object), wanted_devices[i].object,
		       "%s belongs to its object", name);
	}
	is(devices.list[2].hook, HOOK_TC, "a subnet's hook is kept");
	is_str(devices_name(&devices, 0), NULL, "device 0 has no name");
	is_str(devices_name(&devices, (uint32_t)n + 1), NULL,
	       "a device beyond the last has none");
	is(devices_find(&devices, "eth9"), 0, "an unknown device is none");
	devices_done(&devices);

	const struct hg_device *subnet = record(head->devices, 3);
	const struct hg_device *uplink = record(head->devices, 5);
	const struct hg_subnet *s = record(head->subnets, subnet->subnet);
	const struct hg_interface *f = record(head->interfaces, 1);

	is(s->device, 3, "a subnet knows its device");
	is(subnet->vpc, vpc_of("a"), "a subnet device has its VPC");
	is(uplink->vpc, 0, "an uplink belongs to no VPC");
	is(uplink->uplink, 1, "an uplink knows its tries");
	is(f->device, 1, "a port's interface knows its device");
}

/* ---- gateways ---- */

static void test_gateways(void)
{
	const struct hg_gateway *g = record(head->gateways, 1);
	struct addr hop = addr_of("203.0.113.1"), hop6 = addr_of("fe80::1");

	is(head->gateways.n, 5, "internet and egress-only gateways share a table");
	is(g[0].vpc, vpc_of("a"), "a gateway has its VPC");
	is(g[0].device, 5, "a gateway has its device");
	ok(memcmp(&g[0].next_hop4, hop.bytes, 4) == 0, "a next hop is as written");
	is(g[0].flags, HG_GATEWAY_KERNEL6, "the family without one asks the kernel");
	is_str(image_object_name(image, g[2].object), "ea",
	       "egress-only gateways follow the internet gateways");
	ok(memcmp(&g[2].next_hop6, hop6.bytes, 16) == 0, "an IPv6 next hop, too");
	is(g[2].flags, HG_GATEWAY_KERNEL4, "its IPv4 asks the kernel");
	is(g[3].vpc, vpc_of("b"), "a gateway on the same device has its own VPC");
}

static void test_nats(void)
{
	const struct hg_nat *box = record(head->nats, 1), *nat = record(head->nats, 2);
	const struct hg_forward *f;
	const struct hg_interface *groups;

	is(head->nats.n, 3, "NAT gateways count from 1");
	is(nat->vpc, vpc_of("a"), "a NAT gateway has its VPC");
	is(nat->idle_timeout, 60, "a NAT gateway has its timeout");
	is(box->idle_timeout, 350, "the timeout not given is 350 s");
	is(nat->private_address, htonl(0x0a000005), "its private address is its own");
	is(nat->n_addresses, 2, "it has as many elastic IPs as listed");
	ok(nat->addresses[0] == htonl(0xcb007114) &&
		   nat->addresses[1] == htonl(0xcb007115),
	   "in the order in which they are listed");
	is(nat->interface | nat->flags | nat->n_forwards, 0,
	   "a plain NAT gateway has neither groups nor forwards");
	is(box->flags, HG_NAT_INSTANCE, "a NAT instance is one");
	is(box->n_addresses, 0, "without elastic IPs it has none");
	is(box->interface, model->n_interfaces + 1,
	   "its groups are a record behind the interfaces");
	is(head->interfaces.n, model->n_interfaces + 2,
	   "only instances have such a record");
	groups = record(head->interfaces, box->interface);
	ok(groups->groups[0] && groups->groups[1], "with both classifiers");
	is_str(image_object_name(image, groups->object), "box",
	       "and the NAT gateway's name");
	is(groups->subnet, box->subnet, "in the NAT gateway's subnet");
	is(box->n_forwards, 2, "an instance has its forwards");
	f = image_record(image, head->forwards, box->forwards, sizeof(*f));
	ok(f[0].protocol == 6 && f[0].port == htons(80) && f[0].to_port == htons(8080) &&
		   f[0].to == htonl(0x0a000105),
	   "a forward says from where to where");
	ok(f[1].protocol == 17 && f[1].port == htons(53) && f[1].to_port == htons(53),
	   "a forward without a port keeps it");
}

/* One letter is one NAT gateway, 'a' at 10.0.0.101 with elastic IP 203.0.113.101. */
static struct image *letters_image(const char *letters, const struct image *previous)
{
	char nats[2048] = "", elastic[2048] = "", text[8192], *complaint;
	const struct facts facts = { .previous = previous };
	struct model *m;
	struct image *made;

	for (const char *l = letters; *l; l++) {
		sprintf(nats + strlen(nats),
			"%s\"%c\":{\"subnet\":\"s\",\"private_address\":\"10.0.0.%d\","
			"\"elastic_ips\":[\"%c\"]}",
			l > letters ? "," : "", *l, *l + 4, *l);
		sprintf(elastic + strlen(elastic),
			"%s\"%c\":{\"address\":\"203.0.113.%d\"}", l > letters ? "," : "",
			*l, *l + 4);
	}
	snprintf(text, sizeof(text),
		 "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
		 "\"subnets\":{\"s\":{\"cidrs\":[\"10.0.0.0/24\"],\"device\":\"br\"},"
		 "\"t\":{\"cidrs\":[\"10.0.1.0/"
		 "24\"],\"device\":\"bt\",\"route_table\":\"t\"}},"
		 "\"internet_gateways\":{\"i\":{\"device\":\"eth0\"}},"
		 "\"elastic_ips\":{%s},\"nat_gateways\":{%s},\"route_tables\":{\"t\":{"
		 "\"routes\":["
		 "{\"to\":\"0.0.0.0/0\",\"via\":\"nat_gateway/%c\"}]}}}",
		 elastic, nats, *letters);
	m = model_of(text);
	made = image_try(m, &facts, &complaint);
	if (!made)
		bail("the compiler refuses: %s", complaint);
	free(complaint);
	model_free(m);
	return made;
}

/* "a3 b1": who has which number; "a3!" where not everybody knows it by that one. */
static const char *numbers_of(const struct image *made)
{
	static char buf[256];
	const struct hg_header *h = image_header(made);
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t id = 1; id < h->nats.n; id++) {
		const struct hg_nat *g = image_record(made, h->nats, id, HG_LINE);
		const struct hg_vpc *v = image_record(made, h->vpcs, 1, HG_LINE);
		const struct hg_uplink *u = image_record(made, h->uplinks, 1, HG_LINE);
		const struct hg_class *c;
		const struct hg_place *p;

		if (!g->object)
			continue;
		c = image_record(
			made, v->classes,
			lookup_trie4(made, v->trie4, (uint8_t *)&g->private_address),
			sizeof(*c));
		p = image_record(
			made, u->places,
			lookup_trie4(made, u->trie4, (uint8_t *)&g->addresses[0]),
			sizeof(*p));
		n += sprintf(buf + n, "%s%s%u%s", n ? " " : "",
			     image_object_name(made, g->object), id,
			     c->nat == id && p->nat == id ? "" : "!");
	}
	return buf;
}

static void test_numbers(void)
{
	static const struct {
		const char *letters, *want, *what;
	} cases[] = {
		{ "bc", "b1 c2", "NAT gateways are numbered in order" },
		{ "abc", "b1 c2 a3", "one more changes nobody's number" },
		{ "acd", "c2 a3 d4", "a number that was given up rests for a while" },
		{ "ace", "e1 c2 a3", "and is then given to another" },
	};
	struct image *last = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image *made = letters_image(cases[i].letters, last);

		is_str(numbers_of(made), cases[i].want, "%s", cases[i].what);
		is(image_check(made), 0, "and the image is sound");
		image_free(last);
		last = made;
	}
	image_free(last);
}

/* ---- addresses, inside ---- */

static void test_classes(void)
{
	const struct hg_interface *web = record(head->interfaces, 4);
	struct addr first = addr_of("fd00:a:0:1::5");

	is(class_of("a", "10.0.1.6")->public, htonl(0xcb00710a),
	   "a private address knows its elastic IP");
	is(class_of("a", "10.0.1.5")->public, 0, "the one beside it has none");
	is(class_of("b", "10.1.1.7")->public, 0,
	   "without an internet gateway an elastic IP is nobody's");
	is(class_of("a", "10.0.0.6")->nat, 1, "a NAT gateway's address is known");
	is(class_of("a", "10.0.0.5")->nat, 2, "and the other's");
	is(class_of("b", "10.0.0.5")->nat, 0, "in another VPC it is nobody's");
	is(class_of("a", "10.0.0.5")->interface, 0, "it is no interface's");
	is(class_of("a", "10.0.77.1")->is_inside, 1,
	   "an address in a CIDR of the VPC is inside");
	is(class_of("a", "fd00:a:0:77::1")->is_inside, 1, "an IPv6 address, too");
	is(class_of("a", "10.1.1.7")->is_inside, 0, "a peer's is not");
	ok(memcmp(&web->address6, first.bytes, 16) == 0 &&
		   web->address4 == htonl(0x0a000105),
	   "an interface has its first address of each family");
}

/* Whether the groups of interface 'web' admit SSH from 'text'. */
static bool admits(const char *text)
{
	const struct hg_interface *web = record(head->interfaces, 4);
	struct addr other = addr_of("10.0.1.5");

	return lookup_cell(image, web->groups[HG_INGRESS], class_of("a", text)->peer, 6,
			   22, &other, 40000) &
	       HG_CELL_ALLOW;
}

static void test_groups(void)
{
	ok(admits("10.1.1.7"), "a group of a peered VPC matches its member");
	ok(!admits("10.1.1.8"), "and nobody else there");
	is(class_of("a", "10.1.1.7")->interface, 0, "who is no interface of this VPC");
	is(class_of("a", "10.1.1.7")->subnet, 0, "nor in a subnet of it");
	ok(admits("10.0.0.6"), "a NAT instance is a member of its groups");
	ok(!admits("10.0.0.5"), "a NAT gateway has none");
}

/* ---- addresses, outside ---- */

static const struct hg_place *place_of(uint32_t uplink, const char *text)
{
	const struct hg_uplink *u = record(head->uplinks, uplink);
	struct addr a = addr_of(text);

	return image_record(image, u->places,
			    a.family == 6 ? lookup_trie6(image, u->trie6, &a)
					  : lookup_trie4(image, u->trie4, a.bytes),
			    sizeof(struct hg_place));
}

static const struct {
	uint32_t uplink;
	const char *address;
	uint32_t kind;
	const char *vpc, *object, *gateway;
} wanted_places[] = {
	{ 1, "203.0.113.10", HG_PLACE_ELASTIC, "a", "web", "ia" },
	{ 2, "203.0.113.10", HG_PLACE_ELASTIC, "a", "web", "ia" },
	{ 1, "203.0.113.20", HG_PLACE_NAT, "a", "n2", "ia" },
	{ 1, "203.0.113.21", HG_PLACE_NAT, "a", "n1", "ia" },
	{ 1, "203.0.113.12", HG_PLACE_UNATTACHED, "", "far", "" },
	{ 1, "203.0.113.13", HG_PLACE_UNATTACHED, "", "free", "" },
	{ 1, "203.0.113.11", HG_PLACE_WORLD, "", "", "" },
	{ 1, "10.0.3.4", HG_PLACE_INSIDE, "", "", "" },
	{ 1, "10.1.3.4", HG_PLACE_INSIDE, "", "", "" },
	{ 2, "10.3.0.1", HG_PLACE_INSIDE, "", "", "" },
	{ 1, "10.4.0.1", HG_PLACE_WORLD, "", "", "" },
	{ 1, "fd00:a:0:1::9", HG_PLACE_VPC, "a", "a", "ia" },
	{ 1, "fd00:a:0:7::9", HG_PLACE_VPC, "a", "a", "ia" },
	{ 1, "fd00:b::1", HG_PLACE_VPC, "b", "b", "" },
	{ 1, "fd00:c::1", HG_PLACE_WORLD, "", "", "" },
	{ 2, "fd00:a:0:7::9", HG_PLACE_VPC, "c", "c", "ic" },
	{ 2, "fd00:a:0:8::9", HG_PLACE_INSIDE, "", "", "" },
	{ 2, "fd00:b::1", HG_PLACE_INSIDE, "", "", "" },
};

static void test_places(void)
{
	is(head->uplinks.n, 3, "there is an uplink a device");
	for (size_t i = 0; i < sizeof(wanted_places) / sizeof(wanted_places[0]); i++) {
		const char *a = wanted_places[i].address;
		uint32_t uplink = wanted_places[i].uplink;
		const struct hg_place *p = place_of(uplink, a);
		const struct hg_vpc *v = record(head->vpcs, p->vpc);
		const struct hg_gateway *g = record(head->gateways, p->gateway);

		is(p->kind, wanted_places[i].kind, "at uplink %u %s is what it is",
		   uplink, a);
		is_str(p->vpc ? image_object_name(image, v->object) : "",
		       wanted_places[i].vpc, "at uplink %u %s is of its VPC", uplink, a);
		is_str(image_object_name(image, p->object), wanted_places[i].object,
		       "at uplink %u %s has its object", uplink, a);
		is_str(p->gateway ? image_object_name(image, g->object) : "",
		       wanted_places[i].gateway, "at uplink %u %s has its gateway",
		       uplink, a);
	}
	is(place_of(1, "203.0.113.10")->private_address, htonl(0x0a000106),
	   "an elastic IP leads to its private address");
	is(place_of(1, "203.0.113.20")->nat, 2, "or to its NAT gateway");
}

/* ---- names ---- */

static void test_names(void)
{
	static const struct {
		uint32_t kind;
		const char *name;
	} kinds[] = {
		{ HG_OBJECT_ROUTE_TABLE, "route_table" },
		{ HG_OBJECT_INTERNET_GATEWAY, "internet_gateway" },
		{ HG_OBJECT_EGRESS_ONLY_GATEWAY, "egress_only_gateway" },
		{ HG_OBJECT_ELASTIC_IP, "elastic_ip" },
		{ HG_OBJECT_NAT_GATEWAY, "nat_gateway" },
		{ HG_OBJECT_PEERING, "peering" },
	};
	size_t n = model->n_vpcs + model->n_subnets + model->n_nacls + model->n_groups +
		   model->n_interfaces + model->n_route_tables;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		is_str(object_kind_name(kinds[i].kind), kinds[i].name,
		       "%s is called by its JSON key", kinds[i].name);
	is(image_object_kind(image, (uint32_t)n), HG_OBJECT_ROUTE_TABLE,
	   "route tables follow the interfaces");
	is(image_object_kind(image, (uint32_t)n + 1), HG_OBJECT_INTERNET_GATEWAY,
	   "then come the gateways");
	is_str(image_object_name(image, head->objects.n - 1), "ab", "and peerings last");
	is(image_check(image), 0, "the image checks");
}

/* One bit of a copy turned, wherever the gateway's tables are. */
static void test_damage(void)
{
	const struct hg_table tables[] = { head->routes,  head->gateways, head->nats,
					   head->uplinks, head->subnets,  head->devices };
	struct image copy = { malloc(image->n_lines * HG_LINE), image->n_lines };
	size_t refused = 0, bits = 0;

	memcpy(copy.lines, image->lines, image->n_lines * HG_LINE);
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		uint32_t size = t ? 16 : 4, from = tables[t].line * 16 + size;

		for (uint32_t w = from; w < tables[t].line * 16 + tables[t].n * size;
		     w++) {
			uint32_t *word = &copy.lines[w / 16].w[w % 16];

			for (int bit = 0; bit < 32; bit++, bits++) {
				*word ^= 1U << bit;
				refused += image_check(&copy) < 0;
				*word ^= 1U << bit;
			}
		}
	}
	ok(refused > bits / 8, "damage to the gateway's tables is found: %zu of %zu bits",
	   refused, bits);
	is(image_check(&copy), 0, "undamaged the copy is good");
	free(copy.lines);
}

int main(void)
{
	char text[sizeof(rules)];

	for (size_t i = 0; i < sizeof(rules); i++)
		text[i] = rules[i] == '\'' ? '"' : rules[i];
	model = model_of(text);
	image = image_of(model);
	head = image_header(image);
	test_devices();
	test_gateways();
	test_nats();
	test_numbers();
	test_classes();
	test_groups();
	test_places();
	test_names();
	test_damage();
	image_free(image);
	model_free(model);
	return done();
}
