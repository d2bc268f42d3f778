/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <string.h>

#define ABOUT(...)                \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}
#define EXAMPLES(...)             \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}
#define OPTIONS(...)            \
	(const struct option[]) \
	{                       \
		__VA_ARGS__,    \
		{               \
		}               \
	}
#define WORDS(...)            \
	(const struct word[]) \
	{                     \
		__VA_ARGS__,  \
		{             \
		}             \
	}

const struct option global_options[] = {
	{ "socket", 's', "PATH",
	  "Where the agent listens. Default: $HEADGATE_SOCKET, or "
	  "/run/headgate/headgate.sock." },
	{ "json", 'j', NULL,
	  "Print one JSON document, or one a line where the command goes on printing." },
	{ "no-color", 0, NULL,
	  "Never colour. Colours are for terminals only, and off when $NO_COLOR is "
	  "set." },
	{ "help", 'h', NULL, "Say what the command does and takes." },
	{},
};

const struct command commands[] = {
	{
		.name = "check",
		.args = "FILE...",
		.help = "validate rule files",
		.about = ABOUT(
			"Reads every FILE as a rule set of its own; a directory is one "
			"rule set, merged from its *.json. All complaints are printed in "
			"one run, on standard output, as file:line:col: /json/pointer: "
			"sentence. Warnings are about what is allowed but hardly meant: "
			"rules that can never match, rules in the shadow of others, "
			"objects that nothing uses.",
			"A good rule set is also compiled, and the last line says what "
			"it would cost. No agent is asked and nothing is changed.",
			"Exit code 1 when there are errors."),
		.examples = EXAMPLES("headgate check /etc/headgate/rules.json",
				     "headgate check --strict rules.d/"),
		.options =
			OPTIONS({ "strict", 0, NULL, "Exit with 1 on warnings, too." }),
		.kind = ARGUMENT_FILE,
		.min_args = 1,
		.run = cmd_check,
	},
	{
		.name = "plan",
		.args = "FILE",
		.help = "show what apply would change",
		.about = ABOUT("Compares FILE with the rule set in force, object by "
			       "object: + is new, - goes, ~ changes. Nothing is changed.",
			       "Exit code 0: the same; 1: there are changes, or FILE has "
			       "errors."),
		.examples = EXAMPLES("headgate plan rules.json",
				     "headgate plan rules.json --against old.json"),
		.options = OPTIONS(
			{ "against", 0, "FILE",
			  "Compare with this rule set instead; no agent is asked." }),
		.kind = ARGUMENT_FILE,
		.min_args = 1,
		.max_args = 1,
		.run = cmd_plan,
	},
	{
		.name = "apply",
		.args = "FILE",
		.help = "put a rule set in force",
		.about = ABOUT(
			"Validates and compiles FILE, loads it, and switches to it at "
			"once for all packets. Prefix list files are sent along. When "
			"the command has returned every packet meets the new rules; when "
			"anything is wrong nothing has changed.",
			"With --confirm-within the previous rule set comes back by "
			"itself unless \"headgate confirm\" is typed in time: a mistake "
			"cannot lock you out for long."),
		.examples = EXAMPLES("headgate apply rules.json",
				     "headgate apply --confirm-within 60s rules.json"),
		.options = OPTIONS({ "confirm-within", 0, "TIME",
				     "Put the previous rule set back unless confirmed "
				     "within TIME: 60, 60s, 5m, 2h; at most 24h." }),
		.kind = ARGUMENT_FILE,
		.min_args = 1,
		.max_args = 1,
		.run = cmd_apply,
	},
	{
		.name = "confirm",
		.args = "",
		.help = "keep a rule set that was applied with --confirm-within",
		.about = ABOUT("Exit code 1 when nothing waits for a confirmation."),
		.run = cmd_confirm,
	},
	{
		.name = "rollback",
		.args = "[VERSION]",
		.help = "put an earlier rule set back",
		.about = ABOUT("Makes a new version with the document of VERSION, or of "
			       "the version before the current one. \"headgate history\" "
			       "lists the versions."),
		.kind = ARGUMENT_OTHER,
		.max_args = 1,
		.run = cmd_rollback,
	},
	{
		.name = "history",
		.args = "",
		.help = "list the versions: who applied what, and when",
		.about = ABOUT(
			"Newest first. The version in force is marked with an asterisk."),
		.run = cmd_history,
	},
	{
		.name = "show",
		.args = "NOUN [NAME]",
		.help = "show what is in force, with hit counters",
		.about = ABOUT(
			"With a NAME, only the object of that name.",
			"Hits count judgements, that is new connections, untracked and "
			"refused packets, not the packets of tracked connections."),
		.examples = EXAMPLES("headgate show nacls edge",
				     "headgate show routes private", "headgate show nat",
				     "headgate show targets web", "headgate show rules 7",
				     "headgate show devices --json"),
		.kind = ARGUMENT_WORD,
		.words = WORDS(
			{ "rules", "the rule set itself, as it was applied",
			  "[VERSION]" },
			{ "interfaces",
			  "instances: addresses, elastic IPs, groups and devices",
			  "[NAME]" },
			{ "subnets",
			  "subnets, their devices, network ACLs and route tables",
			  "[NAME]" },
			{ "routes",
			  "route tables: routes, whether they lead anywhere, with hits",
			  "[NAME]" },
			{ "nacls", "network ACLs: rules in order, with hits", "[NAME]" },
			{ "security-groups", "security groups: rules, with hits",
			  "[NAME]" },
			{ "nat", "NAT gateways: addresses, settings and metrics",
			  "[NAME]" },
			{ "load-balancers",
			  "load balancers: listeners, healthy targets and metrics",
			  "[NAME]" },
			{ "targets",
			  "targets: health and why, connections, checks; of one group "
			  "by its name",
			  "[GROUP]" },
			{ "limits",
			  "rate limits: how many sources are above them, what was "
			  "dropped",
			  "[NAME]" },
			{ "prefix-lists", "prefix lists and how full they are",
			  "[NAME]" },
			{ "devices", "devices: attached how, where and why", "[NAME]" }),
		.max_args = 2,
		.run = cmd_show,
	},
	{
		.name = "explain",
		.args = "--from ADDR[:PORT] --to ADDR[:PORT]",
		.help = "say what would happen to a packet, and by which rule",
		.about = ABOUT(
			"Judges one packet, stage by stage. With an agent the loaded "
			"program itself judges; nothing is counted and no connection is "
			"touched. With --config a rule file is the law and no agent is "
			"asked: the same code, compiled for this program, judges.",
			"At a gateway the whole way is told: the route that decides, "
			"what NAT makes of the packet, and to whom it goes. Steps at "
			"the border of a NAT gateway's subnet say so under AT. --return "
			"judges the answer to the packet as it went out.",
			"Exit code 0: allowed; 1: dropped. With --packets: 0 when every "
			"line was judged, 2 when a line could not be read.",
			"A line of --packets is one JSON object with the keys from, "
			"from_port, to, to_port, protocol, icmp_type, icmp_code, in and "
			"tcp_flags; answers are JSON, one a line in the same order."),
		.examples = EXAMPLES("headgate explain --from 10.0.0.9 --to "
				     "10.0.1.10:443 --protocol tcp",
				     "headgate explain --config rules.json --from "
				     "fd00::9 --to [fd00::1]:53 -p udp",
				     "headgate explain --from 10.0.0.9 --to 10.0.1.10 -p "
				     "icmp --return",
				     "headgate explain --from 198.51.100.7 --to "
				     "203.0.113.10:443 --in eth0",
				     "headgate explain --packets packets.jsonl"),
		.options = OPTIONS(
			{ "from", 0, "ADDR[:PORT]",
			  "Who sends; an IPv6 address with a port is [ADDR]:PORT. "
			  "Without a port an ephemeral one is taken." },
			{ "to", 0, "ADDR[:PORT]", "To whom." },
			{ "protocol", 'p', "P",
			  "tcp, udp, icmp, icmpv6 or a number. Default: tcp." },
			{ "in", 0, "DEVICE",
			  "The device that the packet comes in by. Default: where such a "
			  "packet would." },
			{ "icmp-type", 0, "N", "Default: an echo request." },
			{ "icmp-code", 0, "N", "Default: 0." },
			{ "tcp-flags", 0, "FLAGS", "Letters of FSRPAUEC. Default: S." },
			{ "return", 0, NULL, "Judge the answer to the packet, too." },
			{ "config", 0, "FILE",
			  "Judge by this rule set; no agent is asked." },
			{ "packets", 0, "FILE",
			  "Judge every line of FILE; - is standard input." }),
		.run = cmd_explain,
	},
	{
		.name = "flows",
		.args = "",
		.help = "list tracked connections",
		.about =
			ABOUT("One line a connection, in no order; the source is whoever "
			      "opened it. Packets and bytes are of both directions. NAT "
			      "is what the ends become on the way: the source, or \"to\" "
			      "the destination, which through a load balancer is the "
			      "target."),
		.examples = EXAMPLES("headgate flows --to 10.0.1.0/24 --port 443",
				     "headgate flows --nat 203.0.113.20 --port 40001",
				     "headgate flows --state established --watch"),
		.options = OPTIONS(
			{ "from", 0, "ADDR", "Opened by this address or CIDR." },
			{ "to", 0, "ADDR", "Opened to this address or CIDR." },
			{ "nat", 0, "ADDR",
			  "With an end that NAT turns into this address or CIDR." },
			{ "port", 0, "PORT",
			  "With this port at either end, before or after NAT." },
			{ "protocol", 'p', "P", "tcp, udp, icmp, icmpv6 or a number." },
			{ "state", 0, "STATE", "Such as established or syn_sent." },
			{ "limit", 'n', "N", "At most so many; 0: all. Default: 10000." },
			{ "watch", 'w', NULL,
			  "Again every interval, until interrupted." },
			{ "interval", 0, "TIME", "Of --watch. Default: 2s." }),
		.run = cmd_flows,
	},
	{
		.name = "stats",
		.args = "",
		.help = "show counters: packets, bytes, drops by reason",
		.about = ABOUT("Every frame is counted exactly once: received is passed "
			       "and dropped. Counters live as long as the data plane."),
		.options = OPTIONS(
			{ "watch", 'w', NULL,
			  "Again every interval, with rates, until interrupted." },
			{ "interval", 0, "TIME", "Of --watch. Default: 2s." }),
		.run = cmd_stats,
	},
	{
		.name = "monitor",
		.args = "",
		.help = "print events as they happen",
		.about = ABOUT(
			"Drops with reason and rule, connections that open, rule-set, "
			"device and health changes; one line an event, until "
			"interrupted."),
		.options = OPTIONS({ "drops", 0, NULL, "Drops only." }),
		.run = cmd_monitor,
	},
	{
		.name = "schema",
		.args = "",
		.help = "print the JSON Schema of a rule set",
		.about = ABOUT(
			"JSON Schema 2020-12, made from the tables that check reads by. "
			"Editors can complete and check rule files with it."),
		.run = cmd_schema,
	},
	{
		.name = "version",
		.args = "",
		.help = "print the versions of this program and of the agent",
		.about = ABOUT("An agent that does not answer is no error."),
		.run = cmd_version,
	},
	{
		.name = "completion",
		.args = "SHELL",
		.help = "print a completion script",
		.about = ABOUT("For bash, put it where bash-completion looks; for zsh, "
			       "in a file _headgate in $fpath; for fish, in "
			       "~/.config/fish/completions/headgate.fish."),
		.examples = EXAMPLES(
			"headgate completion bash > /etc/bash_completion.d/headgate"),
		.kind = ARGUMENT_WORD,
		.words = WORDS({ "bash", "for bash", "" }, { "zsh", "for zsh", "" },
			       { "fish", "for fish", "" }),
		.max_args = 1,
		.run = cmd_completion,
	},
	{
		.name = "help",
		.args = "[COMMAND]",
		.help = "say what a command does and takes",
		.about = ABOUT("The same as headgate COMMAND --help."),
		.kind = ARGUMENT_OTHER,
		.max_args = 1,
		.run = cmd_help,
	},
	{
		.name = "manual",
		.args = "DIR",
		.help = "write the manual pages",
		.about = ABOUT("Writes headgate.1 and a page for each command into DIR."),
		.kind = ARGUMENT_FILE,
		.min_args = 1,
		.max_args = 1,
		.run = cmd_manual,
		.is_hidden = true,
	},
	{},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static const struct option *find_in(const struct option *o, const char *name, size_t size)
{
	for (; o && o->name; o++)
		if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
			return o;
	return NULL;
}

const struct option *option_find(const struct command *c, const char *name, size_t size)
{
	const struct option *o = c ? find_in(c->options, name, size) : NULL;

	return o ? o : find_in(global_options, name, size);
}

const struct option *option_letter(const struct command *c, char letter)
{
	for (const struct option *o = c ? c->options : NULL; o && o->name; o++)
		if (o->letter == letter)
			return o;
	for (const struct option *o = global_options; o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}
