/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* schema: what a JSON Schema says of a field of each kind.
 *
 * Shape    Each adds keywords to 'schema', an object. Patterns that several share are under
 *          "$defs". References and sums are beyond a schema: config/check.c has those.
 * Owner    The caller's tree.
 * Errors   Want of memory shows when the whole is printed.
 * Source   JSON Schema 2020-12.
 */
#include "config/fields.h"

typedef void schema_fn(const struct field *f, struct json *schema);

schema_fn schema_text, schema_tags, schema_bool, schema_number, schema_choice,
	schema_object, schema_objects, schema_reference, schema_references, schema_cidrs,
	schema_addresses, schema_device, schema_protocol, schema_ports, schema_icmp,
	schema_peer, schema_peers, schema_entries, schema_range, schema_file, schema_cidr,
	schema_address, schema_destination, schema_via, schema_pair, schema_next_hop,
	schema_forward, schema_version, schema_number_or, schema_matcher, schema_resource,
	schema_never;

/* The object that a table describes. */
void schema_fields(const struct field *fields, struct json *schema);
