/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health.h"

#include "health/wire.h"
#include "tests/lib/tap.h"
#include "tests/unit/health/world.h"

#define SECOND 1000000000ULL

static struct world w;
static struct health *h;

static void begin(size_t n)
{
	struct health_events events = world_events(&w);

	health_free(h);
	world_init(&w, n);
	if (health_new(&events, &h) < 0)
		bail("no memory");
}

static void apply(uint64_t s)
{
	if (health_apply(h, &w.model, s * SECOND) < 0)
		bail("no memory");
}

/* A check of target 'i' ended so at 's'; 0 is a timeout. */
static void result(size_t i, uint16_t status, uint64_t s)
{
	const struct member *m = h->groups[0].members[i];
	struct wire_result r = {
		.version = WIRE_VERSION,
		.kind = WIRE_RESULT,
		.id = (uint32_t)m->id,
		.generation = m->generation,
		.outcome = status ? WIRE_ANSWERED : WIRE_TIMEOUT,
		.status = status,
		.duration_us = 1000,
	};

	order_result(h, &r, sizeof(r), s * SECOND);
	quorum_decide(h);
}

static void results(size_t first, size_t end, uint16_t status, unsigned n)
{
	while (n--)
		for (size_t i = first; i < end; i++)
			result(i, status, 1);
}

static void heard(const char *want, const char *name)
{
	is_str(w.text, want, "%s", name);
	w.text[0] = '\0';
	w.n_cuts = w.n_changed = 0;
}

static void run(uint64_t s)
{
	health_run(h, s * SECOND);
}

/* ---- coming and going ---- */

static void registration(void)
{
	begin(2);
	apply(0);
	ok(w.n_changed == 1, "a rule set of many targets is one change of pools");
	heard("web 10.0.0.1:80 unused>initial Elb.RegistrationInProgress\n"
	      "web 10.0.0.2:80 unused>initial Elb.RegistrationInProgress\n",
	      "targets are initial when they come");
	result(0, 200, 1);
	ok(w.n_changed == 1, "a result that changes a state changes the pools at once");
	heard("web 10.0.0.1:80 initial>healthy\n", "a success makes one healthy");
	result(0, 200, 2);
	ok(w.n_changed == 0, "one that does not, does not");
	result(0, 500, 3);
	apply(4);
	heard("", "the same rule set again changes no state");
	result(0, 404, 5);
	heard("web 10.0.0.1:80 healthy>unhealthy Target.ResponseCodeMismatch\n",
	      "and no count: the second failure is the second");
	ok(h->groups[0].members[0]->owes_cut,
	   "the pool of one new and one unhealthy target fails open, and spares it");
	w.matcher = (struct port_range){ 404, 404 };
	for (int i = 0; i < 5; i++)
		result(0, 404, 6);
	heard("web 10.0.0.1:80 unhealthy>healthy\n",
	      "the matcher says which status is a success");
}

static void draining(bool is_cut)
{
	begin(2);
	w.group.connection_termination = is_cut;
	apply(0);
	results(0, 2, 200, 1);
	w.text[0] = '\0';
	w.group.n_targets = 1;
	apply(10);
	heard("web 10.0.0.2:80 healthy>draining Target.DeregistrationInProgress\n",
	      "who leaves the rule set drains");
	ok(health_size(h) == 2, "and is known as long");
	w.group.deregistration_delay = 1;
	w.group.connection_termination = !is_cut;
	apply(20);
	run(309);
	heard("", "NLB7: at 299 s its connections are alive, whatever the rule set says "
		  "of others by then");
	run(311);
	heard(is_cut ? "web 10.0.0.2:80 draining>unused Target.NotRegistered\n"
		       "cut 10.0.0.2:80 tcp udp\n"
		     : "web 10.0.0.2:80 draining>unused Target.NotRegistered\n",
	      is_cut ? "NLB7: at 301 s it is gone, and cut where connections are "
		       "terminated"
		     : "NLB7: at 301 s it is gone, and not cut where they are not");
	struct health_info info;

	ok(!health_get(h, 1, &info), "then nothing is known of it");
}

