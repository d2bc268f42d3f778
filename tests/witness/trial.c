/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/witness/trial.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hg/classifier.h>
#include <hg/drop.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "compile/eval.h"
#include "config/read.h"
#include "tests/lib/stand.h"
#include "tests/oracle/connection.h"
#include "tests/witness/dice.h"
#include "tests/witness/edit.h"
#include "tests/witness/rules.h"

#define FLOW_SETS 4096

/* What the author took for granted, and what came true, and where it left. */
struct lesson {
	struct l4 guess, truth;
	char device[64];
};

/* Everything that a run holds while it lasts. */
struct run {
	const struct trial *t;
	struct dataplane *dp;
	struct model *models[VERSIONS];
	struct image *images[VERSIONS];
	unsigned version;
	struct devices devices[VERSIONS];
	/* One for each of the others: where they may choose, each follows one. */
	struct oracle *oracles[WITNESSES];
	struct lesson *lessons[WITNESSES];
	size_t n_lessons[WITNESSES];
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
	r = devices_list(run->models[v], &run->devices[v]);
	assert(r == 0);
	return true;
}

/* The live words of a group's target, in all pools that have it. */
static void pools_set(struct image *image, const char *group, unsigned target,
		      bool is_usable)
{
	const struct hg_header *h = image_header(image);

	for (uint32_t id = 1; id < h->pools.n; id++) {
		struct hg_pool *p = (struct hg_pool *)&image
					    ->lines[h->pools.line + id * HG_POOL_LINES];

		if (strcmp(image_object_name(image, p->object), group) != 0)
			continue;
		for (uint32_t i = 0; i < p->n; i++) {
			const struct hg_target *t =
				image_record(image, h->targets, p->first + i, sizeof(*t));
			__u64 bit = 1ULL << i % 64, *word = &p->usable[i / 64];

			if (t->index != target || t->weight == 0 ||
			    !(*word & bit) != is_usable)
				continue;
			*word ^= bit;
			p->n_usable += is_usable ? 1 : -1;
		}
	}
}

static void fault_flip(struct image *image, const struct fault *f)
{
	if (f->line < image->n_lines)
		image->lines[f->line].w[f->word] ^= 1U << f->bit;
}

/* Devices get the MTU that the oracle takes them to have. */
static void switch_plane(struct run *run, unsigned version)
{
	struct image live;
	struct hg_table devices;

	plane_switch(run->dp, run->images[version], run->t->is_xdp);
	live = dataplane_image(run->dp);
	devices = image_header(&live)->devices;
	for (uint32_t id = 1; id < devices.n; id++) {
		((struct hg_device *)&live.lines[devices.line + id])->mtu = ORACLE_MTU;
		dataplane_hops(run->dp)[id].mtu = ORACLE_MTU;
	}
}

static bool run_begin(struct run *run, const struct fault *fault)
{
	struct image live;

	for (unsigned v = 0; v < run->t->n_rules; v++)
		if (!compile_one(run, v))
			return false;
	run->oracles[WITNESS_EVAL] = oracle_new(run->models[0], host_facts());
	if (run->dp)
		run->oracles[WITNESS_LOADED] = oracle_new(run->models[0], host_facts());
	if (run->dp) {
		plane_reset(run->dp);
		switch_plane(run, 0);
		live = dataplane_image(run->dp);
		if (fault && fault->who == WITNESS_LOADED)
			fault_flip(&live, fault);
	}
	if (fault && fault->who == WITNESS_EVAL)
		fault_flip(run->images[0], fault);
	run->eval = eval_new(run->images[0], FLOW_SETS);
	assert(run->eval);
	return true;
}

static void run_end(struct run *run)
{
	eval_free(run->eval);
	for (int w = 0; w < WITNESSES; w++) {
		oracle_free(run->oracles[w]);
		free(run->lessons[w]);
	}
	for (unsigned v = 0; v < VERSIONS; v++) {
		devices_done(&run->devices[v]);
		image_free(run->images[v]);
		model_free(run->models[v]);
	}
}

/* ---- asking ---- */

static void note_answer(struct run *run, const struct decision *d)
{
	struct answer *a = &run->outcome->answers[WITNESS_ORACLE];

	*a = (struct answer){
		.is_given = true,
		.allow = d->allow,
		.is_answer = d->is_answer,
		.reason = d->reason,
		.told = d->told,
		.via = d->via,
		.is_via_open = d->is_via_open,
		.counted = 1,
	};
	if (d->device)
		a->out = devices_find(&run->devices[run->version], d->device);
}

static struct decision ask_oracle(struct run *run, enum witness follows,
				  const struct step *s)
{
	struct decision d = oracle_packet(run->oracles[follows], s->device, s->door,
					  s->frame, s->size, run->now);

	note_answer(run, &d);
	if (follows == WITNESS_EVAL) {
		run->outcome->n_judged++;
		run->outcome->n_allowed += d.allow;
		run->outcome->n_tracked += d.tracked;
		run->outcome->n_routed += d.is_routed;
		run->outcome->n_balanced += d.is_balanced;
		run->outcome->n_chosen += oracle_choices(run->oracles[follows]) > 1;
		run->outcome->reasons[d.reason]++;
	}
	return d;
}

