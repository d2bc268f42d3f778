/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* health: the targets of the rule set in force, and of those before that still drain.
 *
 *   rule set -> targets -> orders -> headgate-probe -> results -> states -> events
 *
 * Shape    A target is known by its group's name, what it is called there ("interface/web-1:443",
 *          "10.0.1.20:8443", "[2001:db8::1]:443") and the address that is checked; so it keeps
 *          its state from rule set to rule set.
 * Units    Times are nanoseconds of the monotonic clock.
 * Order    Addresses as struct addr; ports in host order.
 * Owner    health_new()/health_free(). One thread. Borrows the model until the next
 *          health_apply(), and the event loop until health_free(). Texts of events and of
 *          struct health_info are good until the next call that is not const.
 * Errors   Negative errno. Where health_apply() fails, targets that could not be taken up are
 *          as if they had left, until the next.
 * Source   docs/semantics.md section 16.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/model.h"
#include "health/state.h"

struct health;
struct sd_event;

/* A target's state is another than it was. */
struct health_change {
	const char *group, *target;
	enum health_state from,
		to; /* unused for not being registered: it has drained and is gone */
	enum health_reason reason;
};

#define HEALTH_CUT_TCP    1
#define HEALTH_CUT_UDP    2
#define HEALTH_CUT_GENEVE 4 /* what an appliance has; to be given another */

/* The connections that a target has are over. */
struct health_cut {
	const char *group;
	struct addr addresses[2]; /* IPv4, IPv6; family 0: it has none of that */
	uint16_t port;
	unsigned protocols; /* HEALTH_CUT_* */
};

/* Called from within health_apply(), health_run() and the event loop, in this order. None of
 * them may be NULL. */
struct health_events {
	void (*change)(void *arg,
		       const struct health_change *change); /* of each target */
	void (*changed)(
		void *arg); /* after some of these: pools are to be decided anew */
	void (*cut)(void *arg, const struct health_cut *cut);
	void (*probe)(void *arg,
		      const char *text); /* NULL: it runs; else why it does not */
	void *arg;
};

int health_new(const struct health_events *events, struct health **ret);
void health_free(struct health *h); /* and its probe */

/* 'model' is in force. */
int health_apply(struct health *h, const struct model *model, uint64_t now_ns);
/* After a restart, before the first health_apply(), which asks 'of' about every target of its
 * model: healthy is one that the image in force lets in, unhealthy one that it does not,
 * initial one of a pool that fails open, and one that it does not have. */
void health_recall(struct health *h,
		   enum health_state (*of)(void *arg, size_t group, size_t target),
		   void *arg);
/* Checks from now on, by the program at 'path'; until then orders wait. */
int health_start(struct health *h, struct sd_event *event, const char *path);
/* What time brings; several times a second. */
void health_run(struct health *h, uint64_t now_ns);
/* A target answered a client's SYN with a reset. */
void health_refused(struct health *h, const struct addr *address, uint16_t port,
		    uint64_t now_ns);

/* The state that a target has, or would have if 'model' came into force. */
enum health_state health_state(const struct health *h, const struct model *model,
			       size_t group, size_t target);

struct state_rules health_rules(const struct target_group *g);

struct health_info {
	const char *group, *target;
	const char *zone; /* or NULL */
	struct addr address;
	struct addr addresses[2]; /* IPv4, IPv6; family 0 none */
	uint16_t port;
	uint32_t weight;
	struct state state;
	bool is_registered; /* it is in the rule set */
	size_t group_index; /* in the model in force, if so */
	uint64_t n_ok, n_failed;
	uint32_t last_us; /* what the last check took; 0: there was none */
};

/* Targets by id, from 0 to below health_size(), in no order; false: no target has that id. */
size_t health_size(const struct health *h);
bool health_get(const struct health *h, size_t id, struct health_info *ret);
/* The id of a target of the model in force. */
size_t health_find(const struct health *h, size_t group, size_t target);

struct health_count {
	uint32_t healthy, unhealthy; /* HealthyHostCount, UnHealthyHostCount */
};
struct health_count health_count(const struct health *h, size_t group);

struct health_probe {
	bool is_running;
	int pid; /* 0: it is not running */
	uint32_t restarts;
	uint64_t n_results, n_refused; /* messages that were none */
};
struct health_probe health_probe(const struct health *h);
