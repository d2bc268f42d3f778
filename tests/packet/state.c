/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <hg/drop.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"

#define RULES(settings, timeouts)                                                       \
	"{ 'headgate': 1, 'vpcs': { 'v': { 'cidrs': ['10.200.0.0/16', 'fd00:10::/56'] " \
	"} },"                                                                          \
	"  'subnets': { 's': { 'vpc': 'v', 'cidrs': ['10.200.0.0/24', 'fd00:10::/64'] " \
	"} },"                                                                          \
	"  'security_groups': { 'g': { 'vpc': 'v',"                                     \
	"    'ingress': [ { 'protocol': 'all', 'peers': ['10.0.0.0/8', "                \
	"'2001:db8::/32'] } ],"                                                         \
	"    'egress': [] } },"                                                         \
	"  'interfaces': { 'i': { 'subnet': 's', 'device': 'p0', 'security_groups': "   \
	"['g'],"                                                                        \
	"    'addresses': ['10.200.0.10', 'fd00:10::10']" timeouts " } },"              \
	"  'settings': { 'rule_change': 'aws'" settings " } }"

static const struct {
	const char *client, *server;
} families[] = { { "10.1.1.1", "10.200.0.10" }, { "2001:db8::7", "fd00:10::10" } };

/* "> S, < SA, > A": who speaks and with which flags; '!' acknowledges a number too high. */
static uint8_t flags_read(const char *text)
{
	uint8_t flags = 0;

	for (; *text && *text != ','; text++)
		flags |= *text == 'S'   ? TCP_SYN
			 : *text == 'A' ? TCP_ACK
			 : *text == 'F' ? TCP_FIN
			 : *text == 'R' ? TCP_RST
					: 0;
	return flags;
}

static struct frame segment(int family, bool is_client, uint8_t flags)
{
	struct frame f = frame_tcp(families[family].client, 40000,
				   families[family].server, 80, flags);

	if (!is_client)
		f = frame_reply(&f);
	f.seq = is_client ? (flags & TCP_SYN ? 1000 : 1001)
			  : (flags & TCP_SYN ? 5000 : 5001);
	f.ack = flags & TCP_ACK ? (is_client ? 5001 : 1001) : 0;
	return f;
}

/* Plays the conversation; the reason of its last packet. */
static uint32_t play(struct stand *s, int family, const char *text)
{
	uint32_t reason = 0;

	for (const char *p = text; p; p = strchr(p, ',')) {
		bool is_client;
		struct frame f;

		p += strspn(p, ", ");
		is_client = *p == '>';
		f = segment(family, is_client, flags_read(p + 2));
		if (strcspn(p, "!") < strcspn(p, ","))
			f.ack += 1;
		reason = is_client ? stand_out(s, "p0", f) : stand_in(s, "p0", f);
	}
	return reason;
}

static uint32_t state_of(struct stand *s, int family)
{
	struct frame f = segment(family, true, TCP_ACK);

	return stand_state(s, "p0", HG_DOOR_OUT, &f);
}

static const struct {
	const char *says, *talk;
	uint32_t state, seconds; /* alive that long */
} states[] = {
	{ "a SYN waits for its answer", "> S", HG_STATE_SYN_SENT, 30 },
	{ "a SYN again changes nothing", "> S, > S", HG_STATE_SYN_SENT, 30 },
	{ "an answer without SYN opens nothing more", "> S, < A", HG_STATE_SYN_SENT, 30 },
	{ "a SYN-ACK waits for the handshake's end", "> S, < SA", HG_STATE_SYN_RECV, 30 },
	{ "an ACK of the SYN-ACK establishes", "> S, < SA, > A", HG_STATE_ESTABLISHED,
	  432000 },
	{ "an ACK of another number does not", "> S, < SA, > A!", HG_STATE_SYN_RECV, 30 },
	{ "an ACK before the SYN-ACK does not", "> S, > A", HG_STATE_SYN_SENT, 30 },
	{ "an ACK from the answering side does not", "> S, < SA, < A", HG_STATE_SYN_RECV,
	  30 },
	{ "the right ACK after a wrong one does", "> S, < SA, > A!, > A",
	  HG_STATE_ESTABLISHED, 432000 },
	{ "data keeps it established", "> S, < SA, > A, < A, > A", HG_STATE_ESTABLISHED,
	  432000 },
	{ "one FIN leaves it established", "> S, < SA, > A, > FA, < A",
	  HG_STATE_ESTABLISHED, 432000 },
	{ "FIN from both sides closes it", "> S, < SA, > A, > FA, < FA", HG_STATE_CLOSING,
	  60 },
	{ "in the other order too", "> S, < SA, > A, < FA, > FA", HG_STATE_CLOSING, 60 },
	{ "late segments leave it closing", "> S, < SA, > A, > FA, < FA, > A",
	  HG_STATE_CLOSING, 60 },
	{ "a reset closes it", "> S, < SA, > A, > R", HG_STATE_CLOSING, 60 },
	{ "from the answering side too", "> S, < SA, > A, < RA", HG_STATE_CLOSING, 60 },
	{ "a refused SYN is closing", "> S, < RA", HG_STATE_CLOSING, 60 },
	{ "a SYN on a closing connection opens it anew", "> S, < RA, > S",
	  HG_STATE_SYN_SENT, 30 },
	{ "and it can be established again", "> S, < RA, > S, < SA, > A",
	  HG_STATE_ESTABLISHED, 432000 },
	{ "a segment without SYN opens nothing", "> A", HG_STATE_NONE, 0 },
	{ "a SYN-ACK opens nothing", "> SA", HG_STATE_NONE, 0 },
	{ "a SYN with FIN opens nothing", "> SF", HG_STATE_NONE, 0 },
	{ "a SYN with RST opens nothing", "> SR", HG_STATE_NONE, 0 },
};

