/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"

static const struct {
	const char *text;
	const char *printed; /* NULL: refused */
} addresses[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "2001:DB8::0:1", "2001:db8::1" },
	{ "::", "::" },
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
	{ "192.0.2", NULL },
	{ "192.0.2.256", NULL },
	{ "192.0.2.01", NULL },
	{ "192.0.2.1 ", NULL },
	{ "192.0.2.1/32", NULL },
	{ "0x7f.1", NULL },
	{ "2001:db8:::1", NULL },
	{ "fe80::1%eth0", NULL },
	{ "", NULL },
};

static const struct {
	const char *text;
	const char *printed; /* NULL: refused */
	const char *masked;
} cidrs[] = {
	{ "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8" },
	{ "100.68.0.18/18", "100.68.0.18/18", "100.68.0.0/18" },
	{ "192.0.2.255/31", "192.0.2.255/31", "192.0.2.254/31" },
	{ "255.255.255.255/0", "255.255.255.255/0", "0.0.0.0/0" },
	{ "192.0.2.1", "192.0.2.1/32", "192.0.2.1/32" },
	{ "2001:db8::ffff/113", "2001:db8::ffff/113", "2001:db8::8000/113" },
	{ "2001:db8::1", "2001:db8::1/128", "2001:db8::1/128" },
	{ "ffff::/1", "ffff::/1", "8000::/1" },
	{ "10.0.0.0/33", NULL, NULL },
	{ "10.0.0.0/", NULL, NULL },
	{ "10.0.0.0/08", NULL, NULL },
	{ "10.0.0.0/+8", NULL, NULL },
	{ "10.0.0.0/8 ", NULL, NULL },
	{ "10.0.0.0/8/8", NULL, NULL },
	{ "::/129", NULL, NULL },
	{ "/8", NULL, NULL },
	{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8", NULL, NULL },
};

static const struct {
	const char *a, *b;
	bool contains, overlaps; /* 'a' the address of 'b'; each other */
} pairs[] = {
	{ "10.0.0.0/8", "10.255.255.255/32", true, true },
	{ "10.0.0.0/8", "11.0.0.0/32", false, false },
	{ "10.0.1.0/24", "10.0.0.0/16", false, true },
	{ "10.0.0.0/9", "10.128.0.0/9", false, false },
	{ "0.0.0.0/0", "::/0", false, false },
	{ "2001:db8::/33", "2001:db8:8000::/33", false, false },
	{ "2001:db8::/32", "2001:db8:8000::/33", true, true },
	{ "::/0", "ffff::/128", true, true },
};

static const struct {
	const char *cidr;
	unsigned n;
	const char *want;
} nths[] = {
	{ "10.0.0.0/24", 1, "10.0.0.1" },
	{ "10.0.0.0/8", 0xffffff, "10.255.255.255" },
	{ "10.0.0.255/24", 1, "10.0.1.0" },
	{ "2001:db8::ffff:ffff/64", 2, "2001:db8::1:0:1" },
};

static struct cidr cidr_of(const char *text)
{
	struct cidr c = {};

	cidr_parse(text, &c);
	return c;
}

int main(void)
{
	char addr[ADDR_TEXT], cidr[CIDR_TEXT];
	struct cidr a, b;
	struct addr x;

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		x = (struct addr){ .family = 9 };
		if (addr_parse(addresses[i].text, &x) == 0)
			is_str(addr_print(&x, addr), addresses[i].printed,
			       "'%s' is an address", addresses[i].text);
		else
			ok(!addresses[i].printed && x.family == 9,
			   "'%s' is no address, and the output is as it was",
			   addresses[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(cidrs); i++) {
		a = (struct cidr){ .len = 200 };
		if (cidr_parse(cidrs[i].text, &a) < 0) {
			ok(!cidrs[i].printed && a.len == 200,
			   "'%s' is no CIDR, and the output is as it was", cidrs[i].text);
			continue;
		}
		is_str(cidr_print(&a, cidr), cidrs[i].printed, "'%s' is a CIDR",
		       cidrs[i].text);
		is(cidr_mask(&a), strcmp(cidrs[i].printed, cidrs[i].masked) != 0,
		   "masking '%s' says whether there were host bits", cidrs[i].text);
		is_str(cidr_print(&a, cidr), cidrs[i].masked, "'%s' loses its host bits",
		       cidrs[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		a = cidr_of(pairs[i].a);
		b = cidr_of(pairs[i].b);
		is(cidr_contains(&a, &b.addr), pairs[i].contains,
		   "%s contains the base of %s", pairs[i].a, pairs[i].b);
		is(cidr_overlaps(&a, &b), pairs[i].overlaps, "%s overlaps %s", pairs[i].a,
		   pairs[i].b);
		is(cidr_overlaps(&b, &a), pairs[i].overlaps, "%s overlaps %s", pairs[i].b,
		   pairs[i].a);
	}
	for (size_t i = 0; i < ARRAY_SIZE(nths); i++) {
		a = cidr_of(nths[i].cidr);
		x = cidr_nth(&a, nths[i].n);
		is_str(addr_print(&x, addr), nths[i].want, "number %u of %s", nths[i].n,
		       nths[i].cidr);
	}
	a = cidr_of("255.0.0.0/8");
	b = cidr_of("::/0");
	ok(cidr_compare(&a, &b) < 0 && cidr_compare(&b, &a) > 0,
	   "IPv4 comes before IPv6");
	b = cidr_of("255.0.0.0/9");
	ok(cidr_compare(&a, &b) < 0, "of one base the shorter comes first");
	is(cidr_compare(&a, &a), 0, "a CIDR is equal to itself");
	b = cidr_of("::/0");
	ok(addr_is_zero(&b.addr) && !addr_is_zero(&a.addr), "only zero is zero");
	return done();
}