static struct addr addr_of(const struct hg_addr *a, int family)
{
	struct addr ret = { .family = family };

	memcpy(ret.bytes, a->w, family == 4 ? 4 : 16);
	return ret;
}

/* Of a query, the port that is no id is the request's type. */
static struct l4 l4_of(const struct hg_tuple *t, const struct decision *d)
{
	int family = t->family == HG_FAMILY_6 ? 6 : 4;
	struct l4 p = d->to;
	bool is_response = false;

	p.src = addr_of(&t->saddr, family);
	p.dst = addr_of(&t->daddr, family);
	p.protocol = t->protocol;
	p.sport = ntohs(t->sport);
	p.dport = ntohs(t->dport);
	if (icmp_pair(&p, &is_response))
		p.id = is_response ? p.dport : p.sport;
	return p;
}

static void ask_eval(struct run *run, uint32_t device, const struct step *s,
		     const struct decision *d, struct answer *ret)
{
	struct verdict v;
	struct parsed p;

	*ret = (struct answer){ .is_given = true, .size = s->size, .counted = 1 };
	memcpy(ret->frame, s->frame, s->size);
	v = eval_packet(run->eval, device, s->door, ret->frame, s->size, run->now);
	ret->allow = v.allow;
	ret->is_answer = v.is_answer || (v.allow && v.told);
	ret->reason = v.reason;
	ret->out = v.out;
	frame_parse(s->frame, s->size, &p);
	ret->has_to = v.allow && d->is_routed && d->to.src.family != p.l4.src.family &&
		      v.to.family == (d->to.src.family == 6 ? HG_FAMILY_6 : HG_FAMILY_4);
	if (ret->has_to)
		ret->to = l4_of(&v.to, d);
	ret->has_told = !v.allow;
	ret->told = v.told;
	ret->via = addr_of(&v.via, v.to.family == HG_FAMILY_6 ? 6 : 4);
	/* It does not say where a packet of a flow goes that it has sent on before. */
	ret->has_via = v.out && !addr_is_zero(&ret->via);
}

/* XDP writes the MAC of the instance that it switches to, and that names the device. */
static uint32_t out_of(const struct result *r)
{
	static const uint8_t instance[5] = { 2, 0xbb, 0, 0, 0 };

	if (!r->is_switched)
		return OUT_KERNEL_ID;
	if (r->size < 6 || memcmp(r->frame, instance, 5) != 0)
		return OUT_SOMEWHERE;
	return r->frame[5];
}

/* That something is told is counted; what it is, is tests/packet's to see. */
static void ask_loaded(struct run *run, uint32_t device, const struct step *s,
		       const struct answer *want, struct answer *ret)
{
	struct result r;

	plane_ask(run->dp, device, s->door, run->t->is_xdp, s->frame, s->size, &r);
	*ret = (struct answer){
		.is_given = r.is_given,
		.allow = r.allow,
		.is_answer = r.is_answer,
		.reason = r.reason,
		.has_told = !r.allow,
		.told = r.is_told ? want->told : TOLD_NOTHING,
		.out = out_of(&r),
		.counted = r.counted,
		.size = r.size,
	};
	memcpy(ret->frame, r.frame, r.size <= sizeof(ret->frame) ? r.size : 0);
}

/* ---- addresses and ports that are chosen ---- */

/* He who speaks is where the packet has really gone. */
static void move_speaker(const struct run *run, const struct lesson *l, struct step *s)
{
	snprintf(s->device, sizeof(s->device), "%s", l->device);
	s->frame[11] = devices_find(&run->devices[run->version], l->device);
}

/* A frame written as if the author's guess had come true, or a quote of such a one. */
static void set_right(const struct run *run, enum witness who, struct step *s)
{
	struct parsed p;

	frame_parse(s->frame, s->size, &p);
	if (p.reason || p.kind != PARSED_IP)
		return;
	for (size_t i = run->n_lessons[who]; i-- > 0;) {
		const struct lesson *l = &run->lessons[who][i];
		struct l4 want = l4_answer(&l->guess), truth = l4_answer(&l->truth);

		if (same_l4(&p.l4, &want)) {
			truth.code = p.l4.code;
			move_speaker(run, l, s);
			frame_edit(s->frame, s->size, &truth, NULL, 0);
			return;
		}
		if (p.has_quote && same_l4(&p.quote, &l->guess)) {
			if (same_addr(&p.l4.dst, &l->guess.src))
				p.l4.dst = l->truth.src;
			if (same_addr(&p.l4.src, &l->guess.dst))
				p.l4.src = l->truth.dst;
			move_speaker(run, l, s);
			frame_edit(s->frame, s->size, &p.l4, &l->truth, 0);
			return;
		}
	}
}

