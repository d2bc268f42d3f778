/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* balancer: load balancers and their targets as JSON shows them.
 *
 * Owner    Trees are the caller's.
 */
#include <hg/event.h>

#include "flow/tally.h"
#include "health/health.h"

struct json;

/* By the names of AWS/NetworkELB in CloudWatch, as totals; without the counts
 * of hosts. */
struct json *balancer_metrics_json(const struct hg_meter *meter,
				   const struct tally *tally, uint32_t id);
/* By those of AWS/GatewayELB. */
struct json *inspector_metrics_json(const struct hg_meter *meter,
				    const struct tally *tally, uint32_t id);
/* What is known of a target but for its connections. */
struct json *target_json(const struct health_info *info, uint64_t monotonic_ns,
			 int64_t realtime_ns);
