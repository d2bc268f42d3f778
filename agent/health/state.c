/* SPDX-License-Identifier: Apache-2.0 */
#include "health/state.h"

#include <assert.h>
#include <stdio.h>

#define SECOND_NS 1000000000ULL

static const char *const state_names[] = {
#define NAME(name, text) [HEALTH_##name] = text,
	HEALTH_STATES(NAME)
#undef NAME
};

static const char *const reason_names[] = {
#define NAME(name, text) [REASON_##name] = text,
	HEALTH_REASONS(NAME)
#undef NAME
};

const char *state_name(enum health_state state)
{
	assert(state < HEALTH_STATE_END);
	return state_names[state];
}

const char *state_reason(enum health_reason reason)
{
	assert(reason < HEALTH_REASON_END);
	return reason_names[reason];
}

const char *state_describe(const struct state *s, char buf[static STATE_TEXT])
{
	static const char *const texts[] = {
		[REASON_NONE] = "",
		[REASON_NOT_REGISTERED] = "it is gone",
		[REASON_NOT_IN_USE] = "its target group is in no load balancer",
		[REASON_REGISTERING] = "its first health check was not sent yet",
		[REASON_CHECKING] = "no health check has succeeded yet",
		[REASON_TIMEOUT] = "it did not answer in time",
		[REASON_FAILED] = "it could not be connected to, or answered nonsense",
		[REASON_DEREGISTERING] = "it left the rule set",
	};

	if (s->reason == REASON_MISMATCH)
		snprintf(buf, STATE_TEXT, "it answered with status %u", s->status);
	else
		snprintf(buf, STATE_TEXT, "%s", texts[s->reason]);
	return buf;
}

static bool turn(struct state *s, enum health_state state, enum health_reason reason,
		 uint64_t now_ns)
{
	bool is_other = s->state != state;

	if (is_other)
		s->since_ns = now_ns;
	s->state = state;
	s->reason = reason;
	s->run = 0;
	s->until_ns = 0;
	return is_other;
}

bool state_register(struct state *s, uint64_t now_ns)
{
	if (s->state != HEALTH_UNUSED && s->state != HEALTH_DRAINING)
		return false;
	s->status = 0;
	return turn(s, HEALTH_INITIAL, REASON_REGISTERING, now_ns);
}

bool state_unuse(struct state *s, uint64_t now_ns)
{
	return turn(s, HEALTH_UNUSED, REASON_NOT_IN_USE, now_ns);
}

bool state_leave(struct state *s, uint32_t delay, uint64_t now_ns)
{
	if (s->state == HEALTH_UNUSED || s->state == HEALTH_DRAINING)
		return false;
	turn(s, HEALTH_DRAINING, REASON_DEREGISTERING, now_ns);
	s->until_ns = now_ns + delay * SECOND_NS;
	return true;
}

void state_sent(struct state *s)
{
	if (s->reason == REASON_REGISTERING)
		s->reason = REASON_CHECKING;
}

static enum health_reason reason_of(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_OK:
		return REASON_NONE;
	case OUTCOME_TIMEOUT:
		return REASON_TIMEOUT;
	case OUTCOME_MISMATCH:
		return REASON_MISMATCH;
	case OUTCOME_FAILED:
		break;
	}
	return REASON_FAILED;
}

static bool fall(struct state *s, const struct state_rules *rules,
		 enum health_reason reason, uint64_t now_ns)
{
	if (rules->unhealthy_draining == 0)
		return turn(s, HEALTH_UNHEALTHY, reason, now_ns);
	turn(s, HEALTH_UNHEALTHY_DRAINING, reason, now_ns);
	s->until_ns = now_ns + rules->unhealthy_draining * SECOND_NS;
	return true;
}

bool state_result(struct state *s, const struct state_rules *rules, enum outcome outcome,
		  uint32_t status, uint64_t now_ns)
{
	enum health_reason reason = reason_of(outcome);
	bool is_up = s->state == HEALTH_INITIAL || s->state == HEALTH_HEALTHY;

	if (s->state == HEALTH_UNUSED || s->state == HEALTH_DRAINING)
		return false;
	state_sent(s);
	s->status = status;
	if (outcome != OUTCOME_OK && !is_up)
		s->reason = reason;
	if (s->state == HEALTH_INITIAL && outcome == OUTCOME_OK)
		return turn(s, HEALTH_HEALTHY, REASON_NONE, now_ns);
	if (is_up == (outcome == OUTCOME_OK)) {
		s->run = 0;
		return false;
	}
	s->run++;
	if (is_up && s->run >= rules->unhealthy_threshold)
		return fall(s, rules, reason, now_ns);
	if (!is_up && s->run >= rules->healthy_threshold)
		return turn(s, HEALTH_HEALTHY, REASON_NONE, now_ns);
	return false;
}

bool state_pass(struct state *s, uint64_t now_ns)
{
	if (s->state == HEALTH_DRAINING && now_ns >= s->until_ns)
		return turn(s, HEALTH_UNUSED, REASON_NOT_REGISTERED, now_ns);
	if (s->state == HEALTH_UNHEALTHY_DRAINING && now_ns >= s->until_ns) {
		uint32_t run = s->run;

		/* Successes that were counted against one count against the other. */
		turn(s, HEALTH_UNHEALTHY, s->reason, now_ns);
		s->run = run;
		return true;
	}
	return false;
}

void state_recall(struct state *s, enum health_state state, uint64_t now_ns)
{
	static const enum health_reason reasons[] = {
		[HEALTH_INITIAL] = REASON_REGISTERING,
		[HEALTH_HEALTHY] = REASON_NONE,
		[HEALTH_UNHEALTHY] = REASON_FAILED,
	};

	assert(state == HEALTH_INITIAL || state == HEALTH_HEALTHY ||
	       state == HEALTH_UNHEALTHY);
	turn(s, state, reasons[state], now_ns);
}
