/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <stdio.h>
#include <unistd.h>

#include "args.h"

#define INTERVAL_DEFAULT 2
#define INTERVAL_MAX     86400

enum exit_code watch(const struct cli *cli,
		     enum exit_code (*once)(const struct cli *, void *), void *arg)
{
	const char *interval = cli_option(cli, "interval");
	bool has_screen = !cli->json && isatty(STDOUT_FILENO);
	unsigned seconds = INTERVAL_DEFAULT;
	enum exit_code r;

	if (interval && seconds_parse(interval, INTERVAL_MAX, &seconds) < 0) {
		fprintf(stderr,
			"headgate %s: --interval %s: not a time such as 2s or 1m\n",
			cli->command->name, interval);
		return EXIT_USAGE;
	}
	if (!cli_flag(cli, "watch"))
		return once(cli, arg);
	for (;;) {
		if (has_screen)
			fputs("\033[H\033[2J", stdout);
		r = once(cli, arg);
		if (r != EXIT_YES || fflush(stdout) != 0)
			return r;
		sleep(seconds);
		if (!has_screen && !cli->json)
			putchar('\n');
	}
}
