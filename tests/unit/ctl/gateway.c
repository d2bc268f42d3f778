/* SPDX-License-Identifier: Apache-2.0 */

/* How routes, translated ends, elastic IPs and what a NAT gateway counted are told. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/build.h"
#include "compile/explain.h"
#include "config/json.h"
#include "config/read.h"
#include "ctl/name.h"
#include "ctl/nat.h"
#include "tests/lib/tap.h"

static const char rules[] =
	"{\"headgate\": 1,"
	"\"vpcs\": {\"a\": {\"cidrs\": [\"10.0.0.0/16\"]}, \"b\": {\"cidrs\": "
	"[\"10.1.0.0/16\"]}},"
	"\"prefix_lists\": {\"far\": {\"entries\": [\"192.0.2.0/24\"]}},"
	"\"subnets\": {\"a\": {\"vpc\": \"a\", \"cidrs\": [\"10.0.0.0/24\"], \"device\": "
	"\"br-a\"},"
	"  \"b\": {\"vpc\": \"b\", \"cidrs\": [\"10.1.0.0/24\"], \"device\": \"br-b\"}},"
	"\"interfaces\": {\"a\": {\"subnet\": \"a\", \"addresses\": [\"10.0.0.10\"]},"
	"  \"b\": {\"subnet\": \"b\", \"addresses\": [\"10.1.0.10\"]}},"
	"\"internet_gateways\": {\"i\": {\"vpc\": \"a\", \"device\": \"eth0\"}},"
	"\"egress_only_gateways\": {\"e\": {\"vpc\": \"a\", \"device\": \"eth0\"}},"
	"\"elastic_ips\": {\"1\": {\"address\": \"203.0.113.1\", \"interface\": \"a\"},"
	"  \"2\": {\"address\": \"203.0.113.2\", \"interface\": \"b\"},"
	"  \"3\": {\"address\": \"203.0.113.3\"}, \"4\": {\"address\": \"203.0.113.4\"}},"
	"\"nat_gateways\": {\"n\": {\"subnet\": \"a\", \"private_address\": \"10.0.0.5\","
	"  \"elastic_ips\": [\"3\"]}},"
	"\"peerings\": {\"p\": {\"vpcs\": [\"a\", \"b\"]}},"
	"\"route_tables\": {\"t\": {\"vpc\": \"a\", \"routes\": ["
	"  {\"to\": \"0.0.0.0/0\", \"via\": \"internet_gateway/i\"},"
	"  {\"to\": \"198.51.100.0/24\", \"via\": \"nat_gateway/n\"},"
	"  {\"to\": \"::/0\", \"via\": \"egress_only_gateway/e\"},"
	"  {\"to\": \"10.1.0.0/16\", \"via\": \"peering/p\"},"
	"  {\"to\": \"prefix_list/far\", \"via\": \"interface/a\"},"
	"  {\"to\": \"10.0.0.0/16\", \"via\": \"local\"},"
	"  {\"to\": \"203.0.113.64/26\", \"via\": \"blackhole\"}]}}}";

#define TABLE 2 /* behind the implicit ones */

static struct model *model_read(void)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	struct model *m = NULL;

	config_read_text("rules", rules, strlen(rules), NULL, d, &m);
	if (!m)
		bail("the rule set of the test was refused");
	return m;
}

static void test_routes(const struct model *m)
{
	static const char *const want[] = {
		"0.0.0.0/0 > internet_gateway/i", "198.51.100.0/24 > nat_gateway/n",
		"::/0 > egress_only_gateway/e",   "10.1.0.0/16 > peering/p",
		"prefix_list/far > interface/a",  "10.0.0.0/16 > local",
		"203.0.113.64/26 > blackhole",    "10.0.0.0/16 > local",
	};
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(diag_freep) struct diag *d = diag_new();
	char to[DESTINATION_TEXT], via[TARGET_TEXT], text[sizeof(to) + sizeof(via) + 4];
	struct hg_rule rule = { .object = object_of_route_table(m, TABLE) };

	if (image_compile(m, &(struct facts){}, d, &image) < 0)
		bail("the rule set of the test cannot be compiled");
	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
		rule.number = i < ARRAY_SIZE(want) - 1 ? i : HG_RULE_LOCAL;
		snprintf(text, sizeof(text), "%s > %s",
			 route_destination(image, m, &rule, to),
			 route_target(image, m, &rule, via));
		is_str(text, want[i], "a route is told as it is written");
	}
}

static void test_ends(void)
{
	struct hg_addr a = { { htonl(0xcb007114) } };
	char text[END_TEXT];

	is_str(wire_end_print(4, &a, htons(40000), true, text), "203.0.113.20:40000",
	       "an end has a port");
	is_str(wire_end_print(4, &a, htons(40000), false, text), "203.0.113.20",
	       "or none where the protocol has none");
	a = (struct hg_addr){ { htonl(0x20010db8), 0, 0, htonl(1) } };
	is_str(wire_end_print(6, &a, htons(80), true, text), "[2001:db8::1]:80",
	       "IPv6 addresses are put in brackets");
}

static void test_elastic_ips(const struct model *m)
{
	static const struct {
		const char *private;
		bool is_attached;
		const char *what;
	} cases[] = {
		{ "10.0.0.10", true, "an interface's elastic IP stands for its address" },
		{ "10.1.0.10", false, "without an internet gateway it is of no use" },
		{ "10.0.0.5", true, "a NAT gateway's stands for its private address" },
		{ NULL, false, "one that nobody has stands for nothing" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_freep) struct json *j =
			elastic_ip_json(m, &m->elastic_ips[i]);
		const char *private = json_string(json_get(j, "private_address"));

		ok(json_bool(json_get(j, "attached")) == cases[i].is_attached &&
			   !private == !cases[i].private &&
			   (!private || strcmp(private, cases[i].private) == 0),
		   "%s", cases[i].what);
	}
}

/* Every counter has a number of its own, so that one in another's place shows. */
static void test_metrics(void)
{
	static const struct {
		const char *name;
		double want;
	} cases[] = {
		{ "ActiveConnectionCount", 11 },
		{ "BytesInFromDestination", 40400 },
		{ "BytesInFromSource", 30300 },
		{ "BytesOutToDestination", 30000 },
		{ "BytesOutToSource", 40000 },
		{ "ConnectionAttemptCount", 9 },
		{ "ConnectionEstablishedCount", 8 },
		{ "ErrorPortAllocation", 5 },
		{ "IdleTimeoutCount", 6 },
		{ "PacketsDropCount", 7 },
		{ "PacketsInFromDestination", 2004 },
		{ "PacketsInFromSource", 1003 },
		{ "PacketsOutToDestination", 1000 },
		{ "PacketsOutToSource", 2000 },
	};
	const struct hg_meter meter = {
		.packets = { 1000, 2000 },
		.bytes = { 30000, 40000 },
		.dropped = { 3, 4 },
		.dropped_bytes = { 300, 400 },
		.attempts = 9,
		.established = 8,
		.port_errors = 5,
		.idle_timeouts = 6,
	};
	_cleanup_(json_freep) struct json *j = nat_metrics_json(&meter, 11);

	is((long long)json_size(j), ARRAY_SIZE(cases), "a NAT gateway has these metrics");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is((long long)json_number(json_get(j, cases[i].name)),
		   (long long)cases[i].want, "%s", cases[i].name);
}

int main(void)
{
	_cleanup_(model_freep) struct model *m = model_read();

	test_routes(m);
	test_ends();
	test_elastic_ips(m);
	test_metrics();
	return done();
}
