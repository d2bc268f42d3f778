/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "ctl/access.h"
#include "ctl/proto.h"
#include "loop.h"

static const char usage[] =
	"Usage: headgated [OPTIONS]\n"
	"\n"
	"  --config FILE      rule set (or directory of them) for an empty state "
	"directory,\n"
	"                     and for reloads (SIGHUP)\n"
	"  --socket PATH      control socket (" PROTO_SOCKET ")\n"
	"  --state-dir DIR    history of rule sets (" PROTO_STATE_DIR ")\n"
	"  --bpf-dir DIR      pins, on a bpffs (" PROTO_BPF_DIR ")\n"
	"  --log-level L      error, warning, info or debug (info)\n"
	"  --detach-all       remove every program, link and pin of --bpf-dir, and exit\n"
	"  --version          print the version, and exit\n"
	"  --help             print this, and exit\n"
	"\n"
	"Exit codes: 0 done, 2 wrong usage, 4 the kernel or the machine refused.\n";

enum {
	OPT_CONFIG = 256,
	OPT_SOCKET,
	OPT_STATE,
	OPT_BPF,
	OPT_LOG,
	OPT_DETACH,
	OPT_VERSION,
	OPT_HELP
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "state-dir", required_argument, NULL, OPT_STATE },
	{ "bpf-dir", required_argument, NULL, OPT_BPF },
	{ "log-level", required_argument, NULL, OPT_LOG },
	{ "detach-all", no_argument, NULL, OPT_DETACH },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{},
};

static enum exit_code detach_all(const struct options *options)
{
	struct history *history = NULL;
	struct netlink *netlink = NULL;
	int r;

	/* Its lock tells whether an agent is at work. */
	if (access(options->state_dir, F_OK) == 0) {
		r = history_open(options->state_dir, &history);
		if (r == -EBUSY) {
			log_error("%s: an agent is running; stop it first",
				  options->state_dir);
			return EXIT_REFUSED;
		}
	}
	r = netlink_new(&netlink);
	if (r == 0)
		r = attach_detach_all(options->bpf_dir, netlink);
	netlink_free(netlink);
	history_free(history);
	if (r < 0) {
		log_error("%s: cannot detach: %s", options->bpf_dir, strerror(-r));
		return EXIT_REFUSED;
	}
	return EXIT_YES;
}

static enum exit_code serve(const struct options *options)
{
	_cleanup_close_ int fd = -1;
	struct agent *a = NULL;
	enum exit_code code;

	loop_hold_signals();
	/* First of all: where another agent answers, nothing may be loaded or attached. Who
	 * asks early waits in the queue. */
	fd = access_socket(options->socket);
	if (fd < 0) {
		log_error("%s: %s", options->socket,
			  fd == -EADDRINUSE ? "another agent answers there"
					    : strerror(-fd));
		return EXIT_REFUSED;
	}
	code = agent_new(options, &a);
	if (code == EXIT_YES)
		code = loop_run(a, TAKE_FD(fd));
	agent_free(a);
	unlink(options->socket);
	return code;
}

int main(int argc, char **argv)
{
	struct options options = { .socket = PROTO_SOCKET,
				   .state_dir = PROTO_STATE_DIR,
				   .bpf_dir = PROTO_BPF_DIR };
	enum log_level level;
	bool is_detach = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (opt) {
		case OPT_CONFIG:
			options.config = optarg;
			break;
		case OPT_SOCKET:
			options.socket = optarg;
			break;
		case OPT_STATE:
			options.state_dir = optarg;
			break;
		case OPT_BPF:
			options.bpf_dir = optarg;
			break;
		case OPT_LOG:
			if (log_level_parse(optarg, &level) < 0) {
				fprintf(stderr,
					"headgated: --log-level %s is not error, "
					"warning, "
					"info or debug\n",
					optarg);
				return EXIT_USAGE;
			}
			log_set_level(level);
			break;
		case OPT_DETACH:
			is_detach = true;
			break;
		case OPT_VERSION:
			printf("headgated %s\n", HG_VERSION);
			return EXIT_YES;
		case OPT_HELP:
			fputs(usage, stdout);
			return EXIT_YES;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "headgated: what is \"%s\"?\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	return is_detach ? detach_all(&options) : serve(&options);
}
