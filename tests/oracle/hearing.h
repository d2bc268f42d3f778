/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hearing: one packet at one door, and what is known of it so far.
 *
 *   oracle.c       who is at the door; sections 2 to 5
 *   neighbour.c    sections 2.2 and 9
 *   gateway.c      sections 8 to 15
 *
 * Shape    Positions are those of the packet in hand: 0 its sender, 1 its receiver.
 * Units    Indexes into the model; -1 is none.
 * Owner    Lives as long as oracle_packet() runs.
 * Errors   None.
 */
#include "tests/oracle/connection.h"
#include "tests/oracle/oracle.h"

enum role { ROLE_HOST, ROLE_PORT, ROLE_SUBNET, ROLE_UPLINK };

/* A target that takes no new connections. */
struct deaf {
	char group[ZONE_TEXT];
	unsigned target;
};

#define DEAFS 64

struct question {
	const char *device;
	uint32_t door;
	const uint8_t *frame;
	size_t size;
	uint32_t now;
};

struct oracle {
	struct world world;
	unsigned epoch;
	struct memory memory;
	struct connection
		*last;       /* opened by the last packet, with a port of the oracle's */
	unsigned generation; /* of rules and of health */
	struct deaf deaf[DEAFS];
	size_t n_deaf;
	/* The packet in hand, and what was known before it; the choice to go on with, and how
	 * many there were. */
	struct memory before;
	struct question question;
	size_t nth_choice, n_choices;
};

struct hearing {
	struct oracle *o;
	enum role role;
	const char *device;
	const struct interface *at; /* host and port: the door's interface */
	int interface;              /* its index, or -1 */
	int vpc;                    /* -1 at an uplink */
	int at_subnet;              /* of the interface or of the subnet device */
	uint32_t door;
	char zone[ZONE_TEXT];
	struct parsed p;
	uint32_t now;
	int end[2], subnet[2];
	struct connection *connection;
	int sender;                 /* position of the sender in 'connection' */
	struct connection *related; /* what an ICMP error is about */
	int related_receiver;       /* position of its receiver in 'related' */
};

struct decision passed(void);
struct decision dropped(uint32_t reason);
struct decision refused(uint32_t reason, const struct ruling *by);

bool is_router_of(const struct subnet *s, const struct addr *a);
struct decision judge_neighbour(const struct hearing *h);
/* What enters a gateway, from where its exempt address is looked at on. */
struct decision judge_gateway(struct hearing *h);
/* What is on its way through a gateway or a balancer; its connection has been looked for. */
struct decision judge_way(struct hearing *h);
/* A SYN on a connection that is closing: in its place comes a new one, if it passes. */
struct connection *take_closing(struct hearing *h);
/* A segment of a connection through a balancer whose time is over. */
bool is_of_dead(const struct hearing *h);
struct decision reset_dead(const struct hearing *h);

void find_connection(struct hearing *h);
/* Whether the end at 'position' passes this packet by what is remembered. */
bool is_remembered(const struct hearing *h, int position);
bool is_exempt_answer(const struct hearing *h);
/* The interface, which admits the packet by 'r', keeps no state of it; 'p' as it is there. */
bool has_no_memory(const struct hearing *h, int interface, int direction,
		   const struct ruling *r, const struct l4 *p);
bool may_open(const struct hearing *h);
/* Answers are expected in the same zone, and the packet itself at the other end. */
void open_connection(struct hearing *h, const bool tracks[2]);
void note_judged(const struct hearing *h, struct connection *c, int sender);
/* After every stage has let the packet through. */
void account(struct hearing *h, bool opens, const bool tracks[2]);
