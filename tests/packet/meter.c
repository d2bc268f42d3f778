/* SPDX-License-Identifier: Apache-2.0 */

/* What NAT gateways and balancers have counted, through images that come and go. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/meter.h"
#include "tests/lib/rules.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define MAX_CPUS 1024

/* A rule set with a NAT gateway for each small letter, a load balancer for each capital one and
 * a gateway load balancer for each digit, compiled after what is in force. */
static void letters_switch(struct dataplane *dp, const char *letters)
{
	_cleanup_(model_freep) struct model *m = NULL;
	_cleanup_(image_freep) struct image *image = NULL;
	struct image old = dataplane_image(dp);
	const struct facts facts = { .previous = old.lines ? &old : NULL };
	char nats[1024] = "", balancers[1024] = "", inspectors[1024] = "", text[4096];

	for (const char *l = letters; *l; l++)
		if (*l >= 'a')
			sprintf(nats + strlen(nats),
				"%s\"%c\":{\"subnet\":\"s\",\"private_address\":"
				"\"10.0.0.%d\"}",
				*nats ? "," : "", *l, *l);
		else if (*l >= 'A')
			sprintf(balancers + strlen(balancers),
				"%s\"%c\":{\"vpc\":\"v\",\"addresses\":[\"203.0.113.%d\"]"
				","
				"\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,"
				"\"forward\":[{\"target_group\":\"t\"}]}]}",
				*balancers ? "," : "", *l, *l);
		else
			sprintf(inspectors + strlen(inspectors),
				"%s\"%c\":{\"vpc\":\"v\",\"target_group\":\"i\"}",
				*inspectors ? "," : "", *l);
	snprintf(text, sizeof(text),
		 "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
		 "\"subnets\":{\"s\":{\"cidrs\":[\"10.0.0.0/24\"],\"device\":\"br\"}},"
		 "\"target_groups\":{\"t\":{\"vpc\":\"v\",\"protocol\":\"tcp\","
		 "\"port\":80,\"targets\":[{\"address\":\"10.0.0.10\"}]},"
		 "\"i\":{\"vpc\":\"v\",\"protocol\":\"geneve\",\"port\":6081,"
		 "\"targets\":[{\"address\":\"10.0.0.11\"}]}},"
		 "\"load_balancers\":{%s},\"gateway_load_balancers\":{%s},"
		 "\"nat_gateways\":{%s}}",
		 balancers, inspectors, nats);
	image = rules_image(text, &facts, &m);
	plane_switch(dp, image, false);
}

static uint32_t number_of(struct dataplane *dp, const char *name)
{
	static uint32_t owners[HG_METERS];
	struct image image = dataplane_image(dp);

	meters_owners(&image, owners);
	for (uint32_t i = 1; i < HG_METERS; i++)
		if (owners[i] && strcmp(image_object_name(&image, owners[i]), name) == 0)
			return i;
	return 0;
}

/* As packets would, on every CPU. Returns the sum of packets[0]. */
static uint64_t count(struct dataplane *dp, uint32_t nat, int n_cpus)
{
	static struct hg_meter cpus[MAX_CPUS];
	uint64_t sum = 0;

	for (int i = 0; i < n_cpus; i++) {
		cpus[i] = (struct hg_meter){ .packets = { 100 + i, 1 },
					     .idle_timeouts = 1,
					     .port_errors = 7 };
		sum += cpus[i].packets[0];
	}
	if (bpf_map_update_elem(dataplane_map_fd(dp, "hg_meters"), &nat, cpus, BPF_ANY) <
	    0)
		bail("hg_meters cannot be written");
	return sum;
}

static struct hg_meter read_of(struct dataplane *dp, const char *name)
{
	struct hg_meter m = {};

	if (meter_read(dp, number_of(dp, name), &m) < 0)
		bail("the meter of %s cannot be read", name);
	return m;
}

int main(void)
{
	const struct dataplane_options options = { .n_flow_sets = 64, .max_flows = 64 };
	_cleanup_(dataplane_freep) struct dataplane *dp = NULL;
	static uint32_t idle[HG_METERS];
	int n_cpus = libbpf_num_possible_cpus();
	struct hg_meter m;
	uint64_t sum;

	if (n_cpus < 1 || n_cpus > MAX_CPUS)
		bail("%d CPUs", n_cpus);
	if (dataplane_open(&options, &dp) < 0)
		bail("dataplane_open: %s", dataplane_error());
	letters_switch(dp, "bc");
	m = read_of(dp, "b");
	is((long long)(m.packets[0] + m.idle_timeouts), 0,
	   "a new NAT gateway has counted nothing");
	sum = count(dp, number_of(dp, "b"), n_cpus);
	m = read_of(dp, "b");
	is((long long)m.packets[0], (long long)sum,
	   "what all CPUs counted is one number");
	is((long long)m.port_errors, 7LL * n_cpus, "of each kind");
	idle[number_of(dp, "b")] = 5;
	is(meters_add_idle(dp, idle), 0, "the sweep may count, too");
	meters_add_idle(dp, idle);
	m = read_of(dp, "b");
	is((long long)m.idle_timeouts, n_cpus + 10,
	   "and its numbers are added to those of packets");
	is((long long)read_of(dp, "c").idle_timeouts, 0, "of that NAT gateway alone");

	letters_switch(dp, "abc");
	m = read_of(dp, "b");
	ok(m.packets[0] == sum && m.idle_timeouts == (uint64_t)n_cpus + 10,
	   "a NAT gateway that stays keeps its numbers when another comes before it");
	m = read_of(dp, "a");
	is((long long)(m.packets[0] + m.idle_timeouts), 0, "and that one begins at 0");

	letters_switch(dp, "ac");
	letters_switch(dp, "ac");
	letters_switch(dp, "acd");
	is(number_of(dp, "d"), 1, "the number of one that left comes to another");
	m = read_of(dp, "d");
	is((long long)(m.packets[0] + m.idle_timeouts + m.port_errors), 0,
	   "without what the other had counted");

	letters_switch(dp, "acdB1");
	ok(number_of(dp, "B") >= HG_METER_BALANCER &&
		   number_of(dp, "1") >= HG_METER_BALANCER,
	   "balancers have meters behind those of NAT gateways");
	is((long long)read_of(dp, "B").packets[0], 0, "which begin at 0");
	sum = count(dp, number_of(dp, "B"), n_cpus);
	count(dp, number_of(dp, "1"), n_cpus);
	letters_switch(dp, "dAB01");
	ok(read_of(dp, "B").packets[0] == sum && read_of(dp, "1").packets[0] == sum,
	   "and stay with them when others come before them");
	ok(read_of(dp, "A").packets[0] == 0 && read_of(dp, "0").packets[0] == 0,
	   "who begin at 0");
	letters_switch(dp, "dA");
	letters_switch(dp, "dAB1");
	ok(read_of(dp, "B").packets[0] == 0 && read_of(dp, "1").packets[0] == 0,
	   "who was away has counted nothing");
	return done();
}
