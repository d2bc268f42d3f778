/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* connection: the oracle's memory, a list searched from its start.
 *
 *   opener's end -- zone[0] --> opener ==translation==> went -- zone[1] --> the other end
 *
 * Shape    docs/semantics.md, sections 5, 12 and 15. One record a connection, in the direction
 *          that opened it; position 0 is the opener's end, 1 the other's. Answers are
 *          'went' reversed, in zone[1]; where nothing is translated both packets are one.
 *          First fragments are remembered beside it (section 4).
 * Units    Seconds. A record is alive while now - seen <= timeout.
 * Owner    struct memory is plain; nothing in it points into a model.
 * Errors   A full list ends the program.
 */
#include "tests/oracle/match.h"

#define CONNECTIONS 4096
#define FRAGMENTS   1024
#define ZONE_TEXT   80
#define PICKS       4096

enum state {
	STATE_SYN_SENT,
	STATE_SYN_RECV,
	STATE_ESTABLISHED,
	STATE_CLOSING,
	STATE_UDP,
	STATE_ICMP,
	STATE_OTHER
};

struct connection {
	bool is_used;
	bool is_over;            /* its time is, and nobody has been told */
	char zone[2][ZONE_TEXT]; /* by sender: where its packets come in */
	struct l4 opener;        /* the packet that opened it, as it came */
	struct l4 went;          /* and as it left */
	char nat[ZONE_TEXT];     /* the NAT gateway on its way, "" none */
	bool is_inbound;         /* let in by a forward of that */
	struct addr nat_address; /* elastic IP, or the private address */
	/* Through a load balancer: that of 'vpc' whose address is asked.dst. */
	bool is_balanced, is_preserved;
	/* Of the closing one that it replaces, whose port need not be free yet; 0: none. */
	uint16_t port_before;
	char vpc[ZONE_TEXT];
	struct l4 asked; /* what opened it, as it came to the virtual address */
	bool is_dead[2]; /* its time is over, and that end has not been replaced */
	bool tracks[2];
	bool is_exempt; /* no filter touches its answers */
	enum state state;
	bool has_fin[2];
	uint32_t completes; /* the ACK number that ends the handshake */
	/* UDP: a response counts once a request, a request once a response. */
	unsigned n_requests, n_responses;
	uint32_t seen, timeout;
	/* By who sends: the rules that judged it last, and the door's interface. */
	unsigned epoch[2];
	char met[2][ZONE_TEXT];
};

struct fragment {
	bool is_used;
	char zone[ZONE_TEXT];
	uint32_t id, seen;
	struct l4 l4;
};

/* The target that a balancer has chosen: the same for the same question. */
struct pick {
	unsigned generation; /* of rules and health */
	char vpc[ZONE_TEXT], group[ZONE_TEXT];
	struct l4 asked;
	uint32_t seq;
	struct addr target;
	uint16_t port;
};

/* No record behind the first 'n' of each has ever been used. */
struct memory {
	size_t n_connections, n_fragments, n_picks;
	struct connection connections[CONNECTIONS];
	struct fragment fragments[FRAGMENTS];
	struct pick picks[PICKS];
};

void memory_copy(struct memory *to, const struct memory *from);

/* Both say the same between the same ends, ICMP in the same query pair and role. */
bool same_l4(const struct l4 *a, const struct l4 *b);
/* What 'sender' says, as it comes in, and as the other end hears it. */
struct l4 connection_says(const struct connection *c, int sender);
struct l4 connection_hears(const struct connection *c, int sender);
/* Which of the two ends sends this packet, as it comes in: 0 is the opener. */
struct connection *connection_find(struct memory *m, const char *zone, const struct l4 *p,
				   uint32_t now, int *ret_sender);
/* One whose time was over while it was established, for the one that asks first. */
bool connection_was(struct memory *m, const char *zone, const struct l4 *p, uint32_t now);
/* A packet of one end of a connection through a balancer whose time is over. */
bool connection_is_dead(struct memory *m, const char *zone, const struct l4 *p,
			uint32_t now);
/* A packet has passed that is of no connection: nothing is left of a dead one that it is as if of. */
void connection_pass(struct memory *m, const char *zone, const struct l4 *p);
/* Of whom either end's packets are now those of 'c' nothing is left. */
void connection_bury(struct memory *m, const struct connection *c);
/* Which of the two ends has sent this packet, as somebody in 'zone' has received it. */
struct connection *connection_quoted(struct memory *m, const char *zone,
				     const struct l4 *quote, uint32_t now,
				     int *ret_sender);
struct connection *connection_add(struct memory *m);
/* Steps the state by a packet that passed, sent by end 'sender'. */
void connection_step(struct connection *c, const struct parsed *p, int sender);
bool tcp_opens(const struct parsed *p);     /* SYN, and none of ACK, RST, FIN */
bool tcp_is_inside(const struct parsed *p); /* none of SYN, RST, FIN */
/* Of the state it is in; 'ends' are the interfaces at each position, -1 none. */
uint32_t connection_timeout(const struct connection *c, const struct model *m,
			    const int ends[2]);

/* A later fragment learns its ports; nothing changes when the first was not seen. */
void fragment_fill(const struct memory *m, const char *zone, struct parsed *p,
		   uint32_t now);
void fragment_remember(struct memory *m, const char *zone, const struct parsed *p,
		       uint32_t now);
