/* SPDX-License-Identifier: Apache-2.0 */

/* What a trace says, in the words of the rule set. The image has names and numbers; the model
 * is asked for what the packet path has no use for: device names, destinations of routes, lists
 * of groups. tests/unit/compile/explain.c holds the answers; the witness tests explain what
 * the loaded program judged.
 */
#include "compile/explain.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/address.h"
#include "compile/build.h"
#include "compile/device.h"
#include "compile/entry.h"
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

/* ---- the question ---- */

/* The MACs of both ends as the device would see them; made up where they are not known. */
static struct frame_ends door_ends(const struct hg_device *d, uint32_t door)
{
	static const uint8_t nobody[6];
	struct frame_ends ends;
	const uint8_t peer[6] = { 2, 0, 0, 0, 0, 1 };
	uint8_t own[6] = { 2, 0, 0, 0, 0, 2 };

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
	struct frame_ends ends;
	struct entry entry;
	int r;

	if (q->from.family != q->to.family) {
		diag_add(diag, DIAG_ERROR, "", 0, 0, "/to",
			 "one address is IPv4 and the other IPv6");
		return -EINVAL;
	}
	r = entry_find(q, image, m, diag, &entry);
	if (r < 0)
		return r;
	ends = door_ends(image_device(image, entry.device), entry.door);
	*ret_size = frame_write(q, &ends, frame);
	*ret_device = entry.device;
	*ret_door = entry.door;
	return 0;
}

/* An address of a trace. */
static struct addr addr_of(const struct hg_addr *a, uint8_t family)
{
	struct addr addr = { .family = family };

	memcpy(addr.bytes, a->w, family == 4 ? 4 : 16);
	return addr;
}

/* A type of ICMPv6 in ICMP: only echo crosses. */
static int type_of_other(int type)
{
	return type == 129 ? 0 : type < 0 || type == 128 ? 8 : type;
}

struct question explain_return(const struct question *q, const struct hg_trace *trace,
			       const struct image *image, const struct model *m)
{
	const struct hg_tuple *to = &trace->to;
	bool has_ports = q->protocol == IPPROTO_TCP || q->protocol == IPPROTO_UDP;
	struct question out = *q, back;

	if (to->family) {
		out.from = addr_of(&to->saddr, to->family);
		out.to = addr_of(&to->daddr, to->family);
		out.protocol = to->protocol;
		if (to->family != q->from.family && q->protocol == IPPROTO_ICMPV6)
			out.icmp_type = type_of_other(q->icmp_type);
		if (has_ports) {
			out.from_port = ntohs(to->sport);
			out.to_port = ntohs(to->dport);
		} else if (question_asks(&out)) {
			out.icmp_id = ntohs(to->sport);
		}
	}
	back = question_reverse(&out);
	back.in = image_device_name(image, m, trace->out);
	return back;
}

/* ---- the answer ---- */

/* The groups that a step asked: those of an interface, a NAT instance or a balancer. */
struct asked {
	const int *groups;
	size_t n;
};

static struct asked step_asked(const struct hg_step *s, const struct image *image,
			       const struct model *m)
{
	const char *name = image_object_name(image, s->object);
	const struct interface *f;
	const struct nat_gateway *g;
	const struct load_balancer *l;

	switch (image_object_kind(image, s->object)) {
	case HG_OBJECT_INTERFACE:
		f = model_find(m->interfaces, m->n_interfaces, sizeof(*f), name);
		return f ? (struct asked){ f->groups, f->n_groups } : (struct asked){ 0 };
	case HG_OBJECT_NAT_GATEWAY:
		g = model_find(m->nat_gateways, m->n_nat_gateways, sizeof(*g), name);
		return g ? (struct asked){ g->groups, g->n_groups } : (struct asked){ 0 };
	case HG_OBJECT_LOAD_BALANCER:
		l = model_find(m->load_balancers, m->n_load_balancers, sizeof(*l), name);
		return l ? (struct asked){ l->groups, l->n_groups } : (struct asked){ 0 };
	default:
		return (struct asked){ 0 };
	}
}

static struct json *groups_asked(const struct asked *asked, const struct model *m)
{
	struct json *list = json_new_array();

	for (size_t k = 0; k < asked->n; k++) {
		char text[HG_MAX_NAME + sizeof("security_group/")];

		snprintf(text, sizeof(text), "security_group/%s",
			 m->groups[asked->groups[k]].name);
		json_add(list, json_new_string(text));
	}
	return list;
}

