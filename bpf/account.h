/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* account: counters and events; the only exit.
 *
 * In       The result of the steps: 0 or -HG_DROP_*.
 * Out      hg_stats, hg_hits, hg_events, hg_refusals.
 * Result   The same result; the door turns it into a verdict of its own kind.
 * Cost     One per-CPU line for a frame that passes, two for one that is dropped. A frame
 *          is counted exactly once: nothing else writes hg_stats.
 */
#include "image.h"
#include "verifier.h"

HG_RODATA __u32 hg_hits_half =
	512; /* half of hg_hits: one for each parity of the epoch */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HG_SLOTS);
	__type(key, __u32);
	__type(value, struct hg_counters);
} hg_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} hg_hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} hg_events SEC(".maps");

/* Always on, and small: three in ten seconds are enough to make the agent look. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 10);
} hg_refusals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HG_METERS);
	__type(key, __u32);
	__type(value, struct hg_meter);
} hg_meters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_METERS);
	__type(key, __u32);
	__type(value, __u64);
} hg_idle SEC(".maps");

static __always_inline struct hg_meter *account_meter(const struct pkt *pkt)
{
	__u32 i = pkt->meter;

	return i && pkt->commit ? bpf_map_lookup_elem(&hg_meters, &i) : NULL;
}

static __always_inline void account_established(const struct pkt *pkt)
{
	struct hg_meter *m = account_meter(pkt);

	if (m)
		m->established++;
}

static __always_inline void account_port_error(const struct pkt *pkt)
{
	struct hg_meter *m = account_meter(pkt);

	if (m)
		m->port_errors++;
}

/* A packet met a connection that had been idle for too long, and removed it. */
static __always_inline void account_idle(struct pkt *pkt, __u32 meter)
{
	struct hg_meter *m;

	pkt->meter = meter;
	m = account_meter(pkt);
	pkt->meter = 0;
	if (m)
		m->idle_timeouts++;
}

/* What a NAT gateway itself refuses; filters on its way are not its doing. */
#define METER_DROPS                                                       \
	(1ULL << HG_DROP_NAT_PROTOCOL | 1ULL << HG_DROP_NAT_UNSOLICITED | \
	 1ULL << HG_DROP_NAT_NO_PORT | 1ULL << HG_DROP_NO_FLOW |          \
	 1ULL << HG_DROP_FRAGMENT)

/* New connections that a balancer itself turns away. */
#define METER_REJECTS                                                  \
	(1ULL << HG_DROP_NO_TARGET | 1ULL << HG_DROP_FLOW_TABLE_FULL | \
	 1ULL << HG_DROP_NAT_NO_PORT | 1ULL << HG_DROP_RATE_LIMIT)

/* Of a balancer's meter only. */
static __always_inline void account_balancer(const struct pkt *pkt, struct hg_meter *m,
					     __u32 reason)
{
	__u32 other = pkt->tuple.protocol != IPPROTO_TCP, back = pkt->is_back & 1;

	if (reason) {
		if (reason < 64 && METER_REJECTS >> reason & 1)
			m->rejected++;
		if (reason == HG_DROP_NAT_NO_PORT)
			m->port_errors++;
		if (pkt->is_told && pkt->reply == REPLY_RESET)
			m->resets[2]++;
		return;
	}
	m->protocol_bytes[other & 1] += pkt->len;
	if (pkt->tcp_flags & TCP_RST)
		m->resets[back]++;
	if (!pkt->is_new)
		return;
	m->flows[other & 1]++;
	if (pkt->is_desperate)
		m->unhealthy_routing++;
}

/* A balancer's groups have refused. */
static __always_inline void account_blocked(const struct pkt *pkt, __u32 direction)
{
	struct hg_meter *m = account_meter(pkt);

	if (m)
		m->blocked[direction & 1]++;
}

static __always_inline void account_nat(const struct pkt *pkt, __u32 reason)
{
	struct hg_meter *m = account_meter(pkt);
	__u32 back = pkt->is_back & 1;

	if (!m)
		return;
	if (pkt->meter >= HG_METER_BALANCER)
		account_balancer(pkt, m, reason);
	if (!reason) {
		m->packets[back] += pkt->segs;
		m->bytes[back] += pkt->len;
		if (pkt->is_new && pkt->tuple.protocol == IPPROTO_TCP)
			m->attempts++;
	} else if (reason < 64 && METER_DROPS >> reason & 1) {
		m->dropped[back] += pkt->segs;
		m->dropped_bytes[back] += pkt->len;
	}
}

/* A rule has decided. Not atomic: the counter is this CPU's, and an interrupt between
 * its two halves costs one hit. */
static __always_inline void account_hit(const struct pkt *pkt, __u32 rule)
{
	__u32 i = rule + (pkt->epoch & 1 ? hg_hits_half : 0);
	__u64 *hits;

	if (!pkt->commit || rule == 0 || rule >= hg_hits_half)
		return;
	hits = bpf_map_lookup_elem(&hg_hits, &i);
	if (hits)
		(*hits)++;
}

static __always_inline void account_event(const struct pkt *pkt, struct hg_counters *c,
					  __u32 kind, int reason)
{
	struct hg_event *e = bpf_ringbuf_reserve(&hg_events, sizeof(*e), 0);

	if (!e) {
		c->events_lost++;
		return;
	}
	e->ktime = bpf_ktime_get_ns();
	e->kind = kind;
	e->ifindex = pkt->ifindex;
	e->epoch = pkt->epoch;
	e->rule = pkt->rule;
	e->reason = reason;
	e->len = pkt->len > 0xffff ? 0xffff : pkt->len;
	e->door = pkt->door;
	e->tcp_flags = pkt->tcp_flags;
	e->icmp = pkt->key;
	e->tuple = pkt->tuple;
	bpf_ringbuf_submit(e, 0);
}

static __always_inline int account(const struct pkt *pkt, int result, int is_answer)
{
	__u32 slot = pkt->slot, reason = -result;
	struct hg_counters *c;

	if (!pkt->commit)
		return result;
	c = bpf_map_lookup_elem(&hg_stats, &slot);
	if (!c)
		return result;
	if (result == 0) {
		c->passed++;
		c->passed_bytes += pkt->frame_len;
		if (is_answer)
			c->answered++;
		if (pkt->is_exempt)
			c->exempt++;
		account_nat(pkt, 0);
		if (pkt->is_new && pkt->monitor)
			account_event(pkt, c, HG_EVENT_FLOW, 0);
		return result;
	}
	if (reason >= HG_DROPS)
		reason = HG_DROP_INTERNAL;
	VERIFIER_KEEP(reason);
	if (reason < HG_DROPS)
		c->dropped[reason]++;
	account_nat(pkt, reason);
	c->dropped_bytes += pkt->frame_len;
	if (pkt->is_told)
		c->told++;
	if (pkt->monitor)
		account_event(pkt, c, HG_EVENT_DROP, reason);
	return result;
}
