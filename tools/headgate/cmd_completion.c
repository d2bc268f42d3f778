/* SPDX-License-Identifier: Apache-2.0 */

/* Completion scripts: the command table, written out in three languages. What a shell must
 * know is the same for all: the commands, each one's options with or without a value, and
 * what its first argument is.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

static bool wants_file(const struct option *o)
{
	return o->value &&
	       (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "PATH") == 0);
}

/* ---- bash ---- */

static void bash_options(const struct option *o)
{
	for (; o && o->name; o++)
		printf(" --%s", o->name);
}

/* "-s|--socket" of every option that 'is' says, as a pattern of case; "" when none. */
static size_t bash_pattern(size_t n, const struct option *o,
			   bool (*is)(const struct option *))
{
	for (; o && o->name; o++) {
		if (!is(o))
			continue;
		printf("%s--%s", n++ ? "|" : "\t", o->name);
		if (o->letter)
			printf("|-%c", o->letter);
	}
	return n;
}

static bool wants_other(const struct option *o)
{
	return o->value && !wants_file(o);
}

static void bash_values(const struct command *c)
{
	if (bash_pattern(bash_pattern(0, global_options, wants_file), c->options,
			 wants_file))
		puts(")\n\t\tCOMPREPLY=($(compgen -f -- \"$word\")); return ;;");
	if (bash_pattern(0, c->options, wants_other))
		puts(")\n\t\treturn ;;");
}

static void print_bash(void)
{
	puts("# bash completion for headgate\n"
	     "_headgate() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\tlocal command= options= words= files= i\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in\n"
	     "\t\t-s|--socket) ((i++)) ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $command in");
	for (const struct command *c = commands; c->name; c++) {
		if (c->is_hidden)
			continue;
		printf("\t%s)\n\t\tcase $before in\n", c->name);
		bash_values(c);
		printf("\t\tesac\n\t\toptions=\"");
		bash_options(c->options);
		printf("\"\n");
		if (c->words) {
			printf("\t\twords=\"");
			for (const struct word *w = c->words; w->name; w++)
				printf(" %s", w->name);
			printf("\"\n");
		}
		if (c->kind == ARGUMENT_FILE)
			puts("\t\tfiles=1");
		puts("\t\t;;");
	}
	printf("\t*)\n\t\t[[ $before == -s || $before == --socket ]] &&\n"
	       "\t\t\t{ COMPREPLY=($(compgen -f -- \"$word\")); return; }\n\t\twords=\"");
	for (const struct command *c = commands; c->name; c++)
		if (!c->is_hidden)
			printf(" %s", c->name);
	printf("\"\n\t\t;;\n\tesac\n\toptions+=\"");
	bash_options(global_options);
	puts("\"\n"
	     "\tif [[ $word == -* ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
	     "\telif [[ $files ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -f -- \"$word\"))\n"
	     "\telse\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	     "\tfi\n"
	     "}\n"
	     "complete -o filenames -F _headgate headgate");
}

/* ---- zsh and fish ---- */

/* 'text' inside single quotes of a shell; zsh's specifications also need ':', '[' and ']'
 * escaped. */
static void print_quoted(const char *text, const char *escaped)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (strchr(escaped, *text))
			putchar('\\');
		putchar(*text);
	}
}

static void zsh_options(const struct option *o)
{
	for (; o && o->name; o++) {
		for (int i = o->letter ? 0 : 1; i < 2; i++) {
			fputs(" \\\n\t\t'", stdout);
			if (i == 0)
				printf("-%c", o->letter);
			else
				printf("--%s", o->name);
			putchar('[');
			print_quoted(o->help, ":[]\\");
			putchar(']');
			if (o->value) {
				printf(":%s:", o->value);
				fputs(wants_file(o) ? "_files" : " ", stdout);
			}
			putchar('\'');
		}
	}
}

static void zsh_arguments(const struct command *c)
{
	if (c->kind == ARGUMENT_FILE) {
		fputs(" \\\n\t\t'*:file:_files'", stdout);
	} else if (c->words) {
		printf(" \\\n\t\t'1:%s:((", c->args);
		for (const struct word *w = c->words; w->name; w++) {
			printf("%s%s\\:\"", w == c->words ? "" : " ", w->name);
			print_quoted(w->help, ":\"\\");
			putchar('"');
		}
		fputs("))'", stdout);
	}
	putchar('\n');
}

static void print_zsh(void)
{
	puts("#compdef headgate\n"
	     "_headgate() {\n"
	     "\tlocal context state state_descr line\n"
	     "\ttypeset -A opt_args\n"
	     "\tlocal -a commands\n"
	     "\tcommands=(");
	for (const struct command *c = commands; c->name; c++) {
		if (c->is_hidden)
			continue;
		printf("\t\t'%s:", c->name);
		print_quoted(c->help, ":\\");
		puts("'");
	}
	fputs("\t)\n\t_arguments -C", stdout);
	zsh_options(global_options);
	puts(" \\\n\t\t'1:command:->command' '*::argument:->argument'\n"
	     "\tif [[ $state == command ]]; then\n"
	     "\t\t_describe command commands\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tcase $words[1] in");
	for (const struct command *c = commands; c->name; c++) {
		if (c->is_hidden)
			continue;
		printf("\t%s) _arguments", c->name);
		zsh_options(c->options);
		zsh_options(global_options);
		zsh_arguments(c);
		puts("\t\t;;");
	}
	puts("\tesac\n}\n_headgate \"$@\"");
}

static void fish_option(const char *condition, const struct option *o)
{
	printf("complete -c headgate %s -l %s", condition, o->name);
	if (o->letter)
		printf(" -s %c", o->letter);
	if (o->value)
		fputs(wants_file(o) ? " -r -F" : " -x", stdout);
	fputs(" -d '", stdout);
	print_quoted(o->help, "\\");
	puts("'");
}

static void print_fish(void)
{
	puts("# fish completion for headgate\ncomplete -c headgate -f");
	for (const struct option *o = global_options; o->name; o++)
		fish_option("", o);
	for (const struct command *c = commands; c->name; c++) {
		char seen[128];

		if (c->is_hidden)
			continue;
		printf("complete -c headgate -n __fish_use_subcommand -a %s -d '",
		       c->name);
		print_quoted(c->help, "\\");
		puts("'");
		snprintf(seen, sizeof(seen), "-n '__fish_seen_subcommand_from %s'",
			 c->name);
		for (const struct option *o = c->options; o && o->name; o++)
			fish_option(seen, o);
		for (const struct word *w = c->words; w && w->name; w++) {
			printf("complete -c headgate %s -a %s -d '", seen, w->name);
			print_quoted(w->help, "\\");
			puts("'");
		}
		if (c->kind == ARGUMENT_FILE)
			printf("complete -c headgate %s -F\n", seen);
	}
}

enum exit_code cmd_completion(const struct cli *cli)
{
	if (strcmp(cli->args[0], "bash") == 0)
		print_bash();
	else if (strcmp(cli->args[0], "zsh") == 0)
		print_zsh();
	else
		print_fish();
	return EXIT_YES;
}
