/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define RULES(nacl, ingress, change)                                                     \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] "  \
	"} },"                                                                           \
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'],"  \
	"                      'network_acl': 'n' } },"                                  \
	"  'network_acls': { 'n': { 'vpc': 'v', 'ingress': [" nacl                       \
	"    { 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' "  \
	"},"                                                                             \
	"    { 'rule': 901, 'action': 'allow', 'protocol': 'all', 'cidr': '::/0' } ],"   \
	"    'egress': ["                                                                \
	"    { 'rule': 900, 'action': 'allow', 'protocol': 'all', 'cidr': '0.0.0.0/0' "  \
	"},"                                                                             \
	"    { 'rule': 901, 'action': 'allow', 'protocol': 'all', 'cidr': '::/0' } ] } " \
	"},"                                                                             \
	"  'security_groups': { 'g': { 'vpc': 'v', 'ingress': [" ingress                 \
	"], 'egress': ["                                                                 \
	"    { 'protocol': 'all', 'peers': ['0.0.0.0/0', '::/0'] } ] } },"               \
	"  'interfaces': { 'a': { 'subnet': 's', 'device': 'p0', 'security_groups': "    \
	"['g'],"                                                                         \
	"           'addresses': ['10.200.0.10', 'fd00:10::10'] } },"                    \
	"  'settings': { 'rule_change': '" change "' } }"

#define TRACKED \
	"{ 'protocol': 'tcp', 'ports': 22, 'peers': ['10.0.0.0/8', '2001:db8:1::/48'] }"
#define UNTRACKED "{ 'protocol': 'tcp', 'ports': 80, 'peers': ['0.0.0.0/0', '::/0'] }"
#define BOTH      TRACKED "," UNTRACKED
#define DENY                                                                       \
	"{ 'rule': 1, 'action': 'deny', 'protocol': 'tcp', 'cidr': '0.0.0.0/0' }," \
	"{ 'rule': 2, 'action': 'deny', 'protocol': 'tcp', 'cidr': '::/0' },"

static const struct {
	const char *name, *client, *server;
} families[] = { { "IPv4", "10.1.1.1", "10.200.0.10" },
		 { "IPv6", "2001:db8:1::7", "fd00:10::10" } };

static struct frame data(int family, uint16_t port)
{
	struct frame f = frame_tcp(families[family].client, 40000,
				   families[family].server, port, TCP_ACK | TCP_PSH);

	f.seq = 1001;
	f.ack = 5001;
	f.payload = 20;
	return f;
}

static uint32_t in(struct stand *s, int family, uint16_t port)
{
	return stand_out(s, "p0", data(family, port));
}

static uint32_t back(struct stand *s, int family, uint16_t port)
{
	struct frame f = data(family, port);

	return stand_in(s, "p0", frame_reply(&f));
}

static void open_both(struct stand *s, int family, const char *change)
{
	const char *name = families[family].name;

	stand_reset(s);
	if (change[0] == 's')
		stand_rules(s, RULES("", BOTH, "strict"));
	else
		stand_rules(s, RULES("", BOTH, "aws"));
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, families[family].client, 40000,
				families[family].server, 22),
		  0, "%s: a tracked connection to port 22 is made", name);
	is_reason(stand_connect(s, "p0", OPENED_OUTSIDE, families[family].client, 40000,
				families[family].server, 80),
		  0, "%s: an untracked one to port 80 is made", name);
}

static void as_aws(struct stand *s, int family)
{
	const char *name = families[family].name;

	open_both(s, family, "aws");
	stand_rules(s, RULES("", "", "aws"));
	is_reason(in(s, family, 22), 0, "%s: the tracked one survives its rule", name);
	is_reason(back(s, family, 22), 0, "%s: both ways", name);
	is_reason(in(s, family, 80), HG_DROP_SG_INGRESS,
		  "%s: the untracked one is cut with it", name);
	stand_rules(s, RULES(DENY, BOTH, "aws"));
	is_reason(in(s, family, 22), HG_DROP_NACL_INGRESS,
		  "%s: a NACL deny cuts the tracked one", name);
	is_reason(in(s, family, 80), HG_DROP_NACL_INGRESS, "%s: and the untracked one",
		  name);
	is_reason(back(s, family, 22), 0, "%s: the other direction has a NACL of its own",
		  name);
	stand_rules(s, RULES("", "", "aws"));
	is_reason(in(s, family, 22), 0,
		  "%s: the tracked one goes on when the deny is gone", name);
	is_reason(stand_out(s, "p0",
			    frame_tcp(families[family].client, 40009,
				      families[family].server, 22, TCP_SYN)),
		  HG_DROP_SG_INGRESS, "%s: nobody new follows it", name);
}

