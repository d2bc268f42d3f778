/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* world: a rule set for tests of health: a balancer, a target group, and who listens to them.
 *
 * Shape    Group "web" of 'n' targets 10.0.0.1:80 and on, or "interface/i0:80" and on;
 *          balancer "lb" with one listener and one virtual address per zone of 'zones'.
 * Owner    Values: change them between calls of health_apply(), as another rule set would.
 * Errors   None.
 */
#include <stdio.h>
#include <string.h>

#include "health/registry.h"

#define WORLD_TARGETS 20

struct world {
	struct model model;
	struct target targets[WORLD_TARGETS];
	struct target_group group;
	struct load_balancer balancer;
	struct listener listener;
	struct forward forward;
	struct vip vips[2];
	struct port_range matcher;
	/* what was heard */
	char text[4096];
	size_t n_changed, n_cuts;
};

static inline void world_change(void *arg, const struct health_change *c)
{
	struct world *w = arg;
	size_t n = strlen(w->text);

	snprintf(w->text + n, sizeof(w->text) - n, "%s %s %s>%s%s%s\n", c->group,
		 c->target, state_name(c->from), state_name(c->to), c->reason ? " " : "",
		 state_reason(c->reason));
}

static inline void world_changed(void *arg)
{
	struct world *w = arg;

	w->n_changed++;
}

static inline void world_cut(void *arg, const struct health_cut *c)
{
	struct world *w = arg;
	char text[ADDR_TEXT];
	size_t n = strlen(w->text);

	w->n_cuts++;
	snprintf(w->text + n, sizeof(w->text) - n, "cut %s:%u%s%s%s\n",
		 addr_print(&c->addresses[0], text), c->port,
		 c->protocols & HEALTH_CUT_TCP ? " tcp" : "",
		 c->protocols & HEALTH_CUT_UDP ? " udp" : "",
		 c->protocols & HEALTH_CUT_GENEVE ? " geneve" : "");
}

static inline void world_probe(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static inline struct health_events world_events(struct world *w)
{
	return (struct health_events){ world_change, world_changed, world_cut,
				       world_probe, w };
}

static inline void world_init(struct world *w, size_t n)
{
	memset(w, 0, sizeof(*w));
	for (size_t i = 0; i < WORLD_TARGETS; i++) {
		w->targets[i] =
			(struct target){ .interface = -1, .port = 80, .weight = 1 };
		w->targets[i].address = (struct addr){
			.family = 4,
			.bytes = { 10, 0, 0, (uint8_t)(i + 1) },
		};
	}
	w->matcher = (struct port_range){ 200, 399 };
	w->group = (struct target_group){
		.name = "web",
		.targets = w->targets,
		.n_targets = n,
		.health_check = { .protocol = CHECK_HTTP,
				  .path = "/",
				  .matcher = &w->matcher,
				  .n_matcher = 1,
				  .interval = 10,
				  .timeout = 5,
				  .healthy_threshold = 5,
				  .unhealthy_threshold = 2 },
		.cross_zone = -1,
		.deregistration_delay = 300,
		.unhealthy_termination = true,
		.minimum_count = 1,
	};
	w->forward = (struct forward){ 0, 1 };
	w->listener =
		(struct listener){ .port = 80, .forwards = &w->forward, .n_forwards = 1 };
	w->vips[0].address = (struct addr){ .family = 4, .bytes = { 192, 0, 2, 1 } };
	w->vips[1].address = (struct addr){ .family = 4, .bytes = { 192, 0, 2, 2 } };
	w->balancer = (struct load_balancer){ .name = "lb",
					      .vips = w->vips,
					      .n_vips = 1,
					      .listeners = &w->listener,
					      .n_listeners = 1 };
	w->model = (struct model){ .target_groups = &w->group,
				   .n_target_groups = 1,
				   .load_balancers = &w->balancer,
				   .n_load_balancers = 1 };
}