static void back(void)
{
	begin(2);
	w.group.connection_termination = true;
	apply(0);
	results(0, 2, 200, 1);
	w.group.n_targets = 1;
	apply(10);
	w.group.n_targets = 2;
	w.text[0] = '\0';
	is(health_state(h, &w.model, 0, 1), HEALTH_INITIAL,
	   "who drains is initial in a rule set that has it again");
	apply(20);
	heard("web 10.0.0.2:80 draining>initial Elb.RegistrationInProgress\n",
	      "who comes back is new");
	run(400);
	heard("", "and its connections are not touched at the end of the delay");
	result(1, 200, 401);
	heard("web 10.0.0.2:80 initial>healthy\n", "it is checked again");
	w.group.n_targets = 1;
	w.group.deregistration_delay = 0;
	apply(402);
	apply(403);
	ok(strstr(w.text, "draining>unused") == NULL,
	   "the delay is the one that it had when it was there");
	run(702);
	ok(strstr(w.text, "draining>unused") != NULL, "300 s");
}

static void no_delay(void)
{
	begin(2);
	w.group.deregistration_delay = 0;
	w.group.connection_termination = true;
	apply(0);
	w.text[0] = '\0';
	w.model.n_target_groups = 0;
	w.model.n_load_balancers = 0;
	apply(1);
	heard("web 10.0.0.1:80 initial>draining Target.DeregistrationInProgress\n"
	      "web 10.0.0.2:80 initial>draining Target.DeregistrationInProgress\n"
	      "web 10.0.0.1:80 draining>unused Target.NotRegistered\n"
	      "cut 10.0.0.1:80 tcp udp\n"
	      "web 10.0.0.2:80 draining>unused Target.NotRegistered\n"
	      "cut 10.0.0.2:80 tcp udp\n",
	      "with the group its targets go; without a delay at once");
	w.model.n_target_groups = 1;
	w.model.n_load_balancers = 1;
	apply(2);
	ok(health_size(h) == 2 && health_find(h, 0, 1) < 2, "ids are used again");
}

static void unused(void)
{
	begin(1);
	w.model.n_load_balancers = 0;
	apply(0);
	heard("", "a group in no balancer has targets that nobody asks for");
	ok(health_find(h, 0, 0) == 0 && h->slots.items[0]->state.state == HEALTH_UNUSED &&
		   h->n_checked == 0,
	   "they are unused, and not checked");
	w.model.n_load_balancers = 1;
	apply(1);
	ok(h->n_checked == 1, "in a balancer they are");
	heard("web 10.0.0.1:80 unused>initial Elb.RegistrationInProgress\n",
	      "and as new");
	w.model.n_load_balancers = 0;
	apply(2);
	heard("web 10.0.0.1:80 initial>unused Target.NotInUse\n",
	      "and out of it, unused");
	w.model.n_target_groups = 0;
	apply(3);
	ok(!h->slots.items[0], "an unused target leaves without draining");
}

static void names(void)
{
	struct addr addresses[2] = { { .family = 6, .bytes = { 0x20, 1, 0xd, 0xb8 } },
				     { .family = 4, .bytes = { 10, 0, 0, 9 } } };
	struct interface interface = { .name = "web-1",
				       .addresses = addresses,
				       .n_addresses = 2 };
	struct health_info info;

	begin(2);
	w.model.interfaces = &interface;
	w.model.n_interfaces = 1;
	w.targets[0].interface = 0;
	w.targets[0].address = addresses[1];
	w.targets[1].address = addresses[0];
	w.targets[1].port = 8443;
	apply(0);
	health_get(h, health_find(h, 0, 0), &info);
	is_str(info.target, "interface/web-1:80", "an interface is called so");
	ok(info.addresses[0].family == 4 && info.addresses[1].family == 6,
	   "and has an address of each family");
	health_get(h, health_find(h, 0, 1), &info);
	is_str(info.target, "[2001:db8::]:8443", "an IPv6 address in brackets");
	ok(info.addresses[0].family == 0 && info.addresses[1].family == 6,
	   "and has the one");
	result(0, 200, 1);
	w.text[0] = '\0';
	addresses[1].bytes[3] = w.targets[0].address.bytes[3] = 77;
	apply(2);
	heard("web interface/web-1:80 unused>initial Elb.RegistrationInProgress\n"
	      "web interface/web-1:80 healthy>draining "
	      "Target.DeregistrationInProgress\n",
	      "an interface with another address is another target");
}

