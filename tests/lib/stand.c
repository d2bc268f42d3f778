/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/stand.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hg/drop.h>
#include <hg/flow.h>
#include <hg/port.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "config/read.h"
#include "tests/lib/tap.h"

#define LOOPBACK 1    /* an ifindex that exists in every network namespace */
#define LINKS    1000 /* ifindexes that no frame is really sent to */
#define SLOT     1
/* Below this size kernels differ in what BPF_PROG_TEST_RUN takes for a packet. */
#define SHORT 60

void plane_reset(struct dataplane *dp)
{
	static struct hg_port_set no_ports;
	static struct hg_frag_set none;
	uint32_t n;
	void *sets;
	int fd = dataplane_map_fd(dp, "hg_frags");

	sets = dataplane_flows4(dp, &n);
	memset(sets, 0, n * sizeof(struct hg_set4));
	sets = dataplane_flows6(dp, &n);
	memset(sets, 0, n * sizeof(struct hg_set6));
	for (uint32_t i = 0; i < HG_FRAG_SETS; i++)
		if (bpf_map_update_elem(fd, &i, &none, BPF_ANY) < 0)
			bail("cannot clear hg_frags");
	fd = dataplane_map_fd(dp, "hg_ports");
	for (uint32_t i = 0; i < HG_PORT_SETS; i++)
		if (bpf_map_update_elem(fd, &i, &no_ports, BPF_ANY) < 0)
			bail("cannot clear hg_ports");
}

/* Where packets are routed the TC door stands behind that of XDP. */
static bool is_routed(const struct image *image, const struct hg_device *d)
{
	const struct hg_subnet *subnet;

	if (d->role >= HG_ROLE_SUBNET)
		return true;
	if (d->role != HG_ROLE_PORT || !d->subnet)
		return false;
	subnet = image_record(image, image_header(image)->subnets, d->subnet,
			      sizeof(*subnet));
	return subnet->routes;
}

void image_enliven(struct image *image, bool is_xdp)
{
	struct hg_table devices = image_header(image)->devices;

	for (uint32_t id = 1; id < devices.n; id++) {
		struct hg_device *d =
			(struct hg_device *)&image->lines[devices.line + id];

		d->ifindex = LOOPBACK;
		d->flags = is_xdp ? HG_DEVICE_XDP : 0;
		if (is_xdp && is_routed(image, d))
			d->flags |= HG_DEVICE_PUNT;
		d->mtu = 65535;
		memcpy(d->mac, (uint8_t[]){ 2, 0xaa, 0, 0, 0, id }, 6);
		d->hop = id;
		if (d->role < HG_ROLE_SUBNET)
			continue;
		d->ifindex = LINKS + id;
		/* What frames are sent to: see frame.h. */
		memcpy(d->mac, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, 6);
	}
}

/* The instance of device 'id' is hop 'id'. */
static void hops_fill(struct dataplane *dp, uint32_t n)
{
	struct hg_hop *hops = dataplane_hops(dp);

	for (uint32_t id = 1; id < n; id++)
		hops[id] = (struct hg_hop){ .ifindex = LOOPBACK,
					    .flags = HG_HOP_PORT,
					    .mac.byte = { 2, 0xbb, 0, 0, 0, (uint8_t)id,
							  HG_HOP_RESOLVED },
					    .smac = { 2, 0xaa, 0, 0, 0, (uint8_t)id },
					    .mtu = 65535 };
}

void plane_switch(struct dataplane *dp, const struct image *image, bool is_xdp)
{
	int r = dataplane_switch(dp, image);
	struct image live;

	if (r < 0)
		bail("dataplane_switch: %s (%s)", strerror(-r), dataplane_error());
	live = dataplane_image(dp);
	image_enliven(&live, is_xdp);
	hops_fill(dp, image_header(&live)->devices.n);
}

bool plane_set_time(struct dataplane *dp, uint32_t before, uint32_t now)
{
	uint32_t hz = dataplane_hz(dp), ticks = dataplane_now(dp);

	dataplane_control(dp)->skew += now * hz - ticks;
	return before == 0 || ticks - before * hz < hz - hz / 8;
}

static uint32_t name_drop(const struct hg_counters *before,
			  const struct hg_counters *after, unsigned *ret_counted)
{
	uint32_t reason = HG_DROP_NONE;

	*ret_counted = after->passed - before->passed;
	for (uint32_t i = 0; i < HG_DROPS; i++)
		if (after->dropped[i] != before->dropped[i]) {
			reason = i;
			*ret_counted += after->dropped[i] - before->dropped[i];
		}
	return reason;
}

