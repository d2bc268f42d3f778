/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* agent: one life of headgated: what is in force, and how another rule set comes into force.
 *
 *   check -> compile -> write the version -> stage, attach, commit -> commit the version
 *
 * Shape    One rule set is in force, as text, model and image; or none yet.
 * Units    Times are seconds since 1970; 'confirm_within' is seconds.
 * Owner    agent_new()/agent_free(). One thread. 'text' and 'model' are good until the
 *          next apply.
 * Errors   Of an apply: an HTTP status and a sentence in struct refusal; complaints are in
 *          the caller's diag. A refused rule set changes nothing. agent_new(): 2 or 4 as
 *          headgated exits, after a line in the log.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/exit.h"
#include "config/model.h"
#include "ctl/access.h"
#include "cuts.h"
#include "flow/table.h"
#include "history.h"
#include "kernel/attach.h"
#include "kernel/dataplane.h"
#include "kernel/limit.h"

struct json;
struct health;
struct health_change;

struct options {
	const char *config; /* NULL: none was given */
	const char *socket, *state_dir, *bpf_dir;
};

struct apply {
	const char *text;
	size_t size;
	const char *name;        /* what complaints call it */
	const char *action;      /* "apply", "seed", "reload", "rollback" */
	int64_t of;              /* rollback: whose document; -1 no rollback */
	uint32_t confirm_within; /* 0: not asked for */
	bool is_lenient; /* devices that cannot be attached are no reason to refuse */
	struct author author;
};

struct refusal {
	int status;
	char title[600];
};

/* Told of what happens, for whoever listens. */
struct agent_events {
	void (*rules)(void *arg, uint32_t version, const char *action);
	void (*device)(void *arg, const struct attached *device);
	void (*health)(void *arg, const struct health_change *change);
	void *arg;
};

struct agent {
	struct options options;
	struct history *history;
	struct dataplane *dp;
	struct netlink *netlink;
	struct neighbours *neighbours;
	struct attach *attach;
	struct health *health; /* of targets */
	struct cuts cuts;
	char probe_trouble[160]; /* "": none */
	struct agent_events events;
	/* in force */
	char *text; /* NULL: no rule set yet */
	size_t text_size;
	struct model *model;
	uint32_t version;
	bool is_level;       /* the image in the kernel was made of 'model' */
	char trouble[600];   /* why the version that was in force is not; "": it is */
	uint64_t facts_hash; /* of the kernel's addresses that were compiled in */
	/* the sweep */
	uint32_t sweep_at;
	struct flow_census census, census_next;
	struct tally tallies[2]; /* theirs, in turn */
	uint64_t swept_ns;       /* when the last full sweep ended */
	uint32_t n_slices;
	struct limit_tally limits[HG_LIMIT_IDS];
	uint64_t started_ns;
};

enum exit_code agent_new(const struct options *options, struct agent **ret);
void agent_free(struct agent *a); /* the data plane stays */

/* On success 'ret_answer' (may be NULL) is the body of PUT /v1/rules. */
int agent_apply(struct agent *a, const struct apply *apply, struct diag *diag,
		struct refusal *ret_refusal, struct json **ret_answer);
/* The document of 'version', 0: the one before the current. */
int agent_rollback(struct agent *a, uint32_t version, const struct author *author,
		   struct diag *diag, struct refusal *ret_refusal,
		   struct json **ret_answer);
int agent_confirm(struct agent *a); /* -ENOENT: nothing waits */
void agent_check_deadline(struct agent *a);
/* The file of --config becomes the rule set; complaints go to the log. */
int agent_reload(struct agent *a, const char *action);
/* After something was said of links or addresses. */
void agent_follow(struct agent *a);
/* A slice of the flow table. */
void agent_sweep(struct agent *a);
/* The whole of it, where that is quick; else the last sweep's count stands. */
void agent_count(struct agent *a);

/* RFC 3339, UTC. */
void time_print(int64_t s, char ret[static 32]);
struct flow_tables agent_flows(struct agent *a);
/* A file or a directory as one document without "file". Heap. Complaints in 'diag'. */
int seed_read(const char *path, struct diag *diag, char **ret, size_t *ret_size);
