/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/travel.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compile/device.h"
#include "kernel/meter.h"
#include "tests/lib/tap.h"

#define ETHERNET 14

/* ---- places ---- */

struct place {
	struct hg_device *device; /* NULL: the kernel */
	uint32_t id;
	struct addr via; /* family 0: a port's instance */
};

static struct hg_device *device_get(struct stand *s, uint32_t id)
{
	struct image image = dataplane_image(stand_plane(s));

	return (struct hg_device *)&image.lines[image_header(&image)->devices.line + id];
}

static struct place place_read(struct stand *s, const char *text)
{
	struct image image = dataplane_image(stand_plane(s));
	struct place p = {};
	char name[64];
	size_t n;

	if (!text)
		return p;
	n = strcspn(text, " ");
	if (n >= sizeof(name))
		bail("%s is no place", text);
	memcpy(name, text, n);
	name[n] = '\0';
	p.id = image_device_find(&image, stand_model(s), name);
	if (!p.id)
		bail("the rules of this test have no device %s", name);
	p.device = device_get(s, p.id);
	if (text[n])
		p.via = address(text + n + 1);
	return p;
}

/* 02:bb:00:00:00:id of a port's instance, as stand.h says; 02:cc:00:00:id:last byte of the
 * address of others. */
static void place_mac(const struct place *p, uint8_t mac[6])
{
	memcpy(mac, (uint8_t[]){ 2, p->via.family ? 0xcc : 0xbb, 0, 0, 0, 0 }, 6);
	mac[4] = p->via.family ? p->id : 0;
	mac[5] = p->via.family == 6 ? p->via.bytes[15]
		 : p->via.family    ? p->via.bytes[3]
				    : p->id;
}

static void place_meet(struct stand *s, const struct place *p)
{
	struct hg_hop *hops = dataplane_hops(stand_plane(s)), *hop = NULL;
	struct hg_addr addr = {};
	uint32_t first;

	memcpy(addr.w, p->via.bytes, p->via.family == 6 ? 16 : 4);
	first = (hg_hop_hash(p->device->ifindex, addr.w) & (HG_HOP_SETS - 1)) *
		HG_HOP_WAYS;
	for (uint32_t i = first; i < first + HG_HOP_WAYS; i++) {
		if (hops[i].ifindex == p->device->ifindex &&
		    memcmp(&hops[i].addr, &addr, sizeof(addr)) == 0)
			return;
		if (i && !hops[i].ifindex && !hop)
			hop = &hops[i];
	}
	if (!hop)
		bail("too many neighbours in one set");
	*hop = (struct hg_hop){ .addr = addr,
				.flags = p->via.family == 6 ? HG_HOP_6 : 0,
				.mtu = p->device->mtu,
				.ifindex = p->device->ifindex };
	place_mac(p, hop->mac.byte);
	hop->mac.byte[6] = HG_HOP_RESOLVED;
	memcpy(hop->smac, p->device->mac, 6);
}

void travel_meet(struct stand *s, const char *text)
{
	struct place p = place_read(s, text);

	place_meet(s, &p);
}

/* ---- frames ---- */

struct frame frame_from(struct frame f, const char *saddr, uint16_t sport)
{
	if (saddr)
		f.saddr = address(saddr);
	if (sport && (f.protocol == 6 || f.protocol == 17))
		f.sport = sport;
	else if (sport)
		f.icmp_id = sport;
	return f;
}

struct frame frame_to(struct frame f, const char *daddr, uint16_t dport)
{
	if (daddr)
		f.daddr = address(daddr);
	if (dport && (f.protocol == 6 || f.protocol == 17))
		f.dport = dport;
	else if (dport)
		f.icmp_id = dport;
	return f;
}

/* Who sends it: the instance of a port, a neighbour whose MAC is his. */
static struct frame frame_sent(struct stand *s, const char *device, struct frame f)
{
	struct place from = place_read(s, device);

	if (f.smac[0])
		return f;
	if (from.device->role >= HG_ROLE_SUBNET)
		from.via = f.saddr;
	place_mac(&from, f.smac);
	return f;
}

struct result travel_run(struct stand *s, const char *device, struct frame f)
{
	f = frame_sent(s, device, f);
	return stand_run(s, device, HG_DOOR_IN, &f);
}

static uint8_t ttl_of(const struct frame *f)
{
	return f->is_ttl_zero ? 0 : f->ttl ? f->ttl : 64;
}

static bool is_once(const struct result *r, const char *name)
{
	if (r->is_given && r->counted == 1)
		return true;
	ok(false, "%s", name);
	note("counted %u times", r->counted);
	return false;
}

