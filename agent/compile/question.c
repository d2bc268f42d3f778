/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/explain.h"
#include "config/json.h"

static const char *const keys[] = {
	"from",      "from_port", "to", "to_port",   "protocol",
	"icmp_type", "icmp_code", "in", "tcp_flags", "description",
};

static void complain(struct diag *diag, const char *key, const char *text)
{
	char pointer[32];

	snprintf(pointer, sizeof(pointer), "/%s", key);
	diag_add(diag, DIAG_ERROR, "", 0, 0, pointer, "%s", text);
}

static const struct json *member(const struct json *j, const char *key)
{
	const struct json *value = json_get(j, key);

	return json_is_null(value) ? NULL : value;
}

static void read_address(const struct json *j, const char *key, struct diag *diag,
			 struct addr *ret)
{
	const struct json *value = member(j, key);

	if (!value)
		complain(diag, key, "an address is wanted here");
	else if (!json_is_string(value) || addr_parse(json_string(value), ret) < 0)
		complain(diag, key, "not an IPv4 or IPv6 address");
}

/* Leaves 'ret' alone where the key is absent. */
static void read_number(const struct json *j, const char *key, int max, struct diag *diag,
			int *ret)
{
	const struct json *value = member(j, key);
	int64_t n;

	if (!value)
		return;
	if (json_integer(value, &n) < 0 || n < 0 || n > max) {
		char pointer[32];

		snprintf(pointer, sizeof(pointer), "/%s", key);
		diag_add(diag, DIAG_ERROR, "", 0, 0, pointer, "not a number from 0 to %d",
			 max);
		return;
	}
	*ret = n;
}

int question_protocol(const char *text, uint8_t family, int *ret)
{
	char *end;
	long n;

	if (strcmp(text, "tcp") == 0) {
		*ret = IPPROTO_TCP;
	} else if (strcmp(text, "udp") == 0) {
		*ret = IPPROTO_UDP;
	} else if (strcmp(text, "icmp") == 0) {
		*ret = family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	} else if (strcmp(text, "icmpv6") == 0) {
		*ret = IPPROTO_ICMPV6;
	} else {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		n = strtol(text, &end, 10);
		if (*end || n > 255)
			return -EINVAL;
		*ret = n;
	}
	return 0;
}

int question_tcp_flags(const char *text, uint8_t *ret)
{
	static const char letters[] = "FSRPAUEC";
	uint8_t flags = 0;

	for (; *text; text++) {
		const char *at = strchr(letters, toupper((unsigned char)*text));

		if (!at)
			return -EINVAL;
		flags |= 1 << (at - letters);
	}
	*ret = flags;
	return 0;
}

static void read_protocol(const struct json *j, struct diag *diag, struct question *q)
{
	const struct json *value = member(j, "protocol");
	bool is_good = true;

	if (json_is_number(value)) {
		read_number(j, "protocol", 255, diag, &q->protocol);
		return;
	}
	if (!value || !json_is_string(value))
		is_good = false;
	else if (question_protocol(json_string(value), q->from.family, &q->protocol) < 0)
		is_good = false;
	if (!is_good)
		complain(diag, "protocol",
			 "tcp, udp, icmp, icmpv6 or a number from 0 to 255 is "
			 "wanted here");
}

static void read_keys(const struct json *j, struct diag *diag)
{
	for (const struct json *v = json_first(j); v; v = json_next(v)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(keys) && strcmp(keys[i], json_key(v)) != 0)
			i++;
		if (i == ARRAY_SIZE(keys))
			diag_add(diag, DIAG_ERROR, "", 0, 0, "", "unknown key \"%s\"",
				 json_key(v));
	}
}

int question_read(const struct json *j, struct diag *diag, struct question *ret)
{
	struct question q = { .icmp_type = -1, .icmp_code = -1, .tcp_flags = 2 };
	size_t before = diag_errors(diag);
	int from_port = 0, to_port = 0;
	const struct json *value;

	if (!json_is_object(j)) {
		diag_add(diag, DIAG_ERROR, "", 0, 0, "", "an object is wanted here");
		return -EINVAL;
	}
	read_keys(j, diag);
	read_address(j, "from", diag, &q.from);
	read_address(j, "to", diag, &q.to);
	read_protocol(j, diag, &q);
	read_number(j, "from_port", 65535, diag, &from_port);
	read_number(j, "to_port", 65535, diag, &to_port);
	read_number(j, "icmp_type", 255, diag, &q.icmp_type);
	read_number(j, "icmp_code", 255, diag, &q.icmp_code);
	q.from_port = from_port;
	q.to_port = to_port;
	value = member(j, "in");
	if (value && !json_is_string(value))
		complain(diag, "in", "the name of a device is wanted here");
	q.in = json_string(value);
	value = member(j, "tcp_flags");
	if (value && (!json_is_string(value) ||
		      question_tcp_flags(json_string(value), &q.tcp_flags) < 0))
		complain(diag, "tcp_flags", "not letters of FSRPAUEC, such as \"SA\"");
	if (diag_errors(diag) > before)
		return -EINVAL;
	*ret = q;
	return 0;
}
