/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "compile/explain.h"
#include "config/json.h"
#include "ctl/name.h"
#include "health/health.h"
#include "kernel/ring.h"
#include "kernel/sync.h"

struct reader {
	struct stream *stream; /* NULL: no longer served */
	struct MHD_Connection *connection;
	bool is_drops_only;
	bool is_suspended;
	uint64_t lost;
	size_t n; /* bytes queued */
	char queue[STREAM_QUEUE];
};

struct stream {
	struct agent *agent;
	struct ring *ring;
	struct reader *readers[STREAM_READERS];
	unsigned n_readers;
	uint64_t events_lost; /* of the packet path, as told so far */
};

static void reader_wake(struct reader *r)
{
	if (!r->is_suspended)
		return;
	r->is_suspended = false;
	MHD_resume_connection(r->connection);
}

/* A line that does not fit whole is lost whole. The report of a loss goes first. */
static void reader_put(struct reader *r, const char *line)
{
	char lost[64] = "";
	size_t n = strlen(line), n_lost = 0;

	if (r->lost)
		n_lost = (size_t)snprintf(lost, sizeof(lost), "{\"lost\":%llu}\n",
					  (unsigned long long)r->lost);
	if (r->n + n_lost + n + 1 > sizeof(r->queue)) {
		r->lost++;
		return;
	}
	memcpy(r->queue + r->n, lost, n_lost);
	r->n += n_lost;
	r->lost = 0;
	memcpy(r->queue + r->n, line, n);
	r->n += n;
	r->queue[r->n++] = '\n';
	reader_wake(r);
}

static void stream_put(struct stream *s, const struct json *event, bool is_drop)
{
	_cleanup_free_ char *line = event ? json_print(event, false) : NULL;

	for (unsigned i = 0; i < STREAM_READERS; i++) {
		struct reader *r = s->readers[i];

		if (!r || (r->is_drops_only && !is_drop))
			continue;
		if (line)
			reader_put(r, line);
		else
			r->lost++;
	}
}

static struct json *event_new(const char *kind, uint64_t monotonic_ns)
{
	struct json *j = json_new_object();
	int64_t now = clock_realtime_ns();
	char text[48], stamp[32];

	if (monotonic_ns)
		now -= (int64_t)(clock_monotonic_ns() - monotonic_ns);
	time_print(now / 1000000000, stamp);
	stamp[strlen(stamp) - 1] = '\0';
	snprintf(text, sizeof(text), "%s.%06lldZ", stamp,
		 (long long)(now % 1000000000 / 1000));
	json_set_string(j, "event", kind);
	json_set_string(j, "time", text);
	return j;
}

static void event_ports(struct json *j, const struct hg_event *e)
{
	uint8_t p = e->tuple.protocol;
	bool has_ports = e->tuple.family && (p == IPPROTO_TCP || p == IPPROTO_UDP);
	bool has_icmp = e->tuple.family && (p == IPPROTO_ICMP || p == IPPROTO_ICMPV6);
	char text[16];

	if (has_ports) {
		json_set_number(j, "source_port", ntohs(e->tuple.sport));
		json_set_number(j, "destination_port", ntohs(e->tuple.dport));
	} else {
		json_set_null(j, "source_port");
		json_set_null(j, "destination_port");
	}
	if (has_icmp) {
		json_set_number(j, "icmp_type", e->icmp >> 8);
		json_set_number(j, "icmp_code", e->icmp & 0xff);
	} else {
		json_set_null(j, "icmp_type");
		json_set_null(j, "icmp_code");
	}
	json_set_string(j, "tcp_flags",
			has_ports && p == IPPROTO_TCP ? tcp_flags_name(e->tcp_flags, text)
						      : NULL);
}

static void event_rule(struct json *j, struct agent *a, const struct hg_event *e)
{
	struct image image = dataplane_image(a->dp);
	const struct hg_rule *rule = NULL;
	char text[96], to[DESTINATION_TEXT];

	/* Rule ids belong to the image of their epoch. */
	if (image.lines && e->rule && e->epoch == dataplane_epoch(a->dp))
		rule = image_rule(&image, e->rule);
	if (!rule) {
		json_set_null(j, "object");
		json_set_null(j, "rule");
		return;
	}
	snprintf(text, sizeof(text), "%s/%s",
		 object_kind_name(image_object_kind(&image, rule->object)),
		 image_object_name(&image, rule->object));
	json_set_string(j, "object", text);
	if (image_object_kind(&image, rule->object) == HG_OBJECT_ROUTE_TABLE)
		json_set_string(j, "rule",
				a->model ? route_destination(&image, a->model, rule, to)
					 : NULL);
	else if (rule->number == HG_RULE_DEFAULT)
		json_set_string(j, "rule", "*");
	else
		json_set_number(j, "rule", rule->number);
}

static void event_tuple(struct json *j, const struct hg_tuple *t)
{
	char text[ADDR_TEXT];

	json_set_string(j, "protocol",
			t->family ? protocol_name(t->protocol, (char[8]){}) : NULL);
	json_set_string(j, "source", wire_addr_print(t->family, &t->saddr, text));
	json_set_string(j, "destination", wire_addr_print(t->family, &t->daddr, text));
}

