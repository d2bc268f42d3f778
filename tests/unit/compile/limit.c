/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <hg/limit.h>

#include "base/cleanup.h"
#include "compile/image.h"
#include "tests/lib/rules.h"
#include "tests/lib/tap.h"

#define RULES(limits)                                                                    \
	"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"                \
	"\"subnets\":{\"a\":{\"cidrs\":[\"10.0.0.0/24\"],\"device\":\"a\"},"             \
	"\"b\":{\"cidrs\":[\"10.0.1.0/24\"],\"device\":\"b\"}},"                         \
	"\"target_groups\":{\"t\":{\"protocol\":\"tcp\",\"port\":80,\"targets\":[{"      \
	"\"address\":\"10.0.1.9\"}]}},"                                                  \
	"\"load_balancers\":{\"l\":{\"vpc\":\"v\",\"addresses\":[\"198.51.100.1\"],"     \
	"\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,\"forward\":[{"                \
	"\"target_group\":\"t\"}]}]},"                                                   \
	"\"n\":{\"nodes\":[{\"subnet\":\"a\",\"address\":\"10.0.0.5\"}],\"listeners\":[" \
	"{"                                                                              \
	"\"protocol\":\"tcp\",\"port\":80,\"forward\":[{\"target_group\":\"t\"}]}]}},"   \
	"\"rate_limits\":{" limits "}}"

#define LIMIT(name, resource, n)                                                        \
	"\"" name "\":{\"resource\":\"" resource "\",\"unit\":\"packets\",\"limit\":" n \
	",\"window\":10}"

struct compiled {
	struct model *model;
	struct image *image;
};

static struct compiled compile(const char *text, const struct image *previous)
{
	const struct facts facts = { .previous = previous };
	struct compiled c = {};

	c.image = rules_image(text, &facts, &c.model);
	return c;
}

static void compiled_done(struct compiled *c)
{
	image_free(c->image);
	model_free(c->model);
}

/* The names of a chain, each with its limit. */
static const char *chain(const struct image *image, uint32_t id)
{
	static char buf[256];
	struct hg_table limits = image_header(image)->limits;

	buf[0] = '\0';
	while (id) {
		const struct hg_limit *l = image_record(image, limits, id, sizeof(*l));

		snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "%s%s %llu",
			 buf[0] ? ", " : "", image_object_name(image, l->object),
			 (unsigned long long)l->limit);
		id = l->next;
	}
	return buf;
}

static const char *chain_of_subnet(const struct image *image, uint32_t id)
{
	const struct hg_subnet *s =
		image_record(image, image_header(image)->subnets, id, sizeof(*s));

	return chain(image, s->limit);
}

static const char *chain_of_balancer(const struct image *image, const char *name)
{
	struct hg_table vips = image_header(image)->vips;

	for (uint32_t id = 1; id < vips.n; id++) {
		const struct hg_vip *v = image_record(image, vips, id, sizeof(*v));

		if (strcmp(image_object_name(image, v->object), name) == 0)
			return chain(image, v->limit);
	}
	return "no balancer";
}

static uint32_t mark_of(const struct image *image, const char *name)
{
	struct hg_table limits = image_header(image)->limits;

	for (uint32_t id = 1; id < limits.n; id++) {
		const struct hg_limit *l = image_record(image, limits, id, sizeof(*l));

		if (strcmp(image_object_name(image, l->object), name) == 0)
			return l->mark;
	}
	return 0;
}

static void test_chains(void)
{
	_cleanup_(compiled_done) struct compiled c = compile(
		RULES(LIMIT("z", "subnet/a", "1") "," LIMIT(
			"m", "load_balancer/n",
			"2") "," LIMIT("c", "subnet/a",
				       "3") "," LIMIT("k", "load_balancer/l", "4")),
		NULL);

	is_str(chain_of_subnet(c.image, 1), "c 3, z 1",
	       "a subnet's limits, by name however they are written");
	is_str(chain_of_subnet(c.image, 2), "", "another subnet has none");
	is_str(chain_of_balancer(c.image, "l"), "k 4",
	       "a bare address has its balancer's");
	is_str(chain_of_balancer(c.image, "n"), "c 3, m 2, z 1",
	       "a node has those of its subnet, too, in one order");
}

static void test_marks(void)
{
	_cleanup_(compiled_done) struct compiled c = compile(
		RULES(LIMIT("m", "subnet/a", "1") "," LIMIT("n", "subnet/b", "1")), NULL);
	_cleanup_(compiled_done) struct compiled d =
		compile(RULES(LIMIT("a", "subnet/a", "9") "," LIMIT(
				"m", "subnet/a", "1") "," LIMIT("n", "subnet/a", "1")),
			c.image);

	ok(HG_MARK_ID(mark_of(c.image, "m")) != HG_MARK_ID(mark_of(c.image, "n")),
	   "every limit has a number of its own");
	ok(mark_of(d.image, "m") == mark_of(c.image, "m"),
	   "a limit keeps its mark when another comes before it");
	ok(mark_of(d.image, "n") != mark_of(c.image, "n"),
	   "one that has another resource is another limit");
	ok(HG_MARK_ID(mark_of(d.image, "a")) != HG_MARK_ID(mark_of(d.image, "m")) &&
		   HG_MARK_ID(mark_of(d.image, "a")) != HG_MARK_ID(mark_of(d.image, "n")),
	   "a new one gets a number that nobody has");
	ok(!(mark_of(c.image, "m") & HG_MARK_LIMITED), "no mark says that it limits");
}

static void test_many(void)
{
	static char text[65536];
	struct compiled c;
	bool is_used[HG_LIMIT_IDS] = {};
	struct hg_table limits;
	unsigned n = 0;

	strcpy(text,
	       "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
	       "\"subnets\":{\"a\":{\"cidrs\":[\"10.0.0.0/24\"]}},\"rate_limits\":{");
	for (int i = 0; i < HG_MAX_RATE_LIMITS; i++)
		sprintf(text + strlen(text), "%s" LIMIT("l%d", "subnet/a", "7"),
			i ? "," : "", i);
	strcat(text, "}}");
	c = compile(text, NULL);
	limits = image_header(c.image)->limits;
	for (uint32_t id = 1; id < limits.n; id++) {
		const struct hg_limit *l = image_record(c.image, limits, id, sizeof(*l));

		n += !is_used[HG_MARK_ID(l->mark)];
		is_used[HG_MARK_ID(l->mark)] = true;
	}
	is(n, HG_MAX_RATE_LIMITS, "there are numbers for as many as can be written");
	compiled_done(&c);
}

int main(void)
{
	test_chains();
	test_marks();
	test_many();
	return done();
}
