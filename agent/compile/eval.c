/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/eval.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bpf/pipeline.h"

#define EVAL_HZ    100
#define EVAL_START 1000 /* seconds: ticks of 0 mean 'free' in hg_frags */

struct eval {
	struct hg_line *lines;
	size_t n_lines;
	struct hg_control control;
	struct hg_set4 *flows4;
	struct hg_set6 *flows6;
	uint64_t *tags4, *tags6;
	uint32_t n_flow_sets;
	struct hg_lock *locks;
	struct hg_frag_set *frags;
	struct hg_counters *stats;
	struct hg_meter *meters;
	struct hg_port_set *port_sets;
	struct hg_counted_set *counted;
	struct hg_limit_room *limits;
	struct hg_limit_counts *limit_counts;
	bool has_limits; /* or had */
	struct hg_gate *gates;
	struct hg_known_set *known;
	uint64_t *hits;
	uint32_t n_hits;
	struct hg_hop
		*hops; /* of ports, by device id; other neighbours are not resolved */
	size_t n_hops;
	struct hg_trace trace;
	struct scratch scratch[2];
};

/* The live words that agent/kernel would write: device 'id' has ifindex 'id'. */
static void bring_up(struct hg_line *lines, struct hg_hop *hops)
{
	const struct hg_header *h = (const struct hg_header *)lines;
	struct hg_port *ports = (struct hg_port *)(lines + h->ports.line);

	for (uint32_t id = 1; id < h->devices.n; id++) {
		struct hg_device *d = (struct hg_device *)(lines + h->devices.line + id);
		struct hg_port *p = ports + (size_t)(id & (h->ports.n - 1)) * 4;

		while (p->ifindex)
			p++;
		*p = (struct hg_port){ .ifindex = id, .device = id, .slot = 1 };
		d->ifindex = id;
		d->mtu = 1500;
		memcpy(d->mac, "\x02\x00\x00\x00\x00\x02", 6);
		d->hop = id;
		hops[id] = (struct hg_hop){ .ifindex = id,
					    .flags = HG_HOP_PORT,
					    .mac.byte = { 2, 0, 0, 0, 0, 1,
							  HG_HOP_RESOLVED },
					    .smac = { 2, 0, 0, 0, 0, 2 },
					    .mtu = 1500 };
	}
}

static int take_image(struct eval *e, const struct image *image)
{
	_cleanup_free_ uint64_t *hits = NULL;
	const struct hg_header *h = image_header(image);
	struct hg_line *lines;
	size_t n_hits = 2 * ((size_t)h->n_rules + 1);

	if (posix_memalign((void **)&lines, HG_LINE, image->n_lines * HG_LINE))
		return -1;
	hits = calloc(n_hits, sizeof(*hits));
	if (!hits) {
		free(lines);
		return -1;
	}
	memcpy(lines, image->lines, image->n_lines * HG_LINE);
	memset(e->hops, 0, HG_HOPS * sizeof(*e->hops));
	bring_up(lines, e->hops);
	free(e->lines);
	free(e->hits);
	e->lines = lines;
	e->n_lines = image->n_lines;
	e->hits = TAKE(hits);
	e->n_hits = n_hits;
	e->has_limits |= h->limits.n > 1 || h->listeners.n > 1;
	e->control.word = ((e->control.word >> 32) + 1) << 32;
	return 0;
}

struct eval *eval_new(const struct image *image, uint32_t n_flow_sets)
{
	struct eval *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->n_flow_sets = n_flow_sets;
	e->flows4 = calloc(n_flow_sets, sizeof(*e->flows4));
	e->flows6 = calloc(n_flow_sets, sizeof(*e->flows6));
	e->tags4 = calloc(n_flow_sets, sizeof(*e->tags4));
	e->tags6 = calloc(n_flow_sets, sizeof(*e->tags6));
	e->locks = calloc(HG_LOCKS, sizeof(*e->locks));
	e->frags = calloc(HG_FRAG_SETS, sizeof(*e->frags));
	e->stats = calloc(2, sizeof(*e->stats));
	e->meters = calloc(HG_METERS, sizeof(*e->meters));
	e->port_sets = calloc(HG_PORT_SETS, sizeof(*e->port_sets));
	e->hops = calloc(HG_HOPS, sizeof(*e->hops));
	e->counted = calloc(HG_COUNTED_SETS, sizeof(*e->counted));
	e->limits = calloc(HG_LIMIT_IDS, sizeof(*e->limits));
	e->limit_counts = calloc(HG_LIMIT_IDS, sizeof(*e->limit_counts));
	e->gates = calloc(HG_METERS, sizeof(*e->gates));
	e->known = calloc(HG_KNOWN_SETS, sizeof(*e->known));
	if (!e->gates || !e->known || !e->counted || !e->limits || !e->limit_counts ||
	    !e->meters || !e->port_sets || !e->hops || !e->flows4 || !e->flows6 ||
	    !e->tags4 || !e->tags6 || !e->locks || !e->frags || !e->stats ||
	    take_image(e, image)) {
		eval_free(e);
		return NULL;
	}
	return e;
}

