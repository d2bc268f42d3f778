/* SPDX-License-Identifier: Apache-2.0 */

/* Balancers of a VPC with two zones, of one without a gateway and of a host, and what their
 * images say of virtual addresses, listeners, pools, rings and targets.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include <hg/event.h>

#include "base/cleanup.h"
#include "lookup.h"

#define ANY "'0.0.0.0/0','::/0'"

static const char rules[] =
	"{'headgate':1,'vpcs':{'v':{'cidrs':['10.0.0.0/16','fd00:a::/48']},"
	"'shut':{'cidrs':['10.9.0.0/16']}},"
	"'subnets':{'pub':{'vpc':'v','cidrs':['10.0.0.0/24'],'device':'br-pub',"
	"'zone':'a'},"
	"'wa':{'vpc':'v','cidrs':['10.0.1.0/24','fd00:a:0:1::/64'],'zone':'a'},"
	"'wb':{'vpc':'v','cidrs':['10.0.2.0/24'],'zone':'b'},"
	"'in':{'vpc':'shut','cidrs':['10.9.0.0/24'],'device':'br-in'}},"
	"'security_groups':{'lb':{'vpc':'v','ingress':[{'protocol':'tcp','ports':443,"
	"'peers':[" ANY "]}],'egress':[{'protocol':'all','peers':[" ANY "]}]},"
	"'web':{'vpc':'v','ingress':[{'protocol':'tcp','ports':8443,"
	"'peers':['security_group/lb']}],'egress':[]}},"
	"'interfaces':{'w1':{'subnet':'wa','addresses':['10.0.1.10','10.0.1.11',"
	"'fd00:a:0:1::10'],'security_groups':['web']},"
	"'w2':{'subnet':'wb','addresses':['10.0.2.10'],'security_groups':['web']},"
	"'me':{'vpc':'shut','attach':'local','device':'eth9',"
	"'addresses':['10.9.5.5']}},"
	"'internet_gateways':{'igw':{'vpc':'v','device':'eth0'}},"
	"'egress_only_gateways':{'out':{'vpc':'shut','device':'eth1'}},"
	"'elastic_ips':{'e':{'address':'203.0.113.9'}},"
	"'target_groups':{"
	"'web':{'vpc':'v','protocol':'tcp','port':8443,'preserve_client_ip':true,"
	"'targets':[{'interface':'w1'},{'address':'10.0.2.20','port':9443,'weight':2,"
	"'zone':'b'},"
	"{'interface':'w2'},{'address':'10.0.3.30','weight':0}]},"
	"'old':{'vpc':'v','protocol':'tcp','port':80,'stickiness':'source_ip',"
	"'cross_zone':true,'targets':[{'interface':'w2'}]},"
	"'more':{'vpc':'v','protocol':'tcp','port':81,'targets':[]},"
	"'dns':{'vpc':'v','protocol':'tcp_udp','port':53,"
	"'targets':[{'interface':'w1'}]},"
	"'ids':{'vpc':'v','protocol':'geneve','port':6081,'target_failover':'rebalance',"
	"'targets':[{'address':'10.0.1.40'},{'interface':'w1'}]},"
	"'lan':{'vpc':'shut','protocol':'tcp','port':80,"
	"'targets':[{'address':'10.9.0.7'},{'address':'10.9.0.8'}]}},"
	"'load_balancers':{"
	"'edge':{'vpc':'v','addresses':['203.0.113.30','2001:db8::30'],'cross_zone':true,"
	"'security_groups':['lb'],'listeners':[{'protocol':'tcp','port':443,"
	"'idle_timeout':600,'forward':[{'target_group':'web','weight':3},"
	"{'target_group':'old','weight':0},{'target_group':'more','weight':2}]}]},"
	"'lan':{'vpc':'shut','addresses':['192.0.2.7'],'listeners':[{'protocol':'tcp',"
	"'port':80,'forward':[{'target_group':'lan'}]}]},"
	"'near':{'vpc':'v','addresses':['10.0.77.1','fd00:a:0:77::1'],"
	"'listeners':[{'protocol':'tcp','port':80,'forward':[{'target_group':'old'}]}]},"
	"'node':{'vpc':'v','nodes':[{'subnet':'pub','address':'10.0.0.100',"
	"'elastic_ip':'e'},"
	"{'subnet':'wb','address':'10.0.2.100'}],'listeners':["
	"{'protocol':'tcp_udp','port':53,'forward':[{'target_group':'dns'}]},"
	"{'protocol':'tcp','port':443,'forward':[{'target_group':'web'}]}]}},"
	"'gateway_load_balancers':{'see':{'vpc':'v','target_group':'ids',"
	"'stickiness':'2_tuple','subnet':'wb'}}}";

static struct model *model;
static struct image *image;
static const struct hg_header *head;

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

static const struct hg_vip *vip_of(const char *vpc, const char *text)
{
	const struct hg_vip *v =
		image_record(image, head->vips, class_of(vpc, text)->vip, HG_LINE);

	if (!v || !v->vpc)
		bail("%s is no virtual address", text);
	return v;
}

static const struct hg_pool *pool_of(uint32_t id)
{
	return image_record(image, head->pools, id, sizeof(struct hg_pool));
}

static const char *zone_of(const struct hg_pool *p)
{
	return p->zone ? (const char *)(image->lines + head->text.line) + p->zone : "";
}

static const struct hg_target *target_of(const struct hg_pool *p, uint32_t member)
{
	return image_record(image, head->targets, p->first + member,
			    sizeof(struct hg_target));
}

/* By hash, as packets find it; NULL: none. */
static const struct hg_listener *listener_of(const char *vpc, const char *text,
					     uint8_t protocol, uint16_t port)
{
	uint32_t vip = class_of(vpc, text)->vip;
	uint32_t set =
		hg_entrance_hash(vip, protocol, htons(port)) & (head->entrances.n - 1);
	const struct hg_entrance *e =
		(const void *)(image->lines + head->entrances.line + set);

	for (int i = 0; i < 4; i++)
		if (e[i].vip == vip && e[i].protocol == protocol &&
		    e[i].port == htons(port))
			return image_record(image, head->listeners, e[i].listener,
					    HG_LINE);
	return NULL;
}

