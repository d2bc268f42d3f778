/* SPDX-License-Identifier: Apache-2.0 */

/* What a rule says of protocol, ports and types. AWS ignores ports and types where the
 * protocol has none; so do we, and say so, because whoever wrote them meant something. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "config/fields.h"
#include "config/names.h"
#include "config/schema.h"

#define PORT_MAX 65535

static const struct choice protocols[] = {
	{ "all", -1 },
	{ "tcp", PROTOCOL_TCP },
	{ "udp", PROTOCOL_UDP },
	{ "icmp", PROTOCOL_ICMP },
	{ "icmpv6", PROTOCOL_ICMPV6 },
	{},
};

/* A decimal number without sign or leading zero: how many characters, 0 where there is none.
 * What does not fit is UINT32_MAX. */
static size_t number_parse(const char *s, uint32_t *ret)
{
	size_t n = strspn(s, "0123456789");
	uint64_t v = 0;

	if (n == 0 || (n > 1 && s[0] == '0'))
		return 0;
	for (size_t i = 0; i < n && v < UINT32_MAX; i++)
		v = v * 10 + (uint64_t)(s[i] - '0');
	*ret = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
	return n;
}

/* A whole number of 0 to 'max' that stands as a JSON number. */
static bool small_read(struct reader *r, struct at at, int64_t max, uint32_t *ret)
{
	char buf[VALUE_TEXT];
	int64_t v;

	value_print(at.json, buf);
	if (json_number(at.json) > (double)max)
		complain(r, at, "%s is above %" PRId64, buf, max);
	else if (json_number(at.json) < 0)
		complain(r, at, "%s is below 0", buf);
	else if (json_integer(at.json, &v) < 0)
		complain(r, at, "%s is not a whole number", buf);
	else
		*ret = (uint32_t)v;
	return json_integer(at.json, &v) == 0 && v >= 0 && v <= max;
}

/* ---- protocol ---- */

static void protocol_read(struct reader *r, const struct field *f, struct at at,
			  void *object)
{
	struct suggestion s = { .name = json_string(at.json) };
	int *protocol = (int *)((char *)object + f->offset);
	char buf[VALUE_TEXT], hint[SUGGESTION_TEXT];
	uint32_t v;
	size_t n;

	*protocol = PROTOCOL_BROKEN;
	if (json_is_number(at.json)) {
		if (small_read(r, at, 255, &v))
			*protocol = (int)v;
		return;
	}
	if (!s.name) {
		complain_type(r, at, "a protocol");
		return;
	}
	for (const struct choice *c = protocols; c->name; c++) {
		if (strcmp(c->name, s.name) == 0) {
			*protocol = c->value;
			return;
		}
		suggest(&s, c->name);
	}
	n = number_parse(s.name, &v);
	if (n == 0 || s.name[n])
		complain(r, at,
			 "unknown protocol %s: all, tcp, udp, icmp, icmpv6 or a number "
			 "of 0 to 255%s",
			 text_quote(s.name, buf), suggestion_print(&s, hint));
	else if (v > 255)
		complain(r, at, "protocol %s is above 255", text_quote(s.name, buf));
	else
		*protocol = (int)v;
}

static void protocol_preset(const struct field *f, void *object)
{
	*(int *)((char *)object + f->offset) = -1;
}

/* ---- ports ---- */

static bool range_parse(struct reader *r, struct at at, const char *s,
			struct port_range *ret)
{
	uint32_t first, last;
	char buf[VALUE_TEXT];
	size_t n = number_parse(s, &first), k = 0;

	last = first;
	if (n > 0 && s[n] == '-')
		k = number_parse(s + n + 1, &last) + 1;
	if (n == 0 || k == 1 || s[n + k]) {
		complain(r, at, "%s is no port or range, such as 443 or 1024-65535",
			 text_quote(s, buf));
		return false;
	}
	if (first > PORT_MAX || last > PORT_MAX) {
		complain(r, at, "port %.*s is above %d",
			 first > PORT_MAX ? (int)n : (int)k - 1,
			 first > PORT_MAX ? s : s + n + 1, PORT_MAX);
		return false;
	}
	if (first > last) {
		complain(r, at, "the range %s is reversed: %u is above %u",
			 text_quote(s, buf), first, last);
		return false;
	}
	*ret = (struct port_range){ (uint16_t)first, (uint16_t)last };
	return true;
}

static bool range_read(struct reader *r, struct at at, struct port_range *ret)
{
	uint32_t v;

	if (json_is_string(at.json))
		return range_parse(r, at, json_string(at.json), ret);
	if (!json_is_number(at.json)) {
		complain_type(r, at, "a port or range");
		return false;
	}
	if (!small_read(r, at, PORT_MAX, &v))
		return false;
	*ret = (struct port_range){ (uint16_t)v, (uint16_t)v };
	return true;
}

