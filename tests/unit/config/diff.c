/* SPDX-License-Identifier: Apache-2.0 */
#include "config/diff.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "config/json.h"
#include "tests/lib/tap.h"

static struct json *parse(const char *text)
{
	struct diag *diag = diag_new();
	struct json *j = NULL;

	if (text)
		json_read("", text, strlen(text), diag, &j);
	diag_free(diag);
	return j;
}

static const struct {
	const char *says;
	const char *old, *new;
	const char *changes;
} cases[] = {
	{ "equal documents change nothing", "{\"vpcs\":{\"a\":{\"x\":1,\"y\":[1,2]}}}",
	  "{\"vpcs\":{\"a\":{\"y\":[1,2],\"x\":1}}}", "" },
	{ "the first document adds everything", NULL,
	  "{\"headgate\":1,\"vpcs\":{\"b\":{},\"a\":{}},\"settings\":{}}",
	  "+settings +vpc/a +vpc/b " },
	{ "kinds come sorted, settings among them", "{}",
	  "{\"vpcs\":{\"v\":{}},\"subnets\":{\"s\":{}},\"settings\":{},"
	  "\"security_groups\":{\"g\":{}},\"prefix_lists\":{\"p\":{}},"
	  "\"network_acls\":{\"n\":{}},\"interfaces\":{\"i\":{}},"
	  "\"route_tables\":{\"t\":{}},\"peerings\":{\"p\":{}},"
	  "\"nat_gateways\":{\"n\":{}},\"internet_gateways\":{\"i\":{}},"
	  "\"elastic_ips\":{\"e\":{}},\"egress_only_gateways\":{\"e\":{}},"
	  "\"target_groups\":{\"t\":{}},\"rate_limits\":{\"r\":{}},"
	  "\"load_balancers\":{\"l\":{}},\"gateway_load_balancers\":{\"g\":{}}}",
	  "+egress_only_gateway/e +elastic_ip/e +gateway_load_balancer/g +interface/i "
	  "+internet_gateway/i +load_balancer/l +nat_gateway/n +network_acl/n +peering/p "
	  "+prefix_list/p +rate_limit/r +route_table/t +security_group/g +settings "
	  "+subnet/s +target_group/t +vpc/v " },
	{ "an object that is gone is taken away", "{\"subnets\":{\"a\":{},\"b\":{}}}",
	  "{\"subnets\":{\"b\":{}}}", "-subnet/a " },
	{ "a section that is gone takes its objects with it",
	  "{\"interfaces\":{\"i\":{}}}", "{}", "-interface/i " },
	{ "the order of an array matters",
	  "{\"network_acls\":{\"n\":{\"ingress\":[1,2]}}}",
	  "{\"network_acls\":{\"n\":{\"ingress\":[2,1]}}}", "~network_acl/n " },
	{ "a longer array is a change",
	  "{\"prefix_lists\":{\"p\":{\"entries\":[\"a\"]}}}",
	  "{\"prefix_lists\":{\"p\":{\"entries\":[\"a\",\"b\"]}}}", "~prefix_list/p " },
	{ "a type is a change", "{\"security_groups\":{\"g\":{\"x\":\"1\"}}}",
	  "{\"security_groups\":{\"g\":{\"x\":1}}}", "~security_group/g " },
	{ "true is not false, null is not absent",
	  "{\"interfaces\":{\"i\":{\"c\":true},\"j\":{\"d\":null},\"k\":{\"e\":null}}}",
	  "{\"interfaces\":{\"i\":{\"c\":false},\"j\":{},\"k\":{\"e\":null}}}",
	  "~interface/i ~interface/j " },
	{ "settings are one object", "{\"settings\":{\"max_flows\":1}}",
	  "{\"settings\":{\"max_flows\":2}}", "~settings " },
	{ "settings can go", "{\"settings\":{}}", "{}", "-settings " },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_freep) struct json *old = parse(cases[i].old);
		_cleanup_(json_freep) struct json *new = parse(cases[i].new);
		_cleanup_(json_freep) struct json *changes = diff_documents(old, new);
		char text[512] = "";

		for (const struct json *c = json_first(changes); c; c = json_next(c)) {
			strcat(text, json_string(json_get(c, "op")));
			strcat(text, json_string(json_get(c, "object")));
			strcat(text, " ");
		}
		is_str(text, cases[i].changes, "%s", cases[i].says);
	}
	return done();
}
