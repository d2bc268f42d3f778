/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* wire: what the agent and headgate-probe say to each other.
 *
 *   agent -> wire_order -> probe -> wire_result -> agent
 *
 * Shape    A SOCK_SEQPACKET pair, one struct a message, whole or it is none. The probe has its
 *          end as descriptor 3 and ends when the other is closed. 'id' names a check,
 *          'generation' one order of it: a result of an order that was replaced is nobody's.
 * Units    Milliseconds of intervals and timeouts, microseconds of durations.
 * Order    Numbers of this machine; 'address' as on the wire.
 * Owner    The probe has read bytes of the network: the agent believes it nothing but what
 *          wire_result_check() lets through, for a check and a generation that it has ordered.
 * Errors   wire_order_check() and wire_result_check(): -EBADMSG. Then the other side is broken.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define WIRE_VERSION 1
#define WIRE_FD      3
#define WIRE_CHECKS  (1U << 20) /* ids are below */
#define WIRE_PATH    1024       /* longest path */

enum wire_kind {
	WIRE_SET = 1, /* check this from now on, or otherwise than before */
	WIRE_REMOVE,  /* no longer */
	WIRE_NOW,     /* once more, at once */
	WIRE_RESULT,
};

enum wire_protocol { WIRE_TCP, WIRE_HTTP, WIRE_HTTPS };

struct wire_order {
	uint16_t version;
	uint16_t kind;
	uint32_t id, generation;
	/* of WIRE_SET; else zero */
	uint32_t interval_ms, timeout_ms;
	uint16_t protocol;
	uint16_t port;
	struct addr address;
	char path[WIRE_PATH + 1]; /* begins with '/', printable ASCII; "" of TCP */
};

enum wire_outcome {
	WIRE_ANSWERED, /* connected, or the head of an HTTP answer is complete */
	WIRE_TIMEOUT,
	WIRE_FAILED,
};

struct wire_result {
	uint16_t version;
	uint16_t kind;
	uint32_t id, generation;
	uint16_t outcome;
	uint16_t status; /* 200 to 599 of an HTTP answer as a rule; 0 of TCP */
	uint32_t duration_us;
};

int wire_order_check(const void *message, size_t size);
int wire_result_check(const void *message, size_t size);
bool wire_path_is_good(const char *path);
