/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/trial.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hg/classifier.h>
#include <hg/drop.h>

#include "base/cleanup.h"
#include "compile/eval.h"
#include "config/read.h"
#include "tests/lib/stand.h"
#include "tests/witness/dice.h"
#include "tests/witness/rules.h"

#define FLOW_SETS 4096

/* Everything that a run holds while it lasts. */
struct run {
	const struct trial *t;
	struct dataplane *dp;
	struct model *models[VERSIONS];
	struct image *images[VERSIONS];
	unsigned version;
	struct oracle *oracle;
	struct eval *eval;
	uint32_t late; /* seconds added, to keep off the edges of timeouts */
	uint32_t now;
	struct outcome *outcome;
};

static const struct facts *host_facts(void)
{
	static struct addr addresses[2];
	static struct device_addresses device = { HOST_DEVICE, addresses, 2 };
	static struct facts facts = { &device, 1, NULL };

	addresses[0] = address(HOST_ADDRESS4);
	addresses[1] = address(HOST_ADDRESS6);
	return &facts;
}

static void say_complaints(struct diag *d, struct outcome *outcome)
{
	size_t n, at = 0;
	const struct complaint *list = diag_list(d, &n);

	for (size_t i = 0; i < n && at < sizeof(outcome->text); i++)
		if (list[i].level == DIAG_ERROR)
			at += snprintf(outcome->text + at, sizeof(outcome->text) - at,
				       "%s: %s\n", list[i].pointer, list[i].text);
}

static bool compile_one(struct run *run, unsigned v)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_free_ char *text = json_print(run->t->rules[v], true);
	struct facts facts = *host_facts();
	int r;

	assert(d && text);
	facts.previous = v > 0 ? run->images[0] : NULL;
	r = config_read_text("trial", text, strlen(text), NULL, d, &run->models[v]);
	if (r == 0)
		r = image_compile(run->models[v], &facts, d, &run->images[v]);
	if (r < 0) {
		assert(r != -ENOMEM);
		say_complaints(d, run->outcome);
		return false;
	}
	image_enliven(run->images[v], run->t->is_xdp);
	return true;
}

static void fault_flip(struct image *image, const struct fault *f)
{
	if (f->line < image->n_lines)
		image->lines[f->line].w[f->word] ^= 1U << f->bit;
}

static bool run_begin(struct run *run, const struct fault *fault)
{
	struct image live;

	for (unsigned v = 0; v < run->t->n_rules; v++)
		if (!compile_one(run, v))
			return false;
	run->oracle = oracle_new(run->models[0], host_facts());
	if (run->dp) {
		plane_reset(run->dp);
		plane_switch(run->dp, run->images[0], run->t->is_xdp);
		live = dataplane_image(run->dp);
		if (fault && fault->who == WITNESS_LOADED)
			fault_flip(&live, fault);
	}
	if (fault && fault->who == WITNESS_EVAL)
		fault_flip(run->images[0], fault);
	run->eval = eval_new(run->images[0], FLOW_SETS);
	assert(run->oracle && run->eval);
	return true;
}

static void run_end(struct run *run)
{
	eval_free(run->eval);
	oracle_free(run->oracle);
	for (unsigned v = 0; v < VERSIONS; v++) {
		image_free(run->images[v]);
		model_free(run->models[v]);
	}
}

static int interface_find(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_interfaces; i++)
		if (strcmp(m->interfaces[i].name, name) == 0)
			return i;
	return -1;
}

static int interface_of(const struct model *m, uint32_t device)
{
	for (size_t i = 0; i < m->n_interfaces; i++)
		if (device && device_of(m, i) == device)
			return i;
	return -1;
}

static void ask_oracle(struct run *run, int interface, const struct step *s,
		       struct answer *ret)
{
	struct decision d = oracle_packet(run->oracle, interface, s->door, s->frame,
					  s->size, run->now);

	*ret = (struct answer){
		.is_given = true,
		.allow = d.allow,
		.is_answer = d.is_answer,
		.reason = d.reason,
		.hop = d.hop,
		.counted = 1,
	};
	run->outcome->n_judged++;
	run->outcome->n_allowed += d.allow;
	run->outcome->n_tracked += d.tracked;
	run->outcome->reasons[d.reason]++;
}

static void ask_eval(struct run *run, int interface, const struct step *s,
		     struct answer *ret)
{
	const struct model *m = run->models[run->version];
	struct verdict v;

	*ret = (struct answer){ .is_given = true, .size = s->size, .counted = 1 };
	memcpy(ret->frame, s->frame, s->size);
	v = eval_packet(run->eval, device_of(m, interface), s->door, ret->frame, s->size,
			run->now);
	ret->allow = v.allow;
	ret->is_answer = v.is_answer;
	ret->reason = v.reason;
	ret->hop = interface_of(m, v.out);
}

/* XDP writes the MAC of the instance that it switches to, and that names the device. */
static int hop_of(const struct run *run, const struct result *r)
{
	static const uint8_t instance[5] = { 2, 0xbb, 0, 0, 0 };

	if (!r->is_switched)
		return -1;
	if (r->size < 6 || memcmp(r->frame, instance, 5) != 0)
		return -2;
	return interface_of(run->models[run->version], r->frame[5]);
}

static void ask_loaded(struct run *run, int interface, const struct step *s,
		       struct answer *ret)
{
	struct result r;

