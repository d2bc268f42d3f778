/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* state: what is known of one target, and how results and time change it.
 *
 *   initial -> healthy <-> unhealthy (.draining)      any -> draining -> gone
 *
 * Shape    Zeroed memory is a target that nobody checks: unused.
 * Units    Times are nanoseconds of the monotonic clock; rules are seconds and results in a
 *          row.
 * Owner    A value of whoever declared it. Every function but state_sent() returns whether
 *          'state' is another than before.
 * Errors   None.
 * Source   docs/semantics.md section 16; names of states and reasons are AWS's.
 */
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_STATES(X)                            \
	X(UNUSED, "unused")                         \
	X(INITIAL, "initial")                       \
	X(HEALTHY, "healthy")                       \
	X(UNHEALTHY, "unhealthy")                   \
	X(UNHEALTHY_DRAINING, "unhealthy.draining") \
	X(DRAINING, "draining") /* it left the rules */

#define HEALTH_REASONS(X)                                                          \
	X(NONE, "")                                                                \
	X(NOT_REGISTERED, "Target.NotRegistered") /* it has drained: it is gone */ \
	X(NOT_IN_USE, "Target.NotInUse")                                           \
	X(REGISTERING, "Elb.RegistrationInProgress")                               \
	X(CHECKING, "Elb.InitialHealthChecking")                                   \
	X(TIMEOUT, "Target.Timeout")                                               \
	X(MISMATCH, "Target.ResponseCodeMismatch")                                 \
	X(FAILED, "Target.FailedHealthChecks")                                     \
	X(DEREGISTERING, "Target.DeregistrationInProgress")

#define HEALTH_NUMBER(name, text) HEALTH_##name,
enum health_state { HEALTH_STATES(HEALTH_NUMBER) HEALTH_STATE_END };
#undef HEALTH_NUMBER
#define HEALTH_NUMBER(name, text) REASON_##name,
enum health_reason { HEALTH_REASONS(HEALTH_NUMBER) HEALTH_REASON_END };
#undef HEALTH_NUMBER

/* Of one check. */
enum outcome { OUTCOME_OK, OUTCOME_TIMEOUT, OUTCOME_MISMATCH, OUTCOME_FAILED };

struct state_rules {
	uint32_t healthy_threshold, unhealthy_threshold; /* at least 1 */
	uint32_t unhealthy_draining; /* 0 too where connections are terminated */
};

struct state {
	enum health_state state;
	enum health_reason reason;
	uint32_t status;   /* HTTP, of the last check; 0 none */
	uint32_t run;      /* last results in a row that speak against 'state' */
	uint64_t since_ns; /* of 'state' */
	uint64_t until_ns; /* of a state that ends by itself; else 0 */
};

#define STATE_TEXT 96

const char *state_name(enum health_state state);
const char *state_reason(enum health_reason reason); /* "" for none */
/* A sentence for people; "" where there is nothing to say. */
const char *state_describe(const struct state *s, char buf[static STATE_TEXT]);

/* It is in the rule set, and its group in a balancer. What was registered already stays. */
bool state_register(struct state *s, uint64_t now_ns);
/* It is in the rule set, and its group in no balancer. */
bool state_unuse(struct state *s, uint64_t now_ns);
/* It has left the rule set. Gone, as unused, by the next state_pass() after 'delay' seconds. */
bool state_leave(struct state *s, uint32_t delay, uint64_t now_ns);
/* Its first check was sent. */
void state_sent(struct state *s);
bool state_result(struct state *s, const struct state_rules *rules, enum outcome outcome,
		  uint32_t status, uint64_t now_ns);
bool state_pass(struct state *s, uint64_t now_ns);

/* For a target that was there before us: healthy, unhealthy or initial. */
void state_recall(struct state *s, enum health_state state, uint64_t now_ns);
