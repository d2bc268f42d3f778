/* SPDX-License-Identifier: Apache-2.0 */

/* The warnings themselves are golden (tests/golden/check/warn.json). Here: that looking for
 * them stays affordable, and that it finds what it should among many. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/read.h"
#include "tests/lib/tap.h"

#define RULES 100000

/* Rules whose CIDRs and ports come from formats of the rule's number. */
static struct model *many(const char *rule, unsigned n)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_free_ char *text = NULL;
	struct model *m = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("{\"headgate\":1,\"network_acls\":{\"n\":{\"ingress\":[", out);
	for (unsigned i = 0; i < n; i++) {
		fprintf(out, "%s{\"rule\":%u,\"action\":\"allow\",", i > 0 ? "," : "",
			i + 1);
		fprintf(out, rule, i % 65536, i >> 8 & 255, i & 255, i >> 16);
		fputs("}", out);
	}
	fputs("]}}}", out);
	fclose(out);
	if (config_read_text("j", text, size, NULL, d, &m) < 0)
		bail("a rule set of the test was refused");
	return m;
}

static const struct {
	const char *says;
	const char *rule;
	unsigned shadowed;
} cases[] = {
	{ "of rules for one address and different ports none is shadowed but the "
	  "repeated ones",
	  "\"protocol\":\"tcp\",\"ports\":%1$u,\"cidr\":\"10.0.0.0/8\"", 0 },
	{ "of rules for different addresses none is shadowed",
	  "\"protocol\":\"tcp\",\"cidr\":\"10.%4$u.%2$u.%3$u/32\"", 0 },
	{ "of rules that say the same all but the first are shadowed",
	  "\"protocol\":\"tcp\",\"ports\":80,\"cidr\":\"10.0.0.0/8\"", RULES - 1 },
	{ "of rules inside a first one all are shadowed",
	  "\"protocol\":\"tcp\",\"cidr\":\"10.0.0.%3$u/24\"", RULES - 1 },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(model_freep) struct model *m = many(cases[i].rule, RULES);
		_cleanup_(diag_freep) struct diag *d = diag_new();
		uint64_t start = clock_monotonic_ns(), ms;
		long long want = cases[i].shadowed;

		config_warn(m, d);
		ms = (clock_monotonic_ns() - start) / 1000000;
		/* One more: the network ACL is on no subnet. */
		if (want > 0)
			is((long long)diag_warnings(d), want + 1, "%s", cases[i].says);
		else
			ok(diag_warnings(d) < RULES / 2, "%s", cases[i].says);
		/* Comparing each with each takes 5e9 comparisons: a minute. */
		ok(ms < 5000, "and the search is affordable (%llu ms for %d rules)",
		   (unsigned long long)ms, RULES);
	}
	return done();
}
