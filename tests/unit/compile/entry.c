/* SPDX-License-Identifier: Apache-2.0 */

/* Two VPCs with the same addresses behind one gateway: where a packet would come in, and what
 * is said of one that goes through.
 */
#include "compile/entry.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "compile/frame.h"
#include "config/json.h"
#include "lookup.h"

static const char rules[] =
	"{'headgate':1,'vpcs':{'a':{'cidrs':['10.0.0.0/16','fd00:a::/48']},"
	"'b':{'cidrs':['10.0.0.0/16','fd00:b::/48']}},"
	"'prefix_lists':{'office':{'max_entries':5,'entries':['198.51.100.0/24']}},"
	"'subnets':{'dark':{'vpc':'a','cidrs':['10.0.9.0/24']},"
	"'pub':{'vpc':'a','cidrs':['10.0.8.0/24'],'device':'br-pub'},"
	"'twin':{'vpc':'b','cidrs':['10.0.1.0/24'],'device':'br-twin'},"
	"'web':{'vpc':'a','cidrs':['10.0.1.0/24','fd00:a:0:1::/64'],"
	"'device':'br-web'}},"
	"'security_groups':{'empty':{'vpc':'a','ingress':[],'egress':[]}},"
	"'interfaces':{'host':{'subnet':'pub','attach':'local','device':'eth9',"
	"'addresses':['10.0.8.9']},"
	"'port':{'subnet':'twin','device':'veth7','addresses':['10.0.1.7']},"
	"'web':{'subnet':'web','addresses':['10.0.1.5','fd00:a:0:1::5']}},"
	"'internet_gateways':{'ia':{'vpc':'a','device':'eth0'},"
	"'ib':{'vpc':'b','device':'eth1'}},"
	"'elastic_ips':{'free':{'address':'203.0.113.13'},"
	"'port':{'address':'203.0.113.11','interface':'port'},"
	"'web':{'address':'203.0.113.10','interface':'web'},"
	"'nat':{'address':'203.0.113.20'}},"
	"'nat_gateways':{'box':{'subnet':'pub','private_address':'10.0.8.6',"
	"'mode':'instance','security_groups':['empty']},"
	"'nat':{'subnet':'pub','private_address':'10.0.8.5','elastic_ips':['nat']}},"
	"'route_tables':{'main':{'vpc':'a','main':true,'routes':["
	"{'to':'0.0.0.0/0','via':'internet_gateway/ia'},"
	"{'to':'prefix_list/office','via':'nat_gateway/nat'}]}}}";

static struct model *model;
static struct image *image;

static struct question ask(const char *from, const char *to, const char *in)
{
	struct question q = { .protocol = 6,
			      .from_port = 5000,
			      .to_port = 443,
			      .icmp_type = -1,
			      .icmp_code = -1,
			      .tcp_flags = 2,
			      .in = in };

	if (addr_parse(from, &q.from) < 0 || addr_parse(to, &q.to) < 0)
		bail("%s or %s is no address", from, to);
	return q;
}

/* ---- doors ---- */

