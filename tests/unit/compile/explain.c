/* SPDX-License-Identifier: Apache-2.0 */

/* A small VPC, questions about it, and traces as the packet path would leave them: which
 * door each question is put to, and what is made of each trace.
 */
#include "compile/explain.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "tests/lib/rules.h"
#include "tests/lib/tap.h"

static const char rules[] =
	"{ 'headgate': 1, 'vpcs': { 'prod': { 'cidrs': ['10.0.0.0/16', '2001:db8::/56'] "
	"},"
	"            'dev': { 'cidrs': ['10.0.0.0/16'] } },"
	"  'subnets': { 'a': { 'vpc': 'prod', 'cidrs': ['10.0.1.0/24', "
	"'2001:db8:0:1::/64'],"
	"                      'network_acl': 'edge' },"
	"               'd': { 'vpc': 'dev', 'cidrs': ['10.0.9.0/24'] } },"
	"  'network_acls': { 'edge': { 'vpc': 'prod',"
	"    'ingress': [ { 'rule': 100, 'action': 'allow', 'protocol': 'all',"
	"                   'cidr': '0.0.0.0/0' } ], 'egress': [] } },"
	"  'security_groups': {"
	"    'web': { 'vpc': 'prod', 'ingress': [ { 'protocol': 'tcp', 'ports': '443',"
	"             'peers': ['0.0.0.0/0'] } ], 'egress': [] },"
	"    'more': { 'vpc': 'prod', 'ingress': [], 'egress': [] } },"
	"  'interfaces': {"
	"    'host': { 'vpc': 'prod', 'attach': 'local', 'device': 'eth0' },"
	"    'port1': { 'subnet': 'a', 'device': 'veth1', 'security_groups': ['web', "
	"'more'],"
	"               'addresses': ['10.0.1.10', '2001:db8:0:1::10'] },"
	"    'port2': { 'subnet': 'a', 'device': 'veth2', 'security_groups': ['more'],"
	"               'addresses': ['10.0.1.20'] },"
	"    'far': { 'subnet': 'a', 'addresses': ['10.0.1.30'] },"
	"    'dev1': { 'subnet': 'd', 'device': 'veth9', 'addresses': ['10.0.9.10'] } },"
	"  'target_groups': { 'pool': { 'vpc': 'prod', 'protocol': 'tcp', 'port': 8443,"
	"    'targets': [ { 'interface': 'port1' }, { 'interface': 'port2' } ] } },"
	"  'load_balancers': { 'lb': { 'vpc': 'prod', 'cross_zone': true,"
	"    'addresses': ['203.0.113.30', '2001:db8:99::30'],"
	"    'security_groups': ['more'], 'listeners': [ { 'protocol': 'tcp',"
	"    'port': 443, 'forward': [ { 'target_group': 'pool' } ] } ] } } "
	"}";

#define HOST    "192.0.2.1" /* the kernel's address on eth0 */
#define OUTSIDE "198.51.100.7"

static struct model *model;
static struct image *image;

static void set_up(void)
{
	struct device_addresses device = { .device = "eth0", .n = 1 };
	struct facts facts = { .devices = &device, .n_devices = 1 };
	char text[sizeof(rules)];
	struct addr host;

	for (size_t i = 0; i < sizeof(rules); i++)
		text[i] = rules[i] == '\'' ? '"' : rules[i];
	addr_parse(HOST, &host);
	device.addresses = &host;
	image = rules_image(text, &facts, &model);
}

