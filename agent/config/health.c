/* SPDX-License-Identifier: Apache-2.0 */

/* How the targets of a group are checked. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

/* AWS's defaults; those of appliances differ. */
#define INTERVAL        30 /* seconds */
#define INTERVAL_GENEVE 10
#define TIMEOUT         10
#define TIMEOUT_HTTP    6
#define TIMEOUT_GENEVE  5
#define PORT_GENEVE     80
#define HEALTHY         5
#define UNHEALTHY       2
#define STATUS_FIRST    200
#define STATUS_LAST     399
#define STATUS_MIN      200
#define STATUS_MAX      599
#define PATH_MAX_SIZE   1024

static const struct choice protocols[] = {
	{ "tcp", CHECK_TCP }, { "http", CHECK_HTTP }, { "https", CHECK_HTTPS }, {}
};
static const struct choice ports[] = { { "traffic-port", 0 }, {} };

/* ---- the fields ---- */

/* Three digits of a status; 0: there are none. */
static uint16_t status_parse(const char *s)
{
	unsigned v;

	if (strspn(s, "0123456789") != 3)
		return 0;
	v = (unsigned)(s[0] - '0') * 100 + (unsigned)(s[1] - '0') * 10 +
	    (unsigned)(s[2] - '0');
	return v >= STATUS_MIN && v <= STATUS_MAX ? (uint16_t)v : 0;
}

/* "200-399,404": how many ranges, 0 for what is none. */
static size_t matcher_parse(const char *s, struct port_range *ranges, size_t most)
{
	for (size_t n = 0; n < most; s++) {
		struct port_range *range = &ranges[n++];

		range->first = range->last = status_parse(s);
		if (range->first == 0)
			return 0;
		s += 3;
		if (*s == '-') {
			range->last = status_parse(s + 1);
			s += range->last ? 4 : 0;
		}
		if (range->last < range->first || (*s && *s != ','))
			return 0;
		if (!*s)
			return n;
	}
	return 0;
}

static void matcher_read(struct reader *r, const struct field *f, struct at at,
			 void *object)
{
	const char *s = json_string(at.json);
	struct health_check *h = (void *)((char *)object + f->offset);
	struct port_range *ranges;
	char buf[VALUE_TEXT];
	size_t n;

	if (!s) {
		complain_type(r, at, "a string");
		return;
	}
	ranges = reader_alloc(r, HG_MAX_PORT_RANGES, sizeof(*ranges));
	if (!ranges)
		return;
	n = matcher_parse(s, ranges, HG_MAX_PORT_RANGES);
	if (n == 0) {
		complain(r, at,
			 "%s is no list of at most %d statuses of %d to %d, such as "
			 "200-399 or 200,204",
			 text_quote(s, buf), HG_MAX_PORT_RANGES, STATUS_MIN, STATUS_MAX);
		return;
	}
	h->matcher = ranges;
	h->n_matcher = ranges_merge(ranges, n);
}

static const struct kind kind_matcher = { "`\"200-399\"` or `\"200,204\"`", matcher_read,
					  schema_matcher, NULL };

const struct field health_check_fields[] = {
	{ "protocol", &kind_choice, offsetof(struct health_check, protocol),
	  .flags = FIELD_PRESET, .preset = CHECK_TCP, .choices = protocols,
	  .size = sizeof(int),
	  .help = "`tcp`: a connection is made and closed. `http` and `https`: a GET is "
		  "answered with a status of `matcher`; certificates are not looked "
		  "at." },
	{ "port", &kind_number_or, offsetof(struct health_check, port),
	  .flags = FIELD_PRESET, .min = 1, .max = UINT16_MAX, .choices = ports,
	  .size = sizeof(uint16_t),
	  .help = "`traffic-port` is the target's own. Without it, of appliances: 80." },
	{ "path", &kind_text, offsetof(struct health_check, path), .min = 1,
	  .max = PATH_MAX_SIZE, .help = "Of `http` and `https`. Without it: `/`." },
	{ "matcher", &kind_matcher, 0,
	  .help = "Statuses of `http` and `https` that are a success, of 200 to 599. "
		  "Without it: `200-399`." },
	{ "interval", &kind_number, offsetof(struct health_check, interval),
	  .flags = FIELD_PRESET, .min = 1, .max = 300, .preset = INTERVAL,
	  .size = sizeof(uint32_t),
	  .help = "Seconds from check to check; less than 5 is not AWS's. Without it, of "
		  "appliances: 10." },
	{ "timeout", &kind_number, offsetof(struct health_check, timeout), .min = 1,
	  .max = 120, .size = sizeof(uint32_t),
	  .help = "Seconds that a check may take, at most `interval`. Without it: 10, of "
		  "`http` 6, of appliances 5, and never more than `interval`." },
	{ "healthy_threshold", &kind_number,
	  offsetof(struct health_check, healthy_threshold), .flags = FIELD_PRESET,
	  .min = 2, .max = 10, .preset = HEALTHY, .size = sizeof(uint32_t),
	  .help = "Successes in a row that make an unhealthy target healthy. A new one's "
		  "first is enough." },
	{ "unhealthy_threshold", &kind_number,
	  offsetof(struct health_check, unhealthy_threshold), .flags = FIELD_PRESET,
	  .min = 2, .max = 10, .preset = UNHEALTHY, .size = sizeof(uint32_t),
	  .help = "Failures in a row that make a target unhealthy." },
	{},
};

/* ---- what it leaves out ---- */

static void timeout_default(struct reader *r, struct at at, struct target_group *g)
{
	struct health_check *h = &g->health_check;

	if (h->timeout > h->interval)
		complain(r, at_get(at, "timeout"),
			 "%u is above the interval, which is %u", h->timeout,
			 h->interval);
	if (h->timeout == 0)
		h->timeout = g->protocol == TARGET_GENEVE ? TIMEOUT_GENEVE
			     : h->protocol == CHECK_HTTP  ? TIMEOUT_HTTP
							  : TIMEOUT;
	if (h->timeout > h->interval)
		h->timeout = h->interval;
}

/* What a path becomes is the first line of a request. */
static void path_check(struct reader *r, struct at at, const char *path)
{
	char buf[VALUE_TEXT];
	bool is_good = path[0] == '/';

	for (const char *p = path; *p; p++)
		is_good &= *p > ' ' && *p < 0x7f;
	if (!is_good)
		complain(r, at_get(at, "path"),
			 "%s is no path: it begins with '/', and is of ASCII without "
			 "spaces",
			 text_quote(path, buf));
}

void health_check_default(struct reader *r, struct at at, struct target_group *g)
{
	static const char *const keys[] = { "path", "matcher" };
	struct health_check *h = &g->health_check;

	at = at_get(at, "health_check");
	for (size_t i = 0; i < 2; i++)
		if (h->protocol == CHECK_TCP && json_get(at.json, keys[i]))
			complain(r, at_get(at, keys[i]), "\"%s\" is for HTTP and HTTPS",
				 keys[i]);
	if (g->protocol == TARGET_GENEVE && !json_get(at.json, "interval"))
		h->interval = INTERVAL_GENEVE;
	if (g->protocol == TARGET_GENEVE && !json_get(at.json, "port"))
		h->port = PORT_GENEVE;
	timeout_default(r, at, g);
	if (h->path)
		path_check(r, at, h->path);
	else
		h->path = "/";
	if (h->n_matcher > 0)
		return;
	h->matcher = reader_alloc(r, 1, sizeof(*h->matcher));
	if (!h->matcher)
		return;
	h->matcher[0] = (struct port_range){ STATUS_FIRST, STATUS_LAST };
	h->n_matcher = 1;
}