static int compare_ranges(const void *pa, const void *pb)
{
	const struct port_range *a = pa, *b = pb;

	return (int)a->first - (int)b->first;
}

size_t ranges_merge(struct port_range *ranges, size_t n)
{
	size_t k = 0;

	if (n == 0)
		return 0;
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < n; i++) {
		if ((unsigned)ranges[i].first > ranges[k].last + 1U)
			ranges[++k] = ranges[i];
		else if (ranges[i].last > ranges[k].last)
			ranges[k].last = ranges[i].last;
	}
	if (ranges[0].first == 0 && ranges[0].last == PORT_MAX)
		return 0;
	return k + 1;
}

static void ports_read(struct reader *r, const struct field *f, struct at at,
		       void *object)
{
	struct port_range *ranges;
	size_t n = 1, k = 0;

	if (!json_is_array(at.json)) {
		ranges = reader_alloc(r, 1, sizeof(*ranges));
		if (!ranges || !range_read(r, at, ranges))
			return;
		k = 1;
	} else {
		ranges = list_read(r, f, at, sizeof(*ranges), &n);
		if (!ranges)
			return;
		for (const struct json *j = json_first(at.json); j; j = json_next(j))
			if (range_read(r, (struct at){ at.doc, j }, &ranges[k]))
				k++;
	}
	*(struct port_range **)((char *)object + f->offset) = ranges;
	*(size_t *)((char *)object + f->n_offset) = ranges_merge(ranges, k);
}

/* ---- ICMP ---- */

static void icmp_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	int *type = (int *)((char *)object + f->offset);
	int *code = (int *)((char *)object + f->n_offset);
	const char *s = json_string(at.json);
	char buf[VALUE_TEXT];
	uint32_t t, c = 0;
	size_t n, k = 0;

	if (json_is_number(at.json)) {
		if (small_read(r, at, 255, &t))
			*type = (int)t;
		return;
	}
	if (!s) {
		complain_type(r, at, "an ICMP type");
		return;
	}
	n = number_parse(s, &t);
	if (n > 0 && s[n] == '/')
		k = number_parse(s + n + 1, &c) + 1;
	if (n == 0 || k == 1 || s[n + k]) {
		complain(r, at, "%s is no ICMP type or type/code, such as 8 or 3/4",
			 text_quote(s, buf));
	} else if (t > 255 || c > 255) {
		complain(r, at, "ICMP %s %.*s is above 255", t > 255 ? "type" : "code",
			 t > 255 ? (int)n : (int)k - 1, t > 255 ? s : s + n + 1);
	} else {
		*type = (int)t;
		*code = k > 0 ? (int)c : -1;
	}
}

static void icmp_preset(const struct field *f, void *object)
{
	*(int *)((char *)object + f->offset) = -1;
	*(int *)((char *)object + f->n_offset) = -1;
}

/* ---- both together ---- */

static const char *protocol_print(int protocol, char buf[static VALUE_TEXT])
{
	for (const struct choice *c = protocols; c->name; c++)
		if (c->value == protocol)
			return c->name;
	snprintf(buf, VALUE_TEXT, "%d", protocol);
	return buf;
}

void match_check(struct reader *r, struct at at, struct match *match)
{
	bool has_ports =
		match->protocol == PROTOCOL_TCP || match->protocol == PROTOCOL_UDP;
	bool has_types =
		match->protocol == PROTOCOL_ICMP || match->protocol == PROTOCOL_ICMPV6;
	struct at ports = at_get(at, "ports"), icmp = at_get(at, "icmp"),
		  source = at_get(at, "source_ports");
	char buf[VALUE_TEXT];

	/* Nothing more can be said where the protocol itself is missing or wrong. */
	if (!at_get(at, "protocol").json || match->protocol == PROTOCOL_BROKEN)
		return;
	if (ports.json && !has_ports) {
		warn(r, ports, "\"ports\" is ignored: protocol %s has none",
		     protocol_print(match->protocol, buf));
		match->n_ports = 0;
	}
	if (icmp.json && !has_types) {
		warn(r, icmp, "\"icmp\" is ignored: protocol %s has no types",
		     protocol_print(match->protocol, buf));
		match->icmp_type = match->icmp_code = -1;
	}
	if (source.json && !has_ports)
		complain(r, source, "\"source_ports\" wants protocol tcp or udp, not %s",
			 protocol_print(match->protocol, buf));
}

const struct kind kind_protocol = { "protocol", protocol_read, schema_protocol,
				    protocol_preset };
const struct kind kind_ports = { "port, range, or list of them", ports_read, schema_ports,
				 NULL };
const struct kind kind_icmp = { "`\"type\"` or `\"type/code\"`", icmp_read, schema_icmp,
				icmp_preset };