/* "10.0.1.10:8443*1 10.0.2.20:9443*2": members with their weights. */
static const char *members_of(const struct hg_pool *p)
{
	static char buf[512];
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < p->n; i++) {
		const struct hg_target *t = target_of(p, i);
		struct addr a = { .family = (uint8_t)p->family };
		char text[ADDR_TEXT];

		memcpy(a.bytes, &t->address, p->family == 6 ? 16 : 4);
		n += (size_t)sprintf(buf + n, "%s%s:%u*%u", n ? " " : "",
				     addr_print(&a, text), ntohs(t->port), t->weight);
	}
	return buf;
}

/* ---- virtual addresses ---- */

static void test_vips(void)
{
	const struct hg_vip *v = vip_of("v", "203.0.113.30");
	const struct hg_interface *f =
		image_record(image, head->interfaces, v->interface, HG_LINE);
	const struct hg_gateway *g =
		image_record(image, head->gateways, v->gateway, HG_LINE);

	is(head->vips.n, 8, "every address of a balancer is a virtual address");
	is(v->vpc, vpc_of("v"), "it is of its VPC");
	is(v->subnet, 0, "a bare one is in no subnet");
	is(v->address.w[0], htonl(0xcb00711e), "it knows itself");
	is(v->family, HG_FAMILY_4, "and its family");
	is(v->public, 0, "a bare one needs no elastic IP");
	is_str(image_object_name(image, v->object), "edge", "it is of its balancer");
	is_str(image_object_name(image, f->object), "edge", "whose groups are a record");
	ok(f->groups[0] && f->groups[1] && !f->device,
	   "with filters and without a device");
	is_str(image_object_name(image, g->object), "igw",
	       "answers leave by the gateway");
	is(v->peer, class_of("v", "203.0.113.30")->peer, "it is the peer of its class");
	is(class_of("v", "203.0.113.30")->is_inside, 0,
	   "it is outside of the VPC's CIDRs");
	is(class_of("shut", "203.0.113.30")->vip, 0, "in another VPC it is nobody");
	v = vip_of("v", "2001:db8::30");
	is(v->family, HG_FAMILY_6, "the second has its own family");
	is(v->address.w[0], htonl(0x20010db8), "and its own address");
	is(v->interface, vip_of("v", "203.0.113.30")->interface, "and the same groups");
	v = vip_of("v", "10.0.0.100");
	is(v->subnet, class_of("v", "10.0.0.1")->subnet, "a node is in its subnet");
	is(v->public, htonl(0xcb007109), "and has its elastic IP");
	is(v->interface, 0, "without groups there is no record of them");
	is(vip_of("v", "10.0.2.100")->public, 0, "the other node has none");
	v = vip_of("shut", "192.0.2.7");
	is(v->gateway, 0, "without an internet gateway nothing leaves");
}