/* ---- unhealthy ---- */

static void cuts(void)
{
	begin(3);
	apply(0);
	results(0, 3, 200, 1);
	w.text[0] = '\0';
	results(2, 3, 0, 2);
	heard("web 10.0.0.3:80 healthy>unhealthy Target.Timeout\ncut 10.0.0.3:80 tcp\n",
	      "an unhealthy target's TCP connections are cut");
	result(2, 0, 1);
	apply(2);
	heard("", "once");
	results(0, 2, 500, 2);
	heard("web 10.0.0.1:80 healthy>unhealthy Target.ResponseCodeMismatch\n"
	      "cut 10.0.0.1:80 tcp\n"
	      "web 10.0.0.2:80 healthy>unhealthy Target.ResponseCodeMismatch\n",
	      "but not the last one's: now the group fails open");
	results(0, 1, 200, 5);
	heard("web 10.0.0.1:80 unhealthy>healthy\n"
	      "cut 10.0.0.2:80 tcp\n"
	      "cut 10.0.0.3:80 tcp\n",
	      "when it no longer does, who is unhealthy loses what came meanwhile");
	results(1, 2, 200, 5);
	heard("web 10.0.0.2:80 unhealthy>healthy\n", "who is healthy again keeps it");
}

static void spared(void)
{
	begin(2);
	w.group.unhealthy_termination = false;
	w.group.unhealthy_draining = 60;
	apply(0);
	results(0, 2, 200, 1);
	w.text[0] = '\0';
	results(1, 2, 0, 2);
	heard("web 10.0.0.2:80 healthy>unhealthy.draining Target.Timeout\n",
	      "without termination it drains, and nothing is cut");
	ok(health_count(h, 0).unhealthy == 1, "it counts as unhealthy");
	run(60);
	heard("", "for its interval");
	run(61);
	heard("web 10.0.0.2:80 unhealthy.draining>unhealthy Target.Timeout\n",
	      "after which it is unhealthy");
}

/* 10 targets in each of zones A and B, of which half must be healthy. */
static void zoned(bool crosses)
{
	begin(20);
	for (size_t i = 0; i < 20; i++)
		w.targets[i].zone = i < 10 ? "a" : "b";
	w.vips[0].zone = "a";
	w.vips[1].zone = "b";
	w.balancer.n_vips = 2;
	w.balancer.cross_zone = crosses;
	w.group.minimum_percentage = 50;
	apply(0);
	results(0, 20, 200, 1);
	w.text[0] = '\0';
	w.n_cuts = 0;
	results(10, 15, 0, 2);
	is((long long)w.n_cuts, 5, "NLB4: 5 of 10 in zone B have failed, and are cut");
	results(15, 16, 0, 2);
}

static void zones(void)
{
	zoned(true);
	is((long long)w.n_cuts, 6,
	   "NLB4: cross-zone, 70 %% are healthy: so is the sixth");
	zoned(false);
	is((long long)w.n_cuts, 5,
	   "NLB4: else zone B has 40 %% and fails open: the sixth is spared");
	results(0, 1, 0, 2);
	is((long long)w.n_cuts, 6, "one of zone A is not");
	w.group.cross_zone = 1;
	apply(3);
	is((long long)w.n_cuts, 12,
	   "when the group crosses zones it is no longer open, and six are cut");
}

