/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <string.h>

#define WIDTH 80

const char *option_print(const struct option *o, char buf[static 64])
{
	int n = 0;

	if (o->letter)
		n = snprintf(buf, 64, "-%c, ", o->letter);
	n += snprintf(buf + n, 64 - n, "--%s", o->name);
	if (o->value)
		snprintf(buf + n, 64 - n, " %s", o->value);
	return buf;
}

const char *synopsis_print(const struct command *c, char buf[static 128])
{
	snprintf(buf, 128, "headgate %s%s%s%s", c->name, c->options ? " [OPTIONS]" : "",
		 *c->args ? " " : "", c->args);
	return buf;
}

/* 'text' in lines that begin at column 'indent'; the cursor stands at column 'at'. */
static void print_wrapped(FILE *f, const char *text, int at, int indent)
{
	while (*text) {
		int n = strcspn(text, " ");

		if (at > indent && at + 1 + n > WIDTH) {
			fputc('\n', f);
			at = 0;
		}
		if (at < indent) {
			fprintf(f, "%*s", indent - at, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', f);
			at++;
		}
		fprintf(f, "%.*s", n, text);
		at += n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', f);
}

static void print_entry(FILE *f, const char *name, const char *help, int column)
{
	int n = fprintf(f, "  %s", name);

	if (n + 2 > column) {
		fputc('\n', f);
		n = 0;
	}
	print_wrapped(f, help, n, column);
}

static void print_options(FILE *f, const char *head, const struct option *o)
{
	char buf[64];

	if (!o || !o->name)
		return;
	fprintf(f, "\n%s:\n", head);
	for (; o->name; o++)
		print_entry(f, option_print(o, buf), o->help, 24);
}

static void print_command(FILE *f, const struct command *c)
{
	char buf[128];

	fprintf(f, "headgate %s: %s\n\nUsage: %s\n", c->name, c->help,
		synopsis_print(c, buf));
	for (const char *const *p = c->about; p && *p; p++) {
		fputc('\n', f);
		print_wrapped(f, *p, 0, 0);
	}
	if (c->words) {
		fprintf(f, "\n%s:\n", c->args);
		for (const struct word *w = c->words; w->name; w++) {
			snprintf(buf, sizeof(buf), "%s %s", w->name, w->args);
			print_entry(f, buf, w->help, 27);
		}
	}
	print_options(f, "Options", c->options);
	print_options(f, "Global options", global_options);
	if (c->examples) {
		fputs("\nExamples:\n", f);
		for (const char *const *p = c->examples; *p; p++)
			fprintf(f, "  %s\n", *p);
	}
}

void help_print(const struct command *c, FILE *f)
{
	if (c) {
		print_command(f, c);
		return;
	}
	fputs("headgate: VPC firewalling for Linux machines\n\n"
	      "Usage: headgate [OPTIONS] COMMAND ...\n\nCommands:\n",
	      f);
	for (c = commands; c->name; c++)
		if (!c->is_hidden)
			print_entry(f, c->name, c->help, 15);
	print_options(f, "Options", global_options);
	fputs("\nExit codes: 0 yes or done, 1 the answer is no, 2 wrong usage,\n"
	      "3 no agent at that socket, 4 the kernel or the machine refused.\n"
	      "headgate COMMAND --help says more.\n",
	      f);
}

enum exit_code cmd_help(const struct cli *cli)
{
	const struct command *c = NULL;

	if (cli->n_args > 0) {
		c = command_find(cli->args[0]);
		if (!c) {
			fprintf(stderr, "headgate help: no command is called \"%s\"\n",
				cli->args[0]);
			return EXIT_USAGE;
		}
	}
	help_print(c, stdout);
	return EXIT_YES;
}
