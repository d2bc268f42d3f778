/* SPDX-License-Identifier: Apache-2.0 */

/* Rate limits. */
#include <stddef.h>
#include <string.h>

#include <hg/limits.h>

#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

#define LIMIT_MAX  (1LL << 40)
#define WINDOW_MAX 600 /* seconds */

static const struct choice keys[] = { { "source_ip", 0 }, {} };
static const struct choice units[] = { { "packets", LIMIT_PACKETS },
				       { "bytes", LIMIT_BYTES },
				       { "new_connections", LIMIT_NEW_CONNECTIONS },
				       {} };
static const struct choice actions[] = {
	{ "block", LIMIT_BLOCK }, { "count", LIMIT_COUNT }, { "allow", LIMIT_ALLOW }, {}
};

/* ---- the fields ---- */

static void resource_read(struct reader *r, const struct field *f, struct at at,
			  void *object)
{
	const char *s = json_string(at.json);
	struct rate_limit *limit = object;
	char buf[VALUE_TEXT];

	(void)f;
	if (!s)
		complain_type(r, at, "a resource");
	else if (strncmp(s, "load_balancer/", 14) == 0)
		link_add(r, NOUN_LOAD_BALANCER, s, &limit->load_balancer, at);
	else if (strncmp(s, "subnet/", 7) == 0)
		link_add(r, NOUN_SUBNET, s, &limit->subnet, at);
	else
		complain(r, at, "%s is neither load_balancer/NAME nor subnet/NAME",
			 text_quote(s, buf));
}

static void resource_preset(const struct field *f, void *object)
{
	struct rate_limit *limit = object;

	(void)f;
	limit->load_balancer = limit->subnet = LINK_ABSENT;
}

/* There is one, and the model does not keep it. */
static void key_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	struct field own = *f;
	int value;

	(void)object;
	own.offset = 0;
	kind_choice.read(r, &own, at, &value);
}

static const struct kind kind_resource = { "`load_balancer/NAME` or `subnet/NAME`",
					   resource_read, schema_resource,
					   resource_preset };
static const struct kind kind_key = { "one of", key_read, schema_choice, NULL };

const struct field rate_limit_fields[] = {
	{ "resource", &kind_resource, .flags = FIELD_REQUIRED,
	  .help = "To whose addresses the packets are that it looks at." },
	{ "port", &kind_number, offsetof(struct rate_limit, port), .min = 1,
	  .max = UINT16_MAX, .size = sizeof(uint16_t),
	  .help = "Of a listener of the load balancer. Without it: all that is for its "
		  "addresses." },
	{ "key", &kind_key, .flags = FIELD_PRESET, .preset = 0, .choices = keys,
	  .size = sizeof(int),
	  .help = "Each source address is counted by itself, in IPv6 its /64." },
	{ "unit", &kind_choice, offsetof(struct rate_limit, unit),
	  .flags = FIELD_REQUIRED, .choices = units, .size = sizeof(int),
	  .help = "What is counted." },
	{ "limit", &kind_number, offsetof(struct rate_limit, limit),
	  .flags = FIELD_REQUIRED, .min = 1, .max = LIMIT_MAX, .size = sizeof(uint64_t),
	  .help = "How many of them in each `window`." },
	{ "window", &kind_number, offsetof(struct rate_limit, window),
	  .flags = FIELD_REQUIRED, .min = 1, .max = WINDOW_MAX, .size = sizeof(uint32_t),
	  .help = "Seconds, sliding." },
	{ "action", &kind_choice, offsetof(struct rate_limit, action),
	  .flags = FIELD_PRESET, .preset = LIMIT_BLOCK, .choices = actions,
	  .size = sizeof(int),
	  .help = "`block` drops all that is counted of a source while it is above the "
		  "limit. `count` only counts. `allow` exempts what it matches from the "
		  "limits whose names come after." },
	{},
};

/* ---- the check ---- */

static bool is_listened(const struct load_balancer *lb, uint16_t port)
{
	for (size_t k = 0; k < lb->n_listeners; k++)
		if (lb->listeners[k].port == port)
			return true;
	return false;
}

static void port_check(struct reader *r, const struct rate_limit *limit, struct at at)
{
	const struct load_balancer *lb;

	if (limit->port == 0)
		return;
	if (limit->subnet != LINK_ABSENT) {
		complain(r, at, "\"port\" is that of a listener: a subnet has none");
		return;
	}
	if (limit->load_balancer < 0)
		return;
	lb = &r->model->load_balancers[limit->load_balancer];
	if (!is_listened(lb, limit->port))
		complain(r, at, "load balancer \"%s\" has no listener at port %u",
			 lb->name, limit->port);
}

/* Whatever 'b' counts 'a' has let through before. */
static bool is_exempted(const struct rate_limit *a, const struct rate_limit *b)
{
	return a->action == LIMIT_ALLOW && a->load_balancer == b->load_balancer &&
	       a->subnet == b->subnet && (a->port == 0 || a->port == b->port) &&
	       (a->unit != LIMIT_NEW_CONNECTIONS || b->unit == LIMIT_NEW_CONNECTIONS);
}

/* There are 255 at most, so each is compared with each. */
static void shadow_warn(struct reader *r, size_t index)
{
	const struct rate_limit *limits = r->model->rate_limits, *limit = &limits[index];

	if (limit->load_balancer < 0 && limit->subnet < 0)
		return;
	for (size_t i = 0; i < index; i++) {
		if (!is_exempted(&limits[i], limit))
			continue;
		warn(r, r->slots[NOUN_RATE_LIMIT].items[index].at,
		     "rate limit \"%s\" exempts from it whatever it would count",
		     limits[i].name);
		return;
	}
}

void rate_limits_check(struct reader *r)
{
	for (size_t i = 0; i < r->model->n_rate_limits; i++) {
		struct at at = r->slots[NOUN_RATE_LIMIT].items[i].at;

		port_check(r, &r->model->rate_limits[i], at_get(at, "port"));
		shadow_warn(r, i);
	}
}
