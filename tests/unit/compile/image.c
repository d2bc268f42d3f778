/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/image.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "lookup.h"

static const char rules[] =
	"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\",\"2001:db8::/56\"]},"
	"\"w\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
	"\"network_acls\":{\"n\":{\"vpc\":\"v\",\"ingress\":[{\"rule\":90,\"action\":"
	"\"deny\","
	"\"protocol\":\"tcp\",\"ports\":25,\"cidr\":\"0.0.0.0/0\"}],\"egress\":[]}},"
	"\"subnets\":{\"s\":{\"vpc\":\"v\",\"network_acl\":\"n\","
	"\"cidrs\":[\"10.0.1.0/24\",\"2001:db8:0:1::/64\"]}},"
	"\"interfaces\":{"
	"\"host\":{\"subnet\":\"s\",\"attach\":\"local\",\"device\":\"eth0\"},"
	"\"plain\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.30\"]},"
	"\"port\":{\"subnet\":\"s\",\"addresses\":[\"10.0.1.40\",\"2001:db8:0:1::40\"],"
	"\"device\":\"veth7\",\"source_dest_check\":false,\"timeouts\":{\"udp\":45}}},"
	"\"settings\":{\"rule_change\":\"strict\",\"tcp_loose\":true,"
	"\"timeouts\":{\"icmp\":31,\"other\":601,\"tcp_syn\":29}}}";

static const void *record(const struct image *image, struct hg_table table, uint32_t id)
{
	return image_record(image, table, id, HG_LINE);
}

static void test_places(const struct image *image)
{
	const struct hg_header *h = image_header(image);
	const struct hg_device *d = record(image, h->devices, 1);
	const struct hg_interface *f = record(image, h->interfaces, 1);
	const struct hg_subnet *s = record(image, h->subnets, 1);
	const struct hg_vpc *v = record(image, h->vpcs, 1);
	struct addr router;
	struct hg_addr router6;

	is(h->devices.n, 3, "devices are the interfaces that name one, and nobody");
	is(d[0].role, HG_ROLE_HOST, "a local interface's device is a host door");
	is(d[1].role, HG_ROLE_PORT, "a device without attach is a port");
	is(d[1].interface, 3, "a device names its interface");
	is(d[1].subnet, 1, "a device names its interface's subnet");
	is(d[1].zone, v->zone, "a port's flows are in its VPC's zone");
	ok(d[0].zone && d[0].zone != v->zone, "a host device is a zone of its own");
	is(d[0].ifindex | d[0].flags | d[0].mtu, 0, "live words are zero as compiled");
	is(h->ports.n, 16, "a small rule set has sixteen port sets");

	is(f[0].flags, HG_INTERFACE_CHECK | HG_INTERFACE_LOCAL,
	   "an interface checks by default");
	is(f[2].flags, 0, "source_dest_check false is no check");
	is(f[1].device, 0, "an interface without a device has none");
	is(f[2].device, 2, "an interface knows its device");
	is(f[2].udp, 45, "an interface's own timeout counts");
	is(f[2].udp_stream, 180, "a timeout not given is the settings'");
	is(f[2].tcp_established, 432000, "an idle connection lives five days");

	addr_parse("10.0.1.1", &router);
	ok(memcmp(&s->router4, router.bytes, 4) == 0, "the router is base + 1");
	addr_parse("2001:db8:0:1::1", &router);
	memcpy(&router6, router.bytes, 16);
	ok(memcmp(&s->router6, &router6, 16) == 0, "the IPv6 router is base + 1");
	is(s->vpc, 1, "a subnet names its VPC");
	ok(s->nacl[0] && s->nacl[1], "a subnet with a NACL has both classifiers");
}