static void stream_event(void *arg, const void *record)
{
	const struct hg_event *e = record;
	struct stream *s = arg;
	bool is_drop = e->kind == HG_EVENT_DROP;
	char name[IF_NAMESIZE];
	struct json *j;

	if (s->n_readers == 0)
		return;
	j = event_new(is_drop ? "drop" : "flow", e->ktime);
	json_set_string(j, "device", if_indextoname(e->ifindex, name));
	json_set_string(j, "door", e->door == HG_DOOR_IN ? "in" : "out");
	json_set_string(j, "reason", is_drop ? drop_name(e->reason) : NULL);
	event_rule(j, s->agent, e);
	event_tuple(j, &e->tuple);
	event_ports(j, e);
	json_set_number(j, "bytes", e->len);
	json_set_number(j, "epoch", e->epoch);
	stream_put(s, j, is_drop);
	json_free(j);
}

void stream_rules(struct stream *s, uint32_t version, const char *action)
{
	struct json *j;

	if (s->n_readers == 0)
		return;
	j = event_new("rules", 0);
	json_set_number(j, "version", version);
	json_set_string(j, "action", action);
	stream_put(s, j, false);
	json_free(j);
}

void stream_device(struct stream *s, const struct attached *d)
{
	struct json *j;

	if (s->n_readers == 0)
		return;
	j = event_new("device", 0);
	json_set_string(j, "device", d->device);
	json_set_string(j, "state", attach_state_name(d->state));
	stream_put(s, j, false);
	json_free(j);
}

void stream_health(struct stream *s, const struct health_change *c)
{
	struct json *j;

	if (s->n_readers == 0)
		return;
	j = event_new("health", 0);
	json_set_string(j, "target_group", c->group);
	json_set_string(j, "target", c->target);
	json_set_string(j, "from", state_name(c->from));
	json_set_string(j, "to", state_name(c->to));
	json_set_string(j, "reason",
			*state_reason(c->reason) ? state_reason(c->reason) : NULL);
	stream_put(s, j, false);
	json_free(j);
}

/* ---- readers ---- */

static void stream_monitor(struct stream *s)
{
	__atomic_store_n(&dataplane_control(s->agent->dp)->monitor, s->n_readers > 0,
			 __ATOMIC_RELAXED);
}

static ssize_t reader_read(void *arg, uint64_t at, char *to, size_t max)
{
	struct reader *r = arg;
	size_t n = r->n < max ? r->n : max;

	(void)at;
	if (!r->stream)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0) {
		r->is_suspended = true;
		MHD_suspend_connection(r->connection);
		return 0;
	}
	memcpy(to, r->queue, n);
	memmove(r->queue, r->queue + n, r->n - n);
	r->n -= n;
	return (ssize_t)n;
}

static void reader_free(void *arg)
{
	struct reader *r = arg;

	for (unsigned i = 0; r->stream && i < STREAM_READERS; i++)
		if (r->stream->readers[i] == r) {
			r->stream->readers[i] = NULL;
			r->stream->n_readers--;
			stream_monitor(r->stream);
		}
	free(r);
}

static uint64_t packet_path_lost(struct agent *a)
{
	_cleanup_free_ struct device_counters *devices = NULL;
	struct hg_counters total = {};
	size_t n;

	return attach_counters(a->attach, &devices, &n, &total) < 0 ? 0
								    : total.events_lost;
}

struct MHD_Response *stream_open(struct stream *s, struct MHD_Connection *connection,
				 bool is_drops_only)
{
	struct MHD_Response *response;
	struct reader *r;
	unsigned i = 0;

	while (i < STREAM_READERS && s->readers[i])
		i++;
	if (i == STREAM_READERS)
		return NULL;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	r->stream = NULL;
	r->connection = connection;
	r->is_drops_only = is_drops_only;
	r->is_suspended = false;
	r->lost = 0;
	r->n = 0;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, reader_read,
						     r, reader_free);
	if (!response) {
		free(r);
		return NULL;
	}
	if (s->n_readers == 0)
		s->events_lost = packet_path_lost(s->agent);
	r->stream = s;
	s->readers[i] = r;
	s->n_readers++;
	stream_monitor(s);
	return response;
}

/* ---- life ---- */

int stream_new(struct agent *a, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->agent = a;
	r = ring_new(a->dp, "hg_events", sizeof(struct hg_event), stream_event, s,
		     &s->ring);
	if (r < 0) {
		free(s);
		return r;
	}
	/* An agent that was killed may have left it on. */
	stream_monitor(s);
	*ret = s;
	return 0;
}

void stream_hang_up(struct stream *s)
{
	for (unsigned i = 0; i < STREAM_READERS; i++) {
		struct reader *r = s->readers[i];

		if (!r)
			continue;
		r->stream = NULL;
		s->readers[i] = NULL;
		/* The HTTP server does not stop with a connection suspended. */
		reader_wake(r);
	}
	s->n_readers = 0;
	stream_monitor(s);
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	stream_hang_up(s);
	ring_free(s->ring);
	free(s);
}

int stream_fd(const struct stream *s)
{
	return ring_fd(s->ring);
}

void stream_drain(struct stream *s)
{
	ring_drain(s->ring);
}

void stream_tick(struct stream *s)
{
	uint64_t lost, fresh;

	if (s->n_readers == 0)
		return;
	lost = packet_path_lost(s->agent);
	fresh = lost > s->events_lost ? lost - s->events_lost : 0;
	s->events_lost = lost;
	for (unsigned i = 0; i < STREAM_READERS; i++) {
		struct reader *r = s->readers[i];

		if (!r)
			continue;
		r->lost += fresh;
		/* A suspended connection does not notice that its peer hung up. */
		reader_wake(r);
	}
}
