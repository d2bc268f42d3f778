/* SPDX-License-Identifier: Apache-2.0 */
#include "health/state.h"

#include "tests/lib/tap.h"

#define SECOND 1000000000ULL

enum step { REGISTER, UNUSE, LEAVE, SENT, OK, TIMEOUT, MISMATCH, FAILED, WAIT, STEPS };

static const struct state_rules rules = { .healthy_threshold = 5,
					  .unhealthy_threshold = 2 };
static const struct state_rules gentle = { .healthy_threshold = 3,
					   .unhealthy_threshold = 2,
					   .unhealthy_draining = 60 };

static bool step(struct state *s, const struct state_rules *r, enum step what,
		 uint64_t now)
{
	switch (what) {
	case REGISTER:
		return state_register(s, now);
	case UNUSE:
		return state_unuse(s, now);
	case LEAVE:
		return state_leave(s, 300, now);
	case SENT:
		state_sent(s);
		return false;
	case OK:
		return state_result(s, r, OUTCOME_OK, 200, now);
	case TIMEOUT:
		return state_result(s, r, OUTCOME_TIMEOUT, 0, now);
	case MISMATCH:
		return state_result(s, r, OUTCOME_MISMATCH, 500, now);
	case FAILED:
		return state_result(s, r, OUTCOME_FAILED, 0, now);
	default:
		return state_pass(s, now);
	}
}

/* A target on its way to 'from', by words that are proven below. */
static struct state in(enum health_state from, const struct state_rules *r)
{
	struct state s = {};

	if (from == HEALTH_UNUSED)
		return s;
	state_register(&s, 0);
	if (from == HEALTH_HEALTHY)
		step(&s, r, OK, 0);
	if (from == HEALTH_UNHEALTHY || from == HEALTH_UNHEALTHY_DRAINING) {
		step(&s, r, FAILED, 0);
		step(&s, r, FAILED, 0);
	}
	if (from == HEALTH_DRAINING)
		state_leave(&s, 300, 0);
	return s;
}

/* ---- every state, met with everything once ---- */

static void transitions(void)
{
#define U HEALTH_UNUSED
#define I HEALTH_INITIAL
#define H HEALTH_HEALTHY
#define S HEALTH_UNHEALTHY
#define G HEALTH_UNHEALTHY_DRAINING
#define D HEALTH_DRAINING
	static const enum health_state to[HEALTH_STATE_END][STEPS] = {
		/* REGISTER UNUSE LEAVE SENT OK TIMEOUT MISMATCH FAILED WAIT */
		[U] = { I, U, U, U, U, U, U, U, U }, [I] = { I, U, D, I, H, I, I, I, I },
		[H] = { H, U, D, H, H, H, H, H, H }, [S] = { S, U, D, S, S, S, S, S, S },
		[G] = { G, U, D, G, G, G, G, G, S }, [D] = { I, U, D, D, D, D, D, D, U },
	};
#undef U
#undef I
#undef H
#undef S
#undef G
#undef D
	static const char *const words[] = { "registering it",
					     "its group in no balancer",
					     "leaving the rules",
					     "the first check being sent",
					     "a success",
					     "a timeout",
					     "a wrong status",
					     "a failure",
					     "the time of the draining" };

	for (enum health_state from = 0; from < HEALTH_STATE_END; from++)
		for (enum step what = 0; what < STEPS; what++) {
			const struct state_rules *r =
				from == HEALTH_UNHEALTHY_DRAINING ? &gentle : &rules;
			struct state s = in(from, r);
			bool is_other = step(&s, r, what, 301 * SECOND);

			ok(s.state == to[from][what] && is_other == (s.state != from) &&
				   s.since_ns == (is_other ? 301 * SECOND : 0),
			   "of %s %s makes %s", state_name(from), words[what],
			   state_name(to[from][what]));
		}
}

/* ---- counting ---- */

static void new_target(void)
{
	struct state s = {};

	state_register(&s, 0);
	is_str(state_reason(s.reason), "Elb.RegistrationInProgress",
	       "a new target's first check was not sent yet");
	state_sent(&s);
	is_str(state_reason(s.reason), "Elb.InitialHealthChecking", "then it was");
	ok(step(&s, &rules, OK, 1) && s.state == HEALTH_HEALTHY,
	   "NLB1: with a threshold of 5, the first success puts it in service");
	is_str(state_reason(s.reason), "", "what is healthy has no reason");
	ok(!step(&s, &rules, FAILED, 2) && s.state == HEALTH_HEALTHY,
	   "NLB1: one failure is no two");
	ok(step(&s, &rules, FAILED, 3) && s.state == HEALTH_UNHEALTHY,
	   "NLB1: the second in a row takes it out");
	for (int i = 0; i < 4; i++)
		step(&s, &rules, OK, 4);
	is(s.state, HEALTH_UNHEALTHY, "NLB1: four successes are no five");
	ok(step(&s, &rules, OK, 5) && s.state == HEALTH_HEALTHY,
	   "NLB1: the fifth in a row brings it back");
}