static void set_object(struct json *step, const char *key, const struct image *image,
		       uint32_t object)
{
	char text[HG_MAX_NAME + 32];

	if (!object) {
		json_set_null(step, key);
		return;
	}
	snprintf(text, sizeof(text), "%s/%s",
		 object_kind_name(image_object_kind(image, object)),
		 image_object_name(image, object));
	json_set_string(step, key, text);
}

/* By number: implicit tables share a name. NULL: not of a route table. */
static const struct route_table *
rule_table(const struct image *image, const struct model *m, const struct hg_rule *rule)
{
	uint32_t i = rule->object - object_of_route_table(m, 0);

	if (image_object_kind(image, rule->object) != HG_OBJECT_ROUTE_TABLE ||
	    i >= m->n_route_tables)
		return NULL;
	return &m->route_tables[i];
}

const char *route_destination(const struct image *image, const struct model *m,
			      const struct hg_rule *rule,
			      char buf[static DESTINATION_TEXT])
{
	const struct route_table *t = rule_table(image, m, rule);
	uint32_t local = rule->number & ~HG_RULE_LOCAL;
	const struct route *route;

	if (!t)
		return NULL;
	if (rule->number & HG_RULE_LOCAL)
		return local < m->vpcs[t->vpc].n_cidrs
			       ? cidr_print(&m->vpcs[t->vpc].cidrs[local], buf)
			       : NULL;
	if (rule->number >= t->n_routes)
		return NULL;
	route = &t->routes[rule->number];
	if (route->prefix_list < 0)
		return cidr_print(&route->to, buf);
	snprintf(buf, DESTINATION_TEXT, "prefix_list/%s",
		 m->prefix_lists[route->prefix_list].name);
	return buf;
}

const char *route_target(const struct image *image, const struct model *m,
			 const struct hg_rule *rule, char buf[static TARGET_TEXT])
{
	const struct route_table *t = rule_table(image, m, rule);
	const char *kind = NULL, *name = NULL;
	const struct route *route;

	if (!t)
		return NULL;
	if (rule->number & HG_RULE_LOCAL)
		return "local";
	if (rule->number >= t->n_routes)
		return NULL;
	route = &t->routes[rule->number];
	switch (route->kind) {
	case ROUTE_LOCAL:
		return "local";
	case ROUTE_BLACKHOLE:
		return "blackhole";
	case ROUTE_INTERNET_GATEWAY:
		kind = "internet_gateway";
		name = m->internet_gateways[route->target].name;
		break;
	case ROUTE_NAT_GATEWAY:
		kind = "nat_gateway";
		name = m->nat_gateways[route->target].name;
		break;
	case ROUTE_EGRESS_ONLY_GATEWAY:
		kind = "egress_only_gateway";
		name = m->egress_only_gateways[route->target].name;
		break;
	case ROUTE_PEERING:
		kind = "peering";
		name = m->peerings[route->target].name;
		break;
	case ROUTE_INTERFACE:
		kind = "interface";
		name = m->interfaces[route->target].name;
		break;
	case ROUTE_GATEWAY_LOAD_BALANCER:
		kind = "gateway_load_balancer";
		name = m->gateway_load_balancers[route->target].name;
		break;
	}
	snprintf(buf, TARGET_TEXT, "%s/%s", kind, name);
	return buf;
}

static void set_rule(struct json *step, const struct image *image, const struct model *m,
		     const struct hg_rule *rule)
{
	char text[DESTINATION_TEXT];

	if (!rule)
		json_set_null(step, "rule");
	else if (image_object_kind(image, rule->object) == HG_OBJECT_ROUTE_TABLE)
		json_set_string(step, "rule", route_destination(image, m, rule, text));
	else if (rule->number == HG_RULE_DEFAULT)
		json_set_string(step, "rule", "*");
	else
		json_set_number(step, "rule", rule->number);
}

static const char *state_name(uint32_t state)
{
#define NAME(number, name, text) [number] = (text),
	static const char *const names[] = { HG_CONNECTION_STATES(NAME) };
#undef NAME

	return state < ARRAY_SIZE(names) ? names[state] : NULL;
}

static bool is_group_step(const struct hg_step *s)
{
	return s->stage == HG_STAGE_sg_egress || s->stage == HG_STAGE_sg_ingress;
}