/* Return codes: XDP_DROP 1, XDP_PASS 2, XDP_TX 3, XDP_REDIRECT 4; TC_ACT_OK 0, TC_ACT_SHOT
 * 2, TC_ACT_REDIRECT 7. */
static void read_code(struct result *ret, int code, bool is_xdp, bool was_answered)
{
	if (code == (is_xdp ? 1 : 2)) {
		ret->allow = false;
	} else if (code == (is_xdp ? 2 : 0)) {
		ret->allow = true;
	} else if (code == (is_xdp ? 4 : 7) || (is_xdp && code == 3)) {
		ret->allow = true;
		ret->is_answer = was_answered;
		ret->is_switched = !was_answered;
	} else {
		bail("a return code without meaning: %d", code);
	}
}

static void ask_program(struct dataplane *dp, enum program p, uint32_t device,
			const uint8_t *frame, size_t size, struct result *ret)
{
	struct image image = dataplane_image(dp);
	struct hg_table ports = image_header(&image)->ports;
	struct hg_port *port =
		(struct hg_port *)&image.lines[ports.line + (LOOPBACK & (ports.n - 1))];
	struct hg_counters before, after;
	int code = -1, r;

	*ret = (struct result){ .size = sizeof(ret->frame) };
	*port = (struct hg_port){ .ifindex = LOOPBACK, .device = device, .slot = SLOT };
	if (size < 14)
		return;
	if (dataplane_counters(dp, SLOT, &before) < 0)
		bail("no counters");
	r = dataplane_run(dp, p, LOOPBACK, frame, size, ret->frame, &ret->size, &code);
	if (r == -EINVAL && size < SHORT)
		return;
	if (r < 0)
		bail("dataplane_run of %zu bytes: %s", size, strerror(-r));
	if (dataplane_counters(dp, SLOT, &after) < 0)
		bail("no counters");
	ret->is_given = true;
	ret->reason = name_drop(&before, &after, &ret->counted);
	ret->is_xdp = p == PROGRAM_XDP;
	ret->is_told = after.told != before.told;
	read_code(ret, code, ret->is_xdp, after.answered != before.answered);
	if (ret->is_told)
		ret->allow = ret->is_switched = false;
}

void plane_ask(struct dataplane *dp, uint32_t device, uint32_t door, bool is_xdp,
	       const uint8_t *frame, size_t size, struct result *ret)
{
	enum program p = door == HG_DOOR_OUT ? PROGRAM_OUT
			 : is_xdp            ? PROGRAM_XDP
					     : PROGRAM_IN;

	ask_program(dp, p, device, frame, size, ret);
	/* What XDP leaves to the TC door it has neither counted nor touched. */
	if (p == PROGRAM_XDP && ret->is_given && ret->allow && ret->counted == 0 &&
	    ret->size == size && memcmp(ret->frame, frame, size) == 0)
		ask_program(dp, PROGRAM_IN, device, frame, size, ret);
}

/* ---- the stand ---- */

struct stand {
	struct dataplane *dp;
	struct model *model;
	struct image *image;
	bool is_xdp;
};

struct stand *stand_new(uint32_t n_flow_sets)
{
	const struct dataplane_options options = { .n_flow_sets = n_flow_sets };
	struct stand *s = calloc(1, sizeof(*s));

	if (!s || dataplane_open(&options, &s->dp) < 0)
		bail("cannot load the data plane: %s", dataplane_error());
	return s;
}

void stand_free(struct stand *s)
{
	if (!s)
		return;
	dataplane_free(s->dp);
	image_free(s->image);
	model_free(s->model);
	free(s);
}

struct dataplane *stand_plane(struct stand *s)
{
	return s->dp;
}

void stand_use_xdp(struct stand *s, bool is_xdp)
{
	s->is_xdp = is_xdp;
}

const struct model *stand_model(const struct stand *s)
{
	return s->model;
}

static void bail_complaints(struct diag *d, const char *text)
{
	size_t n;
	const struct complaint *list = diag_list(d, &n);

	for (size_t i = 0; i < n; i++)
		note("%u:%u: %s: %s", list[i].line, list[i].column, list[i].pointer,
		     list[i].text);
	bail("the rules of this test are refused: %s", text);
}

void stand_rules(struct stand *s, const char *text)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_free_ char *json = strdup(text);
	struct facts facts = { .previous = s->image };
	struct model *model = NULL;
	struct image *image = NULL;

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (config_read_text("test", json, strlen(json), NULL, d, &model) < 0 ||
	    image_compile(model, &facts, d, &image) < 0)
		bail_complaints(d, text);
	plane_switch(s->dp, image, s->is_xdp);
	model_free(s->model);
	image_free(s->image);
	s->model = model;
	s->image = image;
}

