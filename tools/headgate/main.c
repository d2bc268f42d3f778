/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "help.h"

#define DEFAULT_SOCKET "/run/headgate/headgate.sock"

static const char *socket_path(const struct cli *cli)
{
	const char *env = getenv("HEADGATE_SOCKET");

	if (cli->socket)
		return cli->socket;
	return env && *env ? env : DEFAULT_SOCKET;
}

static bool wants_colour(const struct cli *cli)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	if (cli->no_color || cli->json || (none && *none))
		return false;
	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

static enum exit_code run(struct cli *cli)
{
	if (cli->help) {
		help_print(cli->command, stdout);
		return EXIT_YES;
	}
	if (!cli->command) {
		help_print(NULL, stderr);
		return EXIT_USAGE;
	}
	cli->socket = socket_path(cli);
	cli->colour = wants_colour(cli);
	return cli->command->run(cli);
}

int main(int argc, char **argv)
{
	char error[ARGS_ERROR];
	enum exit_code r;
	struct cli cli;

	/* A reader that has seen enough ends us quietly, as it does every filter. */
	signal(SIGPIPE, SIG_DFL);
	r = args_parse(argc, (const char *const *)argv, error, &cli);
	if (r != EXIT_YES)
		fprintf(stderr, "%s\n", error);
	else
		r = run(&cli);
	cli_done(&cli);
	/* An answer that did not reach the disk is no answer. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("headgate: standard output");
		return EXIT_REFUSED;
	}
	return r;
}
