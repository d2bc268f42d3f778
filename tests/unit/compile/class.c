/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/image.h"

#include <stdio.h>

#include "lookup.h"

#define LISTS 6

/* What the model says of an address, as the compiler ought to see it: the lists that hold
 * it (each is used by a rule), its family, its owner, its subnet. Every interface is in the
 * default group, which names itself, and subnet b has the default NACL, which names both
 * families. */
struct view {
	uint32_t lists;
	uint32_t family;
	uint32_t interface, subnet;
};

static struct view view_of(const struct model *m, const struct addr *a)
{
	struct view v = { .family = a->family };
	int longest = -1;

	for (size_t i = 0; i < m->n_prefix_lists; i++) {
		const struct peer p = { .kind = PEER_PREFIX_LIST, .index = (int)i };

		v.lists |= (uint32_t)scan_peer(m, &p, 0, a) << i;
	}
	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0; k < m->interfaces[i].n_addresses; k++)
			if (addr_compare(&m->interfaces[i].addresses[k], a) == 0)
				v.interface = (uint32_t)i + 1;
	for (size_t i = 0; i < m->n_subnets; i++) {
		for (size_t k = 0; k < m->subnets[i].n_cidrs; k++) {
			const struct cidr *c = &m->subnets[i].cidrs[k];

			if (cidr_contains(c, a) && c->len > longest) {
				v.subnet = (uint32_t)i + 1;
				longest = c->len;
			}
		}
	}
	return v;
}

/* Few bits vary, so that prefixes nest and touch. */
static struct cidr cidr_random(bool v6)
{
	struct cidr c = { .addr = { .family = v6 ? 6 : 4 } };
	uint8_t *a = c.addr.bytes;

	if (v6) {
		memcpy(a, "\x20\x01\x0d\xb8", 4);
		for (int i = 4; i < 16; i++)
			a[i] = (uint8_t)(dice(3) ? 0 : dice(2) ? dice(256) : 0x80);
		c.len = (uint8_t)(dice(5) ? 32 + dice(97) : dice(33));
	} else {
		a[0] = 10;
		a[1] = (uint8_t)dice(3);
		a[2] = (uint8_t)(dice(2) * 128 + dice(2));
		a[3] = (uint8_t)dice(256);
		c.len = (uint8_t)(dice(5) ? 8 + dice(25) : dice(9));
	}
	cidr_mask(&c);
	return c;
}

static void entries_write(FILE *f, uint32_t n)
{
	struct cidr *used = calloc(n, sizeof(*used));
	char text[CIDR_TEXT];

	for (uint32_t i = 0; i < n;) {
		bool is_new = true;

		used[i] = cidr_random(i % 2);
		for (uint32_t k = 0; k < i; k++)
			is_new &= cidr_compare(&used[i], &used[k]) != 0;
		if (is_new)
			fprintf(f, "%s\"%s\"", i ? "," : "", cidr_print(&used[i], text));
		i += is_new;
	}
	free(used);
}

/* Lists of nested and neighbouring prefixes, all of them used by one NACL. */
static struct model *model_random(uint32_t entries)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct model *m;

	fprintf(f, "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/"
		   "8\",\"2001:db8::/32\"]}},"
		   "\"prefix_lists\":{");
	for (int i = 0; i < LISTS; i++) {
		fprintf(f, "%s\"l%d\":{\"max_entries\":%u,\"entries\":[", i ? "," : "", i,
			entries);
		entries_write(f, entries);
		fprintf(f, "]}");
	}
	fprintf(f,
		"},\"network_acls\":{\"n\":{\"vpc\":\"v\",\"egress\":[],\"ingress\":[");
	for (int i = 0; i < LISTS; i++)
		fprintf(f,
			"%s{\"rule\":%d,\"action\":\"allow\",\"protocol\":\"all\","
			"\"cidr\":\"prefix_list/l%d\"}",
			i ? "," : "", i + 1, i);
	fprintf(f, "]}},\"subnets\":{"
		   "\"a\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.0.0/24\",\"2001:db8:0:4000::/"
		   "64\"],"
		   "\"network_acl\":\"n\"},"
		   "\"b\":{\"vpc\":\"v\",\"cidrs\":[\"10.1.128.0/25\"]}},"
		   "\"interfaces\":{"
		   "\"i\":{\"subnet\":\"a\",\"addresses\":[\"10.0.0.7\",\"2001:db8:0:"
		   "4000::7\"]},"
		   "\"j\":{\"subnet\":\"b\",\"addresses\":[\"10.1.128.9\",\"10.1.128."
		   "126\"]}},"
		   "\"settings\":{\"exempt\":[]}}");
	fclose(f);
	m = model_of(text);
	free(text);
	return m;
}

struct seen {
	struct view view;
	bool is_set;
};

