/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fields.h"

static const struct choice attaches[] = { { "local", true }, {} };

static const struct field timeout_fields[] = {
	{ "tcp_established", &kind_number, offsetof(struct timeouts, tcp_established),
	  .min = 60, .max = 432000, .size = sizeof(uint32_t), .help = "Seconds." },
	{ "udp", &kind_number, offsetof(struct timeouts, udp), .min = 30, .max = 60,
	  .size = sizeof(uint32_t),
	  .help = "Seconds; one way, or one request and one answer." },
	{ "udp_stream", &kind_number, offsetof(struct timeouts, udp_stream), .min = 60,
	  .max = 180, .size = sizeof(uint32_t), .help = "Seconds; more than that." },
	{},
};

const struct field interface_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct interface, vpc), .noun = NOUN_VPC,
	  .help = "Without it: the subnet's, or the only one." },
	{ "subnet", &kind_reference, offsetof(struct interface, subnet),
	  .noun = NOUN_SUBNET,
	  .help = "Required without `attach`. Without a subnet no network ACL is met." },
	{ "addresses", &kind_addresses, offsetof(struct interface, addresses),
	  offsetof(struct interface, n_addresses), .max = HG_MAX_ADDRESSES,
	  .help = "Inside the subnet. Required without `attach`; with it, without "
		  "addresses, "
		  "those of the device are read from the kernel and followed." },
	{ "security_groups", &kind_references, offsetof(struct interface, groups),
	  offsetof(struct interface, n_groups), .noun = NOUN_GROUP,
	  .max = HG_MAX_INTERFACE_GROUPS, .help = "Without any: the VPC's default." },
	{ "source_dest_check", &kind_bool, offsetof(struct interface, source_dest_check),
	  .flags = FIELD_PRESET, .preset = true,
	  .help = "Only its own addresses may speak and be spoken to." },
	{ "attach", &kind_choice, offsetof(struct interface, is_local),
	  .choices = attaches, .size = sizeof(bool),
	  .help = "The instance is this host." },
	{ "device", &kind_device, offsetof(struct interface, device),
	  .max = DEVICE_TEXT_MAX,
	  .help = "Where its packets are met: with `attach`, this host's own device; "
		  "without, "
		  "the one that leads to the instance. A device stands once in a rule "
		  "set." },
	{ "hook", &kind_choice, offsetof(struct interface, hook), .flags = FIELD_PRESET,
	  .preset = HOOK_AUTO, .choices = hook_choices, .size = sizeof(int),
	  .help = "How `device` is guarded: XDP where packets come from a wire and the "
		  "driver has it, TC "
		  "elsewhere, or as told." },
	{ "instance", &kind_text, offsetof(struct interface, instance), .min = 1,
	  .max = HG_MAX_NAME, .help = "What it belongs to, for the reader." },
	{ "timeouts", &kind_object, offsetof(struct interface, timeouts),
	  .fields = timeout_fields, .help = "Without one: that of `settings`." },
	{},
};

/* An address in use, and where it is written. */
struct use {
	const struct addr *addr;
	int vpc, interface;
	size_t index;
};

static struct at address_at(struct reader *r, int interface, size_t index)
{
	return at_nth(at_get(r->slots[NOUN_INTERFACE].items[interface].at, "addresses"),
		      index);
}

static int compare_uses(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int r = (a->vpc > b->vpc) - (a->vpc < b->vpc);

	if (r == 0)
		r = addr_compare(a->addr, b->addr);
	if (r == 0)
		r = (a->interface > b->interface) - (a->interface < b->interface);
	return r != 0 ? r : (a->index > b->index) - (a->index < b->index);
}

static void uses_check(struct reader *r)
{
	_cleanup_free_ struct use *uses = NULL;
	const struct model *m = r->model;
	char buf[ADDR_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < m->n_interfaces; i++)
		n += m->interfaces[i].n_addresses;
	uses = reader_room(r, n, sizeof(*uses));
	if (!uses)
		return;
	n = 0;
	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0; k < m->interfaces[i].n_addresses; k++)
			if (m->interfaces[i].addresses[k].family != 0)
				uses[n++] =
					(struct use){ &m->interfaces[i].addresses[k],
						      m->interfaces[i].vpc, (int)i, k };
	qsort(uses, n, sizeof(*uses), compare_uses);
	for (size_t i = 1; i < n && !reader_is_full(r); i++)
		if (uses[i].vpc == uses[i - 1].vpc && uses[i].vpc >= 0 &&
		    addr_compare(uses[i].addr, uses[i - 1].addr) == 0)
			complain(r, address_at(r, uses[i].interface, uses[i].index),
				 "%s is an address of interface \"%s\" already",
				 addr_print(uses[i].addr, buf),
				 r->slots[NOUN_INTERFACE]
					 .items[uses[i - 1].interface]
					 .name);
}

