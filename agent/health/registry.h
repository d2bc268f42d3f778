/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* registry: inside health, who the targets are.
 *
 * Shape    'slots' by id, with holes; 'by_key' finds them by name, 'by_address' by what packets
 *          say. 'groups' is parallel to those of the model in force.
 * Units    As health.h.
 * Owner    struct health; a slot owns its texts. A slot whose 'group_index' is SIZE_MAX has left
 *          the rule set, and knows of its former group only what it has copied.
 * Errors   -ENOMEM; -E2BIG when there are WIRE_CHECKS targets.
 */
#include "base/vec.h"
#include "health/child.h"
#include "health/health.h"
#include "health/policy.h"

struct member { /* a target */
	char *group, *name, *zone;
	struct addr address;
	struct addr addresses[2];
	uint16_t port;
	uint32_t weight;
	size_t id, group_index;
	struct state state;
	/* of its group, as it was last */
	enum target_protocol protocol;
	uint32_t deregistration_delay;
	bool connection_termination; /* something is to be said when it has drained */
	bool is_open;                /* of a pool that fails open */
	bool owes_cut; /* unhealthy, and connections of it that were spared may be there */
	/* of its check */
	bool is_checked, is_seen;
	uint32_t generation;
	uint64_t check_hash;
	unsigned orders; /* bit of enum wire_kind: waits in 'queue' */
	uint64_t n_ok, n_failed;
	uint32_t last_us;
	/* of refusals */
	uint32_t n_refused;
	uint64_t refused_ns; /* the first of them */
};

struct lot { /* members that one virtual address has of a group */
	uint8_t family;
	const char *zone; /* the model's; NULL: every */
};

struct pack {                    /* a target group */
	struct member **members; /* by index of the target */
	size_t n;
	VEC(struct lot) lots;
	bool is_used;  /* some balancer sends to it */
	bool is_dirty; /* a state changed since the pools were decided */
};

struct health {
	struct health_events events;
	const struct model *model;
	VEC(struct member *) slots;
	VEC(size_t) holes;
	void *by_key;               /* tsearch(3) */
	struct member **by_address; /* sorted, of registered targets */
	size_t n_by_address;
	struct pack *groups;
	size_t n_groups;
	size_t n_checked;
	uint64_t next_ns; /* no member's time ends before; UINT64_MAX: none's */
	uint32_t generation;
	bool is_changed; /* pools are to be decided anew */
	enum health_state (*recall)(void *arg, size_t group, size_t target);
	void *recall_arg;
	struct child *child;
	uint64_t heard_ns;   /* when the probe came up, or sent its last result */
	VEC(uint32_t) queue; /* ids with orders, from 'queue_head' on */
	size_t queue_head;
	uint64_t n_results, n_refused;
};

/* What a target is called in its group. Heap. */
char *registry_name(const struct model *m, const struct target *t);
/* NULL: it is not known. */
struct member *registry_find(const struct health *h, const char *group, const char *name,
			     const struct addr *address);
int registry_put(struct health *h, const char *group, const char *name,
		 const struct addr *address, struct member **ret);
void registry_drop(struct health *h, struct member *m);
/* After every change of who is registered. */
int registry_index(struct health *h);
/* Where in 'by_address' those begin that have this one, if any has. */
size_t registry_first(const struct health *h, const struct addr *address, uint16_t port);

/* Tells of a change that was just made; 'from' was the state before. */
void registry_tell(struct health *h, struct member *m, enum health_state from);

/* ---- quorum.c: pools that fail open, and cuts ---- */

int quorum_prepare(struct health *h); /* 'lots' and 'is_used' of all groups */
/* Decides what is dirty anew, says so, and cuts. */
void quorum_decide(struct health *h);
void quorum_cut(struct health *h, const struct member *m, unsigned protocols);

/* ---- order.c: what the probe is told, and says ---- */

struct wire_order;

/* By the model in force; nothing is said where nothing changed. */
int order_check(struct health *h, struct member *m);
void order_remove(struct health *h, struct member *m);
void order_now(struct health *h, struct member *m);
/* The probe may still have an order of it. */
bool order_is_waiting(const struct health *h, const struct member *m);
/* Ends a probe that hangs. */
void order_watch(struct health *h, uint64_t now_ns);
int order_start(struct health *h, struct sd_event *event, const char *path);
/* What the probe has sent. Public to be fuzzed. */
int order_result(struct health *h, const void *message, size_t size, uint64_t now_ns);
/* The next order to be sent; false: there is none. order_sent() takes it from the queue. */
bool order_next(struct health *h, struct wire_order *ret);
void order_sent(struct health *h, const struct wire_order *order);
void order_all(struct health *h); /* a new probe knows nothing */
