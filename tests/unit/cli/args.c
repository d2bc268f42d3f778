/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/headgate/args.h"

#include <string.h>

#include "tests/lib/tap.h"
#include "tools/headgate/explain.h"

#define WORDS 12

static const struct {
	const char *says;
	const char *typed[WORDS];
	enum exit_code want;
	const char *error; /* part of it */
} lines[] = {
	{ "a command and its file", { "check", "a.json" }, EXIT_YES, "" },
	{ "options before and after the file",
	  { "plan", "--against", "b", "a", "--json" },
	  EXIT_YES,
	  "" },
	{ "global options before the command",
	  { "--json", "-s", "/x", "stats" },
	  EXIT_YES,
	  "" },
	{ "a value after an equals sign", { "plan", "--against=b", "a" }, EXIT_YES, "" },
	{ "a name that begins with a dash, after --",
	  { "check", "--", "-a" },
	  EXIT_YES,
	  "" },
	{ "a dash alone is an argument", { "check", "-" }, EXIT_YES, "" },
	{ "no command at all is for main() to mend", {}, EXIT_YES, "" },
	{ "help needs no arguments", { "apply", "--help" }, EXIT_YES, "" },
	{ "an unknown command", { "frobnicate" }, EXIT_USAGE, "no command is called" },
	{ "a mistyped command", { "chekc", "a" }, EXIT_USAGE, "did you mean check?" },
	{ "an unknown option",
	  { "check", "--frob", "a" },
	  EXIT_USAGE,
	  "no option is called" },
	{ "a mistyped option",
	  { "check", "--stric", "a" },
	  EXIT_USAGE,
	  "mean --strict?" },
	{ "an option of another command",
	  { "check", "--drops", "a" },
	  EXIT_USAGE,
	  "no option" },
	{ "an unknown letter",
	  { "check", "-x", "a" },
	  EXIT_USAGE,
	  "no option is called -x" },
	{ "bundled letters", { "stats", "-jw" }, EXIT_USAGE, "no option" },
	{ "a missing value", { "plan", "a", "--against" }, EXIT_USAGE, "wants a value" },
	{ "an empty value", { "plan", "a", "--against=" }, EXIT_USAGE, "wants a value" },
	{ "a value for a flag",
	  { "check", "--strict=1", "a" },
	  EXIT_USAGE,
	  "takes no value" },
	{ "an option twice",
	  { "plan", "a", "--against", "b", "--against", "c" },
	  EXIT_USAGE,
	  "given twice" },
	{ "a missing file", { "check" }, EXIT_USAGE, "something is missing" },
	{ "a file too many", { "apply", "a", "b" }, EXIT_USAGE, "one word too many" },
	{ "as many files as one likes", { "check", "a", "b", "c" }, EXIT_YES, "" },
	{ "an argument where none is taken",
	  { "stats", "a" },
	  EXIT_USAGE,
	  "one word too many" },
	{ "a noun", { "show", "nacls", "edge" }, EXIT_YES, "" },
	{ "no noun", { "show" }, EXIT_USAGE, "say which: rules, interfaces" },
	{ "a mistyped noun", { "show", "nacl" }, EXIT_USAGE, "did you mean nacls?" },
	{ "an unknown noun", { "show", "elephants" }, EXIT_USAGE, "There are: rules" },
	{ "a word after a word that takes none",
	  { "completion", "bash", "x" },
	  EXIT_USAGE,
	  "too many" },
};

static void test_lines(void)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *argv[WORDS + 1] = { "headgate" };
		char error[ARGS_ERROR] = "";
		struct cli cli;
		int n = 1;

		while (n <= WORDS && lines[i].typed[n - 1]) {
			argv[n] = lines[i].typed[n - 1];
			n++;
		}
		is(args_parse(n, argv, error, &cli), lines[i].want, "%s", lines[i].says);
		if (*lines[i].error &&
		    !ok(strstr(error, lines[i].error) != NULL, "%s is answered by \"%s\"",
			lines[i].says, lines[i].error))
			note("got %s", error);
		cli_done(&cli);
	}
}