static void test_header(const struct image *image)
{
	const struct hg_header *h = image_header(image);

	is(h->settings, HG_SETTING_STRICT | HG_SETTING_TCP_LOOSE,
	   "settings become flags");
	is(h->timeouts[HG_STATE_SYN_SENT], 29, "an opening connection has tcp_syn");
	is(h->timeouts[HG_STATE_CLOSING], 60, "a closing connection has tcp_closing");
	is(h->timeouts[HG_STATE_UDP_STREAM], 180, "a UDP stream has udp_stream");
	is(h->timeouts[HG_STATE_ICMP_REPLIED], 31, "ICMP has icmp");
	is(h->timeouts[HG_STATE_OTHER], 601, "other protocols have other");
	is(h->n_lines, (long long)image->n_lines, "the header counts the lines");
	is(h->n_rules, h->rules.n, "the header counts the rules");
	is((long long)((uintptr_t)image->lines % HG_LINE), 0, "lines are aligned");
}

static void test_names(const struct image *image)
{
	const struct hg_header *h = image_header(image);
	const struct hg_subnet *s = record(image, h->subnets, 1);
	const struct hg_rule *rule = image_rule(image, 1);
	bool has_default = false;

	is_str(image_object_name(image, s->nacl_object), "n", "an object has its name");
	is(image_object_kind(image, s->nacl_object), HG_OBJECT_NACL,
	   "an object has its kind");
	is_str(object_kind_name(HG_OBJECT_NACL), "network_acl",
	       "a kind has its JSON key");
	is_str(object_kind_name(99), "", "a kind that does not exist has no name");
	is_str(image_object_name(image, 100000), "",
	       "an object that does not exist has no name");
	ok(!image_rule(image, 0) && !image_rule(image, h->n_rules),
	   "a rule that does not exist is NULL");
	for (uint32_t i = 1; i < h->n_rules; i++) {
		const struct hg_rule *at = image_rule(image, i);

		if (at->object == s->nacl_object && at->number == 90)
			rule = at;
		has_default |= at->object == s->nacl_object &&
			       at->number == HG_RULE_DEFAULT &&
			       at->direction == HG_EGRESS;
	}
	ok(rule->number == 90 && rule->direction == HG_INGRESS && rule->flags == 0,
	   "a rule has its number, direction and action");
	ok(has_default, "the implicit deny is a rule of each direction");
}

/* The number of zone 'name', 0 when there is none. */
static uint32_t zone_of(const struct image *image, const char *name)
{
	const struct hg_header *h = image_header(image);
	const char *text = (const char *)(image->lines + h->text.line);

	for (uint32_t i = 0; i < h->zones.n; i++) {
		const struct hg_zone *z = image_record(image, h->zones, i, sizeof(*z));

		if (z->zone && strcmp(text + z->text, name) == 0)
			return z->zone;
	}
	return 0;
}

static struct image *image_after(const char *text, const struct image *previous)
{
	struct model *m = model_of(text);
	const struct facts facts = { .previous = previous };
	char *complaint;
	struct image *image = image_try(m, &facts, &complaint);

	if (!image)
		bail("%s", complaint);
	model_free(m);
	return image;
}

static void test_zones(void)
{
	struct image *a = image_after(
		"{\"headgate\":1,\"vpcs\":{\"m\":{\"cidrs\":[\"10.0.0.0/16\"]},"
		"\"p\":{\"cidrs\":[\"10.0.0.0/16\"]}}}",
		NULL);
	struct image *b = image_after(
		"{\"headgate\":1,\"vpcs\":{\"a\":{\"cidrs\":[\"10.0.0.0/16\"]},"
		"\"p\":{\"cidrs\":[\"10.0.0.0/16\"]}}}",
		a);
	struct image *c = image_after(
		"{\"headgate\":1,\"vpcs\":{\"a\":{\"cidrs\":[\"10.0.0.0/16\"]},"
		"\"n\":{\"cidrs\":[\"10.0.0.0/16\"]},\"p\":{\"cidrs\":[\"10.0.0.0/"
		"16\"]}}}",
		b);

	ok(zone_of(a, "vpc/m") == 1 && zone_of(a, "vpc/p") == 2,
	   "zones are numbered from 1 by name");
	is(zone_of(b, "vpc/p"), 2, "a zone keeps its number");
	is(zone_of(b, "vpc/a"), 3, "a number that was given up rests for one image");
	is(zone_of(b, "vpc/m"), 0, "a zone that is gone is not listed");
	is(zone_of(c, "vpc/n"), 1, "a number that has rested is used again");
	image_free(a);
	image_free(b);
	image_free(c);
}

