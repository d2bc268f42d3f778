/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include <hg/limits.h>

#include "config/check.h"
#include "config/fields.h"
#include "config/schema.h"

static const struct choice rule_changes[] = { { "aws", false }, { "strict", true }, {} };

#define TIMEOUT(noun, low, high, usual)                                                \
#noun, &kind_number, offsetof(struct timeouts, noun),                          \
		.flags = FIELD_PRESET, .min = (low), .max = (high), .preset = (usual), \
		.size = sizeof(uint32_t)

static const struct field timeout_fields[] = {
	{ TIMEOUT(tcp_established, 60, 432000, 432000), .help = "Seconds." },
	{ TIMEOUT(tcp_syn, 1, 300, 30),
	  .help = "Seconds; the handshake is not complete." },
	{ TIMEOUT(tcp_closing, 1, 300, 60),
	  .help = "Seconds; reset, or finished from both sides." },
	{ TIMEOUT(udp, 30, 60, 30),
	  .help = "Seconds; one way, or one request and one answer." },
	{ TIMEOUT(udp_stream, 60, 180, 180), .help = "Seconds; more than that." },
	{ TIMEOUT(icmp, 1, 300, 30), .help = "Seconds." },
	{ TIMEOUT(other, 1, 86400, 600), .help = "Seconds; other protocols." },
	{},
};

/* One address, or all of a CIDR. */
static void range_read(struct reader *r, const struct field *f, struct at at,
		       void *object)
{
	struct exempt *e = object;

	(void)f;
	if (!json_is_string(at.json)) {
		complain_type(r, at, "an address or CIDR");
		return;
	}
	if (!cidr_read(r, at, json_string(at.json), &e->cidr))
		return;
	e->has_address = true;
	e->address = e->cidr.addr;
}

static const struct kind kind_range = { "address or CIDR", range_read, schema_range,
					NULL };

static const struct field exempt_fields[] = {
	{ "protocol", &kind_protocol, offsetof(struct exempt, protocol),
	  .help = "Without it: any." },
	{ "address", &kind_range,
	  .help = "What packets are for. Without it: both ports must lie in `ports`." },
	{ "ports", &kind_ports, offsetof(struct exempt, ports),
	  offsetof(struct exempt, n_ports), .min = 1, .max = HG_MAX_PORT_RANGES,
	  .help = "Destination ports; wants protocol tcp or udp. Without it: all." },
	{},
};

static void exempt_after(struct reader *r, struct at at, void *element)
{
	struct exempt *e = element;

	e->vpc = -1;
	if (!json_get(at.json, "address") && !json_get(at.json, "ports"))
		complain(r, at,
			 "\"address\" or \"ports\" is missing: this would exempt "
			 "everything");
	if (json_get(at.json, "ports") && e->protocol != PROTOCOL_TCP &&
	    e->protocol != PROTOCOL_UDP && e->protocol != PROTOCOL_BROKEN)
		complain(r, at_get(at, "ports"),
			 "\"ports\" wants \"protocol\" tcp or udp beside it");
}

const struct field settings_fields[] = {
	{ "max_flows", &kind_number, offsetof(struct settings, max_flows),
	  .flags = FIELD_PRESET, .min = HG_MAX_FLOWS_MIN, .max = HG_MAX_FLOWS,
	  .preset = HG_DEFAULT_FLOWS, .size = sizeof(uint32_t),
	  .help = "Connections that the flow table has room for, in each family." },
	{ "account_id", &kind_text, offsetof(struct settings, account_id), .min = 1,
	  .max = HG_MAX_NAME, .help = "For flow records." },
	{ "region", &kind_text, offsetof(struct settings, region), .min = 1,
	  .max = HG_MAX_NAME, .help = "For flow records." },
	{ "rule_change", &kind_choice, offsetof(struct settings, is_strict),
	  .flags = FIELD_PRESET, .choices = rule_changes, .size = sizeof(bool),
	  .help = "`aws`: a tracked connection survives removal of the rule that "
		  "admitted it. "
		  "`strict`: every connection is judged again." },
	{ "tcp_loose", &kind_bool, offsetof(struct settings, tcp_loose),
	  .flags = FIELD_PRESET,
	  .help = "A TCP segment without a SYN may open a connection." },
	{ "exempt", &kind_objects, offsetof(struct settings, exempt),
	  offsetof(struct settings, n_exempt), .max = HG_MAX_EXEMPT,
	  .fields = exempt_fields, .size = sizeof(struct exempt), .after = exempt_after,
	  .help = "What no filter touches. Without it: DHCP, each subnet's router (base "
		  "+ 1), each "
		  "VPC's DNS (base + 2), 169.254.169.253, 169.254.169.254, "
		  "169.254.170.2, "
		  "169.254.169.123, fd00:ec2::/32." },
	{ "timeouts", &kind_object, offsetof(struct settings, timeouts),
	  .fields = timeout_fields, .help = "Of tracked connections." },
	{},
};

/* Room is there for one CIDR more than there are. */
static void address_add(struct settings *s, const struct cidr *c, int vpc)
{
	s->exempt[s->n_exempt++] = (struct exempt){
		.protocol = -1,
		.has_address = true,
		.address = c->addr,
		.vpc = vpc,
		.cidr = *c,
	};
}

/* Base + 'n' of each of 'cidrs' that is large enough to have it. */
static void nth_add(struct settings *s, const struct cidr *cidrs, size_t n_cidrs,
		    unsigned n, int vpc)
{
	for (size_t i = 0; i < n_cidrs; i++) {
		struct cidr c = { .addr = cidr_nth(&cidrs[i], n),
				  .len = cidrs[i].addr.family == 4 ? 32 : 128 };

		if (cidrs[i].addr.family != 0 && cidr_contains(&cidrs[i], &c.addr))
			address_add(s, &c, vpc);
	}
}

void settings_default(struct reader *r)
{
	static const char *const addresses[] = { "169.254.169.253", "169.254.169.254",
						 "169.254.170.2", "169.254.169.123",
						 "fd00:ec2::/32" };
	struct model *m = r->model;
	struct settings *s = &m->settings;
	size_t n = 1 + sizeof(addresses) / sizeof(addresses[0]);
	struct port_range *dhcp;
	struct cidr c;

	s->has_exempt = json_get(r->settings.json, "exempt");
	if (s->has_exempt)
		return;
	for (size_t i = 0; i < m->n_subnets; i++)
		n += m->subnets[i].n_cidrs;
	for (size_t i = 0; i < m->n_vpcs; i++)
		n += m->vpcs[i].n_cidrs;
	s->exempt = reader_alloc(r, n, sizeof(*s->exempt));
	dhcp = reader_alloc(r, 1, sizeof(*dhcp));
	if (!s->exempt || !dhcp)
		return;
	*dhcp = (struct port_range){ 67, 68 };
	s->exempt[s->n_exempt++] = (struct exempt){
		.protocol = PROTOCOL_UDP, .vpc = -1, .ports = dhcp, .n_ports = 1
	};
	for (size_t i = 0; i < m->n_subnets; i++)
		nth_add(s, m->subnets[i].cidrs, m->subnets[i].n_cidrs, 1,
			m->subnets[i].vpc);
	for (size_t i = 0; i < m->n_vpcs; i++)
		if (*m->vpcs[i].name)
			nth_add(s, m->vpcs[i].cidrs, m->vpcs[i].n_cidrs, 2, (int)i);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (cidr_parse(addresses[i], &c) == 0)
			address_add(s, &c, -1);
}
