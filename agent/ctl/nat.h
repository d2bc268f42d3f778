/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* nat: NAT gateways and elastic IPs as JSON shows them.
 *
 * Owner    Trees are the caller's.
 */
#include <hg/event.h>

#include "config/model.h"

struct json;

/* { "name", "address", "private_address", "attached" }: attached where the owner's VPC has an
 * internet gateway, without which nobody outside can use it. */
struct json *elastic_ip_json(const struct model *m, const struct elastic_ip *e);
/* By the names of AWS/NATGateway in CloudWatch. */
struct json *nat_metrics_json(const struct hg_meter *meter, uint64_t active);