static struct json *answer_step(const struct image *image, const struct model *m,
				const struct hg_step *s)
{
	struct json *step = json_new_object();
	const struct hg_rule *rule = s->rule ? image_rule(image, s->rule) : NULL;
	bool is_group = is_group_step(s);
	struct asked asked = step_asked(s, image, m);
	char via[TARGET_TEXT];

	json_set_string(step, "stage", stage_name(s->stage));
	if (is_group) /* 's->object' is whose groups were asked */
		set_object(step, "object", image, rule ? rule->object : 0);
	else
		set_object(step, "object", image,
			   s->object || !rule ? s->object : rule->object);
	set_rule(step, image, m, rule);
	if (rule && s->stage == HG_STAGE_route)
		json_set_string(step, "via", route_target(image, m, rule, via));
	json_set_string(step, "result", s->allow ? "allow" : "deny");
	if (is_group && !rule)
		json_set(step, "objects", groups_asked(&asked, m));
	if (s->stage == HG_STAGE_flow)
		json_set_string(step, "state", state_name(s->state));
	if (s->at)
		set_object(step, "at", image, s->at);
	return step;
}

static void end_print(const struct addr *a, uint16_t port,
		      char buf[static ADDR_TEXT + sizeof("[]:65535")])
{
	char text[ADDR_TEXT];

	addr_print(a, text);
	snprintf(buf, ADDR_TEXT + sizeof("[]:65535"),
		 a->family == 6 ? "[%s]:%u" : "%s:%u", text, port);
}

/* Whom a balancer chose, and how: an existing connection, and one by the next member that could
 * be found, has no slot. */
static void set_target(struct json *answer, const struct question *q,
		       const struct image *image, const struct hg_trace *trace)
{
	const struct hg_target *target = image_record(image, image_header(image)->targets,
						      trace->target, sizeof(*target));
	char text[ADDR_TEXT + sizeof("[]:65535")];
	struct addr a;

	if (!trace->target || !target) {
		json_set_null(answer, "target");
		return;
	}
	a = addr_of(&target->address, q->to.family);
	end_print(&a, ntohs(target->port), text);
	json_set_string(answer, "target", text);
	set_object(answer, "target_group", image, target->object);
	if (trace->slot)
		json_set_number(answer, "ring_slot", trace->slot - 1);
}

/* One end of the packet as it goes out, where that differs from how it came. */
static void set_end(struct json *rewrite, const char *key, const struct addr *came,
		    uint16_t came_port, const struct addr *goes, uint16_t goes_port,
		    bool has_ports)
{
	char text[ADDR_TEXT + sizeof("[]:65535")];

	if (addr_compare(came, goes) == 0 && (!has_ports || came_port == goes_port)) {
		json_set_null(rewrite, key);
		return;
	}
	if (has_ports)
		end_print(goes, goes_port, text);
	else
		addr_print(goes, text);
	json_set_string(rewrite, key, text);
}

static struct json *answer_rewrite(const struct question *q, const struct hg_trace *trace)
{
	bool has_ports = q->protocol == IPPROTO_TCP || q->protocol == IPPROTO_UDP;
	const struct hg_tuple *to = &trace->to;
	struct json *rewrite = json_new_object();
	struct addr source = q->from, destination = q->to;
	uint16_t sport = q->from_port ? q->from_port : FRAME_FROM_PORT,
		 dport = q->to_port;

	if (!trace->reason && to->family) {
		source = addr_of(&to->saddr, to->family);
		destination = addr_of(&to->daddr, to->family);
		sport = ntohs(to->sport);
		dport = ntohs(to->dport);
	}
	set_end(rewrite, "source", &q->from,
		q->from_port ? q->from_port : FRAME_FROM_PORT, &source, sport, has_ports);
	set_end(rewrite, "destination", &q->to, q->to_port, &destination, dport,
		has_ports);
	return rewrite;
}

/* A port's instance is who is spoken to, unless it only stands in the way of him. */
static struct json *answer_hop(const struct question *q, const struct hg_trace *trace,
			       const struct image *image, const struct model *m)
{
	const char *device = image_device_name(image, m, trace->out);
	const struct hg_device *d = image_device(image, trace->out);
	uint8_t family = trace->to.family ? trace->to.family : q->to.family;
	struct addr via = addr_of(&trace->via, family);
	char text[ADDR_TEXT];
	struct json *hop;

	if (trace->reason || !device)
		return json_new_string(NULL);
	if (addr_is_zero(&via) && d->role == HG_ROLE_PORT)
		via = trace->to.family ? addr_of(&trace->to.daddr, family) : q->to;
	hop = json_new_object();
	json_set_string(hop, "device", device);
	json_set_string(hop, "address",
			addr_is_zero(&via) ? NULL : addr_print(&via, text));
	return hop;
}

