/* SPDX-License-Identifier: Apache-2.0 */

/* Which device would meet a packet, and what its trace says.
 *
 * The image already knows whose an address is: the class of an address, found in the trie
 * of its VPC, names the interface, and the interface its device. So a question costs two
 * look-ups a VPC however many interfaces there are, and addresses that only the kernel
 * knows (of local interfaces that declare none) are found like any other. The model is
 * asked for what the packet path has no use for: device names and lists of groups.
 *
 * tests/unit/compile/explain.c holds the doors and the answers; the look-ups are held by
 * the witness tests, which explain what the loaded program judged.
 */
#include "compile/explain.h"

#include <errno.h>
#include <hg/trie.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/frame.h"
#include "config/json.h"

/* ---- names ---- */

const char *drop_name(uint32_t reason)
{
#define NAME(number, name, stage) [number] = #name,
	static const char *const names[] = { HG_DROP_REASONS(NAME) };
#undef NAME

	return reason < ARRAY_SIZE(names) ? names[reason] : NULL;
}

const char *stage_name(uint32_t stage)
{
#define NAME(number, name) [number] = #name,
	static const char *const names[] = { HG_STAGES(NAME) };
#undef NAME

	return stage < ARRAY_SIZE(names) ? names[stage] : NULL;
}

static int interface_compare(const void *name, const void *interface)
{
	return strcmp(name, ((const struct interface *)interface)->name);
}

static const struct interface *model_interface(const struct model *m, const char *name)
{
	if (!name || m->n_interfaces == 0)
		return NULL;
	return bsearch(name, m->interfaces, m->n_interfaces, sizeof(*m->interfaces),
		       interface_compare);
}

/* ---- whose an address is ---- */

static const struct hg_line *line_at(const struct image *image, uint64_t line)
{
	return line < image->n_lines ? image->lines + line : NULL;
}

static uint32_t word_at(const struct image *image, uint64_t line, uint64_t word)
{
	const struct hg_line *l = line_at(image, line + word / 16);

	return l ? l->w[word % 16] : 0;
}

static uint32_t class4_find(const struct image *image, uint32_t trie, const uint8_t *a)
{
	uint64_t blocks = (uint64_t)trie + HG_TRIE4_ROOT;
	uint32_t slot = word_at(image, trie, a[0] << 8 | a[1]);

	for (int i = 2; i < 4 && slot & HG_TRIE_BLOCK; i++)
		slot = word_at(image,
			       blocks +
				       (uint64_t)(slot & ~HG_TRIE_BLOCK) * HG_TRIE4_BLOCK,
			       a[i]);
	return slot;
}

/* The entry of 'a' cut to 'len' bits, or NULL. */
static const struct hg_prefix6 *prefix6_find(const struct image *image,
					     const struct hg_trie6 *trie,
					     const struct addr *a, uint32_t len)
{
	struct cidr c = { .addr = *a, .len = len };
	struct hg_addr key;
	uint32_t bucket;

	cidr_mask(&c);
	memcpy(&key, c.addr.bytes, sizeof(key));
	bucket = hg_hash6(key.w, len) & (trie->n_buckets - 1);
	for (uint32_t i = 0; i < HG_TRIE6_PROBES; i++) {
		uint32_t at = (bucket + i) & (trie->n_buckets - 1);
		const void *line = line_at(image, (uint64_t)trie->buckets + at);
		const struct hg_prefix6 *p = line;

		for (int k = 0; p && k < 2; k++)
			if (p[k].len == len && memcmp(&p[k].addr, &key, sizeof(key)) == 0)
				return &p[k];
	}
	return NULL;
}

