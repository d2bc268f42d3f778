/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* log: one line to standard error for whoever runs the machine.
 *
 * Shape    "<N>text" as the journal reads it, or the text alone on a terminal.
 * Units    Levels are syslog's: 3 error, 4 warning, 6 info, 7 debug.
 * Owner    Only agent.c, ctl/ and callbacks of kernel/ log; everybody else returns.
 * Errors   None: a line that cannot be written is lost.
 */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* "error", "warning", "info", "debug"; -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret);
void log_set_level(enum log_level level); /* info, until told otherwise */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