static struct question ask(const char *from, const char *to, const char *in)
{
	struct question q = { .protocol = 6,
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
	const char *says;
	const char *from, *to, *in;
	const char *device; /* NULL: refused */
	uint32_t door;
} doors[] = {
	{ "an instance that sends is met where it comes in", "10.0.1.10", OUTSIDE, NULL,
	  "veth1", HG_DOOR_IN },
	{ "between two instances the sender's port meets it", "10.0.1.20", "10.0.1.10",
	  NULL, "veth2", HG_DOOR_IN },
	{ "an instance with IPv6 is found", "2001:db8:0:1::10", "2001:db8:ffff::1", NULL,
	  "veth1", HG_DOOR_IN },
	{ "from outside to an instance goes out to its port", OUTSIDE, "10.0.1.10", NULL,
	  "veth1", HG_DOOR_OUT },
	{ "from outside to an instance's IPv6 address, too", "2001:db8:ffff::1",
	  "2001:db8:0:1::10", NULL, "veth1", HG_DOOR_OUT },
	{ "from outside to the host comes in from the wire", OUTSIDE, HOST, NULL, "eth0",
	  HG_DOOR_IN },
	{ "from the host goes out to the wire", HOST, OUTSIDE, NULL, "eth0",
	  HG_DOOR_OUT },
	{ "from an interface elsewhere to a port goes out to the port", "10.0.1.30",
	  "10.0.1.10", NULL, "veth1", HG_DOOR_OUT },
	{ "an instance of another VPC has its own port", "10.0.9.10", OUTSIDE, NULL,
	  "veth9", HG_DOOR_IN },
	{ "the device that is named wins", "10.0.1.10", "10.0.1.20", "veth2", "veth2",
	  HG_DOOR_IN },
	{ "between strangers nobody meets it", OUTSIDE, "203.0.113.9", NULL, NULL, 0 },
	{ "an interface without a device is met nowhere", "10.0.1.30", OUTSIDE, NULL,
	  NULL, 0 },
	{ "a device that no interface has", "10.0.1.10", OUTSIDE, "veth7", NULL, 0 },
	{ "two families", "10.0.1.10", "2001:db8::1", NULL, NULL, 0 },
};

static const char *device_name(uint32_t id)
{
	for (size_t i = 0; i < model->n_interfaces; i++)
		if (model->interfaces[i].device && --id == 0)
			return model->interfaces[i].device;
	return NULL;
}

static uint32_t device_id(const char *name)
{
	uint32_t id = 1;

	while (strcmp(device_name(id), name) != 0)
		id++;
	return id;
}

static void test_doors(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
		_cleanup_(diag_freep) struct diag *diag = diag_new();
		struct question q = ask(doors[i].from, doors[i].to, doors[i].in);
		uint32_t device = 0, door = 99;
		uint8_t frame[EXPLAIN_FRAME];
		size_t size = 0;
		int r = explain_frame(&q, image, model, diag, frame, &size, &device,
				      &door);

		if (!doors[i].device) {
			is(r, -EINVAL, "%s: refused", doors[i].says);
			is(diag_errors(diag), 1, "%s: with one complaint", doors[i].says);
			continue;
		}
		is(r, 0, "%s", doors[i].says);
		is_str(device_name(device), doors[i].device, "%s: the device",
		       doors[i].says);
		is(door, doors[i].door, "%s: the door", doors[i].says);
		ok(size >= 54, "%s: a frame", doors[i].says);
	}
}

/* ---- answers ---- */

static uint32_t object_id(uint32_t kind, const char *name)
{
	uint32_t id = 1;

	while (image_object_kind(image, id) != kind ||
	       strcmp(image_object_name(image, id), name) != 0)
		id++;
	return id;
}