static void test_lists(void)
{
	static const char *const none = "{\"headgate\":1}";
	struct image *image = image_after(none, NULL);

	is(image_check(image), 0, "an empty rule set is an image");
	is(image_header(image)->devices.n, 1,
	   "an empty rule set has no devices but nobody");
	image_free(image);
}

/* One bit of a copy turned: whatever image_check() lets through, readers survive. */
static void test_damage(const struct image *image)
{
	struct image copy = { malloc(image->n_lines * HG_LINE), image->n_lines };
	size_t refused = 0, bits = sizeof(struct hg_header) * 8;

	for (size_t bit = 0; bit < bits; bit++) {
		const struct hg_header *h = image_header(&copy);

		memcpy(copy.lines, image->lines, image->n_lines * HG_LINE);
		copy.lines[bit / 512].w[bit / 32 % 16] ^= 1U << bit % 32;
		if (image_check(&copy) < 0) {
			refused++;
			continue;
		}
		for (uint32_t i = 0; i < h->objects.n; i++)
			refused += strlen(image_object_name(&copy, i)) > HG_MAX_NAME;
		for (uint32_t i = 0; i < h->n_rules; i++)
			refused += image_rule(&copy, i) == NULL && i > 0;
	}
	ok(refused > 300, "most damage to a header is found: %zu of %zu bits", refused,
	   bits);
	for (int i = 0; i < 20000; i++) {
		const struct hg_header *h = image_header(&copy);
		uint32_t line = 4 + dice((uint32_t)image->n_lines - 4);

		memcpy(copy.lines + line, image->lines + line, HG_LINE);
		copy.lines[line].w[dice(16)] ^= 1U << dice(32);
		if (i % 100 == 0)
			memcpy(copy.lines, image->lines, image->n_lines * HG_LINE);
		if (image_check(&copy) == 0)
			for (uint32_t k = 0; k < h->objects.n; k++)
				refused += strlen(image_object_name(&copy, k));
	}
	ok(true, "damage anywhere is read without harm");
	copy.n_lines = 3;
	is(image_check(&copy), -71, "an image without a whole header is refused");
	free(copy.lines);
}

static void test_order(void)
{
	struct image *a = image_after(
		"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]},"
		"\"w\":{\"cidrs\":[\"10.1.0.0/16\"]}}}",
		NULL);
	struct image *b =
		image_after("{\"vpcs\":{\"w\":{\"cidrs\":[\"10.1.0.0/16\"]},"
			    "\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},\"headgate\":1}",
			    NULL);

	ok(a->n_lines == b->n_lines &&
		   memcmp(a->lines, b->lines, a->n_lines * HG_LINE) == 0,
	   "the order of keys in the document does not matter");
	image_free(a);
	image_free(b);
}

static void test_devices(unsigned n, bool fits)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	const struct facts facts = { 0 };
	struct image *image;
	struct model *m;

	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/"
		   "16\"]}},\"subnets\":{"
		   "\"s\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.0.0/16\"]}},\"interfaces\":{");
	for (unsigned i = 0; i < n; i++)
		fprintf(f,
			"%s\"i%u\":{\"subnet\":\"s\",\"device\":\"veth%u\","
			"\"addresses\":[\"10.0.%u.%u\"]}",
			i ? "," : "", i, i, 1 + i / 250, 1 + i % 250);
	fprintf(f, "}}");
	fclose(f);
	m = model_of(text);
	free(text);
	image = image_try(m, &facts, &text);
	if (fits)
		is(image ? image_header(image)->ports.n : 0, 2048,
		   "%u devices have two places each in the port table", n);
	else
		ok(!image && strstr(text, "at most 4095"), "%u devices are refused: %s",
		   n, text ? text : "");
	free(text);
	image_free(image);
	model_free(m);
}

int main(void)
{
	struct image *image = image_after(rules, NULL);

	test_places(image);
	test_header(image);
	test_names(image);
	test_damage(image);
	test_zones();
	test_lists();
	test_order();
	test_devices(4095, true);
	test_devices(4096, false);
	image_free(image);
	return done();
}