/* That what 'peer' is admits 'port' at 'w1', whose rule names the balancer's group. */
static bool is_admitted(uint32_t peer, uint32_t key)
{
	const struct addr a = addr_of("10.0.1.10");
	uint32_t id = class_of("v", "10.0.1.10")->interface;
	const struct hg_interface *f = image_record(image, head->interfaces, id, HG_LINE);

	return lookup_cell(image, f->groups[HG_INGRESS], peer, IPPROTO_TCP, key, &a, 0) &
	       HG_CELL_ALLOW;
}

static void test_groups(void)
{
	ok(is_admitted(vip_of("v", "203.0.113.30")->peer, 8443),
	   "a rule that names the balancer's group admits its address");
	ok(is_admitted(vip_of("v", "2001:db8::30")->peer, 8443), "of either family");
	ok(!is_admitted(vip_of("v", "203.0.113.30")->peer, 80), "and only by its ports");
	ok(!is_admitted(vip_of("v", "10.0.0.100")->peer, 8443),
	   "a balancer without that group is not admitted");
	ok(!is_admitted(class_of("v", "203.0.113.31")->peer, 8443), "nor a neighbour");
}

/* ---- listeners and pools ---- */

static void test_listeners(void)
{
	const struct hg_listener *l = listener_of("v", "203.0.113.30", IPPROTO_TCP, 443);
	const struct hg_listener *six =
		listener_of("v", "2001:db8::30", IPPROTO_TCP, 443);
	const struct hg_listener *udp;

	if (!l || !six)
		bail("a listener is not found");
	is(l->vip, class_of("v", "203.0.113.30")->vip, "a listener is of its address");
	is(l->idle_timeout, 600, "it has its idle timeout");
	is(l->n_forwards, 3, "and all its forwards");
	is(l->forward[0].until, 3, "the first has its weight");
	is(l->forward[1].until, 3, "weight 0 adds nothing");
	is(l->forward[2].until, 5, "the last adds its own");
	is(l->weight, 5, "and the sum is all of them");
	is(l->seed, six->seed, "all addresses of a balancer have one seed");
	ok(l->forward[0].pool != six->forward[0].pool, "but pools of their family");
	ok(!listener_of("v", "203.0.113.30", IPPROTO_UDP, 443), "TCP is not UDP");
	ok(!listener_of("v", "203.0.113.30", IPPROTO_TCP, 80), "another port is none");
	l = listener_of("v", "10.0.0.100", IPPROTO_TCP, 53);
	udp = listener_of("v", "10.0.0.100", IPPROTO_UDP, 53);
	ok(l && udp && l != udp, "a tcp_udp listener is two");
	is(l ? l->idle_timeout : 0, 350, "its TCP idles for 350 seconds by default");
	is(udp ? udp->idle_timeout : 0, 120, "its UDP for 120");
	is(udp ? udp->syn_protection : 0, HG_SYN_OFF, "and UDP has no SYN");
	ok(l && l->seed != six->seed, "another balancer has another seed");
}