static void appliances(bool is_rebalancing)
{
	struct gateway_load_balancer gwlb = { .name = "g" };

	begin(2);
	w.model.n_load_balancers = 0;
	w.model.gateway_load_balancers = &gwlb;
	w.model.n_gateway_load_balancers = 1;
	w.group.protocol = TARGET_GENEVE;
	w.group.is_rebalancing = is_rebalancing;
	w.group.unhealthy_termination = false;
	apply(0);
	results(0, 2, 200, 1);
	w.text[0] = '\0';
	results(1, 2, 0, 2);
	heard(is_rebalancing ? "web 10.0.0.2:80 healthy>unhealthy Target.Timeout\n"
			       "cut 10.0.0.2:80 geneve\n"
			     : "web 10.0.0.2:80 healthy>unhealthy Target.Timeout\n",
	      is_rebalancing ? "what an unhealthy appliance has goes to another"
			     : "and without target_failover it stays");
	w.group.n_targets = 0;
	apply(2);
	w.text[0] = '\0';
	w.n_cuts = 0;
	run(303);
	is((long long)w.n_cuts, is_rebalancing ? 2 : 0,
	   "so does what appliances have that have drained");
}

/* ---- a restart, and messages of others ---- */

static enum health_state remembered(void *arg, size_t group, size_t target)
{
	static const enum health_state states[] = { HEALTH_HEALTHY, HEALTH_UNHEALTHY,
						    HEALTH_INITIAL };

	(void)arg;
	(void)group;
	return states[target];
}

static void restart(void)
{
	begin(3);
	health_recall(h, remembered, NULL);
	apply(0);
	heard("", "after a restart states are remembered, and nobody is cut");
	ok(health_state(h, &w.model, 0, 0) == HEALTH_HEALTHY &&
		   health_state(h, &w.model, 0, 1) == HEALTH_UNHEALTHY &&
		   health_state(h, &w.model, 0, 2) == HEALTH_INITIAL,
	   "as the data plane shows them");
	w.group.n_targets = 4;
	apply(1);
	heard("web 10.0.0.4:80 unused>initial Elb.RegistrationInProgress\n",
	      "the next rule set is not remembered");
}

static void strangers(void)
{
	struct wire_result good, r;
	const struct member *m;

	begin(1);
	apply(0);
	m = h->groups[0].members[0];
	good = (struct wire_result){ .version = WIRE_VERSION,
				     .kind = WIRE_RESULT,
				     .id = (uint32_t)m->id,
				     .generation = m->generation,
				     .status = 200 };
#define REFUSED(change, name)                                                        \
	do {                                                                         \
		r = good;                                                            \
		change;                                                              \
		ok(order_result(h, &r, sizeof(r), SECOND) < 0, "refused: %s", name); \
	} while (0)
#define NOBODYS(change, name)                                                   \
	do {                                                                    \
		r = good;                                                       \
		change;                                                         \
		ok(order_result(h, &r, sizeof(r), SECOND) == 0 && m->n_ok == 0, \
		   "nobody's: %s", name);                                       \
	} while (0)
	REFUSED(r.version++, "another version");
	REFUSED(r.kind = WIRE_SET, "an order");
	REFUSED(r.outcome = WIRE_FAILED + 1, "an outcome that there is not");
	REFUSED(r.status = 1000, "a status of four digits");
	REFUSED(r.outcome = WIRE_TIMEOUT, "a status of no answer");
	REFUSED(r.id = WIRE_CHECKS, "an id beyond all");
	NOBODYS(r.id = 7, "an id that no check has");
	NOBODYS(r.generation--, "an order that was replaced");
	ok(order_result(h, &good, sizeof(good) - 1, SECOND) < 0, "refused: a byte less");
	is((long long)h->n_refused, 7, "what is refused is counted");
	ok(order_result(h, &good, sizeof(good), SECOND) == 0 && m->n_ok == 1,
	   "the same message without a fault counts");
	good.generation = m->generation;
	w.group.health_check.path = "/other";
	apply(1);
	order_result(h, &good, sizeof(good), SECOND);
	is((long long)m->n_ok, 1, "a result of the check as it was before is nobody's");
	w.model.n_load_balancers = 0;
	apply(2);
	good.generation = m->generation;
	order_result(h, &good, sizeof(good), SECOND);
	ok(m->n_ok == 1 && m->state.state == HEALTH_UNUSED, "nor of one that has ended");
}

int main(void)
{
	registration();
	draining(false);
	draining(true);
	back();
	no_delay();
	unused();
	names();
	cuts();
	spared();
	zones();
	appliances(true);
	appliances(false);
	restart();
	strangers();
	health_free(h);
	return done();
}