static void rows(void)
{
	struct state s = in(HEALTH_HEALTHY, &rules);

	step(&s, &rules, FAILED, 1);
	step(&s, &rules, OK, 1);
	step(&s, &rules, FAILED, 1);
	is(s.state, HEALTH_HEALTHY, "failures with a success between are no row");
	s = in(HEALTH_UNHEALTHY, &rules);
	for (int i = 0; i < 4; i++)
		step(&s, &rules, OK, 1);
	step(&s, &rules, TIMEOUT, 1);
	for (int i = 0; i < 4; i++)
		step(&s, &rules, OK, 1);
	is(s.state, HEALTH_UNHEALTHY, "nor are successes with a failure between");
	step(&s, &rules, OK, 1);
	is(s.state, HEALTH_HEALTHY, "five after it are");
	s = in(HEALTH_INITIAL, &rules);
	step(&s, &rules, FAILED, 1);
	is(s.state, HEALTH_INITIAL, "a new target that failed once is new");
	step(&s, &rules, TIMEOUT, 1);
	is(s.state, HEALTH_UNHEALTHY, "and unhealthy after the threshold");
	s = in(HEALTH_INITIAL, &rules);
	step(&s, &rules, FAILED, 1);
	step(&s, &rules, OK, 1);
	is(s.state, HEALTH_HEALTHY,
	   "a new target's first success counts after a failure too");
}

static void reasons(void)
{
	struct state s = in(HEALTH_HEALTHY, &rules);
	char text[STATE_TEXT];

	step(&s, &rules, FAILED, 1);
	step(&s, &rules, MISMATCH, 1);
	is_str(state_reason(s.reason), "Target.ResponseCodeMismatch",
	       "the reason is the last failure's");
	is_str(state_describe(&s, text), "it answered with status 500",
	       "and the status is told");
	step(&s, &rules, OK, 2);
	is_str(state_reason(s.reason), "Target.ResponseCodeMismatch",
	       "a success that is not enough leaves it");
	step(&s, &rules, TIMEOUT, 2);
	is_str(state_reason(s.reason), "Target.Timeout",
	       "while unhealthy, the next failure's replaces it");
	step(&s, &rules, FAILED, 2);
	is_str(state_reason(s.reason), "Target.FailedHealthChecks", "each does");
	state_unuse(&s, 3);
	is_str(state_reason(s.reason), "Target.NotInUse",
	       "what no balancer uses says so");
	s = in(HEALTH_DRAINING, &rules);
	is_str(state_reason(s.reason), "Target.DeregistrationInProgress",
	       "what left the rules says so");
}

/* ---- time ---- */

static void unhealthy_draining(void)
{
	struct state s = in(HEALTH_HEALTHY, &gentle);

	step(&s, &gentle, FAILED, SECOND);
	ok(step(&s, &gentle, FAILED, SECOND) && s.state == HEALTH_UNHEALTHY_DRAINING,
	   "an unhealthy target whose connections go on drains");
	is_str(state_name(s.state), "unhealthy.draining", "that is its name");
	step(&s, &gentle, OK, 60 * SECOND);
	step(&s, &gentle, OK, 60 * SECOND);
	ok(!state_pass(&s, 60 * SECOND) && s.state == HEALTH_UNHEALTHY_DRAINING,
	   "it drains for the interval");
	ok(state_pass(&s, 61 * SECOND) && s.state == HEALTH_UNHEALTHY,
	   "and is unhealthy then");
	is_str(state_reason(s.reason), "Target.FailedHealthChecks",
	       "for the same reason");
	ok(step(&s, &gentle, OK, 62 * SECOND) && s.state == HEALTH_HEALTHY,
	   "successes before the end count after it");
	s = in(HEALTH_UNHEALTHY_DRAINING, &gentle);
	for (int i = 0; i < 3; i++)
		step(&s, &gentle, OK, SECOND);
	ok(s.state == HEALTH_HEALTHY && !state_pass(&s, 61 * SECOND),
	   "it can be healthy before the end, which is none then");
}

static void deregistration(void)
{
	struct state s = in(HEALTH_HEALTHY, &rules);

	state_leave(&s, 300, 0);
	ok(!state_pass(&s, 299 * SECOND) && s.state == HEALTH_DRAINING,
	   "NLB7: with a delay of 300 s it drains at 299 s");
	ok(!state_leave(&s, 300, 200 * SECOND) && s.until_ns == 300 * SECOND,
	   "another rule set without it does not start the delay anew");
	ok(state_pass(&s, 301 * SECOND) && s.state == HEALTH_UNUSED,
	   "NLB7: and is gone at 301 s");
	is_str(state_reason(s.reason), "Target.NotRegistered", "and says so");
	s = in(HEALTH_HEALTHY, &rules);
	state_leave(&s, 300, 0);
	ok(state_register(&s, 10 * SECOND) && s.state == HEALTH_INITIAL &&
		   s.reason == REASON_REGISTERING && s.until_ns == 0,
	   "back before that, it is as new");
	ok(!state_pass(&s, 301 * SECOND) && s.state == HEALTH_INITIAL,
	   "and the delay is forgotten");
	s = in(HEALTH_HEALTHY, &rules);
	state_leave(&s, 0, 5 * SECOND);
	ok(state_pass(&s, 5 * SECOND), "a delay of 0 ends at once");
}

static void recall(void)
{
	struct state s = {};

	state_register(&s, 1);
	state_recall(&s, HEALTH_UNHEALTHY, 2);
	ok(s.state == HEALTH_UNHEALTHY && s.reason == REASON_FAILED,
	   "what the data plane kept out is unhealthy after a restart");
	for (int i = 0; i < 4; i++)
		step(&s, &rules, OK, 3);
	is(s.state, HEALTH_UNHEALTHY, "and takes as many successes as ever");
	state_recall(&s, HEALTH_HEALTHY, 4);
	step(&s, &rules, FAILED, 5);
	is(s.state, HEALTH_HEALTHY, "what it let in is not out after one failure");
}

int main(void)
{
	transitions();
	new_target();
	rows();
	reasons();
	unhealthy_draining();
	deregistration();
	recall();
	return done();
}