static bool same_labels(const struct view *a, const struct view *b)
{
	return a->lists == b->lists && a->family == b->family &&
	       (a->interface != 0) == (b->interface != 0);
}

/* Compares one address; 'seen' maps peers to what they were found to stand for. */
static bool address_agrees(const struct model *m, const struct image *image,
			   struct seen *seen, const struct addr *a)
{
	struct view want = view_of(m, a);
	const struct hg_class *class = lookup_class(image, 1, a);
	uint32_t n_peers = lookup_vpc(image, 1)->n_peers;
	char text[ADDR_TEXT];

	if (!class || class->peer >= n_peers || class->interface != want.interface ||
	    class->subnet != want.subnet) {
		note("%s: interface %u subnet %u", addr_print(a, text),
		     class ? class->interface : 0, class ? class->subnet : 0);
		return false;
	}
	if (!seen[class->peer].is_set)
		seen[class->peer] = (struct seen){ want, true };
	if (!same_labels(&seen[class->peer].view, &want)) {
		note("%s: peer %u stands for lists %x and %x", addr_print(a, text),
		     class->peer, seen[class->peer].view.lists, want.lists);
		return false;
	}
	return true;
}

static void prefix_agrees(const struct model *m, const struct image *image,
			  struct seen *seen, const struct cidr *c, size_t *wrong)
{
	struct addr a[4] = { c->addr, cidr_last(c) };

	a[2] = addr_step(a[0], -1);
	a[3] = addr_step(a[1], 1);
	for (int i = 0; i < 4; i++)
		*wrong += !address_agrees(m, image, seen, &a[i]);
}

static void test_random(uint32_t entries)
{
	struct model *m = model_random(entries);
	struct image *image = image_of(m);
	uint32_t n_peers = lookup_vpc(image, 1)->n_peers;
	struct seen *seen = calloc(n_peers, sizeof(*seen));
	size_t wrong = 0, twice = 0;

	for (size_t i = 0; i < m->n_prefix_lists; i++)
		for (size_t k = 0; k < m->prefix_lists[i].n_entries; k++)
			prefix_agrees(m, image, seen, &m->prefix_lists[i].entries[k],
				      &wrong);
	for (size_t i = 0; i < m->n_subnets; i++)
		for (size_t k = 0; k < m->subnets[i].n_cidrs; k++)
			prefix_agrees(m, image, seen, &m->subnets[i].cidrs[k], &wrong);
	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0; k < m->interfaces[i].n_addresses; k++) {
			struct cidr c = { m->interfaces[i].addresses[k], 32 };

			if (c.addr.family == 6)
				c.len = 128;
			prefix_agrees(m, image, seen, &c, &wrong);
		}
	is((long long)wrong, 0,
	   "%u prefixes: every boundary address has the class that a scan says",
	   entries * LISTS);
	for (uint32_t i = 0; i < n_peers; i++)
		for (uint32_t k = 0; k < i; k++)
			twice += seen[i].is_set && seen[k].is_set &&
				 same_labels(&seen[i].view, &seen[k].view);
	is((long long)twice, 0, "%u prefixes: no two peers stand for the same labels",
	   entries * LISTS);
	is(image_check(image), 0, "%u prefixes: the image checks", entries * LISTS);
	free(seen);
	image_free(image);
	model_free(m);
}

static const struct hg_exempt *exempt_at(const struct image *image, const char *text)
{
	struct addr a;
	const struct hg_class *class;

	addr_parse(text, &a);
	class = lookup_class(image, 1, &a);
	return class->exempt ? (const void *)(image->lines + class->exempt) : NULL;
}

static void test_exempt(void)
{
	struct model *m =
		model_of("{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
			 "\"settings\":{\"exempt\":["
			 "{\"protocol\":\"udp\",\"address\":\"10.0.0.2\",\"ports\":["
			 "\"53\",\"123-124\"]},"
			 "{\"protocol\":\"all\",\"address\":\"fd00:ec2::/32\"},"
			 "{\"protocol\":\"udp\",\"ports\":\"67-68\"}]}}");
	struct image *image = image_of(m);
	const struct hg_exempt *e = exempt_at(image, "10.0.0.2");

	if (ok(e && e->n == 2,
	       "an exempt address carries one entry for each port range")) {
		is(e->entry[0].protocol, 17, "an exempt entry names its protocol");
		is(e->entry[0].first, 53, "an exempt entry starts at its first port");
		is(e->entry[1].last, 124, "an exempt entry ends at its last port");
		is(e->entry[1].any_port, 0, "an exempt entry with ports looks at them");
	}
	ok(!exempt_at(image, "10.0.0.3"),
	   "the address beside an exempt one is not exempt");
	e = exempt_at(image, "fd00:ec2:1::5");
	ok(e && e->n == 1 && e->entry[0].any_port == 1 && e->entry[0].protocol == 0,
	   "an exempt range covers its addresses, all protocols and ports");
	e = (const void *)(image->lines + image_header(image)->exempt);
	ok(image_header(image)->exempt && e->n == 1 && e->entry[0].first == 67 &&
		   e->entry[0].last == 68,
	   "an entry without address is in the header");
	image_free(image);
	model_free(m);
}