static const struct hg_pool *first_pool(const char *vip, uint16_t port)
{
	const struct hg_listener *l = listener_of("v", vip, IPPROTO_TCP, port);

	if (!l)
		bail("%s has no listener %u", vip, port);
	return pool_of(l->forward[0].pool);
}

static void test_pools(void)
{
	const struct hg_pool *p = first_pool("203.0.113.30", 443);

	is_str(members_of(p),
	       "10.0.1.10:8443*1 10.0.2.20:9443*2 10.0.2.10:8443*1 10.0.3.30:8443*0",
	       "across zones every target of the family is a member, as written");
	is(p->flags, HG_POOL_PRESERVE, "the pool keeps client addresses");
	is((long long)p->usable[0], 7, "as compiled those with a weight are usable");
	is(p->n_usable, 3, "and are counted");
	is_str(image_object_name(image, p->object), "web", "it is of its group");
	is(target_of(p, 2)->index, 2, "a target knows its place in the group");
	is_str(zone_of(p), "", "it has every zone");
	p = first_pool("2001:db8::30", 443);
	is_str(members_of(p), "fd00:a:0:1::10:8443*1",
	       "of IPv6 are the interfaces that have it");
	p = first_pool("10.0.0.100", 443);
	is_str(members_of(p), "10.0.1.10:8443*1 10.0.3.30:8443*0",
	       "not across zones: those of the node's zone, and of none");
	is_str(zone_of(p), "a", "that is the pool's");
	p = first_pool("10.0.2.100", 443);
	is_str(members_of(p), "10.0.2.20:9443*2 10.0.2.10:8443*1 10.0.3.30:8443*0",
	       "the other node has the others");
	is_str(zone_of(p), "b", "and its own zone");
	p = first_pool("10.0.2.100", 53);
	is(p->n, 0, "a group may have no member for an address");
	is(p->ring, 0, "and no ring then");
	p = first_pool("10.0.77.1", 80);
	is(p->flags, HG_POOL_STICKY | HG_POOL_PRESERVE,
	   "stickiness is the group's, and interfaces see clients by default");
	is_str(zone_of(p), "", "and its cross_zone is asked before the balancer's");
}

static void test_rings(void)
{
	const struct hg_pool *p = first_pool("203.0.113.30", 443);
	uint32_t counts[4] = { 0 };

	for (uint32_t i = 0; i < HG_RING; i++)
		counts[lookup_half(image, p->ring, i) & 3]++;
	ok(counts[0] + counts[1] + counts[2] == HG_RING, "every slot is a member's");
	ok(counts[1] > HG_RING / 2 - 3 && counts[1] < HG_RING / 2 + 3,
	   "weight 2 of 4 has half of the slots");
	is(counts[3], 0, "weight 0 has none");
	is(pool_of(listener_of("v", "10.0.77.1", IPPROTO_TCP, 80)->forward[0].pool)->ring,
	   pool_of(listener_of("v", "203.0.113.30", IPPROTO_TCP, 443)->forward[1].pool)
		   ->ring,
	   "equal members have one ring");
}

/* ---- outside ---- */

static const struct hg_place *place_of(uint32_t uplink, const char *text)
{
	const struct hg_uplink *u = image_record(image, head->uplinks, uplink, HG_LINE);
	struct addr a = addr_of(text);

	return image_record(image, u->places,
			    a.family == 6 ? lookup_trie6(image, u->trie6, &a)
					  : lookup_trie4(image, u->trie4, a.bytes),
			    sizeof(struct hg_place));
}