void eval_free(struct eval *e)
{
	if (!e)
		return;
	free(e->lines);
	free(e->flows4);
	free(e->flows6);
	free(e->tags4);
	free(e->tags6);
	free(e->locks);
	free(e->frags);
	free(e->stats);
	free(e->hits);
	free(e->hops);
	free(e->meters);
	free(e->port_sets);
	free(e->counted);
	free(e->gates);
	free(e->known);
	free(e->limits);
	free(e->limit_counts);
	free(e);
}

void eval_reset(struct eval *e)
{
	memset(e->flows4, 0, e->n_flow_sets * sizeof(*e->flows4));
	memset(e->flows6, 0, e->n_flow_sets * sizeof(*e->flows6));
	memset(e->tags4, 0, e->n_flow_sets * sizeof(*e->tags4));
	memset(e->tags6, 0, e->n_flow_sets * sizeof(*e->tags6));
	memset(e->frags, 0, HG_FRAG_SETS * sizeof(*e->frags));
	memset(e->port_sets, 0, HG_PORT_SETS * sizeof(*e->port_sets));
	if (e->has_limits) {
		memset(e->counted, 0, HG_COUNTED_SETS * sizeof(*e->counted));
		memset(e->limits, 0, HG_LIMIT_IDS * sizeof(*e->limits));
		memset(e->gates, 0, HG_METERS * sizeof(*e->gates));
		memset(e->known, 0, HG_KNOWN_SETS * sizeof(*e->known));
	}
	memset(e->scratch, 0, sizeof(e->scratch));
	e->control = (struct hg_control){};
}

void eval_switch(struct eval *e, const struct image *image)
{
	/* Without memory the old image stays, as in the agent. */
	(void)take_image(e, image);
}

struct image eval_image(struct eval *e)
{
	return (struct image){ .lines = e->lines, .n_lines = e->n_lines };
}

struct eval_tables eval_tables(struct eval *e, uint32_t now)
{
	return (struct eval_tables){ .flows4 = e->flows4,
				     .flows6 = e->flows6,
				     .ports = e->port_sets,
				     .n_flow_sets = e->n_flow_sets,
				     .ticks = (now + EVAL_START) * EVAL_HZ,
				     .hz = EVAL_HZ };
}

/* Makes 'e' the memory of the maps. */
static void use(struct eval *e, uint32_t now)
{
	const struct host_map maps[] = {
		{ &hg_control, (uint8_t *)&e->control, sizeof(e->control), 1 },
		{ &hg_image, (uint8_t *)e->lines, HG_LINE, e->n_lines },
		{ &hg_scratch, (uint8_t *)e->scratch, sizeof(e->scratch[0]), 2 },
		{ &hg_flows4, (uint8_t *)e->flows4, sizeof(*e->flows4), e->n_flow_sets },
		{ &hg_flows6, (uint8_t *)e->flows6, sizeof(*e->flows6), e->n_flow_sets },
		{ &hg_tags4, (uint8_t *)e->tags4, sizeof(*e->tags4), e->n_flow_sets },
		{ &hg_tags6, (uint8_t *)e->tags6, sizeof(*e->tags6), e->n_flow_sets },
		{ &hg_locks, (uint8_t *)e->locks, sizeof(*e->locks), HG_LOCKS },
		{ &hg_frags, (uint8_t *)e->frags, sizeof(*e->frags), HG_FRAG_SETS },
		{ &hg_stats, (uint8_t *)e->stats, sizeof(*e->stats), 2 },
		{ &hg_hits, (uint8_t *)e->hits, sizeof(*e->hits), e->n_hits },
		{ &hg_hops, (uint8_t *)e->hops, sizeof(*e->hops), HG_HOPS },
		{ &hg_meters, (uint8_t *)e->meters, sizeof(*e->meters), HG_METERS },
		{ &hg_ports, (uint8_t *)e->port_sets, sizeof(*e->port_sets),
		  HG_PORT_SETS },
		{ &hg_limited, (uint8_t *)e->counted, sizeof(*e->counted),
		  HG_COUNTED_SETS },
		{ &hg_limits, (uint8_t *)e->limits, sizeof(*e->limits), HG_LIMIT_IDS },
		{ &hg_limit_counts, (uint8_t *)e->limit_counts, sizeof(*e->limit_counts),
		  HG_LIMIT_IDS },
		{ &hg_gates, (uint8_t *)e->gates, sizeof(*e->gates), HG_METERS },
		{ &hg_known, (uint8_t *)e->known, sizeof(*e->known), HG_KNOWN_SETS },
		{ &hg_trace, (uint8_t *)&e->trace, sizeof(e->trace), 1 },
		{},
	};
	_Static_assert(ARRAY_SIZE(maps) <= HOST_MAPS,
		       "more maps than host.h has room for");

	memcpy(host.maps, maps, sizeof(maps));
	host.ticks = ((uint64_t)now + EVAL_START) * EVAL_HZ;
	hg_hz = EVAL_HZ;
	hg_flow_mask = e->n_flow_sets - 1;
	hg_hits_half = e->n_hits / 2;
}

