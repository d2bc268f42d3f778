/* SPDX-License-Identifier: Apache-2.0 */

/* The probe against servers of every manner. */
#include "tests/unit/health/place.h"

/* ---- every kind of server ---- */

struct manner {
	const char *name;
	enum check_protocol protocol;
	const char *address;
	uint16_t port;
	const char *path;
	uint16_t first, last; /* of the matcher */
	enum health_state state;
	enum health_reason reason;
	uint32_t status;
};

#define UP(status)      HEALTH_HEALTHY, REASON_NONE, status
#define DOWN(x)         HEALTH_UNHEALTHY, REASON_##x, 0
#define WRONG(status)   HEALTH_UNHEALTHY, REASON_MISMATCH, status
#define HTTP(path)      CHECK_HTTP, "127.0.0.1", HTTP_PORT, path, 200, 399
#define HTTPS(path)     CHECK_HTTPS, "127.0.0.1", HTTPS_PORT, path, 200, 399
#define TCP(address, p) CHECK_TCP, address, p, NULL, 0, 0

static const struct manner manners[] = {
	{ "TCP: who accepts is healthy", TCP("127.0.0.1", HTTP_PORT), UP(0) },
	{ "TCP: in IPv6 too", TCP("::1", HTTP_PORT), UP(0) },
	{ "TCP: who refuses is not", TCP("127.0.0.1", SHUT_PORT), DOWN(FAILED) },
	{ "TCP: refusal in IPv6", TCP("::1", SHUT_PORT), DOWN(FAILED) },
	{ "TCP: silence is a timeout", TCP("192.0.2.9", 80), DOWN(TIMEOUT) },
	{ "TCP: no route is a failure", TCP("203.0.113.1", 80), DOWN(FAILED) },
	{ "HTTP: 200", HTTP("/hello?a=b#c"), UP(200) },
	{ "HTTP: in IPv6", CHECK_HTTP, "::1", HTTP_PORT, "/six", 200, 399, UP(200) },
	{ "HTTP: 500 is a wrong status", HTTP("/500"), WRONG(500) },
	{ "HTTP: 404 is right where the matcher has it", CHECK_HTTP, "127.0.0.1",
	  HTTP_PORT, "/404", 404, 404, UP(404) },
	{ "HTTP: 200 is wrong where it has not", CHECK_HTTP, "127.0.0.1", HTTP_PORT, "/",
	  201, 299, WRONG(200) },
	{ "HTTP: a redirect is not followed", HTTP("/redirect"), UP(302) },
	{ "HTTP: what comes before the answer is none", HTTP("/continue"), WRONG(503) },
	{ "HTTP: a body that takes for ever is not waited for", HTTP("/slow"), UP(200) },
	{ "HTTP: nor one that is large", HTTP("/body"), UP(200) },
	{ "HTTP: a head that takes for ever is a timeout", HTTP("/drip"), DOWN(TIMEOUT) },
	{ "HTTP: no answer is a timeout", HTTP("/silent"), DOWN(TIMEOUT) },
	{ "HTTP: a head without end is a failure", HTTP("/huge"), DOWN(FAILED) },
	{ "HTTP: nor is one of 128 KiB read to its end", HTTP("/long"), DOWN(FAILED) },
	{ "HTTP: nonsense is a failure", HTTP("/nonsense"), DOWN(FAILED) },
	{ "HTTP: an end without answer is a failure", HTTP("/close"), DOWN(FAILED) },
	{ "HTTP: TLS is no HTTP", CHECK_HTTP, "127.0.0.1", HTTPS_PORT, "/", 200, 399,
	  DOWN(FAILED) },
	{ "HTTPS: a certificate of its own making will do", HTTPS("/tls"), UP(200) },
	{ "HTTPS: in IPv6", CHECK_HTTPS, "::1", HTTPS_PORT, "/tls6", 200, 399, UP(200) },
	{ "HTTPS: 503 is a wrong status", HTTPS("/503"), WRONG(503) },
	{ "HTTPS: who does not know TLS waits for more", CHECK_HTTPS, "127.0.0.1",
	  HTTP_PORT, "/", 200, 399, DOWN(TIMEOUT) },
	{ "HTTPS: silence is a timeout", CHECK_HTTPS, "192.0.2.9", 443, "/", 200, 399,
	  DOWN(TIMEOUT) },
};

#define N_MANNERS ARRAY_SIZE(manners)

static bool all_known(const void *arg)
{
	(void)arg;
	for (size_t i = 0; i < h->n_groups; i++)
		if (state_of(i)->state == HEALTH_INITIAL)
			return false;
	return true;
}

static bool log_has(const char *line)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -qxF '%s' %s/log", line, dir);
	return system(command) == 0;
}

static void every_manner(void)
{
	static struct target_group groups[N_MANNERS];
	static struct target targets[N_MANNERS];
	static struct forward forwards[N_MANNERS];
	static struct port_range matchers[N_MANNERS];
	static char names[N_MANNERS][16];

	world_init(&w, 1);
	for (size_t i = 0; i < N_MANNERS; i++) {
		const struct manner *m = &manners[i];

		snprintf(names[i], sizeof(names[i]), "g%zu", i);
		matchers[i] = (struct port_range){ m->first, m->last };
		targets[i] = (struct target){ .interface = -1, .weight = 1 };
		targets[i].port = m->port;
		addr_parse(m->address, &targets[i].address);
		groups[i] = w.group;
		groups[i].name = names[i];
		groups[i].targets = &targets[i];
		groups[i].health_check.protocol = m->protocol;
		groups[i].health_check.path = m->path;
		groups[i].health_check.matcher = &matchers[i];
		groups[i].health_check.timeout = 2;
		groups[i].health_check.interval = 300;
		groups[i].health_check.unhealthy_threshold = 1;
		forwards[i] = (struct forward){ (int)i, 1 };
	}
	w.model.target_groups = groups;
	w.model.n_target_groups = N_MANNERS;
	w.listener.forwards = forwards;
	w.listener.n_forwards = N_MANNERS;
	begin(probe_path);
	apply();
	wait_for(all_known, NULL);
	for (size_t i = 0; i < N_MANNERS; i++) {
		const struct state *s = state_of(i);

		if (!ok(s->state == manners[i].state && s->reason == manners[i].reason &&
				s->status == manners[i].status,
			"%s", manners[i].name))
			note("%s %s, status %u", state_name(s->state),
			     state_reason(s->reason), s->status);
	}
	for (size_t i = 0; i < N_MANNERS; i++)
		if (manners[i].path && strcmp(manners[i].path, "/slow") == 0)
			ok(h->groups[i].members[0]->last_us < 1000000,
			   "a check is over with the head, at once");
	ok(log_has("GET /hello?a=b 127.0.0.1:8001") && log_has("GET /six [::1]:8001") &&
		   log_has("GET /tls6 [::1]:8002"),
	   "the host that is asked for is the address and the port");
}

int main(int argc, char **argv)
{
	(void)argc;
	if (geteuid() != 0) {
		skip("it takes root to be root no longer", "the probe checks servers");
		return done();
	}
	place_enter(argv[0]);
	server_start(HTTP_PORT, false);
	server_start(HTTPS_PORT, true);
	every_manner();
	return done();
}