/* What the oracle left open is seen in the frame that went out. */
static const char *learn(struct run *run, enum witness who, const struct step *s,
			 struct decision *d, const struct answer *a)
{
	struct lesson **list = &run->lessons[who];
	size_t *n = &run->n_lessons[who];
	struct parsed p;

	if (!d->is_chosen || !a->allow)
		return NULL;
	frame_parse(a->frame, a->size, &p);
	if (a->has_to)
		p.l4 = a->to;
	if (p.reason || p.kind != PARSED_IP ||
	    !oracle_learn(run->oracles[who], &p.l4, run->now))
		return "a NAT gateway or balancer may not make that of it";
	d->to = p.l4;
	if (!s->has_guess)
		return NULL;
	*list = realloc(*list, (*n + 1) * sizeof(**list));
	assert(*list);
	(*list)[*n] = (struct lesson){ s->guess, p.l4, "" };
	snprintf((*list)[(*n)++].device, sizeof((*list)->device), "%s",
		 d->device ? d->device : s->device);
	return NULL;
}

/* Whether the answer is one of those that the choice of a target can lead to. */
static bool is_some_choice(struct run *run, enum witness who, const struct step *step,
			   const struct step *s, struct decision d)
{
	struct answer *a = &run->outcome->answers[who];
	size_t n = oracle_choices(run->oracles[who]);

	for (size_t i = 0; i < n; i++) {
		if (i > 0) {
			d = oracle_again(run->oracles[who], i);
			note_answer(run, &d);
		}
		a->wrong = NULL;
		if (a->is_given && d.allow) {
			a->wrong = learn(run, who, step, &d, a);
			if (!a->wrong)
				a->wrong = answer_check(&d, s->frame, s->size, a);
		}
		if (answers_agree(&run->outcome->answers[WITNESS_ORACLE], a))
			return true;
	}
	return false;
}

static bool ask(struct run *run, enum witness who, const struct step *step)
{
	uint32_t device;
	struct answer *a = &run->outcome->answers[who];
	uint8_t frame[FRAME_MAX];
	struct step s = *step;
	struct decision d;
	struct parsed p;

	s.frame = memcpy(frame, step->frame, step->size);
	set_right(run, who, &s);
	device = devices_find(&run->devices[run->version], s.device);
	d = ask_oracle(run, who, &s);
	if (who == WITNESS_EVAL)
		ask_eval(run, device, &s, &d, a);
	else
		ask_loaded(run, device, &s, &run->outcome->answers[WITNESS_ORACLE], a);
	/* It says what it would tell; whether that is ever told of such a packet is another's. */
	frame_parse(s.frame, s.size, &p);
	if (who == WITNESS_EVAL && (icmp_is_error(&p.l4) || p.is_later_fragment))
		a->has_told = false;
	run->outcome->other = who;
	return is_some_choice(run, who, step, &s, d);
}

static bool is_edge(const struct run *run)
{
	return oracle_is_edge(run->oracles[WITNESS_EVAL], run->now) ||
	       oracle_is_edge(run->oracles[WITNESS_LOADED], run->now);
}

static enum trial_end judge_packet(struct run *run, const struct step *s)
{
	uint32_t before = run->now;

	if (!devices_find(&run->devices[run->version], s->device))
		return TRIAL_AGREED;
	run->now = s->now + run->late;
	while (run->dp && is_edge(run)) {
		run->late++;
		run->now++;
	}
	if (run->dp && run->now != before && !plane_set_time(run->dp, before, run->now))
		return TRIAL_VOID;
	run->outcome->answers[WITNESS_LOADED].is_given = false;
	if (!ask(run, WITNESS_EVAL, s))
		return TRIAL_DIFFERED;
	return !run->dp || ask(run, WITNESS_LOADED, s) ? TRIAL_AGREED : TRIAL_DIFFERED;
}

static void change_rules(struct run *run, unsigned version)
{
	if (version >= run->t->n_rules)
		return;
	run->version = version;
	for (int w = 0; w < WITNESSES; w++)
		if (run->oracles[w])
			oracle_switch(run->oracles[w], run->models[version]);
	eval_switch(run->eval, run->images[version]);
	if (run->dp)
		switch_plane(run, version);
}

static void change_health(struct run *run, const struct step *s)
{
	struct image live;

	live = eval_image(run->eval);
	pools_set(&live, s->group, s->target, s->is_usable);
	for (int w = 0; w < WITNESSES; w++)
		if (run->oracles[w])
			oracle_set_usable(run->oracles[w], s->group, s->target,
					  s->is_usable);
	if (!run->dp)
		return;
	live = dataplane_image(run->dp);
	pools_set(&live, s->group, s->target, s->is_usable);
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
			else if (s->kind == STEP_HEALTH)
				change_health(&run, s);
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
	devices_done(&run.devices[0]);
	image_free(run.images[0]);
	model_free(run.models[0]);
	return good;
}