bool travels(struct stand *s, const char *device, struct frame f, const char *text,
	     struct frame want, const char *format, ...)
{
	struct place place = place_read(s, text);
	uint8_t frame[FRAME_MAX];
	struct result r;
	char name[256];
	size_t size;
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (place.via.family)
		place_meet(s, &place);
	f = frame_sent(s, device, f);
	r = stand_run(s, device, HG_DOOR_IN, &f);
	if (!is_once(&r, name))
		return false;
	if (!r.allow)
		return is_reason(r.reason, 0, "%s", name);
	memcpy(want.smac, f.smac, 6);
	memcpy(want.dmac, f.dmac, 6);
	if (place.device) {
		memcpy(want.smac, place.device->mac, 6);
		place_mac(&place, want.dmac);
	}
	if (!want.ttl)
		want.ttl = ttl_of(&f) - (place.device ? 1 : 0);
	/* A packet that has become IPv4 has an id of anybody's choice. */
	if (f.saddr.family == 6 && want.saddr.family == 4)
		want.id = (uint32_t)r.frame[ETHERNET + 4] << 8 | r.frame[ETHERNET + 5];
	size = frame_build(&want, frame, sizeof(frame), NULL);
	if (r.is_switched != !!place.device) {
		ok(false, "%s", name);
		note("it went to %s", r.is_switched ? "a device" : "the kernel");
		return false;
	}
	return is_frame(r.frame, r.size, frame, size, "%s", name);
}

/* ---- what senders are told ---- */

/* Are the checksums of a frame that we did not build right? */
static bool is_sound(const uint8_t *frame, size_t size)
{
	const uint8_t *ip = frame + ETHERNET;
	bool is4 = ip[0] >> 4 == 4;
	size_t head = is4 ? (ip[0] & 15) * 4U : 40, n = is4 ? 4 : 16;
	uint8_t protocol = is4 ? ip[9] : ip[6];
	uint32_t sum = 0;

	if (size < ETHERNET + head)
		return false;
	size -= ETHERNET + head;
	if (is4 && frame_checksum(ip, head, 0))
		return false;
	if (protocol != 1)
		sum = protocol + size +
		      (uint16_t)~frame_checksum(ip + (is4 ? 12 : 8), 2 * n, 0);
	return frame_checksum(ip + head, size, sum) == 0;
}

/* The packet that an error quotes is the one that was sent. */
static bool is_quoted(const struct result *r, const struct frame *f)
{
	size_t head = ETHERNET + (f->saddr.family == 4 ? 28 : 48);
	uint8_t frame[FRAME_MAX];

	frame_build(f, frame, sizeof(frame), NULL);
	return r->size > head &&
	       memcmp(r->frame + head, frame + ETHERNET, r->size - head) == 0;
}

static bool is_answer_right(const struct result *r, const struct frame *f,
			    struct frame want, const char *name)
{
	bool is_error = want.protocol == 1 || want.protocol == 58;
	uint8_t frame[FRAME_MAX];
	char got_text[512], want_text[512];
	size_t size;

	if (is_error && !want.quote) {
		want.quote = f;
		want.quote_size = FRAME_MAX;
	}
	size = frame_build(&want, frame, sizeof(frame), NULL);
	frame_print(r->frame, r->size, got_text, sizeof(got_text));
	frame_print(frame, size, want_text, sizeof(want_text));
	if (memcmp(r->frame, f->smac, 6) != 0)
		return ok(false, "%s: to him who sent it", name);
	return is_str(got_text, want_text, "%s", name) &&
	       ok(is_sound(r->frame, r->size), "%s: with the right checksums", name) &&
	       (!is_error || ok(is_quoted(r, f), "%s: about that packet", name));
}

/* 'f' comes from whoever has its source there, and is counted once, for 'reason'. */
static bool is_judged(struct stand *s, const char *device, struct frame *f,
		      uint32_t reason, struct result *ret, const char *name)
{
	*f = frame_sent(s, device, *f);
	*ret = stand_run(s, device, HG_DOOR_IN, f);
	return is_once(ret, name) && is_reason(ret->reason, reason, "%s", name);
}

bool is_told(struct stand *s, const char *device, struct frame f, uint32_t reason,
	     struct frame want, const char *format, ...)
{
	struct result r;
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (!is_judged(s, device, &f, reason, &r, name))
		return false;
	if (r.is_xdp)
		return ok(!r.allow && !r.is_told, "%s: by XDP nothing is told", name);
	if (!ok(r.is_told, "%s: the sender is told", name))
		return false;
	return is_answer_right(&r, &f, want, name);
}

bool is_lost(struct stand *s, const char *device, struct frame f, uint32_t reason,
	     const char *format, ...)
{
	struct result r;
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (!is_judged(s, device, &f, reason, &r, name))
		return false;
	if (r.is_told || (reason && r.allow))
		return ok(false, "%s: without a word", name);
	return true;
}

struct hg_meter travel_balancer(struct stand *s, const char *name)
{
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table vips = image_header(&image)->vips;
	struct hg_meter m = {};

	for (uint32_t id = 1; id < vips.n; id++) {
		const struct hg_vip *v = image_record(&image, vips, id, sizeof(*v));

		if (v->object &&
		    strcmp(image_object_name(&image, v->object), name) == 0 &&
		    meter_read(stand_plane(s), v->meter, &m) == 0)
			return m;
	}
	bail("no load balancer %s has a meter", name);
}

struct hg_meter travel_meter(struct stand *s, const char *name)
{
	struct image image = dataplane_image(stand_plane(s));
	struct hg_table nats = image_header(&image)->nats;
	struct hg_meter m = {};

	for (uint32_t id = 1; id < nats.n; id++) {
		const struct hg_nat *g = image_record(&image, nats, id, sizeof(*g));

		if (g->object &&
		    strcmp(image_object_name(&image, g->object), name) == 0 &&
		    meter_read(stand_plane(s), id, &m) == 0)
			return m;
	}
	bail("no NAT gateway %s has a meter", name);
}
