/* SPDX-License-Identifier: Apache-2.0 */

/* Arbitrary traffic through a gateway with one of everything (gateway.json): the packet path's
 * own headers, compiled for the host, under ASan and UBSan.
 *
 * Bytes alone hardly ever make the answer of a connection whose port was chosen a moment ago. So
 * an input is a run of words, each of which says what happens next; the low 3 bits of its
 * first byte are the kind, the rest picks a device or a packet that left before:
 *
 *   RAW     size, bytes            a frame as it stands, MENDED with checksums made right
 *   PACKET  6 bytes                a packet of one of the ends below to another one
 *   ANSWER  flags                  what left comes back, or is sent once more
 *   ERROR   flags                  an ICMP error about what left
 *   WAIT    time                   seconds
 *   SWITCH  which                  other rules come into force, or targets fall ill
 *   CROWD   2 bytes                all ports but a few are marked as taken
 *
 * What must hold: explain changes nothing and says what is then done; a checksum that was
 * right is right in what leaves; flows are in pairs that point to each other; no two
 * connections look the same from outside.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "compile/eval.h"
#include "config/read.h"
#include "tests/fuzz/flows.h"
#include "tests/fuzz/sums.h"
#include "tests/lib/frame.h"

#define KEPT  8
#define RULES "tests/fuzz/gateway.json"

enum { RAW, MENDED, PACKET, ANSWER, ERROR, WAIT, SWITCH, CROWD };

/* Each image is the rules with some words put in the place of others. */
static const struct {
	const char *from, *to;
} changes[][4] = {
	{ { NULL, NULL } },
	{ { "\"one\", \"two\"", "\"two\"" },
	  { "{ \"address\": \"10.0.0.60\" }, ", "" },
	  { "{ \"protocol\": \"tcp\", \"port\": 443,",
	    "{ \"protocol\": \"tcp\", \"port\": 23," },
	  { "\"interface\": \"web\"", "\"tags\": {}" } },
	{ { "\"aws\"", "\"strict\"" },
	  { "\"source_dest_check\": false", "\"source_dest_check\": true" },
	  { "\"to\": \"0.0.0.0/0\", \"via\": \"nat_gateway/nat\"",
	    "\"to\": \"0.0.0.0/0\", \"via\": \"nat_gateway/box\"" } },
};

/* Who talks, and at which device; those without one are only talked to. */
static const struct {
	const char *address, *device;
} ends[] = {
	{ "10.0.16.10", "in0" },        { "198.51.100.1", "out0" },
	{ "10.0.16.11", "in0" },        { "198.51.101.1", "out0" },
	{ "10.0.16.20", "in0" },        { "10.0.0.50", "dmz0" },
	{ "10.0.2.10", "p0" },          { "10.0.2.20", "p1" },
	{ "10.1.0.10", "far0" },        { "10.0.16.10", "twin0" },
	{ "203.0.113.10", NULL },       { "203.0.113.20", NULL },
	{ "203.0.113.22", NULL },       { "203.0.113.24", NULL },
	{ "10.0.0.5", NULL },           { "10.0.0.6", NULL },
	{ "10.0.16.1", NULL },          { "192.0.2.9", NULL },
	{ "172.16.0.9", "p1" },         { "169.254.169.254", NULL },
	{ "fd00:10:0:1::10", "in0" },   { "2001:db8:1::1", "out0" },
	{ "fd00:10:0:2::10", "p0" },    { "fd00:10::50", "dmz0" },
	{ "fd00:11::10", "far0" },      { "64:ff9b::c633:6401", NULL },
	{ "64:ff9b::c633:6501", NULL }, { "fd00:10:0:1::1", NULL },
	{ "203.0.113.30", NULL },       { "203.0.113.31", NULL },
	{ "10.0.0.100", NULL },         { "10.0.0.60", "dmz0" },
	{ "198.51.102.1", "out0" },     { "198.51.103.1", "out0" },
	{ "2001:db8:200::30", NULL },   { "fd00:10:0:2::100", NULL },
	{ "2001:db8:2::1", "out0" },
};

static const uint16_t ports[] = { 80, 53, 8080, 23, 111, 443, 10536, 65535 };

/* A packet that passed. */
struct passage {
	uint8_t came[FRAME_MAX], left[FRAME_MAX];
	size_t came_size, left_size;
	uint32_t in, out;
};

struct world {
	struct eval *eval;
	uint32_t now;
	struct passage kept[KEPT];
	size_t n_kept;
};

