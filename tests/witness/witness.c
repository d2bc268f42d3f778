/* SPDX-License-Identifier: Apache-2.0 */

/* Three readings of the same rules are made by people who have not looked at each other's:
 * the oracle from docs/semantics.md, the compiler's image walked on the host, and the loaded
 * program. They meet here on random rule sets and packets, and have to agree on every one.
 *
 * Two things keep this honest. Bits of the image are turned over at the end of a run, and a
 * run that does not notice has failed. And what the packets provoked is added up: a
 * generator that only ever met one reason would agree with anything.
 *
 *   witness [--seed N] [--sets N] [--worlds N] [--crowds N] [--packets N] [--eval] [--out DIR]
 *           [--replay FILE]
 *
 * HG_WITNESS=eval is --eval: without the loaded program, and so without privilege.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"
#include "tests/witness/dice.h"
#include "tests/witness/rules.h"
#include "tests/witness/trial.h"
#include "tests/witness/world.h"

#include "config/read.h"

#define MAX_REPORTS 3 /* reduced and printed; further ones are only counted */
#define FAULTS      40
#define FAULTS_SEEN 4 /* of them, at least */

struct options {
	uint64_t seed;
	unsigned sets, worlds, crowds, packets;
	bool is_eval;
	const char *out, *replay;
};

struct tally {
	size_t judged, allowed, tracked, routed, balanced, chosen, reasons[HG_DROPS];
	unsigned reports;
};

/* What a trial is about. */
enum matter { MATTER_DOORS, MATTER_WORLD, MATTER_CROWD };

static struct json *rules_roll(enum matter matter, uint64_t topology, uint64_t rules)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_free_ char *text =
		matter == MATTER_DOORS
			? rules_text(topology, rules)
			: world_text(topology, rules, matter == MATTER_CROWD);
	struct json *j = NULL;

	if (json_read("rules", text, strlen(text), d, &j) < 0)
		bail("the generator wrote what is no JSON:\n%s", text);
	return j;
}

/* The script draws on the models; a refused rule set has none, and trial_run() will say so. */
static struct script *script_roll(const struct trial *t, enum matter matter,
				  uint64_t seed, unsigned packets)
{
	struct model *models[VERSIONS] = {};
	struct script *s = NULL;
	bool good = true;

	for (unsigned v = 0; v < t->n_rules; v++) {
		_cleanup_(diag_freep) struct diag *d = diag_new();
		_cleanup_free_ char *text = json_print(t->rules[v], true);

		good &= config_read_text("rules", text, strlen(text), NULL, d,
					 &models[v]) == 0;
	}
	if (good)
		s = (matter == MATTER_DOORS ? script_write : travel_write)(
			seed, models, t->n_rules, packets);
	else
		s = calloc(1, sizeof(*s));
	for (unsigned v = 0; v < t->n_rules; v++)
		model_free(models[v]);
	return s;
}

static struct trial trial_roll(enum matter matter, uint64_t seed, unsigned packets)
{
	struct dice d = { seed };
	uint64_t topology = dice_throw(&d);
	struct trial t = { .n_rules = 1 + dice_below(&d, VERSIONS) };

	for (unsigned v = 0; v < t.n_rules; v++)
		t.rules[v] = rules_roll(matter, topology, dice_throw(&d));
	t.is_xdp = dice_chance(&d, 50);
	t.script = script_roll(&t, matter, dice_throw(&d), packets);
	return t;
}

static void report(struct trial *t, struct dataplane *dp, struct outcome *outcome,
		   const struct options *o, uint64_t seed)
{
	char path[4096];

	if (outcome->end == TRIAL_DIFFERED)
		trial_reduce(t, dp, outcome);
	trial_print(t, outcome);
	snprintf(path, sizeof(path), "%s/witness-%016llx.json", o->out,
		 (unsigned long long)seed);
	if (trial_write(t, path) == 0)
		note("the case is in %s; run it with --replay", path);
}

static void run_retry(const struct trial *t, struct dataplane *dp,
		      const struct fault *fault, struct outcome *outcome)
{
	for (int tries = 0; tries < 5; tries++) {
		trial_run(t, dp, fault, outcome);
		if (outcome->end != TRIAL_VOID)
			return;
	}
	bail("this machine is too busy to say what second it is");
}

static void run_set(uint64_t seed, enum matter matter, unsigned number,
		    struct dataplane *dp, const struct options *o, struct tally *tally)
{
	struct trial t = trial_roll(matter, seed, o->packets);
	struct outcome outcome;

