/* SPDX-License-Identifier: Apache-2.0 */

/* A minimal host rule set names a device and no address: the agent reads them from the
 * kernel and follows them. Away from that host nobody knows them, and every question about
 * it would be answered "not mine". So when neither end of a packet belongs to anybody, and
 * there is just one such device (or --in names it), the receiver's address is taken for its
 * own; the user is told. Each question stands alone: what one assumed the next forgets.
 */
#include "judge.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "compile/eval.h"
#include "compile/frame.h"
#include "complaints.h"
#include "config/json.h"
#include "config/read.h"
#include "http.h"
#include "rules.h"
#include "view.h"

#define FLOW_SETS 64 /* one connection at a time */
#define NOW       1  /* second; nothing here grows old */

struct known {
	const char *device;                /* of the model */
	const struct interface *interface; /* that has it */
	VEC(struct addr) addresses;
	size_t n_confirmed; /* of them; one more may be assumed */
};

struct judge {
	struct rules rules;
	struct diag *diag;
	struct image *image;
	struct eval *eval;
	VEC(struct known) known; /* devices of local interfaces without addresses */
	struct known *assumed;   /* has one address that no machine confirmed */
	struct device_addresses *devices; /* 'known' as the compiler takes it */
};

static int recompile(struct judge *j, struct diag *diag)
{
	struct facts facts = { .devices = j->devices, .n_devices = j->known.n };
	_cleanup_(image_freep) struct image *image = NULL;
	struct eval *eval;
	int r;

	for (size_t i = 0; i < j->known.n; i++)
		j->devices[i] = (struct device_addresses){
			.device = j->known.items[i].device,
			.addresses = j->known.items[i].addresses.items,
			.n = j->known.items[i].addresses.n,
		};
	r = image_compile(j->rules.model, &facts, diag, &image);
	if (r < 0)
		return r;
	eval_free(j->eval);
	j->eval = NULL;
	eval = eval_new(image, FLOW_SETS);
	if (!eval)
		return -ENOMEM;
	image_free(j->image);
	j->eval = eval;
	j->image = TAKE(image);
	return 0;
}

/* ---- who has which address ---- */

static int find_local(struct judge *j)
{
	const struct model *m = j->rules.model;

	for (size_t i = 0; i < m->n_interfaces; i++) {
		const struct interface *f = &m->interfaces[i];

		if (f->is_local && f->device && f->n_addresses == 0 &&
		    !vec_push(&j->known,
			      (struct known){ .device = f->device, .interface = f }))
			return -ENOMEM;
	}
	j->devices = calloc(j->known.n + 1, sizeof(*j->devices));
	return j->devices ? 0 : -ENOMEM;
}

static void add_known(struct judge *j, const char *device, const struct addr *a)
{
	for (size_t i = 0; i < j->known.n; i++)
		if (strcmp(j->known.items[i].device, device) == 0 &&
		    vec_push(&j->known.items[i].addresses, *a))
			j->known.items[i].n_confirmed++;
}

/* The addresses that this machine has on devices of such names. */
static void ask_machine(struct judge *j)
{
	struct ifaddrs *all = NULL;

	if (j->known.n == 0 || getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct addr a = {};

		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			a.family = 4;
			memcpy(a.bytes, &((struct sockaddr_in *)i->ifa_addr)->sin_addr,
			       4);
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			a.family = 6;
			memcpy(a.bytes, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr,
			       16);
		} else {
			continue;
		}
		add_known(j, i->ifa_name, &a);
	}
	freeifaddrs(all);
}

static enum exit_code ask_agent(const struct cli *cli, struct judge *j)
{
	_cleanup_(json_freep) struct json *interfaces = NULL;
	enum exit_code r;

	r = j->known.n ? api_get(cli, "/v1/interfaces", &interfaces) : EXIT_YES;
	for (const struct json *i = json_first(interfaces); i; i = json_next(i)) {
		const struct json *text = json_first(json_get(i, "addresses"));

		for (; view_text(i, "device") && text; text = json_next(text)) {
			struct cidr c;

			if (json_string(text) && cidr_parse(json_string(text), &c) == 0)
				add_known(j, view_text(i, "device"), &c.addr);
		}
	}
	return r;
}

/* ---- opening ---- */

static enum exit_code out_of_memory(void)
{
	fprintf(stderr, "headgate explain: out of memory\n");
	return EXIT_REFUSED;
}

static enum exit_code judge_ready(struct judge *j)
{
	int r;

	r = recompile(j, j->diag);
	if (r == -ENOMEM)
		return out_of_memory();
	if (r < 0) {
		complaints_print(stderr, j->diag, false);
		return EXIT_NO;
	}
	return EXIT_YES;
}

