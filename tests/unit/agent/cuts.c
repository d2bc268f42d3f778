/* SPDX-License-Identifier: Apache-2.0 */

/* Which connections are to end when a target is given up, and how often they are looked for. */
#include "cuts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/read.h"
#include "kernel/meter.h"
#include "tests/lib/tap.h"

#define N_SETS 4
#define NS     1000000ULL /* a millisecond */

static const char rules[] =
	"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\"]}},"
	"\"subnets\":{\"a\":{\"vpc\":\"v\",\"cidrs\":[\"10.0.1.0/"
	"24\"],\"device\":\"br\"}},"
	"\"target_groups\":{"
	"\"g\":{\"vpc\":\"v\",\"protocol\":\"tcp\",\"port\":80,"
	"\"targets\":[{\"address\":\"10.0.1.10\"}]},"
	"\"h\":{\"vpc\":\"v\",\"protocol\":\"tcp\",\"port\":80,"
	"\"targets\":[{\"address\":\"10.0.1.10\"}]}},"
	"\"load_balancers\":{\"one\":{\"vpc\":\"v\",\"addresses\":[\"203.0.113.1\"],"
	"\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,"
	"\"forward\":[{\"target_group\":\"g\"}]}]},"
	"\"two\":{\"vpc\":\"v\",\"addresses\":[\"203.0.113.2\",\"203.0.113.3\"],"
	"\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,"
	"\"forward\":[{\"target_group\":\"h\"}]},"
	"{\"protocol\":\"tcp\",\"port\":81,\"forward\":[{\"target_group\":\"g\"},"
	"{\"target_group\":\"h\"}]}]},"
	"\"three\":{\"vpc\":\"v\",\"addresses\":[\"203.0.113.4\"],"
	"\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,"
	"\"forward\":[{\"target_group\":\"h\"}]}]}}}";

static struct hg_set4 sets4[N_SETS] __attribute__((aligned(64)));
static struct hg_set6 sets6[N_SETS] __attribute__((aligned(64)));
static const struct flow_tables tables = {
	.sets4 = sets4, .sets6 = sets6, .n_sets = N_SETS, .hz = 100
};

static struct image *compile(void)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_(model_freep) struct model *m = NULL;
	struct image *image = NULL;

	if (config_read_text("rules", rules, strlen(rules), NULL, d, &m) < 0 ||
	    image_compile(m, NULL, d, &image) < 0)
		bail("the rule set of the test is refused");
	return image;
}

static uint32_t meter_of(const struct image *image, const char *name)
{
	static uint32_t owners[HG_METERS];

	meters_owners(image, owners);
	for (uint32_t i = HG_METER_BALANCER; i < HG_METERS; i++)
		if (owners[i] && strcmp(image_object_name(image, owners[i]), name) == 0)
			return i;
	bail("no meter of %s", name);
	return 0;
}

/* The answers of a connection to 10.0.1.10:80 through each balancer. */
static struct hg_flow4 *answers(uint32_t index)
{
	return &sets4[index].way[0];
}

static void put(uint32_t index, uint32_t meter, uint8_t protocol)
{
	*answers(index) = (struct hg_flow4){
		.key = { inet_addr("10.0.1.10"), 1, htons(80), htons(1000), protocol, 1,
			 1 },
		.state = { .epoch = 3,
			   .seen = 1000,
			   .life = HG_LIFE(350, HG_STATE_ESTABLISHED, HG_FLOW_NAT),
			   .bytes = HG_BYTES_OF(meter) },
	};
}

static bool is_cut(uint32_t index)
{
	return HG_LIFE_TIMEOUT(answers(index)->state.life) == 0;
}

static void fresh(const struct image *image)
{
	put(0, meter_of(image, "one"), IPPROTO_TCP);
	put(1, meter_of(image, "two"), IPPROTO_TCP);
	put(2, meter_of(image, "three"), IPPROTO_TCP);
	put(3, meter_of(image, "one"), IPPROTO_UDP);
}

static struct health_cut target_of(const char *group, unsigned protocols)
{
	struct health_cut cut = { .group = group, .port = 80, .protocols = protocols };

	addr_parse("10.0.1.10", &cut.addresses[0]);
	return cut;
}

static void test_whose(const struct image *image)
{
	struct health_cut g = target_of("g", HEALTH_CUT_TCP),
			  gone = target_of("gone", HEALTH_CUT_TCP | HEALTH_CUT_UDP);
	struct cuts c = {};

	fresh(image);
	cuts_add(&c, image, &g);
	cuts_run(&c, &tables, 1500, 1000 * NS);
	ok(is_cut(0) && is_cut(1),
	   "connections through every balancer that forwards to the group are ended");
	ok(!is_cut(2), "those to the same address by another group's are not");
	ok(!is_cut(3), "nor those of another protocol");
	is((long long)c.n_cut, 2, "and they are counted");
	cuts_done(&c);

	c = (struct cuts){};
	fresh(image);
	cuts_add(&c, image, &gone);
	cuts_run(&c, &tables, 1500, 1000 * NS);
	ok(is_cut(0) && is_cut(1) && is_cut(2) && is_cut(3),
	   "of a group that no listener names any more, through all balancers");
	cuts_done(&c);
}

static void test_when(const struct image *image)
{
	struct health_cut g = target_of("g", HEALTH_CUT_TCP),
			  h = target_of("h", HEALTH_CUT_TCP);
	struct cuts c = {};
	uint64_t now;

	fresh(image);
	cuts_run(&c, &tables, 1500, 1000 * NS);
	is((long long)c.walked_ns, 0, "without a target there is no walk");
	cuts_add(&c, image, &g);
	cuts_run(&c, &tables, 1500, 1000 * NS);
	ok(is_cut(0), "the first walk is at once");
	now = c.walked_ns;
	fresh(image);
	cuts_add(&c, image, &h);
	cuts_run(&c, &tables, 1500, now + 10 * NS);
	ok(!is_cut(0) && !is_cut(2), "the next one not before a tenth of a second");
	cuts_run(&c, &tables, 1510, now + 100 * NS);
	ok(is_cut(0), "then what a packet has written over is ended again");
	ok(is_cut(2), "with what has come since");
	now = c.walked_ns;
	fresh(image);
	cuts_run(&c, &tables, 1520, now + 100 * NS);
	ok(is_cut(2) && !is_cut(0), "each target is looked for twice");
	now = c.walked_ns;
	fresh(image);
	cuts_run(&c, &tables, 1530, now + 100 * NS);
	ok(!is_cut(2) && c.walked_ns == now, "and not more often");
	cuts_done(&c);
}

int main(void)
{
	_cleanup_(image_freep) struct image *image = compile();

	test_whose(image);
	test_when(image);
	return done();
}
