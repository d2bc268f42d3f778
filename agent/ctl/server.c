/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/server.h"

#include <errno.h>
#include <hg/limits.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/access.h"
#include "ctl/request.h"

#define MAX_CONNECTIONS 128
#define MAX_IDLE        60 /* seconds */

struct server {
	struct agent *agent;
	struct stream *stream;
	struct MHD_Daemon *daemon;
};

/* One request while its body arrives. */
struct upload {
	char *body;
	size_t size, room;
	bool is_too_large;
	bool is_short; /* of memory */
};

static const struct resource {
	const char *method;
	const char *path;
	bool is_change;
	verb_fn *verb;
} resources[] = {
	{ "GET", "/v1/rules", false, verb_rules_get },
	{ "PUT", "/v1/rules", true, verb_rules_put },
	{ "POST", "/v1/check", false, verb_check },
	{ "POST", "/v1/plan", false, verb_plan },
	{ "POST", "/v1/explain", false, verb_explain },
	{ "GET", "/v1/history", false, verb_history },
	{ "POST", "/v1/confirm", true, verb_confirm },
	{ "POST", "/v1/rollback", true, verb_rollback },
	{ "GET", "/v1/vpcs", false, verb_vpcs },
	{ "GET", "/v1/interfaces", false, verb_interfaces },
	{ "GET", "/v1/subnets", false, verb_subnets },
	{ "GET", "/v1/routes", false, verb_routes },
	{ "GET", "/v1/nacls", false, verb_nacls },
	{ "GET", "/v1/security-groups", false, verb_groups },
	{ "GET", "/v1/nat", false, verb_nat },
	{ "GET", "/v1/load-balancers", false, verb_load_balancers },
	{ "GET", "/v1/targets", false, verb_targets },
	{ "GET", "/v1/limits", false, verb_limits },
	{ "GET", "/v1/prefix-lists", false, verb_prefix_lists },
	{ "GET", "/v1/devices", false, verb_devices },
	{ "GET", "/v1/flows", false, verb_flows },
	{ "GET", "/v1/stats", false, verb_stats },
	{ "GET", "/v1/events", false, verb_events },
	{ "GET", "/v1/version", false, verb_version },
	{ "GET", "/healthz", false, verb_health },
};

const char *request_query(const struct request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool request_number(const struct request *q, const char *name, uint32_t max,
		    uint32_t otherwise, uint32_t *ret)
{
	const char *text = request_query(q, name);
	unsigned long long n;
	char *end;

	*ret = otherwise;
	if (!text)
		return true;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end || errno || n > max)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* ---- answering ---- */

static enum MHD_Result respond(struct server *s, struct MHD_Connection *c,
			       struct reply *reply)
{
	static char out_of_memory[] =
		"{\"type\":\"about:blank\",\"title\":\"not enough memory\","
		"\"status\":500,\"detail\":null,\"complaints\":[]}";
	struct MHD_Response *response = NULL;
	enum MHD_Result result;
	char version[16];

	if (reply->is_stream) {
		response = stream_open(s->stream, c, reply->is_drops_only);
		if (!response)
			reply_problem(reply, 503, NULL,
				      "there are too many readers of events");
		else
			MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
	}
	if (reply->status == 0) {
		reply->status = 500;
		reply->type = "application/problem+json";
	}
	if (reply->text)
		response = MHD_create_response_from_buffer(reply->size, reply->text,
							   MHD_RESPMEM_MUST_FREE);
	else if (!reply->is_stream)
		response = MHD_create_response_from_buffer(
			sizeof(out_of_memory) - 1, out_of_memory, MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				reply->is_stream && !reply->text ? "application/x-ndjson"
				: reply->type                    ? reply->type
								 : "application/json");
	if (reply->version) {
		snprintf(version, sizeof(version), "%u", reply->version);
		MHD_add_response_header(response, "Headgate-Version", version);
	}
	result = MHD_queue_response(c, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static void dispatch(struct request *q, int fd, const char *method, const char *path,
		     struct reply *reply)
{
	enum access access = access_of(fd, &q->author);
	bool is_known = false;

	if (access == ACCESS_NONE) {
		reply_problem(reply, 403, NULL,
			      "only root and members of group headgate or headgate-view "
			      "may ask");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		if (strcmp(resources[i].path, path) != 0)
			continue;
		is_known = true;
		if (strcmp(resources[i].method, method) != 0)
			continue;
		if (resources[i].is_change && access != ACCESS_CHANGE)
			reply_problem(reply, 403, NULL,
				      "only root and members of group headgate may "
				      "change rules");
		else
			resources[i].verb(q, reply);
		return;
	}
	if (is_known)
		reply_problem(reply, 405, NULL, "%s takes no %.16s", path, method);
	else
		reply_problem(reply, 404, NULL, "there is no %.100s", path);
}

static void upload_add(struct upload *u, const char *data, size_t size)
{
	if (size > HG_MAX_FILE_BYTES - u->size)
		u->is_too_large = true;
	if (u->is_too_large || u->is_short)
		return;
	if (u->size + size + 1 > u->room) {
		size_t room = u->room ? u->room : 65536;
		char *p;

		while (room < u->size + size + 1)
			room *= 2;
		p = realloc(u->body, room);
		if (!p) {
			u->is_short = true;
			return;
		}
		u->body = p;
		u->room = room;
	}
	memcpy(u->body + u->size, data, size);
	u->size += size;
	u->body[u->size] = '\0';
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path,
				  const char *method, const char *version,
				  const char *data, size_t *size, void **per_request)
{
	struct server *s = arg;
	struct upload *u = *per_request;
	const union MHD_ConnectionInfo *info;
	struct reply reply = {};
	struct request q = { .agent = s->agent, .stream = s->stream, .connection = c };

	(void)version;
	if (!u) {
		*per_request = calloc(1, sizeof(*u));
		return *per_request ? MHD_YES : MHD_NO;
	}
	if (*size) {
		upload_add(u, data, *size);
		*size = 0;
		return MHD_YES;
	}
	q.body = u->body ? u->body : "";
	q.size = u->size;
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (u->is_too_large)
		reply_problem(&reply, 413, NULL, "the document is larger than %u MiB",
			      HG_MAX_FILE_BYTES >> 20);
	else if (!u->is_short)
		dispatch(&q, info->connect_fd, method, path, &reply);
	/* The body may be 32 MiB; the answer needs it no longer. */
	free(u->body);
	u->body = NULL;
	return respond(s, c, &reply);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **per_request,
			 enum MHD_RequestTerminationCode code)
{
	struct upload *u = *per_request;

	(void)arg;
	(void)c;
	(void)code;
	if (u)
		free(u->body);
	free(u);
	*per_request = NULL;
}

/* ---- life ---- */

int server_new(struct agent *a, struct stream *stream, int fd, struct server **ret)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->agent = a;
	s->stream = stream;
	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, s,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)MAX_IDLE,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)256 << 10, MHD_OPTION_END);
	if (!s->daemon) {
		close(fd);
		server_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	stream_hang_up(s->stream);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	free(s);
}

int server_fd(const struct server *s)
{
	return MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void server_run(struct server *s)
{
	MHD_run(s->daemon);
}

int server_timeout_ms(const struct server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(s->daemon, &ms) != MHD_YES)
		return -1;
	return ms > 60000 ? 60000 : (int)ms;
}
