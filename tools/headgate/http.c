/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "complaints.h"
#include "config/json.h"

#define CONNECT_MS 5000

struct transfer {
	CURL *curl;
	const struct call *call;
	char *body;
	size_t n, room;
	long status;
	bool is_full; /* memory ran out */
	bool is_over; /* the callback wants no more */
};

static bool grow(char **text, size_t *room, size_t want)
{
	size_t next = *room ? *room : 4096;
	char *p;

	if (want <= *room)
		return true;
	while (next < want)
		next *= 2;
	p = realloc(*text, next);
	if (!p)
		return false;
	*text = p;
	*room = next;
	return true;
}

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
	struct transfer *t = arg;

	(void)one;
	if (!t->status)
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
	if (t->call->on_data && t->status < 400) {
		if (t->call->on_data(t->call->arg, data, size) == 0)
			return size;
		t->is_over = true;
		return 0;
	}
	if (!grow(&t->body, &t->room, t->n + size + 1)) {
		t->is_full = true;
		return 0;
	}
	memcpy(t->body + t->n, data, size);
	t->n += size;
	t->body[t->n] = '\0';
	return size;
}

static enum exit_code say_unreachable(const struct cli *cli, const struct call *call,
				      CURL *curl, CURLcode code)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	if (error == EACCES || error == EPERM) {
		fprintf(stderr,
			"headgate: %s: permission denied\n"
			"Be root, or in the group headgate (headgate-view may look).\n",
			cli->socket);
		return EXIT_REFUSED;
	}
	if (call->is_quiet)
		return EXIT_NO_AGENT;
	fprintf(stderr,
		"headgate: no agent at %s: %s\n"
		"Is headgated running? --socket PATH or $HEADGATE_SOCKET name another "
		"socket.\n",
		cli->socket, error ? strerror(error) : curl_easy_strerror(code));
	return EXIT_NO_AGENT;
}

static enum exit_code status_exit(const struct call *call, long status)
{
	switch (status) {
	case 400: /* without a body it is the query that was wrong */
		return call->method ? EXIT_NO : EXIT_USAGE;
	case 403:
		return EXIT_REFUSED;
	case 404:
	case 405:
		return EXIT_USAGE;
	default:
		return status >= 500 ? EXIT_REFUSED : EXIT_NO;
	}
}

static void say_problem(const struct reply *reply)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *problem = NULL;
	const char *title = NULL, *detail = NULL;

	if (diag && reply->body &&
	    json_read("", reply->body, reply->size, diag, &problem) == 0) {
		title = json_string(json_get(problem, "title"));
		detail = json_string(json_get(problem, "detail"));
		complaints_print_json(stderr, json_get(problem, "complaints"));
	}
	if (title)
		fprintf(stderr, "headgate: %s%s%s\n", title, detail ? ": " : "",
			detail ? detail : "");
	else
		fprintf(stderr, "headgate: the agent answered with status %ld\n",
			reply->status);
}

static CURLcode perform(const struct cli *cli, const struct call *call,
			struct transfer *t)
{
	struct curl_slist *headers = NULL;
	char url[2048];
	CURLcode code;

	snprintf(url, sizeof(url), "http://headgate%s", call->path);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:"); /* no round trip before a body */
	curl_easy_setopt(t->curl, CURLOPT_UNIX_SOCKET_PATH, cli->socket);
	curl_easy_setopt(t->curl, CURLOPT_URL, url);
	curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
	if (call->method && strcmp(call->method, "GET") != 0) {
		curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(t->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, call->method);
		curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS,
				 call->body ? call->body : "");
		curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)call->size);
	}
	code = curl_easy_perform(t->curl);
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
	return code;
}

enum exit_code http_call(const struct cli *cli, const struct call *call,
			 struct reply *ret)
{
	struct transfer t = { .curl = curl_easy_init(), .call = call };
	_cleanup_(reply_done) struct reply reply = {};
	enum exit_code r = EXIT_YES;
	CURLcode code;