	plane_ask(run->dp, device_of(run->models[run->version], interface), s->door,
		  run->t->is_xdp, s->frame, s->size, &r);
	*ret = (struct answer){
		.is_given = r.is_given,
		.allow = r.allow,
		.is_answer = r.is_answer,
		.reason = r.reason,
		.hop = hop_of(run, &r),
		.counted = r.counted,
		.size = r.size,
	};
	memcpy(ret->frame, r.frame, r.size <= sizeof(ret->frame) ? r.size : 0);
}

/* The frame must leave as it came, but for its MACs and but for an answer. */
static void note_change(struct answer *a, const struct step *s)
{
	if (!a->is_given || !a->allow || a->is_answer || s->size < 12)
		return;
	a->is_changed = a->size != s->size ||
			memcmp(a->frame + 12, s->frame + 12, s->size - 12) != 0;
}

static bool agree(const struct answer *want, const struct answer *got)
{
	if (!got->is_given)
		return true;
	if (got->allow != want->allow || got->reason != want->reason || got->counted != 1)
		return false;
	if (got->is_answer != want->is_answer || got->is_changed)
		return false;
	return got->hop == want->hop || (got->hop == -2 && want->hop >= 0);
}

static enum trial_end judge_packet(struct run *run, const struct step *s)
{
	struct answer *a = run->outcome->answers;
	int interface = interface_find(run->models[run->version], s->interface);
	uint32_t before = run->now;

	if (interface < 0 || !run->models[run->version]->interfaces[interface].device)
		return TRIAL_AGREED;
	run->now = s->now + run->late;
	while (run->dp && oracle_is_edge(run->oracle, run->now)) {
		run->late++;
		run->now++;
	}
	if (run->dp && run->now != before && !plane_set_time(run->dp, before, run->now))
		return TRIAL_VOID;
	ask_oracle(run, interface, s, &a[WITNESS_ORACLE]);
	ask_eval(run, interface, s, &a[WITNESS_EVAL]);
	note_change(&a[WITNESS_EVAL], s);
	a[WITNESS_LOADED].is_given = false;
	if (run->dp)
		ask_loaded(run, interface, s, &a[WITNESS_LOADED]);
	note_change(&a[WITNESS_LOADED], s);

	for (run->outcome->other = WITNESS_EVAL; run->outcome->other < WITNESSES;
	     run->outcome->other++)
		if (!agree(&a[WITNESS_ORACLE], &a[run->outcome->other]))
			return TRIAL_DIFFERED;
	return TRIAL_AGREED;
}

static void change_rules(struct run *run, unsigned version)
{
	if (version >= run->t->n_rules)
		return;
	run->version = version;
	oracle_switch(run->oracle, run->models[version]);
	eval_switch(run->eval, run->images[version]);
	if (run->dp)
		plane_switch(run->dp, run->images[version], run->t->is_xdp);
}

void trial_run(const struct trial *t, struct dataplane *dp, const struct fault *fault,
	       struct outcome *ret)
{
	struct run run = { .t = t, .dp = dp, .outcome = ret };

	*ret = (struct outcome){ .end = TRIAL_REFUSED };
	if (run_begin(&run, fault)) {
		ret->end = TRIAL_AGREED;
		for (ret->step = 0; ret->step < t->script->n; ret->step++) {
			const struct step *s = &t->script->steps[ret->step];

			if (s->kind == STEP_SWITCH)
				change_rules(&run, s->version);
			else
				ret->end = judge_packet(&run, s);
			if (ret->end != TRIAL_AGREED)
				break;
		}
	}
	run_end(&run);
}

void trial_free(struct trial *t)
{
	for (unsigned v = 0; v < VERSIONS; v++)
		json_free(t->rules[v]);
	script_free(t->script);
	*t = (struct trial){};
}

/* A verdict bit of a cell, or a bit of what one address is: both decide packets. */
static void fault_in(const struct image *image, struct dice *d, struct fault *ret)
{
	const struct hg_header *h = image_header(image);
	uint32_t interface = 1 + dice_below(d, h->interfaces.n - 1);
	const struct hg_interface *i =
		image_record(image, h->interfaces, interface, sizeof(*i));
	const struct hg_vpc *vpc = image_record(image, h->vpcs, i->vpc, sizeof(*vpc));
	const struct hg_classifier *c;
	uint32_t cell;

	if (dice_chance(d, 30)) {
		ret->line = vpc->classes.line + dice_below(d, (vpc->classes.n + 3) / 4);
		ret->word = dice_below(d, 12);
		ret->bit = 0;
		return;
	}
	c = (const struct hg_classifier *)&image->lines[i->groups[dice_below(d, 2)]];
	cell = dice_below(d, c->n_rows * c->n_columns);
	ret->line = c->cells + cell / 16;
	ret->word = cell % 16;
	ret->bit = 30; /* HG_CELL_ALLOW */
}

bool fault_pick(const struct trial *t, uint64_t seed, enum witness who, struct fault *ret)
{
	struct outcome scratch;
	struct run run = { .t = t, .outcome = &scratch };
	struct dice d = { seed };
	bool good = compile_one(&run, 0) && image_header(run.images[0])->interfaces.n > 1;

	*ret = (struct fault){ .who = who };
	if (good)
		fault_in(run.images[0], &d, ret);
	image_free(run.images[0]);
	model_free(run.models[0]);
	return good;
}
