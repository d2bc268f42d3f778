/* SPDX-License-Identifier: Apache-2.0 */

/* What a balancer has counted, and what is known of a target, as JSON. */
#include "ctl/balancer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "tests/lib/tap.h"

#define ID (HG_METER_BALANCER + 3)

static long long number(const struct json *j, const char *key)
{
	const struct json *n = json_get(j, key);

	return json_is_number(n) ? (long long)json_number(n) : -1;
}

static void test_metrics(void)
{
	static const struct hg_meter meter = {
		.packets = { 1, 20 },
		.port_errors = 300,
		.flows = { 4000, 50000 },
		.protocol_bytes = { 600000, 7000000 },
		.resets = { 11, 12, 13 },
		.rejected = 14,
		.unhealthy_routing = 15,
		.blocked = { 16, 17 },
	};
	static const struct {
		const char *name;
		long long value;
	} want[] = {
		{ "ActiveFlowCount", 3 },
		{ "ActiveFlowCount_TCP", 2 },
		{ "ActiveFlowCount_UDP", 1 },
		{ "NewFlowCount", 54000 },
		{ "NewFlowCount_TCP", 4000 },
		{ "NewFlowCount_UDP", 50000 },
		{ "PortAllocationErrorCount", 300 },
		{ "ProcessedBytes", 7600000 },
		{ "ProcessedBytes_TCP", 600000 },
		{ "ProcessedBytes_UDP", 7000000 },
		{ "ProcessedPackets", 21 },
		{ "RejectedFlowCount", 14 },
		{ "SecurityGroupBlockedFlowCount_Inbound", 16 },
		{ "SecurityGroupBlockedFlowCount_Outbound", 17 },
		{ "TCP_Client_Reset_Count", 11 },
		{ "TCP_Target_Reset_Count", 12 },
		{ "TCP_ELB_Reset_Count", 13 },
		{ "UnhealthyRoutingFlowCount", 15 },
	};
	struct flow_target t = { { { 7 } }, ID, htons(80), IPPROTO_TCP, HG_FAMILY_4 };
	_cleanup_(json_freep) struct json *j = NULL, *g = NULL;
	struct tally tally = {};

	tally_add(&tally, &t);
	tally_add(&tally, &t);
	t.protocol = IPPROTO_UDP;
	tally_add(&tally, &t);
	t.meter++;
	tally_add(&tally, &t);
	j = balancer_metrics_json(&meter, &tally, ID);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		is(number(j, want[i].name), want[i].value, "%s", want[i].name);
	is((long long)json_size(j), (long long)ARRAY_SIZE(want),
	   "a network load balancer has no others");
	g = inspector_metrics_json(&meter, &tally, ID);
	ok(number(g, "ActiveFlowCount") == 3 && number(g, "NewFlowCount") == 54000 &&
		   number(g, "ProcessedBytes") == 7600000 && json_size(g) == 3,
	   "a gateway load balancer has three of them");
	tally_done(&tally);
}

static const char *text(const struct json *j, const char *key)
{
	const char *t = json_string(json_get(j, key));

	return t ? t : json_is_null(json_get(j, key)) ? "null" : "absent";
}

static void test_target(void)
{
	struct health_info t = {
		.group = "web",
		.target = "[fd00::1]:443",
		.port = 443,
		.weight = 9,
		.state = { .state = HEALTH_UNHEALTHY_DRAINING,
			   .reason = REASON_TIMEOUT,
			   .since_ns = 60000000000ULL },
		.n_ok = 5,
		.n_failed = 6,
		.last_us = 1250,
	};
	/* A minute and a half after the start of the clock: half a minute ago. */
	uint64_t now = 90000000000ULL;
	int64_t today = 1767328230LL * 1000000000; /* 2026-01-02T04:30:30Z */
	_cleanup_(json_freep) struct json *j = NULL, *fresh = NULL;

	addr_parse("fd00::1", &t.address);
	j = target_json(&t, now, today);
	is_str(text(j, "target"), "[fd00::1]:443",
	       "a target is called what it is in its group");
	is_str(text(j, "address"), "fd00::1", "with the address that is checked");
	is_str(text(j, "zone"), "null", "none is null");
	is_str(text(j, "state"), "unhealthy.draining", "states have AWS's names");
	is_str(text(j, "reason"), "Target.Timeout", "so have reasons");
	is_str(text(j, "since"), "2026-01-02T04:30:00Z",
	       "the time since when is of the calendar");
	ok(number(json_get(j, "checks"), "ok") == 5 &&
		   number(json_get(j, "checks"), "failed") == 6 &&
		   json_number(json_get(json_get(j, "checks"), "last_ms")) == 1.25,
	   "checks are counted, and the last one is timed");
	t.state = (struct state){ .state = HEALTH_INITIAL };
	t.n_ok = t.n_failed = 0;
	fresh = target_json(&t, now, today);
	is_str(text(fresh, "reason"), "null", "what has no reason has null");
	is_str(text(fresh, "since"), "null", "a time that is not known, too");
	is_str(text(json_get(fresh, "checks"), "last_ms"), "null",
	       "and the duration of a check that was not made");
}

int main(void)
{
	test_metrics();
	test_target();
	return done();
}