	run_retry(&t, dp, NULL, &outcome);
	tally->judged += outcome.n_judged;
	tally->allowed += outcome.n_allowed;
	tally->tracked += outcome.n_tracked;
	tally->routed += outcome.n_routed;
	tally->balanced += outcome.n_balanced;
	tally->chosen += outcome.n_chosen;
	for (uint32_t r = 0; r < HG_DROPS; r++)
		tally->reasons[r] += outcome.reasons[r];
	ok(outcome.end == TRIAL_AGREED,
	   "set %u, seed 0x%016llx: %zu packets, all witnesses agree", number,
	   (unsigned long long)seed, outcome.n_judged);
	if (outcome.end != TRIAL_AGREED && tally->reports++ < MAX_REPORTS)
		report(&t, dp, &outcome, o, seed);
	trial_free(&t);
}

/* One bit is turned over in the image of one witness, many times. Not every bit is ever
 * looked at, but many are. */
static void plant_faults(struct dice *d, struct dataplane *dp, enum witness who,
			 const char *name, const struct options *o)
{
	unsigned caught = 0, planted = 0;

	while (planted < FAULTS) {
		struct trial t = trial_roll(MATTER_DOORS, dice_throw(d), o->packets);
		struct outcome outcome;
		struct fault f;

		for (int i = 0; i < 8 && fault_pick(&t, dice_throw(d), who, &f); i++) {
			run_retry(&t, who == WITNESS_LOADED ? dp : NULL, &f, &outcome);
			caught += outcome.end == TRIAL_DIFFERED && outcome.other == who;
			planted++;
		}
		trial_free(&t);
	}
	ok(caught >= FAULTS_SEEN, "bits turned over in the image of %s are noticed",
	   name);
	note("%u of %u planted faults were met by a packet, and caught", caught, planted);
}

static void check_tally(const struct tally *t)
{
	static const struct {
		uint32_t reason;
		const char *name;
	} wanted[] = {
		{ HG_DROP_MALFORMED, "MALFORMED" },
		{ HG_DROP_UNSUPPORTED, "UNSUPPORTED" },
		{ HG_DROP_FRAGMENT, "FRAGMENT" },
		{ HG_DROP_SOURCE_CHECK, "SOURCE_CHECK" },
		{ HG_DROP_DEST_CHECK, "DEST_CHECK" },
		{ HG_DROP_SG_EGRESS, "SG_EGRESS" },
		{ HG_DROP_SG_INGRESS, "SG_INGRESS" },
		{ HG_DROP_NACL_EGRESS, "NACL_EGRESS" },
		{ HG_DROP_NACL_INGRESS, "NACL_INGRESS" },
		{ HG_DROP_NO_ROUTE, "NO_ROUTE" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		ok(t->reasons[wanted[i].reason] > 0, "the packets provoked %s",
		   wanted[i].name);
		note("%zu times", t->reasons[wanted[i].reason]);
	}
	ok(t->allowed * 5 > t->judged, "more than a fifth of the packets passed");
	ok(t->tracked * 20 > t->judged, "more than a twentieth belonged to a connection");
	note("%zu packets: %zu passed, %zu of a tracked connection", t->judged,
	     t->allowed, t->tracked);
}

static void check_travels(const struct tally *t)
{
	static const struct {
		uint32_t reason;
		const char *name;
	} wanted[] = {
		{ HG_DROP_NO_ROUTE, "NO_ROUTE" },
		{ HG_DROP_BLACKHOLE, "BLACKHOLE" },
		{ HG_DROP_TTL_EXPIRED, "TTL_EXPIRED" },
		{ HG_DROP_TOO_BIG, "TOO_BIG" },
		{ HG_DROP_NO_FLOW, "NO_FLOW" },
		{ HG_DROP_NAT_PROTOCOL, "NAT_PROTOCOL" },
		{ HG_DROP_NAT_UNSOLICITED, "NAT_UNSOLICITED" },
		{ HG_DROP_NO_PUBLIC_ADDRESS, "NO_PUBLIC_ADDRESS" },
		{ HG_DROP_PRIVATE_DESTINATION, "PRIVATE_DESTINATION" },
		{ HG_DROP_EGRESS_ONLY, "EGRESS_ONLY" },
		{ HG_DROP_PEERING, "PEERING" },
		{ HG_DROP_FRAGMENT, "FRAGMENT" },
		{ HG_DROP_SOURCE_CHECK, "SOURCE_CHECK" },
		{ HG_DROP_DEST_CHECK, "DEST_CHECK" },
		{ HG_DROP_NACL_EGRESS, "NACL_EGRESS" },
		{ HG_DROP_NACL_INGRESS, "NACL_INGRESS" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		ok(t->reasons[wanted[i].reason] > 0, "packets on their way provoked %s",
		   wanted[i].name);
		note("%zu times", t->reasons[wanted[i].reason]);
	}
	ok(t->routed * 8 > t->judged, "more than an eighth of them arrived somewhere");
	ok(t->tracked * 20 > t->judged, "more than a twentieth were of a connection");
	note("%zu packets: %zu passed, %zu routed, %zu of a tracked connection",
	     t->judged, t->allowed, t->routed, t->tracked);
}

static void check_crowds(const struct tally *t)
{
	static const struct {
		uint32_t reason;
		const char *name;
	} wanted[] = {
		{ HG_DROP_NO_LISTENER, "NO_LISTENER" },
		{ HG_DROP_NO_TARGET, "NO_TARGET" },
		{ HG_DROP_NO_FLOW, "NO_FLOW" },
		{ HG_DROP_FRAGMENT, "FRAGMENT" },
		{ HG_DROP_TTL_EXPIRED, "TTL_EXPIRED" },
		{ HG_DROP_TOO_BIG, "TOO_BIG" },
		{ HG_DROP_SOURCE_CHECK, "SOURCE_CHECK" },
		{ HG_DROP_SG_INGRESS, "SG_INGRESS" },
		{ HG_DROP_SG_EGRESS, "SG_EGRESS" },
		{ HG_DROP_NACL_EGRESS, "NACL_EGRESS" },
		{ HG_DROP_NACL_INGRESS, "NACL_INGRESS" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		ok(t->reasons[wanted[i].reason] > 0,
		   "packets among load balancers provoked %s", wanted[i].name);
		note("%zu times", t->reasons[wanted[i].reason]);
	}
	ok(t->balanced * 60 > t->judged, "more than a sixtieth of them were balanced");
	ok(t->chosen * 100 > t->judged, "and more than a hundredth left a choice");
	note("%zu packets: %zu passed, %zu through a balancer, %zu left it a choice",
	     t->judged, t->allowed, t->balanced, t->chosen);
}

static int replay(const struct options *o, struct dataplane *dp)
{
	struct outcome outcome;
	struct trial t;

	if (trial_read(o->replay, &t) < 0)
		bail("cannot read %s", o->replay);
	run_retry(&t, dp, NULL, &outcome);
	if (!ok(outcome.end == TRIAL_AGREED, "%s: all witnesses agree", o->replay)) {
		if (outcome.end == TRIAL_DIFFERED)
			trial_reduce(&t, dp, &outcome);
		trial_print(&t, &outcome);
	}
	trial_free(&t);
	return done();
}

static struct options read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "sets", required_argument, NULL, 'n' },
		{ "worlds", required_argument, NULL, 'w' },
		{ "crowds", required_argument, NULL, 'c' },
		{ "packets", required_argument, NULL, 'p' },
		{ "eval", no_argument, NULL, 'e' },
		{ "out", required_argument, NULL, 'o' },
		{ "replay", required_argument, NULL, 'r' },
		{},
	};
	const char *env = getenv("HG_WITNESS"), *results = getenv("HG_RESULTS");
	struct options o = {
		.seed = 20240131, .sets = 240, .worlds = 80, .crowds = 40, .packets = 500
	};
	int c;

	o.is_eval = env && strcmp(env, "eval") == 0;
	o.out = results ? results : "/tmp";
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 's':
			o.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			o.sets = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			o.worlds = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			o.crowds = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			o.packets = strtoul(optarg, NULL, 0);
			break;
		case 'e':
			o.is_eval = true;
			break;
		case 'o':
			o.out = optarg;
			break;
		case 'r':
			o.replay = optarg;
			break;
		default:
			exit(2);
		}
	}
	return o;
}