enum exit_code judge_new(const char *path, struct judge **ret)
{
	_cleanup_(judge_freep) struct judge *j = calloc(1, sizeof(*j));
	enum exit_code r;

	if (!j || !(j->diag = diag_new()))
		return out_of_memory();
	r = rules_read(path, RULES_MODEL, j->diag, &j->rules);
	complaints_print(stderr, j->diag, false);
	if (r != EXIT_YES)
		return r;
	if (find_local(j) < 0)
		return out_of_memory();
	ask_machine(j);
	r = judge_ready(j);
	if (r == EXIT_YES)
		*ret = TAKE(j);
	return r;
}

enum exit_code judge_new_agent(const struct cli *cli, struct judge **ret)
{
	_cleanup_(judge_freep) struct judge *j = calloc(1, sizeof(*j));
	_cleanup_(reply_done) struct reply reply = {};
	enum exit_code r;

	if (!j || !(j->diag = diag_new()))
		return out_of_memory();
	r = http_call(cli, &(struct call){ .path = "/v1/rules" }, &reply);
	if (r != EXIT_YES)
		return r;
	if (config_read_text("rules in force", reply.body ? reply.body : "", reply.size,
			     NULL, j->diag, &j->rules.model) < 0) {
		complaints_print(stderr, j->diag, false);
		fprintf(stderr, "headgate explain: the agent's rule set cannot be read; "
				"are agent "
				"and headgate of the same version?\n");
		return EXIT_REFUSED;
	}
	if (find_local(j) < 0)
		return out_of_memory();
	r = ask_agent(cli, j);
	if (r == EXIT_YES)
		r = judge_ready(j);
	if (r == EXIT_YES)
		*ret = TAKE(j);
	return r;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	eval_free(j->eval);
	image_free(j->image);
	for (size_t i = 0; i < j->known.n; i++)
		vec_done(&j->known.items[i].addresses);
	vec_done(&j->known);
	free(j->devices);
	rules_done(&j->rules);
	diag_free(j->diag);
	free(j);
}

/* ---- asking ---- */

static bool is_owned(const struct judge *j, const struct addr *a)
{
	const struct model *m = j->rules.model;

	for (size_t i = 0; i < m->n_interfaces; i++)
		for (size_t k = 0; k < m->interfaces[i].n_addresses; k++)
			if (addr_compare(&m->interfaces[i].addresses[k], a) == 0)
				return true;
	for (size_t i = 0; i < j->known.n; i++)
		for (size_t k = 0; k < j->known.items[i].n_confirmed; k++)
			if (addr_compare(&j->known.items[i].addresses.items[k], a) == 0)
				return true;
	return false;
}

/* The one device that 'q' can mean; NULL: none, or several. A packet that comes in by a
 * device of known addresses may well be for somebody else: that is a question, too. */
static struct known *device_meant(struct judge *j, const struct question *q)
{
	struct known *meant = NULL;

	for (size_t i = 0; i < j->known.n; i++) {
		struct known *k = &j->known.items[i];

		if (q->in && (k->n_confirmed > 0 || strcmp(q->in, k->device) != 0))
			continue;
		if (meant)
			return NULL;
		meant = k;
	}
	return meant;
}

/* Whether 'a' could be an address of local interface 'f': inside its subnet, or in none when
 * it has none; never a group's. */
static bool is_plausible(const struct model *m, const struct interface *f,
			 const struct addr *a)
{
	if (addr_is_zero(a) ||
	    (a->family == 6 ? a->bytes[0] == 0xff : a->bytes[0] >= 224))
		return false;
	for (size_t i = 0; i < m->n_subnets; i++)
		for (size_t k = 0; k < m->subnets[i].n_cidrs; k++)
			if (cidr_contains(&m->subnets[i].cidrs[k], a))
				return (int)i == f->subnet;
	return f->subnet < 0;
}

static int assume(struct judge *j, const struct question *q, struct diag *diag)
{
	struct known *meant = j->known.n ? device_meant(j, q) : NULL;
	bool is_from = is_owned(j, &q->from), is_to = is_owned(j, &q->to);
	const struct addr *a = &q->to;

	if (q->from.family != q->to.family || is_to || (is_from && !q->in))
		meant = NULL;
	if (meant && !is_plausible(j->rules.model, meant->interface, a))
		meant = NULL;
	if (!meant && !j->assumed)
		return 0;
	if (meant && meant == j->assumed &&
	    addr_compare(&meant->addresses.items[meant->n_confirmed], a) == 0)
		return 0;
	if (j->assumed)
		j->assumed->addresses.n = j->assumed->n_confirmed;
	j->assumed = NULL;
	if (meant && !vec_push(&meant->addresses, *a))
		return -ENOMEM;
	j->assumed = meant;
	return recompile(j, diag);
}

