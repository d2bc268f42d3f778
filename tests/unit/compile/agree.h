/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* agree: one question, put to an image and to the model it was made from.
 *
 * Shape    A question is about one packet's peer, other end, protocol, key and source port.
 * Units    As in lookup.h.
 * Errors   Where the two differ, both answers are noted.
 */
#include "lookup.h"

struct asked {
	struct addr peer, other;
	int proto;
	uint32_t key, source;
};

static inline void asked_note(const struct asked *q)
{
	char peer[ADDR_TEXT], other[ADDR_TEXT];

	note("peer %s other %s protocol %d key %u source %u", addr_print(&q->peer, peer),
	     addr_print(&q->other, other), q->proto, q->key, q->source);
}

static inline bool nacl_agrees(const struct model *m, const struct image *image,
			       int direction, const struct asked *q)
{
	const struct hg_subnet *s =
		image_record(image, image_header(image)->subnets, 1, HG_LINE);
	uint32_t peer = lookup_class(image, 1, &q->peer)->peer;
	uint32_t cell = lookup_cell(image, s->nacl[direction], peer, (uint32_t)q->proto,
				    q->key, &q->other, q->source);
	size_t nacl = (size_t)m->subnets[0].nacl;
	size_t want = scan_nacl(m, nacl, direction, &q->peer, &q->other, q->proto, q->key,
				q->source);
	const struct hg_rule *rule = image_rule(image, cell & HG_CELL_RULE);
	bool is_default = want == m->nacls[nacl].n_rules[direction];
	uint32_t number = is_default ? HG_RULE_DEFAULT
				     : m->nacls[nacl].rules[direction][want].number;
	bool allow = !is_default && m->nacls[nacl].rules[direction][want].allow;

	if (rule && rule->number == number && rule->direction == (uint32_t)direction &&
	    allow == !!(cell & HG_CELL_ALLOW) && allow == (rule->flags & 1) &&
	    strcmp(image_object_name(image, rule->object), m->nacls[nacl].name) == 0)
		return true;
	asked_note(q);
	note("direction %d: got rule %u, want %u", direction, rule ? rule->number : 0,
	     number);
	return false;
}

static inline bool groups_agree(const struct model *m, const struct image *image,
				size_t interface, int direction, const struct asked *q)
{
	const struct hg_interface *f = image_record(
		image, image_header(image)->interfaces, (uint32_t)interface + 1, HG_LINE);
	uint32_t peer = lookup_class(image, 1, &q->peer)->peer;
	uint32_t cell = lookup_cell(image, f->groups[direction], peer, (uint32_t)q->proto,
				    q->key, &q->other, q->source);
	struct admitted want =
		scan_groups(m, interface, direction, &q->peer, q->proto, q->key);
	const struct hg_rule *rule = image_rule(image, cell & HG_CELL_RULE);

	if (want.group < 0 && cell == 0)
		return true;
	if (want.group >= 0 && rule && rule->number == want.rule &&
	    rule->direction == (uint32_t)direction && cell & HG_CELL_ALLOW &&
	    want.untracked == !!(cell & HG_CELL_UNTRACKED) &&
	    strcmp(image_object_name(image, rule->object), m->groups[want.group].name) ==
		    0)
		return true;
	asked_note(q);
	note("interface %zu direction %d: got %x, want group %d rule %zu untracked %d",
	     interface, direction, cell, want.group, want.rule, want.untracked);
	return false;
}
