/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* request: one question on the control socket and its answer.
 *
 * Shape    A verb takes a request and fills a reply; server.c does everything else.
 * Owner    The request is borrowed. 'text' of a reply is heap and the server's.
 * Errors   reply_problem() makes application/problem+json; a reply that could not be made
 *          for want of memory stays zeroed, which the server answers with 500.
 */
#include <stdbool.h>
#include <stddef.h>

#include "agent.h"

struct stream;

struct request {
	struct agent *agent;
	struct stream *stream;
	const char *body; /* never NULL */
	size_t size;
	struct author author;
	void *connection;
};

struct reply {
	int status; /* 0: memory was short */
	char *text;
	size_t size;
	const char *type; /* NULL: application/json */
	uint32_t version; /* of the rule set; 0: no header */
	bool is_stream;   /* the stream takes over */
	bool is_drops_only;
};

/* NULL: not in the query. */
const char *request_query(const struct request *q, const char *name);
/* The query's number, 'otherwise' when absent; false when it is none or out of range. */
bool request_number(const struct request *q, const char *name, uint32_t max,
		    uint32_t otherwise, uint32_t *ret);

/* The model in force; NULL after answering that there is none. */
const struct model *request_model(const struct request *q, struct reply *reply);

/* Takes 'j'. */
void reply_json(struct reply *reply, int status, struct json *j);
void reply_problem(struct reply *reply, int status, struct diag *diag, const char *format,
		   ...) __attribute__((format(printf, 4, 5)));
/* The same with further members: 'extra' is taken. */
void reply_problem_with(struct reply *reply, int status, struct diag *diag,
			struct json *extra, const char *title);
/* An array as in problem+json. */
struct json *complaints_json(struct diag *diag);

typedef void verb_fn(const struct request *q, struct reply *reply);

/* verbs.c */
verb_fn verb_rules_get, verb_rules_put, verb_check, verb_plan, verb_explain;
verb_fn verb_history, verb_confirm, verb_rollback, verb_version;
/* show.c */
verb_fn verb_vpcs, verb_interfaces, verb_subnets, verb_nacls, verb_groups;
verb_fn verb_prefix_lists;
/* device.c, route.c, nat.c */
verb_fn verb_devices, verb_routes, verb_nat;
/* balancer.c */
verb_fn verb_load_balancers, verb_targets;
/* limit.c */
verb_fn verb_limits;
/* stats.c */
verb_fn verb_stats, verb_health, verb_events;
/* flows.c */
verb_fn verb_flows;
