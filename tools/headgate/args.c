/* SPDX-License-Identifier: Apache-2.0 */
#include "args.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define WORDS_MAX 64

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance of words shorter than 32 letters; longer ones are far away. */
static size_t distance(const char *a, const char *b)
{
	size_t row[33], n = strlen(b);

	if (strlen(a) > 32 || n > 32)
		return 33;
	for (size_t k = 0; k <= n; k++)
		row[k] = k;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t k = 1; k <= n; k++) {
			size_t swap = diagonal + (a[i - 1] != b[k - 1]);

			diagonal = row[k];
			row[k] = smaller(swap, smaller(row[k], row[k - 1]) + 1);
		}
	}
	return row[n];
}

const char *nearest(const char *typed, const char *const words[], size_t n)
{
	const char *best = NULL;
	size_t least = 3;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(typed, words[i]);

		if (d < least && d < strlen(words[i])) {
			least = d;
			best = words[i];
		}
	}
	return best;
}

static enum exit_code wrong(char error[static ARGS_ERROR], const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static enum exit_code wrong(char error[static ARGS_ERROR], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, ARGS_ERROR, format, args);
	va_end(args);
	return EXIT_USAGE;
}

/* ", did you mean WORD?" of what was typed, or "". */
static const char *hint(const char *typed, const char *dashes, const char *const words[],
			size_t n, char buf[static 80])
{
	const char *word = nearest(typed, words, n);

	buf[0] = '\0';
	if (word)
		snprintf(buf, 80, ", did you mean %s%s?", dashes, word);
	return buf;
}

static enum exit_code wrong_command(const char *typed, char error[static ARGS_ERROR])
{
	const char *words[WORDS_MAX];
	char buf[80];
	size_t n = 0;

	for (const struct command *c = commands; c->name && n < WORDS_MAX; c++)
		if (!c->is_hidden)
			words[n++] = c->name;
	return wrong(error,
		     "headgate: no command is called \"%.64s\"%s\nTry headgate --help.",
		     typed, hint(typed, "", words, n, buf));
}

static enum exit_code wrong_option(const struct command *c, const char *typed,
				   char error[static ARGS_ERROR])
{
	const char *words[WORDS_MAX], *name = typed + strspn(typed, "-");
	char buf[80];
	size_t n = 0;

	for (const struct option *o = global_options; o->name && n < WORDS_MAX; o++)
		words[n++] = o->name;
	for (const struct option *o = c ? c->options : NULL;
	     o && o->name && n < WORDS_MAX; o++)
		words[n++] = o->name;
	return wrong(
		error,
		"headgate%s%s: no option is called %.64s%s\nTry headgate%s%s --help.",
		c ? " " : "", c ? c->name : "", typed, hint(name, "--", words, n, buf),
		c ? " " : "", c ? c->name : "");
}

static enum exit_code wrong_word(const struct command *c, const char *typed,
				 char error[static ARGS_ERROR])
{
	const char *words[WORDS_MAX];
	char list[256] = "", buf[80];
	size_t n = 0;

	for (const struct word *w = c->words; w->name && n < WORDS_MAX; w++) {
		size_t at = strlen(list);

		words[n++] = w->name;
		snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "", w->name);
	}
	if (!typed)
		return wrong(error, "headgate %s: say which: %s", c->name, list);
	return wrong(error, "headgate %s: cannot %s \"%.64s\"%s\nThere are: %s", c->name,
		     c->name, typed, hint(typed, "", words, n, buf), list);
}

static enum exit_code put(struct cli *cli, const struct option *o, const char *value,
			  char error[static ARGS_ERROR])
{
	if (strcmp(o->name, "socket") == 0)
		cli->socket = value;
	else if (strcmp(o->name, "json") == 0)
		cli->json = true;
	else if (strcmp(o->name, "no-color") == 0)
		cli->no_color = true;
	else if (strcmp(o->name, "help") == 0)
		cli->help = true;
	else if (cli->n_given == OPTIONS_MAX)
		return wrong(error, "headgate: too many options");
	else if (cli_option(cli, o->name))
		return wrong(error, "headgate %s: --%s is given twice",
			     cli->command->name, o->name);
	else {
		cli->given[cli->n_given].option = o;
		cli->given[cli->n_given++].value = value ? value : "";
	}
	return EXIT_YES;
}

