/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level most = LOG_LEVEL_INFO;

int log_level_parse(const char *name, enum log_level *ret)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "error", LOG_LEVEL_ERROR },
		{ "warning", LOG_LEVEL_WARNING },
		{ "info", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(levels[i].name, name) == 0) {
			*ret = levels[i].level;
			return 0;
		}
	return -EINVAL;
}

void log_set_level(enum log_level level)
{
	most = level;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;
	int errnum = errno, at = 0;

	if (level > most)
		return;
	if (!isatty(STDERR_FILENO))
		at = snprintf(line, sizeof(line), "<%d>", (int)level);
	va_start(args, format);
	vsnprintf(line + at, sizeof(line) - (size_t)at, format, args);
	va_end(args);
	/* One write a line, so that threads do not mix theirs. A newline inside would start
	 * a line without its level. */
	for (char *p = line; *p; p++)
		if (*p == '\n')
			*p = ' ';
	dprintf(STDERR_FILENO, "%s\n", line);
	errno = errnum;
}