static void test_values(void)
{
	const char *argv[] = { "headgate", "--no-color", "explain", "-p",    "udp",
			       "--from=a", "--return",   "-s",      "/sock", "--json" };
	char error[ARGS_ERROR];
	struct cli cli;

	is(args_parse(10, argv, error, &cli), EXIT_YES, "a long line is read");
	is_str(cli_option(&cli, "protocol"), "udp", "a letter is its option");
	is_str(cli_option(&cli, "from"), "a", "a value is kept");
	ok(cli_flag(&cli, "return"), "a flag is kept");
	is_str(cli_option(&cli, "to"), NULL, "what was not given is not there");
	is_str(cli.socket, "/sock", "the socket is kept");
	ok(cli.json && cli.no_color, "global flags are kept");
	cli_done(&cli);
}

static const struct {
	const char *text;
	int want;
	unsigned seconds;
} times[] = {
	{ "60", 0, 60 },    { "60s", 0, 60 },  { "5m", 0, 300 }, { "24h", 0, 86400 },
	{ "25h", -22, 0 },  { "0", -22, 0 },   { "", -22, 0 },   { "-1", -22, 0 },
	{ "1x", -22, 0 },   { "1ss", -22, 0 }, { " 1", -22, 0 }, { "86401", -22, 0 },
	{ "1.5m", -22, 0 }, { "1d", -22, 0 },
};

static void test_times(void)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		unsigned seconds = 0;

		is(seconds_parse(times[i].text, 86400, &seconds), times[i].want,
		   "the time \"%s\" is %s", times[i].text,
		   times[i].want ? "refused" : "taken");
		is(seconds, times[i].seconds, "\"%s\" is %u seconds", times[i].text,
		   times[i].seconds);
	}
}

static const struct {
	const char *text;
	int want;
	unsigned port;
	bool has_port;
} ends[] = {
	{ "192.0.2.1", 0, 0, false },
	{ "192.0.2.1:80", 0, 80, true },
	{ "192.0.2.1:0", 0, 0, true },
	{ "2001:db8::1", 0, 0, false },
	{ "[2001:db8::1]", 0, 0, false },
	{ "[2001:db8::1]:80", 0, 80, true },
	{ "::1", 0, 0, false },
	{ "192.0.2.1:", -22, 0, false },
	{ "192.0.2.1:65536", -22, 0, false },
	{ "[192.0.2.1]:80", -22, 0, false },
	{ "[2001:db8::1", -22, 0, false },
	{ "[2001:db8::1]80", -22, 0, false },
	{ "example.org:80", -22, 0, false },
	{ "", -22, 0, false },
	{ "192.0.2.1:+80", -22, 0, false },
	{ "192.0.2.0/24", -22, 0, false },
};

static void test_ends(void)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		bool has_port = false;
		uint16_t port = 0;
		struct addr a;

		is(end_parse(ends[i].text, &a, &port, &has_port), ends[i].want,
		   "\"%s\" is %s", ends[i].text,
		   ends[i].want ? "no end of a packet" : "an end");
		is(port, ends[i].port, "the port of \"%s\" is %u", ends[i].text,
		   ends[i].port);
		is(has_port, ends[i].has_port, "\"%s\" has %s port", ends[i].text,
		   ends[i].has_port ? "a" : "no");
	}
}

/* What the table promises to its readers: completion, manual and dispatch. */
static void test_table(void)
{
	for (const struct command *c = commands; c->name; c++) {
		unsigned n = 4; /* global options */

		ok(c->run && c->help && c->about && c->about[0],
		   "%s can be run and explained", c->name);
		ok(command_find(c->name) == c, "%s is found by its name", c->name);
		for (const struct option *o = c->options; o && o->name; o++, n++)
			ok(option_find(c, o->name, strlen(o->name)) == o &&
				   (!o->letter || option_letter(c, o->letter) == o),
			   "--%s of %s hides no other option", o->name, c->name);
		ok(n <= OPTIONS_MAX, "%s has room for all its options", c->name);
	}
}

int main(void)
{
	test_lines();
	test_values();
	test_times();
	test_ends();
	test_table();
	return done();
}
