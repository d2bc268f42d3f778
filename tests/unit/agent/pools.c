/* SPDX-License-Identifier: Apache-2.0 */

/* States of targets, as words of pools and back. */
#include "pools.h"

#include <string.h>

#include "base/cleanup.h"
#include "config/read.h"
#include "tests/lib/tap.h"

/* Two zones of two targets each, in both families; a balancer that keeps to its zone in one of
 * its addresses, and one that does not. */
static const char rules[] =
	"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\",\"fd00::/56\"]}},"
	"\"subnets\":{\"a\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.1.0/24\",\"fd00:0:0:1::/"
	"64\"],"
	"\"zone\":\"a\",\"device\":\"br-a\"},"
	"\"b\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.2.0/24\"],\"zone\":\"b\","
	"\"device\":\"br-b\"}},"
	"\"interfaces\":{\"i\":{\"subnet\":\"a\",\"addresses\":[\"10.0.1.10\","
	"\"fd00:0:0:1::10\"]}},"
	"\"target_groups\":{\"g\":{\"vpc\":\"v\",\"protocol\":\"tcp\",\"port\":80,"
	"\"targets\":[{\"interface\":\"i\"},{\"address\":\"10.0.1.11\"},"
	"{\"address\":\"10.0.2.10\"},{\"address\":\"10.0.2.11\",\"weight\":0}]},"
	"\"h\":{\"vpc\":\"v\",\"protocol\":\"tcp\",\"port\":80,"
	"\"targets\":[{\"address\":\"10.0.1.11\"},{\"address\":\"10.0.1.12\"}]}},"
	"\"load_balancers\":{\"one\":{\"vpc\":\"v\",\"addresses\":[\"203.0.113.1\"],"
	"\"zone\":\"a\",\"cross_zone\":false,"
	"\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,"
	"\"forward\":[{\"target_group\":\"g\"}]}]},"
	"\"two\":{\"vpc\":\"v\",\"addresses\":[\"203.0.113.2\",\"2001:db8::2\"],"
	"\"cross_zone\":true,\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,"
	"\"forward\":[{\"target_group\":\"g\"},{\"target_group\":\"h\"}]}]}}}";

static enum health_state states[2][4];

/* In place of the one that checks targets. */
enum health_state health_state(const struct health *h, const struct model *model,
			       size_t group, size_t target)
{
	(void)h;
	(void)model;
	return states[group][target];
}

static void states_fill(enum health_state state)
{
	for (size_t i = 0; i < 8; i++)
		states[i / 4][i % 4] = state;
}

static struct image *compile(struct model **ret)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	struct image *image = NULL;

	if (config_read_text("rules", rules, strlen(rules), NULL, d, ret) < 0 ||
	    image_compile(*ret, NULL, d, &image) < 0) {
		size_t n;
		const struct complaint *list = diag_list(d, &n);

		bail("the rule set of the test is refused: %s", n ? list[0].text : "");
	}
	return image;
}

static const struct hg_pool *pool_of(const struct image *image, const char *group,
				     const char *zone, uint32_t family)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t id = 1; id < h->pools.n; id++) {
		const struct hg_pool *p = image_record(image, h->pools, id, sizeof(*p));
		const char *text = (const char *)(image->lines + h->text.line) + p->zone;

		if (strcmp(image_object_name(image, p->object), group) == 0 &&
		    p->family == family && strcmp(p->zone ? text : "", zone) == 0)
			return p;
	}
	bail("no pool of group %s, zone \"%s\", family %u", group, zone, family);
	return NULL;
}

/* The indexes of members in use, as digits: "02". */
static const char *used(const struct image *image, const struct hg_pool *p)
{
	static char text[8];
	size_t n = 0;

	for (uint32_t k = 0; k < 4; k++)
		for (uint32_t i = 0; i < p->n; i++) {
			const struct hg_target *t =
				image_record(image, image_header(image)->targets,
					     p->first + i, sizeof(*t));

			if (t->index == k && p->usable[0] >> i & 1)
				text[n++] = (char)('0' + k);
		}
	text[n] = '\0';
	return text;
}

static void test_write(struct image *image, const struct model *m)
{
	const struct hg_pool *near = pool_of(image, "g", "a", 4),
			     *all = pool_of(image, "g", "", 4),
			     *six = pool_of(image, "g", "", 6);
	struct pools_count count;

	states_fill(HEALTH_HEALTHY);
	pools_write(image, m, NULL);
	is_str(used(image, all), "012", "healthy targets with a weight take connections");
	ok(all->n_usable == 3 && !all->fails_open, "and are counted");
	is_str(used(image, near), "01", "those of its zone where a balancer keeps to it");
	is_str(used(image, six), "0", "and those that have an address of the family");
	is(pools_write(image, m, NULL), 0, "what has not changed is not written");

	states[0][1] = HEALTH_UNHEALTHY;
	ok(pools_write(image, m, NULL) == 2,
	   "a target that flips changes its pools alone");
	is_str(used(image, all), "02", "an unhealthy one takes nothing");
	is_str(used(image, near), "0", "wherever it is a member");
	is_str(used(image, pool_of(image, "h", "", 4)), "01",
	       "and another group has a mind of its own about the same address");
	states[0][0] = HEALTH_INITIAL;
	pools_write(image, m, NULL);
	is_str(used(image, all), "2", "nor does one that waits for its first success");
	ok(near->fails_open && near->n_usable == 2,
	   "a zone in which nobody is healthy fails open");
	is_str(used(image, near), "01", "to all of its members");
	ok(!all->fails_open, "and the others do not");
	count = pools_count(image);
	ok(count.failing_open == 2 && count.pools >= 4,
	   "pools that fail open are counted");
	states_fill(HEALTH_HEALTHY);
	pools_write(image, m, NULL);
	ok(!near->fails_open && near->n_usable == 2 &&
		   pools_count(image).failing_open == 0,
	   "until somebody is healthy again");
}

static void test_recall(struct image *image, const struct model *m)
{
	_cleanup_(recall_freep) struct recall *r = NULL, *none = NULL;
	struct image nothing = {};

	states_fill(HEALTH_HEALTHY);
	states[0][1] = states[1][0] = states[1][1] = HEALTH_UNHEALTHY;
	pools_write(image, m, NULL);
	recall_new(image, m, &r);
	is(recall_state(r, 0, 0), HEALTH_HEALTHY,
	   "after a restart a target that takes connections is healthy");
	is(recall_state(r, 0, 1), HEALTH_UNHEALTHY, "one that does not is unhealthy");
	is(recall_state(r, 0, 3), HEALTH_INITIAL,
	   "of one without a weight nothing is known");
	is(recall_state(r, 1, 0), HEALTH_INITIAL,
	   "nor of those of a group that fails open");
	is(recall_new(&nothing, m, &none), 0, "there may be no image at all");
	is(recall_state(none, 0, 0), HEALTH_INITIAL, "then all are new");
}

int main(void)
{
	_cleanup_(model_freep) struct model *m = NULL;
	_cleanup_(image_freep) struct image *image = compile(&m);

	test_write(image, m);
	test_recall(image, m);
	return done();
}
