/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* command: the one table from which come dispatch, help, completion and manual pages.
 *
 * Shape    commands[] ends with an entry without name, options[] likewise. A word such as
 *          "show" that takes a noun first lists its nouns in 'words'.
 * Units    Texts are sentences; 'about' is paragraphs, one string each, NULL at the end.
 * Owner    Constant data. A handler borrows its struct cli for the call.
 * Errors   Handlers have said what is wrong, on standard error, before they return
 *          anything but EXIT_YES.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/exit.h"

#define OPTIONS_MAX 16 /* of one command, global ones included */

struct option {
	const char *name;  /* without dashes */
	char letter;       /* 0: none */
	const char *value; /* what the argument is called; NULL: a flag */
	const char *help;
};

struct word {
	const char *name, *help;
	const char *args; /* what may follow the word, "" nothing */
};

struct cli;

enum argument_kind { ARGUMENT_NONE, ARGUMENT_FILE, ARGUMENT_WORD, ARGUMENT_OTHER };

struct command {
	const char *name;
	const char *args; /* as in the synopsis */
	const char *help; /* one line */
	const char *const *about;
	const char *const *examples; /* command lines, NULL at the end */
	const struct option *options;
	enum argument_kind kind;
	const struct word *words;    /* ARGUMENT_WORD */
	unsigned min_args, max_args; /* max 0 with a kind: as many as one likes */
	enum exit_code (*run)(const struct cli *cli);
	bool is_hidden;
};

extern const struct command commands[];
extern const struct option global_options[];

const struct command *command_find(const char *name);
/* The option of a command, or the global one; 'size' bytes of name or letter alone. */
const struct option *option_find(const struct command *c, const char *name, size_t size);
const struct option *option_letter(const struct command *c, char letter);

/* What was typed, read. */
struct cli {
	const struct command *command; /* NULL: none was named */
	const char *socket;
	bool json, no_color, help;
	bool colour; /* of standard output */
	const char **args;
	size_t n_args;
	struct {
		const struct option *option;
		const char *value; /* "" of a flag */
	} given[OPTIONS_MAX];
	size_t n_given;
};

/* NULL: not given. The name must be in the command's table. */
const char *cli_option(const struct cli *cli, const char *name);
static inline bool cli_flag(const struct cli *cli, const char *name)
{
	return cli_option(cli, name) != NULL;
}

enum exit_code cmd_apply(const struct cli *cli);
enum exit_code cmd_check(const struct cli *cli);
enum exit_code cmd_completion(const struct cli *cli);
enum exit_code cmd_confirm(const struct cli *cli);
enum exit_code cmd_explain(const struct cli *cli);
enum exit_code cmd_flows(const struct cli *cli);
enum exit_code cmd_help(const struct cli *cli);
enum exit_code cmd_history(const struct cli *cli);
enum exit_code cmd_manual(const struct cli *cli);
enum exit_code cmd_monitor(const struct cli *cli);
enum exit_code cmd_plan(const struct cli *cli);
enum exit_code cmd_rollback(const struct cli *cli);
enum exit_code cmd_schema(const struct cli *cli);
enum exit_code cmd_show(const struct cli *cli);
enum exit_code cmd_stats(const struct cli *cli);
enum exit_code cmd_version(const struct cli *cli);