static uint32_t rule_id(uint32_t object, uint32_t number, uint32_t direction)
{
	uint32_t id = 1;
	const struct hg_rule *r;

	while ((r = image_rule(image, id)) != NULL &&
	       (r->object != object || r->number != number || r->direction != direction))
		id++;
	return id;
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

static void test_allowed(void)
{
	struct question q = ask("10.0.1.20", "10.0.1.10", NULL);
	uint32_t edge = object_id(HG_OBJECT_NACL, "edge");
	uint32_t web = object_id(HG_OBJECT_GROUP, "web");
	struct hg_trace t = {
		.device = device_id("veth2"),
		.n = 3,
		.out = device_id("veth1"),
		.tracked = 1,
		.step = { { .stage = HG_STAGE_source_check,
			    .allow = 1,
			    .object = object_id(HG_OBJECT_INTERFACE, "port2") },
			  { .stage = HG_STAGE_nacl_ingress,
			    .allow = 1,
			    .object = edge,
			    .rule = rule_id(edge, 100, HG_INGRESS) },
			  { .stage = HG_STAGE_sg_ingress,
			    .allow = 1,
			    .object = object_id(HG_OBJECT_INTERFACE, "port1"),
			    .rule = rule_id(web, 0, HG_INGRESS) } },
	};
	_cleanup_free_ char *got = answer(&q, &t);

	is_str(got,
	       "{'verdict':'allow','reason':null,'aws_reason':null,'steps':["
	       "{'stage':'source_check','object':'interface/"
	       "port2','rule':null,'result':'allow'},"
	       "{'stage':'nacl_ingress','object':'network_acl/"
	       "edge','rule':100,'result':'allow'},"
	       "{'stage':'sg_ingress','object':'security_group/"
	       "web','rule':0,'result':'allow'}],"
	       "'rewrite':{'source':null,'destination':null},"
	       "'next_hop':{'device':'veth1','address':'10.0.1.10'},'target':null,"
	       "'tracked':true}",
	       "an allowed packet is explained step by step");
}

static void test_refused_by_groups(void)
{
	struct question q = ask("10.0.1.20", "10.0.1.10", NULL);
	struct hg_trace t = {
		.device = device_id("veth2"),
		.n = 1,
		.reason = HG_DROP_SG_INGRESS,
		.step = { { .stage = HG_STAGE_sg_ingress,
			    .object = object_id(HG_OBJECT_INTERFACE, "port1") } },
	};
	_cleanup_free_ char *got = answer(&q, &t), *sender = NULL;

	is_str(got,
	       "{'verdict':'drop','reason':'SG_INGRESS','aws_reason':'ENI_SG_RULES_"
	       "MISMATCH',"
	       "'steps':[{'stage':'sg_ingress','object':null,'rule':null,'result':'deny',"
	       "'objects':['security_group/web','security_group/more']}],"
	       "'rewrite':{'source':null,'destination':null},'next_hop':null,'target':"
	       "null,"
	       "'tracked':false}",
	       "where no group admits, the groups of the receiver are listed in order");
	t.reason = HG_DROP_SG_EGRESS;
	t.step[0].stage = HG_STAGE_sg_egress;
	t.step[0].object = object_id(HG_OBJECT_INTERFACE, "port2");
	sender = answer(&q, &t);
	ok(strstr(sender, "'objects':['security_group/more']") != NULL,
	   "at the sender its own are listed");
	ok(strstr(sender, "'aws_reason':'SG_HAS_NO_RULES'") != NULL,
	   "groups without a rule in that direction are called so");
}

static void test_refused_by_nacl(void)
{
	struct question q = ask("10.0.1.10", OUTSIDE, NULL);
	uint32_t edge = object_id(HG_OBJECT_NACL, "edge");
	struct hg_trace t = {
		.device = device_id("veth1"),
		.n = 1,
		.reason = HG_DROP_NACL_EGRESS,
		.out = device_id("veth2"),
		.step = { { .stage = HG_STAGE_nacl_egress,
			    .object = edge,
			    .rule = rule_id(edge, HG_RULE_DEFAULT, HG_EGRESS) } },
	};
	_cleanup_free_ char *got = answer(&q, &t);

	ok(strstr(got, "'object':'network_acl/edge','rule':'*','result':'deny'") != NULL,
	   "the implicit deny is rule *");
	ok(strstr(got, "'aws_reason':'SUBNET_ACL_RESTRICTION'") != NULL,
	   "a network ACL has its AWS reason");
	ok(strstr(got, "'next_hop':null") != NULL, "a dropped packet has no next hop");
}

static void test_balanced(void)
{
	struct question q = ask("10.0.1.20", "203.0.113.30", NULL);
	uint32_t lb = object_id(HG_OBJECT_LOAD_BALANCER, "lb");
	struct hg_trace t = {
		.device = device_id("veth2"),
		.n = 1,
		.reason = HG_DROP_SG_INGRESS,
		.target = 2,
		.slot = 7,
		.step = { { .stage = HG_STAGE_sg_ingress,
			    .object = lb,
			    .at = (uint16_t)lb } },
	};
	char *got = answer(&q, &t);

	ok(strstr(got, "'objects':['security_group/more'],'at':'load_balancer/lb'") !=
		   NULL,
	   "a balancer's groups are listed, and where they were asked");
	ok(strstr(got, "'target':'10.0.1.20:8443','target_group':'target_group/pool',"
		       "'ring_slot':6") != NULL,
	   "the target that was chosen is named, with its group and slot");
	free(got);
	q = ask("2001:db8:0:1::10", "2001:db8:99::30", NULL);
	t.target = 3;
	t.slot = 0;
	t.reason = HG_DROP_NO_LISTENER;
	got = answer(&q, &t);
	ok(strstr(got, "'target':'[2001:db8:0:1::10]:8443','target_group':'target_group/"
		       "pool','tracked'") != NULL,
	   "one of IPv6 is in brackets, and no slot is told where there was none");
	ok(strstr(got, "'aws_reason':'ELB_LISTENERS_MISMATCH'") != NULL,
	   "a packet without a listener has its AWS reason");
	free(got);
	t.target = 4;
	got = answer(&q, &t);
	ok(strstr(got, "'target':null,'tracked'") != NULL,
	   "a target that is not there is none");
	free(got);
}

static void test_flow_and_exempt(void)
{
	struct question q = ask(OUTSIDE, "10.0.1.10", NULL);
	struct hg_trace t = {
		.device = device_id("veth1"),
		.door = HG_DOOR_OUT,
		.n = 1,
		.exempt = 1,
		.step = { { .stage = HG_STAGE_flow,
			    .allow = 1,
			    .state = HG_STATE_ESTABLISHED } },
	};
	_cleanup_free_ char *got = answer(&q, &t);

	ok(strstr(got, "{'stage':'flow','object':null,'rule':null,'result':'allow',"
		       "'state':'established'}") != NULL,
	   "a tracked connection is a step with its state");
	ok(strstr(got, "'next_hop':null") != NULL,
	   "what goes to the kernel has no next hop");
	ok(strstr(got, "'exempt':true") != NULL, "exempt traffic says so");
	t.n = HG_TRACE_STEPS + 100;
	free(got);
	got = answer(&q, &t);
	ok(got != NULL, "a trace that claims too many steps is cut");
}

static const struct {
	uint32_t reason, door;
	const char *name, *aws;
} reasons[] = {
	{ HG_DROP_SOURCE_CHECK, HG_DOOR_IN, "SOURCE_CHECK",
	  "ENI_SOURCE_DEST_CHECK_RESTRICTION" },
	{ HG_DROP_SOURCE_CHECK, HG_DOOR_OUT, "SOURCE_CHECK", "ENI_ADDRESS_RESTRICTION" },
	{ HG_DROP_DEST_CHECK, HG_DOOR_OUT, "DEST_CHECK",
	  "ENI_SOURCE_DEST_CHECK_RESTRICTION" },
	{ HG_DROP_NO_ROUTE, HG_DOOR_IN, "NO_ROUTE", "NO_ROUTE_TO_DESTINATION" },
	{ HG_DROP_BLACKHOLE, HG_DOOR_IN, "BLACKHOLE", "BAD_STATE_ROUTE" },
	{ HG_DROP_MALFORMED, HG_DOOR_IN, "MALFORMED", NULL },
	{ HG_DROP_FLOW_TABLE_FULL, HG_DOOR_IN, "FLOW_TABLE_FULL", NULL },
	{ HG_DROP_NONE, HG_DOOR_IN, NULL, NULL },
	{ HG_DROP_END, HG_DOOR_IN, NULL, NULL },
};

static void test_reasons(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct hg_trace t = { .device = device_id("veth1"),
				      .door = reasons[i].door };

		is_str(drop_name(reasons[i].reason), reasons[i].name,
		       "reason %u has its name", reasons[i].reason);
		is_str(drop_aws_reason(reasons[i].reason, &t, image), reasons[i].aws,
		       "%s is called so by AWS at door %u",
		       reasons[i].name ? reasons[i].name : "no reason", reasons[i].door);
	}
	is_str(stage_name(HG_STAGE_sg_ingress), "sg_ingress", "a stage has its name");
	is_str(stage_name(HG_STAGE_END), NULL, "what is no stage has no name");
}

int main(void)
{
	set_up();
	test_doors();
	test_allowed();
	test_refused_by_groups();
	test_refused_by_nacl();
	test_balanced();
	test_flow_and_exempt();
	test_reasons();
	image_free(image);
	model_free(model);
	return done();
}