static struct image *images[ARRAY_SIZE(changes)];
static uint32_t n_devices, end_device[ARRAY_SIZE(ends)];

static char *change(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from), *changed;

	assert(at);
	assert(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to,
			at + strlen(from)) > 0);
	free(text);
	return changed;
}

static void compile(const char *text, size_t i)
{
	struct diag *diag = diag_new();
	struct facts facts = { .previous = i ? images[i - 1] : NULL };
	struct model *model = NULL;
	char *changed = strdup(text);

	for (size_t k = 0; k < ARRAY_SIZE(changes[i]) && changes[i][k].from; k++)
		changed = change(changed, changes[i][k].from, changes[i][k].to);
	assert(config_read_text(RULES, changed, strlen(changed), NULL, diag, &model) ==
	       0);
	assert(image_compile(model, &facts, diag, &images[i]) == 0);
	for (size_t k = 0; i == 0 && k < ARRAY_SIZE(ends); k++)
		if (ends[k].device)
			end_device[k] =
				image_device_find(images[i], model, ends[k].device);
	n_devices = image_header(images[i])->devices.n;
	model_free(model);
	diag_free(diag);
	free(changed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char text[65536];
	FILE *f = fopen(RULES, "r");

	(void)argc;
	(void)argv;
	assert(f && fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		compile(text, i);
	return 0;
}

/* ---- one packet ---- */

static void keep(struct world *w, uint32_t device, const uint8_t *came, size_t size,
		 const struct verdict *v)
{
	struct passage *p = &w->kept[w->n_kept % KEPT];

	if (size > FRAME_MAX || v->size > FRAME_MAX)
		return;
	memcpy(p->came, came, size);
	memcpy(p->left, v->frame, v->size);
	p->came_size = size;
	p->left_size = v->size;
	p->in = device;
	p->out = v->out;
	w->n_kept++;
}

/* With HG_TELL set: what happens, a line a packet. */
static void tell(const uint8_t *came, size_t size, uint32_t device,
		 const struct hg_trace *t, const struct verdict *v)
{
	char a[512], b[512];

	if (!getenv("HG_TELL"))
		return;
	fprintf(stderr, "%u: %s\n   explained %u, out %u; judged %u, out %u: %s\n",
		device, frame_print(came, size, a, sizeof(a)), t->reason, t->out,
		v->reason, v->out, frame_print(v->frame, v->size, b, sizeof(b)));
}

/* Explain does not know how full the table and how long the packet may be, nor whether the
 * answers would be another connection's. */
static bool is_news(uint32_t reason)
{
	return reason == HG_DROP_FLOW_TABLE_FULL || reason == HG_DROP_TOO_BIG ||
	       reason == HG_DROP_NO_NEIGHBOUR || reason == HG_DROP_NAT_NO_PORT;
}

/* Explain does not look whether ports that are marked as taken are free by now. */
static bool is_guess(const struct hg_trace *t)
{
	return t->reason == HG_DROP_NAT_NO_PORT;
}

/* What a frame of the other family cannot say is found out when it is made. */
static bool is_between(const struct hg_trace *t, uint32_t reason, const uint8_t *frame,
		       size_t size)
{
	return t->reason == HG_DROP_NONE &&
	       t->to.family == (frame_is_ipv6(frame, size) ? HG_FAMILY_4 : HG_FAMILY_6) &&
	       (reason == HG_DROP_NAT_PROTOCOL || reason == HG_DROP_UNSUPPORTED ||
		reason == HG_DROP_MALFORMED || reason == HG_DROP_FRAGMENT);
}

/* The checksums of what left are right. Around what goes to an appliance there is more, which is
 * gone again behind it. */
static void frames_hold(const uint8_t *came, size_t came_size, const struct verdict *v)
{
	_cleanup_free_ uint8_t *inner = malloc(came_size + v->size);
	size_t n;

	assert(inner);
	if (v->size == came_size + WRAP_SIZE) {
		n = frame_unwrap(v->frame, v->size, inner);
		assert(n);
		sums_hold(came, came_size, inner, n);
	} else if (v->size + WRAP_SIZE == came_size) {
		n = frame_unwrap(came, came_size, inner);
		assert(n);
		sums_hold(inner, n, v->frame, v->size);
	} else {
		sums_hold(came, came_size, v->frame, v->size);
	}
}

static void judge(struct world *w, uint32_t device, uint32_t door, const uint8_t *bytes,
		  size_t size)
{
	/* A block of exactly this size: one byte beyond it is somebody else's. */
	uint8_t *frame = malloc(size ? size : 1);
	struct eval_tables t = eval_tables(w->eval, w->now);
	uint64_t hash = flows_hash(&t);
	struct hg_trace trace = { 0 };
	struct verdict v;

	assert(frame);
	memcpy(frame, bytes, size);
	eval_explain(w->eval, device, door, frame, size, w->now, &trace);
	assert(memcmp(frame, bytes, size) == 0);
	assert(hash == flows_hash(&t));
	assert(trace.n <= HG_TRACE_STEPS);

	v = eval_packet(w->eval, device, door, frame, size, w->now);
	tell(bytes, size, device, &trace, &v);
	assert(v.allow == (v.reason == HG_DROP_NONE));
	assert(v.reason < HG_DROP_END && v.reason != HG_DROP_INTERNAL);
	assert(v.out < n_devices);
	flows_hold(&t);
	if (v.allow && !v.is_answer) {
		assert(is_guess(&trace) ||
		       (trace.reason == HG_DROP_NONE && trace.out == v.out &&
			addr_is_same(&trace.to.daddr, &v.to.daddr)));
		frames_hold(bytes, size, &v);
		keep(w, device, bytes, size, &v);
	} else {
		assert(trace.reason == v.reason || is_news(v.reason) ||
		       is_between(&trace, v.reason, bytes, size));
	}
	free(frame);
}

/* ---- the words of an input ---- */

static void make_packet(struct world *w, const uint8_t *b)
{
	size_t from = b[0] % ARRAY_SIZE(ends), to = b[1] % ARRAY_SIZE(ends);
	const char *s = ends[from].address, *d = ends[to].address;
	uint16_t sport = (b[3] & 1 ? 1000 : 10536) + (b[3] >> 1 & 31),
		 dport = ports[b[4] % ARRAY_SIZE(ports)];
	uint8_t bytes[FRAME_MAX];
	struct frame f;

	if (address(s).family != address(d).family || !end_device[from])
		return;
	switch (b[2] & 7) {
	case 0:
	case 1:
		f = frame_tcp(s, sport, d, dport, b[2] & 1 ? TCP_SYN : b[5] & 31);
		break;
	case 2:
	case 3:
		f = frame_udp(s, sport, d, dport);
		break;
	case 4:
		f = frame_echo(s, d, sport);
		break;
	case 5:
		f = frame_icmp(s, d, b[5], b[4]);
		break;
	case 6:
		f = frame_udp(s, sport, d, dport);
		f.id = b[5] & 3;
		f.more = b[5] & 4;
		f.fragment = b[5] & 8 ? 16 : 0;
		break;
	default:
		f = frame_other(s, d, b[5]);
	}
	f.ttl = b[2] >> 7 ? 1 : 64;
	f.payload = b[2] & 0x40 ? 1480 : 16 + (b[2] >> 4 & 3);
	judge(w, end_device[from], HG_DOOR_IN, bytes,
	      frame_build(&f, bytes, sizeof(bytes), NULL));
}

static const struct passage *kept(const struct world *w, uint8_t op)
{
	return w->n_kept ? &w->kept[(w->n_kept - 1 - (op >> 3) % KEPT) % KEPT] : NULL;
}

static void answer(struct world *w, uint8_t op, uint8_t flags)
{
	const struct passage *p = kept(w, op);
	uint8_t bytes[FRAME_MAX];

	if (!p || !p->left_size)
		return;
	if (flags & 0x80) {
		memcpy(bytes, p->came, p->came_size);
		if (frame_reflag(bytes, p->came_size, flags & 31))
			judge(w, p->in, HG_DOOR_IN, bytes, p->came_size);
		return;
	}
	memcpy(bytes, p->left, p->left_size);
	if (p->left_size == p->came_size + WRAP_SIZE && !(flags & 0x40)) {
		if (frame_give_back(bytes, p->left_size))
			judge(w, p->out, HG_DOOR_IN, bytes, p->left_size);
		return;
	}
	if (p->out && frame_turn(bytes, p->left_size) &&
	    frame_reflag(bytes, p->left_size, flags & 31))
		judge(w, p->out, HG_DOOR_IN, bytes, p->left_size);
}

static void complain(struct world *w, uint8_t op, uint8_t flags)
{
	static const char *const routers[] = { "203.0.113.1", "2001:db8:ff::1" };
	const struct passage *p = kept(w, op);
	uint8_t bytes[FRAME_MAX];
	size_t size;

	if (!p || !p->left_size || !p->out)
		return;
	size = frame_error_about(bytes, sizeof(bytes), p->left, p->left_size, flags,
				 routers);
	if (size)
		judge(w, p->out, HG_DOOR_IN, bytes, size);
}

/* A set for the answers of some connection, with 'n' free ports at most. */
static void crowd(struct world *w, uint8_t op, uint8_t n, uint8_t first)
{
	struct eval_tables t = eval_tables(w->eval, w->now);
	struct hg_port_set *set;
	uint32_t at = 1 + op % (t.n_flow_sets * HG_WAYS);
	struct hg_key4 key;
	struct entry e;

	for (uint32_t k = 0; k < t.n_flow_sets * HG_WAYS; k++, at++) {
		if (at > t.n_flow_sets * HG_WAYS)
			at = 1;
		if (entry_is_translated(&t, at, 4, &e) &&
		    !(e.state->pair & HG_PAIR_OTHER))
			break;
	}
	if (!entry_is_translated(&t, at, 4, &e))
		return;
	at = e.state->pair - 1;
	key = t.flows4[at / HG_WAYS].way[at % HG_WAYS].key;
	key.dport = 0;
	set = &t.ports[hg_port_hash((const __u64 *)&key)];
	if (set->key.live)
		return;
	memset(set->full, 0xff, sizeof(set->full));
	memset(set->taken, 0xff, sizeof(set->taken));
	set->key = key;
	set->next = n & 1 ? HG_PORTS : 0;
	for (uint32_t i = 0; i < n >> 4; i++)
		hg_port_give(set, (first * 215U + i * 67) % HG_PORTS);
}

/* Members of a pool, each other one or all of them, take no new connections. */
static void sicken(struct world *w, uint8_t id, uint8_t how)
{
	struct image image = eval_image(w->eval);
	struct hg_table table = image_header(&image)->pools;
	struct hg_pool *pools = (struct hg_pool *)(image.lines + table.line), *p;

	if (table.n < 2)
		return;
	p = &pools[1 + id % (table.n - 1)];
	p->usable[0] = (1ULL << p->n) - 1;
	p->usable[0] &= how & 4 ? 0 : how & 2 ? 0x5555 : how & 1 ? 0xaaaa : ~0ULL;
	p->n_usable = (uint32_t)__builtin_popcountll(p->usable[0]);
	p->fails_open = p->n_usable == p->n;
}

/* Bytes of a word behind its first. */
static size_t word_size(uint8_t kind)
{
	static const uint8_t sizes[] = { 1, 1, 6, 1, 1, 1, 1, 2 };

	return sizes[kind];
}

/* Returns how many bytes were read behind the first. */
static size_t step(struct world *w, uint8_t op, const uint8_t *b, size_t size)
{
	uint8_t kind = op & 7, bytes[FRAME_MAX];
	size_t n = word_size(kind);

	if (size < n)
		return size;
	if (kind == RAW || kind == MENDED) {
		size_t want = b[0] && b[0] < size ? b[0] : size - 1;

		if (want > sizeof(bytes))
			want = sizeof(bytes);
		memcpy(bytes, b + 1, want);
		if (kind == MENDED)
			frame_mend(bytes, want);
		judge(w, 1 + (op >> 3 & 15) % (n_devices - 1),
		      op >> 7 ? HG_DOOR_OUT : HG_DOOR_IN, bytes, want);
		n += want;
	}
	switch (kind) {
	case PACKET:
		make_packet(w, b);
		break;
	case ANSWER:
		answer(w, op, b[0]);
		break;
	case ERROR:
		complain(w, op, b[0]);
		break;
	case WAIT:
		w->now += op & 8 ? b[0] * 16 : b[0] & 63;
		break;
	case SWITCH:
		if (op >> 3)
			sicken(w, (op >> 3) - 1, b[0]);
		else
			eval_switch(w->eval, images[b[0] % ARRAY_SIZE(images)]);
		break;
	case CROWD:
		crowd(w, op, b[0], b[1]);
		break;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct eval_tables t;

	/* One for all: its tables are large. */
	w = (struct world){ .eval = w.eval, .now = 1000 };
	if (!w.eval)
		w.eval = eval_new(images[0], FLOWS_SETS);
	assert(w.eval);
	eval_reset(w.eval);
	eval_switch(w.eval, images[0]);
	while (size > 0) {
		size_t n = 1 + step(&w, data[0], data + 1, size - 1);

		data += n;
		size -= n;
	}
	t = eval_tables(w.eval, w.now);
	ports_hold(&t);
	return 0;
}
