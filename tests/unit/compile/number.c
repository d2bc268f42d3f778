/* SPDX-License-Identifier: Apache-2.0 */

/* Ids that outlive an image: who keeps his, and how long one that is given up rests. */
#include "compile/number.h"

#include <stdio.h>

#include <hg/event.h>

#include "base/cleanup.h"
#include "lookup.h"

static struct numbers begin(uint32_t max)
{
	struct numbers n;

	if (numbers_init(&n, max) < 0)
		bail("no memory");
	return n;
}

static void test_numbers(void)
{
	struct numbers n = begin(3);

	is(numbers_take(&n), 1, "without a previous image ids count from 1");
	is(numbers_take(&n), 2, "the next is the next");
	is(numbers_take(&n), 3, "the last is the highest");
	is(numbers_take(&n), 0, "and then there is none");
	numbers_done(&n);

	n = begin(3);
	numbers_keep(&n, 1, true);
	numbers_keep(&n, 2, false);
	is(numbers_take(&n), 3, "an id that is given up rests while another is free");
	is(numbers_take(&n), 2, "and no longer");
	is(numbers_take(&n), 0, "one that is kept is nobody else's");
	numbers_keep(&n, 4, true);
	is(numbers_take(&n), 0, "an id beyond the highest is not looked at");
	numbers_done(&n);
}

/* ---- meters ---- */

/* A balancer for each letter, lower case; upper case: a gateway load balancer. */
static struct image *letters_image(const char *letters, const struct image *previous)
{
	const struct facts facts = { .previous = previous };
	char lbs[2048] = "", gwlbs[2048] = "", text[8192], *complaint;
	struct model *m;
	struct image *made;
	size_t n = 0, k = 0;

	for (const char *l = letters; *l; l++)
		if (*l >= 'a')
			n += (size_t)sprintf(lbs + n,
					     "%s\"%c\":{\"addresses\":[\"192.0.2.%d\","
					     "\"198.51.100.%d\"],\"listeners\":[]}",
					     n ? "," : "", *l, *l, *l);
		else
			k += (size_t)sprintf(gwlbs + k,
					     "%s\"%c\":{\"target_group\":\"t\"}",
					     k ? "," : "", *l);
	snprintf(text, sizeof(text),
		 "{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
		 "\"subnets\":{\"s\":{\"cidrs\":[\"10.0.0.0/24\"]}},"
		 "\"target_groups\":{\"t\":{\"protocol\":\"geneve\",\"port\":6081,"
		 "\"targets\":[{\"address\":\"10.0.0.9\"}]}},"
		 "\"load_balancers\":{%s},\"gateway_load_balancers\":{%s}}",
		 lbs, gwlbs);
	m = model_of(text);
	made = image_try(m, &facts, &complaint);
	if (!made)
		bail("the compiler refuses: %s", complaint);
	free(complaint);
	model_free(m);
	return made;
}

static const char *meters_of(const struct image *made)
{
	static char buf[256];
	const struct hg_header *h = image_header(made);
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t id = 1; id < h->vips.n; id += 2) {
		const struct hg_vip *v = image_record(made, h->vips, id, HG_LINE);

		n += (size_t)sprintf(buf + n, "%s%s%u%s", n ? " " : "",
				     image_object_name(made, v->object),
				     v->meter - HG_METER_BALANCER,
				     v[1].meter == v->meter ? "" : "!");
	}
	for (uint32_t id = 1; id < h->gwlbs.n; id++) {
		const struct hg_gwlb *g = image_record(made, h->gwlbs, id, HG_LINE);

		if (!g->meter)
			continue;
		n += (size_t)sprintf(buf + n, "%s%s%u%s", n ? " " : "",
				     image_object_name(made, g->object),
				     g->meter - HG_METER_BALANCER,
				     g->meter == HG_METER_BALANCER + id ? "" : "!");
	}
	return buf;
}

static void test_meters(void)
{
	static const struct {
		const char *letters, *want, *what;
	} cases[] = {
		{ "bcX", "b1 c2 X3",
		  "meters are numbered in order, load balancers first" },
		{ "abcX", "a4 b1 c2 X3", "one more changes nobody's meter" },
		{ "acdX", "a4 c2 d5 X3", "a meter that was given up rests" },
		{ "aceX", "a4 c2 e1 X3", "and is then given to another" },
		{ "acxY", "a4 c2 x5 Y6", "one of each kind may be new at once" },
	};
	struct image *last = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image *made = letters_image(cases[i].letters, last);

		is_str(meters_of(made), cases[i].want, "%s", cases[i].what);
		is(image_check(made), 0, "and the image is sound");
		image_free(last);
		last = made;
	}
	image_free(last);
}

int main(void)
{
	test_numbers();
	test_meters();
	return done();
}