bool addr_is_special(const struct addr *a)
{
	static const struct addr loopback6 = { 6, { [15] = 1 } };

	if (addr_is_zero(a))
		return true;
	if (a->family == 4)
		return a->bytes[0] == 0 || a->bytes[0] == 127 || a->bytes[0] >= 224;
	return a->bytes[0] == 0xff || addr_compare(a, &loopback6) == 0;
}

const char *addr_role(const struct cidr *c, const struct addr *a)
{
	static const char *const roles[] = { "its network", "its router", "its DNS",
					     "kept for later" };
	struct addr nth;

	for (unsigned i = 0; i < (c->addr.family == 4 ? 4 : 2); i++) {
		nth = cidr_nth(c, i);
		if (addr_compare(&nth, a) == 0)
			return roles[i];
	}
	if (c->addr.family != 4)
		return NULL;
	nth = cidr_nth(c, (unsigned)((1ULL << (32 - c->len)) - 1));
	return addr_compare(&nth, a) == 0 ? "its broadcast" : NULL;
}

static void own_addresses_check(struct reader *r, const struct interface *i, int index)
{
	const struct subnet *s = i->subnet >= 0 ? &r->model->subnets[i->subnet] : NULL;
	char addr[ADDR_TEXT], cidr[CIDR_TEXT];

	for (size_t k = 0; k < i->n_addresses && !reader_is_full(r); k++) {
		const struct addr *a = &i->addresses[k];
		const struct cidr *c = NULL;

		if (a->family == 0)
			continue;
		if (addr_is_special(a)) {
			complain(r, address_at(r, index, k),
				 "%s cannot be an interface's address",
				 addr_print(a, addr));
			continue;
		}
		for (size_t n = 0; s && n < s->n_cidrs; n++)
			if (cidr_contains(&s->cidrs[n], a))
				c = &s->cidrs[n];
		if (s && !c)
			complain(r, address_at(r, index, k),
				 "%s is not inside a CIDR of subnet \"%s\"",
				 addr_print(a, addr),
				 r->slots[NOUN_SUBNET].items[i->subnet].name);
		else if (c && addr_role(c, a))
			complain(r, address_at(r, index, k), "%s is reserved in %s: %s",
				 addr_print(a, addr), cidr_print(c, cidr),
				 addr_role(c, a));
	}
}

void groups_check_once(struct reader *r, const int *groups, size_t n_groups, struct at at)
{
	struct at list = at_get(at, "security_groups");

	for (size_t k = 1; k < n_groups; k++)
		for (size_t n = 0; n < k; n++)
			if (groups[k] >= 0 && groups[k] == groups[n])
				complain(r, at_nth(list, k),
					 "security group \"%s\" stands here twice",
					 r->slots[NOUN_GROUP].items[groups[k]].name);
}

static void interface_check(struct reader *r, const struct interface *i, int index)
{
	struct at at = r->slots[NOUN_INTERFACE].items[index].at;

	if (i->is_local && !json_get(at.json, "device"))
		complain(r, at, "\"attach\": \"local\" wants a \"device\"");
	if (json_get(at.json, "hook") && !json_get(at.json, "device"))
		complain(r, at_get(at, "hook"), "\"hook\" wants a \"device\" beside it");
	if (!json_get(at.json, "attach") && !json_get(at.json, "subnet"))
		complain(r, at,
			 "\"subnet\" is missing: only with \"attach\": \"local\" may it "
			 "be");
	if (!json_get(at.json, "attach") &&
	    (!json_get(at.json, "addresses") ||
	     json_size(json_get(at.json, "addresses")) == 0))
		complain(r, at,
			 "\"addresses\" is missing: only with \"attach\": \"local\" may "
			 "it be");
	own_addresses_check(r, i, index);
	groups_check_once(r, i->groups, i->n_groups, at);
}

void interfaces_check(struct reader *r)
{
	for (size_t i = 0; i < r->model->n_interfaces; i++)
		interface_check(r, &r->model->interfaces[i], (int)i);
	uses_check(r);
}