static uint32_t class6_find(const struct image *image, uint32_t line,
			    const struct addr *a)
{
	const struct hg_trie6 *trie = (const void *)line_at(image, line);
	uint32_t low = 0, high, class;

	if (!trie || !line_at(image, (uint64_t)line + 2))
		return 0;
	class = trie->none;
	high = trie->n_lengths;
	if (high > HG_TRIE6_LENGTHS || trie->n_buckets == 0)
		return class;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct hg_prefix6 *p =
			prefix6_find(image, trie, a, trie->lengths[middle]);

		if (p) {
			class = p->class;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return class;
}

/* Interface id that owns 'a' in VPC 'vpc', 0 none. */
static uint32_t owner_find(const struct image *image, uint32_t vpc, const struct addr *a)
{
	const struct hg_vpc *v =
		image_record(image, image_header(image)->vpcs, vpc, sizeof(*v));
	const struct hg_class *c;
	uint32_t class;

	if (!v)
		return 0;
	class = a->family == 6 ? class6_find(image, v->trie6, a)
			       : class4_find(image, v->trie4, a->bytes);
	c = image_record(image, v->classes, class, sizeof(*c));
	return c ? c->interface : 0;
}

static const struct hg_interface *interface_at(const struct image *image, uint32_t id)
{
	return id ? image_record(image, image_header(image)->interfaces, id,
				 sizeof(struct hg_interface))
		  : NULL;
}

static const struct hg_device *device_at(const struct image *image, uint32_t id)
{
	return id ? image_record(image, image_header(image)->devices, id,
				 sizeof(struct hg_device))
		  : NULL;
}

/* ---- the door ---- */

/* The device of role 'role' whose interface owns 'a' in some VPC; 0: none, or it hangs on
 * no device. The first VPC wins: --in says which, where address plans overlap. */
static uint32_t device_of(const struct image *image, const struct addr *a, uint32_t role)
{
	uint32_t n = image_header(image)->vpcs.n;

	for (uint32_t vpc = 1; vpc < n; vpc++) {
		const struct hg_interface *i =
			interface_at(image, owner_find(image, vpc, a));
		const struct hg_device *d = i ? device_at(image, i->device) : NULL;

		if (d && d->role == role)
			return i->device;
	}
	return 0;
}

static uint32_t device_named(const struct model *m, const char *name)
{
	uint32_t id = 0;

	for (size_t i = 0; i < m->n_interfaces; i++) {
		if (!m->interfaces[i].device)
			continue;
		id++;
		if (strcmp(m->interfaces[i].device, name) == 0)
			return id;
	}
	return 0;
}

static uint32_t door_find(const struct question *q, const struct image *image,
			  uint32_t *ret_door)
{
	const struct {
		const struct addr *end;
		uint32_t role, door;
	} doors[] = {
		{ &q->from, HG_ROLE_PORT, HG_DOOR_IN },
		{ &q->to, HG_ROLE_PORT, HG_DOOR_OUT },
		{ &q->to, HG_ROLE_HOST, HG_DOOR_IN },
		{ &q->from, HG_ROLE_HOST, HG_DOOR_OUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
		uint32_t device = device_of(image, doors[i].end, doors[i].role);

		if (device) {
			*ret_door = doors[i].door;
			return device;
		}
	}
	return 0;
}

static void complain(struct diag *diag, const char *pointer, const char *text)
{
	diag_add(diag, DIAG_ERROR, "", 0, 0, pointer, "%s", text);
}

/* The MACs of both ends as the device would see them; made up where they are not known. */
static struct frame_ends door_ends(const struct hg_device *d, uint32_t door)
{
	static const uint8_t nobody[6];
	struct frame_ends ends;
	const uint8_t peer[6] = { 2, 0, 0, 0, 0, 2 };
	uint8_t own[6] = { 2, 0, 0, 0, 0, 1 };

	if (memcmp(d->mac, nobody, 6) != 0)
		memcpy(own, d->mac, 6);
	memcpy(ends.from, door == HG_DOOR_IN ? peer : own, 6);
	memcpy(ends.to, door == HG_DOOR_IN ? own : peer, 6);
	return ends;
}

int explain_frame(const struct question *q, const struct image *image,
		  const struct model *m, struct diag *diag,
		  uint8_t frame[static EXPLAIN_FRAME], size_t *ret_size,
		  uint32_t *ret_device, uint32_t *ret_door)
{
	uint32_t device, door = HG_DOOR_IN;
	const struct hg_device *d;
	struct frame_ends ends;
	char from[ADDR_TEXT], to[ADDR_TEXT];

	if (q->from.family != q->to.family) {
		complain(diag, "/to", "one address is IPv4 and the other IPv6");
		return -EINVAL;
	}
	if (q->in) {
		device = device_named(m, q->in);
		if (!device) {
			diag_add(diag, DIAG_ERROR, "", 0, 0, "/in",
				 "no interface of the rule set has the device %s", q->in);
			return -EINVAL;
		}
	} else {
		device = door_find(q, image, &door);
	}
	d = device_at(image, device);
	if (!d) {
		diag_add(
			diag, DIAG_ERROR, "", 0, 0, "",
			"neither %s nor %s is an address of an interface with a device, "
			"so "
			"this machine would not meet the packet; name the device that it "
			"comes in by",
			addr_print(&q->from, from), addr_print(&q->to, to));
		return -EINVAL;
	}
	ends = door_ends(d, door);
	*ret_size = frame_write(q, &ends, frame);
	*ret_device = device;
	*ret_door = door;
	return 0;
}

/* ---- the answer ---- */

/* The interface whose groups were asked: the door's own on its side, else the owner of the
 * address. 'direction' HG_EGRESS is the sender. NULL: none is declared. */
static const struct interface *end_find(const struct question *q,
					const struct hg_trace *trace,
					const struct image *image, const struct model *m,
					uint32_t direction)
{
	const struct hg_device *d = device_at(image, trace->device);
	bool is_sender = direction == HG_EGRESS, door_is_sender;
	const struct hg_interface *i;
	uint32_t id;

	if (!d)
		return NULL;
	door_is_sender = (d->role == HG_ROLE_PORT) == (trace->door == HG_DOOR_IN);
	if (is_sender == door_is_sender)
		id = d->interface;
	else
		id = owner_find(image, d->vpc, is_sender ? &q->from : &q->to);
	i = interface_at(image, id);
	return i ? model_interface(m, image_object_name(image, i->object)) : NULL;
}

static struct json *groups_asked(const struct interface *interface, const struct model *m)
{
	struct json *list = json_new_array();

	for (size_t k = 0; interface && k < interface->n_groups; k++) {
		char text[HG_MAX_NAME + sizeof("security_group/")];

		snprintf(text, sizeof(text), "security_group/%s",
			 m->groups[interface->groups[k]].name);
		json_add(list, json_new_string(text));
	}
	return list;
}

static void set_object(struct json *step, const struct image *image, uint32_t object)
{
	char text[HG_MAX_NAME + 32];

	if (!object) {
		json_set_null(step, "object");
		return;
	}
	snprintf(text, sizeof(text), "%s/%s",
		 object_kind_name(image_object_kind(image, object)),
		 image_object_name(image, object));
	json_set_string(step, "object", text);
}

static const char *state_name(uint32_t state)
{
#define NAME(number, name, text) [number] = (text),
	static const char *const names[] = { HG_CONNECTION_STATES(NAME) };
#undef NAME

	return state < ARRAY_SIZE(names) ? names[state] : NULL;
}

static struct json *answer_step(const struct question *q, const struct hg_trace *trace,
				const struct image *image, const struct model *m,
				const struct hg_step *s)
{
	struct json *step = json_new_object();
	const struct hg_rule *rule = s->rule ? image_rule(image, s->rule) : NULL;
	bool is_group = s->stage == HG_STAGE_sg_egress || s->stage == HG_STAGE_sg_ingress;

	json_set_string(step, "stage", stage_name(s->stage));
	if (is_group) /* 's->object' is the interface whose groups were asked */
		set_object(step, image, rule ? rule->object : 0);
	else
		set_object(step, image, s->object || !rule ? s->object : rule->object);
	if (!rule)
		json_set_null(step, "rule");
	else if (rule->number == HG_RULE_DEFAULT)
		json_set_string(step, "rule", "*");
	else
		json_set_number(step, "rule", rule->number);
	json_set_string(step, "result", s->allow ? "allow" : "deny");
	if (is_group && !rule)
		json_set(step, "objects",
			 groups_asked(end_find(q, trace, image, m,
					       s->stage == HG_STAGE_sg_egress
						       ? HG_EGRESS
						       : HG_INGRESS),
				      m));
	if (s->stage == HG_STAGE_flow)
		json_set_string(step, "state", state_name(s->state));
	return step;
}

static struct json *answer_hop(const struct question *q, const struct hg_trace *trace,
			       const struct image *image, const struct model *m)
{
	const struct hg_device *d = device_at(image, trace->out);
	const struct interface *i =
		d ? model_interface(m, image_object_name(image, d->object)) : NULL;
	char text[ADDR_TEXT];
	struct json *hop;

	if (trace->reason || !i)
		return json_new_string(NULL);
	hop = json_new_object();
	json_set_string(hop, "device", i->device);
	json_set_string(hop, "address", addr_print(&q->to, text));
	return hop;
}

/* The words of the Reachability Analyzer; 'interface' is whose groups refused, or NULL. */
static const char *aws_reason(uint32_t reason, const struct hg_trace *trace,
			      const struct image *image, bool has_group_rules)
{
	const struct hg_device *d = device_at(image, trace->device);
	bool speaks_here = d && (d->role == HG_ROLE_PORT) == (trace->door == HG_DOOR_IN);

	switch (reason) {
	case HG_DROP_NACL_EGRESS:
	case HG_DROP_NACL_INGRESS:
		return "SUBNET_ACL_RESTRICTION";
	case HG_DROP_SG_EGRESS:
	case HG_DROP_SG_INGRESS:
		return has_group_rules ? "ENI_SG_RULES_MISMATCH" : "SG_HAS_NO_RULES";
	case HG_DROP_SOURCE_CHECK: /* elsewhere it is another interface's address, claimed */
		return speaks_here ? "ENI_SOURCE_DEST_CHECK_RESTRICTION"
				   : "ENI_ADDRESS_RESTRICTION";
	case HG_DROP_DEST_CHECK:
		return "ENI_SOURCE_DEST_CHECK_RESTRICTION";
	case HG_DROP_NO_ROUTE:
		return "NO_ROUTE_TO_DESTINATION";
	case HG_DROP_BLACKHOLE:
		return "BAD_STATE_ROUTE";
	default:
		return NULL;
	}
}

const char *drop_aws_reason(uint32_t reason, const struct hg_trace *trace,
			    const struct image *image)
{
	return aws_reason(reason, trace, image, true);
}

static bool has_group_rules(const struct interface *interface, const struct model *m,
			    uint32_t direction)
{
	for (size_t k = 0; interface && k < interface->n_groups; k++)
		if (m->groups[interface->groups[k]].n_rules[direction] > 0)
			return true;
	return !interface;
}

struct json *explain_answer(const struct question *q, const struct hg_trace *trace,
			    const struct image *image, const struct model *m)
{
	uint32_t direction = trace->reason == HG_DROP_SG_EGRESS ? HG_EGRESS : HG_INGRESS;
	const struct interface *end = end_find(q, trace, image, m, direction);
	struct json *answer = json_new_object(), *steps, *rewrite;

	if (!answer)
		return NULL;
	json_set_string(answer, "verdict", trace->reason ? "drop" : "allow");
	json_set_string(answer, "reason", drop_name(trace->reason));
	json_set_string(answer, "aws_reason",
			aws_reason(trace->reason, trace, image,
				   has_group_rules(end, m, direction)));
	steps = json_set(answer, "steps", json_new_array());
	for (uint32_t k = 0; k < trace->n && k < HG_TRACE_STEPS; k++)
		json_add(steps, answer_step(q, trace, image, m, &trace->step[k]));
	rewrite = json_set(answer, "rewrite", json_new_object());
	json_set_null(rewrite, "source");
	json_set_null(rewrite, "destination");
	json_set(answer, "next_hop", answer_hop(q, trace, image, m));
	json_set_null(answer, "target");
	json_set_bool(answer, "tracked", trace->tracked);
	if (trace->exempt)
		json_set_bool(answer, "exempt", true);
	return answer;
}
