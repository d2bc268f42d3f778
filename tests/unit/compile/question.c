/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/explain.h"
#include "config/json.h"
#include "tests/lib/tap.h"

/* Ends in what every good line needs, so that a row shows only what it is about. */
#define ENDS "'from':'192.0.2.1','to':'192.0.2.2'"

static const struct {
	const char *says;
	const char *line;    /* single quotes */
	const char *pointer; /* of the one complaint; NULL: good */
} lines[] = {
	{ "the least that is a question", "{" ENDS ",'protocol':'tcp'}", NULL },
	{ "all keys",
	  "{" ENDS ",'protocol':'udp','from_port':1,'to_port':65535,'icmp_type':0,"
	  "'icmp_code':255,'in':'veth1','tcp_flags':'SA'}",
	  NULL },
	{ "null is absent", "{" ENDS ",'protocol':6,'in':null,'icmp_type':null}", NULL },
	{ "a protocol by number", "{" ENDS ",'protocol':47}", NULL },
	{ "a protocol by number in quotes", "{" ENDS ",'protocol':'47'}", NULL },
	{ "no flag at all", "{" ENDS ",'protocol':'tcp','tcp_flags':''}", NULL },
	{ "no object", "[]", "" },
	{ "no sender", "{'to':'192.0.2.2','protocol':'tcp'}", "/from" },
	{ "no receiver", "{'from':'192.0.2.2','protocol':'tcp'}", "/to" },
	{ "no protocol", "{" ENDS "}", "/protocol" },
	{ "an unknown protocol", "{" ENDS ",'protocol':'ospf'}", "/protocol" },
	{ "all is no protocol of a packet", "{" ENDS ",'protocol':'all'}", "/protocol" },
	{ "protocol 256", "{" ENDS ",'protocol':256}", "/protocol" },
	{ "protocol 256 in quotes", "{" ENDS ",'protocol':'256'}", "/protocol" },
	{ "half a protocol", "{" ENDS ",'protocol':6.5}", "/protocol" },
	{ "an address with a port",
	  "{'from':'192.0.2.1:80','to':'192.0.2.2','protocol':6}", "/from" },
	{ "an address that is a number", "{'from':1,'to':'192.0.2.2','protocol':6}",
	  "/from" },
	{ "port 65536", "{" ENDS ",'protocol':6,'to_port':65536}", "/to_port" },
	{ "port -1", "{" ENDS ",'protocol':6,'from_port':-1}", "/from_port" },
	{ "a port in quotes", "{" ENDS ",'protocol':6,'from_port':'80'}", "/from_port" },
	{ "type 256", "{" ENDS ",'protocol':1,'icmp_type':256}", "/icmp_type" },
	{ "unknown flags", "{" ENDS ",'protocol':6,'tcp_flags':'SX'}", "/tcp_flags" },
	{ "flags that are a number", "{" ENDS ",'protocol':6,'tcp_flags':2}",
	  "/tcp_flags" },
	{ "a device that is a number", "{" ENDS ",'protocol':6,'in':1}", "/in" },
	{ "an unknown key", "{" ENDS ",'protocol':6,'to_prot':1}", "" },
};

static struct json *parse(const char *line)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_free_ char *text = strdup(line);
	struct json *j;

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (json_read("line", text, strlen(text), diag, &j) < 0)
		bail("no JSON: %s", line);
	return j;
}

static void test_lines(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(diag_freep) struct diag *diag = diag_new();
		_cleanup_(json_freep) struct json *j = parse(lines[i].line);
		struct question q = { .protocol = -7 };
		const struct complaint *list;
		size_t n;

		is(question_read(j, diag, &q), lines[i].pointer ? -EINVAL : 0, "%s is %s",
		   lines[i].says, lines[i].pointer ? "refused" : "taken");
		list = diag_list(diag, &n);
		is(n, lines[i].pointer ? 1 : 0, "%s: complaints", lines[i].says);
		if (n > 0)
			is_str(list[0].pointer, lines[i].pointer, "%s: the place",
			       lines[i].says);
		if (lines[i].pointer)
			is(q.protocol, -7, "%s: nothing is written", lines[i].says);
	}
}

static void test_values(void)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *j =
		parse("{" ENDS ",'protocol':'icmp','from_port':7,'to_port':65535,"
		      "'icmp_type':3,'in':'veth1','tcp_flags':'sA'}");
	struct question q;
	struct addr to;

	addr_parse("192.0.2.2", &to);
	is(question_read(j, diag, &q), 0, "a full line is read");
	ok(addr_compare(&q.to, &to) == 0, "the receiver is read");
	is(q.protocol, 1, "icmp between IPv4 addresses is ICMP");
	is(q.from_port, 7, "the source port is read");
	is(q.to_port, 65535, "the destination port is read");
	is(q.icmp_type, 3, "the type is read");
	is(q.icmp_code, -1, "a code that is not given is not there");
	is_str(q.in, "veth1", "the device is read");
	is(q.tcp_flags, 0x12, "flags are letters, large or small");
}

static void test_defaults(void)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_(json_freep) struct json *j =
		parse("{'from':'2001:db8::1','to':'2001:db8::2','protocol':'icmp'}");
	struct question q;

	is(question_read(j, diag, &q), 0, "a short line is read");
	is(q.protocol, 58, "icmp between IPv6 addresses is ICMPv6");
	is(q.tcp_flags, 2, "a packet is a SYN unless it says otherwise");
	is(q.icmp_type, -1, "no type is given");
	is_str(q.in, NULL, "no device is given");
}

int main(void)
{
	test_lines();
	test_values();
	test_defaults();
	return done();
}