int main(int argc, char **argv)
{
	const struct dataplane_options plane = { .n_flow_sets = 4096 };
	struct options o = read_options(argc, argv);
	_cleanup_(dataplane_freep) struct dataplane *dp = NULL;
	struct dice d = { o.seed };
	struct dice worlds = { ~o.seed };
	struct dice crowds = { o.seed * 3 };
	struct tally tally = {}, travels = {}, balanced = {};

	if (!o.is_eval && dataplane_open(&plane, &dp) < 0)
		bail("cannot load the data plane: %s", dataplane_error());
	if (o.replay)
		return replay(&o, dp);
	note("seed %llu, %u rule sets, %u packets each%s", (unsigned long long)o.seed,
	     o.sets, o.packets, dp ? "" : ", without the loaded program");
	for (unsigned i = 0; i < o.sets; i++)
		run_set(dice_throw(&d), MATTER_DOORS, i, dp, &o, &tally);
	if (o.sets >= 50)
		check_tally(&tally);
	for (unsigned i = 0; i < o.worlds; i++)
		run_set(dice_throw(&worlds), MATTER_WORLD, o.sets + i, dp, &o, &travels);
	if (o.worlds >= 50)
		check_travels(&travels);
	/* By the evaluator alone: the loaded program and it are held together by tests/packet. */
	for (unsigned i = 0; i < o.crowds; i++)
		run_set(dice_throw(&crowds), MATTER_CROWD, o.sets + o.worlds + i, NULL,
			&o, &balanced);
	if (o.crowds >= 40)
		check_crowds(&balanced);
	plant_faults(&d, NULL, WITNESS_EVAL, "the evaluator", &o);
	if (dp)
		plant_faults(&d, dp, WITNESS_LOADED, "the loaded program", &o);
	return done();
}