static const struct {
	const char *says, *from, *to, *in;
	const char *device; /* NULL: refused, and says: */
	const char *text;
	uint32_t door;
} doors[] = {
	{ "an address of one subnet comes in by its device", "10.0.8.77", "8.8.8.8", NULL,
	  "br-pub", NULL, HG_DOOR_IN },
	{ "an IPv6 address, too", "fd00:a:0:1::9", "2001:db8::1", NULL, "br-web", NULL,
	  HG_DOOR_IN },
	{ "an address that two VPCs have is not one packet", "10.0.1.5", "8.8.8.8", NULL,
	  NULL, "could come in by br-web or by br-twin", 0 },
	{ "one device named tells them apart", "10.0.1.5", "8.8.8.8", "br-twin",
	  "br-twin", NULL, HG_DOOR_IN },
	{ "a port counts as well as a subnet's device", "10.0.1.7", "8.8.8.8", NULL, NULL,
	  "could come in by br-web or by veth7", 0 },
	{ "a local interface sends by its own device, not its subnet's", "10.0.8.9",
	  "8.8.8.8", NULL, "eth9", NULL, HG_DOOR_OUT },
	{ "even to an elastic IP", "10.0.8.9", "203.0.113.10", NULL, "eth9", NULL,
	  HG_DOOR_OUT },
	{ "an elastic IP is met at its gateway's uplink", "198.51.100.1", "203.0.113.10",
	  NULL, "eth0", NULL, HG_DOOR_IN },
	{ "another VPC's at another's", "198.51.100.1", "203.0.113.11", NULL, "eth1",
	  NULL, HG_DOOR_IN },
	{ "that of a NAT gateway, too", "198.51.100.1", "203.0.113.20", NULL, "eth0",
	  NULL, HG_DOOR_IN },
	{ "one that nobody has is met at the first", "198.51.100.1", "203.0.113.13", NULL,
	  "eth0", NULL, HG_DOOR_IN },
	{ "IPv6 inside a VPC comes by the VPC's uplink", "2001:db8::1", "fd00:b::7", NULL,
	  "eth1", NULL, HG_DOOR_IN },
	{ "IPv6 inside the other VPC by the other's", "2001:db8::1", "fd00:a:0:1::5",
	  NULL, "eth0", NULL, HG_DOOR_IN },
	{ "a private address is met by its port", "198.51.100.1", "10.0.1.7", NULL,
	  "veth7", NULL, HG_DOOR_OUT },
	{ "a subnet without a device is met nowhere", "10.0.9.5", "8.8.8.8", NULL, NULL,
	  "would not meet the packet", 0 },
	{ "an uplink can be named", "198.51.100.1", "192.0.2.1", "eth1", "eth1", NULL,
	  HG_DOOR_IN },
	{ "a device that nobody names", "10.0.8.77", "8.8.8.8", "eth7", NULL,
	  "no interface, subnet or gateway of the rule set has the device eth7", 0 },
};

static void test_doors(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
		_cleanup_(diag_freep) struct diag *diag = diag_new();
		struct question q = ask(doors[i].from, doors[i].to, doors[i].in);
		struct entry entry = { 0, 99 };
		const struct complaint *list;
		size_t n;
		int r = entry_find(&q, image, model, diag, &entry);

		list = diag_list(diag, &n);
		if (!doors[i].device) {
			is(r, -EINVAL, "%s: refused", doors[i].says);
			ok(n == 1 && strstr(list[0].text, doors[i].text),
			   "%s: with one complaint: %s", doors[i].says,
			   n ? list[0].text : "none");
			continue;
		}
		is(r, 0, "%s", doors[i].says);
		is_str(image_device_name(image, model, entry.device), doors[i].device,
		       "%s: the device", doors[i].says);
		is(entry.door, doors[i].door, "%s: the door", doors[i].says);
	}
}

/* ---- answers ---- */

static uint32_t device(const char *name)
{
	return image_device_find(image, model, name);
}

static uint32_t object(uint32_t kind, const char *name)
{
	uint32_t id = 1;

	while (image_object_kind(image, id) != kind ||
	       strcmp(image_object_name(image, id), name) != 0)
		id++;
	return id;
}

/* The implicit table of the other VPC is called main, too. */
static uint32_t main_table(void)
{
	const struct hg_header *h = image_header(image);
	const struct hg_device *d =
		image_record(image, h->devices, device("br-web"), sizeof(*d));
	const struct hg_subnet *s =
		image_record(image, h->subnets, d->subnet, sizeof(*s));

	return s->table_object;
}

static uint32_t route_rule(uint32_t number)
{
	uint32_t table = main_table(), id = 1;

	while (image_rule(image, id)->object != table ||
	       image_rule(image, id)->number != number)
		id++;
	return id;
}

static struct hg_tuple tuple(const char *from, const char *to, uint16_t sport,
			     uint16_t dport, uint8_t protocol)
{
	struct hg_tuple t = { .sport = htons(sport),
			      .dport = htons(dport),
			      .protocol = protocol };
	struct addr a, b;

	addr_parse(from, &a);
	addr_parse(to, &b);
	memcpy(&t.saddr, a.bytes, sizeof(t.saddr));
	memcpy(&t.daddr, b.bytes, sizeof(t.daddr));
	t.family = a.family;
	return t;
}

/* The answer to 'trace' as one line with single quotes. */
static char *answer(const struct question *q, const struct hg_trace *trace)
{
	_cleanup_(json_freep) struct json *j = explain_answer(q, trace, image, model);
	char *text = json_print(j, false);

	for (char *p = text; p && *p; p++)
		if (*p == '"')
			*p = '\'';
	return text;
}