void stand_reset(struct stand *s)
{
	plane_reset(s->dp);
}

void stand_wait(struct stand *s, uint32_t seconds)
{
	dataplane_control(s->dp)->skew += seconds * dataplane_hz(s->dp);
}

static uint32_t device_id(const struct stand *s, const char *device)
{
	uint32_t id = image_device_find(s->image, s->model, device);

	if (id)
		return id;
	bail("the rules of this test have no device %s", device);
}

struct result stand_bytes(struct stand *s, const char *device, uint32_t door,
			  const uint8_t *frame, size_t size)
{
	struct result ret;

	plane_ask(s->dp, device_id(s, device), door, s->is_xdp, frame, size, &ret);
	return ret;
}

struct result stand_run(struct stand *s, const char *device, uint32_t door,
			const struct frame *f)
{
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(f, frame, sizeof(frame), NULL);

	return stand_bytes(s, device, door, frame, size);
}

static uint32_t run_strictly(struct stand *s, const char *device, uint32_t door,
			     const struct frame *f)
{
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(f, frame, sizeof(frame), NULL);
	struct result r = stand_bytes(s, device, door, frame, size);

	if (r.counted != 1)
		bail("a packet was counted %u times", r.counted);
	if (r.allow != (r.reason == HG_DROP_NONE))
		bail("a packet was %s and counted as %s", r.allow ? "passed" : "dropped",
		     reason_name(r.reason));
	if (r.allow && !r.is_answer &&
	    (r.size != size || memcmp(r.frame + 12, frame + 12, size - 12) != 0))
		bail("a packet that passed was changed");
	return r.reason;
}

uint32_t stand_in(struct stand *s, const char *device, struct frame f)
{
	return run_strictly(s, device, HG_DOOR_IN, &f);
}

uint32_t stand_out(struct stand *s, const char *device, struct frame f)
{
	return run_strictly(s, device, HG_DOOR_OUT, &f);
}

uint32_t stand_connect(struct stand *s, const char *device, enum opener opener,
		       const char *from, uint16_t sport, const char *to, uint16_t dport)
{
	uint32_t door = opener == OPENED_OUTSIDE ? HG_DOOR_OUT : HG_DOOR_IN;
	struct frame f = frame_tcp(from, sport, to, dport, TCP_SYN);
	uint32_t reason;

	f.seq = 1000;
	reason = run_strictly(s, device, door, &f);
	if (reason)
		return reason;
	f = frame_reply(&f);
	f.tcp_flags = TCP_SYN | TCP_ACK;
	f.seq = 5000;
	reason = run_strictly(s, device, !door, &f);
	if (reason)
		return reason;
	f = frame_reply(&f);
	f.tcp_flags = TCP_ACK;
	return run_strictly(s, device, door, &f);
}

/* The step that the packet takes at 'stage', all zero when it does not come there. */
static struct hg_step explain_step(struct stand *s, const char *device, uint32_t door,
				   const struct frame *f, uint16_t stage)
{
	uint8_t frame[FRAME_MAX];
	size_t size = frame_build(f, frame, sizeof(frame), NULL);
	struct hg_trace trace;
	int r = dataplane_explain(s->dp, device_id(s, device), door, frame, size, &trace);

	if (r < 0)
		bail("dataplane_explain: %s", strerror(-r));
	for (uint32_t i = 0; i < trace.n && i < HG_TRACE_STEPS; i++)
		if (trace.step[i].stage == stage)
			return trace.step[i];
	return (struct hg_step){};
}

long stand_rule(struct stand *s, const char *device, uint32_t door, const struct frame *f,
		uint16_t stage)
{
	struct hg_step step = explain_step(s, device, door, f, stage);
	const struct hg_rule *rule = image_rule(s->image, step.rule);

	if (!step.stage || !rule)
		return -1;
	return rule->number == HG_RULE_DEFAULT ? 0 : (long)rule->number;
}

uint32_t stand_state(struct stand *s, const char *device, uint32_t door,
		     const struct frame *f)
{
	return explain_step(s, device, door, f, HG_STAGE_flow).state;
}

const char *reason_name(uint32_t reason)
{
#define NAME(number, name, stage) [number] = #name,
	static const char *const names[HG_DROP_END] = { "PASS", HG_DROP_REASONS(NAME) };
#undef NAME

	return reason < HG_DROP_END && names[reason] ? names[reason] : "?";
}

bool is_reason(uint32_t got, uint32_t want, const char *format, ...)
{
	char name[512];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (!ok(got == want, "%s", name))
		note("got %s, want %s", reason_name(got), reason_name(want));
	return got == want;
}
