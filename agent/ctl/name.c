/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/name.h"

#include <arpa/inet.h>
#include <hg/limits.h>
#include <stdio.h>
#include <string.h>

#include "config/json.h"

const char *protocol_name(int protocol, char buf[static 8])
{
	switch (protocol) {
	case -1:
		return "all";
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	default:
		snprintf(buf, 8, "%d", protocol);
		return buf;
	}
}

const char *tcp_flags_name(uint8_t flags, char buf[static 16])
{
	static const char letters[] = "FSRPAUEC";
	size_t n = 0;

	for (unsigned i = 0; i < 8; i++)
		if (flags & 1U << i)
			buf[n++] = letters[i];
	buf[n] = '\0';
	return buf;
}

struct addr wire_addr(unsigned family, const struct hg_addr *a)
{
	struct addr addr = { .family = (uint8_t)family };

	memcpy(addr.bytes, a->w, family == HG_FAMILY_4 ? 4 : 16);
	return addr;
}

const char *wire_addr_print(unsigned family, const struct hg_addr *a,
			    char buf[static ADDR_TEXT])
{
	struct addr addr = wire_addr(family, a);

	return family ? addr_print(&addr, buf) : NULL;
}

const char *wire_end_print(unsigned family, const struct hg_addr *a, __be16 port,
			   bool with_port, char buf[static END_TEXT])
{
	char text[ADDR_TEXT];

	wire_addr_print(family, a, text);
	if (!with_port)
		snprintf(buf, END_TEXT, "%s", text);
	else
		snprintf(buf, END_TEXT, family == HG_FAMILY_6 ? "[%s]:%u" : "%s:%u", text,
			 ntohs(port));
	return buf;
}

struct json *ranges_json(const struct port_range *ranges, size_t n)
{
	struct json *list = n ? json_new_array() : json_new_string(NULL);
	char text[16];

	for (size_t i = 0; i < n; i++) {
		if (ranges[i].first == ranges[i].last)
			snprintf(text, sizeof(text), "%u", ranges[i].first);
		else
			snprintf(text, sizeof(text), "%u-%u", ranges[i].first,
				 ranges[i].last);
		json_add(list, json_new_string(text));
	}
	return list;
}

struct json *icmp_json(int type, int code)
{
	char text[32];

	if (type < 0)
		return json_new_string(NULL);
	if (code < 0)
		snprintf(text, sizeof(text), "%d", type);
	else
		snprintf(text, sizeof(text), "%d/%d", type, code);
	return json_new_string(text);
}

struct json *peer_json(const struct model *m, const struct peer *peer)
{
	char text[CIDR_TEXT + HG_MAX_NAME];

	if (peer->kind == PEER_CIDR)
		cidr_print(&peer->cidr, text);
	else if (peer->kind == PEER_PREFIX_LIST)
		snprintf(text, sizeof(text), "prefix_list/%s",
			 m->prefix_lists[peer->index].name);
	else
		snprintf(text, sizeof(text), "security_group/%s",
			 peer->stale ? peer->stale : m->groups[peer->index].name);
	return json_new_string(text);
}