static void test_exempt_limit(void)
{
	struct model *m =
		model_of("{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
			 "\"settings\":{\"exempt\":[{\"protocol\":\"udp\",\"address\":"
			 "\"10.0.0.2\","
			 "\"ports\":[1,3,5,7,9,11,13,15]}]}}");
	const struct facts facts = { 0 };
	char *text;
	struct image *image = image_try(m, &facts, &text);

	ok(!image && text && strstr(text, "8 exempt entries"),
	   "more than seven exempt entries at one address are refused");
	free(text);
	image_free(image);
	model_free(m);
}

static void test_members(void)
{
	struct model *m = model_of(
		"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
		"\"subnets\":{\"s\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.0.0/24\"]}},"
		"\"security_groups\":{\"g\":{\"vpc\":\"v\",\"ingress\":[{\"protocol\":"
		"\"all\","
		"\"peers\":[\"security_group/g\"]}],\"egress\":[]}},"
		"\"interfaces\":{\"i\":{\"subnet\":\"s\",\"addresses\":[\"10.0.0.10\","
		"\"10.0.0.11\"],"
		"\"security_groups\":[\"g\"]},"
		"\"j\":{\"attach\":\"local\",\"device\":\"eth0\",\"subnet\":\"s\","
		"\"security_groups\":[\"g\"]}}}");
	struct addr kernel, first, second, other;
	char *text;

	addr_parse("10.0.0.99", &kernel);
	addr_parse("10.0.0.10", &first);
	addr_parse("10.0.0.11", &second);
	addr_parse("10.0.0.12", &other);

	const struct device_addresses device = { "eth0", &kernel, 1 };
	const struct facts facts = { &device, 1, NULL };
	struct image *image = image_try(m, &facts, &text);

	if (!image)
		bail("%s", text);
	is(lookup_class(image, 1, &first)->peer, lookup_class(image, 1, &second)->peer,
	   "members of the same groups are one peer");
	ok(lookup_class(image, 1, &first)->peer != lookup_class(image, 1, &other)->peer,
	   "a neighbour that is no member is another peer");
	is(lookup_class(image, 1, &kernel)->interface, 2,
	   "a local interface without addresses owns those of its device");
	is(lookup_class(image, 1, &kernel)->peer, lookup_class(image, 1, &first)->peer,
	   "addresses learnt from the kernel are members too");
	image_free(image);
	model_free(m);
}

/* So many entries that some bucket of the IPv6 table is sure to spill as far as it may. */
static void test_many(void)
{
	enum { N = 131000 };
	char *text, print[ADDR_TEXT];
	size_t size, wrong = 0;
	FILE *f = open_memstream(&text, &size);
	struct addr *all = calloc(N, sizeof(*all));
	struct image *image;
	struct model *m;

	fprintf(f,
		"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/8\"]}},"
		"\"prefix_lists\":{\"l\":{\"max_entries\":%d,\"entries\":[",
		N);
	for (uint32_t i = 0; i < N; i++) {
		all[i] = (struct addr){ 6, { 0x20, 1, 0x0d, 0xb8 } };
		for (int k = 4; k < 16; k++)
			all[i].bytes[k] = (uint8_t)dice(256);
		fprintf(f, "%s\"%s/128\"", i ? "," : "", addr_print(&all[i], print));
	}
	fprintf(f,
		"]}},\"network_acls\":{\"n\":{\"vpc\":\"v\",\"egress\":[],\"ingress\":["
		"{\"rule\":1,\"action\":\"deny\",\"protocol\":\"all\","
		"\"cidr\":\"prefix_list/l\"}]}},\"subnets\":{\"s\":{\"vpc\":\"v\","
		"\"cidrs\":[\"10.0.0.0/24\"],\"network_acl\":\"n\"}}}");
	fclose(f);
	m = model_of(text);
	free(text);
	image = image_of(m);
	for (uint32_t i = 0; i < N; i++) {
		struct addr beside = addr_step(all[i], 1);

		wrong += lookup_class(image, 1, &all[i])->peer == 0;
		wrong += lookup_class(image, 1, &beside)->peer != 0;
	}
	is((long long)wrong, 0,
	   "%d addresses of a list are found, their neighbours are not", N);
	free(all);
	image_free(image);
	model_free(m);
}

int main(void)
{
	for (uint32_t i = 0; i < 12; i++)
		test_random(i < 10 ? 2 + i * 4 : 400);
	test_exempt();
	test_exempt_limit();
	test_members();
	test_many();
	return done();
}
