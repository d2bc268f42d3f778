/* SPDX-License-Identifier: Apache-2.0 */

/* The schema and the reader come from one table; here we see that the table reached both. */
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "config/read.h"
#include "tests/lib/tap.h"

/* A path of keys and what is found there, printed. */
static const struct {
	const char *path[8];
	const char *want;
} places[] = {
	{ { "$schema" }, "\"https://json-schema.org/draft/2020-12/schema\"" },
	{ { "required" }, "[\"headgate\"]" },
	{ { "additionalProperties" }, "false" },
	{ { "properties", "headgate", "const" }, "1" },
	{ { "properties", "vpcs", "maxProperties" }, "256" },
	{ { "properties", "vpcs", "propertyNames", "pattern" },
	  "\"^[A-Za-z0-9._-]{1,63}$\"" },
	{ { "properties", "subnets", "additionalProperties", "required" },
	  "[\"cidrs\"]" },
	{ { "properties", "subnets", "additionalProperties", "properties", "tags" },
	  "{\"$ref\":\"#/$defs/tags\"}" },
	{ { "properties", "subnets", "additionalProperties", "properties", "device",
	    "maxLength" },
	  "15" },
	{ { "properties", "nat_gateways", "additionalProperties", "properties",
	    "idle_timeout", "default" },
	  "350" },
	{ { "properties", "nat_gateways", "additionalProperties", "properties",
	    "elastic_ips", "maxItems" },
	  "8" },
	{ { "properties", "peerings", "additionalProperties", "properties", "vpcs",
	    "minItems" },
	  "2" },
	{ { "properties", "elastic_ips", "additionalProperties", "properties", "address",
	    "$ref" },
	  "\"#/$defs/address\"" },
	{ { "properties", "interfaces", "additionalProperties", "properties", "hook",
	    "enum" },
	  "[\"auto\",\"xdp\",\"tc\"]" },
	{ { "properties", "interfaces", "additionalProperties", "properties",
	    "source_dest_check", "default" },
	  "true" },
	{ { "properties", "settings", "properties", "timeouts", "properties", "udp",
	    "maximum" },
	  "60" },
	{ { "properties", "settings", "properties", "max_flows", "default" }, "65536" },
	{ { "properties", "route_tables", "additionalProperties", "properties", "routes",
	    "items", "required" },
	  "[\"to\",\"via\"]" },
	{ { "properties", "target_groups", "additionalProperties", "required" },
	  "[\"protocol\",\"port\"]" },
	{ { "properties", "target_groups", "additionalProperties", "properties",
	    "health_check", "properties", "port", "anyOf" },
	  "[{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535},"
	  "{\"const\":\"traffic-port\"}]" },
	{ { "properties", "target_groups", "additionalProperties", "properties",
	    "proxy_protocol", "const" },
	  "false" },
	{ { "properties", "load_balancers", "additionalProperties", "properties",
	    "listeners", "maxItems" },
	  "50" },
	{ { "properties", "gateway_load_balancers", "additionalProperties", "properties",
	    "stickiness", "default" },
	  "\"5_tuple\"" },
	{ { "properties", "rate_limits", "additionalProperties", "properties", "limit",
	    "maximum" },
	  "1099511627776" },
	{ { "properties", "rate_limits", "additionalProperties", "properties", "resource",
	    "pattern" },
	  "\"^(load_balancer|subnet)/[A-Za-z0-9._-]{1,63}$\"" },
	{ { "properties", "flow_logs" }, NULL },
};

int main(void)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_(json_freep) struct json *schema = NULL;
	_cleanup_free_ char *text = config_schema(), *page = config_reference();

	is(json_read("schema", text, strlen(text), d, &schema), 0, "the schema is JSON");
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct json *j = schema;
		_cleanup_free_ char *got = NULL;
		size_t k = 0;

		while (k < ARRAY_SIZE(places[i].path) && places[i].path[k])
			j = json_get(j, places[i].path[k++]);
		got = json_print(j, false);
		is_str(got, places[i].want, "the schema says so of %s",
		       places[i].path[k - 1]);
	}
	ok(strstr(page, "| `max_flows` | number, 1024 to 16777216 | `65536` |"),
	   "the reference page has bounds and default of a setting");
	ok(strstr(page, "`flow_logs`"),
	   "the reference page says what is not available yet");
	return done();
}
