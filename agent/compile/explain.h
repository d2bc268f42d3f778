/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* explain: a question about one packet, made into a frame; a trace, made into an answer.
 *
 *   question -> frame, device, door -> (eval or the loaded hg_explain) -> trace -> answer
 *
 * Shape    One packet. The frame is Ethernet + IP + layer 4 with checksums.
 * Units    Ports in host order; 'icmp_type', 'icmp_code' -1: not given (echo request).
 * Owner    Values; texts in the answer are borrowed from the image.
 * Errors   explain_frame(): -EINVAL with one complaint in 'diag' (families differ, unknown
 *          device, no device of the rule set would meet this packet).
 */
#include <hg/event.h>

#include "base/addr.h"
#include "base/diag.h"
#include "compile/image.h"

struct question {
	struct addr from, to;
	uint16_t from_port, to_port; /* from_port 0: an ephemeral one (40000) */
	int protocol;                /* 0 .. 255 */
	int icmp_type, icmp_code;
	uint16_t icmp_id;  /* of an echo, 0: one of ours */
	uint8_t tcp_flags; /* FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 */
	const char *in;    /* device name, NULL: where such a packet would come in */
};

#define EXPLAIN_FRAME 128

/* Picks door and device, see entry.h. */
int explain_frame(const struct question *q, const struct image *image,
		  const struct model *m, struct diag *diag,
		  uint8_t frame[static EXPLAIN_FRAME], size_t *ret_size,
		  uint32_t *ret_device, uint32_t *ret_door);

/* The question about the answer to the packet of 'q', whose trace tells how and by which
 * device it went out. */
struct question explain_return(const struct question *q, const struct hg_trace *trace,
			       const struct image *image, const struct model *m);

#define DESTINATION_TEXT (HG_MAX_NAME + sizeof("prefix_list/"))

/* The destination of a route, which is a rule of a route table: "10.0.0.0/8" or
 * "prefix_list/office". NULL: not such a rule. */
const char *route_destination(const struct image *image, const struct model *m,
			      const struct hg_rule *rule,
			      char buf[static DESTINATION_TEXT]);

#define TARGET_TEXT (HG_MAX_NAME + sizeof("egress_only_gateway/"))

/* And its target: "local", "blackhole", "nat_gateway/nat-a". */
const char *route_target(const struct image *image, const struct model *m,
			 const struct hg_rule *rule, char buf[static TARGET_TEXT]);

struct json;
/* The answer of the contract, section 3. NULL when memory is short. */
struct json *explain_answer(const struct question *q, const struct hg_trace *trace,
			    const struct image *image, const struct model *m);
/* One line of explain --packets, or the body of POST /v1/explain. -EINVAL with a complaint. */
int question_read(const struct json *j, struct diag *diag, struct question *ret);
/* The words of a question: "tcp" ("icmp" is that of the family) or "47"; "SA". -EINVAL. */
int question_protocol(const char *text, uint8_t family, int *ret);
int question_tcp_flags(const char *text, uint8_t *ret);
const char *drop_name(uint32_t reason); /* HG_DROP_* -> "SG_INGRESS", NULL: none */
const char *stage_name(uint32_t stage);
const char *drop_aws_reason(uint32_t reason, const struct hg_trace *trace,
			    const struct image *image); /* NULL: none fits */