/* By a flow that answers, only the hop is known. */
static uint32_t out_of(const struct eval *e, const struct pkt *pkt)
{
	return pkt->hop ? e->hops[pkt->hop].ifindex : pkt->out;
}

/* What the kernel and the agent would do about a neighbour that is not known. */
static void resolve(struct eval *e, const struct pkt *pkt)
{
	uint32_t first =
		(hg_hop_hash(pkt->out, pkt->via.w) & (HG_HOP_SETS - 1)) * HG_HOP_WAYS;

	if (!pkt->out || pkt->hop)
		return;
	for (uint32_t i = first; i < first + HG_HOP_WAYS; i++) {
		if (!i || e->hops[i].ifindex)
			continue;
		e->hops[i] = (struct hg_hop){ .addr = pkt->via,
					      .ifindex = pkt->out,
					      .mac.byte = { 2, 0, 0, 0, 0, 3,
							    HG_HOP_RESOLVED },
					      .smac = { 2, 0, 0, 0, 0, 2 },
					      .mtu = 1500 };
		return;
	}
}

struct verdict eval_packet(struct eval *e, uint32_t device, uint32_t door, uint8_t *frame,
			   size_t size, uint32_t now)
{
	struct host_frame ctx = { .data = frame, .size = size };
	struct frame f = { .data = frame,
			   .end = frame + size,
			   .len = size,
			   .ifindex = device,
			   .ctx = &ctx };
	struct scratch *s;
	int is_answer = 0, r;

	use(e, now);
	s = pipeline_enter(door, 1);
	r = pipeline_parse(&f, &s->pkt);
	r = pipeline_arrive(&f, s, r);
	if (r == PIPELINE_OPEN)
		r = pipeline_decide(&f, s, &is_answer);
	if (r == PIPELINE_GIVEN)
		r = pipeline_given(&f, s) ?: pipeline_decide(&f, s, &is_answer);
	if (r == 0 && s->pkt.act)
		r = pipeline_rewrite(&f, s);
	r = account(&s->pkt, r, is_answer);
	if (r == 0)
		resolve(e, &s->pkt);
	return (struct verdict){ .frame = ctx.data,
				 .size = ctx.size,
				 .allow = r == 0,
				 .reason = -r,
				 .out = r ? 0 : out_of(e, &s->pkt),
				 .is_answer = r == 0 && is_answer,
				 .told = s->pkt.reply,
				 .via = s->pkt.via,
				 .to = s->pkt.act & (ACT_NAT | ACT_FAMILY)
					       ? s->pkt.to
					       : s->pkt.tuple };
}

void eval_explain(struct eval *e, uint32_t device, uint32_t door, const uint8_t *frame,
		  size_t size, uint32_t now, struct hg_trace *ret)
{
	/* Nothing is stored into a frame that is only explained. */
	struct host_frame ctx = { .data = (uint8_t *)(uintptr_t)frame, .size = size };
	struct frame f = { .data = ctx.data,
			   .end = ctx.data + size,
			   .len = size,
			   .ifindex = device,
			   .ctx = &ctx };
	int is_answer = 0, r;
	struct scratch *s;

	use(e, now);
	e->trace = (struct hg_trace){ .device = device, .door = door };
	s = pipeline_enter(HG_DOOR_IN, 0);
	r = pipeline_ask(&f, s, &e->trace);
	if (r == PIPELINE_OPEN)
		r = pipeline_decide(&f, s, &is_answer);
	if (r == PIPELINE_GIVEN)
		r = pipeline_given(&f, s) ?: pipeline_decide(&f, s, &is_answer);
	pipeline_explain(s, &e->trace, r);
	*ret = e->trace;
}
