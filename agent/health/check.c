/* SPDX-License-Identifier: Apache-2.0 */

/* libcurl does the talking, told what not to do: no proxies, redirects, cookies, resolvers,
 * reuse or opinions on certificates. It reads what strangers send, so what it takes is
 * bounded: an answer is over with its head, and a head has at most HEAD_MAX bytes.
 */
#include "health/check.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

#define HEAD_MAX   65536
#define BUFFER_MIN 1024 /* the least that libcurl takes for its buffer of what it reads */

struct checks {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
};

struct check {
	struct checks *checks;
	CURL *easy;
	struct curl_slist *headers;
	check_done done;
	void *arg;
	size_t head_size;
	bool is_http, is_answered;
};

/* ---- outcome ---- */

/* A line of the head. Less than 'size' ends the transfer. */
static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
	struct check *check = arg;
	long status = 0;

	(void)one;
	check->head_size += size;
	if (check->head_size > HEAD_MAX)
		return 0;
	if (size > 2 || data[0] == ' ')
		return size;
	curl_easy_getinfo(check->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return size; /* 100 and such: the answer is still to come */
	check->is_answered = true;
	return 0;
}

/* A body that no head has announced. */
static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
	(void)data;
	(void)one;
	(void)size;
	(void)arg;
	return 0;
}

static void check_end(struct check *check, CURLcode code)
{
	enum wire_outcome outcome = WIRE_FAILED;
	check_done done = check->done;
	void *arg = check->arg;
	curl_off_t duration_us = 0;
	long status = 0;

	curl_easy_getinfo(check->easy, CURLINFO_TOTAL_TIME_T, &duration_us);
	if (check->is_http ? check->is_answered : code == CURLE_OK) {
		outcome = WIRE_ANSWERED;
		if (check->is_http)
			curl_easy_getinfo(check->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status > 999)
			outcome = WIRE_FAILED;
	} else if (code == CURLE_OPERATION_TIMEDOUT) {
		outcome = WIRE_TIMEOUT;
	}
	check_stop(check);
	done(arg, outcome, outcome == WIRE_ANSWERED ? (uint32_t)status : 0,
	     (uint32_t)duration_us);
}

static void reap(struct checks *c)
{
	struct check *check;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left))) {
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
				  (char **)&check);
		check_end(check, code); /* 'message' is gone with it */
	}
}

/* ---- libcurl in the event loop ---- */

static void act(struct checks *c, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(c->multi, fd, what, &running);
	reap(c);
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	int what = 0;

	(void)source;
	if (events & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	act(arg, fd, what);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg,
			 void *socket_arg)
{
	sd_event_source *source = socket_arg;
	struct checks *c = arg;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(c->event, &source, fd, events, on_socket, c) < 0)
		return -1;
	curl_multi_assign(c->multi, fd, source);
	return 0;
}

static int timer_wanted(CURLM *multi, long ms, void *arg)
{
	struct checks *c = arg;

	(void)multi;
	if (ms >= 0)
		sd_event_source_set_time_relative(c->timer, (uint64_t)ms * 1000);
	sd_event_source_set_enabled(c->timer, ms < 0 ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	return 0;
}

int checks_new(sd_event *event, struct checks **ret)
{
	struct checks *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return r;
	c->event = sd_event_ref(event);
	c->multi = curl_multi_init();
	if (c->multi)
		r = sd_event_add_time(event, &c->timer, CLOCK_MONOTONIC, 0, 1000,
				      on_timer, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	if (r < 0) {
		checks_free(c);
		return r;
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	*ret = c;
	return 0;
}

void checks_free(struct checks *c)
{
	if (!c)
		return;
	curl_multi_cleanup(c->multi);
	sd_event_source_disable_unref(c->timer);
	sd_event_unref(c->event);
	free(c);
}

/* ---- one check ---- */

static bool set_common(struct check *check, const struct wire_order *o)
{
	CURL *e = check->easy;

	return curl_easy_setopt(e, CURLOPT_PRIVATE, check) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)BUFFER_MIN) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)o->timeout_ms) ==
		       CURLE_OK;
}

/* AWS's targets may be old: what they offer is enough, and nobody looks at who they are. */
static bool set_tls(CURL *e)
{
	return curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_ENABLE_ALPN, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_0) ==
		       CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0") ==
		       CURLE_OK;
}

static bool set_http(struct check *check, const char *place)
{
	char host[ADDR_TEXT + 32];
	CURL *e = check->easy;

	/* With its port even where that is the usual one. */
	snprintf(host, sizeof(host), "Host: %s", place);
	check->headers = curl_slist_append(NULL, host);
	return check->headers &&
	       curl_easy_setopt(e, CURLOPT_HTTPHEADER, check->headers) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "headgate-probe") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERDATA, check) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
}

static bool set_all(struct check *check, const struct wire_order *o)
{
	char text[ADDR_TEXT], place[ADDR_TEXT + 16], url[sizeof(place) + WIRE_PATH + 16];

	addr_print(&o->address, text);
	snprintf(place, sizeof(place), o->address.family == 6 ? "[%s]:%u" : "%s:%u", text,
		 o->port);
	snprintf(url, sizeof(url), "http%s://%s%s", o->protocol == WIRE_HTTPS ? "s" : "",
		 place, o->protocol == WIRE_TCP ? "/" : o->path);
	if (!set_common(check, o) ||
	    curl_easy_setopt(check->easy, CURLOPT_URL, url) != CURLE_OK)
		return false;
	if (o->protocol == WIRE_TCP)
		return curl_easy_setopt(check->easy, CURLOPT_CONNECT_ONLY, 1L) ==
		       CURLE_OK;
	return set_http(check, place) &&
	       (o->protocol == WIRE_HTTP || set_tls(check->easy));
}

static void check_free(struct check *check)
{
	curl_easy_cleanup(check->easy);
	curl_slist_free_all(check->headers);
	free(check);
}

int check_start(struct checks *c, const struct wire_order *order, check_done done,
		void *arg, struct check **ret)
{
	struct check *check = calloc(1, sizeof(*check));

	if (!check)
		return -ENOMEM;
	*check = (struct check){ .checks = c,
				 .easy = curl_easy_init(),
				 .done = done,
				 .arg = arg,
				 .is_http = order->protocol != WIRE_TCP };
	if (!check->easy || !set_all(check, order) ||
	    curl_multi_add_handle(c->multi, check->easy) != CURLM_OK) {
		check_free(check);
		return -ENOMEM;
	}
	*ret = check;
	return 0;
}

void check_stop(struct check *check)
{
	if (!check)
		return;
	curl_multi_remove_handle(check->checks->multi, check->easy);
	check_free(check);
}
