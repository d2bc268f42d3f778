/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/event.h>

#include "base/cleanup.h"
#include "tests/lib/stand.h"
#include "tests/lib/tap.h"
#include "tests/witness/trial.h"

/* ---- to a file and back ---- */

static struct json *step_write(const struct step *s)
{
	struct json *j = json_new_object();
	char hex[2 * FRAME_MAX + 1];

	json_set_number(j, "now", s->now);
	if (s->kind == STEP_HEALTH) {
		json_set_string(j, "group", s->group);
		json_set_number(j, "target", s->target);
		json_set_bool(j, "usable", s->is_usable);
		return j;
	}
	if (s->kind == STEP_SWITCH) {
		json_set_number(j, "rules", s->version);
		return j;
	}
	hex[0] = '\0';
	for (size_t i = 0; i < s->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", s->frame[i]);
	json_set_string(j, "device", s->device);
	json_set_string(j, "door", s->door == HG_DOOR_IN ? "in" : "out");
	json_set_string(j, "frame", hex);
	return j;
}

int trial_write(const struct trial *t, const char *path)
{
	_cleanup_(json_freep) struct json *j = json_new_object();
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	_cleanup_free_ char *text = NULL;
	struct json *rules, *steps;

	if (!f)
		return -errno;
	json_set_bool(j, "xdp", t->is_xdp);
	rules = json_set(j, "rules", json_new_array());
	for (unsigned v = 0; v < t->n_rules; v++)
		json_add(rules, json_copy(t->rules[v]));
	steps = json_set(j, "steps", json_new_array());
	for (size_t i = 0; i < t->script->n; i++)
		json_add(steps, step_write(&t->script->steps[i]));
	text = json_print(j, true);
	if (!text || fputs(text, f) < 0)
		return -EIO;
	return 0;
}

static void step_read(const struct json *j, struct step *ret)
{
	const char *hex = json_string(json_get(j, "frame"));
	const char *device = json_string(json_get(j, "device"));
	const char *door = json_string(json_get(j, "door"));
	const char *group = json_string(json_get(j, "group"));

	*ret = (struct step){ .now = json_number(json_get(j, "now")) };
	if (group) {
		ret->kind = STEP_HEALTH;
		snprintf(ret->group, sizeof(ret->group), "%s", group);
		ret->target = json_number(json_get(j, "target"));
		ret->is_usable = json_bool(json_get(j, "usable"));
		return;
	}
	if (!hex || !device || !door) {
		ret->kind = STEP_SWITCH;
		ret->version = json_number(json_get(j, "rules"));
		return;
	}
	snprintf(ret->device, sizeof(ret->device), "%s", device);
	ret->door = strcmp(door, "out") == 0 ? HG_DOOR_OUT : HG_DOOR_IN;
	ret->size = strlen(hex) / 2;
	ret->frame = malloc(ret->size + 1);
	for (size_t i = 0; ret->frame && i < ret->size; i++)
		sscanf(hex + 2 * i, "%2hhx", &ret->frame[i]);
}

int trial_read(const char *path, struct trial *ret)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_(json_freep) struct json *j = NULL;
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = malloc(8 << 20);
	const struct json *steps;
	size_t size;
	int r;

	if (!f || !text)
		return -ENOENT;
	size = fread(text, 1, 8 << 20, f);
	r = json_read(path, text, size, d, &j);
	if (r < 0)
		return r;
	*ret = (struct trial){ .is_xdp = json_bool(json_get(j, "xdp")) };
	for (const struct json *v = json_first(json_get(j, "rules"));
	     v && ret->n_rules < VERSIONS; v = json_next(v))
		ret->rules[ret->n_rules++] = json_copy(v);
	steps = json_get(j, "steps");
	ret->script = calloc(1, sizeof(*ret->script));
	if (!ret->script)
		return -ENOMEM;
	ret->script->steps = calloc(json_size(steps) + 1, sizeof(*ret->script->steps));
	for (const struct json *s = json_first(steps); s; s = json_next(s))
		step_read(s, &ret->script->steps[ret->script->n++]);
	return 0;
}

/* ---- for people ---- */

static void print_answer(const char *who, const struct answer *a)
{
	static const char *const told[] = {
		"",           ", told expired", ", told too big", ", told reset",
		", told fin", ", told echo"
	};
	char text[512], via[ADDR_TEXT];

	if (!a->is_given) {
		note("  %s: not asked", who);
		return;
	}
	note("  %s: %s%s%s, out %d%s%s%s%s%s%s", who, a->allow ? "allow" : "drop ",
	     a->reason ? reason_name(a->reason) : "", a->is_answer ? ", answered" : "",
	     (int)a->out, a->via.family ? " via " : "",
	     a->via.family ? addr_print(&a->via, via) : "", told[a->told],
	     a->counted != 1 ? ", miscounted" : "", a->wrong ? ": " : "",
	     a->wrong ? a->wrong : "");
	if (a->allow && a->size)
		note("    left as %s",
		     frame_print(a->frame, a->size, text, sizeof(text)));
}

void trial_print(const struct trial *t, const struct outcome *outcome)
{
	static const char *const names[] = { "oracle", "eval  ", "loaded" };
	const struct step *s;
	char text[1024];

	if (outcome->end == TRIAL_REFUSED) {
		note("the rules were refused:\n%s", outcome->text);
		return;
	}
	for (unsigned v = 0; v < t->n_rules; v++) {
		_cleanup_free_ char *rules = json_print(t->rules[v], true);

		note("rules %u:", v);
		for (char *line = strtok(rules, "\n"); line; line = strtok(NULL, "\n"))
			note("%s", line);
	}
	for (size_t i = 0; i <= outcome->step && i < t->script->n; i++) {
		s = &t->script->steps[i];
		if (s->kind == STEP_SWITCH)
			note("%u s: rules %u", s->now, s->version);
		else if (s->kind == STEP_HEALTH)
			note("%u s: target %u of %s %s", s->now, s->target, s->group,
			     s->is_usable ? "recovers" : "falls ill");
		else
			note("%u s: %s %s: %s", s->now, s->device,
			     s->door == HG_DOOR_IN ? "in" : "out",
			     frame_print(s->frame, s->size, text, sizeof(text)));
	}
	for (int w = 0; w < WITNESSES; w++)
		print_answer(names[w], &outcome->answers[w]);
}