static struct hg_trace trace_of_nat(void)
{
	struct hg_trace t = {
		.device = device("br-web"),
		.n = 3,
		.out = device("eth0"),
		.tracked = 1,
		.via = { .w = { htonl(0xcb007101) } },
		.to = tuple("203.0.113.20", "198.51.100.7", 20000, 443, 6),
		.step = { { .stage = HG_STAGE_route,
			    .allow = 1,
			    .object = main_table(),
			    .rule = route_rule(1) },
			  { .stage = HG_STAGE_nacl_ingress,
			    .allow = 1,
			    .object = object(HG_OBJECT_NACL, "default"),
			    .at = object(HG_OBJECT_NAT_GATEWAY, "nat") },
			  { .stage = HG_STAGE_nat,
			    .allow = 1,
			    .object = object(HG_OBJECT_NAT_GATEWAY, "nat") } },
	};

	return t;
}

static void test_nat(void)
{
	struct question q = ask("10.0.1.5", "198.51.100.7", NULL);
	struct hg_trace t = trace_of_nat();
	_cleanup_free_ char *got = answer(&q, &t);

	ok(strstr(got, "{'stage':'route','object':'route_table/main',"
		       "'rule':'prefix_list/office','via':'nat_gateway/nat',"
		       "'result':'allow'}") != NULL,
	   "a route by a prefix list says which, and whereto");
	ok(strstr(got, "'result':'allow','at':'nat_gateway/nat'}") != NULL,
	   "a step at a NAT gateway's border says at which");
	ok(strstr(got, "'rewrite':{'source':'203.0.113.20:20000','destination':null}") !=
		   NULL,
	   "a source that was translated is told with its port");
	ok(strstr(got, "'next_hop':{'device':'eth0','address':'203.0.113.1'}") != NULL,
	   "the next hop is the gateway's");
	free(got);
	t.via = (struct hg_addr){ 0 };
	got = answer(&q, &t);
	ok(strstr(got, "'next_hop':{'device':'eth0','address':null}") != NULL,
	   "a next hop that is not known is null");
	free(got);
	t.to = tuple("10.0.1.5", "198.51.100.7", 5000, 80, 6);
	got = answer(&q, &t);
	ok(strstr(got, "'rewrite':{'source':null,'destination':'198.51.100.7:80'}") !=
		   NULL,
	   "a port alone is a rewrite");
	free(got);
	t.reason = HG_DROP_NO_PUBLIC_ADDRESS;
	got = answer(&q, &t);
	ok(strstr(got, "'rewrite':{'source':null,'destination':null},'next_hop':null"),
	   "a packet that was dropped goes out as nothing");
}

