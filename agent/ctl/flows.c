/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/explain.h"
#include "config/json.h"
#include "ctl/name.h"
#include "ctl/proto.h"
#include "ctl/request.h"
#include "kernel/meter.h"

struct filter {
	struct cidr src, dst; /* family 0: any */
	struct cidr nat;      /* what an end becomes */
	uint32_t port;        /* 0: any */
	int protocol;         /* -1: any */
	const char *state;    /* NULL: any */
	uint32_t limit;       /* 0: none */
};

struct listing {
	struct filter filter;
	struct image image;
	uint32_t owners[HG_METERS]; /* objects, by meter */
	struct json *list;
	uint32_t n;
};

static bool has_ports(const struct flow *f)
{
	return f->protocol == IPPROTO_TCP || f->protocol == IPPROTO_UDP;
}

static bool addr_is_same(const struct hg_addr *a, const struct hg_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Whether the ends become something else. */
static bool source_is_other(const struct flow *f)
{
	return f->to.family && (f->to.family != f->family || f->to.sport != f->sport ||
				!addr_is_same(&f->to.saddr, &f->saddr));
}

static bool destination_is_other(const struct flow *f)
{
	return f->to.family && (f->to.family != f->family || f->to.dport != f->dport ||
				!addr_is_same(&f->to.daddr, &f->daddr));
}

static bool port_matches(const struct flow *f, uint32_t port)
{
	return has_ports(f) && (ntohs(f->sport) == port || ntohs(f->dport) == port ||
				(source_is_other(f) && ntohs(f->to.sport) == port) ||
				(destination_is_other(f) && ntohs(f->to.dport) == port));
}

static bool nat_matches(const struct flow *f, const struct cidr *nat)
{
	struct addr src = wire_addr(f->to.family, &f->to.saddr),
		    dst = wire_addr(f->to.family, &f->to.daddr);

	return (source_is_other(f) && cidr_contains(nat, &src)) ||
	       (destination_is_other(f) && cidr_contains(nat, &dst));
}

static bool filter_matches(const struct filter *w, const struct flow *f)
{
	struct addr src = wire_addr(f->family, &f->saddr),
		    dst = wire_addr(f->family, &f->daddr);

	if (w->src.addr.family && !cidr_contains(&w->src, &src))
		return false;
	if (w->dst.addr.family && !cidr_contains(&w->dst, &dst))
		return false;
	if (w->nat.addr.family && !nat_matches(f, &w->nat))
		return false;
	if (w->port && !port_matches(f, w->port))
		return false;
	if (w->protocol >= 0 && f->protocol != w->protocol)
		return false;
	return !w->state || strcmp(w->state, flow_state_name(f->state)) == 0;
}

static const char *zone_name(const struct image *image, uint32_t zone)
{
	const struct hg_header *h;

	if (!image->lines)
		return NULL;
	h = image_header(image);
	for (uint32_t i = 0; i < h->zones.n; i++) {
		const struct hg_zone *z = image_record(image, h->zones, i, sizeof(*z));

		if (z && z->zone == zone && z->text < h->text.n)
			return (const char *)&image->lines[h->text.line] + z->text;
	}
	return NULL;
}

static void ends_json(struct json *j, const struct flow *f)
{
	bool is_icmp = f->protocol == IPPROTO_ICMP || f->protocol == IPPROTO_ICMPV6;
	char text[ADDR_TEXT];

	json_set_string(j, "source", wire_addr_print(f->family, &f->saddr, text));
	if (has_ports(f))
		json_set_number(j, "source_port", ntohs(f->sport));
	else
		json_set_null(j, "source_port");
	json_set_string(j, "destination", wire_addr_print(f->family, &f->daddr, text));
	if (has_ports(f))
		json_set_number(j, "destination_port", ntohs(f->dport));
	else
		json_set_null(j, "destination_port");
	if (is_icmp)
		json_set_number(j, "icmp_id", ntohs(f->sport));
	else
		json_set_null(j, "icmp_id");
}

/* What the opener's packets become, null where that end stays as it is, and the zone where
 * the answers come in. */
static struct json *nat_json(const struct image *image, const struct flow *f)
{
	const struct hg_tuple *to = &f->to;
	struct json *j;
	char text[END_TEXT];

	if (!to->family)
		return json_new_string(NULL);
	j = json_new_object();
	json_set_string(j, "source",
			source_is_other(f) ? wire_end_print(to->family, &to->saddr,
							    to->sport, has_ports(f), text)
					   : NULL);
	json_set_string(j, "destination",
			destination_is_other(f)
				? wire_end_print(to->family, &to->daddr, to->dport,
						 has_ports(f), text)
				: NULL);
	json_set_string(j, "zone", zone_name(image, to->zone));
	return j;
}

/* "load_balancer/edge" and "10.0.1.20:8443", null of a connection through none. To an appliance
 * packets go as they came. */
static void balancer_json(struct json *j, const struct listing *l, const struct flow *f)
{
	uint32_t object = f->meter >= HG_METER_BALANCER && f->meter < HG_METERS
				  ? l->owners[f->meter]
				  : 0;
	uint32_t kind = image_object_kind(&l->image, object);
	char name[HG_MAX_NAME + 32], target[END_TEXT];

	if (!object) {
		json_set_null(j, "balancer");
		json_set_null(j, "target");
		return;
	}
	snprintf(name, sizeof(name), "%s/%s", object_kind_name(kind),
		 image_object_name(&l->image, object));
	json_set_string(j, "balancer", name);
	json_set_string(j, "target",
			kind == HG_OBJECT_LOAD_BALANCER && f->to.family
				? wire_end_print(f->to.family, &f->to.daddr, f->to.dport,
						 has_ports(f), target)
				: NULL);
}

static bool flow_add(void *arg, const struct flow *f)
{
	struct listing *l = arg;
	struct json *j, *tracked;
	char text[8];

	if (!filter_matches(&l->filter, f))
		return true;
	j = json_add(l->list, json_new_object());
	json_set_string(j, "protocol", protocol_name(f->protocol, text));
	ends_json(j, f);
	json_set_string(j, "state", flow_state_name(f->state));
	json_set_string(j, "zone", zone_name(&l->image, f->zone));
	if (f->age >= 0)
		json_set_number(j, "age", (double)f->age);
	else
		json_set_null(j, "age");
	json_set_number(j, "idle", f->idle);
	json_set_number(j, "timeout", f->timeout);
	json_set_number(j, "packets", f->sent.packets);
	json_set_u64(j, "bytes", f->sent.bytes);
	json_set_number(j, "reply_packets", f->replied.packets);
	json_set_u64(j, "reply_bytes", f->replied.bytes);
	tracked = json_set(j, "tracked_by", json_new_array());
	if (f->flags & HG_FLOW_TRACK_SRC)
		json_add(tracked, json_new_string("sender"));
	if (f->flags & HG_FLOW_TRACK_DST)
		json_add(tracked, json_new_string("receiver"));
	json_set(j, "nat", nat_json(&l->image, f));
	balancer_json(j, l, f);
	return ++l->n != l->filter.limit;
}

/* A filter that cannot be read would silently show everything. */
static bool filter_read(const struct request *q, struct filter *ret, struct reply *reply)
{
	const char *src = request_query(q, "src"), *dst = request_query(q, "dst"),
		   *nat = request_query(q, "nat");
	const char *protocol = request_query(q, "protocol");
	struct filter w = { .protocol = -1, .state = request_query(q, "state") };
	bool is_known = !w.state;

	for (unsigned s = 0; w.state && s < HG_STATES; s++)
		is_known = is_known ||
			   (w.state[0] && strcmp(w.state, flow_state_name(s)) == 0);
	if (src && cidr_parse(src, &w.src) < 0)
		reply_problem(reply, 400, NULL,
			      "\"src\" is not an address or CIDR: %.60s", src);
	else if (dst && cidr_parse(dst, &w.dst) < 0)
		reply_problem(reply, 400, NULL,
			      "\"dst\" is not an address or CIDR: %.60s", dst);
	else if (nat && cidr_parse(nat, &w.nat) < 0)
		reply_problem(reply, 400, NULL,
			      "\"nat\" is not an address or CIDR: %.60s", nat);
	else if (!request_number(q, "port", 65535, 0, &w.port))
		reply_problem(reply, 400, NULL, "\"port\" is not a port");
	else if (!request_number(q, "limit", UINT32_MAX, PROTO_SHOWN_FLOWS, &w.limit))
		reply_problem(reply, 400, NULL, "\"limit\" is not a number");
	else if (protocol &&
		 question_protocol(protocol, w.src.addr.family ? w.src.addr.family : 4,
				   &w.protocol) < 0)
		reply_problem(reply, 400, NULL, "\"protocol\" is not a protocol: %.60s",
			      protocol);
	else if (!is_known)
		reply_problem(reply, 400, NULL, "\"state\" is not a state: %.60s",
			      w.state);
	else {
		cidr_mask(&w.src);
		cidr_mask(&w.dst);
		cidr_mask(&w.nat);
		*ret = w;
		return true;
	}
	return false;
}

void verb_flows(const struct request *q, struct reply *reply)
{
	struct agent *a = q->agent;
	struct flow_tables tables = agent_flows(a);
	struct listing l = { .image = dataplane_image(a->dp) };

	if (!filter_read(q, &l.filter, reply))
		return;
	meters_owners(&l.image, l.owners);
	l.list = json_new_array();
	flow_each(&tables, dataplane_now(a->dp), flow_add, &l);
	reply_json(reply, 200, l.list);
}
