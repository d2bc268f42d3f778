/* SPDX-License-Identifier: Apache-2.0 */

/* Manual pages: the command table as roff, one page for the program and one a command, so
 * that they cannot say anything that --help does not.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "help.h"

/* Text as roff reads it: no request at the start of a line, '-' is a minus. */
static void roff(FILE *f, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", f);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", f);
		else if (*text == '-')
			fputs("\\-", f);
		else
			fputc(*text, f);
	}
}

static void upper(const char *text, char buf[static 64])
{
	size_t i = 0;

	for (; text[i] && i < 63; i++)
		buf[i] = toupper((unsigned char)text[i]);
	buf[i] = '\0';
}

static void print_head(FILE *f, const char *page, const char *help)
{
	char title[64];

	upper(page, title);
	fprintf(f,
		".\\\" Made by headgate manual from its command table.\n.TH %s 1 \"\" "
		"\"headgate %s\" \"headgate\"\n.SH NAME\n",
		title, HG_VERSION);
	roff(f, page);
	fputs(" \\- ", f);
	roff(f, help);
	fputs("\n", f);
}

static void print_options(FILE *f, const char *head, const struct option *o)
{
	char buf[64];

	if (!o || !o->name)
		return;
	fprintf(f, ".SH %s\n", head);
	for (; o->name; o++) {
		fputs(".TP\n.B ", f);
		roff(f, option_print(o, buf));
		fputc('\n', f);
		roff(f, o->help);
		fputc('\n', f);
	}
}

static void print_codes(FILE *f)
{
	static const char *const codes[] = {
		"Done, or the answer is yes.",
		"The answer is no: invalid, denied, differs.",
		"Wrong usage.",
		"No agent at that socket.",
		"The kernel or the machine refused.",
	};

	fputs(".SH EXIT STATUS\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		fprintf(f, ".TP\n.B %zu\n%s\n", i, codes[i]);
}

static void print_words(FILE *f, const struct command *c)
{
	if (!c->words)
		return;
	fputs(".SH ARGUMENTS\n", f);
	for (const struct word *w = c->words; w->name; w++) {
		fprintf(f, ".TP\n.B %s%s%s\n", w->name, *w->args ? " " : "", w->args);
		roff(f, w->help);
		fputc('\n', f);
	}
}

static void print_page(FILE *f, const struct command *c)
{
	char page[64], buf[128];

	snprintf(page, sizeof(page), "headgate-%s", c->name);
	print_head(f, page, c->help);
	fputs(".SH SYNOPSIS\n.B ", f);
	roff(f, synopsis_print(c, buf));
	fputs("\n.SH DESCRIPTION\n", f);
	for (const char *const *p = c->about; p && *p; p++) {
		if (p != c->about)
			fputs(".PP\n", f);
		roff(f, *p);
		fputc('\n', f);
	}
	print_words(f, c);
	print_options(f, "OPTIONS", c->options);
	print_options(f, "GLOBAL OPTIONS", global_options);
	if (c->examples) {
		fputs(".SH EXAMPLES\n.nf\n", f);
		for (const char *const *p = c->examples; *p; p++) {
			roff(f, *p);
			fputc('\n', f);
		}
		fputs(".fi\n", f);
	}
	print_codes(f);
	fputs(".SH SEE ALSO\n.BR headgate (1)\n", f);
}

static void print_main_page(FILE *f)
{
	print_head(f, "headgate", "VPC firewalling for Linux machines");
	fputs(".SH SYNOPSIS\n.B headgate [OPTIONS] COMMAND ...\n.SH DESCRIPTION\n"
	      "Judges the packets of this machine by network ACLs and security groups "
	      "that one "
	      "JSON rule set holds. The agent,\n.BR headgated (8),\nloads the rules into "
	      "the "
	      "kernel; this program checks rule files, hands them to the agent, and "
	      "shows and "
	      "explains what happens.\n.SH COMMANDS\n",
	      f);
	for (const struct command *c = commands; c->name; c++) {
		if (c->is_hidden)
			continue;
		fprintf(f, ".TP\n.BR headgate\\-%s (1)\n", c->name);
		roff(f, c->help);
		fputc('\n', f);
	}
	print_options(f, "OPTIONS", global_options);
	print_codes(f);
	fputs(".SH ENVIRONMENT\n.TP\n.B HEADGATE_SOCKET\nWhere the agent listens.\n.TP\n"
	      ".B NO_COLOR\nWhen set, nothing is coloured.\n.SH FILES\n.TP\n"
	      ".I /run/headgate/headgate.sock\nThe agent's socket.\n.TP\n"
	      ".I /etc/headgate/rules.json\nThe rule set that the agent starts with.\n",
	      f);
}

static enum exit_code write_page(const char *dir, const struct command *c)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/headgate%s%s.1", dir, c ? "-" : "", c ? c->name : "") < 0)
		return EXIT_REFUSED;
	f = fopen(path, "we");
	if (!f) {
		fprintf(stderr, "headgate manual: %s: %s\n", path, strerror(errno));
		return EXIT_REFUSED;
	}
	if (c)
		print_page(f, c);
	else
		print_main_page(f);
	if (fflush(f) != 0 || ferror(f)) {
		fprintf(stderr, "headgate manual: %s: %s\n", path, strerror(errno));
		return EXIT_REFUSED;
	}
	return EXIT_YES;
}

enum exit_code cmd_manual(const struct cli *cli)
{
	const char *dir = cli->args[0];
	enum exit_code r;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
		fprintf(stderr, "headgate manual: %s: %s\n", dir, strerror(errno));
		return EXIT_REFUSED;
	}
	r = write_page(dir, NULL);
	for (const struct command *c = commands; c->name && r == EXIT_YES; c++)
		if (!c->is_hidden)
			r = write_page(dir, c);
	return r;
}