static void strictly(struct stand *s, int family)
{
	const char *name = families[family].name;
	struct frame segment = data(family, 22);

	open_both(s, family, "strict");
	stand_rules(s, RULES("", UNTRACKED, "strict"));
	is_reason(in(s, family, 22), HG_DROP_SG_INGRESS,
		  "%s: strict, the tracked one falls with its rule", name);
	is_reason(in(s, family, 80), 0, "%s: strict, the other's rule is still there",
		  name);
	stand_rules(s, RULES("", BOTH, "strict"));
	is_reason(in(s, family, 22), 0,
		  "%s: strict, its segments are judged by the rule that is back", name);
	is(stand_state(s, "p0", HG_DOOR_OUT, &segment), HG_STATE_NONE,
	   "%s: strict, for the connection has been forgotten", name);
}

static void strict_judges_the_opening(struct stand *s, int family)
{
	const char *name = families[family].name;

	open_both(s, family, "strict");
	/* The answer comes first: it is the opening direction that has to be allowed. */
	stand_rules(s, RULES("", TRACKED, "strict"));
	is_reason(back(s, family, 22), 0,
		  "%s: strict, an answer keeps a connection that may open", name);
	stand_rules(s, RULES("", "", "strict"));
	is_reason(back(s, family, 22), 0,
		  "%s: strict, an answer is judged as new by egress", name);
	is_reason(in(s, family, 22), HG_DROP_SG_INGRESS,
		  "%s: strict, for the connection is gone", name);
}

static void epochs(struct stand *s)
{
	uint32_t before = dataplane_epoch(stand_plane(s));

	stand_rules(s, RULES("", "", "aws"));
	is(dataplane_epoch(stand_plane(s)), before + 1, "a switch is one epoch");
	for (int i = 0; i < 20; i++) {
		stand_rules(s, RULES("", BOTH, "aws"));
		if (stand_out(
			    s, "p0",
			    frame_tcp("10.1.1.1", 41000 + i, "10.200.0.10", 22, TCP_SYN)))
			break;
		stand_rules(s, RULES("", "", "aws"));
		if (!stand_out(
			    s, "p0",
			    frame_tcp("10.1.1.1", 42000 + i, "10.200.0.10", 22, TCP_SYN)))
			break;
		before += 2;
	}
	is(dataplane_epoch(stand_plane(s)), before + 1,
	   "the first packet after each switch meets it");
}

/* Of what is implicit in VPC 'name', all rules together. */
static uint64_t hits_of(struct stand *s, const char *name)
{
	struct image image = dataplane_image(stand_plane(s));
	uint64_t sum = 0, hits;

	for (uint32_t id = 1; id < image_header(&image)->n_rules; id++) {
		const struct hg_rule *rule = image_rule(&image, id);
		const struct hg_object *o = image_record(
			&image, image_header(&image)->objects, rule->object, sizeof(*o));

		if (o->owner && strcmp(image_object_name(&image, o->owner), name) == 0 &&
		    dataplane_hits(stand_plane(s), id, &hits) == 0)
			sum += hits;
	}
	return sum;
}

static void hits_stay(struct stand *s)
{
	static const char rules[] =
		"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16'] },"
		"                           'w': { 'cidrs': ['10.201.0.0/16'] } },"
		"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24'] },"
		"               't': { 'vpc': 'w', 'cidrs': ['10.201.0.0/24'] } },"
		"  'interfaces': {"
		"    'a': { 'subnet': 's', 'device': 'p0', 'addresses': ['10.200.0.10'] "
		"},"
		"    'b': { 'subnet': 't', 'device': 'p1', 'addresses': ['10.201.0.10'] "
		"} } }";
	uint64_t hits;

	stand_reset(s);
	stand_rules(s, rules);
	stand_in(s, "p1", frame_tcp("10.201.0.10", 40000, "192.0.2.1", 80, TCP_SYN));
	stand_in(s, "p1", frame_tcp("10.201.0.10", 40001, "192.0.2.1", 80, TCP_SYN));
	hits = hits_of(s, "w");
	ok(hits && hits_of(s, "v") == 0,
	   "rules that each VPC has are hit in the packet's VPC");
	stand_rules(s, rules);
	is((long long)hits_of(s, "w"), (long long)hits,
	   "another rule set takes their hits over");
	is((long long)hits_of(s, "v"), 0, "VPC by VPC");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	for (int family = 0; family < 2; family++) {
		stand_use_xdp(s, family);
		as_aws(s, family);
		strictly(s, family);
		strict_judges_the_opening(s, family);
	}
	epochs(s);
	hits_stay(s);
	stand_free(s);
	return done();
}