static void test_routes(void)
{
	struct question q = ask("10.0.8.77", "8.8.8.8", NULL);
	struct hg_trace t = { .device = device("br-pub"), .n = 1 };
	static const struct {
		uint32_t number;
		const char *text;
	} wanted[] = {
		{ 0, "'rule':'0.0.0.0/0'" },
		{ HG_RULE_LOCAL, "'rule':'10.0.0.0/16'" },
		{ HG_RULE_LOCAL + 1, "'rule':'fd00:a::/48'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		_cleanup_free_ char *got = NULL;

		t.step[0] = (struct hg_step){ .stage = HG_STAGE_route,
					      .rule = route_rule(wanted[i].number) };
		got = answer(&q, &t);
		ok(strstr(got, wanted[i].text),
		   "a route is called by its destination: %s", wanted[i].text);
		ok(strstr(got, "'object':'route_table/main'"),
		   "and its table is the object: %s", wanted[i].text);
	}
}

static void test_instance(void)
{
	struct question q = ask("10.0.1.5", "198.51.100.7", NULL);
	struct hg_trace t = {
		.device = device("br-web"),
		.n = 1,
		.reason = HG_DROP_SG_INGRESS,
		.step = { { .stage = HG_STAGE_sg_ingress,
			    .object = object(HG_OBJECT_NAT_GATEWAY, "box") } },
	};
	_cleanup_free_ char *got = answer(&q, &t);

	ok(strstr(got, "'objects':['security_group/empty']") != NULL,
	   "the groups of a NAT instance are listed where none admits");
	ok(strstr(got, "SG_HAS_NO_RULES") != NULL, "and called empty when they are");
}

static const struct {
	uint32_t reason;
	const char *device, *aws;
} reasons[] = {
	{ HG_DROP_SOURCE_CHECK, "eth0", "GATEWAY_REJECTS_SPOOFED_TRAFFIC" },
	{ HG_DROP_SOURCE_CHECK, "br-web", "ENI_ADDRESS_RESTRICTION" },
	{ HG_DROP_SOURCE_CHECK, "veth7", "ENI_SOURCE_DEST_CHECK_RESTRICTION" },
	{ HG_DROP_NO_PUBLIC_ADDRESS, "br-web", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" },
	{ HG_DROP_NO_PUBLIC_ADDRESS, "eth0", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" },
	{ HG_DROP_NAT_UNSOLICITED, "eth0", "NGW_REQUIRES_SOURCE_IN_VPC" },
	{ HG_DROP_NAT_PROTOCOL, "br-web", "PROTOCOL_RESTRICTION" },
	{ HG_DROP_PRIVATE_DESTINATION, "br-web", "CANNOT_ROUTE" },
	{ HG_DROP_PEERING, "br-web", "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR" },
	{ HG_DROP_NAT_NO_PORT, "br-web", NULL },
	{ HG_DROP_EGRESS_ONLY, "eth0", NULL },
};

static void test_reasons(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct hg_trace t = { .device = device(reasons[i].device) };

		is_str(drop_aws_reason(reasons[i].reason, &t, image), reasons[i].aws,
		       "%s at %s is called so by AWS", drop_name(reasons[i].reason),
		       reasons[i].device);
	}
}

/* ---- the way back ---- */

static bool is_addr(const struct addr *a, const char *text)
{
	struct addr want;

	addr_parse(text, &want);
	return addr_compare(a, &want) == 0;
}

static void test_return(void)
{
	struct question q = ask("10.0.1.5", "198.51.100.7", NULL), back;
	struct hg_trace t = trace_of_nat();

	back = explain_return(&q, &t, image, model);
	ok(is_addr(&back.from, "198.51.100.7") && is_addr(&back.to, "203.0.113.20"),
	   "the answer is for the translated address");
	ok(back.from_port == 443 && back.to_port == 20000, "and the translated port");
	is(back.tcp_flags, 18, "and it is a SYN-ACK");
	is_str(back.in, "eth0", "it comes in by the device that the packet left by");
	t.out = 0;
	back = explain_return(&q, &t, image, model);
	is_str(back.in, NULL, "what went to the kernel names no device");
	t.to = (struct hg_tuple){ 0 };
	back = explain_return(&q, &t, image, model);
	ok(is_addr(&back.to, "10.0.1.5") && back.to_port == 5000,
	   "without a translation it is for the sender");
}

static void test_return_echo(void)
{
	struct question q = ask("10.0.1.5", "198.51.100.7", NULL), back;
	struct hg_trace t = trace_of_nat();
	struct frame_ends ends = { { 0 }, { 0 } };
	uint8_t frame[EXPLAIN_FRAME];

	q.protocol = 1;
	t.to = tuple("203.0.113.20", "198.51.100.7", 33333, 8 << 8, 1);
	back = explain_return(&q, &t, image, model);
	is(back.icmp_type, 0, "an echo request is answered by a reply");
	is(back.icmp_id, 33333, "with the id that it got on its way");
	frame_write(&back, &ends, frame);
	is(frame[38] << 8 | frame[39], 33333, "which the frame carries");
	q.icmp_type = 3;
	back = explain_return(&q, &t, image, model);
	is(back.icmp_id, 0, "what asks nothing has no id");

	q = ask("fd00:a:0:1::5", "64:ff9b::c633:6407", NULL);
	q.protocol = 58;
	t.to = tuple("203.0.113.20", "198.51.100.7", 4444, 8 << 8, 1);
	back = explain_return(&q, &t, image, model);
	ok(back.from.family == 4 && back.protocol == 1 && back.icmp_type == 0 &&
		   back.icmp_id == 4444,
	   "an echo that left by NAT64 is answered in IPv4");
}

int main(void)
{
	char text[sizeof(rules)];

	for (size_t i = 0; i < sizeof(rules); i++)
		text[i] = rules[i] == '\'' ? '"' : rules[i];
	model = model_of(text);
	image = image_of(model);
	test_doors();
	test_nat();
	test_routes();
	test_instance();
	test_reasons();
	test_return();
	test_return_echo();
	image_free(image);
	model_free(model);
	return done();
}