/* Whether the packet came in from the internet. */
static bool is_from_outside(const struct hg_trace *trace, const struct image *image)
{
	const struct hg_device *d = image_device(image, trace->device);

	return d && d->role == HG_ROLE_UPLINK;
}

static const char *source_reason(const struct hg_trace *trace, const struct image *image)
{
	const struct hg_device *d = image_device(image, trace->device);

	if (is_from_outside(trace, image))
		return "GATEWAY_REJECTS_SPOOFED_TRAFFIC";
	/* Elsewhere than at its own device it is another interface's address, claimed. */
	if (d && d->role != HG_ROLE_SUBNET &&
	    (d->role == HG_ROLE_PORT) == (trace->door == HG_DOOR_IN))
		return "ENI_SOURCE_DEST_CHECK_RESTRICTION";
	return "ENI_ADDRESS_RESTRICTION";
}

/* The words of the Reachability Analyzer. */
static const char *aws_reason(uint32_t reason, const struct hg_trace *trace,
			      const struct image *image, bool has_group_rules)
{
	switch (reason) {
	case HG_DROP_NACL_EGRESS:
	case HG_DROP_NACL_INGRESS:
		return "SUBNET_ACL_RESTRICTION";
	case HG_DROP_SG_EGRESS:
	case HG_DROP_SG_INGRESS:
		return has_group_rules ? "ENI_SG_RULES_MISMATCH" : "SG_HAS_NO_RULES";
	case HG_DROP_SOURCE_CHECK:
		return source_reason(trace, image);
	case HG_DROP_DEST_CHECK:
		return "ENI_SOURCE_DEST_CHECK_RESTRICTION";
	case HG_DROP_NO_ROUTE:
		return "NO_ROUTE_TO_DESTINATION";
	case HG_DROP_BLACKHOLE:
		return "BAD_STATE_ROUTE";
	case HG_DROP_NO_PUBLIC_ADDRESS:
		return is_from_outside(trace, image)
			       ? "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"
			       : "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS";
	case HG_DROP_NAT_UNSOLICITED:
		return "NGW_REQUIRES_SOURCE_IN_VPC";
	case HG_DROP_NAT_PROTOCOL:
		return "PROTOCOL_RESTRICTION";
	case HG_DROP_PRIVATE_DESTINATION:
		return "CANNOT_ROUTE";
	case HG_DROP_PEERING:
		return "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR";
	case HG_DROP_NO_LISTENER:
		return "ELB_LISTENERS_MISMATCH";
	default:
		return NULL;
	}
}

const char *drop_aws_reason(uint32_t reason, const struct hg_trace *trace,
			    const struct image *image)
{
	return aws_reason(reason, trace, image, true);
}

/* Whether those whose groups refused have a rule in that direction at all. */
static bool has_group_rules(const struct hg_trace *trace, const struct image *image,
			    const struct model *m)
{
	const struct hg_step *last = trace->n && trace->n <= HG_TRACE_STEPS
					     ? &trace->step[trace->n - 1]
					     : NULL;
	struct asked asked;
	size_t n = 0;

	if (!last || !is_group_step(last))
		return true;
	asked = step_asked(last, image, m);
	for (size_t k = 0; k < asked.n; k++)
		n += m->groups[asked.groups[k]]
			     .n_rules[last->stage == HG_STAGE_sg_egress ? HG_EGRESS
									: HG_INGRESS];
	return n || asked.n == 0;
}

struct json *explain_answer(const struct question *q, const struct hg_trace *trace,
			    const struct image *image, const struct model *m)
{
	struct json *answer = json_new_object(), *steps;

	if (!answer)
		return NULL;
	json_set_string(answer, "verdict", trace->reason ? "drop" : "allow");
	json_set_string(answer, "reason", drop_name(trace->reason));
	json_set_string(answer, "aws_reason",
			aws_reason(trace->reason, trace, image,
				   has_group_rules(trace, image, m)));
	steps = json_set(answer, "steps", json_new_array());
	for (uint32_t k = 0; k < trace->n && k < HG_TRACE_STEPS; k++)
		json_add(steps, answer_step(image, m, &trace->step[k]));
	json_set(answer, "rewrite", answer_rewrite(q, trace));
	json_set(answer, "next_hop", answer_hop(q, trace, image, m));
	set_target(answer, q, image, trace);
	json_set_bool(answer, "tracked", trace->tracked);
	if (trace->exempt)
		json_set_bool(answer, "exempt", true);
	return answer;
}