/* argv[*i] is an option; moves *i over its value. */
static enum exit_code parse_option(struct cli *cli, int argc, const char *const argv[],
				   int *i, char error[static ARGS_ERROR])
{
	const char *typed = argv[*i], *value = NULL, *equals = NULL;
	const struct option *o;

	if (typed[1] == '-') {
		equals = strchr(typed, '=');
		o = option_find(cli->command, typed + 2,
				equals ? (size_t)(equals - typed) - 2
				       : strlen(typed + 2));
	} else {
		o = typed[2] ? NULL : option_letter(cli->command, typed[1]);
	}
	if (!o)
		return wrong_option(cli->command, typed, error);
	if (!o->value && equals)
		return wrong(error, "headgate: --%s takes no value", o->name);
	if (o->value) {
		value = equals ? equals + 1 : argv[++*i < argc ? *i : argc];
		if (*i >= argc || !value || !*value)
			return wrong(error, "headgate: --%s wants a value: --%s %s",
				     o->name, o->name, o->value);
	}
	return put(cli, o, value, error);
}

static enum exit_code check_counts(const struct cli *cli, char error[static ARGS_ERROR])
{
	const struct command *c = cli->command;

	if (!c || cli->help)
		return EXIT_YES;
	if (c->kind == ARGUMENT_WORD) {
		const struct word *w = c->words;

		while (w->name &&
		       (cli->n_args == 0 || strcmp(w->name, cli->args[0]) != 0))
			w++;
		if (!w->name)
			return wrong_word(c, cli->n_args ? cli->args[0] : NULL, error);
		if (cli->n_args > 1 && !*w->args)
			return wrong(error,
				     "headgate %s %s: \"%.64s\" is one word too many",
				     c->name, w->name, cli->args[1]);
	}
	if (cli->n_args < c->min_args)
		return wrong(error, "headgate %s: something is missing: headgate %s %s",
			     c->name, c->name, c->args);
	if (cli->n_args > c->max_args && (c->max_args || c->kind == ARGUMENT_NONE))
		return wrong(
			error,
			"headgate %s: \"%.64s\" is one word too many: headgate %s %s",
			c->name, cli->args[c->max_args], c->name, c->args);
	return EXIT_YES;
}

enum exit_code args_parse(int argc, const char *const argv[],
			  char error[static ARGS_ERROR], struct cli *ret)
{
	bool has_options = true;
	enum exit_code r;

	*ret = (struct cli){ .args = calloc(argc + 1, sizeof(*ret->args)) };
	if (!ret->args)
		return wrong(error, "headgate: out of memory");
	for (int i = 1; i < argc; i++) {
		r = EXIT_YES;
		if (has_options && strcmp(argv[i], "--") == 0) {
			has_options = false;
		} else if (has_options && argv[i][0] == '-' && argv[i][1]) {
			r = parse_option(ret, argc, argv, &i, error);
		} else if (!ret->command) {
			ret->command = command_find(argv[i]);
			r = ret->command ? EXIT_YES : wrong_command(argv[i], error);
		} else {
			ret->args[ret->n_args++] = argv[i];
		}
		if (r != EXIT_YES)
			return r;
	}
	return check_counts(ret, error);
}

void cli_done(struct cli *cli)
{
	free(cli->args);
	cli->args = NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
	assert(option_find(cli->command, name, strlen(name)));
	for (size_t i = 0; i < cli->n_given; i++)
		if (strcmp(cli->given[i].option->name, name) == 0)
			return cli->given[i].value;
	return NULL;
}

int count_parse(const char *text, unsigned max, unsigned *ret)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

int seconds_parse(const char *text, unsigned max, unsigned *ret)
{
	static const char units[] = "smh";
	static const unsigned seconds[] = { 1, 60, 3600 };
	unsigned long n;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || n > max)
		return -EINVAL;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -EINVAL;
		n *= seconds[unit - units];
	}
	if (n < 1 || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}