static void tcp_states(struct stand *s)
{
	stand_rules(s, RULES("", ""));
	for (size_t i = 0; i < 2 * ARRAY_SIZE(states); i++) {
		int family = i >= ARRAY_SIZE(states);
		size_t k = i % ARRAY_SIZE(states);

		stand_reset(s);
		is_reason(play(s, family, states[k].talk), 0,
			  "IPv%d: %s: all of it passes", family ? 6 : 4, states[k].says);
		is(state_of(s, family), states[k].state, "%s", states[k].says);
		if (!states[k].state)
			continue;
		stand_wait(s, states[k].seconds - 1);
		is(state_of(s, family), states[k].state, "%s, for %u seconds",
		   states[k].says, states[k].seconds);
		stand_wait(s, 2);
		is(state_of(s, family), HG_STATE_NONE, "%s, and not for longer",
		   states[k].says);
	}
}

static void tcp_answers(struct stand *s)
{
	stand_rules(s, RULES("", ""));
	stand_reset(s);
	is_reason(play(s, 0, "< SA"), HG_DROP_SG_EGRESS,
		  "an answer without a question is dropped");
	is_reason(play(s, 0, "> S, < SA, > A, > FA, < FA, < A"), 0,
		  "late segments of the side that has no rules pass while it closes");
	stand_wait(s, 61);
	is_reason(play(s, 0, "< A"), HG_DROP_SG_EGRESS, "and no longer than that");
}

static void loose(struct stand *s)
{
	stand_rules(s, RULES(", 'tcp_loose': true", ""));
	stand_reset(s);
	is_reason(play(s, 0, "> A"), 0, "with tcp_loose a segment without SYN passes");
	is(state_of(s, 0), HG_STATE_ESTABLISHED,
	   "and its connection is established at once");
	is_reason(play(s, 0, "< A"), 0, "so that it is answered");
	stand_reset(s);
	play(s, 0, "> S");
	is(state_of(s, 0), HG_STATE_SYN_SENT, "a SYN opens as ever");
}

static void own_timeouts(struct stand *s)
{
	struct frame f = frame_udp(families[0].client, 1000, families[0].server, 53);

	stand_rules(
		s,
		RULES("",
		      ", 'timeouts': { 'tcp_established': 90, 'udp': 40, 'udp_stream': "
		      "70 }"));
	stand_reset(s);
	play(s, 0, "> S, < SA, > A");
	stand_wait(s, 89);
	is(state_of(s, 0), HG_STATE_ESTABLISHED,
	   "an interface's own timeout holds a connection");
	stand_wait(s, 2);
	is(state_of(s, 0), HG_STATE_NONE, "and lets it go");
	stand_out(s, "p0", f);
	stand_wait(s, 39);
	ok(stand_state(s, "p0", HG_DOOR_OUT, &f) != 0,
	   "UDP lives for 40 seconds where it says so");
	stand_out(s, "p0", f);
	for (int i = 0; i < 3; i++) {
		stand_in(s, "p0", frame_reply(&f));
		stand_out(s, "p0", f);
	}
	stand_wait(s, 69);
	is(stand_state(s, "p0", HG_DOOR_OUT, &f), HG_STATE_UDP_STREAM,
	   "and a stream for 70");
	stand_wait(s, 2);
	is(stand_state(s, "p0", HG_DOOR_OUT, &f), HG_STATE_NONE, "not for 71");
}

static void other_protocols(struct stand *s)
{
	struct frame gre = frame_other(families[0].client, families[0].server, 47);
	struct frame echo = frame_echo(families[0].client, families[0].server, 7);
	struct frame f = echo;

	stand_rules(s, RULES("", ""));
	stand_reset(s);
	stand_out(s, "p0", gre);
	stand_wait(s, 599);
	is_reason(stand_in(s, "p0", frame_reply(&gre)), 0,
		  "GRE is answered for 600 seconds");
	stand_wait(s, 601);
	is_reason(stand_in(s, "p0", frame_reply(&gre)), HG_DROP_SG_EGRESS,
		  "and not for longer");
	is_reason(stand_in(s, "p0", frame_reply(&echo)), HG_DROP_SG_EGRESS,
		  "an echo reply without a request is dropped");
	stand_out(s, "p0", echo);
	stand_wait(s, 29);
	is_reason(stand_in(s, "p0", frame_reply(&echo)), 0,
		  "a ping is answered for 30 seconds");
	f.icmp_id = 8;
	is_reason(stand_in(s, "p0", frame_reply(&f)), HG_DROP_SG_EGRESS,
		  "a reply with another identifier is dropped");
	stand_wait(s, 31);
	is_reason(stand_in(s, "p0", frame_reply(&echo)), HG_DROP_SG_EGRESS,
		  "and not for longer");
	f = frame_icmp(families[0].client, families[0].server, 0, 0);
	stand_out(s, "p0", f);
	is_reason(
		stand_in(s, "p0", frame_echo(families[0].server, families[0].client, 0)),
		HG_DROP_SG_EGRESS, "a reply opens nothing, so no request may follow it");
}

int main(void)
{
	struct stand *s = stand_new(1024);

	tcp_states(s);
	stand_use_xdp(s, true);
	tcp_answers(s);
	loose(s);
	own_timeouts(s);
	other_protocols(s);
	stand_free(s);
	return done();
}
