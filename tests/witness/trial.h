/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* trial: rule sets and a script, judged by three witnesses in step.
 *
 *   rules (JSON) -> model -> oracle ---------------------> decision
 *                     |
 *                     +--> image -> eval (host build) ---> verdict
 *                     |
 *                     +--> image -> maps -> loaded program -> return code, counters
 *
 * Shape    A trial can be written to a file and read back: it is one JSON document. A run
 *          ends at the first step on which two witnesses differ.
 * Units    The loaded program's clock is moved, not waited for. A run that took too long to
 *          say what second it is, is void.
 * Owner    trial_free(). 'dp' is borrowed; NULL leaves the loaded program out.
 * Errors   trial_run(): TRIAL_REFUSED when the reader or the compiler refuses the rules,
 *          TRIAL_VOID when the clock ran away; memory ends the program.
 */
#include "config/json.h"
#include "kernel/dataplane.h"
#include "tests/oracle/oracle.h"
#include "tests/witness/script.h"

struct trial {
	struct json *rules[VERSIONS];
	unsigned n_rules;
	bool is_xdp; /* in doors by XDP, else by TC */
	struct script *script;
};

enum witness { WITNESS_ORACLE, WITNESS_EVAL, WITNESS_LOADED, WITNESSES };

#define OUT_KERNEL_ID 0
#define OUT_SOMEWHERE 0xffffffffU

/* What one witness said. */
struct answer {
	bool is_given;
	bool allow, is_answer;
	uint32_t reason;
	uint32_t out; /* device id; or one of the two above */
	bool has_told;
	enum told told;
	bool has_via, is_via_open;
	struct addr via;
	bool has_to; /* eval: of a packet that changes its family the frame stays as it is */
	struct l4 to;
	unsigned counted;  /* loaded: how often the frame was counted */
	const char *wrong; /* what is wrong with the frame as it left, NULL nothing */
	size_t size;       /* of that frame */
	uint8_t frame[FRAME_MAX];
};

/* answer.c: what 'a' has sent on of 'step', held against 'd'. */
const char *answer_check(const struct decision *d, const uint8_t *came, size_t size,
			 const struct answer *a);
bool answers_agree(const struct answer *want, const struct answer *got);

/* One bit of one witness' image, turned over before the first packet. */
struct fault {
	enum witness who; /* WITNESS_ORACLE: no fault */
	size_t line;
	unsigned word, bit;
};

enum trial_end { TRIAL_AGREED, TRIAL_DIFFERED, TRIAL_REFUSED, TRIAL_VOID };

struct outcome {
	enum trial_end end;
	size_t step;        /* TRIAL_DIFFERED: where */
	enum witness other; /* who differs from the oracle */
	struct answer answers[WITNESSES];
	char text[2048]; /* TRIAL_REFUSED: the complaints */
	/* what was seen, whatever the end */
	size_t n_judged, n_allowed, n_tracked, n_routed;
	size_t n_balanced, n_chosen; /* through a balancer; that left it a choice */
	size_t reasons[HG_DROPS];
};

void trial_run(const struct trial *t, struct dataplane *dp, const struct fault *fault,
	       struct outcome *ret);
void trial_free(struct trial *t);
/* Picks a bit that some packet is likely to meet; false when the rules do not compile. */
bool fault_pick(const struct trial *t, uint64_t seed, enum witness who,
		struct fault *ret);

/* Makes 't' smaller while it still ends as 'outcome' did. */
void trial_reduce(struct trial *t, struct dataplane *dp, struct outcome *outcome);

int trial_write(const struct trial *t, const char *path);
int trial_read(const char *path, struct trial *ret);
/* Seed, rules, the deciding packet and what everybody says of it, as TAP comments. */
void trial_print(const struct trial *t, const struct outcome *outcome);