	if (!t.curl) {
		fprintf(stderr, "headgate: out of memory\n");
		return EXIT_REFUSED;
	}
	code = perform(cli, call, &t);
	reply = (struct reply){ .status = t.status, .body = t.body, .size = t.n };
	if (code == CURLE_COULDNT_CONNECT) {
		r = say_unreachable(cli, call, t.curl, code);
	} else if (code != CURLE_OK && !t.is_over) {
		fprintf(stderr, "headgate: the agent at %s hung up: %s\n", cli->socket,
			t.is_full ? "out of memory" : curl_easy_strerror(code));
		r = EXIT_REFUSED;
	} else if (reply.status >= 400 && !(call->wants_problem && reply.status == 400)) {
		if (!call->is_quiet)
			say_problem(&reply);
		r = status_exit(call, reply.status);
	} else if (ret) {
		*ret = reply;
		reply.body = NULL;
	}
	curl_easy_cleanup(t.curl);
	return r;
}

enum exit_code api_call(const struct cli *cli, const struct call *call, struct json **ret)
{
	_cleanup_(reply_done) struct reply reply = {};
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	enum exit_code r;

	r = http_call(cli, call, &reply);
	if (r != EXIT_YES)
		return r;
	if (!diag || !reply.body ||
	    json_read("", reply.body, reply.size, diag, ret) < 0) {
		fprintf(stderr, "headgate: the agent's answer is no JSON document\n");
		return EXIT_REFUSED;
	}
	return EXIT_YES;
}

enum exit_code api_get(const struct cli *cli, const char *path, struct json **ret)
{
	return api_call(cli, &(struct call){ .path = path }, ret);
}

static int print_data(void *arg, const char *data, size_t size)
{
	char *last = arg;

	*last = data[size - 1];
	return fwrite(data, 1, size, stdout) != size || ferror(stdout);
}

enum exit_code api_print(const struct cli *cli, const char *path)
{
	char last = '\n';
	enum exit_code r;

	r = http_call(cli,
		      &(struct call){ .path = path, .on_data = print_data, .arg = &last },
		      NULL);
	if (last != '\n')
		putchar('\n');
	fflush(stdout);
	return r;
}

void path_add(char *buf, size_t size, const char *key, const char *value)
{
	static const char plain[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
		"WXYZ-._~/:";
	size_t at = strlen(buf);

	at += snprintf(buf + at, size - at, "%c%s=", strchr(buf, '?') ? '&' : '?', key);
	for (; *value && at + 4 < size; value++)
		at += snprintf(buf + at, size - at,
			       strchr(plain, *value) ? "%c" : "%%%02X",
			       (unsigned char)*value);
}

static int splitter_item(struct splitter *s)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *item = NULL;
	size_t n = s->n;

	s->n = 0;
	if (!diag || json_read("", s->text, n, diag, &item) < 0)
		return 0; /* an agent that sends no JSON: the next line may be better */
	return s->on_item(s->arg, item);
}

int splitter_feed(void *splitter, const char *data, size_t size)
{
	struct splitter *s = splitter;

	for (size_t i = 0; i < size; i++) {
		char c = data[i];

		if (s->depth == 0 && c != '{')
			continue;
		if (!grow(&s->text, &s->room, s->n + 1))
			return 1;
		s->text[s->n++] = c;
		if (s->is_escaped)
			s->is_escaped = false;
		else if (s->in_string && c == '\\')
			s->is_escaped = true;
		else if (c == '"')
			s->in_string = !s->in_string;
		else if (!s->in_string && (c == '{' || c == '['))
			s->depth++;
		else if (!s->in_string && (c == '}' || c == ']') && --s->depth == 0)
			if (splitter_item(s) != 0)
				return 1;
	}
	return 0;
}

void splitter_done(struct splitter *s)
{
	free(s->text);
	s->text = NULL;
}
