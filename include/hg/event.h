/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* event: what the packet path tells the agent: counters, drops, and answers to explain.
 *
 * Shape    hg_stats: PERCPU_ARRAY of struct hg_counters by slot (hg_port.slot; slot 0
 *          collects frames of devices that no rule set names). hg_hits: PERCPU_ARRAY of
 *          __u64 by rule id + (epoch & 1) * half of the map. hg_meters: PERCPU_ARRAY of
 *          struct hg_meter by meter; hg_idle: ARRAY of __u64 likewise, idle
 *          timeouts that the agent's sweep found, which alone writes it. hg_events: RINGBUF of
 *          struct hg_event, only while hg_control.monitor is 1. hg_refusals: RINGBUF of
 *          struct hg_refusal, always; what a full one does not take is lost. hg_trace: ARRAY of one
 *          struct hg_trace; the agent fills the question, runs hg_explain, and reads
 *          the answer.
 * Units    Packets, and bytes of the frame.
 * Order    Tuple as on the wire.
 * Owner    bpf/account.h writes counters and events; a frame is counted exactly once.
 */
#include <hg/abi.h>
#include <hg/drop.h>

#define HG_SLOTS 4096

struct hg_counters {
	__u64 passed; /* forwarded, delivered or answered */
	__u64 passed_bytes;
	__u64 dropped_bytes;
	__u64 answered; /* of passed: ARP and ND replies */
	__u64 exempt;   /* of passed: no filter touched it */
	__u64 events_lost;
	__u64 told; /* of dropped: the sender got an ICMP error or a reset */
	__u64 zero;
	__u64 dropped[HG_DROPS]; /* by HG_DROP_* */
};
HG_SIZE(struct hg_counters, 384);

/* NAT gateways have their own ids, balancers of both kinds HG_METER_BALANCER + theirs. */
#define HG_METERS         4096
#define HG_METER_BALANCER 1024

/* Of a NAT gateway or a balancer. Direction 0 is from the source (the client), 1 from the
 * destination (the target). */
struct hg_meter {
	__u64 packets[2], bytes[2]; /* that went through */
	__u64 dropped[2], dropped_bytes[2];
	__u64 attempts;      /* SYNs of new connections */
	__u64 established;   /* handshakes that were completed */
	__u64 port_errors;   /* ErrorPortAllocation */
	__u64 idle_timeouts; /* that packets found; see hg_idle */
	/* balancers */
	__u64 flows[2];          /* new connections: TCP, others */
	__u64 protocol_bytes[2]; /* of both directions: TCP, others */
	__u64 resets[3];         /* by client, target, balancer */
	__u64 rejected;          /* new connections that were refused */
	__u64 unhealthy_routing; /* new connections while their group failed open */
	__u64 blocked[2];        /* by the balancer's groups: inbound, outbound */
	__u64 zero[9];
};
HG_SIZE(struct hg_meter, 256);

/* Where and which way a packet met us. */
#define HG_DOOR_IN  0 /* device ingress */
#define HG_DOOR_OUT 1 /* device egress */

struct hg_tuple {
	struct hg_addr saddr, daddr;
	__be16 sport, dport;
	__u8 protocol;
	__u8 family; /* HG_FAMILY_* */
	__u16 zone;
};
HG_SIZE(struct hg_tuple, 40);

#define HG_EVENT_DROP 1
#define HG_EVENT_FLOW 2 /* a connection was opened */

struct hg_event {
	__u64 ktime; /* ns, CLOCK_MONOTONIC */
	__u32 kind;  /* HG_EVENT_* */
	__u32 ifindex;
	__u32 epoch;
	__u32 rule;   /* id, 0 none */
	__u16 reason; /* HG_DROP_* */
	__u16 len;
	__u8 door; /* HG_DOOR_* */
	__u8 tcp_flags;
	__u16 icmp; /* type << 8 | code */
	struct hg_tuple tuple;
};
HG_SIZE(struct hg_event, 72);

/* hg_refusals: a target has answered a SYN of a balanced connection with a reset. */
struct hg_refusal {
	struct hg_addr target;
	__u32 meter; /* of the balancer */
	__be16 port;
	__u8 protocol;
	__u8 family; /* HG_FAMILY_* */
};
HG_SIZE(struct hg_refusal, 24);

/* Stages, in the order a packet meets them; appended, never reused. */
#define HG_STAGES(X)        \
	X(1, parse)         \
	X(2, rate_limit)    \
	X(3, source_check)  \
	X(4, flow)          \
	X(5, sg_egress)     \
	X(6, nacl_egress)   \
	X(7, route)         \
	X(8, load_balancer) \
	X(9, nat)           \
	X(10, nacl_ingress) \
	X(11, sg_ingress)   \
	X(12, dest_check)

#define HG_STAGE_NUMBER(number, name) HG_STAGE_##name = (number),
enum { HG_STAGE_none, HG_STAGES(HG_STAGE_NUMBER) HG_STAGE_END };
#undef HG_STAGE_NUMBER

#define HG_TRACE_STEPS 24

struct hg_step {
	__u16 stage;  /* HG_STAGE_* */
	__u16 allow;  /* 1 or 0 */
	__u32 object; /* id in the image's objects, 0 none */
	__u32 rule;   /* rule id, 0 none */
	__u16 state;  /* stage flow: HG_STATE_* of the entry */
	__u16 at; /* object id of the NAT gateway on whose subnet's border this was, 0 none */
};
HG_SIZE(struct hg_step, 16);

struct hg_trace {
	/* the question */
	__u32 device; /* id in the image */
	__u32 door;   /* HG_DOOR_* */
	/* the answer */
	__u32 n;       /* steps */
	__u32 reason;  /* HG_DROP_*, 0: allowed */
	__u32 out;     /* device id, 0: to the kernel */
	__u32 tracked; /* some interface on the path keeps state */
	__u32 exempt;  /* 1: no filter touched it */
	__u32 epoch;
	struct hg_addr
		via; /* whose MAC the frame gets: the next hop; zero: the instance of a port */
	struct hg_tuple to; /* the packet as it would go out */
	__u32 target;       /* id of the target that a balancer chose, 0 none */
	__u32 slot;         /* of its pool's ring, 1 + number; 0 none */
	__u32 zero[8];
	struct hg_step step[HG_TRACE_STEPS];
};
HG_SIZE(struct hg_trace, 512);
