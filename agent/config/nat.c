/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

#define IDLE_TIMEOUT 350 /* seconds; AWS's */

static const struct choice modes[] = { { "gateway", false }, { "instance", true }, {} };
static const struct choice protocols[] = { { "tcp", PROTOCOL_TCP },
					   { "udp", PROTOCOL_UDP },
					   {} };

/* ---- the fields ---- */

/* A port without leading zeroes; 0 where there is none. */
static uint16_t port_parse(const char *s)
{
	size_t n = strspn(s, "0123456789");
	unsigned long port =
		n > 0 && n <= 5 && s[0] != '0' && !s[n] ? strtoul(s, NULL, 10) : 0;

	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void forward_to_read(struct reader *r, const struct field *f, struct at at,
			    void *object)
{
	const char *s = json_string(at.json), *colon = s ? strchr(s, ':') : NULL;
	struct nat_forward *forward = object;
	char text[ADDR_TEXT] = "", buf[VALUE_TEXT];
	size_t n = colon ? (size_t)(colon - s) : s ? strlen(s) : 0;
	uint16_t port = colon ? port_parse(colon + 1) : 0;
	struct addr a;

	(void)f;
	if (!s) {
		complain_type(r, at, "an address");
		return;
	}
	if (n < sizeof(text))
		memcpy(text, s, n);
	if (addr_parse(text, &a) < 0 || a.family != 4 || (colon && port == 0)) {
		complain(r, at, "%s is neither ADDRESS nor ADDRESS:PORT in IPv4",
			 text_quote(s, buf));
		return;
	}
	forward->to = a;
	forward->to_port = port;
}

static const struct kind kind_forward_to = { "`\"ADDRESS\"` or `\"ADDRESS:PORT\"`",
					     forward_to_read, schema_forward, NULL };

static const struct field forward_fields[] = {
	{ "protocol", &kind_choice, offsetof(struct nat_forward, protocol),
	  .flags = FIELD_REQUIRED, .choices = protocols, .size = sizeof(int),
	  .help = "A protocol with ports." },
	{ "port", &kind_number, offsetof(struct nat_forward, port),
	  .flags = FIELD_REQUIRED, .min = 1, .max = UINT16_MAX, .size = sizeof(uint16_t),
	  .help = "Of its own addresses. A port of a protocol is forwarded once." },
	{ "to", &kind_forward_to, .flags = FIELD_REQUIRED,
	  .help = "IPv4, inside the VPC. Without a port: the same one." },
	{},
};

static void forward_after(struct reader *r, struct at at, void *element)
{
	struct nat_forward *forward = element;

	(void)r;
	(void)at;
	if (forward->to_port == 0)
		forward->to_port = forward->port;
}

const struct field nat_gateway_fields[] = {
	{ "subnet", &kind_reference, offsetof(struct nat_gateway, subnet),
	  .flags = FIELD_REQUIRED, .noun = NOUN_SUBNET,
	  .help = "Where it stands, and so its VPC: this subnet's network ACL and routes "
		  "are met between it and the outside." },
	{ "private_address", &kind_address, offsetof(struct nat_gateway, private_address),
	  .flags = FIELD_REQUIRED,
	  .help = "IPv4, inside the subnet, and nobody else's." },
	{ "elastic_ips", &kind_references, offsetof(struct nat_gateway, elastic_ips),
	  offsetof(struct nat_gateway, n_elastic_ips), .noun = NOUN_ELASTIC_IP,
	  .max = HG_MAX_NAT_ADDRESSES,
	  .help = "Its public addresses. Without any it is private: peerings and the "
		  "VPC, not the internet." },
	{ "idle_timeout", &kind_number, offsetof(struct nat_gateway, idle_timeout),
	  .flags = FIELD_PRESET, .min = 1, .max = HG_MAX_IDLE_TIMEOUT,
	  .preset = IDLE_TIMEOUT, .size = sizeof(uint32_t),
	  .help = "Seconds after which a silent connection is forgotten." },
	{ "mode", &kind_choice, offsetof(struct nat_gateway, is_instance),
	  .flags = FIELD_PRESET, .choices = modes, .size = sizeof(bool),
	  .help = "`instance`: it has security groups and forwards ports." },
	{ "security_groups", &kind_references, offsetof(struct nat_gateway, groups),
	  offsetof(struct nat_gateway, n_groups), .noun = NOUN_GROUP,
	  .max = HG_MAX_INTERFACE_GROUPS,
	  .help = "Of an instance. Without any: the VPC's default." },
	{ "forwards", &kind_objects, offsetof(struct nat_gateway, forwards),
	  offsetof(struct nat_gateway, n_forwards), .max = HG_MAX_NAT_FORWARDS,
	  .fields = forward_fields, .size = sizeof(struct nat_forward),
	  .after = forward_after,
	  .help = "Of an instance: ports that are let in, and to where." },
	{},
};