const char *judge_assumed(const struct judge *j, struct addr *ret)
{
	if (!j->assumed)
		return NULL;
	*ret = j->assumed->addresses.items[j->assumed->n_confirmed];
	return j->assumed->device;
}

/* An answer that rests on an assumption says so. */
static int answer_done(const struct judge *j, struct json *answer, struct json **ret)
{
	char text[ADDR_TEXT];
	struct addr a;
	const char *device = judge_assumed(j, &a);
	struct json *assumed;

	if (!answer)
		return -ENOMEM;
	if (device) {
		assumed = json_set(answer, "assumed", json_new_object());
		json_set_string(assumed, "device", device);
		json_set_string(assumed, "address", addr_print(&a, text));
	}
	*ret = answer;
	return 0;
}

int judge_ask(struct judge *j, const struct question *q, struct diag *diag,
	      struct json **ret)
{
	uint8_t frame[EXPLAIN_FRAME];
	struct hg_trace trace = {};
	uint32_t device, door;
	size_t size;
	int r;

	r = assume(j, q, diag);
	if (r == 0)
		r = explain_frame(q, j->image, j->rules.model, diag, frame, &size,
				  &device, &door);
	if (r < 0)
		return r;
	eval_explain(j->eval, device, door, frame, size, NOW, &trace);
	trace.device = device;
	trace.door = door;
	return answer_done(j, explain_answer(q, &trace, j->image, j->rules.model), ret);
}

/* Where the answer to a packet that met 'device' comes by: the door of whoever sends it,
 * else out of the device by which the packet came in. */
static int return_frame(const struct judge *j, const struct question *q, uint32_t device,
			const char *in, struct diag *diag,
			uint8_t frame[static EXPLAIN_FRAME], size_t *ret_size,
			uint32_t *ret_device, uint32_t *ret_door)
{
	_cleanup_(diag_freep) struct diag *quiet = diag_new();
	struct question by_device = *q;
	int r;

	if (!quiet)
		return -ENOMEM;
	r = explain_frame(q, j->image, j->rules.model, in ? quiet : diag, frame, ret_size,
			  ret_device, ret_door);
	if (r == 0 || !in)
		return r;
	by_device.in = in;
	r = explain_frame(&by_device, j->image, j->rules.model, diag, frame, ret_size,
			  ret_device, ret_door);
	*ret_device = device;
	*ret_door = HG_DOOR_OUT;
	return r;
}

/* Opens the connection of 'q' and leaves its trace in 'ret'. */
static int open_connection(struct judge *j, const struct question *q, struct diag *diag,
			   struct hg_trace *ret)
{
	uint8_t frame[EXPLAIN_FRAME];
	uint32_t device, door;
	struct eval *eval;
	size_t size;
	int r;

	r = explain_frame(q, j->image, j->rules.model, diag, frame, &size, &device,
			  &door);
	if (r < 0)
		return r;
	/* A flow table of its own: the connection is forgotten with it. */
	eval_free(j->eval);
	j->eval = NULL;
	eval = eval_new(j->image, FLOW_SETS);
	if (!eval)
		return -ENOMEM;
	j->eval = eval;
	eval_explain(eval, device, door, frame, size, NOW, ret);
	ret->device = device;
	ret->door = door;
	eval_packet(eval, device, door, frame, size, NOW);
	return 0;
}

int judge_ask_return(struct judge *j, const struct question *q, struct diag *diag,
		     struct question *ret_back, struct json **ret)
{
	struct hg_trace out = {}, trace = {};
	uint8_t frame[EXPLAIN_FRAME];
	struct question back;
	uint32_t device, door;
	size_t size;
	int r;

	r = assume(j, q, diag);
	if (r == 0)
		r = open_connection(j, q, diag, &out);
	if (r < 0)
		return r;
	back = explain_return(q, &out, j->image, j->rules.model);
	r = return_frame(j, &back, out.device, q->in, diag, frame, &size, &device, &door);
	if (r < 0)
		return r;
	eval_explain(j->eval, device, door, frame, size, NOW, &trace);
	trace.device = device;
	trace.door = door;
	r = answer_done(j, explain_answer(&back, &trace, j->image, j->rules.model), ret);
	back.in = NULL;
	if (ret_back)
		*ret_back = back;
	return r;
}
