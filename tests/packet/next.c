/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of packets when a program's next one is not there: nothing passes unjudged, and each
 * is counted. Connections that are settled need no other program.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <hg/drop.h>

#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

static const char rules[] =
	"{ 'headgate': 1,"
	"'vpcs': {'v': {'cidrs': ['10.0.0.0/16']}},"
	"'subnets': {'a': {'vpc': 'v', 'cidrs': ['10.0.0.0/24'], 'route_table': 'r'},"
	"            'b': {'vpc': 'v', 'cidrs': ['10.0.1.0/24'], 'route_table': 'r'}},"
	"'route_tables': {'r': {'vpc': 'v', 'routes': []}},"
	"'security_groups': {'g': {'vpc': 'v',"
	" 'ingress': [{'protocol': 'udp', 'ports': [80], 'peers': ['10.0.0.0/16']}],"
	" 'egress': [{'protocol': 'all', 'peers': ['0.0.0.0/0']}]}},"
	"'interfaces': {'x': {'subnet': 'a', 'addresses': ['10.0.0.10'], 'device': 'a',"
	"                     'security_groups': ['g']},"
	"               'y': {'subnet': 'b', 'addresses': ['10.0.1.10'], 'device': 'b',"
	"                     'security_groups': ['g']}}}";

/* As in bpf/next.h. */
enum { IN_DECIDE = 1, IN_LEAVE = 2, OUT_DECIDE = 4, EXPLAIN_DECIDE = 5 };
enum { XDP_DECIDE, XDP_LEAVE };

static struct frame opener(uint16_t port, uint8_t hops)
{
	struct frame f = frame_udp("10.0.0.10", port, "10.0.1.10", 80);

	f.ttl = hops;
	return f;
}

static uint32_t reason(struct stand *s, struct frame f)
{
	return stand_run(s, f.sport == 80 ? "b" : "a", HG_DOOR_IN, &f).reason;
}

/* Takes a program from the array 'map'; returns it. */
static int take(struct stand *s, const char *map, uint32_t at)
{
	int fd = dataplane_map_fd(stand_plane(s), map), program;
	uint32_t id = 0;

	if (bpf_map_lookup_elem(fd, &at, &id) < 0)
		bail("%s has no program %u: %s", map, at, strerror(errno));
	program = bpf_prog_get_fd_by_id(id);
	if (program < 0 || bpf_map_delete_elem(fd, &at) < 0)
		bail("program %u cannot be taken from %s: %s", at, map, strerror(errno));
	return program;
}

static void give_back(struct stand *s, const char *map, uint32_t at, int program)
{
	int fd = dataplane_map_fd(stand_plane(s), map);

	if (bpf_map_update_elem(fd, &at, &program, BPF_ANY) < 0)
		bail("%s does not take program %u: %s", map, at, strerror(errno));
	close(program);
}

static void is_internal(struct stand *s, const char *device, uint32_t door,
			struct frame f, const char *what)
{
	struct result r = stand_run(s, device, door, &f);

	is_reason(r.reason, HG_DROP_INTERNAL, "%s is dropped", what);
	is(r.counted, 1, "%s is counted once", what);
	ok(!r.allow && !r.is_told, "%s goes nowhere, and nobody is told", what);
}

/* A connection of 'port' from a to b that has settled. */
static void settle(struct stand *s, uint16_t port)
{
	struct frame back = frame_udp("10.0.1.10", 80, "10.0.0.10", port);

	is_reason(reason(s, opener(port, 64)), 0, "a connection opens");
	is_reason(reason(s, back), 0, "is answered");
	is_reason(reason(s, back), 0, "and settles");
	is_reason(reason(s, opener(port, 64)), 0, "and goes on");
}

static void without_decide(struct stand *s, const char *map, uint32_t at)
{
	int program;

	settle(s, 1000);
	program = take(s, map, at);
	is_internal(s, "a", HG_DOOR_IN, opener(1001, 64), "what nobody decides");
	is_reason(reason(s, opener(1000, 64)), 0,
		  "a settled connection needs no decision");
	give_back(s, map, at, program);
	is_reason(reason(s, opener(1001, 64)), 0, "with the program it passes");
}

static void without_leave(struct stand *s, const char *map, uint32_t at)
{
	int program;

	settle(s, 2000);
	program = take(s, map, at);
	is_internal(s, "a", HG_DOOR_IN, opener(2001, 64), "what nobody routes");
	is_reason(reason(s, opener(2000, 64)), 0,
		  "a settled connection is routed all the same");
	give_back(s, map, at, program);
	is_reason(reason(s, opener(2002, 64)), 0, "with the program it passes");
}

/* Its sender would be told that it may hop no further. */
static void without_word(struct stand *s)
{
	int program = take(s, "hg_next_tc", IN_LEAVE);

	is_internal(s, "a", HG_DOOR_IN, opener(3000, 1), "what cannot be told of");
	give_back(s, "hg_next_tc", IN_LEAVE, program);
	is_reason(reason(s, opener(3000, 1)), HG_DROP_TTL_EXPIRED,
		  "with the program its sender hears why");
}

static void without_explain(struct stand *s)
{
	struct frame f = opener(4000, 64);
	struct hg_trace t = {};
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(&f, frame, sizeof(frame), NULL);
	int program = take(s, "hg_next_tc", EXPLAIN_DECIDE);

	if (dataplane_explain(stand_plane(s), 1, HG_DOOR_IN, frame, size, &t) < 0)
		bail("hg_explain does not run");
	is_reason(t.reason, HG_DROP_INTERNAL, "explain says that it cannot tell");
	give_back(s, "hg_next_tc", EXPLAIN_DECIDE, program);
	if (dataplane_explain(stand_plane(s), 1, HG_DOOR_IN, frame, size, &t) < 0)
		bail("hg_explain does not run");
	is_reason(t.reason, 0, "with the program it tells");
}

/* The door out of an instance that lives on this host. */
static void without_out(struct stand *s)
{
	static const char local[] =
		"{ 'headgate': 1, 'security_groups': {'g': {'ingress': [{'protocol': "
		"'tcp',"
		" 'ports': [80], 'peers': ['0.0.0.0/0']}], 'egress': [{'protocol': 'all',"
		" 'peers': ['0.0.0.0/0']}]}}, 'interfaces': {'h': {'attach': 'local',"
		" 'device': 'h', 'addresses': ['192.0.2.1'], 'security_groups': ['g']}}}";
	struct frame f = frame_tcp("192.0.2.1", 5000, "198.51.100.1", 80, TCP_SYN);
	int program;

	stand_rules(s, local);
	program = take(s, "hg_next_tc", OUT_DECIDE);
	is_internal(s, "h", HG_DOOR_OUT, f, "what nobody decides on its way out");
	give_back(s, "hg_next_tc", OUT_DECIDE, program);
	is_reason(stand_out(s, "h", f), 0, "with the program it passes");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	stand_rules(s, rules);
	without_decide(s, "hg_next_tc", IN_DECIDE);
	without_leave(s, "hg_next_tc", IN_LEAVE);
	without_word(s);
	without_explain(s);
	stand_use_xdp(s, true);
	stand_rules(s, rules);
	stand_reset(s);
	without_decide(s, "hg_next_xdp", XDP_DECIDE);
	without_leave(s, "hg_next_xdp", XDP_LEAVE);
	stand_use_xdp(s, false);
	without_out(s);
	stand_free(s);
	return done();
}
