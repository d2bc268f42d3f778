/* SPDX-License-Identifier: Apache-2.0 */

/* An image that another process left in a pinned map may hold anything. What image_check() lets
 * through is read by the agent as it is, is evaluated, and tells the next compilation which
 * numbers are taken; none of them may read what is not the image's. The sanitizers look.
 */
#include <stdio.h>
#include <string.h>

#include <hg/limit.h>

#include "base/cleanup.h"
#include "compile/device.h"
#include "compile/eval.h"
#include "lookup.h"
#include "tests/lib/frame.h"
#include "tests/lib/rules.h"
#include "tests/lib/tap.h"

#define ROUNDS 6000
#define WORDS  3

static const char rules[] =
	"{\"headgate\":1,\"vpcs\":{\"v\":{\"cidrs\":[\"10.0.0.0/16\",\"fd00::/56\"]}},"
	"\"subnets\":{"
	"\"a\":{\"cidrs\":[\"10.0.0.0/24\",\"fd00::/64\"],\"device\":\"a\"},"
	"\"b\":{\"cidrs\":[\"10.0.1.0/24\",\"fd00:0:0:1::/64\"],\"device\":\"b\"}},"
	"\"internet_gateways\":{\"i\":{\"device\":\"up\",\"next_hop\":[\"203.0.113.1\","
	"\"2001:db8::1\"]}},"
	"\"elastic_ips\":{\"e\":{\"address\":\"203.0.113.31\"}},"
	"\"target_groups\":{"
	"\"t\":{\"protocol\":\"tcp\",\"port\":80,\"targets\":[{\"address\":\"10.0.1.9\"},"
	"{\"address\":\"fd00:0:0:1::9\"},{\"address\":\"10.0.1.10\",\"weight\":3}]},"
	"\"s\":{\"protocol\":\"udp\",\"port\":53,\"preserve_client_ip\":false,"
	"\"stickiness\":\"source_ip\",\"targets\":[{\"address\":\"10.0.1.9\"}]},"
	"\"g\":{\"protocol\":\"geneve\",\"port\":6081,\"targets\":[{\"address\":"
	"\"10.0.1.20\"},{\"address\":\"10.0.1.21\"}]}},"
	"\"load_balancers\":{"
	"\"l\":{\"addresses\":[\"203.0.113.30\",\"2001:db8:2::30\"],\"listeners\":["
	"{\"protocol\":\"tcp\",\"port\":80,\"forward\":[{\"target_group\":\"t\"}]},"
	"{\"protocol\":\"udp\",\"port\":53,\"forward\":[{\"target_group\":\"s\"}]}]},"
	"\"n\":{\"nodes\":[{\"subnet\":\"a\",\"address\":\"10.0.0.5\",\"elastic_ip\":"
	"\"e\"}],"
	"\"listeners\":[{\"protocol\":\"tcp\",\"port\":80,\"forward\":[{"
	"\"target_group\":\"t\"}]}]}},"
	"\"gateway_load_balancers\":{\"w\":{\"target_group\":\"g\",\"subnet\":\"b\"}},"
	"\"rate_limits\":{"
	"\"x\":{\"resource\":\"load_balancer/l\",\"unit\":\"packets\",\"limit\":9,"
	"\"window\":9,\"action\":\"count\"},"
	"\"y\":{\"resource\":\"subnet/a\",\"unit\":\"bytes\",\"limit\":999,"
	"\"window\":9}},"
	"\"route_tables\":{\"m\":{\"main\":true,\"routes\":["
	"{\"to\":\"0.0.0.0/0\",\"via\":\"internet_gateway/i\"},"
	"{\"to\":\"::/0\",\"via\":\"internet_gateway/i\"},"
	"{\"to\":\"198.51.100.0/24\",\"via\":\"gateway_load_balancer/w\"}]}}}";

struct sample {
	const char *device, *from, *to;
	uint8_t protocol;
	uint16_t dport;
};

static const struct sample samples[] = {
	{ "a", "10.0.0.9", "203.0.113.30", 6, 80 },
	{ "a", "fd00::9", "2001:db8:2::30", 6, 80 },
	{ "a", "10.0.0.9", "10.0.0.5", 6, 80 },
	{ "a", "10.0.0.9", "203.0.113.30", 17, 53 },
	{ "a", "10.0.0.9", "198.51.100.1", 6, 80 },
	{ "up", "198.51.100.1", "203.0.113.30", 6, 80 },
	{ "up", "198.51.100.1", "203.0.113.31", 6, 80 },
	{ "up", "198.51.100.1", "203.0.113.30", 17, 53 },
	{ "up", "2001:db8:3::1", "2001:db8:2::30", 6, 80 },
};

struct packet {
	uint8_t bytes[256];
	size_t size;
	uint32_t device;
};

struct packets {
	struct packet list[2 * ARRAY_SIZE(samples)];
	size_t n;
};