static void test_places(void)
{
	for (uint32_t uplink = 1; uplink <= 2; uplink++) {
		const struct hg_place *p = place_of(uplink, "203.0.113.30");

		is(p->kind, HG_PLACE_BALANCER, "uplink %u knows a bare address", uplink);
		is(p->vip, class_of("v", "203.0.113.30")->vip, "by its number");
		is(p->private_address, 0, "which nothing translates");
		is(p->gateway, vip_of("v", "203.0.113.30")->gateway, "at its gateway");
		p = place_of(uplink, "2001:db8::30");
		is(p->kind, HG_PLACE_BALANCER, "uplink %u knows one of IPv6", uplink);
		is(p->vip, class_of("v", "2001:db8::30")->vip, "by its number, too");
		p = place_of(uplink, "203.0.113.9");
		is(p->kind, HG_PLACE_BALANCER, "and the elastic IP of a node");
		is(p->private_address, htonl(0x0a000064), "which becomes its address");
		is(p->vip, class_of("v", "10.0.0.100")->vip, "and means the node");
		is_str(image_object_name(image, p->object), "e", "by its name");
		is(place_of(uplink, "192.0.2.7")->kind, HG_PLACE_UNATTACHED,
		   "without an internet gateway an address is nobody's");
		is(place_of(uplink, "10.0.77.1")->kind, HG_PLACE_INSIDE,
		   "one inside the VPC is inside");
		is(place_of(uplink, "203.0.113.31")->kind, HG_PLACE_WORLD,
		   "a neighbour is the world's");
	}
	is(place_of(1, "fd00:a:0:77::1")->kind, HG_PLACE_VPC,
	   "and in IPv6 reached as the VPC is");
}

static void test_hosts(void)
{
	uint32_t n = 0;

	for (uint32_t id = 1; id < head->devices.n; id++) {
		const struct hg_device *d =
			image_record(image, head->devices, id, HG_LINE);
		const struct hg_gateway *g =
			image_record(image, head->gateways, d->gateway, HG_LINE);

		if (d->role != HG_ROLE_HOST) {
			n += d->gateway;
			continue;
		}
		is(g->device, id, "a host's balancers send on by the device they heard");
		is(g->flags, HG_GATEWAY_KERNEL4 | HG_GATEWAY_KERNEL6,
		   "to the kernel's next hops");
	}
	is(n, 0, "devices of other roles need no gateway for that");
}

static void test_inspect(void)
{
	/* Its id is its meter's, the last. */
	const struct hg_gwlb *g =
		image_record(image, head->gwlbs, head->gwlbs.n - 1, HG_LINE);

	is(g->meter, HG_METER_BALANCER + head->gwlbs.n - 1, "a meter is an id");
	is_str(image_object_name(image, g->object), "see",
	       "a gateway load balancer is there");
	is_str(members_of(pool_of(g->pool)), "10.0.1.40:6081*1 10.0.1.10:6081*1",
	       "its appliances are IPv4, in every zone");
	is(g->tuple, 2, "the choice is made of what it says");
	is(g->idle_timeout, 350, "with the default timeout");
	is(g->is_rebalancing, 1, "and its group's failover");
	is(g->subnet, class_of("v", "10.0.2.1")->subnet, "on by the table of its subnet");
	ok(g->endpoint && g->attachment && g->endpoint != g->attachment,
	   "options tell endpoint and attachment apart");
}

/* ---- size, names, damage ---- */

