/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* judge: the packet path on this side of the socket, over a rule set.
 *
 * Shape    A rule file, or what an agent has in force. The image is the agent's own but
 *          for live words; a local interface without addresses has those of its device:
 *          the agent's answer, this machine's, or else the address that a question can
 *          only mean; such an answer has "assumed": { "device", "address" }.
 * Owner    judge_new()/judge_free(); one at a time in a process (compile/eval.h). Answers
 *          are the caller's.
 * Errors   judge_new(): said on standard error. Questions: -EINVAL with a complaint in
 *          'diag', -ENOMEM.
 */
#include "base/diag.h"
#include "command.h"
#include "compile/explain.h"

struct judge;
struct json;

enum exit_code judge_new(const char *path, struct judge **ret);
/* By the rule set in force. */
enum exit_code judge_new_agent(const struct cli *cli, struct judge **ret);
void judge_free(struct judge *j); /* NULL is fine */
static inline void judge_freep(struct judge **j)
{
	judge_free(*j);
}

int judge_ask(struct judge *j, const struct question *q, struct diag *diag,
	      struct json **ret);
/* The answer to the packet of 'q', which opens its connection first. 'ret_back' is the packet
 * that answers, translated as the way out was; it names no device. NULL: not asked. */
int judge_ask_return(struct judge *j, const struct question *q, struct diag *diag,
		     struct question *ret_back, struct json **ret);
/* The address that the last question was taken to mean, and whose it would be; NULL: none. */
const char *judge_assumed(const struct judge *j, struct addr *ret);