/* Each packet, and what its receiver says to it; an appliance gives it back. */
static void packets_make(struct packets *ret, const struct image *image,
			 const struct model *model)
{
	struct eval *e = eval_new(image, 64);

	*ret = (struct packets){};
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct packet *p = &ret->list[ret->n++], *answer = p + 1;
		struct frame f =
			s->protocol == 6
				? frame_tcp(s->from, 1000, s->to, s->dport, TCP_SYN)
				: frame_udp(s->from, 1000, s->to, s->dport);
		uint8_t bytes[256];
		struct verdict v;

		p->size = frame_build(&f, p->bytes, sizeof(p->bytes), NULL);
		p->device = image_device_find(image, model, s->device);
		memcpy(bytes, p->bytes, p->size);
		v = eval_packet(e, p->device, HG_DOOR_IN, bytes, p->size, 1);
		ok(v.allow && v.out, "%s reaches %s by a gateway: %u", s->from, s->to,
		   v.reason);
		if (!v.allow || v.frame[12] != 8 || v.size > sizeof(answer->bytes))
			continue;
		memcpy(answer->bytes, v.frame, v.size);
		memcpy(answer->bytes + 26, v.frame + 30, 4);
		memcpy(answer->bytes + 30, v.frame + 26, 4);
		if (v.size == p->size) {
			memcpy(answer->bytes + 34, v.frame + 36, 2);
			memcpy(answer->bytes + 36, v.frame + 34, 2);
		}
		answer->size = v.size;
		answer->device = v.out;
		ret->n++;
	}
	eval_free(e);
}

/* Two times of three in a table, else anywhere. */
static uint32_t *word_pick(const struct image *image)
{
	const struct hg_header *h = image_header(image);
	const struct hg_table tables[] = { h->vips,    h->listeners, h->entrances,
					   h->gwlbs,   h->limits,    h->subnets,
					   h->uplinks, h->devices,   h->routes };
	uint32_t at = dice(16), line = dice((uint32_t)image->n_lines);
	const struct hg_table *t;

	switch (dice(12)) {
	case 0:
		line = dice(sizeof(*h) / HG_LINE);
		break;
	case 1:
		line = h->pools.line + dice(h->pools.n * HG_POOL_LINES);
		break;
	case 2:
		line = h->targets.line + dice(h->targets.n / 2 + 1);
		break;
	case 3:
	case 4:
	case 5:
		break;
	default:
		t = &tables[dice(ARRAY_SIZE(tables))];
		line = t->line + dice(t->n);
	}
	/* What is here is a copy, of an image that is whole. */
	return image->lines[line < image->n_lines ? line : 0].w + at;
}

static uint32_t value_pick(const struct image *image, uint32_t was)
{
	switch (dice(5)) {
	case 0:
		return was ^ 1U << dice(32);
	case 1:
		return dice(8);
	case 2:
		return (uint32_t)image->n_lines - dice(4);
	case 3:
		return UINT32_MAX - dice(64);
	default:
		return dice(UINT32_MAX);
	}
}

/* Names, as commands print them. */
static size_t names_read(const struct image *image)
{
	const struct hg_header *h = image_header(image);
	const char *text = (const char *)(image->lines + h->text.line);
	size_t sum = 0;

	for (uint32_t i = 0; i < h->objects.n; i++)
		sum += strlen(image_object_name(image, i));
	for (uint32_t i = 1; i < h->pools.n; i++) {
		const struct hg_pool *p = image_record(image, h->pools, i, sizeof(*p));

		sum += strlen(text + p->zone);
		for (uint32_t k = 0; k < p->n; k++)
			sum += image_record(image, h->targets, p->first + k,
					    sizeof(struct hg_target)) == NULL;
	}
	return sum;
}

static void packets_judge(struct eval *e, const struct packets *packets, uint32_t now)
{
	for (size_t i = 0; i < packets->n; i++) {
		const struct packet *p = &packets->list[i];
		uint8_t *frame = malloc(p->size);
		struct hg_trace trace;

		memcpy(frame, p->bytes, p->size);
		eval_explain(e, p->device, HG_DOOR_IN, frame, p->size, now, &trace);
		eval_packet(e, p->device, HG_DOOR_IN, frame, p->size, now);
		free(frame);
	}
}

static void next_compile(const struct model *model, const struct image *previous)
{
	const struct facts facts = { .previous = previous };
	struct diag *diag = diag_new();
	struct image *image = NULL;

	if (image_compile(model, &facts, diag, &image) < 0)
		bail("the next image cannot be compiled");
	if (image_check(image))
		bail("the next image is not whole");
	image_free(image);
	diag_free(diag);
}

static void test_damage(const struct image *image, const struct model *model,
			const struct packets *packets)
{
	struct eval *e = eval_new(image, 64);
	struct image live = eval_image(e);
	size_t accepted = 0, refused = 0, sum = 0;

	if (image_check(&live))
		bail("the image is not whole to begin with");
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t *at[WORDS], was[WORDS];

		for (size_t k = 0; k < WORDS; k++)
			at[k] = word_pick(image) - image->lines->w + live.lines->w;
		for (size_t k = 0; k < WORDS; k++) {
			was[k] = *at[k];
			*at[k] = value_pick(image, was[k]);
		}
		if (image_check(&live)) {
			refused++;
		} else {
			sum += names_read(&live);
			packets_judge(e, packets, i);
			if (accepted++ % 16 == 0)
				next_compile(model, &live);
		}
		for (size_t k = WORDS; k-- > 0;)
			*at[k] = was[k];
	}
	ok(image_check(&live) == 0 && sum, "damage is undone");
	ok(accepted > ROUNDS / 10 && refused > ROUNDS / 10,
	   "damage to balancers is refused or harmless: %zu and %zu", refused, accepted);
	eval_free(e);
}

int main(void)
{
	struct packets packets;
	struct model *model;
	struct image *image = rules_image(rules, NULL, &model);

	packets_make(&packets, image, model);
	test_damage(image, model, &packets);
	image_free(image);
	model_free(model);
	return done();
}