/* 'n' addresses with 50 listeners each: all are found. */
static void test_many(void)
{
	enum { BALANCERS = 100 };
	char *text = malloc(1 << 20), *complaint;
	const struct facts facts = { 0 };
	struct image *made, *kept = image;
	const struct hg_header *kept_head = head;
	struct model *m, *kept_model = model;
	size_t n, n_missing = 0;

	n = (size_t)sprintf(text, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":"
				  "[\"10.0.0.0/16\"]}},\"target_groups\":{\"t\":{"
				  "\"protocol\":\"tcp_udp\",\"port\":80,\"targets\":[{"
				  "\"address\":\"10.0.0.9\"}]}},\"load_balancers\":{");
	for (int i = 0; i < BALANCERS; i++) {
		n += (size_t)sprintf(text + n,
				     "%s\"b%03d\":{\"addresses\":[\"192.0.2.%d\"],"
				     "\"listeners\":[",
				     i ? "," : "", i, i + 1);
		for (int k = 0; k < 50; k++)
			n += (size_t)sprintf(text + n,
					     "%s{\"protocol\":\"tcp_udp\",\"port\":%d,"
					     "\"forward\":[{\"target_group\":\"t\"}]}",
					     k ? "," : "", 8000 + k * 16);
		n += (size_t)sprintf(text + n, "]}");
	}
	strcpy(text + n, "}}");
	m = model_of(text);
	made = image_try(m, &facts, &complaint);
	if (!made)
		bail("the compiler refuses: %s", complaint);
	image = made;
	head = image_header(made);
	model = m;
	for (int i = 0; i < BALANCERS; i++)
		for (int k = 0; k < 100; k++) {
			const struct hg_listener *l;
			char vip[ADDR_TEXT];

			snprintf(vip, sizeof(vip), "192.0.2.%d", i + 1);
			l = listener_of("v", vip, k & 1 ? IPPROTO_UDP : IPPROTO_TCP,
					(uint16_t)(8000 + k / 2 * 16));
			n_missing += !l || l->port != htons(8000 + k / 2 * 16);
		}
	is((long long)n_missing, 0, "10,000 listeners are all found");
	is(head->pools.n, 2, "and share their pool");
	image = kept;
	head = kept_head;
	model = kept_model;
	image_free(made);
	model_free(m);
	free(text);
}

static void test_names(void)
{
	static const struct {
		uint32_t kind;
		const char *name;
	} kinds[] = {
		{ HG_OBJECT_TARGET_GROUP, "target_group" },
		{ HG_OBJECT_LOAD_BALANCER, "load_balancer" },
		{ HG_OBJECT_GATEWAY_LOAD_BALANCER, "gateway_load_balancer" },
		{ HG_OBJECT_RATE_LIMIT, "rate_limit" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		is_str(object_kind_name(kinds[i].kind), kinds[i].name,
		       "%s is called by its JSON key", kinds[i].name);
	is(image_check(image), 0, "the image checks");
}

/* One bit of a copy turned, wherever the balancers' tables are. */
static void test_damage(void)
{
	const struct {
		struct hg_table table;
		uint32_t words;
	} tables[] = {
		{ head->vips, 16 },   { head->listeners, 16 }, { head->pools, 64 },
		{ head->targets, 8 }, { head->entrances, 16 }, { head->gwlbs, 16 }
	};
	struct image copy = { malloc(image->n_lines * HG_LINE), image->n_lines };

	memcpy(copy.lines, image->lines, image->n_lines * HG_LINE);
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		uint32_t from = tables[t].table.line * 16;
		size_t refused = 0;

		for (uint32_t w = from; w < from + tables[t].table.n * tables[t].words;
		     w++) {
			uint32_t *word = &copy.lines[w / 16].w[w % 16];

			for (int bit = 0; bit < 32; bit++) {
				*word ^= 1U << bit;
				refused += image_check(&copy) < 0;
				*word ^= 1U << bit;
			}
		}
		ok(refused > 0, "damage to table %zu of balancers is found: %zu bits", t,
		   refused);
	}
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
	test_vips();
	test_groups();
	test_listeners();
	test_pools();
	test_rings();
	test_places();
	test_hosts();
	test_inspect();
	test_many();
	test_names();
	test_damage();
	image_free(image);
	model_free(model);
	return done();
}
